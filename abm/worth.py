"""What an exchange is worth to a party, and what it costs to agree on it.

Transaction cost after Coase (1937, 1960) and Williamson (1985): search, bargaining, permit and enforcement, per party.
"""

from __future__ import annotations

from abm.compiled import mechanism
from abm.state import BROKER

TRUCK = 0.077  # kg CO2e per tonne-km, articulated truck above 33 t (UK DEFRA 2025)


@mechanism
def net_saving(pair, route):  # type: ignore[no-untyped-def]
    """Emissions avoided per unit, transport taken off, t CO2e."""
    return (route.emission_saving - TRUCK * route.mass * pair.distance) / 1000.0


@mechanism
def unpriced_margin(pair, route, lever):  # type: ignore[no-untyped-def]
    """Joint gain per unit that does not move with the raw-material price, SEK: disposal and carbon less costs."""
    disposal = route.gate_fee + route.landfill_share * lever.landfill_tax
    carbon = lever.carbon_price * net_saving(pair, route)
    return disposal + carbon - route.processing - route.transport * pair.distance


@mechanism
def margin(e, world, state):  # type: ignore[no-untyped-def]
    """b: joint gain per unit at today's price, SEK."""
    pair = world.pairs[e]
    route = world.routes[pair.byproduct]
    saved = route.substitution * pair.fit * state.price[route.commodity]
    return saved + unpriced_margin(pair, route, state.lever[0])


@mechanism
def value_share(e, side, p, world, state):  # type: ignore[no-untyped-def]
    """Omega: share of the joint gain that goes to the supplier (side 0) or the receiver (side 1)."""
    omega = 0.5
    if state.pairs[e].found != BROKER:
        omega += p.worth.split_spread * world.pairs[e].split
    return omega if side == 0 else 1.0 - omega


@mechanism
def trust(e, p, world, state):  # type: ignore[no-untyped-def]
    """Trust between the parties, 0..1: common social capital, and being neighbours."""
    pair = world.pairs[e]
    strangers = 1.0 - state.persons[pair.supplier].social * state.persons[pair.receiver].social
    if pair.neighbours:
        strangers *= 1.0 - p.transaction.neighbour_trust
    return 1.0 - strangers


@mechanism
def friction(e, p, world, state):  # type: ignore[no-untyped-def]
    """What sector distance adds to, and trust takes off, bargaining and enforcement."""
    surcharge = p.transaction.cross_surcharge if world.pairs[e].cross else 0.0
    return (1.0 + surcharge) * (1.0 - p.transaction.trust_cut * trust(e, p, world, state))


@mechanism
def transaction_cost(e, i, p, world, state):  # type: ignore[no-untyped-def]
    """Transaction cost of party `i`, SEK: what is sunk when talks start, and what is left for the closing."""
    rates, pair, person = p.transaction, state.pairs[e], state.persons[i]
    route = world.routes[world.pairs[e].byproduct]
    town = state.towns[world.participants[i].municipality]
    search = rates.search_hours * (1.0 - rates.broker_cut * (pair.found == BROKER))
    bargain = rates.bargain_hours * friction(e, p, world, state) * (1.0 - rates.support_cut * pair.support)
    permit = rates.permit_hours * route.permit * (1.0 - state.centre[0].relief)
    permit *= 1.0 - p.closing.municipal_cut * town.maturity
    price = rates.wage * rates.multiplier * (1.0 + person.agreements) ** -rates.learning
    return price * (search + 0.5 * bargain), price * (0.5 * bargain + permit)


@mechanism
def enforcement(e, p, world, state):  # type: ignore[no-untyped-def]
    """Yearly cost of watching over an agreement, per party, SEK/yr."""
    rates = p.transaction
    return rates.wage * rates.multiplier * rates.enforce_hours * friction(e, p, world, state)
