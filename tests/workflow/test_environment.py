"""The files that name package versions agree, and the locks are valid on any machine."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ["3.11", "3.12", "3.13"]
PLATFORMS = ["linux", "darwin"]
LOCKS = ["requirements.txt", "requirements-dev.txt"]
ADDED = "requirements-kubernetes.txt"
"""What it takes besides the first lock, and no more."""

PYPI_NAMES = {
    "matplotlib-base": "matplotlib",
    "py-xgboost-cpu": "xgboost-cpu",
    "python-duckdb": "duckdb",
    "snakemake-minimal": "snakemake",
}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned(lines: list[str], *, platform: str = "linux", python: str = "3.11") -> dict[str, str]:
    """Return name -> version of the requirements that apply on a platform."""
    found = {}
    for line in lines:
        requirement = Requirement(line)
        where = {"sys_platform": platform, "python_full_version": f"{python}.0"}
        where |= {"python_version": python, "platform_machine": "x86_64"}
        if requirement.marker and not requirement.marker.evaluate(where):
            continue
        exact = re.fullmatch(r"==([^,*]+)", str(requirement.specifier))
        assert exact, f"{line!r} does not name one exact version"
        found[canonicalize_name(requirement.name)] = exact[1]
    return found


def required(*extras: str, platform: str = "linux") -> dict[str, str]:
    lines = list(project()["dependencies"])
    for extra in extras:
        lines += project()["optional-dependencies"][extra]
    return pinned(lines, platform=platform)


def lock_entries(lock: str) -> list[tuple[str, list[str]]]:
    """Return each requirement of a lock file with its hashes."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE)
    entries = []
    for line in text.replace("\\\n", " ").strip().splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        entries.append((requirement, hashes))
    return entries


def locked(lock: str, **where: str) -> dict[str, str]:
    return pinned([requirement for requirement, _ in lock_entries(lock)], **where)


def conda() -> dict[str, str]:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    lines = [line for line in dependencies if isinstance(line, str)]
    lines.remove("pip")
    lines.remove(f"python {project()['requires-python']}")
    (from_pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    versions = pinned(lines + from_pip)
    return {PYPI_NAMES.get(name, name): version for name, version in versions.items()}


def test_conda_environment_names_the_same_versions():
    assert conda() == required()


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("lock", "extras"),
    [(LOCKS[0], ["setup"]), (LOCKS[1], ["setup", "dev"])],
    ids=LOCKS,
)
def test_lock_names_the_same_versions(lock, extras, python, platform):
    wanted = required(*extras, platform=platform)
    found = locked(lock, python=python, platform=platform)
    assert {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("python", PYTHONS)
def test_development_lock_only_adds_to_the_other(python):
    run, dev = (locked(lock, python=python) for lock in LOCKS)
    assert run.items() <= dev.items()


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_for_kubernetes_adds_to_the_first_and_agrees_with_the_other(python):
    run, dev, added = (locked(lock, python=python) for lock in [*LOCKS, ADDED])
    assert added.keys().isdisjoint(run)
    assert {name: dev[name] for name in added.keys() & dev.keys()}.items() <= added.items()
    wanted = {*required("kubernetes")} - {*required()}
    assert wanted <= added.keys()
    assert not wanted & dev.keys()


@pytest.mark.parametrize("lock", [*LOCKS, ADDED])
def test_every_locked_requirement_has_hashes(lock):
    for requirement, hashes in lock_entries(lock):
        assert hashes, requirement
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", value) for value in hashes), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_compiled_packages_are_locked_for_more_than_one_machine(lock):
    hashes = {canonicalize_name(Requirement(line).name): got for line, got in lock_entries(lock)}
    # Three Pythons on Linux (x86_64, aarch64) and macOS: a lock with the files of one machine
    # only would have a single hash here.
    assert all(len(hashes[name]) >= 9 for name in ["numpy", "pandas", "scipy", "pyarrow"])


@pytest.mark.parametrize("lock", [*LOCKS, ADDED])
def test_lock_names_no_index_host_or_folder(lock):
    text = (ROOT / lock).read_text()
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted-host| @ |\bfile:", text)
    assert not re.search(r"\b[\w-]+\.(org|com|net|io|dev|internal|local)\b", text)


def test_supported_pythons_are_the_same_everywhere():
    low, high = Version(PYTHONS[0]), Version(PYTHONS[-1])
    assert project()["requires-python"] == f">={low},<{high.major}.{high.minor + 1}"
    prefix = "Programming Language :: Python :: 3."
    named = [line for line in project()["classifiers"] if line.startswith(prefix)]
    assert named == [f"{prefix}{python.removeprefix('3.')}" for python in PYTHONS]
    matrix = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]
    assert matrix["strategy"]["matrix"]["python"] == PYTHONS
    makefile = (ROOT / "Makefile").read_text()
    assert f"({low.major}, {low.minor}) <= sys.version_info[:2]" in makefile
    assert f"sys.version_info[:2] <= ({high.major}, {high.minor})" in makefile


@pytest.mark.parametrize("name", ["a:b", "a$b", "a {b", "b}"])
def test_a_folder_that_set_up_cannot_deal_with_is_refused_before_set_up(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    done = subprocess.run(["make", "run"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Rename the folder or move it" in done.stderr
    assert list(folder.iterdir()) == [folder / "Makefile"]


@pytest.mark.parametrize("code", [0, 1, 2])
def test_make_diff_fails_only_if_it_could_not_compare(tmp_path, code):
    """In a folder with spaces, quotes and other letters, with a Python that ends with a code."""
    folder = tmp_path / "a 'b\" é"
    (folder / ".venv/bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "requirements.txt").touch()
    python = folder / ".venv/bin/python"
    is_version = 'case "$*" in *version_info*) echo 3 11 .venv;; *) exit'
    python.write_text(f"#!/bin/sh\n{is_version} {code};; esac\n")
    python.chmod(0o755)
    (folder / ".venv/.ready").write_text("3 11 .venv\n")
    words = ["make", "diff", "A=one", "B=two"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, "Error" in done.stderr) == ((2, True) if code == 2 else (0, False))
