"""What a budget buys where a unit costs more or less: unit costs of the centre and of interventions are uncertain too.

What a person, a participant reached or a municipality obliged costs decides how much of an option the budget buys, not
what a level of it brings. So an option is run at a few levels; at a unit cost the level that spends as much is looked
up between them, and what it brings with it. Of an option that comes in whole steps it is the dearest level that was
run and does not exceed the budget. A mix keeps the proportions that it has at the scenario's unit costs; where the
centre itself asks what a case costs (facilitators.py), it goes on reckoning with the scenario's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from abm.catalogue import PAYERS
from abm.chance import mix, name_key
from abm.interventions import lever_paths
from abm.parameters import BY_NAME
from abm.scenario import Scenario
from experiments.budget import EQUAL, LEAST, Solved
from experiments.effect import WITHOUT, Arms
from experiments.options import CENTRE, Option, years_in_force
from experiments.pairs import BOOTSTRAP, resampled
from experiments.ranges import Range, declared_range

AWARE = ("facilitator.review_threshold", "facilitator.funding.municipal")  # above 0, what a person costs changes a run
NEIGHBOURS = 1.5  # between levels: a line is within 2 % of what the centre brings (twice each other: within 5 %)
STEPS = 4  # levels between nothing and the most of an option in whole steps
LUCK = name_key("unit costs")
ROUNDING = 1e-9  # of what is compared: sums of months in another order


def uncertain_costs(base: Scenario, options: Iterable[Option]) -> dict[str, Range]:
    """Unit costs of the options that have a declared range, by parameter.

    Without that of the centre where funders decide by it: then it changes what a level brings.
    """
    names = dict.fromkeys(part.cost for option in options for part in option.parts if part.cost)
    if any(float(base.values[name]) > 0.0 for name in AWARE):
        names.pop("facilitator.cost", None)
    ranges = {name: declared_range(BY_NAME[name], base.values[name]) for name in names}
    return {name: one for name, one in ranges.items() if 0.0 < one.low < one.high and base.values[name]}


def further_levels(base: Scenario, solved: Solved, costs: Mapping[str, Range]) -> list[float]:
    """Multiples of an option's direction that the budget may buy over the ranges of its unit costs, ascending.

    No two have the same levels; those that come of a ratio of costs are NEIGHBOURS times each other at most.
    """
    option, values = solved.option, base.values
    own = [costs[part.cost] for part in option.parts if part.cost is not None and part.cost in costs]
    if not own:
        return [solved.multiple]
    if option.stepwise:
        tried = [LEAST * option.farthest, *np.linspace(0.0, option.farthest, STEPS + 1)[1:].tolist()]
    else:
        less = min(float(values[one.name]) / one.high for one in own)
        more = max(float(values[one.name]) / one.low for one in own)
        tried = [solved.multiple * ratio for ratio in (*_ratios(less), *_ratios(more))]
    multiples = [solved.multiple]  # first, so that it is the one that is kept
    for multiple in tried:
        within = min(multiple, option.farthest)
        if option.levels(within) not in map(option.levels, multiples):
            multiples.append(within)
    return sorted(multiples)


def _ratios(ratio: float) -> list[float]:
    count = math.ceil(abs(math.log(ratio, NEIGHBOURS)) - ROUNDING)
    return [ratio ** (step / count) for step in range(1, count + 1)]


@dataclass(frozen=True)
class Ladder:
    """What an option brings and costs at ascending multiples of its direction, more than without it.

    `paid` is public outlay that no unit cost sets, MSEK over the run; `units` how many MSEK each SEK of a unit cost
    adds to it; `brings` what is compared. Each of shape (replicates, multiples). `target` is what is to be spent.
    """

    option: Option
    multiples: tuple[float, ...]
    target: float
    paid: np.ndarray
    units: Mapping[str, np.ndarray]
    brings: Mapping[str, np.ndarray]

    def at(self, costs: Mapping[str, np.ndarray], seed: int | None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Outlay (MSEK over the run) and what it brings in the mean, at unit costs of shape (draws,).

        With a seed each draw has its own bootstrap draw of the replicates too; there are BOOTSTRAP of them.
        """
        place, share = self._places(costs)
        draw = np.arange(place.size)
        above = np.minimum(place + 1, len(self.multiples) - 1)

        def between(values: np.ndarray) -> np.ndarray:
            means = values.mean(axis=0)[None].repeat(place.size, axis=0) if seed is None else resampled(values, seed)
            found: np.ndarray = (1.0 - share) * means[draw, place] + share * means[draw, above]
            return found

        outlay = between(self.paid)
        for name, units in self.units.items():
            outlay = outlay + costs[name] * between(units)
        return outlay, {name: between(values) for name, values in self.brings.items()}

    def _places(self, costs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Between which two multiples the target is spent: number of the lower one, and how far to the upper one."""
        count = next((one.size for one in costs.values()), BOOTSTRAP)
        outlay = self.paid.mean(axis=0)[None].repeat(count, axis=0)
        for name, units in self.units.items():
            outlay = outlay + costs[name][:, None] * units.mean(axis=0)
        outlay = np.maximum.accumulate(outlay, axis=1)
        afford = (outlay <= self.target * (1.0 + ROUNDING)).sum(axis=1) - 1
        if self.option.stepwise or len(self.multiples) == 1:
            return np.maximum(afford, 0), np.zeros(count)
        place = np.clip(afford, 0, len(self.multiples) - 2)
        low, high = (np.take_along_axis(outlay, one[:, None], axis=1)[:, 0] for one in (place, place + 1))
        step = high - low
        share = np.divide(self.target - low, step, out=np.ones(count), where=step > 0.0)
        return place, np.clip(share, 0.0, 1.0)


def ladder(
    base: Scenario,
    solved: Solved,
    budget: float,
    costs: Mapping[str, Range],
    arms: Mapping[float, tuple[Arms, str]],
    without: Arms,
    indicators: Sequence[str],
) -> Ladder:
    """Put together from runs on the same replicates: `arms` by multiple, `without` has the arm without any of it."""
    option, multiples = solved.option, tuple(sorted(arms))

    def more(indicator: str) -> np.ndarray:
        before = without.end(WITHOUT, indicator)
        columns = [arms[one][0].end(arms[one][1], indicator) for one in multiples]
        change = np.column_stack(columns) - before[:, None]
        change[np.abs(change) <= ROUNDING * np.abs(before)[:, None]] = 0.0
        return change

    outlay, running = more("public_outlay"), more("public_cost")
    every = {part.cost: _administration(base, option, part.level, part.cost, multiples) for part in option.parts
             if part.cost and part.name != CENTRE}  # fmt: skip
    units = {name: np.tile(one, (len(outlay), 1)) for name, one in every.items()}
    if any(part.name == CENTRE for part in option.parts):
        staff = running - sum(float(base.values[name]) * one for name, one in units.items())
        units["facilitator.cost"] = staff / float(base.values["facilitator.cost"])
    units = {name: one for name, one in units.items() if name in costs}
    paid = outlay - sum(float(base.values[name]) * one for name, one in units.items())
    at_point = float(outlay[:, multiples.index(solved.multiple)].mean())
    target = at_point if solved.note == EQUAL else budget * years_in_force(base, option)
    return Ladder(option, multiples, target, paid, units, {name: more(name) for name in indicators})


def _administration(base: Scenario, option: Option, level: str, cost: str, multiples: Sequence[float]) -> np.ndarray:
    """MSEK over the run that running one part costs for each SEK of its unit cost; shape (multiples,)."""

    def paid(scenario: Scenario) -> float:
        paths = lever_paths(scenario)
        return sum(float(paths[payer].sum()) for payer in PAYERS) / 12.0 / 1e6

    least = paid(base)
    return np.array([paid(base.with_values({level: option.levels(one)[level], cost: 1.0})) - least
                     for one in multiples])  # fmt: skip


def drawn_costs(costs: Mapping[str, Range], seed: int) -> dict[str, np.ndarray]:
    """Unit costs spread evenly over their ranges, each in an order of its own, shape (BOOTSTRAP,)."""
    generator = np.random.default_rng(int(mix(LUCK, np.uint64(seed))))
    quantiles = {name: (generator.permutation(BOOTSTRAP) + generator.random(BOOTSTRAP)) / BOOTSTRAP for name in costs}
    return {name: one.at(quantiles[name]) for name, one in costs.items()}


def at_ends(costs: Mapping[str, Range]) -> dict[str, np.ndarray]:
    """All at their low end, all at their high end; shape (2,)."""
    return {name: np.array([one.low, one.high]) for name, one in costs.items()}
