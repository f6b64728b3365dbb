"""History matching: which parts of the parameter space can be ruled out (Craig et al. 1997; Vernon et al. 2010).

Waves: simulate a design, emulate each target, and rule out every point at which the observation is further from the
emulator's mean than `CUT` standard deviations, those of the emulator, the observation, the discrepancy and the
simulator (what happened is one history) together. The next wave's design lies in what no wave has ruled out.

What is left is sampled by subset simulation (Au & Beck 2001): points spread over the cube are pressed step by step
below lower levels of implausibility, at each level those that meet it are copied and moved by Markov chains that leave
the uniform law on it as it is. It finds islands, and its levels give the volume.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import qmc

from calibration.emulator import Emulator, fit_emulator
from calibration.problem import Problem

CUT = 3.0  # Pukelsheim 1994: 95 % of any unimodal law lie within three standard deviations
LEVEL = 0.2  # share that passes each level of the sampling
MOST_LEVELS = 40
MOVES = 12  # steps of the chains a level
SAMPLE = 1000
SHRINKS = 0.9  # a wave that leaves more of the volume than this is the last


@dataclass(frozen=True)
class Wave:
    """One wave: its design and runs, and an emulator a target (None: not to be had, or it does not hold)."""

    unit: np.ndarray
    runs: np.ndarray
    emulators: tuple[Emulator | None, ...]


@dataclass(frozen=True)
class Left:
    """What is not ruled out: points spread over it, and its share of the cube with a 95 % interval (log-normal)."""

    points: np.ndarray
    volume: float
    volume_ci: tuple[float, float]
    culprits: tuple[str, ...] = ()  # nothing is left: targets that rule out the most plausible points


@dataclass(frozen=True)
class Matching:
    """All waves, and what was left after each."""

    problem: Problem
    waves: tuple[Wave, ...]
    left: tuple[Left, ...]

    @property
    def runs(self) -> int:
        """Simulations in all, counted as replicates of points."""
        return sum(wave.runs.shape[0] * wave.runs.shape[1] for wave in self.waves)

    @property
    def empty(self) -> bool:
        """Is everything ruled out?"""
        return len(self.left[-1].points) == 0

    def plausible(self, unit: np.ndarray) -> np.ndarray:
        """Which points no wave rules out, shape (points,)."""
        return implausibility(self.problem, self.waves, unit).max(axis=1) <= CUT

    def rows(self) -> list[dict[str, Any]]:
        """One row a wave, as a table."""
        rows = []
        for number, (wave, left) in enumerate(zip(self.waves, self.left, strict=True), start=1):
            names = zip(self.problem.targets, wave.emulators, strict=True)
            dropped = [name for name, one in names if one is None]
            worst = max((float(np.mean(np.abs(one.errors) > CUT)) for one in wave.emulators if one), default=math.nan)
            rows.append(
                {
                    "wave": number,
                    "points": len(wave.unit),
                    "replicates": wave.runs.shape[1],
                    "volume": left.volume,
                    "volume_low": left.volume_ci[0],
                    "volume_high": left.volume_ci[1],
                    "emulators": len(wave.emulators) - len(dropped),
                    "without_emulator": ", ".join(dropped),
                    "worst_share_beyond_3": worst,
                    "ruled_out_by": ", ".join(left.culprits),
                }
            )
        return rows


def implausibility(problem: Problem, waves: Sequence[Wave], unit: np.ndarray) -> np.ndarray:
    """Largest over the waves, of each target, in standard deviations; shape (points, targets)."""
    result = np.zeros((len(unit), len(problem.targets)))
    for wave in waves:
        for place, emulator in enumerate(wave.emulators):
            if emulator is None:
                continue
            mean, variance, luck = emulator.predict(unit)
            spread = np.sqrt(variance + luck + problem.tolerance[place] ** 2)
            result[:, place] = np.maximum(result[:, place], np.abs(problem.observed[place] - mean) / spread)
    return result


def sample_below(
    measure: Callable[[np.ndarray], np.ndarray], inputs: int, cut: float, count: int, seed: int
) -> tuple[np.ndarray, float, float]:
    """Points spread evenly over {u in the unit cube: measure(u) <= cut}, its volume, and the spread of the log of it.

    No points where the set is so small that it is not reached: below `LEVEL ** MOST_LEVELS`, or no more to be had.
    """
    generator = np.random.default_rng(seed)
    points = qmc.Sobol(inputs, rng=generator).random(2 ** math.ceil(math.log2(count)))[:count]
    value, log_volume, variance, last = measure(points), 0.0, 0.0, math.inf
    for _ in range(MOST_LEVELS):
        level = max(cut, float(np.quantile(value, LEVEL)))
        passed = value <= level
        share = float(passed.mean())
        log_volume += math.log(share)
        variance += (1.0 - share) / (share * count) * (1.0 if last == math.inf else 3.0)  # chains are not independent
        chosen = generator.choice(np.flatnonzero(passed), count)
        points, value = _moved(points[chosen], value[chosen], measure, level, generator)
        if level <= cut:
            return points, math.exp(log_volume), math.sqrt(variance)
        if level > last - 1e-9:
            break
        last = level
    return np.zeros((0, inputs)), 0.0, math.inf


def _moved(
    points: np.ndarray,
    value: np.ndarray,
    measure: Callable[[np.ndarray], np.ndarray],
    level: float,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Chains of a symmetric step along the difference of two other points (ter Braak 2006), kept below the level.

    Half the points are moved by the other half, which stand still meanwhile, so that the uniform law stays.
    """
    count, inputs = points.shape
    points, value = points.copy(), value.copy()
    for move in range(2 * MOVES):
        order = generator.permutation(count)
        here, there = order[: count // 2], order[count // 2 :]
        first, second = generator.choice(there, (2, len(here)))
        stride = np.exp(generator.uniform(math.log(0.05), 0.0, (len(here), 1))) if move % 4 else 1.0
        some = generator.uniform(size=(len(here), inputs)) < generator.uniform(0.1, 1.0, (len(here), 1))
        step = stride * (points[first] - points[second]) * some
        tried = points[here] + step + 1e-3 * generator.normal(size=step.shape) * some
        inside = ((tried >= 0.0) & (tried <= 1.0)).all(axis=1)
        found = np.full(len(here), np.inf)
        if inside.any():
            found[inside] = measure(tried[inside])
        taken = found <= level
        points[here[taken]], value[here[taken]] = tried[taken], found[taken]
    return points, value


def what_is_left(problem: Problem, waves: Sequence[Wave], seed: int, count: int = SAMPLE) -> Left:
    """Sample what no wave rules out."""

    def worst(unit: np.ndarray) -> np.ndarray:
        return implausibility(problem, waves, unit).max(axis=1)

    points, volume, spread = sample_below(worst, len(problem.inputs), CUT, count, seed)
    if len(points):
        half = 1.96 * spread
        return Left(points, volume, (volume * math.exp(-half), min(volume * math.exp(half), 1.0)))
    tried = np.random.default_rng(seed).uniform(size=(4 * count, len(problem.inputs)))
    found = implausibility(problem, waves, tried)
    best = found[np.argsort(found.max(axis=1))[: count // 10]]
    culprits = [name for name, one in zip(problem.targets, np.median(best, axis=0), strict=True) if one > CUT]
    return Left(points, 0.0, (0.0, 0.0), tuple(culprits) or (problem.targets[int(best.mean(axis=0).argmax())],))


def first_design(inputs: int, points: int, seed: int) -> np.ndarray:
    """Scrambled Sobol points over the whole cube."""
    return qmc.Sobol(inputs, rng=np.random.default_rng([seed, inputs])).random(2 ** math.ceil(math.log2(points)))[
        :points
    ]


def emulated(problem: Problem, unit: np.ndarray, runs: np.ndarray, seed: int) -> Wave:
    """A wave of these runs: emulators that do not hold on left-out points are dropped."""
    fitted = [fit_emulator(unit, runs[:, :, place], seed) for place in range(len(problem.targets))]
    return Wave(unit, runs, tuple(one if one is not None and one.holds else None for one in fitted))


def match(
    problem: Problem,
    *,
    points: int,
    replicates: int,
    most_waves: int,
    seed: int,
    simulate: Callable[[int, np.ndarray], np.ndarray],
    first: Wave | None = None,
) -> Matching:
    """Waves until the volume no longer shrinks, everything is ruled out, or there were `most_waves`.

    `simulate(wave, unit)` gives the runs of a wave's design (it may have them from before); `first`: a first wave that
    is there already. A later wave is emulated together with the earlier points that are still plausible.
    """
    waves: list[Wave] = []
    left: list[Left] = []
    for number in range(most_waves):
        if number == 0 and first is not None:
            waves.append(first)
        else:
            chosen = _spread(left[-1].points, points, seed + number) if left else None
            unit = first_design(len(problem.inputs), points, seed) if chosen is None else chosen
            runs = simulate(number, unit)
            earlier = _still(problem, waves)
            waves.append(
                emulated(problem, np.vstack([unit, *earlier[0]]), np.vstack([runs, *earlier[1]]), seed + number)
            )
        left.append(what_is_left(problem, waves, seed + number))
        if len(left[-1].points) == 0 or (len(left) > 1 and left[-1].volume > SHRINKS * left[-2].volume):
            break
    return Matching(problem, tuple(waves), tuple(left))


def _still(problem: Problem, waves: Sequence[Wave]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Points of the last wave that are plausible, and their runs (it holds those of the waves before)."""
    if not waves:
        return [], []
    kept = implausibility(problem, waves, waves[-1].unit).max(axis=1) <= CUT
    return [waves[-1].unit[kept]], [waves[-1].runs[kept]]


def _spread(points: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` of the points, each next one the farthest from those chosen (of a random start)."""
    generator = np.random.default_rng(seed)
    chosen = [int(generator.integers(len(points)))]
    distance = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return points[chosen]
