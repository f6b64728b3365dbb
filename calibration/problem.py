"""What history matching, ABC and recovery need to know of any stochastic simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from experiments.runner import Progress

One = Callable[[np.ndarray, int], np.ndarray]


class Many(Protocol):
    """Runs of many points: (n, inputs) -> (n, replicates, targets)."""

    def __call__(self, unit: np.ndarray, replicates: int, seed: int, *, progress: Progress | None = None) -> np.ndarray:
        """Every point has luck of its own."""
        ...


@dataclass(frozen=True)
class Problem:
    """Inputs on the unit cube, uniform a priori, and targets with the spreads that they are allowed.

    `simulate_many(unit, replicates, seed)`: (n, inputs) -> (n, replicates, targets), every point with luck of its own;
    `simulate_one(unit, seed)`: (inputs,) -> (targets,), one history. nan: the statistic is not defined in that run.
    `observed`, `observation_sd` and `discrepancy_sd` have shape (targets,), in the targets' units.
    """

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    observed: np.ndarray
    observation_sd: np.ndarray
    discrepancy_sd: np.ndarray
    simulate_many: Many
    simulate_one: One

    @property
    def tolerance(self) -> np.ndarray:
        """Standard deviation of observation and discrepancy together, shape (targets,)."""
        return np.hypot(self.observation_sd, self.discrepancy_sd)

    def seen(self, observed: np.ndarray) -> Problem:
        """The same problem with other observations."""
        return replace(self, observed=observed)

    def described(self) -> dict[str, Any]:
        """What makes it this problem, as JSON can write it (the simulator aside)."""
        numbers = {name: getattr(self, name).tolist() for name in ("observed", "observation_sd", "discrepancy_sd")}
        return {"inputs": list(self.inputs), "targets": list(self.targets), **numbers}
