"""Logs that are unusual and sound, each with its entry, and their analysis in one process."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from study_files import config, script
from treatment_logs import TREATMENTS, treated

from netlift.core.tables import write_json, write_table
from netlift.logs.reading import account_log, map_log
from netlift.logs.sections import sections
from netlift.report.decision import decision
from netlift.report.gathering import PageData, gather
from netlift.report.pages import experiment_page
from netlift.workflow import outputs
from netlift.workflow.study import Study

ROLES = ("slate", "user", "item", "cluster", "position", "focal", "promoted")
SMALL = {
    "inference": {"bootstrap_draws": 100, "permutations": 99, "min_slates": 10},
    "models": {"folds": 2},
}


def log_table(
    n_slates: int = 120, size: int = 5, *, n_users: int = 40, seed: int = 1, promoted=None
) -> pd.DataFrame:
    """Draw a log: clicks go down the slate, and half of the slates are promoted in turn."""
    rng = np.random.default_rng(seed)
    slate = np.repeat(np.arange(n_slates), size)
    position = np.tile(np.arange(1, size + 1), n_slates)
    arm = rng.permutation(np.arange(n_slates) % 2) if promoted is None else np.asarray(promoted)
    focal = rng.integers(min(2, size), size + 1, n_slates)
    user = rng.permutation(np.arange(n_slates) % n_users)
    is_focal, is_promoted = position == focal[slate], arm[slate] == 1
    above = position < focal[slate]
    shown = np.where(is_promoted, np.where(is_focal, 1, position + above), position)
    return pd.DataFrame(
        {
            "slate": slate,
            "user": user[slate],
            "item": rng.integers(0, 60, len(slate)) * size + position,
            "cluster": rng.choice(["a", "b", "c"], len(slate)),
            "position": position,
            "focal": is_focal.astype(int),
            "promoted": is_promoted.astype(int),
            "clicks": (rng.random(len(slate)) < 0.6 / shown).astype(int),
            "score": np.round(rng.normal(size=len(slate)) - 0.2 * position, 3),
            "visits": (user[slate] % 7) + 1,
        }
    )


def entry(*without: str, **changes) -> dict:
    """Return an entry of such a log, without some roles."""
    return {
        "path": "log.csv",
        "columns": {role: role for role in ROLES if role not in without},
        "outcomes": {"clicks": {"column": "clicks"}},
        "promotion": {"unit": "slate", "probability": 0.5},
        "covariates": {"item": {"relevance": "score"}, "slate": {"user_activity": "visits"}},
    } | changes


def same_page(**changes) -> pd.DataFrame:
    """Return a log in which every slate is the same page: no feature varies."""
    log = log_table(**changes)
    log["item"], log["focal"] = log["position"], (log["position"] == 3).astype(int)
    log["cluster"], log["score"], log["visits"] = log["position"] % 2, -log["position"], 1
    return log


def by_user(n_users: int, n_slates: int = 120, **changes) -> pd.DataFrame:
    """Return a log in which half of the users are promoted, in all their slates."""
    log = log_table(n_slates, n_users=n_users, **changes)
    return log.assign(promoted=log["user"] % 2)


def stratified() -> tuple[pd.DataFrame, dict]:
    """Return a log that was assigned in three strata."""
    log = log_table()
    stratum = log["slate"] % 3
    arm = log.groupby("slate")["slate"].first().groupby(lambda s: s % 3).cumcount() % 2
    log = log.assign(stratum=stratum, promoted=log["slate"].map(arm))
    columns = entry()["columns"] | {"stratum": "stratum"}
    return log, entry(columns=columns)


def by_column() -> tuple[pd.DataFrame, dict]:
    """Return a log whose slates have differing probabilities of promotion."""
    rng = np.random.default_rng(5)
    chance = rng.choice([0.3, 0.5, 0.7], 160)
    log = log_table(160, promoted=rng.random(160) < chance)
    log["chance"] = chance[log["slate"]]
    columns = entry()["columns"] | {"probability": "chance"}
    return log, entry(columns=columns, promotion={"unit": "slate"})


def unlucky() -> tuple[pd.DataFrame, dict]:
    """Return a log with more promoted slates than drawn, and unlike ones, both accepted."""
    log = log_table(200, promoted=np.arange(200) % 4 > 0)
    log["score"] += 2 * log["promoted"]
    return log, entry(accept=["sample_ratio", "covariate_imbalance"])


def one_arm_outcome(value: int) -> tuple[pd.DataFrame, dict]:
    """Return a log whose outcome is one value in the whole control arm."""
    log = log_table()
    log.loc[log["promoted"] == 0, "clicks"] = value
    return log, entry(accept=["one_arm_outcome"])


def same_total() -> pd.DataFrame:
    """Return a log with one click in every slate."""
    log = log_table()
    rng = np.random.default_rng(3)
    clicked = rng.integers(1, 6, log["slate"].nunique())
    return log.assign(clicks=(log["position"] == clicked[log["slate"]]).astype(int))


def refunds() -> tuple[pd.DataFrame, dict]:
    """Return a log whose outcome is money, with refunds."""
    log = log_table()
    log["clicks"] = np.round(log["clicks"] * np.random.default_rng(2).normal(1, 8, len(log)), 2)
    return log, entry(outcomes={"money": {"column": "clicks", "unit": "euros", "negative": True}})


def several() -> tuple[pd.DataFrame, dict]:
    """Return a log with several outcomes, one of which never varies."""
    log = log_table()
    log["orders"], log["returns"] = log["clicks"] * (log["item"] % 2), 0
    names = ("clicks", "orders", "returns")
    return log, entry(outcomes={name: {"column": name} for name in names})


def at(position: int, **changes) -> pd.DataFrame:
    """Return a log whose focal items all stand at one position."""
    log = log_table(**changes)
    return log.assign(focal=(log["position"] == position).astype(int))


def own_clusters() -> pd.DataFrame:
    """Return a log in which no two items of a slate are in a cluster."""
    return log_table().assign(cluster=lambda log: "c" + log["item"].astype(str))


def of_treatment(name: str) -> tuple[pd.DataFrame, dict]:
    """Return a log of another promotion than a move to the first position."""
    log, made, _ = treated(name, n_slates=160)
    return log, made


def other_items() -> tuple[pd.DataFrame, dict]:
    """Return a log of two orders, of which one shows an item that the other does not, not focal."""
    log, made = of_treatment("insert_kept")
    log["focal"] = (log["position"] == 4).fillna(False).astype(int)
    log["clicks"] = log["clicks"].where(log["shown"].notna(), 0)
    columns = made["columns"] | {"promoted_position": "other_order"}
    promotion = {"unit": "slate", "probability": 0.5, "rerank": {}}
    return log, made | {"columns": columns, "promotion": promotion}


def not_logged(name: str) -> tuple[pd.DataFrame, dict]:
    """Return such a log whose promoted slates lack the item that they do not show."""
    log, made = of_treatment(name)
    return log[~(log["shown"].isna() & (log["promoted"] == 1))], made


def total_only(name: str = "insert_kept") -> tuple[pd.DataFrame, dict]:
    """Return a log of what each slate showed, without its focal item."""
    log, _ = of_treatment(name)
    shown = log[log["shown"].notna()].assign(position=lambda rows: rows["shown"])
    covariates = {"slate": {"user_activity": "visits"}}
    return shown.drop(columns="focal"), entry("focal", covariates=covariates)


def one_row_per_slate() -> tuple[pd.DataFrame, dict]:
    """Return a log with the total of each slate, and what was done to it."""
    log, made = total_only()
    made["promotion"] = made["promotion"] | {"insert": {"at": 2}}
    kept = ("slate", "user", "promoted")
    by_slate = log.groupby("slate", as_index=False)
    first = dict.fromkeys(("user", "promoted", "visits"), "first")
    totals = by_slate.agg(first | {"clicks": "sum"})
    return totals, made | {"columns": {role: role for role in kept}}


def delivered(
    failed: float, anyway: float = 0.0, n_slates: int = 160, *, unit: str = "slate", **changes
) -> tuple[pd.DataFrame, dict]:
    """Return a log in which a share of the promotions failed, and control slates got some."""
    log = by_user(40, n_slates) if unit == "user" else log_table(n_slates)
    chance = np.random.default_rng(4).random(n_slates)[log["slate"]]
    log["sent"] = np.where(log["promoted"] == 1, chance >= failed, chance < anyway).astype(int)
    columns = entry()["columns"] | {"delivered": "sent"}
    promotion = {"unit": unit, "probability": 0.5}
    return log, entry(columns=columns, promotion=promotion, **changes)


KINDS: dict[str, Callable[[], pd.DataFrame | tuple[pd.DataFrame, dict]]] = {
    "ordinary": log_table,
    "same_page": same_page,
    "same_page_no_covariates": lambda: (same_page(), entry(covariates={})),
    "four_users": lambda: log_table(n_users=4),
    "one_user": lambda: log_table(n_users=1),
    "eight_slates": lambda: log_table(8, n_users=8),
    "two_slates_per_arm": lambda: log_table(4, n_users=4),
    "length_1": lambda: (log_table(size=1), entry(accept=["nothing_moves"])),
    "length_2": lambda: log_table(size=2),
    "focal_at_3": lambda: at(3),
    "focal_at_1": lambda: (at(1), entry(accept=["nothing_moves"])),
    "no_clusters": lambda: (log_table(), entry("cluster")),
    "one_cluster": lambda: log_table().assign(cluster="a"),
    "own_clusters": own_clusters,
    "all_0": lambda: log_table().assign(clicks=0),
    "all_1": lambda: log_table().assign(clicks=1),
    "control_0": lambda: one_arm_outcome(0),
    "control_1": lambda: one_arm_outcome(1),
    "same_total": same_total,
    "refunds": refunds,
    "unlucky": unlucky,
    "six_users": lambda: (by_user(6), entry(promotion={"unit": "user", "probability": 0.5})),
    "four_users_by_user": lambda: (
        by_user(4, 24),
        entry(promotion={"unit": "user", "probability": 0.5}),
    ),
    "stratified": stratified,
    "by_column": by_column,
    "no_users": lambda: (log_table(), entry("user")),
    "no_covariates": lambda: (log_table(), entry(covariates={})),
    "constant_covariate": lambda: log_table().assign(score=1.0, visits=3),
    "missing_covariate": lambda: log_table().assign(score=np.nan, visits=np.nan),
    "no_row_stages": lambda: (log_table(), entry(row_stages=False)),
    "no_row_stages_no_clusters": lambda: (log_table(), entry("cluster", row_stages=False)),
    "no_row_stages_eight_slates": lambda: (log_table(8), entry(row_stages=False)),
    "several": several,
    **{name: partial(of_treatment, name) for name in TREATMENTS if name != "to_first"},
    "rerank_other_items": other_items,
    "insert_not_logged": lambda: not_logged("insert_kept"),
    "replace_not_logged": lambda: not_logged("replace"),
    "total_only": total_only,
    "total_only_of_badges": lambda: total_only("badge"),
    "one_row_per_slate": one_row_per_slate,
    "partly_delivered": lambda: delivered(0.3),
    "delivered_by_user": lambda: delivered(0.2, 0.1, unit="user"),
    "no_row_stages_hardly_delivered": lambda: delivered(0.8, 0.2, row_stages=False),
    "no_row_stages_fully_delivered": lambda: delivered(0.0, row_stages=False),
}


def made_log(kind: str) -> tuple[pd.DataFrame, dict]:
    """Return a log and its entry."""
    made = KINDS[kind]()
    return made if isinstance(made, tuple) else (made, entry())


class Analysis:
    """The analysis of one log, rule by rule, as the workflow runs it."""

    def __init__(self, root: Path, log: pd.DataFrame, log_entry: dict) -> None:
        self.root, self.name, self.folder = root, "logs/odd", root / "results/logs/odd"
        log.to_csv(root / "log.csv", index=False)
        own = log_entry | {"path": str(root / "log.csv")}
        self.study = Study.from_config(config(SMALL, {"logs": {"odd": own}}))
        self.log = self.study.log("odd")
        for name in ("effects", "models", "figures"):
            (self.folder / name).mkdir(parents=True)

    def path(self, name: str) -> str:
        return str(self.folder / outputs.named(name).file)

    def made(self, rule: str) -> dict[str, str]:
        return {output.name: str(self.folder / output.file) for output in outputs.made_by(rule)}

    def read(self) -> None:
        names = {"contract": "contract.csv", "row_counts": "row_counts.csv"}
        paths = {name: str(self.folder / file) for name, file in names.items()}
        account_log(self.log, paths | {"accounts": self.path("accounts")})
        if self.log.has_row_stages:
            map_log(self.log, self.path("accounts"), self.path("slate_items"))

    def estimate(self) -> None:
        study, name = self.study, self.name
        items, accounts = self.path("slate_items"), self.path("accounts")
        script("estimate_ledger").main(
            accounts, self.made("estimate_ledger"), study.ledger_settings(name)
        )
        if self.log.records_delivery:
            (path,) = self.made("estimate_delivered").values()
            script("estimate_delivered").main(accounts, path, study.delivered_settings(name))
        if self.log.has_row_stages:
            for rule, of_rule in (
                ("estimate_row_effects", study.row_effect_settings(name)),
                ("test_randomization", study.randomization_settings(name)),
            ):
                script(rule).main(items, accounts, self.made(rule), of_rule)
            script("estimate_diversion").main(
                items, self.made("estimate_diversion"), study.diversion_settings(name)
            )

    def state(self) -> None:
        script("state_decisions").main(
            self.path("product_summary"),
            self.path("spillover_sensitivity") if self.log.has_row_stages else None,
            self.path("segments"),
            self.path("decision_statements"),
            self.study.decision_settings(self.name),
            [str(self.folder / file) for file in ("contract.csv", "row_counts.csv")],
        )

    def model(self) -> None:
        study, name = self.study, self.name
        script("fit_models").main(
            self.path("slate_items"),
            self.path("accounts"),
            self.made("fit_models"),
            study.model_settings(name),
            1,
        )
        needs = outputs.needs_of("compare_policies")
        script("compare_policies").main(
            {output.name: str(self.folder / output.file) for output in needs},
            self.made("compare_policies"),
            study.policy_settings(name),
        )
        needs = outputs.needs_of("compare_candidates")
        script("compare_candidates").main(
            {output.name: str(self.folder / output.file) for output in needs},
            self.made("compare_candidates"),
            study.candidate_settings(name),
            1,
        )

    def draw(self, rule: str) -> None:
        settings = {"source": self.name, "outcome": self.study.unit(self.name)}
        script("plot_figures").main(
            {o.name: str(self.folder / o.file) for o in outputs.needs_of(rule)},
            {figure.name: str(self.folder / figure.file) for figure in outputs.figures_of(rule)},
            settings | {"figures": outputs.drawings(rule)},
        )

    def page(self) -> tuple[PageData, str]:
        write_table(sections(**self.study.section_settings("odd")), self.folder / "sections.csv")
        gathered = gather(self.name, self.study.page_settings(self.name), root=self.root)
        write_json(decision(gathered), self.folder / "decision.json")
        text = experiment_page(gathered)
        (self.folder / "report.html").write_text(text, encoding="utf-8")
        return gathered, text
