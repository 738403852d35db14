# Slates before any promotion, and the experiment's design.
#
# REQUIRED INPUTS   resources/datasets/{dataset}/ratings.parquet, movies.parquet
# OUTPUTS           results/{dataset}/{slates}/scorer/users.parquet, items.parquet, accuracy.csv
#                   results/{dataset}/{slates}/size={size}/seed={seed}/slates.parquet
#                   results/{dataset}/{slates}/size={size}/seed={seed}/{promotion}/exposure.parquet


rule fit_scorer:
    input:
        ratings=rules.import_ratings.output.ratings,
        code=code("fit_scorer"),
    output:
        scorer_users=f"results/{RECIPE_PATH}/scorer/users.parquet",
        scorer_items=f"results/{RECIPE_PATH}/scorer/items.parquet",
        accuracy=f"results/{RECIPE_PATH}/scorer/accuracy.csv",
    log:
        f"logs/{RECIPE_PATH}/fit_scorer.log",
    benchmark:
        f"logs/{RECIPE_PATH}/fit_scorer.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(220, ratings=1500),
        runtime=minutes(2, ratings=60),
    params:
        settings=lambda wildcards: STUDY.scorer_settings(wildcards.slates),
    message:
        "Fitting the scorer to the training ratings of {wildcards.dataset}"
    script:
        "../scripts/fit_scorer.py"


rule build_slates:
    input:
        unpack(scorer_tables),
        ratings=rules.import_ratings.output.ratings,
        movies=rules.import_ratings.output.movies,
        code=code("build_slates"),
    output:
        slates=f"{SLATE_SET}/slates.parquet",
    log:
        f"logs/{SLATES_PATH}/build_slates.log",
    benchmark:
        f"logs/{SLATES_PATH}/build_slates.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(190, slates=300, ratings=1500),
        runtime=minutes(1, slates=10, ratings=60),
    params:
        settings=lambda wildcards: STUDY.slate_settings(
            wildcards.slates, size=int(wildcards.size), seed=int(wildcards.seed)
        ),
    message:
        "Building slates of {wildcards.size} items from {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/build_slates.py"


rule assign_promotion:
    input:
        slates=slates_to_promote,
        code=code("assign_promotion"),
    output:
        exposure=f"{DESIGN}/exposure.parquet",
    log:
        f"logs/{DESIGN_PATH}/assign_promotion.log",
    benchmark:
        f"logs/{DESIGN_PATH}/assign_promotion.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(135, slates=220),
        runtime=minutes(1, slates=2),
    params:
        settings=lambda wildcards: STUDY.promotion_settings(
            wildcards.promotion, int(wildcards.seed)
        ),
    message:
        "Drawing focal items and promotions {wildcards.promotion}, size {wildcards.size}, seed {wildcards.seed}"
    script:
        "../scripts/assign_promotion.py"


rule slates:
    input:
        expand(named("exposure").path, **CHOICES),
