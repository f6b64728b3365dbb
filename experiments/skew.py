"""Intervals for means and ratios of means that hold where samples are skewed.

The t statistic of a skewed sample is skewed the other way: to first order its upper tail is off by
(2 q^2 + 1) phi(q) gamma/(6 sqrt(n)), with q the quantile and gamma the skewness. Hall's cubic transformation (1992,
J. R. Stat. Soc. B 54, 221) takes that off and can be inverted in closed form, so no resampling is needed; on lognormal
samples it covers as much as the bootstrap-t does (tests/test_skew.py). It is used where gamma/sqrt(n) exceeds `SKEWED`,
at which a tail of 2.5 % is off by a third; elsewhere intervals are Student's, and Fieller's (1954) for ratios.

Nothing helps against what a sample has not seen: a rare and large value.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit

Method = Literal["t", "skew-corrected t", "none"]
STUDENT: Method = "t"
CORRECTED: Method = "skew-corrected t"
NOTHING: Method = "none"
SKEWED = 0.1  # skewness over the root of the sample size
FEWEST = 10  # observations from which a skewness means anything
FLAT = 1e-8  # skewness under which the transformation is the identity


class MeanInterval(NamedTuple):
    """Ends of the interval of a mean (nan from a single observation), how it was made, skewness of the sample."""

    low: float
    high: float
    method: Method
    skewness: float


class RatioInterval(NamedTuple):
    """Ratio of two means and the ends of its interval; the skewness is that of upper - ratio * lower.

    `value` is None where the lower mean is not above zero, the ends are where no interval is bounded.
    """

    value: float | None
    low: float | None
    high: float | None
    method: Method
    skewness: float


class MeanIntervals(NamedTuple):
    """Of several columns, arrays of shape (columns,): ends, skewness, and where skewness was corrected for."""

    low: np.ndarray
    high: np.ndarray
    skewness: np.ndarray
    corrected: np.ndarray


def skewness(samples: np.ndarray) -> np.ndarray:
    """Third standardised moment along the first axis; 0 where nothing varies."""
    centred = samples - samples.mean(axis=0)
    variance = np.mean(centred**2, axis=0)
    cubes = np.mean(centred**3, axis=0)
    return np.divide(cubes, variance**1.5, out=np.zeros_like(cubes), where=variance**1.5 > 0.0)


def is_skewed(skew: np.ndarray, observations: int) -> np.ndarray:
    """Where the usual interval of a mean of so many observations would be off."""
    return (np.abs(skew) > SKEWED * math.sqrt(observations)) & (observations >= FEWEST)


def hall_quantile(quantile: float | np.ndarray, skew: np.ndarray, observations: int) -> np.ndarray:
    """The t statistic whose Hall transform is `quantile`, by skewness of the sample.

    The transform is t + g t^2/3 + g^2 t^3/27 + g/6 with g = skewness/sqrt(observations): monotone in t.
    """
    g = np.asarray(skew, float) / math.sqrt(observations)
    level = quantile - g / 6.0
    curved = np.abs(g) > FLAT
    root = np.cbrt(1.0 + g * level) - 1.0
    return np.where(curved, 3.0 * root / np.where(curved, g, 1.0), level)


def mean_intervals(samples: np.ndarray, level: float = 0.95) -> MeanIntervals:
    """Intervals of the means of columns, array of shape (observations, columns)."""
    observations, columns = samples.shape
    mean, skew = samples.mean(axis=0), skewness(samples)
    if observations < 2:
        nan = np.full(columns, np.nan)
        return MeanIntervals(nan, nan, skew, np.zeros(columns, bool))
    error = samples.std(axis=0, ddof=1) / math.sqrt(observations)
    quantile = float(stdtrit(observations - 1, 0.5 + level / 2.0))
    corrected = is_skewed(skew, observations)
    used = np.where(corrected, skew, 0.0)
    low, high = (mean - error * hall_quantile(end, used, observations) for end in (quantile, -quantile))
    return MeanIntervals(low, high, skew, corrected)


def mean_interval(sample: np.ndarray, level: float = 0.95) -> MeanInterval:
    """Interval of the mean of a sample of shape (observations,)."""
    found = mean_intervals(sample[:, None], level)
    method = NOTHING if sample.size < 2 else CORRECTED if found.corrected[0] else STUDENT
    return MeanInterval(float(found.low[0]), float(found.high[0]), method, float(found.skewness[0]))


def ratio_interval(upper: np.ndarray, lower: np.ndarray, level: float = 0.95) -> RatioInterval:
    """Ratio of the means of two paired samples, shape (observations,) each.

    The ends are the ratios r nearest to the estimate at which the t statistic of upper - r lower reaches its quantiles:
    Fieller's where that is not skewed. None where the lower mean is not clearly above zero.
    """
    observations = upper.size
    if observations < 3 or float(lower.mean()) <= 0.0:
        return RatioInterval(None, None, None, NOTHING, 0.0)
    a, b = float(upper.mean()), float(lower.mean())
    ratio = a / b
    skew = float(skewness(upper - ratio * lower))
    quantile = float(stdtrit(observations - 1, 0.5 + level / 2.0))
    covariance = np.cov(upper, lower) / observations
    if quantile**2 * covariance[1, 1] >= b**2:
        return RatioInterval(ratio, None, None, NOTHING, skew)
    corrected = bool(is_skewed(np.array(skew), observations))
    used = np.array(skew if corrected else 0.0)
    ends = [
        _nearest_root(a, b, covariance, float(hall_quantile(end, used, observations))) for end in (quantile, -quantile)
    ]
    if not all(map(math.isfinite, ends)):
        return RatioInterval(ratio, None, None, NOTHING, skew)
    return RatioInterval(ratio, ends[0], ends[1], CORRECTED if corrected else STUDENT, skew)


def _nearest_root(a: float, b: float, covariance: np.ndarray, quantile: float) -> float:
    """The r nearest to a/b, below it for a quantile above 0, with (a - b r)/error(r) = quantile; infinite if none."""
    square, ratio, below = quantile**2, a / b, quantile > 0.0
    bend = b * b - square * covariance[1, 1]
    middle = a * b - square * covariance[0, 1]
    inner = middle**2 - bend * (a * a - square * covariance[0, 0])
    if bend > 0.0:  # the roots lie on both sides; their difference is rounding where nothing varies
        return (middle - math.copysign(math.sqrt(max(inner, 0.0)), quantile)) / bend
    roots = [(middle + sign * math.sqrt(inner)) / bend for sign in (-1.0, 1.0)] if bend < 0.0 <= inner else []
    on_side = [root for root in roots if (root < ratio) == below]
    return min(on_side, key=lambda root: abs(root - ratio), default=-math.inf if below else math.inf)
