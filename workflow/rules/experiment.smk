# Clicks in one world, and the accounts of each slate.
#
# REQUIRED INPUTS   results/{dataset}/size={size}/seed={seed}/exposure.parquet
# OUTPUTS           results/{dataset}/size={size}/seed={seed}/{world}/items.parquet
#                   results/{experiment}/slate_outcomes.parquet


def world_code(wildcards):
    """Return the code behind one world: of all competition models, only its own."""
    model = STUDY["worlds"][wildcards.world]["model"]
    return code("simulate_clicks", f"netlift.worlds.{model}")


rule simulate_clicks:
    message:
        "Simulating clicks in world {wildcards.world}, size {wildcards.size}, seed {wildcards.seed}"
    input:
        exposure=rules.assign_promotion.output.exposure,
        code=world_code,
    output:
        slate_items="results/{dataset}/size={size}/seed={seed}/{world}/items.parquet",
    log:
        "logs/{dataset}/size={size}/seed={seed}/{world}/simulate_clicks.log",
    benchmark:
        "logs/{dataset}/size={size}/seed={seed}/{world}/simulate_clicks.tsv"
    params:
        settings=lambda wildcards: settings(
            seed=int(wildcards.seed), world=STUDY["worlds"][wildcards.world]
        ),
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    script:
        "../scripts/simulate_clicks.py"


rule account_slates:
    message:
        "Summing outcomes to slates: {wildcards.experiment}"
    input:
        slate_items="results/{experiment}/items.parquet",
        code=code("account_slates"),
    output:
        accounts="results/{experiment}/slate_outcomes.parquet",
    log:
        "logs/{experiment}/account_slates.log",
    benchmark:
        "logs/{experiment}/account_slates.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    script:
        "../scripts/account_slates.py"


rule experiments:
    input:
        expand("results/{experiment}/slate_outcomes.parquet", experiment=EXPERIMENTS),
