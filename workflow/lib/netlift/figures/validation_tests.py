"""Size and power of the randomization tests in every case of the validation."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlift.effects.randomization_tests import LABELS
from netlift.figures.drawing.marks import ESTIMATE, INTERVAL, estimate_key
from netlift.figures.drawing.style import SMALL, sheet, styled
from netlift.figures.drawing.themes import current_theme
from netlift.figures.validation_cases import Block, blocks, draw_blocks, mark_of, verdict_keys
from netlift.studies.validation import PASS

LEVEL = 0.05
ADJUSTED = "_adjusted"
"""Label of the marks of adjusted p-values."""

_REACH = 1.96


@styled
def validation_tests(tests: pd.DataFrame, *, source: str = "") -> Figure:
    """Draw how often each hypothesis was rejected: size where it is true, power where false.

    Parameters
    ----------
    tests
        ``validation/tests.csv``.
    source
        Where the numbers come from, for the footer.
    """
    theme = current_theme()
    hypotheses = list(dict.fromkeys(tests["hypothesis"]))
    parts = [tests[tests["null_is_true"]], tests[~tests["null_is_true"]]]
    groups = [list(blocks(part, "hypothesis", hypotheses)) if len(part) else [] for part in parts]
    figure = sheet(
        sum(block.height for group in groups for block in group),
        title="Do the tests for spillover reject as often as they should?",
        subtitle="Share of replicates rejected at 5%. Where a hypothesis is true, this is the "
        "size, at most 5%; where it is false, the power. In brackets: number of slates.",
        legend=[
            *verdict_keys(),
            estimate_key(theme.data, "with p-values adjusted", marker="|", interval=False),
        ],
        note="Lines: 1.96 Monte Carlo errors. The scale of a size ends at 20%.",
        source=source,
    )
    chosen = [block for group in groups for block in group]

    panels = draw_blocks(figure, chosen, "hypothesis", _title, draw_rejected)
    for axes, of_size in zip(panels, _kinds(chosen, len(groups[0])), strict=True):
        axes.axvline(LEVEL, color=theme.ink, linewidth=1, zorder=1.5)
        axes.set_xlim(-0.01 if of_size else -0.03, 0.2 if of_size else 1.03)
        ticks = [0, 0.05, 0.1, 0.15] if of_size else [0, 0.5, 1]
        axes.set_xticks(ticks, [f"{100 * tick:.0f}" for tick in ticks])
        axes.set_xlabel("Size, %" if of_size else "Power, %", size=SMALL)
    return figure


def _kinds(chosen: list[Block], n_of_size: int) -> list[bool]:
    """Return for every axis whether it shows a size."""
    return [number < n_of_size for number, block in enumerate(chosen) for _ in block.columns]


def _title(hypothesis: str) -> str:
    first, label = "No spillover", LABELS[hypothesis]
    return f"{first}\n{textwrap.fill(label.removeprefix(first).strip(), 13)}"


def draw_rejected(axes: Axes, row: float, line: pd.Series) -> None:
    """Draw the share rejected with its Monte Carlo error, and that with adjusted p-values."""
    theme = current_theme()
    value, error = float(line["rejected"]), _REACH * float(line["rejected_mc_error"])
    ends = [max(value - error, 0.0), min(value + error, 1.0)]
    axes.plot(ends, [row] * 2, color=theme.data, linewidth=1.2, label=INTERVAL, zorder=3)
    look = mark_of(str(line["verdict"]), theme.gains if line["verdict"] == PASS else theme.data)
    axes.plot([value], [row], linestyle="none", label=ESTIMATE, zorder=4, **look)
    axes.plot(
        [line["rejected_adjusted"]],
        [row],
        linestyle="none",
        marker="|",
        markersize=9,
        markeredgewidth=1.5,
        color=theme.data,
        label=ADJUSTED,
        zorder=3.5,
    )
