"""Figure 1: the ratings, and the slates built from them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from netlift.figures.drawing.style import row_axis, sheet, styled
from netlift.figures.drawing.text import count, shortened
from netlift.figures.drawing.themes import current_theme
from netlift.figures.example_slates import EXAMPLE_ROW, draw_examples, example_rows

MAX_GENRES = 24
"""Genres with their own bar, at most; the rarest are drawn as one."""

_KEY: dict[str, Any] = {"columnspacing": 1.0, "handletextpad": 0.4, "handlelength": 1.4}


@styled
def ratings_and_slates(
    ratings: pd.DataFrame, movies: pd.DataFrame, exposure: pd.DataFrame, *, source: str = ""
) -> Figure:
    """Draw the ratings, the movies' genres, relevance by position, and two slates as tables.

    Parameters
    ----------
    ratings
        All ratings of the data set: ``rating``, in stars.
    movies
        ``item_id``, ``title`` and ``genres`` (``Action|Comedy``).
    exposure
        Slate items with the design (``exposure.parquet``).
    source
        Where the numbers come from, for the footer.
    """
    genres = genre_counts(movies["genres"])
    top = max(3.9, 0.19 * len(genres) + 0.9)
    bottom = EXAMPLE_ROW * (example_rows(exposure) + 3.2)
    figure = sheet(
        top + bottom,
        title="Ratings, and the slates built from them",
        subtitle=f"{count(len(ratings))} ratings of a catalog of {count(len(movies))} movies; "
        f"{count(exposure['slate_id'].nunique())} slates of "
        f"{int(exposure['slate_position_seed'].max())} items",
        note="Tables: two slates in their order before promotion; the focal item is highlighted.",
        source=source,
    )
    grid = figure.add_gridspec(2, 1, height_ratios=[top, bottom])
    plots = grid[0].subgridspec(2, 2)
    draw_ratings(figure.add_subplot(plots[0, 0]), ratings["rating"])
    draw_relevance(figure.add_subplot(plots[1, 0]), exposure)
    draw_genres(figure.add_subplot(plots[:, 1]), genres)
    draw_examples(figure, grid[1], movies, exposure)
    return figure


def draw_ratings(axes: Axes, rating: pd.Series) -> None:
    """Draw the share of ratings with each number of stars; half-stars from 0.5 to 5."""
    counts = rating.value_counts()
    halves = np.rint(2 * counts.index.to_numpy(dtype=np.float64)).astype(np.int64)
    share = 100 * np.bincount(halves, counts.to_numpy(), minlength=11)[1:11] / max(len(rating), 1)
    stars = np.arange(1, 11) / 2
    axes.bar(stars, share, width=0.4, color=current_theme().data)
    axes.set_xticks(stars, [f"{value:g}" for value in stars])
    axes.set(title="How movies are rated", xlabel="Rating (stars)", ylabel="Share of ratings (%)")
    axes.grid(visible=True, axis="y")


def draw_relevance(axes: Axes, exposure: pd.DataFrame) -> None:
    """Draw the median and the quartiles of relevance at each position before promotion."""
    theme = current_theme()
    exposure = exposure[exposure["slate_position_seed"].notna()]
    position = exposure["slate_position_seed"].to_numpy()
    order = np.argsort(position, kind="stable")
    positions, starts = np.unique(position[order], return_index=True)
    groups = np.split(exposure["relevance"].to_numpy(dtype=np.float64)[order], starts[1:])
    lower, median, upper = np.array(
        [np.nanquantile(group, (0.25, 0.5, 0.75)) for group in groups]
    ).T
    axes.fill_between(
        positions, lower, upper, color=theme.data, alpha=0.25, linewidth=0, label="middle half"
    )
    marker = "o" if len(positions) <= 30 else ""
    axes.plot(positions, median, color=theme.data, marker=marker, markersize=4, label="median")
    axes.set(
        title="Relevance",
        xlabel="Position in the slate before promotion",
        ylabel="Relevance (stars)",
    )
    axes.set_xticks(positions[:: -(-len(positions) // 12)])
    axes.grid(visible=True, axis="y")
    axes.legend(loc="lower right", ncols=2, bbox_to_anchor=(1, 1), borderaxespad=0, **_KEY)


def draw_genres(axes: Axes, genres: pd.Series) -> None:
    """Draw how many movies have each genre; a movie counts for every genre that it has."""
    axes.barh(range(len(genres)), genres.to_numpy(), height=0.72, color=current_theme().data)
    row_axis(axes, [shortened(name, 110, size=9) for name in genres.index])
    for row, number in enumerate(genres):
        axes.annotate(
            count(number), (number, row), (4, 0), textcoords="offset points", va="center", size=9
        )
    axes.margins(x=0.14)
    axes.set(title="Genres of the catalog", xlabel="Movies (each counts for all of its genres)")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def genre_counts(genres: pd.Series) -> pd.Series:
    """Count movies by genre, the most frequent first; if there are very many, the rarest as one."""
    counted = Counter(name for listed in genres.dropna() for name in str(listed).split("|"))
    ordered = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    counts = pd.Series(dict(ordered), dtype=np.int64)
    if len(counts) <= MAX_GENRES:
        return counts
    rest = counts.iloc[MAX_GENRES - 1 :]
    last = pd.Series({f"{len(rest):,} rarer genres": int(rest.sum())})
    return pd.concat([counts.iloc[: MAX_GENRES - 1], last])
