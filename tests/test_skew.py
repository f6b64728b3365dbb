"""Intervals of means and ratios hold where samples are skewed: coverage on laws of known mean."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.special import stdtrit

from experiments.effect import fieller
from experiments.skew import (
    CORRECTED,
    STUDENT,
    hall_quantile,
    is_skewed,
    mean_interval,
    mean_intervals,
    ratio_interval,
    skewness,
)

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
SAMPLES = 4000
LAWS: dict[str, Draw] = {  # all of mean zero
    "normal": lambda random, shape: random.normal(size=shape),
    "exponential": lambda random, shape: random.exponential(size=shape) - 1.0,
    "lognormal": lambda random, shape: np.exp(random.normal(size=shape)) - math.exp(0.5),
    "negative": lambda random, shape: math.exp(0.5) - np.exp(random.normal(size=shape)),
    "fat tails": lambda random, shape: random.standard_t(3, shape),
}


def _error(share: float, count: int) -> float:
    """Three standard errors of a share of so many."""
    return 3.0 * math.sqrt(share * (1.0 - share) / count)


def _covers(samples: np.ndarray) -> float:
    found = mean_intervals(samples)
    return float(((found.low <= 0.0) & (found.high >= 0.0)).mean())


def _student_covers(samples: np.ndarray) -> float:
    count = len(samples)
    half = stats.t.ppf(0.975, count - 1) * samples.std(axis=0, ddof=1) / math.sqrt(count)
    return float((np.abs(samples.mean(axis=0)) <= half).mean())


@pytest.mark.parametrize("count", [30, 100, 400])
@pytest.mark.parametrize(
    ("law", "least"),
    [("normal", 0.95), ("exponential", 0.94), ("lognormal", 0.92), ("negative", 0.92), ("fat tails", 0.93)],
)
def test_intervals_of_means_hold(law: str, least: float, count: int) -> None:
    """The bounds are the coverage at 30, in 40,000 samples; from there it rises."""
    samples = LAWS[law](np.random.default_rng(count), (count, SAMPLES))
    covered = _covers(samples)
    assert covered >= least - _error(least, SAMPLES)
    assert covered <= 0.96 + _error(0.96, SAMPLES)


def test_students_interval_does_not() -> None:
    """What the correction is for: .88 and .92 of lognormal samples where it makes .92 and .94."""
    for count, gain in ((30, 0.03), (100, 0.01)):
        samples = LAWS["lognormal"](np.random.default_rng(count), (count, SAMPLES))
        assert _student_covers(samples) < 0.95 - _error(0.95, SAMPLES)
        assert _covers(samples) > _student_covers(samples) + gain


def test_it_is_as_good_as_the_bootstrap_t() -> None:
    """Percentile-t with 999 resamples on the same lognormal samples, within the error of paired shares."""
    count = 50
    samples = LAWS["lognormal"](np.random.default_rng(3), (count, 1000))
    times = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), 999)
    centred = samples - samples.mean(axis=0)
    means, squares = times @ centred / count, times @ centred**2 / count
    error = np.sqrt((squares - means**2) / (count - 1))
    low, high = np.quantile(means / error, (0.025, 0.975), axis=0)
    scale = samples.std(axis=0, ddof=1) / math.sqrt(count)
    covered = (samples.mean(axis=0) - high * scale <= 0.0) & (samples.mean(axis=0) - low * scale >= 0.0)
    assert abs(covered.mean() - _covers(samples)) < _error(0.07, 1000)


def test_where_nothing_is_skewed_it_is_students_interval() -> None:
    sample = np.random.default_rng(2).normal(3.0, 2.0, 60)
    found = mean_interval(sample)
    assert found.method == STUDENT
    assert found[:2] == pytest.approx(stats.t.interval(0.95, 59, sample.mean(), stats.sem(sample)))
    assert found.skewness == pytest.approx(stats.skew(sample))
    mirrored = mean_interval(-sample)
    assert mirrored[:2] == pytest.approx((-found.high, -found.low))


def test_a_skewed_sample_has_an_interval_that_leans() -> None:
    sample = np.exp(np.random.default_rng(2).normal(size=60))
    found = mean_interval(sample)
    assert found.method == CORRECTED
    assert found.high - sample.mean() > sample.mean() - found.low
    mirrored = mean_interval(-sample)
    assert mirrored[:2] == pytest.approx((-found.high, -found.low))
    assert mean_interval(1e6 * sample)[:2] == pytest.approx((1e6 * found.low, 1e6 * found.high))


def test_a_column_has_the_interval_it_has_alone() -> None:
    table = np.exp(np.random.default_rng(2).normal(size=(40, 3)) * [0.1, 1.0, 2.0])
    found = mean_intervals(table)
    for column in range(3):
        alone = mean_interval(table[:, column])
        assert (found.low[column], found.high[column]) == pytest.approx((alone.low, alone.high), rel=1e-12)
    assert found.corrected.tolist() == [False, True, True]


@pytest.mark.parametrize("skew", [-3.0, -0.5, 0.0, 1e-9, 0.5, 3.0])
def test_the_transform_is_inverted(skew: float) -> None:
    for count in (10, 50, 1000):
        g = skew / math.sqrt(count)
        for quantile in (-4.0, -1.96, 0.0, 1.96, 4.0):
            t = float(hall_quantile(quantile, np.array(skew), count))
            assert t + g * t**2 / 3 + g**2 * t**3 / 27 + g / 6 == pytest.approx(quantile, abs=1e-7)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_few_observations_have_the_usual_interval(count: int) -> None:
    sample = np.exp(np.random.default_rng(1).normal(size=count))
    found = mean_interval(sample)
    if count == 1:
        assert math.isnan(found.low)
        assert found.method == "none"
    else:
        assert found[:2] == pytest.approx(stats.t.interval(0.95, count - 1, sample.mean(), stats.sem(sample)))
    assert not is_skewed(np.array(9.0), count)


def test_where_nothing_varies_there_is_a_point() -> None:
    assert mean_interval(np.full(20, 3.0)) == (3.0, 3.0, STUDENT, 0.0)
    assert skewness(np.zeros((5, 2))).tolist() == [0.0, 0.0]
    found = ratio_interval(np.full(20, 6.0), np.full(20, 3.0))
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))
    drawn = np.random.default_rng(1).exponential(size=20)
    assert ratio_interval(3.0 * drawn, drawn)[:3] == pytest.approx((3.0, 3.0, 3.0))


# -- ratios


def _fieller(upper: np.ndarray, lower: np.ndarray) -> tuple[float, float] | None:
    """Fieller's (1954) interval of a ratio of means as the textbooks have it, without any correction."""
    a, b, covariance = float(upper.mean()), float(lower.mean()), np.cov(upper, lower) / upper.size
    square = float(stdtrit(upper.size - 1, 0.975)) ** 2
    g = square * covariance[1, 1] / b**2
    if g >= 1.0:
        return None
    inner = covariance[0, 0] - 2 * a / b * covariance[0, 1] + (a / b) ** 2 * covariance[1, 1]
    inner -= g * (covariance[0, 0] - covariance[0, 1] ** 2 / covariance[1, 1])
    middle, half = a / b - g * covariance[0, 1] / covariance[1, 1], math.sqrt(square * inner) / b
    return (middle - half) / (1 - g), (middle + half) / (1 - g)


def _ratio_covers(upper: np.ndarray, lower: np.ndarray, truth: float) -> tuple[float, float]:
    """Coverage of the corrected and of Fieller's interval, arrays of shape (samples, observations)."""
    pairs = list(zip(upper, lower, strict=True))
    ours = [ratio_interval(a, b) for a, b in pairs]
    theirs = [ends for a, b in pairs if (ends := _fieller(a, b))]
    ends = [(one.low, one.high) for one in ours if one.low is not None and one.high is not None]
    return tuple(float(np.mean([low <= truth <= high for low, high in some])) for some in (ends, theirs))  # type: ignore[return-value]


@pytest.mark.parametrize(("count", "least", "fieller_most"), [(50, 0.92, 0.92), (100, 0.93, 0.93)])
def test_intervals_of_ratios_hold(count: int, least: float, fieller_most: float) -> None:
    """A cost that hardly varies over tonnes with a coefficient of variation of 1.5: Fieller covers .89 and .91."""
    samples, random = 1500, np.random.default_rng(count)
    variance = math.log(1.0 + 1.5**2)
    tonnes = np.exp(math.sqrt(variance) * random.normal(size=(samples, count)) - variance / 2.0)
    cost = 3.0 + 0.15 * random.normal(size=(samples, count))
    ours, theirs = _ratio_covers(cost, tonnes, 3.0)
    assert ours >= least - _error(least, samples)
    assert theirs < fieller_most
    assert ours > theirs + 0.01


def test_without_skew_a_ratio_has_fiellers_interval() -> None:
    random = np.random.default_rng(5)
    upper, lower = 3.0 + random.normal(size=50), 1.0 + 0.4 * random.normal(size=50)
    found = ratio_interval(upper, lower)
    assert found.method == STUDENT
    assert found.value == pytest.approx(upper.mean() / lower.mean())
    assert (found.low, found.high) == pytest.approx(_fieller(upper, lower))
    told = fieller(upper, lower, "SEK")
    assert (told.value, told.ci_low, told.ci_high, told.pairs) == (found.value, found.low, found.high, 50)


def test_a_ratio_over_what_may_be_nothing_has_no_interval() -> None:
    random = np.random.default_rng(5)
    upper = random.normal(size=40)
    assert ratio_interval(upper, random.normal(size=40) - 5.0)[:3] == (None, None, None)
    found = ratio_interval(upper, random.normal(size=40) + 0.2)
    assert found.low is found.high is None
    assert ratio_interval(upper[:2], np.ones(2)).value is None
