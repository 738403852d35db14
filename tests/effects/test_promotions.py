"""The comparison of promotions: every number is its experiment's, and sentences claim no more."""

import re

import builders
import numpy as np
import pandas as pd
import pytest
from builders import compared

from netlift.effects.accounts import slate_outcomes
from netlift.effects.ledger import component_effects
from netlift.effects.product import product_summary
from netlift.effects.promotions import SHARE_MOVED, compare_promotions, promotion_statements
from netlift.effects.shares import shares

PHRASES = {
    "top": "moving the focal item to position 1",
    "ad": "inserting the focal item at position 1, where the last item is pushed out",
}
METRICS = ("focal_gain", "same_cluster_change", "other_cluster_change", "competitor_change")


def summary(effects, *, se=10.0, known=None, note=None, kind="interval") -> pd.DataFrame:
    """Return a product summary: (focal, same-cluster, other) changes per 1,000 promoted slates."""
    focal, same, other = effects
    values = (focal, same, other, same + other, focal + same + other)
    rows = [
        {
            "metric": metric,
            "estimate": value,
            "se": se,
            "ci_95_lower": value - 2 * se,
            "ci_95_upper": value + 2 * se,
            "interval_kind": "interval",
            "df": 98.0,
            "note": note if metric == "same_cluster_change" else None,
        }
        for metric, value in zip((*METRICS, "net_change"), values, strict=True)
    ]
    rows.append(
        {
            "metric": "offset_ratio",
            "estimate": (same + other) / focal,
            "se": None,
            "ci_95_lower": -0.9,
            "ci_95_upper": -0.4,
            "interval_kind": kind,
            "df": 98.0,
            "note": None,
        }
    )
    table = pd.DataFrame(rows)
    if known is None:
        return table
    a, b, c = known
    return table.assign(known_value=[a, b, c, b + c, a + b + c, (b + c) / a])


def test_each_line_is_the_summarys_per_slate_and_parts_add_up():
    by_hand = {
        ("w", "top"): summary((100.0, -30.0, -20.0), known=(120.0, -40.0, -20.0)),
        ("w", "ad"): summary((200.0, -90.0, -70.0), known=(240.0, -100.0, -80.0)),
    }
    table = compare_promotions(by_hand, PHRASES).set_index(["promotion", "line"])
    assert len(table) == 12
    top = table.loc["top"]
    assert top["estimate"].round(12).to_dict() == {
        "direct": 0.1,
        "same_cluster": -0.03,
        "other": -0.02,
        "indirect": -0.05,
        "total": 0.05,
        SHARE_MOVED: 0.5,
    }
    assert top.loc["direct", ["se", "ci_95_lower", "ci_95_upper"]].tolist() == [0.01, 0.08, 0.12]
    assert top.loc[SHARE_MOVED, ["ci_95_lower", "ci_95_upper"]].tolist() == [0.4, 0.9]
    assert top["known_value"].round(12).tolist() == [0.12, -0.04, -0.02, -0.06, 0.06, 0.5]
    assert top["unit"].tolist() == ["clicks per slate"] * 5 + ["ratio, without unit"]
    assert table.loc[("ad", "direct"), "promotion_label"] == (
        "Inserting the focal item at position 1, where the last item is pushed out"
    )
    for _, part in table.groupby("promotion"):
        values = part["estimate"].droplevel(0)
        parts = values["same_cluster"] + values["other"]
        assert values["indirect"] == pytest.approx(parts, abs=1e-15)
        assert values["total"] == pytest.approx(values["direct"] + parts, abs=1e-15)
        assert values[SHARE_MOVED] == pytest.approx(-values["indirect"] / values["direct"])


@pytest.mark.parametrize("seed", [1, 2])
def test_numbers_are_those_of_the_experiments_own_tables(seed):
    accounts = slate_outcomes(builders.random_items(seed, 400, (3, 8)))
    table = compare_promotions({("w", "top"): product_summary(compared(accounts))}, PHRASES)
    table = table.set_index("line")
    own = component_effects(compared(accounts))
    own = own[(own["outcome_type"] == "observed_clicks") & own["is_main"]].set_index("line")
    for line in ("direct", "same_cluster", "other", "total"):
        for name, column in (("estimate", "estimate_per_slate"), ("se", "se")):
            assert table.loc[line, name] == pytest.approx(own.loc[line, column], abs=1e-12)
        for end in ("ci_95_lower", "ci_95_upper"):
            assert table.loc[line, end] == pytest.approx(own.loc[line, end], abs=1e-12)
    moved = shares(compared(accounts))
    main = own["estimator"].iloc[0]
    chosen = (moved["metric"] == "taken_from_competitors") & (moved["estimator"] == main)
    (share,) = moved[chosen].to_dict("records")
    for name in ("estimate", "ci_95_lower", "ci_95_upper", "known_value", "df"):
        assert table.loc[SHARE_MOVED, name] == pytest.approx(share[name], abs=1e-12)
    assert table.loc[SHARE_MOVED, "interval_kind"] == share["interval_kind"]


def test_without_truth_nothing_is_known_and_no_multiple_is_stated():
    tables = {("w", name): summary((100.0, -30.0, -20.0), known=None) for name in ("top", "ad")}
    table = compare_promotions(tables, PHRASES)
    assert table["known_value"].isna().all()
    _, ad = promotion_statements(table)["statement"]
    assert "known" not in ad
    assert ad.endswith("compared with top, no difference is shown.")


def test_statements_give_multiples_and_the_worlds_in_which_they_are_shown():
    tables = {
        ("a", "top"): summary((200.0, -80.0, -80.0), known=(200.0, -80.0, -80.0)),
        ("a", "ad"): summary((100.0, -20.0, -20.0), known=(100.0, -20.0, -20.0)),
        ("b", "top"): summary((200.0, -20.0, -20.0), known=(200.0, -20.0, -20.0)),
        ("b", "ad"): summary((180.0, -15.0, -15.0), known=(120.0, -15.0, -15.0)),
    }
    table = promotion_statements(compare_promotions(tables, PHRASES))
    top, ad = table["statement"]
    assert top == (
        "Moving the focal item to position 1 (top), in clicks per 1,000 promoted slates: "
        "focal gain +200.0 (above zero in both worlds); change of all other items \u2212160.0 to "
        "\u221240.0 (below zero in both worlds); net change of the slate +40.0 to +160.0 (above "
        "zero in both worlds)."
    )
    assert ad.endswith(
        "By the known effects it gains 0.50 to 0.60 times as much and takes 0.25 to 0.75 times as "
        "much as top. On the observed clicks, compared with top, it gains less in 1 of 2 worlds: "
        "a; it takes less in 1 of 2 worlds: a."
    )
    counts = ["worlds", "focal_gains", "others_lose", "slate_gains", "slate_loses"]
    assert table[counts].to_numpy().tolist() == [[2, 2, 2, 2, 0], [2, 2, 2, 2, 0]]


def test_what_is_not_shown_is_not_stated():
    """Intervals that cover zero, and intervals with a number in common."""
    tables = {
        ("a", "top"): summary((15.0, -5.0, -5.0), known=(15.0, -5.0, -5.0)),
        ("a", "ad"): summary((54.0, 10.0, 5.0), known=(54.0, 10.0, 5.0)),
    }
    top, ad = promotion_statements(compare_promotions(tables, PHRASES))["statement"]
    assert "focal gain +15.0 (95% interval \u22125.0 to +35.0; neither above nor below zero" in top
    assert "takes" not in ad  # others gain: no multiple of what is taken
    assert "it gains 3.60 times as much as top" in ad
    # +34 to +74 and -5 to +35 have numbers in common; total: +49 to +89 and -15 to +25 have none.
    assert ad.endswith("compared with top, the slate has more clicks.")


def test_the_test_of_a_difference_is_valid_however_dependent_experiments_are():
    """At the least favorable dependence, opposite errors: false in at most 5% of 1,000 worlds."""
    errors = np.random.default_rng(11).standard_normal(1000)
    tables = {("w", name): summary((1000.0, -30.0, -20.0)) for name in ("top", "ad")}
    one = compare_promotions(tables, PHRASES)
    table = pd.concat([one.assign(world=f"w{number}") for number in range(1000)])
    shift = np.repeat(errors, len(one)) * 0.01 * np.where(table["promotion"] == "top", 1, -1)
    shift = np.where(table["line"] == "direct", shift, 0.0)
    for name in ("estimate", "ci_95_lower", "ci_95_upper"):
        table[name] += shift
    _, ad = promotion_statements(table)["statement"]
    found = dict(re.findall(r"it gains (more|less) in (\d+) of 1000 worlds", ad))
    false_alarms = sum(map(int, found.values())) / 1000
    assert 0 < false_alarms < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)


def test_a_line_without_items_says_why():
    empty = summary((100.0, -30.0, -20.0))
    named = empty["metric"] == "competitor_change"
    numbers = ["estimate", "se", "ci_95_lower", "ci_95_upper"]
    empty.loc[named, numbers] = np.nan
    empty.loc[named, "note"] = "no slate has another item than the focal one"
    table = compare_promotions({("a", "top"): empty}, PHRASES)
    (sentence,) = promotion_statements(table)["statement"]
    assert "change of all other items not estimated, because no slate has another item" in sentence
