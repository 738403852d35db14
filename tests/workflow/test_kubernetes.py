"""The profile for Kubernetes: its plugins take it, and a study runs with its files in a bucket.

No cluster and no S3 here: the bucket is a stand-in on this machine, and jobs run on it too.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fake_s3 import bucket
from runs import ROOT, fresh

from netlift.workflow.comparison import compare_folders, summary

PLUGINS = ROOT / ".venv/kubernetes"
"""Where `make test` puts them; elsewhere each start of Snakemake would import them."""

if not PLUGINS.is_dir():
    pytest.skip("no .venv/kubernetes; `make test` makes it", allow_module_level=True)

PREFIX = "netlift/"


@pytest.fixture(scope="module")
def profile() -> dict:
    return yaml.safe_load((ROOT / "profiles/kubernetes/config.yaml").read_text())


def path_of(folder: Path) -> str:
    return os.pathsep.join([str(folder / "workflow/lib"), str(PLUGINS)])


def snakemake(folder: Path, url: str, *words: str) -> str:
    keys = ("SNAKEMAKE_STORAGE_S3_ACCESS_KEY", "SNAKEMAKE_STORAGE_S3_SECRET_KEY")
    environment = os.environ | dict.fromkeys(keys, "none")
    environment |= {"PYTHONPATH": path_of(folder), "AWS_REGION": "eu-central-1"}
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


READ_PROFILE = """
import json, sys
from snakemake.cli import get_argument_parser
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry
from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

parser = get_argument_parser(profiles=[sys.argv[1]])
options = parser.parse_args([])
executor = ExecutorPluginRegistry().get_plugin(options.executor)
storage = StoragePluginRegistry().get_plugin(options.default_storage_provider)
print(json.dumps({
    "known": sorted({option for action in parser._actions for option in action.option_strings}),
    "plugins": [executor.name, storage.name],
    "namespace": executor.get_settings(options).namespace,
    "retries": storage.get_settings(options).get_settings().retries,
    "image": options.container_image,
    "prefix": options.default_storage_prefix,
}))
"""


def test_the_plugins_take_every_setting(profile):
    done = subprocess.run(
        [sys.executable, "-c", READ_PROFILE, str(ROOT / "profiles/kubernetes")],
        env=os.environ | {"PYTHONPATH": path_of(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout.splitlines()[-1])
    assert {f"--{key}" for key in profile} <= {*read["known"]}
    assert read["plugins"] == ["kubernetes", "s3"]
    assert read["namespace"] == profile["kubernetes-namespace"]
    assert read["retries"] == profile["storage-s3-retries"]
    assert read["image"] == profile["container-image"]
    assert read["prefix"] == "s3://BUCKET/netlift"


@pytest.mark.slow
@pytest.mark.long
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
@pytest.mark.long
def test_with_files_in_a_bucket_the_same_tables_come_out(one_world_study, tmp_path):
    folder = fresh(tmp_path / "in_bucket")
    with bucket() as (url, objects):
        snakemake(folder, url, "--default-storage-provider", "s3", "--", "effects")
    assert not (folder / "results").exists()
    for key, (body, _) in objects.items():
        path = tmp_path / "fetched" / key.removeprefix(PREFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    fetched = tmp_path / "fetched/results"
    comparison = compare_folders(one_world_study / "results", fetched)
    differences = [said for said in comparison.differences if "only in" not in said]
    assert not differences, summary(comparison)
    assert sum(comparison.counts.values()) == len([*fetched.rglob("*.*")]) > 30
