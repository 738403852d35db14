"""A simulated promotion with several arms goes through the whole analysis, as a user runs it."""

import html
import json
import re

import pandas as pd
import pytest
import yaml
from runs import SLATES, checkout, snakemake

pytestmark = [pytest.mark.slow, pytest.mark.long]

SLOTS = {
    "slot1": {"move": {"to": 1}, "probability": 0.3},
    "slot2": {"move": {"to": 2}, "probability": 0.3},
}
STUDY = {
    "name": "arms",
    "promotions": ["slots"],
    "worlds": ["logit"],
    "grids": [],
}
PAGE = f"{SLATES}/slots/logit/report.html"
FRONT = "results/studies/arms/index.html"


def write_overlay(folder, arms):
    slots = {"focal_position_first": 3, "arms": arms}
    overlay = {"study": STUDY, "promotions": {"slots": slots}}
    (folder / "arms.yaml").write_text(yaml.safe_dump(overlay, sort_keys=False), encoding="utf-8")


def run(folder, *arguments, target=PAGE, ok=True):
    files = ["config/studies/tiny.yaml", "arms.yaml"]
    return snakemake(
        folder, "--cores", "2", "--configfile", *files, *arguments, "--", target, ok=ok
    )


@pytest.fixture(scope="module")
def slots(tmp_path_factory):
    folder = checkout(tmp_path_factory.mktemp("arms"))
    write_overlay(folder, SLOTS)
    run(folder, target=FRONT)
    return folder


def words_of(page):
    text = re.sub(r"<(style|script|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_the_page_has_what_each_variant_does(slots):
    page = (slots / PAGE).read_text(encoding="utf-8")
    decision = json.loads((slots / PAGE).with_name("decision.json").read_text(encoding="utf-8"))
    words = words_of(page)
    assert decision["experiment"] == PAGE.removeprefix("results/").removesuffix("/report.html")
    assert "a simulated experiment: its clicks are those of a model" in words
    assert "a log of real" not in words
    for stated in (*decision["variants"], *decision["pairs"]):
        assert stated["statement"] in words
    for link in re.findall(r'href="([^"#]+)"', page):
        assert ((slots / PAGE).parent / link).resolve().is_relative_to(slots.resolve() / "results")
    for variant in SLOTS:
        own = slots / SLATES / f"slots.{variant}/logit/report.html"
        assert f'href="../../slots.{variant}/logit/report.html"' in page
        assert "one of 2 variants that were drawn at once" in words_of(own.read_text("utf-8"))
    assert not re.search(r"\b(nan|None)\b", words)


def test_the_front_page_shows_the_variants(slots):
    page = (slots / FRONT).read_text(encoding="utf-8")
    statements = pd.read_csv((slots / PAGE).with_name("arm_statements.csv"))
    assert f'href="../../{PAGE.removeprefix("results/")}"' in page
    words = words_of(page)
    for statement in statements["statement"]:
        assert statement in words
    assert "A name with a point is a variant" in words


def test_numbers_are_those_of_the_experiments(slots):
    arms = pd.read_csv((slots / PAGE).with_name("arms.csv"))
    arms = arms[(arms["against"] == "control") & (arms["outcome_type"] == "observed_clicks")]
    promotions = pd.read_csv(
        slots / "results/studies/arms/size=6/seed=20260428/promotions.csv"
    ).set_index(["promotion", "line"])
    counts = pd.read_csv((slots / PAGE).with_name("arm_counts.csv")).set_index("arm")
    assert counts["slates"].sum() == 200
    for variant in SLOTS:
        folder = slots / SLATES / f"slots.{variant}/logit"
        effects = pd.read_csv(folder / "effects/component_effects.csv")
        own = effects[effects["is_main"] & (effects["outcome_type"] == "observed_clicks")]
        own = own.set_index("line")["estimate_per_1000_promoted_slates"]
        shown = arms[arms["variant"] == variant].set_index("line")
        for line in ("direct", "same_cluster", "other", "total"):
            assert shown.loc[line, "estimate"] == pytest.approx(own[line], rel=1e-12)
            known = promotions.loc[(f"slots.{variant}", line), "known_value"]
            assert shown.loc[line, "known_value"] == pytest.approx(1000 * known, abs=1e-9)
        items = pd.read_parquet(folder / "items.parquet")
        in_arms = counts.loc["control", "slates"] + counts.loc[variant, "slates"]
        assert items["slate_id"].nunique() == in_arms


def test_an_edit_of_one_variant_leaves_the_others(slots):
    assert "Nothing to be done" in run(slots, "--dry-run")
    write_overlay(slots, SLOTS | {"slot2": SLOTS["slot2"] | {"move": {"to": 3}}})
    planned = run(slots, "--dry-run")
    write_overlay(slots, SLOTS)
    assert "assign_promotion" in planned
    assert "build_slates" not in planned


def test_a_typo_in_a_path_is_told(slots):
    wrong = PAGE.replace("slots/logit/report", "slotz/logit/report")
    assert f"did you mean {PAGE}?" in run(slots, "--dry-run", target=wrong, ok=False)
