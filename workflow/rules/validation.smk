# Validation: with slates and worlds fixed, assignment and clicks are redrawn many times.
#
# REQUIRED INPUTS   results/{dataset}/{slates}/size={size}/seed={seed}/slates.parquet
# OUTPUTS           results/studies/{study}/validation/slates/{case}/size={size}/slates.parquet, where a
#                   case has its own;
#                   below results/studies/{study}/validation/{promotion}/:
#                   {case}/{world}/*.parquet, facts.json
#                   validation.md, coverage.csv, tests.csv, policies.csv, segments.csv,
#                   *.svg, *.png

VALIDATION_PATH = f"{STUDY_PATH}/validation/{{promotion}}"


wildcard_constraints:
    case="|".join(STUDY.config["validation"]["cases"]) or "none",


use rule build_slates as build_case_slates with:
    input:
        **STUDY.scorer_tables(STUDY.dataset, STUDY.slates),
        ratings=named("ratings").path.format(dataset=STUDY.dataset),
        movies=named("movies").path.format(dataset=STUDY.dataset),
        code=code("build_slates"),
    output:
        slates=f"results/{STUDY_PATH}/validation/slates/{{case}}/size={{size}}/slates.parquet",
    log:
        f"logs/{STUDY_PATH}/validation/slates/{{case}}/size={{size}}/build_slates.log",
    benchmark:
        f"logs/{STUDY_PATH}/validation/slates/{{case}}/size={{size}}/build_slates.tsv"
    params:
        settings=lambda wildcards: STUDY.case_slate_settings(wildcards.case, int(wildcards.size)),
    message:
        "Building the slates of case {wildcards.case}"


rule validate_case:
    input:
        unpack(
            lambda wildcards: STUDY.case_inputs(
                wildcards.case, wildcards.promotion, wildcards.world
            )
        ),
        code=lambda wildcards: world_code("validate_case", wildcards.world),
    output:
        ledgers=f"results/{VALIDATION_PATH}/{{case}}/{{world}}/ledgers.parquet",
        tests=f"results/{VALIDATION_PATH}/{{case}}/{{world}}/tests.parquet",
        policies=f"results/{VALIDATION_PATH}/{{case}}/{{world}}/policies.parquet",
        segments=f"results/{VALIDATION_PATH}/{{case}}/{{world}}/segments.parquet",
        facts=f"results/{VALIDATION_PATH}/{{case}}/{{world}}/facts.json",
    log:
        f"logs/{VALIDATION_PATH}/{{case}}/{{world}}/validate_case.log",
    benchmark:
        f"logs/{VALIDATION_PATH}/{{case}}/{{world}}/validate_case.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(285, slates=1500),
        runtime=minutes(200, slates=150),
    params:
        settings=lambda wildcards: STUDY.case_settings(
            wildcards.case, wildcards.promotion, wildcards.world
        ),
    message:
        "Validating case {wildcards.case} in world {wildcards.world}"
    script:
        "../scripts/validate_case.py"


rule combine_validation:
    input:
        ledgers=lambda wildcards: case_files(wildcards.promotion, "ledgers.parquet"),
        tests=lambda wildcards: case_files(wildcards.promotion, "tests.parquet"),
        policies=lambda wildcards: case_files(wildcards.promotion, "policies.parquet"),
        segments=lambda wildcards: case_files(wildcards.promotion, "segments.parquet"),
        facts=lambda wildcards: case_files(wildcards.promotion, "facts.json"),
        code=code("combine_validation"),
    output:
        **makes("combine_validation"),
    log:
        f"logs/{VALIDATION_PATH}/combine_validation.log",
    benchmark:
        f"logs/{VALIDATION_PATH}/combine_validation.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(30),
    params:
        settings=lambda wildcards: validation_design(wildcards.promotion),
    message:
        "Evaluating the replicates of {wildcards.study}, {wildcards.promotion}"
    script:
        "../scripts/combine_validation.py"


rule plot_validation:
    input:
        **needs("plot_validation"),
        code=figure_code("plot_validation"),
    output:
        **makes("plot_validation"),
    log:
        f"logs/{VALIDATION_PATH}/plot_validation.log",
    benchmark:
        f"logs/{VALIDATION_PATH}/plot_validation.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(250),
        runtime=minutes(10),
    params:
        settings=lambda wildcards: drawing("plot_validation", VALIDATION_PATH.format(**wildcards)),
    message:
        "Plotting the validation of {wildcards.study}, {wildcards.promotion}"
    script:
        "../scripts/plot_figures.py"


rule validate:
    input:
        validation_results,
