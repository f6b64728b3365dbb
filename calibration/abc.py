"""The posterior inside what is not ruled out, by sequential Monte Carlo without a likelihood (pyABC).

Each particle is one simulated history. It is accepted with a probability that falls with its distance from what was
observed as the normal law of observation and discrepancy does, at temperatures that come down to 1: the particles of
the last generation then follow the posterior of exactly that noise model, without a tolerance of ABC's own (Wilkinson
2013; Schälte & Hasenauer 2020). The prior is uniform over what history matching left.

Where one history in `OFTEN` drawn from there would be accepted at temperature 1, as the last wave's runs tell, a single
generation at that temperature is drawn: weights are then equal, while those of several generations are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from calibration.matching import Matching
from calibration.problem import Problem
from experiments.runner import Progress

WEIGHT = "weight"
FAR = 1e3  # tolerances from the observation: where an answer is that is not defined
RESAMPLES = 2000
INNER = (0.05, 0.95)
SEEDS = 2**62
GUESS = 4  # simulations for each particle that is kept
OFTEN = 1000
WIDE = 0.02  # share of the cube from which on what is left is drawn by trial, and not from its sample


@dataclass(frozen=True)
class PosteriorSample:
    """Particles of the last generation.

    `unit` has shape (particles, inputs), `answers` (particles, targets); weights sum to 1. `simulations` in all.
    """

    problem: Problem
    unit: np.ndarray
    weights: np.ndarray
    answers: np.ndarray
    simulations: int
    seed: int

    @property
    def effective(self) -> float:
        """Particles of equal weight that would be as good."""
        return float(1.0 / np.sum(self.weights**2))

    def draws(self, count: int, seed: int) -> np.ndarray:
        """Points drawn by weight, shape (count, inputs)."""
        chosen = np.random.default_rng(seed).choice(len(self.weights), count, p=self.weights)
        return self.unit[chosen]


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """pyABC and scipy draw from numpy's global state: it is set for them, and put back."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _prior(matching: Matching, seed: int) -> Any:
    """Uniform over what is left: drawn from its sample, density constant inside and zero outside."""
    from pyabc import DistributionBase, Parameter

    problem, points = matching.problem, matching.left[-1].points
    by_trial = matching.left[-1].volume > WIDE

    class Plausible(DistributionBase):
        def rvs(self, *_: Any, **__: Any) -> Any:
            chosen = points[np.random.randint(len(points))]  # noqa: NPY002
            if by_trial:
                chosen = np.random.uniform(size=chosen.size)  # noqa: NPY002
                while not matching.plausible(chosen[None])[0]:
                    chosen = np.random.uniform(size=chosen.size)  # noqa: NPY002
            return Parameter(dict(zip(problem.inputs, map(float, chosen), strict=True)))

        def pdf(self, x: Any) -> float:
            unit = np.array([[x[name] for name in problem.inputs]])
            inside = bool(((unit >= 0.0) & (unit <= 1.0)).all()) and bool(matching.plausible(unit)[0])
            return 1.0 if inside else 0.0

    return Plausible()


def acceptance(matching: Matching) -> float:
    """Share of the last wave's runs that would be accepted at temperature 1."""
    problem, wave = matching.problem, matching.waves[-1]
    inside = matching.plausible(wave.unit)
    away = ((wave.runs[inside] - problem.observed) / problem.tolerance) ** 2
    return float(np.nan_to_num(np.exp(-0.5 * away.sum(axis=2))).mean()) if inside.any() else 0.0


def sample_posterior(
    matching: Matching, *, particles: int, generations: int, seed: int, progress: Progress | None = None
) -> PosteriorSample:
    """ABC-SMC with `particles` a generation; the last of `generations` (or the only one) at temperature 1.

    Raises ValueError if nothing is left to sample. The same arguments give the same particles.
    """
    if matching.empty:
        raise ValueError("everything is ruled out: there is nothing to sample")
    import pyabc

    if acceptance(matching) > 1.0 / OFTEN:
        generations = 1
    problem, prior = matching.problem, _prior(matching, seed)
    done, guess = 0, GUESS * particles * generations

    def model(parameter: Any) -> dict[str, Any]:
        nonlocal done, guess
        unit = np.array([parameter[name] for name in problem.inputs])
        answers = problem.simulate_one(unit, int(np.random.randint(SEEDS)))  # noqa: NPY002
        done += 1
        if progress:
            guess = guess if done < guess else 2 * guess  # how many it will be is not known
            progress(done, guess)
        return {"y": np.where(np.isfinite(answers), answers, problem.observed + FAR * problem.tolerance)}

    with _seeded(seed), _quiet():
        abc = pyabc.ABCSMC(
            model,
            prior,
            pyabc.IndependentNormalKernel(var=list(problem.tolerance**2)),
            population_size=particles,
            eps=pyabc.Temperature(initial_temperature=1.0) if generations == 1 else pyabc.Temperature(),
            acceptor=pyabc.StochasticAcceptor(pyabc.pdf_norm_from_kernel if generations == 1 else None),
            sampler=pyabc.sampler.SingleCoreSampler(),
        )
        abc.new("sqlite://", {"y": problem.observed})
        history = abc.run(max_nr_populations=generations)
        frame, weights = history.get_distribution()
        _, found = history.get_weighted_sum_stats()
    unit = frame[list(problem.inputs)].to_numpy()
    answers = np.array([one["y"] for one in found])
    return PosteriorSample(problem, unit, weights / weights.sum(), answers, done, seed)


@contextmanager
def _quiet() -> Iterator[None]:
    """pyABC reports each generation on its own logger."""
    import logging

    logger = logging.getLogger("ABC")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def contraction(sample: PosteriorSample, seed: int) -> pd.DataFrame:
    """How much narrower each input has become: 1 - (90 % of the posterior) / (90 % of the prior).

    `chance` is what as many draws from the prior as there are effective particles would seem to be narrower by, in 97.5
    of 100 cases; an input is informed where it is narrower than that. `median`, `from` and `to` (90 %) are on the unit
    cube.
    """
    width, rows = INNER[1] - INNER[0], []
    luck = np.random.default_rng(seed).uniform(size=(RESAMPLES, max(round(sample.effective), 2)))
    low, high = np.quantile(luck, INNER, axis=1)
    chance = float(np.quantile(1.0 - (high - low) / width, 0.975))
    many = sample.draws(50 * len(sample.weights), seed)
    for place, name in enumerate(sample.problem.inputs):
        below, middle, above = np.quantile(many[:, place], (INNER[0], 0.5, INNER[1]))
        narrower = 1.0 - float(above - below) / width
        rows.append(
            {
                "name": name,
                "contraction": narrower,
                "chance": chance,
                "informed": bool(narrower > chance),
                "median": float(middle),
                "from": float(below),
                "to": float(above),
            }
        )
    return pd.DataFrame(rows).sort_values("contraction", ascending=False, ignore_index=True)
