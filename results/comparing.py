"""A comparison of interventions as people read it: tables, page and figures."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.budget import AT_MOST, BETWEEN, WHOLE_STEPS
from experiments.comparison import LEDGER, PAYERS, BreakEven, Comparison, Outcome
from experiments.effect import Difference, Ratio
from experiments.files import write_csv, write_text
from experiments.regret import COMPARED
from results import markdown
from results.drawing import BLUE, GREY, INK, ORANGE, new_figure, single_axes, write_figure, year_axis
from results.listings import as_text
from results.tables import effect_cells, in_both_arms, number, ratio_text, years

NOTES = {
    AT_MOST: "cannot spend the budget: shown at the end of the range that its level is meant for",
    WHOLE_STEPS: "comes in whole steps: none costs the budget",
    BETWEEN: "no level was found that costs the budget: shown just below it",
}
BREAKING_EVEN = (
    "Breaking even: the year after which cumulated private saving and carbon at its public value ({} SEK/t) stay above "
    "public outlay, investment and transaction cost; undiscounted. Today's taxes that parties avoid count as saving. "
    "All resources used: staff, administration, investment and transactions, whoever pays; what parties keep of "
    "guarantees and premiums is none."
)
LABELS = {
    "adoption": "participants in an exchange",
    "exchanges": "living exchanges",
    "tonnes": "by-products exchanged, t/yr",
    "carbon": "emissions avoided in all, t CO2e",
}
PAYER_LABELS = dict(
    zip(
        PAYERS,
        ("state", "region", "municipalities", "firms' transactions", "utilities' transactions", "parties' investment"),
        strict=True,
    )
)
UNITS = {"1/yr": "a year"}  # as said in a sentence
FOOT = 108  # characters in a line at the foot of a figure
COLOURS = (BLUE, ORANGE, "#009e73", "#8a5a9e", "#a88700", "#5a6b7b", "#b0456b", "#2f8fae", "#6e6e00", "#444444")


def level_text(outcome: Outcome) -> str:
    """'3.87 FTE', '0.5 of cost'; several for a mix."""
    levels = outcome.solved.levels
    parts = []
    for part in outcome.option.parts:
        share = part.unit == "share"
        value = 100.0 * float(levels[part.level]) if share else float(levels[part.level])
        parts.append(f"{number(value)} {'%' if share else UNITS.get(part.unit, part.unit)}")
    return " + ".join(parts)


def change(difference: Difference) -> str:
    """Effect with interval."""
    return effect_cells(difference)[2]


def break_even_text(break_even: BreakEven | None, months: int) -> str:
    """'5.6 (5 to 6.3)' years; 'not within 15 years'."""
    if break_even is None:
        return ""
    if math.isinf(break_even.year):
        return f"not within {years(months)}"
    high = "later" if math.isinf(break_even.high) else f"{break_even.high:.1f}"
    return f"{break_even.year:.1f} ({break_even.low:.1f} to {high})"


def brings_rows(outcomes: Sequence[Outcome], cost: str) -> list[dict[str, str]]:
    """What each option brings, for the budget or as near to it as it comes."""
    return [
        {
            "": one.option.title + ("*" if one.solved.note else ""),
            "level": level_text(one),
            cost: change(one.cost),
            "in all, MSEK": number(one.effects["tax_revenue" if one.option.tax else "public_outlay"].mean),
            **{LABELS[name]: change(one.effects[name]) for name in COMPARED},
        }
        for one in outcomes
    ]


def costs_rows(comparison: Comparison) -> list[dict[str, str]]:
    """What a tonne costs, when it pays, and how sure it is that an option is the best."""
    months = comparison.base.months
    return [
        {
            "": one.option.title + ("*" if one.solved.note else ""),
            "public SEK per t CO2e": _plain(ratio_text(one.public_per_tonne)),
            "all resources used": _plain(ratio_text(one.resources_per_tonne)),
            "breaks even after, yr": break_even_text(one.break_even, months),
            "best on participants": f"{100 * one.best['adoption']:.0f} %",
            "best on carbon": f"{100 * one.best['carbon']:.0f} %",
            "cheapest per t": f"{100 * one.best['public_per_tonne']:.0f} %",
        }
        for one in comparison.spending
    ]


def _plain(text: str) -> str:
    return text.replace(" SEK/t CO2e", "").replace(" (emissions effect not clearly above 0)", "").replace(
        " (emissions not lower, or fewer than 3 pairs)", ""
    )  # fmt: skip


def payers_rows(outcomes: Sequence[Outcome]) -> list[dict[str, str]]:
    """Who pays, MSEK over the run more than without."""
    return [
        {"": one.option.title, **{PAYER_LABELS[name]: change(one.effects[name]) for name in PAYERS}} for one in outcomes
    ]


def regret_rows(comparison: Comparison) -> list[dict[str, str]]:
    """Regret over the parameters' ranges."""
    return [
        {
            "": one.option.title,
            **{
                f"{LABELS[name]}{': pp' if name == 'adoption' else ''}": _regret_text(comparison, name, one.option.name)
                for name in ("adoption", "carbon")
                if comparison.regrets
            },
        }
        for one in comparison.spending
    ]


def _regret_text(comparison: Comparison, indicator: str, option: str) -> str:
    one, scale = comparison.regrets[indicator][option], 100.0 if indicator == "adoption" else 1.0
    mean, low, high = (number(scale * value) for value in (one.mean, one.low, one.high))
    return f"{mean} ({low} to {high}); chosen at {100 * one.best:.0f} %"


def basis(comparison: Comparison) -> str:
    """What the numbers rest on."""
    base = comparison.base
    also = in_both_arms(base)
    text = (
        f"{base.region.title}, {years(base.months)}, {comparison.pairs} replicates of seed {comparison.seed}, against "
        "nobody at the centre and none of these in force; 95 % intervals. Levels were solved for on other seeds, so "
        "costs differ a little from the budget. Unit costs are judgement."
    )
    return text + (f" In force in all: {'; '.join(also)}." if also else "")


def notes(comparison: Comparison) -> list[str]:
    """What the star stands for, by option."""
    return [
        f"* {one.option.title}: {NOTES[one.solved.note]}."
        for one in (*comparison.spending, *comparison.taxes)
        if one.solved.note
    ]


def answer(comparison: Comparison) -> str:
    """The result in two or three sentences; ranks nothing where there is nothing to rank."""
    options = comparison.spending
    if len(options) < 2:
        return ""
    most = max(options, key=lambda one: one.best["adoption"])
    cheap = max(options, key=lambda one: one.best["public_per_tonne"])
    text = (
        f"Most further participants: {most.option.title}, {change(most.effects['adoption'])}, the highest mean in "
        f"{_share(most.best['adoption'])} of bootstrap draws. Cheapest per further tonne CO2e for the public: "
        f"{cheap.option.title}, {_plain(ratio_text(cheap.public_per_tonne))} SEK/t, in "
        f"{_share(cheap.best['public_per_tonne'])} of draws."
    )
    short = [one for one in options if one.solved.note]
    if short:
        said = "; ".join(f"{one.option.title} {number(one.cost.mean)}" for one in short)
        text += f" Not at equal cost (MSEK a year): {said}."
    return text


def _share(share: float) -> str:
    return f"{100 * share:.0f} %"


def sections(comparison: Comparison) -> list[tuple[str, list[dict[str, str]]]]:
    """The tables by title, those that have rows."""
    budget = number(comparison.budget)
    tables = [
        (f"What {budget} MSEK of public money a year in force brings", brings_rows(comparison.spending, "MSEK/yr")),
        ("What a tonne costs, when it pays, how sure it is to be the best", costs_rows(comparison)),
        ("Who pays, MSEK over the run", payers_rows(comparison.spending)),
        (f"Regret over the parameters' ranges: what is lost against the option that other runs would choose, mean over "
         f"{comparison.points} points; share of points at which it would be chosen",
         regret_rows(comparison) if comparison.regrets else []),
        (f"Taxes that raise {budget} MSEK a year: revenue is a transfer, not an outlay, so they are not ranked",
         brings_rows(comparison.taxes, "raises, MSEK/yr")),
    ]  # fmt: skip
    return [(title, rows) for title, rows in tables if rows]


def comparison_text(comparison: Comparison) -> str:
    """For the terminal."""
    parts = [f"{title}\n\n{as_text([_named(row) for row in rows])}" for title, rows in sections(comparison)]
    said = [textwrap.fill(answer(comparison), 118)] if answer(comparison) else []
    return "\n\n".join([*said, *parts, *(["\n".join(notes(comparison))] if notes(comparison) else []),
                        textwrap.fill(basis(comparison), 118)])  # fmt: skip


def _named(row: dict[str, str]) -> dict[str, str]:
    return {(name or "option"): text for name, text in row.items()}


def comparison_page(comparison: Comparison) -> str:
    """The same as a page of Markdown, with the figures."""
    lines = [
        "# Interventions at equal public budget",
        "",
        answer(comparison),
        "",
        basis(comparison),
        "",
        "![](comparison.png)",
        "",
    ]
    for title, rows in sections(comparison):
        head = list(rows[0])
        lines += [f"## {title}", "", *markdown.head(head)]
        lines += [markdown.row(row[name] for name in head) for row in rows]
        lines.append("")
    lines += [f"{note}\n" for note in notes(comparison)]
    lines += [
        BREAKING_EVEN.format(number(float(comparison.base.values["worth.carbon_value"]))),
        "",
        "![](net.png)",
        "",
        "By municipality: [municipalities.csv](municipalities.csv).",
        "",
    ]
    return "\n".join(lines)


# -- tables for machines


def _interval(difference: Difference) -> dict[str, float]:
    return {"mean": difference.mean, "ci_low": difference.ci_low, "ci_high": difference.ci_high}


def comparison_frame(comparison: Comparison) -> pd.DataFrame:
    """One row an option and indicator: the effect with its interval."""
    rows = [
        {"option": one.option.name, "tax": one.option.tax, "note": one.solved.note, "indicator": name,
         "unit": difference.unit, "without": difference.without, "with": difference.with_, **_interval(difference),
         "best": one.best.get(name), "pairs": difference.pairs, "seed": comparison.seed}
        for one in (*comparison.spending, *comparison.taxes)
        for name, difference in {**one.effects, "cost": one.cost}.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def towns_frame(comparison: Comparison) -> pd.DataFrame:
    """One row an option, municipality and entry of the ledger: MSEK (carbon: t CO2e) more than without."""
    towns = [town.name for town in comparison.base.region.municipality]
    rows = [
        {"option": one.option.name, "municipality": town, "entry": entry, "unit": difference.unit,
         **_interval(difference), "pairs": difference.pairs, "seed": comparison.seed}
        for one in (*comparison.spending, *comparison.taxes)
        for entry in LEDGER
        for town, difference in zip(towns, one.towns[entry], strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def regret_frame(comparison: Comparison) -> pd.DataFrame:
    """One row an indicator and option."""
    rows = [
        {"indicator": indicator, "option": option, **vars(one), "points": comparison.points, "seed": comparison.seed}
        for indicator, table in comparison.regrets.items()
        for option, one in table.items()
    ]
    return pd.DataFrame(rows)


def comparison_dict(comparison: Comparison) -> dict[str, Any]:
    """As printed by `compare --json`."""

    def option(one: Outcome) -> dict[str, Any]:
        end = one.break_even
        return {
            "option": one.option.name,
            "levels": dict(one.solved.levels),
            "note": one.solved.note or None,
            "cost": one.cost.as_dict(),
            "effects": {name: difference.as_dict() for name, difference in one.effects.items()},
            "public_per_tonne": vars(one.public_per_tonne),
            "resources_per_tonne": vars(one.resources_per_tonne),
            "break_even": end and {name: None if math.isinf(year) else year for name, year in vars(end).items()},
            "best": dict(one.best),
        }

    return {
        "scenario": comparison.base.name,
        "budget": comparison.budget,
        "pairs": comparison.pairs,
        "seed": comparison.seed,
        "months": comparison.base.months,
        "options": [option(one) for one in comparison.spending],
        "taxes": [option(one) for one in comparison.taxes],
        "regret": {
            indicator: {name: vars(one) for name, one in table.items()}
            for indicator, table in comparison.regrets.items()
        },
        "points": comparison.points,
    }


# -- figures


def glance(comparison: Comparison) -> Figure:
    """What each option brings and what it costs: one row an option, taxes below, hollow where the budget is not met."""
    outcomes = [*sorted(comparison.spending, key=lambda one: -one.effects["adoption"].mean), *comparison.taxes]
    figure = new_figure(1.35 + 0.52 * len(outcomes))
    none = (math.nan,) * 3
    panels: list[tuple[str, list[tuple[float, float, float]]]] = [
        ("Further participants\nin an exchange (pp)", [_scaled(one.effects["adoption"], 100.0) for one in outcomes]),
        ("Further emissions\navoided (kt CO2e)", [_scaled(one.effects["carbon"], 1e-3) for one in outcomes]),
        ("Public money\n(MSEK a year)", [none if one.option.tax else _scaled(one.cost, 1.0) for one in outcomes]),
        ("Public money per\nfurther t CO2e (SEK)", [_ratio(one.public_per_tonne) for one in outcomes]),
    ]  # fmt: skip
    axes: np.ndarray = figure.subplots(1, len(panels), sharey=True)
    for panel, (title, values) in zip(axes, panels, strict=True):
        _panel(panel, outcomes, values)
        panel.set_title(title, fontsize=8, fontweight="normal")
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
        "their revenue is a transfer.",
    )
    return figure


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


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write tables, figures and the page into `folder`."""
    write_csv(folder / "comparison.csv", comparison_frame(comparison))
    write_csv(folder / "municipalities.csv", towns_frame(comparison))
    if comparison.regrets:
        write_csv(folder / "regret.csv", regret_frame(comparison))
    write_figure(partial(glance, comparison), folder / "comparison", "Interventions at equal public budget")
    write_figure(partial(net, comparison), folder / "net", "Benefits less costs over the years")
    write_text(folder / "comparison.md", comparison_page(comparison))
