"""What several test files share."""

import pytest
import runs
import studies

LONGEST = ("test_faults.py", "test_workflow.py", "test_sweep_workflow.py")
"""Files that are begun first: each goes whole to one worker, and at the end none should wait."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else 9)


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
