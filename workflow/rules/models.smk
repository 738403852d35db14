# Outcome models, effect models, AIPW, and policies of one experiment.
#
# REQUIRED INPUTS   results/{experiment}/items.parquet, slate_outcomes.parquet
# OUTPUTS           results/{experiment}/models/*.csv, slate_effects.parquet,
#                   slate_policies.parquet, verdict.json, fitted/*: the models themselves

MODEL_TABLES = {
    "outcome_models": "outcome_models.csv",
    "calibration": "calibration.csv",
    "feature_importance": "feature_importance.csv",
    "aipw": "aipw.csv",
    "heterogeneity": "heterogeneity.csv",
    "toc": "toc.csv",
    "slate_effects": "slate_effects.parquet",
}
MODEL_FILES = {
    "linear": "linear.csv",
    "xgboost": "xgboost.ubj",
    "lightgbm": "lightgbm.txt",
    "row_logistic": "row_logistic.csv",
    "row_lightgbm": "row_lightgbm.txt",
}
POLICY_TABLES = {
    "policies": "policies.csv",
    "slate_policies": "slate_policies.parquet",
    "verdict": "verdict.json",
}


rule fit_models:
    input:
        slate_items="results/{experiment}/items.parquet",
        accounts=rules.account_slates.output.accounts,
        code=code("fit_models"),
    output:
        **{
            name: (
                shown_table(name, "Models and policies", "models")
                if file.endswith(".csv")
                else f"results/{{experiment}}/models/{file}"
            )
            for name, file in MODEL_TABLES.items()
        },
        **{
            name: f"results/{{experiment}}/models/fitted/{file}"
            for name, file in MODEL_FILES.items()
        },
    log:
        "logs/{experiment}/fit_models.log",
    benchmark:
        "logs/{experiment}/fit_models.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(285, slates=1500),
        runtime=minutes(8, slates=210),
    params:
        settings=lambda wildcards: STUDY.model_settings(wildcards.experiment),
    message:
        "Fitting outcome models and effect models: {wildcards.experiment}"
    script:
        "../scripts/fit_models.py"


rule compare_policies:
    input:
        slate_items="results/{experiment}/items.parquet",
        accounts=rules.account_slates.output.accounts,
        slate_effects=rules.fit_models.output.slate_effects,
        aipw=rules.fit_models.output.aipw,
        heterogeneity=rules.fit_models.output.heterogeneity,
        code=code("compare_policies"),
    output:
        **{
            name: (
                shown_table(name, "Models and policies", "models")
                if file.endswith(".csv")
                else f"results/{{experiment}}/models/{file}"
            )
            for name, file in POLICY_TABLES.items()
        },
    log:
        "logs/{experiment}/compare_policies.log",
    benchmark:
        "logs/{experiment}/compare_policies.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(180, slates=400),
        runtime=minutes(1, slates=5),
    params:
        settings=lambda wildcards: STUDY.policy_settings(wildcards.experiment),
    message:
        "Comparing policies: {wildcards.experiment}"
    script:
        "../scripts/compare_policies.py"


rule models:
    input:
        expand(
            "results/{experiment}/models/{file}",
            experiment=EXPERIMENTS,
            file=[
                *(MODEL_TABLES | POLICY_TABLES).values(),
                *(f"fitted/{file}" for file in MODEL_FILES.values()),
            ],
        ),
