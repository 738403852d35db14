# A team's own experiment log: checked, aggregated to accounts, and mapped to items; then analyzed
# like a simulated experiment.
#
# REQUIRED INPUTS   the files that logs.{log}.path and logs.{log}.items.path name
#                   for the example: results/{design}/{world}/items.parquet
# OUTPUTS           results/{design}/{world}/log.csv
#                   results/logs/{log}/contract.csv, row_counts.csv, slate_outcomes.parquet
#                   (contract_refused.csv instead of them where the log is refused)
#                   results/logs/{log}/items.parquet, outcome_by_position.csv, sections.csv


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


rule map_log:
    input:
        log_files=lambda wildcards: log_files(wildcards.log),
        accounts=rules.account_log.output.accounts,
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
        expand("results/logs/{log}/sections.csv", log=STUDY.logs),
