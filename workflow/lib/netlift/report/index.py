"""The list of all studies and logs whose pages are in a results folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netlift.core.tables import read_json
from netlift.report.described import HEADLINE


@dataclass(frozen=True)
class Entry:
    """A study or a log: its name, its verdict in one line, and its page's address."""

    name: str
    verdict: str
    page: str


@dataclass(frozen=True)
class Index:
    """Studies and logs, each sorted by name."""

    studies: list[Entry]
    logs: list[Entry]


def gather_index(results: Path) -> Index:
    """Return the studies and the logs that have a page.

    Parameters
    ----------
    results
        The results folder.
    """
    return Index(list(_studies(results)), list(_logs(results)))


def _studies(results: Path) -> Iterator[Entry]:
    for path in sorted(results.glob("studies/*/verdict.json")):
        if path.with_name("index.html").exists():
            name = path.parent.name
            verdict = str(read_json(path)["headline"])
            yield Entry(name, verdict, f"studies/{name}/index.html")


def _logs(results: Path) -> Iterator[Entry]:
    for path in sorted(results.glob("logs/*/report.html")):
        name, decided = path.parent.name, path.with_name("decision.json")
        verdict = read_json(decided)["verdict"]["in_words"] if decided.exists() else HEADLINE
        yield Entry(name, str(verdict), f"logs/{name}/report.html")
