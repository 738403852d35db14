# Outcome models, effect models, AIPW, policies, and which item to promote, of one experiment.
#
# REQUIRED INPUTS   results/{experiment}/items.parquet, slate_outcomes.parquet
# OUTPUTS           results/{experiment}/models/*.csv, slate_effects.parquet,
#                   slate_policies.parquet, verdict.json, fitted/*: the models themselves,
#                   candidate_choices.parquet, candidate_verdict.json


rule fit_models:
    input:
        **needs("fit_models"),
        code=code("fit_models"),
    output:
        **makes("fit_models"),
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
        **needs("compare_policies"),
        code=code("compare_policies"),
    output:
        **makes("compare_policies"),
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


rule compare_candidates:
    input:
        **needs("compare_candidates"),
        code=code("compare_candidates"),
    output:
        **makes("compare_candidates"),
    log:
        "logs/{experiment}/compare_candidates.log",
    benchmark:
        "logs/{experiment}/compare_candidates.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(275, slates=2000),
        runtime=minutes(5, slates=155),
    params:
        settings=lambda wildcards: STUDY.candidate_settings(wildcards.experiment),
    message:
        "Comparing rules for which item to promote: {wildcards.experiment}"
    script:
        "../scripts/compare_candidates.py"


rule models:
    input:
        expand(files_of(*MODEL_RULES), experiment=EXPERIMENTS),
