"""What a comparison of interventions says in words: cells of its tables, and the sentences around them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from experiments.breakeven import BreakEven
from experiments.budget import AT_MOST, BETWEEN, UNUSED, WHOLE_STEPS
from experiments.comparison import Comparison, Outcome
from experiments.pairs import BOOTSTRAP, Difference
from experiments.ranking import CHEAPEST, Ranking
from experiments.regret import Regret
from results.tables import (
    LITTLE_NOTE,
    chance_text,
    effect_cells,
    futures_text,
    in_both_arms,
    number,
    percent_or_number,
    ratio_text,
    years,
)

NOTES = {
    AT_MOST: "cannot spend the budget: shown at the end of the range that its level is meant for",
    UNUSED: "nothing is paid at any level: shown at the end of the range that its level is meant for",
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
UNITS = {"1/yr": "a year"}  # as said in a sentence
CLEAR = 0.95  # share of draws from which on a rank is called clear


# -- cells


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


def per_tonne_text(outcome: Outcome) -> str:
    """Public outlay per tonne with its interval, in SEK."""
    return plain(ratio_text(outcome.public_per_tonne))


def plain(text: str) -> str:
    """A ratio's text without its unit and without the reason why it is not defined."""
    return text.replace(" SEK/t CO2e", "").replace(" (emissions effect not clearly above 0)", "").replace(
        " (emissions not lower, or fewer than 3 pairs)", ""
    )  # fmt: skip


def over_costs_text(outcome: Outcome) -> str:
    """Public outlay per tonne with all unit costs at their low and at their high end, in SEK: '262 to 2 620'."""
    if outcome.at_costs is None:
        return "no unit cost"
    low, high = ("not defined" if at.per_tonne is None else number(at.per_tonne) for at in outcome.at_costs)
    return low if low == high else f"{low} to {high}"


def break_even_text(break_even: BreakEven | None, months: int) -> str:
    """'5.6 (5 to 6.3)' years; 'not within 15 years'."""
    if break_even is None:
        return ""
    if math.isinf(break_even.year):
        return f"not within {years(months)}"
    high = "later" if math.isinf(break_even.high) else f"{break_even.high:.1f}"
    return f"{break_even.year:.1f} ({break_even.low:.1f} to {high})"


def share_text(share: float) -> str:
    """A share of draws; nothing is rounded to certainty."""
    if 0.995 <= share < 1.0:
        return "over 99 %"
    return "under 1 %" if 0.0 < share < 0.005 else f"{100 * share:.0f} %"


def regret_cells(one: Regret, indicator: str) -> tuple[str, str]:
    """Mean regret with its interval, and at how many points an option is the best, or as good as another."""
    scale = 100.0 if indicator == "adoption" else 1.0
    mean, low, high = (number(scale * value) for value in (one.mean, one.low, one.high))
    tied = f", tied at {share_text(one.tied)}" if one.tied > 0.0 else ""
    return f"{mean} ({low} to {high})", f"{share_text(one.best)}{tied}"


# -- sentences


def answer(comparison: Comparison) -> str:
    """The result in a few sentences; ranks nothing where there is nothing to rank."""
    options = comparison.spending
    if len(options) < 2:
        return ""
    said = [
        _first(comparison, "adoption", "Most further participants", _adoption_phrase),
        _first(comparison, CHEAPEST, "Lowest average public outlay per tonne CO2e avoided", _cost_phrase),
        _percentages(comparison),
    ]
    short = [one for one in options if one.solved.note]
    if short:
        costs = "; ".join(f"{one.option.title} {number(one.cost.mean)}" for one in short)
        said.append(f"Not at equal cost (MSEK a year): {costs}.")
    return " ".join(said)


def _adoption_phrase(one: Outcome) -> str:
    effect, said = one.effects["adoption"], ""
    if not math.isnan(effect.future_low):
        said = f", in nine single futures in ten {futures_text(effect)}"
    if "adoption" in one.risks:
        risk = one.risks["adoption"]
        small = percent_or_number(risk.small.value, effect.unit).replace(" %", " pp")
        said += f", below {small} in {chance_text(risk.chance)} % of them"
    return change(effect) + said


def _cost_phrase(one: Outcome) -> str:
    over = "" if one.at_costs is None else f", {over_costs_text(one)} over its unit costs"
    return f"{per_tonne_text(one)} SEK/t{over}"


def _first(comparison: Comparison, indicator: str, title: str, cell: Callable[[Outcome], str]) -> str:
    """Who is first, who may be, or that it is a tie."""
    ranking = comparison.ranking[indicator]
    if ranking.tied >= CLEAR:
        return f"{title}: a tie, {_who_ties(comparison, indicator)} in {share_text(ranking.tied)} of draws."
    none = 1.0 - ranking.tied - sum(ranking.best.values())
    if none >= CLEAR:
        return f"{title}: none of the options avoids any in {share_text(none)} of draws."
    order = sorted(comparison.spending, key=lambda one: -ranking.best[one.option.name])
    top = order[0]
    if ranking.best[top.option.name] >= CLEAR:
        share = share_text(ranking.best[top.option.name])
        return f"{title}: {top.option.title}, {cell(top)}; first in {share} of draws."
    may = [one for one in order if ranking.best[one.option.name] > 0.0]
    said = [f"{one.option.title}, {cell(one)}, first in {share_text(ranking.best[one.option.name])} of draws"
            for one in may[:3]]  # fmt: skip
    rest = [f"a tie in {share_text(ranking.tied)}"] if ranking.tied > 0.0 else []
    rest += [f"none in {share_text(none)}"] if none > 0.0005 else []
    return f"{title}: not clear. {'; '.join([*said, *rest])}."


def _who_ties(comparison: Comparison, indicator: str) -> str:
    options = comparison.spending
    if indicator != CHEAPEST and not any(one.effects[indicator].mean for one in options):
        return "no option changes them"
    return "two or more options are equally good"


def _percentages(comparison: Comparison) -> str:
    """Over what the percentages are."""
    drawn = f"{number(BOOTSTRAP)} draws of the {comparison.pairs} replicates"
    if not comparison.unit_costs:
        return (
            f"Percentages are over {drawn}, no option having an uncertain unit cost; all parameters stay as they are."
        )
    costs = "; ".join(
        f"{name} {number(one.low)} to {number(one.high)} {one.parameter.unit}"
        for name, one in comparison.unit_costs.items()
    )
    return (
        f"Percentages are over {drawn} and, at once, of unit costs, evenly over their ranges ({costs}), each option at "
        "the level that the budget buys there; all else stays as it is."
    )


def regret_words(comparison: Comparison) -> str:
    """What the choice hangs on beyond the scenario's own values, in sentences; empty where it was not asked for."""
    if not comparison.regrets:
        return ""
    said = [
        "Most parameters are judgement that nobody has measured. So the choice was made anew at "
        f"{comparison.points} points spread over the declared ranges of all of them, unit costs among them."
    ]
    for indicator, name in (("adoption", "participants"), ("carbon", "emissions avoided")):
        said.append(_regret_sentence(comparison, indicator, name))
    return " ".join(said)


def _regret_sentence(comparison: Comparison, indicator: str, name: str) -> str:
    table = comparison.regrets[indicator]
    titles = {one.option.name: one.option.title for one in comparison.spending}
    unit, scale = ("pp", 100.0) if indicator == "adoption" else ("t CO2e", 1.0)
    if all(one.tied == 1.0 for one in table.values()):
        return f"On {name} all options are equal at every point."
    least = sorted((one for one in table if table[one].low <= 0.0), key=lambda one: -table[one].best)
    if least:
        said = [f"{titles[one]} (the best at {share_text(table[one].best)} of the points)" for one in least]
        text = f"On {name} no loss can be told from chance with {_listed(said)}."
    else:
        one = min(table, key=lambda one: table[one].mean)
        text = (
            f"On {name} least is lost with {titles[one]}, {number(scale * table[one].mean)} {unit} in the mean and "
            f"{number(scale * table[one].most)} at most at nine points of ten (the best at "
            f"{share_text(table[one].best)} of them)."
        )
    worst = max(table, key=lambda one: table[one].mean)
    if worst in least:
        return text
    return f"{text} Most would be lost with {titles[worst]}: {number(scale * table[worst].mean)} {unit} in the mean."


def _listed(texts: Sequence[str]) -> str:
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def basis(comparison: Comparison) -> str:
    """What the numbers rest on."""
    base = comparison.base
    also = in_both_arms(base)
    text = (
        f"{base.region.title}, {years(base.months)}, {comparison.pairs} replicates of seed {comparison.seed}, against "
        "nobody at the centre and none of these in force; 95 % intervals. Levels were solved for on other seeds, so "
        "costs differ a little from the budget. SEK per tonne is an average: all outlay that an option adds over all "
        "emissions that it avoids. Unit costs are judgement. " + LITTLE_NOTE
    )
    return text + (f" In force in all: {'; '.join(also)}." if also else "")


def notes(outcomes: Sequence[Outcome]) -> list[str]:
    """What the star stands for, by option."""
    return [f"* {one.option.title}: {NOTES[one.solved.note]}." for one in outcomes if one.solved.note]


def ranking_cell(ranking: Ranking | None, option: str) -> str:
    """Share of draws in which an option alone is the best."""
    return share_text(ranking.best[option]) if ranking else ""


def ties_text(comparison: Comparison) -> str:
    """In how many draws options share the first place; empty where they never do."""
    names = {**LABELS, CHEAPEST: "cost per tonne"}
    ties = [f"{names[name]} {share_text(one.tied)}" for name, one in comparison.ranking.items() if one.tied > 0.0]
    return f"Ties for the first place, share of draws: {'; '.join(ties)}." if ties else ""
