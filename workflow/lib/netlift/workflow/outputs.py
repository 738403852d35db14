"""The registry of outputs: every table, figure and file that the workflow makes, in one list.

Rules, the script that draws figures, the notebook, the pages, the tables of README.md and the tests
read it. Scripts that estimate do not import it: they get paths and settings, so that a new caption
makes no table stale. To add a table, a figure or a rule, add one entry (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

DATASET = "resources/datasets/{dataset}"
SCORER = "results/{dataset}/scorer"
SLATE_SET = "results/{dataset}/size={size}/seed={seed}"
EXPERIMENT = "results/{experiment}"
SWEEP = "results/{dataset}/sweep"
VALIDATION = "results/{dataset}/validation"


@dataclass(frozen=True, kw_only=True)
class Output:
    """A file that a rule makes.

    Attributes
    ----------
    name
        What rules, the library and the notebook call it.
    rule
        The rule that makes it.
    file
        Its path within ``folder``.
    folder
        Path with wildcards, from the folder of the study.
    answers
        The question that it answers, for README.md; empty for files that are not read on their own.
    section
        Section of an experiment's page that shows it; empty if it has a place of its own, or none.
    log_rule
        The rule that makes it for a team's own log, if that is another one.
    """

    name: str
    rule: str
    file: str
    folder: str = EXPERIMENT
    answers: str = ""
    section: str = ""
    log_rule: str = ""

    @property
    def path(self) -> str:
        """Path with wildcards, from the folder of the study."""
        return f"{self.folder}/{self.file}"

    @property
    def copies(self) -> tuple[str, ...]:
        """Paths of the same in other formats."""
        return ()

    @property
    def is_on_page(self) -> bool:
        """Whether the page of an experiment shows it, or names it with its checksum."""
        is_table = self.folder == EXPERIMENT and self.suffix == ".csv"
        return bool(self.section or (is_table and self.answers))

    @property
    def suffix(self) -> str:
        """The ending of the file's name, with its dot."""
        return PurePosixPath(self.file).suffix


@dataclass(frozen=True, kw_only=True)
class Figure(Output):
    """A figure, as SVG and as PNG next to it.

    Attributes
    ----------
    title
        Its label in lists of figures.
    module
        Module of ``netlift.figures`` that holds the function of the figure's name.
    tables
        Names of the outputs that it is drawn from, in the order of the function's arguments.
    caption
        What it shows, in sentences.
    """

    title: str
    module: str
    tables: tuple[str, ...]
    caption: str

    @property
    def copies(self) -> tuple[str, ...]:
        """The path of the PNG file."""
        return (str(PurePosixPath(self.path).with_suffix(".png")),)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule that pages name as the source of their numbers.

    Attributes
    ----------
    does
        What it does, as a clause without a subject.
    needs
        Names of the outputs that it reads.
    category
        Under which Snakemake's report lists its outputs.
    """

    does: str
    needs: tuple[str, ...] = ()
    category: str = ""


def _tables(
    folder: str, rule: str, section: str = "", *, log_rule: str = "", **answers: str
) -> list[Output]:
    """Return CSV tables of one rule and section: ``name="the question that it answers"``."""
    return [
        Output(
            name=name,
            rule=rule,
            file=f"{folder}{name}.csv",
            answers=answer,
            section=section,
            log_rule=log_rule,
        )
        for name, answer in answers.items()
    ]


def _figure(
    name: str,
    rule: str,
    *,
    caption: str,
    title: str = "",
    module: str = "",
    tables: tuple[str, ...] = (),
    section: str = "",
    folder: str = EXPERIMENT,
) -> Figure:
    """Return a figure, by default drawn from the table of its name by the module of its name."""
    return Figure(
        name=name,
        rule=rule,
        file=f"{name}.svg" if folder in (SWEEP, VALIDATION) else f"figures/{name}.svg",
        folder=folder,
        section=section,
        title=title or name.replace("_", " ").capitalize(),
        module=module or name,
        tables=tables or (name,),
        caption=caption,
    )


INPUTS: list[Output] = [
    Output(name="ratings", rule="import_ratings", file="ratings.parquet", folder=DATASET),
    Output(name="movies", rule="import_ratings", file="movies.parquet", folder=DATASET),
    Output(name="scorer_users", rule="fit_scorer", file="users.parquet", folder=SCORER),
    Output(name="scorer_items", rule="fit_scorer", file="items.parquet", folder=SCORER),
    Output(name="slates", rule="build_slates", file="slates.parquet", folder=SLATE_SET),
    Output(name="exposure", rule="assign_promotion", file="exposure.parquet", folder=SLATE_SET),
    Output(name="world", rule="simulate_clicks", file="world.json", section="assumptions"),
    Output(
        name="slate_items",
        rule="simulate_clicks",
        file="items.parquet",
        section="data",
        log_rule="map_log",
    ),
    Output(
        name="accounts",
        rule="account_slates",
        file="slate_outcomes.parquet",
        section="provenance",
        log_rule="account_log",
    ),
]
"""What analyses rest on: from ratings to slate items and accounts, the contract of both halves."""

LOG_TABLES: list[Output] = [
    Output(name="contract", rule="account_log", file="contract.csv"),
    Output(name="row_counts", rule="account_log", file="row_counts.csv"),
    Output(name="outcome_by_position", rule="describe_positions", file="outcome_by_position.csv"),
]
"""What the checks of a log found, where its rows went, and the outcome by position."""

EFFECTS: list[Output] = [
    *_tables(
        "effects/",
        "state_decisions",
        "verdict",
        decision_statements="what can be said and done, in sentences that follow from the numbers",
    ),
    *_tables(
        "effects/",
        "estimate_ledger",
        "ledger",
        product_summary="gains and losses per 1,000 promoted slates; how much of the gain is taken "
        "from others",
    ),
    *_tables(
        "effects/",
        "estimate_ledger",
        "estimators",
        component_effects="the ledger: direct, indirect and total effects per slate by five "
        "estimators, with 95% intervals",
    ),
    *_tables(
        "effects/",
        "estimate_ledger",
        component_covariance="the joint covariance of the ledger's parts, by estimator",
    ),
    *_tables(
        "effects/",
        "estimate_ledger",
        "shares",
        shares="how much of the focal gain is taken from whom, and what is left; unbounded where "
        "the data do not bound it",
    ),
    *_tables(
        "effects/",
        "estimate_row_effects",
        "item-level",
        item_level_claim="what a report on single items would have claimed, and how wrong it is",
    ),
    *_tables(
        "effects/",
        "estimate_row_effects",
        "spillover",
        observed_effects="effects per item row, with errors clustered by slate and by user, and a "
        "bootstrap",
        spillover_sensitivity="the spillover under five definitions of who is exposed and per "
        "position that an item moves, with every kind of clustered error",
        spillover_support="the rows and slates that each definition rests on",
        leakage="what each of these definitions misses: the effect on items that it calls "
        "unexposed",
    ),
    *_tables(
        "effects/",
        "test_randomization",
        "spillover",
        randomization_tests="exact tests of five hypotheses of no spillover, adjusted for testing "
        "them together",
    ),
    *_tables(
        "effects/",
        "estimate_ledger",
        "risk",
        segments="effects by focal position, cluster and relevance: raw, with simultaneous "
        "intervals, and shrunken",
        heterogeneity="whether segments differ",
        risk_by_position="where promotions gain and lose, by focal position",
        risk_by_cluster="where promotions gain and lose, by focal cluster",
    ),
    *_tables(
        "effects/",
        "test_randomization",
        "design",
        design_diagnostics="was the promotion randomized as it should be: sample ratio, balance, "
        "an A/A test",
    ),
    *_tables(
        "effects/",
        "estimate_ledger",
        "design",
        power="the smallest effects that could be shown, and the slates that given effects need",
        component_support="rows and slates behind each number of the ledger",
    ),
    *_tables(
        "effects/",
        "estimate_row_effects",
        "conclusions",
        conclusions="four conclusions and whether they hold here, with the number behind each",
    ),
    *_tables(
        "effects/",
        "estimate_ledger",
        "estimators",
        additivity_checks="that the parts add up",
    ),
    Output(
        name="bootstrap_draws",
        rule="estimate_row_effects",
        file="effects/bootstrap_draws.parquet",
    ),
]
"""Tables of effects, in the order in which to read them."""

MODELS: list[Output] = [
    Output(
        name="verdict",
        rule="compare_policies",
        file="models/verdict.json",
        section="policies",
        answers="which rule to promote by, in words, or to promote nothing, and the largest gain "
        "that is not ruled out",
    ),
    *_tables(
        "models/",
        "compare_policies",
        "policies",
        policies="what each rule gains compared with promoting nothing, with bounds that hold for "
        "all rules at once",
    ),
    Output(
        name="slate_policies",
        rule="compare_policies",
        file="models/slate_policies.parquet",
        answers="which slates each rule promotes",
    ),
    *_tables(
        "models/",
        "fit_models",
        "models",
        aipw="the ledger by AIPW with each model; how close each error is to the least possible",
    ),
    *_tables(
        "models/",
        "fit_models",
        "who-gains",
        who_gains="do slates differ in what promotion does, and do models know which gain",
    ),
    *_tables(
        "models/",
        "fit_models",
        toc="how much more the slates promoted first gain than all, by share promoted",
    ),
    *_tables(
        "models/",
        "fit_models",
        "models",
        outcome_models="how well models predict clicks, held out",
        feature_importance="what the models rest on",
    ),
    *_tables(
        "models/",
        "fit_models",
        calibration="click rates compared with predicted probabilities, tenth by tenth",
    ),
    Output(
        name="slate_effects",
        rule="fit_models",
        file="models/slate_effects.parquet",
        answers="each slate's score and predicted effects, learned on other folds and on earlier "
        "folds (`in_order_`)",
    ),
    *(
        Output(name=name, rule="fit_models", file=f"models/fitted/{name}.{ending}")
        for name, ending in (
            ("linear", "csv"),
            ("xgboost", "ubj"),
            ("lightgbm", "txt"),
            ("row_logistic", "csv"),
            ("row_lightgbm", "txt"),
        )
    ),
]
"""Models and policies, in the order in which to read them."""

OVER_WORLDS: list[Output] = [
    Output(
        name="robustness",
        rule="compare_worlds",
        file="robustness.csv",
        folder=SLATE_SET,
        answers="which conclusions hold in which world, with the number behind each",
    ),
    Output(
        name="world_decisions",
        rule="compare_worlds",
        file="decision_statements.csv",
        folder=SLATE_SET,
        answers="which conclusions hold in how many worlds, in sentences",
    ),
]
"""What all worlds of one slate set say together."""

STUDIES: list[Output] = [
    Output(
        name="sweep_effects",
        rule="combine_sweep",
        file="effects.parquet",
        folder=SWEEP,
        answers="the ledger of every seed, slate size and world, one row per estimate",
    ),
    Output(
        name="sweep_conclusions",
        rule="combine_sweep",
        file="conclusions.parquet",
        folder=SWEEP,
        answers="the conclusions of every seed, slate size and world",
    ),
    Output(
        name="sweep_summary",
        rule="combine_sweep",
        file="summary.csv",
        folder=SWEEP,
        answers="over seeds: bias, spread and coverage of each estimator",
    ),
    Output(
        name="conclusion_shares",
        rule="combine_sweep",
        file="conclusion_shares.csv",
        folder=SWEEP,
        answers="how often a conclusion is found, and how often wrongly",
    ),
    Output(
        name="validation_summary",
        rule="combine_validation",
        file="validation.md",
        folder=VALIDATION,
        answers="how many claims were made and kept, which were not, and the truth where none is "
        "made",
    ),
    Output(
        name="coverage",
        rule="combine_validation",
        file="coverage.csv",
        folder=VALIDATION,
        answers="of every estimator in every case: bias, error, mean standard error, coverage of "
        "90%, 95% and 99% intervals, percent of the efficiency bound",
    ),
    Output(
        name="test_rates",
        rule="combine_validation",
        file="tests.csv",
        folder=VALIDATION,
        answers="size and power of the randomization tests",
    ),
    Output(
        name="gate_rates",
        rule="combine_validation",
        file="policies.csv",
        folder=VALIDATION,
        answers="how often the gate promotes, and at a loss",
    ),
]
"""Sweep and validation."""

FIGURES: list[Figure] = [
    _figure(
        "observed_effects",
        "plot_effects",
        module="effects",
        tables=("observed_effects", "bootstrap_draws"),
        section="spillover",
        caption="Promoted minus control clicks, with 95% intervals. Effects on item rows and on "
        "whole slates have different units and different axes. On the right, the "
        "distribution of each estimate over resamples of slates. A diamond marks the "
        "known effect, where a simulated world has one.",
    ),
    _figure(
        "decomposition",
        "plot_effects",
        module="ledger",
        tables=("component_effects",),
        caption="The ledger of observed clicks per 1,000 promoted slates: the focal item's own "
        "change, the change on its competitors in the same cluster and on all others, and "
        "their sum, the change of the whole slate. The parts add up exactly. The lines "
        "are 95% intervals.",
    ),
    _figure(
        "spillover_sensitivity",
        "plot_effects",
        title="Spillover by definition",
        module="spillover",
        tables=("spillover_sensitivity", "spillover_support"),
        section="spillover",
        caption="How the clicks on other items change, under several definitions of which items "
        "are exposed to a promotion, per item row and per slate, with 95% intervals and "
        "with the rows and slates that each definition rests on. A diamond marks the "
        "known effect, where a simulated world has one.",
    ),
    _figure(
        "risk",
        "plot_effects",
        title="Risk by segment",
        tables=("risk_by_position", "risk_by_cluster"),
        section="risk",
        caption="The effect of promotion on the whole slate, by the focal item's position before "
        "promotion and by its cluster, with 95% intervals. Segments with too few slates "
        "in an arm get no number. Some segments stand out by chance alone; the note says "
        "how many to expect.",
    ),
    _figure(
        "estimators",
        "plot_inference",
        tables=("component_effects", "component_covariance"),
        section="estimators",
        caption="Each line of the ledger by five estimators, in observed clicks per slate, with "
        "95% intervals: the difference in means (with errors that the design gives, and "
        "with plain OLS errors), Lin's regression, Hajek's weighted means and Horvitz and "
        "Thompson's expanded ones. Below, how the errors of the three parts go together.",
    ),
    _figure(
        "shares",
        "plot_inference",
        title="Shares of the focal gain",
        section="shares",
        caption="What share of the focal item's gain is taken from the items around it, and what "
        "is left for the slate, with Fieller's 95% sets. A set without an end has arrows: "
        "the gain that it is a share of may be zero. A diamond marks the known share, "
        "where a simulated world has one.",
    ),
    _figure(
        "randomization_tests",
        "plot_inference",
        module="randomization",
        section="spillover",
        caption="Tests by randomization of five hypotheses that promotion changes no click of "
        "some items. The shaded range holds 95% of the differences that other random "
        "assignments would have shown if the hypothesis were true. The adjusted p-value "
        "takes into account that five hypotheses are tested.",
    ),
    _figure(
        "leakage",
        "plot_inference",
        section="spillover",
        caption="How the clicks on items that a definition calls exposed, and on those that it "
        "calls unexposed, change per slate, with 95% intervals. A change on unexposed "
        "items is leakage. The text says whether it was detected and what change would "
        "have been with 80% power. A diamond marks the known effect, where a simulated "
        "world has one.",
    ),
    _figure(
        "design_diagnostics",
        "plot_inference",
        title="Design and power",
        module="diagnostics",
        tables=("design_diagnostics", "power"),
        section="design",
        caption="Whether promoted and control slates were alike before promotion, as random "
        "assignment makes them: differences of covariates against the range that chance "
        "gives, the number of promoted slates, and how often random splits of control "
        "slates show an effect where none can be. Below, the smallest changes that the "
        "experiment shows with 80% power, and its power for given changes.",
    ),
    _figure(
        "item_level_claim",
        "plot_inference",
        title="Item-level claims",
        module="item_level",
        section="item-level",
        caption="What analyses that look at single items would claim, per 1,000 promoted slates, "
        "against the net change in clicks of whole slates, with 95% intervals, and "
        "whether the claim can be told from the net change. A diamond marks the known "
        "value, where a simulated world has one.",
    ),
    _figure(
        "segments",
        "plot_inference",
        tables=("segments", "heterogeneity"),
        section="risk",
        caption="The change in clicks of whole slates by the focal item's position, cluster and "
        "relevance: the raw estimate with an interval that holds for all segments of a "
        "panel at once, and the estimate drawn towards the panel's mean. Segments with "
        "too few slates in an arm get no number. A diamond marks the known effect, where "
        "a simulated world has one.",
    ),
    _figure(
        "outcome_models",
        "plot_models",
        tables=("outcome_models", "calibration"),
        section="models",
        caption="How well each model predicts the clicks of slates of users that it has not seen. "
        "Left, its error: in a simulated world by how much it is above the floor that no "
        "model can be below, else the error itself. Right, where models of item rows "
        "predict probabilities, click rates against them, tenth by tenth: on the dashed "
        "line, clicks came as predicted.",
    ),
    _figure(
        "feature_importance",
        "plot_models",
        section="models",
        caption="What the outcome models rest on. Above, for each feature of item rows, its "
        "coefficient in the regression and its share of the gain in the trees; below, the "
        "features of slates that trees use most. What predicts clicks need not be what "
        "promotion changes.",
    ),
    _figure(
        "aipw",
        "plot_models",
        title="Effects with models",
        tables=("aipw", "observed_effects"),
        section="models",
        caption="The change in clicks of whole slates by each estimator, with 95% intervals, and "
        "the standard error of each. AIPW corrects a model's predictions by what was "
        "observed, so that a wrong model costs precision alone. In a simulated world a "
        "diamond marks the known effect, and the dashed line the least error that any "
        "estimator can have.",
    ),
    _figure(
        "who_gains",
        "plot_models",
        tables=("who_gains", "toc"),
        section="who-gains",
        caption="Whether slates that are predicted to gain do gain. Left, the effect in each "
        "fifth of slates by predicted effect, beside the prediction. Right, how much more "
        "the slates promoted first gain than all; above 0 the prediction is of use. "
        "Below, the same in one number for every predictor; an interval that covers 0 "
        "shows nothing.",
    ),
    _figure(
        "policies",
        "plot_models",
        tables=("policies", "verdict"),
        section="policies",
        caption="What each rule would gain against promoting nothing. The thin lines are bounds "
        "that hold for all rules at once, the broad ones each rule's own 95% interval. A "
        "rule is recommended only if its lower bound is above 0; its name is in bold. In "
        "a simulated world a diamond marks the known value, and the dashed line that of "
        "the best possible rule.",
    ),
    _figure(
        "known_lift_by_slate",
        "plot_truth",
        module="ledger",
        tables=("accounts",),
        section="truth",
        caption="What promoting each slate would change in its expected clicks, over all slates "
        "of this simulated world, promoted or not, with the shares that gain and lose.",
    ),
    _figure(
        "observed_against_known",
        "plot_truth",
        module="ledger",
        tables=("component_effects",),
        section="truth",
        caption="Every line of the ledger three times: in observed clicks, in the click "
        "probabilities behind them, and as the known lift of promoted slates, with 95% "
        "intervals. The three should agree up to chance.",
    ),
    _figure(
        "predicted_effects",
        "plot_truth",
        tables=("slate_effects",),
        section="truth",
        caption="The known effect of promoting each slate against the effect that each model "
        "predicts for it. Large points are the means of twentieths of slates. On the "
        "dashed line effects are as predicted; a flat row of means says that the "
        "prediction does not tell who gains.",
    ),
    _figure(
        "ratings_and_slates",
        "plot_slates",
        module="ratings",
        tables=("ratings", "movies", "exposure"),
        section="data",
        folder=SLATE_SET,
        caption="The data behind the slates: how often each number of stars is given, how many "
        "movies have each genre, and how relevance falls with the position in the slate "
        "(median and middle half of the slates). The tables show the first promoted and "
        "the first control slate as the user would have seen them without promotion; the "
        "focal item is highlighted.",
    ),
    _figure(
        "exposure_mapping",
        "plot_slates",
        module="exposure",
        tables=("exposure",),
        section="data",
        folder=SLATE_SET,
        caption="What the design rests on. Every item row belongs to one component: the focal "
        "item, its competitors in the same cluster, or the other competitors. In promoted "
        "slates the focal item moves to position 1 and the items that stood above it move "
        "down by one. Support is counted in slates, never in rows.",
    ),
    _figure(
        "robustness",
        "plot_robustness",
        folder=SLATE_SET,
        caption="The verdict on each conclusion in each world, on the observed clicks at 95%, "
        "with the number behind it, and what the known effects say.",
    ),
    _figure(
        "sweep_estimates",
        "plot_sweep",
        title="Estimates by seed",
        tables=("sweep_effects",),
        folder=SWEEP,
        caption="The total effect of every seed by the main estimator, with its 95% interval, "
        "against the known effect of the seed's own slates, for each slate size and "
        "world. Intervals that miss it are crossed.",
    ),
    _figure(
        "sweep_distribution",
        "plot_sweep",
        title="Distribution over seeds",
        tables=("sweep_effects",),
        folder=SWEEP,
        caption="How the estimates of each line of the ledger spread over seeds, by slate size "
        "and world: each seed, the middle half and the middle 95% of them, and the mean "
        "known effect.",
    ),
    _figure(
        "sweep_conclusions",
        "plot_sweep",
        title="Conclusions over seeds",
        tables=("conclusion_shares",),
        folder=SWEEP,
        caption="In what share of seeds a single experiment would have found that a conclusion "
        "holds, does not hold, or is undecided, by world and slate size; beside it what "
        "the known effects say, and how often the verdict was wrong.",
    ),
    _figure(
        "validation_coverage",
        "plot_validation",
        title="Coverage of intervals",
        tables=("coverage",),
        folder=VALIDATION,
        caption="With slates and world fixed, assignment and clicks were drawn anew many times: "
        "the share of replicates whose 95% interval holds the known effect, by case, "
        "world, estimator and line of the ledger, with 1.96 Monte Carlo errors. The band "
        "is the range that is claimed.",
    ),
    _figure(
        "validation_bias",
        "plot_validation",
        title="Bias and standard errors",
        tables=("coverage",),
        folder=VALIDATION,
        caption="The mean error of every estimator in Monte Carlo errors, and its mean standard "
        "error over the standard deviation of its estimates, by case and world.",
    ),
    _figure(
        "validation_tests",
        "plot_validation",
        title="Size and power of tests",
        tables=("test_rates",),
        folder=VALIDATION,
        caption="How often each randomization test rejects at 5%: its size where the hypothesis "
        "is true, its power where it is false. Bars are the shares with p-values adjusted "
        "for testing all hypotheses together.",
    ),
    _figure(
        "validation_policies",
        "plot_validation",
        title="Error rates of the gate",
        tables=("gate_rates",),
        folder=VALIDATION,
        caption="How often the gate recommends a rule, how often one whose known value is not "
        "above zero, how often all lower bounds lie below the known values, and what the "
        "recommendations are worth against the best possible rule.",
    ),
]
"""Figures, in the order of the rules that draw them."""

GRID_CAPTION = (
    "Known effects of one world over two of its parameters. The thick line is where the total "
    "effect changes its sign."
)
"""Of the heat maps of every sensitivity grid."""

OUTPUTS: list[Output] = [
    *EFFECTS,
    *MODELS,
    *INPUTS,
    *LOG_TABLES,
    *OVER_WORLDS,
    *STUDIES,
]
"""Every output but the figures; names are unique."""

RULES: dict[str, Rule] = {
    "import_ratings": Rule(does="takes ratings and movies from the data set, and checks them"),
    "fit_scorer": Rule(
        does="trains the scorer on the first part of each user's ratings", needs=("ratings",)
    ),
    "build_slates": Rule(
        does="builds the slates before promotion",
        needs=("ratings", "movies", "scorer_users", "scorer_items"),
    ),
    "assign_promotion": Rule(does="chooses focal items and promotes at random", needs=("slates",)),
    "simulate_clicks": Rule(does="gives clicks from the competition model", needs=("exposure",)),
    "account_slates": Rule(does="sums outcomes to slates, by component", needs=("slate_items",)),
    "estimate_ledger": Rule(
        does="estimates the ledger, shares, segments and power",
        needs=("accounts",),
        category="Effects",
    ),
    "estimate_row_effects": Rule(
        does="estimates effects on item rows, leakage and item-level claims",
        needs=("slate_items", "accounts"),
        category="Effects",
    ),
    "test_randomization": Rule(
        does="tests for spillover and checks the design",
        needs=("slate_items", "accounts"),
        category="Inference",
    ),
    "state_decisions": Rule(
        does="writes decision statements",
        needs=("product_summary", "segments", "spillover_sensitivity"),
        category="Decisions",
    ),
    "fit_models": Rule(
        does="fits outcome and effect models",
        needs=("slate_items", "accounts"),
        category="Models and policies",
    ),
    "compare_policies": Rule(
        does="compares policies and gives the verdict",
        needs=("slate_items", "accounts", "slate_effects", "aipw", "who_gains"),
        category="Models and policies",
    ),
    "plot_slates": Rule(
        does="draws ratings, slates and exposure",
        needs=("ratings", "movies", "exposure"),
        category="Data and design",
    ),
    "plot_effects": Rule(does="draws effects", category="Effects"),
    "plot_inference": Rule(
        does="draws estimators, shares, tests and segments", category="Inference"
    ),
    "plot_models": Rule(
        does="draws models, who gains, and policies", category="Models and policies"
    ),
    "plot_truth": Rule(does="draws what is known", category="Truth of the simulation"),
    "compare_worlds": Rule(
        does="compares the conclusions of all worlds",
        needs=("conclusions",),
        category="Sensitivity",
    ),
    "plot_robustness": Rule(does="draws which conclusions hold", category="Sensitivity"),
    "combine_sweep": Rule(does="combines the blocks of the sweep", category="Sweep"),
    "plot_sweep": Rule(does="draws the sweep", category="Sweep"),
    "combine_validation": Rule(does="judges the replicates", category="Validation"),
    "plot_validation": Rule(does="draws the validation", category="Validation"),
    "account_log": Rule(does="checks the log and sums it to slates"),
    "map_log": Rule(does="maps the rows of the log", needs=("accounts",)),
    "describe_positions": Rule(does="describes outcomes by position", needs=("slate_items",)),
}
"""Rules behind the pages, in the order in which data flow; figures name their own tables."""


ESTIMATES = ("estimate_ledger", "estimate_row_effects", "test_randomization", "state_decisions")
"""Rules that make the tables of effects."""

MODEL_RULES = ("fit_models", "compare_policies")
"""Rules that make the tables of models and policies."""

FIGURE_RULES = ("plot_effects", "plot_inference", "plot_models")
"""Rules that draw what is estimated."""

TRUTH_RULE = "plot_truth"
"""The rule that draws what only a simulation knows."""


def named(name: str) -> Output:
    """Return the output of a name; no figure.

    Raises
    ------
    KeyError
        There is no such output.
    """
    return _BY_NAME[name]


_BY_NAME = {output.name: output for output in OUTPUTS}


def made_by(*rules: str) -> list[Output]:
    """Return what rules make: tables and files, or figures."""
    return [output for output in [*OUTPUTS, *FIGURES] if output.rule in rules]


def files_of(*rules: str) -> list[str]:
    """Return the files that rules make, from the folder of the study; figures in both formats."""
    return [path for output in made_by(*rules) for path in (output.path, *output.copies)]


def figures_of(*rules: str) -> list[Figure]:
    """Return the figures that rules draw."""
    return [figure for figure in FIGURES if figure.rule in rules]


def needs_of(rule: str) -> list[Output]:
    """Return what a rule reads; a rule that draws figures reads the tables of all of them."""
    drawn = [table for figure in figures_of(rule) for table in figure.tables]
    return [named(name) for name in dict.fromkeys([*RULES[rule].needs, *drawn])]


def behind(rules: Iterable[str], *, of_log: bool = False) -> list[tuple[str, str, list[str]]]:
    """Return rules and all those that they need, in the order in which data flow.

    Parameters
    ----------
    rules
        Names of rules.
    of_log
        Whether they analyze a team's own log, whose accounts and items other rules make.

    Returns
    -------
    For each rule its name, what it does, and the names of the rules that it needs.
    """
    needed: dict[str, list[str]] = {}
    waiting = list(rules)
    while waiting:
        rule = waiting.pop()
        if rule not in needed:
            makers = [maker(output, of_log=of_log) for output in needs_of(rule)]
            needed[rule] = sorted(set(makers))
            waiting += needed[rule]
    return [(rule, RULES[rule].does, needed[rule]) for rule in RULES if rule in needed]


def maker(output: Output, *, of_log: bool = False) -> str:
    """Return the rule that makes an output of a simulated experiment, or of a log."""
    return output.log_rule if of_log and output.log_rule else output.rule


def outputs_reference() -> str:
    """Return the outputs that people read, and what each answers, as Markdown tables."""
    parts = {
        "Tables of effects of one experiment, in the order in which to read them": EFFECTS,
        "Models and policies": MODELS,
        "All worlds of one slate set together": OVER_WORLDS,
        "Sweep and validation": STUDIES,
    }
    lines = []
    for heading, outputs in parts.items():
        rows = [
            f"| `{_within(output)}` | {output.answers} |" for output in outputs if output.answers
        ]
        lines += [f"{heading}:", "", "| file | answers |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _within(output: Output) -> str:
    """Return an output's path within the folder of its experiment, slate set or data set."""
    path = output.path.removeprefix(f"{EXPERIMENT}/").removeprefix(f"{SLATE_SET}/")
    return path.removeprefix("results/{dataset}/")
