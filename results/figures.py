"""The figures of a study, for people who decide: each a function from a `Study` to a matplotlib Figure.

Drawn with the object-oriented interface only (no pyplot, no display); the style is set in `STYLE` and nowhere else.
A figure is added by a function and a line in `FIGURES`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from abm.parameters import BY_NAME, Value
from abm.scenario import Scenario
from abm.simulate import Network
from experiments.effect import WITH, WITHOUT, Arms, Difference, PairedEffect
from experiments.store import whole
from results.tables import number, years

# After Okabe and Ito, for colour-blind readers; grey and orange darkened until small text is legible on white
INK, FAINT, GREY, BLUE, ORANGE = "#222222", "#cdd1d6", "#6b7078", "#0072b2", "#c04f00"
COLOUR = {WITHOUT: GREY, WITH: BLUE}
LABEL = {WITHOUT: "without the centre", WITH: "with the centre"}
WIDTH = 6.6  # inches
KM_PER_DEGREE = 111.2
STYLE: dict[str, object] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Segoe UI", "Helvetica", "Arial", "sans-serif"],
    "font.size": 10.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.labelsize": 10.5,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e9ebee",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 2.0,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.dpi": 180,
    "svg.fonttype": "none",
    "svg.hashsalt": "kretslopp",
}


@dataclass(frozen=True)
class Study:
    """What figures and report show: effects of the whole centre, of each function alone, and of other sizes."""

    scenario: Scenario
    arms: Arms
    centre: PairedEffect
    functions: Mapping[str, PairedEffect]  # by function
    doses: Mapping[float, PairedEffect]  # by FTE

    @property
    def fte(self) -> float:
        """Staff of the centre in the scenario."""
        return float(self.scenario.values["facilitator.fte"])

    @property
    def opening(self) -> int | None:
        """Month in which the centre opens, or None if it does not within the run."""
        start = int(self.scenario.values["facilitator.start"])
        return start if self.fte > 0 and start < self.scenario.months else None

    @property
    def closing(self) -> int | None:
        """Month in which the centre closes, or None if it does not within the run."""
        stop = int(self.scenario.values["facilitator.stop"])
        return stop if self.opening is not None and stop < self.scenario.months else None

    @property
    def basis(self) -> str:
        """'100 pairs of runs, seed 1': said under every figure and table."""
        pairs = self.centre.pairs
        return f"{pairs} pair{'s' * (pairs > 1)} of runs, seed {self.centre.seed}"


@dataclass(frozen=True)
class Drawing:
    """A registered figure: `caption` says what is drawn; what the bands are and the runs are added to it."""

    name: str
    title: str
    caption: str
    marks: str  # what bands and bars are: printed inside the figure too, for those who copy it
    draw: Callable[[Study], Figure]
    needs: Callable[[Study], bool] = lambda study: True

    def full_caption(self, study: Study) -> str:
        """Caption with what the marks are, horizon, number of runs and seed."""
        return f"{self.caption} {self.marks}. {years(study.scenario.months).capitalize()}, {study.basis}."

    def figure(self, study: Study) -> Figure:
        """The figure, with a line at its foot that says what it rests on."""
        figure = self.draw(study)
        foot = f"{study.scenario.region.title}: {study.basis}. {self.marks}."
        figure.supxlabel(foot, x=0.995, ha="right", fontsize=7.5, color=GREY)
        return figure


# -- parts that figures share


def function_label(function: str) -> str:
    """'Policy and strategy' for 'policy', as its parameter calls it."""
    name = BY_NAME[f"facilitator.shares.{function}"].meaning.removeprefix("share of staff on ").removeprefix("the ")
    return name[:1].upper() + name[1:]


def staff(scenario: Scenario, function: str) -> float:
    """FTE that a function has in a scenario."""
    values: Mapping[str, Value] = scenario.values
    return float(values["facilitator.fte"]) * float(values[f"facilitator.shares.{function}"])


def _figure(height: float) -> Figure:
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    return figure


def _axes(figure: Figure) -> Axes:
    axes: Axes = figure.subplots()
    return axes


def _time(months: int) -> np.ndarray:
    """Years at the ends of the months."""
    return np.arange(1, months + 1) / 12.0


def _mark_opening(axes: Axes, study: Study) -> None:
    """Dotted lines where the centre opens and closes."""
    for month, text in ((study.opening, "centre opens"), (study.closing, "centre closes")):
        if month is not None:
            axes.axvline(month / 12.0, color=INK, linewidth=0.9, linestyle=(0, (2, 2)))
            axes.annotate(
                text, (month / 12.0, 1.0), xycoords=axes.get_xaxis_transform(), xytext=(4, -3),
                textcoords="offset points", va="top", fontsize=9.5,
            )  # fmt: skip


def _year_axis(axes: Axes, months: int) -> None:
    axes.set_xlim(0, months / 12.0)
    axes.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 5, 10], integer=months >= 24))
    axes.set_xlabel("Years")
    axes.grid(axis="x", visible=False)


def _half(difference: Difference) -> float:
    """Half-width of the interval; 0 where one pair gives none."""
    half = difference.ci_high - difference.mean
    return half if math.isfinite(half) else 0.0


def _count(value: float) -> str:
    """A mean count with one decimal; large ones as everywhere."""
    return number(value) if abs(value) >= 99.95 or value == 0 else f"{value:.1f}"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{_count(abs(value))}"


# -- the figures


def adoption(study: Study) -> Figure:
    """Share of participants in an exchange over time, mean and 10-90 % band of each arm."""
    figure = _figure(3.7)
    axes = _axes(figure)
    time = _time(study.scenario.months)
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
    _mark_opening(axes, study)
    _year_axis(axes, study.scenario.months)
    return figure


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
                _count(value), (value / scale, place + offset), xytext=(4, 0), textcoords="offset points",
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
    figure = _figure(6.2)
    upper, lower = figure.subplots(2, 1, height_ratios=(len(STAGES) + 0.65, len(FLOWS)))
    _pair_bars(upper, study, STAGES, own_scale=True)
    upper.set_title("At the end (each row on its own scale)")
    _pair_bars(lower, study, FLOWS, own_scale=False)
    lower.set_title(f"What happened in {years(study.scenario.months)} (one scale)")
    upper.set_ylim(len(STAGES) - 0.45, -1.2)
    for arm, place in ((WITHOUT, 0.0), (WITH, 0.5)):
        upper.text(place, -0.75, f"■ {LABEL[arm]}", va="center", color=COLOUR[arm], weight="bold")
    return figure


def _edges(network: Network) -> dict[tuple[int, int, int], float]:
    """Quantity of each live exchange by supplier, receiver and by-product."""
    keys = zip(network.supplier.tolist(), network.receiver.tolist(), network.byproduct.tolist(), strict=True)
    return dict(zip(keys, network.quantity.tolist(), strict=True))


def _draw_edges(
    axes: Axes, network: Network, edges: Mapping[tuple[int, int, int], float], colour: str, dotted: bool = False
) -> None:
    """Straight lines, thicker for more tonnes or MWh (log scale)."""
    ends = [
        [(network.lon[a], network.lat[a]), (network.lon[b], network.lat[b])] for a, b, _ in edges
    ]  # fmt: skip
    widths = [0.5 + 0.55 * max(0.0, math.log10(max(quantity, 1.0)) - 2.0) for quantity in edges.values()]
    style = "dotted" if dotted else "solid"
    axes.add_collection(LineCollection(ends, colors=colour, linewidths=widths, linestyles=style, alpha=0.8))
    places = sorted({place for a, b, _ in edges for place in (a, b)})
    axes.scatter(network.lon[places], network.lat[places], s=9, color=colour, linewidths=0, zorder=3)


def _label_towns(axes: Axes, study: Study) -> None:
    """Municipalities at their seats, largest first, each at the first place around it that is free."""
    canvas = FigureCanvasAgg(axes.get_figure(root=True))
    canvas.draw()  # lays the axes out
    renderer = canvas.get_renderer()
    taken: list[Bbox] = []
    around = [(0, 7), (0, -7), (7, 0), (-7, 0), (6, 6), (-6, 6), (6, -6), (-6, -6), (0, 16), (0, -16)]
    for town in sorted(study.scenario.region.municipality, key=lambda town: -town.population):
        axes.plot(town.lon, town.lat, "s", color=INK, markersize=3.5, zorder=5)
        best: tuple[float, Text | None] = (math.inf, None)
        for dx, dy in around:
            text = axes.annotate(
                town.name, (town.lon, town.lat), xytext=(dx, dy), textcoords="offset points", zorder=6,
                ha="center" if dx == 0 else "left" if dx > 0 else "right",
                va="center" if dy == 0 else "bottom" if dy > 0 else "top",
                fontsize=9.5, fontweight="bold", path_effects=[withStroke(linewidth=3, foreground="white")],
            )  # fmt: skip
            box = text.get_window_extent(renderer)
            overlap = sum(_overlap(box, other) for other in taken) + _outside(box, axes.get_window_extent(renderer))
            best, worse = ((overlap, text), best[1]) if overlap < best[0] else (best, text)
            if worse is not None:
                worse.remove()
            if overlap == 0:
                break
        if best[1] is not None:
            taken.append(best[1].get_window_extent(renderer))


def _overlap(a: Bbox, b: Bbox) -> float:
    width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(width, 0.0) * max(height, 0.0)


def _outside(box: Bbox, frame: Bbox) -> float:
    return box.width * box.height - _overlap(box, frame)


def _scale_bar(axes: Axes, latitude: float) -> None:
    """A round number of kilometres in the lower right corner."""
    (west, east), (south, north) = axes.get_xlim(), axes.get_ylim()
    degree = KM_PER_DEGREE * math.cos(math.radians(latitude))
    length = max(km for km in (1, 2, 5, 10, 20, 50, 100, 200) if km <= 0.25 * (east - west) * degree or km == 1)
    right, level = east - 0.02 * (east - west), south + 0.03 * (north - south)
    axes.plot([right - length / degree, right], [level, level], color=INK, linewidth=2.5, solid_capstyle="butt")
    axes.annotate(
        f"{length} km", (right - length / degree / 2, level), xytext=(0, 4), textcoords="offset points",
        ha="center", fontsize=9.5,
    )  # fmt: skip


def region_map(study: Study) -> Figure:
    """Live exchanges of the first replicate at the horizon: those that exist only with the centre stand out."""
    without, with_ = (study.arms.networks[arm] for arm in (WITHOUT, WITH))
    old, new = _edges(without), _edges(with_)
    latitude = float(with_.lat.mean())
    wide, high = np.ptp(with_.lon) * math.cos(math.radians(latitude)), np.ptp(with_.lat)
    figure = _figure(float(np.clip(WIDTH * high / wide, 4.0, 9.0)) + 0.6)
    axes = _axes(figure)
    axes.scatter(with_.lon, with_.lat, s=5, color=FAINT, linewidths=0)
    both = {edge: quantity for edge, quantity in new.items() if edge in old}
    gone = {edge: quantity for edge, quantity in old.items() if edge not in new}
    _draw_edges(axes, with_, both, GREY)
    _draw_edges(axes, with_, gone, INK, dotted=True)
    _draw_edges(axes, with_, {edge: quantity for edge, quantity in new.items() if edge not in old}, ORANGE)
    axes.set_aspect(1.0 / math.cos(math.radians(latitude)))
    axes.margins(0.03)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    kinds = (
        (len(new) - len(both), "only with the centre", ORANGE), (len(both), "also without", GREY),
        (len(gone), "only without (dotted)", INK),
    )  # fmt: skip
    for (count, what, colour), place in zip(kinds, (0.0, 0.40, 0.66), strict=True):
        axes.text(place, 1.01, f"{count} {what}", transform=axes.transAxes, color=colour, weight="bold", fontsize=9.5)
    _scale_bar(axes, latitude)
    _label_towns(axes, study)
    return figure


def effect_by_year(study: Study) -> Figure:
    """Effect on living exchanges at the end of each year with its interval."""
    figure = _figure(3.5)
    axes = _axes(figure)
    months = study.scenario.months
    ends = sorted({*range(12, months + 1, 12), months})
    effects = [study.arms.difference("exchanges", month=month) for month in ends]
    mean, half = [effect.mean for effect in effects], [_half(effect) for effect in effects]
    time = np.array(ends) / 12.0
    axes.axhline(0, color=INK, linewidth=0.9)
    axes.plot(time, mean, color=BLUE, linewidth=1.2)
    axes.errorbar(time, mean, yerr=half, fmt="o", color=BLUE, markersize=5, elinewidth=2.0)
    axes.annotate(
        _signed(mean[-1]), (time[-1], mean[-1]), xytext=(8, 0), textcoords="offset points", color=BLUE,
        va="center", fontweight="bold", annotation_clip=False,
    )  # fmt: skip
    axes.set_ylabel("Further living exchanges")
    _year_axis(axes, months)
    axes.set_xlim(0, months / 12.0 * 1.02)
    _mark_opening(axes, study)
    return figure


def functions(study: Study) -> Figure:
    """Effect on living exchanges of each function alone, with the staff it has, beside the whole centre."""
    alone = sorted(study.functions, key=lambda name: -study.functions[name]["exchanges"].mean)
    rows = [(f"{function_label(name)}\n{staff(study.scenario, name):.2g} FTE", study.functions[name], BLUE)
            for name in alone]  # fmt: skip
    rows.append((f"All together\n{study.fte:.3g} FTE", study.centre, ORANGE))
    figure = _figure(0.9 + 0.55 * len(rows))
    axes = _axes(figure)
    axes.axvline(0, color=INK, linewidth=0.9)
    for place, (_, effect, colour) in enumerate(rows):
        exchanges = effect["exchanges"]
        axes.errorbar(exchanges.mean, place, xerr=_half(exchanges), fmt="o", color=colour, markersize=6, elinewidth=2.2)
        axes.annotate(
            _signed(exchanges.mean), (exchanges.mean, place), xytext=(0, 7), textcoords="offset points",
            ha="center", color=colour, fontweight="bold", fontsize=9.5,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.7)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("Further living exchanges at the end")
    return figure


def dose(study: Study) -> Figure:
    """Effect on living exchanges over the size of the centre."""
    figure = _figure(3.6)
    axes = _axes(figure)
    sizes = sorted(study.doses)
    effects = [study.doses[size]["exchanges"] for size in sizes]
    axes.axhline(0, color=INK, linewidth=0.9)
    axes.plot([0, *sizes], [0.0, *(effect.mean for effect in effects)], color=BLUE, linewidth=1.2)
    axes.errorbar(
        sizes, [effect.mean for effect in effects], yerr=[_half(effect) for effect in effects], fmt="o",
        color=BLUE, markersize=6, elinewidth=2.2,
    )  # fmt: skip
    for size, effect in zip(sizes, effects, strict=True):
        axes.annotate(
            _signed(effect.mean), (size, effect.mean), xytext=(7, -9), textcoords="offset points", color=BLUE,
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
        "the whole centre, and nobody else works there.",
        INTERVAL,
        functions,
        lambda study: bool(study.functions),
    ),
    Drawing(
        "dose",
        "Size of the centre",
        "Living exchanges more than without a centre, mean over pairs, the staff shared among the functions as in "
        "the scenario.",
        INTERVAL,
        dose,
    ),
)


def write_figures(study: Study, folder: Path) -> dict[str, str]:
    """Write each figure as PNG and SVG into `folder`; the SVG texts by name. A figure that has no data is left out."""
    drawn = {}
    for drawing in FIGURES:
        files = {kind: folder / f"{drawing.name}.{kind}" for kind in ("png", "svg")}
        if not drawing.needs(study):
            for file in files.values():
                file.unlink(missing_ok=True)  # of an earlier study in the same folder
            continue
        with mpl.rc_context(STYLE):  # type: ignore[arg-type]
            figure = drawing.figure(study)
            with whole(files["png"]) as file:
                figure.savefig(file, format="png", metadata={"Software": None})
            svg = io.StringIO()
            figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None, "Title": drawing.title})
        drawn[drawing.name] = svg.getvalue()
        with whole(files["svg"]) as file:
            file.write_text(svg.getvalue(), encoding="utf-8")
    return drawn
