"""The cluster that all tests here share; without one they are skipped, with a loud notice."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
from cluster import Cluster, NoCluster  # noqa: E402


@pytest.fixture(scope="session")
def slurm():
    """A running cluster of two nodes, and two that may be killed; ended when the tests are."""
    cluster = Cluster()
    try:
        cluster.up()
    except NoCluster as error:
        pytest.skip(f"NO SLURM CLUSTER, so runs on one were not tested: {error}")
    yield cluster
    cluster.down()
