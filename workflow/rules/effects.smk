# Effects of one experiment, from its items and slate accounts.
#
# REQUIRED INPUTS   results/{experiment}/items.parquet, slate_outcomes.parquet
# OUTPUTS           results/{experiment}/effects/*.csv, bootstrap_draws.parquet
#                   results/studies/{study}/size={size}/seed={seed}/{promotion}/robustness.csv,
#                   decision_statements.csv: all worlds together
#                   results/studies/{study}/size={size}/seed={seed}/promotions.csv,
#                   promotion_statements.csv: all promotions together, if there are several


rule estimate_ledger:
    input:
        **needs("estimate_ledger"),
        code=code("estimate_ledger"),
    output:
        **makes("estimate_ledger"),
    log:
        "logs/{experiment}/estimate_ledger.log",
    benchmark:
        "logs/{experiment}/estimate_ledger.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(205, slates=100),
        runtime=minutes(2, slates=2),
    params:
        settings=lambda wildcards: STUDY.ledger_settings(wildcards.experiment),
    message:
        "Estimating the ledger: {wildcards.experiment}"
    script:
        "../scripts/estimate_ledger.py"


rule estimate_delivered:
    input:
        **needs("estimate_delivered"),
        code=code("estimate_delivered"),
    output:
        **makes("estimate_delivered"),
    log:
        "logs/{experiment}/estimate_delivered.log",
    benchmark:
        "logs/{experiment}/estimate_delivered.tsv"
    wildcard_constraints:
        experiment=logs_with_delivery(),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(205, slates=100),
        runtime=minutes(2, slates=2),
    params:
        settings=lambda wildcards: STUDY.delivered_settings(wildcards.experiment),
    message:
        "Estimating the effects of delivered promotions: {wildcards.experiment}"
    script:
        "../scripts/estimate_delivered.py"


rule estimate_row_effects:
    input:
        **needs("estimate_row_effects"),
        code=code("estimate_row_effects"),
    output:
        **makes("estimate_row_effects"),
    log:
        "logs/{experiment}/estimate_row_effects.log",
    benchmark:
        "logs/{experiment}/estimate_row_effects.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(235, slates=530),
        runtime=minutes(2, slates=25),
    params:
        settings=lambda wildcards: STUDY.row_effect_settings(wildcards.experiment),
    message:
        "Estimating effects on item rows: {wildcards.experiment}"
    script:
        "../scripts/estimate_row_effects.py"


rule estimate_diversion:
    input:
        **needs("estimate_diversion"),
        code=code("estimate_diversion"),
    output:
        **makes("estimate_diversion"),
    log:
        "logs/{experiment}/estimate_diversion.log",
    benchmark:
        "logs/{experiment}/estimate_diversion.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(180, slates=530),
        runtime=minutes(2, slates=10),
    params:
        settings=lambda wildcards: STUDY.diversion_settings(wildcards.experiment),
    message:
        "Estimating who pays for promotions: {wildcards.experiment}"
    script:
        "../scripts/estimate_diversion.py"


rule test_randomization:
    input:
        **needs("test_randomization"),
        code=code("test_randomization"),
    output:
        **makes("test_randomization"),
    log:
        "logs/{experiment}/test_randomization.log",
    benchmark:
        "logs/{experiment}/test_randomization.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(230, slates=360),
        runtime=minutes(4, slates=80),
    params:
        settings=lambda wildcards: STUDY.randomization_settings(wildcards.experiment),
    message:
        "Testing for spillover and checking the design by randomization: {wildcards.experiment}"
    script:
        "../scripts/test_randomization.py"


rule state_decisions:
    input:
        **needs("state_decisions") | {"spillover_sensitivity": definitions_of},
        checks=lambda wildcards: checks_of_log(wildcards.experiment),
        code=code("state_decisions"),
    output:
        **makes("state_decisions"),
    log:
        "logs/{experiment}/state_decisions.log",
    benchmark:
        "logs/{experiment}/state_decisions.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(115),
        runtime=minutes(1),
    params:
        settings=lambda wildcards: decision_settings(wildcards.experiment),
    message:
        "Stating decisions: {wildcards.experiment}"
    script:
        "../scripts/state_decisions.py"


# Where files lie in a bucket, the storage plugin for S3 loses the constraints of wildcards.
ruleorder: state_decisions > compare_worlds


rule compare_worlds:
    input:
        conclusions=expand(
            f"{DESIGN}/{{world}}/{named('conclusions').file}",
            dataset=STUDY.dataset,
            slates=STUDY.slates,
            world=STUDY.worlds,
            allow_missing=True,
        ),
        code=code("compare_worlds"),
    output:
        **makes("compare_worlds"),
    log:
        f"logs/{OVER_WORLDS_PATH}/compare_worlds.log",
    benchmark:
        f"logs/{OVER_WORLDS_PATH}/compare_worlds.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(120),
        runtime=minutes(1),
    params:
        settings=settings(worlds=STUDY.worlds),
    message:
        "Comparing the conclusions of all worlds, size {wildcards.size}, seed {wildcards.seed}"
    script:
        "../scripts/compare_worlds.py"


rule compare_promotions:
    input:
        summaries=summaries_of,
        code=code("compare_promotions"),
    output:
        **makes("compare_promotions"),
    log:
        f"logs/{OVER_PROMOTIONS_PATH}/compare_promotions.log",
    benchmark:
        f"logs/{OVER_PROMOTIONS_PATH}/compare_promotions.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(120),
        runtime=minutes(1),
    params:
        settings=STUDY.promotions_settings(),
    message:
        "Comparing the promotions of the study, size {wildcards.size}, seed {wildcards.seed}"
    script:
        "../scripts/compare_promotions.py"


rule effects:
    input:
        expand(files_of("compare_worlds"), **CHOICES),
        over_promotions("compare_promotions"),
        expand(files_of(*ESTIMATES), experiment=EXPERIMENTS),
