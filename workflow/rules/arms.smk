# Several arms: the variants of one log or one simulated experiment, side by side. Each variant
# compared with control is an experiment of its own, in a folder NAME.VARIANT.
#
# REQUIRED INPUTS   of each variant slate_outcomes.parquet, effects/randomization_tests.csv
#                   results/{design}/exposure.parquet, or for a log results/logs/{log}/arm_counts.csv,
#                   arms.parquet
# OUTPUTS           results/{several_arms}/arm_counts.csv, arms.parquet, arms.csv, arm_tests.csv,
#                   arm_statements.csv, figures/arms.svg
#                   where {several_arms} is logs/{log}, or the path of a simulated experiment


rule count_arms:
    input:
        exposure=exposure_of_arms,
        code=code("count_arms"),
    output:
        arm_counts=named("arm_counts").path,
        arm_slates=named("arm_slates").path,
    log:
        "logs/{several_arms}/count_arms.log",
    benchmark:
        "logs/{several_arms}/count_arms.tsv"
    wildcard_constraints:
        several_arms=SIMULATED_ARMS,
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(150, slates=220),
        runtime=minutes(1, slates=2),
    params:
        settings=lambda wildcards: STUDY.arm_count_settings(wildcards.several_arms),
    message:
        "Counting the slates of each arm: {wildcards.several_arms}"
    script:
        "../scripts/count_arms.py"


rule compare_arms:
    input:
        accounts=lambda wildcards: of_contrasts(wildcards.several_arms, "slate_outcomes.parquet"),
        arm_slates=named("arm_slates").path,
        tests=lambda wildcards: tests_of_contrasts(wildcards.several_arms),
        code=code("compare_arms"),
    output:
        **makes("compare_arms"),
    log:
        "logs/{several_arms}/compare_arms.log",
    benchmark:
        "logs/{several_arms}/compare_arms.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(230, slates=360),
        runtime=minutes(4, slates=80),
    params:
        settings=lambda wildcards: STUDY.arm_settings(wildcards.several_arms),
    message:
        "Comparing the variants of {wildcards.several_arms}"
    script:
        "../scripts/compare_arms.py"


rule plot_arms:
    input:
        **needs("plot_arms"),
        code=figure_code("plot_arms"),
    output:
        **makes("plot_arms"),
    log:
        "logs/{several_arms}/plot_arms.log",
    benchmark:
        "logs/{several_arms}/plot_arms.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(155),
        runtime=minutes(2),
    params:
        settings=lambda wildcards: arm_drawing(wildcards.several_arms),
    message:
        "Drawing the variants of {wildcards.several_arms} side by side"
    script:
        "../scripts/plot_figures.py"
