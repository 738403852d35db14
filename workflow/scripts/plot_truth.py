"""Draw what only a simulated world can tell: its known effects, beside what was observed."""

from netlift.figures.ledger import known_lift_by_slate, observed_against_known
from netlift.figures.saving import save_figure
from netlift.tables import read_table
from netlift.workflow import job


def main(accounts: str, effects: str, figures: dict[str, str], source: str) -> None:
    """Read slate accounts and component effects; write the figures."""
    slates = read_table(accounts, ["known_effect_total"])
    drawn = {
        "known_lift_by_slate": known_lift_by_slate(slates, source=source),
        "observed_against_known": observed_against_known(read_table(effects), source=source),
    }
    for name, figure in drawn.items():
        save_figure(figure, figures[name])


if "snakemake" in globals():
    with job(snakemake):
        main(
            snakemake.input.accounts,
            snakemake.input.component_effects,
            dict(snakemake.output.items()),
            snakemake.wildcards.experiment,
        )
