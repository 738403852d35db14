"""What Snakemake needs of the library: the source files behind a script, and a script's frame."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from netlift.core.errors import NetliftError
from netlift.core.tables import is_disk_full
from netlift.workflow.checksums import check_files, note_checksums


@contextmanager
def job(snakemake: Any) -> Iterator[logging.Logger]:
    """Run a script's work: messages go to the rule's log, an error ends it cleanly.

    What is said to the logger ``netlift.progress`` is shown on the screen too: for work that may
    take minutes.

    An error that the user can mend, a full disk among them, is one message on the screen and in
    the log; any other one leaves its traceback in both. Inputs are held against the checksums that
    were noted when they were made.

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
        check_files(snakemake.input)
        yield log
        note_checksums(snakemake.output)
        log.info("%s: done", snakemake.rule)
    except NetliftError as error:
        _end(snakemake, log, error)
    except BaseException as error:
        if isinstance(error, Exception) and is_disk_full(error):
            _end(snakemake, log, f"The disk is full: {error}. Make room and run again.")
        log.exception("unexpected error")
        raise
    finally:
        log.removeHandler(file)
        logging.getLogger("netlift.progress").removeHandler(screen)
        file.close()


def _log_file(snakemake: Any) -> logging.Handler:
    """Open a job's log; without one, say why and end."""
    logging.raiseExceptions = False  # a log on a disk that is full is no news, and no traceback
    try:
        return logging.FileHandler(snakemake.log[0], mode="w", encoding="utf-8")
    except OSError as error:
        _say(snakemake, f"{snakemake.log[0]}: cannot be written ({error.strerror})")
        sys.exit(1)


def _end(snakemake: Any, log: logging.Logger, error: object) -> NoReturn:
    log.error("error: %s", error)
    _say(snakemake, error)
    sys.exit(1)


def _say(snakemake: Any, error: object) -> None:
    print(f"\nNetlift cannot go on ({snakemake.rule}):\n{error}\n", file=sys.stderr)
