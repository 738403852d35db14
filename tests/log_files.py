"""Logs of experiments as teams have them, drawn and damaged without the library's help."""

import numpy as np
import pandas as pd

COLUMNS = {
    "slate": "Impression ID",
    "user": "visitor",
    "item": "sku",
    "cluster": "dept, name",
    "position": "rank",
    "focal": "candidate",
    "promoted": "arm",
}
"""Role -> the team's column; odd names on purpose."""

ENTRY = {
    "columns": COLUMNS,
    "meanings": {"promoted": {"promoted": ["boost"], "control": ["none"]}},
    "outcomes": {"clicks": {"column": "clicked"}},
    "promotion": {"unit": "slate", "probability": 0.5},
}


def draw_log(
    seed: int,
    n_slates: int,
    size: tuple[int, int] = (6, 6),
    *,
    n_users: int | None = None,
    first: int = 1,
    probability: float = 0.5,
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Draw a log by a click model of its own, and the true effects per slate of its slates.

    A click needs a look, and looks go down from the top: at each item the reader looks with the
    probability of the position, and clicks with the item's; each click on an item of a department
    makes the reader half as likely to click on the next ones of it. Truth: the mean difference of
    both arms' expected clicks, over 200 common draws.
    """
    rng = np.random.default_rng(seed)
    rows, effects = [], []
    for slate in range(n_slates):
        k = int(rng.integers(size[0], size[1] + 1))
        appeal, department = rng.uniform(0.1, 0.9, k), rng.integers(0, 3, k)
        focal = int(rng.integers(1, k))
        promoted = bool(rng.random() < probability)
        looks, clicks = rng.random((200, k)), rng.random((200, k))
        shown = {False: list(range(k)), True: [focal, *(i for i in range(k) if i != focal)]}
        mean = {}
        for arm, order in shown.items():
            mean[arm] = _read(order, appeal, department, looks, clicks)
        change = mean[True].mean(axis=0) - mean[False].mean(axis=0)
        same = (department == department[focal]) & (np.arange(k) != focal)
        other = department != department[focal]
        effects.append([change[focal], change[same].sum(), change[other].sum(), change.sum()])
        drawn = mean[promoted][0]
        user = slate if n_users is None else int(rng.integers(n_users))
        for item in range(k):
            rows.append(
                {
                    "clicked": int(drawn[item]),
                    "rank": item + first,
                    "dept, name": f"<b>D{department[item]}</b>, & co",
                    "sku": f"sku-{int(rng.integers(10**6))}-{item}",
                    "Impression ID": f"s{slate:06d}",
                    "visitor": f"user {user}",
                    "candidate": bool(item == focal),
                    "arm": "boost" if promoted else "none",
                    "shown": shown[promoted].index(item) + first,
                    "score": round(float(appeal[item]), 4),
                    "minutes": round(float(drawn[item] * rng.gamma(0.5, 10)), 3),
                    "visits": user % 17,
                }
            )
    names = ("direct", "same_cluster", "other", "total")
    return pd.DataFrame(rows), dict(zip(names, np.mean(effects, axis=0), strict=True))


def _read(order, appeal, department, looks, clicks) -> np.ndarray:
    """Return clicks by draw and item, of items read in an order."""
    found = np.zeros(looks.shape)
    tired = np.ones((len(looks), 3))
    for place, item in enumerate(order):
        look = looks[:, place] < 0.85**place
        click = look & (clicks[:, item] < appeal[item] * tired[:, department[item]])
        found[:, item] = click
        tired[click, department[item]] *= 0.5
    return found
