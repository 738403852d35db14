# Figures, each as SVG and as PNG.
#
# REQUIRED INPUTS   resources/datasets/{dataset}/ratings.parquet, movies.parquet
#                   results/{dataset}/size={size}/seed={seed}/exposure.parquet
#                   results/{experiment}/slate_outcomes.parquet
#                   results/{experiment}/effects/*.csv, bootstrap_draws.parquet
#                   results/{experiment}/models/*.csv, slate_effects.parquet, verdict.json
# OUTPUTS           results/{dataset}/size={size}/seed={seed}/figures/*.svg, *.png
#                   results/{experiment}/figures/*.svg, *.png

SLATE_FIGURES = {
    "ratings_and_slates": "Ratings and slates",
    "exposure_mapping": "Exposure mapping",
}
EFFECT_FIGURES = {
    "observed_effects": "Observed effects",
    "decomposition": "Decomposition",
    "spillover_sensitivity": "Spillover by definition",
    "risk": "Risk by segment",
}
INFERENCE_FIGURES = {
    "estimators": "Estimators",
    "shares": "Shares of the focal gain",
    "randomization_tests": "Randomization tests",
    "leakage": "Leakage",
    "design_diagnostics": "Design and power",
    "item_level_claim": "Item-level claims",
    "segments": "Segments",
}
MODEL_FIGURES = {
    "outcome_models": "Outcome models",
    "feature_importance": "Feature importance",
    "aipw": "Effects with models",
    "who_gains": "Who gains",
    "policies": "Policies",
}
# Only a simulated world has a truth to draw.
TRUTH_FIGURES = {
    "known_lift_by_slate": "Known lift by slate",
    "observed_against_known": "Observed against known",
    "predicted_effects": "Predicted effects",
}


rule plot_slates:
    input:
        ratings=rules.import_ratings.output.ratings,
        movies=rules.import_ratings.output.movies,
        exposure=rules.assign_promotion.output.exposure,
        code=code("plot_slates"),
    output:
        **{
            name: report(
                f"results/{{dataset}}/size={{size}}/seed={{seed}}/figures/{name}.svg",
                caption=f"../report/{name}.rst",
                category="Data and design",
                labels={"slates": "{dataset}/size={size}/seed={seed}", "figure": title},
            )
            for name, title in SLATE_FIGURES.items()
        },
        png=expand(
            "results/{{dataset}}/size={{size}}/seed={{seed}}/figures/{figure}.png",
            figure=SLATE_FIGURES,
        ),
    log:
        "logs/{dataset}/size={size}/seed={seed}/plot_slates.log",
    benchmark:
        "logs/{dataset}/size={size}/seed={seed}/plot_slates.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(210, slates=150, ratings=1500),
        runtime=minutes(3, slates=3, ratings=60),
    message:
        "Plotting ratings, slates and exposure, size {wildcards.size}, seed {wildcards.seed}"
    script:
        "../scripts/plot_slates.py"


rule plot_effects:
    input:
        observed_effects=rules.estimate_row_effects.output.observed_effects,
        bootstrap_draws=rules.estimate_row_effects.output.bootstrap_draws,
        spillover_sensitivity=rules.estimate_row_effects.output.spillover_sensitivity,
        spillover_support=rules.estimate_row_effects.output.spillover_support,
        component_effects=rules.estimate_ledger.output.component_effects,
        risk_by_position=rules.estimate_ledger.output.risk_by_position,
        risk_by_cluster=rules.estimate_ledger.output.risk_by_cluster,
        code=code("plot_effects"),
    output:
        **{
            name: report(
                f"results/{{experiment}}/figures/{name}.svg",
                caption=f"../report/{name}.rst",
                category="Effects",
                labels={"experiment": "{experiment}", "figure": title},
            )
            for name, title in EFFECT_FIGURES.items()
        },
        png=expand("results/{{experiment}}/figures/{figure}.png", figure=EFFECT_FIGURES),
    log:
        "logs/{experiment}/plot_effects.log",
    benchmark:
        "logs/{experiment}/plot_effects.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(190),
        runtime=minutes(3),
    params:
        settings=lambda wildcards: settings(
            source=wildcards.experiment, outcome=unit_of(wildcards.experiment)
        ),
    message:
        "Plotting effects: {wildcards.experiment}"
    script:
        "../scripts/plot_effects.py"


rule plot_inference:
    input:
        component_effects=rules.estimate_ledger.output.component_effects,
        component_covariance=rules.estimate_ledger.output.component_covariance,
        shares=rules.estimate_ledger.output.shares,
        randomization_tests=rules.test_randomization.output.randomization_tests,
        leakage=rules.estimate_row_effects.output.leakage,
        design_diagnostics=rules.test_randomization.output.design_diagnostics,
        power=rules.estimate_ledger.output.power,
        item_level_claim=rules.estimate_row_effects.output.item_level_claim,
        segments=rules.estimate_ledger.output.segments,
        heterogeneity=rules.estimate_ledger.output.heterogeneity,
        code=code("plot_inference"),
    output:
        **{
            name: report(
                f"results/{{experiment}}/figures/{name}.svg",
                caption=f"../report/{name}.rst",
                category="Inference",
                labels={"experiment": "{experiment}", "figure": title},
            )
            for name, title in INFERENCE_FIGURES.items()
        },
        png=expand("results/{{experiment}}/figures/{figure}.png", figure=INFERENCE_FIGURES),
    log:
        "logs/{experiment}/plot_inference.log",
    benchmark:
        "logs/{experiment}/plot_inference.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(245),
        runtime=minutes(5),
    params:
        settings=lambda wildcards: settings(
            source=wildcards.experiment, outcome=unit_of(wildcards.experiment)
        ),
    message:
        "Plotting estimators, shares, tests and segments: {wildcards.experiment}"
    script:
        "../scripts/plot_inference.py"


rule plot_models:
    input:
        outcome_models=rules.fit_models.output.outcome_models,
        calibration=rules.fit_models.output.calibration,
        feature_importance=rules.fit_models.output.feature_importance,
        aipw=rules.fit_models.output.aipw,
        heterogeneity=rules.fit_models.output.heterogeneity,
        toc=rules.fit_models.output.toc,
        policies=rules.compare_policies.output.policies,
        verdict=rules.compare_policies.output.verdict,
        observed_effects=rules.estimate_row_effects.output.observed_effects,
        code=code("plot_models"),
    output:
        **{
            name: report(
                f"results/{{experiment}}/figures/{name}.svg",
                caption=f"../report/{name}.rst",
                category="Models and policies",
                labels={"experiment": "{experiment}", "figure": title},
            )
            for name, title in MODEL_FIGURES.items()
        },
        png=expand("results/{{experiment}}/figures/{figure}.png", figure=MODEL_FIGURES),
    log:
        "logs/{experiment}/plot_models.log",
    benchmark:
        "logs/{experiment}/plot_models.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(195),
        runtime=minutes(4),
    params:
        settings=lambda wildcards: settings(
            source=wildcards.experiment, outcome=unit_of(wildcards.experiment)
        ),
    message:
        "Plotting models, who gains, and policies: {wildcards.experiment}"
    script:
        "../scripts/plot_models.py"


rule plot_truth:
    input:
        accounts=rules.account_slates.output.accounts,
        component_effects=rules.estimate_ledger.output.component_effects,
        slate_effects=rules.fit_models.output.slate_effects,
        code=code("plot_truth"),
    output:
        **{
            name: report(
                f"results/{{experiment}}/figures/{name}.svg",
                caption=f"../report/{name}.rst",
                category="Truth of the simulation",
                labels={"experiment": "{experiment}", "figure": title},
            )
            for name, title in TRUTH_FIGURES.items()
        },
        png=expand("results/{{experiment}}/figures/{figure}.png", figure=TRUTH_FIGURES),
    log:
        "logs/{experiment}/plot_truth.log",
    benchmark:
        "logs/{experiment}/plot_truth.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(190, slates=100),
        runtime=minutes(3, slates=5),
    message:
        "Plotting the known effects: {wildcards.experiment}"
    script:
        "../scripts/plot_truth.py"


rule plot_robustness:
    input:
        robustness=rules.compare_worlds.output.robustness,
        code=code("plot_robustness"),
    output:
        figure=report(
            "results/{slate_set}/figures/robustness.svg",
            caption="../report/robustness.rst",
            category="Sensitivity",
            labels={"slates": "{slate_set}", "figure": "Robustness"},
        ),
        png="results/{slate_set}/figures/robustness.png",
    log:
        "logs/{slate_set}/plot_robustness.log",
    benchmark:
        "logs/{slate_set}/plot_robustness.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(155),
        runtime=minutes(2),
    message:
        "Plotting which conclusions hold: {wildcards.slate_set}"
    script:
        "../scripts/plot_robustness.py"


rule figures:
    input:
        expand(
            "results/{slate_set}/figures/{figure}.{format}",
            slate_set=SLATE_SETS,
            figure=[*SLATE_FIGURES, "robustness"],
            format=["svg", "png"],
        ),
        expand(
            "results/{experiment}/figures/{figure}.{format}",
            experiment=EXPERIMENTS,
            figure=EFFECT_FIGURES | INFERENCE_FIGURES | MODEL_FIGURES | TRUTH_FIGURES,
            format=["svg", "png"],
        ),
