"""Month's step 8: negotiations end, and both parties decide again at the prices and free quantities of the day."""

from __future__ import annotations

from typing import Any

from abm import chance
from abm.appraisal import agree, free_quantity, pay
from abm.chance import exponential
from abm.compiled import mechanism
from abm.discovery import rest
from abm.state import ACTIVE, NEGOTIATING, count_adopter, move


@mechanism
def duration(e, p, world, state):  # type: ignore[no-untyped-def]
    """Mean length of the talks, yr: longer with permits, shorter when carried and with active municipalities."""
    pair = world.pairs[e]
    permit = world.routes[pair.byproduct].permit * (1.0 - state.centre[0].relief)
    donor = state.towns[world.participants[pair.supplier].municipality]
    user = state.towns[world.participants[pair.receiver].municipality]
    helped = 1.0 - p.closing.municipal_cut * 0.5 * (donor.maturity + user.maturity)
    carried = 1.0 - p.closing.support_cut * state.pairs[e].support
    return p.closing.duration * (1.0 + p.closing.permit_delay * permit) * helped * carried


@mechanism
def conclude(e, quantity, world, state):  # type: ignore[no-untyped-def]
    """The exchange starts: the rest of the cost is paid, quantities are bound."""
    pair, fixed, account = state.pairs[e], world.pairs[e], state.account[0]
    move(e, ACTIVE, state)
    pair.quantity, pair.losing, pair.support, pair.clock = quantity, 0, 0.0, 0.0
    pair.threshold = exponential(world.seed, chance.PROCESS_END, fixed.key, pair.attempt)
    for side in range(2):
        i = fixed.supplier if side == 0 else fixed.receiver
        pay(i, state.deal[side].last_cost, world, state)
        account.investment += state.deal[side].investment
        account.cofinance += state.deal[side].cofinance
        state.persons[i].agreements += 1
        count_adopter(i, 1, world, state)
    state.supply_free[fixed.supply] -= quantity
    state.demand_free[fixed.demand] -= quantity
    state.live_of_route[fixed.byproduct] += 1
    account.started += 1


@mechanism
def step(t, p, world, state, rule: Any):  # type: ignore[no-untyped-def]
    """Negotiating pairs in visiting order; those whose talks end are concluded or fail."""
    for e in state.moving[: state.centre[0].moving]:
        pair = state.pairs[e]
        if pair.stage != NEGOTIATING:
            continue
        pair.clock += 1.0 / (12.0 * duration(e, p, world, state))
        if pair.clock < pair.threshold:
            continue
        state.persons[world.pairs[e].supplier].talks -= 1
        state.persons[world.pairs[e].receiver].talks -= 1
        quantity = free_quantity(e, p, world, state)
        if agree(e, quantity, True, p, world, state, rule):
            conclude(e, quantity, world, state)
        else:
            state.account[0].failed += 1
            rest(e, t, p, state)
