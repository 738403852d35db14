# Sensitivity grids: one world for many combinations of parameter values, in one job.
#
# REQUIRED INPUTS   results/{design}/exposure.parquet
# OUTPUTS           results/{design}/grid/{grid}.parquet, {grid}.svg, {grid}.png


rule compute_grid:
    input:
        unpack(
            lambda wildcards: STUDY.grid_inputs(
                wildcards.dataset, wildcards.slates, wildcards.grid
            )
        ),
        exposure=rules.assign_promotion.output.exposure,
        code=lambda wildcards: world_code("compute_grid", STUDY.grid(wildcards.grid)["world"]),
    output:
        grid=f"{DESIGN}/grid/{{grid}}.parquet",
    log:
        f"logs/{DESIGN_PATH}/grid/{{grid}}/compute_grid.log",
    benchmark:
        f"logs/{DESIGN_PATH}/grid/{{grid}}/compute_grid.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(185, slates=330),
        runtime=minutes(4, slates=85),
    params:
        settings=lambda wildcards: STUDY.grid_settings(wildcards.grid, int(wildcards.seed)),
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
            f"{DESIGN}/grid/{{grid}}.svg",
            caption="../report/grid.rst",
            category="Sensitivity",
            labels={"grid": "{grid}", "figure": "Heat maps"},
        ),
        png=f"{DESIGN}/grid/{{grid}}.png",
    log:
        f"logs/{DESIGN_PATH}/grid/{{grid}}/plot_grid.log",
    benchmark:
        f"logs/{DESIGN_PATH}/grid/{{grid}}/plot_grid.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(195),
        runtime=minutes(3),
    params:
        settings=lambda wildcards: settings(
            parameters=list(STUDY.grid(wildcards.grid)["parameters"]),
            source=f"{DESIGN_PATH}/grid/{{grid}}".format(**wildcards),
        ),
    message:
        "Plotting the grid {wildcards.grid}"
    script:
        "../scripts/plot_grid.py"


rule grids:
    input:
        [f"results/{path}.svg" for path in STUDY.grid_paths],
