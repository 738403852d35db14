"""Small tables for tests: written by hand, or drawn at random without the library's help.

Nothing here calls the library, so that what a test expects never comes from the code it tests.
Slates are written as strings, one letter an item: ``"AAB"`` is a slate of three items, the first
two in cluster A.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from netlift.effects.codes import DIFFERENCE
from netlift.effects.slate_accounts import SlateAccounts
from netlift.promotion.exposure import draw_arms
from netlift.promotion.record import Promotion
from netlift.studies.replicate_estimates import Case
from netlift.workflow.schema import completed
from netlift.worlds.registry import schema

COMPONENTS = ("direct_focal", "same_cluster_competitor", "other_competitor")


def draw_promotions(
    units: np.ndarray, probability: float, assignment: str, seed: int, stratum: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw which slates are promoted, and with what probability: arms with one variant."""
    arm, shares = draw_arms(units, (probability,), assignment, seed, stratum)
    return arm == 1, shares[:, 1]


def compared(accounts: pd.DataFrame) -> SlateAccounts:
    """Return the accounts with their design, as the tables of effects need them."""
    return SlateAccounts.from_table(accounts, DIFFERENCE)


def exposure(
    slates: Sequence[str], focal: Sequence[int], promoted: Sequence[int], users: Sequence[int] = ()
) -> pd.DataFrame:
    """Map exposure item by item: the focal item is taken out of the slate and put on top."""
    rows = []
    for number, (letters, focal_position, is_promoted) in enumerate(
        zip(slates, focal, promoted, strict=True)
    ):
        shown = list(range(1, len(letters) + 1))
        if is_promoted:
            shown.remove(focal_position)
            shown.insert(0, focal_position)
        for position, cluster in enumerate(letters, start=1):
            is_focal = position == focal_position
            same_cluster = cluster == letters[focal_position - 1]
            final = shown.index(position) + 1
            rows.append(
                {
                    "slate_id": number,
                    "user_id": users[number] if len(users) else 1000 + number,
                    "item_id": 100 * number + position,
                    "spillover_cluster": cluster,
                    "slate_position_seed": position,
                    "is_focal_item": is_focal,
                    "focal_seed_position": focal_position,
                    "focal_spillover_cluster": letters[focal_position - 1],
                    "promotion_applied": int(is_promoted),
                    "final_position": final,
                    "component": COMPONENTS[0 if is_focal else 1 if same_cluster else 2],
                    "promoted_position": 1 if is_focal else position + (position < focal_position),
                    "exposure": "focal"
                    if is_focal
                    else ("moved_down" if position < focal_position else "unchanged"),
                    "position_change": final - position,
                }
            )
    return pd.DataFrame(rows)


def items(
    slates: Sequence[str],
    focal: Sequence[int],
    promoted: Sequence[int],
    clicks: Sequence[str],
    users: Sequence[int] = (),
) -> pd.DataFrame:
    """Write an experiment's log: clicks as strings, ``"010"`` is a click on the second item."""
    table = exposure(slates, focal, promoted, users)
    return table.assign(click=[int(mark) for mark in "".join(clicks)])


def slates_of(exposed: pd.DataFrame) -> pd.DataFrame:
    """Remove the design and the mapping: return the table as it was before promotion."""
    columns = ["slate_id", "user_id", "item_id", "spillover_cluster", "slate_position_seed"]
    return exposed[columns].copy()


def random_exposure(
    seed: int,
    n_slates: int,
    size: int | tuple[int, int],
    *,
    clusters: str = "ABC",
    n_users: int | None = None,
) -> pd.DataFrame:
    """Draw an exposure table with features; ``size`` may be a range, for ragged slates."""
    rng = np.random.default_rng(seed)
    low, high = (size, size) if isinstance(size, int) else size
    sizes = rng.integers(low, high + 1, n_slates)
    users = rng.integers(n_users, size=n_slates) if n_users else np.arange(n_slates)
    table = exposure(
        ["".join(rng.choice(list(clusters), k)) for k in sizes],
        [int(rng.integers(1, k + 1)) for k in sizes],
        rng.random(n_slates) < 0.5,
        users,
    )
    liked, activity = rng.random(users.max() + 1), rng.integers(20, 500, users.max() + 1)
    return table.assign(
        relevance=rng.choice(np.arange(0.5, 5.5, 0.5), len(table)),
        item_popularity=rng.integers(1, 1000, len(table)),
        item_liked_rate=rng.random(len(table)),
        user_liked_rate=liked[table["user_id"]],
        user_activity=activity[table["user_id"]],
    )


def random_items(
    seed: int, n_slates: int, size: int | tuple[int, int], *, n_users: int | None = None
) -> pd.DataFrame:
    """Draw a simulated experiment with its truth: focal items gain, most competitors lose."""
    table = random_exposure(seed, n_slates, size, n_users=n_users)
    rng = np.random.default_rng([seed, 1])
    shift = table["component"].map(dict(zip(COMPONENTS, (0.25, -0.10, -0.03), strict=True)))
    p_control = rng.uniform(0.1, 0.6, len(table))
    p_promoted = np.clip(p_control + shift + rng.normal(0, 0.03, len(table)), 0.0, 1.0)
    uniform = rng.random(len(table))
    promoted = table["promotion_applied"] == 1
    expected = np.where(promoted, p_promoted, p_control)
    return table.assign(
        click=(uniform < expected).astype(int),
        p_control=p_control,
        p_promoted=p_promoted,
        expected_click=expected,
        known_lift=expected - p_control,
        click_control=(uniform < p_control).astype(int),
        click_promoted=(uniform < p_promoted).astype(int),
    )


def ratings(*rows: tuple[int, int, float, int]) -> pd.DataFrame:
    """Write ratings as (user, item, stars, time)."""
    table = pd.DataFrame(list(rows), columns=["user_id", "item_id", "rating", "timestamp"])
    return table.astype(
        {"user_id": "int32", "item_id": "int32", "rating": "float32", "timestamp": "int64"}
    )


def random_ratings(
    seed: int, n_users: int, n_items: int, per_user: tuple[int, int]
) -> pd.DataFrame:
    """Draw ratings of distinct items, popular ones more often; times repeat, as real ones do."""
    rng = np.random.default_rng(seed)
    weight = 1.0 / np.arange(1, n_items + 1) ** 0.7
    rows = []
    for user in range(n_users):
        count = int(rng.integers(*per_user, endpoint=True))
        chosen = rng.choice(n_items, count, replace=False, p=weight / weight.sum())
        stars = rng.choice(np.arange(0.5, 5.5, 0.5), count)
        times = rng.integers(0, 3 * count, count)
        rows += [
            (10 + 3 * user, 5 + 2 * int(item), float(star), int(time))
            for item, star, time in zip(chosen, stars, times, strict=True)
        ]
    return ratings(*rows)


def cluster_sandwich(
    outcome: np.ndarray, promoted: np.ndarray, cluster: np.ndarray
) -> tuple[float, float]:
    """Slope of OLS on the arm and its CR2 error, with whole matrices (Bell and McCaffrey 2002)."""
    design = np.column_stack([np.ones(len(outcome)), np.asarray(promoted, dtype=float)])
    bread = np.linalg.inv(design.T @ design)
    residual_maker = np.eye(len(outcome)) - design @ bread @ design.T
    residual = residual_maker @ outcome
    variance = 0.0
    for number in set(np.asarray(cluster).tolist()):
        own = np.asarray(cluster) == number
        values, vectors = np.linalg.eigh(residual_maker[np.ix_(own, own)])
        root = np.where(values > 1e-12, 1 / np.sqrt(np.maximum(values, 1e-12)), 0.0)
        adjusted = (vectors * root) @ vectors.T @ residual[own]
        variance += float((bread @ design[own].T @ adjusted)[1]) ** 2
    return float((bread @ design.T @ outcome)[1]), variance**0.5


def validation_case(*, n_slates: int = 120, unit: str = "slate", **changes) -> Case:
    """Return a case of the validation in a small world."""
    slates = random_exposure(1, n_slates, 6, n_users=n_slates // 4).drop(
        columns=["is_focal_item", "focal_seed_position", "promotion_applied", "component"]
    )
    entry = completed({"model": "logit", "target_click_rate": 0.3, **changes}, schema("logit"))
    promotion = Promotion(
        probability=0.5, assignment="bernoulli", unit=unit, focal_position_first=3
    )
    return Case.from_slates(slates, entry, promotion=promotion, seed=5)
