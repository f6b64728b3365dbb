"""Does the fitted process behave as the history it was fitted to? What the fit did not look at, compared.

A history is one path: it is set against many paths of the fitted process of the same length, with the same months
missing. A property holds if the history lies within 95 % of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.prices import Fit, simulated_ahead

PATHS, SEED = 400, 11
BURNT = 5.0  # half-lives before a path counts
ENDS = (0.025, 0.975)
FAR = math.log(1.5)  # an excursion: half as much again as the mean, or two thirds of it


def _mean(x: np.ndarray) -> np.ndarray:
    """Mean of each path over the months that are there, shape (paths, 1); NaN where none is."""
    there = np.isfinite(x)
    count = there.sum(axis=1, keepdims=True)
    return np.where(count > 0, np.where(there, x, 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1), np.nan)


def variance(x: np.ndarray) -> np.ndarray:
    """Variance of log prices, shape (paths,)."""
    return np.nanvar(x, axis=1)


def autocorrelation(x: np.ndarray) -> np.ndarray:
    """Of log prices with those twelve months before."""
    x = x - _mean(x)
    return (_mean(x[:, 12:] * x[:, :-12]) / np.maximum(_mean(x**2), 1e-300))[:, 0]


def return_autocorrelation(x: np.ndarray) -> np.ndarray:
    """Of monthly returns with those of the month before."""
    returns = np.diff(x, axis=1)
    returns = returns - _mean(returns)
    return (_mean(returns[:, 1:] * returns[:, :-1]) / np.maximum(_mean(returns**2), 1e-300))[:, 0]


def excursions(x: np.ndarray) -> np.ndarray:
    """Share of months in which the price is 1.5 times its mean, or less than the mean over 1.5."""
    away = np.abs(x - np.nanmean(x, axis=1, keepdims=True))
    return np.nanmean(np.where(np.isnan(away), np.nan, away > FAR), axis=1)


def largest_month(x: np.ndarray) -> np.ndarray:
    """Largest change of log price in a month."""
    changes = np.abs(np.diff(x, axis=1))
    return np.where(np.isfinite(changes).any(axis=1), np.where(np.isfinite(changes), changes, 0.0).max(axis=1), np.nan)


PROPERTIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    function.__name__: function
    for function in (variance, autocorrelation, return_autocorrelation, excursions, largest_month)
}


@dataclass(frozen=True)
class Check:
    """One property of one series: of the history, and 95 % of simulated paths of the same length."""

    series: str
    name: str
    history: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Is the history one of the paths that the process makes?"""
        return self.low <= self.history <= self.high


def check(one: Fit) -> list[Check]:
    """The properties of one fitted series that its months allow: no change from month to month in a quarterly one."""
    history = one.series.monthly
    burnt = math.ceil(12.0 * BURNT * one["half_life_years"].value)
    months = burnt + history.size
    paths = simulated_ahead(one, months, PATHS, SEED, math.log(one.geometric_mean))[:, -history.size :]
    paths[:, np.isnan(history)] = np.nan
    rows = []
    for name, function in PROPERTIES.items():
        value = float(function(history[None])[0])
        if math.isfinite(value):
            low, high = np.quantile(function(paths), ENDS)
            rows.append(Check(one.series.name, name, value, float(low), float(high)))
    return rows


def shares(checks: Sequence[Check]) -> dict[str, tuple[int, int]]:
    """Of how many series a property holds, and how many there are."""
    return {
        name: (sum(one.holds for one in checks if one.name == name), sum(one.name == name for one in checks))
        for name in PROPERTIES
    }
