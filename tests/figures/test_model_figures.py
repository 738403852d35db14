"""Figures of models and policies show the numbers of their tables, and say what is missing.

The tables are those that the scripts of the workflow write, from random slates.
"""

import json
import runpy
from functools import cache
from pathlib import Path

import builders
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from test_inference_figures import boxes, drawn, rows_of, texts

from netlift.core.tables import read_table, write_table
from netlift.core.units import PER_1000_ELIGIBLE
from netlift.effects.accounts import slate_outcomes
from netlift.effects.observed import observed_effects
from netlift.figures.aipw import BOUND, aipw
from netlift.figures.drawing.marks import BAND, ESTIMATE, INTERVAL, KNOWN
from netlift.figures.drawing.saving import save_figure
from netlift.figures.drawing.style import SMALL
from netlift.figures.drawing.text import signed, with_interval
from netlift.figures.drawing.themes import DARK, LIGHT, use_theme
from netlift.figures.feature_importance import MOST, SHIFT, TREES, feature_importance
from netlift.figures.outcome_models import DIAGONAL, MODEL_NAMES, outcome_models
from netlift.figures.policies import ORACLE, OWN, policies
from netlift.figures.predicted_effects import MEANS, POINTS, PREDICTORS, SLATES, predicted_effects
from netlift.figures.who_gains import ALIKE, CURVES, MEASURES, who_gains
from netlift.models.policies import NONE, PROMOTE_NOTHING, rule_label
from netlift.models.policies import verdict as verdict_of
from netlift.models.who_gains import detectability
from netlift.workflow.outputs import FIGURES

pytestmark = pytest.mark.filterwarnings("error")

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
DRAWN_FROM = {
    draw: next(figure.tables for figure in FIGURES if figure.name == draw.__name__)
    for draw in (outcome_models, feature_importance, aipw, who_gains, policies, predicted_effects)
}
NAMES = ["outcome_models", "calibration", "feature_importance", "aipw", "who_gains", "toc"]
TRUTH = ("known", "p_control", "p_promoted", "expected", "click_")
WHY = "the same effect is predicted for all slates of a fold"
CI = ["ci_95_lower", "ci_95_upper"]


def tables_of(items, folder):
    """Run the scripts of the models on a table of items, and read what they wrote."""
    accounts = slate_outcomes(items)
    tables = {"items": items, "accounts": accounts}
    tables["observed_effects"] = observed_effects(items, bootstrap_draws=99, seed=1)[0]
    files = {name: str(folder / f"{name}.csv") for name in (*NAMES, "observed_effects", "policies")}
    files |= {name: str(folder / f"{name}.parquet") for name in ("slate_effects", "slate_policies")}
    files |= {name: str(folder / f"{name}.parquet") for name in ("items", "accounts")}
    for name, table in tables.items():
        write_table(table, files[name])
    fitted = {name: files[name] for name in (*NAMES, "slate_effects")}
    fit, compare = (
        runpy.run_path(str(SCRIPTS / f"{name}.py"))["main"]
        for name in ("fit_models", "compare_policies")
    )
    settings = {"seed": 1, "folds": 2, "repetitions": 1, "outcome": "clicks"}
    fit(files["items"], files["accounts"], dict(fitted), settings, threads=1)
    inputs = fitted | {"slate_items": files["items"], "accounts": files["accounts"]}
    files["verdict"] = str(folder / "verdict.json")
    compare(inputs, files, {"seed": 1, "cost": 0.0, "max_share": 1.0, "outcome": "clicks"})
    found = {name: read_table(path) for name, path in files.items() if name != "verdict"}
    return found | {"verdict": json.loads(Path(files["verdict"]).read_text(encoding="utf-8"))}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Return a function that gives an experiment's tables: known, or observed only."""

    @cache
    def made(kind):
        items = builders.random_items(7, 240, (4, 8)).assign(promotion_probability=0.5)
        if kind == "observed":
            items = items[[name for name in items if not name.startswith(TRUTH)]]
        return tables_of(items, tmp_path_factory.mktemp(kind))

    return lambda kind="known": {name: table.copy() for name, table in made(kind).items()}


def without_numbers(tables):
    """Remove what may be missing: a model, an estimator's numbers, a prediction that differs."""
    models, effects = tables["outcome_models"], tables["aipw"]
    models.loc[0, ["rmse", "r2", "mse_minus_best", "excess_of_expectation"]] = np.nan
    models.loc[models["model"] == "row_logistic", "calibration_slope"] = np.nan
    lin = effects["estimator"] == "lin"
    effects.loc[lin, ["estimate", "se", *CI, "bound_se", "efficiency"]] = np.nan
    effects["note"] = np.where(lin, "not estimated: 3 slates are too few", None)
    groups = tables["who_gains"].query("predictor != 'stacked' or measure in @MEASURES").copy()
    own = groups["predictor"] == "stacked"
    groups.loc[own, ["estimate", "se", *CI, "known"]] = np.nan
    groups["note"] = np.where(own, WHY, None)
    importance = tables["feature_importance"]
    fitted = ~importance["model"].isin(["row_logistic", "xgboost"])
    return tables | {
        "calibration": tables["calibration"].query("model != 'row_logistic'"),
        "feature_importance": importance[fitted],
        "who_gains": groups,
        "toc": tables["toc"].query("predictor != 'stacked'"),
        "slate_effects": tables["slate_effects"].assign(predicted_stacked=0.1),
    }


def draw(figure, tables, **options):
    return figure(*(tables[name] for name in DRAWN_FROM[figure]), **options)


def points(axes, label):
    """Return the x and y values of the lines with a label, one row for each point."""
    found = [line.get_xydata() for line in axes.lines if line.get_label() == label]
    return np.vstack(found).tolist() if found else []


def panel(figure, title):
    (axes,) = [axes for axes in figure.axes if axes.get_title(loc="left").startswith(title)]
    return axes


def said(figure):
    return " ".join(texts(figure))


@pytest.mark.parametrize(
    ("kind", "column"), [("known", "excess_of_expectation"), ("observed", "rmse")]
)
def test_outcome_models_show_errors_and_calibration(experiment, kind, column):
    tables = experiment(kind)
    table, bins = tables["outcome_models"], tables["calibration"]
    figure = draw(outcome_models, tables)
    axes, beside, logistic, trees = figure.axes
    assert drawn(axes, ESTIMATE) == rows_of(table, column)
    assert ("Floor" in said(figure)) == (kind == "known")
    written = {text.get_position(): text.get_text() for text in beside.texts}
    for row, line in table.iterrows():
        assert written[(0.16, row)] == f"{line['rmse']:.4f}"
        more = f"{signed(line['mse_minus_best'], 4)} ({line['mse_minus_best_se']:.4f})"
        assert written[(1.0, row)] == (more if line["mse_minus_best"] else "best")
    for axes, model in ((logistic, "row_logistic"), (trees, "row_lightgbm")):
        part = bins[bins["model"] == model]
        assert points(axes, ESTIMATE) == part[["predicted", "click_rate"]].to_numpy().tolist()
        ends = part[["predicted", CI[0], "predicted", CI[1]]].to_numpy().reshape(-1, 2)
        assert points(axes, INTERVAL) == ends.tolist()
        slope = table.set_index("model").loc[model, "calibration_slope"]
        assert axes.get_title(loc="left") == f"Calibration, slope {slope:.2f}\n{MODEL_NAMES[model]}"
        (diagonal,) = [line for line in axes.lines if line.get_label() == DIAGONAL]
        assert (diagonal.get_xy1(), diagonal.get_slope()) == ((0, 0), 1)


def test_missing_models_and_errors_are_said(experiment):
    tables = without_numbers(experiment())
    figure = draw(outcome_models, tables)
    assert {"no error", "no predictions of rows"} <= set(texts(figure))
    assert panel(figure, "Calibration, no slope")
    tables["outcome_models"] = tables["outcome_models"].query("level == 'slate'")
    assert len(draw(outcome_models, tables).axes) == 2


@pytest.mark.parametrize("kind", ["known", "observed"])
def test_aipw_stands_beside_the_ledger_and_the_bound(experiment, kind):
    tables = experiment(kind)
    totals = tables["aipw"].query("component == 'Full slate'").reset_index(drop=True)
    figure = draw(aipw, tables)
    axes, errors, beside = figure.axes
    assert drawn(axes, ESTIMATE) == rows_of(totals, "estimate")
    assert drawn(axes, INTERVAL) == rows_of(totals, *CI)
    assert drawn(errors, ESTIMATE) == rows_of(totals, "se")
    numbers = [with_interval(*line, 3) for line in totals[["estimate", *CI]].to_numpy()]
    assert [text for text in texts(beside) if " to " in text] == numbers
    bound = [line.get_xdata()[0] for line in errors.lines if line.get_label() == BOUND]
    if kind == "observed":
        assert not bound
        assert not drawn(axes, KNOWN)
        return
    known = tables["accounts"]["known_effect_total"].mean()
    assert drawn(axes, KNOWN) == {row: [pytest.approx(known)] for row in range(len(totals))}
    assert bound == [totals["bound_se"][0]]
    assert {f"{share:.0f}%" for share in totals["efficiency"]} <= set(texts(beside))


def test_an_estimator_without_numbers_says_why(experiment):
    figure = draw(aipw, without_numbers(experiment()))
    assert 1 not in drawn(figure.axes[0], ESTIMATE) | drawn(figure.axes[0], KNOWN)
    assert texts(figure.axes[0]).count("not estimated") == 1
    assert "Lin's regression: not estimated: 3 slates are too few." in said(figure)


def test_importance_shows_signed_coefficients_and_shares(experiment):
    table = experiment()["feature_importance"]
    found = table.set_index(["model", "feature"])["importance"]
    coefficients, gain, trees = feature_importance(table).axes
    features = [label.get_text() for label in coefficients.get_yticklabels()]
    assert "intercept" not in features
    own = found["row_logistic"].drop("intercept").sort_values(key=abs, ascending=False)
    assert features == [name.replace("_", " ") for name in own.index]
    assert drawn(coefficients, ESTIMATE) == {row: [x] for row, x in enumerate(own)}
    assert own.min() < 0
    shares = found["row_lightgbm"][own.index]
    assert drawn(gain, ESTIMATE) == {row: [x] for row, x in enumerate(shares)}
    both = pd.concat({name: found[name] for name in TREES}, axis=1).fillna(0.0)
    top = both.loc[both.mean(axis=1).sort_values(ascending=False).index[:MOST]]
    assert drawn(trees, ESTIMATE) == {
        round(row + SHIFT * (place - 1), 6): [top[name].iloc[row]]
        for place, name in enumerate(TREES)
        for row in range(MOST)
    }


def test_importance_does_without_models_that_were_not_fitted(experiment):
    tables = without_numbers(experiment())
    figure = draw(feature_importance, tables)
    assert "not fitted: all clicks are the same" in texts(figure.axes[0])
    assert "by slate: XGBoost" not in texts(figure)
    assert len(drawn(figure.axes[2], ESTIMATE)) == 2 * MOST
    tables["feature_importance"] = tables["feature_importance"].query("model != 'row_lightgbm'")
    rows = draw(feature_importance, tables).axes[:2]
    assert all("not fitted: all clicks are the same" in texts(axes) for axes in rows)


@pytest.mark.parametrize("kind", ["known", "observed"])
def test_who_gains_shows_groups_the_curve_and_every_predictor(experiment, kind):
    tables = experiment(kind)
    table, curves = tables["who_gains"], tables["toc"]
    figure = draw(who_gains, tables)
    groups, toc, beside = figure.axes
    part = table.query("predictor == 'stacked' and measure == 'group_effect'").reset_index(
        drop=True
    )
    assert drawn(groups, INTERVAL) == rows_of(part, *CI)
    marks = sorted((y, x) for x, y in points(groups, ESTIMATE))
    both = [[row, x] for row, pair in rows_of(part, "estimate", "predicted").items() for x in pair]
    assert [list(mark) for mark in marks] == sorted(both)
    curve = curves[curves["predictor"] == "stacked"]
    for name, label in CURVES.items():
        expected = curve[["share", name]].to_numpy().tolist() if name in curve else []
        assert points(toc, label) == expected
    (band,) = [found for found in toc.collections if found.get_label() == BAND]
    heights = band.get_paths()[0].vertices[:, 1]
    assert [heights.min(), heights.max()] == [curve[CI[0]].min(), curve[CI[1]].max()]
    for measure, (_, digits) in MEASURES.items():
        for _, line in table[table["measure"] == measure].iterrows():
            number = with_interval(line["estimate"], *line[CI], digits)
            assert (number or "none") in texts(beside)
    assert detectability(table) in said(figure)
    known = rows_of(part, "known") if kind == "known" else {}
    assert drawn(groups, KNOWN) == known


def test_a_predictor_that_says_the_same_of_all_slates_is_said(experiment):
    tables = experiment()
    before = texts(draw(who_gains, tables).axes[2]).count("none")
    tables = without_numbers(tables)
    figure = draw(who_gains, tables)
    assert texts(figure).count(ALIKE) == 2
    assert f"Stacked: {WHY}." in said(figure)
    assert texts(figure.axes[2]).count("none") == before + len(MEASURES)
    # Where no predictor has a curve, the table is nothing but its header.
    tables["toc"] = tables["toc"][:0]
    assert texts(draw(who_gains, tables)).count(ALIKE) == 2


@pytest.mark.parametrize("kind", ["known", "observed"])
def test_policies_show_values_bounds_and_shares(experiment, kind):
    tables = experiment(kind)
    table = tables["policies"]
    figure = draw(policies, tables)
    axes, beside = figure.axes
    assert drawn(axes, ESTIMATE) == rows_of(table, "naive_value")
    assert drawn(axes, INTERVAL) == rows_of(table, "lower_bound", "upper_bound")
    assert drawn(axes, OWN) == rows_of(table, *CI)
    assert drawn(axes, ESTIMATE)[table["rule"].to_list().index(NONE)] == [0]
    assert drawn(axes, KNOWN) == (rows_of(table, "known_value") if kind == "known" else {})
    oracle = [line.get_xdata()[0] for line in axes.lines if line.get_label() == ORACLE]
    assert oracle == ([table["oracle_value"][0]] if kind == "known" else [])
    written = {text.get_position(): text.get_text() for text in beside.texts}
    for row, line in table.iterrows():
        assert written[(0.2, row)] == f"{100 * line['share_promoted']:.0f}%"
        assert written[(0.44, row)] == signed(line["naive_value"], 1)
        assert written[(0.68, row)] == signed(line["lower_bound"], 1)
        corrected = line["corrected_value"]
        assert written.get((1, row), "") == (signed(corrected, 1) if pd.notna(corrected) else "")


@pytest.mark.parametrize(
    ("bounds", "title", "marks"),
    [
        ([-3.0, -9.0, -1.0], "Promote nothing: no rule is shown to gain", "ovo"),
        ([-3.0, 2.0, 1.0], "Promote by the rule ‘two’", "o^^"),
    ],
)
def test_the_verdict_is_the_title_and_its_rule_stands_out(bounds, title, marks):
    table = pd.DataFrame({"rule": [NONE, "one", "two", "three"], "share_promoted": [0, 1, 0.5, 0]})
    table["lower_bound"] = [0.0, *bounds]
    table["naive_value"] = table["lower_bound"] + 3 * (table["rule"] != NONE)
    table["upper_bound"] = 2 * table["naive_value"] - table["lower_bound"]
    table = table.assign(ci_95_lower=0.0, ci_95_upper=table["naive_value"])
    table["recommended"] = (table["rule"] == "two") & (table["lower_bound"] > 0)
    corrected = table["naive_value"].where(table["recommended"]) - 2
    for name in ("corrected_value", "corrected_ci_95_lower", "corrected_ci_95_upper"):
        table[name] = corrected
    table["unit_code"], table["unit"] = PER_1000_ELIGIBLE, "clicks"
    table["rule_label"] = table["rule"].map(rule_label)
    found = verdict_of(table)
    figure = policies(table, found)
    assert title in texts(figure)
    assert found["statement"] in said(figure)
    bold = [label.get_text() for label in figure.axes[0].get_yticklabels() if is_bold(label)]
    shipped = NONE if found["verdict"] == PROMOTE_NOTHING else "two"
    assert bold == [rule_label(shipped).capitalize()]
    shown = [line for line in figure.axes[0].lines if line.get_label() == ESTIMATE]
    assert "".join(line.get_marker() for line in shown[1:]) == marks


def is_bold(text):
    return text.get_fontweight() == "bold"


def test_predicted_effects_show_slates_means_and_correlations(experiment):
    table = experiment()["slate_effects"]
    figure = predicted_effects(table)
    known = table["known_effect"]
    for name, axes in zip(PREDICTORS, figure.axes, strict=True):
        predicted = table[f"predicted_{name}"]
        assert points(axes, SLATES) == np.column_stack([predicted, known]).tolist()
        r = np.corrcoef(predicted, known)[0, 1]
        assert axes.get_title(loc="left") == f"{MODEL_NAMES[name]}\ncorrelation {signed(r, 2)}"
    stacked = table.sort_values("predicted_stacked")
    groups = np.array_split(stacked[["predicted_stacked", "known_effect"]].to_numpy(), 20)
    means = [pytest.approx(group.mean(axis=0)) for group in groups]
    assert points(panel(figure, "Stacked"), MEANS) == means


def test_many_slates_are_thinned_and_what_cannot_correlate_is_said(experiment):
    one = experiment()["slate_effects"].drop(columns=["predicted_t_learner"])
    table = pd.concat([one] * 9, ignore_index=True).assign(predicted_stacked=0.1)
    figure = predicted_effects(table)
    assert len(figure.axes) == len(PREDICTORS) - 1
    assert 0 < len(points(figure.axes[0], SLATES)) <= POINTS
    assert panel(figure, "Stacked\none effect for all slates")
    assert "One slate in 3 is drawn" in said(figure)
    figure = predicted_effects(table.assign(known_effect=0.2))
    assert texts(figure).count("Stacked known effects are all equal") == 1


@pytest.mark.long
@pytest.mark.parametrize(("kind", "theme"), [("known", LIGHT), ("observed", DARK), ("poor", DARK)])
def test_no_text_is_cut_off_or_lies_on_another_or_speaks_of_what_is_not_known(
    experiment, kind, theme, tmp_path
):
    tables = without_numbers(experiment()) if kind == "poor" else experiment(kind)
    for figure_of in DRAWN_FROM:
        if figure_of is predicted_effects and kind == "observed":
            continue
        with use_theme(theme):
            figure = draw(figure_of, tables, source="a/b")
        found, page = boxes(figure), figure.bbox.padded(1)
        for n, (text, box) in enumerate(found):
            assert page.x0 <= box.x0 < box.x1 <= page.x1, text
            assert page.y0 <= box.y0 < box.y1 <= page.y1, text
            for other, beneath in found[:n]:
                assert not box.padded(-1.5).overlaps(beneath.padded(-1.5)), (text, other)
        assert min(text.get_fontsize() for text in figure.findobj(Text)) >= SMALL
        if kind == "observed":
            said_of_truth = said(figure).lower().replace("known probability", "")
            assert "known" not in said_of_truth.replace("is not known", "")
            assert not any(drawn(axes, KNOWN) for axes in figure.axes)
    paths = [tmp_path / f"{n}.svg" for n in (1, 2)]
    for path in paths:
        save_figure(draw(policies, tables), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
