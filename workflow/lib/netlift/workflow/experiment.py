"""The identity of one experiment: its data set, size, seed and world, or its log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from netlift.core.errors import NetliftError


@dataclass(frozen=True)
class Experiment:
    """One experiment, as its path below ``results/`` names it.

    Attributes
    ----------
    dataset, size, seed, world
        The choices that define a simulated experiment; None for a log.
    log
        The name of a team's own log; None for a simulated experiment.
    """

    dataset: str | None = None
    size: int | None = None
    seed: int | None = None
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
        match = re.fullmatch(r"([^/]+)/size=(\d+)/seed=(\d+)/([^/]+)", path)
        if not match:
            raise NetliftError(
                f"{path} is no experiment: use DATASET/size=SIZE/seed=SEED/WORLD or logs/LOG"
            )
        return cls(match[1], int(match[2]), int(match[3]), match[4])

    @property
    def slate_set(self) -> str:
        """The folder below ``results/`` of the slates of a simulated experiment."""
        return f"{self.dataset}/size={self.size}/seed={self.seed}"

    @property
    def path(self) -> str:
        """The experiment's folder below ``results/``."""
        return f"logs/{self.log}" if self.log else f"{self.slate_set}/{self.world}"
