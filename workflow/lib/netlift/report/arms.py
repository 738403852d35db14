"""The page of several arms: variants side by side, and its ``decision.json``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from netlift import __version__
from netlift.core.formatting import count
from netlift.core.outcome import Outcome
from netlift.core.tables import read_json, read_table
from netlift.core.units import PER_1000, RATIO
from netlift.effects.arm_statements import action, headline
from netlift.effects.codes import DIRECT_LINE, INDIRECT_LINE, MAIN_OUTCOME, TOTAL_LINE
from netlift.effects.several_arms import PAIR, VARIANT
from netlift.report.columns import (
    NOTE,
    UNIT,
    TableView,
    counted,
    effect,
    p_values,
    percent,
    table_view,
    text,
    users_effect,
)
from netlift.report.decision import check_decision
from netlift.report.findings import SEVERAL_ARMS
from netlift.report.gathering import File, checked, records
from netlift.report.ledger_views import LedgerView, side_by_side

FORMAT = 1
"""Version of the format of the decision of an experiment with several arms."""

SCHEMA = Path(__file__).parents[3] / "schemas/arm_decision.schema.json"

ADJUSTMENT = (
    "All variants are compared with the same control slates, so their estimates are correlated. "
    "Each 95% interval is valid by itself. An effect is called shown if its interval excludes zero "
    "and its p-value, adjusted by Holm's method over all variants for the same line (or over all "
    "pairs), is below 0.05; the adjustment holds however the estimates are correlated."
)

PANELS = {
    DIRECT_LINE.code: "The focal item",
    INDIRECT_LINE.code: "All other items together",
    TOTAL_LINE.code: "The whole slate",
}
"""Lines that are drawn, and their titles."""


@dataclass(frozen=True)
class ArmsData:
    """The results of a log or a simulated experiment with several arms.

    Attributes
    ----------
    experiment
        Its path below ``results/``.
    settings
        Its entry, the phrase of each variant, and units.
    tables
        ``arms``, ``arm_tests``, ``arm_statements``, ``arm_counts``.
    decisions
        ``decision.json`` of each contrast, by variant.
    pages
        The page of each contrast, by variant, relative to its page.
    figure
        The text of the SVG file.
    files
        Every file read, by name.
    """

    experiment: str
    settings: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    decisions: Mapping[str, Mapping[str, Any]]
    pages: Mapping[str, str]
    figure: str
    files: Mapping[str, File]

    @property
    def outcome(self) -> Outcome:
        """The main outcome."""
        return Outcome(self.settings["units"][MAIN_OUTCOME])

    @property
    def title(self) -> str:
        """The title of the log, or of the simulated experiment."""
        if self.is_log:
            return str(self.settings["entry"].get("title") or f"Log {self.settings['log']}")
        words = "Promotion {promotion} in the world {world}, slates of {size}, seed {seed}"
        return words.format_map(self.settings)

    @property
    def is_log(self) -> bool:
        """Whether it is a team's own log, and no simulation."""
        return "log" in self.settings

    @property
    def home(self) -> str:
        """The list of all studies and logs, relative to its page."""
        return "../" * len(self.experiment.split("/")) + "index.html"

    @property
    def headline(self) -> str:
        """What each variant does, in a few words."""
        return headline(self.tables["arm_statements"], self.outcome)

    @property
    def action(self) -> str:
        """What to do."""
        return action(self.tables["arm_statements"], self.outcome)

    @property
    def caveats(self) -> list[dict[str, Any]]:
        """What limits the results of its contrasts: each once where all have it."""
        found: list[dict[str, Any]] = []
        for variant, decision in self.decisions.items():
            for caveat in decision["caveats"]:
                everywhere = all(caveat in other["caveats"] for other in self.decisions.values())
                named = (
                    caveat
                    if everywhere
                    else caveat | {"message": f"{variant} against control: {caveat['message']}"}
                )
                if named not in found:
                    found.append(dict(named))
        return found


def gather_arms(
    experiment: str, settings: Mapping[str, Any], *, root: str | Path = "."
) -> ArmsData:
    """Read the results of a log or a simulated experiment with several arms.

    Parameters
    ----------
    experiment
        Its path below ``results/``.
    settings
        Its settings (``Study.arm_page_settings``).
    root
        Folder of the study.
    """
    results = Path(root) / "results"
    folder = results / experiment
    makers = {"arm_counts": "account_arms" if "log" in settings else "count_arms"}
    names = ("arms", "arm_tests", "arm_statements", "arm_counts")
    paths = {name: folder / f"{name}.csv" for name in names}
    contrasts = {variant: settings["contrasts"][variant] for variant in settings["variants"]}
    decisions = {v: results / path / "decision.json" for v, path in contrasts.items()}
    files = {
        name: checked(path, Path(root), makers.get(name, "compare_arms"))
        for name, path in paths.items()
    }
    files |= {
        f"decision/{variant}": checked(path, Path(root), "write_report")
        for variant, path in decisions.items()
    }
    figure = folder / "figures/arms.svg"
    files["figure/arms"] = checked(figure, Path(root), "plot_arms")
    return ArmsData(
        experiment,
        settings,
        {name: read_table(path) for name, path in paths.items()},
        {variant: read_json(path) for variant, path in decisions.items()},
        {v: os.path.relpath(f"{path}/report.html", experiment) for v, path in contrasts.items()},
        figure.read_text(encoding="utf-8"),
        files,
    )


def arm_bars(data: ArmsData) -> list[tuple[str, LedgerView]]:
    """Return the variants side by side, as bars: the focal item, all others, the whole slate."""
    table = data.tables["arms"]
    main = table[(table["outcome_type"] == MAIN_OUTCOME) & (table["kind"] == VARIANT)]
    views = []
    for line, title in PANELS.items():
        rows = [
            row
            | {
                "label": row["variant"],
                "counts": f"{count(row['treated_slates'])} slates of the variant and "
                f"{count(row['control_slates'])} control slates",
            }
            for row in records(main[main["line"] == line])
        ]
        views.append((title, side_by_side(rows, PER_1000, data.outcome)))
    return views


def arm_tables(data: ArmsData) -> list[TableView]:
    """Return the tables of the page."""
    arms = data.tables["arms"]
    of_ratios = arms["unit_code"] == RATIO
    tables = (
        (
            "arms",
            "Each variant against control, and each against each other: the ledger.",
            arms[~of_ratios],
            _EFFECTS,
        ),
        (
            "arms",
            "Shares of the focal gain that are taken, and gains as multiples of another variant's.",
            arms[of_ratios],
            _RATIOS,
        ),
        (
            "arm_tests",
            "Exact tests that promotion changes nothing on other items.",
            data.tables["arm_tests"],
            _TESTS,
        ),
        (
            "arm_counts",
            "Slates and randomized units of each arm, with the shares that the design expects.",
            data.tables["arm_counts"],
            _COUNTS,
        ),
    )
    return [table_view(*table) for table in tables]


_CONTRAST = (text("variant", "Variant"), text("against", "Against"))

_EFFECTS = (
    *_CONTRAST,
    text("line_label", "Items"),
    effect(unit_code=PER_1000),
    users_effect(PER_1000),
    p_values("p_value", "p"),
    p_values("p_value_holm", "p, adjusted"),
    counted("treated_slates", "Slates"),
    counted("control_slates", "Slates of the other arm"),
    UNIT,
)

_RATIOS = (
    *_CONTRAST,
    text("line_label", "What"),
    effect("estimate", "Ratio (95% interval)", signs=False),
)

_TESTS = (
    *_CONTRAST,
    text("hypothesis_label", "Hypothesis"),
    p_values("p_value", "p"),
    p_values("p_value_adjusted", "p, adjusted within the contrast"),
    p_values("p_value_holm", "p, adjusted over contrasts too"),
    NOTE,
)

_COUNTS = (
    text("arm", "Arm"),
    counted("slates", "Slates used"),
    counted("units", "Randomized units"),
    percent("share_of_units", "Share", factor=100.0, digits=2),
    percent("expected_share", "Expected share", factor=100.0, digits=2),
    p_values("sample_ratio_p_value", "p, all arms together"),
)


def statements_of(data: ArmsData, kind: str) -> list[dict[str, Any]]:
    """Return the statements on variants, or on pairs of them."""
    table = data.tables["arm_statements"]
    return records(table[table["kind"] == kind])


def settings_text(data: ArmsData) -> str:
    """Return the entry of the log or the promotion as YAML."""
    entry = dict(data.settings["entry"])
    return yaml.safe_dump(entry, sort_keys=True, allow_unicode=True, default_flow_style=False)


def arms_decision(data: ArmsData) -> dict[str, Any]:
    """Return what an experiment with several arms decides, as plain values.

    Raises
    ------
    NetliftError
        The result does not match ``workflow/schemas/arm_decision.schema.json``.
    """
    result = {
        "format": FORMAT,
        "kind": SEVERAL_ARMS,
        "netlift_version": __version__,
        "experiment": data.experiment,
        "unit": data.outcome.of(PER_1000),
        "verdict": {"in_words": data.headline, "action": data.action},
        "adjustment": ADJUSTMENT,
        "variants": [_compared(data, row) for row in statements_of(data, VARIANT)],
        "pairs": [_compared(data, row) for row in statements_of(data, PAIR)],
        "arms": records(data.tables["arm_counts"]),
        "caveats": data.caveats,
        "settings": dict(data.settings),
        "files": [
            {"name": name, "path": file.path, "rule": file.rule, "sha256": file.sha256}
            for name, file in data.files.items()
        ],
    }
    check_decision(result, SCHEMA)
    return result


_NUMBERS = (
    "line",
    "unit",
    "estimate",
    "se",
    "ci_95_lower",
    "ci_95_upper",
    "interval_kind",
    "p_value",
    "p_value_holm",
)


def _compared(data: ArmsData, stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers and the statement of a contrast."""
    table = data.tables["arms"]
    of_contrast = (table["variant"] == stated["variant"]) & (table["against"] == stated["against"])
    rows = table[of_contrast & (table["outcome_type"] == MAIN_OUTCOME)]
    return {
        **{key: stated[key] for key in ("variant", "against", "verdict", "statement")},
        "lines": [{key: row[key] for key in _NUMBERS} for row in records(rows)],
    }


def combined_sections(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the sections that the analysis of each contrast has, below each other.

    Parameters
    ----------
    tables
        ``sections.csv`` of each contrast, by variant.
    """
    parts: Sequence[pd.DataFrame] = [
        table.assign(variant=variant) for variant, table in tables.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    return table[["variant", *(column for column in table if column != "variant")]]
