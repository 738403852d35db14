"""The context in which Snakemake's scripts run: log, checksums of files, and errors."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from netlift.core.errors import NetliftError
from netlift.core.tables import is_disk_full
from netlift.workflow.records import check_files, write_records
from netlift.workflow.screen import note_ended


@contextmanager
def job(snakemake: Any) -> Iterator[logging.Logger]:
    """Run a script's work: messages go to the rule's log, an error ends it cleanly.

    Messages to the logger ``netlift.progress`` are also shown on the screen, for work that may
    take minutes.

    An error that the user can fix, such as a full disk, is one message on the screen and in the
    log; any other error leaves its traceback in both. Inputs are compared with the checksums that
    were recorded when they were made; how the outputs were made is recorded next to them.

    Parameters
    ----------
    snakemake
        The object that Snakemake gives to a script.
    """
    log = logging.getLogger("netlift")
    log.setLevel(logging.INFO)
    formatter = logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S")
    file = _log_file(snakemake)
    file.setFormatter(formatter)
    log.addHandler(file)
    screen = logging.StreamHandler()
    logging.getLogger("netlift.progress").addHandler(screen)
    try:
        log.info("%s: start", snakemake.rule)
        inputs = check_files(snakemake.input)
        yield log
        params = list(snakemake.params)
        write_records(snakemake.output, rule=snakemake.rule, params=params, inputs=inputs)
        log.info("%s: done", snakemake.rule)
    except NetliftError as error:
        _exit(snakemake, log, error)
    except BaseException as error:
        if isinstance(error, Exception) and is_disk_full(error):
            _exit(snakemake, log, f"The disk is full: {error}. Make room and run again.")
        # With its path: Snakemake cuts a long one where it shows the log.
        log.exception("unexpected error; this log is %s", snakemake.log[0])
        raise
    finally:
        log.removeHandler(file)
        logging.getLogger("netlift.progress").removeHandler(screen)
        file.close()


def _log_file(snakemake: Any) -> logging.Handler:
    """Open a job's log; if that fails, print why and exit."""
    logging.raiseExceptions = False  # no traceback for a log on a full disk
    try:
        return logging.FileHandler(snakemake.log[0], mode="w", encoding="utf-8")
    except OSError as error:
        _print_error(snakemake, f"{snakemake.log[0]}: cannot be written ({error.strerror})")
        sys.exit(1)


def _exit(snakemake: Any, log: logging.Logger, error: object) -> NoReturn:
    log.error("error: %s", error)
    _print_error(snakemake, error)
    note_ended(sys.argv[0])
    sys.exit(1)


def _print_error(snakemake: Any, error: object) -> None:
    print(f"\nNetlift cannot continue ({snakemake.rule}):\n{error}\n", file=sys.stderr)
