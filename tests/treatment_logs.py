"""Logs of any promotion, drawn by a click model of their own, with the effects that are true."""

import numpy as np
import pandas as pd

TREATMENTS = {
    "to_first": {},
    "slot_3": {"move": {"to": 3}},
    "insert_kept": {"insert": {"at": 2}},
    "insert_grows": {"insert": {"at": 1, "length": "grows"}},
    "replace": {"replace": {"at": 3}},
    "badge": {"badge": {}},
    "three": {"move": {"to": 1}, "focal_items": 3},
    "three_badges": {"badge": {}, "focal_items": 3},
    "rerank": {"rerank": {}, "focal_items": 2},
}
"""Promotions by name, as in an entry."""

ROLES = ("slate", "user", "item", "cluster", "position", "focal", "promoted")
DRAWS = 60


def treated(name, seed=1, n_slates=1500, size=6):
    """Return a log, its entry without a path, and the true effects per slate by line.

    A reader goes down the page and stops with a probability after each item; a click on an item
    makes the reader half as likely to click on the next ones of its cluster. ``shown`` is the
    position as shown, ``other_order`` the one with promotion.
    """
    rng = np.random.default_rng(seed)
    treatment = TREATMENTS[name]
    added = "insert" in treatment or "replace" in treatment
    several, rows = treatment.get("focal_items", 1), size + added
    focal = np.zeros((n_slates, rows), dtype=bool)
    chosen = np.argsort(rng.random((n_slates, size - 1)), axis=1)[:, :several] + 1
    focal[np.arange(n_slates)[:, None], size if added else chosen] = True
    seed_place = np.tile(np.where(np.arange(rows) < size, np.arange(1, rows + 1), 0), (n_slates, 1))
    other = np.stack(
        [other_order(treatment, seed_place[i], focal[i], rng) for i in range(n_slates)]
    )
    cluster = rng.integers(0, 3, (n_slates, rows))
    appeal = rng.uniform(0.1, 0.7, (n_slates, rows))
    marked = np.where(focal & ("badge" in treatment), 1.5 * appeal, appeal)
    draws = rng.random((2, DRAWS, n_slates, rows))
    before = clicks(seed_place, appeal, cluster, draws)
    after = clicks(other, marked, cluster, draws)
    promoted = rng.random(n_slates) < 0.5
    drawn = np.where(promoted[:, None], after[0], before[0])
    user = rng.integers(0, n_slates // 3, n_slates)
    flat = {
        "slate": np.repeat(np.arange(n_slates), rows),
        "user": np.repeat(user, rows),
        "item": rng.integers(0, 10**8, n_slates * rows),
        "cluster": cluster.ravel(),
        "position": place(seed_place),
        "focal": focal.ravel().astype(int),
        "promoted": np.repeat(promoted, rows).astype(int),
        "clicks": drawn.ravel().astype(int),
        "shown": place(np.where(promoted[:, None], other, seed_place)),
        "other_order": place(other),
        "score": appeal.ravel().round(3),
        "visits": np.repeat(user % 7, rows),
    }
    roles = {role: role for role in ROLES}
    if name == "rerank":
        roles["promoted_position"] = "other_order"
    entry = {
        "columns": roles,
        "outcomes": {"clicks": {"column": "clicks"}},
        "promotion": {"unit": "slate", "probability": 0.5} | treatment,
        "covariates": {"item": {"relevance": "score"}, "slate": {"user_activity": "visits"}},
    }
    return pd.DataFrame(flat), entry, truth(before, after, focal, cluster)


def other_order(treatment, places, focal, rng):
    """Return the places of one slate with promotion; 0 where an item is not shown.

    By what a page does: a list of items in order, changed.
    """
    order = [int(item) for item in np.argsort(places, kind="stable") if places[item]]
    ours = [int(item) for item in np.flatnonzero(focal)]
    n = len(order)
    if "insert" in treatment:
        order.insert(treatment["insert"]["at"] - 1, ours[0])
        if treatment["insert"].get("length") != "grows":
            order = order[:n]
    elif "replace" in treatment:
        order[treatment["replace"]["at"] - 1] = ours[0]
    elif "rerank" in treatment:
        order = [int(item) for item in rng.permutation(order)]
    elif "badge" not in treatment:
        rest = [item for item in order if item not in ours]
        to = treatment.get("move", {"to": 1})["to"] - 1
        order = rest[:to] + ours + rest[to:]
    new = np.zeros(len(places), dtype=int)
    new[order] = np.arange(1, len(order) + 1)
    return new


def clicks(places, appeal, cluster, draws):
    """Return clicks by draw, slate and item of slates read in an order."""
    found = np.zeros(draws.shape[1:], dtype=bool)
    reading = np.ones(draws.shape[1:3], dtype=bool)
    tired = np.ones((*draws.shape[1:3], 3))
    for number in range(1, places.max() + 1):
        slate, item = np.nonzero(places == number)
        of_item = cluster[slate, item]
        likely = appeal[slate, item] * tired[:, slate, of_item]
        click = reading[:, slate] & (likely > draws[0, :, slate, item].T)
        found[:, slate, item] = click
        tired[:, slate, of_item] *= np.where(click, 0.5, 1.0)
        reading[:, slate] &= draws[1, :, slate, item].T < 0.85
    return found


def truth(before, after, focal, cluster):
    """Return the mean effects per slate: the focal items, their clusters, the others, and all."""
    change = (after.mean(axis=0) - before.mean(axis=0)).astype(float)
    same = np.zeros(focal.shape, dtype=bool)
    for number in range(3):
        has = (focal & (cluster == number)).any(axis=1)
        same |= (cluster == number) & has[:, None]
    parts = {"direct": focal, "same_cluster": same & ~focal, "other": ~same & ~focal}
    effects = {line: float((change * rows).sum(axis=1).mean()) for line, rows in parts.items()}
    return effects | {"total": float(change.sum(axis=1).mean())}


def place(places):
    """Return places as a team logs them: empty where an item is not shown."""
    return pd.array(np.where(places == 0, pd.NA, places).ravel(), dtype="Int64")
