"""The colors of figures and of the page, light and dark; nothing heavy is imported here.

Colors follow Okabe and Ito (2008), darkened where white paper needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """The colors of a figure.

    Attributes
    ----------
    paper, ink, muted, grid
        Background, text, less important text, and lines behind the data.
    data
        Data that belong to no component, arm or verdict.
    focal, same_cluster, other, competitors, total
        The components of a slate; ``competitors`` are both kinds together.
    promoted, control
        The arms.
    gains, loses, undecided
        The verdicts.
    """

    paper: str
    ink: str
    muted: str
    grid: str
    data: str
    focal: str
    same_cluster: str
    other: str
    competitors: str
    total: str
    promoted: str
    control: str
    gains: str
    loses: str
    undecided: str

    def component(self, name: str) -> str:
        """Return the color of a component, by its column name or its label in tables."""
        return str(getattr(self, _COMPONENTS[name]))


LIGHT = Theme(
    paper="#FFFFFF",
    ink="#1F2328",
    muted="#57606A",
    grid="#E3E7EB",
    data="#4A6B7C",
    focal="#0065A8",
    same_cluster="#C2528B",
    other="#D98E04",
    competitors="#6B5E50",
    total="#1F2328",
    promoted="#37474F",
    control="#9AA8B0",
    gains="#009E73",
    loses="#D55E00",
    undecided="#6E7781",
)
DARK = Theme(
    paper="#15181C",
    ink="#F2F4F6",
    muted="#A9B2BA",
    grid="#30363D",
    data="#8FB3C6",
    focal="#56B4E9",
    same_cluster="#D977AE",
    other="#F0B73A",
    competitors="#8F8375",
    total="#F2F4F6",
    promoted="#DDE3E6",
    control="#6B7880",
    gains="#2CC295",
    loses="#FF8A3D",
    undecided="#98A2AD",
)

_COMPONENTS = {
    "direct_focal": "focal",
    "same_cluster_competitor": "same_cluster",
    "other_competitor": "other",
    "direct": "focal",
    "same_cluster": "same_cluster",
    "other": "other",
    "indirect": "competitors",
    "total": "total",
}

_current: ContextVar[Theme] = ContextVar("theme", default=LIGHT)


def current_theme() -> Theme:
    """Return the colors to draw in: those of the innermost ``use_theme``, by default ``LIGHT``."""
    return _current.get()


@contextmanager
def use_theme(theme: Theme) -> Iterator[None]:
    """Draw in a theme: ``with use_theme(DARK): ...``."""
    token = _current.set(theme)
    try:
        yield
    finally:
        _current.reset(token)
