"""Which parameters move the targets: elementary effects (Morris 1991), in the tolerances of the targets.

An input's score is the largest mean size of a target's change over the input's range, in units of what that target is
allowed to miss (observation and discrepancy). Inputs that move no target by more than chance do are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from abm.parameters import Parameter
from experiments.methods import elementary_effects, salib_seed

LEVELS = 4
MOST_INPUTS = 15
Simulator = Callable[[np.ndarray, int, int, Sequence[int]], np.ndarray]


@dataclass(frozen=True)
class Screening:
    """Scores of all inputs, highest first: `table` has name, score, target (which it moves most), floor, above."""

    table: pd.DataFrame
    trajectories: int
    replicates: int
    seed: int

    @property
    def rows(self) -> int:
        """Points that were simulated."""
        return self.trajectories * (len(self.table) + 1)

    def chosen(self, most: int = MOST_INPUTS) -> tuple[str, ...]:
        """At most so many inputs that move a target by more than chance, strongest first."""
        clear = self.table[self.table["above"]]
        return tuple(clear["name"].head(most))


def screen(
    inputs: Sequence[Parameter],
    targets: Sequence[str],
    tolerances: np.ndarray,
    simulate: Simulator,
    *,
    trajectories: int,
    replicates: int,
    seed: int,
) -> Screening:
    """Score `inputs` on targets of these tolerances (standard deviations, one a target).

    `simulate(unit, replicates, seed, luck)` gives answers of shape (points, replicates, targets); points of one number
    in `luck` share their seeds. The floor is the score that an input without effect would have from the noise.
    """
    from SALib.sample import morris as sampling

    names = [one.name for one in inputs]
    problem: dict[str, Any] = {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}
    unit = sampling.sample(problem, trajectories, num_levels=LEVELS, seed=salib_seed(seed))
    luck = np.repeat(np.arange(trajectories), len(names) + 1)
    found = simulate(unit, replicates, seed, [int(number) for number in luck])
    scores, floors = [], []
    for number, tolerance in enumerate(tolerances):
        effects = elementary_effects(unit, found[:, :, number], len(names)) / tolerance
        with np.errstate(invalid="ignore"):
            scores.append(np.nanmean(np.abs(effects.mean(axis=2)), axis=0))
            noise = np.nanmean(effects.var(axis=2, ddof=1) / replicates, axis=0)
        floors.append(np.sqrt(noise * 2.0 / math.pi))
    score, floor = np.nan_to_num(np.array(scores)), np.nan_to_num(np.array(floors))
    return Screening(_table(names, targets, score, floor), trajectories, replicates, seed)


def _table(names: Sequence[str], targets: Sequence[str], score: np.ndarray, floor: np.ndarray) -> pd.DataFrame:
    """Per input the target that it moves most beyond the floor."""
    best = (score - floor).argmax(axis=0)
    at = (best, np.arange(len(names)))
    table = pd.DataFrame(
        {"name": names, "score": score[at], "target": [targets[one] for one in best], "floor": floor[at]}
    )
    table["above"] = table["score"] > 2.0 * table["floor"]
    return table.sort_values("score", ascending=False, ignore_index=True)
