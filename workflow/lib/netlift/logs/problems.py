"""Problems of a log: their record, table, and the error that refuses a log."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from netlift.core.errors import NetliftError
from netlift.logs.codes import BY_NAME, CODES
from netlift.logs.entries import LogEntry


def refusal_text(problems: list[Problem]) -> str:
    """Return one message with all problems of a log and how to fix them."""
    count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
    lines = [f"the log breaks its contract: {count}"]
    for problem in problems:
        code = BY_NAME[problem.code]
        where = f" (column {problem.column})" if problem.column else ""
        lines.append(f"  - {problem.code}{where}: {code.what}{_how_many(problem)}")
        lines += [f"      {example}" for example in problem.examples]
        lines.append(f"      {problem.fix or code.fix}")
    lines.append("Every code is explained in docs/log-contract.md.")
    return "\n".join(lines)


def _how_many(problem: Problem) -> str:
    parts = []
    if problem.rows is not None:
        parts.append(f"{problem.rows:,} rows")
    if problem.slates is not None:
        parts.append(f"{problem.slates:,} slates")
    return f": {', '.join(parts)}" if parts else ""


def contract_table(problems: list[Problem], log: LogEntry) -> pd.DataFrame:
    """Return problems as a table, in the order of the codes.

    One row per problem: ``severity`` is error, warning, or, where the entry says so, set aside or
    accepted.
    """
    overridden = dict.fromkeys(log.set_aside, "set aside")
    overridden |= dict.fromkeys(log.accept, "accepted")
    order = [code.name for code in CODES]
    rows = [
        {
            "code": problem.code,
            "severity": overridden.get(problem.code, BY_NAME[problem.code].severity),
            "column": problem.column,
            "what": BY_NAME[problem.code].what,
            "rows": problem.rows,
            "slates": problem.slates,
            "examples": "; ".join(problem.examples) or None,
            "how_to_fix": problem.fix or BY_NAME[problem.code].fix,
        }
        for problem in sorted(problems, key=lambda problem: order.index(problem.code))
    ]
    columns = ["code", "severity", "column", "what", "rows", "slates", "examples", "how_to_fix"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"rows": "Int64", "slates": "Int64"})


@dataclass(frozen=True)
class Problem:
    """One problem of a log.

    Attributes
    ----------
    code
        Its name in ``codes``.
    column
        The column of the log that it is about, if any.
    rows, slates
        How many rows and slates have it; None where that is not counted.
    examples
        How many of each arm, where that differs, and up to three examples, in words.
    fix
        How to fix it where the cause is known better than by the code; else None.
    """

    code: str
    column: str | None = None
    rows: int | None = None
    slates: int | None = None
    examples: tuple[str, ...] = ()
    fix: str | None = None


class LogRefusedError(NetliftError):
    """A log with errors; carries all of its problems, for the report."""

    def __init__(self, message: str, problems: list[Problem]) -> None:
        super().__init__(message)
        self.problems = problems


def first_line(error: BaseException) -> str:
    """Return the part of an error's message that is useful: its first lines, joined.

    DuckDB names the file of a CSV error in a later line, which then comes first.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    files = [line.removeprefix("file = ") for line in lines[4:] if line.startswith("file = ")]
    return " ".join([*(f"{file}:" for file in files[:1]), *lines[:4]])[:500] or type(error).__name__


def refusal(problems: list[Problem]) -> LogRefusedError:
    """Return the error that lists all problems of a log."""
    from netlift.logs.problems import refusal_text

    return LogRefusedError(refusal_text(problems), problems)
