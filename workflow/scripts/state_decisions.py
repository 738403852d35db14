"""State in sentences what the effects of one experiment show."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from netlift.core.left_out import why_left_out
from netlift.core.outcome import Outcome
from netlift.core.tables import read_optional, read_table, write_table
from netlift.effects.caveats import log_caveats
from netlift.effects.decisions import decision_statements
from netlift.workflow.job import job


def main(
    product: str,
    spillover: str | None,
    segments: str,
    decisions: str,
    settings: Mapping[str, Any],
    checks: Sequence[str] = (),
) -> None:
    """Read the tables of effects, and the checks of a log; write one statement per topic."""
    by_definition, by_segment = map(_made, (spillover, segments))
    caveats = log_caveats(*map(read_table, checks)) if checks else []
    statements = decision_statements(
        read_table(product),
        by_definition,
        by_segment,
        outcome=Outcome(settings["outcome"], settings["focal_items"]),
        caveats=caveats,
    )
    write_table(statements, decisions)


def _made(path: str | None) -> pd.DataFrame | None:
    """Return a table; None if there is none, or if it holds a reason why it was not made."""
    table = read_optional(path)
    return None if table is None or why_left_out(table) else table


if "snakemake" in globals():
    with job(snakemake):
        inputs = snakemake.input
        main(
            inputs.product_summary,
            inputs.spillover_sensitivity or None,
            inputs.segments,
            snakemake.output.decision_statements,
            snakemake.params.settings,
            inputs.checks,
        )
