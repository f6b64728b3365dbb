"""The map of a study: the region with the exchanges of one pair of runs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from abm.population import KM_PER_DEGREE
from abm.simulate import Network
from experiments.effect import WITH, WITHOUT
from results.drawing import FAINT, GREY, INK, ORANGE, WIDTH, Study, new_figure, single_axes


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
    figure = new_figure(float(np.clip(WIDTH * high / wide, 4.0, 9.0)) + 0.6)
    axes = single_axes(figure)
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
