"""Effects as tables that a policy officer understands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from abm.interventions import INTERVENTIONS
from abm.scenario import Scenario
from experiments.effect import Difference, PairedEffect, Ratio

if TYPE_CHECKING:
    import pandas as pd

# The rows of the short table: indicator and what to call it
HEADLINES = (
    ("adoption", "Participants in an exchange"),
    ("adoption_firms", "Firms in an exchange"),
    ("exchanges", "Living exchanges"),
    ("started", "Exchanges started in all"),
    ("tonnes", "By-products exchanged, without heat"),
    ("heat", "Excess heat and steam exchanged"),
    ("virgin_avoided", "Virgin raw material replaced"),
    ("moved_up", "Moved up the waste hierarchy"),
    ("carbon_rate", "Emissions avoided a year"),
    ("carbon", "Emissions avoided in all"),
    ("saving_rate", "Private saving a year"),
    ("transaction_cost", "Transaction cost paid in all"),
    ("public_cost", "Staff and administration in all"),
    ("public_outlay", "Public money spent in all"),
)


def number(value: float) -> str:
    """Three significant digits, thousands apart by a thin space: '34 700', '0.0284'."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        digits = 3 - len(str(int(abs(value))))
        return f"{round(value, min(digits, 0)):,.0f}".replace(",", " ")
    return f"{value:.3g}"


def percent_or_number(value: float, unit: str) -> str:
    """Shares as per cent."""
    return f"{100 * value:.1f} %" if unit == "share" else number(value)


def unit_of(unit: str) -> str:
    """The unit as printed; shares are already per cent."""
    return "" if unit in ("share", "count") else unit


def markdown_table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Rows of the same columns as lines of a Markdown table."""
    head = list(rows[0])
    cells = [[row[name] for name in head] for row in rows]
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *cells)]


def effect_cells(difference: Difference) -> tuple[str, str, str]:
    """Without, with, and the difference with its interval."""
    unit = difference.unit
    sign = "+" if difference.mean > 0 else ""
    cells = [percent_or_number(value, unit) for value in (difference.without, difference.with_)]
    change = f"{sign}{percent_or_number(difference.mean, unit)}".replace(" %", " pp")
    if math.isnan(difference.ci_low):
        return cells[0], cells[1], f"{change} (one pair: no interval)"
    low, high = (percent_or_number(value, unit) for value in (difference.ci_low, difference.ci_high))
    return cells[0], cells[1], f"{change} ({low} to {high})".replace(" %", "")


def ratio_text(ratio: Ratio) -> str:
    """A ratio with its interval, or why there is none."""
    if ratio.value is None:
        return "not defined (emissions not lower, or fewer than 3 pairs)"
    if ratio.ci_low is None or ratio.ci_high is None:
        return "no bounded interval (emissions effect not clearly above 0)"
    return f"{number(ratio.value)} {ratio.unit} ({number(ratio.ci_low)} to {number(ratio.ci_high)})"


def headline_rows(effect: PairedEffect) -> list[tuple[str, str, str, str, str]]:
    """Label, unit, without, with, effect with interval."""
    rows = []
    for indicator, label in HEADLINES:
        difference = effect[indicator]
        rows.append((label, unit_of(difference.unit), *effect_cells(difference)))
    return rows


def years(months: int) -> str:
    """'15 years', '1 year', '30 months'."""
    count, unit = (months // 12, "year") if months % 12 == 0 else (months, "month")
    return f"{count} {unit}{'s' * (count != 1)}"


def in_both_arms(scenario: Scenario) -> list[str]:
    """Facilitators and interventions that are there with and without the centre."""
    also = [f"{row.name} ({row.fte:g} FTE)" for row in scenario.facilitators if row.fte > 0]
    for one in INTERVENTIONS.values():
        level = scenario.values[one.level.name]
        if level:
            also.append(f"{one.title} {level:g} {one.level.unit}")
    return also


def effect_table(effect: PairedEffect, also: Sequence[str] = ()) -> str:
    """The short table as text, with pairs, seed and what the interval is; `also` is in force in both arms."""
    header = ("", "unit", "without", "with centre", "effect (95 % interval)")
    rows = [header, *headline_rows(effect)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    gain = effect["adoption"]
    basis = "one pair" if effect.pairs == 1 else f"mean of {effect.pairs} pairs"
    note = (
        f"{effect.scenario}: after {years(effect.months)}, {basis}, seed {effect.seed}. "
        f"Marginal public cost per tonne CO2e: {ratio_text(effect.marginal_cost)}."
    )
    if gain.pairing_gain is not None and gain.pairing_gain_ci is not None:
        low, high = gain.pairing_gain_ci
        note += f"\nPairing gain on adoption (variance ratio): {gain.pairing_gain:.1f} ({low:.1f} to {high:.1f})."
    if also:
        note += f"\nIn force with and without the centre: {'; '.join(also)}."
    return "\n".join([*lines, "", note])


def effects_frame(effects: dict[str, PairedEffect]) -> pd.DataFrame:
    """All effects of several arms: one row an arm and indicator."""
    import pandas as pd  # here, since a printed table needs none

    rows = []
    for arm, effect in effects.items():
        for name, difference in effect.indicators.items():
            row = {"arm": arm, "indicator": name, **difference.as_dict(), "seed": effect.seed}
            low, high = row.pop("pairing_gain_ci") or (None, None)
            rows.append(row | {"pairing_gain_low": low, "pairing_gain_high": high})
    return pd.DataFrame(rows)
