"""What the figures of a study share: the `Study` they show, their style, axes and small texts.

Drawn with the object-oriented interface only (no pyplot, no display); the style is set in `STYLE` and nowhere else.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from abm.parameters import BY_NAME, Value
from abm.scenario import Scenario
from calibration.posterior import PosteriorEffect
from experiments.attribution import Attribution, ReachRanks
from experiments.breakeven import BreakEven
from experiments.effect import WITH, WITHOUT, Arms, PairedEffect
from experiments.files import whole, write_text
from experiments.increments import Increment
from experiments.methods import Analysis
from experiments.pairs import Difference, Ratio
from experiments.risk import SMALL, Small
from experiments.unmeasured import Unmeasured
from results.centre import closing, opening, staff_text
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
    reach: Mapping[str, tuple[PairedEffect, PairedEffect]]  # the same at low and high reach of one person
    doses: Mapping[float, PairedEffect]  # by FTE
    attribution: tuple[Attribution, ...] = ()  # to the functions, of both games
    ranks: ReachRanks | None = None
    screening: Analysis | None = None
    posterior: PosteriorEffect | None = None  # the whole centre's, over calibrated parameters
    increments: tuple[Increment, ...] = ()  # from each size to the next
    break_even: BreakEven | None = None  # of the whole centre
    unmeasured: Unmeasured | None = None
    small: Mapping[str, Small] = field(default_factory=lambda: SMALL)  # effects that are little
    quick: bool = False  # left out: all ranges of what nobody has measured, and the screening

    @property
    def fte(self) -> float:
        """Staff of the centre in the scenario."""
        return float(self.scenario.values["facilitator.fte"])

    @property
    def staff_text(self) -> str:
        """'4 FTE', with its dated multiples."""
        return staff_text(self.scenario)

    @property
    def opening(self) -> int | None:
        """Month in which the centre opens, or None if it does not within the run."""
        return opening(self.scenario)

    @property
    def closing(self) -> int | None:
        """Month in which the centre closes, or None if it does not within the run."""
        return closing(self.scenario)

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
    basis: Callable[[Study], str] = lambda study: study.basis

    def full_caption(self, study: Study) -> str:
        """Caption with what the marks are, horizon, number of runs and seed."""
        return f"{self.caption} {self.marks}. {years(study.scenario.months).capitalize()}, {self.basis(study)}."

    def figure(self, study: Study) -> Figure:
        """The figure, with a line at its foot that says what it rests on."""
        figure = self.draw(study)
        foot = f"{study.scenario.region.title}: {self.basis(study)}. {self.marks}."
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


def new_figure(height: float) -> Figure:
    """An empty figure of the common width, `height` in inches."""
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    return figure


@dataclass(frozen=True)
class Picture:
    """A figure as it is written: the bytes of its PNG and the text of its SVG."""

    png: bytes
    svg: str

    def write(self, file: Path) -> None:
        """Write `file`.png and .svg."""
        with whole(file.with_name(f"{file.name}.png")) as temporary:
            temporary.write_bytes(self.png)
        write_text(file.with_name(f"{file.name}.svg"), self.svg)


def picture(draw: Callable[[], Figure], title: str) -> Picture:
    """Draw in the common style, which is set for the whole process as long: one at a time."""
    png, svg = io.BytesIO(), io.StringIO()
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = draw()
        figure.savefig(png, format="png", metadata={"Software": None})
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    return Picture(png.getvalue(), svg.getvalue())


def write_figure(draw: Callable[[], Figure], file: Path, title: str) -> None:
    """Draw in the common style and write `file`.png and .svg."""
    picture(draw, title).write(file)


def single_axes(figure: Figure) -> Axes:
    """The one pair of axes of a figure."""
    axes: Axes = figure.subplots()
    return axes


def time_axis(months: int) -> np.ndarray:
    """Years at the ends of the months."""
    return np.arange(1, months + 1) / 12.0


def mark_opening(axes: Axes, study: Study) -> None:
    """Dotted lines where the centre opens and closes."""
    for month, text in ((study.opening, "centre opens"), (study.closing, "centre closes")):
        if month is not None:
            axes.axvline(month / 12.0, color=INK, linewidth=0.9, linestyle=(0, (2, 2)))
            axes.annotate(
                text, (month / 12.0, 1.0), xycoords=axes.get_xaxis_transform(), xytext=(4, -3),
                textcoords="offset points", va="top", fontsize=9.5,
            )  # fmt: skip


def year_axis(axes: Axes, months: int) -> None:
    """Years along x."""
    axes.set_xlim(0, months / 12.0)
    axes.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 5, 10], integer=months >= 24))
    axes.set_xlabel("Years")
    axes.grid(axis="x", visible=False)


def error_bars(effects: Sequence[Difference | Ratio]) -> np.ndarray:
    """Lengths of the intervals below and above each value, shape (2, effects); 0 where there is none."""
    lengths = []
    for one in effects:
        value = one.mean if isinstance(one, Difference) else one.value
        ends = (one.ci_low, one.ci_high)
        lengths.append([0.0 if value is None or end is None or math.isnan(end) else abs(end - value) for end in ends])
    return np.array(lengths).reshape(-1, 2).T


def count_text(value: float) -> str:
    """A mean count with one decimal; large ones as everywhere."""
    return number(value) if abs(value) >= 99.95 or value == 0 else f"{value:.1f}"


def signed_text(value: float) -> str:
    """A mean count with its sign."""
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{count_text(abs(value))}"
