"""Fixtures shared by several test files."""

import fcntl
import os
import shutil

import pytest
import runs
import study_files

LONGEST = ("test_faults.py", "test_workflow.py", "test_sweep_workflow.py")
"""Files that are begun first: each goes whole to one worker, and at the end none should wait."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else 9)


def made_once(tmp_path_factory, name, make):
    """Return a folder that the first worker of pytest makes, while the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, done = base / name, base / f"{name}.done"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def small_study(tmp_path_factory):
    """A small finished study with its pages; tests must not change it."""
    return made_once(tmp_path_factory, "small_study", study_files.make)


@pytest.fixture(scope="session")
def one_world_study(tmp_path_factory):
    """A study of one world and its sweep that nothing disturbed; tests must not change it."""

    def run(folder):
        runs.fresh(folder)
        runs.run_alone(folder, *runs.TARGETS)
        runs.run_alone(folder, *runs.TARGETS)  # now the front page shows the sweep too

    return made_once(tmp_path_factory, "one_world_study", run)
