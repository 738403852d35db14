"""The record of a study: its experiments, and the settings and inputs of each rule."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Self

from netlift.core.errors import NetliftError
from netlift.datasets.entries import import_settings, input_files
from netlift.effects.codes import DIFFERENCE, MAIN_OUTCOME
from netlift.logs.entries import LogEntry, log_settings
from netlift.logs.variants import contrast_entries
from netlift.promotion.record import Promotion
from netlift.promotion.treatment import Treatment
from netlift.promotion.variants import contrast_name, contrast_names, two_arm_entries
from netlift.studies.seed_blocks import seed_blocks
from netlift.workflow.checks import check_sweep, check_validation
from netlift.workflow.experiment import (
    OVER_PROMOTIONS_PATH,
    OVER_WORLDS_PATH,
    RECIPE_PATH,
    SIMULATED,
    STUDY_PATH,
    SWEEP_PATH,
    Experiment,
)
from netlift.workflow.schema import Json, changed_world
from netlift.workflow.values import settings
from netlift.worlds.registry import model_class

OF_THE_SCORER = ("damping", "factors")
"""Keys of the recipe ``scorer`` that affect slates only through the scorer's files."""

SHARED_BY_RECIPES = ("clusters", "n_slates", "max_per_user")
"""Keys of a recipe that every builder uses."""

EXAMPLE_LOG = rf"results/{SIMULATED}/log\.csv"
"""A simulated experiment as a log, which Snakemake makes."""

_PATTERN = re.compile(r"[{}<>]")
"""In a path, Snakemake takes these for wildcards and path variables, and cannot be told not to."""


@dataclass(frozen=True)
class Sweep:
    """The seeds, sizes, promotions and worlds of a sweep, and the number of seeds in a block."""

    seeds: tuple[int, ...]
    sizes: tuple[int, ...]
    promotions: tuple[str, ...]
    worlds: tuple[str, ...]
    block_size: int


@dataclass(frozen=True)
class Case:
    """A case of the validation; values that its entry leaves out are those of the study.

    Attributes
    ----------
    size, n_slates, n_users
        Of its slates: with ``n_users`` the case has its own, otherwise the first of the study.
    worlds
        Worlds in which it is drawn.
    promotion
        Keys of the promotion that differ from the study's.
    changes
        Parameters to change in every world.
    model_replicates
        Number of replicates whose models and policies are evaluated.
    draws
        Values of ``netlift.studies.draws.Draws`` that differ.
    segment_replicates
        Number of replicates whose segments are evaluated.
    """

    size: int
    n_slates: int
    worlds: tuple[str, ...]
    promotion: Json
    changes: Json
    model_replicates: int = 0
    segment_replicates: int = 0
    n_users: int | None = None
    draws: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """A study, parsed once from its configuration.

    Methods named ``..._settings`` give the one parameter of a rule (see ``values.settings``).

    Attributes
    ----------
    config
        The whole configuration, checked and complete: entries of data sets, recipes, promotions,
        worlds and grids, each with the keys of its kind.
    name
        The study's name, by which its front page and other results over experiments are found.
    dataset, slates
        The data set and the recipe of the study's experiments.
    seeds, sizes, promotions, worlds
        An experiment is made for each combination. Of a promotion with several arms, each variant
        compared with control is one of ``promotions``.
    grids
        The sensitivity grids that are computed.
    log_entries
        The entry of each log with two arms or without a promotion, by name; a log with several arms
        has one for each variant, which is compared with control.
    arm_entries
        The entry of each log with several arms, by name.
    promotion_entries
        The entry of each promotion with two arms, by name; a promotion with several has one for
        each variant, which is compared with control.
    """

    config: Json
    name: str
    dataset: str
    slates: str
    seeds: tuple[int, ...]
    sizes: tuple[int, ...]
    promotions: tuple[str, ...]
    worlds: tuple[str, ...]
    grids: tuple[str, ...]
    log_entries: Mapping[str, Json]
    arm_entries: Mapping[str, Json]
    promotion_entries: Mapping[str, Json]

    @classmethod
    def from_config(cls, config: Json) -> Self:
        """Parse a configuration that ``check_config`` returned."""
        study = config["study"]
        lists = ("seeds", "sizes", "worlds", "grids")
        entries, several = _log_entries(config["logs"])
        return cls(
            config=config,
            name=study["name"],
            dataset=config["dataset"],
            slates=study["slates"],
            log_entries=entries,
            arm_entries=several,
            promotion_entries=two_arm_entries(config["promotions"]),
            promotions=contrast_names(study["promotions"], config["promotions"]),
            **{key: tuple(study[key]) for key in lists},
        )

    # --- Contents of the study -----------------------------------------------------------------

    @property
    def experiments(self) -> list[Experiment]:
        """The simulated experiments, world by world in each design."""
        return [
            Experiment(self.dataset, self.slates, size, seed, promotion, world)
            for size, seed, promotion, world in product(
                self.sizes, self.seeds, self.promotions, self.worlds
            )
        ]

    @cached_property
    def logs(self) -> dict[str, LogEntry]:
        """A team's own logs by name; of one with several arms, its contrasts with control."""
        return {name: LogEntry.from_config(entry) for name, entry in self.log_entries.items()}

    @cached_property
    def arm_logs(self) -> dict[str, LogEntry]:
        """A team's own logs with several arms, by name."""
        return {name: LogEntry.from_config(entry) for name, entry in self.arm_entries.items()}

    def contrasts(self, log: str) -> list[str]:
        """Return the names of the contrasts of a log with several arms, in its order."""
        return [contrast_name(log, arm.name) for arm in self.arm_logs[log].arms[1:]]

    @property
    def arm_promotions(self) -> dict[str, Json]:
        """The entry of each promotion with several arms, by name."""
        return {name: e for name, e in self.config["promotions"].items() if "arms" in e}

    @property
    def arm_experiments(self) -> list[Experiment]:
        """The simulated experiments with several arms, world by world in each design."""
        chosen = [
            name for name in self.config["study"]["promotions"] if name in self.arm_promotions
        ]
        return [
            Experiment(self.dataset, self.slates, size, seed, promotion, world)
            for size, seed, promotion, world in product(self.sizes, self.seeds, chosen, self.worlds)
        ]

    def variants(self, path: str) -> dict[str, Experiment]:
        """Return the experiment of each variant against control, of one with several arms.

        Parameters
        ----------
        path
            The path of a simulated experiment or of a log below ``results/``.
        """
        experiment = Experiment.parse(path)
        if experiment.log is not None:
            names = [arm.name for arm in self.arm_logs[experiment.log].arms[1:]]
        else:
            names = list(self.arm_promotions[str(experiment.promotion)]["arms"])
        return {name: experiment.contrast(name) for name in names}

    @property
    def designs(self) -> list[str]:
        """The folders below ``results/`` of slates with a promotion drawn, each once."""
        return list(dict.fromkeys(experiment.design for experiment in self.experiments))

    @property
    def folder(self) -> str:
        """The folder below ``results/`` of what the study makes of several experiments."""
        return STUDY_PATH.format(study=self.name)

    @property
    def grid_paths(self) -> list[str]:
        """Paths of the study's grids below ``results/``, without endings, one per promotion."""
        return [
            f"{self._design(self.slates, grid['size'], grid['seed'], promotion)}/grid/{name}"
            for name, grid in ((name, self.grid(name)) for name in self.grids)
            for promotion in self.promotions
        ]

    def _design(self, slates: str, size: int, seed: int, promotion: str) -> str:
        return Experiment(self.dataset, slates, size, seed, promotion).design

    def recipe(self, slates: str) -> Json:
        """Return the entry of a recipe of slates."""
        entry: Json = self.config["slates"][slates]
        return entry

    def promotion(self, name: str) -> Promotion:
        """Return how focal items and promotions are drawn."""
        return Promotion.from_config(self.promotion_entries[name])

    def rows(self, size: int, promotion: str) -> int:
        """Return the size of the slates on which a promotion of slates of ``size`` is drawn.

        If it adds an item to slates, the last one of slates of one item more is that item.
        """
        return self.promotion(promotion).rows(size)

    def compared(self, size: int, seed: int) -> list[Experiment]:
        """Return the experiments on the slates of one size and seed, all promotions by world."""
        return [
            Experiment(self.dataset, self.slates, size, seed, promotion, world)
            for world, promotion in product(self.worlds, self.promotions)
        ]

    def uses_scorer(self, slates: str) -> bool:
        """Whether the slates of a recipe are ranked by the scorer."""
        return bool(self.recipe(slates)["builder"] == "scorer")

    def log(self, name: str) -> LogEntry:
        """Return the entry of a log.

        Raises
        ------
        NetliftError
            There is no such log.
        """
        logs = self.logs | self.arm_logs
        if name not in logs:
            known = ", ".join(logs) or "none; give the file that names it with --configfile"
            raise NetliftError(f"logs: there is no {name!r} (known: {known})")
        return logs[name]

    def names(self, experiment: Experiment) -> bool:
        """Whether the configuration names the parts of an experiment; of a log, it need not."""
        parts = (
            (experiment.dataset, self.config["datasets"]),
            (experiment.slates, self.config["slates"]),
            (experiment.promotion, self.promotion_entries),
            (experiment.world, self.config["worlds"]),
        )
        return experiment.log is not None or all(name in known for name, known in parts)

    def world(self, name: str) -> Json:
        """Return the entry of a world."""
        entry: Json = self.config["worlds"][name]
        return entry

    def model(self, world: str) -> str:
        """Return the competition model of a world."""
        return str(self.world(world)["model"])

    def grid(self, name: str) -> Json:
        """Return the entry of a grid, with the size and the seed of its slates."""
        entry: Json = self.config["grids"][name]
        return {"size": self.sizes[0], "seed": self.seeds[0], **entry}

    @property
    def sweep(self) -> Sweep:
        """What the sweep runs.

        Raises
        ------
        NetliftError
            The sweep cannot be run: all problems at once.
        """
        sweep = check_sweep(self.config)
        several = {key: tuple(sweep[key]) for key in ("seeds", "sizes", "promotions", "worlds")}
        return Sweep(**several, block_size=sweep["block_size"])

    def case(self, name: str) -> Case:
        """Return a case of the validation, complete."""
        entry = self.config["validation"]["cases"][name]
        return Case(
            size=entry.get("size", self.sizes[0]),
            n_slates=entry.get("n_slates", self.recipe(self.slates)["n_slates"]),
            worlds=tuple(entry.get("worlds", self.worlds)),
            promotion=entry["promotion"],
            changes=entry["changes"],
            model_replicates=entry.get("model_replicates", 0),
            segment_replicates=entry.get("segment_replicates", 0),
            n_users=entry.get("n_users"),
            draws=entry.get("draws", {}),
        )

    # --- Files ---------------------------------------------------------------------------------

    def rating_files(self, dataset: str) -> list[str]:
        """Return the user's own files behind a data set, so that an edit imports it again.

        Raises
        ------
        NetliftError
            They do not exist.
        """
        return [str(path) for path in input_files(self.config["datasets"][dataset])]

    def movies(self, path: str) -> str | list[str]:
        """Return the table of titles, where an experiment's items are those of a data set.

        One file and not a list of one, so that the script gets its path.
        """
        dataset = Experiment.parse(path).dataset
        return _movies(dataset) if dataset in self.config["datasets"] else []

    def log_files(self, name: str) -> list[str]:
        """Return the files that a log is read from, so that an edit of them reads it again.

        Without those whose names Snakemake takes for patterns (``{...}``, ``<...>``): the settings
        of the log have their content instead.

        Raises
        ------
        NetliftError
            There is no such log, or one of its files does not exist.
        """
        log = self.log(name)
        if len(log.paths) == 1 and re.fullmatch(EXAMPLE_LOG, log.paths[0]):
            return list(log.paths)
        try:
            return [file for file in log.files() if not _PATTERN.search(file)]
        except NetliftError as error:
            raise NetliftError(f"logs.{name}: {error}") from error

    def scorer_tables(self, dataset: str, slates: str) -> dict[str, str]:
        """Return the scorer's tables, if the slates of a recipe are ranked by the scorer."""
        if not self.uses_scorer(slates):
            return {}
        return {f"scorer_{which}": _scorer(dataset, slates, which) for which in ("users", "items")}

    def similarity_tables(self, dataset: str, slates: str, world: str) -> dict[str, str]:
        """Return the tables for the similarity of items, if a world needs it."""
        return _similarity_tables(dataset, slates, self.world(world))

    def grid_inputs(self, dataset: str, slates: str, name: str) -> dict[str, str]:
        """Return the tables that the world of a grid needs besides the design."""
        return _similarity_tables(dataset, slates, self._grid_world(self.grid(name)))

    def case_inputs(self, name: str, promotion: str, world: str) -> dict[str, str]:
        """Return the slates that a case is drawn on, and the tables that its world needs."""
        case = self.case(name)
        size = self.rows(case.size, promotion)
        folder = f"{self.folder}/validation/slates/{name}/size={size}"
        if case.n_users is None:
            folder = Experiment(self.dataset, self.slates, size, self.seeds[0]).slate_set
        changed = changed_world(self.world(world), case.changes)
        tables = _similarity_tables(self.dataset, self.slates, changed)
        return {"slates": f"results/{folder}/slates.parquet", **tables}

    def sweep_files(self, promotion: str, file: str) -> list[str]:
        """Return a file of every block of the sweep; blocks that exist are used again.

        Raises
        ------
        NetliftError
            The sweep cannot be run: all problems at once.
        """
        sweep, files = self.sweep, []
        choices = {"dataset": self.dataset, "slates": self.slates, "promotion": promotion}
        for size in sweep.sizes:
            path = SWEEP_PATH.format(size=size, seeds="*", **choices)
            existing = [
                found.parent.name.removeprefix("seeds=") for found in Path("results").glob(path)
            ]
            blocks = seed_blocks(sweep.seeds, sweep.block_size, existing)
            for block, world in product(blocks, sweep.worlds):
                folder = SWEEP_PATH.format(size=size, seeds=block, **choices)
                files.append(f"results/{folder}/{world}/{file}")
        return files

    def case_files(self, promotion: str, file: str) -> list[str]:
        """Return a file of every case and world of the validation.

        Raises
        ------
        NetliftError
            A case cannot be run: all problems at once.
        """
        check_validation(self.config)
        return [
            f"results/{self.folder}/validation/{promotion}/{name}/{world}/{file}"
            for name in self.config["validation"]["cases"]
            for world in self.case(name).worlds
        ]

    # --- Settings of the rules that make experiments ---------------------------------------------

    def config_settings(self) -> Json:
        """Return the configuration that is written next to the results.

        The folder of archives depends on the machine and not on the study.
        """
        return settings(**{key: value for key, value in self.config.items() if key != "archives"})

    def import_settings(self, dataset: str) -> Json:
        """Return the settings of the import of a data set."""
        entry = import_settings(self.config["datasets"][dataset])
        return settings(name=dataset, entry=entry, downloads="resources/downloads")

    def scorer_settings(self, slates: str) -> Json:
        """Return the settings of the scorer of a recipe."""
        scorer = self.recipe(slates)["scorer"]
        return settings(**{key: scorer[key] for key in ("train_share", *OF_THE_SCORER)})

    def slate_settings(self, slates: str, **choices: int) -> Json:
        """Return what a recipe uses, with choices such as the ``seed``."""
        recipe = self.recipe(slates)
        builder = recipe["builder"]
        used = {key: value for key, value in recipe[builder].items() if key not in OF_THE_SCORER}
        shared = {key: recipe[key] for key in SHARED_BY_RECIPES}
        return settings(builder=builder, **{builder: used}, **(shared | choices))

    def promotion_settings(self, promotion: str, seed: int) -> Json:
        """Return the settings of the draw of promotions."""
        return settings(seed=seed, **self.promotion(promotion).settings)

    def click_settings(self, world: str, promotion: str, seed: int) -> Json:
        """Return the settings of the simulation of one world."""
        treatment = self.promotion(promotion).treatment.settings
        return settings(seed=seed, world=self.world(world), treatment=treatment)

    # --- Settings of the rules that analyze experiments ------------------------------------------

    def seed(self, path: str) -> int:
        """Return the study seed of an experiment; for a log, the study's first."""
        seed = Experiment.parse(path).seed
        return self.seeds[0] if seed is None else seed

    def units(self, path: str) -> dict[str, str]:
        """Return the unit of each outcome, such as clicks or minutes, by outcome type."""
        log = Experiment.parse(path).log
        return {MAIN_OUTCOME: "clicks"} if log is None else self.log(log).units

    def unit(self, path: str) -> str:
        """Return the unit of the main outcome."""
        return self.units(path)[MAIN_OUTCOME]

    def decision_settings(self, path: str) -> Json:
        """Return the settings of the statements on an experiment."""
        return settings(outcome=self.unit(path), focal_items=self._treatment(path).focal_items)

    def _treatment(self, path: str) -> Treatment:
        """Return what a promotion of an experiment does."""
        experiment = Experiment.parse(path)
        if experiment.log is not None:
            return self.log(experiment.log).treatment
        return self.promotion(str(experiment.promotion)).treatment

    def _inference(self, *keys: str) -> Json:
        return {key: self.config["inference"][key] for key in keys}

    def _estimator(self, path: str) -> Json:
        """Return the declared main estimator of an experiment.

        Variants of one promotion are compared by means, so that the difference of two variants'
        effects is the effect of one against the other.
        """
        experiment = Experiment.parse(path)
        group, name = ("promotions", experiment.promotion)
        if experiment.log is not None:
            group, name = ("logs", experiment.log)
        declared = self._inference("main_estimator")
        return declared if name in self.config[group] else {"main_estimator": DIFFERENCE}

    def _seed_and_outcome(self, path: str) -> Json:
        return {"seed": self.seed(path), "outcome": self.unit(path)}

    def ledger_settings(self, path: str) -> Json:
        """Return the settings of the ledger of an experiment."""
        used = self._inference("min_slates", "bootstrap_draws", "power_effects")
        used |= self.config["decision"] | self._estimator(path)
        return settings(seed=self.seed(path), units=self.units(path), **used)

    def delivered_settings(self, path: str) -> Json:
        """Return the settings of the effects of delivered promotions."""
        return settings(units=self.units(path), **self._estimator(path))

    def row_effect_settings(self, path: str) -> Json:
        """Return the settings of effects on item rows."""
        used = self._inference("bootstrap_draws", "near_positions") | self._estimator(path)
        return settings(**self._seed_and_outcome(path), **used)

    def diversion_settings(self, path: str) -> Json:
        """Return the settings of the diversion matrices."""
        log = Experiment.parse(path).log
        bands = {} if log is None else dict(self.log(log).bands)
        return settings(outcome=self.unit(path), bands=bands, **self._inference("min_slates"))

    def randomization_settings(self, path: str) -> Json:
        """Return the settings of randomization tests."""
        used = self._inference("permutations", "studentized", "near_positions")
        return settings(**self._seed_and_outcome(path), **used)

    def model_settings(self, path: str) -> Json:
        """Return the settings of outcome models and effect models."""
        return settings(**self._seed_and_outcome(path), **self.config["models"])

    def policy_settings(self, path: str) -> Json:
        """Return the settings of policies."""
        return settings(
            **self._seed_and_outcome(path), **self._policy("cost", "max_share", "margin")
        )

    def candidate_settings(self, path: str) -> Json:
        """Return the settings of rules for which item to promote."""
        treatment = self._treatment(path).settings
        used = self._seed_and_outcome(path) | self.config["policy"]
        return settings(treatment=treatment, **used)

    def _policy(self, *keys: str) -> Json:
        return {key: self.config["policy"][key] for key in keys}

    def promotions_settings(self) -> Json:
        """Return the settings of the comparison of promotions."""
        return settings(
            experiments=list(product(self.worlds, self.promotions)),
            phrases={name: self.promotion(name).treatment.phrase for name in self.promotions},
        )

    # --- Settings of grids, sweeps and the validation --------------------------------------------

    def _grid_world(self, grid: Mapping[str, Any]) -> Json:
        return changed_world(self.world(grid["world"]), grid["changes"])

    def grid_settings(self, name: str, seed: int) -> Json:
        """Return the settings of a grid: its world with its changes, and the parameters to vary."""
        grid = self.grid(name)
        return settings(
            world=self._grid_world(grid),
            # A list keeps the order of the parameters, which a mapping with sorted keys would not.
            parameters=[[name, values] for name, values in grid["parameters"].items()],
            definitions=grid["definitions"],
            seed=seed,
            **self._inference("near_positions"),
        )

    def sweep_slate_settings(self, slates: str, promotion: str, size: int, seeds: str) -> Json:
        """Return the settings of the slates of a block of seeds."""
        return settings(
            seeds=seeds,
            slates=self.slate_settings(slates, size=self.rows(size, promotion)),
            promotion=self.promotion(promotion).settings,
        )

    def sweep_effect_settings(self, world: str, size: int) -> Json:
        """Return the settings of the ledgers of a block of seeds."""
        declared = self._inference("main_estimator")
        return settings(name=world, world=self.world(world), size=size, **declared)

    def _slate_sources(self) -> Json:
        """Return the settings of all that is made before slates are built."""
        scorer = self.scorer_settings(self.slates) if self.uses_scorer(self.slates) else {}
        return {"import": self.import_settings(self.dataset), "scorer": scorer}

    def sweep_design(self, promotion: str) -> Json:
        """Return all choices from which the results of a sweep follow; blocks are not among them.

        Raises
        ------
        NetliftError
            The sweep cannot be run: all problems at once.
        """
        sweep = self.sweep
        return settings(
            seeds=sweep.seeds,
            slates=[
                self.sweep_slate_settings(self.slates, promotion, size, "") for size in sweep.sizes
            ],
            worlds={world: self.world(world) for world in sweep.worlds},
            **self._slate_sources(),
        )

    def validation_design(self, promotion: str) -> Json:
        """Return all choices from which the results of the validation follow.

        Raises
        ------
        NetliftError
            A case cannot be run: all problems at once.
        """
        check_validation(self.config)
        cases = {name: self.case(name) for name in self.config["validation"]["cases"]}
        return settings(
            cases={
                name: [self.case_settings(name, promotion, world) for world in case.worlds]
                for name, case in cases.items()
            },
            slates={
                name: self.slate_settings(
                    self.slates, seed=self.seeds[0], size=self.rows(case.size, promotion)
                )
                if case.n_users is None
                else self.case_slate_settings(name, self.rows(case.size, promotion))
                for name, case in cases.items()
            },
            **self._slate_sources(),
        )

    def case_slate_settings(self, name: str, size: int) -> Json:
        """Return the settings of a case's own slates of a size: those of a few users."""
        case = self.case(name)
        assert case.n_users is not None, f"{name} is drawn on the slates of the study"
        return self.slate_settings(
            self.slates,
            seed=self.seeds[0],
            size=size,
            n_slates=case.n_slates,
            n_users=case.n_users,
        )

    def case_settings(self, name: str, promotion: str, world: str) -> Json:
        """Return the settings of a case of the validation in one world."""
        case, validation = self.case(name), self.config["validation"]
        replicates = ("replicates", "test_replicates", "permutations")
        return settings(
            case=name,
            name=world,
            world=changed_world(self.world(world), case.changes),
            seed=self.seeds[0],
            n_slates=case.n_slates,
            promotion=self.promotion(promotion).settings | case.promotion,
            model_replicates=case.model_replicates,
            segment_replicates=case.segment_replicates,
            folds=self.config["models"]["folds"],
            policy=self._policy("cost", "max_share"),
            draws=case.draws,
            **{key: validation[key] for key in replicates},
            **self._inference("near_positions", "min_slates", "main_estimator"),
        )

    # --- Settings of logs and pages --------------------------------------------------------------

    def log_settings(self, name: str) -> Json:
        """Return the settings for reading a log; and of files that cannot be inputs, their hash."""
        log = self.log(name)
        files = [*log.data_files(), *([log.items.path] if log.items else [])]
        contents = {file: _sha256(file) for file in files if _PATTERN.search(file)}
        own = log_settings(self._entry(name))
        if name in self.arm_entries:
            own["name"] = name
        return settings(**own, **({"contents": contents} if contents else {}))

    def _entry(self, name: str) -> Json:
        return (dict(self.log_entries) | dict(self.arm_entries))[name]

    def section_settings(self, name: str) -> Json:
        """Return the settings of the list of sections of a log's analysis."""
        log = self.log(name)
        delivery = {"delivery": True} if log.records_delivery else {}
        return settings(
            experiment=log.is_experiment,
            parts=log.has_parts,
            row_stages=log.row_stages,
            **delivery,
        )

    def arm_settings(self, path: str) -> Json:
        """Return the settings of the comparison of variants, and of its page."""
        contrasts = self.variants(path)
        used = self._inference("permutations", "studentized")
        return settings(
            seed=self.seed(path),
            units=self.units(path),
            # A list keeps the order, which a mapping with sorted keys would not.
            variants=list(contrasts),
            phrases={name: self._treatment(run.path).phrase for name, run in contrasts.items()},
            contrasts={name: contrast.path for name, contrast in contrasts.items()},
            **used,
        )

    def arm_count_settings(self, path: str) -> Json:
        """Return the settings of the count of slates in each arm of a simulated experiment."""
        experiment = Experiment.parse(path)
        unit = self.arm_promotions[str(experiment.promotion)]["unit"]
        return settings(variants=list(self.variants(path)), unit=unit)

    def arm_page_settings(self, path: str) -> Json:
        """Return the settings of the page of all variants of a log or a simulated experiment."""
        experiment = Experiment.parse(path)
        if experiment.log is not None:
            entry = self.arm_entries[experiment.log]
            return settings(**self.arm_settings(path), log=experiment.log, entry=entry)
        return settings(
            **self.arm_settings(path),
            entry=self.arm_promotions[str(experiment.promotion)],
            promotion=experiment.promotion,
            world=experiment.world,
            size=experiment.size,
        )

    def page_settings(self, path: str) -> Json:
        """Return the choices that define one experiment, and no others.

        For a log that is not in this study, the entry is empty.
        """
        experiment = Experiment.parse(path)
        analysis = {key: self.config[key] for key in ("decision", "inference", "models", "policy")}
        if experiment.log is not None:
            entry = dict(self.log_entries.get(experiment.log, {}))
            # A rule's settings are sorted; the first outcome is the main one.
            order = {"outcome_order": list(entry["outcomes"])} if entry else {}
            return settings(log=experiment.log, entry=entry | order, **analysis)
        slates, promotion = str(experiment.slates), str(experiment.promotion)
        recipe = self.recipe(slates)
        return settings(
            dataset=experiment.dataset,
            entry=self.config["datasets"][experiment.dataset],
            size=experiment.size,
            seed=experiment.seed,
            world=experiment.world,
            world_entry=self.world(str(experiment.world)),
            slates={"name": slates}
            | {key: recipe[key] for key in ("builder", recipe["builder"], *SHARED_BY_RECIPES)},
            promotion={"name": promotion} | self.promotion(promotion).settings,
            **analysis,
        )

    def front_page_settings(self, **files: Any) -> Json:
        """Return the settings of the front page; ``files`` are checksums of other results."""
        return settings(
            study=self.name,
            experiments=[experiment.path for experiment in self.experiments],
            over_promotions=self.over_promotions,
            over_worlds=self.over_worlds,
            grids=self.grid_paths,
            sweeps=self.sweep_folders,
            validations=self.validation_folders,
            arms=[experiment.path for experiment in self.arm_experiments],
            logs=list(self.logs),
            arm_logs=list(self.arm_logs),
            entry=self.config["datasets"][self.dataset],
            **files,
        )

    @property
    def sweep_folders(self) -> list[str]:
        """Folders below ``results/`` of the study's sweeps, one for each promotion."""
        return [f"{self.folder}/sweep/{name}" for name in self.config["sweep"]["promotions"]]

    @property
    def validation_folders(self) -> list[str]:
        """Folders below ``results/`` of the study's validations: of each promotion of two arms."""
        return [f"{self.folder}/validation/{name}" for name in self.validated]

    @property
    def validated(self) -> list[str]:
        """The study's promotions with two arms, which can be validated."""
        return [name for name in self.promotions if name in self.config["promotions"]]

    @property
    def over_promotions(self) -> list[str]:
        """Folders below ``results/`` of comparisons of promotions; none of a single promotion."""
        if len(self.promotions) == 1:
            return []
        return [
            OVER_PROMOTIONS_PATH.format(study=self.name, size=size, seed=seed)
            for size, seed in product(self.sizes, self.seeds)
        ]

    @property
    def over_worlds(self) -> list[str]:
        """Folders below ``results/`` of comparisons of all worlds, one for each design."""
        choices = product(self.sizes, self.seeds, self.promotions)
        return [
            OVER_WORLDS_PATH.format(study=self.name, size=size, seed=seed, promotion=promotion)
            for size, seed, promotion in choices
        ]


def _log_entries(logs: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return the entries of logs and of contrasts, and those of logs with several arms."""
    entries: dict[str, Json] = {}
    several: dict[str, Json] = {}
    for name, entry in logs.items():
        if "arms" in entry.get("promotion", {}):
            several[name] = entry
            entries |= contrast_entries(name, entry)
        else:
            entries[name] = entry
    return entries, several


def _movies(dataset: str | None) -> str:
    return f"resources/datasets/{dataset}/movies.parquet"


def _scorer(dataset: str, slates: str, which: str) -> str:
    return f"results/{RECIPE_PATH.format(dataset=dataset, slates=slates)}/scorer/{which}.parquet"


def _similarity_tables(dataset: str, slates: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the tables for the similarity of items, if a world's entry needs it."""
    if not model_class(entry["model"]).NEEDS_SIMILARITY:
        return {}
    tables = {"movies": _movies(dataset)}
    if entry["source"] != "genres":
        tables["scorer_items"] = _scorer(dataset, slates, "items")
    return tables


def _sha256(file: str) -> str:
    """Return the hash of a file; of one that does not exist, an empty text."""
    if not Path(file).is_file():
        return ""
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
