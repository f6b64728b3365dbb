"""Decision rules: what a party measures and the threshold that it must exceed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

MOST_PRICED = 3.0


@dataclass(slots=True)
class Prospect:
    """One exchange as one party sees it, money in SEK."""

    key: int
    value: float
    cost: float
    priced_share: float
    volatility: float
    rate: float
    annuity: float
    payback_limit: float


def npv(prospect: Prospect) -> tuple[float, float]:
    """Value against cost."""
    return prospect.value, prospect.cost


def payback(prospect: Prospect) -> tuple[float, float]:
    """Own limit against the years until the cost is earned."""
    return prospect.payback_limit, prospect.cost * prospect.annuity / prospect.value


def real_option(prospect: Prospect) -> tuple[float, float]:
    """Value against the cost times what the option to wait demands."""
    exposure = min(max(prospect.priced_share, 0.0), MOST_PRICED) * prospect.volatility
    variance = exposure**2
    if variance == 0.0:
        return prospect.value, prospect.cost
    beta = 0.5 + math.sqrt(0.25 + 2.0 * prospect.rate / variance)
    return prospect.value, prospect.cost * beta / (beta - 1.0)


Rule = Callable[[Prospect], tuple[float, float]]
RULES: dict[str, Rule] = {"npv": npv, "payback": payback, "real_option": real_option}
