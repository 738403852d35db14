# Validation: with slates and worlds fixed, assignment and clicks are redrawn many times.
#
# REQUIRED INPUTS   results/{dataset}/size={size}/seed={seed}/slates.parquet
# OUTPUTS           results/{dataset}/validation/{case}/slates.parquet, where a case has its own
#                   results/{dataset}/validation/{case}/{world}/*.parquet, facts.json
#                   results/{dataset}/validation/validation.md
#                   results/{dataset}/validation/coverage.csv, tests.csv, policies.csv
#                   results/{dataset}/validation/*.svg, *.png

VALIDATION_FIGURES = {
    "validation_coverage": "Coverage of intervals",
    "validation_bias": "Bias and standard errors",
    "validation_tests": "Size and power of tests",
    "validation_policies": "Error rates of the gate",
}
VALIDATION_FILES = {
    "ledgers": "ledgers.parquet",
    "tests": "tests.parquet",
    "policies": "policies.parquet",
    "facts": "facts.json",
}


wildcard_constraints:
    case="|".join(STUDY["validation"]["cases"]) or "none",


use rule build_slates as build_case_slates with:
    output:
        slates="results/{dataset}/validation/{case}/slates.parquet",
    log:
        "logs/{dataset}/validation/{case}/build_slates.log",
    benchmark:
        "logs/{dataset}/validation/{case}/build_slates.tsv"
    params:
        settings=case_slate_settings,
    message:
        "Building the slates of case {wildcards.case}"


rule validate_case:
    input:
        unpack(validation_inputs),
        code=lambda wildcards: world_code("validate_case", wildcards.world),
    output:
        **{
            name: f"results/{{dataset}}/validation/{{case}}/{{world}}/{file}"
            for name, file in VALIDATION_FILES.items()
        },
    log:
        "logs/{dataset}/validation/{case}/{world}/validate_case.log",
    benchmark:
        "logs/{dataset}/validation/{case}/{world}/validate_case.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(285, slates=1500),
        runtime=minutes(200, slates=150),
    params:
        settings=validation_settings,
    message:
        "Validating case {wildcards.case} in world {wildcards.world}"
    script:
        "../scripts/validate_case.py"


rule combine_validation:
    input:
        **{name: validation_files(file) for name, file in VALIDATION_FILES.items()},
        code=code("combine_validation"),
    output:
        coverage="results/{dataset}/validation/coverage.csv",
        tests="results/{dataset}/validation/tests.csv",
        policies="results/{dataset}/validation/policies.csv",
        report="results/{dataset}/validation/validation.md",
    log:
        "logs/{dataset}/validation/combine_validation.log",
    benchmark:
        "logs/{dataset}/validation/combine_validation.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(30),
    message:
        "Evaluating the replicates"
    script:
        "../scripts/combine_validation.py"


rule plot_validation:
    input:
        coverage=rules.combine_validation.output.coverage,
        tests=rules.combine_validation.output.tests,
        policies=rules.combine_validation.output.policies,
        code=code("plot_validation"),
    output:
        **{
            name: report(
                f"results/{{dataset}}/validation/{name}.svg",
                caption=f"../report/{name}.rst",
                category="Validation",
                labels={"data set": "{dataset}", "figure": title},
            )
            for name, title in VALIDATION_FIGURES.items()
        },
        png=expand("results/{{dataset}}/validation/{figure}.png", figure=VALIDATION_FIGURES),
    log:
        "logs/{dataset}/validation/plot_validation.log",
    benchmark:
        "logs/{dataset}/validation/plot_validation.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory(250),
        runtime=minutes(10),
    message:
        "Plotting the validation of {wildcards.dataset}"
    script:
        "../scripts/plot_validation.py"


rule validate:
    input:
        expand(
            "results/{dataset}/validation/{file}",
            dataset=STUDY["dataset"],
            file=[
                "coverage.csv",
                "tests.csv",
                "policies.csv",
                "validation.md",
                *(
                    f"{figure}.{format}"
                    for figure in VALIDATION_FIGURES
                    for format in ("svg", "png")
                ),
            ],
        ),
