"""Month's step 9: negotiations end, and both parties decide again at the prices and free quantities of the day."""

from __future__ import annotations

from typing import Any

from abm import chance
from abm.appraisal import agree, free_quantity
from abm.chance import exponential
from abm.compiled import mechanism
from abm.discovery import rest
from abm.state import ACTIVE, NEGOTIATING, count_exchange, move
from abm.worth import pay


@mechanism
def duration(case, route, relief, maturity, rates):
    """Mean length of the talks, yr: longer with permits, shorter when carried and with active municipalities.

    `maturity` is the mean of the parties' municipalities.
    """
    permits = 1.0 + rates.permit_delay * route.permit * (1.0 - relief)
    return rates.duration * permits * (1.0 - rates.municipal_cut * maturity) * (1.0 - rates.support_cut * case.support)


@mechanism
def means_of(case, state):
    """Mean maturity of the municipalities of the two parties, and mean relief won there."""
    donor, user = state.towns[case.here], state.towns[case.there]
    return 0.5 * (donor.maturity + user.maturity), 0.5 * (donor.relief + user.relief)


@mechanism
def conclude(case, quantity, t, world, state):
    """The exchange starts: the rest of the cost is paid, quantities are bound."""
    account = state.account[0]
    move(case.pair, ACTIVE, state)
    case.quantity, case.agreed, case.started_at = quantity, quantity, t
    case.losing, case.support, case.clock = 0, 0.0, 0.0
    case.threshold = exponential(world.seed, chance.PROCESS_END, case.key, case.attempt)
    for side in range(2):
        i = case.supplier if side == 0 else case.receiver
        pay(i, state.deal[side].last_cost, world, state)
        account.investment += state.deal[side].investment
        account.cofinance += state.deal[side].cofinance
        account.grant += state.deal[side].grant
        state.ledger[world.participants[i].municipality].spent += state.deal[side].investment
        state.persons[i].agreements += 1
        state.persons[i].refusals = 0
    count_exchange(case, 1, world, state)
    account.started += 1


@mechanism
def negotiate(c, t, p, world, state, rules):
    """A month of the talks of case `c`; if they end, it is concluded or fails."""
    case = state.cases[c]
    maturity, relief = means_of(case, state)
    case.clock += 1.0 / (12.0 * duration(case, world.routes[case.byproduct], relief, maturity, p.closing))
    if case.clock < case.threshold:
        return
    state.persons[case.supplier].talks -= 1
    state.persons[case.receiver].talks -= 1
    quantity = free_quantity(case, p, world, state)
    if agree(c, quantity, True, p, world, state, rules):
        conclude(case, quantity, t, world, state)
    else:
        state.account[0].failed += 1
        rest(c, t, p, state)


@mechanism
def step(t, p, world, state, rules: Any):
    """Negotiated cases in visiting order."""
    for c in state.moving[: state.tally[0].moving]:
        if state.cases[c].stage == NEGOTIATING:
            negotiate(c, t, p, world, state, rules)
