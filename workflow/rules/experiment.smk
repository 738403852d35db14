# Clicks in one world, and the accounts of each slate.
#
# REQUIRED INPUTS   results/{design}/exposure.parquet
#                   for a world that uses the similarity of items: movies.parquet, scorer/items.parquet
# OUTPUTS           results/{design}/{world}/items.parquet, world.json
#                   results/{experiment}/slate_outcomes.parquet


rule simulate_clicks:
    input:
        unpack(similarity_tables),
        exposure=rules.assign_promotion.output.exposure,
        code=lambda wildcards: world_code("simulate_clicks", wildcards.world),
    output:
        slate_items=f"{DESIGN}/{{world}}/items.parquet",
        world=f"{DESIGN}/{{world}}/world.json",
    log:
        f"logs/{DESIGN_PATH}/{{world}}/simulate_clicks.log",
    benchmark:
        f"logs/{DESIGN_PATH}/{{world}}/simulate_clicks.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(210, slates=300),
        runtime=minutes(1, slates=4),
    params:
        settings=lambda wildcards: STUDY.click_settings(
            wildcards.world, wildcards.promotion, int(wildcards.seed)
        ),
    message:
        "Simulating clicks in world {wildcards.world}, size {wildcards.size}, seed {wildcards.seed}"
    script:
        "../scripts/simulate_clicks.py"


rule account_slates:
    input:
        slate_items="results/{experiment}/items.parquet",
        code=code("account_slates"),
    output:
        accounts="results/{experiment}/slate_outcomes.parquet",
    log:
        "logs/{experiment}/account_slates.log",
    benchmark:
        "logs/{experiment}/account_slates.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(160, slates=330),
        runtime=minutes(1, slates=2),
    message:
        "Summing outcomes to slates: {wildcards.experiment}"
    script:
        "../scripts/account_slates.py"


rule experiments:
    input:
        expand("results/{experiment}/slate_outcomes.parquet", experiment=EXPERIMENTS),
