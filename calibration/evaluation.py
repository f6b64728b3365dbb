"""The model as a function that calibration calls: parameter values -> what it says of each target, by replicate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from abm.chance import mix, name_key
from abm.parameters import BY_NAME, Value
from abm.regions import load_region
from abm.scenario import Scenario, load_scenario
from abm.simulate import simulate_arms
from calibration.statistics import STATISTICS, Seen
from calibration.targets import Setting, Target, Targets
from experiments.ranges import Range, declared_range
from experiments.runner import replicate_seeds

POINT = name_key("calibration point")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation runs: the calibrated scenario, and the arms of each setting as scenarios of their own."""

    scenario: Scenario
    targets: Targets
    arms: Mapping[str, Mapping[str, Scenario]]

    @property
    def runs(self) -> int:
        """Simulations of one replicate."""
        return sum(len(arms) for arms in self.arms.values())


def evaluation(scenario: Scenario, targets: Targets) -> Evaluation:
    """Prepare the runs that `targets` need; raises ScenarioError where a setting does not fit the scenario."""
    arms = {setting.name: _arms(setting, scenario) for setting in targets.settings}
    return Evaluation(scenario, targets, arms)


def _arms(setting: Setting, scenario: Scenario) -> dict[str, Scenario]:
    """The arms of a setting; in a region of its own with all that differs from the defaults in the scenario."""
    if _elsewhere(setting, scenario):
        own = scenario.region.parameters
        changed = {
            name: value
            for name, value in scenario.values.items()
            if value != BY_NAME[name].default and not (name in own and own[name] == value)
        }
        base = load_scenario(setting.region, changed | setting.values, months=setting.months)
    else:
        base = replace(scenario, months=setting.months).with_values(setting.values)
    return {name: base.with_values(arm) for name, arm in setting.arms.items()}


def _elsewhere(setting: Setting, scenario: Scenario) -> bool:
    return setting.region not in ("", scenario.region_name)


def _fixed(setting: Setting, scenario: Scenario) -> dict[str, set[str]]:
    """Names of the values that are not the calibrated scenario's, by arm."""
    own = load_region(setting.region).parameters if _elsewhere(setting, scenario) else {}
    return {name: {*setting.values, *arm, *own} for name, arm in setting.arms.items()}


def answers(one: Evaluation, values: Mapping[str, Value], seeds: Sequence[int]) -> np.ndarray:
    """What the model says at these parameter values, shape (replicates, points of targets); nan: not defined.

    Values that an arm, a setting or a setting's own region fixes (staff, the rule, its firms) stay as they are.
    """
    scenario = one.scenario.with_values(values)
    fixed = {setting.name: _fixed(setting, one.scenario) for setting in one.targets.settings}
    laid = {
        name: {
            arm: base.with_values({key: x for key, x in values.items() if key not in fixed[name][arm]})
            for arm, base in arms.items()
        }
        for name, arms in one.arms.items()
    }
    of_all = {target.name: _ask(target, Seen(scenario, {})) for target in one.targets.targets if not target.setting}
    rows = []
    for seed in seeds:
        runs = {
            name: dict(zip(arms, simulate_arms(list(arms.values()), seed), strict=True)) for name, arms in laid.items()
        }
        seen = Seen(scenario, runs)
        row = [of_all[target.name] if target.name in of_all else _ask(target, seen) for target in one.targets.targets]
        rows.append(np.concatenate(row))
    return np.array(rows)


def _ask(target: Target, seen: Seen) -> np.ndarray:
    return np.atleast_1d(STATISTICS[target.statistic](replace(seen, at=target.at))).astype(float)


def point_seeds(seed: int, point: int, replicates: int) -> list[int]:
    """Seeds of one point's replicates: no two points of an experiment share one."""
    return replicate_seeds(int(mix(POINT, np.uint64(seed)) ^ mix(POINT, np.uint64(point + 1))) >> 1, replicates)


def input_ranges(scenario: Scenario, names: Sequence[str]) -> tuple[Range, ...]:
    """The declared ranges of parameters, moved along where the scenario's own value lies outside."""
    return tuple(declared_range(BY_NAME[name], scenario.values[name]) for name in names)


def values_at(ranges: Sequence[Range], unit: np.ndarray) -> list[dict[str, Value]]:
    """Parameter values at points of the unit cube, shape (n, inputs)."""
    columns = [one.at(unit[:, number]) for number, one in enumerate(ranges)]
    kinds = [type(one.parameter.default) for one in ranges]
    return [
        {one.name: kind(column[n]) for one, kind, column in zip(ranges, kinds, columns, strict=True)}
        for n in range(len(unit))
    ]


def answers_at(
    points: Sequence[Mapping[str, Value]],
    replicates: int,
    seed: int,
    *,
    one: Evaluation,
    executor: Executor,
    progress: Progress | None = None,
    luck: Sequence[int] | None = None,
) -> np.ndarray:
    """Answers at parameter values, shape (points, replicates, points of targets).

    Each point has seeds of its own, unless `luck` numbers them: points of one number share theirs.
    """
    numbers = range(len(points)) if luck is None else luck
    ask = partial(answers, one)
    futures = [
        executor.submit(ask, values, point_seeds(seed, number, replicates))
        for number, values in zip(numbers, points, strict=True)
    ]
    results = []
    try:
        for future in futures:
            results.append(future.result())
            if progress:
                progress(len(results), len(points))
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return np.array(results)


def simulate(unit: np.ndarray, replicates: int, seed: int, *, ranges: Sequence[Range], **more: Any) -> np.ndarray:
    """`answers_at` points of the unit cube, shape (n, inputs): each input is a place within its range."""
    return answers_at(values_at(ranges, unit), replicates, seed, **more)
