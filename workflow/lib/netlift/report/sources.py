"""What a page is made of: the files of an experiment, the rule that makes each, and what it needs.

A test holds the names of rules against the workflow.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A file that the page reads.

    Attributes
    ----------
    name
        What the library calls it.
    path
        Where it lies, from the experiment's folder (or the slate set's, the data set's).
    rule
        The rule that makes it.
    """

    name: str
    path: str
    rule: str


def _sources(folder: str, ending: str, **names_of: str) -> list[Source]:
    """Return sources of one folder: ``rule="name name"``."""
    return [
        Source(name, f"{folder}{name}.{ending}", rule)
        for rule, names in names_of.items()
        for name in names.split()
    ]


TABLES: list[Source] = [
    *_sources(
        "effects/",
        "csv",
        state_decisions="decision_statements",
        estimate_ledger="product_summary component_effects component_covariance shares "
        "risk_by_position risk_by_cluster segments heterogeneity power component_support "
        "additivity_checks",
        estimate_row_effects="item_level_claim observed_effects spillover_sensitivity "
        "spillover_support leakage conclusions",
        test_randomization="randomization_tests design_diagnostics",
    ),
    *_sources(
        "models/",
        "csv",
        fit_models="outcome_models calibration feature_importance aipw toc",
        compare_policies="policies",
    ),
    Source("who_gains", "models/heterogeneity.csv", "fit_models"),
]
"""Tables that the page shows, in the order of README.md."""

RECORDS: list[Source] = [
    Source("verdict", "models/verdict.json", "compare_policies"),
    Source("world", "world.json", "simulate_clicks"),
]
"""Plain values that the page shows."""

ROWS: list[Source] = [
    Source("accounts", "slate_outcomes.parquet", "account_slates"),
    Source("items", "items.parquet", "simulate_clicks"),
]
"""Tables of slates and of item rows: the page counts them and shows a slate of them."""

IN_A_LOG = {"account_slates": "account_log", "simulate_clicks": "map_log"}
"""Of a team's own log, these rules stand in for those of a simulated experiment."""

OF_A_LOG = [
    Source("contract", "contract.csv", "account_log"),
    Source("row_counts", "row_counts.csv", "account_log"),
]
"""What the checks of a log found, and where its rows went."""

DESCRIBED = [
    *OF_A_LOG,
    Source("accounts", "slate_outcomes.parquet", "account_slates"),
    Source("outcome_by_position", "outcome_by_position.csv", "describe_positions"),
]
"""What there is of a log without a promotion."""

FIGURES: list[Source] = [
    *_sources(
        "figures/",
        "svg",
        plot_effects="observed_effects spillover_sensitivity risk",
        plot_inference="estimators shares randomization_tests leakage design_diagnostics "
        "item_level_claim segments",
        plot_models="outcome_models feature_importance aipw who_gains policies",
        plot_truth="known_lift_by_slate observed_against_known predicted_effects",
    ),
]
"""Figures of an experiment that the page shows; it draws the ledger itself."""

SLATE_SET_FIGURES: list[Source] = _sources(
    "figures/", "svg", plot_slates="ratings_and_slates exposure_mapping"
)
"""Figures of the slates, which all worlds share."""

RULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "import_ratings": ("takes ratings and movies from the data set, and checks them", ()),
    "fit_scorer": (
        "trains the scorer on the first part of each user's ratings",
        ("import_ratings",),
    ),
    "build_slates": (
        "builds the slates as they stand before promotion",
        ("fit_scorer", "import_ratings"),
    ),
    "assign_promotion": ("chooses focal items and promotes at random", ("build_slates",)),
    "simulate_clicks": ("gives clicks from the competition model", ("assign_promotion",)),
    "account_slates": ("sums outcomes to slates, by component", ("simulate_clicks",)),
    "estimate_ledger": ("estimates the ledger, shares, segments and power", ("account_slates",)),
    "estimate_row_effects": (
        "estimates effects on item rows, leakage and item-level claims",
        ("account_slates", "simulate_clicks"),
    ),
    "test_randomization": (
        "tests for spillover and checks the design",
        ("account_slates", "simulate_clicks"),
    ),
    "state_decisions": ("writes decision statements", ("estimate_ledger", "estimate_row_effects")),
    "fit_models": ("fits outcome and effect models", ("account_slates", "simulate_clicks")),
    "compare_policies": (
        "compares policies and gives the verdict",
        ("account_slates", "fit_models", "simulate_clicks"),
    ),
    "plot_slates": ("draws ratings, slates and exposure", ("assign_promotion", "import_ratings")),
    "plot_effects": ("draws effects", ("estimate_ledger", "estimate_row_effects")),
    "plot_inference": (
        "draws estimators, shares, tests and segments",
        ("estimate_ledger", "estimate_row_effects", "test_randomization"),
    ),
    "plot_models": (
        "draws models, who gains, and policies",
        ("compare_policies", "estimate_row_effects", "fit_models"),
    ),
    "plot_truth": ("draws what is known", ("account_slates", "estimate_ledger", "fit_models")),
    "compare_worlds": (
        "puts the conclusions of all worlds side by side",
        ("estimate_row_effects",),
    ),
    "account_log": ("checks the log and sums it to slates", ()),
    "map_log": ("maps the rows of the log", ("account_log",)),
    "describe_positions": ("describes outcomes by position", ("map_log",)),
}
"""Each rule that a page rests on: what it does, and the rules whose files it needs."""


def behind(rules: set[str], *, of_log: bool = False) -> list[tuple[str, str, list[str]]]:
    """Return rules and all those that they need, in the order in which data flow.

    Returns
    -------
    For each rule its name, what it does, and the names of the rules that it needs.
    """
    stands_in = IN_A_LOG if of_log else {}
    found: set[str] = set()
    waiting = list(rules)
    while waiting:
        rule = waiting.pop()
        if rule not in found:
            found.add(rule)
            waiting += [stands_in.get(name, name) for name in RULES[rule][1]]
    return [
        (rule, words, [stands_in.get(name, name) for name in needs])
        for rule, (words, needs) in RULES.items()
        if rule in found
    ]
