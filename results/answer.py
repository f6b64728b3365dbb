"""What `effect` and `study` say first: the answer in plain sentences, how sure it is, and what it costs.

Every sentence is under 35 words. Each number stands with its interval, and says where runs do not show an effect.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

from abm.scenario import Scenario
from experiments.breakeven import BreakEven
from experiments.effect import OUTLAY, PairedEffect
from experiments.pairs import FEWEST_FUTURES, Difference, Ratio
from experiments.risk import ASKED, Risk
from experiments.unmeasured import Unmeasured
from results.centre import closing, opening, staff_text
from results.tables import (
    OPTION,
    chance_text,
    futures_text,
    in_both_arms,
    number,
    percent_or_number,
    span_text,
    unbroken,
    years,
)

WIDTH = 100  # characters of a line on the terminal
CLOSE = 0.25  # how far what each brings may be from what one alone brings, to be close to staff times reach
ON_REACH = "The effect hangs on staff and on what one person is judged to reach; nobody has measured that reach."
NOT_ASKED = "How far the effect moves over what nobody has measured is a question for `kretslopp study`."
LEFT_OUT = "How far the effect moves over what nobody has measured was left out (--quick)."


@dataclass(frozen=True)
class Beyond:
    """What a study knows besides: what one person alone brings, when it pays, and how far it moves."""

    one_alone: Difference
    break_even: BreakEven | None
    unmeasured: Unmeasured | None


def answer(effect: PairedEffect, scenario: Scenario, beyond: Beyond | None = None) -> list[str]:
    """The result in paragraphs."""
    opens = opening(scenario)
    if opens is None:
        return [
            f"Nobody works at a resource centre within the {years(scenario.months)} simulated (staff "
            f"{scenario.values['facilitator.fte']:g} FTE, opening in month {scenario.values['facilitator.start']}), so "
            "with and without the centre are the same."
        ]
    paragraphs = [
        [_first(effect, scenario), _doubt(effect["exchanges"]), _dates(scenario, opens)],
        [_futures(effect["exchanges"]), _little(effect.risks.get("exchanges"), "further exchanges", "count")],
        [*_over(beyond, effect["exchanges"]), _reach(beyond, effect["exchanges"], scenario)],
        _participants(effect),
        [_in_both(scenario)],
        [_anyway(effect["exchanges"])],
        _cost(effect, scenario),
        _worth(effect, scenario, beyond.break_even) if beyond and beyond.break_even else [],
    ]
    return [" ".join(filter(None, sentences)) for sentences in paragraphs if any(sentences)]


def answer_text(paragraphs: list[str]) -> str:
    """For the terminal."""
    wrapped = (textwrap.fill(unbroken(paragraph), WIDTH) for paragraph in paragraphs)
    return "\n\n".join(wrapped).replace("\u00a0", " ")


def is_clear(difference: Difference) -> bool:
    """Whether the interval lies on one side of zero."""
    return difference.ci_low > 0 or difference.ci_high < 0


def more_or_fewer(difference: Difference) -> str:
    """'28.2 more (95 % interval 27.6 to 28.8)'; shares in percentage points."""
    points = " percentage points" if difference.unit == "share" else ""
    size = percent_or_number(abs(difference.mean), difference.unit).replace(" %", "")
    text = f"{size}{points} {'fewer' if difference.mean < 0 else 'more'}"
    interval = span_text(difference.ci_low, difference.ci_high, difference.unit)
    return text if math.isnan(difference.ci_low) else f"{text} (95 % interval {interval})"


def _first(effect: PairedEffect, scenario: Scenario) -> str:
    one = effect["exchanges"]
    return (
        f"After {years(scenario.months)}, {scenario.region.title} has {number(one.with_)} living exchanges with a "
        f"resource centre of {staff_text(scenario)} and {number(one.without)} without one: {more_or_fewer(one)}."
    )


def _doubt(difference: Difference) -> str:
    if difference.pairs == 1:
        return "As one pair of runs has no interval, take it as an example."
    if is_clear(difference):
        return ""
    return "As the interval includes zero, these runs do not show that the centre changes it."


def _dates(scenario: Scenario, opens: int) -> str:
    closes = closing(scenario)
    return f"The centre opens after {years(opens)}{f' and closes after {years(closes)}' if closes else ''}."


def _futures(difference: Difference) -> str:
    if math.isnan(difference.future_low):
        few = f"{difference.pairs} pair{'s' * (difference.pairs != 1)} of runs"
        return f"How far single futures lie apart cannot be told from {few}: it takes {FEWEST_FUTURES} at least."
    return (
        "A single future is less sure than the mean: in nine of ten the difference is between "
        f"{futures_text(difference).replace(' to ', ' and ')} exchanges."
    )


def _little(risk: Risk | None, what: str, unit: str) -> str:
    if risk is None or math.isnan(risk.chance):
        return ""
    small = percent_or_number(risk.small.value, unit).replace(" %", " percentage points")
    who = (
        f"{OPTION} says that this is little"
        if risk.small.source == ASKED
        else f"that this is little is {risk.small.source}"
    )
    return (
        f"The chance of less than {small} {what} is {chance_text(risk.chance)} % "
        f"({chance_text(risk.ci_low)} to {chance_text(risk.ci_high)}); {who}."
    )


def _over(beyond: Beyond | None, exchanges: Difference) -> list[str]:
    if beyond is None or beyond.unmeasured is None:
        return [LEFT_OUT if beyond else NOT_ASKED]
    unmeasured = beyond.unmeasured
    span = span_text(*unmeasured.span("exchanges"), exchanges.unit).replace(" to ", " and ")
    return [
        f"Over the ranges of {len(unmeasured.values)} parameters that nobody has measured, the effect is between "
        f"{span} exchanges at nine points of ten.",
        f"These are {unmeasured.points} points of {unmeasured.replicates} pairs of runs each, seed {unmeasured.seed}; "
        "the rest of chance is in it.",
    ]


def _reach(beyond: Beyond | None, exchanges: Difference, scenario: Scenario) -> str:
    """How near the effect is to staff times what one person reaches."""
    staff = float(scenario.values["facilitator.fte"])
    if beyond is None or staff <= 1.0 or not is_clear(beyond.one_alone) or beyond.one_alone.mean <= 0.0:
        return ON_REACH
    one, each = beyond.one_alone.mean, exchanges.mean / staff
    compared = f"One person alone brings {one:.1f} further exchanges, each of {staff:g} FTE {each:.1f} on average"
    if abs(each / one - 1.0) <= CLOSE:
        return (
            f"{compared}: the effect is close to staff times what one person is judged to reach, which nobody has "
            "measured."
        )
    return f"{compared}. {ON_REACH}"


def _participants(effect: PairedEffect) -> list[str]:
    one = effect["adoption"]
    if math.isnan(one.mean):
        return []
    with_, without = (percent_or_number(value, one.unit) for value in (one.with_, one.without))
    said = [f"Of all participants {with_} are in an exchange with the centre and {without} without: {_share(one)}."]
    said.append(_doubt(one) if one.pairs > 1 else "")
    if not math.isnan(one.future_low):
        span = futures_text(one).replace(" to ", " and ")
        said.append(f"In nine futures in ten the difference is between {span} percentage points.")
    return [*said, _little(effect.risks.get("adoption"), "more", "share")]


def _share(one: Difference) -> str:
    return more_or_fewer(one).replace("fewer", "less")


def _in_both(scenario: Scenario) -> str:
    """What works with and without the centre alike."""
    also = in_both_arms(scenario)
    return f"In force with and without the centre: {'; '.join(also)}." if also else ""


def _anyway(exchanges: Difference) -> str:
    """How much of what is there with the centre would be there without it."""
    if not is_clear(exchanges) or not 0 < exchanges.without < exchanges.with_:
        return ""
    part = 100 * exchanges.without / exchanges.with_
    return (
        f"Exchanges also arise without a centre, {part:.0f} % as many as with it. "
        "Only the difference is counted as its effect."
    )


def _cost(effect: PairedEffect, scenario: Scenario) -> list[str]:
    """What the centre costs the public, and what of it falls on a further tonne and a further exchange."""
    carbon, tonne, exchange = effect["carbon"], effect.average_cost, effect.exchange_cost
    said = [
        f"The centre costs the public {number(effect[OUTLAY].mean)} MSEK in all: "
        f"{number(effect['public_cost'].mean)} for staff and administration, {number(effect['transfers'].mean)} paid "
        "to firms and utilities."
    ]
    tonnes = f"{number(carbon.mean)} t CO2e{_in_brackets(carbon.ci_low, carbon.ci_high)}"
    if tonne.ci_low is None or tonne.ci_high is None:
        return [*said, f"Emissions avoided change by {tonnes}, not clearly above zero, so a cost per tonne cannot be "
                "given with these runs."]  # fmt: skip
    value = float(scenario.values["worth.carbon_value"])
    relation = "below" if tonne.ci_high < value else "above" if tonne.ci_low > value else "not clearly above or below"
    return [
        *said,
        f"Emissions avoided rise by {tonnes}, at an average public cost of {_ratio(tonne, 'SEK/t')}.",
        f"That is {relation} the {number(value)} SEK that a tonne is taken to be worth to the public; savings of firms "
        "come on top.",
        ""
        if exchange.ci_low is None
        else f"The average public cost of a further living exchange is {_ratio(exchange, 'SEK')}.",
    ]


def _worth(effect: PairedEffect, scenario: Scenario, break_even: BreakEven) -> list[str]:
    """When the centre has paid for itself, and which figure says how large it should be."""
    within = years(scenario.months)
    what = f"Private saving and carbon at {number(float(scenario.values['worth.carbon_value']))} SEK/t"
    single = effect.pairs == 1
    if math.isinf(break_even.year):
        early = (
            "" if single or math.isinf(break_even.low) else f"; the 95 % interval begins at year {break_even.low:.1f}"
        )
        said = f"{what} do not outweigh all public and private cost within {within}{early}."
    else:
        high = f"beyond the {within}" if math.isinf(break_even.high) else f"{break_even.high:.1f}"
        interval = "" if single else f" (95 % interval {break_even.low:.1f} to {high})"
        said = f"{what} stay above all public and private cost from year {break_even.year:.1f} on{interval}."
    return [said, "How large the centre should be is a question for the steps between sizes: marginal cost, below."]


def _ratio(ratio: Ratio, unit: str) -> str:
    assert ratio.value is not None
    assert ratio.ci_low is not None
    assert ratio.ci_high is not None
    return f"{number(ratio.value)} {unit}{_in_brackets(ratio.ci_low, ratio.ci_high)}"


def _in_brackets(low: float, high: float) -> str:
    return "" if math.isnan(low) else f" ({number(low)} to {number(high)})"
