"""What it pays to wait: the option to join later, at the price of the day.

A party that knows of an exchange may join today, worth V(x) at log deviation x of the price, for an irreversible cost
S, or look again later. It discounts at its rate r, and loses the option at a hazard (the exchange is forgotten), which
discounts what it may still do and not what it has done. Where it waits, the option is worth a multiple of psi, the
rising solution of sigma^2/2 psi'' - kappa x psi' = (r + hazard) psi; with value matching and smooth pasting it joins if

    V - V' psi/psi' > S.

(Dixit & Pindyck 1994, ch. 4 and 5; without reversion psi/psi' is 1/beta, and V/S the textbook's beta/(beta - 1).) The
process is the model's own but for its jumps, which count by their variance; tests/test_waiting.py holds the rule
against optimal stopping solved backwards in time on the process with its jumps.

In units of the stationary standard deviation, y = x/sd, the slope w = sd psi'/psi solves w' = nu + y w - w^2 with
nu = (r + hazard)/kappa alone.
"""

from __future__ import annotations

import math

import numpy as np

from abm.compiled import kernel

REACH, STEP = 8.0, 0.02  # standard deviations either side, and between the points of a slope
POINTS = round(2.0 * REACH / STEP) + 1


@kernel
def slope(nu):
    """w at y = -REACH, -REACH + STEP, ..., REACH, shape (POINTS,), by the trapezoidal rule.

    It starts from the root at which it would stand still, and forgets an error of the start within a unit of y.
    """
    result = np.zeros(POINTS)
    w = 0.5 * (math.sqrt(REACH**2 + 4.0 * nu) - REACH)
    half = 0.5 * STEP
    for n in range(POINTS):
        if n > 0:
            before, y = (n - 1) * STEP - REACH, n * STEP - REACH
            known = w + half * (2.0 * nu + before * w - w * w)
            damping = 1.0 - half * y
            w = (math.sqrt(damping**2 + 4.0 * half * known) - damping) / (2.0 * half)
        result[n] = w
    return result


@kernel
def between(table, y):
    """A slope at `y`, linear between its points, that of the end beyond them."""
    place = min(max((y + REACH) / STEP, 0.0), POINTS - 1.0)
    n = min(int(place), POINTS - 2)
    return table[n] + (place - n) * (table[n + 1] - table[n])


@kernel
def walking(volatility, impatience):
    """psi/psi' of a price that is expected to stay as it is, `volatility` 1/sqrt(yr), `impatience` r + hazard, 1/yr."""
    return 1.0 / (0.5 + math.sqrt(0.25 + 2.0 * impatience / volatility**2))


@kernel
def steepness(process, rates, hazard):
    """The slope of each commodity's reverting price and discount class, shape (commodities, classes, POINTS).

    It takes longer than all the rest and is the same for all seeds. 0 where prices stand still or do not revert.
    """
    tables = np.zeros((process.size, rates.size, POINTS))
    for k in range(process.size):
        if process[k].spread > 0.0 and process[k].a < 1.0:
            kappa = -12.0 * math.log(process[k].a)
            for c in range(rates.size):
                tables[k, c] = slope((rates[c] + hazard) / kappa)
    return tables


@kernel
def shares(x, process, rates, hazard, reverting, values, slopes, tables):
    """What `waiting` says, with the slopes looked up in the `tables` of `steepness`."""
    result = np.zeros(values.shape)
    for k in range(process.size):
        one = process[k]
        if one.spread == 0.0:
            continue
        kappa = -12.0 * math.log(one.a)
        yearly = one.spread if one.a == 1.0 else one.spread * math.sqrt(2.0 * kappa)
        for t in range(x.shape[0]):
            for c in range(rates.size):
                if reverting and one.a < 1.0:
                    ahead = one.spread / between(tables[k, c], x[t, k] / one.spread)
                else:
                    ahead = walking(yearly, rates[c] + hazard)
                result[t, k, c] = slopes[t, k, c] / values[t, k, c] * ahead
    return result


def waiting(
    x: np.ndarray,
    process: np.ndarray,
    rates: np.ndarray,
    hazard: float,
    reverting: bool,
    values: np.ndarray,
    slopes: np.ndarray,
) -> np.ndarray:
    """Share of a value that moves with the raw material for which it pays to wait: V' psi/psi' over V.

    Shape (months, commodities, discount classes), as `values` of one unit a year and their `slopes` over the log price
    (prices.unit_values); `hazard` 1/yr. 0 where prices stand still.
    """
    return shares(x, process, rates, hazard, reverting, values, slopes, steepness(process, rates, hazard))
