"""The record of a study: its experiments, and the settings and inputs of each rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Self

from netlift.core.errors import NetliftError
from netlift.datasets.entries import import_settings, input_files
from netlift.logs.entries import MAIN_OUTCOME, LogEntry, log_settings
from netlift.promotion.record import Promotion
from netlift.studies.seed_blocks import seed_blocks
from netlift.workflow.checks import check_sweep, check_validation
from netlift.workflow.experiment import Experiment
from netlift.workflow.schema import Json, changed_world
from netlift.workflow.values import settings
from netlift.worlds.registry import model_class

OF_THE_SCORER = ("damping", "factors")
"""Keys of the recipe ``scorer`` that affect slates only through the scorer's files."""

SHARED_BY_RECIPES = ("clusters", "n_slates", "max_per_user")
"""Keys of ``slates`` that every recipe uses."""

EXAMPLE_LOG = r"results/[^/]+/size=\d+/seed=\d+/[^/]+/log\.csv"
"""A simulated experiment as a log, which Snakemake makes."""


@dataclass(frozen=True)
class Sweep:
    """The seeds, sizes and worlds of a sweep, and the number of seeds in a block."""

    seeds: tuple[int, ...]
    sizes: tuple[int, ...]
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
        The promotion, as the settings of a rule.
    changes
        Parameters to change in every world.
    model_replicates
        Number of replicates whose models and policies are evaluated.
    """

    size: int
    n_slates: int
    worlds: tuple[str, ...]
    promotion: Json
    changes: Json
    model_replicates: int = 0
    n_users: int | None = None


@dataclass(frozen=True)
class Study:
    """A study, parsed once from its configuration.

    Methods named ``..._settings`` give the one parameter of a rule (see ``values.settings``).

    Attributes
    ----------
    config
        The whole configuration, checked and complete: entries of data sets, worlds, grids and
        recipes, each with the keys of its kind.
    dataset
        The data set of the study's experiments.
    seeds, sizes, worlds
        An experiment is made for each combination.
    grids
        The sensitivity grids that are computed.
    promotion
        How focal items and promotions are drawn.
    logs
        A team's own logs, by name.
    """

    config: Json
    dataset: str
    seeds: tuple[int, ...]
    sizes: tuple[int, ...]
    worlds: tuple[str, ...]
    grids: tuple[str, ...]
    promotion: Promotion
    logs: Mapping[str, LogEntry]

    @classmethod
    def from_config(cls, config: Json) -> Self:
        """Parse a configuration that ``check_config`` returned."""
        study = {key: tuple(config["study"][key]) for key in ("seeds", "sizes", "worlds", "grids")}
        return cls(
            config=config,
            dataset=config["dataset"],
            promotion=Promotion(**config["promotion"]),
            logs={name: LogEntry.from_config(entry) for name, entry in config["logs"].items()},
            **study,
        )

    # --- Contents of the study -----------------------------------------------------------------

    @property
    def experiments(self) -> list[Experiment]:
        """The simulated experiments, world by world in each set of slates."""
        choices = product(self.sizes, self.seeds, self.worlds)
        return [Experiment(self.dataset, size, seed, world) for size, seed, world in choices]

    @property
    def slate_sets(self) -> list[str]:
        """The folders of slates below ``results/``, each once."""
        return list(dict.fromkeys(experiment.slate_set for experiment in self.experiments))

    @property
    def uses_scorer(self) -> bool:
        """Whether slates are ranked by the scorer."""
        return bool(self.config["slates"]["builder"] == "scorer")

    def log(self, name: str) -> LogEntry:
        """Return the entry of a log.

        Raises
        ------
        NetliftError
            There is no such log.
        """
        if name not in self.logs:
            known = ", ".join(self.logs) or "none; give the file that names it with --configfile"
            raise NetliftError(f"logs: there is no {name!r} (known: {known})")
        return self.logs[name]

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
        several = {key: tuple(sweep[key]) for key in ("seeds", "sizes", "worlds")}
        return Sweep(**several, block_size=sweep["block_size"])

    def case(self, name: str) -> Case:
        """Return a case of the validation, complete."""
        entry = self.config["validation"]["cases"][name]
        return Case(
            size=entry.get("size", self.sizes[0]),
            n_slates=entry.get("n_slates", self.config["slates"]["n_slates"]),
            worlds=tuple(entry.get("worlds", self.worlds)),
            promotion=self.promotion.settings | entry["promotion"],
            changes=entry["changes"],
            model_replicates=entry.get("model_replicates", 0),
            n_users=entry.get("n_users"),
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

        Raises
        ------
        NetliftError
            There is no such log, or one of its files does not exist.
        """
        log = self.log(name)
        if len(log.paths) == 1 and re.fullmatch(EXAMPLE_LOG, log.paths[0]):
            return list(log.paths)
        try:
            return log.files()
        except NetliftError as error:
            raise NetliftError(f"logs.{name}: {error}") from error

    def similarity_tables(self, dataset: str, world: str) -> dict[str, str]:
        """Return the tables for the similarity of items, if a world needs it."""
        entry = self.world(world)
        return _similarity_tables(dataset, entry)

    def grid_inputs(self, dataset: str, name: str) -> dict[str, str]:
        """Return the design that a grid is computed on, and the tables that its world needs."""
        grid = self.grid(name)
        slates = Experiment(dataset, grid["size"], grid["seed"]).slate_set
        tables = _similarity_tables(dataset, self._grid_world(grid))
        return {"exposure": f"results/{slates}/exposure.parquet", **tables}

    def case_inputs(self, dataset: str, name: str, world: str) -> dict[str, str]:
        """Return the slates that a case is drawn on, and the tables that its world needs."""
        case = self.case(name)
        folder = f"{dataset}/validation/{name}"
        if case.n_users is None:
            folder = Experiment(dataset, case.size, self.seeds[0]).slate_set
        tables = _similarity_tables(dataset, changed_world(self.world(world), case.changes))
        return {"slates": f"results/{folder}/slates.parquet", **tables}

    def sweep_files(self, dataset: str, file: str) -> list[str]:
        """Return a file of every block of the sweep; blocks that exist are used again.

        Raises
        ------
        NetliftError
            The sweep cannot be run: all problems at once.
        """
        sweep, files = self.sweep, []
        for size in sweep.sizes:
            folder = Path(f"results/{dataset}/sweep/size={size}")
            existing = [path.name.removeprefix("seeds=") for path in folder.glob("seeds=*")]
            blocks = seed_blocks(sweep.seeds, sweep.block_size, existing)
            names = product(blocks, sweep.worlds)
            files += [f"{folder}/seeds={block}/{world}/{file}" for block, world in names]
        return files

    def case_files(self, dataset: str, file: str) -> list[str]:
        """Return a file of every case and world of the validation.

        Raises
        ------
        NetliftError
            A case cannot be run: all problems at once.
        """
        check_validation(self.config)
        return [
            f"results/{dataset}/validation/{name}/{world}/{file}"
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

    def scorer_settings(self) -> Json:
        """Return the settings of the scorer."""
        scorer = self.config["slates"]["scorer"]
        return settings(**{key: scorer[key] for key in ("train_share", *OF_THE_SCORER)})

    def slate_settings(self, **choices: int) -> Json:
        """Return the settings of the chosen recipe only, with choices such as the ``seed``."""
        slates = self.config["slates"]
        recipe = slates["builder"]
        used = {key: value for key, value in slates[recipe].items() if key not in OF_THE_SCORER}
        shared = {key: slates[key] for key in SHARED_BY_RECIPES}
        return settings(builder=recipe, **{recipe: used}, **(shared | choices))

    def promotion_settings(self, seed: int) -> Json:
        """Return the settings of the draw of promotions."""
        return settings(seed=seed, **self.promotion.settings)

    def click_settings(self, world: str, seed: int) -> Json:
        """Return the settings of the simulation of one world."""
        return settings(seed=seed, world=self.world(world))

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

    def _inference(self, *keys: str) -> Json:
        return {key: self.config["inference"][key] for key in keys}

    def _seed_and_outcome(self, path: str) -> Json:
        return {"seed": self.seed(path), "outcome": self.unit(path)}

    def ledger_settings(self, path: str) -> Json:
        """Return the settings of the ledger of an experiment."""
        used = self._inference("min_slates", "bootstrap_draws", "power_effects")
        return settings(seed=self.seed(path), units=self.units(path), **used)

    def row_effect_settings(self, path: str) -> Json:
        """Return the settings of effects on item rows."""
        return settings(
            **self._seed_and_outcome(path), **self._inference("bootstrap_draws", "near_positions")
        )

    def randomization_settings(self, path: str) -> Json:
        """Return the settings of randomization tests."""
        used = self._inference("permutations", "studentized", "near_positions")
        return settings(**self._seed_and_outcome(path), **used)

    def model_settings(self, path: str) -> Json:
        """Return the settings of outcome models and effect models."""
        return settings(**self._seed_and_outcome(path), **self.config["models"])

    def policy_settings(self, path: str) -> Json:
        """Return the settings of policies."""
        return settings(**self._seed_and_outcome(path), **self.config["policy"])

    # --- Settings of grids, sweeps and the validation --------------------------------------------

    def _grid_world(self, grid: Mapping[str, Any]) -> Json:
        return changed_world(self.world(grid["world"]), grid["changes"])

    def grid_settings(self, name: str) -> Json:
        """Return the settings of a grid: its world with its changes, and the parameters to vary."""
        grid = self.grid(name)
        return settings(
            world=self._grid_world(grid),
            # A list keeps the order of the parameters, which a mapping with sorted keys would not.
            parameters=[[name, values] for name, values in grid["parameters"].items()],
            **{key: grid[key] for key in ("definitions", "seed")},
            **self._inference("near_positions"),
        )

    def sweep_slate_settings(self, size: int, seeds: str) -> Json:
        """Return the settings of the slates of a block of seeds."""
        slates = self.slate_settings(size=size)
        return settings(seeds=seeds, slates=slates, promotion=self.promotion.settings)

    def sweep_effect_settings(self, world: str, size: int) -> Json:
        """Return the settings of the ledgers of a block of seeds."""
        return settings(name=world, world=self.world(world), size=size)

    def _slate_sources(self, dataset: str) -> Json:
        """Return the settings of all that is made before slates are built."""
        scorer = self.scorer_settings() if self.uses_scorer else {}
        return {"import": self.import_settings(dataset), "scorer": scorer}

    def sweep_design(self, dataset: str) -> Json:
        """Return all choices from which the results of a sweep follow; blocks are not among them.

        Raises
        ------
        NetliftError
            The sweep cannot be run: all problems at once.
        """
        sweep = self.sweep
        return settings(
            seeds=sweep.seeds,
            slates=[self.sweep_slate_settings(size, "") for size in sweep.sizes],
            worlds={world: self.world(world) for world in sweep.worlds},
            **self._slate_sources(dataset),
        )

    def validation_design(self, dataset: str) -> Json:
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
                name: [self.case_settings(name, world) for world in case.worlds]
                for name, case in cases.items()
            },
            slates={
                name: self.slate_settings(seed=self.seeds[0], size=case.size)
                if case.n_users is None
                else self.case_slate_settings(name)
                for name, case in cases.items()
            },
            **self._slate_sources(dataset),
        )

    def case_slate_settings(self, name: str) -> Json:
        """Return the settings of a case's own slates: those of a few users."""
        case = self.case(name)
        assert case.n_users is not None, f"{name} is drawn on the slates of the study"
        return self.slate_settings(
            seed=self.seeds[0], size=case.size, n_slates=case.n_slates, n_users=case.n_users
        )

    def case_settings(self, name: str, world: str) -> Json:
        """Return the settings of a case of the validation in one world."""
        case, validation = self.case(name), self.config["validation"]
        replicates = ("replicates", "test_replicates", "permutations")
        return settings(
            case=name,
            name=world,
            world=changed_world(self.world(world), case.changes),
            seed=self.seeds[0],
            n_slates=case.n_slates,
            promotion=case.promotion,
            model_replicates=case.model_replicates,
            folds=self.config["models"]["folds"],
            policy=self.config["policy"],
            **{key: validation[key] for key in replicates},
            **self._inference("near_positions"),
        )

    # --- Settings of logs and pages --------------------------------------------------------------

    def log_settings(self, name: str) -> Json:
        """Return the settings for reading a log."""
        self.log(name)
        return settings(**log_settings(self.config["logs"][name]))

    def section_settings(self, name: str) -> Json:
        """Return the settings of the list of sections of a log's analysis."""
        log = self.log(name)
        return settings(experiment=log.is_experiment, row_stages=log.row_stages)

    def page_settings(self, path: str) -> Json:
        """Return the choices that define one experiment, and no others.

        For a log that is not in this study, the entry is empty.
        """
        experiment = Experiment.parse(path)
        analysis = {key: self.config[key] for key in ("inference", "models", "policy")}
        if experiment.log is not None:
            entry = dict(self.config["logs"].get(experiment.log, {}))
            # A rule's settings are sorted; the first outcome is the main one.
            order = {"outcome_order": list(entry["outcomes"])} if entry else {}
            return settings(log=experiment.log, entry=entry | order, **analysis)
        slates, recipe = self.config["slates"], self.config["slates"]["builder"]
        return settings(
            dataset=experiment.dataset,
            entry=self.config["datasets"][experiment.dataset],
            size=experiment.size,
            seed=experiment.seed,
            world=experiment.world,
            world_entry=self.world(str(experiment.world)),
            slates={key: slates[key] for key in ("builder", recipe, *SHARED_BY_RECIPES)},
            promotion=self.promotion.settings,
            **analysis,
        )

    def front_page_settings(self, **files: Any) -> Json:
        """Return the settings of the front page; ``files`` are checksums of other results."""
        return settings(
            experiments=[experiment.path for experiment in self.experiments],
            slate_sets=self.slate_sets,
            grids=self.grids,
            logs=list(self.logs),
            dataset=self.dataset,
            entry=self.config["datasets"][self.dataset],
            **files,
        )


def _movies(dataset: str | None) -> str:
    return f"resources/datasets/{dataset}/movies.parquet"


def _similarity_tables(dataset: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the tables for the similarity of items, if a world's entry needs it."""
    if not model_class(entry["model"]).NEEDS_SIMILARITY:
        return {}
    tables = {"movies": _movies(dataset)}
    if entry["source"] != "genres":
        tables["scorer_items"] = f"results/{dataset}/scorer/items.parquet"
    return tables
