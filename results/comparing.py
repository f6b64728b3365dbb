"""A comparison of interventions as people read it: tables, text and page."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from experiments.comparison import PAYERS, Comparison, Outcome
from experiments.ranking import CHEAPEST
from experiments.regret import COMPARED
from results import markdown
from results.comparisonwords import (
    BREAKING_EVEN,
    LABELS,
    answer,
    basis,
    break_even_text,
    change,
    level_text,
    notes,
    over_costs_text,
    per_tonne_text,
    plain,
    ranking_cell,
    regret_cells,
    regret_words,
    ties_text,
)
from results.listings import as_text
from results.tables import FUTURES, futures_text, number, ratio_text, risk_text

PAYER_LABELS = dict(
    zip(
        PAYERS,
        ("state", "region", "municipalities", "firms' transactions", "utilities' transactions", "parties' investment"),
        strict=True,
    )
)
SINGLE = {"adoption": "participants", "exchanges": "exchanges", "carbon": "t CO2e"}
WIDTH = 118  # characters in a line of the terminal


def _name(one: Outcome) -> str:
    return one.option.title + ("*" if one.solved.note else "")


def brings_rows(outcomes: Sequence[Outcome], account: str) -> list[dict[str, str]]:
    """What each option brings, for the budget or as near to it as it comes; `account` is what is spent or raised."""
    return [
        {
            "option": _name(one),
            "level": level_text(one),
            f"{account}, MSEK/yr": change(one.cost),
            "in all, MSEK": number(one.effects["tax_revenue" if one.option.tax else "public_outlay"].mean),
            **{LABELS[name]: change(one.effects[name]) for name in COMPARED},
        }
        for one in outcomes
    ]


def costs_rows(comparison: Comparison) -> list[dict[str, str]]:
    """What a tonne costs, when it pays, and how sure it is that an option is the best."""
    months, ranking = comparison.base.months, comparison.ranking
    shares = {
        "first on participants": ranking.get("adoption"),
        "first on carbon": ranking.get("carbon"),
        "cheapest per t": ranking.get(CHEAPEST),
    }
    return [
        {
            "option": _name(one),
            "public outlay, SEK per t CO2e": per_tonne_text(one),
            "over its unit costs": over_costs_text(one),
            "all resources used": plain(ratio_text(one.resources_per_tonne)),
            "breaks even after, yr": break_even_text(one.break_even, months) if one.net.any() else "nothing changes",
            **({name: ranking_cell(share, one.option.name) for name, share in shares.items()} if ranking else {}),
        }
        for one in comparison.spending
    ]


def futures_rows(outcomes: Sequence[Outcome]) -> list[dict[str, str]]:
    """How far single futures lie apart, and how likely one is to bring little."""
    rows = []
    for one in outcomes:
        row = {"option": _name(one)}
        for name, title in SINGLE.items():
            effect = one.effects[name]
            mean, _, _ = change(effect).partition(" (")
            little = risk_text(one.risks.get(name), effect.unit)
            row |= {title: mean, f"{title}: {FUTURES}": futures_text(effect), f"{title}: chance of little": little}
        rows.append(row)
    return rows


def payers_rows(outcomes: Sequence[Outcome]) -> list[dict[str, str]]:
    """Who pays, MSEK over the run more than without."""
    return [
        {"option": one.option.title, **{PAYER_LABELS[name]: change(one.effects[name]) for name in PAYERS}}
        for one in outcomes
    ]


def regret_rows(comparison: Comparison) -> list[dict[str, str]]:
    """Regret over the parameters' ranges."""
    rows = []
    for one in comparison.spending:
        row = {"option": one.option.title}
        for name in ("adoption", "carbon"):
            lost, best = regret_cells(comparison.regrets[name][one.option.name], name)
            label = f"{LABELS[name]}{', pp' if name == 'adoption' else ''}"
            row |= {f"{label}: lost": lost, f"best on {'participants' if name == 'adoption' else 'carbon'}": best}
        rows.append(row)
    return rows


def sections(comparison: Comparison) -> list[tuple[str, list[dict[str, str]]]]:
    """The tables by title, those that have rows."""
    budget = number(comparison.budget)
    tables = [
        (f"What {budget} MSEK of public outlay a year in force brings",
         brings_rows(comparison.spending, "public outlay")),
        ("A single future, one pair of runs with and without: how far from the mean it may be",
         futures_rows(comparison.spending)),
        ("What a tonne costs on average, when it pays, how sure it is to be the best", costs_rows(comparison)),
        ("Who pays, MSEK over the run", payers_rows(comparison.spending)),
        (f"Regret over the parameters' ranges: what is lost against the option that other runs would choose, mean over "
         f"{comparison.points} points; share of points at which other runs would choose it",
         regret_rows(comparison) if comparison.regrets else []),
        (f"Taxes that raise {budget} MSEK a year: revenue is a transfer, not an outlay, so they are not ranked",
         brings_rows(comparison.taxes, "raises")),
    ]  # fmt: skip
    return [(title, rows) for title, rows in tables if rows]


def _sentences(comparison: Comparison) -> list[str]:
    return [text for text in (answer(comparison), ties_text(comparison), regret_words(comparison)) if text]


def _notes(comparison: Comparison) -> list[str]:
    return notes((*comparison.spending, *comparison.taxes))


def comparison_text(comparison: Comparison) -> str:
    """For the terminal."""
    said = [textwrap.fill(text, WIDTH) for text in _sentences(comparison)]
    parts = [f"{title}\n\n{as_text(rows)}" for title, rows in sections(comparison)]
    starred = ["\n".join(_notes(comparison))] if _notes(comparison) else []
    return "\n\n".join([*said, *parts, *starred, textwrap.fill(basis(comparison), WIDTH)])


def comparison_page(comparison: Comparison) -> str:
    """The same as a page of Markdown, with the figures."""
    lines = ["# Interventions at equal public budget", ""]
    for text in (*_sentences(comparison), basis(comparison)):
        lines += [text, ""]
    lines += ["![](comparison.png)", ""]
    for title, rows in sections(comparison):
        lines += [f"## {title}", "", *markdown.head(rows[0]), *(markdown.row(one.values()) for one in rows), ""]
    lines += [f"{note}\n" for note in _notes(comparison)]
    lines += [
        BREAKING_EVEN.format(number(float(comparison.base.values["worth.carbon_value"]))),
        "",
        "![](net.png)",
        "",
        "By municipality: [municipalities.csv](municipalities.csv).",
        "",
    ]
    return "\n".join(lines)
