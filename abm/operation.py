"""Month's step 9: live exchanges pay, and end by loss or by a change of process."""

from __future__ import annotations

from abm.compiled import mechanism
from abm.discovery import rest
from abm.state import ACTIVE, LOSS, PROCESS, count_adopter
from abm.worth import enforcement, friction, margin, net_saving, trust, value_share


@mechanism
def operate(e, p, world, state):
    """One month of exchange `e`: book saving and carbon; is a party losing?"""
    case, pair, account = state.pairs[e], world.pairs[e], state.account[0]
    route = world.routes[pair.byproduct]
    donor, user = state.persons[pair.supplier], state.persons[pair.receiver]
    watching = enforcement(friction(pair, donor, user, p.transaction), p.transaction)
    yearly = case.quantity * margin(pair, route, state.price[route.commodity], state.lever[0])
    losing = False
    for side in range(2):
        i = pair.supplier if side == 0 else pair.receiver
        own = value_share(case, pair, side, p.worth.split_spread) * yearly - watching
        state.towns[world.participants[i].municipality].saving += own
        account.saving += own / 12.0
        losing = losing or own < 0.0
    account.enforcement += 2.0 * watching / 12.0
    account.carbon += net_saving(pair, route) * case.quantity / 12.0
    return losing


@mechanism
def end_hazard(pair, donor, user, p):
    """Hazard of an ending by process change, 1/yr, lower with trust."""
    return p.operation.end_rate * (1.0 - p.operation.trust_cut * trust(pair, donor, user, p.transaction))


@mechanism
def end(e, t, p, world, state):
    """The exchange ends: quantities are free again, and both parties lose some social capital."""
    pair, fixed = state.pairs[e], world.pairs[e]
    for i in (fixed.supplier, fixed.receiver):
        count_adopter(i, -1, world, state)
        state.persons[i].social *= 1.0 - p.learning.social_loss
    state.supply_free[fixed.supply] += pair.quantity
    state.demand_free[fixed.demand] += pair.quantity
    state.live_of_route[fixed.byproduct] -= 1
    pair.quantity, pair.ended_at = 0.0, t
    rest(e, t, p, state)


@mechanism
def step(t, p, world, state):
    """Live exchanges in visiting order."""
    for m in range(state.towns.size):
        state.towns[m].saving = 0.0
    account = state.account[0]
    for e in state.moving[: state.centre[0].moving]:
        pair = state.pairs[e]
        if pair.stage != ACTIVE:
            continue
        pair.losing = pair.losing + 1 if operate(e, p, world, state) else 0
        fixed = world.pairs[e]
        donor, user = state.persons[fixed.supplier], state.persons[fixed.receiver]
        pair.clock += end_hazard(fixed, donor, user, p) / 12.0
        if pair.losing >= p.operation.patience:
            account.ended_loss += 1
            pair.cause = LOSS
            end(e, t, p, world, state)
        elif pair.clock >= pair.threshold:
            account.ended_process += 1
            pair.cause = PROCESS
            end(e, t, p, world, state)
