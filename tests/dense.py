"""The month without its lists: every step looks at every opportunity. The same rules, and so the same bits."""

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
from abm.cases import drop_lost
from abm.compiled import kernel
from abm.state import ACTIVE, IDENTIFIED, LATENT, NEGOTIATING, NOBODY, RESTING


@kernel
def discover(t, p, world, state):
    """Every latent pair is looked at; resting ones wake when their time is over."""
    drop_lost(state)
    for e in range(state.pairs.size):
        clocks, pair = state.pairs[e], world.pairs[e]
        if clocks.stage == RESTING:
            if clocks.place == t:
                discovery.become_latent(e, t, p, world, state)
        elif clocks.stage == LATENT:
            donor, user = state.persons[pair.supplier], state.persons[pair.receiver]
            found = discovery.is_found(clocks, pair, donor, user, state.coverage[pair.coverage, pair.shelf].screening)
            if found != NOBODY:
                discovery.identify(e, found, t, p, world, state)
    if state.tally[0].found > 0:
        discovery.settle_finds(t, p, world, state)


@kernel
def appraise(t, p, world, state, rules: Any):
    """Every pair is asked whether it is identified."""
    for e in range(state.pairs.size):
        if state.pairs[e].stage == IDENTIFIED:
            appraisal.consider(state.pairs[e].place, t, p, world, state, rules)


@kernel
def close(t, p, world, state, rules: Any):
    """Every pair is asked whether it is under negotiation."""
    for e in range(state.pairs.size):
        if state.pairs[e].stage == NEGOTIATING:
            closing.negotiate(state.pairs[e].place, t, p, world, state, rules)


@kernel
def operate(t, p, world, state):
    """Every pair is asked whether it is alive."""
    operation.start_month(state)
    for e in range(state.pairs.size):
        if state.pairs[e].stage == ACTIVE:
            operation.carry_on(state.pairs[e].place, t, p, world, state)


@kernel
def dense_months(first, last, p, world, state, rules: Any, rows):
    """`abm.month.months` with the scans in place of calendar and lists."""
    for t in range(first, last):
        prices.step(t, world, state)
        interventions.step(t, world, state)
        staffing.step(t, p, world, state)
        municipalities.step(t, p, world, state)
        facilitators.step(t, p, world, state)
        learning.step(t, p, world, state)
        discover(t, p, world, state)
        appraise(t, p, world, state, rules)
        close(t, p, world, state, rules)
        operate(t, p, world, state)
        turnover.step(t, p, world, state)
        accounts.step(p, world, state)
        observe.step(t, p, world, state, rows)
