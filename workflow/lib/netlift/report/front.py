"""The front page: all experiments of a study side by side, and other results of the study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from netlift.core import units
from netlift.core.formatting import signed
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.tables import read_json, read_table
from netlift.effects.codes import (
    COMPETITOR_CHANGE,
    FOCAL_GAIN,
    ITEM_LEVEL,
    NET_CHANGE,
    OFFSET_RATIO,
)
from netlift.promotion.treatment import Treatment
from netlift.report.columns import (
    NOTE,
    UNIT,
    Column,
    TableView,
    counted,
    effect,
    number,
    percent,
    table_view,
    text,
)
from netlift.report.gathering import File, checked
from netlift.report.layout import Section
from netlift.report.ledger_views import LedgerView, ledger_views, main_estimator, side_by_side
from netlift.report.verdict import Answer
from netlift.workflow.outputs import figures_of


@dataclass(frozen=True)
class Summary:
    """One experiment on the front page.

    Attributes
    ----------
    name, page
        Its path below ``results/``, and its page as seen from the front page.
    decision
        Its ``decision.json``.
    keys
        World, promotion, size and seed, by which it is chosen.
    views
        Its ledger by every estimator, in every unit.
    main
        The estimator that statements use.
    label
        Its name among the experiments.
    """

    name: str
    page: str
    decision: Mapping[str, Any]
    keys: Mapping[str, str]
    views: Sequence[LedgerView]
    main: str
    label: str


@dataclass
class Front:
    """What the front page shows.

    Attributes
    ----------
    experiments
        In the order of the study.
    sections
        Results over all experiments, grids, sweep and validation.
    logs
        The ``decision.json`` of every log that was analysed, and its page's address.
    described
        Logs without a promotion: name, and its page's address.
    outdated
        Logs whose results are not shown: name, and the reason.
    figures
        Texts of SVG files, by name.
    files
        Every file read, by name.
    """

    experiments: list[Summary]
    logs: list[tuple[Mapping[str, Any], str]] = field(default_factory=list)
    described: list[tuple[str, str]] = field(default_factory=list)
    outdated: list[tuple[str, str]] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)


def gather_front(
    experiments: Sequence[str],
    *,
    arms: Sequence[str] = (),
    over_promotions: Sequence[str] = (),
    over_worlds: Sequence[str] = (),
    grids: Sequence[str] = (),
    sweeps: Sequence[str] = (),
    validations: Sequence[str] = (),
    logs: Sequence[str] = (),
    arm_logs: Sequence[str] = (),
    state: Mapping[str, Any] | None = None,
    root: str | Path = ".",
) -> Front:
    """Read the available results of a study; those of other settings, data or code are left out.

    Parameters
    ----------
    experiments
        Their paths below ``results/``.
    arms
        Paths below ``results/`` of experiments with several arms, whose variants are among
        ``experiments``.
    over_promotions
        Folders below ``results/`` of comparisons of promotions, one for each size and seed.
    over_worlds
        Folders below ``results/`` of comparisons of all worlds, one for each design.
    grids
        Paths of the study's grids below ``results/``, without endings.
    sweeps, validations
        Folders below ``results/``, one for each promotion.
    logs
        Names of logs; logs that were not analysed are left out.
    arm_logs
        Names of logs with several arms, whose variants are among ``logs``.
    state
        For each folder under ``sweeps`` and ``validations`` and each name under ``logs``, the
        ``reason`` why results that exist are not shown.
    root
        Folder of the study.
    """
    root = Path(root)
    front = Front(_labeled([_summary(root, name) for name in experiments]))
    for summary in front.experiments:
        path = root / "results" / summary.name / "decision.json"
        front.files[f"decision/{summary.name}"] = checked(path, root, "write_report")
    state = state or {}
    for log in (*arm_logs, *logs):
        reason = state.get("logs", {}).get(log, {}).get("reason", "")
        _log(front, root, log, reason, "report_arms" if log in arm_logs else "write_report")
    for folder in arms:
        _arms(front, root, folder, alone=len(arms) == 1)
    for folder in over_promotions:
        _over_promotions(front, root, folder, alone=len(over_promotions) == 1)
    for folder in over_worlds:
        _over_worlds(front, root, folder, alone=len(over_worlds) == 1)
    _grids(front, root, grids)
    for folder in sweeps:
        reason = state.get("sweeps", {}).get(folder, {}).get("reason", "")
        _sweep(front, root, folder, reason, alone=len(sweeps) == 1)
    for folder in validations:
        reason = state.get("validations", {}).get(folder, {}).get("reason", "")
        _validation(front, root, folder, reason, alone=len(validations) == 1)
    return front


def _log(front: Front, root: Path, log: str, reason: str, rule: str) -> None:
    """Add a log: its decision, that it is only described, or the reason why it is not shown."""
    path = root / "results/logs" / log / "decision.json"
    page = f"../../logs/{log}/report.html"
    if reason:
        front.outdated.append((log, reason))
    elif path.exists():
        front.logs.append((read_json(path), page))
        front.files[f"decision/logs/{log}"] = checked(path, root, rule)
    elif path.with_name("report.html").exists():
        front.described.append((log, page))


def _summary(root: Path, name: str) -> Summary:
    folder = root / "results" / name
    effects = read_table(folder / "effects/component_effects.csv")
    rows = folder / "effects/observed_effects.csv"
    settings = (decided := read_json(folder / "decision.json"))["settings"]
    several = Treatment.from_config(settings.get("promotion", {})).focal_items
    outcome = Outcome(CLICKS.unit, several)
    views = ledger_views(effects, read_table(rows) if rows.exists() else None, outcome)
    keys = {
        "world": str(settings.get("world", settings.get("log"))),
        "promotion": str(settings.get("promotion", {}).get("name", "")),
        "size": str(settings.get("size", "")),
        "seed": str(settings.get("seed", "")),
    }
    page = f"../../{name}/report.html"
    return Summary(name, page, decided, keys, views, main_estimator(effects), "")


def _labeled(summaries: Sequence[Summary]) -> list[Summary]:
    """Label experiments by world, and by promotion, size and seed where these differ."""
    keys = ("promotion", "size", "seed")
    differ = {key: len({s.keys[key] for s in summaries}) > 1 for key in keys}
    return [
        replace(
            summary,
            label=summary.keys["world"]
            + (f", {summary.keys['promotion']}" if differ["promotion"] else "")
            + (f", slates of {summary.keys['size']}" if differ["size"] else "")
            + (f", seed {summary.keys['seed']}" if differ["seed"] else ""),
        )
        for summary in summaries
    ]


def net_changes(front: Front) -> LedgerView:
    """Return the net change of every experiment as bars from zero, side by side."""
    rows = [
        {
            "label": summary.label,
            "estimate": summary.decision["estimate"],
            "ci_95_lower": summary.decision["interval"]["lower"],
            "ci_95_upper": summary.decision["interval"]["upper"],
            "treated_slates": summary.decision["design"]["promoted_slates"],
            "control_slates": summary.decision["design"]["control_slates"],
        }
        for summary in front.experiments
    ]
    return side_by_side(rows, units.PER_1000)


def answers(front: Front) -> tuple[str, tuple[Answer, ...]]:
    """Return the headline over all experiments, and the four answers."""
    decided = [summary.decision for summary in front.experiments]
    n = len(decided)
    codes = Counter(str(run["verdict"]["code"]) for run in decided)
    moved = sum(_statement(run, ITEM_LEVEL) == "overstates" for run in decided)
    what = "experiment" if n == 1 else "experiments"
    headline = _headline(decided, codes, moved)
    nets = sorted(decided, key=lambda run: run["estimate"])
    low, high = nets[0], nets[-1]
    undecided = codes["undecided"]
    actions = Counter(str(run["verdict"]["action"]) for run in decided)
    (most, times), *_ = actions.most_common()
    return headline, (
        Answer(
            "Create or move?",
            f"Moves in {moved} of {n}",
            f"In {moved} of {n} {what} what is promoted is shown to gain and others to lose. On "
            f"balance clicks are shown to be created in {codes['creates']} and lost in "
            f"{codes['destroys']}.",
            "",
        ),
        Answer(
            "How much?",
            f"{signed(low['estimate'], 1)}"
            + (f" to {signed(high['estimate'], 1)}" if n > 1 else "")
            + " clicks",
            "net per 1,000 promoted slates, by experiment; 95% intervals are below.",
            "",
        ),
        Answer(
            "How sure?",
            f"Sure at 95% in {n - undecided} of {n}",
            f"In {undecided} of {n} {what} the interval of the net change covers zero: undecided.",
            "",
        ),
        Answer(
            "Do what?",
            f"{most}" + (f", in {times} of {n}" if n > 1 else ""),
            "By rule: what passes the gate, with a lower bound above zero that holds for all rules "
            "compared."
            + "".join(f" {action}: {k} of {n}." for action, k in actions.items() if action != most),
            "",
        ),
    )


def _headline(decided: Sequence[Mapping[str, Any]], codes: Mapping[str, int], moved: int) -> str:
    n = len(decided)
    if n == 1:
        return str(decided[0]["verdict"]["in_words"])
    creates, loses = codes.get("creates", 0), codes.get("destroys", 0)
    if not creates and not loses:
        return f"Promotion is not shown to create or to lose clicks in any of {n} experiments"
    return (
        f"Promotion moves clicks in {moved} of {n} experiments; on balance it creates clicks in "
        f"{creates} and loses in {loses}"
    )


def _statement(run: Mapping[str, Any], topic: str) -> str:
    verdicts = (row["verdict"] for row in run["verdict"]["statements"] if row["topic"] == topic)
    return str(next(verdicts, ""))


def experiments_table(front: Front) -> list[dict[str, Any]]:
    """Return one row per experiment for the table of the front page."""
    rows = []
    for summary in front.experiments:
        ledger = {row["metric"]: row for row in summary.decision["ledger"]}
        shown = {
            metric: effect().cell(dict(ledger[metric]))
            for metric in (NET_CHANGE, FOCAL_GAIN, COMPETITOR_CHANGE, OFFSET_RATIO)
        }
        rows.append({"summary": summary, "cells": shown})
    return rows


def _take(front: Front, root: Path, path: Path, rule: str) -> pd.DataFrame | None:
    """Read a table or a figure, if it exists, and keep its checksum."""
    if not path.exists():
        return None
    name = path.relative_to(root / "results").as_posix()
    front.files[name] = checked(path, root, rule)
    if path.suffix == ".svg":
        front.figures[name] = path.read_text(encoding="utf-8")
        return None
    return read_table(path)


def _shown(
    front: Front,
    root: Path,
    folder: Path,
    rule: str,
    tables: Mapping[str, tuple[str, Sequence[Column]]],
) -> list[TableView]:
    views = []
    for name, (caption, columns) in tables.items():
        path = folder / f"{name}.csv"
        frame = _take(front, root, path, rule)
        if frame is not None and len(frame):
            key = path.relative_to(root / "results").as_posix()
            views.append(table_view(key, caption, frame, columns))
    return views


def _figures(front: Front, root: Path, folder: Path, rule: str) -> list[str]:
    paths = [folder / figure.file for figure in figures_of(rule)]
    for path in paths:
        _take(front, root, path, rule)
    names = (path.relative_to(root / "results").as_posix() for path in paths)
    return [name for name in names if name in front.figures]


def _arms(front: Front, root: Path, name: str, *, alone: bool) -> None:
    """Add the section that compares the variants of one promotion."""
    folder = root / "results" / name
    statements = _take(front, root, folder / "arm_statements.csv", "compare_arms")
    front.files[f"decision/{name}"] = checked(folder / "decision.json", root, "report_arms")
    *_, promotion, world = name.split("/")
    columns = [
        text("variant", "Variant"),
        text("against", "Against"),
        text("line_label", "Items"),
        UNIT,
        effect(),
        number("known_value", "Known", signs=True),
    ]
    caption = (
        "The effect on each part of the slate of each variant against control, and of each against "
        "each other, with shares and multiples; units are given per row."
    )
    lead = [
        f"The promotion {promotion} draws control or one of several variants for each slate, here "
        f"in the world {world}. An effect is called shown if its 95% interval excludes zero and "
        "its p-value, adjusted by Holm's method over all variants (or over all pairs), is below "
        "0.05."
    ]
    front.sections.append(
        Section(
            "variants" if alone else f"variants-{len(front.sections)}",
            "Variants side by side" + ("" if alone else f": {'/'.join(name.split('/')[2:])}"),
            lead + ([] if statements is None else [str(row) for row in statements["statement"]]),
            _figures(front, root, folder, "plot_arms"),
            _shown(front, root, folder, "compare_arms", {"arms": (caption, columns)}),
            page=f"../../{name}/report.html",
        )
    )


def _over_promotions(front: Front, root: Path, name: str, *, alone: bool) -> None:
    """Add the section that compares the promotions of the same slates."""
    folder = root / "results" / name
    statements = _take(front, root, folder / "promotion_statements.csv", "compare_promotions")
    columns = [
        text("world", "World"),
        text("promotion", "Promotion"),
        text("promotion_label", "What it does"),
        text("line_label", "Items"),
        UNIT,
        effect(),
        number("known_value", "Known", signs=True),
        NOTE,
    ]
    caption = (
        "Promotions by world: the effect on each part of the slate by the main estimator, and the "
        "share of the focal gain that is taken from other items; units are given per row."
    )
    tables = _shown(front, root, folder, "compare_promotions", {"promotions": (caption, columns)})
    lead = [
        "Each promotion is drawn on the same slates, and compared with no promotion. A difference "
        "between two promotions is called shown only where their 95% intervals have no number in "
        "common."
    ]
    if statements is not None and statements["promotion"].str.contains(".", regex=False).any():
        lead.append(
            "A name with a point is a variant of a promotion with several arms, which has the "
            "slates of its own arm and of control only; variants are compared with each other "
            "above."
        )
    front.sections.append(
        Section(
            "promotions" if alone else f"promotions-{len(front.sections)}",
            "Promotions side by side" + ("" if alone else f": {'/'.join(name.split('/')[2:])}"),
            lead + ([] if statements is None else [str(row) for row in statements["statement"]]),
            _figures(front, root, folder, "plot_promotions"),
            tables,
        )
    )


def _over_worlds(front: Front, root: Path, name: str, *, alone: bool) -> None:
    folder = root / "results" / name
    statements = _take(front, root, folder / "decision_statements.csv", "compare_worlds")
    columns = [
        text("conclusion_label", "Conclusion"),
        text("world", "World"),
        text("verdict_label", "Verdict"),
        text("measure_label", "Number behind it"),
        UNIT,
        effect(),
        number("known_value", "Known", signs=True),
        text("known_verdict_label", "By the known effects"),
        NOTE,
    ]
    caption = "Conclusions by world; units are given per row."
    tables = _shown(front, root, folder, "compare_worlds", {"robustness": (caption, columns)})
    figure = folder / "figures/robustness.svg"
    _take(front, root, figure, "plot_robustness")
    drawn = figure.relative_to(root / "results").as_posix()
    design = "/".join(name.split("/")[2:])
    front.sections.append(
        Section(
            "robustness" if alone else f"robustness-{len(front.sections)}",
            "Which conclusions hold in which world" + ("" if alone else f": {design}"),
            [] if statements is None else [str(row) for row in statements["statement"]],
            [drawn] if drawn in front.figures else [],
            tables,
        )
    )


def _grids(front: Front, root: Path, grids: Sequence[str]) -> None:
    names = []
    for grid in grids:
        path = root / "results" / f"{grid}.svg"
        _take(front, root, path, "plot_grid")
        name = path.relative_to(root / "results").as_posix()
        names += [name] if name in front.figures else []
    if names:
        lead = ["Known effects of one world over two of its parameters, all else as in the study."]
        front.sections.append(Section("grids", "Effects by the worlds' parameters", lead, names))


def _sweep(front: Front, root: Path, folder: str, reason: str, *, alone: bool) -> None:
    keys = [text("world", "World"), counted("size", "Slate size")]
    tables: dict[str, tuple[str, Sequence[Column]]] = {
        "conclusion_shares": (
            "In what share of seeds each conclusion holds, by world and slate size.",
            [
                text("conclusion_label", "Conclusion"),
                *keys,
                counted("seeds", "Seeds"),
                percent("holds", "Holds"),
                percent("does_not_hold", "Does not hold"),
                percent("undecided", "Undecided"),
                percent("holds_by_known_effects", "By the known effects"),
                percent("wrong", "Wrong verdicts"),
            ],
        ),
        "summary": (
            "Estimates over seeds, in clicks per slate: bias, spread of the errors, and the share "
            "of 95% intervals that cover the known effect.",
            [
                *keys,
                text("component", "Items"),
                text("estimator", "Estimator"),
                counted("seeds", "Seeds"),
                number("mean_estimate", "Mean estimate", signs=True),
                number("mean_known_effect", "Mean known effect", signs=True),
                number("bias", "Bias", 4, signs=True),
                number("bias_mc_error", "Its error", 4),
                number("sd_of_error", "SD of errors", 4),
                number("mean_se", "Mean standard error", 4),
                percent("coverage_95", "Coverage"),
                percent("coverage_mc_error", "Its error"),
            ],
        ),
    }
    _optional(
        front,
        root,
        root / "results" / folder,
        ("sweep", "Over many seeds: the sweep", "combine_sweep"),
        "The same study at every seed, slate size and world: how much seeds differ.",
        tables,
        reason,
        alone=alone,
    )


_CASE_KEYS = [text("case", "Case"), text("world", "World"), counted("slates", "Slates")]

_VALIDATION_TABLES: dict[str, tuple[str, Sequence[Column]]] = {
    "coverage": (
        "Estimates and intervals over replicates; units are given per row.",
        [
            *_CASE_KEYS,
            text("component", "Items"),
            text("estimator", "Estimator"),
            UNIT,
            counted("replicates", "Replicates"),
            number("known_effect", "Known", 3, signs=True),
            number("bias", "Bias", 4, signs=True),
            percent("coverage_95", "Coverage of 95% intervals"),
            percent("coverage_mc_error", "Its error"),
            percent("percent_of_bound", "Percent of bound", factor=1.0),
            text("verdict_label", "Verdict"),
        ],
    ),
    "tests": (
        "How often each test rejects at 5%: its size where the hypothesis is true, its power "
        "where it is not.",
        [
            *_CASE_KEYS,
            text("hypothesis_label", "Hypothesis"),
            text("rate", "Size or power"),
            counted("replicates", "Replicates"),
            percent("rejected", "Rejected"),
            percent("rejected_mc_error", "Its error"),
            percent("rejected_adjusted", "Rejected, adjusted"),
            percent("contradicted", "Contradicts a part"),
            text("verdict_label", "Verdict"),
        ],
    ),
    "policies": (
        "How often the gate promotes, how often at a loss, and in how many experiments all "
        "lower bounds hold; of recommended rules the bias of their value, naive and corrected, "
        "and how often its interval holds. Values in clicks per 1,000 eligible slates.",
        [
            *_CASE_KEYS,
            counted("replicates", "Replicates"),
            percent("promoted", "Promotes"),
            percent("promoted_at_a_loss", "At a loss"),
            percent("bounds_hold", "Bounds hold"),
            number("mean_known_value", "Mean known value", 1, signs=True),
            number("oracle_value", "Best possible", 1, signs=True),
            counted("recommended", "Recommendations"),
            number("naive_value_bias", "Bias, naive", 1, signs=True),
            number("corrected_value_bias", "Bias, corrected", 1, signs=True),
            percent("interval_holds", "Interval holds"),
            text("verdict_label", "Verdict"),
        ],
    ),
    "segments": (
        "How often intervals of segments contain the known effects.",
        [
            *_CASE_KEYS,
            text("segment_type_label", "Segments by"),
            text("line", "Effect"),
            text("interval_label", "Interval"),
            counted("segments", "Segments"),
            counted("replicates", "Replicates"),
            percent("coverage", "Holds"),
            percent("coverage_mc_error", "Its error"),
            percent("worst_segment", "Worst segment"),
            text("verdict_label", "Verdict"),
        ],
    ),
}


def _validation(front: Front, root: Path, folder: str, reason: str, *, alone: bool) -> None:
    _optional(
        front,
        root,
        root / "results" / folder,
        ("validation", "Are intervals and tests calibrated?", "combine_validation"),
        "Slates and worlds fixed, assignment and clicks redrawn many times; every interval and "
        "test is compared with the known effects.",
        _VALIDATION_TABLES,
        reason,
        alone=alone,
    )


def _optional(
    front: Front,
    root: Path,
    folder: Path,
    about: tuple[str, str, str],
    lead: str,
    tables: Mapping[str, tuple[str, Sequence[Column]]],
    reason: str,
    *,
    alone: bool,
) -> None:
    """Add the section of an optional stage, or a note that it was not run or is not current.

    Where a study has it for several promotions, the section names its own.
    """
    name, title, rule = about
    views = [] if reason else _shown(front, root, folder, rule, tables)
    figures = [] if reason else _figures(front, root, folder, rule.replace("combine", "plot"))
    command = {"sweep": "make sweep", "validation": "make validate"}[name]
    why = f"Not shown: {reason}." if reason else "Not run in this study."
    sentences = (
        [lead]
        if views or figures
        else [f"{why} {lead} Run it with `{command}`, then `make run` again."]
    )
    if not alone:
        name, title = f"{name}-{folder.name}", f"{title} (promotion {folder.name})"
    front.sections.append(Section(name, title, sentences, figures, views))
