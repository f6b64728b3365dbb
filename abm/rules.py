"""Decision rules: would this party join? One function a rule, one line in the registry.

A rule sees one `Prospect`, all of one party and one opportunity, money in SEK:

    value       certainty equivalent of the party's share over the horizon (always above 0 here)
    cost        irreversible cost still to be spent: own investment and transaction cost
    priced      part of the value that moves with the raw-material price, over the value
    volatility  of that price over the horizon, 1/sqrt(yr)
    rate        own real discount rate, 1/yr
    annuity     value of 1 SEK a year over the horizon at that rate, yr
    payback     own payback limit, yr
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np

from abm.compiled import kernel

PROSPECT = np.dtype(
    [(name, "f8") for name in ("value", "cost", "priced", "volatility", "rate", "annuity", "payback")], align=True
)
SIGNATURE = numba.types.boolean(numba.from_dtype(PROSPECT))
MOST_PRICED = 3.0  # judgement: leverage of the raw-material price beyond this is not believed


def npv(prospect: Any) -> bool:
    """Net present value: join if the value exceeds the cost."""
    return prospect.value > prospect.cost


def payback(prospect: Any) -> bool:
    """Simple payback: cost over yearly value within the own limit (Anderson & Newell 2004)."""
    return prospect.cost * prospect.annuity <= prospect.payback * prospect.value


@kernel
def hurdle(volatility: float, rate: float) -> float:
    """Value over cost at which waiting stops paying (Dixit & Pindyck 1994, ch. 5, payout rate = discount rate).

    `volatility` in 1/sqrt(yr), `rate` in 1/yr; 1 at volatility 0.
    """
    if volatility <= 0.0:
        return 1.0
    beta = 0.5 + math.sqrt(0.25 + 2.0 * rate / volatility**2)
    return beta / (beta - 1.0)


def real_option(prospect: Any) -> bool:
    """Option to wait: join if the value exceeds the cost times the hurdle of irreversible choice."""
    exposure = min(max(prospect.priced, 0.0), MOST_PRICED) * prospect.volatility
    return prospect.value > prospect.cost * hurdle(exposure, prospect.rate)


@dataclass(frozen=True)
class Rule:
    """A decision rule: its plain function and, through `compiled`, the form that the kernels call."""

    name: str
    decide: Callable[[Any], bool]

    @property
    def meaning(self) -> str:
        """First line of the function's docstring."""
        return (self.decide.__doc__ or "").strip().splitlines()[0]


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("npv", npv),
        Rule("payback", payback),
        Rule("real_option", real_option),
    )
}


@cache
def compiled(name: str) -> Any:
    """The rule as a C function of one explicit type, so that the month's kernel is cached once for all rules."""
    return numba.cfunc(SIGNATURE, cache=True, error_model="numpy")(RULES[name].decide)
