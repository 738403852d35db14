# The pages: one for each experiment, and the front page.
#
# REQUIRED INPUTS   results/{experiment}/effects/*.csv, models/*.csv, verdict.json, figures/*.svg,
#                   world.json, items.parquet, slate_outcomes.parquet
#                   results/{dataset}/size={size}/seed={seed}/figures/*.svg
#                   results/{slate_set}/robustness.csv, decision_statements.csv, grids
# OUTPUTS           results/{experiment}/report.html, decision.json
#                   results/report/index.html
import hashlib

TEMPLATES = sorted(str(path) for path in Path(workflow.basedir, "report").iterdir())


def page_files(wildcards):
    """Return what the page of an experiment needs: all that the stages before it make of it."""
    folder = Path("results", wildcards.experiment)
    is_log = folder.parent.name == "logs"
    files = [f"effects/{table}.csv" for table in EFFECT_TABLES]
    files += [f"models/{file}" for file in (MODEL_TABLES | POLICY_TABLES).values()]
    figures = EFFECT_FIGURES | INFERENCE_FIGURES | MODEL_FIGURES
    files += [f"figures/{figure}.svg" for figure in figures]
    files += ["items.parquet", "slate_outcomes.parquet"]
    # A log knows no truth, and its slates are its own.
    if is_log:
        return [f"{folder}/{file}" for file in [*files, "contract.csv"]]
    files += ["world.json", *(f"figures/{figure}.svg" for figure in TRUTH_FIGURES)]
    return [
        *(f"{folder}/{file}" for file in files),
        *(f"{folder.parent}/figures/{figure}.svg" for figure in SLATE_FIGURES),
    ]


rule write_report:
    input:
        page_files,
        movies=lambda wildcards: movies_of(wildcards.experiment),
        templates=TEMPLATES,
        schema=f"{workflow.basedir}/schemas/decision.schema.json",
        code=code("write_report"),
    output:
        page=report(
            "results/{experiment}/report.html",
            caption="../report/page.rst",
            category="Pages",
            labels={"experiment": "{experiment}", "page": "Report"},
        ),
        decision="results/{experiment}/decision.json",
    log:
        "logs/{experiment}/write_report.log",
    benchmark:
        "logs/{experiment}/write_report.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=lambda wildcards: settings(**run_settings(STUDY, wildcards.experiment)),
    message:
        "Writing the page: {wildcards.experiment}"
    script:
        "../scripts/write_report.py"


def ran_beside(dataset):
    """Return checksums of what sweep and validation left, if they were run.

    As a setting and not as inputs, they make the front page new and are never made for it.
    """
    folders = [Path("results", dataset, name) for name in ("sweep", "validation")]
    files = [
        path for folder in folders for end in ("csv", "svg") for path in folder.glob(f"*.{end}")
    ]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


rule write_front_page:
    input:
        decisions=expand("results/{experiment}/decision.json", experiment=EXPERIMENTS),
        effects=expand(
            "results/{experiment}/effects/{table}.csv",
            experiment=EXPERIMENTS,
            table=["component_effects", "observed_effects"],
        ),
        over_worlds=expand(
            "results/{slate_set}/{file}",
            slate_set=SLATE_SETS,
            file=["robustness.csv", "decision_statements.csv", "figures/robustness.svg"],
        ),
        grids=rules.grids.input,
        templates=TEMPLATES,
        code=code("write_front_page"),
    output:
        page=report(
            "results/report/index.html",
            caption="../report/page.rst",
            category="Pages",
            labels={"experiment": "all", "page": "Front page"},
        ),
    log:
        "logs/write_front_page.log",
    benchmark:
        "logs/write_front_page.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=settings(
            experiments=EXPERIMENTS,
            slate_sets=SLATE_SETS,
            grids=STUDY["study"]["grids"],
            dataset=STUDY["dataset"],
            entry=STUDY["datasets"][STUDY["dataset"]],
            ran_beside=ran_beside(STUDY["dataset"]),
        ),
    message:
        "Writing the front page"
    script:
        "../scripts/write_front_page.py"


rule pages:
    input:
        expand(
            "results/{experiment}/{file}",
            experiment=EXPERIMENTS,
            file=["report.html", "decision.json"],
        ),
        rules.write_front_page.output.page,
