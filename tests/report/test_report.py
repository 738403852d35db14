"""What pages and decisions say: compared with the tables, the workflow and hand-made cases."""

import copy
import itertools
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import study_files
from markupsafe import escape
from runs import ROOT
from study_files import DESIGN, NASTY, UNIT, WORLDS

import netlift
from netlift.__main__ import main
from netlift.core.errors import NetliftError
from netlift.core.tables import read_json, read_table, write_table
from netlift.effects.estimators import label_of
from netlift.effects.margins import NO_MARGINS
from netlift.figures.drawing.themes import DARK, LIGHT
from netlift.logs.entries import LogEntry
from netlift.logs.problems import Problem, contract_table
from netlift.logs.sections import NO_ROWS
from netlift.logs.sections import sections as lacking_sections
from netlift.report.assumptions import assumptions, limitations
from netlift.report.changes import changes, compare_runs
from netlift.report.columns import Cell, counted, effect, number, percent, table_view, text
from netlift.report.decision import check_decision, decision
from netlift.report.front import answers, gather_front
from netlift.report.gathering import design_hash, gather
from netlift.report.index import Entry, gather_index
from netlift.report.layout import sections
from netlift.report.ledger_views import about_estimators, ledger_views, main_estimator
from netlift.report.pages import experiment_page
from netlift.report.svg import Letters, style_sheet
from netlift.report.verdict import verdict_of
from netlift.studies.validation import policies_table
from netlift.workflow import outputs
from netlift.workflow.config import check_config
from netlift.workflow.records import write_records
from netlift.workflow.study import Study


@pytest.fixture(scope="module")
def study():
    return study_files.config()


@pytest.fixture
def experiment(small_study, study):
    return opened(small_study, study)


def opened(folder, study, name=f"{DESIGN}/logit"):
    movies = folder / "resources/datasets/tiny/movies.parquet"
    return gather(name, Study.from_config(study).page_settings(name), root=folder, movies=movies)


def with_table(experiment, name, **changes):
    """Return an experiment with values of one table changed."""
    return replace(
        experiment, tables=experiment.tables | {name: experiment.tables[name].assign(**changes)}
    )


def page_text(html):
    return re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style).*?</\1>", "", html, flags=re.DOTALL))


class TestVerdict:
    def written(self, value):
        return f"{value:+,.1f}".replace("-", "−")

    def test_every_number_is_that_of_its_table(self, experiment, small_study):
        folder = small_study / "results" / DESIGN / "logit"
        product = read_table(folder / "effects/product_summary.csv").set_index("metric")
        net = product.loc["net_change"]
        verdict = verdict_of(experiment)
        assert verdict.estimate == net["estimate"]
        assert (verdict.lower, verdict.upper) == (net["ci_95_lower"], net["ci_95_upper"])
        said = f"{net['estimate']:+,.1f} clicks".replace("-", "−")
        assert verdict.answers[1].answer == said
        low, high = self.written(net["ci_95_lower"]), self.written(net["ci_95_upper"])
        assert f"95% interval {low} to {high}." in verdict.answers[1].detail
        assert high in verdict.answers[2].detail
        assert low in verdict.answers[2].detail
        assert self.written(net["known_value"]) in verdict.truth
        gain, ratio = product.loc["focal_gain"], product.loc["offset_ratio"]
        ends = (self.written(gain["ci_95_lower"]), self.written(gain["ci_95_upper"]))
        share = f"{-100 * ratio['estimate']:,.0f}%".replace("-", "−")
        low, high = (
            f"{-100 * ratio[key]:,.0f}%".replace("-", "−") for key in ("ci_95_upper", "ci_95_lower")
        )
        assert f"(95% interval {ends[0]} to {ends[1]})" in verdict.answers[0].detail
        assert f"{share} of it (95% interval {low} to {high})" in verdict.answers[0].detail
        gate = read_json(folder / "models/verdict.json")
        assert verdict.answers[3].detail == gate["statement"]

    @pytest.mark.parametrize(
        ("item", "slate", "begins"),
        [
            ("overstates", "creates", "Promotion created clicks on balance"),
            ("understates", "creates", "Promotion created clicks"),
            ("overstates", "destroys", "Promotion moved clicks"),
            ("direct_loss", "destroys", "Promotion lost clicks"),
            ("overstates", "undecided", "Promotion moved clicks"),
            ("offset_not_detected", "undecided", "It is not shown"),
        ],
    )
    def test_the_headline_follows_from_both_verdicts(self, experiment, item, slate, begins):
        verdicts = [item, slate, "losses", "promote"]
        verdict = verdict_of(with_table(experiment, "decision_statements", verdict=verdicts))
        assert verdict.headline.startswith(begins)
        assert (verdict.answers[2].answer.startswith("Sure at 95%")) == (slate != "undecided")

    def test_an_unbounded_share_is_said_to_be_one(self, experiment):
        changed = with_table(experiment, "product_summary", interval_kind="everything")
        assert "The data do not bound" in verdict_of(changed).answers[0].detail

    def test_without_models_it_says_that_rules_were_not_compared(self, small_study, study):
        verdict = verdict_of(opened(small_study, study, "logs/mine"))
        assert "were not compared in this run" in verdict.answers[3].detail
        assert verdict.truth == ""


class TestCaveats:
    PROBLEMS = (
        Problem("no_focal_item", None, 60, 10),
        Problem("sample_ratio", examples=("0.6 of 90 <b> slates are promoted",)),
    )
    COUNTS = pd.DataFrame(
        [("in the log", 600, 100), ("used", 540, 90), ("set aside: no_focal_item", 60, 10)],
        columns=["what", "rows", "slates"],
    )

    def limited(self, experiment):
        log = LogEntry({}, (), set_aside=("no_focal_item",), accept=("sample_ratio",))
        checks = {
            "contract": contract_table(list(self.PROBLEMS), log),
            "row_counts": self.COUNTS,
        }
        return replace(experiment, tables=experiment.tables | checks)

    def first_screen(self, experiment):
        page = experiment_page(experiment)
        return page[page.index('<section id="verdict"') : page.index('<section id="ledger"')]

    def test_they_are_on_the_first_screen_and_in_the_decision(self, small_study, study):
        log = self.limited(opened(small_study, study, "logs/mine"))
        result = decision(log)
        assert [(row["code"], row["kind"], row["count"]) for row in result["caveats"]] == [
            ("no_focal_item", "set_aside", 10),
            ("sample_ratio", "accepted", 90),
        ]
        screen = self.first_screen(log)
        for row in result["caveats"]:
            assert str(escape(row["message"])) in screen
        assert "no_focal_item (10 slates) set aside" in verdict_of(log).answers[2].detail

    def test_without_them_nothing_is_said(self, experiment):
        assert decision(experiment)["caveats"] == []
        assert "caveats" not in self.first_screen(experiment)
        units = decision(experiment)["design"]["effective_units"]
        accounts = experiment.tables["accounts"]
        assert units["promoted"] == (accounts["promotion_applied"] == 1).sum()
        assert units["enough"]

    def test_few_units_are_told_of_simulated_experiments_too(self, experiment):
        accounts = experiment.tables["accounts"]
        few = accounts.assign(
            user_id=accounts["promotion_applied"] + 2 * (accounts["slate_id"] % 12)
        )
        few["randomization_unit"] = few["user_id"]
        few = replace(experiment, tables=experiment.tables | {"accounts": few})
        result = decision(few)
        assert [row["code"] for row in result["caveats"]] == ["few_units"]
        assert not result["design"]["effective_units"]["enough"]
        assert "equal ones" in self.first_screen(few)

    def test_a_change_of_them_is_told(self, small_study, study):
        log = opened(small_study, study, "logs/mine")
        found = changes(decision(log), decision(self.limited(log)))
        assert "limits: none -> no_focal_item (10 slates), sample_ratio (90 slates)" in (
            found.choices
        )


class TestAssumptions:
    def names(self, experiment):
        return dict(assumptions(experiment)) | dict(limitations(experiment))

    def test_they_are_those_of_the_run(self, small_study, study, experiment):
        logit = self.names(experiment)
        assert "the slate" in logit["Promotion was randomized"]
        assert "competition model logit" in logit["The clicks are simulated"]
        assert "Relevance is out-of-sample" in logit
        assert "seed 20260428" in logit["One seed"]
        assert "Most of the effect is built in" not in logit
        assert "The ratings are simulated too" in logit
        reference = self.names(opened(small_study, study, f"{DESIGN}/reference"))
        assert "−0.24 for same-cluster items" in reference["Most of the effect is built in"]
        log = self.names(opened(small_study, study, "logs/mine"))
        assert "The log is complete" in log
        assert not {"The clicks are simulated", "One seed", "Relevance is out-of-sample"} & set(log)

    def test_randomized_users_and_the_users_own_ratings_are_said(self, experiment):
        accounts = experiment.tables["accounts"]
        users = with_table(experiment, "accounts", randomization_unit=accounts["user_id"])
        settings = copy.deepcopy(dict(experiment.settings))
        settings["slates"]["builder"] = "history"
        names = self.names(replace(users, settings=settings))
        assert "a user with all their slates" in names["Promotion was randomized"]
        assert "Relevance is in-sample" in names


class TestDecision:
    def test_it_fits_the_schema_and_the_tables(self, small_study):
        for name in (*(f"{DESIGN}/{world}" for world in WORLDS), "logs/mine"):
            folder = small_study / "results" / name
            decided = json.loads((folder / "decision.json").read_text())
            check_decision(decided)
            net = read_table(folder / "effects/product_summary.csv").set_index("metric")
            assert decided["estimate"] == net.at["net_change", "estimate"]
            assert decided["standard_error"] == net.at["net_change", "se"]
            for file in decided["files"]:
                known = subprocess.run(
                    ["sha256sum", small_study / file["path"]], capture_output=True, text=True
                )
                assert known.stdout.split()[0] == file["sha256"]
            assert (decided["policy"] is None) == (name == "logs/mine")
            assert (decided["known_value"] is None) == (name == "logs/mine")

    def test_the_test_is_that_of_the_interval(self, experiment):
        from scipy import stats

        decided = decision(experiment)
        test = decided["test"]
        t = decided["estimate"] / decided["standard_error"]
        assert test["statistic"] == pytest.approx(t, rel=1e-9)
        expected = 2 * stats.t.sf(abs(t), test["degrees_of_freedom"])
        assert test["p_value"] == pytest.approx(expected, rel=1e-9)
        covers = decided["interval"]["lower"] <= 0 <= decided["interval"]["upper"]
        assert (test["p_value"] > 0.05) == covers

    @pytest.mark.parametrize(
        ("key", "value"),
        [("estimate", "much"), ("unit", "clicks"), ("extra", 1), ("files", []), ("verdict", {})],
    )
    def test_what_does_not_fit_is_refused(self, experiment, key, value):
        with pytest.raises(NetliftError, match=r"decision\.json does not match"):
            check_decision(decision(experiment) | {key: value})

    def test_the_design_hash_is_of_the_design_alone(self, experiment, small_study, study):
        accounts = experiment.tables["accounts"]
        other = opened(small_study, study, f"{DESIGN}/reference").tables["accounts"]
        assert design_hash(accounts) == design_hash(other)
        assert design_hash(accounts) == design_hash(accounts.sample(frac=1, random_state=1))
        swapped = accounts.assign(promotion_applied=1 - accounts["promotion_applied"])
        assert design_hash(accounts) != design_hash(swapped)


class TestDiff:
    def test_nothing_changed_is_exit_code_0(self, small_study, capsys):
        folder = str(small_study / "results" / DESIGN / "logit")
        assert main(["diff", folder, folder]) == 0
        assert "no number and no conclusion changed" in capsys.readouterr().out

    def test_what_changed_is_said_in_words(self, small_study, tmp_path, capsys):
        old = small_study / "results" / DESIGN / "logit/decision.json"
        changed = json.loads(old.read_text())
        changed["ledger"][4]["estimate"] = -12.3
        changed["verdict"]["statements"][1]["verdict"] = "destroys"
        changed["settings"]["world_entry"]["g_c"] = 0.9
        changed["files"][0]["sha256"] = "0" * 64
        new = tmp_path / "decision.json"
        new.write_text(json.dumps(changed))
        assert main(["diff", str(old), str(new)]) == 1
        said = capsys.readouterr().out
        assert "slate-level metric: undecided -> destroys" in said
        assert re.search(r"Net change: .* -> −12\.3 .* clicks per 1,000 promoted slates", said)
        assert "world_entry.g_c: 0.8 -> 0.9" in said
        assert "effects/decision_statements.csv" in said

    def test_folders_of_several_are_matched(self, small_study, tmp_path):
        shutil.copytree(
            small_study / "results/tiny",
            tmp_path,
            dirs_exist_ok=True,
            ignore=lambda _, names: [n for n in names if "." in n and n != "decision.json"],
        )
        said, changed = compare_runs(small_study / "results/tiny", tmp_path)
        assert not changed
        assert said.count("no number and no conclusion changed") == len(WORLDS)
        (tmp_path / "small/size=6/seed=20260428/from_third/logit/decision.json").unlink()
        said, changed = compare_runs(small_study / "results/tiny", tmp_path)
        assert changed
        assert "logit: only in" in said

    def test_other_choices_alone_are_no_change(self, experiment):
        before = decision(experiment)
        after = copy.deepcopy(before)
        after["settings"]["seed"] = 7
        found = changes(before, after)
        assert not found
        assert found.choices == ["seed: 20260428 -> 7"]

    def test_no_decision_is_one_clear_error(self, tmp_path, capsys):
        assert main(["diff", str(tmp_path), str(tmp_path)]) == 2
        assert "no decision.json in" in capsys.readouterr().err


class TestPage:
    def test_the_same_tables_give_the_same_bytes(self, experiment, small_study):
        page = (small_study / "results" / DESIGN / "logit/report.html").read_text()
        assert experiment_page(experiment) == page
        assert str(small_study) not in page

    def test_it_is_one_file_below_5_mb_that_names_no_other(self, small_study):
        for path in small_study.rglob("*.html"):
            page = path.read_text()
            assert len(page.encode()) < 5_000_000
            assert not re.search(r'<(script|img|iframe|link)[^>]* (src|href)="(?!data:)', page)
            assert "@import" not in page
            assert not re.search(r"url\((?!#|data:)", page)
            ids = re.findall(r'\bid="([^"]+)"', page)
            assert len(ids) == len(set(ids))

    def test_titles_are_escaped_once(self, small_study):
        page = (small_study / "results" / DESIGN / "logit/report.html").read_text()
        assert "<script>document" not in page
        assert "&lt;script&gt;document.title=&#34;hacked&#34;" in page
        assert "&amp;lt;" not in page
        assert "שלום עולם 🎬" in page

    def test_every_statement_and_every_row_is_there(self, experiment, small_study):
        page = (small_study / "results" / DESIGN / "logit/report.html").read_text()
        from html import unescape

        said = unescape(page_text(page))
        for statement in experiment.tables["decision_statements"]["statement"]:
            assert re.sub(r" -(?=\d)", " −", statement) in said
        for name, rows in (("policies", 7), ("randomization_tests", 5), ("conclusions", 4)):
            (part,) = re.findall(rf'<table id="[^"]*" data-name="{name}">.*?</table>', page, re.S)
            assert part.count("<tr>") == rows + 1

    def test_what_is_missing_is_named_and_leaves_no_empty_part(self, small_study, study):
        log = opened(small_study, study, "logs/mine")
        named = {path for part in sections(log) for path, *_ in part.missing}
        assert {"models/policies.csv", "models/verdict.json", "models/aipw.csv"} <= named
        assert not any("world.json" in path or "known" in path for path in named)
        for part in sections(log):
            assert part.figures or part.tables or part.missing

    def test_what_the_entry_does_not_make_is_not_shown_though_it_is_in_the_folder(
        self, small_study, study
    ):
        whole = opened(small_study, study, "logs/watch")
        assert {"outcome_models", "segments"} <= set(whole.tables)
        entry = {**whole.settings["entry"], "row_stages": False}
        page = gather("logs/watch", {**whole.settings, "entry": entry}, root=small_study)
        assert "segments" in page.tables
        assert not {"outcome_models", "observed_effects", "slate_items"} & set(page.tables)
        assert page.figures == {}
        assert set(page.reasons.values()) == {NO_ROWS, NO_MARGINS}
        shown = experiment_page(page)
        assert f"Not shown ({NO_ROWS}):" in shown
        assert check_decision(decision(page)) is None

    def test_what_was_made_from_another_design_is_not_shown(self, small_study, study, tmp_path):
        shutil.copytree(small_study / "results/logs/watch", tmp_path / "results/logs/watch")
        accounts = tmp_path / "results/logs/watch/slate_outcomes.parquet"
        table = accounts.parent / "effects/observed_effects.csv"
        write_records([accounts], rule="account_log", params=[], inputs={})
        inputs = {"results/logs/watch/slate_outcomes.parquet": "1 00000000"}
        write_records([table], rule="estimate_row_effects", params=[], inputs=inputs)
        settings = Study.from_config(study).page_settings("logs/watch")
        page = gather("logs/watch", settings, root=tmp_path)
        assert "observed_effects" not in page.tables
        assert page.reasons == {
            "margins": NO_MARGINS,
            "observed_effects": "made from an earlier results/logs/watch/slate_outcomes.parquet",
        }
        assert "Not shown (made from an earlier" in experiment_page(page)

    def test_no_table_to_speak_of_is_one_clear_error(self, tmp_path):
        with pytest.raises(NetliftError, match=r"lacks effects/component_effects\.csv"):
            gather("logs/none", {}, root=tmp_path)

    def test_the_command_writes_a_page_of_what_is_there(self, small_study, tmp_path, capsys):
        folder = small_study / "results" / DESIGN / "logit"
        assert main(["page", str(folder), str(tmp_path / "page.html")]) == 0
        assert (tmp_path / "page.html").read_text() == (folder / "report.html").read_text()
        assert main(["page", str(tmp_path), str(tmp_path / "page.html")]) == 2
        assert "is not in a folder results" in capsys.readouterr().err


class TestColumns:
    def cell(self, column, **row):
        return column.cell(row).text

    def test_decimals_follow_the_unit(self):
        row = {"estimate": -58.6857, "ci_95_lower": -181.74, "ci_95_upper": 64.3689}
        thousand = "per_1000_promoted"
        assert self.cell(effect(), unit_code=thousand, **row) == "−58.7 (−181.7 to +64.4)"
        assert self.cell(effect(unit_code=thousand), **row) == "−58.7 (−181.7 to +64.4)"
        assert self.cell(number("x", ""), unit_code="per_row", x=0.01234) == "0.0123"

    def test_changes_have_signs_and_levels_have_none(self):
        level = {"estimate": 2455.87, "unit_code": "per_1000_control"}
        assert self.cell(effect(), **level) == "2,455.9"
        assert self.cell(effect(), **level | {"unit_code": "per_slate"}) == "+2,455.870"

    def test_zero_and_missing_are_two_things(self):
        assert self.cell(counted("n", ""), n=0) == "0"
        assert self.cell(counted("n", ""), n=float("nan")) == "none"
        assert self.cell(effect(), estimate=None) == "none"
        assert self.cell(effect(), estimate=0.5, ci_95_lower=None) == "+0.500"
        assert self.cell(percent("p", ""), p=0.0) == "0.0%"
        assert self.cell(number("x", "", 2), x=-0.0001) == "0.00"
        assert self.cell(text("note", ""), note=float("nan")) == "none"

    def test_sets_that_are_no_intervals_say_so(self):
        row = {"estimate": 1.0, "ci_95_lower": -2.0, "ci_95_upper": 3.0, "unit": "x"}
        outside = self.cell(effect(), interval_kind="outside", **row)
        assert outside == "+1.000 (everything but −2.000 to +3.000)"
        assert self.cell(effect(), interval_kind="everything", **row) == "+1.000 (unbounded)"

    def test_columns_without_a_number_are_left_out(self):
        frame = pd.DataFrame({"a": ["x", "y"], "note": [None, None]})
        view = table_view("t", "", frame, [text("a", "A"), text("note", "Note")])
        assert [heading for heading, _ in view.headings] == ["A"]
        assert view.rows[1] == [Cell("y", "y")]


class TestLedger:
    def test_bars_build_on_each_other_and_end_at_the_net_change(self, experiment):
        effects = experiment.tables["component_effects"]
        for view in ledger_views(effects, None):
            assert view.stacked
            *parts, net = view.bars
            assert parts[-1].end == pytest.approx(net.end, abs=0.02)
            for before, bar in itertools.pairwise(parts):
                near = min(abs(before.end - bar.left), abs(before.end - bar.left - bar.width))
                assert near < 0.02
            for bar in view.bars:
                assert 0 <= bar.low <= bar.high <= 1000
                assert bar.low <= bar.end <= bar.high

    def test_an_estimator_without_numbers_says_why(self, experiment):
        effects = experiment.tables["component_effects"]
        lin = effects["estimator"] == "lin"
        changed = effects.assign(
            estimate_per_slate=effects["estimate_per_slate"].where(~lin),
            note=effects["note"].astype(object).where(~lin, "too few units"),
        )
        view = next(view for view in ledger_views(changed, None) if view.estimator == "lin")
        assert view.bars == []
        assert "too few units" in view.note

    def test_estimators_that_disagree_by_more_than_chance_are_named(self, experiment):
        effects = experiment.tables["component_effects"].assign(note=None)
        main = effects["estimator"] == main_estimator(effects)
        assert about_estimators(effects.assign(p_value_of_difference=0.2)) == [
            f"Statements, figures and decisions use one estimator, "
            f"{label_of(main_estimator(effects))}."
        ]
        few = effects.assign(note=effects["note"].mask(main, "too few units"))
        p_values = np.where(effects["estimator"] == "horvitz_thompson", 0.004, 0.2)
        why, disagree = about_estimators(few.assign(p_value_of_difference=p_values))
        assert why.endswith(": too few units.")
        assert "they differ by more than the random draw explains (p = 0.004)" in disagree
        assert disagree.startswith(f"{label_of('horvitz_thompson')} says ")

    def test_no_change_at_all_can_be_drawn(self, experiment):
        zero = experiment.tables["component_effects"].copy()
        numbers = [name for name in zero if name.startswith(("estimate_", "ci_"))]
        zero[numbers] = 0.0
        assert all(bar.width == 0 for view in ledger_views(zero, None) for bar in view.bars)


class TestFigures:
    def test_no_color_is_left_that_does_not_follow_the_theme(self, experiment):
        letters = Letters()
        for name, figure in experiment.figures.items():
            svg = letters.inline(name, figure).svg
            assert not re.search(r"#[0-9a-fA-F]{6}\b", re.sub(r"data:[^\"]*", "", svg)), name
            used = set(re.findall(r'href="#([^"]+)"', svg))
            there = set(re.findall(r'id="([^"]+)"', svg + letters.defs()))
            assert used <= there, name

    def test_both_themes_are_in_the_style_sheet(self):
        css = style_sheet()
        assert css.count(f"--focal:{LIGHT.focal}") == 1
        assert css.count(f"--focal:{DARK.focal}") == 2


class TestFrontPage:
    def test_it_counts_verdicts(self, small_study):
        front = gather_front([f"{DESIGN}/{world}" for world in WORLDS], root=small_study)
        codes = ["creates", "destroys"]
        for summary, code in zip(front.experiments, codes, strict=True):
            summary.decision["verdict"]["code"] = code
        headline, answered = answers(front)
        assert headline.endswith("on balance it creates clicks in 1 and loses in 1")
        assert answered[2].answer == "Sure at 95% in 2 of 2"

    def test_one_promotion_is_compared_with_no_other(self, small_study):
        front = (small_study / "results/studies/tiny/index.html").read_text(encoding="utf-8")
        assert "Promotions side by side" not in front

    def test_several_promotions_are_compared(self, small_study, tmp_path):
        shutil.copytree(small_study / "results", tmp_path / "results")
        folder = "studies/tiny/size=6/seed=20260428"
        tables, figures = (
            {
                output.name: str(tmp_path / output.path.format(study="tiny", size=6, seed=20260428))
                for output in outputs.made_by(rule)
            }
            for rule in ("compare_promotions", "plot_promotions")
        )
        summaries = [small_study / "results" / DESIGN / world for world in WORLDS]
        settings = {
            "experiments": [["logit", "first"], ["logit", "second"]],
            "phrases": {"first": "moving it", "second": "inserting it, on top"},
        }
        study_files.script("compare_promotions").main(
            [str(path / "effects/product_summary.csv") for path in summaries], tables, settings
        )
        study_files.script("plot_figures").main(
            tables, figures, {"source": folder, "figures": outputs.drawings("plot_promotions")}
        )
        names = [f"{DESIGN}/{world}" for world in WORLDS]
        front = gather_front(names, over_promotions=[folder], root=tmp_path)
        section = front.sections[0]
        assert (section.name, section.title) == ("promotions", "Promotions side by side")
        assert section.lead[1].startswith("Moving it (first), in clicks per 1,000 promoted slates:")
        assert section.lead[2].startswith("Inserting it, on top (second), in clicks")
        assert section.figures == [f"{folder}/figures/promotions.svg"]
        rows = [[cell.text for cell in row] for row in section.tables[0].rows]
        assert [row[:4] for row in rows[:2]] == [
            ["logit", "first", "Moving it", "Focal item"],
            ["logit", "first", "Moving it", "Same-cluster competitors"],
        ]
        assert len(rows) == 12
        assert all(name in front.files for name in section.figures)

    def test_sweep_and_validation_are_shown_if_they_were_run(self, small_study, tmp_path):
        shutil.copytree(small_study / "results", tmp_path / "results")
        shares = {
            "conclusion": ["a"],
            "conclusion_label": ["A"],
            "world": ["logit"],
            "size": [6],
            "seeds": [4],
            "holds": [0.5],
        }
        folder = tmp_path / "results/studies/tiny/sweep/from_third"
        write_table(pd.DataFrame(shares), folder / "conclusion_shares.csv")
        names = [f"{DESIGN}/{world}" for world in WORLDS]
        optional = {
            kind: [f"studies/tiny/{part}/from_third"]
            for kind, part in (("sweeps", "sweep"), ("validations", "validation"))
        }
        front = gather_front(names, **optional, root=tmp_path)
        sweep, validation = front.sections[-2:]
        assert [cell.text for cell in sweep.tables[0].rows[0]] == ["A", "logit", "6", "4", "50.0%"]
        assert "Not run" not in sweep.lead[0]
        assert "make validate" in validation.lead[0]
        state = {
            "sweeps": {"studies/tiny/sweep/from_third": {"reason": "it is of another design"}},
            "logs": {"watch": {"reason": "its log changed"}},
        }
        logs = ["watch", "shown"]
        other = gather_front(names, **optional, logs=logs, state=state, root=tmp_path)
        assert other.sections[-2].lead[0].startswith("Not shown: it is of another design.")
        assert not other.sections[-2].tables
        assert "make sweep" in other.sections[-2].lead[0]
        assert (other.logs, other.outdated) == ([], [("watch", "its log changed")])
        assert [log for log, _ in other.described] == ["shown"]
        judged = pd.DataFrame(
            {
                "verdict": ["promote", "promote_nothing"],
                "known_value": [2.0, 0.0],
                "oracle_value": [5.0, 5.0],
                "bounds_hold": [True, True],
                "value": [1.5, 0.0],
                "naive_value": [4.0, 0.0],
                "lower_bound": [-1.0, 0.0],
                "upper_bound": [3.0, 0.0],
            }
        )
        facts = {"case": "standard", "world": "logit", "slates": 60}
        folder = tmp_path / "results/studies/tiny/validation/from_third"
        write_table(policies_table(judged, facts), folder / "policies.csv")
        validation = gather_front(names, **optional, root=tmp_path).sections[-1]
        shown = [cell.text for cell in validation.tables[0].rows[0]]
        assert shown[:7] == ["standard", "logit", "60", "2", "50.0%", "0.0%", "100.0%"]
        assert shown[7:] == ["+1.0", "+5.0", "1", "+2.0", "\N{MINUS SIGN}0.5", "100.0%", "pass"]


class TestLogOfMinutes:
    """Of a log whose main outcome is called ``UNIT``, with markup in it."""

    @pytest.fixture
    def page(self, small_study):
        return (small_study / "results/logs/watch/report.html").read_text(encoding="utf-8")

    def test_no_word_of_it_is_clicks(self, page):
        from html import unescape

        said = unescape(page_text(page))
        # The configuration names columns and outcome types, which are no words for people.
        assert re.findall(r".{20}click.{20}", said, re.IGNORECASE) == []
        for attribute in ("aria-label", "title", "data-tip"):
            assert not re.search(rf'{attribute}="[^"]*click', page, re.IGNORECASE)
        assert f"Change in {UNIT} per 1,000 promoted slates" in said
        assert f"loses {UNIT}" in said or f"creates {UNIT}" in said

    def test_its_unit_is_text_wherever_it_stands(self, page, small_study):
        assert "<b>" not in page
        assert "&lt;b&gt;" in page
        assert "&amp;lt;" not in page
        for path in (small_study / "results/logs/watch/figures").glob("*.svg"):
            assert "<b>" not in path.read_text(encoding="utf-8")

    def test_tables_statements_and_decision_say_its_unit(self, small_study, study):
        folder = small_study / "results/logs/watch"
        log = opened(small_study, study, "logs/watch")
        found = 0
        for path in [*folder.glob("effects/*.csv"), *folder.glob("models/*.csv")]:
            table = pd.read_csv(path)
            if "unit" in table:
                of_main = table
                if "outcome_type" in table:
                    of_main = table[table["outcome_type"] == "observed_clicks"]
                    others = table[table["outcome_type"] == "orders"]
                    assert others["unit"].str.startswith("(orders").all(), path.name
                assert not of_main["unit"].str.contains("click").any(), path.name
                found += of_main["unit"].str.contains(UNIT, regex=False).any()
        assert found >= 15
        assert decision(log)["unit"] == f"{UNIT} per 1,000 promoted slates"
        assert f"change in {UNIT} on all items" in decision(log)["estimand"]
        verdict = read_json(folder / "models/verdict.json")
        assert verdict["unit"] == f"{UNIT} per 1,000 eligible slates"
        assert "click" not in " ".join(map(str, verdict.values()))
        rules = pd.read_csv(folder / "models/policies.csv")["description"]
        assert rules.str.contains(f"above 0 {UNIT}", regex=False).any()

    def test_models_are_called_what_was_fitted(self, page, small_study):
        models = pd.read_csv(small_study / "results/logs/watch/models/outcome_models.csv")
        assert "row_linear" in set(models["model"])
        assert "row_logistic" not in page_text(page)

    def test_the_other_outcomes_have_their_ledger(self, small_study, study):
        (part,) = (
            part
            for part in sections(opened(small_study, study, "logs/watch"))
            if part.name == "other-outcomes"
        )
        effects = pd.read_csv(small_study / "results/logs/watch/effects/component_effects.csv")
        rows = effects[(effects["outcome_type"] == "orders") & effects["is_main"]]
        (view,) = part.tables
        assert [row[2].text for row in view.rows] == ["orders per slate"] * 4
        for row, estimate in zip(view.rows, rows["estimate_per_slate"], strict=True):
            assert row[3].sort == pytest.approx(estimate)

    def test_of_one_outcome_there_are_no_others(self, small_study, study):
        for name in ("logs/mine", f"{DESIGN}/logit"):
            parts = [part.name for part in sections(opened(small_study, study, name))]
            assert "other-outcomes" not in parts


class TestLogWithoutAPromotion:
    @pytest.fixture
    def page(self, small_study):
        return (small_study / "results/logs/shown/report.html").read_text(encoding="utf-8")

    def test_each_missing_section_is_named_with_its_reason_and_what_to_record(self, page):
        table = lacking_sections(experiment=False, row_stages=True)
        lacking = table[~table["available"]]
        assert len(lacking) == 6
        (part,) = re.findall(r'<section id="missing".*?</section>', page, re.DOTALL)
        assert part.count('<th scope="row">') == len(lacking)
        from html import unescape

        said = unescape(part)
        for name in ("section", "why_not", "what_to_record"):
            for words in lacking[name]:
                assert words[:1].upper() + words[1:] in said

    def test_what_it_says_is_that_of_its_tables(self, page, small_study):
        folder = small_study / "results/logs/shown"
        table = pd.read_csv(folder / "outcome_by_position.csv")
        accounts = read_table(folder / "slate_outcomes.parquet")
        counts = pd.read_csv(folder / "row_counts.csv").set_index("what")
        said = page_text(page)
        assert f"{len(accounts)} slates" in said
        for mean in table["mean"]:
            assert f"{mean:.4f}" in said
        assert f"{accounts['orders_total'].mean():.3f}" in said
        assert str(counts.at["used", "rows"]) in said
        # Levels have no sign.
        assert not re.search(r"[+−]\d", said)

    def test_no_effect_is_shown_and_no_decision_made(self, page, small_study, study):
        assert not (small_study / "results/logs/shown/decision.json").exists()
        assert 'id="ledger"' not in page
        assert "decision.json" not in page
        log = opened(small_study, study, "logs/shown")
        assert log.is_described
        assert experiment_page(log) == page

    def test_markup_in_title_and_unit_is_text(self, page):
        assert "&lt;i&gt;Shown&lt;/i&gt;" in page
        assert "<i>" not in page
        assert "<b>" not in page

    def test_without_item_rows_it_says_what_was_not_made(self, small_study, study):
        log = opened(small_study, study, "logs/shown")
        entry = {**log.settings["entry"], "row_stages": False}
        tables = {key: table for key, table in log.tables.items() if key != "outcome_by_position"}
        page = experiment_page(
            replace(log, settings={**log.settings, "entry": entry}, tables=tables)
        )
        assert "<code>outcome_by_position.csv</code>" in page
        assert "Row_stages" in page

    def test_the_front_page_leads_to_it(self, small_study):
        front = (small_study / "results/studies/tiny/index.html").read_text(encoding="utf-8")
        assert '<a href="../../logs/shown/report.html">' in front
        assert '<a href="../../logs/watch/report.html">' in front

    def test_without_accounts_it_is_one_clear_error(self, tmp_path, study):
        settings = Study.from_config(study).page_settings("logs/shown")
        with pytest.raises(NetliftError, match=r"it lacks slate_outcomes\.parquet"):
            gather("logs/shown", settings, root=tmp_path)


class TestSources:
    @pytest.fixture
    def jobs(self):
        """Rule of each file, and the rules that each rule needs, as Snakemake has them."""
        lines = subprocess.run(
            [sys.executable, "-m", "snakemake", "--rulegraph", "dot", "--quiet"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        names = {}
        for line in lines:
            if found := re.match(r'\s*(\d+)\[label = "([^"\\]+)', line):
                names[found[1]] = found[2]
        edges: dict[str, set[str]] = {name: set() for name in names.values()}
        for line in lines:
            if found := re.match(r"\s*(\d+) -> (\d+)", line):
                edges[names[found[2]]].add(names[found[1]])
        return edges

    def test_each_rule_needs_what_the_workflow_says(self, jobs):
        for rule, needed in jobs.items():
            if rule in outputs.RULES:
                assert {output.rule for output in outputs.needs_of(rule)} == needed, rule

    def test_names_are_unique_and_every_file_has_one_maker(self):
        names = [output.name for output in outputs.OUTPUTS]
        paths = [output.path for output in [*outputs.OUTPUTS, *outputs.FIGURES]]
        assert len(set(names)) == len(names)
        assert len(set(paths)) == len(paths)
        assert {output.rule for output in [*outputs.OUTPUTS, *outputs.FIGURES]} <= {*outputs.RULES}

    def test_the_settings_of_an_experiment_are_a_part_of_the_config(self, study):
        settings = Study.from_config(study).page_settings(f"{DESIGN}/logit")
        assert settings["world_entry"] == study["worlds"]["logit"]
        assert "reference" not in json.dumps(settings)
        check_config(study)


class TestIndex:
    def test_it_lists_all_studies_and_logs_with_their_verdicts(self, small_study, tmp_path):
        page = (small_study / "results/index.html").read_text(encoding="utf-8")
        headline = read_json(small_study / "results/studies/tiny/verdict.json")["headline"]
        front = (small_study / "results/studies/tiny/index.html").read_text(encoding="utf-8")
        assert headline in front
        assert f'<a href="studies/tiny/index.html"><bdi>tiny</bdi></a>: {headline}' in page
        for log in ("mine", "watch", "shown"):
            assert f'<a href="logs/{log}/report.html"><bdi>{log}</bdi></a>: ' in page
        assert "This log cannot show what a promotion does" in page

    def test_what_has_no_page_is_not_listed(self, small_study, tmp_path):
        for name in ("studies/a/index.html", "studies/a/verdict.json", "studies/b/verdict.json"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text('{"headline": "It is so"}')
        (tmp_path / "logs/x").mkdir(parents=True)
        index = gather_index(tmp_path)
        assert index.studies == [Entry("a", "It is so", "studies/a/index.html")]
        assert index.logs == []

    def test_pages_lead_back_to_it(self, small_study):
        results = small_study / "results"
        pages = (f"{DESIGN}/logit/report.html", "logs/shown/report.html", "studies/tiny/index.html")
        for page in pages:
            text = (results / page).read_text(encoding="utf-8")
            (home,) = re.findall(r'<p class="brand"><a href="([^"]+)">', text)
            assert ((results / page).parent / home).resolve() == (results / "index.html").resolve()


class TestNotebook:
    def test_it_finds_all_experiments_and_logs(self, small_study):
        found = netlift.experiments(small_study / "results")
        names = [f"logs/{log}" for log in ("mine", "shown", "watch")]
        names += [f"{DESIGN}/{world}" for world in sorted(WORLDS)]
        assert found == [str(small_study / "results" / name) for name in names]
        assert netlift.open_experiment(found[-1]).decision["unit"].startswith("clicks")

    def test_any_table_and_figure_in_two_lines(self, small_study):
        experiment = netlift.open_experiment(small_study / "results" / DESIGN / "logit")
        for name in experiment.tables:
            assert len(experiment.table(name)) > 0
        assert experiment.figure("decomposition")._repr_png_().startswith(b"\x89PNG")
        assert "segment_type" in experiment.table("heterogeneity")
        assert "predictor" in experiment.table("who_gains")

    def test_wrong_names_say_what_there_is(self, small_study, tmp_path):
        experiment = netlift.open_experiment(small_study / "results" / DESIGN / "logit")
        with pytest.raises(NetliftError, match=r"available: .*shares"):
            experiment.table("share")
        with pytest.raises(NetliftError, match=r"available: .*decomposition"):
            experiment.figure("share")
        with pytest.raises(NetliftError, match="no experiment in"):
            netlift.open_experiment(tmp_path)

    def test_the_example_runs(self, small_study, monkeypatch):
        """Its code cells run unchanged, on the small study instead of the default study."""
        notebook = json.loads((ROOT / "docs/example.ipynb").read_text())
        assert not [cell for cell in notebook["cells"] if cell.get("outputs")]
        cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
        default = "results/ml-small/scorer/size=12/seed=20260428/to_first/logit"
        assert sum(default in cell for cell in cells) == 1
        monkeypatch.chdir(small_study)
        names: dict = {}
        for cell in cells:
            exec(cell.replace(default, f"results/{DESIGN}/logit"), names)
        assert names["experiment"].decision["unit"] == "clicks per 1,000 promoted slates"


def test_nasty_is_nasty():
    assert all(part in NASTY for part in ("<script>", '"', "'", "&", "ש", "🎬"))
