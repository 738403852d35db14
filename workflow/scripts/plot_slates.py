"""Draw the ratings, the slates made from them, and the exposure mapping."""

from netlift.core.tables import read_table
from netlift.figures.drawing.saving import save_figure
from netlift.figures.exposure import exposure_mapping
from netlift.figures.ratings import ratings_and_slates
from netlift.promotion.exposure import compared
from netlift.workflow.job import job

COLUMNS = [
    "slate_id",
    "item_id",
    "spillover_cluster",
    "slate_position_seed",
    "relevance",
    "is_focal_item",
    "focal_seed_position",
    "focal_spillover_cluster",
    "promotion_applied",
    "arm",
    "promoted_position",
    "component",
    "position_change",
]


def main(ratings: str, movies: str, exposure: str, figures: dict[str, str], source: str) -> None:
    """Read ratings, movies and the exposure table; write the figures of one design."""
    rows = compared(read_table(exposure, COLUMNS))
    drawn = {
        "ratings_and_slates": ratings_and_slates(
            read_table(ratings, ["rating"]), read_table(movies), rows, source=source
        ),
        "exposure_mapping": exposure_mapping(rows, source=source),
    }
    for name, figure in drawn.items():
        save_figure(figure, figures[name])


if "snakemake" in globals():
    with job(snakemake):
        inputs = snakemake.input
        main(
            inputs.ratings,
            inputs.movies,
            inputs.exposure,
            dict(snakemake.output.items()),
            snakemake.params.settings["source"],
        )
