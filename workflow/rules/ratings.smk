# Ratings of one data set, whatever its source.
#
# REQUIRED INPUTS   none, or a user's own folder or zip (kind: folder)
# OUTPUTS           resources/datasets/{dataset}/ratings.parquet, movies.parquet


rule import_ratings:
    input:
        own=lambda wildcards: rating_files(wildcards.dataset),
        code=code("import_ratings"),
    output:
        ratings="resources/datasets/{dataset}/ratings.parquet",
        movies="resources/datasets/{dataset}/movies.parquet",
    log:
        "logs/{dataset}/import_ratings.log",
    benchmark:
        "logs/{dataset}/import_ratings.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(150, ratings=500),
        runtime=minutes(1, ratings=60),
    params:
        settings=lambda wildcards: STUDY.import_settings(wildcards.dataset),
    message:
        "Importing the ratings of {wildcards.dataset}"
    script:
        "../scripts/import_ratings.py"
