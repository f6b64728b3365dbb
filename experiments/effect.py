"""The paired effect: what the resource centre changes, on the same firms, prices and luck.

The gain from pairing is measured, not assumed: the variance that the difference would have between independent runs,
over the variance that it has between paired ones. Intervals are 95 %: Student's t for means, Fieller (1954) for
ratios of means, percentile bootstrap over pairs for the pairing gain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from abm.observe import INDICATORS
from abm.parameters import FUNCTIONS, Value
from abm.scenario import Scenario
from abm.simulate import Trajectory, column_names, simulate_arms
from experiments.runner import Progress, replicate_seeds, run_all

BOOTSTRAP = 2000
WITHOUT, WITH = "without", "with"
UNITS = {indicator.name: indicator.unit for indicator in INDICATORS}


@dataclass(frozen=True)
class Difference:
    """Effect on one indicator: with minus without, at the horizon.

    The interval is nan for a single pair; `pairing_gain` is None where nothing varies.
    """

    unit: str
    without: float
    with_: float
    mean: float
    ci_low: float
    ci_high: float
    pairs: int
    pairing_gain: float | None
    pairing_gain_ci: tuple[float, float] | None

    def as_dict(self) -> dict[str, Any]:
        """As printed by `effect --json`."""
        values = {("with" if name == "with_" else name): value for name, value in asdict(self).items()}
        return {name: None if value != value else value for name, value in values.items()}  # nan is not JSON


@dataclass(frozen=True)
class Ratio:
    """Ratio of two mean effects; without an interval where the lower one is not clearly above zero."""

    unit: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    pairs: int


@dataclass(frozen=True)
class Arms:
    """Runs of several arms on the same replicates: `values` of shape (arms, replicates, months, columns)."""

    scenario: Scenario
    seed: int
    arm_names: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    first: tuple[Trajectory, ...]  # of the first replicate, for maps

    def series(self, arm: str, indicator: str) -> np.ndarray:
        """Shape (replicates, months)."""
        return self.values[self.arm_names.index(arm), :, :, self.columns.index(indicator)]

    def difference(self, indicator: str, arm: str = WITH, month: int = -1) -> Difference:
        """Effect of `arm` against the arm without the centre on one indicator."""
        unit = UNITS.get(indicator, "share")
        return paired_difference(
            self.series(WITHOUT, indicator)[:, month], self.series(arm, indicator)[:, month], unit, self.seed
        )


@dataclass(frozen=True)
class PairedEffect:
    """Effects of the centre at the horizon, by indicator, and what a tonne CO2e costs."""

    scenario: str
    seed: int
    pairs: int
    months: int
    indicators: Mapping[str, Difference]
    cost_per_tonne: Ratio
    arms: Arms

    def __getitem__(self, indicator: str) -> Difference:
        return self.indicators[indicator]

    def as_dict(self) -> dict[str, Any]:
        """As printed by `effect --json`."""
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "pairs": self.pairs,
            "months": self.months,
            "indicators": {name: difference.as_dict() for name, difference in self.indicators.items()},
            "marginal_cost_per_tonne": asdict(self.cost_per_tonne),
        }


def t_quantile(pairs: int) -> float:
    """97.5 % quantile of Student's t with pairs - 1 degrees of freedom; infinite for one pair."""
    from scipy.special import stdtrit

    return float(stdtrit(pairs - 1, 0.975)) if pairs > 1 else math.inf


def _gain(without: np.ndarray, with_: np.ndarray) -> np.ndarray:
    """Variance of an independent over that of a paired difference, along the last axis (nan where that is 0)."""
    paired = (with_ - without).var(axis=-1, ddof=1)
    independent = with_.var(axis=-1, ddof=1) + without.var(axis=-1, ddof=1)
    return np.divide(independent, paired, out=np.full_like(independent, np.nan), where=paired > 1e-300)


def paired_difference(without: np.ndarray, with_: np.ndarray, unit: str, seed: int) -> Difference:
    """Estimate one effect from pairs; arrays of shape (pairs,)."""
    pairs = without.size
    difference = with_ - without
    error = float(difference.std(ddof=1)) / math.sqrt(pairs) if pairs > 1 else math.nan
    half = t_quantile(pairs) * error if error > 0 else (0.0 if pairs > 1 else math.nan)
    mean = float(difference.mean())
    gain, interval = None, None
    if pairs > 2 and error > 0:
        gain = float(_gain(without, with_))
        draws = np.random.default_rng(seed).integers(0, pairs, (BOOTSTRAP, pairs))
        low, high = np.nanquantile(_gain(without[draws], with_[draws]), (0.025, 0.975))
        interval = (float(low), float(high))
    return Difference(
        unit, float(without.mean()), float(with_.mean()), mean, mean - half, mean + half, pairs, gain, interval
    )


def fieller(upper: np.ndarray, lower: np.ndarray, unit: str) -> Ratio:
    """Ratio of the means of two paired samples with Fieller's interval (shape (pairs,) each)."""
    pairs = upper.size
    a, b = float(upper.mean()), float(lower.mean())
    if pairs < 3 or b == 0.0:
        return Ratio(unit, None, None, None, pairs)
    covariance = np.cov(upper, lower) / pairs
    t2 = t_quantile(pairs) ** 2
    g = t2 * covariance[1, 1] / b**2
    if g >= 1.0:
        return Ratio(unit, a / b, None, None, pairs)
    inner = covariance[0, 0] - 2 * a / b * covariance[0, 1] + (a / b) ** 2 * covariance[1, 1]
    inner -= g * (covariance[0, 0] - covariance[0, 1] ** 2 / covariance[1, 1]) if covariance[1, 1] > 0 else 0.0
    middle = a / b - g * covariance[0, 1] / covariance[1, 1] if covariance[1, 1] > 0 else a / b
    half = math.sqrt(t2 * max(inner, 0.0)) / b
    low, high = sorted(((middle - half) / (1 - g), (middle + half) / (1 - g)))
    return Ratio(unit, a / b, float(low), float(high), pairs)


def without_centre(scenario: Scenario) -> Scenario:
    """The same scenario with nobody at the centre."""
    return scenario.with_values({"facilitator.fte": 0.0})


def single_function(scenario: Scenario, function: str) -> Scenario:
    """A centre with the staff that `function` has in `scenario`, and nobody else."""
    staff = float(scenario.values["facilitator.fte"]) * float(scenario.values[f"facilitator.shares.{function}"])
    changes: dict[str, Value] = {f"facilitator.shares.{name}": float(name == function) for name in FUNCTIONS}
    return scenario.with_values({**changes, "facilitator.fte": staff})


def _values(arms: Sequence[Scenario], seed: int) -> list[Trajectory]:
    return simulate_arms(arms, seed)


def run_arms(
    arms: Mapping[str, Scenario],
    *,
    replicates: int = 100,
    seed: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Arms:
    """Run all arms on the same replicates. They may differ in the centre's parameters only."""
    scenarios = list(arms.values())
    runs = run_all(partial(_values, scenarios), replicate_seeds(seed, replicates), workers=workers, progress=progress)
    values = np.array([[run[arm].values for run in runs] for arm in range(len(scenarios))])
    return Arms(scenarios[-1], seed, tuple(arms), column_names(scenarios[0]), values, tuple(runs[0]))


def effect_of(arms: Arms, scenario: Scenario, arm: str = WITH) -> PairedEffect:
    """Effects of `arm`, against the arm without the centre, on every indicator and group."""
    differences = {name: arms.difference(name, arm) for name in arms.columns}
    cost = arms.series(arm, "public_cost")[:, -1] - arms.series(WITHOUT, "public_cost")[:, -1]
    carbon = arms.series(arm, "carbon")[:, -1] - arms.series(WITHOUT, "carbon")[:, -1]
    ratio = fieller(cost * 1e6, carbon, "SEK/t CO2e")
    return PairedEffect(scenario.name, arms.seed, arms.values.shape[1], scenario.months, differences, ratio, arms)


def paired_effect(
    scenario: Scenario,
    *,
    replicates: int = 100,
    seed: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> PairedEffect:
    """With and without the centre on `replicates` pairs of runs; mean, interval and pairing gain per indicator."""
    arms = run_arms(
        {WITHOUT: without_centre(scenario), WITH: scenario},
        replicates=replicates,
        seed=seed,
        workers=workers,
        progress=progress,
    )
    return effect_of(arms, scenario)
