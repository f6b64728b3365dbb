"""What an exchange is worth to a party, and what it costs to agree on it.

Transaction cost after Coase (1937, 1960) and Williamson (1985): search, bargaining, permit and enforcement, per party.
"""

from __future__ import annotations

from abm.compiled import mechanism
from abm.state import BROKER

TRUCK = 0.077  # kg CO2e per tonne-km, articulated truck above 33 t (UK DEFRA 2025)


@mechanism
def net_saving(distance, route):
    """Emissions avoided per unit, transport over `distance` km taken off, t CO2e."""
    return (route.emission_saving - TRUCK * route.mass * distance) / 1000.0


@mechanism
def unpriced_margin(case, route, lever):
    """Joint gain per unit that does not move with the raw-material price, SEK: disposal and carbon less costs."""
    disposal = route.gate_fee + route.landfill_share * lever.landfill_tax
    carbon = lever.carbon_price * case.saved
    return disposal + carbon - route.processing - route.transport * case.distance


@mechanism
def unpaid_carbon(rates, lever):
    """Public value of a tonne CO2e beyond the carbon price, which the parties' saving holds already, SEK/t."""
    return max(rates.carbon_value - lever.carbon_price, 0.0)


@mechanism
def premium(case, lever):
    """Price received over the market's: public buyers pay more for what replaces raw material."""
    return 1.0 + lever.procurement * case.public


@mechanism
def margin(case, route, price, lever):
    """b: joint gain per unit at raw-material price `price`, SEK."""
    return premium(case, lever) * route.substitution * case.fit * price + unpriced_margin(case, route, lever)


@mechanism
def value_share(case, side, spread):
    """Omega: share of the joint gain that goes to the supplier (side 0) or the receiver (side 1)."""
    omega = 0.5
    if case.found != BROKER:  # a broker splits fairly
        omega += spread * case.split
    return omega if side == 0 else 1.0 - omega


@mechanism
def trust(case, donor, user, rates):
    """Trust between the parties, 0..1: common social capital, and being neighbours."""
    strangers = 1.0 - donor.social * user.social
    if case.neighbours:
        strangers *= 1.0 - rates.neighbour_trust
    return 1.0 - strangers


@mechanism
def friction(case, donor, user, rates):
    """What sector distance adds to, and trust takes off, bargaining and enforcement."""
    surcharge = rates.cross_surcharge if case.cross else 0.0
    return (1.0 + surcharge) * (1.0 - rates.trust_cut * trust(case, donor, user, rates))


@mechanism
def hour(person, rates):
    """What an hour of a party's staff costs in agreements, SEK, less with those it has made."""
    return rates.wage * rates.multiplier * (1.0 + person.agreements) ** -rates.learning


@mechanism
def search_cost(found, person, rates):
    """What a find costs a party that searched, SEK; where a broker searches for it, it saves most of its hours."""
    return hour(person, rates) * rates.search_hours * (1.0 - rates.broker_cut * (found == BROKER))


@mechanism
def transaction_cost(case, person, rub, permit, rates):
    """Transaction cost of one party after the find, SEK: what is sunk when talks start, and what is left for the end.

    `rub` is `friction`, `permit` the effort after relief and municipal help.
    """
    half = 0.5 * rates.bargain_hours * rub * (1.0 - rates.support_cut * case.support)
    price = hour(person, rates)
    return price * half, price * (half + rates.permit_hours * permit)


@mechanism
def pay(i, amount, world, state):
    """Book a transaction cost, SEK, under who paid it."""
    fixed, subsidy = world.participants[i], state.lever[0].subsidy * amount
    own = amount - subsidy
    state.account[0].subsidy += subsidy
    if fixed.firm:
        state.account[0].transaction_firms += own
    else:
        state.account[0].transaction_utilities += own
    state.ledger[fixed.municipality].spent += own


@mechanism
def enforcement(rub, rates):
    """Yearly cost of watching over an agreement, per party, SEK/yr."""
    return rates.wage * rates.multiplier * rates.enforce_hours * rub
