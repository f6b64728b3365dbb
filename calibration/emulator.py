"""A cheap stand-in for the mean of a stochastic simulator, that knows how unsure it is, and how noisy the simulator.

Per target: a linear trend, and a Gaussian process (Matern 5/2, a length per input) on what it leaves. Each point has
noise of its own, s2(u)/R: log s2 is itself a linear function of the inputs, fitted to the replicates' variances with
the bias of the log of a chi-square taken off, since a variance of a few replicates is too rough to be used as it is
(stochastic kriging: Ankenman, Nelson & Staum 2010).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cho_solve
from scipy.special import digamma

LENGTHS = (0.1, 30.0)  # of the process, in widths of the unit cube
FEWEST = 3  # replicates that must be defined at a point
HELD = (0.85, 3.0)  # share of left-out points that must lie within so many standard deviations


@dataclass(frozen=True)
class Emulator:
    """Mean, its variance, and the variance of one run, at any points of the unit cube."""

    process: Any
    trend: np.ndarray
    noise: np.ndarray
    scale: float
    errors: np.ndarray  # standardised errors of the design's points, each left out in turn

    @property
    def holds(self) -> bool:
        """Do the left-out points lie where it says?"""
        share, width = HELD
        return bool(np.mean(np.abs(self.errors) <= width) >= share)

    def predict(self, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, variance of the mean, variance of one run; each of shape (points,)."""
        mean, deviation = self.process.predict(unit, return_std=True)
        return _line(unit) @ self.trend + self.scale * mean, (self.scale * deviation) ** 2, run_variance(self, unit)


def run_variance(emulator: Emulator, unit: np.ndarray) -> np.ndarray:
    """Variance of one run, shape (points,)."""
    return np.exp(_line(unit) @ emulator.noise)


def _line(unit: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(unit)), unit - 0.5])


def _ridge(features: np.ndarray, values: np.ndarray, weight: float) -> np.ndarray:
    """Least squares with a little pull to a constant, so that few points do not swing it."""
    pull = weight * np.eye(features.shape[1])
    pull[0, 0] = 0.0
    return np.linalg.solve(features.T @ features + pull, features.T @ values)


def _noise(unit: np.ndarray, variance: np.ndarray, counts: np.ndarray, spread: float) -> np.ndarray:
    """Coefficients of log s2; next to nothing where no replicate differs from another."""
    free = (counts - 1) / 2.0
    some = variance > 1e-12 * spread**2
    if some.sum() < 0.2 * len(unit):
        return np.r_[math.log(1e-8 * spread**2 + 1e-300), np.zeros(unit.shape[1])]
    logs = np.log(variance[some]) - digamma(free[some]) + np.log(free[some])
    return _ridge(_line(unit[some]), logs, 1.0)


def fit_emulator(unit: np.ndarray, runs: np.ndarray, seed: int) -> Emulator | None:
    """Fit to runs of shape (points, replicates), nan where not defined; None where too few points are defined."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    counts = np.isfinite(runs).sum(axis=1)
    good = counts >= min(FEWEST, runs.shape[1])
    if good.sum() < 2 * (unit.shape[1] + 1):
        return None
    unit, runs, counts = unit[good], runs[good], counts[good]
    means, variance = np.nanmean(runs, axis=1), np.nanvar(runs, axis=1, ddof=1)
    spread = float(means.std()) or 1.0
    noise = _noise(unit, variance, counts, spread)
    trend = _ridge(_line(unit), means, 1e-3)
    left = means - _line(unit) @ trend
    scale = float(left.std()) or 1.0
    alpha = np.exp(_line(unit) @ noise) / counts / scale**2 + 1e-8
    kernel = ConstantKernel(1.0, (1e-3, 1e2)) * Matern(np.full(unit.shape[1], 2.0), LENGTHS, nu=2.5)
    process = GaussianProcessRegressor(kernel, alpha=alpha, random_state=seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound: the input does not matter
        process.fit(unit, left / scale)
    inverse = cho_solve((process.L_, True), np.eye(len(unit)))
    errors = process.alpha_.ravel() / np.sqrt(np.diag(inverse))  # left out: (K^-1 y)_i / sqrt((K^-1)_ii)
    return Emulator(process, trend, noise, scale, errors)
