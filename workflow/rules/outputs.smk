# What rules take from the registry of outputs (netlift/workflow/outputs.yaml): the files that each
# needs and makes, and how Snakemake's report shows them.
from netlift.core.outcome import CLICKS
from netlift.core.tables import write_text
from netlift.workflow.checks import with_two_arms
from netlift.workflow.outputs import (
    DELIVERY_RULES,
    DESIGN,
    EXPERIMENT,
    ESTIMATES,
    FIGURE_RULES,
    MODEL_RULES,
    REGISTRY,
    RULES,
    OVER_WORLDS,
    SLATE_SET,
    STUDY as STUDY_FOLDER,
    TRUTH_RULE,
    Figure,
    drawings,
    figures_of,
    files_of,
    files_of_log,
    made_by,
    maker,
    named,
    needs_of,
    outputs_of_log,
    page_outputs,
)


def analysis_of_log(wildcards):
    """Return the files of a log's analysis: tables, figures, its page, and its decision."""
    entry = log_entry(wildcards.log)
    pages = ["report.html", "decision.json"] if entry.is_experiment else ["report.html"]
    return log_results(wildcards.log) + [f"results/logs/{wildcards.log}/{page}" for page in pages]


def log_results(log):
    """Return the tables and figures of a log."""
    return expand(files_of_log(**log_entry(log).analysis), experiment=f"logs/{log}")


def logs_with_delivery():
    """Return a regular expression of the experiments that record which promotions were delivered."""
    return "|".join(f"logs/{log}" for log, e in STUDY.logs.items() if e.records_delivery) or "(?!)"


def of_contrasts(several_arms, file):
    """Return a file of each variant compared with control."""
    return [f"results/{variant.path}/{file}" for variant in STUDY.variants(several_arms).values()]


def tests_of_contrasts(several_arms):
    """Return the randomization tests of each contrast; none where item rows are not kept."""
    folder = Path(several_arms)
    if folder.parent.name == "logs" and not STUDY.arm_logs[folder.name].row_stages:
        return []
    return of_contrasts(several_arms, named("randomization_tests").file)


def exposure_of_arms(wildcards):
    """Return the exposure table of one variant: it has the slates of all arms."""
    first, *_ = STUDY.variants(wildcards.several_arms).values()
    return f"results/{first.design}/{named('exposure').file}"


def pages_of_arms():
    """Return what all variants of each simulated experiment with several arms say together."""
    folders = [experiment.path for experiment in STUDY.arm_experiments]
    return expand(
        ["results/{several_arms}/report.html", "results/{several_arms}/decision.json"]
        + files_of("count_arms", "compare_arms", "plot_arms"),
        several_arms=folders,
    )


def other_accounts(log):
    """Return the accounts of the other contrasts of a log with several arms."""
    if log_entry(log).contrast is None:
        return []
    of_all = of_contrasts(f"logs/{log.split('.')[0]}", "slate_outcomes.parquet")
    return [path for path in of_all if f"/{log}/" not in path]


def checks_of_log(experiment):
    """Return the results of a log's checks; nothing for a simulated experiment."""
    folder = Path("results", experiment)
    names = ("contract", "row_counts") if folder.parent.name == "logs" else ()
    return [str(folder / f"{name}.csv") for name in names]


def definitions_of(wildcards):
    """Return the table of definitions of spillover; nothing for a log without row stages."""
    folder = Path("results", wildcards.experiment)
    if folder.parent.name == "logs" and not log_entry(folder.name).has_row_stages:
        return []
    return named("spillover_sensitivity").path.format(experiment=wildcards.experiment)


def page_files(wildcards):
    """Return what the page of an experiment needs: the outputs of the stages before it."""
    folder = Path("results", wildcards.experiment)
    if folder.parent.name == "logs":
        return [path for path in log_results(folder.name) if not path.endswith(".png")]
    return [
        str((folder if output.folder == EXPERIMENT else folder.parent) / output.file)
        for output in page_outputs()
    ]


def over_promotions(*rules):
    """Return what rules make of all promotions of the same slates; nothing of a single one."""
    several = len(STUDY.promotions) > 1
    return expand(files_of(*rules), **SLATE_CHOICES) if several else []


def validation_results(_):
    """Return the results of the validation, of each promotion with two arms."""
    return expand(
        files_of("combine_validation", "plot_validation"),
        study=STUDY.name,
        promotion=plain_errors(with_two_arms)(STUDY.config),
    )


def needs(rule):
    """Return what a rule reads, by name."""
    return {output.name: output.path for output in needs_of(rule)}


def makes(rule):
    """Return what a rule makes, by name; Snakemake's report shows figures and CSV tables."""
    outputs = made_by(rule)
    copies = [path for output in outputs for path in output.copies]
    shown = {output.name: in_report(output) for output in outputs}
    return shown | ({"copies": copies} if copies else {})


def in_report(output):
    """Return a file marked for Snakemake's report, or the path of one that is not in it."""
    is_figure = isinstance(output, Figure)
    if not (is_figure or (output.answers and output.suffix == ".csv")):
        return output.path
    name = output.title if is_figure else output.name.replace("_", " ").capitalize()
    return report(
        output.path,
        caption=caption_file(output) if is_figure else "../report/table.rst",
        category=RULES[output.rule].category,
        labels={
            "of": os.path.relpath(output.folder, "results"),
            "figure" if is_figure else "table": name,
        },
    )


def caption_file(figure):
    """Write the caption of a figure for Snakemake's report; return the file."""
    file = Path(".snakemake/netlift/captions", f"{figure.name}.rst").absolute()
    caption = CLICKS.fill(figure.caption)
    if not file.exists() or file.read_text(encoding="utf-8") != caption:
        write_text(caption, file)
    return str(file)


def drawing(rule, source):
    """Return the settings of a rule that draws figures."""
    has_unit = rule in (*FIGURE_RULES, *DELIVERY_RULES)
    outcome = {"outcome": unit_of(source)} if has_unit else {}
    return settings(source=source, figures=drawings(rule), **outcome)


def arm_drawing(several_arms):
    """Return the settings of the figure of several arms."""
    drawn = drawings("plot_arms")
    return settings(source=several_arms, figures=drawn, outcome=unit_of(several_arms))


def figure_code(rule):
    """Return the code behind a rule's figures: the script and the modules that draw them."""
    return code("plot_figures", *{f"netlift.figures.{f.module}" for f in figures_of(rule)})
