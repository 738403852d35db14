"""Variants side by side: estimates with known truth, error rates, and sentences."""

import numpy as np
import pandas as pd
import pytest
from arm_logs import TEXTS, draw_arms

from netlift.core.outcome import CLICKS, Outcome
from netlift.effects.arm_statements import action, arm_statements, headline
from netlift.effects.randomization_tests import NO_SPILLOVER
from netlift.effects.several_arms import arm_tests, arms_table, contrasts

VARIANTS = {"slot1": 1, "slot3": 2}
UNITS = {"observed_clicks": "clicks"}
PHRASES = {
    "slot1": "moving the focal item to position 1",
    "slot3": "moving the focal item to position 3",
}
PROBABILITIES = (0.4, 0.3, 0.3)


def compared(log):
    """Return the contrasts of a log, by sums of its rows."""
    department = log["dept"].where(log["candidate"]).groupby(log["page"]).transform("first")
    same = (log["dept"] == department) & ~log["candidate"]
    parts = {
        "direct_focal": log["candidate"],
        "same_cluster_competitor": same,
        "other_competitor": ~log["candidate"] & ~same,
        "total": pd.Series(data=True, index=log.index),
    }
    clicks = {f"observed_clicks_{name}": log["clicked"] * member for name, member in parts.items()}
    counts = {"n_same_cluster": same.astype(int), "n_other": parts["other_competitor"].astype(int)}
    sums = pd.DataFrame(clicks | counts).groupby(log["page"]).sum()
    arm = log.groupby("page")["variant"].first().map({name: n for n, name in enumerate(TEXTS)})
    slates = sums.assign(
        arm=arm,
        user_id=log.groupby("page")["visitor"].first(),
        n_items=log.groupby("page").size(),
        randomization_stratum=0,
    ).reset_index(names="slate_id")
    slates["randomization_unit"] = slates["slate_id"]
    accounts = {}
    for variant, number in VARIANTS.items():
        part = slates[slates["arm"].isin([0, number])].reset_index(drop=True)
        p, q = PROBABILITIES[number], PROBABILITIES[0]
        accounts[variant] = part.assign(
            promotion_applied=(part["arm"] == number).astype(int),
            promotion_probability=p / (p + q),
        )
    arms = slates[["slate_id", "arm"]].assign(
        **{f"probability_{number}": p for number, p in enumerate(PROBABILITIES)}
    )
    return contrasts(accounts, arms, VARIANTS)


def lines(table, variant, against):
    return table[(table["variant"] == variant) & (table["against"] == against)].set_index("line")


@pytest.mark.long
def test_intervals_of_multiples_hold_the_truth():
    """Of 60 logs, the 95% interval of each multiple misses the truth in at most 10.

    With a true rate of .05, more than 10 of 60 have a chance below 2e-4.
    """
    misses = {"direct_ratio": 0, "taken_ratio": 0}
    for seed in range(60):
        log, truth = draw_arms(500 + seed, 1200)
        found = lines(arms_table(compared(log), units=UNITS), "slot3", "slot1")
        for line, name in (("direct_ratio", "direct"), ("taken_ratio", "indirect")):
            known = truth["slot3", "control"][name] / truth["slot1", "control"][name]
            row = found.loc[line]
            inside = row["ci_95_lower"] <= known <= row["ci_95_upper"]
            covered = {"interval": inside, "outside": not inside, "everything": True}
            misses[line] += not covered[row["interval_kind"]]
    assert max(misses.values()) <= 10


@pytest.mark.long
def test_without_an_effect_a_variant_is_shown_to_have_one_in_at_most_five_of_a_hundred():
    """No arm changes anything: over 120 logs, how often any of the variants' tests rejects.

    With a true rate of .05, more than 17 of 120 have a chance below 1e-4.
    """
    false = {"total": 0, "direct": 0, "indirect": 0, "pairs": 0, "randomization": 0}
    for seed in range(120):
        log, _ = draw_arms(1000 + seed, 250, null=True)
        both = compared(log)
        table = arms_table(both, units=UNITS)
        small = table["p_value_holm"] < 0.05
        variants = table["kind"] == "variant"
        for line in ("total", "direct", "indirect"):
            false[line] += bool((small & variants & (table["line"] == line)).any())
        pairs = (table["kind"] == "pair") & (table["line"] == "total")
        false["pairs"] += bool((small & pairs).any())
        tests = arm_tests(both, {}, permutations=99, seed=seed)
        false["randomization"] += bool((tests["p_value_holm"] <= 0.05).any())
    assert max(false.values()) <= 17, false


def test_tests_of_variants_are_those_of_their_experiments_adjusted_over_variants():
    log, _ = draw_arms(7, 400)
    of_variants = {
        variant: pd.DataFrame(
            {
                "hypothesis": [NO_SPILLOVER, "no_spillover_below"],
                "hypothesis_label": ["all", "below"],
                "p_value": [p, p],
                "p_value_adjusted": [p, 2 * p],
            }
        )
        for variant, p in (("slot1", 0.01), ("slot3", 0.04))
    }
    table = arm_tests(compared(log), of_variants, permutations=99, seed=1)
    shown = table[table["kind"] == "variant"].set_index(["variant", "hypothesis"])["p_value_holm"]
    assert shown["slot1", NO_SPILLOVER] == pytest.approx(0.02)
    assert shown["slot3", NO_SPILLOVER] == pytest.approx(0.04)
    assert shown["slot3", "no_spillover_below"] == pytest.approx(0.08)
    # Coherent: where a part is rejected, the whole is.
    pair = table[table["kind"] == "pair"].set_index("hypothesis")
    assert (pair["p_value_adjusted"] >= pair.loc[NO_SPILLOVER, "p_value_adjusted"]).all()


class TestStatements:
    """A table by hand: 100 and 50 for the focal item, -100 and -25 for others."""

    def table(self, **effects):
        rows = []
        for (variant, against), values in effects.pop("values").items():
            for line, (estimate, se) in values.items():
                p = 1.0 if se == 0 else 0.001 if abs(estimate) > 3 * se else 0.5
                rows.append(
                    {
                        "outcome_type": "observed_clicks",
                        "kind": "variant" if against == "control" else "pair",
                        "variant": variant,
                        "against": against,
                        "line": line,
                        "estimate": estimate,
                        "se": se,
                        "ci_95_lower": estimate - 1.96 * se,
                        "ci_95_upper": estimate + 1.96 * se,
                        "interval_kind": "interval",
                        "p_value_holm": effects.get("p", p),
                    }
                )
        for line, value in (("direct_ratio", 0.5), ("taken_ratio", 0.25)):
            rows.append(
                {
                    "outcome_type": "observed_clicks",
                    "kind": "multiple",
                    "variant": "slot3",
                    "against": "slot1",
                    "line": line,
                    "estimate": value,
                    "ci_95_lower": value - 0.1,
                    "ci_95_upper": value + 0.1,
                    "interval_kind": "interval",
                }
            )
        return pd.DataFrame(rows)

    def values(self, first, second, pair, se=5.0):
        names = ("direct", "indirect", "total")
        return {
            ("slot1", "control"): dict(zip(names, ((value, se) for value in first), strict=True)),
            ("slot3", "control"): dict(zip(names, ((value, se) for value in second), strict=True)),
            ("slot3", "slot1"): dict(zip(names, ((value, se) for value in pair), strict=True)),
        }

    def statements(self, table, outcome=CLICKS):
        return arm_statements(table, PHRASES, outcome)

    def test_half_as_much_and_a_quarter(self):
        table = self.table(values=self.values((100, -100, 0), (50, -25, 25), (-50, 75, 25)))
        stated = self.statements(table)
        assert list(stated["verdict"]) == ["moves", "creates", "better"]
        text = stated["statement"][1]
        assert text.startswith("Moving the focal item to position 3 (slot3): the focal item gains")
        assert "gains 0.50 times as much (95% interval 0.40 to 0.60)" in text
        assert "takes from other items 0.25 times as much (95% interval 0.15 to 0.35)" in text
        assert (
            "With slot3 the whole slate gets more clicks than with slot1" in stated["statement"][2]
        )
        assert headline(stated, CLICKS) == (
            "slot1 moves clicks and is not shown to add any; slot3 adds clicks"
        )
        assert action(stated, CLICKS) == "Keep slot3"

    def test_nothing_is_said_that_is_not_shown(self):
        table = self.table(values=self.values((10, -10, 0), (5, -5, 0), (-5, 5, 0), se=20.0))
        stated = self.statements(table)
        assert set(stated["verdict"]) == {"undecided"}
        for text in stated["statement"]:
            assert "gains" not in text.replace("neither a gain", "")
            assert "takes" not in text
            assert "times as much" not in text
        assert headline(stated, CLICKS) == ("No variant is shown to change the clicks of a slate")
        assert "none is shown to add any" in action(stated, CLICKS)

    def test_an_interval_alone_does_not_show_an_effect(self):
        values = self.values((100, -100, 30), (50, -25, 25), (-50, 75, -5))
        text = self.statements(self.table(values=values, p=0.06))["statement"][0]
        assert "not shown once several variants are adjusted for" in text
        assert "gains" not in text

    def test_two_that_create_and_cannot_be_told_apart(self):
        values = self.values((100, -50, 50), (90, -50, 40), (-10, 0, -10))
        stated = self.statements(self.table(values=values))
        assert headline(stated, CLICKS) == "slot1 and slot3: each adds clicks"
        assert action(stated, CLICKS) == ("Keep slot1 or slot3: which of them is best is not shown")
        assert stated["statement"][2].startswith("Whether slot3 or slot1 is better")

    def test_an_outcome_that_does_not_vary_has_no_interval(self):
        values = self.values((0, 0, 0), (0, 0, 0), (0, 0, 0), se=0.0)
        stated = self.statements(self.table(values=values, p=np.nan))
        assert set(stated["verdict"]) == {"undecided"}
        assert "no interval: it does not vary" in stated["statement"][0]
        assert "nan" not in " ".join(stated["statement"])

    def test_other_outcomes_have_their_unit(self):
        table = self.table(values=self.values((100, -50, -50), (50, -25, 25), (-50, 75, 75)))
        stated = self.statements(table, Outcome("minutes"))
        assert "clicks" not in " ".join(stated["statement"])
        assert headline(stated, Outcome("minutes")) == "slot1 loses minutes; slot3 adds minutes"
