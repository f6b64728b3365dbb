"""Effects as tables that a policy officer understands."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from abm.interventions import INTERVENTIONS
from abm.scenario import Scenario
from experiments.effect import OUTLAY, PairedEffect
from experiments.pairs import Difference, Ratio
from experiments.risk import Risk

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
    (OUTLAY, "Public cost in all"),
    ("public_cost", "of it staff and administration"),
    ("transfers", "of it paid to firms and utilities"),
)
FUTURES, LITTLE = "nine futures in ten", "chance of little (95 %)"
OPTION = "--small"
LITTLE_NOTE = f"What is little is judgement; {OPTION} NAME=VALUE says otherwise."
# A number and what belongs to it
TOGETHER = re.compile(r"(?<=\d) (?=\d{3}(?!\d)|%|pp\b|SEK|MSEK|FTE|t\b)|(?<=\bt) (?=CO)")
INTERVAL = re.compile(r"\(-?\d[\d ,.]* to -?\d[\d ,.]*\)")
NOT_DEFINED = "-"  # a share of nobody, an interval of too few


def number(value: float) -> str:
    """Three significant digits, thousands apart by a space: '34 700', '0.0284'; '-' for what is not defined."""
    if math.isnan(value):
        return NOT_DEFINED
    if value == 0:
        return "0"
    if abs(value) >= 100:
        digits = 3 - len(str(int(abs(value))))
        return f"{round(value, min(digits, 0)):,.0f}".replace(",", " ")
    return f"{value:.3g}"


def unbroken(text: str) -> str:
    """No line break in a number, between it and its unit, or in an interval."""
    whole = INTERVAL.sub(lambda match: match[0].replace(" ", "\u00a0"), text)
    return TOGETHER.sub("\u00a0", whole)


def percent_or_number(value: float, unit: str) -> str:
    """Shares as per cent; '-' for what is not defined."""
    return f"{100 * value:.1f} %" if unit == "share" and not math.isnan(value) else number(value)


def unit_of(unit: str) -> str:
    """The unit as printed; shares are already per cent."""
    return "" if unit in ("share", "count") else unit


def effect_cells(difference: Difference) -> tuple[str, str, str]:
    """Without, with, and the difference with its interval."""
    unit = difference.unit
    if math.isnan(difference.mean):
        return NOT_DEFINED, NOT_DEFINED, NOT_DEFINED
    sign = "+" if difference.mean > 0 else ""
    cells = [percent_or_number(value, unit) for value in (difference.without, difference.with_)]
    change = f"{sign}{percent_or_number(difference.mean, unit)}".replace(" %", " pp")
    if math.isnan(difference.ci_low):
        return cells[0], cells[1], f"{change} (one pair: no interval)"
    low, high = (percent_or_number(value, unit) for value in (difference.ci_low, difference.ci_high))
    return cells[0], cells[1], f"{change} ({low} to {high})".replace(" %", "")


def span_text(low: float, high: float, unit: str) -> str:
    """'15 to 35', shares in per cent without the sign; '-' where an end is not defined."""
    if math.isnan(low) or math.isnan(high):
        return NOT_DEFINED
    return f"{percent_or_number(low, unit)} to {percent_or_number(high, unit)}".replace(" %", "")


def futures_text(difference: Difference) -> str:
    """Between what the effect is in nine single futures in ten."""
    return span_text(difference.future_low, difference.future_high, difference.unit)


def chance_text(share: float) -> str:
    """A chance in per cent, with a decimal where it is small or large; '-' for what is not defined."""
    if math.isnan(share):
        return NOT_DEFINED
    percent = 100.0 * share
    return f"{percent:.1f}" if 0.0 < percent < 9.95 or 90.05 < percent < 100.0 else f"{percent:.0f}"


def risk_text(risk: Risk | None, unit: str) -> str:
    """'below 10: 2.5 % (0.1 to 13)'; '-' where no small value is declared."""
    if risk is None or math.isnan(risk.chance):
        return NOT_DEFINED
    small = percent_or_number(risk.small.value, unit).replace(" %", " pp")
    low, high = chance_text(risk.ci_low), chance_text(risk.ci_high)
    return f"below {small}: {chance_text(risk.chance)} % ({low} to {high})"


def ratio_text(ratio: Ratio) -> str:
    """A ratio with its interval, or why there is none."""
    if ratio.value is None:
        return "not defined (emissions not lower, or fewer than 3 pairs)"
    if ratio.ci_low is None or ratio.ci_high is None:
        return "no bounded interval (emissions effect not clearly above 0)"
    return f"{number(ratio.value)} {ratio.unit} ({number(ratio.ci_low)} to {number(ratio.ci_high)})"


def headline_rows(effect: PairedEffect) -> list[tuple[str, ...]]:
    """Label, unit, without, with, effect with interval, nine futures in ten, chance of little."""
    rows: list[tuple[str, ...]] = []
    for indicator, label in HEADLINES:
        one = effect[indicator]
        risk = risk_text(effect.risks.get(indicator), one.unit)
        rows.append((label, unit_of(one.unit), *effect_cells(one), futures_text(one), risk))
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


def effect_table(effect: PairedEffect) -> str:
    """The short table as text, with pairs, seed and what the columns are."""
    header = ("", "unit", "without", "with centre", "effect (95 % interval)", FUTURES, LITTLE)
    rows = [header, *headline_rows(effect)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
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
    note = f"{effect.scenario}: after {years(effect.months)}, {basis}, seed {effect.seed}. {LITTLE_NOTE}"
    if gain.pairing_gain is not None and gain.pairing_gain_ci is not None:
        low, high = gain.pairing_gain_ci
        note += f"\nPairing gain on adoption (variance ratio): {gain.pairing_gain:.1f} ({low:.1f} to {high:.1f})."
    return "\n".join([*lines, "", note])


def effects_frame(effects: dict[str, PairedEffect]) -> pd.DataFrame:
    """All effects of several arms: one row an arm and indicator."""
    import pandas as pd  # here, since a printed table needs none

    rows = []
    for arm, effect in effects.items():
        for name, difference in effect.indicators.items():
            row = {"arm": arm, "indicator": name, **difference.as_dict(), "seed": effect.seed}
            low, high = row.pop("pairing_gain_ci") or (None, None)
            risk = effect.risks[name].as_dict() if name in effect.risks else {}
            keys = {"small": "small", "small_source": "source", "chance_below": "chance_below"}
            keys |= {"chance_below_low": "ci_low", "chance_below_high": "ci_high"}
            row |= {column: risk.get(key) for column, key in keys.items()}
            rows.append(row | {"pairing_gain_low": low, "pairing_gain_high": high})
    return pd.DataFrame(rows)
