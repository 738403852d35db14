"""Runs of Snakemake: never two at once in a folder, and the next run continues after a kill.

Snakemake records in files which outputs a run makes. After a kill they stay, and nothing in them
shows whether the run is still alive. The operating system knows: it releases a file lock
(``flock``) when the last process that holds it ends, however it ends. So a run holds one, and so
do all jobs that it starts.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from netlift.core.errors import NetliftError, listed
from netlift.workflow.config_files import check_command_line
from netlift.workflow.screen import ENDED, Ended

LOCK = Path(".snakemake/netlift.lock")
"""The lock of a run. A run that ends normally leaves it empty; a killed run leaves its record."""

RUN = Path(".snakemake/netlift/run.json")
"""Where the results of the study are, written by the Snakefile."""

WRITTEN_IN = (".snakemake", "logs", "resources", "results")

SNAKEMAKES_LOCKS = Path(".snakemake/locks")
SNAKEMAKES_SCRIPTS = Path(".snakemake/scripts")

ONLY_LOOK = (
    *("containerize", "d3dag", "dag", "detailed_summary", "dryrun", "filegraph", "lint"),
    *("list_changes", "list_conda_envs", "list_input_changes", "list_params_changes"),
    *("list_rules", "list_target_rules", "list_untracked", "print_compilation", "report"),
    *("reporter", "rulegraph", "summary", "unlock"),
)
"""Options with which Snakemake makes no file of the study: they never have to wait."""


def run_snakemake(arguments: Sequence[str]) -> int:
    """Run Snakemake in this process, alone in its folder; return its exit code.

    Parameters
    ----------
    arguments
        As on the command line of ``snakemake``.

    Raises
    ------
    NetliftError
        Another run is alive in the folder, or may be; or a configuration file cannot be used.
    """
    from snakemake.cli import get_argument_parser, main

    options = get_argument_parser().parse_args(list(arguments))
    check_command_line(options.configfile or [], options.config or [])
    sys.argv = ["snakemake", *arguments]  # Snakemake writes it into its log
    with ExitStack() as stack:
        if makes_files(options):
            folder = Path(options.directory or ".")
            need_writable(folder)
            stack.enter_context(alone(folder))
            stack.enter_context(_without_noise(folder))
        try:
            main(list(arguments))
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


@contextmanager
def _without_noise(folder: Path) -> Iterator[None]:
    """Show of a job that Netlift ended with a message only that message."""
    from snakemake.logging import logger

    (folder / ENDED).unlink(missing_ok=True)
    ended = Ended()
    logger.addFilter(ended)
    try:
        yield
    finally:
        logger.removeFilter(ended)


def run_of(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]] | None:
    """Return where the results of a run are, and its targets; None if it made no files.

    Parameters
    ----------
    arguments
        As on the command line of ``snakemake``.
    """
    from snakemake.cli import get_argument_parser

    options = get_argument_parser().parse_args(list(arguments))
    record = Path(options.directory or ".", RUN)
    if not makes_files(options) or options.directory or not record.exists():
        return None
    return json.loads(record.read_text(encoding="utf-8")), list(options.targets or [])


def makes_files(options: Namespace) -> bool:
    """Return whether Snakemake, called with these options, makes files of the study."""
    return not any(getattr(options, name) for name in ONLY_LOOK) or bool(options.report_after_run)


def need_writable(folder: Path) -> None:
    """Check, before anything is run, that the folders that a run writes to are writable.

    Raises
    ------
    NetliftError
        A folder is on a disk that is read-only, or belongs to another user.
    """
    folders = [folder / name for name in WRITTEN_IN]
    denied = [path for path in folders if path.is_dir() and not os.access(path, os.W_OK | os.X_OK)]
    if denied:
        raise NetliftError(
            f"{listed(denied)}: not writable (a read-only disk, or another user's folder). "
            "Nothing was run. Change that, or run in a copy of the project."
        )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock a folder: no other run can start until this process and all that it started have ended.

    Snakemake's own lock is removed where a killed run left it.

    Parameters
    ----------
    folder
        The folder in which Snakemake runs.

    Raises
    ------
    NetliftError
        Another run is alive in the folder, or may be; or the folder is not writable.
    """
    with _opened(folder / LOCK) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NetliftError(_already_running(folder, _record(file))) from None
        except OSError as error:
            # Some network file systems have no such locks. Snakemake's own remains.
            message = f"{folder / LOCK}: no lock ({error}); if this run is killed, use --unlock"
            print(message, file=sys.stderr)
            yield
            return
        _remove_stale_locks(folder, _record(file))
        _write(file, {"process": os.getpid(), "machine": socket.gethostname(), "since": _now()})
        with _as_standard_input(file):
            yield
        _write(file, None)


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise NetliftError(
            f"{path.parent}: cannot be written to ({error.strerror}). Run in a folder that can."
        ) from error
    with file:
        yield file


@contextmanager
def _as_standard_input(file: IO[str]) -> Iterator[None]:
    """Pass an open file to every process that is started: Python passes on no others."""
    before = os.dup(0)
    os.dup2(file.fileno(), 0)
    try:
        yield
    finally:
        os.dup2(before, 0)
        os.close(before)


def _record(file: IO[str]) -> dict[str, Any] | None:
    file.seek(0)
    try:
        record = json.loads(file.read())
    except ValueError:  # empty, or incomplete because of a full disk
        return None
    return record if isinstance(record, dict) else None


def _write(file: IO[str], record: dict[str, Any] | None) -> None:
    try:
        file.seek(0)
        file.truncate()
        file.write("" if record is None else json.dumps(record))
        file.flush()
    except OSError as error:
        raise NetliftError(
            f"{file.name}: cannot be written ({error.strerror}). Make room and run again."
        ) from error


def _now() -> str:
    return datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")


def _who(record: dict[str, Any]) -> str:
    return f"process {record['process']} on {record['machine']}, since {record['since']}"


def _already_running(folder: Path, record: dict[str, Any] | None) -> str:
    who = f" ({_who(record)})" if record else ""
    return (
        f"Another run is alive in {folder.resolve()}{who}, or jobs that it started still are. "
        "Nothing was changed. Wait until it ends, or end it; then run again."
    )


def _remove_stale_locks(folder: Path, killed: dict[str, Any] | None) -> None:
    """Remove Snakemake's locks and scripts of a run that is known to have been killed."""
    if not any((folder / SNAKEMAKES_LOCKS).glob("*.lock")):
        return
    where, unlock = folder.resolve(), "make run ARGS=--unlock"
    if jobs := _jobs_on_slurm(folder):
        raise NetliftError(
            f"{len(jobs)} jobs that a run in {where} submitted to the cluster have not ended. "
            "Nothing was changed. Wait until they have; or, if the run itself was killed, type "
            f"scancel {' '.join(jobs)}, then run again."
        )
    if others := _snakemakes(folder):
        raise NetliftError(
            f"Snakemake is running in {where}: process {listed(others)}. Nothing was changed. "
            "Wait until it ends, or end it; then run again."
        )
    if killed is None:
        raise NetliftError(
            f"{where} is locked by a run of plain snakemake. No such process is seen on this "
            f"machine: if none runs on another, it was killed; type {unlock}, then run again."
        )
    if killed["machine"] != socket.gethostname():
        raise NetliftError(
            f"{where} is locked by a run that cannot be seen from here: {_who(killed)}. "
            f"If it is no longer alive, type {unlock}, then run again."
        )
    for left in (SNAKEMAKES_LOCKS, SNAKEMAKES_SCRIPTS):
        shutil.rmtree(folder / left, ignore_errors=True)
    print(f"Continuing where a run was killed ({_who(killed)}).", file=sys.stderr)


def _snakemakes(folder: Path) -> list[int]:
    """Return the processes that run Snakemake in a folder and were not started by Netlift."""
    import psutil

    where, processes = str(folder.resolve()), []
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        named = any(Path(word).name == "snakemake" for word in words)
        if named and "netlift" not in words and process.info["cwd"] == where:
            processes.append(process.info["pid"])
    return processes


def _jobs_on_slurm(folder: Path) -> list[str]:
    """Return the numbers of this user's jobs in Slurm's queue that were submitted from a folder."""
    if not shutil.which("squeue"):
        return []
    command = ["squeue", "--me", "--noheader", "--format=%A %Z"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return []
    jobs = [line.partition(" ") for line in done.stdout.splitlines()]
    return [job for job, _, where in jobs if where == str(folder.resolve())]
