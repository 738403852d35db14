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
        # Where archives lie is a matter of one machine and not of the study.
        settings=settings(**{key: value for key, value in STUDY.items() if key != "archives"}),
    message:
        "Writing the merged configuration of {wildcards.dataset}"
    script:
        "../scripts/write_config.py"
