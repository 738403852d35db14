# Effects of one experiment, from its items and slate accounts.
#
# REQUIRED INPUTS   results/{experiment}/items.parquet, slate_outcomes.parquet
# OUTPUTS           results/{experiment}/effects/*.csv, bootstrap_draws.parquet
#                   results/{slate_set}/robustness.csv, decision_statements.csv: all worlds together

LEDGER_TABLES = [
    "component_support",
    "component_effects",
    "additivity_checks",
    "component_covariance",
    "shares",
    "product_summary",
    "risk_by_position",
    "risk_by_cluster",
    "segments",
    "heterogeneity",
    "power",
]
ROW_TABLES = [
    "observed_effects",
    "spillover_support",
    "spillover_sensitivity",
    "conclusions",
    "leakage",
    "item_level_claim",
]
DESIGN_TABLES = ["randomization_tests", "design_diagnostics"]
EFFECT_TABLES = [*ROW_TABLES, *LEDGER_TABLES, *DESIGN_TABLES, "decision_statements"]


rule estimate_ledger:
    input:
        accounts=rules.account_slates.output.accounts,
        code=code("estimate_ledger"),
    output:
        **{name: shown_table(name, "Effects") for name in LEDGER_TABLES},
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
        settings=lambda wildcards: settings(
            seed=seed_of(wildcards.experiment),
            min_slates=STUDY["inference"]["min_slates"],
            bootstrap_draws=STUDY["inference"]["bootstrap_draws"],
            power_effects=STUDY["inference"]["power_effects"],
            units=units_of(wildcards.experiment),
        ),
    message:
        "Estimating the ledger: {wildcards.experiment}"
    script:
        "../scripts/estimate_ledger.py"


rule estimate_row_effects:
    input:
        slate_items="results/{experiment}/items.parquet",
        accounts=rules.account_slates.output.accounts,
        code=code("estimate_row_effects"),
    output:
        **{name: shown_table(name, "Effects") for name in ROW_TABLES},
        bootstrap_draws="results/{experiment}/effects/bootstrap_draws.parquet",
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
        settings=lambda wildcards: settings(
            seed=seed_of(wildcards.experiment),
            bootstrap_draws=STUDY["inference"]["bootstrap_draws"],
            near_positions=STUDY["inference"]["near_positions"],
            outcome=unit_of(wildcards.experiment),
        ),
    message:
        "Estimating effects on item rows: {wildcards.experiment}"
    script:
        "../scripts/estimate_row_effects.py"


rule test_randomization:
    input:
        slate_items="results/{experiment}/items.parquet",
        accounts=rules.account_slates.output.accounts,
        code=code("test_randomization"),
    output:
        **{name: shown_table(name, "Inference") for name in DESIGN_TABLES},
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
        settings=lambda wildcards: settings(
            seed=seed_of(wildcards.experiment),
            permutations=STUDY["inference"]["permutations"],
            studentized=STUDY["inference"]["studentized"],
            near_positions=STUDY["inference"]["near_positions"],
            outcome=unit_of(wildcards.experiment),
        ),
    message:
        "Testing for spillover and checking the design by randomization: {wildcards.experiment}"
    script:
        "../scripts/test_randomization.py"


rule state_decisions:
    input:
        product=rules.estimate_ledger.output.product_summary,
        segments=rules.estimate_ledger.output.segments,
        spillover=rules.estimate_row_effects.output.spillover_sensitivity,
        code=code("state_decisions"),
    output:
        decisions=shown_table("decision_statements", "Decisions"),
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
        settings=lambda wildcards: settings(outcome=unit_of(wildcards.experiment)),
    message:
        "Stating decisions: {wildcards.experiment}"
    script:
        "../scripts/state_decisions.py"


# Where files lie in a bucket, the storage plugin for S3 loses the constraints of wildcards.
ruleorder: state_decisions > compare_worlds


rule compare_worlds:
    input:
        conclusions=expand(
            "results/{{slate_set}}/{world}/effects/conclusions.csv", world=STUDY["study"]["worlds"]
        ),
        code=code("compare_worlds"),
    output:
        robustness=report(
            "results/{slate_set}/robustness.csv",
            caption="../report/table.rst",
            category="Sensitivity",
            labels={"slates": "{slate_set}", "table": "Conclusions by world"},
        ),
        decisions=report(
            "results/{slate_set}/decision_statements.csv",
            caption="../report/table.rst",
            category="Decisions",
            labels={"slates": "{slate_set}", "table": "Decision statements over worlds"},
        ),
    log:
        "logs/{slate_set}/compare_worlds.log",
    benchmark:
        "logs/{slate_set}/compare_worlds.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(120),
        runtime=minutes(1),
    params:
        settings=settings(worlds=STUDY["study"]["worlds"]),
    message:
        "Comparing the conclusions of all worlds: {wildcards.slate_set}"
    script:
        "../scripts/compare_worlds.py"


rule effects:
    input:
        expand("results/{slate_set}/decision_statements.csv", slate_set=SLATE_SETS),
        expand(
            "results/{experiment}/effects/{table}.csv",
            experiment=EXPERIMENTS,
            table=EFFECT_TABLES,
        ),
