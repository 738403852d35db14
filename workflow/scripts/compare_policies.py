"""Compare policies, and say which slates to promote, if any."""

import pandas as pd

from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_json, write_table
from netlift.models.aipw import advice
from netlift.models.features import slate_features
from netlift.models.outcome_models import STACKED
from netlift.models.policies import compare_rules, verdict
from netlift.models.who_gains import detectability
from netlift.promotion.design import Design
from netlift.workflow.job import job


def main(inputs: dict[str, str], outputs: dict[str, str], settings: dict) -> None:
    """Read items and what models say of slates; write policies and the verdict."""
    effects = read_table(inputs["slate_effects"])
    chosen, values = compare_rules(
        effects[f"in_order_{STACKED}"].to_numpy(),
        slate_features(read_table(inputs["slate_items"])),
        effects["aipw_score"].to_numpy(),
        effects["fold"].to_numpy(),
        Design.of(read_table(inputs["accounts"])),
        **settings | {"outcome": Outcome(settings["outcome"])},
        known=effects["known_effect"].to_numpy() if "known_effect" in effects else None,
    )
    write_table(values, outputs["policies"])
    identity = effects[["slate_id", "user_id", "fold", "aipw_score"]]
    write_table(pd.concat([identity.loc[chosen.index], chosen], axis=1), outputs["slate_policies"])
    said = {
        "advice": advice(read_table(inputs["aipw"])),
        "who_gains": detectability(read_table(inputs["who_gains"])),
    }
    write_json(verdict(values) | said, outputs["verdict"])


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.params.settings,
        )
