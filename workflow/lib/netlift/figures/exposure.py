"""Figure 2: the exposure mapping."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from netlift.figures.drawing.marks import color_key
from netlift.figures.drawing.style import ROW, row_axis, sheet, styled
from netlift.figures.drawing.text import count, shortened
from netlift.figures.drawing.themes import current_theme
from netlift.promotion.exposure import COMPONENTS

LABELS = {
    "direct_focal": "Focal item",
    "same_cluster_competitor": "Same-cluster\ncompetitors",
    "other_competitor": "Other\ncompetitors",
}
"""Names of the components next to an axis."""


@styled
def exposure_mapping(exposure: pd.DataFrame, *, source: str = "") -> Figure:
    """Draw the basis of the design: rows by component, displacement, slates by cluster.

    Parameters
    ----------
    exposure
        Slate items with the design (``exposure.parquet``).
    source
        Where the numbers come from, for the footer.
    """
    theme = current_theme()
    slates = slates_by_cluster(exposure)
    promoted, control = (int(number) for number in slates.sum())
    figure = sheet(
        max(5.4, ROW * len(slates) + 1.0),
        title="Exposure: what a promotion touches, and how much data there is",
        subtitle=f"{count(promoted + control)} slates: {count(promoted)} promoted, "
        f"{count(control)} control",
        legend=[color_key(theme.promoted, "promoted"), color_key(theme.control, "control")],
        note=_only_in_one_order(exposure),
        source=source,
    )
    halves = figure.add_gridspec(1, 2)
    left = halves[0].subgridspec(2, 1, height_ratios=[1, 1.45])
    draw_component_rows(figure.add_subplot(left[0]), exposure)
    draw_displacement(figure, left[1], exposure)
    draw_cluster_slates(figure.add_subplot(halves[1]), slates)
    return figure


def draw_component_rows(axes: Axes, exposure: pd.DataFrame) -> None:
    """Draw item rows by component and arm."""
    theme = current_theme()
    counts = pd.crosstab(exposure["component"], exposure["promotion_applied"])
    counts = counts.reindex(index=list(COMPONENTS), columns=[1, 0], fill_value=0)
    for arm, color, shift in ((1, theme.promoted, -0.2), (0, theme.control, 0.2)):
        rows = np.arange(len(counts)) + shift
        axes.barh(rows, counts[arm].to_numpy(), height=0.36, color=color)
        for row, number in zip(rows, counts[arm], strict=True):
            axes.annotate(
                count(number),
                (number, row),
                (4, 0),
                textcoords="offset points",
                va="center",
                size=9,
            )
    row_axis(axes, [LABELS[name] for name in counts.index])
    axes.margins(x=0.2)
    _counts_axis(axes)
    axes.set(title="Rows by component", xlabel="Item rows")


def draw_displacement(figure: Figure, where: SubplotSpec, exposure: pd.DataFrame) -> None:
    """Draw how far the rows of each component move in promoted slates, one axis per component."""
    grid = where.subgridspec(len(COMPONENTS), 1, hspace=0.05)
    moved = exposure[(exposure["promotion_applied"] == 1) & exposure["position_change"].notna()]
    change = moved["position_change"].to_numpy(dtype=np.int64)
    shared: Axes | None = None
    for index, name in enumerate(COMPONENTS):
        axes = figure.add_subplot(grid[index], sharex=shared)
        shared = shared or axes
        values, number = np.unique(change[moved["component"] == name], return_counts=True)
        share = 100 * number / max(number.sum(), 1)
        axes.bar(values, share, width=0.8, color=current_theme().component(name))
        axes.set(ylim=(0, 108), yticks=[0, 50, 100])
        axes.set_ylabel("Share of\nrows (%)", size=9)
        axes.grid(visible=True, axis="y")
        axes.text(
            0.02,
            0.93,
            _movement_label(exposure, name, len(values)),
            transform=axes.transAxes,
            va="top",
            weight="bold",
            size=9,
        )
        axes.tick_params(axis="x", labelbottom=index == len(COMPONENTS) - 1)
        if index == 0:
            axes.set_title("Displacement in promoted slates")
    lowest = min(-1, int(change.min(initial=0)))
    axes.set_xlim(lowest - 0.7, max(1, int(change.max(initial=0))) + 0.7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Change of position (negative: up, positive: down)")


def _movement_label(exposure: pd.DataFrame, name: str, n_moves: int) -> str:
    """Return the label of a component's axis, which says where no row has two positions."""
    label = LABELS[name].replace("\n", " ")
    if n_moves:
        return label
    rows = exposure[(exposure["promotion_applied"] == 1) & (exposure["component"] == name)]
    return f"{label}: shown in one order only" if len(rows) else "no such rows in promoted slates"


def _only_in_one_order(exposure: pd.DataFrame) -> str:
    """Return a note on items of promoted slates that only one of the two orders shows."""
    promoted = exposure[exposure["promotion_applied"] == 1]
    parts = (
        ("only with promotion", promoted["slate_position_seed"].isna()),
        ("only without", promoted["promoted_position"].isna()),
    )
    absent = [f"{count(rows.sum())} rows are shown {words}" for words, rows in parts if rows.any()]
    if not absent:
        return ""
    return f"In promoted slates {' and '.join(absent)}: they have no change of position."


def draw_cluster_slates(axes: Axes, slates: pd.DataFrame) -> None:
    """Draw the number of slates by focal cluster, split by arm."""
    theme = current_theme()
    rows = np.arange(len(slates))
    promoted, control = slates["promoted"].to_numpy(), slates["control"].to_numpy()
    axes.barh(rows, promoted, height=0.72, color=theme.promoted)
    axes.barh(rows, control, left=promoted, height=0.72, color=theme.control)
    for row, (treated, rest) in enumerate(zip(promoted, control, strict=True)):
        axes.annotate(
            f"{count(treated)} + {count(rest)}",
            (treated + rest, row),
            (4, 0),
            textcoords="offset points",
            va="center",
            size=9,
        )
    row_axis(axes, [shortened(name, 110, size=9) for name in slates.index])
    axes.margins(x=0.26)
    _counts_axis(axes)
    axes.set(title="Support: slates by focal cluster", xlabel="Slates (promoted + control)")


def slates_by_cluster(exposure: pd.DataFrame) -> pd.DataFrame:
    """Count slates, not rows, by focal cluster and arm; the largest cluster first."""
    slates = exposure[exposure["is_focal_item"].to_numpy()].drop_duplicates("slate_id")
    arm = slates["promotion_applied"].map({1: "promoted", 0: "control"})
    counts = pd.crosstab(slates["focal_spillover_cluster"].astype(str), arm)
    counts = counts.reindex(columns=["promoted", "control"], fill_value=0).sort_index()
    order = (-counts.sum(axis=1)).argsort(kind="stable")
    return counts.iloc[order]


def _counts_axis(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
