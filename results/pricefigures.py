"""Diagnostics of fitted prices: history, what the fit expects to follow it, and how its residuals lie.

Pages of PER_PAGE series each, `prices-1` and on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtri

from calibration.prices import Fit, simulated_ahead
from results.drawing import BLUE, GREY, INK, ORANGE, new_figure, write_figure

PER_PAGE = 6
AHEAD = 120  # months
PATHS = 2000
SEED = 1
MARKS = (
    f"Bands: 50 and 90 % of {PATHS} simulated paths, seed {SEED}; dashed: long-run mean; "
    "right: normal scores of residuals"
)


def _history(axes: Axes, one: Fit) -> None:
    """The real price, and a fan of the fit from its last value on, log scale."""
    time = (one.series.months + 0.5) / 12.0
    monthly = np.exp(one.series.monthly)
    every = (one.series.months[0] + np.arange(monthly.size) + 0.5) / 12.0
    axes.plot(every, monthly, color=BLUE, linewidth=1.1)
    ahead = time[-1] + np.arange(AHEAD + 1) / 12.0
    paths = np.exp(simulated_ahead(one, AHEAD, PATHS, SEED))
    for low, high, alpha in ((0.05, 0.95, 0.18), (0.25, 0.75, 0.3)):
        band = np.quantile(paths, (low, high), axis=0)
        axes.fill_between(ahead, *band, color=ORANGE, alpha=alpha, linewidth=0)
    axes.plot(ahead, np.median(paths, axis=0), color=ORANGE, linewidth=1.1)
    axes.axhline(one["long_run_mean"].value, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_yscale("log")
    low, high = (
        min(monthly[np.isfinite(monthly)].min(), np.quantile(paths, 0.05, axis=0).min()),
        max(monthly[np.isfinite(monthly)].max(), np.quantile(paths, 0.95, axis=0).max()),
    )
    axes.set_ylim(low / 1.1, high * 1.1)
    ticks = [tick for tick in _ticks(low, high) if low / 1.1 <= tick <= high * 1.1]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_title(f"{one.series.name} {one.series.unit}", fontsize=9.5)
    axes.tick_params(labelsize=8.5)


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten that cover a range."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in (1, 2, 5)]


def _quantiles(axes: Axes, one: Fit) -> None:
    """Normal scores of the residuals against what a right model would give."""
    scores = np.sort(one.scores)
    expected = ndtri((np.arange(scores.size) + 0.5) / scores.size)
    reach = max(3.2, float(np.abs(scores).max()))
    axes.plot([-reach, reach], [-reach, reach], color=GREY, linewidth=0.9)
    axes.plot(expected, scores, ".", color=BLUE, markersize=3)
    axes.set_xlim(-3.2, 3.2)
    axes.set_ylim(-reach, reach)
    axes.tick_params(labelsize=8.5)


def page(fits: Sequence[Fit], basis: str) -> Figure:
    """One row a series."""
    figure = new_figure(0.5 + 1.55 * len(fits))
    grid = np.atleast_2d(figure.subplots(len(fits), 2, width_ratios=(3.2, 1.0)))
    for row, one in zip(grid, fits, strict=True):
        _history(row[0], one)
        _quantiles(row[1], one)
    grid[0, 1].set_title("residuals", fontsize=9.5)
    figure.supxlabel(f"{basis}\n{MARKS}.", x=0.995, ha="right", fontsize=6.8, color=GREY)
    return figure


def write_pages(fits: Sequence[Fit], folder: Path, basis: str, progress: Callable[[int, int], None]) -> None:
    """Write all pages as PNG and SVG; `progress` is told how many of how many are done."""
    for old in folder.glob("prices-*.*"):  # of an earlier fit of more series
        old.unlink()
    parts = [fits[first : first + PER_PAGE] for first in range(0, len(fits), PER_PAGE)]
    for number, part in enumerate(parts, start=1):
        write_figure(partial(page, part, basis), folder / f"prices-{number}", "Fitted prices")
        progress(number, len(parts))
