"""The first screen's answers where an outcome does not vary, from tables alone."""

from types import SimpleNamespace

from netlift.core.outcome import CLICKS
from netlift.report.verdict import verdict_of


def experiment(estimate, lower, upper):
    line = {
        "estimate": estimate,
        "ci_95_lower": lower,
        "ci_95_upper": upper,
        "interval_kind": "everything",
    }
    return SimpleNamespace(
        outcome=CLICKS,
        records={},
        is_total_only=False,
        table=lambda name: None,
        product=lambda metric: line,
    )


def test_nothing_is_ruled_out_or_sure_without_an_error():
    for value in (0.0, 6000.0, -3.5):
        verdict = verdict_of(experiment(value, value, value))
        assert verdict.code == "undecided"
        said = " ".join(f"{answer.answer} {answer.detail}" for answer in verdict.answers)
        assert "ruled out" not in said
        assert "Sure" not in said
        assert "add up to the same number in all slates of an arm" in said


def test_an_interval_around_zero_rules_out_what_is_beyond_it():
    verdict = verdict_of(experiment(1.0, -2.0, 4.0))
    assert "a gain above +4.0" in verdict.answers[2].detail
    assert verdict_of(experiment(3.0, 1.0, 5.0)).code == "creates"
    assert verdict_of(experiment(-3.0, -5.0, -1.0)).code == "destroys"
