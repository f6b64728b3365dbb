"""Regret: what is lost by one choice where another would have been better, over the ranges of all that is uncertain.

At points spread over the declared ranges of the parameters that nobody decides on, all options are compared anew at
equal budget, with levels solved for there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from abm.scenario import Scenario
from experiments.budget import solve
from experiments.effect import WITHOUT, run_arms
from experiments.options import Option
from experiments.pairs import resampled
from experiments.ranges import declared_range, uncertain
from experiments.runner import replicate_seeds

COMPARED = ("adoption", "exchanges", "tonnes", "carbon")  # what options are ranked on
EQUAL = 1e-9  # of the largest: what differs by less is the same
POINTS, FEW = 32, 6  # of the ranges, and replicates at each for solving and as many for comparing


@dataclass(frozen=True)
class Regret:
    """How far an option falls short of the best one: mean over points with its 95 % interval, and their 90 % quantile.

    `best`: share of points at which it is the best by itself; `tied`: at which it is as good as another one.
    """

    mean: float
    low: float
    high: float
    most: float
    best: float
    tied: float


def leaders(values: np.ndarray) -> np.ndarray:
    """Which options are the highest in each row, all of them that are as high; nan never is. Shape as `values`."""
    here = np.isfinite(values)
    known = np.where(here, values, -np.inf)
    top = known.max(axis=1, keepdims=True)
    scale = np.abs(np.where(here, values, 0.0)).max(axis=1, keepdims=True)
    first: np.ndarray = here & (known >= top - EQUAL * scale)
    return first


def points_of_ranges(base: Scenario, count: int, seed: int) -> list[dict[str, float | int]]:
    """Points of a Latin hypercube over the declared ranges of all that is uncertain."""
    from scipy.stats import qmc

    ranges = [declared_range(one, base.values[one.name]) for one in uncertain(base)]
    sample = qmc.LatinHypercube(len(ranges), rng=np.random.default_rng(seed)).random(count)
    columns = {one.name: one.at(sample[:, number]) for number, one in enumerate(ranges)}
    return [{name: column[point].item() for name, column in columns.items()} for point in range(count)]


def at_point(
    points: Sequence[Scenario], options: Sequence[Option], budget: float, seed: int, number: int
) -> np.ndarray:
    """Outcomes of all options at one of the points; shape (indicators, options, replicates)."""
    here, own = points[number], replicate_seeds(seed, number + 1)[number]
    solved = solve(here, options, budget, replicates=FEW, seed=own, workers=1)
    arms = {WITHOUT: here} | {one.option.name: here.with_values(one.levels) for one in solved}
    found = run_arms(arms, replicates=FEW, seed=own, workers=1)
    return np.array([[found.end(option.name, indicator) for option in options] for indicator in COMPARED])


def regret_table(ends: np.ndarray, names: Sequence[str], seed: int) -> Mapping[str, Mapping[str, Regret]]:
    """Regret by indicator and option; `ends` has shape (points, indicators, options, replicates)."""
    table: dict[str, dict[str, Regret]] = {}
    for number, indicator in enumerate(COMPARED):
        regret, best, tied = regrets(ends[:, number])
        low, high = np.quantile(resampled(regret, seed), (0.025, 0.975), axis=0)
        most = np.quantile(regret, 0.9, axis=0)
        columns = (regret.mean(axis=0), low, high, most, best.mean(axis=0), tied.mean(axis=0))
        table[indicator] = {name: Regret(*(float(part[n]) for part in columns)) for n, name in enumerate(names)}
    return table


def regrets(ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Regret of each option at each point, how far it is the best there alone, and how far it shares the first place.

    `ends` has shape (points, options, replicates), what is returned (points, options). The best is chosen on one half
    of the replicates and what is lost against it measured on the other, then the other way round: chosen and measured
    on the same runs, the best of several would seem better than it is.
    """
    half = ends.shape[2] // 2
    first, second = ends[:, :, :half].mean(axis=2), ends[:, :, half:].mean(axis=2)
    lost, won, shared = [], [], []
    for chosen, measured in ((first, second), (second, first)):
        best = leaders(chosen)
        many = best.sum(axis=1, keepdims=True)
        lost.append((best * measured).sum(axis=1, keepdims=True) / many - measured)
        won.append(best & (many == 1))
        shared.append(best & (many > 1))
    return np.mean(lost, axis=0), np.mean(won, axis=0), np.mean(shared, axis=0)
