# Figures, each as SVG and as PNG. netlift/workflow/outputs.yaml lists them.
#
# REQUIRED INPUTS   resources/datasets/{dataset}/ratings.parquet, movies.parquet
#                   results/{design}/exposure.parquet, results/studies/{study}/.../robustness.csv
#                   results/{experiment}/slate_outcomes.parquet
#                   results/{experiment}/effects/*.csv, bootstrap_draws.parquet
#                   results/{experiment}/models/*.csv, slate_effects.parquet, verdict.json
# OUTPUTS           results/{design}/figures/*.svg, *.png
#                   results/studies/{study}/size={size}/seed={seed}/{promotion}/figures/*.svg, *.png
#                   results/{experiment}/figures/*.svg, *.png


rule plot_slates:
    input:
        **needs("plot_slates"),
        code=code("plot_slates"),
    output:
        **makes("plot_slates"),
    log:
        f"logs/{DESIGN_PATH}/plot_slates.log",
    benchmark:
        f"logs/{DESIGN_PATH}/plot_slates.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(210, slates=150, ratings=1500),
        runtime=minutes(3, slates=3, ratings=60),
    params:
        settings=lambda wildcards: settings(source=DESIGN_PATH.format(**wildcards)),
    message:
        "Plotting ratings, slates and exposure, size {wildcards.size}, seed {wildcards.seed}"
    script:
        "../scripts/plot_slates.py"


# One rule for each group of figures of an experiment; they differ in what they draw.
for plot in (*FIGURE_RULES, TRUTH_RULE):

    rule:
        name:
            plot
        input:
            **needs(plot),
            code=figure_code(plot),
        output:
            **makes(plot),
        log:
            f"logs/{{experiment}}/{plot}.log",
        benchmark:
            f"logs/{{experiment}}/{plot}.tsv"
        conda:
            "../../environment.yml"
        threads: 1
        resources:
            mem_mb=memory(245, slates=100),
            runtime=minutes(5, slates=5),
        params:
            settings=lambda wildcards, plot=plot: drawing(plot, wildcards.experiment),
        message:
            f"{RULES[plot].does.capitalize()}: {{wildcards.experiment}}"
        script:
            "../scripts/plot_figures.py"


rule plot_delivered:
    input:
        **needs("plot_delivered"),
        code=figure_code("plot_delivered"),
    output:
        **makes("plot_delivered"),
    log:
        "logs/{experiment}/plot_delivered.log",
    benchmark:
        "logs/{experiment}/plot_delivered.tsv"
    wildcard_constraints:
        experiment=logs_with_delivery(),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(160),
        runtime=minutes(2),
    params:
        settings=lambda wildcards: drawing("plot_delivered", wildcards.experiment),
    message:
        "Drawing the effects of delivered promotions: {wildcards.experiment}"
    script:
        "../scripts/plot_figures.py"


rule plot_robustness:
    input:
        **needs("plot_robustness"),
        code=figure_code("plot_robustness"),
    output:
        **makes("plot_robustness"),
    log:
        f"logs/{OVER_WORLDS_PATH}/plot_robustness.log",
    benchmark:
        f"logs/{OVER_WORLDS_PATH}/plot_robustness.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(155),
        runtime=minutes(2),
    params:
        settings=lambda wildcards: drawing("plot_robustness", OVER_WORLDS_PATH.format(**wildcards)),
    message:
        "Drawing which conclusions hold, size {wildcards.size}, seed {wildcards.seed}"
    script:
        "../scripts/plot_figures.py"


rule figures:
    input:
        expand(files_of("plot_slates", "plot_robustness"), **CHOICES),
        expand(files_of(*FIGURE_RULES, TRUTH_RULE), experiment=EXPERIMENTS),
