"""A comparison of interventions as files: tables for machines, figures and the page."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.comparison import LEDGER, AtCosts, Comparison, Outcome
from experiments.files import write_csv, write_text
from experiments.pairs import Difference
from results.comparing import comparison_page
from results.comparisonfigures import glance, net
from results.drawing import write_figure


def _interval(difference: Difference) -> dict[str, float]:
    ends = {"ci_low": difference.ci_low, "ci_high": difference.ci_high}
    return {"mean": difference.mean, **ends, "future_low": difference.future_low, "future_high": difference.future_high}


def _risk(one: Outcome, indicator: str) -> dict[str, Any]:
    risk = one.risks.get(indicator)
    return {"small": risk.small.value if risk else None, "chance_below": risk.chance if risk else None}


def _best(comparison: Comparison, indicator: str, one: Outcome) -> float | None:
    ranking = comparison.ranking.get(indicator)
    return ranking.best.get(one.option.name) if ranking else None


def comparison_frame(comparison: Comparison) -> pd.DataFrame:
    """One row an option and indicator: the effect with its interval."""
    rows = [
        {"option": one.option.name, "tax": one.option.tax, "note": one.solved.note, "indicator": name,
         "unit": difference.unit, "without": difference.without, "with": difference.with_, **_interval(difference),
         **_risk(one, name), "best": _best(comparison, name, one), "pairs": difference.pairs, "seed": comparison.seed}
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


def _at_costs(at: AtCosts) -> dict[str, Any]:
    return {**vars(at), "unit_costs": dict(at.unit_costs), "per_tonne": at.per_tonne}


def unit_costs_frame(comparison: Comparison) -> pd.DataFrame:
    """One row an option and end of the ranges of its unit costs: what the budget buys there, and what a tonne costs."""
    rows = [
        {"option": one.option.name, "end": end, "unit_costs": "; ".join(f"{n}={v:g}" for n, v in at.unit_costs.items()),
         "public_outlay": at.public_outlay, "carbon": at.carbon, "public_per_tonne": at.per_tonne,
         "pairs": comparison.pairs, "seed": comparison.seed}
        for one in comparison.spending
        for end, at in zip(("low", "high"), one.at_costs or (), strict=False)
    ]  # fmt: skip
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
            "effects": {
                name: difference.as_dict() | {"risk": one.risks[name].as_dict() if name in one.risks else None}
                for name, difference in one.effects.items()
            },
            "public_per_tonne": vars(one.public_per_tonne),
            "resources_per_tonne": vars(one.resources_per_tonne),
            "break_even": end and end.as_dict(),
            "unit_costs": [_at_costs(at) for at in one.at_costs or ()],
        }

    return {
        "scenario": comparison.base.name,
        "budget": comparison.budget,
        "pairs": comparison.pairs,
        "seed": comparison.seed,
        "months": comparison.base.months,
        "options": [option(one) for one in comparison.spending],
        "taxes": [option(one) for one in comparison.taxes],
        "ranking": {
            indicator: {"best": dict(one.best), "tied": one.tied} for indicator, one in comparison.ranking.items()
        },
        "unit_costs": {name: [one.low, one.high] for name, one in comparison.unit_costs.items()},
        "regret": {
            indicator: {name: vars(one) for name, one in table.items()}
            for indicator, table in comparison.regrets.items()
        },
        "points": comparison.points,
    }


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write tables, figures and the page into `folder`."""
    write_csv(folder / "comparison.csv", comparison_frame(comparison))
    write_csv(folder / "municipalities.csv", towns_frame(comparison))
    if comparison.regrets:
        write_csv(folder / "regret.csv", regret_frame(comparison))
    if comparison.unit_costs:
        write_csv(folder / "unit_costs.csv", unit_costs_frame(comparison))
    write_figure(partial(glance, comparison), folder / "comparison", "Interventions at equal public budget")
    write_figure(partial(net, comparison), folder / "net", "Benefits less costs over the years")
    write_text(folder / "comparison.md", comparison_page(comparison))
