# The configuration of the results, written next to them.
#
# REQUIRED INPUTS   none
# OUTPUTS           results/{dataset}/config.yaml


rule write_config:
    input:
        code=code("write_config"),
    output:
        "results/{dataset}/config.yaml",
    log:
        "logs/{dataset}/write_config.log",
    benchmark:
        "logs/{dataset}/write_config.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(60),
        runtime=minutes(1),
    params:
        settings=STUDY.config_settings(),
    message:
        "Writing the merged configuration of {wildcards.dataset}"
    script:
        "../scripts/write_config.py"
