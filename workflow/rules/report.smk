# The pages: one for each experiment, and the front page.
#
# REQUIRED INPUTS   results/{experiment}/effects/*.csv, models/*.csv, verdict.json, figures/*.svg,
#                   world.json, items.parquet, slate_outcomes.parquet
#                   results/{design}/figures/*.svg, grid/*.svg
#                   results/studies/{study}/size={size}/seed={seed}/{promotion}/robustness.csv,
#                   decision_statements.csv
#                   results/studies/{study}/size={size}/seed={seed}/promotions.csv,
#                   promotion_statements.csv, figures/promotions.svg
# OUTPUTS           results/{experiment}/report.html, decision.json
#                   results/logs/{log}/report.html
#                   of a log with several arms also decision.json and sections.csv
#                   results/{several_arms}/report.html, decision.json of a promotion with several arms
#                   results/studies/{study}/index.html, verdict.json
#                   results/index.html

# What pages are written from beside data: templates, styles, and the registry of outputs.
# Relative paths, so that in a moved folder nothing is rebuilt.
TEMPLATES = sorted(
    local(os.path.relpath(path)) for path in [*Path(workflow.basedir, "report").iterdir(), REGISTRY]
)


rule write_report:
    input:
        page_files,
        movies=lambda wildcards: STUDY.movies(wildcards.experiment),
        templates=TEMPLATES,
        schema=local(os.path.relpath(f"{workflow.basedir}/schemas/decision.schema.json")),
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
        mem_mb=memory(205, slates=360),
        runtime=minutes(2, slates=5),
    params:
        settings=lambda wildcards: STUDY.page_settings(wildcards.experiment),
    message:
        "Writing the page: {wildcards.experiment}"
    script:
        "../scripts/write_report.py"


# A log without a promotion is no experiment: its page says what it can say, and what it lacks.
ruleorder: describe_log > write_report


rule describe_log:
    input:
        lambda wildcards: log_results(wildcards.log),
        templates=TEMPLATES,
        code=code("describe_log"),
    output:
        page=report(
            "results/logs/{log}/report.html",
            caption="../report/page.rst",
            category="Pages",
            labels={"experiment": "logs/{log}", "page": "Report"},
        ),
    log:
        "logs/logs/{log}/describe_log.log",
    benchmark:
        "logs/logs/{log}/describe_log.tsv"
    wildcard_constraints:
        log="|".join(log for log, entry in STUDY.logs.items() if not entry.is_experiment) or "(?!)",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(205),
        runtime=minutes(2),
    params:
        settings=lambda wildcards: STUDY.page_settings(f"logs/{wildcards.log}"),
    message:
        "Writing the page of a log without a promotion: {wildcards.log}"
    script:
        "../scripts/describe_log.py"


# What the variants of a log with several arms say together.
rule report_arms:
    input:
        files_of("count_arms", "compare_arms", "plot_arms"),
        decisions=lambda wildcards: of_contrasts(wildcards.several_arms, "decision.json"),
        sections=lambda wildcards: of_contrasts(wildcards.several_arms, "sections.csv"),
        templates=TEMPLATES,
        schema=local(os.path.relpath(f"{workflow.basedir}/schemas/arm_decision.schema.json")),
        code=code("report_arms"),
    output:
        page=report(
            "results/{several_arms}/report.html",
            caption="../report/page.rst",
            category="Pages",
            labels={"experiment": "{several_arms}", "page": "Variants side by side"},
        ),
        decision="results/{several_arms}/decision.json",
        sections="results/{several_arms}/sections.csv",
    log:
        "logs/{several_arms}/report_arms.log",
    benchmark:
        "logs/{several_arms}/report_arms.tsv"
    wildcard_constraints:
        several_arms=f"logs/{ARM_LOGS}",
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(205),
        runtime=minutes(2),
    params:
        settings=lambda wildcards: STUDY.arm_page_settings(wildcards.several_arms),
    message:
        "Writing the page of all variants of {wildcards.several_arms}"
    script:
        "../scripts/report_arms.py"


# The same of a simulated experiment, whose variants have no lists of sections.
use rule report_arms as report_simulated_arms with:
    input:
        files_of("count_arms", "compare_arms", "plot_arms"),
        decisions=lambda wildcards: of_contrasts(wildcards.several_arms, "decision.json"),
        templates=TEMPLATES,
        schema=local(os.path.relpath(f"{workflow.basedir}/schemas/arm_decision.schema.json")),
        code=code("report_arms"),
    output:
        page=report(
            "results/{several_arms}/report.html",
            caption="../report/page.rst",
            category="Pages",
            labels={"experiment": "{several_arms}", "page": "Variants side by side"},
        ),
        decision="results/{several_arms}/decision.json",
    log:
        "logs/{several_arms}/report_simulated_arms.log",
    benchmark:
        "logs/{several_arms}/report_simulated_arms.tsv"
    wildcard_constraints:
        several_arms=SIMULATED_ARMS,


rule write_front_page:
    input:
        decisions=expand("results/{experiment}/decision.json", experiment=EXPERIMENTS),
        effects=expand(
            "results/{experiment}/effects/{table}.csv",
            experiment=EXPERIMENTS,
            table=["component_effects", "observed_effects"],
        ),
        over_worlds=expand(
            "results/{folder}/{file}",
            folder=STUDY.over_worlds,
            file=["robustness.csv", "decision_statements.csv", "figures/robustness.svg"],
        ),
        over_promotions=over_promotions("compare_promotions", "plot_promotions"),
        arms=pages_of_arms(),
        grids=rules.grids.input,
        templates=TEMPLATES,
        code=code("write_front_page"),
    output:
        page=report(
            f"{STUDY_FOLDER}/index.html",
            caption="../report/page.rst",
            category="Pages",
            labels={"experiment": "studies/{study}", "page": "Front page"},
        ),
        verdict=f"{STUDY_FOLDER}/verdict.json",
    log:
        f"logs/{STUDY_PATH}/write_front_page.log",
    benchmark:
        f"logs/{STUDY_PATH}/write_front_page.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(130),
        runtime=minutes(1),
    params:
        settings=lambda wildcards: STUDY.front_page_settings(other_results=other_results()),
    message:
        "Writing the front page of the study {wildcards.study}"
    script:
        "../scripts/write_front_page.py"


rule write_index:
    input:
        expand(f"{STUDY_FOLDER}/{{file}}", study=STUDY.name, file=["index.html", "verdict.json"]),
        templates=TEMPLATES,
        code=code("write_index"),
    output:
        page=report(
            "results/index.html",
            caption="../report/page.rst",
            category="Pages",
            labels={"experiment": "all", "page": "All studies and logs"},
        ),
    log:
        "logs/write_index.log",
    benchmark:
        "logs/write_index.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(130),
        runtime=minutes(1),
    params:
        settings=settings(others=other_pages()),
    message:
        "Writing the list of all studies and logs"
    script:
        "../scripts/write_index.py"


rule pages:
    input:
        expand(
            "results/{experiment}/{file}",
            experiment=EXPERIMENTS,
            file=["report.html", "decision.json"],
        ),
        pages_of_arms(),
        rules.write_index.output.page,
