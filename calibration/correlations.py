"""Correlation of what moves prices between jumps: a positive definite matrix, and one common factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

FEWEST = 60  # months that two series must share
SMALLEST = 1e-6  # eigenvalue of what counts as positive definite


@dataclass(frozen=True)
class Correlation:
    """Of the diffusive parts: matrix, loadings on one factor, how far the matrix was moved, pairs without overlap."""

    names: tuple[str, ...]
    matrix: np.ndarray
    loadings: np.ndarray
    moved: float  # largest change of an entry to make it positive definite
    unknown: int  # pairs that share too few months; 0 is put for them


def correlation(shocks: Mapping[str, Mapping[int, float]]) -> Correlation:
    """From standardised diffusive shocks by month of each series; pairwise, over the months that both have."""
    names = tuple(shocks)
    months = sorted({month for one in shocks.values() for month in one})
    place = {month: number for number, month in enumerate(months)}
    values = np.full((len(names), len(months)), np.nan)
    for row, one in enumerate(shocks.values()):
        values[row, [place[month] for month in one]] = list(one.values())
    raw, shared = _pairwise(values)
    known = (shared >= FEWEST) & np.isfinite(raw)
    unknown = int(np.sum(~known[np.tril_indices(len(names), -1)]))
    raw = np.where(known, raw, 0.0)
    np.fill_diagonal(raw, 1.0)
    matrix = positive_definite(raw)
    return Correlation(names, matrix, one_factor(matrix), float(np.abs(matrix - raw).max()), unknown)


def _pairwise(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlations over the months that both rows have, and how many those are."""
    there = np.isfinite(values).astype(float)
    filled = np.where(there > 0.0, values, 0.0)
    shared = there @ there.T
    with np.errstate(divide="ignore", invalid="ignore"):  # pairs without common months: NaN
        means = filled @ there.T / shared
        variances = filled**2 @ there.T / shared - means**2
        covariances = filled @ filled.T / shared - means * means.T
        return covariances / np.sqrt(variances * variances.T), shared


def positive_definite(matrix: np.ndarray, steps: int = 200) -> np.ndarray:
    """The nearest correlation matrix in the Frobenius norm (Higham 2002, doi:10.1093/imanum/22.3.329, algorithm 3.3)
    with no eigenvalue much below SMALLEST."""
    if np.linalg.eigvalsh(matrix)[0] >= SMALLEST:
        return matrix
    target, dykstra = matrix.copy(), np.zeros_like(matrix)
    for _ in range(steps):
        before = target
        shifted = target - dykstra
        values, vectors = np.linalg.eigh(shifted)
        projected = (vectors * np.maximum(values, SMALLEST)) @ vectors.T
        dykstra = projected - shifted
        target = projected.copy()
        np.fill_diagonal(target, 1.0)
        if np.abs(target - before).max() < 1e-7:
            break
    values, vectors = np.linalg.eigh(target)  # the last step in which the diagonal was put right may undo a little
    clipped = (vectors * np.maximum(values, SMALLEST)) @ vectors.T
    scale = np.sqrt(np.diag(clipped))
    return clipped / np.outer(scale, scale)


def one_factor(matrix: np.ndarray) -> np.ndarray:
    """Loadings whose products are nearest to the off-diagonal correlations in least squares, each at most 1 in size."""
    if len(matrix) < 2:
        return np.zeros(len(matrix))
    values, vectors = np.linalg.eigh(matrix)
    loadings = np.clip(vectors[:, -1] * np.sqrt(values[-1]), -0.99, 0.99)
    loadings *= np.sign(loadings.sum()) or 1.0
    for _ in range(1000):
        before = loadings.copy()
        for i in range(len(loadings)):
            others = np.delete(loadings, i)
            weight = float(others @ others)
            if weight > 0.0:
                loadings[i] = np.clip(np.delete(matrix[i], i) @ others / weight, -1.0, 1.0)
        if np.abs(loadings - before).max() < 1e-9:
            break
    return loadings
