"""Every treatment in every world: estimates are unbiased, and intervals cover.

``NETLIFT_REPLICATES=2000`` measures what 200 replicates test.
"""

import os

import numpy as np
import pandas as pd
import pytest
from builders import random_exposure
from scipy.stats import binom, norm, t

from netlift.effects.codes import DIFFERENCE
from netlift.effects.estimators import LIN
from netlift.promotion.record import Promotion
from netlift.promotion.treatment import Treatment
from netlift.studies.replicate_estimates import Case, replicate_ledgers
from netlift.worlds.registry import models

pytestmark = [pytest.mark.slow, pytest.mark.long]

REPLICATES = int(os.environ.get("NETLIFT_REPLICATES", "200"))
SLATES, SIZE = 1000, 12
TREATMENTS = [
    Treatment("move", 1),
    Treatment("move", 3),
    Treatment("move", 1, focal_items=3),
    Treatment("insert", 1),
    Treatment("insert", 3, grows=True),
    Treatment("replace", 3),
    Treatment("badge"),
    Treatment("rerank", boost=1.0),
    Treatment("rerank", focal_items=3, boost=1.0),
]
COLUMNS = ["slate_id", "user_id", "item_id", "spillover_cluster", "slate_position_seed"]
COLUMNS += ["relevance", "item_popularity", "item_liked_rate", "user_liked_rate", "user_activity"]
CHECKS = len(TREATMENTS) * len(models()) * 8
FALSE_ALARM = 0.01
"""Of all checks of bias together, and of all of coverage together."""


class Likeness:
    """Similarity of item ids, made up: symmetric, in [0, 1], 0 with itself."""

    def among(self, item):
        one, other = item[:, :, None], item[:, None, :]
        return np.where(one == other, 0.0, ((one + other) % 7) / 7)


def ledgers(treatment: Treatment, model: str) -> pd.DataFrame:
    promotion = Promotion(
        probability=0.5, assignment="bernoulli", focal_position_first=5, treatment=treatment
    )
    rows = promotion.rows(SIZE)
    slates = random_exposure(11, SLATES, rows)[COLUMNS]
    # A boost of 1 overtakes items up to four places above.
    slates["ranker_value"] = np.tile(np.linspace(3, 0.25, rows), SLATES)
    entry = {"model": model, "promotion_badge": 0.4}
    case = Case.from_slates(slates, entry, Likeness(), promotion=promotion, seed=3)
    table = replicate_ledgers(case, range(REPLICATES))
    return table[
        table["estimator"].isin([DIFFERENCE, LIN]) & (table["effect_family"] != "Item rows")
    ]


@pytest.mark.parametrize("model", models())
@pytest.mark.parametrize("treatment", TREATMENTS, ids=str)
def test_estimates_are_unbiased_and_intervals_cover(treatment, model):
    bound = norm.isf(FALSE_ALARM / CHECKS / 2)
    tail = FALSE_ALARM / CHECKS
    few = binom.ppf(tail, REPLICATES, 0.95) / REPLICATES
    lines = ledgers(treatment, model).groupby(["estimator", "line"])
    assert len(lines) == 8
    for name, line in lines:
        error = line["t"] * line["se"]
        assert abs(error.mean()) < bound * error.std() / np.sqrt(REPLICATES), name
        covered = (line["t"].abs() <= t.ppf(0.975, line["df"])).mean()
        assert few <= covered, name
        # Of a lower error than is claimed only a little: effects differ between slates.
        assert error.std() > 0.85 * line["se"].mean(), name
        print(f"{name}: bias {error.mean():+.5f}, coverage {covered:.3f}")
