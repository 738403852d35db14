"""What changed between two runs: in conclusions, in numbers, in choices and in files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netlift.core.errors import NetliftError, unexpected_content
from netlift.core.formatting import signed
from netlift.core.tables import read_json
from netlift.report.columns import digits_of
from netlift.report.decision import FORMAT


@dataclass
class Changes:
    """Sentences about what differs between two decisions of one experiment.

    Attributes
    ----------
    conclusions, numbers
        What an experiment concludes, and the numbers behind it.
    tables
        Tables whose content differs.
    choices
        Settings and design, which may explain it.
    """

    conclusions: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.conclusions or self.numbers or self.tables)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """Compare two decisions."""
    return Changes(
        list(_conclusions(before, after)),
        list(_numbers(before, after)),
        list(_tables(before, after)),
        list(_choices(before, after)),
    )


def compare_runs(before: Path, after: Path) -> tuple[str, bool]:
    """Describe what changed between two runs; return the text, and whether anything did.

    Parameters
    ----------
    before, after
        Each a ``decision.json``, the folder of an experiment, or one that holds several, which
        are matched by their path in the folder.

    Raises
    ------
    NetliftError
        There is no decision in one of the two, or it is not as this version writes it.
    """
    old, new = _decisions(before), _decisions(after)
    message = (
        f"{before} and {after} cannot be compared: a decision.json is not as this version of "
        "Netlift writes it. Make its report again."
    )
    with unexpected_content(message):
        return _compared(before, old, after, new)


def _compared(
    before: Path, old: Mapping[str, Any], after: Path, new: Mapping[str, Any]
) -> tuple[str, bool]:
    lines: list[str] = []
    changed = False
    for name in dict.fromkeys([*old, *new]):
        if name not in new or name not in old:
            changed = True
            lines.append(f"{name}: only in {before if name in old else after}")
            continue
        differences = changes(old[name], new[name])
        changed |= bool(differences)
        lines += _written(name, old[name], new[name], differences)
    return "\n".join(lines), changed


def _decisions(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        raise NetliftError(f"{path}: there is no such file or folder")
    if path.is_file():
        return {"": _read(path)}
    files = sorted(path.rglob("decision.json"))
    if not files:
        raise NetliftError(f"no decision.json in {path}: run the study first, with `make run`")
    names = [file.parent.relative_to(path).as_posix() for file in files]
    return {
        "" if name == "." else name: _read(file) for name, file in zip(names, files, strict=True)
    }


def _read(path: Path) -> dict[str, Any]:
    decision = read_json(path)
    if not isinstance(decision, dict):
        raise NetliftError(f"{path}: no decision of an experiment. Make its report again.")
    if decision.get("format") != FORMAT:
        raise NetliftError(
            f"{path} has format {decision.get('format')} and not {FORMAT}: another version of "
            "Netlift wrote it. Make its report again."
        )
    return decision


def _written(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any], differences: Changes
) -> list[str]:
    both = (
        old["experiment"]
        if old["experiment"] == new["experiment"]
        else (f"{old['experiment']} compared with {new['experiment']}")
    )
    heading = f"{name or both}:"
    if not differences:
        same = f"{heading} no number and no conclusion changed"
        return [same, *(f"    but {choice}" for choice in differences.choices)]
    lines = [heading]
    for title, sentences in (
        ("Conclusions", differences.conclusions),
        ("Numbers", differences.numbers),
        ("Tables with other content", differences.tables),
        ("Choices and design", differences.choices),
    ):
        nothing = ["none changed"] if title == "Conclusions" else []
        if sentences or nothing:
            lines += [f"  {title}:", *(f"    {sentence}" for sentence in sentences or nothing)]
    return lines


def _conclusions(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old["verdict"]["in_words"] != new["verdict"]["in_words"]:
        yield f"Verdict: {old['verdict']['in_words']} -> {new['verdict']['in_words']}"
    if old["verdict"]["action"] != new["verdict"]["action"]:
        yield f"What to do: {old['verdict']['action']} -> {new['verdict']['action']}"
    verdicts = [
        {row[f"{key}_label"]: row.get("verdict_label", row["verdict"]) for row in rows}
        for rows, key in (
            (old["verdict"]["statements"], "topic"),
            (new["verdict"]["statements"], "topic"),
            (old["conclusions"], "conclusion"),
            (new["conclusions"], "conclusion"),
        )
    ]
    for before, after in (verdicts[:2], verdicts[2:]):
        for label in dict.fromkeys([*before, *after]):
            if before.get(label) != after.get(label):
                yield (f"{label}: {before.get(label, 'missing')} -> {after.get(label, 'missing')}")
    tests = [{row["hypothesis_label"]: row for row in run["spillover_tests"]} for run in (old, new)]
    for label in dict.fromkeys([*tests[0], *tests[1]]):
        rejected = [
            None if label not in rows else rows[label]["p_value_adjusted"] <= 0.05 for rows in tests
        ]
        if rejected[0] != rejected[1]:
            words = {True: "rejected at 5%", False: "not rejected at 5%", None: "missing"}
            yield f"{label}: {words[rejected[0]]} -> {words[rejected[1]]}"


def _numbers(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Compare the ledger, and the value of the rule that is recommended."""
    lines = [{row["metric_label"]: row for row in run["ledger"]} for run in (old, new)]
    for label in dict.fromkeys([*lines[0], *lines[1]]):
        first, second = (rows.get(label) for rows in lines)
        keys = ("estimate", "ci_95_lower", "ci_95_upper", "known_value")
        if first is None or second is None:
            yield f"{label}: only in the {'first' if second is None else 'second'}"
        elif any(first[key] != second[key] for key in keys):
            yield f"{label}: {_with_interval(first)} -> {_with_interval(second)} {first['unit']}"
    tests = [
        {row["hypothesis_label"]: row["p_value"] for row in run["spillover_tests"]}
        for run in (old, new)
    ]
    for label in tests[0]:
        if label in tests[1] and tests[0][label] != tests[1][label]:
            yield f"{label}: p-value {tests[0][label]} -> {tests[1][label]}"
    for part, name in (("policy", "Policy"), ("which_item", "Which item")):
        yield from _policy_changes(name, *(run.get(part) or {} for run in (old, new)))


def _policy_changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs between the verdicts on rules of two runs."""
    for key in (
        "value",
        "lower_bound",
        "naive_value",
        "best_lower_bound",
        "largest_gain_not_ruled_out",
    ):
        values = [policy.get(key) for policy in (old, new)]
        if values[0] != values[1]:
            unit = old.get("unit") or new.get("unit")
            value_before, value_after = ("none" if v is None else signed(v, 1) for v in values)
            yield f"{name}, {key.replace('_', ' ')}: {value_before} -> {value_after} {unit}"


def _with_interval(row: Mapping[str, Any]) -> str:
    digits = digits_of(row["unit_code"])
    value, low, high = (
        "none" if row[key] is None else signed(row[key], digits)
        for key in ("estimate", "ci_95_lower", "ci_95_upper")
    )
    return f"{value} ({low} to {high})"


def _tables(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    sums = [
        {file["name"]: file for file in run["files"] if not file["path"].endswith(".svg")}
        for run in (old, new)
    ]
    for name in dict.fromkeys([*sums[0], *sums[1]]):
        first, second = (files.get(name) for files in sums)
        if first is None or second is None:
            present = second or first
            assert present is not None
            yield f"{present['path']}: only in the {'first' if second is None else 'second'}"
        elif first["sha256"] != second["sha256"]:
            yield f"{second['path']}"


def _choices(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    first, second = dict(_flat(old["settings"])), dict(_flat(new["settings"]))
    for key in dict.fromkeys([*first, *second]):
        if first.get(key) != second.get(key):
            yield f"{key}: {first.get(key, 'not set')} -> {second.get(key, 'not set')}"
    if old["design"]["hash"] != new["design"]["hash"]:
        yield "other slates, focal items or promotions (the design's hash differs)"
    had, has = (
        [f"{caveat['code']} ({caveat['count']:,} slates)" for caveat in decision.get("caveats", [])]
        for decision in (old, new)
    )
    if had != has:
        yield f"limits: {', '.join(had) or 'none'} -> {', '.join(has) or 'none'}"
    if old["netlift_version"] != new["netlift_version"]:
        yield f"Netlift {old['netlift_version']} -> {new['netlift_version']}"


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
