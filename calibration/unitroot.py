"""The augmented Dickey-Fuller test of a unit root, with a constant.

Lags by the Bayesian information criterion up to Schwert's (1989) number; p-value by MacKinnon's response surface
(1994, J. Bus. Econ. Stat. 12, 167; 2010, Queen's Economics Department Working Paper 1227).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# tau with a constant, one variable: polynomials in the statistic whose normal distribution function is the p-value
SMALL, LARGE, TURN = (2.1659, 1.4412, 0.038269), (1.7339, 0.93202, -0.12745, -0.010368), -1.61
LOWEST, HIGHEST = -18.83, 2.74
FEWEST = 30  # equations
ROUNDING = 1e-12  # of the values


@dataclass(frozen=True)
class DickeyFuller:
    """Test statistic, p-value and the lags of the difference that were taken in."""

    statistic: float
    p: float
    lags: int


def tail(statistic: float) -> float:
    """P-value of a Dickey-Fuller t statistic with a constant (MacKinnon 1994)."""
    if statistic >= HIGHEST:
        return 1.0
    if statistic <= LOWEST:
        return 0.0
    powers = SMALL if statistic <= TURN else LARGE
    z = sum(factor * statistic**power for power, factor in enumerate(powers))
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def dickey_fuller(values: np.ndarray) -> DickeyFuller | None:
    """The test on a monthly series with NaN where a month is missing; only equations without gaps are used.

    The numbers of lags are compared on the equations that all of them have; the chosen one is then fitted to all that
    it has, as is the standard. None with fewer than FEWEST equations, or where they do not tell the coefficients.
    """
    change = np.diff(values)
    most = min(math.ceil(12.0 * (values.size / 100.0) ** 0.25), values.size // 2 - 2)  # Schwert
    known = change[np.isfinite(change)]
    if most < 0 or not known.size or np.ptp(known) <= ROUNDING * np.nanmax(np.abs(values)):
        return None
    table = _equations(values, change, most)
    if len(table) < FEWEST + most:
        return None
    try:
        squares = [_least_squares(table[:, 0], table[:, 1 : 3 + lags])[1] for lags in range(most + 1)]
    except np.linalg.LinAlgError:  # a price that hardly ever changes, or repeats itself
        return None
    criteria = [len(table) * math.log(one) + lags * math.log(len(table)) for lags, one in enumerate(squares)]
    lags = int(np.argmin(criteria))
    whole = _equations(values, change, lags)
    statistic, _ = _least_squares(whole[:, 0], whole[:, 1:])
    return DickeyFuller(statistic, tail(statistic), lags)


def _equations(values: np.ndarray, change: np.ndarray, lags: int) -> np.ndarray:
    """Rows without gaps of: the change, a one, the level before, and the `lags` changes before."""
    before = [change[lags - lag : change.size - lag] for lag in range(1, lags + 1)]
    table = np.column_stack([change[lags:], np.ones(change.size - lags), values[lags:-1], *before])
    return table[np.all(np.isfinite(table), axis=1)]


def _least_squares(y: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """t of the second coefficient, and the sum of squared residuals; LinAlgError where there is none."""
    inverse = np.linalg.inv(x.T @ x)
    coefficients = inverse @ (x.T @ y)
    squares = float(np.sum((y - x @ coefficients) ** 2))
    if not (squares > 0.0 and inverse[1, 1] > 0.0):
        raise np.linalg.LinAlgError("nothing is left over")
    return float(coefficients[1] / math.sqrt(squares / (y.size - x.shape[1]) * inverse[1, 1])), squares
