"""How much of each option the same public money buys, by the model's own accounts.

What an option costs depends on what it sets off (a grant is paid for exchanges that come), so its level is found by
running it: on seeds of their own, so that the comparison made with it is not fitted to its own luck.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from abm.chance import mix, name_key
from abm.parameters import Value
from abm.scenario import Scenario
from experiments.effect import WITHOUT, Arms, run_arms
from experiments.options import Option, years_in_force
from experiments.runner import Progress

Stage = Callable[[str], Progress | None]  # told what is being done, it gives where to tell how far it is

PASSES = 20  # most of them; three to six are usual
TOLERANCE = 0.005  # of the budget
SOLVING = name_key("solving for a budget")
EQUAL, AT_MOST, WHOLE_STEPS = "", "at its most", "whole steps"


@dataclass(frozen=True)
class Solved:
    """Levels at which an option costs the budget, or how near it comes; `cost` in MSEK a year, on the solving seeds."""

    option: Option
    levels: Mapping[str, Value]
    cost: float
    note: str = EQUAL


@dataclass
class _Search:
    """The multiple of an option's direction that costs the budget: false position (Illinois), bisection for steps."""

    option: Option
    budget: float
    low: float = 0.0
    high: float = field(init=False)
    below: float = 0.0  # cost at the low end, and above at the high end, less the budget
    above: float = field(init=False)
    tried: dict[float, float] = field(default_factory=dict)  # cost by multiple

    def __post_init__(self) -> None:
        self.high = self.option.farthest
        self.below, self.above = -self.budget, float("nan")

    @property
    def stepwise(self) -> bool:
        return any(part.whole for part in self.option.parts)

    @property
    def done(self) -> bool:
        if self.option.farthest in self.tried and self.above <= 0.0:
            return True
        if self.stepwise and self.tried and self.option.levels(self.low) == self.option.levels(self.high * (1 - 1e-9)):
            return True
        return any(abs(cost - self.budget) <= TOLERANCE * self.budget for cost in self.tried.values())

    def next(self) -> float:
        """The multiple to try."""
        if not self.tried:
            return self.option.farthest
        if self.stepwise:
            return 0.5 * (self.low + self.high)
        return self.low - self.below * (self.high - self.low) / (self.above - self.below)

    def learn(self, multiple: float, cost: float) -> None:
        """Take in what a multiple costs."""
        self.tried[multiple] = cost
        over = cost - self.budget
        if multiple == self.option.farthest:
            self.above = over
        elif over > 0.0:
            if self.high == multiple:
                return
            self.high, self.above = multiple, over
            self.below *= 0.5 if len(self.tried) > 2 else 1.0
        else:
            self.low, self.below = multiple, over
            self.above *= 0.5 if len(self.tried) > 2 else 1.0

    def solved(self) -> Solved:
        """The best that was found."""
        if self.above <= 0.0:
            multiple, note = self.option.farthest, EQUAL if self._near(self.option.farthest) else AT_MOST
        elif self.stepwise:
            affordable = [one for one, cost in self.tried.items() if cost <= self.budget and any(self._levels(one))]
            dearer = [one for one, cost in self.tried.items() if any(self._levels(one)) and cost > self.budget]
            multiple = max(affordable) if affordable else min(dearer)
            note = EQUAL if self._near(multiple) else WHOLE_STEPS
        else:
            multiple, note = min(self.tried, key=lambda one: abs(self.tried[one] - self.budget)), EQUAL
        return Solved(self.option, self.option.levels(multiple), self.tried[multiple], note)

    def _levels(self, multiple: float) -> list[float]:
        return [float(level) for level in self.option.levels(multiple).values()]

    def _near(self, multiple: float) -> bool:
        return abs(self.tried[multiple] - self.budget) <= TOLERANCE * self.budget


def yearly_cost(arms: Arms, arm: str, option: Option, scenario: Scenario) -> np.ndarray:
    """Public outlay of an arm beyond that without it, a tax: its revenue; MSEK a year in force, shape (replicates,)."""
    account = "tax_revenue" if option.tax else "public_outlay"
    more: np.ndarray = arms.end(arm, account) - arms.end(WITHOUT, account)
    return more / years_in_force(scenario, option)


def solving_seed(seed: int) -> int:
    """The seed on which levels are solved for, unrelated to the one on which options are compared."""
    return int(mix(SOLVING, np.uint64(seed))) >> 1


def unseen(name: str) -> None:
    """No progress is told of the stage of this name."""


def solve(
    base: Scenario,
    options: Sequence[Option],
    budget: float,
    *,
    replicates: int,
    seed: int,
    workers: int | None = None,
    stage: Stage = unseen,
) -> list[Solved]:
    """Levels at which each option costs `budget` MSEK a year; a mix spends the same on each of its parts if it can."""
    how = {"replicates": replicates, "seed": seed, "workers": workers, "stage": stage}
    directed = [_spending_alike(base, option, budget, **how) for option in options]
    searches = {option.name: _Search(option, budget) for option in directed}
    for number in range(PASSES):
        under_way = {name: one.next() for name, one in searches.items() if not one.done}
        if not under_way:
            break
        arms = {WITHOUT: base} | {
            name: base.with_values(searches[name].option.levels(multiple)) for name, multiple in under_way.items()
        }
        told = stage(f"levels for the budget, pass {number + 1}, replicates")
        found = run_arms(arms, replicates=replicates, seed=solving_seed(seed), workers=workers, progress=told)
        for name, multiple in under_way.items():
            searches[name].learn(multiple, float(yearly_cost(found, name, searches[name].option, base).mean()))
    return [searches[option.name].solved() for option in directed]


def _spending_alike(base: Scenario, option: Option, budget: float, **how: Any) -> Option:
    """A mix, its direction such that each part by itself costs its even share of the budget, as far as it can."""
    if len(option.parts) == 1:
        return option
    solved = solve(base, [Option((part,), (part.most,)) for part in option.parts], budget / len(option.parts), **how)
    levels = [float(one.levels[part.level]) for one, part in zip(solved, option.parts, strict=True)]
    direction = [max(level, 1e-9 * part.most) for level, part in zip(levels, option.parts, strict=True)]
    return replace(option, direction=tuple(direction))
