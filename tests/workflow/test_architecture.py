"""The recipes of docs/architecture.md, followed literally in a copy of the project."""

import re
import textwrap
from pathlib import Path

import pandas as pd
import pytest
import runs
from runs import DESIGN, ROOT

BLOCK = re.compile(
    r"<!-- (?:new file: (?P<new>\S+)|in (?P<file>\S+), after: (?P<after>.+?)) -->\n"
    r"```\w+\n(?P<text>.*?)```",
    re.DOTALL,
)
EXPERIMENT = f"{DESIGN}/logit"


def carry_out(page: Path, folder: Path) -> int:
    """Make the new files and the insertions of a page; return how many there were."""
    blocks = list(BLOCK.finditer(page.read_text(encoding="utf-8")))
    for block in blocks:
        if block["new"]:
            path = folder / block["new"]
            assert not path.exists()
            path.write_text(block["text"], encoding="utf-8")
            continue
        path = folder / block["file"]
        text = path.read_text(encoding="utf-8")
        place = 0
        for line in block["after"].split("; "):
            place = text.index(line, place)
        place = text.index("\n", place) + 1
        path.write_text(text[:place] + block["text"] + text[place:], encoding="utf-8")
    return len(blocks)


@pytest.mark.slow
@pytest.mark.long
def test_each_recipe_works_as_it_is_written(tmp_path):
    folder = runs.checkout(tmp_path)
    assert carry_out(ROOT / "docs/architecture.md", folder) == 10
    (source,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/adding-a-world.md").read_text(), re.DOTALL
    )
    models = folder / "workflow/lib/netlift/worlds/models"
    (models / "fading.py").write_text(source, encoding="utf-8")
    overlay = textwrap.dedent("""
        study: {worlds: [fading]}
        worlds: {fading: {model: fading, target_click_rate: 0.2, g: 0.7}}
        inference: {reach_clicks: 2}
    """)
    (folder / "config/studies/recipes.yaml").write_text(overlay, encoding="utf-8")
    files = ["config/studies/tiny.yaml", "config/studies/recipes.yaml"]
    page = EXPERIMENT.replace("logit", "fading") + "/report.html"
    runs.snakemake(folder, "--cores", "2", "--configfile", *files, "--", page)
    made = folder / EXPERIMENT.replace("logit", "fading")
    effects = pd.read_csv(made / "effects/component_effects.csv")
    assert "pooled" in set(effects["estimator"])
    reach = pd.read_csv(made / "effects/reach.csv").iloc[0]
    accounts = pd.read_parquet(made / "slate_outcomes.parquet")
    reached = accounts["observed_clicks_total"] >= 2
    shares = reached.groupby(accounts["promotion_applied"]).mean()
    assert reach["estimate"] == pytest.approx(shares[1] - shares[0])
    text = (folder / page).read_text(encoding="utf-8")
    assert "The effect of promotion on the share of slates that get enough clicks." in text
    assert "effects/reach.csv" in text
    assert "Means, pooled errors" in text
