"""Draw what only a simulated world can tell: its known effects, beside what was observed."""

from netlift.core.tables import read_table
from netlift.figures.drawing.saving import save_figure
from netlift.figures.ledger import known_lift_by_slate, observed_against_known
from netlift.figures.predicted_effects import predicted_effects
from netlift.workflow.job import job


def main(tables: dict[str, str], figures: dict[str, str], source: str) -> None:
    """Read slate accounts, component effects and effects by slate; write the figures."""
    slates = read_table(tables["accounts"], ["known_effect_total"])
    effects = read_table(tables["component_effects"])
    by_slate = read_table(tables["slate_effects"])
    drawn = {
        "known_lift_by_slate": known_lift_by_slate(slates, source=source),
        "observed_against_known": observed_against_known(effects, source=source),
        "predicted_effects": predicted_effects(by_slate, source=source),
    }
    for name, figure in drawn.items():
        save_figure(figure, figures[name])


if "snakemake" in globals():
    with job(snakemake):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            snakemake.wildcards.experiment,
        )
