"""Sentences on who pays and on groups of users: only what simultaneous intervals show."""

import re

import builders
import numpy as np
import pandas as pd
import pytest

from netlift.core.outcome import CLICKS, Outcome
from netlift.effects.diversion import diversion
from netlift.report.diversion import MOST_NAMED, diversion_sentences
from netlift.report.user_segments import user_sentences


def drawn(seed: int, n_slates: int, loss: float) -> pd.DataFrame:
    """Draw slates of a focal item of A and three items of A, B and C; A takes from B."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 2, n_slates)
    items = builders.items(["ABCA"] * n_slates, [4] * n_slates, arm, ["0000"] * n_slates)
    promoted = items["promotion_applied"]
    change = np.select(
        [items["is_focal_item"], items["spillover_cluster"] == "B"], [0.4, -loss], 0.0
    )
    return items.assign(click=(rng.random(len(items)) < 0.4 + promoted * change).astype(int))


def sentences(table: pd.DataFrame, outcome: Outcome = CLICKS) -> list[str]:
    return list(diversion_sentences(table, outcome))


def test_a_taking_that_is_shown_is_said_as_a_part_of_the_gain():
    table = diversion(drawn(1, 1500, 0.2), min_slates=30)
    row = table[(table["focal_group"] == "A") & (table["group"] == "B")].iloc[0]
    said = [text for text in sentences(table) if "gained by promoted items of cluster A" in text]
    assert said == [
        f"Of 100 clicks gained by promoted items of cluster A, {100 * row['share']:.0f} come from "
        f"items of cluster B (simultaneous 95% set from "
        f"{100 * row['simultaneous_share_ci_95_lower']:.0f} to "
        f"{100 * row['simultaneous_share_ci_95_upper']:.0f})."
    ]
    assert not any("cluster C" in text for text in sentences(table))
    assert any("items not of their own cluster" in text for text in sentences(table)[:3])


def test_what_is_not_shown_is_said_not_to_be():
    table = diversion(drawn(2, 300, 0.0), min_slates=30)
    (said,) = sentences(table, Outcome("minutes"))
    assert said.startswith(
        "By cluster, this experiment cannot tell who pays for whom: of 8 cells, none has"
    )
    single = table[(table["focal_kind"] == "group") & table["part"].isin(["own_group", "group"])]
    half = np.median(single["simultaneous_ci_95_upper"] - single["estimate"])
    assert f"only a change of more than {half:,.0f} minutes per 1,000 promoted slates" in said


def test_a_taking_without_a_bounded_share_has_its_size():
    table = diversion(drawn(1, 1500, 0.2), min_slates=30)
    table["simultaneous_share_kind"] = "outside"
    said = [text for text in sentences(table) if text.startswith("Promoting items of cluster A")]
    (text,) = [text for text in said if "clicks of items of cluster B" in text]
    assert re.search(r"by −\d+ per 1,000 promoted slates \(simultaneous 95% interval −", text)
    assert text.endswith("what part of the gain this is cannot be told.")


@pytest.mark.parametrize("column", ["simultaneous_ci_95_upper", "claims_95"])
def test_nothing_is_named_without_an_interval_below_zero_that_is_promised(column):
    table = diversion(drawn(1, 1500, 0.2), min_slates=30)
    table[column] = False if column == "claims_95" else 1.0
    said = " ".join(sentences(table))
    assert "Of 100" not in said
    assert "Promoting" not in said
    assert ("8 of 8 cells rest on too few" in said) == (column == "claims_95")


def test_many_takings_are_counted():
    row = diversion(drawn(1, 1500, 0.2), min_slates=30)
    taking = row[(row["focal_group"] == "A") & (row["group"] == "B")]
    others = row[row["part"] == "focal"]
    table = pd.concat([others, *[taking] * (MOST_NAMED + 3)], ignore_index=True)
    said = sentences(table)
    assert sum(text.startswith("Of 100") for text in said) == MOST_NAMED
    assert "By cluster, 3 more takings are shown, in the table." in said


def test_an_attribute_without_a_matrix_says_why():
    items = drawn(1, 300, 0.2).assign(item_attribute_price_band=None)
    said = sentences(diversion(items, min_slates=30))
    assert "By price band there is no matrix: the items have no price band." in said


def users(p: float, estimate: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = [
        {
            "segment_type": "user_activity",
            "segment_type_label": "user activity",
            "segment": segment,
            "line": line,
            "estimate": estimate,
            "simultaneous_ci_95_lower": estimate - 0.1,
            "simultaneous_ci_95_upper": estimate + 0.1,
            "note": None,
        }
        for segment in ("lowest quarter", "highest quarter")
        for line in ("direct", "same_cluster", "other", "total")
    ]
    tested = [
        {
            "segment_type": "user_activity",
            "line": line,
            "p_value_adjusted": p if line == "other" else 1,
        }
        for line in ("direct", "same_cluster", "other", "total")
    ]
    return pd.DataFrame(rows), pd.DataFrame(tested)


def test_groups_of_users_that_differ_are_named():
    (said,) = user_sentences(*users(0.003, -0.3), CLICKS)
    assert said == (
        "By user activity: the groups differ in the effect on other items (adjusted p = 0.0030). "
        "The effect on whole slates is shown to differ from 0 in the lowest quarter: −0.300 "
        "(−0.400 to −0.200); the highest quarter: −0.300 (−0.400 to −0.200), in clicks per slate "
        "with simultaneous 95% intervals."
    )
    (said,) = user_sentences(*users(0.2, 0.05), CLICKS)
    assert said == (
        "By user activity: no difference between the groups is shown for any line of the ledger "
        "(least adjusted p 0.200). In no group is the effect on whole slates shown to differ from "
        "0."
    )
