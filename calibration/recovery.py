"""Would the calibration find the truth? Targets are simulated from known parameters and calibrated to.

Each truth is drawn from the prior; its targets are one history and one draw of observation and discrepancy. If the
posterior is right, the rank of the truth among posterior draws is uniform (nearly: few particles put more into both
ends), and an interval of x % holds it in x % of the truths (simulation-based calibration: Talts et al. 2018). The first
wave does not depend on what was observed and is shared by all truths.
"""

from __future__ import annotations

import json
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom, chi2

from calibration.abc import sample_posterior
from calibration.matching import Matching, Wave, what_is_left
from calibration.problem import Problem
from experiments.files import write_json
from experiments.runner import Progress

DRAWS = 99  # of a posterior: ranks from 0 to 99
LEVELS = (0.5, 0.9, 0.95)
BINS = 5
COPIES = 50  # of a particle of mean weight, in the draws that quantiles are of
ATTEMPTS = 50  # truths drawn until one has all its targets defined
RUNS = 2**40  # apart from the seeds of everything else


@dataclass(frozen=True)
class Recovery:
    """One row a truth and input: `table` has truth, name, value, rank (nan: ruled out), median, and within_50 ...

    `truths` in all, `ruled_out` of them entirely; `simulations` of the posteriors.
    """

    table: pd.DataFrame
    truths: int
    ruled_out: int
    particles: int
    generations: int
    simulations: int
    seed: int

    def coverage(self) -> pd.DataFrame:
        """Share of truths within the posterior's intervals, a row a level, over all inputs; exact binomial intervals.

        A truth that was ruled out counts as missed. `exact`: what the interval of so few particles, drawn from the
        exact posterior with equal weights, would hold on average: quantiles of few draws lie too far inside.
        """
        places = np.repeat(np.arange(1, self.particles + 1), COPIES)
        rows = []
        for level in LEVELS:
            hit = self.table[_within(level)].to_numpy()
            low, high = _binomial(int(hit.sum()), len(hit))
            rows.append({"level": level, "coverage": hit.mean(), "low": low, "high": high, "n": len(hit)})
            first, last = np.quantile(places, _ends(level))
            rows[-1]["exact"] = (last - first) / (self.particles + 1)
        return pd.DataFrame(rows)

    def ranks(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Counts of ranks in equal bins, what is expected there, and the p-value of chi-square between them.

        Expected of so few particles, drawn from the exact posterior with equal weights: those below the truth, k of N,
        are as likely any number, and of the draws taken from them a binomial number is below.
        """
        some = self.table["rank"].dropna().to_numpy()
        counts = np.histogram(some, BINS, (-0.5, DRAWS + 0.5))[0]
        below = np.arange(self.particles + 1) / self.particles
        ends = np.linspace(0, DRAWS + 1, BINS + 1) - 1
        expected = len(some) * np.diff(np.mean(binom.cdf(ends[:, None], DRAWS, below), axis=1))
        p = float(chi2.sf(((counts - expected) ** 2 / expected).sum(), BINS - 1)) if len(some) else 1.0
        return counts, expected, p


def _within(level: float) -> str:
    return f"within_{100 * level:g}"


def _ends(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2


def _binomial(hits: int, count: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval of a share."""
    from scipy.stats import binomtest

    found = binomtest(hits, count).proportion_ci(0.95, "exact")
    return float(found.low), float(found.high)


def _truth(problem: Problem, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A point of the prior, and what is observed of one history there."""
    generator = np.random.default_rng([seed, RUNS])
    for _ in range(ATTEMPTS):
        unit = generator.uniform(size=len(problem.inputs))
        answers = problem.simulate_one(unit, int(generator.integers(RUNS)))
        if np.isfinite(answers).all():
            return unit, answers + problem.tolerance * generator.normal(size=len(answers))
    raise ValueError(f"no draw from the prior has all targets defined, of {ATTEMPTS}")


def recover_one(
    problem: Problem, first: Wave, particles: int, generations: int, seed: int, number: int
) -> tuple[list[dict[str, Any]], int]:
    """Draw a truth, calibrate to it, and say where it lies: rows of the table, and simulations."""
    unit, observed = _truth(problem, seed + number)
    asked = problem.seen(observed)
    matching = Matching(asked, (first,), (what_is_left(asked, [first], seed + number),))
    rows: list[dict[str, Any]] = [
        {"truth": number, "name": name, "value": value, "rank": np.nan, "median": np.nan}
        | {_within(level): False for level in LEVELS}
        for name, value in zip(problem.inputs, unit, strict=True)
    ]
    if matching.empty:
        return rows, 0
    sample = sample_posterior(matching, particles=particles, generations=generations, seed=seed + number)
    drawn = sample.draws(DRAWS, seed + number)
    many = sample.draws(COPIES * particles, seed + number)
    for place, row in enumerate(rows):
        row["rank"] = float((drawn[:, place] < unit[place]).sum())
        row["median"] = float(np.median(many[:, place]))
        for level in LEVELS:
            low, high = np.quantile(many[:, place], _ends(level))
            row[_within(level)] = bool(low <= unit[place] <= high)
    return rows, sample.simulations


def _kept(
    folder: Path, problem: Problem, first: Wave, particles: int, generations: int, seed: int, number: int
) -> tuple[list[dict[str, Any]], int]:
    """`recover_one`, or what the folder has of it."""
    file = folder / f"truth_{number}_{particles}_{generations}.json"
    if file.is_file():
        there = json.loads(file.read_text(encoding="utf-8"))
    else:
        rows, count = recover_one(problem, first, particles, generations, seed, number)
        plain = [{key: None if value != value else value for key, value in row.items()} for row in rows]
        there = {"rows": plain, "simulations": count}
        write_json(file, there)
    rows = [{key: np.nan if value is None else value for key, value in row.items()} for row in there["rows"]]
    return rows, there["simulations"]


def _no_more(unit: np.ndarray, replicates: int, seed: int, *, progress: Progress | None = None) -> np.ndarray:
    raise ValueError("a recovery has no waves of its own")


def recover(
    problem: Problem,
    first: Wave,
    *,
    truths: int,
    particles: int,
    generations: int,
    seed: int,
    folder: Path,
    executor: Executor,
    progress: Progress | None = None,
) -> Recovery:
    """Calibrate to `truths` synthetic truths, one task of the executor each.

    `folder` keeps each truth that is done; one of the same size is not done again.
    """
    alone = replace(problem, simulate_many=_no_more)
    one = partial(_kept, folder, alone, first, particles, generations, seed)
    futures = [executor.submit(one, number) for number in range(truths)]
    rows, simulations, ruled_out = [], 0, 0
    for done, future in enumerate(futures, start=1):
        found, count = future.result()
        rows += found
        simulations += count
        ruled_out += count == 0
        if progress:
            progress(done, truths)
    return Recovery(pd.DataFrame(rows), truths, ruled_out, particles, generations, simulations, seed)
