"""A log goes through the whole analysis, as a user runs it."""

import json
import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from log_files import ENTRY, draw_log
from runs import checkout, snakemake, start

from netlift.logs.codes import codes_table

pytestmark = pytest.mark.slow

TARGET = "results/logs/shop/sections.csv"
LONG_AGO = 1_000_000_000
"""A time stamp, in seconds, that is older than any result."""


def write_overlay(folder, **changes):
    entry = {**ENTRY, "path": "log.csv.gz", **changes}
    overlay = {"logs": {"shop": entry}}
    overlay["inference"] = {"bootstrap_draws": 100, "permutations": 199, "min_slates": 10}
    (folder / "shop.yaml").write_text(yaml.safe_dump(overlay, sort_keys=False), encoding="utf-8")


def analyse(folder, *arguments, ok=True, target=TARGET):
    asked = ["--cores", "2", "--configfile", "shop.yaml", *arguments]
    return snakemake(folder, *asked, "--", target, ok=ok)


def netlift(folder, *arguments, ok=True, python=sys.executable):
    """Analyze the log as `make analyse` does; return what is shown."""
    words = [python, "-m", "netlift", "snakemake", "--cores", "2"]
    code = start(folder, [*words, "--configfile", "shop.yaml", *arguments, "--", TARGET]).wait(600)
    said = (folder / "said.txt").read_text(encoding="utf-8")
    assert (code == 0) == ok, said
    return said


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = checkout(tmp_path_factory.mktemp("shop"))
    log, truth = draw_log(31, 500, (4, 7), n_users=200)
    # Two slates of each arm have two users, and are set aside.
    for slate in log.groupby("arm")["Impression ID"].unique().map(lambda ids: ids[:2]).explode():
        log.loc[log.index[log["Impression ID"] == slate][0], "visitor"] = "another"
    log.to_csv(folder / "log.csv.gz", index=False)
    outcomes = {"clicks": {"column": "clicked"}, "minutes": {"column": "minutes"}}
    covariates = {"item": {"relevance": "score"}, "slate": {"user_activity": "visits"}}
    write_overlay(folder, outcomes=outcomes, covariates=covariates, set_aside=["user_differs"])
    analyse(folder)
    return folder, log, truth


def test_everything_but_the_truth_is_there(shop):
    folder, log, truth = shop
    results = folder / "results/logs/shop"
    sections = pd.read_csv(results / "sections.csv").set_index("section")
    assert set(sections.index[~sections["available"]]) == {"truth"}
    effects = pd.read_csv(results / "effects/component_effects.csv")
    assert set(effects["outcome_type"]) == {"observed_clicks", "minutes"}
    lin = effects.query("outcome_type == 'observed_clicks' and estimator == 'lin'")
    for _, row in lin.iterrows():
        assert abs(row["estimate_per_slate"] - truth[row["line"]]) < 4 * row["se"]
    decisions = pd.read_csv(results / "effects/decision_statements.csv")
    short = "With a limited design: user_differs (4 slates) set aside."
    assert decisions["statement"][1:].str.endswith(short).all()
    assert decisions.loc[0, "topic"] == "design"
    (caveat,) = json.loads((results / "decision.json").read_text(encoding="utf-8"))["caveats"]
    assert caveat["message"] == decisions.loc[0, "statement"]
    assert caveat["message"] in (results / "report.html").read_text(encoding="utf-8")
    assert not [name for name in decisions if "known" in name]
    assert (results / "models/verdict.json").exists()
    figures = {path.stem for path in (results / "figures").glob("*.svg")}
    assert {"decomposition", "policies"} <= figures
    assert not figures & {"observed_against_known", "known_lift_by_slate", "predicted_effects"}
    # A department called <b>... is text in a figure.
    assert "&lt;b&gt;D" in (results / "figures/risk.svg").read_text(encoding="utf-8")
    by_cluster = pd.read_csv(results / "effects/risk_by_cluster.csv")
    assert set(by_cluster["focal_cluster"]) == set(log["dept, name"])


def test_a_second_run_finds_nothing_to_do(shop):
    folder, *_ = shop
    assert "Nothing to be done" in analyse(folder)


def test_an_edit_of_the_log_or_of_its_meaning_runs_it_again(shop):
    folder, *_ = shop
    overlay = (folder / "shop.yaml").read_text(encoding="utf-8")
    try:
        (folder / "shop.yaml").write_text(overlay.replace("probability: 0.5", "probability: 0.49"))
        assert "account log" in analyse(folder, "-n")
    finally:
        (folder / "shop.yaml").write_text(overlay)
    assert "Nothing to be done" in analyse(folder, "-n")


def test_what_an_outcome_is_called_reads_no_log_again(shop):
    folder, *_ = shop
    overlay = (folder / "shop.yaml").read_text(encoding="utf-8")
    try:
        named = overlay.replace("column: clicked", "column: clicked\n        unit: page views")
        (folder / "shop.yaml").write_text(named, encoding="utf-8")
        said = analyse(folder, "-n")
        assert "estimate ledger" in said
        assert "write report" in said
        assert "account log" not in said
        assert "map log" not in said
    finally:
        (folder / "shop.yaml").write_text(overlay)


@pytest.mark.long
def test_a_log_without_a_promotion_has_a_page_and_no_decision(shop):
    folder, *_ = shop
    overlay = yaml.safe_load((folder / "shop.yaml").read_text(encoding="utf-8"))
    entry = overlay["logs"]["shop"]
    for role in ("focal", "promoted"):
        entry["columns"] = {key: name for key, name in entry["columns"].items() if key != role}
    entry |= {"promotion": {}, "meanings": {}}
    overlay["logs"] = {"shown": entry}
    (folder / "shown.yaml").write_text(yaml.safe_dump(overlay, sort_keys=False), encoding="utf-8")
    asked = ["--cores", "2", "--configfile", "shown.yaml", "--", "results/logs/shown/sections.csv"]
    said = snakemake(folder, *asked)
    assert "describe log" in said
    results = folder / "results/logs/shown"
    sections = pd.read_csv(results / "sections.csv").set_index("section")
    lacking = sections[~sections["available"]]
    page = (results / "report.html").read_text(encoding="utf-8")
    for name, row in lacking.iterrows():
        assert f'<th scope="row">{name[0].upper()}{name[1:]}</th>' in page
        assert row["why_not"][1:] in page
    assert not (results / "decision.json").exists()
    assert "Nothing to be done" in snakemake(folder, "-n", *asked)


def test_a_refused_log_stops_with_one_report(shop):
    folder, log, _ = shop
    damaged = log.assign(clicked=-1, candidate=True)
    damaged.to_csv(folder / "damaged.csv", index=False)
    overlay = (folder / "shop.yaml").read_text(encoding="utf-8")
    other = overlay.replace("log.csv.gz", "damaged.csv").replace("shop:", "damaged:")
    (folder / "damaged.yaml").write_text(other, encoding="utf-8")
    said = snakemake(
        folder,
        *["--cores", "1", "--configfile", "damaged.yaml"],
        *["--", "results/logs/damaged/sections.csv"],
        ok=False,
    )
    assert "negative_outcome" in said
    assert "several_focal_items" in said
    assert "Traceback" not in said
    found = {path.name for path in (folder / "results/logs/damaged").iterdir()}
    assert found == {"contract_refused.csv"}


@pytest.mark.long
def test_the_ledger_alone_for_very_large_logs(shop):
    folder, *_ = shop
    overlay = yaml.safe_load((folder / "shop.yaml").read_text(encoding="utf-8"))
    overlay["logs"]["large"] = overlay["logs"].pop("shop") | {"row_stages": False}
    (folder / "large.yaml").write_text(yaml.safe_dump(overlay, sort_keys=False), encoding="utf-8")
    target = "results/logs/large/sections.csv"
    asked = ["--cores", "2", "--configfile", "large.yaml", "--", target]
    snakemake(folder, *asked)
    results = folder / "results/logs/large"
    assert (results / "effects/component_effects.csv").exists()
    assert not (results / "items.parquet").exists()
    sections = pd.read_csv(results / "sections.csv").set_index("section")
    assert "row_stages" in sections.loc["models and policies", "why_not"]


@pytest.mark.long
def test_effects_of_delivered_promotions_are_made_where_the_log_records_deliveries(shop):
    folder, log, _ = shop
    assert not list((folder / "results/logs/shop").rglob("*deliver*"))
    ok = log["Impression ID"].map(lambda slate: int(slate[1:]) % 4 > 0)
    log.assign(sent=((log["arm"] == "boost") & ok).astype(int)).to_csv(folder / "sent.csv")
    entry = yaml.safe_load((folder / "shop.yaml").read_text(encoding="utf-8"))["logs"]["shop"]
    entry |= {"path": "sent.csv", "row_stages": False}
    asked = ["--cores", "2", "--configfile", "sent.yaml"]
    target = ["--", "results/logs/sent/sections.csv"]
    for recorded in (True, False):
        columns = entry["columns"] | ({"delivered": "sent"} if recorded else {})
        overlay = {"logs": {"sent": entry | {"columns": columns}}}
        (folder / "sent.yaml").write_text(yaml.safe_dump(overlay, sort_keys=False))
        snakemake(folder, *asked, *target)
        made = {path.name for path in (folder / "results/logs/sent").rglob("*deliver*")}
        assert ("delivered_effects.csv" in made) == recorded
        assert ("delivered_effects.svg" in made) == recorded
        page = (folder / "results/logs/sent/report.html").read_text(encoding="utf-8")
        assert ('id="delivered"' in page) == recorded
        assert "Nothing to be done" in snakemake(folder, "-n", *asked, *target)


@pytest.mark.long
def test_a_change_with_an_old_time_stamp_is_seen(shop):
    folder, log, _ = shop
    before = (folder / "log.csv.gz").read_bytes()
    sections = folder / "workflow/lib/netlift/logs/sections.py"
    try:
        log.assign(clicked=1 - log["clicked"]).to_csv(folder / "log.csv.gz", index=False)
        os.utime(folder / "log.csv.gz", (LONG_AGO, LONG_AGO))
        assert "account log" in analyse(folder, "-n")
        (folder / "log.csv.gz").write_bytes(before)
        assert "Nothing to be done" in analyse(folder, "-n")
        sections.write_text(sections.read_text(encoding="utf-8") + "# an edit\n")
        os.utime(sections, (LONG_AGO, LONG_AGO))
        said = analyse(folder, "-n")
        assert "analyse log" in said
        assert "account log" not in said
    finally:
        (folder / "log.csv.gz").write_bytes(before)
        sections.write_text(sections.read_text(encoding="utf-8").removesuffix("# an edit\n"))
    assert "Nothing to be done" in analyse(folder, "-n")


@pytest.mark.long
def test_results_without_snakemake_s_records_are_used_for_their_own_settings_only(shop):
    folder, *_ = shop
    overlay = (folder / "shop.yaml").read_text(encoding="utf-8")
    shutil.rmtree(folder / ".snakemake")
    assert "Nothing to be done" in analyse(folder, "-n")
    shutil.rmtree(folder / ".snakemake")
    try:
        (folder / "shop.yaml").write_text(overlay.replace("probability: 0.5", "probability: 0.49"))
        assert "account log" in analyse(folder, "-n")
    finally:
        (folder / "shop.yaml").write_text(overlay)
    assert "Nothing to be done" in analyse(folder, "-n")


@pytest.mark.long
def test_a_moved_folder_rebuilds_nothing_and_may_have_any_name(shop, tmp_path):
    folder, *_ = shop
    moved = tmp_path / "a 'moved' $HOME \"folder\" é"
    shutil.copytree(folder, moved)
    assert "Nothing to be done" in analyse(moved, "-n")
    for name in ("report.html", "sections.csv"):
        (moved / "results/logs/shop" / name).unlink()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", moved / ".venv"], check=True)
    (site_packages,) = (moved / ".venv").glob("lib/python*/site-packages")
    here = "\n".join(path for path in sys.path if path.endswith("site-packages"))
    (site_packages / "here.pth").write_text(here)
    netlift(moved, python=str(moved / ".venv/bin/python"))
    page = (moved / "results/logs/shop/report.html").read_bytes()
    assert page == (folder / "results/logs/shop/report.html").read_bytes()


@pytest.mark.long
def test_what_a_switch_turned_off_is_gone_and_named_with_the_reason(shop, tmp_path):
    folder = tmp_path / "off"
    shutil.copytree(shop[0], folder)
    overlay = yaml.safe_load((folder / "shop.yaml").read_text(encoding="utf-8"))
    overlay["logs"]["shop"]["row_stages"] = False
    (folder / "shop.yaml").write_text(yaml.safe_dump(overlay, sort_keys=False), encoding="utf-8")
    analyse(folder, target="results/logs/shop/report.html")
    results = folder / "results/logs/shop"
    assert (results / "models/policies.csv").exists(), "it lies in the folder, and is not shown"
    decision = json.loads((results / "decision.json").read_text(encoding="utf-8"))
    assert decision["policy"] is None
    assert decision["spillover_tests"] == decision["conclusions"] == []
    shown = {file["path"] for file in decision["files"]}
    assert not [path for path in shown if "models/" in path or "figures/" in path]
    reasons = {row["path"]: row["reason"] for row in decision["missing"]}
    assert "row_stages is false" in reasons["results/{experiment}/models/policies.csv"]
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "Not shown (row_stages is false" in page
    assert 'data-name="policies"' not in page
    analyse(folder)
    assert not (results / "models").exists()
    assert not (results / "figures").exists()
    assert not (results / "items.parquet").exists()
    assert (results / "effects/component_effects.csv").exists()


@pytest.mark.long
def test_a_run_speaks_of_its_log_alone_and_a_refusal_leaves_nothing(shop, tmp_path):
    folder = tmp_path / "refused"
    shutil.copytree(shop[0], folder)
    other = folder / "results/logs/other/effects"
    other.mkdir(parents=True)
    (other / "decision_statements.csv").write_text("topic,statement\n", encoding="utf-8")
    front = folder / "results/index.html"
    front.write_text('<a href="logs/shop/report.html">', encoding="utf-8")
    said = netlift(folder, "-n")
    assert "create engagement" not in said
    said = netlift(folder)
    assert said.count("create engagement") == 1
    assert "results/logs/shop/\n" in said
    assert "other" not in said
    assert re.search(r"Net change: [+−][\d.]+ \(", said)
    assert "Open results/logs/shop/report.html" in said
    shop[1].assign(clicked=-1).to_csv(folder / "log.csv.gz", index=False)
    said = netlift(folder, ok=False)
    assert said.count("negative_outcome") == 1, said
    for noise in ("CalledProcessError", "Exiting", "WorkflowError", "Complete Log", "Traceback"):
        assert noise not in said
    found = {path.name for path in (folder / "results/logs/shop").iterdir()}
    assert found == {"contract_refused.csv"}
    assert not front.exists()


def test_an_error_that_is_no_message_of_netlift_is_shown_whole(shop, tmp_path):
    folder = tmp_path / "failing"
    shutil.copytree(shop[0], folder)
    script = folder / "workflow/scripts/analyse_log.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(
        text.replace("with job(snakemake):\n", "with job(snakemake):\n        1 / 0\n")
    )
    said = netlift(folder, ok=False)
    assert "ZeroDivisionError" in said
    assert "Exiting because a job execution failed" in said


def test_a_log_that_is_not_in_the_config_is_told(shop):
    folder, *_ = shop
    said = analyse(folder, "-n", target="results/logs/shopp/sections.csv", ok=False)
    assert "there is no 'shopp' (known: shop)" in said


def test_the_page_of_codes_is_up_to_date():
    from runs import ROOT

    assert codes_table() in (ROOT / "docs/log-contract.md").read_text(encoding="utf-8")


@pytest.mark.long
def test_a_path_with_characters_that_snakemake_takes_for_patterns(tmp_path):
    folder = checkout(tmp_path)
    log, _ = draw_log(32, 60, n_users=30)
    path = folder / "day={1}/<results> [x]?.csv"
    path.parent.mkdir()
    log.to_csv(path, index=False)
    write_overlay(folder, path=str(path.relative_to(folder)))
    target = "results/logs/shop/row_counts.csv"
    analyse(folder, target=target)
    assert "Nothing to be done" in analyse(folder, target=target)
    log[log["Impression ID"] < "s000050"].to_csv(path, index=False)
    analyse(folder, target=target)
    counts = pd.read_csv(folder / target).set_index("what")
    assert counts.loc["in the log", "slates"] == 50
