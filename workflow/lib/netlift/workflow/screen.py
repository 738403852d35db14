"""What a run shows of a job that Netlift ended with a message: that message, once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from netlift.core.tables import is_disk_full

ENDED = Path(".snakemake/netlift/ended.txt")
"""Script files of jobs that ended with a message of Netlift, one in a line."""

_AFTER_ERRORS = (
    "At least one job did not complete successfully",
    "Complete log",
    "Exiting because a job execution failed",
    "Shutting down, this might take some time",
)
"""What Snakemake says after any error."""


def note_ended(script: str) -> None:
    """Record that a job ends with a message that it has printed; ``script`` is its script file."""
    try:
        ENDED.parent.mkdir(parents=True, exist_ok=True)
        with ENDED.open("a", encoding="utf-8") as file:
            file.write(f"{Path(script).name}\n")
    except OSError as error:
        if not is_disk_full(error):
            raise


class Ended(logging.Filter):
    """Drops what Snakemake says about jobs that ended with a message of Netlift.

    Such a job has printed its message and written it to its log. Snakemake would show its log
    again, a line of the workflow, and a command. If every error of a run is of this kind, what it
    says after errors is dropped too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.messages = self.others = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is shown."""
        text = record.getMessage()
        if str(getattr(record, "event", "")).endswith("job_error"):
            ended = any(_ended_with_message(Path(file)) for file in _logs_of(record))
            self.messages, self.others = self.messages + ended, self.others + (not ended)
            return not ended
        if "CalledProcessError" in text:
            return not any(script in text for script in _ended_scripts())
        if any(words in text for words in _AFTER_ERRORS):
            return not self.messages or bool(self.others)
        return True


def _ended_scripts() -> list[str]:
    return ENDED.read_text(encoding="utf-8").split() if ENDED.exists() else []


def _logs_of(record: Any) -> list[str]:
    files = getattr(record, "log", None) or []
    return [files] if isinstance(files, str) else [str(file) for file in files]


def _ended_with_message(log: Path) -> bool:
    """Return whether the last message of a job's log is one that Netlift ended it with."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return " error: " in text and "Traceback" not in text
