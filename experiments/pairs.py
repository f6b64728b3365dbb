"""What pairs of runs tell: mean differences and ratios of means with intervals, and the spread over single futures.

Intervals are 95 %: Student's t for means (`mean_interval`), Fieller (1954) for ratios of means (`fieller`), both
corrected where a sample is too skewed for them (skew.py); percentile bootstrap over pairs for the pairing gain. A
share of nobody is not defined, and NaN in a run: a pair counts in a column only where both of its runs are defined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from experiments import skew
from experiments.skew import ratio_interval

BOOTSTRAP = 2000
FUTURES = (0.05, 0.95)  # quantiles between which nine single futures in ten are
FEWEST_FUTURES = 19  # runs below which these lie beyond the outermost ones


@dataclass(frozen=True)
class Difference:
    """Effect on one indicator: with minus without, at the horizon.

    `pairs` are those in which both runs are defined, `left_out` the others. The interval of the mean is nan for a
    single pair; the mean is nan if no pair is left. In nine single futures in ten the effect is between `future_low`
    and `future_high` (nan for fewer than `FEWEST_FUTURES` pairs). `pairing_gain` is None where nothing varies.
    """

    unit: str
    without: float
    with_: float
    mean: float
    ci_low: float
    ci_high: float
    future_low: float
    future_high: float
    pairs: int
    left_out: int
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


def t_quantile(pairs: int) -> float:
    """97.5 % quantile of Student's t with pairs - 1 degrees of freedom; infinite for one pair."""
    from scipy.special import stdtrit

    return float(stdtrit(pairs - 1, 0.975)) if pairs > 1 else math.inf


def mean_interval(sample: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of a sample without gaps, shape (pairs,); nan for fewer than two."""
    if sample.size < 2:
        return math.nan, math.nan
    found = skew.mean_interval(sample)
    return found.low, found.high


def future_interval(sample: np.ndarray) -> tuple[float, float]:
    """Between what nine single futures in ten lie, from a sample without gaps, shape (pairs,); nan for too few.

    Quantile p is the order statistic p (n + 1), so that a further draw is outside with probability .1 whatever the law.
    """
    if sample.size < FEWEST_FUTURES:
        return math.nan, math.nan
    low, high = np.quantile(sample, FUTURES, method="weibull")
    return float(low), float(high)


def resampled(values: np.ndarray, seed: int) -> np.ndarray:
    """Means over bootstrap draws of the replicates (the first axis), shape (BOOTSTRAP, ...)."""
    means: np.ndarray = np.tensordot(_counts(len(values), seed) / len(values), values, axes=1)
    return means


def _counts(pairs: int, seed: int) -> np.ndarray:
    """How often each pair is in each bootstrap draw, shape (BOOTSTRAP, pairs)."""
    return np.random.default_rng(seed).multinomial(pairs, np.full(pairs, 1 / pairs), BOOTSTRAP).astype(float)


def _gain(without: np.ndarray, with_: np.ndarray, defined: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Variance of an independent over that of a paired difference, shape (draws, columns); nan where that is 0.

    `counts` says how often each pair is in each draw, shape (draws, pairs); pairs that are not `defined` count nowhere.
    """
    drawn = np.maximum(counts @ defined, 1.0)

    def variance(sample: np.ndarray) -> np.ndarray:
        middle = np.where(defined, sample, 0.0).sum(axis=0) / defined.sum(axis=0)
        centred = np.where(defined, sample - middle, 0.0)
        return np.maximum(counts @ centred**2 / drawn - (counts @ centred / drawn) ** 2, 0.0)

    independent, paired = variance(with_) + variance(without), variance(with_ - without)
    return np.divide(independent, paired, out=np.full_like(independent, np.nan), where=paired > 1e-12 * independent)


Gain = tuple[float, tuple[float, float]]


def _gains(without: np.ndarray, with_: np.ndarray, defined: np.ndarray, seed: int) -> dict[int, Gain]:
    """Pairing gain with its percentile-bootstrap interval, by column in which differences vary."""
    rounding = 1e-9 * (np.abs(without) + np.abs(with_))  # sums of months in another order
    varying = [
        column
        for column, kept in enumerate(defined.T)
        if kept.sum() > 2 and (with_ - without)[kept, column].std(ddof=1) > rounding[kept, column].mean()
    ]
    if not varying:
        return {}
    pairs, kept = len(without), (without[:, varying], with_[:, varying], defined[:, varying])
    gain = _gain(*kept, np.ones((1, pairs)))[0]
    low, high = np.nanquantile(_gain(*kept, _counts(pairs, seed)), (0.025, 0.975), axis=0)
    return {
        column: (float(gain[n]), (float(low[n]), float(high[n]))) for n, column in enumerate(varying) if gain[n] > 0
    }


def paired_differences(without: np.ndarray, with_: np.ndarray, units: Sequence[str], seed: int) -> list[Difference]:
    """Estimate the effect on each column from pairs; arrays of shape (pairs, columns), NaN where not defined."""
    defined = ~(np.isnan(without) | np.isnan(with_))
    gains = _gains(without, with_, defined, seed)
    return [
        _difference(without[kept, column], with_[kept, column], units[column], len(kept), gains.get(column))
        for column, kept in enumerate(defined.T)
    ]


def _difference(without: np.ndarray, with_: np.ndarray, unit: str, pairs: int, gain: Gain | None) -> Difference:
    """The effect from the pairs that are defined, of `pairs` in all."""
    sample = with_ - without
    before, after, mean = (float(one.mean()) if one.size else math.nan for one in (without, with_, sample))
    (ci_low, ci_high), (future_low, future_high) = mean_interval(sample), future_interval(sample)
    left_out, (value, interval) = pairs - sample.size, gain or (None, None)
    return Difference(
        unit, before, after, mean, ci_low, ci_high, future_low, future_high, sample.size, left_out, value, interval
    )


def fieller(upper: np.ndarray, lower: np.ndarray, unit: str) -> Ratio:
    """Ratio of the means of two paired samples with its interval (shape (pairs,) each, NaN where not defined)."""
    defined = ~(np.isnan(upper) | np.isnan(lower))
    upper, lower = upper[defined], lower[defined]
    found = ratio_interval(upper, lower)
    return Ratio(unit, found.value, found.low, found.high, int(upper.size))
