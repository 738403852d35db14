"""Effects by segment: raw, with simultaneous intervals, shrunken, and a test of homogeneity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from netlift.core.arrays import Floats
from netlift.core.labels import with_labels
from netlift.core.outcome import CLICKS, Outcome
from netlift.core.streams import generator
from netlift.core.units import PER_SLATE
from netlift.effects.codes import LINES
from netlift.effects.estimators import difference
from netlift.effects.risk import focal_clusters, position_buckets
from netlift.effects.slate_accounts import component_columns, known_effects
from netlift.effects.spillover import FEW_UNITS
from netlift.inference.arms import ArmDifference
from netlift.inference.cluster_robust import ClusteredFit
from netlift.inference.estimate import CONFIDENCE, MIN_PER_ARM, Estimate, numbers, quantile_t
from netlift.inference.shrinkage import MIN_SHRUNKEN, Shrunken, shrunken
from netlift.promotion.design import Design

POSITION, CLUSTER, RELEVANCE = "focal_position", "focal_cluster", "focal_relevance"
SEGMENT_TYPES = {
    POSITION: "focal position",
    CLUSTER: "focal cluster",
    RELEVANCE: "focal relevance",
}
"""Labels of the kinds of segments."""

_NUMBERS = (
    "estimate",
    "se",
    "df",
    "ci_95_lower",
    "ci_95_upper",
    "simultaneous_ci_95_lower",
    "simultaneous_ci_95_upper",
    "wild_bootstrap_p_value",
)


_SHRUNKEN = (
    "shrunken_estimate",
    "shrunken_se",
    "shrunken_ci_95_lower",
    "shrunken_ci_95_upper",
)


@dataclass(frozen=True)
class Heterogeneity:
    """How much the true effects of segments differ, as estimated.

    Attributes
    ----------
    q, p_value
        Cochran's Q and its chi-square p-value.
    tau
        Standard deviation of true effects over segments (Paule and Mandel 1982), in the unit of
        the effects.
    mean, mean_se
        Mean of the true effects and its error, with weights 1 / (tau^2 + se^2).
    segments
        Number of segments.
    """

    q: float
    p_value: float
    tau: float
    mean: float
    mean_se: float
    segments: int

    @classmethod
    def from_effects(cls, values: Floats, errors: Floats) -> Heterogeneity:
        """Estimate from at least two segments' effects and standard errors, all above zero."""
        from scipy.special import chdtrc
        from statsmodels.stats.meta_analysis import combine_effects

        # Its I squared divides by Q, which may be 0.
        with np.errstate(divide="ignore", invalid="ignore"):
            pooled = combine_effects(values, errors**2, method_re="iterated")
        tau2 = max(float(pooled.tau2), 0.0)
        weights = 1 / (tau2 + errors**2)
        return cls(
            q=float(pooled.q),
            p_value=float(chdtrc(len(values) - 1, pooled.q)),
            tau=float(np.sqrt(tau2)),
            mean=float(weights @ values / weights.sum()),
            mean_se=float(np.sqrt(1 / weights.sum())),
            segments=len(values),
        )


def segments(
    accounts: pd.DataFrame,
    *,
    min_slates: int,
    seed: int = 0,
    bootstrap_draws: int = 999,
    outcome: Outcome = CLICKS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Estimate the ledger by focal position, focal cluster and tercile of focal relevance.

    Parameters
    ----------
    accounts
        One row per slate.
    min_slates
        Slates that a segment needs in each arm; with fewer it has no numbers and a ``note``.
    seed
        Study seed, for the wild bootstrap.
    bootstrap_draws
        Draws of the wild bootstrap.
    outcome
        The outcome's names.

    Returns
    -------
    Segments, and heterogeneity.

    Segments: one row per segment and line of the ledger, observed clicks per slate: the raw
    effect with its own 95% interval; an interval that holds for all segments of the segmentation
    at once (Sidak 1967: segments share no slates); the effect shrunken towards the mean of the
    segments, with intervals that hold on average over them and not for each (see ``shrunken``;
    missing where fewer than four have numbers, or where segments share randomized users);
    ``wild_bootstrap_p_value`` where an arm has fewer than 50 randomized units. A segmentation that
    that is not possible has one row with the reason. Heterogeneity: one row per segmentation and
    line: Cochran's Q and p-value, and ``tau``, the standard deviation of the true effects over
    segments, where these are independent.
    """
    kinds = (Segmentation(*kind, label=SEGMENT_TYPES[kind[0]]) for kind in _segmentations(accounts))
    return effects_by_segment(
        accounts,
        kinds,
        min_slates=min_slates,
        seed=seed,
        bootstrap_draws=bootstrap_draws,
        outcome=outcome,
    )


@dataclass(frozen=True)
class Segmentation:
    """One way to divide slates.

    Attributes
    ----------
    code
        Its code.
    segment_of
        Each slate's segment, shape (N,).
    order
        The segments in order; those without slates are left out.
    why_not
        Why there are none, if so.
    label
        Its name for people.
    about
        Further columns of each segment.
    """

    code: str
    segment_of: pd.Series
    order: Sequence[str]
    why_not: str | None
    label: str
    about: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def effects_by_segment(
    accounts: pd.DataFrame,
    kinds: Iterable[Segmentation],
    *,
    min_slates: int,
    seed: int,
    bootstrap_draws: int,
    outcome: Outcome,
    lines_before: int = 0,
    at_once: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Estimate the ledger in each segment of several segmentations.

    Parameters
    ----------
    accounts, min_slates, seed, bootstrap_draws, outcome
        As in ``segments``.
    kinds
        The segmentations.
    lines_before
        Number of lines whose draws are those of other tables.
    at_once
        Number of segmentations for whose segments simultaneous intervals hold at once.

    Returns
    -------
    Segments, and heterogeneity: see ``segments``.
    """
    table: list[dict[str, object]] = []
    heterogeneity: list[dict[str, object]] = []
    labels: dict[str, str] = {}
    design = Design.from_table(accounts)
    for kind in kinds:
        labels[kind.code] = kind.label
        if kind.why_not:
            row: dict[str, object] = {"segment_type": kind.code, "unit_code": PER_SLATE}
            table.append(row | {"note": kind.why_not})
            continue
        members = {name: (kind.segment_of == name).to_numpy() for name in kind.order}
        parts = [
            _Segment.from_accounts(name, accounts[member], min_slates)
            for name, member in members.items()
            if member.any()
        ]
        mixed = design.mixed_units(pd.factorize(kind.segment_of)[0])
        shared, before = design.unit_name if mixed else None, lines_before + len(heterogeneity)
        lines, rows = _lines(parts, shared, before, seed, bootstrap_draws, outcome, at_once)
        heterogeneity += [{"segment_type": kind.code} | line for line in lines]
        about = [kind.about.get(str(row["segment"]), {}) for row in rows]
        pairs = zip(rows, about, strict=True)
        table += [{"segment_type": kind.code, **row, **more} for row, more in pairs]
    frame, heterogeneity_table = (
        with_labels(outcome.in_units(pd.DataFrame(rows)), segment_type=labels)
        for rows in (table, heterogeneity)
    )
    return frame[[*[name for name in frame if name != "note"], "note"]], heterogeneity_table


def _lines(
    parts: Sequence[_Segment],
    shared: str | None,
    lines_before: int,
    seed: int,
    draws: int,
    outcome: Outcome,
    at_once: int,
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return the heterogeneity of each line of the ledger, and the segments' rows of all lines.

    Parameters
    ----------
    parts
        The segments of one segmentation.
    shared
        Name of the randomized units that segments share, if any.
    lines_before
        Lines of earlier segmentations: each segment of each line has separate draws.
    seed, draws, outcome, at_once
        As in ``effects_by_segment``.
    """
    heterogeneity, rows = [], []
    for line_number, ledger_line in enumerate(LINES, lines_before + 1):
        weights, line = ledger_line.weights, ledger_line.columns | {"unit_code": PER_SLATE}
        effects = [part.effect(weights) for part in parts]
        estimated = [estimate for estimate in effects if estimate is not None]
        spread, compared = (None, len(estimated)) if shared else _spread(estimated)
        heterogeneity.append(line | _heterogeneity(spread, compared, shared))
        towards_mean = _shrunken(effects, spread)
        for number, (part, estimate) in enumerate(zip(parts, effects, strict=True)):
            row = {"segment": part.name} | line | part.counts
            row |= _numbers(estimate, at_once * len(estimated))
            row |= towards_mean.get(number, dict.fromkeys(_SHRUNKEN))
            rng = generator(seed, "wild_bootstrap", (line_number << 20) + number)
            row |= part.other_columns(weights, estimate, rng, draws, outcome)
            rows.append(row | _without_shrunken(row, len(estimated), shared))
    return heterogeneity, rows


def _without_shrunken(
    row: Mapping[str, object], n_segments: int, shared: str | None
) -> dict[str, object]:
    """Return why a segment with an effect has no shrunken one, as its note, if so."""
    if row["estimate"] is None or row["shrunken_estimate"] is not None:
        return {}
    some = "1 segment has a number" if n_segments == 1 else f"{n_segments} segments have numbers"
    few = f"{some} and {MIN_SHRUNKEN} are needed"
    return {"note": f"not shrunken: {f'segments share {shared}s' if shared else few}"}


@dataclass(frozen=True)
class _Segment:
    """Slates of one segment, with a note if they have no numbers."""

    name: str
    clicks: Floats
    design: Design
    known: Floats | None
    note: str | None

    @classmethod
    def from_accounts(cls, name: str, accounts: pd.DataFrame, min_slates: int) -> _Segment:
        clicks = accounts[component_columns("observed_clicks")].to_numpy(dtype=np.float64)
        design = Design.from_table(accounts)
        return cls(name, clicks, design, known_effects(accounts), too_few(design, min_slates))

    @property
    def counts(self) -> dict[str, object]:
        treated = int(self.design.promoted.sum())
        slates = len(self.clicks)
        return {"slates": slates, "treated_slates": treated, "control_slates": slates - treated}

    @cached_property
    def arms(self) -> ArmDifference | None:
        return None if self.note else difference(self.design, self.clicks)

    def effect(self, weights: tuple[int, ...]) -> Estimate | None:
        """Return an effect; None where the clicks do not vary, so that it has no error."""
        estimate = None if self.arms is None else self.arms.combination(weights)
        return None if estimate is None or estimate.se == 0 else estimate

    def other_columns(
        self,
        weights: tuple[int, ...],
        estimate: Estimate | None,
        rng: np.random.Generator,
        draws: int,
        outcome: Outcome,
    ) -> dict[str, object]:
        """Return the other columns of an effect: bootstrap p-value, known effect and note."""
        row: dict[str, object] = {}
        if estimate is not None and min(self.design.units_per_arm()) < FEW_UNITS:
            row["wild_bootstrap_p_value"] = self.wild(weights, rng, draws)
        if self.known is not None:
            row["known_effect"] = float(np.dot(weights, self.known))
        constant = f"these {outcome.unit} do not vary" if estimate is None else None
        return row | {"note": self.note or constant}

    def wild(self, weights: tuple[int, ...], rng: np.random.Generator, draws: int) -> float | None:
        outcome = self.clicks @ np.array(weights, dtype=np.float64)
        regressors = np.column_stack([np.ones(len(outcome)), self.design.promoted])
        fit = ClusteredFit.fit(outcome[:, None], regressors, self.design.unit, self.design.weights)
        return fit.wild_bootstrap_p_value((0, 1), rng, draws)


def _spread(estimates: list[Estimate]) -> tuple[Heterogeneity | None, int]:
    """Return how much segments differ, and how many have an effect that varies."""
    varying = [estimate for estimate in estimates if estimate.se > 0]
    if len(varying) < 2:
        return None, len(varying)
    values = np.array([[estimate.value, estimate.se] for estimate in varying])
    return Heterogeneity.from_effects(values[:, 0], values[:, 1]), len(varying)


def _segmentations(
    accounts: pd.DataFrame,
) -> Iterator[tuple[str, pd.Series, list[str], str | None]]:
    """Yield name, each slate's segment, segments in order, and why there are none, if so."""
    bucket, order = position_buckets(accounts)
    yield POSITION, bucket, order, None
    cluster = focal_clusters(accounts)
    sizes = cluster.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    yield CLUSTER, cluster, list(sizes.index), None
    if "focal_relevance" not in accounts:
        yield RELEVANCE, cluster, [], "the items have no column relevance"
        return
    relevance = accounts["focal_relevance"].to_numpy(dtype=np.float64)
    if not np.isfinite(relevance).all():
        yield RELEVANCE, cluster, [], "relevance is missing in some slates"
        return
    edges = np.quantile(relevance, [1 / 3, 2 / 3])
    names = ["low", "middle", "high"]
    # A tercile includes its upper edge: with many equal relevances one may be empty.
    tercile = np.searchsorted(edges, relevance, side="left")
    yield RELEVANCE, pd.Series(np.array(names, dtype=object)[tercile]), names, None


def too_few(design: Design, min_slates: int) -> str | None:
    """Return why some slates get no numbers: an arm has too few; None if both have enough."""
    treated = int(design.promoted.sum())
    control = len(design.promoted) - treated
    if min(treated, control) < min_slates:
        return (
            f"too few slates: {treated} promoted and {control} control, {min_slates} of each needed"
        )
    if min(design.units_per_arm()) < MIN_PER_ARM:
        treated, control = design.units_per_arm()
        return (
            f"too few {design.unit_name}s: {treated} promoted and {control} control, "
            f"{MIN_PER_ARM} of each needed"
        )
    return None


def _numbers(estimate: Estimate | None, at_once: int) -> dict[str, float | None]:
    row: dict[str, float | None] = dict.fromkeys(_NUMBERS)
    if estimate is None:
        return row
    lower, upper = simultaneous_interval(estimate, at_once)
    return (
        row
        | numbers(estimate)
        | {"simultaneous_ci_95_lower": lower, "simultaneous_ci_95_upper": upper}
    )


def simultaneous_interval(estimate: Estimate, segments: int) -> tuple[float, float]:
    """Return the interval of one of several segments, such that all hold at once (Sidak 1967)."""
    each = CONFIDENCE ** (1 / segments)
    half = quantile_t(0.5 + each / 2, estimate.df) * estimate.se
    return estimate.value - half, estimate.value + half


def _shrunken(
    effects: Sequence[Estimate | None], spread: Heterogeneity | None
) -> dict[int, dict[str, float | None]]:
    """Return the columns of the shrunken effects, by number of the segment; none if too few."""
    known = {k: effect for k, effect in enumerate(effects) if effect is not None and effect.se > 0}
    if spread is None or len(known) < MIN_SHRUNKEN:
        return {}
    moved = shrunken_effects(list(known.values()))
    columns = np.column_stack([moved.value, moved.se, moved.lower, moved.upper]).tolist()
    return {
        k: dict(zip(_SHRUNKEN, row, strict=True)) for k, row in zip(known, columns, strict=True)
    }


def shrunken_effects(effects: Sequence[Estimate]) -> Shrunken:
    """Shrink the effects of segments towards their mean."""
    errors = np.array([effect.se for effect in effects])
    wider = np.array([wider_error(effect.df) for effect in effects])
    return shrunken(np.array([effect.value for effect in effects]), errors * wider)


def wider_error(df: float) -> float:
    """Return the factor by which an error counts as larger where its df are few.

    The ratio of a quantile of t to that of the normal distribution.
    """
    tail = (1 + CONFIDENCE) / 2
    return quantile_t(tail, df) / quantile_t(tail, np.inf)


def _heterogeneity(
    spread: Heterogeneity | None, compared: int, shared: str | None
) -> dict[str, object]:
    row: dict[str, object] = {
        "segments_compared": compared,
        "q": None,
        "q_df": None,
        "p_value": None,
        "tau": None,
        "mean_effect": None,
        "mean_effect_se": None,
        "note": None,
    }
    if spread is None:
        few = "fewer than two segments have an effect with an error"
        same = f"segments share {shared}s, so their effects are not independent: not estimated"
        return row | {"note": same if shared else few}
    return row | {
        "q": spread.q,
        "q_df": compared - 1,
        "p_value": spread.p_value,
        "tau": spread.tau,
        "mean_effect": spread.mean,
        "mean_effect_se": spread.mean_se,
    }
