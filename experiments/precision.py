"""As many pairs as an interval needs: replicates are added until it is narrow enough.

Stopping by the width of the usual interval keeps its coverage as the width goes to nothing (Chow & Robbins 1965, Annals
of Mathematical Statistics 36:457-462); from thirty pairs on it is close. Where differences are skewed, a sample that
has not yet seen its tail has both a low mean and a narrow interval, so it stops too soon: intervals are corrected for
skewness (skew.py), and a narrow one must still be narrow with a third more pairs. tests/test_precision.py measures the
coverage. A verdict, unlike a width, must not be stopped so: hypotheses have a confidence sequence for that.

Where a spread over points is shown and no interval, the first replicates say how many it takes (Stein 1945, Annals of
Mathematical Statistics 16:243-258, in two stages): by their variances alone, so that means are not chosen by.

All of it goes by counts of runs and never by the clock: the same seed has the same digits on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from experiments.runner import Progress, replicate_seeds, run_all
from experiments.sequences import has_moved
from experiments.skew import CORRECTED, mean_interval

Result = TypeVar("Result")
CONFIRMED = 4 / 3  # times the pairs at which a skewed interval must still be narrow


@dataclass(frozen=True)
class UntilNarrow:
    """Add pairs until the 95 % interval of the effect on `indicator` is `width` wide at most (in its unit)."""

    width: float
    indicator: str = "adoption"
    first: int = 30
    most: int = 20_000

    def __post_init__(self) -> None:
        if not self.width > 0.0:
            raise ValueError(f"the width of an interval must be above 0, not {self.width:g}")


@dataclass(frozen=True)
class UntilSteady:
    """Replicates at each of several points, `first` and then as many more as it takes, `most` in all: until chance has
    at most `share` of the variance that is seen over the points."""

    share: float
    first: int = 5
    most: int = 20


def replicates_for(values: np.ndarray, wanted: UntilSteady) -> int:
    """How many replicates it takes, by the first ones: values of shape (replicates, points, columns).

    Variances are summed over the columns. `wanted.most` where nothing varies over the points, or is not defined.
    """
    done = len(values)
    if done >= wanted.most:
        return done
    chance = float(values.var(axis=0, ddof=1).mean(axis=0).sum())  # of one replicate
    seen = float(values.mean(axis=0).var(axis=0, ddof=1).sum())
    needed = chance / (wanted.share * seen) if seen > 0.0 else math.inf
    return min(max(math.ceil(needed), done), wanted.most) if math.isfinite(needed) else wanted.most


def widest(differences: np.ndarray) -> tuple[float, bool]:
    """Width of the widest 95 % interval of means, and whether any was corrected for skewness.

    Shape (pairs, columns), NaN where a pair is not defined. Infinite while a column has hardly moved: what is rare and
    has not been seen yet looks certain.
    """
    samples = [column[~np.isnan(column)] for column in differences.T]
    if not all(map(has_moved, samples)):
        return math.inf, False
    found = [mean_interval(sample) for sample in samples]
    return max(one.high - one.low for one in found), any(one.method == CORRECTED for one in found)


def run_replicates(
    function: Callable[[int], Result],
    wanted: int | UntilNarrow,
    seed: int,
    differences: Callable[[Sequence[Result], str], np.ndarray],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Result]:
    """`function(seed)` for as many replicates as are wanted, the first ones whatever their number.

    `differences` gives the paired differences on an indicator, shape (pairs, columns), of what was run so far.
    """
    if isinstance(wanted, int):
        return run_all(function, replicate_seeds(seed, wanted), workers=workers, progress=progress)
    results: list[Result] = []
    target, confirming = min(wanted.first, wanted.most), False
    while True:
        seeds = replicate_seeds(seed, target)[len(results) :]
        told = after(len(results), progress)
        results += run_all(function, seeds, workers=workers, progress=told)
        pairs = len(results)
        width, skewed = widest(differences(results, wanted.indicator))
        narrow = width <= wanted.width
        if pairs >= wanted.most or (narrow and (confirming or not skewed)):
            return results
        confirming = narrow
        growth = CONFIRMED if narrow else (width / wanted.width) ** 2
        needed = math.ceil(pairs * growth) if math.isfinite(growth) else wanted.most
        target = min(max(needed, pairs + 10), 2 * pairs, wanted.most)


def after(before: int, progress: Progress | None) -> Progress | None:
    """Progress of what comes after so many that are done."""
    return (lambda done, total: progress(before + done, before + total)) if progress else None
