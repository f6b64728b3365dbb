"""Sensitivity problems with exact answers, and how well indices and their intervals do on them.

    python -m tests.exact FOLDER

writes the coverage table and the side-by-side with plain SALib that are kept in results/published/sensitivity.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from SALib.analyze import sobol as salib

from experiments.files import write_csv, write_text
from experiments.indices import intervals, moments
from experiments.sensitivity import Quantity, blocks_of, evaluate, pair_seeds, sample, sobol

AGENTS = 50  # of problem B


@dataclass(frozen=True)
class Exact:
    """A problem: `function(X, seeds, treated)`, vectorised, with its first and total indices and variances."""

    name: str
    function: Callable[[np.ndarray, np.ndarray, bool], np.ndarray]
    bounds: list[list[float]]
    first: np.ndarray
    total: np.ndarray
    variance: float
    quantity: Quantity = "outcome"
    chance: float = 0.0
    pairing: float = 0.0
    second: dict[tuple[int, int], float] = field(default_factory=dict)

    @property
    def problem(self) -> dict[str, Any]:
        """As SALib takes it."""
        names = [f"x{number + 1}" for number in range(len(self.bounds))]
        return {"num_vars": len(names), "names": names, "bounds": self.bounds}


def _luck(seeds: np.ndarray, draws: int) -> np.ndarray:
    """Uniform numbers that are a function of each seed (SplitMix64), shape (seeds, draws)."""
    z = seeds.astype(np.uint64)[:, None] + np.arange(1, draws + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(12)).astype(float) * 2.0**-52 + 2.0**-53


def _problem_a(x: np.ndarray, seeds: np.ndarray, treated: bool) -> np.ndarray:
    """x1 + x2 Z0, and with treatment x3 + x1 x4 + x5 Z1 more, Z standard normal."""
    u = _luck(seeds, 4)
    z0, z1 = (np.sqrt(-2.0 * np.log(u[:, n])) * np.cos(2.0 * np.pi * u[:, n + 1]) for n in (0, 2))
    outcome = x[:, 0] + x[:, 1] * z0
    return outcome + x[:, 2] + x[:, 0] * x[:, 3] + x[:, 4] * z1 if treated else outcome


def _problem_b(x: np.ndarray, seeds: np.ndarray, treated: bool) -> np.ndarray:
    """Share of agents that act: with chance x1, with the centre x1 + (1 - x1) x2, on the same luck."""
    chance = x[:, 0] + (1.0 - x[:, 0]) * x[:, 1] * treated
    acted: np.ndarray = (_luck(seeds, AGENTS) < chance[:, None]).mean(axis=1)
    return acted


def _ishigami(x: np.ndarray, seeds: np.ndarray, treated: bool) -> np.ndarray:
    found: np.ndarray = np.sin(x[:, 0]) + 7.0 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])
    return found


G = np.array([0.0, 1.0, 4.5, 9.0, 99.0, 99.0, 99.0, 99.0])


def _sobol_g(x: np.ndarray, seeds: np.ndarray, treated: bool) -> np.ndarray:
    found: np.ndarray = np.prod((np.abs(4.0 * x - 2.0) + G) / (1.0 + G), axis=1)
    return found


def _g_indices() -> tuple[np.ndarray, np.ndarray, float]:
    parts = 1.0 / (3.0 * (1.0 + G) ** 2)
    variance = prod(1.0 + parts) - 1.0
    total = np.array([part * prod(1.0 + np.delete(parts, n)) for n, part in enumerate(parts)])
    return parts / variance, total / variance, variance


def _ishigami_indices(a: float = 7.0, b: float = 0.1) -> tuple[np.ndarray, np.ndarray, float]:
    pi4, pi8 = np.pi**4, np.pi**8
    variance = a**2 / 8 + b * pi4 / 5 + b**2 * pi8 / 18 + 0.5
    one, two, both = 0.5 * (1 + b * pi4 / 5) ** 2, a**2 / 8, b**2 * pi8 * (1 / 18 - 1 / 50)
    first = np.array([one, two, 0.0])
    return first / variance, np.array([one + both, two, both]) / variance, variance


# Problem A: the mean effect is x3 + x1 x4 with x uniform, so V = 1/12 + 7/144; chance x5^2, pairing 2 Var(x2 Z0)
A_PARTS = np.array([1 / 48, 0.0, 1 / 12, 1 / 48, 0.0])
A_BOTH = 1 / 144
A_SHARED = np.array([A_BOTH, 0.0, 0.0, A_BOTH, 0.0])
A_VARIANCE = float(A_PARTS.sum() + A_BOTH)
UNIT = [0.0, 1.0]
PROBLEMS = (
    Exact(
        "A", _problem_a, [UNIT] * 5, A_PARTS / A_VARIANCE, (A_PARTS + A_SHARED) / A_VARIANCE,
        A_VARIANCE, "effect", 1 / 3, 2 / 3, {(0, 3): A_BOTH / A_VARIANCE, (0, 2): 0.0},
    ),
    Exact(
        "B", _problem_b, [UNIT] * 2, np.array([3 / 7, 3 / 7]), np.array([4 / 7, 4 / 7]), 7 / 144, "effect",
        5 / (36 * AGENTS), 6 / (36 * AGENTS), {(0, 1): 1 / 7},
    ),
    Exact("Ishigami", _ishigami, [[-np.pi, np.pi]] * 3, *_ishigami_indices()),
    Exact("Sobol-G", _sobol_g, [UNIT] * 8, *_g_indices()),
)  # fmt: skip


@dataclass(frozen=True)
class Repeated:
    """Indices of many repetitions of an analysis, with their intervals: shape (repetitions, D) each."""

    exact: Exact
    base_samples: int
    replicates: int
    values: dict[str, np.ndarray]
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]

    def table(self) -> pd.DataFrame:
        """One row an index: truth, mean, bias over its standard error, root mean square error, coverage."""
        rows = []
        for kind, truth in (("S1", self.exact.first), ("ST", self.exact.total)):
            value, low, high = self.values[kind], self.low[kind], self.high[kind]
            count = len(value)
            error = value.std(axis=0, ddof=1) / np.sqrt(count)
            bias = value.mean(axis=0) - truth
            for n, name in enumerate(self.exact.problem["names"]):
                rows.append({
                    "problem": self.exact.name, "index": kind, "input": name, "exact": truth[n],
                    "mean": value[:, n].mean(), "bias_over_se": bias[n] / error[n] if error[n] > 0 else 0.0,
                    "rmse": float(np.sqrt(((value[:, n] - truth[n]) ** 2).mean())),
                    "coverage": float(((low[:, n] <= truth[n]) & (truth[n] <= high[:, n])).mean()),
                    "repetitions": count, "base_samples": self.base_samples, "replicates": self.replicates,
                })  # fmt: skip
        return pd.DataFrame(rows)


def repeat(exact: Exact, repetitions: int, base_samples: int, replicates: int, first_seed: int = 1) -> Repeated:
    """Many whole analyses at once: sampled and evaluated as the public entry does, estimated in one call."""
    blocks = blocks_of(base_samples)
    drawn = [
        sample(exact.problem, base_samples // blocks, range(blocks), False, first_seed + number)
        for number in range(repetitions)
    ]
    means, variances = [], []
    for number, design in enumerate(drawn):
        seeds = pair_seeds(len(design.rows), replicates, first_seed + number)
        y = evaluate(exact.function, design.rows, seeds, False, True)
        if exact.quantity == "effect":
            y = evaluate(exact.function, design.rows, seeds, True, True) - y
        means.append(y.mean(axis=1))
        variances.append(y.var(axis=1, ddof=1))
    rows = drawn[0].arrange(np.array(means), np.array(variances), replicates)
    found = intervals(moments(rows), replicates)
    kinds = {"S1": found["first"], "ST": found["total"]}
    return Repeated(
        exact,
        base_samples,
        replicates,
        {kind: one.value for kind, one in kinds.items()},
        {kind: one.low for kind, one in kinds.items()},
        {kind: one.high for kind, one in kinds.items()},
    )


def plain_salib(exact: Exact, base_samples: int, replicates: int, seed: int) -> np.ndarray:
    """Total indices by SALib's analysis of the mean of paired replicates, uncorrected."""
    design = sample(exact.problem, base_samples, range(1), False, seed)
    seeds = pair_seeds(len(design.rows), replicates, seed)
    y = evaluate(exact.function, design.rows, seeds, True, True) - evaluate(
        exact.function, design.rows, seeds, False, True
    )
    found = salib.analyze(exact.problem, y.mean(axis=1), calc_second_order=False, num_resamples=2, seed=1)
    return np.array(found["ST"])


def side_by_side(exact: Exact, repetitions: int) -> pd.DataFrame:
    """Total indices at the same number of runs: ours with eight replicates, SALib's with one and with eight."""
    ours, plain, mean = [], [], []
    for seed in range(1, repetitions + 1):
        ours.append(sobol(exact.function, exact.problem, 256, 8, seed, vectorized=True)["ST"])
        plain.append(plain_salib(exact, 2048, 1, seed))
        mean.append(plain_salib(exact, 256, 8, seed))
    rows = []
    named = (("corrected, 256 rows x 8", ours), ("SALib, 2048 rows x 1", plain), ("SALib, 256 rows x 8", mean))
    for method, values in named:
        error = np.array(values) - exact.total
        rows.append({"problem": exact.name, "method": method, "rmse": float(np.sqrt((error**2).mean()))}
                    | {f"ST {name}": float(value) for name, value in
                       zip(exact.problem["names"], np.mean(values, axis=0), strict=True)})  # fmt: skip
    frame = pd.DataFrame(rows)
    return frame.assign(rmse_over_corrected=frame["rmse"] / frame["rmse"].iloc[0], repetitions=repetitions)


def page(coverage: pd.DataFrame, beside: pd.DataFrame) -> str:
    """What was found, in words and tables."""
    inside = coverage["coverage"].between(0.93, 0.97)
    worst = coverage.loc[coverage["bias_over_se"].abs().idxmax()]
    lines = [
        "# Indices with exact answers", "",
        "Made by `make published` (`python -m tests.exact`). Four problems whose indices are known: A and B have an "
        "effect with chance in it, Ishigami and Sobol-G are the usual ones without.", "",
        f"{int(coverage['repetitions'].iloc[0])} repetitions of each analysis. 95 % intervals hold the exact value in "
        f"{100 * coverage['coverage'].min():.1f} to {100 * coverage['coverage'].max():.1f} % of them "
        f"({100 * coverage['coverage'].mean():.1f} % on average); {int(inside.sum())} of {len(coverage)} indices lie "
        f"between 93 and 97 %. The largest bias is {worst['bias_over_se']:.1f} standard errors "
        f"({worst['problem']}, {worst['index']} of {worst['input']}).", "",
        _markdown(coverage), "",
        "## Beside plain SALib, at the same number of runs", "",
        "SALib's analysis of the same paired effect, uncorrected: with one replicate a row, and with the mean of "
        "eight. The inputs x2 and x5 do nothing to the mean effect of problem A.", "",
        _markdown(beside), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _markdown(frame: pd.DataFrame) -> str:
    head = [str(name) for name in frame.columns]
    cells = [[f"{value:.4g}" if isinstance(value, float) else str(value) for value in row] for row in frame.to_numpy()]
    rows = [" | ".join(row) for row in [head, ["---"] * len(head), *cells]]
    return "\n".join(f"| {row} |" for row in rows)


def main(folder: Path, repetitions: int = 2000) -> None:
    """Write the page and its tables."""
    parts = []
    for exact in PROBLEMS:
        replicates = 4 if exact.quantity == "effect" else 2
        print(f"{exact.name}: {repetitions} repetitions", file=sys.stderr, flush=True)
        parts.append(repeat(exact, repetitions, 1024, replicates).table())
    coverage = pd.concat(parts, ignore_index=True)
    beside = side_by_side(PROBLEMS[0], 200)
    write_csv(folder / "coverage.csv", coverage)
    write_csv(folder / "beside_salib.csv", beside)
    write_text(folder / "README.md", page(coverage, beside))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
