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
from typing import Any, Literal

import numpy as np

from abm.catalogue import position
from abm.observe import INDICATORS
from abm.parameters import BY_NAME, FUNCTIONS, Value
from abm.plan import plan
from abm.scenario import Scenario
from abm.simulate import Network, simulate_arms
from experiments.precision import UntilNarrow, run_replicates
from experiments.runner import Progress, replicate_seeds

BOOTSTRAP = 2000
WITHOUT, WITH = "without", "with"
UNITS = {indicator.name: indicator.unit for indicator in INDICATORS}
PER_TONNE = "SEK/t CO2e"
# What one person does a year in each function: judgement on which a ranking of functions rests
REACH = {
    "leadership": ("facilitator.cases",),
    "knowledge": ("facilitator.trainings",),
    "policy": ("facilitator.steps", "facilitator.relief"),
    "brokerage": ("facilitator.registrations", "facilitator.screenings"),
    "meeting": ("facilitator.attendances",),
}
GROSS = "cost_per_tonne"  # the indicator that is a ratio: its effect is `PairedEffect.gross_cost`


def unit(indicator: str) -> str:
    """Unit of an indicator or a group."""
    return UNITS.get(indicator, "share")  # groups are shares of adopters


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
    """Ratio of two means; None where the lower one is not above zero, no interval where it is not clearly so."""

    unit: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    pairs: int


@dataclass(frozen=True)
class Arms:
    """Runs of several arms on the same replicates.

    `ends` has shape (arms, replicates, columns), at the horizon; `monthly` (replicates, months, kept columns) for some
    arms; `ledgers` (arms, replicates, municipalities), see Trajectory; `networks` are those of the first replicate.
    """

    seed: int
    arm_names: tuple[str, ...]
    columns: tuple[str, ...]
    ends: np.ndarray
    monthly: Mapping[str, np.ndarray]
    ledgers: np.ndarray
    networks: Mapping[str, Network]
    kept: tuple[str, ...]  # columns of `monthly`

    @property
    def pairs(self) -> int:
        """Number of replicates."""
        return int(self.ends.shape[1])

    def end(self, arm: str, indicator: str) -> np.ndarray:
        """One indicator at the horizon, shape (replicates,); KeyError with the nearest name, here and in `series`."""
        place = position(arm, self.arm_names, "arm")
        column: np.ndarray = self.ends[place, :, position(indicator, self.columns)]
        return column

    def series(self, arm: str, indicator: str) -> np.ndarray:
        """One indicator by month, shape (replicates, months), for an arm whose months were kept."""
        position(arm, tuple(self.monthly), "arm whose months were kept")
        return self.monthly[arm][:, :, position(indicator, self.kept)]

    def difference(self, indicator: str, arm: str = WITH, month: int | None = None) -> Difference:
        """Effect of `arm` against the arm without the centre on one indicator, at the horizon or after a month."""
        if month is None:
            without, with_ = self.end(WITHOUT, indicator), self.end(arm, indicator)
        else:
            without, with_ = (self.series(name, indicator)[:, month - 1] for name in (WITHOUT, arm))
        return paired_differences(without[:, None], with_[:, None], [unit(indicator)], self.seed)[0]


@dataclass(frozen=True)
class PairedEffect:
    """Effects of the centre at the horizon by indicator, and what a tonne CO2e costs the public.

    `marginal_cost`: public outlay over the emissions avoided because of the centre; `gross_cost`: over those that all
    exchanges avoid in the arm with the centre. Both are ratios of means: a mean of ratios has a long tail.
    """

    scenario: str
    seed: int
    pairs: int
    months: int
    indicators: Mapping[str, Difference]
    marginal_cost: Ratio
    gross_cost: Ratio

    def __getitem__(self, indicator: str) -> Difference:
        position(indicator, tuple(self.indicators))
        return self.indicators[indicator]

    def as_dict(self) -> dict[str, Any]:
        """As printed by `effect --json`."""
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "pairs": self.pairs,
            "months": self.months,
            "indicators": {name: difference.as_dict() for name, difference in self.indicators.items()},
            "marginal_cost_per_tonne": asdict(self.marginal_cost),
            "gross_cost_per_tonne": asdict(self.gross_cost),
        }


def t_quantile(pairs: int) -> float:
    """97.5 % quantile of Student's t with pairs - 1 degrees of freedom; infinite for one pair."""
    from scipy.special import stdtrit

    return float(stdtrit(pairs - 1, 0.975)) if pairs > 1 else math.inf


def _gain(without: np.ndarray, with_: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Variance of an independent over that of a paired difference, shape (draws, columns); nan where that is 0.

    `counts` says how often each pair is in each draw, shape (draws, pairs).
    """
    pairs = without.shape[0]

    def variance(sample: np.ndarray) -> np.ndarray:
        centred = sample - sample.mean(axis=0)
        mean = counts @ centred / pairs
        return np.maximum(counts @ centred**2 / pairs - mean**2, 0.0) * pairs / (pairs - 1)

    independent, paired = variance(with_) + variance(without), variance(with_ - without)
    return np.divide(independent, paired, out=np.full_like(independent, np.nan), where=paired > 1e-12 * independent)


def resampled(values: np.ndarray, seed: int) -> np.ndarray:
    """Means over bootstrap draws of the replicates (the first axis), shape (BOOTSTRAP, ...)."""
    replicates = len(values)
    counts = np.random.default_rng(seed).multinomial(replicates, np.full(replicates, 1 / replicates), BOOTSTRAP)
    means: np.ndarray = np.tensordot(counts / replicates, values, axes=1)
    return means


def _gains(without: np.ndarray, with_: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairing gain, shape (columns,), and its percentile-bootstrap interval, shape (2, columns)."""
    pairs = without.shape[0]
    counts = np.random.default_rng(seed).multinomial(pairs, np.full(pairs, 1 / pairs), BOOTSTRAP).astype(float)
    drawn = _gain(without, with_, counts)
    return _gain(without, with_, np.ones((1, pairs)))[0], np.nanquantile(drawn, (0.025, 0.975), axis=0)


def paired_differences(without: np.ndarray, with_: np.ndarray, units: Sequence[str], seed: int) -> list[Difference]:
    """Estimate the effect on each column from pairs; arrays of shape (pairs, columns)."""
    pairs, columns = without.shape
    difference = with_ - without
    mean, half = difference.mean(axis=0), np.full(columns, np.nan)
    gains: dict[int, tuple[float, tuple[float, float]]] = {}
    if pairs > 1:
        spread = difference.std(axis=0, ddof=1)
        half = t_quantile(pairs) * spread / math.sqrt(pairs)
        rounding = 1e-9 * (np.abs(without) + np.abs(with_)).mean(axis=0)  # sums of months in another order
        varying = np.flatnonzero(spread > rounding) if pairs > 2 else np.zeros(0, int)
        gain, (low, high) = _gains(without[:, varying], with_[:, varying], seed) if varying.size else ((), ((), ()))
        gains = {
            int(column): (float(gain[n]), (float(low[n]), float(high[n])))
            for n, column in enumerate(varying)
            if gain[n] > 0
        }
    return [
        Difference(
            units[column],
            float(without[:, column].mean()),
            float(with_[:, column].mean()),
            float(mean[column]),
            float(mean[column] - half[column]),
            float(mean[column] + half[column]),
            pairs,
            *gains.get(column, (None, None)),
        )
        for column in range(columns)
    ]


def fieller(upper: np.ndarray, lower: np.ndarray, unit: str) -> Ratio:
    """Ratio of the means of two paired samples with Fieller's interval (shape (pairs,) each)."""
    pairs = upper.size
    a, b = float(upper.mean()), float(lower.mean())
    if pairs < 3 or b <= 0.0:
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


def single_function(scenario: Scenario, function: str, reach: Literal["low", "high"] | None = None) -> Scenario:
    """A centre with the staff that `function` has in `scenario`, and nobody else.

    `reach` puts what one person does at the low or high bound of its sweep.
    """
    staff = float(scenario.values["facilitator.fte"]) * float(scenario.values[f"facilitator.shares.{function}"])
    changes: dict[str, Value] = {f"facilitator.shares.{name}": float(name == function) for name in FUNCTIONS}
    changes["facilitator.fte"] = staff
    if reach:
        changes |= {name: getattr(BY_NAME[name], reach) for name in REACH[function]}
    return scenario.with_values(changes)


@dataclass(frozen=True)
class _Kept:
    """What is kept of one replicate: rows at the horizon, months of some arms, ledgers, networks of the first."""

    ends: np.ndarray
    monthly: dict[str, np.ndarray]
    ledgers: np.ndarray
    networks: dict[str, Network]


def _one_replicate(
    arms: Mapping[str, Scenario], monthly: Sequence[str], columns: Sequence[int], first: int, seed: int
) -> _Kept:
    runs = dict(zip(arms, simulate_arms(list(arms.values()), seed), strict=True))
    return _Kept(
        np.array([run.values[-1] for run in runs.values()]),
        {name: runs[name].values[:, columns] for name in monthly},
        np.array([run.ledger for run in runs.values()]),
        {name: run.network for name, run in runs.items()} if seed == first else {},
    )


def run_arms(
    arms: Mapping[str, Scenario],
    *,
    replicates: int | UntilNarrow = 100,
    seed: int = 1,
    monthly: Sequence[str] = (),
    kept: Sequence[str] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Arms:
    """Run all arms on the same replicates; months are kept of the arms in `monthly`, of the columns in `kept` or all.

    The arms may differ in the centre's parameters and interventions only (abm/simulate.py: `simulate_arms`). Until an
    interval is narrow: that of the effect of the arm `WITH` if there is one, else of every arm but `WITHOUT`.
    """
    columns, places = plan(next(iter(arms.values()))).columns, list(arms)
    kept = columns if kept is None else tuple(kept)
    watched = [places.index(WITH)] if WITH in arms else [n for n, name in enumerate(places) if name != WITHOUT]

    def differences(some: Sequence[_Kept], indicator: str) -> np.ndarray:
        ends = np.array([one.ends[:, columns.index(indicator)] for one in some])
        return ends[:, watched] - ends[:, [places.index(WITHOUT)]]

    run = partial(_one_replicate, arms, monthly, [columns.index(name) for name in kept], replicate_seeds(seed, 1)[0])
    found = run_replicates(run, replicates, seed, differences, workers=workers, progress=progress)
    return Arms(
        seed,
        tuple(arms),
        columns,
        np.array([one.ends for one in found]).swapaxes(0, 1),
        {name: np.array([one.monthly[name] for one in found]) for name in monthly},
        np.array([one.ledgers for one in found]).swapaxes(0, 1),
        found[0].networks,
        tuple(kept),
    )


def effect_of(arms: Arms, scenario: Scenario, arm: str = WITH) -> PairedEffect:
    """Effects of `arm` (by default the whole centre) on every indicator and group that is not itself a ratio."""
    without, with_ = (arms.ends[arms.arm_names.index(name)] for name in (WITHOUT, arm))
    kept = [number for number, name in enumerate(arms.columns) if name != GROSS]
    names = [arms.columns[number] for number in kept]
    effects = paired_differences(without[:, kept], with_[:, kept], [unit(name) for name in names], arms.seed)
    cost, carbon = (arms.end(arm, name) for name in ("public_outlay", "carbon"))
    marginal = fieller(
        1e6 * (cost - arms.end(WITHOUT, "public_outlay")), carbon - arms.end(WITHOUT, "carbon"), PER_TONNE
    )
    gross = fieller(1e6 * cost, carbon, PER_TONNE)
    return PairedEffect(
        scenario.name, arms.seed, arms.pairs, scenario.months, dict(zip(names, effects, strict=True)), marginal, gross
    )


def paired_effect(
    scenario: Scenario,
    *,
    replicates: int | UntilNarrow = 100,
    seed: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> PairedEffect:
    """With and without the centre on `replicates` pairs of runs; mean, interval and pairing gain per indicator.

    `replicates=UntilNarrow(0.01)`: as many as it takes until the interval of the effect on adoption is so wide.
    """
    pair = {WITHOUT: without_centre(scenario), WITH: scenario}
    arms = run_arms(pair, replicates=replicates, seed=seed, workers=workers, progress=progress)
    return effect_of(arms, scenario)
