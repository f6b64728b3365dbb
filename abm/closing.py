"""Month's step 9: negotiations end, and both parties decide again at the prices and free quantities of the day."""

from __future__ import annotations

from typing import Any

from abm import chance
from abm.appraisal import agree, free_quantity, pay
from abm.chance import exponential
from abm.compiled import mechanism
from abm.discovery import rest
from abm.state import ACTIVE, NEGOTIATING, NEVER_DUE, NO_CAUSE, count_exchange, move


@mechanism
def duration(case, route, relief, maturity, rates):
    """Mean length of the talks, yr: longer with permits, shorter when carried and with active municipalities.

    `maturity` is the mean of the parties' municipalities.
    """
    permits = 1.0 + rates.permit_delay * route.permit * (1.0 - relief)
    return rates.duration * permits * (1.0 - rates.municipal_cut * maturity) * (1.0 - rates.support_cut * case.support)


@mechanism
def means_of(pair, world, state):
    """Mean maturity of the municipalities of the two parties, and mean relief won there."""
    donor = state.towns[world.participants[pair.supplier].municipality]
    user = state.towns[world.participants[pair.receiver].municipality]
    return 0.5 * (donor.maturity + user.maturity), 0.5 * (donor.relief + user.relief)


@mechanism
def conclude(e, quantity, t, world, state):
    """The exchange starts: the rest of the cost is paid, quantities are bound."""
    pair, fixed, account = state.pairs[e], world.pairs[e], state.account[0]
    move(e, ACTIVE, state)
    pair.quantity, pair.losing, pair.support, pair.clock = quantity, 0, 0.0, 0.0
    pair.agreed, pair.started_at, pair.ended_at, pair.cause = quantity, t, NEVER_DUE, NO_CAUSE
    pair.threshold = exponential(world.seed, chance.PROCESS_END, fixed.key, pair.attempt)
    for side in range(2):
        i = fixed.supplier if side == 0 else fixed.receiver
        pay(i, state.deal[side].last_cost, world, state)
        account.investment += state.deal[side].investment
        account.cofinance += state.deal[side].cofinance
        account.grant += state.deal[side].grant
        state.persons[i].agreements += 1
        state.persons[i].refusals = 0
    count_exchange(e, 1, world, state)
    account.started += 1


@mechanism
def step(t, p, world, state, rules: Any):
    """Negotiating pairs in visiting order; those whose talks end are concluded or fail."""
    for e in state.moving[: state.tally[0].moving]:
        pair = state.pairs[e]
        if pair.stage != NEGOTIATING:
            continue
        fixed = world.pairs[e]
        maturity, relief = means_of(fixed, world, state)
        pair.clock += 1.0 / (12.0 * duration(pair, world.routes[fixed.byproduct], relief, maturity, p.closing))
        if pair.clock < pair.threshold:
            continue
        state.persons[fixed.supplier].talks -= 1
        state.persons[fixed.receiver].talks -= 1
        quantity = free_quantity(e, p, world, state)
        if agree(e, quantity, True, p, world, state, rules):
            conclude(e, quantity, t, world, state)
        else:
            state.account[0].failed += 1
            rest(e, t, p, state)
