"""Decision rules: would this party join? One function a rule, one line in the registry.

A rule sees one `Prospect`, all of one party and one opportunity, money in SEK:

    value       certainty equivalent of the party's share over the horizon (always above 0 here)
    cost        irreversible cost still to be spent: own investment and transaction cost
    priced      elasticity of the value to the worth of the raw material: the part that moves with it, over the value
    waiting     share of that part for which it pays to wait and see; 0 in talks, which cannot be put off
    volatility  of the raw material's price over the horizon, 1/sqrt(yr)
    rate        own real discount rate, 1/yr
    annuity     value of 1 SEK a year over the horizon at that rate, yr
    payback     own payback limit, yr

How the party stands, for rules of bounded rationality:

    attitude    own attitude to exchanges, about 0..1
    peers       share of adopters, mean of own municipality and own sector
    control     mean of own knowledge and the share of own places for talks that are free, 0..1
    threshold   own intention from which it joins
    aspiration  value over cost that it now aspires to, 1 or more, lower after each own no since its last agreement
    weight_attitude, weight_norm, weight_control    of the three parts of intention, summing to 1
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np

from abm.compiled import callback

FIELDS = (
    *("value", "cost", "priced", "waiting", "volatility", "rate", "annuity", "payback"),
    *("attitude", "peers", "control", "threshold", "aspiration", "weight_attitude", "weight_norm", "weight_control"),
)
PROSPECT = np.dtype([(name, "f8") for name in FIELDS], align=True)
PROSPECT_TYPE = numba.from_dtype(PROSPECT)
SIGNATURE = numba.types.boolean(PROSPECT_TYPE)


def npv(prospect: Any) -> bool:
    """Net present value: join if the value exceeds the cost."""
    return prospect.value > prospect.cost


def payback(prospect: Any) -> bool:
    """Simple payback: cost over yearly value within the own limit (Anderson & Newell 2004)."""
    return prospect.cost * prospect.annuity <= prospect.payback * prospect.value


def real_option(prospect: Any) -> bool:
    """Option to wait: join if the value, less what it pays to wait for, exceeds the cost (abm/waiting.py)."""
    return prospect.value * (1.0 - prospect.priced * prospect.waiting) > prospect.cost


def planned_behaviour(prospect: Any) -> bool:
    """Theory of planned behaviour: join if attitude, norm and control, weighted, exceed the own threshold."""
    worth = prospect.value / (prospect.value + max(prospect.cost, 0.0))  # x/(1 + x) with x = value over cost
    attitude = min(max(prospect.attitude + worth - 0.5, 0.0), 1.0)
    norm, control = prospect.weight_norm * prospect.peers, prospect.weight_control * prospect.control
    return prospect.weight_attitude * attitude + norm + control > prospect.threshold


def satisficing(prospect: Any) -> bool:
    """Satisficing: join if value over cost exceeds the aspiration, which falls with every refused exchange."""
    return prospect.value > prospect.aspiration * prospect.cost


@dataclass(frozen=True)
class Rule:
    """A decision rule: its plain function and, through `compiled`, the form that the kernels call.

    `parameters` are those that no other part of the decision reads.
    """

    name: str
    decide: Callable[[Any], bool]
    source: str
    parameters: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """First line of the function's docstring."""
        return first_line(self.decide)


def first_line(function: Callable[[Any], bool]) -> str:
    """First line of a function's docstring, or nothing."""
    return (function.__doc__ or "").strip().partition("\n")[0]


PLANNED = ("attitude", "threshold", "threshold_spread", "weight_attitude", "weight_norm", "weight_control")
RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("npv", npv, "net present value of textbooks (Brealey, Myers & Allen)"),
        Rule(
            "payback",
            payback,
            "Anderson & Newell 2004, doi:10.1016/j.reseneeco.2003.07.001",
            ("appraisal.payback_median", "appraisal.payback_spread"),
        ),
        Rule("real_option", real_option, "Dixit & Pindyck 1994, Investment under Uncertainty, ch. 4, 5"),
        Rule(
            "planned_behaviour",
            planned_behaviour,
            "Ajzen 1991, doi:10.1016/0749-5978(91)90020-T",
            tuple(f"appraisal.{name}" for name in PLANNED),
        ),
        Rule(
            "satisficing",
            satisficing,
            "Simon 1955, doi:10.2307/1884852",
            ("appraisal.aspiration", "appraisal.aspiration_decay"),
        ),
    )
}


@cache
def compiled(name: str) -> Any:
    """The rule as a C function of one explicit type, so that the month's kernel is cached once for all rules."""
    return callback(SIGNATURE, RULES[name].decide)
