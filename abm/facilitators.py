"""Month's step 4: the resource centre's five functions at work.

Staff hours become integrals that participants' and pairs' clocks run on, so a fraction of a person does a fraction of
the work. More staff trains, meets and registers earlier; the more are registered, though, the more pairs share the
screenings. Policy work also speeds municipalities (municipalities.py).
"""

from __future__ import annotations

from abm.appraisal import free_quantity, may_act
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
    hours = rates.registrations * rates.shares.brokerage * state.lever[0].fte / 12.0
    if hours == 0.0:
        return
    centre.register_hours += hours
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
    """Joint gain of a case and its carbon at public value over the horizon, investment taken off, SEK.

    At the municipal rate. The parties' carbon price is a transfer and does not count; 0 if the case cannot be agreed
    now for want of free quantity or of a municipality that lets its utility act.
    """
    pair = world.pairs[e]
    if not may_act(pair.supplier, world, state) or not may_act(pair.receiver, world, state):
        return 0.0
    route, lever = world.routes[pair.byproduct], state.lever[0]
    priced = route.substitution * pair.fit * state.unit_value[route.commodity, MUNICIPAL]
    carbon = (p.worth.carbon_value - lever.carbon_price) * net_saving(pair, route)
    rest = world.annuities[MUNICIPAL] * (unpriced_margin(pair, route, lever) + carbon)
    return free_quantity(e, p, world, state) * (priced + rest - route.capex)


@mechanism
def staff_cost(p, world):
    """What it costs to carry one case from idea to agreement, SEK."""
    return p.facilitator.cost / p.facilitator.cases * annuity(world.rates[MUNICIPAL], p.closing.duration)


@mechanism
def is_worth_carrying(e, p, world, state):
    """An identified pair is carried while it promises more than it costs and its parties have not refused too often."""
    case = state.pairs[e]
    if case.stage == NEGOTIATING:
        return True
    willing = case.stage == IDENTIFIED and case.refused < p.facilitator.patience
    return willing and public_value(e, p, world, state) > staff_cost(p, world)


@mechanism
def _best_case(p, world, state):
    """The identified pair worth carrying, not yet carried, with the largest public value, or -1."""
    best, most = -1, 0.0
    for e in state.moving[: state.centre[0].moving]:
        case = state.pairs[e]
        if case.stage == IDENTIFIED and case.support == 0.0 and is_worth_carrying(e, p, world, state):
            value = public_value(e, p, world, state)
            if value > most:
                best, most = e, value
    return best


@mechanism
def carry_cases(t, p, world, state):
    """Process leadership: keep running cases, oldest first, and take the best new ones while there is time.

    A new case is looked at at once. The last place may be a fraction of one: that case gets a fraction of the support.
    """
    centre, cases = state.centre[0], state.cases
    capacity = p.facilitator.cases * p.facilitator.shares.leadership * state.lever[0].fte
    kept = 0
    for n in range(centre.cases):
        case = state.pairs[cases[n]]
        case.support = 0.0
        if kept < capacity and is_worth_carrying(cases[n], p, world, state):
            cases[kept] = cases[n]
            case.support = min(capacity - kept, 1.0)
            kept += 1
    while kept < capacity:
        e = _best_case(p, world, state)
        if e < 0:
            break
        cases[kept] = e
        state.pairs[e].support = min(capacity - kept, 1.0)
        state.pairs[e].look = t
        kept += 1
    centre.cases = kept


@mechanism
def step(t, p, world, state):
    """All the centre does in month `t`; nothing at zero staff."""
    teach_and_meet(p, world, state)
    influence(p, state)
    screen(p, state)
    register(t, p, world, state)
    carry_cases(t, p, world, state)
    if t >= world.spin_up:
        state.account[0].centre_cost += p.facilitator.cost * state.lever[0].fte / 12.0
