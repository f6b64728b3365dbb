"""The figures of a study, for people who decide: each a function from a `Study` to a matplotlib Figure.

A figure is added by a function and a line in `FIGURES`.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from experiments.effect import WITH, WITHOUT
from experiments.methods import Analysis
from results.drawing import (
    BLUE,
    COLOUR,
    FAINT,
    INK,
    LABEL,
    ORANGE,
    Drawing,
    Picture,
    Study,
    count_text,
    error_bars,
    function_label,
    mark_opening,
    new_figure,
    picture,
    signed_text,
    single_axes,
    staff,
    time_axis,
    year_axis,
)
from results.influence import attribution_figure, indices_figure
from results.maps import region_map
from results.tables import number, years


def adoption(study: Study) -> Figure:
    """Share of participants in an exchange over time, mean and 10-90 % band of each arm."""
    figure = new_figure(3.7)
    axes = single_axes(figure)
    time = time_axis(study.scenario.months)
    ends = {}
    for arm in (WITHOUT, WITH):
        share = 100.0 * study.arms.series(arm, "adoption")
        low, high = np.quantile(share, (0.1, 0.9), axis=0)
        axes.fill_between(time, low, high, color=COLOUR[arm], alpha=0.18, linewidth=0)
        axes.plot(time, share.mean(axis=0), color=COLOUR[arm])
        ends[arm] = float(share[:, -1].mean())
    top = axes.get_ylim()[1]
    gap = max(0.0, 0.09 * top - abs(ends[WITH] - ends[WITHOUT])) / 2  # keeps the two labels apart
    for arm, shift in ((WITHOUT, -gap), (WITH, gap)):
        axes.annotate(
            f"{LABEL[arm]}\n{ends[arm]:.1f} %", (time[-1], ends[arm] + shift), xytext=(7, 0),
            textcoords="offset points", color=COLOUR[arm], va="center", fontweight="bold", annotation_clip=False,
        )  # fmt: skip
    axes.set_ylim(0, top * 1.08)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.set_ylabel("Participants in an exchange (%)")
    mark_opening(axes, study)
    year_axis(axes, study.scenario.months)
    return figure


THOUSANDS = FuncFormatter(lambda value, _: number(value))
STAGES = (
    ("latent", "Not known to the parties"),
    ("identified", "Known, no talks yet"),
    ("negotiating", "Under negotiation"),
    ("exchanges", "In operation"),
)
FLOWS = (
    ("found_self", "Found by own search"),
    ("found_broker", "Found by the centre"),
    ("forgotten", "Forgotten again"),
    ("talks", "Talks started"),
    ("failed", "Talks failed"),
    ("started", "Exchanges started"),
    ("ended_process", "Ended: process change"),
    ("ended_loss", "Ended: a party's loss"),
)


def _pair_bars(axes: Axes, study: Study, rows: tuple[tuple[str, str], ...], own_scale: bool) -> None:
    """Two bars a row, without and with; lengths relative to the row's or the panel's largest."""
    effects = study.centre
    largest = [max(effects[name].without, effects[name].with_, 1e-9) for name, _ in rows]
    for place, (name, _) in enumerate(rows):
        scale = largest[place] if own_scale else max(largest)
        for arm, value, offset in (
            (WITHOUT, effects[name].without, -0.19), (WITH, effects[name].with_, 0.19),
        ):  # fmt: skip
            axes.barh(place + offset, value / scale, height=0.34, color=COLOUR[arm])
            axes.annotate(
                count_text(value), (value / scale, place + offset), xytext=(4, 0), textcoords="offset points",
                va="center", fontsize=9.5, color=COLOUR[arm], fontweight="bold",
            )  # fmt: skip
    axes.set_yticks(range(len(rows)), [label for _, label in rows])
    axes.set_xlim(0, 1.18)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines[["bottom", "left"]].set_visible(False)


def funnel(study: Study) -> Figure:
    """Opportunities by stage at the horizon, and what happened to them since month 0, without and with."""
    figure = new_figure(6.2)
    upper, lower = figure.subplots(2, 1, height_ratios=(len(STAGES) + 0.65, len(FLOWS)))
    _pair_bars(upper, study, STAGES, own_scale=True)
    upper.set_title("At the end (each row on its own scale)")
    _pair_bars(lower, study, FLOWS, own_scale=False)
    lower.set_title(f"What happened in {years(study.scenario.months)} (one scale)")
    upper.set_ylim(len(STAGES) - 0.45, -1.2)
    for arm, place in ((WITHOUT, 0.0), (WITH, 0.5)):
        upper.text(place, -0.75, f"■ {LABEL[arm]}", va="center", color=COLOUR[arm], weight="bold")
    return figure


def effect_by_year(study: Study) -> Figure:
    """Effect on living exchanges at the end of each year with its interval."""
    figure = new_figure(3.5)
    axes = single_axes(figure)
    months = study.scenario.months
    ends = sorted({*range(12, months + 1, 12), months})
    effects = [study.arms.difference("exchanges", month=month) for month in ends]
    mean = [effect.mean for effect in effects]
    time = np.array(ends) / 12.0
    axes.axhline(0, color=INK, linewidth=0.9)
    axes.plot(time, mean, color=BLUE, linewidth=1.2)
    axes.errorbar(time, mean, yerr=error_bars(effects), fmt="o", color=BLUE, markersize=5, elinewidth=2.0)
    axes.annotate(
        signed_text(mean[-1]), (time[-1], mean[-1]), xytext=(8, 0), textcoords="offset points", color=BLUE,
        va="center", fontweight="bold", annotation_clip=False,
    )  # fmt: skip
    axes.set_ylabel("Further living exchanges")
    year_axis(axes, months)
    axes.set_xlim(0, months / 12.0 * 1.02)
    mark_opening(axes, study)
    return figure


def functions(study: Study) -> Figure:
    """Effect on living exchanges of each function alone, with the staff it has, beside the whole centre."""
    alone = sorted(study.functions, key=lambda name: -study.functions[name]["exchanges"].mean)
    rows = [(f"{function_label(name)}\n{staff(study.scenario, name):.2g} FTE", study.functions[name], BLUE)
            for name in alone]  # fmt: skip
    rows.append((f"All together\n{study.fte:.3g} FTE", study.centre, ORANGE))
    figure = new_figure(0.9 + 0.55 * len(rows))
    axes = single_axes(figure)
    axes.axvline(0, color=INK, linewidth=0.9)
    for place, name in enumerate(alone):
        if name not in study.reach:
            continue
        low, high = (end["exchanges"].mean for end in study.reach[name])
        axes.plot([low, high], [place, place], color=FAINT, linewidth=9, solid_capstyle="butt")
    for place, (_, effect, colour) in enumerate(rows):
        exchanges = effect["exchanges"]
        axes.errorbar(
            exchanges.mean, place, xerr=error_bars([exchanges]), fmt="o", color=colour, markersize=6, elinewidth=2.2
        )
        axes.annotate(
            signed_text(exchanges.mean), (exchanges.mean, place), xytext=(0, 7), textcoords="offset points",
            ha="center", color=colour, fontweight="bold", fontsize=9.5,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.7)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("Further living exchanges at the end")
    return figure


def dose(study: Study) -> Figure:
    """Effect on living exchanges over the size of the centre."""
    figure = new_figure(3.6)
    axes = single_axes(figure)
    sizes = sorted(study.doses)
    effects = [study.doses[size]["exchanges"] for size in sizes]
    axes.axhline(0, color=INK, linewidth=0.9)
    axes.plot([0, *sizes], [0.0, *(effect.mean for effect in effects)], color=BLUE, linewidth=1.2)
    axes.errorbar(
        sizes, [effect.mean for effect in effects], yerr=error_bars(effects), fmt="o", color=BLUE, markersize=6,
        elinewidth=2.2,
    )  # fmt: skip
    for size, effect in zip(sizes, effects, strict=True):
        axes.annotate(
            signed_text(effect.mean), (size, effect.mean), xytext=(7, -9), textcoords="offset points", color=BLUE,
            fontweight="bold", fontsize=9.5, va="center",
        )  # fmt: skip
    if study.opening is not None:
        here = (study.fte, study.centre["exchanges"].mean)
        axes.plot(*here, "o", color="none", markeredgecolor=ORANGE, markersize=13)
        axes.annotate(
            "this scenario", here, xytext=(0.03, 0.9), textcoords="axes fraction", color=ORANGE, fontweight="bold",
            arrowprops={"arrowstyle": "-", "color": ORANGE, "shrinkB": 8},
        )  # fmt: skip
    axes.set_xticks([0, *sizes])
    axes.set_xlim(0, max([*sizes, study.fte]) * 1.08)
    axes.set_xlabel("Staff of the centre (FTE)")
    axes.set_ylabel("Further living exchanges at the end")
    axes.grid(axis="x", visible=False)
    return figure


def increments(study: Study) -> Figure:
    """What each step in size adds per further person; its marginal cost, beside the average one of the larger size."""
    figure = new_figure(6.4)
    panels: np.ndarray = figure.subplots(2, 2)
    steps, places = study.increments, np.arange(len(study.increments))
    added = {
        "Living exchanges per\nfurther person": [one.exchanges for one in steps],
        "Emissions avoided per\nfurther person (t CO2e)": [one.carbon for one in steps],
        "Public cost per\nfurther person (MSEK)": [one.outlay for one in steps],
    }
    each = 1.0 / np.array([one.larger - one.smaller for one in steps])
    for axes, (title, gains) in zip(panels.flat, added.items(), strict=False):
        axes.axhline(0, color=INK, linewidth=0.9)
        axes.errorbar(places, each * [one.mean for one in gains], yerr=each * error_bars(gains), fmt="o", color=BLUE)
        axes.set_title(title, fontsize=10)
        axes.yaxis.set_major_formatter(THOUSANDS)
    _marginal_costs(panels[1, 1], study)
    for axes in panels.flat:
        axes.set_xticks(places, [one.name for one in steps], fontsize=9)
        axes.set_xlim(-0.5, len(steps) - 0.5)
        axes.grid(axis="x", visible=False)
        axes.tick_params(axis="y", labelsize=9)
    for axes in panels[1]:
        axes.set_xlabel("Step in size (FTE)")
    return figure


def _marginal_costs(axes: Axes, study: Study) -> None:
    """Marginal cost of each step, the average cost of its larger size, and what a tonne is worth, on a log scale."""
    steps = list(enumerate(study.increments))
    bounded = [(place, one.marginal_cost) for place, one in steps if (one.marginal_cost.ci_low or 0.0) > 0.0]
    at, costs = [place for place, _ in bounded], [one for _, one in bounded]
    sizes = [(place, study.doses[one.larger].average_cost) for place, one in steps]
    average = [(place, one.value) for place, one in sizes if one.value is not None]
    axes.set_yscale("log")
    axes.errorbar(
        at, [one.value or 1.0 for one in costs], yerr=error_bars(costs), color=BLUE, fmt="o",
        label="marginal: this step alone",
    )  # fmt: skip
    axes.plot(
        [place for place, _ in average], [value for _, value in average], "_", color=ORANGE, markersize=14,
        markeredgewidth=2, label="average: all staff",
    )  # fmt: skip
    value = float(study.scenario.values["worth.carbon_value"])
    axes.axhline(value, color=INK, linewidth=0.9, linestyle=(0, (2, 2)), label="worth to the public")
    axes.set_title("Public cost of a further\ntonne CO2e (SEK)", fontsize=10)
    axes.yaxis.set_major_formatter(THOUSANDS)
    axes.yaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.45)  # room for the legend
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def screened(study: Study) -> Analysis:
    """The screening of a study that has one."""
    assert study.screening is not None
    return study.screening


INTERVAL = "Bars: 95 % interval of the mean"
FIGURES: tuple[Drawing, ...] = (
    Drawing(
        "adoption",
        "Participants in an exchange",
        "Share of participants with at least one living exchange; lines are means over runs. The bands show how much "
        "luck and the unknown firms matter, not how precise the means are.",
        "Bands: 10 to 90 % of the runs",
        adoption,
    ),
    Drawing(
        "effect_by_year",
        "The effect year by year",
        "Living exchanges with minus without the centre at the end of each year, mean over pairs.",
        INTERVAL,
        effect_by_year,
    ),
    Drawing(
        "funnel",
        "From opportunity to exchange",
        "An opportunity is a pair of participants that could exchange one by-product. Above: how many there are in "
        "each stage at the end. Below: what happened to them from month 0 on.",
        "Means over runs",
        funnel,
    ),
    Drawing(
        "map",
        "Where the exchanges are",
        "Living exchanges of one pair of runs at the end: other pairs give other lines. Dots are participants, "
        "placed by chance around the seats except named plants; squares are the seats of the municipalities.",
        "First pair only. Thicker lines: more tonnes or MWh a year (log scale)",
        region_map,
    ),
    Drawing(
        "functions",
        "Each function alone",
        "Living exchanges more than without a centre, mean over pairs. Each function has the staff that it has in "
        "the whole centre, and nobody else works there. The ranking rests on what one person is assumed to reach.",
        "Bars: 95 % interval; grey: mean at low to high reach of one person",
        functions,
        lambda study: bool(study.functions),
    ),
    Drawing(
        "shares",
        "What each function adds",
        "Shapley values: the average of what a function adds to living exchanges over all groups of other functions, "
        "with its own staff, and against what that staff would add in the others (opportunity cost). They sum to the "
        "whole effect.",
        "Bars: 95 % interval; grey: 10 to 90 % over the ranges of what one person reaches",
        lambda study: attribution_figure(study.attribution, "exchanges", study.ranks),
        lambda study: bool(study.attribution),
        lambda study: f"{study.attribution[0].pairs} replicates, seed {study.attribution[0].seed}",
    ),
    Drawing(
        "screening",
        "What the effect is sensitive to",
        "Mean size of the change of the effect on participants in an exchange from one end of a parameter's declared "
        "range to the other (Morris' mu*).",
        "Bars: 95 % interval; marks: what chance alone would seem to be",
        lambda study: indices_figure(screened(study)),
        lambda study: study.screening is not None,
        lambda study: f"{screened(study).rows} rows of {screened(study).replicates} replicates, seed {study.arms.seed}",
    ),
    Drawing(
        "dose",
        "Size of the centre",
        "Living exchanges more than without a centre, mean over pairs, the staff shared among the functions as in "
        "the scenario.",
        INTERVAL,
        dose,
    ),
    Drawing(
        "increments",
        "From one size to the next",
        "What each step in the size of the centre adds at the end, mean over pairs, per further person; and the public "
        "cost of a further tonne CO2e (a step without a dot has no bounded interval).",
        INTERVAL,
        increments,
    ),
)


class Drawer:
    """Draws the figures of a study that grows, each as soon as all that it shows is there; use as a context.

    They are drawn one after the other, since matplotlib's style is that of the process, in a thread beside the runs:
    a process of its own would have to load all anew, which takes half as long as drawing. Nothing is written before
    `write`, so that a study that is stopped leaves the figures of an earlier one whole.
    """

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1)
        self.pictures: dict[str, Future[Picture]] = {}

    def __enter__(self) -> Drawer:
        return self

    def draw(self, study: Study) -> None:
        """Begin with the figures that have their data by now and had not before."""
        for one in FIGURES:
            if one.name not in self.pictures and one.needs(study):
                self.pictures[one.name] = self.thread.submit(picture, partial(one.figure, study), one.title)

    def write(self, folder: Path) -> dict[str, str]:
        """Write each figure as PNG and SVG into `folder`; the SVG texts by name. One that has no data is left out."""
        for one in FIGURES:
            if one.name in self.pictures:
                self.pictures[one.name].result().write(folder / one.name)
                continue
            for kind in ("png", "svg"):
                (folder / f"{one.name}.{kind}").unlink(missing_ok=True)  # of an earlier study in the same folder
        return {name: drawn.result().svg for name, drawn in self.pictures.items()}

    def __exit__(self, *error: object) -> None:
        self.thread.shutdown(cancel_futures=True)
