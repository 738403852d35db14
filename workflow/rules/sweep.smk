# Sweeps: the ledger of many seeds, slate sizes and worlds, in blocks of seeds.
#
# REQUIRED INPUTS   resources/datasets/{dataset}/ratings.parquet, movies.parquet
#                   results/{dataset}/{slates}/scorer/users.parquet, items.parquet
# OUTPUTS           results/{block}/exposure.parquet, {world}/*.parquet, where {block} is
#                   {dataset}/{slates}/sweep/size={size}/seeds={seeds}/{promotion}
#                   results/studies/{study}/sweep/{promotion}/*.parquet, *.csv, *.svg, *.png


wildcard_constraints:
    seeds=r"[0-9,-]+",


rule sweep_slates:
    input:
        unpack(scorer_tables),
        ratings=rules.import_ratings.output.ratings,
        movies=rules.import_ratings.output.movies,
        code=code("sweep_slates"),
    output:
        # Kept: were it made again for a world that is added, Snakemake would run all worlds anew.
        exposure=f"results/{SWEEP_PATH}/exposure.parquet",
    log:
        f"logs/{SWEEP_PATH}/sweep_slates.log",
    benchmark:
        f"logs/{SWEEP_PATH}/sweep_slates.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(240, slates=300, ratings=1500),
        runtime=minutes(5, slates=35, ratings=60),
    params:
        settings=lambda wildcards: STUDY.sweep_slate_settings(
            wildcards.slates, wildcards.promotion, int(wildcards.size), wildcards.seeds
        ),
    message:
        "Building slates of {wildcards.size} items for seeds {wildcards.seeds}"
    script:
        "../scripts/sweep_slates.py"


rule sweep_effects:
    input:
        unpack(similarity_tables),
        exposure=rules.sweep_slates.output.exposure,
        code=lambda wildcards: world_code("sweep_effects", wildcards.world),
    output:
        effects=f"results/{SWEEP_PATH}/{{world}}/effects.parquet",
        conclusions=f"results/{SWEEP_PATH}/{{world}}/conclusions.parquet",
    log:
        f"logs/{SWEEP_PATH}/{{world}}/sweep_effects.log",
    benchmark:
        f"logs/{SWEEP_PATH}/{{world}}/sweep_effects.tsv"
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
        effects=lambda wildcards: sweep_files(wildcards.promotion, "effects.parquet"),
        conclusions=lambda wildcards: sweep_files(wildcards.promotion, "conclusions.parquet"),
        code=code("combine_sweep"),
    output:
        **makes("combine_sweep"),
    log:
        f"logs/{STUDY_PATH}/sweep/{{promotion}}/combine_sweep.log",
    benchmark:
        f"logs/{STUDY_PATH}/sweep/{{promotion}}/combine_sweep.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(30),
    params:
        settings=lambda wildcards: sweep_design(wildcards.promotion),
    message:
        "Combining the blocks of the sweep of {wildcards.study}, {wildcards.promotion}"
    script:
        "../scripts/combine_sweep.py"


rule plot_sweep:
    input:
        **needs("plot_sweep"),
        code=figure_code("plot_sweep"),
    output:
        **makes("plot_sweep"),
    log:
        f"logs/{STUDY_PATH}/sweep/{{promotion}}/plot_sweep.log",
    benchmark:
        f"logs/{STUDY_PATH}/sweep/{{promotion}}/plot_sweep.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(30),
    params:
        settings=lambda wildcards: drawing(
            "plot_sweep", f"{STUDY_PATH}/sweep/{{promotion}}".format(**wildcards)
        ),
    message:
        "Plotting the sweep of {wildcards.study}, {wildcards.promotion}"
    script:
        "../scripts/plot_figures.py"


rule sweep:
    input:
        expand(
            files_of("combine_sweep", "plot_sweep"),
            study=STUDY.name,
            promotion=STUDY.config["sweep"]["promotions"],
        ),
