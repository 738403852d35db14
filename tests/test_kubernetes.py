"""The profile for Kubernetes: its plugins take it, and a study runs with its files in a bucket.

No cluster and no S3 here: the bucket is a stand-in on this machine, and jobs run on it too.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fake_s3 import bucket
from runs import ROOT, fresh

from netlift.comparison import compare_folders, summary

pytest.importorskip("snakemake_executor_plugin_kubernetes", reason="needs the extra `kubernetes`")

PREFIX = "netlift/"


@pytest.fixture(scope="module")
def profile() -> dict:
    return yaml.safe_load((ROOT / "profiles/kubernetes/config.yaml").read_text())


def snakemake(folder: Path, url: str, *words: str) -> str:
    keys = ("SNAKEMAKE_STORAGE_S3_ACCESS_KEY", "SNAKEMAKE_STORAGE_S3_SECRET_KEY")
    environment = os.environ | dict.fromkeys(keys, "none")
    environment |= {"PYTHONPATH": str(folder / "workflow/lib"), "AWS_REGION": "eu-central-1"}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "netlift", "snakemake", "--cores", "2"),
            *(
                "--default-storage-prefix",
                f"s3://bucket/{PREFIX}",
                "--storage-s3-endpoint-url",
                url,
            ),
            *("--configfile", "config/studies/tiny.yaml", "config/studies/one_world.yaml", *words),
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_plugins_take_every_setting(profile):
    from snakemake.cli import get_argument_parser
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry
    from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

    folder = str(ROOT / "profiles/kubernetes")
    parser = get_argument_parser(profiles=[folder])
    known = {option for action in parser._actions for option in action.option_strings}
    assert {f"--{key}" for key in profile} <= known
    options = parser.parse_args([])
    executor = ExecutorPluginRegistry().get_plugin(options.executor)
    assert executor.name == "kubernetes"
    assert executor.get_settings(options).namespace == profile["kubernetes-namespace"]
    storage = StoragePluginRegistry().get_plugin(options.default_storage_provider)
    assert storage.name == "s3"
    assert storage.get_settings(options).get_settings().retries == profile["storage-s3-retries"]
    assert options.container_image == profile["container-image"]
    assert options.default_storage_prefix == "s3://BUCKET/netlift"


@pytest.mark.slow
def test_a_study_is_planned_with_the_profile(tmp_path):
    folder = fresh(tmp_path / "planned")
    with bucket() as (url, objects):
        said = snakemake(
            folder, url, "--profile", "profiles/kubernetes", "-n", "--", "all", "sweep"
        )
        assert objects == {}
    for rule in ("import_ratings", "fit_models", "write_front_page", "sweep_effects"):
        assert rule in said


@pytest.mark.slow
def test_with_files_in_a_bucket_the_same_tables_come_out(one_world_study, tmp_path):
    folder = fresh(tmp_path / "in_bucket")
    with bucket() as (url, objects):
        snakemake(folder, url, "--default-storage-provider", "s3", "--", "all")
    assert not (folder / "results").exists()
    for key, (body, _) in objects.items():
        path = tmp_path / "fetched" / key.removeprefix(PREFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    comparison = compare_folders(one_world_study / "results", tmp_path / "fetched/results")
    # The sweep was not run here, so the front page does not show it.
    others = [said for said in comparison.differences if not said.startswith("tiny/sweep/")]
    assert [said.split(":")[0] for said in others] == ["report/index.html"], summary(comparison)
    assert sum(comparison.counts.values()) > 50
