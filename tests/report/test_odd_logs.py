"""Every log that passes the contract gets a page; a section that it does not allow says why."""

import re
from html import unescape

import pandas as pd
import pytest
from odd_logs import KINDS, Analysis, made_log

from netlift.core.left_out import why_left_out
from netlift.core.tables import read_json, read_table
from netlift.effects.empty_lines import (
    NO_CLUSTERS,
    NO_COMPETITORS,
    NO_OTHERS,
    NO_SAME_CLUSTER,
    NOT_RECORDED,
)
from netlift.workflow import outputs

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

FIGURES = outputs.FIGURE_RULES
WITHOUT_ROWS = ("no_row_stages", "total_only", "one_row_per_slate")
LEFT_OUT = {
    "same_page": "no model can tell them apart",
    "same_page_no_covariates": "no model can tell them apart",
    "one_user": "1 user cannot be split into 2 folds",
    "eight_slates": "slates to learn from",
    "two_slates_per_arm": "slates to learn from",
    "six_users": "slates to learn from",
    "four_users_by_user": "slates to learn from",
    "unlucky": "features that were not known before promotion",
    "no_row_stages": "row_stages is false",
    "no_row_stages_no_clusters": "row_stages is false",
    "no_row_stages_eight_slates": "row_stages is false",
    "insert_not_logged": "the rows of both arms are not alike",
    "replace_not_logged": "the rows of both arms are not alike",
    "total_only": NOT_RECORDED,
    "total_only_of_badges": NOT_RECORDED,
    "one_row_per_slate": NOT_RECORDED,
    "no_row_stages_hardly_delivered": "row_stages is false",
    "no_row_stages_fully_delivered": "row_stages is false",
}
"""Why there are no models, by kind of log; models of all other kinds are shown."""

EMPTY = {
    "no_clusters": {"same_cluster": NO_CLUSTERS},
    "no_row_stages_no_clusters": {"same_cluster": NO_CLUSTERS},
    "own_clusters": {"same_cluster": NO_SAME_CLUSTER},
    "one_cluster": {"other": NO_OTHERS},
    "length_1": {"same_cluster": NO_COMPETITORS, "other": NO_COMPETITORS},
}
"""Lines of the ledger without items, by kind of log."""


def analyzed(folder, kind):
    """Analyze a log without figures; return the analysis, what the page is made of, its text."""
    analysis = Analysis(folder, *made_log(kind))
    analysis.read()
    analysis.estimate()
    if analysis.log.has_row_stages:
        analysis.model()
    analysis.state()
    gathered, page = analysis.page()
    return analysis, gathered, page


def words(page):
    """Return the words of a page, in which a tag ends each sentence."""
    page = re.sub(r"<(script|style|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", "|", page)


QUICK = [
    "same_page",
    "four_users",
    "one_user",
    "eight_slates",
    "no_clusters",
    "all_1",
    "no_row_stages",
    "insert_kept",
    "three",
    "total_only",
    "partly_delivered",
]
"""Kinds whose pages .ci/run makes; `make test` makes those of all."""


def quick(kinds):
    """Return kinds as parameters, those that are not quick marked as long."""
    return [pytest.param(kind, marks=[] if kind in QUICK else pytest.mark.long) for kind in kinds]


@pytest.mark.long
@pytest.mark.parametrize("kind", quick(KINDS))
def test_every_sound_log_has_a_page(kind, tmp_path):
    analysis, gathered, page = analyzed(tmp_path, kind)
    text = words(page)
    for sign in (r"\bnan\b", r"\bNaN\b", r"\bNone\b", r"\binf\b", r"not_made"):
        assert not re.search(sign, text), sign
    statements = gathered.tables["decision_statements"]
    assert not statements["statement"].str.contains("nan").any()
    reason = gathered.reasons.get("policies", "")
    assert LEFT_OUT.get(kind, "") in reason
    assert bool(reason) == (kind in LEFT_OUT)
    if reason:
        decided = read_json(analysis.folder / "decision.json")
        assert decided["policy"] is None
        assert reason in {row["reason"] for row in decided["missing"]}
        assert "Not shown (" in page


@pytest.mark.parametrize("kind", EMPTY)
def test_a_line_without_items_is_no_zero_that_was_measured(kind, tmp_path):
    _, gathered, page = analyzed(tmp_path, kind)
    for name in ("component_effects", "aipw"):
        table = gathered.table(name)
        for line, why in EMPTY[kind].items() if table is not None else ():
            rows = table[table["line"] == line]
            assert rows[["se", "ci_95_lower"]].isna().all(axis=None)
            assert set(rows["note"]) == {why}
        if table is not None:
            assert table.loc[table["line"] == "total", "se"].notna().any()
    product = gathered.tables["product_summary"].set_index("metric")
    for line, why in EMPTY[kind].items():
        row = product.loc[
            {"same_cluster": "same_cluster_change", "other": "other_cluster_change"}[line]
        ]
        assert pd.isna(row["estimate"])
        assert row["note"] == why
        assert why in unescape(page)
        bars = {"same_cluster": "Same-cluster items", "other": "Other items"}
        assert f'<span class="bar-label">{bars[line]}</span>' not in page
    statements = " ".join(gathered.tables["decision_statements"]["statement"])
    assert "+0.0" not in statements
    if "same_cluster" in EMPTY[kind]:
        assert EMPTY[kind]["same_cluster"] in statements


PHRASES = {
    "ordinary": "moving the focal item to position 1",
    "slot_3": "moving the focal item to position 3",
    "insert_kept": "inserting the focal item at position 2, where the last item is pushed out",
    "insert_grows": "inserting the focal item at position 1, where the slate grows by one",
    "replace": "showing the focal item in place of the item at position 3",
    "badge": "marking the focal item with a badge",
    "three": "moving the 3 focal items to positions 1 to 3",
    "three_badges": "marking the 3 focal items with a badge",
    "rerank": "showing the slate in its other order",
    "insert_not_logged": "inserting the focal item at position 2, where the last item is pushed",
    "replace_not_logged": "showing the focal item in place of the item at position 3",
    "total_only": "What a promotion does to a slate is not stated",
    "one_row_per_slate": "inserting the focal item at position 2",
}
"""What a promotion is on the page of each kind of log."""


@pytest.mark.parametrize("kind", quick(PHRASES))
def test_a_page_says_what_a_promotion_is(kind, tmp_path):
    _, gathered, page = analyzed(tmp_path, kind)
    text = unescape(words(page))
    text = text[: text.index("Provenance|", 20_000)]  # the settings follow
    assert PHRASES[kind] in text
    for said in ("the focal item to position", "to the top", "to the first position"):
        assert (said in text) == (said in PHRASES[kind]), said
    statements = " ".join(gathered.tables["decision_statements"]["statement"])
    assert "position" not in statements.replace("focal position", "")


@pytest.mark.parametrize("kind", ["total_only", "one_row_per_slate"])
def test_a_log_of_totals_speaks_of_the_total_alone(kind, tmp_path):
    analysis, gathered, page = analyzed(tmp_path, kind)
    text = unescape(words(page))
    assert "The ledger: the change of whole slates" in text
    assert re.search(r"\+0\.0+\b", text) is None
    for label in ("The promoted item", "Same-cluster items", "Other items"):
        assert f'<span class="bar-label">{label}</span>' not in page
    product = gathered.tables["product_summary"].set_index("metric")
    parts = ["focal_gain", "same_cluster_change", "other_cluster_change", "competitor_change"]
    assert product.loc[[*parts, "offset_ratio"], ["estimate", "ci_95_lower"]].isna().all(axis=None)
    assert set(product.loc[parts, "note"]) == {NOT_RECORDED}
    assert product.loc["net_change", "se"] > 0
    statements = gathered.tables["decision_statements"].set_index("topic")
    assert list(statements.index) == ["item_level_reporting", "slate_level_metric", "policy_design"]
    assert statements.loc["item_level_reporting", "verdict"] == "not_estimable"
    assert NOT_RECORDED in statements.loc["item_level_reporting", "statement"]
    assert "promoted item" not in " ".join(statements["statement"].iloc[1:])
    decided = read_json(analysis.folder / "decision.json")
    assert decided["conclusions"] == decided["spillover_tests"] == []
    assert decided["test"]["p_value"] > 0
    listed = read_table(analysis.folder / "sections.csv").set_index("section")
    assert listed.loc["ledger of effects", "available"]
    assert listed.loc["direct and indirect effects", "why_not"] == NOT_RECORDED


@pytest.mark.parametrize("kind", ["all_0", "all_1"])
def test_what_does_not_vary_has_no_interval_and_no_share(kind, tmp_path):
    """Rounding errors are no denominators: one share was -1,576,259,869,579,673."""
    _, gathered, page = analyzed(tmp_path, kind)
    text = unescape(words(page))
    # Boosted trees predict in single precision, so AIPW by them does vary, by 1e-8.
    others = re.sub(r"aipw_(xgboost|lightgbm)[^a-z]+ to 0\.0+\)", "", text)
    assert not re.search(r"\b(0\.0+) \(\1 to \1\)", others)
    assert "0.0 (no interval: it does not vary)" in text
    shares = gathered.tables["shares"]
    assert shares["estimate"].isna().all()
    assert set(shares["note"]) == {
        "the focal gain is 0, and has no shares",
        "the change of all competitors is 0, and has no shares",
    }
    assert not re.search(r"\d{3},\d{3},\d{3}", text)
    assert "  " not in " ".join(gathered.tables["decision_statements"]["statement"])


def test_rows_are_counted_for_each_line_of_the_ledger(tmp_path):
    *_, page = analyzed(tmp_path, "ordinary")
    counts = re.findall(r"items?: (\d+) item rows in", unescape(words(page)))
    assert sum(map(int, counts)) == 600  # of 120 slates of 5


def test_few_units_are_named_once_in_a_statement(tmp_path):
    _, gathered, page = analyzed(tmp_path, "no_row_stages_eight_slates")
    rows = gathered.tables["decision_statements"].set_index("topic")
    statement = rows.loc["slate_level_metric", "statement"]
    assert "This interval is not promised to cover 95%" in statement
    assert "few effective units" not in statement
    assert "rule out" not in statement
    assert "ruled out" not in page


def test_a_page_shows_the_effects_of_delivered_promotions_next_to_those_of_the_draw(tmp_path):
    analysis = Analysis(tmp_path, *made_log("partly_delivered"))
    analysis.read()
    analysis.estimate()
    analysis.state()
    analysis.draw("plot_delivered")
    gathered, page = analysis.page()
    assert "delivered_effects" in gathered.figures
    log, _ = made_log("partly_delivered")
    sent = log.groupby("slate")[["promoted", "sent"]].first()
    failed = int((sent["promoted"] > sent["sent"]).sum())
    text = unescape(words(page))
    assert (
        f"A promotion was delivered in {80 - failed} of 80 promoted slates and in 0 of 80" in text
    )
    assert "slates in which the draw decided whether a promotion was delivered" in text
    assert f"no promotion in {failed} of 80 promoted slates" in text
    assert "clicks per 1,000 delivered promotions" in text
    assert "The draw acts through deliveries alone" in text
    decided = read_json(analysis.folder / "decision.json")
    (caveat,) = [each for each in decided["caveats"] if each["kind"] == "partly_delivered"]
    assert caveat["count"] == failed
    statements = gathered.tables["decision_statements"]["statement"]
    assert statements[1:].str.contains(f"not delivered as drawn in {failed} slates").all()
    # The examples are shown as they were drawn, so they are of slates that were delivered so.
    sent_as_drawn = sent.index[sent["promoted"] == sent["sent"]]
    shown = [int(number) for number in re.findall(r"Slate (\d+), a (?:promoted|control)", text)]
    assert shown
    assert set(shown) <= set(sent_as_drawn)


def test_a_page_names_a_weak_first_stage(tmp_path):
    analysis, *_ = analyzed(tmp_path, "no_row_stages_hardly_delivered")
    analysis.draw("plot_delivered")
    _, page = analysis.page()
    text = unescape(words(page))
    assert "The draw hardly changed deliveries (F = " in text
    assert "The data do not bound the total effect." in text
    assert "(unbounded)" in text or "everything but" in text
    assert "Slates that get one whatever is drawn" in text


def test_a_page_says_that_every_promotion_was_delivered(tmp_path):
    _, gathered, page = analyzed(tmp_path, "no_row_stages_fully_delivered")
    assert "Every promotion was delivered as it was drawn" in page
    assert not [row for row in gathered.tables["contract"]["code"] if "deliver" in row]


def test_a_page_of_a_log_without_the_column_does_not_mention_delivery(tmp_path):
    _, gathered, page = analyzed(tmp_path, "no_row_stages")
    assert not {"delivered_effects"} & {output.name for output in gathered.missing}
    assert 'id="delivered"' not in page
    assert "draw acts through" not in page


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith(WITHOUT_ROWS)])
def test_every_figure_is_drawn_or_says_why_not(kind, tmp_path):
    analysis, *_ = analyzed(tmp_path, kind)
    for rule in FIGURES:
        analysis.draw(rule)
    shown, _ = analysis.page()
    for figure in outputs.figures_of(*FIGURES):
        drawn = (analysis.folder / figure.file).read_text(encoding="utf-8")
        left_out = [name for name in figure.tables if name in shown.reasons]
        assert (figure.name in shown.figures) == (figure.is_on_page and not left_out)
        assert drawn.startswith("<?xml")


def test_a_file_that_was_not_made_says_why(tmp_path):
    analysis, *_ = analyzed(tmp_path, "same_page")
    reasons = {
        why_left_out(read(analysis.path(name)))
        for name, read in (
            ("policies", read_table),
            ("slate_effects", read_table),
            ("verdict", read_json),
        )
    }
    (reason,) = reasons
    assert reason.startswith("nothing that is known before promotion differs between slates")
