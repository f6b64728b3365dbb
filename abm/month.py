"""One month, as an ordered list.

Steps 3 to 7 all act on last month's exchanges; steps 8 to 10 visit cases one after the other, since capacity is scarce,
in an order drawn once per replicate.
"""

from __future__ import annotations

from typing import Any

from abm import (
    accounts,
    appraisal,
    closing,
    discovery,
    facilitators,
    interventions,
    learning,
    municipalities,
    observe,
    operation,
    prices,
    staffing,
    turnover,
)
from abm.compiled import mechanism


@mechanism
def month(t, p, world, state, rules: Any, rows):
    """Advance `state` by month `t`, counted from the start of the spin-up."""
    prices.step(t, world, state)
    interventions.step(t, world, state)
    staffing.step(t, p, world, state)
    municipalities.step(t, p, world, state)
    facilitators.step(t, p, world, state)
    learning.step(t, p, world, state)
    discovery.step(t, p, world, state)
    appraisal.step(t, p, world, state, rules)
    closing.step(t, p, world, state, rules)
    operation.step(t, p, world, state)
    turnover.step(t, p, world, state)
    accounts.step(p, world, state)
    observe.step(t, p, world, state, rows)


@mechanism
def months(first, last, p, world, state, rules: Any, rows):
    """Months `first` to `last` (excluded); `rules` are ruleset.Slots, read by participants' number."""
    for t in range(first, last):
        month(t, p, world, state, rules, rows)
