"""As many pairs as an interval needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats

from abm.scenario import Scenario
from experiments.effect import paired_effect
from experiments.precision import UntilNarrow, run_replicates, widest
from experiments.skew import mean_interval


def _column(results: Sequence[float], _: str) -> np.ndarray:
    return np.array(results)[:, None]


@pytest.mark.slow
def test_pairs_are_added_until_the_interval_is_narrow(tiny: Scenario) -> None:
    few, many = (paired_effect(tiny, replicates=UntilNarrow(width, "exchanges")) for width in (6.0, 1.5))
    for effect, width in ((few, 6.0), (many, 1.5)):
        one = effect["exchanges"]
        assert one.ci_high - one.ci_low <= width
    assert 30 <= few.pairs < many.pairs
    fixed = paired_effect(tiny, replicates=many.pairs)
    assert fixed["exchanges"] == many["exchanges"]  # the same first pairs, however many batches they came in


def test_it_stops_at_the_most() -> None:
    results = run_replicates(float, UntilNarrow(1e-9, first=5, most=40), 1, _column)
    assert len(results) == 40
    with pytest.raises(ValueError, match="above 0"):
        UntilNarrow(0.0)


def test_what_has_not_moved_yet_is_not_narrow() -> None:
    """One pair in twenty differs: thirty that are all alike are no ground to stop."""
    generator = np.random.default_rng(4)
    drawn = iter((generator.random(2000) < 0.05).astype(float))
    results = run_replicates(lambda _: next(drawn), UntilNarrow(0.2, first=30, most=1000), 1, _column, workers=1)
    assert len(results) > 100
    assert sum(results) >= 10


def test_width_is_that_of_the_interval() -> None:
    sample = np.random.default_rng(2).normal(size=(40, 3)) * [1.0, 5.0, 2.0]
    low, high = stats.t.interval(0.95, 39, loc=0, scale=stats.sem(sample[:, 1]))
    assert widest(sample) == (pytest.approx(high - low), False)
    leaning = np.exp(sample)
    ends = mean_interval(leaning[:, 1])
    assert widest(leaning) == (pytest.approx(ends.high - ends.low), True)


def test_a_skewed_interval_is_confirmed() -> None:
    """What is narrow by skewed pairs must be so with a third more of them."""
    drawn = np.exp(np.random.default_rng(3).normal(size=5000)).tolist()
    looks: list[int] = []

    def column(results: Sequence[float], name: str) -> np.ndarray:
        looks.append(len(results))
        return _column(results, name)

    values = iter(drawn)
    run_replicates(lambda _: next(values), UntilNarrow(1.0, first=30, most=4000), 1, column, workers=1)
    assert looks[-1] >= 4 / 3 * looks[-2]
    for pairs in looks[-2:]:
        width, skewed = widest(_column(drawn[:pairs], ""))
        assert width <= 1.0
        assert skewed


def _coverage(draw: Callable[[np.random.Generator, int], np.ndarray], width: float, experiments: int) -> float:
    """Share of experiments whose interval, at the number of pairs at which it stopped, holds the mean of zero."""
    wanted, hits = UntilNarrow(width, first=30, most=2000), 0
    for experiment in range(experiments):
        drawn = iter(draw(np.random.default_rng(experiment), 2000).tolist())
        results = run_replicates(lambda _, values=drawn: next(values), wanted, 1, _column, workers=1)
        found = mean_interval(np.array(results))
        hits += found.low <= 0.0 <= found.high
    return hits / experiments


@pytest.mark.slow
@pytest.mark.parametrize(
    ("law", "width", "least"),
    [("normal", 0.4, 0.945), ("exponential", 0.4, 0.93), ("lognormal", 0.4, 0.89), ("lognormal", 0.2, 0.92)],
)
def test_stopping_by_width_keeps_the_coverage(law: str, width: float, least: float) -> None:
    """Of laws with variance one that stop at some 100 to 500 pairs; lognormal ones (sigma 1) are far more skewed than
    effects are. Student's interval without a confirming look covered .95, .91, .84 and .90."""
    experiments = 600
    scale = math.sqrt(math.e * (math.e - 1.0))
    draw: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
        "normal": lambda random, count: random.normal(size=count),
        "exponential": lambda random, count: random.exponential(size=count) - 1.0,
        "lognormal": lambda random, count: (np.exp(random.normal(size=count)) - math.exp(0.5)) / scale,
    }
    covered = _coverage(draw[law], width, experiments)
    assert covered >= least - 3.0 * math.sqrt(least * (1.0 - least) / experiments)
    assert covered <= 0.95 + 3.0 * math.sqrt(0.95 * 0.05 / experiments)
