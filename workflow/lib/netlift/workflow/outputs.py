"""The registry of outputs: every table, figure and file that the workflow makes, in one list.

The entries are in ``outputs.yaml``. Rules, the script that draws figures, the notebook, the pages,
the tables of README.md and the tests read them. Scripts that estimate do not import this module:
they get paths and settings, so that a new caption makes no table stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from netlift.workflow.experiment import (
    DESIGN_PATH,
    OVER_PROMOTIONS_PATH,
    OVER_WORLDS_PATH,
    RECIPE_PATH,
    SLATES_PATH,
    STUDY_PATH,
)

REGISTRY = Path(__file__).with_suffix(".yaml")

SLATE_SET = f"results/{SLATES_PATH}"
DESIGN = f"results/{DESIGN_PATH}"
EXPERIMENT = "results/{experiment}"
STUDY = f"results/{STUDY_PATH}"
OVER_PROMOTIONS = f"results/{OVER_PROMOTIONS_PATH}"
OVER_WORLDS = f"results/{OVER_WORLDS_PATH}"
SEVERAL_ARMS = "results/{several_arms}"
FOLDERS = {
    "dataset": "resources/datasets/{dataset}",
    "scorer": f"results/{RECIPE_PATH}/scorer",
    "slate_set": SLATE_SET,
    "design": DESIGN,
    "experiment": EXPERIMENT,
    "over_promotions": OVER_PROMOTIONS,
    "over_worlds": OVER_WORLDS,
    "several_arms": SEVERAL_ARMS,
    "sweep": f"{STUDY}/sweep/{{promotion}}",
    "validation": f"{STUDY}/validation/{{promotion}}",
}
"""Folders of outputs with wildcards, from the folder of the study."""

ESTIMATES = (
    "estimate_ledger",
    "estimate_row_effects",
    "estimate_diversion",
    "test_randomization",
    "state_decisions",
)
"""Rules that make the tables of effects."""

WITHOUT_ROWS = ("estimate_ledger", "state_decisions")
"""Those of them that need no item rows."""

DELIVERY_RULES = ("estimate_delivered", "plot_delivered")
"""Rules for logs that record in which slates promotions were delivered, and for nothing else."""

MODEL_RULES = ("fit_models", "compare_policies", "compare_candidates")
"""Rules that make the tables of models and policies."""

FIGURE_RULES = ("plot_effects", "plot_inference", "plot_models")
"""Rules that draw what is estimated."""

TRUTH_RULE = "plot_truth"
"""The rule that draws what only a simulation knows."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """A file that a rule makes.

    Attributes
    ----------
    name
        What rules, the library and the notebook call it.
    rule
        The rule that makes it.
    file
        Its path within the folder.
    folder
        Path with wildcards, from the folder of the study.
    answers
        The question that it answers, for README.md; empty for files that are not read on their own.
    unit
        The unit of its numbers, in words; empty if it has none.
    section
        Section of an experiment's page that shows it; empty if none does.
    log_rule
        The rule that makes it for a team's own log, if that is a different rule.
    """

    name: str
    rule: str
    file: str
    folder: str
    answers: str = ""
    unit: str = ""
    section: str = ""
    log_rule: str = ""

    @property
    def path(self) -> str:
        """Path with wildcards, from the folder of the study."""
        return f"{self.folder}/{self.file}"

    @property
    def copies(self) -> tuple[str, ...]:
        """Paths of the same output in other formats."""
        return ()

    @property
    def suffix(self) -> str:
        """The ending of the file's name, with its dot."""
        return PurePosixPath(self.file).suffix

    @property
    def is_on_page(self) -> bool:
        """Whether the page of an experiment shows it, or names it with its checksum."""
        is_table = self.folder == EXPERIMENT and self.suffix == ".csv"
        return bool(self.section or (is_table and self.answers))


@dataclass(frozen=True, kw_only=True)
class Figure(Output):
    """A figure, as SVG and as PNG next to it.

    Attributes
    ----------
    title
        Its label in lists of figures.
    module
        Module of ``netlift.figures`` that holds the function of the figure's name.
    tables
        Names of the outputs that it is drawn from, in the order of the function's arguments.
    caption
        What it shows, in sentences.
    """

    title: str
    module: str
    tables: tuple[str, ...]
    caption: str

    @property
    def copies(self) -> tuple[str, ...]:
        """The path of the PNG file."""
        return (str(PurePosixPath(self.path).with_suffix(".png")),)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule that makes outputs.

    Attributes
    ----------
    does
        What it does, as a clause without a subject.
    needs
        Names of the outputs that it reads.
    category
        Category under which Snakemake's report lists its outputs.
    """

    does: str
    needs: tuple[str, ...] = ()
    category: str = ""


def _output(group: str, name: str, entry: Mapping[str, Any]) -> Output:
    """Return the output of an entry; by default a CSV table with its name."""
    within = f"{group}/" if group in ("effects", "models") else ""
    folder = FOLDERS[entry.get("folder", "experiment")]
    return Output(**{"name": name, "file": f"{within}{name}.csv", **entry, "folder": folder})


def _figure(name: str, entry: Mapping[str, Any]) -> Figure:
    """Return the figure of an entry; by default with the table and the module of its name."""
    folder = entry.get("folder", "experiment")
    defaults = {
        "name": name,
        "file": f"{name}.svg" if folder in ("sweep", "validation") else f"figures/{name}.svg",
        "title": name.replace("_", " ").capitalize(),
        "module": name,
    }
    tables = tuple(entry.get("tables", [name]))
    return Figure(**{**defaults, **entry, "tables": tables, "folder": FOLDERS[folder]})


def _rule(entry: Mapping[str, Any]) -> Rule:
    return Rule(**{**entry, "needs": tuple(entry.get("needs", ()))})


_ENTRIES = yaml.load(
    REGISTRY.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
)

GROUPS: dict[str, list[Output]] = {
    group: [_output(group, name, entry) for name, entry in entries.items()]
    for group, entries in _ENTRIES.items()
    if group not in ("figures", "rules", "grid_caption")
}
"""Outputs except figures, by group, in the order in which to read them."""

OUTPUTS: list[Output] = [output for group in GROUPS.values() for output in group]
"""Every output except figures; names are unique."""

FIGURES: list[Figure] = [_figure(name, entry) for name, entry in _ENTRIES["figures"].items()]
"""Figures, in the order of the rules that draw them."""

RULES: dict[str, Rule] = {name: _rule(entry) for name, entry in _ENTRIES["rules"].items()}
"""Rules behind the outputs, in the order in which data flow."""

GRID_CAPTION: str = _ENTRIES["grid_caption"]
"""Caption of the heat maps of every sensitivity grid."""

_BY_NAME = {output.name: output for output in OUTPUTS}


def named(name: str) -> Output:
    """Return the output with a name; figures are not included.

    Raises
    ------
    KeyError
        There is no such output.
    """
    return _BY_NAME[name]


def made_by(*rules: str) -> list[Output]:
    """Return what rules make: tables and files, or figures."""
    return [output for output in [*OUTPUTS, *FIGURES] if output.rule in rules]


def files_of(*rules: str) -> list[str]:
    """Return the files that rules make, from the folder of the study; figures in both formats."""
    return [path for output in made_by(*rules) for path in (output.path, *output.copies)]


def figures_of(*rules: str) -> list[Figure]:
    """Return the figures that rules draw."""
    return [figure for figure in FIGURES if figure.rule in rules]


def needs_of(rule: str) -> list[Output]:
    """Return what a rule reads; a rule that draws figures reads the tables of all of them."""
    drawn = [table for figure in figures_of(rule) for table in figure.tables]
    return [named(name) for name in dict.fromkeys([*RULES[rule].needs, *drawn])]


def drawings(rule: str) -> dict[str, dict[str, Any]]:
    """Return for each figure of a rule its module and the names of its tables."""
    return {
        figure.name: {"module": figure.module, "tables": list(figure.tables)}
        for figure in figures_of(rule)
    }


def page_outputs() -> list[Output]:
    """Return the outputs that the page of a simulated experiment depends on."""
    return [
        output
        for output in [*OUTPUTS, *FIGURES]
        if output.is_on_page and output.rule not in DELIVERY_RULES
    ]


def outputs_of_log(
    *, is_experiment: bool, row_stages: bool, records_delivery: bool
) -> list[Output]:
    """Return the tables and figures that the analysis of a log makes, and no others.

    Parameters
    ----------
    is_experiment
        Whether a promotion was drawn at random; without one there are no effects.
    row_stages
        Whether stages that hold item rows in memory are run.
    records_delivery
        Whether it says in which slates promotions were delivered.
    """
    names = ["contract", "row_counts", "accounts"]
    names += ["outcome_by_position"] if row_stages else []
    rules: Sequence[str] = ()
    if is_experiment:
        rules = [*ESTIMATES, *MODEL_RULES, *FIGURE_RULES] if row_stages else WITHOUT_ROWS
    if records_delivery:
        rules = [*rules, *DELIVERY_RULES]
    items = ["slate_items"] if row_stages else []
    return [*(named(name) for name in names + items), *made_by(*rules)]


def files_of_log(**about: bool) -> list[str]:
    """Return the files of ``outputs_of_log``, with the wildcard of an experiment."""
    outputs = outputs_of_log(**about)
    return [path for output in outputs for path in (output.path, *output.copies)]


def maker(output: Output, *, of_log: bool = False) -> str:
    """Return the rule that makes an output of a simulated experiment, or of a team's own log."""
    return output.log_rule if of_log and output.log_rule else output.rule


def behind(rules: Iterable[str], *, of_log: bool = False) -> list[tuple[str, str, list[str]]]:
    """Return rules and all rules that they need, in the order in which data flow.

    Parameters
    ----------
    rules
        Names of rules.
    of_log
        Whether they analyze a team's own log, whose accounts and items other rules make.

    Returns
    -------
    For each rule its name, what it does, and the names of the rules that it needs.
    """
    needed: dict[str, list[str]] = {}
    pending = list(rules)
    while pending:
        rule = pending.pop()
        if rule not in needed:
            needed[rule] = sorted({maker(output, of_log=of_log) for output in needs_of(rule)})
            pending += needed[rule]
    return [(rule, RULES[rule].does, needed[rule]) for rule in RULES if rule in needed]


def outputs_reference() -> str:
    """Return Markdown tables of the outputs that people read and the questions that they answer."""
    headings = {
        "effects": "Tables of effects of one experiment, in the order in which to read them",
        "models": "Models and policies",
        "over_worlds": "All worlds of one design together",
        "arms": "All variants together, in the folder of a log or a promotion with several arms",
        "over_promotions": "All promotions of the same slates together, in a study of several",
        "studies": "Sweep and validation",
    }
    lines = []
    for group, heading in headings.items():
        shown = [output for output in GROUPS[group] if output.answers]
        rows = [f"| `{_within(output)}` | {output.answers} | {output.unit} |" for output in shown]
        lines += [f"{heading}:", "", "| file | answers | unit |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _within(output: Output) -> str:
    """Return an output's path within the folder of its experiment, design or study."""
    path = output.path
    for folder in (EXPERIMENT, OVER_WORLDS, OVER_PROMOTIONS, SEVERAL_ARMS, STUDY):
        path = path.removeprefix(f"{folder}/")
    return path.replace("{promotion}", "PROMOTION")
