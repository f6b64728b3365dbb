"""How likely it is that a single future brings little: the chance that the effect is below a small value.

What is little is for those who decide: `SMALL` are the authors' judgement, `--small exchanges=20` another's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from abm.parameters import JUDGEMENT
from abm.scenario import ScenarioError
from abm.texts import nearest

ASKED = "asked for"  # source of a value that is not the authors'


@dataclass(frozen=True)
class Small:
    """An effect that few would call a success, in the indicator's unit; `source` says who thinks so."""

    value: float
    source: str = JUDGEMENT


# By indicator; costs have none. Shares: 0.01 is one percentage point.
SMALL: Mapping[str, Small] = {
    "adoption": Small(0.01),
    "adoption_firms": Small(0.01),
    "exchanges": Small(10.0),
    "started": Small(10.0),
    "tonnes": Small(5_000.0),  # t/yr
    "heat": Small(5_000.0),  # MWh/yr
    "virgin_avoided": Small(5_000.0),  # t/yr
    "moved_up": Small(2_000.0),  # t/yr
    "carbon_rate": Small(1_000.0),  # t CO2e/yr
    "carbon": Small(10_000.0),  # t CO2e
    "saving_rate": Small(5.0),  # MSEK/yr
}


@dataclass(frozen=True)
class Risk:
    """Chance that the effect of a single future is below `small`, with its 95 % interval; nan where no pair is left."""

    small: Small
    chance: float
    ci_low: float
    ci_high: float

    def as_dict(self) -> dict[str, Any]:
        """As printed by `effect --json`."""
        chance = None if math.isnan(self.chance) else self.chance
        return {
            "small": self.small.value,
            "source": self.small.source,
            "chance_below": chance,
            "ci_low": self.ci_low,
            "ci_high": self.ci_high,
        }


def share_interval(count: int, of: int) -> tuple[float, float]:
    """Clopper & Pearson's (1934) exact 95 % interval of a share; of none: 0 to 1."""
    from scipy.special import betaincinv

    low = float(betaincinv(count, of - count + 1, 0.025)) if count > 0 else 0.0
    high = float(betaincinv(count + 1, of - count, 0.975)) if count < of else 1.0
    return low, high


def risk_of(effects: np.ndarray, small: Small) -> Risk:
    """How often single effects, shape (pairs,) and NaN where not defined, are below a small value."""
    kept = effects[~np.isnan(effects)]
    below = int(np.count_nonzero(kept < small.value))
    return Risk(small, below / kept.size if kept.size else math.nan, *share_interval(below, kept.size))


def read_small(texts: Sequence[str], columns: Sequence[str]) -> dict[str, Small]:
    """`SMALL` and what `--small NAME=VALUE` says beside or instead; raises ScenarioError.

    `columns` are the indicators that there are.
    """
    given: dict[str, Small] = {}
    errors = []
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        number = _finite(value)
        if name not in columns:
            errors.append(f"small {text}: no indicator {name!r}{nearest(name, tuple(columns))}")
        elif number is None or number < 0.0:
            errors.append(f"small {text}: expected {name}=NUMBER, 0 or more, in its unit (of a share 0.01 is 1 %)")
        elif name in given:
            errors.append(f"small {text}: {name} is given twice")
        else:
            given[name] = Small(number, ASKED)
    if errors:
        raise ScenarioError(errors)
    return {**SMALL, **given}


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
