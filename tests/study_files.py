"""A small finished study, made by the scripts of the workflow in one process: for tests of pages.

Besides two simulated worlds it has a log of which no models were run: the same clicks without what
only a simulation knows. The titles of the slates that pages show are as nasty as titles can be.
Figures take most of the time, so they are drawn once and copied.
"""

import importlib.util
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from netlift.core.tables import read_table, write_json, write_table
from netlift.logs.entries import LogEntry
from netlift.logs.reading import account_log, map_log
from netlift.report.decision import decision
from netlift.report.gathering import gather
from netlift.report.pages import experiment_page
from netlift.workflow import outputs
from netlift.workflow.config import check_config
from netlift.workflow.study import Study

ROOT = Path(__file__).parents[1]
SLATES = "tiny/small/size=6/seed=20260428"
DESIGN = f"{SLATES}/from_third"
OVER_WORLDS = "studies/tiny/size=6/seed=20260428/from_third"
WORLDS = ("reference", "logit")
NASTY = '<script>document.title="hacked"</script> "quoted" & \'single\' שלום עולם 🎬 (1999)'
TRUTH = ["p_control", "p_promoted", "expected_click", "known_lift", "click_control"]
TRUTH += ["click_promoted", "slate_variance_control", "slate_variance_promoted"]
TRUTH += ["known_candidate_effect"]

UNIT = "minutes <b>&</b>"
LOGS = {
    "watch": {
        "path": "watch.csv",
        "columns": {
            "slate": "slate_id",
            "user": "user_id",
            "item": "item_id",
            "position": "slate_position_seed",
            "focal": "is_focal_item",
            "promoted": "promotion_applied",
        },
        "outcomes": {
            "watched": {"column": "minutes", "unit": UNIT},
            "orders": {"column": "orders"},
        },
        "promotion": {"unit": "slate", "probability": 0.5},
    },
}
"""A log whose main outcome is minutes, and the same without its promotion."""
LOGS["shown"] = {key: LOGS["watch"][key] for key in ("path", "outcomes")} | {
    "title": "<i>Shown</i>",
    "columns": {
        role: name
        for role, name in LOGS["watch"]["columns"].items()
        if role not in ("focal", "promoted")
    },
    "promotion": {},
}


@cache
def script(name: str):
    """Import a script of the workflow."""
    path = ROOT / f"workflow/scripts/{name}.py"
    spec = importlib.util.spec_from_file_location(f"script_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def config(*overlays: dict) -> dict:
    """Return the configuration of the tiny study, checked."""

    def merged(below, above):
        if not (isinstance(below, dict) and isinstance(above, dict)):
            return above
        return below | {key: merged(below.get(key), value) for key, value in above.items()}

    whole: dict = {}
    for name in ("datasets.yaml", "config.yaml", "studies/tiny.yaml"):
        whole = merged(whole, yaml.safe_load((ROOT / "config" / name).read_text()))
    for overlay in ({"study": {"worlds": list(WORLDS)}, "logs": LOGS}, *overlays):
        whole = merged(whole, overlay)
    whole["validation"]["cases"] = {k: v for k, v in whole["validation"]["cases"].items() if v}
    return check_config(whole)


def make(root: Path) -> dict:
    """Make the study in an empty folder; return its configuration."""
    study = config()
    data, slates = root / "resources/datasets/tiny", root / "results" / SLATES
    design = root / "results" / DESIGN
    script("import_ratings").main(
        str(data / "ratings.parquet"),
        str(data / "movies.parquet"),
        "tiny",
        study["datasets"]["tiny"],
        None,
        str(root),
    )
    scorer = root / "results/tiny/small/scorer"
    tables = [str(scorer / name) for name in ("users.parquet", "items.parquet", "accuracy.csv")]
    own = study["slates"]["small"]["scorer"]
    script("fit_scorer").main(
        str(data / "ratings.parquet"),
        *tables,
        {"seed": 20260428} | {key: own[key] for key in ("train_share", "damping", "factors")},
    )
    settings = Study.from_config(study).page_settings(f"{DESIGN}/logit")
    script("build_slates").main(
        str(data / "ratings.parquet"),
        str(data / "movies.parquet"),
        tuple(tables[:2]),
        str(slates / "slates.parquet"),
        {
            key: settings["slates"][key]
            for key in ("builder", "clusters", "n_slates", "max_per_user")
        }
        | {
            "size": 6,
            "seed": 20260428,
            "scorer": {k: v for k, v in own.items() if k not in ("damping", "factors")},
        },
    )
    script("assign_promotion").main(
        str(slates / "slates.parquet"),
        str(design / "exposure.parquet"),
        seed=20260428,
        **study["promotions"]["from_third"],
    )
    _spoil_titles(data / "movies.parquet", design / "exposure.parquet")
    figures = {
        name: str(design / f"figures/{name}.svg")
        for name in ("ratings_and_slates", "exposure_mapping")
    }
    script("plot_slates").main(
        str(data / "ratings.parquet"),
        str(data / "movies.parquet"),
        str(design / "exposure.parquet"),
        figures,
        DESIGN,
    )
    for world in WORLDS:
        _simulate(study, design, world)
        analyse(study, design / world)
        _models(study, design / world)
    _figures(design / "logit", f"{DESIGN}/logit")
    shutil.copytree(design / "logit/figures", design / "reference/figures")
    _over_worlds(design, root / "results" / OVER_WORLDS)
    (root / "results/studies/tiny/config.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    _log(study, root)
    _minutes(study, root)
    write_pages(study, root)
    return study


def write_pages(study: dict, root: Path) -> None:
    """Write the pages of all experiments, their decisions, and the front page."""
    logs = ["mine", *LOGS]
    for name in (*(f"{DESIGN}/{world}" for world in WORLDS), *(f"logs/{log}" for log in logs)):
        movies = root / "resources/datasets/tiny/movies.parquet"
        settings = Study.from_config(study).page_settings(name)
        experiment = gather(name, settings, root=root, movies=movies)
        if not experiment.is_described:
            write_json(decision(experiment), root / "results" / name / "decision.json")
        page = root / "results" / name / "report.html"
        page.write_text(experiment_page(experiment), encoding="utf-8")
    settings = Study.from_config(study).front_page_settings()
    folder = root / "results/studies/tiny"
    script("write_front_page").main(
        settings | {"grids": [], "logs": logs},
        str(folder / "index.html"),
        str(folder / "verdict.json"),
    )
    script("write_index").main(str(root / "results/index.html"))


def _spoil_titles(movies: Path, exposure: Path) -> None:
    """Give nasty titles to the items of the slates that the page shows."""
    table, rows = read_table(movies), read_table(exposure)
    shown = rows.groupby("promotion_applied")["slate_id"].first()
    items = rows.loc[rows["slate_id"].isin(shown), "item_id"]
    table.loc[table["item_id"].isin(items), "title"] = NASTY
    write_table(table, movies)


def _simulate(study: dict, design: Path, world: str) -> None:
    script("simulate_clicks").main(
        {"exposure": str(design / "exposure.parquet")},
        {
            "slate_items": str(design / world / "items.parquet"),
            "world": str(design / world / "world.json"),
        },
        {"seed": 20260428, "world": study["worlds"][world], "treatment": {}},
    )


def analyse(study: dict, folder: Path, unit: str = "clicks") -> None:
    """Estimate everything on an experiment's items but models."""
    items, accounts = str(folder / "items.parquet"), str(folder / "slate_outcomes.parquet")
    inference, seed = study["inference"], 20260428
    settings = {"seed": seed, "outcome": unit}
    units = {"observed_clicks": unit, "orders": "orders"}
    script("account_slates").main(items, accounts)

    def chosen(names: str) -> dict:
        return {name: inference[name] for name in names.split()}

    def made(rule: str) -> dict:
        return {output.name: str(folder / output.file) for output in outputs.made_by(rule)}

    script("estimate_ledger").main(
        accounts,
        made("estimate_ledger"),
        {"seed": seed, "units": units, **chosen("min_slates bootstrap_draws power_effects")},
    )
    script("estimate_row_effects").main(
        items,
        accounts,
        made("estimate_row_effects"),
        settings | chosen("bootstrap_draws near_positions"),
    )
    script("estimate_diversion").main(
        items,
        made("estimate_diversion"),
        {"outcome": unit, "bands": {}} | chosen("min_slates"),
    )
    script("test_randomization").main(
        items,
        accounts,
        made("test_randomization"),
        settings | chosen("permutations studentized near_positions"),
    )
    effects = folder / "effects"
    script("state_decisions").main(
        *(
            str(effects / f"{table}.csv")
            for table in ("product_summary", "spillover_sensitivity", "segments")
        ),
        str(effects / "decision_statements.csv"),
        {"outcome": unit, "focal_items": 1},
    )


def _models(study: dict, folder: Path, unit: str = "clicks") -> None:
    items, accounts = str(folder / "items.parquet"), str(folder / "slate_outcomes.parquet")
    fitted, compared, candidates = (
        {output.name: str(folder / output.file) for output in outputs.made_by(rule)}
        for rule in outputs.MODEL_RULES
    )

    def needed(rule: str) -> dict:
        return {output.name: str(folder / output.file) for output in outputs.needs_of(rule)}

    script("fit_models").main(
        items, accounts, fitted, {"seed": 20260428, "outcome": unit, **study["models"]}, 1
    )
    settings = {"seed": 20260428, "outcome": unit, **study["policy"]}
    script("compare_candidates").main(
        needed("compare_candidates"), candidates, settings | {"treatment": {}}, 1
    )
    for key in ("top_k", "max_group_share"):
        del settings[key]
    script("compare_policies").main(needed("compare_policies"), compared, settings)


def _figures(folder: Path, name: str, unit: str = "clicks") -> None:
    plots = [*outputs.FIGURE_RULES, *([] if name.startswith("logs/") else [outputs.TRUTH_RULE])]
    for plot in plots:
        settings = {"source": name, "outcome": unit, "figures": outputs.drawings(plot)}
        if plot == outputs.TRUTH_RULE:
            del settings["outcome"]
        script("plot_figures").main(
            {output.name: str(folder / output.file) for output in outputs.needs_of(plot)},
            {figure.name: str(folder / figure.file) for figure in outputs.figures_of(plot)},
            settings,
        )


def _over_worlds(design: Path, folder: Path) -> None:
    made = outputs.made_by("compare_worlds")
    outputs_of = {output.name: str(folder / output.file) for output in made}
    conclusions = {world: str(design / world / "effects/conclusions.csv") for world in WORLDS}
    script("compare_worlds").main(conclusions, outputs_of)
    script("plot_figures").main(
        {"robustness": outputs_of["robustness"]},
        {"robustness": str(folder / "figures/robustness.svg")},
        {"source": OVER_WORLDS, "figures": outputs.drawings("plot_robustness")},
    )


def _log(study: dict, root: Path) -> None:
    """Write the clicks of one world as a log that knows no truth, and analyse it."""
    folder = root / "results/logs/mine"
    items = read_table(root / "results" / DESIGN / "logit/items.parquet")
    write_table(items.drop(columns=TRUTH), folder / "items.parquet")
    analyse(study, folder)
    (folder / "figures").mkdir(exist_ok=True)
    for figure in outputs.figures_of("plot_effects", "plot_inference"):
        shutil.copy(root / "results" / DESIGN / "logit" / figure.file, folder / figure.file)
    contract = pd.DataFrame({"check": ["slates <b>"], "verdict": ["warning"], "found": ["1 & 2"]})
    write_table(contract, folder / "contract.csv")


def _minutes(study: dict, root: Path) -> None:
    """Write the clicks of one world as minutes and orders; analyse them, and describe them."""
    items = read_table(root / "results" / DESIGN / "logit/items.parquet")
    rng = np.random.default_rng(5)
    minutes = np.round(items["click"] * rng.gamma(2.0, 3.0, len(items)), 2)
    orders = (items["click"] * (rng.random(len(items)) < 0.4)).astype(int)
    folder = root / "results/logs/watch"
    known = items.drop(columns=TRUTH)
    write_table(known.assign(click=minutes, outcome_orders=orders), folder / "items.parquet")
    analyse(study, folder, UNIT)
    _models(study, folder, UNIT)
    _figures(folder, "logs/watch", UNIT)
    known.assign(minutes=minutes, orders=orders).to_csv(root / "watch.csv", index=False)
    folder = root / "results/logs/shown"
    log = LogEntry.from_config(study["logs"]["shown"] | {"path": str(root / "watch.csv")})
    names = {"accounts": "slate_outcomes.parquet"}
    names |= {name: f"{name}.csv" for name in ("contract", "row_counts")}
    paths = {name: str(folder / file) for name, file in names.items()}
    account_log(log, paths, threads=1)
    map_log(log, paths["accounts"], str(folder / "items.parquet"), threads=1)
    script("describe_positions").main(
        str(folder / "items.parquet"), str(folder / "outcome_by_position.csv")
    )
