"""What an outcome is sensitive to, as people read it: words, tables and figures of an analysis."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.attribution import GAMES, Attribution, ReachRanks
from experiments.effect import Difference
from experiments.files import write_csv, write_text
from experiments.methods import DUMMY, Analysis
from results import markdown
from results.drawing import BLUE, FAINT, GREY, INK, ORANGE, function_label, new_figure, single_axes, write_figure
from results.listings import as_text
from results.tables import effect_cells, number, percent_or_number

NO_NUMBER = "-"
SHOWN = 20  # inputs in a table for people, and in a figure
MEASURES = {
    "mu_star": "mu*, mean size of the change from one end of the range to the other",
    "ST": "share of the variance of the mean",
    "pawn": "PAWN, mean distance of the outcome's law",
    "delta": "delta",
    "S1": "first-order share of variance",
    "kept": "part of the range that is kept",
}
GAME_WORDS = {
    "additive": "with its own staff",
    "fixed": "against its staff in the others (opportunity cost)",
}
VALUE = {
    "additive": "adds, with its own staff",
    "fixed": "on average, against its staff in the others (opportunity cost)",
}
REACH_WORDS = "All rest on what one person reaches in each function, which is judgement and decides the ranking"


# -- words


def words(analysis: Analysis) -> str:
    """One paragraph, from the numbers."""
    ranked = analysis.ranked()
    said = list(analysis.words)
    if analysis.method == "sobol" and analysis.sobol is not None and analysis.sobol.identified:
        table = analysis.table.set_index("name")
        first = ranked[0]
        index = _cell(table.loc[first].to_dict(), "ST")
        said.insert(0, f"{first} matters most: a total index of {index}.")
        apart = table["S1"].sum()
        said.append(f"The first-order indices sum to {apart:.2f}; the rest of the variance is of inputs together.")
        said.append(budget_words(analysis))
    elif "above_floor" in analysis.table and analysis.table["above_floor"].any():
        said.insert(0, f"{ranked[0]} matters most, then {', '.join(ranked[1:4])}.")
    return " ".join(said)


def budget_words(analysis: Analysis) -> str:
    """Where the variance of single effects comes from."""
    assert analysis.sobol is not None
    variance = analysis.sobol.variance
    one, whole = "pair" if "pairing" in variance else "run", variance["parametric"] + variance["chance"]
    share = 100 * variance["parametric"] / whole
    text = f"Of the variance of one {one}, {share:.0f} % is of the parameters and the rest chance"
    if "pairing" in variance:
        rise = 100 * variance["pairing"] / whole
        text += f"; without pairing it would be {rise:.0f} % more" if rise > 0 else "; pairing takes nothing off it"
    return text + "."


def _cell(row: Mapping[Any, Any], measure: str) -> str:
    if row[measure] != row[measure]:
        return NO_NUMBER
    return f"{_three(row[measure])} ({_three(row[f'{measure}_low'])} to {_three(row[f'{measure}_high'])})"


def _three(value: float) -> str:
    return f"{value:.3g}" if value == value else NO_NUMBER


# -- tables


def shown_rows(analysis: Analysis, most: int = SHOWN) -> list[dict[str, str]]:
    """The strongest inputs with their measures and intervals."""
    if analysis.method == "prim":
        return [_box_row(row) for row in analysis.table.head(most).to_dict(orient="records")]
    table = analysis.table.sort_values(analysis.measure, ascending=False)
    measures = [name for name in table.columns if f"{name}_low" in table.columns]
    rows = []
    for row in table.head(most).to_dict(orient="records"):
        cells = {"input": str(row["name"]), **{name: _cell(row, name) for name in measures}}
        if "floor" in row:
            cells |= {"floor": _three(row["floor"]), "above it": "yes" if row["above_floor"] else ""}
        rows.append(cells)
    return rows


def _box_row(row: Mapping[Any, Any]) -> dict[str, str]:
    """What a box keeps of an input, and whether that is more than chance."""
    values = "all" if row["kept"] == 1.0 else str(row["values"])
    kept = values if row["values"] else f"{_three(row['low'])} to {_three(row['high'])}"
    p = "" if row["p"] != row["p"] else f"{row['p']:.3f}"
    return {"input": str(row["name"]), "in the box": kept, "restricted": "yes" if row["restricted"] else "", "p": p}


def analysis_text(analysis: Analysis, most: int = SHOWN) -> str:
    """For the terminal."""
    left_out = len(analysis.table) - most
    parts = [as_text(shown_rows(analysis, most))]
    if left_out > 0:
        parts.append(f"and {left_out} more")
    parts += [textwrap.fill(words(analysis), 118), textwrap.fill(analysis.basis + ".", 118)]
    return "\n\n".join(parts)


def analysis_dict(analysis: Analysis) -> dict[str, Any]:
    """As printed by `sensitivity --json`."""
    table = analysis.table.astype(object).where(analysis.table.notna(), None)
    sobol = analysis.sobol
    return {
        "method": analysis.method,
        "scenario": analysis.question.scenario.name,
        "outcome": analysis.question.outcome.name,
        "rows": analysis.rows,
        "replicates": analysis.replicates,
        "runs": analysis.runs,
        "seed": analysis.question.seed,
        "inputs": table.to_dict(orient="records"),
        "variance": dict(sobol.variance) if sobol else None,
        "identified": sobol.identified if sobol else None,
        "words": words(analysis),
    }


def attribution_rows(found: Sequence[Attribution], indicator: str, reach: ReachRanks | None) -> list[dict[str, str]]:
    """What each function adds with its own staff, what that staff is worth against its work in the other functions
    (opportunity cost, which is no harm), and how the ranking hangs on reach."""
    by_game = {one.game: one for one in found if one.indicator == indicator}
    rows = []
    for name in by_game["additive"].ranked():
        row = {"function": function_label(name)}
        row[VALUE["additive"]] = effect_cells(by_game["additive"].values[name])[2]
        row["lost if dropped, staff and all"] = effect_cells(by_game["additive"].dropped[name])[2]
        row[VALUE["fixed"]] = effect_cells(by_game["fixed"].values[name])[2]
        row["against giving its staff to the others (opportunity cost)"] = effect_cells(by_game["fixed"].dropped[name])[
            2
        ]
        if reach is not None:
            low, high = reach.spread[name]
            row["over the ranges of reach"] = (
                f"{number(low)} to {number(high)}; first at {100 * reach.first[name]:.0f} %"
            )
        rows.append(row)
    whole = by_game["additive"].whole
    total = effect_cells(whole)[2]
    rows.append({"function": "Whole centre", **{VALUE[game]: total for game in GAMES}})
    columns = list(rows[0])
    return [{column: row.get(column, "") for column in columns} for row in rows]


def attribution_words(found: Sequence[Attribution], indicator: str, reach: ReachRanks | None) -> str:
    """One paragraph, from the numbers."""
    by_game = {one.game: one for one in found if one.indicator == indicator}
    additive, fixed = by_game["additive"], by_game["fixed"]
    basis = " ".join([f"{additive.pairs} replicates, seed {additive.seed}, 95 % intervals.", *additive.words])
    if additive.unchanged:
        return basis
    first, strongest = additive.ranked()[0], fixed.ranked()[0]
    clear = [pair for pair, one in additive.pairs_of.items() if one.ci_low > 0 or one.ci_high < 0]
    helps = [pair for pair in clear if additive.pairs_of[pair].mean > 0]
    text = (
        f"{function_label(first)} adds most with the staff it has ({effect_cells(additive.values[first])[2]} of "
        f"{effect_cells(additive.whole)[2]}); counted against what its staff would do in the others, "
        f"{function_label(strongest).lower()} does ({effect_cells(fixed.values[strongest])[2]}). "
    )
    for name in fixed.names:
        if fixed.dropped[name].ci_high < 0:
            text += opportunity_words(function_label(name), additive.values[name], fixed.dropped[name])
    if helps:
        pairs = "; ".join(" and ".join(function_label(name).lower() for name in pair) for pair in helps)
        text += f"Pairs that add clearly more together than apart: {pairs}. "
    if reach is None:
        return f"{text}{REACH_WORDS}. {basis}"
    share, points = reach.first[first], len(reach.values)
    return text + (
        f"{REACH_WORDS}: over the ranges of reach, {function_label(first).lower()} is first at {100 * share:.0f} % of "
        f"{points} points ({reach.replicates} replicates each). {basis}"
    )


def opportunity_words(label: str, own: Difference, against: Difference) -> str:
    """Of a function whose staff would bring more in the others: what it adds itself first."""
    more = percent_or_number(-against.mean, against.unit).replace(" %", " pp")
    return f"{label}: {effect_cells(own)[2]} with its own staff; in the others the same staff would bring {more} more. "


def attribution_frame(found: Sequence[Attribution]) -> pd.DataFrame:
    """One row a game, indicator and value, dropped function or pair."""
    rows = []
    for one in found:
        kinds = {
            "value": {(name, ""): difference for name, difference in one.values.items()},
            "dropped": {(name, ""): difference for name, difference in one.dropped.items()},
            "interaction": dict(one.pairs_of),
            "whole": {("", ""): one.whole},
        }
        rows += [
            {"game": one.game, "indicator": one.indicator, "kind": kind, "function": name, "with": other,
             "unit": difference.unit, "mean": difference.mean, "ci_low": difference.ci_low,
             "ci_high": difference.ci_high, "pairs": one.pairs, "seed": one.seed}
            for kind, table in kinds.items()
            for (name, other), difference in table.items()
        ]  # fmt: skip
    return pd.DataFrame(rows)


# -- figures


def _bars(figure: Figure, table: pd.DataFrame, measures: Sequence[tuple[str, str, str]], floor: bool) -> None:
    axes = single_axes(figure)
    axes.axvline(0, color=INK, linewidth=0.9)
    places = np.arange(len(table))
    for number_of, (measure, label, colour) in enumerate(measures):
        at = places + 0.18 * (2 * number_of - len(measures) + 1)
        value = table[measure].to_numpy(float)
        ends = np.abs(table[[f"{measure}_low", f"{measure}_high"]].to_numpy(float) - value[:, None]).T
        axes.errorbar(value, at, xerr=ends, fmt="o", color=colour, markersize=4.5, elinewidth=1.8, label=label)
    if floor:
        axes.plot(
            table["floor"], places, "|", color=ORANGE, markersize=12, markeredgewidth=2, label="floor: chance alone"
        )
    axes.set_yticks(places, table["name"].tolist(), fontsize=8)
    axes.set_ylim(len(table) - 0.5, -0.6)
    axes.grid(axis="y", visible=False)
    if len(measures) > 1 or floor:
        axes.legend(frameon=False, fontsize=8, loc="lower right")
    axes.set_xlabel(MEASURES.get(measures[-1][0], measures[-1][0]))


def indices_figure(analysis: Analysis) -> Figure:
    """The strongest inputs with intervals; the floor of chance where the method has one."""
    table = analysis.table.sort_values(analysis.measure, ascending=False).head(SHOWN)
    figure = new_figure(1.2 + 0.28 * len(table))
    measures = [(analysis.measure, analysis.measure, BLUE)]
    if analysis.method == "sobol":
        measures = [("S1", "first order", GREY), ("ST", "total", BLUE)]
    _bars(figure, table, measures, "floor" in table)
    _foot(figure, analysis.basis)
    return figure


def convergence_figure(analysis: Analysis) -> Figure:
    """Total indices and their intervals as blocks were added."""
    assert analysis.convergence is not None
    frame = analysis.convergence
    figure = new_figure(3.6)
    axes = single_axes(figure)
    for rank, name in enumerate(analysis.ranked()[:6]):
        part = frame[frame["name"] == name]
        colour = (BLUE, ORANGE, "#009e73", "#8a5a9e", "#a88700", GREY)[rank]
        axes.fill_between(part["rows"], part["ST_low"], part["ST_high"], color=colour, alpha=0.12, linewidth=0)
        axes.plot(part["rows"], part["ST"], color=colour, marker="o", markersize=3.5, label=name, linewidth=1.4)
    axes.axhline(0, color=INK, linewidth=0.9)
    axes.legend(frameon=False, fontsize=8)
    axes.set_xlabel("Rows")
    axes.set_ylabel("Total index")
    _foot(figure, analysis.basis)
    return figure


def variance_figure(analysis: Analysis) -> Figure:
    """The variance of one pair: parameters, chance, and what pairing takes off."""
    assert analysis.sobol is not None
    variance = analysis.sobol.variance
    parts = [("parametric", "Parameters", BLUE), ("chance", "Chance", GREY), ("pairing", "Taken off by pairing", FAINT)]
    parts = [part for part in parts if part[0] in variance]
    figure = new_figure(1.9)
    axes = single_axes(figure)
    for place, (name, label, colour) in enumerate(parts):
        value = variance[name]
        ends = [[value - variance[f"{name}_low"]], [variance[f"{name}_high"] - value]]
        axes.barh(place, value, color=colour, edgecolor=GREY, linewidth=0.6, height=0.6)
        axes.errorbar(value, place, xerr=ends, color=INK, elinewidth=1.4)
        axes.annotate(
            label, (0, place), xytext=(-6, 0), textcoords="offset points", ha="right", va="center", fontsize=9
        )
    axes.set_yticks([])
    axes.set_ylim(len(parts) - 0.5, -0.5)
    axes.set_xlabel(f"Variance of {analysis.question.outcome.name}")
    axes.grid(axis="y", visible=False)
    _foot(figure, analysis.basis)
    return figure


def attribution_figure(found: Sequence[Attribution], indicator: str, reach: ReachRanks | None) -> Figure:
    """What each function adds in both games; grey: over the ranges of reach."""
    by_game = {one.game: one for one in found if one.indicator == indicator}
    names = by_game["additive"].ranked()
    figure = new_figure(1.5 + 0.5 * len(names))
    axes = single_axes(figure)
    axes.axvline(0, color=INK, linewidth=0.9)
    for place, name in enumerate(names):
        if reach is not None:
            low, high = reach.spread[name]
            axes.plot([low, high], [place - 0.16, place - 0.16], color=FAINT, linewidth=9, solid_capstyle="butt")
        for shift, game, colour in ((-0.16, "additive", BLUE), (0.16, "fixed", ORANGE)):
            one = by_game["additive" if game == "additive" else "fixed"].values[name]
            half = one.ci_high - one.mean
            axes.errorbar(one.mean, place + shift, xerr=half, fmt="o", color=colour, markersize=5, elinewidth=2,
                          label=GAME_WORDS[game] if place == 0 else None)  # fmt: skip
    axes.set_yticks(range(len(names)), [function_label(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.grid(axis="y", visible=False)
    axes.legend(frameon=False, fontsize=8.5, loc="lower right")
    axes.set_xlabel("Further living exchanges" if indicator == "exchanges" else f"Effect on {indicator}")
    rests = by_game["additive"]
    _foot(
        figure,
        f"Shapley values, {rests.pairs} replicates, seed {rests.seed}; bars: 95 % interval; grey: 10 to 90 % over the "
        "ranges of what one person reaches (judgement)",
    )
    return figure


def map_figure(table: pd.DataFrame, outcome: str, unit: str, basis: str) -> Figure:
    """The outcome over two parameters: mean and standard error in each cell."""
    first, second = table.columns[:2]
    mean = table.pivot(index=second, columns=first, values="mean")
    error = table.pivot(index=second, columns=first, values="error")
    figure = new_figure(4.8)
    axes = single_axes(figure)
    image = axes.imshow(mean.to_numpy(), origin="lower", aspect="auto", cmap="Blues")
    middle = 0.5 * (np.nanmin(mean) + np.nanmax(mean))
    for row in range(mean.shape[0]):
        for column in range(mean.shape[1]):
            value, spread = float(mean.to_numpy()[row, column]), float(error.to_numpy()[row, column])
            text = f"{percent_or_number(value, unit)}\n± {percent_or_number(spread, unit)}".replace(" %", " pp")
            text = "not\ndefined" if value != value else text
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if value > middle else INK)
    axes.set_xticks(range(mean.shape[1]), [f"{value:.3g}" for value in mean.columns])
    axes.set_yticks(range(mean.shape[0]), [f"{value:.3g}" for value in mean.index])
    axes.set_xlabel(str(first))
    axes.set_ylabel(str(second))
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, shrink=0.8, label=outcome)
    _foot(figure, f"Mean and standard error. {basis}")
    return figure


def _foot(figure: Figure, text: str) -> None:
    figure.supxlabel(textwrap.fill(text + ".", 108), x=0.995, ha="right", fontsize=7, color=GREY)


def write_analysis(analysis: Analysis, folder: Path) -> list[str]:
    """Write `indices.csv`, the words and the figures; returns the figures' names."""
    facts = {"rows": analysis.rows, "replicates": analysis.replicates, "seed": analysis.question.seed}
    write_csv(folder / "indices.csv", analysis.table.assign(**facts))
    figures: dict[str, Callable[[], Figure]] = {}
    if analysis.method != "prim":
        figures["indices"] = partial(indices_figure, analysis)
    if analysis.sobol is not None:
        figures["variance"] = partial(variance_figure, analysis)
        if analysis.convergence is not None and analysis.convergence["rows"].nunique() > 1:
            write_csv(folder / "convergence.csv", analysis.convergence)
            figures["convergence"] = partial(convergence_figure, analysis)
    for name, draw in figures.items():
        write_figure(draw, folder / name, f"{analysis.method}: {name}")
    page = [f"# What {analysis.question.outcome.name} is sensitive to: {analysis.method}", "", words(analysis), "",
            analysis.basis + ".", ""]  # fmt: skip
    page += [f"![]({name}.png)\n" for name in figures]
    rows = shown_rows(analysis)
    page += [*markdown.head(rows[0]), *(markdown.row(row.values()) for row in rows)]
    write_text(folder / "sensitivity.md", "\n".join([*page, ""]).replace(DUMMY, DUMMY.strip("()")))
    return list(figures)
