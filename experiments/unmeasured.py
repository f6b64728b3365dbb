"""The effect over what nobody has measured: points spread over the ranges of all parameters that are judgement.

Intervals of a mean say how precise the mean is at one set of parameters. Most of these are judgement, so here all of
them vary together over their declared ranges (a Latin hypercube), with a few pairs of runs at each point on seeds of
its own. What is left of chance at a point, with so few pairs, is in the spread over the points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from abm.chance import mix, name_key
from abm.interventions import INTERVENTIONS
from abm.parameters import JUDGEMENT, LEVERS, PARAMETERS, Parameter
from abm.plan import plan
from abm.scenario import Scenario
from abm.simulate import simulate_arms
from experiments.effect import without_centre
from experiments.pairs import future_interval, paired_differences
from experiments.ranges import Range, declared_range
from experiments.runner import Progress, replicate_seeds, run_all

POINTS, FEWEST_POINTS, REPLICATES = 200, 20, 2
POINTS_A_PAIR = 4  # of the study, up to POINTS: a quick study is quick here too
OWN_SEEDS = name_key("what nobody has measured")
# Judged by their source or not, and why they are treated otherwise here
LEFT_OUT: Mapping[str, str] = {
    "population.firms": "a register counts the firms",
    "run.spin_up": "how the model is run, not what the world is like",
}
TAKEN_IN: Mapping[str, str] = {
    "discovery.finds": "fitted to one cluster of twenty firms, which is one observation",
}
FACTORS: Mapping[str, str] = {  # as likely to halve as to double: logarithmic ranges
    "transaction.multiplier": "all hours together: nobody measured any of them, and they may be wrong in one direction",
}


@dataclass(frozen=True)
class Unmeasured:
    """Points and what the centre changes at each: `values` by parameter, `effects` by indicator, shape (points,) each.

    An effect is the mean over the `replicates` pairs of its point; NaN where none is defined.
    """

    values: Mapping[str, np.ndarray]
    effects: Mapping[str, np.ndarray]
    replicates: int
    seed: int

    @property
    def points(self) -> int:
        """How many there are."""
        return len(next(iter(self.effects.values())))

    def span(self, indicator: str) -> tuple[float, float]:
        """Between what the effect is at nine points of ten; nan for too few."""
        found = self.effects[indicator]
        return future_interval(found[~np.isnan(found)])


def is_unmeasured(parameter: Parameter, scenario: Scenario) -> bool:
    """Has nobody measured it, and is it in use in the scenario? What somebody decides on (`LEVERS`) is not measured."""
    name = parameter.name
    if not parameter.numeric or parameter.low is None or name in LEVERS or name in LEFT_OUT:
        return False
    off = [one.name for one in INTERVENTIONS.values() if not scenario.values[one.level.name]]
    if name.startswith(tuple(f"interventions.{intervention}." for intervention in off)):
        return False
    return name in TAKEN_IN or parameter.source.startswith(JUDGEMENT)


def unmeasured_ranges(scenario: Scenario) -> list[Range]:
    """The declared ranges of what nobody has measured, around a region's own values."""
    ranges = [declared_range(one, scenario.values[one.name]) for one in PARAMETERS if is_unmeasured(one, scenario)]
    return [replace(one, log=True) if one.name in FACTORS else one for one in ranges]


def points_for(pairs: int) -> int:
    """How many points go with a study of so many pairs."""
    return min(max(POINTS_A_PAIR * pairs, FEWEST_POINTS), POINTS)


def over_unmeasured(
    scenario: Scenario,
    indicators: Sequence[str],
    *,
    points: int = POINTS,
    replicates: int = REPLICATES,
    seed: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Unmeasured:
    """With and without the centre at points of a Latin hypercube over the ranges of what nobody has measured."""
    from scipy.stats import qmc

    ranges = unmeasured_ranges(scenario)
    sample = qmc.LatinHypercube(len(ranges), rng=np.random.default_rng(seed)).random(points)
    values = {one.name: one.at(sample[:, number]) for number, one in enumerate(ranges)}
    changes = [{name: column[point].item() for name, column in values.items()} for point in range(points)]
    scenarios = [scenario.with_values(one) for one in changes]
    seeds = np.array(replicate_seeds(int(mix(np.uint64(seed), OWN_SEEDS)) >> 1, points * replicates))
    columns = [plan(scenario).columns.index(name) for name in indicators]
    run = partial(_at_point, scenarios, seeds.reshape(points, replicates), columns)
    found = np.array(run_all(run, range(points), workers=workers, progress=progress))
    effects = {name: found[:, number] for number, name in enumerate(indicators)}
    return Unmeasured(values, effects, replicates, seed)


def _at_point(scenarios: Sequence[Scenario], seeds: np.ndarray, columns: Sequence[int], point: int) -> np.ndarray:
    """Mean effect at a point, shape (columns,)."""
    arms = [without_centre(scenarios[point]), scenarios[point]]
    ends = np.array([[run.values[-1, columns] for run in simulate_arms(arms, int(one))] for one in seeds[point]])
    found = paired_differences(ends[:, 0], ends[:, 1], [""] * len(columns), 0)
    return np.array([one.mean for one in found])
