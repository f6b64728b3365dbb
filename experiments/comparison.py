"""Interventions and mixes compared at equal public budget, on the same firms, prices and luck.

Levels are solved for on one set of seeds (budget.py), what they bring is measured on another. The unit is the
replicate; intervals are 95 %. How far the answer hangs on what is uncertain: regret.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from abm.chance import checked_seed
from abm.scenario import Scenario, ScenarioError
from experiments.breakeven import PATHS, BreakEven, benefit
from experiments.budget import Solved, Stage, solve, unseen, yearly_cost
from experiments.effect import PER_TONNE, WITHOUT, Arms, run_arms, unit
from experiments.options import Option, without_any, years_in_force
from experiments.pairs import Difference, Ratio, fieller, paired_differences
from experiments.precision import UntilNarrow
from experiments.ranges import Range
from experiments.ranking import Ranking, rank_all
from experiments.regret import COMPARED, POINTS, Regret, at_point, points_of_ranges, regret_table
from experiments.risk import SMALL, Risk, Small, risk_of
from experiments.runner import run_all
from experiments.unitcosts import Ladder, at_ends, drawn_costs, further_levels, ladder, uncertain_costs

PAYERS = ("paid_national", "paid_region", "paid_municipal", "transaction_firms", "transaction_utilities", "investment")
KEPT_BY_PARTIES = ("price_floor", "procurement")  # transfers that pay for nothing: no resources are used up
LEDGER = ("saving", "carbon", "spent", "paid")


@dataclass(frozen=True)
class AtCosts:
    """What the budget buys of an option at other unit costs: mean outlay (MSEK over the run) and carbon (t CO2e)."""

    unit_costs: Mapping[str, float]
    public_outlay: float
    carbon: float

    @property
    def per_tonne(self) -> float | None:
        """Public outlay per tonne avoided, SEK; None where none is."""
        return 1e6 * self.public_outlay / self.carbon if self.carbon > 0.0 else None


@dataclass(frozen=True)
class Outcome:
    """What an option brings at its levels, against nobody at the centre and none in force.

    `cost` is public outlay (a tax: its revenue) in MSEK a year in force; `public_per_tonne` that outlay over emissions
    avoided, `resources_per_tonne` what is used up for it whoever pays: staff, administration, investment, transactions.
    Both are averages. `risks`: the chance that the effect of a single future is small, by indicator. `at_costs`: with
    all its uncertain unit costs at their low and at their high end.
    """

    solved: Solved
    effects: Mapping[str, Difference]
    risks: Mapping[str, Risk]
    cost: Difference
    public_per_tonne: Ratio
    resources_per_tonne: Ratio
    break_even: BreakEven | None
    at_costs: tuple[AtCosts, AtCosts] | None
    net: np.ndarray  # (3, months): cumulated benefits less costs, MSEK: mean and its 95 % interval (mean in the middle)
    towns: Mapping[str, tuple[Difference, ...]]  # by entry of LEDGER, in the region's order; MSEK, carbon in t

    @property
    def option(self) -> Option:
        """What was done."""
        return self.solved.option


@dataclass(frozen=True)
class Comparison:
    """Options at one budget: those that spend it, and taxes, that raise it, apart.

    `ranking` is of those that spend, by indicator and by `public_per_tonne`, over bootstrap draws of the replicates
    and, at once, over the ranges of `unit_costs`; empty where there is nothing to rank.
    """

    base: Scenario
    budget: float
    pairs: int
    seed: int
    spending: tuple[Outcome, ...]
    taxes: tuple[Outcome, ...]
    ranking: Mapping[str, Ranking]
    unit_costs: Mapping[str, Range]
    points: int
    regrets: Mapping[str, Mapping[str, Regret]]  # by indicator and option; empty where it was not asked for


def check_question(
    scenario: Scenario,
    options: Sequence[Option],
    budget: float,
    replicates: int | UntilNarrow,
    robust_seed: int | None,
) -> None:
    """Raise ScenarioError for a comparison that cannot be made; `robust_seed` is that of the points of the ranges."""
    errors = []
    if not (math.isfinite(budget) and budget > 0.0):
        errors.append(f"budget {budget:g}: must be above 0 (MSEK a year)")
    if isinstance(replicates, int) and replicates < 3:
        errors.append(f"replicates {replicates}: a comparison needs at least 3")
    errors += [
        f"{option.name}: is not in force within the {scenario.months} months of the run"
        for option in options
        if years_in_force(scenario, option) <= 0.0
    ]
    for point in [] if robust_seed is None else points_of_ranges(scenario, POINTS, robust_seed):
        try:
            scenario.with_values(point)
        except ScenarioError as error:
            errors.append(
                f"over the parameters' ranges: {error.errors[0]}; a comparison that is not robust leaves them out"
            )
            break
    if errors:
        raise ScenarioError(errors)


def compare(
    scenario: Scenario,
    options: Sequence[Option],
    budget: float,
    *,
    replicates: int | UntilNarrow = 100,
    seed: int = 1,
    robust: bool = True,
    small: Mapping[str, Small] = SMALL,
    workers: int | None = None,
    stage: Stage = unseen,
) -> Comparison:
    """Compare options at `budget` MSEK a year; `robust` adds the regret over the parameters' ranges.

    Until an interval is narrow: the widest of the options' effects. `small`: below which an effect is little. `stage`
    names what is being done and gives its progress. Raises ScenarioError where the question makes no sense.
    """
    seed = checked_seed(seed)
    check_question(scenario, options, budget, replicates, seed if robust else None)
    base = without_any(scenario, options)
    solving = replicates if isinstance(replicates, int) else replicates.first
    solved = solve(base, options, budget, replicates=solving, seed=seed, workers=workers, stage=stage)
    arms = {WITHOUT: base} | {one.option.name: base.with_values(one.levels) for one in solved}
    runs = run_arms(
        arms, replicates=replicates, seed=seed, monthly=list(arms), kept=PATHS, workers=workers,
        progress=stage("comparing, replicates"),
    )  # fmt: skip
    spending = [one for one in solved if not one.option.tax]
    costs = uncertain_costs(base, [one.option for one in spending])
    ladders = _ladders(base, spending, budget, costs, runs, workers, stage)
    several = len(spending) > 1
    points = POINTS if robust and several else 0
    regrets = _regrets(base, spending, budget, seed, points, workers, stage) if points else {}
    return Comparison(
        base,
        budget,
        runs.pairs,
        seed,
        tuple(_outcome(base, one, runs, small, ladders[one.option.name], costs) for one in spending),
        tuple(_outcome(base, one, runs, small, None, costs) for one in solved if one.option.tax),
        rank_all(list(ladders.values()), drawn_costs(costs, seed), seed) if several else {},
        costs,
        points,
        regrets,
    )


def _ladders(
    base: Scenario,
    spending: Sequence[Solved],
    budget: float,
    costs: Mapping[str, Range],
    runs: Arms,
    workers: int | None,
    stage: Stage,
) -> dict[str, Ladder]:
    """Options at the levels that the budget may buy at other unit costs, on the replicates of `runs`."""
    wanted = {one.option.name: further_levels(base, one, costs) for one in spending}
    arms = {
        f"{one.option.name} x {multiple}": base.with_values(one.option.levels(multiple))
        for one in spending
        for multiple in wanted[one.option.name]
        if multiple != one.multiple
    }
    further = runs if not arms else run_arms(
        arms, replicates=runs.pairs, seed=runs.seed, kept=(), workers=workers,
        progress=stage("levels at other unit costs, replicates"),
    )  # fmt: skip
    found = {}
    for one in spending:
        name = one.option.name
        steps = {
            multiple: (runs, name) if multiple == one.multiple else (further, f"{name} x {multiple}")
            for multiple in wanted[name]
        }
        found[name] = ladder(base, one, budget, costs, steps, runs, COMPARED)
    return found


def _regrets(
    base: Scenario,
    spending: Sequence[Solved],
    budget: float,
    seed: int,
    points: int,
    workers: int | None,
    stage: Stage,
) -> Mapping[str, Mapping[str, Regret]]:
    scenarios = [base.with_values(one) for one in points_of_ranges(base, points, seed)]
    at = partial(at_point, scenarios, [one.option for one in spending], budget, seed)
    ends = run_all(at, range(points), workers=workers, progress=stage("over the parameters' ranges, points"))
    return regret_table(np.array(ends), [one.option.name for one in spending], seed)


def _outcome(
    base: Scenario,
    solved: Solved,
    runs: Arms,
    small: Mapping[str, Small],
    steps: Ladder | None,
    costs: Mapping[str, Range],
) -> Outcome:
    arms, name = runs, solved.option.name
    shown = dict.fromkeys((*COMPARED, "saving", "public_outlay", "public_cost", "tax_revenue", *PAYERS))
    effects = {indicator: arms.difference(indicator, name) for indicator in shown}
    cost = yearly_cost(arms, name, solved.option, base)
    zeros = np.zeros_like(cost)
    more = {one: arms.end(name, one) - arms.end(WITHOUT, one) for one in (*PATHS, *KEPT_BY_PARTIES)}
    private = more["investment"] + more["transaction_firms"] + more["transaction_utilities"]
    used = more["public_outlay"] - sum(more[one] for one in KEPT_BY_PARTIES) + private
    tax = solved.option.tax
    net, break_even = benefit(base, runs.monthly[name] - runs.monthly[WITHOUT], arms.seed)
    return Outcome(
        solved,
        effects,
        {one: risk_of(arms.end(name, one) - arms.end(WITHOUT, one), small[one]) for one in effects if one in small},
        paired_differences(zeros[:, None], cost[:, None], ["MSEK/yr"], arms.seed)[0],
        _nothing(arms.pairs) if tax else fieller(1e6 * more["public_outlay"], more["carbon"], PER_TONNE),
        _nothing(arms.pairs) if tax else fieller(1e6 * used, more["carbon"], PER_TONNE),
        None if tax else break_even,
        _at_costs(steps, costs) if steps else None,
        net,
        _by_town(runs, name),
    )


def _nothing(pairs: int) -> Ratio:
    return Ratio(PER_TONNE, None, None, None, pairs)


def _at_costs(steps: Ladder, costs: Mapping[str, Range]) -> tuple[AtCosts, AtCosts] | None:
    if not steps.units:
        return None
    ends = at_ends(costs)
    outlay, brings = steps.at(ends, None)
    low, high = (
        AtCosts({name: float(ends[name][n]) for name in steps.units}, float(outlay[n]), float(brings["carbon"][n]))
        for n in range(2)
    )
    return low, high


def _by_town(runs: Arms, name: str) -> dict[str, tuple[Difference, ...]]:
    without, with_ = runs.ledgers[0], runs.ledgers[runs.arm_names.index(name)]
    tables = {}
    for entry in LEDGER:
        scale, kind = (1.0, unit("carbon")) if entry == "carbon" else (1e-6, "MSEK")
        before, after = scale * without[entry], scale * with_[entry]
        tables[entry] = tuple(paired_differences(before, after, [kind] * before.shape[1], runs.seed))
    return tables
