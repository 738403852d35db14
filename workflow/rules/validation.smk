# Validation: with slates and worlds fixed, assignment and clicks are redrawn many times.
#
# REQUIRED INPUTS   results/{dataset}/size={size}/seed={seed}/slates.parquet
# OUTPUTS           results/{dataset}/validation/{case}/slates.parquet, where a case has its own
#                   results/{dataset}/validation/{case}/{world}/*.parquet, facts.json
#                   results/{dataset}/validation/validation.md
#                   results/{dataset}/validation/coverage.csv, tests.csv, policies.csv
#                   results/{dataset}/validation/*.svg, *.png


wildcard_constraints:
    case="|".join(STUDY.config["validation"]["cases"]) or "none",


use rule build_slates as build_case_slates with:
    output:
        slates="results/{dataset}/validation/{case}/slates.parquet",
    log:
        "logs/{dataset}/validation/{case}/build_slates.log",
    benchmark:
        "logs/{dataset}/validation/{case}/build_slates.tsv"
    params:
        settings=lambda wildcards: STUDY.case_slate_settings(wildcards.case),
    message:
        "Building the slates of case {wildcards.case}"


rule validate_case:
    input:
        unpack(
            lambda wildcards: STUDY.case_inputs(wildcards.dataset, wildcards.case, wildcards.world)
        ),
        code=lambda wildcards: world_code("validate_case", wildcards.world),
    output:
        ledgers="results/{dataset}/validation/{case}/{world}/ledgers.parquet",
        tests="results/{dataset}/validation/{case}/{world}/tests.parquet",
        policies="results/{dataset}/validation/{case}/{world}/policies.parquet",
        facts="results/{dataset}/validation/{case}/{world}/facts.json",
    log:
        "logs/{dataset}/validation/{case}/{world}/validate_case.log",
    benchmark:
        "logs/{dataset}/validation/{case}/{world}/validate_case.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(285, slates=1500),
        runtime=minutes(200, slates=150),
    params:
        settings=lambda wildcards: STUDY.case_settings(wildcards.case, wildcards.world),
    message:
        "Validating case {wildcards.case} in world {wildcards.world}"
    script:
        "../scripts/validate_case.py"


rule combine_validation:
    input:
        ledgers=lambda wildcards: case_files(wildcards.dataset, "ledgers.parquet"),
        tests=lambda wildcards: case_files(wildcards.dataset, "tests.parquet"),
        policies=lambda wildcards: case_files(wildcards.dataset, "policies.parquet"),
        facts=lambda wildcards: case_files(wildcards.dataset, "facts.json"),
        code=code("combine_validation"),
    output:
        **makes("combine_validation"),
    log:
        "logs/{dataset}/validation/combine_validation.log",
    benchmark:
        "logs/{dataset}/validation/combine_validation.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(30),
    params:
        settings=lambda wildcards: validation_design(wildcards.dataset),
    message:
        "Evaluating the replicates"
    script:
        "../scripts/combine_validation.py"


rule plot_validation:
    input:
        **needs("plot_validation"),
        code=figure_code("plot_validation"),
    output:
        **makes("plot_validation"),
    log:
        "logs/{dataset}/validation/plot_validation.log",
    benchmark:
        "logs/{dataset}/validation/plot_validation.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(250),
        runtime=minutes(10),
    params:
        settings=lambda wildcards: drawing("plot_validation", f"{wildcards.dataset}/validation"),
    message:
        "Plotting the validation of {wildcards.dataset}"
    script:
        "../scripts/plot_figures.py"


rule validate:
    input:
        expand(files_of("combine_validation", "plot_validation"), dataset=STUDY.dataset),
