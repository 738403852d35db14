"""Logs with several arms, drawn by a click model of their own, without the library's help."""

import numpy as np
import pandas as pd

ENTRY = {
    "columns": {
        "slate": "page",
        "user": "visitor",
        "item": "sku",
        "cluster": "dept",
        "position": "rank",
        "focal": "candidate",
        "promoted": "variant",
    },
    "outcomes": {"clicks": {"column": "clicked"}},
    "promotion": {
        "unit": "slate",
        "control": {"values": ["holdout"], "probability": 0.4},
        "arms": {
            "slot1": {"values": ["pin 1"], "probability": 0.3, "move": {"to": 1}},
            "slot3": {"values": ["pin 3"], "probability": 0.3, "move": {"to": 3}},
        },
    },
}

TEXTS = ("holdout", "pin 1", "pin 3")
SLOTS = (None, 1, 3)
NAMES = ("control", "slot1", "slot3")


def draw_arms(
    seed: int,
    n_slates: int,
    *,
    size: int = 6,
    probabilities=(0.4, 0.3, 0.3),
    n_users: int | None = None,
    by_user: bool = False,
    null: bool = False,
) -> tuple[pd.DataFrame, dict[tuple[str, str], dict[str, float]]]:
    """Draw a log with control, a move to slot 1 and a move to slot 3; and its true effects.

    Each reader looks at position p with probability 0.9 ^ (p - 1), and clicks an item that was
    looked at with its appeal; an item below another of its department is 30% less appealing. The
    truth of a pair of arms is the mean over slates of the expected clicks of the one order less
    those of the other, by component. With ``null``, every arm shows the order of control.
    ``probabilities`` has one value per arm, or one row of them per slate.
    """
    rng = np.random.default_rng(seed)
    appeal = rng.uniform(0.1, 0.8, (n_slates, size))
    dept = rng.integers(0, 3, (n_slates, size))
    focal = rng.integers(1, size, n_slates)  # any but the first
    user = np.arange(n_slates) if n_users is None else rng.integers(0, n_users, n_slates)
    p = np.broadcast_to(np.asarray(probabilities, dtype=float), (n_slates, 3))
    draw = rng.random(n_users if by_user else n_slates)
    draw = draw[user] if by_user else draw
    arm = (draw[:, None] > np.cumsum(p, axis=1)[:, :2]).sum(axis=1)
    seeds = np.broadcast_to(np.arange(size), (n_slates, size))
    orders = [seeds if null or slot is None else _moved(seeds, focal, slot - 1) for slot in SLOTS]
    chances = [_chances(order, appeal, dept) for order in orders]
    chance = np.choose(arm[:, None], chances)
    clicked = rng.random((n_slates, size)) < chance
    is_focal = seeds == focal[:, None]
    same = (dept == dept[np.arange(n_slates), focal][:, None]) & ~is_focal
    truth = _truth(chances, is_focal, same)
    slate = np.repeat(np.arange(n_slates), size)
    log = pd.DataFrame(
        {
            "page": [f"p{number:07d}" for number in slate],
            "visitor": np.repeat(user, size),
            "sku": rng.integers(0, 10**9, n_slates * size),
            "dept": [f"D{number}" for number in dept.ravel()],
            "rank": seeds.ravel() + 1,
            "candidate": is_focal.ravel(),
            "variant": np.array(TEXTS)[arm[slate]],
            "shown": np.choose(arm[:, None], orders).ravel() + 1,
            "clicked": clicked.ravel().astype(int),
            "score": appeal.ravel().round(4),
            **{f"p_{name}": p[slate, index] for index, name in enumerate(NAMES)},
        }
    )
    return log, truth


def _moved(seeds: np.ndarray, focal: np.ndarray, to: int) -> np.ndarray:
    """Return places, from 0 on, where the focal item goes to a place."""
    at = focal[:, None]
    places = seeds + ((seeds >= to) & (seeds < at)) - ((seeds <= to) & (seeds > at))
    return np.where(seeds == at, to, places)


def _truth(
    chances: list[np.ndarray], is_focal: np.ndarray, same: np.ndarray
) -> dict[tuple[str, str], dict[str, float]]:
    """Return the mean effect per slate of each pair of arms, by line of the ledger."""
    members = {"direct": is_focal, "same_cluster": same, "other": ~is_focal & ~same}
    members |= {"indirect": ~is_focal, "total": np.ones_like(is_focal)}
    return {
        (NAMES[a], NAMES[b]): {
            line: float(((chances[a] - chances[b]) * member).sum(axis=1).mean())
            for line, member in members.items()
        }
        for a, b in ((1, 0), (2, 0), (2, 1))
    }


def _chances(order: np.ndarray, appeal: np.ndarray, dept: np.ndarray) -> np.ndarray:
    """Return click probabilities of items in an order, shape (n, size)."""
    above = (order[:, :, None] > order[:, None, :]) & (dept[:, :, None] == dept[:, None, :])
    tired = np.where(above.any(axis=2), 0.7, 1.0)
    return 0.9**order * appeal * tired


def draw_insertions(
    seed: int, n_slates: int, *, size: int = 6, second: str = "insert"
) -> tuple[pd.DataFrame, dict[tuple[str, str], dict[str, float]]]:
    """Draw a log as ``draw_arms`` does, of an item that control does not show.

    The first variant inserts it at slot 1, and the last item is pushed out; the second inserts it
    at slot 3, or shows it in place of the item at slot 3 (``second``: ``replace``).
    """
    rng = np.random.default_rng(seed)
    appeal = rng.uniform(0.1, 0.8, (n_slates, size + 1))
    dept = rng.integers(0, 3, (n_slates, size + 1))
    arm = rng.choice(3, n_slates, p=(0.4, 0.3, 0.3))
    hidden = 1000
    seeds = np.broadcast_to(np.r_[np.arange(size), hidden], (n_slates, size + 1))

    def inserted(at):
        places = seeds + ((seeds >= at) & (seeds < hidden))
        places = np.where(places == size, hidden, places)
        return np.where(seeds == hidden, at, places)

    replaced = np.where(seeds == 2, hidden, np.where(seeds == hidden, 2, seeds))
    orders = [seeds, inserted(0), replaced if second == "replace" else inserted(2)]
    chances = [_chances(order, appeal, dept) * (order < hidden) for order in orders]
    clicked = rng.random((n_slates, size + 1)) < np.choose(arm[:, None], chances)
    is_focal = seeds == hidden
    same = (dept == dept[:, -1:]) & ~is_focal
    truth = _truth(chances, is_focal, same)
    slate = np.repeat(np.arange(n_slates), size + 1)
    rank = pd.array(seeds.ravel() + 1, dtype="Int64")
    log = pd.DataFrame(
        {
            "page": [f"p{number:07d}" for number in slate],
            "visitor": slate,
            "sku": rng.integers(0, 10**9, len(slate)),
            "dept": [f"D{number}" for number in dept.ravel()],
            "rank": pd.Series(rank).mask(is_focal.ravel()),
            "candidate": is_focal.ravel(),
            "variant": np.array(TEXTS)[arm[slate]],
            "clicked": clicked.ravel().astype(int),
            "pushed": (np.choose(arm[:, None], orders) == hidden).ravel() & ~is_focal.ravel(),
        }
    )
    return log, truth
