# The configuration of the results, written next to them.
#
# REQUIRED INPUTS   none
# OUTPUTS           results/studies/{study}/config.yaml


rule write_config:
    input:
        code=code("write_config"),
    output:
        f"{STUDY_FOLDER}/config.yaml",
    log:
        f"logs/{STUDY_PATH}/write_config.log",
    benchmark:
        f"logs/{STUDY_PATH}/write_config.tsv"
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
        "Writing the merged configuration of the study {wildcards.study}"
    script:
        "../scripts/write_config.py"


rule study_configuration:
    input:
        expand(f"{STUDY_FOLDER}/config.yaml", study=STUDY.name),
