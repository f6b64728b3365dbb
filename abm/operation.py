"""Month's step 10: live exchanges pay, and end by loss or by a change of process."""

from __future__ import annotations

from abm.compiled import mechanism
from abm.discovery import rest
from abm.state import ACTIVE, LOSS, PROCESS, count_exchange
from abm.worth import enforcement, friction, margin, net_saving, premium, trust, value_share


@mechanism
def operate(e, p, world, state):
    """One month of exchange `e`: book saving and carbon; is a party losing?"""
    case, pair, account = state.pairs[e], world.pairs[e], state.account[0]
    route = world.routes[pair.byproduct]
    donor, user = state.persons[pair.supplier], state.persons[pair.receiver]
    watching = enforcement(friction(pair, donor, user, p.transaction), p.transaction)
    market, lever, saved = state.market[route.commodity], state.lever[0], net_saving(pair, route)
    yearly = case.quantity * margin(pair, route, market.price + market.top_up, lever)
    losing = False
    for side in range(2):
        i = pair.supplier if side == 0 else pair.receiver
        own = value_share(case, pair, side, p.worth.split_spread) * yearly - watching
        town = state.towns[world.participants[i].municipality]
        town.saving += own
        town.carbon += 0.5 * saved * case.quantity
        account.saving += own / 12.0
        losing = losing or own < 0.0
    account.enforcement += 2.0 * watching / 12.0
    account.carbon += saved * case.quantity / 12.0
    replaced = route.substitution * pair.fit * case.quantity
    account.price_floor += replaced * market.top_up / 12.0
    account.procurement += replaced * (premium(pair, lever) - 1.0) * (market.price + market.top_up) / 12.0
    state.tally[0].freight += (route.emission_saving / 1000.0 - saved) * case.quantity
    return losing


@mechanism
def end_hazard(pair, donor, user, p):
    """Hazard of an ending by process change, 1/yr, lower with trust."""
    return p.operation.end_rate * (1.0 - p.operation.trust_cut * trust(pair, donor, user, p.transaction))


@mechanism
def end(e, t, p, world, state):
    """The exchange ends: quantities are free again, and both parties lose some social capital."""
    pair, fixed = state.pairs[e], world.pairs[e]
    count_exchange(e, -1, world, state)
    for i in (fixed.supplier, fixed.receiver):
        state.persons[i].social *= 1.0 - p.learning.social_loss
    pair.quantity, pair.ended_at = 0.0, t
    rest(e, t, p, state)


@mechanism
def step(t, p, world, state):
    """Live exchanges in visiting order."""
    for m in range(state.towns.size):
        state.towns[m].saving, state.towns[m].carbon = 0.0, 0.0
    state.tally[0].freight = 0.0
    account = state.account[0]
    for e in state.moving[: state.tally[0].moving]:
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
