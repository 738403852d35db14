"""With which settings the files of an experiment would be made, to compare their records with."""

from __future__ import annotations

from netlift.workflow.experiment import Experiment
from netlift.workflow.outputs import FIGURE_RULES, TRUTH_RULE, drawings
from netlift.workflow.schema import Json
from netlift.workflow.study import Study
from netlift.workflow.values import settings


def settings_of_rules(study: Study, experiment: Experiment) -> dict[str, Json]:
    """Return the settings that a study gives to the rules behind an experiment, by rule.

    They are those of the rules' parameter ``settings``; rules without settings are left out.

    Parameters
    ----------
    study
        The study.
    experiment
        One of its experiments, or a log.
    """
    path = experiment.path
    rules = {
        "estimate_ledger": study.ledger_settings(path),
        "estimate_row_effects": study.row_effect_settings(path),
        "estimate_diversion": study.diversion_settings(path),
        "test_randomization": study.randomization_settings(path),
        "state_decisions": study.decision_settings(path),
        "fit_models": study.model_settings(path),
        "compare_policies": study.policy_settings(path),
        "compare_candidates": study.candidate_settings(path),
    }
    for rule in FIGURE_RULES:
        rules[rule] = settings(source=path, figures=drawings(rule), outcome=study.unit(path))
    return rules | (_of_log(study, experiment.log) if experiment.log else _of(study, experiment))


def _of_log(study: Study, log: str) -> dict[str, Json]:
    rules = {
        "analyse_log": study.section_settings(log),
        "estimate_delivered": study.delivered_settings(f"logs/{log}"),
    }
    own = study.log_settings(log)
    if "contents" in own:  # of files that may have changed, or not be here
        return rules
    return rules | dict.fromkeys(("account_log", "map_log"), own)


def _of(study: Study, experiment: Experiment) -> dict[str, Json]:
    """Return the settings of the rules that make a simulated experiment."""
    dataset, slates, promotion, world = (
        str(name)
        for name in (experiment.dataset, experiment.slates, experiment.promotion, experiment.world)
    )
    size, seed = int(experiment.size or 0), int(experiment.seed or 0)
    design = experiment.path.rpartition("/")[0]
    return {
        "import_ratings": study.import_settings(dataset),
        "fit_scorer": study.scorer_settings(slates),
        "build_slates": study.slate_settings(slates, size=size, seed=seed),
        "assign_promotion": study.promotion_settings(promotion, seed),
        "plot_slates": settings(source=design),
        "simulate_clicks": study.click_settings(world, promotion, seed),
        TRUTH_RULE: settings(source=experiment.path, figures=drawings(TRUTH_RULE)),
    }
