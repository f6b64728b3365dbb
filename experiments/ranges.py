"""What a parameter takes in a design: a list of values, or an interval with a scale.

An interval of counts or months takes whole numbers, each end included.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from abm.parameters import BY_NAME, Parameter, Value, uncertainties
from abm.scenario import Scenario
from abm.texts import nearest, quoted, shown

DECLARED = "declared"
KEYS = ("low", "high", "log", "steps")
STEPS = 5  # values of an interval in a grid, unless it says how many
MOST_STEPS = 1000


@dataclass(frozen=True)
class Range:
    """The values that one parameter takes: `values`, or from `low` to `high`."""

    parameter: Parameter
    values: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    steps: int = STEPS

    @property
    def name(self) -> str:
        """The parameter's name."""
        return self.parameter.name

    @property
    def whole(self) -> bool:
        """Does it take whole numbers only?"""
        return isinstance(self.parameter.default, int)

    def grid(self) -> list[Value]:
        """The values of a factorial, from low to high; of whole numbers fewer than `steps` if there are no more."""
        if self.values:
            return list(self.values)
        space = np.geomspace if self.log else np.linspace
        points = space(self.low, self.high, self.steps)
        return list(dict.fromkeys(round(x) for x in points)) if self.whole else [float(x) for x in points]

    def at(self, u: np.ndarray) -> np.ndarray:
        """Values at quantiles `u` in [0, 1): each of a list, or each whole number, is as likely as another."""
        if self.values:
            numbers = np.minimum((u * len(self.values)).astype(int), len(self.values) - 1)
            return np.array(self.values)[numbers]
        low, high = (self.low, self.high + 1.0) if self.whole else (self.low, self.high)
        spread = low * (high / low) ** u if self.log else low + u * (high - low)
        return np.minimum(np.floor(spread), self.high).astype(int) if self.whole else spread

    def as_dict(self) -> dict[str, Any]:
        """As a design file gives it."""
        if self.values:
            return {"values": list(self.values)}
        return {"low": self.low, "high": self.high, "log": self.log, "steps": self.steps}


def declared_range(parameter: Parameter, value: Value) -> Range:
    """The range that a parameter is declared with, around the value that a scenario gives it.

    Where a region's own value lies outside, the range is moved along with it, in proportion, as far as it is allowed.
    Raises ValueError for a parameter without bounds.
    """
    if parameter.low is None or parameter.high is None:
        raise ValueError(f"{parameter.name}: has no declared bounds; give a list of values")
    low, high = float(parameter.low), float(parameter.high)
    if not low <= float(value) <= high and float(parameter.default) > 0.0:
        scale = float(value) / float(parameter.default)
        least, most = parameter.domain
        low, high = max(low * scale, least), min(high * scale, most)
    if isinstance(parameter.default, int):
        low, high = math.ceil(low), math.floor(high)
    return Range(parameter, (), low, high)


def uncertain(scenario: Scenario) -> list[Parameter]:
    """What is uncertain in a scenario; where its firms are given, not how many there are."""
    return [one for one in uncertainties() if not (scenario.firms and one.name == "population.firms")]


def read_range(name: str, given: Any, base: Mapping[str, Value]) -> Range:
    """A parameter's range as a design file gives it: a list, `{low, high, log, steps}` or "declared".

    `base` are the values of the scenario. Raises ValueError with what is wrong, in one phrase.
    """
    parameter = BY_NAME.get(name)
    if parameter is None:
        raise ValueError(f"no parameter {shown(name)}{nearest(name, tuple(BY_NAME))}")
    if given == DECLARED:
        return declared_range(parameter, base[name])
    if isinstance(given, list):
        return _read_list(parameter, given)
    if isinstance(given, Mapping):
        return _read_interval(parameter, given)
    raise ValueError(f'{name}: expected a list of values, {{ low, high }} or "{DECLARED}", found {quoted(given)}')


def _read_list(parameter: Parameter, given: list[Any]) -> Range:
    if not given:
        raise ValueError(f"{parameter.name}: the range is empty")
    for value in given:
        if problem := parameter.check(value):
            raise ValueError(f"{parameter.name}: {problem}{nearest(str(value), parameter.choices)}")
    values = tuple(type(parameter.default)(value) for value in given)
    for number, value in enumerate(values):
        if value in values[:number]:
            raise ValueError(f"{parameter.name}: {quoted(value)} is given twice")
    return Range(parameter, values)


def _read_interval(parameter: Parameter, given: Mapping[str, Any]) -> Range:
    name = parameter.name
    for key in given:
        if key not in KEYS:
            raise ValueError(f"{name}: unknown key {shown(key)}{nearest(key, KEYS)}")
    if not parameter.numeric:
        raise ValueError(f"{name}: is a name, not a number; give a list of values")
    for key in ("low", "high"):
        if key not in given:
            raise ValueError(f"{name}: {key} is missing")
        if problem := parameter.check(given[key]):
            raise ValueError(f"{name}: {key}: {problem}")
    low, high, log = float(given["low"]), float(given["high"]), given.get("log", False)
    steps = given.get("steps", STEPS)
    if not isinstance(log, bool):
        raise ValueError(f"{name}: log: expected true or false, found {quoted(log)}")
    if isinstance(steps, bool) or not isinstance(steps, int) or not 2 <= steps <= MOST_STEPS:
        raise ValueError(f"{name}: steps: {quoted(steps)} is not a whole number from 2 to {MOST_STEPS}")
    if not low < high:
        raise ValueError(f"{name}: the range is empty: low {low:g} is not below high {high:g}")
    if log and not low > 0.0:
        raise ValueError(f"{name}: a logarithmic range starts above 0, not at {low:g}")
    if not math.isfinite(high):
        raise ValueError(f"{name}: high is not finite")
    return Range(parameter, (), low, high, log, steps)


def flat_ranges(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Name and range of each parameter in a table, dotted keys nested or not."""
    for key, given in tree.items():
        name = f"{prefix}{key}"
        if isinstance(given, Mapping) and name not in BY_NAME and not {"low", "high"} & set(given):
            yield from flat_ranges(given, f"{name}.")
        else:
            yield name, given
