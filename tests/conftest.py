"""What several test files share."""

import pytest
import runs
import studies


@pytest.fixture(scope="session")
def small_study(tmp_path_factory):
    """A small finished study with its pages; tests must not change it."""
    folder = tmp_path_factory.mktemp("small_study")
    studies.small_study(folder)
    return folder


@pytest.fixture(scope="session")
def one_world_study(tmp_path_factory):
    """A study of one world and its sweep that nothing disturbed; tests must not change it."""
    folder = runs.fresh(tmp_path_factory.mktemp("undisturbed"))
    runs.run_alone(folder, *runs.TARGETS)
    runs.run_alone(folder, *runs.TARGETS)  # now the front page shows the sweep too
    return folder
