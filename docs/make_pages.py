"""Write the generated docs: config keys, codes of logs, outputs, estimators, rule graph, picture.

Run by `make docs`. A test compares config/README.md with the schemas. The README's picture is a
figure of the default study, and is copied if that was run.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow/lib"), str(ROOT / "docs")]

from promotion_pictures import decision_table, exposure_table, write_pictures  # noqa: E402

from netlift.effects.estimators import estimators_table  # noqa: E402
from netlift.logs.codes import codes_table  # noqa: E402
from netlift.workflow.config_reference import config_reference  # noqa: E402
from netlift.workflow.outputs import outputs_reference  # noqa: E402

MARK = "<!-- All below is written by `make docs`, from the schemas. -->\n"

OUTPUTS = "<!-- Written by `make docs`, from workflow/lib/netlift/workflow/outputs.yaml. -->"
OUTPUTS_END = "<!-- End of what `make docs` writes. -->"

PROMOTIONS = "<!-- Written by `make docs`, from docs/promotion_pictures.py. -->"
PROMOTIONS_END = "<!-- End of the decision table. -->"
EXPOSURES = "<!-- Exposures, written by `make docs`. -->"
EXPOSURES_END = "<!-- End of the exposures. -->"

EXPERIMENT = "ml-small/scorer/size=12/seed=20260428/to_first/logit"

RULE_GRAPH = """# The rule graph of the default study

Written by `make docs` (`snakemake --rulegraph mermaid-js`). An arrow leads from a rule that
makes a file to a rule that needs it.

```mermaid
{graph}
```
"""


def main() -> None:
    """Write config/README.md and docs/log-contract.md below their marks, and docs/rule-graph.md."""
    page = ROOT / "config/README.md"
    written = page.read_text(encoding="utf-8").split(MARK)[0]
    page.write_text(f"{written}{MARK}\n{config_reference()}", encoding="utf-8")
    page = ROOT / "docs/log-contract.md"
    written = page.read_text(encoding="utf-8").split("| code |")[0]
    page.write_text(f"{written}{codes_table()}", encoding="utf-8")
    _write_between(ROOT / "README.md", OUTPUTS, outputs_reference(), OUTPUTS_END)
    page = ROOT / "docs/promotions.md"
    _write_between(page, PROMOTIONS, decision_table(), PROMOTIONS_END)
    _write_between(page, EXPOSURES, exposure_table(), EXPOSURES_END)
    write_pictures(ROOT / "docs/images/promotions")
    page = ROOT / "docs/methods.md"
    before, rest = page.read_text(encoding="utf-8").split("| estimator |")
    after = rest.split("\n\n", maxsplit=1)[1]
    page.write_text(f"{before}{estimators_table()}\n{after}", encoding="utf-8")
    graph = subprocess.run(
        [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js"],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "0"},  # Snakemake writes rules in the order of a set
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (ROOT / "docs/rule-graph.md").write_text(
        RULE_GRAPH.format(graph=graph[graph.index("---") :].strip()), encoding="utf-8"
    )
    picture = ROOT / f"results/{EXPERIMENT}/figures/decomposition.png"
    if picture.exists():
        (ROOT / "docs/images").mkdir(exist_ok=True)
        shutil.copyfile(picture, ROOT / "docs/images/decomposition.png")


def _write_between(page: Path, start: str, text: str, end: str) -> None:
    """Replace what is between two marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(start)
    after = rest.partition(end)[2]
    page.write_text(f"{before}{start}\n{text}{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
