"""What several test files share."""

import pytest
import studies


@pytest.fixture(scope="session")
def small_study(tmp_path_factory):
    """A small finished study with its pages; tests must not change it."""
    folder = tmp_path_factory.mktemp("small_study")
    studies.small_study(folder)
    return folder
