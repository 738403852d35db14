# A team's own experiment log: checked, aggregated to accounts, and mapped to items; then analyzed
# like a simulated experiment.
#
# REQUIRED INPUTS   the files that logs.{log}.path and logs.{log}.items.path name
#                   for the example: results/{design}/{world}/items.parquet
# OUTPUTS           results/{design}/{world}/log.csv
#                   results/logs/{log}/contract.csv, row_counts.csv, slate_outcomes.parquet
#                   (contract_refused.csv instead of them where the log is refused)
#                   results/logs/{log}/items.parquet, outcome_by_position.csv, sections.csv
#                   of a log with several arms the same of each variant, in results/logs/{log}.{variant};
#                   and results/logs/{log}/arm_counts.csv, arms.parquet; arms.smk has the rest


# A simulated experiment as a team would have logged it: an example whose truth is known.
rule export_log:
    input:
        slate_items=f"{DESIGN}/{{world}}/items.parquet",
        code=code("export_log"),
    output:
        example=f"{DESIGN}/{{world}}/log.csv",
    log:
        f"logs/{DESIGN_PATH}/{{world}}/export_log.log",
    benchmark:
        f"logs/{DESIGN_PATH}/{{world}}/export_log.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(200, slates=400),
        runtime=minutes(2, slates=20),
    message:
        "Writing the world {wildcards.world} as a log"
    script:
        "../scripts/export_log.py"


# Accounts of a log come from the log: its rows need not fit into memory.
ruleorder: account_log > account_slates


rule account_log:
    input:
        log_files=lambda wildcards: log_files(wildcards.log),
        code=code("account_log"),
    output:
        accounts="results/logs/{log}/slate_outcomes.parquet",
        contract="results/logs/{log}/contract.csv",
        row_counts="results/logs/{log}/row_counts.csv",
    log:
        "logs/logs/{log}/account_log.log",
    benchmark:
        "logs/logs/{log}/account_log.tsv"
    wildcard_constraints:
        log=rf"(?!(?:{ARM_LOGS})/)[A-Za-z0-9_-]+",
    conda:
        "../../environment.yml"
    threads: 4
    resources:
        mem_mb=memory(2900),
        runtime=minutes(80),
    params:
        settings=lambda wildcards: STUDY.log_settings(wildcards.log),
    message:
        "Checking the log {wildcards.log} and summing it to slates"
    script:
        "../scripts/account_log.py"


# A log with several arms is read once for all of its variants.
for arm_log in STUDY.arm_logs:

    rule:
        name:
            f"account_arms_{arm_log}"
        input:
            log_files=log_files(arm_log),
            code=code("account_arms"),
        output:
            accounts=expand(
                "results/logs/{log}/slate_outcomes.parquet", log=STUDY.contrasts(arm_log)
            ),
            contract=expand("results/logs/{log}/contract.csv", log=STUDY.contrasts(arm_log)),
            row_counts=expand("results/logs/{log}/row_counts.csv", log=STUDY.contrasts(arm_log)),
            arm_counts=named("arm_counts").path.format(several_arms=f"logs/{arm_log}"),
            arm_slates=named("arm_slates").path.format(several_arms=f"logs/{arm_log}"),
        log:
            f"logs/logs/{arm_log}/account_arms.log",
        benchmark:
            f"logs/logs/{arm_log}/account_arms.tsv"
        conda:
            "../../environment.yml"
        threads: 4
        resources:
            mem_mb=memory(2900),
            runtime=minutes(80),
        params:
            settings=STUDY.log_settings(arm_log),
        message:
            f"Checking the log {arm_log} and summing it to slates, for all variants"
        script:
            "../scripts/account_arms.py"

    workflow.ruleorder(f"account_arms_{arm_log}", "account_slates")


rule map_log:
    input:
        log_files=lambda wildcards: log_files(wildcards.log),
        accounts="results/logs/{log}/slate_outcomes.parquet",
        other_accounts=lambda wildcards: other_accounts(wildcards.log),
        code=code("map_log"),
    output:
        slate_items="results/logs/{log}/items.parquet",
    log:
        "logs/logs/{log}/map_log.log",
    benchmark:
        "logs/logs/{log}/map_log.tsv"
    conda:
        "../../environment.yml"
    threads: 4
    resources:
        mem_mb=memory(2900),
        runtime=minutes(80),
    params:
        settings=lambda wildcards: STUDY.log_settings(wildcards.log),
    message:
        "Mapping the rows of the log {wildcards.log}"
    script:
        "../scripts/map_log.py"


rule describe_positions:
    input:
        slate_items=rules.map_log.output.slate_items,
        code=code("describe_positions"),
    output:
        positions="results/logs/{log}/outcome_by_position.csv",
    log:
        "logs/logs/{log}/describe_positions.log",
    benchmark:
        "logs/logs/{log}/describe_positions.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(200, slates=500),
        runtime=minutes(2, slates=20),
    message:
        "Describing the outcome by position: log {wildcards.log}"
    script:
        "../scripts/describe_positions.py"


rule analyse_log:
    input:
        analysis_of_log,
        code=code("analyse_log"),
    output:
        sections="results/logs/{log}/sections.csv",
    log:
        "logs/logs/{log}/analyse_log.log",
    benchmark:
        "logs/logs/{log}/analyse_log.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(120),
        runtime=minutes(1),
    params:
        settings=lambda wildcards: STUDY.section_settings(wildcards.log),
    message:
        "Listing the available and missing sections of the log {wildcards.log}"
    script:
        "../scripts/analyse_log.py"


rule analyse:
    input:
        expand("results/logs/{log}/sections.csv", log=[*STUDY.logs, *STUDY.arm_logs]),
