"""When what is done has paid for itself: cumulated benefits less costs over the months, and the last time below zero.

Benefit: private saving, and carbon at its public value; cost: public outlay, and the parties' investment and
transaction cost. What the public pays to the parties is in both. Undiscounted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from abm.scenario import Scenario
from experiments.pairs import resampled

PATHS = ("saving", "carbon", "public_outlay", "transaction_firms", "transaction_utilities", "investment")
ENDS = (0.025, 0.975)


@dataclass(frozen=True)
class BreakEven:
    """Year after which cumulated benefits stay above cumulated costs; infinite: not within the run."""

    year: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """As in JSON, which has no infinity: None is not within the run."""
        return {name: None if math.isinf(year) else year for name, year in vars(self).items()}


def benefit(base: Scenario, more: np.ndarray, seed: int) -> tuple[np.ndarray, BreakEven]:
    """Cumulated net benefit by month (MSEK, shape (3, months): low, mean, high) and the year it breaks even.

    `more`: PATHS with less those without, shape (replicates, months, columns), cumulated since month 0.
    """
    saving, carbon, *costs = np.moveaxis(more, 2, 0)
    net = saving + float(base.values["worth.carbon_value"]) * carbon / 1e6 - sum(costs)
    drawn = resampled(net, seed)
    low, high = np.quantile(drawn, ENDS, axis=0)
    years = np.quantile(years_below(drawn), ENDS, method="nearest")
    mean = net.mean(axis=0)
    return np.array([low, mean, high]), BreakEven(float(years_below(mean[None])[0]), float(years[0]), float(years[1]))


def years_below(net: np.ndarray) -> np.ndarray:
    """Years after which each path (draws, months) has been below zero for the last time; infinite: it ends there."""
    below = net < -1e-9
    months = net.shape[1]
    last = np.where(below.any(axis=1), months - np.argmax(below[:, ::-1], axis=1), 0)
    return np.where(last == months, np.inf, last / 12.0)
