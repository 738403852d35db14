"""Decision statements: whatever the numbers are, the sentences do not contradict them."""

import re
from itertools import product
from types import SimpleNamespace

import pandas as pd
import pytest
from builders import compared, random_items

from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_table
from netlift.core.units import PER_ROW, PER_SLATE
from netlift.effects.accounts import slate_outcomes
from netlift.effects.caveats import Caveat
from netlift.effects.decisions import decision_statements
from netlift.effects.product import product_summary
from netlift.effects.segments import segments
from netlift.effects.spillover import spillover_sensitivity

ITEM, SLATE, SPILLOVER, POLICY = (
    "item_level_reporting",
    "slate_level_metric",
    "spillover_monitoring",
    "policy_design",
)
METRICS = {
    "direct": "focal_gain",
    "same": "same_cluster_change",
    "indirect": "competitor_change",
    "total": "net_change",
}
# Estimate and interval: clear of zero on either side, or covering it with an estimate on either.
STATES = {"+": (50.0, 10.0, 90.0), "0+": (20.0, -20.0, 60.0), "0-": (-20.0, -60.0, 20.0)}
STATES["-"] = (-50.0, -90.0, -10.0)
SIGN = {"+": 1, "0+": 0, "0-": 0, "-": -1}
NUMBER = r"([+-][\d,]+\.\d+)"
TRIPLE = re.compile(rf"{NUMBER} \(95% interval {NUMBER} to {NUMBER}\)")


def effects(**states: str) -> dict[str, tuple[float, float, float]]:
    """Give each line its own numbers in the requested state."""
    return {
        line: tuple((1 + step / 10) * number for number in STATES[states.get(line, "+")])
        for step, line in enumerate(METRICS)
    }


def product_table(
    lines: dict, ratio: tuple = (-0.88, -1.4, -0.3), kind: str = "interval"
) -> pd.DataFrame:
    rows = [(METRICS[line], *numbers, "interval") for line, numbers in lines.items()]
    rows.append(("offset_ratio", *ratio, kind))
    columns = ["metric", "estimate", "ci_95_lower", "ci_95_upper", "interval_kind"]
    return pd.DataFrame(rows, columns=columns)


def spillover_table(
    per_slate: dict[str, float] | None = None, **rows: tuple[float | None, float | None]
) -> pd.DataFrame:
    """Write (estimate, error) per item row of some definitions; the interval is two errors wide.

    Per slate every estimate is ``per_slate``'s, or 0, with an error of 0.01.
    """
    table = pd.DataFrame(
        [(name.replace("_", " "), *numbers) for name, numbers in rows.items()],
        columns=["definition", "estimate", "se"],
    ).astype({"estimate": float, "se": float})
    sums = table["definition"].map(per_slate or {}).fillna(0.0)
    summed = table.assign(unit_code=PER_SLATE, estimate=sums, se=0.01)
    both = pd.concat([summed, table.assign(unit_code=PER_ROW)])
    both["definition_label"] = both["definition"]
    both["ci_95_lower"] = both["estimate"] - 2 * both["se"]
    both["ci_95_upper"] = both["estimate"] + 2 * both["se"]
    return both


def segment_table(verdicts: dict[str, str]) -> pd.DataFrame:
    """Write segments, named as "segmentation: segment", with simultaneous intervals."""
    ends = {
        "gains": (0.1, 0.3),
        "loses": (-0.3, -0.1),
        "undecided": (-0.1, 0.1),
        # Its own interval is clear of zero, that for all segments at once is not.
        "gains alone": (-0.01, 0.3),
        "too_few_slates": (None, None),
    }
    rows = []
    for name, verdict in verdicts.items():
        lower, upper = ends[verdict]
        middle = None if lower is None else (lower + upper) / 2
        segmentation, segment = name.split(": ")
        rows += [
            # Only the total says whether a slate gains: the direct effect gains everywhere.
            (segmentation, segment, "direct", 0.5, 0.4, 0.4, 0.6),
            (segmentation, segment, "total", middle, 0.1, lower, upper),
        ]
    columns = ["segment_type_label", "segment", "line", "estimate", "ci_95_lower"]
    columns += ["simultaneous_ci_95_lower", "simultaneous_ci_95_upper"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype(dict.fromkeys(columns[3:], float))


def statements(
    lines: dict | None = None,
    *,
    ratio: tuple = (-0.88, -1.4, -0.3),
    kind: str = "interval",
    spillover: pd.DataFrame | None = None,
    segments_said: dict[str, str] | None = None,
    caveats: tuple | list = (),
) -> pd.DataFrame:
    return decision_statements(
        product_table(lines or effects(), ratio, kind),
        spillover_table(Displaced=(0.001, 0.01)) if spillover is None else spillover,
        segment_table(segments_said or {"focal position: 5-6": "undecided"}),
        caveats=caveats,
    ).set_index("topic")


@pytest.fixture(scope="module")
def combinations() -> list[SimpleNamespace]:
    """State every combination of signs of the four effects and of the clearest row effect."""
    found = []
    three = ("+", "0-", "-")
    rows = {row: spillover_table(Displaced=(row, 0.01)) for row in (-0.03, 0.001, 0.03)}
    for direct, same, indirect, total in product(STATES, three, three, STATES):
        states = {"direct": direct, "same": same, "indirect": indirect, "total": total}
        lines = effects(**states)
        row = {"+": 0.03, "-": -0.03}.get(total, 0.001)
        said = statements(lines, spillover=rows[row])
        signs = {line: SIGN[state] for line, state in states.items()}
        row_sign = int(row > 0.02) - int(row < -0.02)
        found.append(SimpleNamespace(said=said, lines=lines, row=row_sign, **signs))
    return found


CLAIMS = {
    (ITEM, "overstates what promotion does"): lambda c: c.direct > 0 > c.indirect,
    (ITEM, "understates what promotion does"): lambda c: c.direct > 0 and c.indirect > 0,
    (ITEM, "other items gain too"): lambda c: c.direct > 0 and c.indirect > 0,
    (ITEM, "do not show whether the gain is taken"): lambda c: c.direct > 0 and c.indirect == 0,
    (ITEM, "the promoted item itself loses"): lambda c: c.direct < 0,
    (ITEM, "do not show that promotion changes the promoted"): lambda c: c.direct == 0,
    (ITEM, "For every 100 clicks that the promoted item gains"): lambda c: (
        c.direct > 0 > c.indirect
    ),
    (SLATE, "promotion creates clicks"): lambda c: c.total > 0,
    (SLATE, "promotion loses clicks"): lambda c: c.total < 0,
    (SLATE, "covers zero"): lambda c: c.total == 0,
    (SLATE, "than it gains for the promoted item"): lambda c: c.total < 0 < c.direct,
    (SLATE, "do not show that the promoted item itself gains"): lambda c: c.total < 0 == c.direct,
    (SLATE, "the promoted item itself loses too"): lambda c: c.total < 0 > c.direct,
    (SPILLOVER, "same-cluster items gain"): lambda c: c.same > 0,
    (SPILLOVER, "same-cluster items lose"): lambda c: c.same < 0,
    (SPILLOVER, "the interval covers zero"): lambda c: c.same == 0,
    (SPILLOVER, "Watch competitors' clicks"): lambda c: c.indirect < 0,
    (SPILLOVER, "Count the gain of other items"): lambda c: c.indirect > 0,
    (SPILLOVER, "hides their change"): lambda c: c.indirect == 0 != c.same,
    (SPILLOVER, "a hypothesis to test on new slates"): lambda c: c.indirect == c.same == 0 != c.row,
    (SPILLOVER, "No spillover is shown"): lambda c: c.indirect == c.same == c.row == 0,
    (POLICY, "worth keeping"): lambda c: c.total > 0,
    (POLICY, "Do not promote every slate"): lambda c: c.total < 0,
    (POLICY, "no evidence for promoting every slate"): lambda c: c.total == 0,
    (POLICY, "covers zero"): lambda c: c.total == 0,
}
VERDICTS = {
    ITEM: {
        "overstates": lambda c: c.direct > 0 > c.indirect,
        "understates": lambda c: c.direct > 0 and c.indirect > 0,
        "offset_not_detected": lambda c: c.direct > 0 and c.indirect == 0,
        "direct_loss": lambda c: c.direct < 0,
        "no_direct_effect_detected": lambda c: c.direct == 0,
    },
    SLATE: {
        "creates": lambda c: c.total > 0,
        "destroys": lambda c: c.total < 0,
        "undecided": lambda c: c.total == 0,
    },
    SPILLOVER: {
        "losses": lambda c: c.indirect < 0,
        "gains": lambda c: c.indirect > 0,
        "same_cluster_only": lambda c: c.indirect == 0 != c.same,
        "some_definitions_only": lambda c: c.indirect == c.same == 0 != c.row,
        "not_detected": lambda c: c.indirect == c.same == c.row == 0,
    },
    POLICY: {
        "promote": lambda c: c.total > 0,
        "do_not_promote": lambda c: c.total < 0,
        "no_evidence_for_promoting": lambda c: c.total == 0,
    },
}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim[1])
def test_a_claim_is_made_just_where_the_intervals_support_it(claim, combinations):
    topic, words = claim
    made = [words in case.said.loc[topic, "statement"] for case in combinations]
    supported = [bool(CLAIMS[claim](case)) for case in combinations]
    assert made == supported
    assert any(made)
    assert not all(made)


def test_verdicts_follow_from_the_signs(combinations):
    for case in combinations:
        assert list(case.said.index) == [ITEM, SLATE, SPILLOVER, POLICY]
        for topic, verdict in case.said["verdict"].items():
            assert [name for name, holds in VERDICTS[topic].items() if holds(case)] == [verdict]


def test_every_number_in_a_sentence_is_one_of_the_tables(combinations):
    for case in combinations:
        known = {tuple(f"{number:+,.1f}" for number in numbers) for numbers in case.lines.values()}
        for topic, statement in case.said["statement"].items():
            found = {triple for triple in TRIPLE.findall(statement) if len(triple[0]) < 7}
            assert found <= known, topic
            assert found, topic
        undecided = case.said.loc[SLATE, "statement"]
        if case.total == 0:
            _, lower, upper = (f"{number:+,.1f}" for number in case.lines["total"])
            assert f"a gain above {upper} and a loss beyond {lower}" in undecided


def test_the_number_beside_a_statement_is_the_one_it_is_about(combinations):
    lines = {ITEM: "direct", SLATE: "total", SPILLOVER: "indirect", POLICY: "total"}
    for case in combinations:
        for topic, line in lines.items():
            row = case.said.loc[topic]
            assert (row["estimate"], row["ci_95_lower"], row["ci_95_upper"]) == case.lines[line]
            assert row["unit"] == "clicks per 1,000 promoted slates"


def test_no_sentence_says_nan(combinations):
    for case in combinations:
        for statement in case.said["statement"]:
            assert not re.search(r"\b(nan|None|inf)\b|\{|\}|  |\.\.", statement)
            assert statement.endswith(".")


@pytest.mark.parametrize("rounding", [0.0, 6e-14, -6e-14])
def test_a_total_of_zero_that_never_varies_is_undecided_whatever_rounding_makes_of_it(rounding):
    said = statements(effects() | {"total": (rounding, rounding, rounding)})
    assert said.loc[SLATE, "verdict"] == "undecided"
    assert said.loc[POLICY, "verdict"] == "no_evidence_for_promoting"


# --- The offset -----------------------------------------------------------------------------------


def test_the_offset_is_said_as_clicks_lost_for_100_gained():
    said = statements(effects(indirect="-"), ratio=(-0.884, -12.5, -0.316))
    words = "For every 100 clicks that the promoted item gains, the others lose 88 "
    assert f"{words}(95% interval 32 to 1,250)" in said.loc[ITEM, "statement"]


@pytest.mark.parametrize(
    ("ratio", "kind"),
    [
        ((-0.9, -0.2, 3.0), "outside"),
        ((-0.9, None, None), "everything"),
        ((None, -0.2, 3.0), "outside"),
        ((None, None, None), "everything"),
        ((float("nan"),) * 3, "everything"),
    ],
)
def test_an_offset_that_the_data_cannot_bound_is_said_to_be_so(ratio, kind):
    statement = statements(effects(indirect="-"), ratio=ratio, kind=kind).loc[ITEM, "statement"]
    assert "The data do not bound" in statement
    assert "For every 100 clicks" not in statement
    assert not re.search(r"\b(nan|None)\b", statement)


# --- The clearest definition of spillover ---------------------------------------------------------


def test_the_definition_with_the_largest_estimate_in_errors_is_named():
    rows = spillover_table(
        All_non_focal=(-0.05, 0.05), Displaced=(-0.03, 0.01), Near_displaced=(0.04, 0.02)
    )
    statement = statements(spillover=rows).loc[SPILLOVER, "statement"]
    assert "'Displaced' is the clearest per item row: -0.0300 clicks" in statement
    assert "(95% interval -0.0500 to -0.0100)" in statement


def test_missing_definitions_and_those_without_error_are_not_named():
    rows = spillover_table(
        Same_cluster=(None, None), Near_displaced=(0.5, 0.0), Displaced=(0.01, 0.01)
    )
    assert "'Displaced' is the clearest" in statements(spillover=rows).loc[SPILLOVER, "statement"]


def test_a_change_that_shows_only_in_sums_over_slates_is_named():
    lines = effects(indirect="0+", same="0-")
    rows = spillover_table({"Displaced": -0.05}, Displaced=(0.001, 0.01), Same_cluster=(0.0, 0.02))
    said = statements(lines, spillover=rows).loc[SPILLOVER]
    assert said["verdict"] == "some_definitions_only"
    assert "Summed to slates a change is shown for: Displaced." in said["statement"]
    assert "Of the 2 definitions" in said["statement"]


def test_a_share_of_nothing_is_said_without_a_sign():
    said = statements(effects(indirect="-"), ratio=(-0.884, -1.2, 0.0004))
    assert "lose 88 (95% interval 0 to 120)" in said.loc[ITEM, "statement"]


def test_without_any_definition_the_sentence_about_rows_is_left_out():
    lines = effects(indirect="0+", same="0-")
    said = statements(lines, spillover=spillover_table(Same_cluster=(None, None)))
    assert said.loc[SPILLOVER, "verdict"] == "not_detected"
    assert "definitions" not in said.loc[SPILLOVER, "statement"]
    assert "nan" not in said.loc[SPILLOVER, "statement"]


# --- Segments -------------------------------------------------------------------------------------

MIXED = {
    "focal position: 5-6": "gains",
    "focal position: 7-8": "loses",
    "focal position: 9-10": "undecided",
    "focal cluster: War": "gains",
    "focal cluster: Drama": "loses",
    "focal cluster: Crime": "gains alone",
    "focal cluster: IMAX": "too_few_slates",
}


def test_a_promotion_that_creates_clicks_names_the_slates_that_lose():
    said = statements(effects(total="+"), segments_said=MIXED).loc[POLICY, "statement"]
    assert "Slates that lose: focal position 7-8, focal cluster Drama." in said
    assert "War" not in said


def test_a_promotion_that_loses_clicks_names_the_slates_that_gain():
    said = statements(effects(total="-"), segments_said=MIXED).loc[POLICY, "statement"]
    assert "Some slates gain: focal position 5-6, focal cluster War." in said
    assert "Drama" not in said
    assert "No segment" not in said


@pytest.mark.parametrize("total", ["0+", "0-"])
def test_an_undecided_promotion_names_both(total):
    said = statements(effects(total=total), segments_said=MIXED).loc[POLICY, "statement"]
    assert "gains: focal position 5-6, focal cluster War" in said
    assert "losses: focal position 7-8, focal cluster Drama" in said


@pytest.mark.parametrize(("several", "name"), [(1, "promoted item"), (3, "promoted set")])
def test_several_focal_items_gain_as_one_set(several, name):
    for direct, indirect, total in product(STATES, repeat=3):
        table = decision_statements(
            product_table(effects(direct=direct, indirect=indirect, total=total)),
            None,
            None,
            outcome=Outcome("clicks", several),
        )
        words = " ".join(table["statement"])
        assert name in words
        assert ("promoted item" in words, "promoted set" in words) == (several == 1, several > 1)


def test_what_limits_the_results_is_in_every_statement():
    caveats = [
        Caveat("sample_ratio", "accepted", "Accepted: the share does not fit.", 900),
        Caveat("no_focal_item", "set_aside", "Set aside: 100 of 1,000 slates.", 100),
    ]
    limited = statements(caveats=caveats)
    row = limited.loc["design"]
    assert row["statement"] == "Accepted: the share does not fit. Set aside: 100 of 1,000 slates."
    assert row["verdict"] == "limited"
    assert pd.isna(row["estimate"])
    short = "sample_ratio (900 slates) accepted; no_focal_item (100 slates) set aside."
    others = limited.drop("design")
    assert others["statement"].str.endswith(short).all()
    plain = statements()
    assert list(others.index) == list(plain.index)
    assert all(map(str.startswith, others["statement"], plain["statement"]))


@pytest.mark.parametrize("total", STATES)
def test_named_segments_come_with_how_many_were_looked_at(total):
    said = statements(effects(total=total), segments_said=MIXED).loc[POLICY, "statement"]
    # Seven segments, one of them without numbers; one stands out only when looked at alone.
    assert "6 segments were examined" in said
    assert "Crime" not in said


@pytest.mark.parametrize("total", STATES)
def test_no_segment_is_named_where_none_stands_out(total):
    statement = statements(effects(total=total)).loc[POLICY, "statement"]
    assert "segments were examined" not in statement
    assert "focal position 5-6" not in statement
    words = "No segment by focal position, cluster or relevance shows a gain"
    assert (words in statement) == (total == "-")


def test_where_no_segment_has_numbers_none_is_said_to_show_no_gain():
    few = {"focal cluster: IMAX": "too_few_slates"}
    said = statements(effects(total="-"), segments_said=few).loc[POLICY, "statement"]
    assert "No segment has enough slates to be examined" in said


# --- From tables to sentences ---------------------------------------------------------------------


@pytest.mark.parametrize("min_slates", [2, 10_000])
def test_statements_are_the_same_from_tables_in_memory_and_from_files(tmp_path, min_slates):
    log = random_items(1, 400, 6)
    accounts = slate_outcomes(log)
    tables = {
        "product": product_summary(compared(accounts)),
        "spillover": spillover_sensitivity(log, near_positions=3),
        "segments": segments(accounts, min_slates=min_slates)[0],
    }
    for name, table in tables.items():
        write_table(table, tmp_path / f"{name}.csv")
    files = [read_table(tmp_path / f"{name}.csv") for name in tables]
    said = decision_statements(*tables.values())
    pd.testing.assert_frame_equal(decision_statements(*files), said)
    assert not said["statement"].str.contains(r"\bnan\b|\bNone\b").any()
