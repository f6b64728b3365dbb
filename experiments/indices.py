"""Sobol indices of a mean that is only seen through noise: of E[Y | parameters], from a few replicates a row.

Rows are the matrices of Saltelli (2010): A, B, and AB_i, A with parameter i of B (BA_i the other way round), in
independently scrambled blocks. With y the mean of R replicates of a row and s2 their variance, for rows whose noise is
independent

    V    = E[y^2] - E[y]^2 - E[s2]/R                            variance of the conditional mean
    V_i  = Cov(y_B, y_AB_i)                                     noise has mean zero in it
    VT_i = E[(y_A - y_AB_i)^2]/2 - (E[s2_A] + E[s2_AB_i])/(2 R)
    V_ij = Cov(y_BA_i, y_AB_j)                                  closed: with V_i and V_j

are unbiased; uncorrected, noise is taken for interactions (stochastic models: Hart, Alexanderian & Gremaud 2016; Zhu &
Sudret 2021). Cov(y_B, y_A), which is zero, serves as control of V_i and V_ij. The square of the mean is taken between
blocks, which are independent. Intervals: jackknife over blocks, Student's t.

All functions take any number of leading axes (repetitions of a whole analysis), then blocks K, parameters D, samples n.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.special import stdtrit

LEAST_BLOCKS = 4


@dataclass(frozen=True)
class Rows:
    """Means and variances over the replicates of each row.

    `a`, `b` have shape (..., K, n), `ab` and `ba` (..., K, D, n), variances likewise. Without `ba` there are no
    second-order indices.
    """

    a: np.ndarray
    b: np.ndarray
    ab: np.ndarray
    a_var: np.ndarray
    b_var: np.ndarray
    ab_var: np.ndarray
    replicates: int
    ba: np.ndarray | None = None


@dataclass(frozen=True)
class Moments:
    """Means over the samples of each block, shape (..., K) or (..., K, D) or (..., K, D, D)."""

    mean: np.ndarray  # of y
    square: np.ndarray  # of y^2
    noise: np.ndarray  # of s2/R
    control: np.ndarray  # of q = y_B y_A
    control_square: np.ndarray  # of q^2
    shared: np.ndarray  # of p = y_B y_AB_i
    shared_control: np.ndarray  # of p q
    moved: np.ndarray  # of (y_A - y_AB_i)^2/2 less its noise
    both: np.ndarray  # of y_BA_i y_AB_j
    both_control: np.ndarray  # of that times q


@dataclass(frozen=True)
class Estimates:
    """Indices and the variances they are shares of; leading axes as the rows'."""

    variance: np.ndarray  # of the conditional mean
    noise: np.ndarray  # of one replicate given the parameters
    first: np.ndarray  # (..., D)
    total: np.ndarray  # (..., D)
    second: np.ndarray  # (..., D, D), the diagonal is nothing; of no parameters if it was not asked for


def moments(rows: Rows) -> Moments:
    """Block means of what indices are made of; y is taken from its own centre."""
    centre = np.concatenate((rows.a, rows.b), axis=-1).mean(axis=(-2, -1), keepdims=True)
    a, b, ab = rows.a - centre, rows.b - centre, rows.ab - centre[..., None]
    ba = np.zeros((*ab.shape[:-2], 0, ab.shape[-1])) if rows.ba is None else rows.ba - centre[..., None]
    weight, samples = 1.0 / (ab.shape[-2] + 2), a.shape[-1]
    a_noise, b_noise, ab_noise = (var.mean(axis=-1) / rows.replicates for var in (rows.a_var, rows.b_var, rows.ab_var))
    q = a * b
    p = b[..., None, :] * ab
    with_ab = "...in,...jn->...ij"
    ab_of_ba = ab if rows.ba is not None else ba
    return Moments(
        weight * (a.mean(axis=-1) + b.mean(axis=-1) + ab.mean(axis=-1).sum(axis=-1)),
        weight * ((a**2).mean(axis=-1) + (b**2).mean(axis=-1) + (ab**2).mean(axis=-1).sum(axis=-1)),
        weight * (a_noise + b_noise + ab_noise.sum(axis=-1)),
        q.mean(axis=-1),
        (q**2).mean(axis=-1),
        p.mean(axis=-1),
        (p * q[..., None, :]).mean(axis=-1),
        ((a[..., None, :] - ab) ** 2).mean(axis=-1) / 2.0 - (a_noise[..., None] + ab_noise) / 2.0,
        np.einsum(with_ab, ba, ab_of_ba) / samples,
        np.einsum(with_ab, ba * q[..., None, :], ab_of_ba) / samples,
    )


def estimate(blocks: Moments, replicates: int) -> Estimates:
    """Indices from all blocks together."""
    count = blocks.mean.shape[-1]
    between = (blocks.mean.sum(axis=-1) ** 2 - (blocks.mean**2).sum(axis=-1)) / (count * (count - 1))
    noise = blocks.noise.mean(axis=-1)
    variance = blocks.square.mean(axis=-1) - between - noise
    scale = np.where(variance == 0.0, np.nan, variance)[..., None]
    control, spread = blocks.control.mean(axis=-1), blocks.control_square.mean(axis=-1)
    spread = spread - control**2
    shared = _less_control(blocks.shared.mean(axis=-2), blocks.shared_control.mean(axis=-2), control, spread)
    first, total = shared / scale, blocks.moved.mean(axis=-2) / scale
    closed = _less_control(blocks.both.mean(axis=-3), blocks.both_control.mean(axis=-3), control, spread)
    second = closed / scale[..., None]
    if second.shape[-1]:
        second = second - first[..., :, None] - first[..., None, :]
        second = 0.5 * (second + np.swapaxes(second, -1, -2))  # BA_i AB_j and BA_j AB_i estimate the same
        second = np.where(np.eye(second.shape[-1], dtype=bool), 0.0, second)
    return Estimates(variance, noise * replicates, first, total, second)


def _less_control(mean: np.ndarray, product: np.ndarray, control: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """A mean less its regression on the control, whose expectation is zero."""
    wide = (...,) + (None,) * (mean.ndim - control.ndim)
    q, variance = control[wide], np.where(spread > 0.0, spread, np.inf)[wide]
    return mean - (product - mean * q) / variance * q


def without_block(blocks: Moments, number: int) -> Moments:
    """The blocks but one."""
    axis = blocks.mean.ndim - 1
    return Moments(*(np.delete(getattr(blocks, one.name), number, axis=axis) for one in fields(Moments)))


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its interval, arrays of one shape."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def intervals(blocks: Moments, replicates: int, level: float = 0.95) -> dict[str, Interval]:
    """Jackknife over blocks of every field of `Estimates`: value less its bias, and the interval."""
    count = blocks.mean.shape[-1]
    if count < LEAST_BLOCKS:
        raise ValueError(f"{count} blocks give no interval; at least {LEAST_BLOCKS}")
    whole = estimate(blocks, replicates)
    parts = [estimate(without_block(blocks, number), replicates) for number in range(count)]
    quantile = float(stdtrit(count - 1, 0.5 + level / 2.0))
    found = {}
    for one in fields(Estimates):
        all_of = getattr(whole, one.name)
        pseudo = count * all_of - (count - 1) * np.array([getattr(part, one.name) for part in parts])
        value, half = pseudo.mean(axis=0), quantile * pseudo.std(axis=0, ddof=1) / np.sqrt(count)
        found[one.name] = Interval(value, value - half, value + half)
    return found
