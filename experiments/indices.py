"""Sobol indices of a mean that is only seen through noise: of E[Y | parameters], from a few replicates a row.

Rows are the matrices of Saltelli (2010): A, B, and AB_i, A with parameter i of B (BA_i the other way round), in
independently scrambled blocks. With y the mean of R replicates of a row and s2 their variance, for rows whose noise is
independent

    V    = E[y^2] - E[y]^2 - E[s2]/R
    V_i  = Cov(y_B, y_AB_i)                                (its noise has mean zero)
    VT_i = E[(y_A - y_AB_i)^2]/2 - (E[s2_A] + E[s2_AB_i])/(2 R)

are unbiased for the variance of the conditional mean and its parts; uncorrected, the noise is taken for interactions
(Hart, Alexanderian & Gremaud 2016; Zhu & Sudret 2021 on stochastic models). Products of means are taken between blocks,
which are independent. Intervals: jackknife over blocks, Student's t.

All functions take any number of leading axes (repetitions of a whole analysis), then blocks and samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST_BLOCKS = 4


@dataclass(frozen=True)
class Rows:
    """Means and variances of the replicates of each row.

    `a`, `b` have shape (..., K, n), `ab` and `ba` (..., K, D, n); the variances likewise. Without `ba` there are no
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
    ba_var: np.ndarray | None = None


@dataclass(frozen=True)
class Moments:
    """What is needed of each block, shape (..., K) or (..., K, D): means over its samples."""

    mean: np.ndarray  # of y
    square: np.ndarray  # of y^2
    noise: np.ndarray  # of s2/R
    shared: np.ndarray  # of y_B y_AB_i, less the control y_B y_A
    crossed: np.ndarray  # of y_A y_B, the control
    moved: np.ndarray  # of (y_A - y_AB_i)^2/2 less its noise
    both: np.ndarray | None  # of y_BA_i y_AB_j, (..., K, D, D)


def moments(rows: Rows) -> Moments:
    """Block means; y is taken from a common centre, which changes nothing but rounding."""
    centre = rows.a.mean(axis=(-2, -1), keepdims=True)
    a, b, ab = rows.a - centre, rows.b - centre, rows.ab - centre[..., None]
    count, parameters = rows.replicates, ab.shape[-2]
    weight = 1.0 / (parameters + 2)
    mean = weight * (a.mean(axis=-1) + b.mean(axis=-1) + ab.mean(axis=-1).sum(axis=-1))
    square = weight * ((a**2).mean(axis=-1) + (b**2).mean(axis=-1) + (ab**2).mean(axis=-1).sum(axis=-1))
    a_noise, b_noise, ab_noise = (part.mean(axis=-1) / count for part in (rows.a_var, rows.b_var, rows.ab_var))
    noise = weight * (a_noise + b_noise + ab_noise.sum(axis=-1))
    both = None
    if rows.ba is not None:
        ba = rows.ba - centre[..., None]
        both = np.einsum("...in,...jn->...ij", ba, ab) / a.shape[-1]
    moved = ((a[..., None, :] - ab) ** 2).mean(axis=-1) / 2.0 - (a_noise[..., None] + ab_noise) / 2.0
    shared = (b[..., None, :] * (ab - a[..., None, :])).mean(axis=-1)
    return Moments(mean, square, noise, shared, (a * b).mean(axis=-1), moved, both)


@dataclass(frozen=True)
class Estimates:
    """Indices and the variance they are shares of; leading axes as the rows'."""

    variance: np.ndarray  # of the conditional mean
    noise: np.ndarray  # of one replicate given the parameters
    first: np.ndarray
    total: np.ndarray
    second: np.ndarray | None


def estimate(blocks: Moments, replicates: int) -> Estimates:
    """Indices from all blocks."""
    count = blocks.mean.shape[-1]
    total_mean = blocks.mean.sum(axis=-1)
    squared_mean = (total_mean**2 - (blocks.mean**2).sum(axis=-1)) / (count * (count - 1))  # of different blocks
    noise = blocks.noise.mean(axis=-1)
    variance = blocks.square.mean(axis=-1) - squared_mean - noise
    scale = np.where(variance == 0.0, np.nan, variance)[..., None]
    first, total = blocks.shared.mean(axis=-2) / scale, blocks.moved.mean(axis=-2) / scale
    second = None
    if blocks.both is not None:
        closed = (blocks.both.mean(axis=-3) - blocks.crossed.mean(axis=-1)[..., None, None]) / scale[..., None]
        second = closed - first[..., :, None] - first[..., None, :]
        second = 0.5 * (second + np.swapaxes(second, -1, -2))  # BA_i AB_j and BA_j AB_i estimate the same
    return Estimates(variance, noise * replicates, first, total, second)
