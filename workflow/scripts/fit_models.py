"""Fit outcome models and effect models, estimate the ledger by AIPW, and estimate who gains."""

from netlift.core.left_out import leaving_out, need_made
from netlift.core.outcome import Outcome
from netlift.core.tables import read_table, write_table
from netlift.models.fitted import save_models
from netlift.models.protocol import fit_models
from netlift.workflow.job import job


def main(items: str, accounts: str, outputs: dict[str, str], settings: dict, threads: int) -> None:
    """Read items and accounts; write the models, their predictions, and the estimates.

    Where the data do not allow models, the files say why.
    """
    tables, outcome = (read_table(items), read_table(accounts)), Outcome(settings["outcome"])
    with leaving_out("outcome models and effect models", outputs.values()):
        need_made(*tables)
        results = fit_models(*tables, threads=threads, **settings | {"outcome": outcome})
        for name, table in results.tables.items():
            write_table(table, outputs[name])
        models = {name: path for name, path in outputs.items() if name not in results.tables}
        save_models(results.fitted, results.feature_importance, models)


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.input.slate_items,
            snakemake.input.accounts,
            dict(snakemake.output.items()),
            snakemake.params.settings,
            snakemake.threads,
        )
