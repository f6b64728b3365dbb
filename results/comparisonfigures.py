"""Figures of a comparison of interventions."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.comparison import Comparison, Outcome
from experiments.pairs import Difference, Ratio
from results.comparisonwords import level_text
from results.drawing import BLUE, GREY, INK, ORANGE, new_figure, single_axes, year_axis
from results.tables import number, years

CUT = 1.15  # of the largest cost per tonne that is shown: where intervals end that go on
FOOT = 108  # characters in a line at the foot of a figure
COLOURS = (BLUE, ORANGE, "#009e73", "#8a5a9e", "#a88700", "#5a6b7b", "#b0456b", "#2f8fae", "#6e6e00", "#444444")


def glance(comparison: Comparison) -> Figure:
    """What each option brings and what it costs: one row an option, taxes below, hollow where the budget is not met."""
    outcomes = [*sorted(comparison.spending, key=lambda one: -one.effects["adoption"].mean), *comparison.taxes]
    figure = new_figure(1.35 + 0.52 * len(outcomes))
    none = (math.nan,) * 3
    panels: list[tuple[str, list[tuple[float, float, float]]]] = [
        ("Further participants\nin an exchange (pp)", [_scaled(one.effects["adoption"], 100.0) for one in outcomes]),
        ("Further emissions\navoided (kt CO2e)", [_scaled(one.effects["carbon"], 1e-3) for one in outcomes]),
        ("Public outlay\n(MSEK a year)", [none if one.option.tax else _scaled(one.cost, 1.0) for one in outcomes]),
        ("Public outlay per\nfurther t CO2e (SEK)", [_ratio(one.public_per_tonne) for one in outcomes]),
    ]  # fmt: skip
    axes: np.ndarray = figure.subplots(1, len(panels), sharey=True)
    for panel, (title, values) in zip(axes, panels, strict=True):
        _panel(panel, outcomes, values)
        panel.set_title(title, fontsize=8, fontweight="normal")
    _unit_costs(axes[3], outcomes)
    axes[2].axvline(comparison.budget, color=INK, linewidth=0.9, linestyle=(0, (2, 2)))
    axes[2].annotate("budget", (comparison.budget, 0.0), xycoords=axes[2].get_xaxis_transform(), xytext=(-3, 3),
                     textcoords="offset points", ha="right", fontsize=7)  # fmt: skip
    labels = ["\n".join([*textwrap.wrap(one.option.title, 26), level_text(one)]) for one in outcomes]
    axes[0].set_yticks(range(len(outcomes)), labels, fontsize=7.5)
    axes[0].set_ylim(len(outcomes) - 0.5, -0.5)
    _foot(
        figure,
        f"{comparison.base.region.title}, {years(comparison.base.months)}, {comparison.pairs} replicates, seed "
        f"{comparison.seed}. Bars: 95 % interval. Hollow: does not cost the budget. Grey: taxes that raise the budget; "
        "their revenue is a transfer. Thin: over the range of unit costs. Arrow: the interval goes on.",
    )
    return figure


def _unit_costs(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    """Cost per tonne over the range of an option's unit costs; an interval that would squash the rest is cut."""
    ends = [one.public_per_tonne.value or 0.0 for one in outcomes]
    for place, one in enumerate(outcomes):
        costs = [at.per_tonne for at in one.at_costs or () if at.per_tonne is not None]
        if len(costs) == 2 and one.public_per_tonne.value is not None:
            axes.plot(costs, [place + 0.14] * 2, color=INK, linewidth=0.8)
            ends += costs
    most = CUT * max(ends)
    if not 0.0 < most < max(one.public_per_tonne.ci_high or 0.0 for one in outcomes):
        return
    axes.set_xlim(-0.1 * most, most)
    for place, one in enumerate(outcomes):
        if (one.public_per_tonne.ci_high or 0.0) > most:
            axes.plot(most, place, ">", color=BLUE, markersize=5, clip_on=False)


def _foot(figure: Figure, text: str) -> None:
    figure.supxlabel(textwrap.fill(text, FOOT), x=0.995, ha="right", fontsize=7, color=GREY)


def _ratio(ratio: Ratio) -> tuple[float, float, float]:
    """A ratio with its interval; nothing where it has none."""
    if ratio.value is None or ratio.ci_low is None or ratio.ci_high is None:
        return (math.nan,) * 3
    return ratio.value, ratio.ci_low, ratio.ci_high


def _scaled(difference: Difference, scale: float) -> tuple[float, float, float]:
    return scale * difference.mean, scale * difference.ci_low, scale * difference.ci_high


def _panel(axes: Axes, outcomes: Sequence[Outcome], values: Sequence[tuple[float, float, float]]) -> None:
    axes.axvline(0, color=INK, linewidth=0.9)
    for place, (one, (mean, low, high)) in enumerate(zip(outcomes, values, strict=True)):
        if math.isnan(mean):
            continue
        colour = GREY if one.option.tax else BLUE
        axes.plot([low, high], [place, place], color=colour, linewidth=2.2)
        face = "white" if one.solved.note else colour
        axes.plot(mean, place, "o", color=colour, markerfacecolor=face, markersize=6.5, markeredgewidth=1.6)
        axes.annotate(_two_digits(mean), (mean, place), xytext=(0, 6), textcoords="offset points", ha="center",
                      fontsize=7.5, color=colour, fontweight="bold")  # fmt: skip
    axes.grid(axis="y", visible=False)
    axes.tick_params(labelsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.margins(x=0.16)


def _two_digits(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 10 else number(value)


def net(comparison: Comparison) -> Figure:
    """Cumulated benefits less costs over the years, of each option that spends."""
    figure = new_figure(4.2)
    axes = single_axes(figure)
    months = comparison.base.months
    time = np.arange(1, months + 1) / 12.0
    axes.axhline(0, color=INK, linewidth=0.9)
    for one, colour in zip(comparison.spending, COLOURS, strict=False):
        low, mean, high = one.net
        axes.fill_between(time, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(time, mean, color=colour, label=one.option.title)
    axes.legend(frameon=False, fontsize=8.5, loc="upper left")
    axes.set_ylabel("Benefits less costs so far (MSEK)")
    year_axis(axes, months)
    _foot(
        figure,
        "Saving and carbon at its public value, less public outlay, investment and transaction cost; bands: 95 % "
        f"interval of the mean. {comparison.base.region.title}, {comparison.pairs} replicates, seed {comparison.seed}.",
    )
    return figure
