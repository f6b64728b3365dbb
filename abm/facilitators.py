"""Month's step 5: the five functions of every facilitator at work.

Staff hours become integrals that participants' and pairs' clocks run on, so a fraction of a person does a fraction of
the work. More staff trains, meets and registers earlier; the more are registered, though, the more pairs share the
screenings. Policy work also speeds municipalities (municipalities.py). Who works, and with how much staff: staffing.py.

Facilitators over the same participants do some work twice: `facilitator.coordination` says how far they avoid it.
"""

from __future__ import annotations

import math

from abm import chance
from abm.appraisal import free_quantity, may_act
from abm.chance import uniform
from abm.compiled import mechanism
from abm.discovery import start_screening
from abm.prices import MUNICIPAL, annuity
from abm.scenario import MOST_FACILITATORS
from abm.staffing import CARBON, CROSS_SECTOR, FIRST_COME, SMALL_FIRMS
from abm.state import IDENTIFIED, LATENT, NEGOTIATING, other
from abm.worth import net_saving, unpriced_margin


@mechanism
def teach_and_meet(f, p, world, state):
    """Knowledge and meeting place: trainings and attendances per participant so far."""
    row, rates, work = world.centres[f], p.facilitator, state.centres[f].work
    covered = 0
    for m in range(state.towns.size):
        if world.covers[f, m]:
            covered += state.towns[m].members
    for m in range(state.towns.size):
        if world.covers[f, m] and covered > 0:
            state.towns[m].training += rates.trainings * row.knowledge * work / (12.0 * covered)
            state.towns[m].event += rates.attendances * row.meeting * work / (12.0 * covered)


@mechanism
def influence(f, t, p, world, state):
    """Policy: regulatory relief for permits, up to a ceiling; as maturity, held as today's during the spin-up."""
    if t < world.spin_up:
        return
    won = p.facilitator.relief * world.centres[f].policy * state.centres[f].work / 12.0
    for m in range(state.towns.size):
        if world.covers[f, m]:
            town = state.towns[m]
            town.relief = max(town.relief, min(town.relief + won, p.facilitator.relief_most))


@mechanism
def screening_rate(f, p, world, state):
    """Screenings a year of each registered latent pair that facilitator `f` covers, at most one."""
    candidates = 0
    for q in range(state.coverage.size):
        if world.serves[f, q]:
            candidates += state.coverage[q].candidates
    if candidates == 0:
        return 0.0
    return min(1.0, p.facilitator.screenings * world.centres[f].brokerage * state.centres[f].work / candidates)


@mechanism
def screen(p, world, state):
    """Brokerage: screenings so far of the pairs of each coverage, at most one a year; uncoordinated ones overlap."""
    overlap = 1.0 - p.facilitator.coordination
    for q in range(state.coverage.size):
        rate = 0.0
        for f in range(state.centres.size):
            if world.serves[f, q]:
                rate = min(1.0, rate + screening_rate(f, p, world, state) * (1.0 - overlap * rate))
        state.coverage[q].screening += rate / 12.0


@mechanism
def knows_of(f, key, event, occasion, p, world):
    """Does facilitator `f` know what another one does here? So far they are coordinated."""
    return uniform(world.seed, event, key, occasion * MOST_FACILITATORS + f) < p.facilitator.coordination


@mechanism
def interest(f, i, world, state):
    """Rank of participant `i` in the eyes of facilitator `f`; 0: nothing to exchange."""
    seen = world.potential[f, i]
    if world.centres[f].strategy == FIRST_COME and seen > 0.0:
        return 1.0 / (2.0 + state.persons[i].aware_since)
    return seen


@mechanism
def _next_to_register(f, p, world, state):
    """The aware participant of most interest that `f` has not registered, or -1. Registering makes nobody aware."""
    best, most = -1, 0.0
    for i in range(state.persons.size):
        person = state.persons[i]
        if not person.aware or (person.visited >> f) & 1:
            continue
        rank = interest(f, i, world, state)
        if rank <= most:
            continue
        key = world.participants[i].key
        if person.registered and knows_of(f, key, chance.KNOWN_REGISTER, person.turns, p, world):
            continue
        best, most = i, rank
    return best


@mechanism
def enter_register(i, t, world, state):
    """Participant `i` is registered; its pairs with another registered one start to be screened."""
    state.persons[i].registered = True
    for e in world.own[world.first[i] : world.first[i + 1]]:
        if state.pairs[e].stage == LATENT and state.persons[other(e, i, world)].registered:
            start_screening(e, t - 1, world, state)


@mechanism
def register(f, t, p, world, state):
    """Brokerage: register participants; who is already in another's register costs the time and brings nothing."""
    centre = state.centres[f]
    hours = p.facilitator.registrations * world.centres[f].brokerage * centre.work / 12.0
    if hours == 0.0:
        return
    centre.register_hours += hours
    while centre.register_hours >= 1.0:
        i = _next_to_register(f, p, world, state)
        if i < 0:
            centre.register_hours = min(centre.register_hours, 1.0)  # time not used is not saved up
            return
        centre.register_hours -= 1.0
        centre.registered += 1
        state.persons[i].visited |= 1 << f
        if not state.persons[i].registered:
            enter_register(i, t, world, state)


@mechanism
def public_value(e, p, world, state):
    """Joint gain of a case and its carbon at public value over the horizon, investment taken off, SEK.

    At the municipal rate. The carbon price and an added landfill tax are transfers and do not count (the tax of today
    stands for what landfilling costs others); 0 if the case cannot be agreed now for want of free quantity or of a
    municipality that lets its utility act.
    """
    pair = world.pairs[e]
    if not may_act(pair.supplier, world, state) or not may_act(pair.receiver, world, state):
        return 0.0
    route, lever = world.routes[pair.byproduct], state.lever[0]
    priced = route.substitution * pair.fit * state.market[route.commodity].public_value
    carbon = (p.worth.carbon_value - lever.carbon_price) * net_saving(pair, route)
    rest = world.annuities[MUNICIPAL] * (unpriced_margin(pair, route, lever) + carbon)
    rest -= world.annuities[MUNICIPAL] * route.landfill_share * lever.added_tax
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
def priority(strategy, e, value, world, state):
    """Rank of a case of public `value` under a strategy; the largest is taken first."""
    pair = world.pairs[e]
    if strategy == CARBON:
        return pair.carbon
    if strategy == SMALL_FIRMS:
        donor, user = world.participants[pair.supplier], world.participants[pair.receiver]
        return -min(donor.employees, user.employees)
    if strategy == CROSS_SECTOR:
        return value if pair.cross else -1.0 / value
    if strategy == FIRST_COME:
        return -float(state.pairs[e].identified_at)
    return value


@mechanism
def is_free(f, e, p, world, state):
    """May facilitator `f` take case `e`: nobody else carries it, as far as `f` knows?"""
    case = state.pairs[e]
    if not world.serves[f, world.pairs[e].coverage] or (case.carriers >> f) & 1:
        return False
    if case.carriers == 0:
        return True
    return not knows_of(f, world.pairs[e].key, chance.KNOWN_CASE, case.attempt, p, world)


@mechanism
def _best_case(f, p, world, state):
    """The identified pair worth carrying that `f` may take and ranks first, or -1."""
    best, most = -1, -math.inf
    for e in state.moving[: state.tally[0].moving]:
        case = state.pairs[e]
        if case.stage != IDENTIFIED or case.refused >= p.facilitator.patience or not is_free(f, e, p, world, state):
            continue
        value = public_value(e, p, world, state)
        if value > staff_cost(p, world):
            rank = priority(world.centres[f].strategy, e, value, world, state)
            if rank > most:
                best, most = e, rank
    return best


@mechanism
def carry(f, e, most, state):
    """Facilitator `f`, which has time for `most` cases, carries one more; a second carrier adds nothing."""
    centre, case = state.centres[f], state.pairs[e]
    state.cases[f, centre.cases] = e
    case.carriers |= 1 << f
    case.support = max(case.support, min(most - centre.cases, 1.0))
    centre.cases += 1


@mechanism
def lay_down_cases(state):
    """No case is supported until its carrier takes it up again this month."""
    for f in range(state.centres.size):
        for n in range(state.centres[f].cases):
            case = state.pairs[state.cases[f, n]]
            case.support, case.carriers = 0.0, 0


@mechanism
def capacity(f, p, world, state):
    """Cases that facilitator `f` has time for; the last may be a fraction of one, with that fraction of the support."""
    return p.facilitator.cases * world.centres[f].leadership * state.centres[f].work


@mechanism
def keep_cases(f, p, world, state):
    """Process leadership: keep running cases, oldest first, while there is time and they are worth it."""
    centre, most = state.centres[f], capacity(f, p, world, state)
    before = centre.cases
    centre.cases = 0
    for n in range(before):
        e = state.cases[f, n]
        if centre.cases < most and is_worth_carrying(e, p, world, state):
            carry(f, e, most, state)


@mechanism
def take_cases(f, t, p, world, state):
    """Process leadership: take the first-ranked new cases while there is time; each is looked at at once."""
    centre, most = state.centres[f], capacity(f, p, world, state)
    while centre.cases < most:
        e = _best_case(f, p, world, state)
        if e < 0:
            break
        carry(f, e, most, state)
        state.pairs[e].look = t


@mechanism
def step(t, p, world, state):
    """All that facilitators do in month `t`; nothing at zero staff."""
    for f in range(state.centres.size):
        teach_and_meet(f, p, world, state)
        influence(f, t, p, world, state)
    screen(p, world, state)
    for f in range(state.centres.size):
        register(f, t, p, world, state)
    lay_down_cases(state)
    for f in range(state.centres.size):
        keep_cases(f, p, world, state)
    for f in range(state.centres.size):
        take_cases(f, t, p, world, state)
