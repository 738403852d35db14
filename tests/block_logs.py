"""Logs of pages with several blocks, drawn by a click model of their own, with true effects."""

import numpy as np
import pandas as pd
from treatment_logs import TREATMENTS, other_order, place

NAMES = ("top picks", "because", "new", "again")
DRAWS = 60
SIZES = (3, 7)
ROLES = ("slate", "user", "item", "cluster", "block", "position", "focal", "promoted")


def paged(name, seed=1, n_slates=1500, blocks=(2, 4), sizes=SIZES):
    """Return a log, its entry without a path, and the true effects per slate.

    A page has 2 to 4 blocks of 3 to 6 items. A reader looks at each block with a chance that falls
    from block to block, goes along its items, and stops after each with a chance. A click makes the
    reader half as likely to click in its cluster again, and a click on the first item of a block
    less likely to look at later blocks.
    """
    rng = np.random.default_rng(seed)
    treatment = TREATMENTS[name]
    pages = [_page(treatment, number, rng, blocks, sizes) for number in range(n_slates)]
    log = pd.DataFrame({name: np.concatenate([page[name] for page in pages]) for name in pages[0]})
    rows, user = len(log), rng.integers(500, size=n_slates)[log["slate"]]
    log = log.assign(
        block=np.array(NAMES)[log["block_number"]],
        user=user,
        visits=user % 7,
        promoted=(rng.random(n_slates) < 0.5)[log["slate"]].astype(int),
        item=rng.integers(0, 10**8, rows),
        cluster=rng.integers(0, 3, rows),
        score=(rng.uniform(0.1, 0.7, rows) + 0.25 * log["focal"]).round(3),
    )
    before, after = (_clicks(log, order, treatment, seed) for order in ("position", "other_order"))
    log["clicks"] = np.where(log["promoted"] == 1, after[0], before[0]).astype(int)
    shown = np.where(log["promoted"] == 1, log["other_order"], log["position"])
    effects = _truth(log, (after.mean(axis=0) - before.mean(axis=0)) / n_slates)
    log["shown"] = shown
    for column in ("position", "other_order", "shown"):
        log[column] = place(log[column].to_numpy())
    roles = {role: role for role in ROLES}
    if name == "rerank":
        roles["promoted_position"] = "other_order"
    entry = {
        "columns": roles,
        "outcomes": {"clicks": {"column": "clicks"}},
        "promotion": {"unit": "slate", "probability": 0.5} | treatment,
        "covariates": {"item": {"relevance": "score"}, "slate": {"user_activity": "visits"}},
    }
    return log, entry, effects


def _page(treatment, number, rng, n_blocks, sizes):
    """Return the rows of one page, its blocks in the order of ``NAMES``."""
    lengths = rng.integers(*sizes, rng.integers(n_blocks[0], n_blocks[1] + 1))
    focal_block = rng.integers(len(lengths))
    parts = []
    for block, length in enumerate(lengths):
        here = block == focal_block
        added = here and ("insert" in treatment or "replace" in treatment)
        seed_place = np.r_[np.arange(1, length + 1), [0] * int(added)]
        focal = np.zeros(len(seed_place), dtype=bool)
        if here:
            several = treatment.get("focal_items", 1)
            chosen = [length] if added else rng.permutation(length)[:several]
            focal[chosen] = True
        changes = here or "rerank" in treatment
        other = other_order(treatment, seed_place, focal, rng) if changes else seed_place
        parts.append([np.full(len(focal), block), seed_place, other, focal])
    block, seed_place, other, focal = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return {
        "slate": np.full(len(focal), number),
        "block_number": block,
        "position": seed_place,
        "other_order": other,
        "focal": focal.astype(int),
    }


def _clicks(log, order, treatment, seed):
    """Return the clicks of all rows in DRAWS readings of pages in an order, shape (DRAWS, R)."""
    appeal, cluster = log["score"].to_numpy(), log["cluster"].to_numpy()
    if order == "other_order" and "badge" in treatment:
        appeal = appeal * np.where(log["focal"] == 1, 1.5, 1.0)
    rng = np.random.default_rng(seed + 1)
    luck, patience = rng.random((2, DRAWS, len(log)))
    n_pages = log["slate"].max() + 1
    opens = rng.random((DRAWS, n_pages, len(NAMES)))
    clicked = np.zeros((DRAWS, len(log)))
    interest, tired = np.ones((DRAWS, n_pages)), np.ones((DRAWS, n_pages, 3))
    for block in range(len(NAMES)):
        looks = opens[:, :, block] < 0.9 * 0.8**block * interest
        for number in range(1, int(log[order].max()) + 1):
            here = np.flatnonzero((log["block_number"] == block) & (log[order] == number))
            page, of_item = log["slate"].to_numpy()[here], cluster[here]
            likely = appeal[here] * tired[:, page, of_item]
            click = looks[:, page] & (luck[:, here] < likely)
            clicked[:, here] = click
            tired[:, page, of_item] *= np.where(click, 0.5, 1.0)
            interest[:, page] *= np.where(click, 0.3 if number == 1 else 1, 1)
            looks[:, page] &= patience[:, here] < 0.85
    return clicked


def _truth(log, change):
    """Return the mean effects per slate of the ledger's lines, and of both kinds of blocks."""
    focal = log["focal"] == 1
    keys = log.loc[focal, ["slate", "cluster"]].drop_duplicates()
    same = log[["slate", "cluster"]].merge(keys, how="left", indicator=True)["_merge"] == "both"
    blocks = log.loc[focal, ["slate", "block"]].drop_duplicates()
    here = log[["slate", "block"]].merge(blocks, how="left", indicator=True)["_merge"] == "both"
    members = {
        "direct": focal,
        "same_cluster": same & ~focal,
        "other": ~same & ~focal,
        "total": focal | True,
        "same_block": here & ~focal,
        "other_blocks": ~here & ~focal,
    }
    return {name: float(change[rows.to_numpy()].sum()) for name, rows in members.items()}
