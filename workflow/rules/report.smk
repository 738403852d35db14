# The pages: one for each experiment, and the front page.
#
# REQUIRED INPUTS   results/{experiment}/effects/*.csv, models/*.csv, verdict.json, figures/*.svg,
#                   world.json, items.parquet, slate_outcomes.parquet
#                   results/{dataset}/size={size}/seed={seed}/figures/*.svg
# OUTPUTS           results/{experiment}/report.html, decision.json

TEMPLATES = sorted(str(path) for path in Path(workflow.basedir, "report").iterdir())


def page_files(wildcards):
    """Return what the page of an experiment needs: all that the stages before it make of it."""
    folder = Path("results", wildcards.experiment)
    tables = [f"effects/{table}.csv" for table in EFFECT_TABLES]
    tables += [f"models/{file}" for file in (MODEL_TABLES | POLICY_TABLES).values()]
    figures = EFFECT_FIGURES | INFERENCE_FIGURES | MODEL_FIGURES | TRUTH_FIGURES
    files = [*tables, *(f"figures/{figure}.svg" for figure in figures)]
    files += ["world.json", "items.parquet", "slate_outcomes.parquet"]
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
        page="results/{experiment}/report.html",
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


rule pages:
    input:
        expand(
            "results/{experiment}/{file}",
            experiment=EXPERIMENTS,
            file=["report.html", "decision.json"],
        ),
