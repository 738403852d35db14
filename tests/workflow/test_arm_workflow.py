"""A log with several arms goes through the whole analysis, as a user runs it."""

import html
import json
import re
import sys

import pandas as pd
import pytest
import yaml
from arm_logs import ENTRY, draw_arms
from runs import checkout, snakemake, start

pytestmark = [pytest.mark.slow, pytest.mark.long]

TARGET = "results/logs/shop/sections.csv"


def write_overlay(folder, **changes):
    entry = {**ENTRY, "path": "log.parquet", "row_stages": False, **changes}
    overlay = {"logs": {"shop": entry}}
    overlay["inference"] = {"bootstrap_draws": 100, "permutations": 199, "min_slates": 10}
    (folder / "shop.yaml").write_text(yaml.safe_dump(overlay, sort_keys=False), encoding="utf-8")


def analyse(folder, *arguments, ok=True, target=TARGET):
    asked = ["--cores", "2", "--configfile", "shop.yaml", *arguments]
    return snakemake(folder, *asked, "--", target, ok=ok)


def words_of(page):
    text = re.sub(r"<(style|script|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = checkout(tmp_path_factory.mktemp("arms"))
    log, _ = draw_arms(41, 6000, n_users=1500)
    log.to_parquet(folder / "log.parquet")
    write_overlay(folder)
    words = [sys.executable, "-m", "netlift", "snakemake", "--cores", "2"]
    code = start(folder, [*words, "--configfile", "shop.yaml", "--", TARGET]).wait(900)
    assert code == 0, (folder / "said.txt").read_text()
    return folder


def test_each_variant_is_an_experiment_and_all_of_them_have_a_page(shop):
    logs = shop / "results/logs"
    for variant, position in (("slot1", 1), ("slot3", 3)):
        page = words_of((logs / f"shop.{variant}/report.html").read_text(encoding="utf-8"))
        assert f"shop: {variant} against control" in page
        assert f"position {position}" in page
        counts = pd.read_csv(logs / f"shop.{variant}/row_counts.csv").set_index("what")
        assert counts.loc["in the log", "slates"] == 6000
    page = words_of((logs / "shop/report.html").read_text(encoding="utf-8"))
    decision = json.loads((logs / "shop/decision.json").read_text(encoding="utf-8"))
    assert decision["verdict"]["in_words"] in page
    for stated in (*decision["variants"], *decision["pairs"]):
        assert stated["statement"] in page
    assert not re.search(r"\b(nan|None)\b", page)
    for variant in ("slot1", "slot3"):
        assert f'href="../shop.{variant}/report.html"' in (logs / "shop/report.html").read_text(
            encoding="utf-8"
        )


def test_numbers_of_the_comparison_are_those_of_the_experiments(shop):
    logs = shop / "results/logs"
    arms = pd.read_csv(logs / "shop/arms.csv")
    for variant in ("slot1", "slot3"):
        effects = pd.read_csv(logs / f"shop.{variant}/effects/component_effects.csv")
        own = effects[effects["is_main"]].set_index("line")["estimate_per_1000_promoted_slates"]
        row = arms[(arms["variant"] == variant) & (arms["against"] == "control")]
        shown = row.set_index("line")["estimate"]
        for line in ("direct", "same_cluster", "other", "total"):
            assert shown[line] == pytest.approx(own[line], rel=1e-12)


def test_the_run_says_what_each_variant_does(shop):
    said = (shop / "said.txt").read_text(encoding="utf-8")
    assert "The log shop:" in said
    assert "Moving the focal item to position 3 (slot3): the focal item" in said
    assert "What to do: " in said


def test_nothing_is_stale_and_a_changed_arm_is_made_again(shop):
    assert "Nothing to be done" in analyse(shop, "--dry-run")
    assert "Nothing to be done" in analyse(
        shop, "--dry-run", target="results/logs/shop.slot3/sections.csv"
    )
    promotion = ENTRY["promotion"]
    arms = promotion["arms"] | {"slot3": promotion["arms"]["slot3"] | {"move": {"to": 2}}}
    write_overlay(shop, promotion=promotion | {"arms": arms})
    planned = analyse(shop, "--dry-run")
    write_overlay(shop)
    assert "account_arms_shop" in planned
    assert "Nothing to be done" in analyse(shop, "--dry-run")


def test_a_refused_log_leaves_no_page(shop):
    """Last: it takes the results away."""
    log = pd.read_parquet(shop / "log.parquet")
    log.loc[log["page"] == "p0000003", "variant"] = "pin 9"
    log.to_parquet(shop / "log.parquet")
    assert "variant is 'pin 9' in 1 slates" in analyse(shop, ok=False)
    logs = shop / "results/logs"
    assert (logs / "shop/contract_refused.csv").exists()
    for folder in ("shop", "shop.slot1", "shop.slot3"):
        assert not (logs / folder / "report.html").exists()
        assert not (logs / folder / "decision.json").exists()
