"""The identity of one experiment, and the grammar of paths: made and parsed here only.

A path below ``results/`` is the list of choices that made the file. Standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from netlift.core.errors import NetliftError
from netlift.promotion.variants import contrast_name

RECIPE_PATH = "{dataset}/{slates}"
"""What one recipe of slates makes of one data set."""

SLATES_PATH = f"{RECIPE_PATH}/size={{size}}/seed={{seed}}"
"""Slates of one size and seed, before any promotion."""

DESIGN_PATH = f"{SLATES_PATH}/{{promotion}}"
"""These slates with one promotion drawn."""

EXPERIMENT_PATH = f"{DESIGN_PATH}/{{world}}"
"""That design with clicks of one world."""

SWEEP_PATH = f"{RECIPE_PATH}/sweep/size={{size}}/seeds={{seeds}}/{{promotion}}"
"""Designs of a block of seeds of a sweep."""

STUDY_PATH = "studies/{study}"
"""What one study makes of several experiments; its name stands for its whole configuration."""

OVER_PROMOTIONS_PATH = f"{STUDY_PATH}/size={{size}}/seed={{seed}}"
"""What all promotions of its slates of one size and seed say together."""

OVER_WORLDS_PATH = f"{OVER_PROMOTIONS_PATH}/{{promotion}}"
"""What all worlds of one of its designs say together."""

_CHOICES = {"size": r"(\d+)", "seed": r"(\d+)"}

SIMULATED = re.sub(r"\{(\w+)\}", lambda choice: _CHOICES.get(choice[1], "([^/]+)"), EXPERIMENT_PATH)
"""Regular expression of the path of a simulated experiment, with a group for each choice."""

FORM = re.sub(r"\{(\w+)\}", lambda choice: choice[1].upper(), EXPERIMENT_PATH)
"""The form of an experiment's path, for messages."""


@dataclass(frozen=True)
class Experiment:
    """One experiment, as its path below ``results/`` names it.

    Attributes
    ----------
    dataset, slates, size, seed, promotion, world
        The choices that define a simulated experiment: ``slates`` is the name of a recipe;
        None for a log.
    log
        The name of a team's own log; None for a simulated experiment.
    """

    dataset: str | None = None
    slates: str | None = None
    size: int | None = None
    seed: int | None = None
    promotion: str | None = None
    world: str | None = None
    log: str | None = None

    @classmethod
    def parse(cls, path: str) -> Self:
        """Parse the path of an experiment below ``results/``.

        Raises
        ------
        NetliftError
            The path has another form.
        """
        log = re.fullmatch(r"logs/([^/]+)", path)
        if log:
            return cls(log=log[1])
        match = re.fullmatch(SIMULATED, path)
        if not match:
            raise NetliftError(f"{path} is no experiment: use {FORM} or logs/LOG")
        dataset, slates, size, seed, promotion, world = match.groups()
        return cls(dataset, slates, int(size), int(seed), promotion, world)

    def _filled(self, pattern: str) -> str:
        return pattern.format(**vars(self))

    def contrast(self, variant: str) -> Self:
        """Return the experiment that compares a variant with control, of one with several arms."""
        if self.log is not None:
            return replace(self, log=contrast_name(self.log, variant))
        return replace(self, promotion=contrast_name(str(self.promotion), variant))

    @property
    def slate_set(self) -> str:
        """The folder below ``results/`` of the slates of a simulated experiment."""
        return self._filled(SLATES_PATH)

    @property
    def design(self) -> str:
        """The folder below ``results/`` of these slates with the promotion drawn."""
        return self._filled(DESIGN_PATH)

    @property
    def path(self) -> str:
        """The experiment's folder below ``results/``."""
        return f"logs/{self.log}" if self.log else self._filled(EXPERIMENT_PATH)
