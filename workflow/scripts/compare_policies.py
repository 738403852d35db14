"""Compare policies, and say which slates to promote, if any."""

import pandas as pd

from netlift.aipw import advice
from netlift.outcome_models import STACKED, ModelData
from netlift.policies import policy_values, rules, verdict
from netlift.tables import read_table, write_json, write_table
from netlift.targeting import detectability
from netlift.workflow import job


def main(inputs: dict[str, str], outputs: dict[str, str], settings: dict) -> None:
    """Read items and what models say of slates; write policies and the verdict."""
    effects = read_table(inputs["slate_effects"])
    data = ModelData.of(read_table(inputs["slate_items"]))
    seed = settings.pop("seed")
    scores, fold = (effects[name].to_numpy() for name in ("aipw_score", "fold"))
    known = effects["known_effect"].to_numpy() if "known_effect" in effects else None
    predicted = effects[f"predicted_{STACKED}"].to_numpy()
    chosen = rules(predicted, data.slates, scores, fold, **settings)
    values = policy_values(chosen, scores, data.design, **settings, seed=seed, known=known)
    write_table(values, outputs["policies"])
    identity = effects[["slate_id", "user_id"]]
    write_table(identity.assign(**pd.DataFrame(chosen)), outputs["slate_policies"])
    said = {
        "advice": advice(read_table(inputs["aipw"])),
        "who_gains": detectability(read_table(inputs["heterogeneity"])),
    }
    write_json(verdict(values) | said, outputs["verdict"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
