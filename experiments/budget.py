"""How much of each option the same public money buys, by the model's own accounts.

What an option costs depends on what it sets off (a grant is paid for exchanges that come), so its level is found by
running it: on seeds of their own, so that the comparison made with it is not fitted to its own luck.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
LEAST = 1e-9  # of the way: every part is there, those in whole steps with one
EQUAL, AT_MOST, WHOLE_STEPS, BETWEEN = "", "at its most", "whole steps", "between levels"
UNUSED = "unused"  # nothing is paid at any level


@dataclass(frozen=True)
class Solved:
    """How much of an option costs the budget, or how near it comes; `cost` in MSEK a year, on the solving seeds."""

    option: Option
    multiple: float  # of the option's direction
    cost: float
    note: str = EQUAL

    @property
    def levels(self) -> Mapping[str, Value]:
        """Level of each part."""
        return self.option.levels(self.multiple)


class Search:
    """The multiple of an option's direction that costs the budget, by false position (Illinois).

    Where a side keeps moving, and for whole steps, the bracket is halved instead.
    """

    def __init__(self, option: Option, budget: float) -> None:
        self.option, self.budget = option, budget
        self.low, self.high = 0.0, option.farthest
        self.below, self.above = -budget, math.nan  # cost less the budget at both ends
        self.repeats = 0  # how often in turn the same side moved: negative the low one
        self.tried: dict[float, float] = {}  # cost by multiple

    @property
    def done(self) -> bool:
        """Is there nothing to be gained by trying on?"""
        if any(map(self._near, self.tried)):
            return True
        if self.option.farthest in self.tried and self.tried[self.option.farthest] < self.budget:
            return True
        first_step = LEAST * self.option.farthest
        if self.option.stepwise and self.tried.get(first_step, 0.0) > self.budget:
            return True
        return len(self.tried) > 1 and self.high - self.low < TOLERANCE * LEAST * self.option.farthest

    def next(self) -> float:
        """The multiple to try."""
        if not self.tried:
            return self.option.farthest
        if self.option.stepwise and len(self.tried) == 1:
            return LEAST * self.option.farthest
        if self.option.stepwise or abs(self.repeats) > 3:
            return 0.5 * (self.low + self.high)
        return self.low - self.below * (self.high - self.low) / (self.above - self.below)

    def learn(self, multiple: float, cost: float) -> None:
        """Take in what a multiple costs."""
        self.tried[multiple] = cost
        over = cost - self.budget
        if over > 0.0:
            self.high, self.above = multiple, over
            self.repeats = max(self.repeats, 0) + 1
            self.below *= 0.5 if self.repeats > 1 else 1.0
        else:
            self.low, self.below = multiple, over
            self.repeats = min(self.repeats, 0) - 1
            self.above *= 0.5 if self.repeats < -1 else 1.0

    def solved(self) -> Solved:
        """The level that costs the budget; else the dearest that does not exceed it, or else the cheapest."""
        near = [one for one in self.tried if self._near(one)]
        affordable = [one for one, cost in self.tried.items() if cost <= self.budget]
        if near:
            multiple, note = near[0], EQUAL
        elif max(map(abs, self.tried.values())) <= LEAST * self.budget:
            multiple, note = self.option.farthest, UNUSED
        elif self.option.farthest in affordable:
            multiple, note = self.option.farthest, AT_MOST
        else:
            multiple = max(affordable) if affordable else min(self.tried, key=lambda one: self.tried[one])
            note = WHOLE_STEPS if self.option.stepwise else BETWEEN
        return Solved(self.option, multiple, self.tried[multiple], note)

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
    searches = {option.name: Search(option, budget) for option in directed}
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
