"""Month's step 4: the resource centre's five functions at work.

Staff hours become integrals that participants' and pairs' clocks run on, so a fraction of a person does a fraction of
the work and more staff can only make things happen earlier. Policy work also speeds municipalities (municipalities.py).
"""

from __future__ import annotations

from abm.compiled import mechanism
from abm.discovery import start_screening
from abm.prices import annuity
from abm.state import IDENTIFIED, LATENT, NEGOTIATING, other
from abm.worth import net_saving, unpriced_margin

MUNICIPAL = 3  # discount class of public value


@mechanism
def teach_and_meet(p, world, state):
    """Knowledge and meeting place: trainings and attendances per participant so far."""
    centre, rates, fte = state.centre[0], p.facilitator, state.lever[0].fte
    covered = world.participants.size
    centre.training += rates.trainings * rates.shares.knowledge * fte / (12.0 * covered)
    centre.event += rates.attendances * rates.shares.meeting * fte / (12.0 * covered)


@mechanism
def influence(p, state):
    """Policy: regulatory relief for permits, up to a ceiling."""
    centre, rates = state.centre[0], p.facilitator
    won = rates.relief * rates.shares.policy * state.lever[0].fte / 12.0
    centre.relief = max(centre.relief, min(centre.relief + won, rates.relief_most))


@mechanism
def screen(p, state):
    """Brokerage: screenings so far of each registered latent pair, at most one a year."""
    centre, rates = state.centre[0], p.facilitator
    if centre.candidates > 0:
        capacity = rates.screenings * rates.shares.brokerage * state.lever[0].fte
        centre.screening += min(1.0, capacity / centre.candidates) / 12.0


@mechanism
def _potential(i, world):
    """Gross value of all that participant `i` could exchange, SEK/yr: what a needs analysis would show."""
    total = 0.0
    for e in world.own[world.first[i] : world.first[i + 1]]:
        total += world.pairs[e].value
    return total


@mechanism
def _next_to_register(world, state):
    """The aware, unregistered participant with the largest potential, or -1. Registering makes nobody aware."""
    best, most = -1, 0.0
    for i in range(state.persons.size):
        person = state.persons[i]
        if person.aware and not person.registered:
            potential = _potential(i, world)
            if potential > most:
                best, most = i, potential
    return best


@mechanism
def register(t, p, world, state):
    """Brokerage: register participants; pairs of two registered parties start to be screened."""
    centre, rates = state.centre[0], p.facilitator
    centre.register_hours += rates.registrations * rates.shares.brokerage * state.lever[0].fte / 12.0
    while centre.register_hours >= 1.0:
        i = _next_to_register(world, state)
        if i < 0:
            centre.register_hours = min(centre.register_hours, 1.0)  # time not used is not saved up
            return
        centre.register_hours -= 1.0
        centre.registered += 1
        state.persons[i].registered = True
        for e in world.own[world.first[i] : world.first[i + 1]]:
            if state.pairs[e].stage == LATENT and state.persons[other(e, i, world)].registered:
                start_screening(e, t - 1, world, state)


@mechanism
def public_value(e, p, world, state):
    """Joint gain and carbon saving of a case over the horizon at the municipal rate, SEK."""
    pair = world.pairs[e]
    route = world.routes[pair.byproduct]
    quantity = min(state.supply_free[pair.supply], state.demand_free[pair.demand])
    priced = route.substitution * pair.fit * state.unit_value[route.commodity, MUNICIPAL]
    rest = unpriced_margin(pair, route, state.lever[0]) + p.worth.carbon_value * net_saving(pair, route)
    return quantity * (priced + world.annuities[MUNICIPAL] * rest)


@mechanism
def _best_case(p, world, state):
    """The identified pair not yet carried with the largest public value above its staff cost, or -1."""
    duration = annuity(world.rates[MUNICIPAL], p.closing.duration)
    best, most = -1, p.facilitator.cost / p.facilitator.cases * duration
    for e in state.moving[: state.centre[0].moving]:
        if state.pairs[e].stage == IDENTIFIED and state.pairs[e].support == 0.0:
            value = public_value(e, p, world, state)
            if value > most:
                best, most = e, value
    return best


@mechanism
def carry_cases(p, world, state):
    """Process leadership: keep running cases, oldest first, and take the best new ones while there is time.

    The last place may be a fraction of one: that case gets a fraction of the support.
    """
    centre, cases = state.centre[0], state.cases
    capacity = p.facilitator.cases * p.facilitator.shares.leadership * state.lever[0].fte
    kept = 0
    for n in range(centre.cases):
        pair = state.pairs[cases[n]]
        pair.support = 0.0
        if (pair.stage == IDENTIFIED or pair.stage == NEGOTIATING) and kept < capacity:
            cases[kept] = cases[n]
            pair.support = min(capacity - kept, 1.0)
            kept += 1
    while kept < capacity:
        e = _best_case(p, world, state)
        if e < 0:
            break
        cases[kept] = e
        state.pairs[e].support = min(capacity - kept, 1.0)
        kept += 1
    centre.cases = kept


@mechanism
def step(t, p, world, state):
    """All the centre does in month `t`; nothing at zero staff."""
    teach_and_meet(p, world, state)
    influence(p, state)
    screen(p, state)
    register(t, p, world, state)
    carry_cases(p, world, state)
    if t >= world.spin_up:
        state.account[0].centre_cost += p.facilitator.cost * state.lever[0].fte / 12.0
