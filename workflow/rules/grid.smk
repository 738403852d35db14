# Sensitivity grids: one world for many combinations of parameter values, in one job.
#
# REQUIRED INPUTS   results/{dataset}/size={size}/seed={seed}/exposure.parquet
# OUTPUTS           results/{dataset}/grid/{grid}.parquet, {grid}.svg, {grid}.png


rule compute_grid:
    input:
        unpack(lambda wildcards: STUDY.grid_inputs(wildcards.dataset, wildcards.grid)),
        code=lambda wildcards: world_code("compute_grid", STUDY.grid(wildcards.grid)["world"]),
    output:
        grid="results/{dataset}/grid/{grid}.parquet",
    log:
        "logs/{dataset}/grid/{grid}/compute_grid.log",
    benchmark:
        "logs/{dataset}/grid/{grid}/compute_grid.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(185, slates=330),
        runtime=minutes(4, slates=85),
    params:
        settings=lambda wildcards: STUDY.grid_settings(wildcards.grid),
    message:
        "Computing the grid {wildcards.grid}"
    script:
        "../scripts/compute_grid.py"


rule plot_grid:
    input:
        grid=rules.compute_grid.output.grid,
        code=code("plot_grid"),
    output:
        figure=report(
            "results/{dataset}/grid/{grid}.svg",
            caption="../report/grid.rst",
            category="Sensitivity",
            labels={"grid": "{grid}", "figure": "Heat maps"},
        ),
        png="results/{dataset}/grid/{grid}.png",
    log:
        "logs/{dataset}/grid/{grid}/plot_grid.log",
    benchmark:
        "logs/{dataset}/grid/{grid}/plot_grid.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(195),
        runtime=minutes(3),
    params:
        settings=lambda wildcards: settings(
            parameters=list(STUDY.grid(wildcards.grid)["parameters"])
        ),
    message:
        "Plotting the grid {wildcards.grid}"
    script:
        "../scripts/plot_grid.py"


rule grids:
    input:
        expand(
            "results/{dataset}/grid/{grid}.svg",
            dataset=STUDY.dataset,
            grid=STUDY.grids,
        ),
