# Sweeps: the ledger of many seeds, slate sizes and worlds, in blocks of seeds.
#
# REQUIRED INPUTS   resources/datasets/{dataset}/ratings.parquet, movies.parquet
#                   results/{dataset}/scorer/users.parquet, items.parquet
# OUTPUTS           results/{dataset}/sweep/size={size}/seeds={seeds}/exposure.parquet
#                   results/{dataset}/sweep/size={size}/seeds={seeds}/{world}/*.parquet
#                   results/{dataset}/sweep/*.parquet, *.csv, *.svg, *.png

SWEEP_FIGURES = {
    "sweep_estimates": "Estimates by seed",
    "sweep_distribution": "Distribution over seeds",
    "sweep_conclusions": "Conclusions over seeds",
}
SWEEP_FOLDER = "results/{dataset}/sweep/size={size}/seeds={seeds}"


wildcard_constraints:
    seeds=r"[0-9,-]+",


rule sweep_slates:
    input:
        ratings=rules.import_ratings.output.ratings,
        movies=rules.import_ratings.output.movies,
        scorer_users=rules.fit_scorer.output.scorer_users if USES_SCORER else [],
        scorer_items=rules.fit_scorer.output.scorer_items if USES_SCORER else [],
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
        settings=lambda wildcards: settings(
            seeds=wildcards.seeds,
            slates=slate_settings(wildcards),
            promotion=STUDY["promotion"],
        ),
    message:
        "Building slates of {wildcards.size} items for seeds {wildcards.seeds}"
    script:
        "../scripts/sweep_slates.py"


rule sweep_effects:
    input:
        unpack(
            lambda wildcards: similarity_tables(
                wildcards.dataset, STUDY["worlds"][wildcards.world]
            )
        ),
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
        settings=lambda wildcards: settings(
            name=wildcards.world,
            world=STUDY["worlds"][wildcards.world],
            size=int(wildcards.size),
        ),
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
        effects="results/{dataset}/sweep/effects.parquet",
        conclusions="results/{dataset}/sweep/conclusions.parquet",
        summary="results/{dataset}/sweep/summary.csv",
        shares="results/{dataset}/sweep/conclusion_shares.csv",
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
    message:
        "Combining the blocks of the sweep"
    script:
        "../scripts/combine_sweep.py"


rule plot_sweep:
    input:
        effects=rules.combine_sweep.output.effects,
        shares=rules.combine_sweep.output.shares,
        code=code("plot_sweep"),
    output:
        **{
            name: report(
                f"results/{{dataset}}/sweep/{name}.svg",
                caption=f"../report/{name}.rst",
                category="Sweep",
                labels={"data set": "{dataset}", "figure": title},
            )
            for name, title in SWEEP_FIGURES.items()
        },
        png=expand("results/{{dataset}}/sweep/{figure}.png", figure=SWEEP_FIGURES),
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
    message:
        "Plotting the sweep of {wildcards.dataset}"
    script:
        "../scripts/plot_sweep.py"


rule sweep:
    input:
        expand(
            "results/{dataset}/sweep/{file}",
            dataset=STUDY["dataset"],
            file=[
                "effects.parquet",
                "conclusions.parquet",
                "summary.csv",
                "conclusion_shares.csv",
                *(f"{figure}.{format}" for figure in SWEEP_FIGURES for format in ("svg", "png")),
            ],
        ),
