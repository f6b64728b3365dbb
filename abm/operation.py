"""Month's step 10: live exchanges pay, and end by loss or by a change of process."""

from __future__ import annotations

from abm.compiled import mechanism
from abm.discovery import rest
from abm.state import ACTIVE, EXIT, LOSS, PROCESS, count_exchange
from abm.worth import enforcement, friction, margin, premium, trust, value_share


@mechanism
def credit(town, saving, carbon):
    """A party's part of this month, by its municipality."""
    town.saving += saving
    town.carbon += carbon


@mechanism
def operate(case, donor, user, p, world, state):
    """One month of an exchange: book saving and carbon; is a party losing?"""
    account, route = state.account[0], world.routes[case.byproduct]
    watching = enforcement(friction(case, donor, user, p.transaction), p.transaction)
    market, lever = state.market[route.commodity], state.lever[0]
    yearly = case.quantity * margin(case, route, market.price + market.top_up, lever)
    supplier = value_share(case, 0, p.worth.split_spread) * yearly - watching
    receiver = value_share(case, 1, p.worth.split_spread) * yearly - watching
    credit(state.towns[case.here], supplier, 0.5 * case.saved * case.quantity)
    credit(state.towns[case.there], receiver, 0.5 * case.saved * case.quantity)
    account.saving = account.saving + supplier / 12.0 + receiver / 12.0
    account.enforcement += 2.0 * watching / 12.0
    account.carbon += case.saved * case.quantity / 12.0
    replaced = route.substitution * case.fit * case.quantity
    account.price_floor += replaced * market.top_up / 12.0
    premiums = replaced * (premium(case, lever) - 1.0) * (market.price + market.top_up) / 12.0
    account.procurement += premiums
    state.ledger[case.there].paid += premiums
    state.tally[0].freight += (route.emission_saving / 1000.0 - case.saved) * case.quantity
    return supplier < 0.0 or receiver < 0.0


@mechanism
def end_hazard(case, donor, user, p):
    """Hazard of an ending by process change, 1/yr, lower with trust."""
    return p.operation.end_rate * (1.0 - p.operation.trust_cut * trust(case, donor, user, p.transaction))


@mechanism
def end(c, cause, t, p, world, state):
    """Exchange `c` ends: quantities are free again, and both parties lose some social capital."""
    case, account = state.cases[c], state.account[0]
    account.ended_loss += cause == LOSS
    account.ended_process += cause == PROCESS
    account.ended_exit += cause == EXIT
    count_exchange(case, -1, world, state)
    for i in (case.supplier, case.receiver):
        state.persons[i].social *= 1.0 - p.learning.social_loss
    case.quantity, case.ended_at, case.cause = 0.0, t, cause
    rest(c, t, p, state)


@mechanism
def carry_on(c, t, p, world, state):
    """A month of exchange `c`; it ends when a party has lost for too long, or a process changes."""
    case = state.cases[c]
    donor, user = state.persons[case.supplier], state.persons[case.receiver]
    hazard = end_hazard(case, donor, user, p)
    case.losing = case.losing + 1 if operate(case, donor, user, p, world, state) else 0
    case.clock += hazard / 12.0
    if case.losing >= p.operation.patience:
        end(c, LOSS, t, p, world, state)
    elif case.clock >= case.threshold:
        end(c, PROCESS, t, p, world, state)


@mechanism
def start_month(state):
    """Sums of this month start at nothing."""
    for m in range(state.towns.size):
        state.towns[m].saving, state.towns[m].carbon = 0.0, 0.0
    state.tally[0].freight = 0.0


@mechanism
def step(t, p, world, state):
    """Live exchanges in visiting order."""
    start_month(state)
    for c in state.moving[: state.tally[0].moving]:
        if state.cases[c].stage == ACTIVE:
            carry_on(c, t, p, world, state)
