"""Decision rules: what a party measures and the threshold that it must exceed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Prospect:
    """One exchange as one party sees it, money in SEK."""

    key: int
    value: float
    cost: float
    moving: float  # part of the value that moves with the raw material's worth
    waiting: float  # share of that part for which it pays to wait
    annuity: float
    payback_limit: float
    attitude: float
    norm: float
    control: float
    threshold: float
    aspiration: float
    weights: tuple[float, float, float]


def npv(prospect: Prospect) -> tuple[float, float]:
    """Value against cost."""
    return prospect.value, prospect.cost


def payback(prospect: Prospect) -> tuple[float, float]:
    """Own limit against the years until the cost is earned."""
    return prospect.payback_limit, prospect.cost * prospect.annuity / prospect.value


def real_option(prospect: Prospect) -> tuple[float, float]:
    """Value, less what it pays to wait for, against the cost."""
    return prospect.value - prospect.moving * prospect.waiting, prospect.cost


def planned_behaviour(prospect: Prospect) -> tuple[float, float]:
    """Intention out of attitude, norm and control against the own threshold."""
    gain = prospect.value / (prospect.value + max(prospect.cost, 0.0))
    attitude = min(max(prospect.attitude + gain - 0.5, 0.0), 1.0)
    wish, norm, control = prospect.weights
    return wish * attitude + norm * prospect.norm + control * prospect.control, prospect.threshold


def satisficing(prospect: Prospect) -> tuple[float, float]:
    """Value against the cost times what the party now aspires to."""
    return prospect.value, prospect.aspiration * prospect.cost


Rule = Callable[[Prospect], tuple[float, float]]
RULES: dict[str, Rule] = {
    "npv": npv,
    "payback": payback,
    "real_option": real_option,
    "planned_behaviour": planned_behaviour,
    "satisficing": satisficing,
}


def rule_of(default: str, mix: str, sector: str, is_firm: bool, draw: float) -> Rule:
    """The rule of one participant: its sector's, else a firm's by `draw` through the shares, else the default."""
    entries = [tuple(part.strip() for part in entry.split("@")) for entry in mix.split(",") if entry.strip()]
    for name, whom in entries:
        if whom == sector:
            return RULES[name]
    below = 0.0
    for name, whom in entries:
        if is_firm and whom[0].isdigit():
            below += float(whom)
            if draw < below:
                return RULES[name]
    return RULES[default]
