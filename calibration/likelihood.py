"""Likelihood of the price process of abm/prices.py for a series of log prices, with its slope.

A transition over n months, x_n = a^n x_0 + sum of a^i (s e + J), is a mixture of normals over the 2^n sets of months
that had a jump: exact, so that gaps need no filled-in values. The first value is taken as normal with the stationary
variance. The restricted likelihood takes off half the log of the information on the mean, as if the mean were
integrated out: its estimates of `a` have about half the bias near a unit root (Cheang & Reinsel 2000, J. Am. Stat.
Assoc. 95, 1173) and its ratio is close to chi-square up to there (Chen & Deo 2009, doi:10.1017/S0266466608090464).
"""

from __future__ import annotations

import math

import numpy as np

from abm.compiled import kernel

LONGEST_GAP = 8  # months: after a longer gap a series begins anew (a mixture of 2^n normals is summed up exactly)
MEAN, KAPPA, VOLATILITY, RATE, SIZE = range(5)  # places in the vector of parameters


@kernel
def components(n, a, q, p, v):
    """The normals of an n-month transition, one a set of jump months, shape (2^n, 7).

    Columns: log density at its mean, weight and all; variance; its slopes in a, q and v; weight; slope of the log
    weight in p.
    """
    result = np.zeros((2**n, 7))
    for k in range(2**n):
        jumps, row = 0, result[k]
        for i in range(n):
            memory, slope = a ** (2 * i), 2.0 * i * a ** (2 * i - 1)
            row[3] += memory
            row[2] += q * slope
            if (k >> i) & 1:
                jumps += 1
                row[4] += memory
                row[2] += v * slope
        row[1] = q * row[3] + v * row[4]
        row[5] = p**jumps * (1.0 - p) ** (n - jumps)
        row[0] = math.log(row[5] / math.sqrt(2.0 * math.pi * row[1])) if row[5] > 0.0 else -math.inf
        row[6] = (jumps / p if jumps else 0.0) - (n - jumps) / (1.0 - p)
    return result


@kernel
def _transition(e, parts, slope):
    """Log density of a residual; `slope` gets its derivatives in (e, a, q, p, v), those in a without that of e."""
    top = -math.inf
    for k in range(parts.shape[0]):
        top = max(top, parts[k, 0] - 0.5 * e * e / parts[k, 1])
    total = 0.0
    slope[:] = 0.0
    for k in range(parts.shape[0]):
        pull = e / parts[k, 1]
        share = math.exp(parts[k, 0] - 0.5 * e * pull - top)
        by_variance = share * 0.5 * (pull * pull - 1.0 / parts[k, 1])
        total += share
        slope[0] -= share * pull
        slope[1] += by_variance * parts[k, 2]
        slope[2] += by_variance * parts[k, 3]
        slope[3] += share * parts[k, 6]
        slope[4] += by_variance * parts[k, 4]
    for i in range(5):
        slope[i] /= total
    return math.log(total) + top


@kernel
def _information(parts, slope):
    """What a residual tells of its mean were its jumps known, and in `slope` the derivatives in (a, q, p, v)."""
    total = 0.0
    slope[:] = 0.0
    for part in parts:
        weight, variance = part[5], part[1]
        total += weight / variance
        slope[0] -= weight * part[2] / variance**2
        slope[1] -= weight * part[3] / variance**2
        slope[2] += weight * part[6] / variance
        slope[3] -= weight * part[4] / variance**2
    return total


@kernel
def log_likelihood(mu, a, q, p, v, y, gaps, restricted):
    """Log likelihood of log prices `y`, `gaps` months after the one before (0: a new piece), and its slope.

    Parameters: mean of the log, memory, monthly diffusive variance, chance and variance of a jump. Returns the value
    and derivatives in (mu, a, q, p, v).
    """
    value, gradient = 0.0, np.zeros(5)
    information, in_a, in_q, in_p, in_v = 0.0, 0.0, 0.0, 0.0, 0.0
    free, total = 1.0 - a * a, q + p * v
    for t in range(y.size):
        if gaps[t] == 0:
            x, precision = y[t] - mu, free / total
            value += 0.5 * math.log(precision / (2.0 * math.pi)) - 0.5 * x * x * precision
            pull = 0.5 / precision - 0.5 * x * x  # derivative in the precision
            gradient[0] += x * precision
            gradient[1] += pull * -2.0 * a / total
            information += precision
            in_a -= 2.0 * a / total
            for place, amount in ((2, 1.0), (3, v), (4, p)):
                gradient[place] -= pull * precision / total * amount
            in_q -= precision / total
            in_p -= precision / total * v
            in_v -= precision / total * p
    slope, knowledge = np.zeros(5), np.zeros(4)
    for n in range(1, gaps.max() + 1):
        parts, memory = components(n, a, q, p, v), a**n
        decay = n * a ** (n - 1)
        known = _information(parts, knowledge)
        for t in range(1, y.size):
            if gaps[t] != n:
                continue
            value += _transition(y[t] - mu - memory * (y[t - 1] - mu), parts, slope)
            gradient[0] -= slope[0] * (1.0 - memory)
            gradient[1] += slope[1] - slope[0] * decay * (y[t - 1] - mu)
            gradient[2:] += slope[2:]
            information += (1.0 - memory) ** 2 * known
            in_a += (1.0 - memory) ** 2 * knowledge[0] - 2.0 * (1.0 - memory) * decay * known
            in_q += (1.0 - memory) ** 2 * knowledge[1]
            in_p += (1.0 - memory) ** 2 * knowledge[2]
            in_v += (1.0 - memory) ** 2 * knowledge[3]
    if restricted:
        value -= 0.5 * math.log(information)
        for place, amount in ((1, in_a), (2, in_q), (3, in_p), (4, in_v)):
            gradient[place] -= 0.5 * amount / information
    return value, gradient


@kernel
def log_mean(kappa, volatility, a, p, v):
    """m: log of the long-run mean price less the mean log price, and its derivatives in log kappa, log volatility,
    log rate and log jump size (abm/prices.py: `processes`, `jump_sum`)."""
    value, slope = volatility**2 / (4.0 * kappa), np.zeros(4)
    slope[0], slope[1] = -value, 2.0 * value
    memory, i = 1.0, 0
    while p > 0.0 and memory > 1e-9 and i < 4000:
        z = 0.5 * memory * memory * v
        growth = math.exp(z)
        mean = 1.0 - p + p * growth
        value += math.log(mean)
        slope[0] -= p * growth * z * 2.0 * i * kappa / 12.0 / mean
        slope[2] += p * (growth - 1.0) / mean
        slope[3] += 2.0 * p * growth * z / mean
        memory *= a
        i += 1
    return value, slope


@kernel
def objective(theta, y, gaps, restricted, of_price):
    """Negative log likelihood and its slope in `theta`: mean, log kappa, log volatility, log jump rate, log jump size.

    The mean is that of the log price or, `of_price`, the log of the mean price. A log rate of -inf: no jumps.
    """
    kappa, volatility = math.exp(theta[KAPPA]), math.exp(theta[VOLATILITY])
    p, v = math.exp(theta[RATE]) / 12.0, math.exp(2.0 * theta[SIZE])
    a = math.exp(-kappa / 12.0)
    q = volatility**2 * -math.expm1(-kappa / 6.0) / (2.0 * kappa)
    above, tilt = 0.0, np.zeros(4)
    if of_price:
        above, tilt = log_mean(kappa, volatility, a, p, v)
    value, inner = log_likelihood(theta[MEAN] - above, a, q, p, v, y, gaps, restricted)
    slope = np.zeros(5)
    slope[MEAN] = -inner[0]
    slope[KAPPA] = inner[1] * a * kappa / 12.0 - inner[2] * (volatility**2 * a * a / 12.0 - q) + inner[0] * tilt[0]
    slope[VOLATILITY] = -inner[2] * 2.0 * q + inner[0] * tilt[1]
    slope[RATE] = -inner[3] * p + inner[0] * tilt[2]
    slope[SIZE] = -inner[4] * 2.0 * v + inner[0] * tilt[3]
    return -value, slope
