# Slates before any promotion, and the experiment's design.
#
# REQUIRED INPUTS   resources/datasets/{dataset}/ratings.parquet, movies.parquet
# OUTPUTS           results/{dataset}/scorer/users.parquet, items.parquet, accuracy.csv
#                   results/{dataset}/size={size}/seed={seed}/slates.parquet, exposure.parquet


rule fit_scorer:
    input:
        ratings=rules.import_ratings.output.ratings,
        code=code("fit_scorer"),
    output:
        scorer_users="results/{dataset}/scorer/users.parquet",
        scorer_items="results/{dataset}/scorer/items.parquet",
        accuracy="results/{dataset}/scorer/accuracy.csv",
    log:
        "logs/{dataset}/fit_scorer.log",
    benchmark:
        "logs/{dataset}/fit_scorer.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(220, ratings=1500),
        runtime=minutes(2, ratings=60),
    params:
        settings=STUDY.scorer_settings(),
    message:
        "Fitting the scorer to the training ratings of {wildcards.dataset}"
    script:
        "../scripts/fit_scorer.py"


rule build_slates:
    input:
        ratings=rules.import_ratings.output.ratings,
        movies=rules.import_ratings.output.movies,
        scorer_users=rules.fit_scorer.output.scorer_users if STUDY.uses_scorer else [],
        scorer_items=rules.fit_scorer.output.scorer_items if STUDY.uses_scorer else [],
        code=code("build_slates"),
    output:
        slates="results/{dataset}/size={size}/seed={seed}/slates.parquet",
    log:
        "logs/{dataset}/size={size}/seed={seed}/build_slates.log",
    benchmark:
        "logs/{dataset}/size={size}/seed={seed}/build_slates.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(190, slates=300, ratings=1500),
        runtime=minutes(1, slates=10, ratings=60),
    params:
        settings=lambda wildcards: STUDY.slate_settings(
            size=int(wildcards.size), seed=int(wildcards.seed)
        ),
    message:
        "Building slates of {wildcards.size} items from {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/build_slates.py"


rule assign_promotion:
    input:
        slates=rules.build_slates.output.slates,
        code=code("assign_promotion"),
    output:
        exposure="results/{dataset}/size={size}/seed={seed}/exposure.parquet",
    log:
        "logs/{dataset}/size={size}/seed={seed}/assign_promotion.log",
    benchmark:
        "logs/{dataset}/size={size}/seed={seed}/assign_promotion.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(135, slates=220),
        runtime=minutes(1, slates=2),
    params:
        settings=lambda wildcards: STUDY.promotion_settings(int(wildcards.seed)),
    message:
        "Drawing focal items and promotions, size {wildcards.size}, seed {wildcards.seed}"
    script:
        "../scripts/assign_promotion.py"


rule slates:
    input:
        expand("results/{slate_set}/exposure.parquet", slate_set=SLATE_SETS),
