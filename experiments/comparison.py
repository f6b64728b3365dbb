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
from experiments.budget import Solved, Stage, solve, unseen, yearly_cost
from experiments.effect import (
    BOOTSTRAP,
    PER_TONNE,
    WITHOUT,
    Arms,
    Difference,
    Ratio,
    fieller,
    paired_differences,
    resampled,
    run_arms,
    unit,
)
from experiments.options import Option, without_any, years_in_force
from experiments.precision import UntilNarrow
from experiments.regret import COMPARED, POINTS, Regret, at_point, points_of_ranges, regret_table
from experiments.runner import run_all

PAYERS = ("paid_national", "paid_region", "paid_municipal", "transaction_firms", "transaction_utilities", "investment")
PATHS = ("saving", "carbon", "public_outlay", "transaction_firms", "transaction_utilities", "investment")
KEPT_BY_PARTIES = ("price_floor", "procurement")  # transfers that pay for nothing: no resources are used up
LEDGER = ("saving", "carbon", "spent", "paid")
CHEAPEST = "public_per_tonne"
ENDS = (0.025, 0.975)


@dataclass(frozen=True)
class BreakEven:
    """Year after which cumulated benefits stay above cumulated costs; infinite: not within the run."""

    year: float
    low: float
    high: float


@dataclass(frozen=True)
class Outcome:
    """What an option brings at its levels, against nobody at the centre and none in force.

    `cost` is public outlay (a tax: its revenue) in MSEK a year in force; `public_per_tonne` that outlay over emissions
    avoided, `resources_per_tonne` what is used up for it whoever pays: staff, administration, investment, transactions.
    `best` is the share of bootstrap draws of the replicates in which its mean is the highest of all options, by
    indicator, and in which its `public_per_tonne` is the lowest.
    """

    solved: Solved
    effects: Mapping[str, Difference]
    cost: Difference
    public_per_tonne: Ratio
    resources_per_tonne: Ratio
    break_even: BreakEven | None
    best: Mapping[str, float]
    net: np.ndarray  # (3, months): cumulated benefits less costs, MSEK: mean and its 95 % interval (mean in the middle)
    towns: Mapping[str, tuple[Difference, ...]]  # by entry of LEDGER, in the region's order; MSEK, carbon in t

    @property
    def option(self) -> Option:
        """What was done."""
        return self.solved.option


@dataclass(frozen=True)
class Comparison:
    """Options at one budget: those that spend it, and taxes, that raise it, apart."""

    base: Scenario
    budget: float
    pairs: int
    seed: int
    spending: tuple[Outcome, ...]
    taxes: tuple[Outcome, ...]
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
    workers: int | None = None,
    stage: Stage = unseen,
) -> Comparison:
    """Compare options at `budget` MSEK a year; `robust` adds the regret over the parameters' ranges.

    Until an interval is narrow: the widest of the options' effects. `stage` names what is being done and gives its
    progress. Raises ScenarioError where the question makes no sense.
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
    taxes = [one for one in solved if one.option.tax]
    regrets: Mapping[str, Mapping[str, Regret]] = {}
    points = 0
    if robust and len(spending) > 1:
        points = POINTS
        scenarios = [base.with_values(one) for one in points_of_ranges(base, points, seed)]
        at = partial(at_point, scenarios, [one.option for one in spending], budget, seed)
        ends = run_all(at, range(points), workers=workers, progress=stage("over the parameters' ranges, points"))
        regrets = regret_table(np.array(ends), [one.option.name for one in spending], seed)
    return Comparison(
        base,
        budget,
        runs.pairs,
        seed,
        _outcomes(base, spending, runs),
        _outcomes(base, taxes, runs),
        points,
        regrets,
    )


def _outcomes(base: Scenario, solved: Sequence[Solved], runs: Arms) -> tuple[Outcome, ...]:
    best = _best(runs, [one.option.name for one in solved])
    return tuple(_outcome(base, one, runs, {name: shares[n] for name, shares in best.items()})
                 for n, one in enumerate(solved))  # fmt: skip


def _outcome(base: Scenario, solved: Solved, runs: Arms, best: Mapping[str, float]) -> Outcome:
    arms, name = runs, solved.option.name
    shown = dict.fromkeys((*COMPARED, "saving", "public_outlay", "public_cost", "tax_revenue", *PAYERS))
    effects = {indicator: arms.difference(indicator, name) for indicator in shown}
    cost = yearly_cost(arms, name, solved.option, base)
    zeros = np.zeros_like(cost)
    more = {one: arms.end(name, one) - arms.end(WITHOUT, one) for one in (*PATHS, *KEPT_BY_PARTIES)}
    private = more["investment"] + more["transaction_firms"] + more["transaction_utilities"]
    used = more["public_outlay"] - sum(more[one] for one in KEPT_BY_PARTIES) + private
    tax = solved.option.tax
    net, break_even = _benefit(base, runs.monthly[name] - runs.monthly[WITHOUT], arms.seed)
    return Outcome(
        solved,
        effects,
        paired_differences(zeros[:, None], cost[:, None], ["MSEK/yr"], arms.seed)[0],
        _nothing(arms.pairs) if tax else fieller(1e6 * more["public_outlay"], more["carbon"], PER_TONNE),
        _nothing(arms.pairs) if tax else fieller(1e6 * used, more["carbon"], PER_TONNE),
        None if tax else break_even,
        best,
        net,
        _by_town(runs, name),
    )


def _nothing(pairs: int) -> Ratio:
    return Ratio(PER_TONNE, None, None, None, pairs)


def _best(arms: Arms, names: Sequence[str]) -> dict[str, list[float]]:
    """Share of bootstrap draws in which each option has the highest mean, by indicator."""
    best = {}
    for indicator in COMPARED:
        ends = np.column_stack([arms.end(name, indicator) for name in names]) if names else np.zeros((arms.pairs, 0))
        means = resampled(ends, arms.seed)
        won = np.bincount(means.argmax(axis=1), minlength=len(names)).tolist() if names else []
        best[indicator] = [share / BOOTSTRAP for share in won]
    best[CHEAPEST] = _cheapest(arms, names) if names else []
    return best


def _cheapest(arms: Arms, names: Sequence[str]) -> list[float]:
    """Share of bootstrap draws in which each option has the lowest public outlay per tonne avoided."""
    outlay, carbon = (
        resampled(np.column_stack([arms.end(name, column) - arms.end(WITHOUT, column) for name in names]), arms.seed)
        for column in ("public_outlay", "carbon")
    )
    cost = np.divide(outlay, carbon, out=np.full_like(outlay, np.inf), where=carbon > 0.0)
    won = np.bincount(cost.argmin(axis=1)[np.isfinite(cost).any(axis=1)], minlength=len(names))
    return [share / BOOTSTRAP for share in won.tolist()]


def _benefit(base: Scenario, more: np.ndarray, seed: int) -> tuple[np.ndarray, BreakEven]:
    """Cumulated net benefit by month (shape (3, months): low, mean, high) and the year it breaks even.

    Benefit: private saving, and carbon at its public value; cost: public outlay, the parties' investment and
    transaction cost. What the public pays to the parties is in both. `more`: PATHS, (replicates, months, columns).
    """
    saving, carbon, *costs = np.moveaxis(more, 2, 0)
    net = saving + float(base.values["worth.carbon_value"]) * carbon / 1e6 - sum(costs)
    drawn = resampled(net, seed)
    low, high = np.quantile(drawn, ENDS, axis=0)
    years = np.quantile(_break_even(drawn), ENDS, method="nearest")
    mean = net.mean(axis=0)
    return np.array([low, mean, high]), BreakEven(float(_break_even(mean[None])[0]), float(years[0]), float(years[1]))


def _break_even(net: np.ndarray) -> np.ndarray:
    """Years after which each path (draws, months) has been below zero for the last time; infinite: it ends there."""
    below = net < -1e-9
    months = net.shape[1]
    last = np.where(below.any(axis=1), months - np.argmax(below[:, ::-1], axis=1), 0)
    return np.where(last == months, np.inf, last / 12.0)


def _by_town(runs: Arms, name: str) -> dict[str, tuple[Difference, ...]]:
    without, with_ = runs.ledgers[0], runs.ledgers[runs.arm_names.index(name)]
    tables = {}
    for entry in LEDGER:
        scale, kind = (1.0, unit("carbon")) if entry == "carbon" else (1e-6, "MSEK")
        before, after = scale * without[entry], scale * with_[entry]
        tables[entry] = tuple(paired_differences(before, after, [kind] * before.shape[1], runs.seed))
    return tables
