# Sweeps: the ledger of many seeds, slate sizes and worlds, in blocks of seeds.
#
# REQUIRED INPUTS   resources/datasets/{dataset}/ratings.parquet, movies.parquet
#                   results/{dataset}/scorer/users.parquet, items.parquet
# OUTPUTS           results/{dataset}/sweep/size={size}/seeds={seeds}/exposure.parquet
#                   results/{dataset}/sweep/size={size}/seeds={seeds}/{world}/*.parquet
#                   results/{dataset}/sweep/*.parquet, *.csv, *.svg, *.png

SWEEP_FOLDER = "results/{dataset}/sweep/size={size}/seeds={seeds}"


wildcard_constraints:
    seeds=r"[0-9,-]+",


rule sweep_slates:
    input:
        ratings=rules.import_ratings.output.ratings,
        movies=rules.import_ratings.output.movies,
        scorer_users=rules.fit_scorer.output.scorer_users if STUDY.uses_scorer else [],
        scorer_items=rules.fit_scorer.output.scorer_items if STUDY.uses_scorer else [],
        code=code("sweep_slates"),
    output:
        # Kept: were it made again for a world that is added, Snakemake would run all worlds anew.
        exposure=f"{SWEEP_FOLDER}/exposure.parquet",
    log:
        "logs/{dataset}/sweep/size={size}/seeds={seeds}/sweep_slates.log",
    benchmark:
        "logs/{dataset}/sweep/size={size}/seeds={seeds}/sweep_slates.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(240, slates=300, ratings=1500),
        runtime=minutes(5, slates=35, ratings=60),
    params:
        settings=lambda wildcards: STUDY.sweep_slate_settings(int(wildcards.size), wildcards.seeds),
    message:
        "Building slates of {wildcards.size} items for seeds {wildcards.seeds}"
    script:
        "../scripts/sweep_slates.py"


rule sweep_effects:
    input:
        unpack(lambda wildcards: STUDY.similarity_tables(wildcards.dataset, wildcards.world)),
        exposure=rules.sweep_slates.output.exposure,
        code=lambda wildcards: world_code("sweep_effects", wildcards.world),
    output:
        effects=f"{SWEEP_FOLDER}/{{world}}/effects.parquet",
        conclusions=f"{SWEEP_FOLDER}/{{world}}/conclusions.parquet",
    log:
        "logs/{dataset}/sweep/size={size}/seeds={seeds}/{world}/sweep_effects.log",
    benchmark:
        "logs/{dataset}/sweep/size={size}/seeds={seeds}/{world}/sweep_effects.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(240, slates=300),
        runtime=minutes(5, slates=30),
    params:
        settings=lambda wildcards: STUDY.sweep_effect_settings(wildcards.world, int(wildcards.size)),
    message:
        "Estimating the sweep: world {wildcards.world}, slates of {wildcards.size}, seeds {wildcards.seeds}"
    script:
        "../scripts/sweep_effects.py"


rule combine_sweep:
    input:
        effects=lambda wildcards: sweep_files(wildcards.dataset, "effects.parquet"),
        conclusions=lambda wildcards: sweep_files(wildcards.dataset, "conclusions.parquet"),
        code=code("combine_sweep"),
    output:
        **makes("combine_sweep"),
    log:
        "logs/{dataset}/sweep/combine_sweep.log",
    benchmark:
        "logs/{dataset}/sweep/combine_sweep.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(30),
    params:
        settings=lambda wildcards: sweep_design(wildcards.dataset),
    message:
        "Combining the blocks of the sweep"
    script:
        "../scripts/combine_sweep.py"


rule plot_sweep:
    input:
        **needs("plot_sweep"),
        code=figure_code("plot_sweep"),
    output:
        **makes("plot_sweep"),
    log:
        "logs/{dataset}/sweep/plot_sweep.log",
    benchmark:
        "logs/{dataset}/sweep/plot_sweep.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(30),
    params:
        settings=lambda wildcards: drawing("plot_sweep", f"{wildcards.dataset}/sweep"),
    message:
        "Plotting the sweep of {wildcards.dataset}"
    script:
        "../scripts/plot_figures.py"


rule sweep:
    input:
        expand(files_of("combine_sweep", "plot_sweep"), dataset=STUDY.dataset),
