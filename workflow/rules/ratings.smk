# Ratings of one data set, whatever its source.
#
# REQUIRED INPUTS   none, or a user's own folder or zip (kind: folder)
# OUTPUTS           resources/datasets/{dataset}/ratings.parquet, movies.parquet


def own_ratings(wildcards):
    """Return the files of a user's own data set, so that an edit of them imports them again."""
    entry = STUDY["datasets"][wildcards.dataset]
    if entry["kind"] != "folder":
        return []
    path = Path(entry["path"])
    return sorted(map(str, path.rglob("*.csv"))) if path.is_dir() else [str(path)]


rule import_ratings:
    message:
        "Importing the ratings of {wildcards.dataset}"
    input:
        own=own_ratings,
        code=code("import_ratings"),
    output:
        ratings="resources/datasets/{dataset}/ratings.parquet",
        movies="resources/datasets/{dataset}/movies.parquet",
    log:
        "logs/{dataset}/import_ratings.log",
    benchmark:
        "logs/{dataset}/import_ratings.tsv"
    params:
        settings=lambda wildcards: settings(
            name=wildcards.dataset,
            entry=STUDY["datasets"][wildcards.dataset],
            downloads="resources/downloads",
        ),
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    script:
        "../scripts/import_ratings.py"
