"""Month's step 5: the five functions of every facilitator at work.

Staff hours become integrals that participants' and pairs' clocks run on, so a fraction of a person does a fraction of
the work. More staff trains, meets and registers earlier. A broker screens the registered pairs in the order of what it
can see of them, their value and distance, so that registering more does not thin out what is best. Policy work also
speeds municipalities (municipalities.py). Who works, and with how much staff: staffing.py.

Facilitators over the same participants do some work twice: `facilitator.coordination` says how far they avoid it.
"""

from __future__ import annotations

from abm import chance
from abm.appraisal import free_quantity, may_act
from abm.compiled import mechanism
from abm.discovery import start_screening
from abm.prices import MUNICIPAL, annuity
from abm.queues import pop, push
from abm.registers import knows_of, lay_out, next_to_register
from abm.staffing import CARBON, CROSS_SECTOR, FIRST_COME, SMALL_FIRMS
from abm.state import IDENTIFIED, LATENT, NEGOTIATING, other
from abm.worth import unpriced_margin


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
def candidates(f, shelf, world, state):
    """Registered latent pairs on a shelf that facilitator `f` covers."""
    count = 0
    for q in range(state.coverage.shape[0]):
        if world.serves[f, q]:
            count += state.coverage[q, shelf].candidates
    return count


@mechanism
def share_out(f, p, world, state):
    """Screenings a year that facilitator `f` gives each pair of each shelf: one, while time lasts, the best first."""
    left = p.facilitator.screenings * world.centres[f].brokerage * state.centres[f].work
    for shelf in range(state.screenings.shape[1]):
        pairs = candidates(f, shelf, world, state) if left > 0.0 else 0
        state.screenings[f, shelf] = min(1.0, left / pairs) if pairs > 0 else 0.0
        left = max(left - pairs, 0.0)


@mechanism
def screen(p, world, state):
    """Brokerage: screenings so far of the pairs of each coverage, at most one a year; uncoordinated ones overlap."""
    overlap = 1.0 - p.facilitator.coordination
    for f in range(state.centres.size):
        share_out(f, p, world, state)
    for q in range(state.coverage.shape[0]):
        for shelf in range(state.coverage.shape[1]):
            rate = 0.0
            for f in range(state.centres.size):
                if world.serves[f, q]:
                    rate = min(1.0, rate + state.screenings[f, shelf] * (1.0 - overlap * rate))
            state.coverage[q, shelf].screening += rate / 12.0


@mechanism
def enter_register(i, t, p, world, state):
    """Participant `i` is registered; its pairs with another registered one start to be screened."""
    state.persons[i].registered = True
    for e in world.own[world.first[i] : world.first[i + 1]]:
        if state.pairs[e].stage == LATENT and state.persons[other(e, i, world)].registered:
            start_screening(e, t - 1, p, world, state)


@mechanism
def register(f, t, p, world, state):
    """Brokerage: register participants; who is already in another's register costs the time and brings nothing."""
    centre = state.centres[f]
    hours = p.facilitator.registrations * world.centres[f].brokerage * centre.work / 12.0
    if hours == 0.0:
        return
    if not centre.queueing:
        lay_out(f, world, state)
    centre.register_hours += hours
    while centre.register_hours >= 1.0:
        i = next_to_register(f, p, world, state)
        if i < 0:
            centre.register_hours = min(centre.register_hours, 1.0)  # time not used is not saved up
            return
        centre.register_hours -= 1.0
        centre.registered += 1
        state.persons[i].visited |= 1 << f
        if not state.persons[i].registered:
            enter_register(i, t, p, world, state)


@mechanism
def public_value(case, p, world, state):
    """Joint gain of a case and its carbon at public value over the horizon, investment taken off, SEK.

    At the municipal rate. The carbon price and an added landfill tax are transfers and do not count (the tax of today
    stands for what landfilling costs others); 0 if the case cannot be agreed now for want of free quantity or of a
    municipality that lets its utility act.
    """
    if not may_act(case.supplier, world, state) or not may_act(case.receiver, world, state):
        return 0.0
    route, lever = world.routes[case.byproduct], state.lever[0]
    priced = route.substitution * case.fit * state.market[route.commodity].public_value
    carbon = (p.worth.carbon_value - lever.carbon_price) * case.saved
    rest = world.annuities[MUNICIPAL] * (unpriced_margin(case, route, lever) + carbon)
    rest -= world.annuities[MUNICIPAL] * route.landfill_share * lever.added_tax
    return free_quantity(case, p, world, state) * (priced + rest - route.capex)


@mechanism
def staff_cost(p, world):
    """What it costs to carry one case from idea to agreement, SEK."""
    return p.facilitator.cost / p.facilitator.cases * annuity(world.rates[MUNICIPAL], p.closing.duration)


@mechanism
def is_worth_carrying(case, p, world, state):
    """An identified case is carried while it promises more than it costs and its parties have not refused too often."""
    if case.stage == NEGOTIATING:
        return True
    willing = case.stage == IDENTIFIED and case.refused < p.facilitator.patience
    return willing and public_value(case, p, world, state) > staff_cost(p, world)


@mechanism
def priority(strategy, case, value, world):
    """Rank of a case of public `value` under a strategy; the largest is taken first."""
    if strategy == CARBON:
        return case.carbon
    if strategy == SMALL_FIRMS:
        return -min(world.participants[case.supplier].employees, world.participants[case.receiver].employees)
    if strategy == CROSS_SECTOR:
        return value if case.cross else -1.0 / value
    if strategy == FIRST_COME:
        return -float(case.identified_at)
    return value


@mechanism
def is_free(f, case, p, world):
    """May facilitator `f` take a case: nobody else carries it, as far as `f` knows?"""
    if not world.serves[f, case.coverage] or (case.carriers >> f) & 1:
        return False
    if case.carriers == 0:
        return True
    return not knows_of(f, case.key, chance.KNOWN_CASE, case.attempt, p, world)


@mechanism
def rank_cases(f, p, world, state):
    """Put the identified cases worth carrying that `f` may take into the ranking; returns how many there are."""
    ranked = 0
    for n in range(state.tally[0].moving):
        case = state.cases[state.moving[n]]
        if case.stage != IDENTIFIED or case.refused >= p.facilitator.patience or not is_free(f, case, p, world):
            continue
        value = public_value(case, p, world, state)
        if value > staff_cost(p, world):
            rank = priority(world.centres[f].strategy, case, value, world)
            ranked = push(state.ranking, ranked, rank, n)
    return ranked


@mechanism
def carry(f, c, most, state):
    """Facilitator `f`, which has time for `most` cases, carries one more; a second carrier adds nothing."""
    centre, case = state.centres[f], state.cases[c]
    state.carried[f, centre.carried] = c
    case.carriers |= 1 << f
    case.support = max(case.support, min(most - centre.carried, 1.0))
    centre.carried += 1


@mechanism
def lay_down_cases(state):
    """No case is supported until its carrier takes it up again this month."""
    for f in range(state.centres.size):
        for n in range(state.centres[f].carried):
            case = state.cases[state.carried[f, n]]
            case.support, case.carriers = 0.0, 0


@mechanism
def capacity(f, p, world, state):
    """Cases that facilitator `f` has time for; the last may be a fraction of one, with that fraction of the support."""
    return p.facilitator.cases * world.centres[f].leadership * state.centres[f].work


@mechanism
def keep_cases(f, p, world, state):
    """Process leadership: keep running cases, oldest first, while there is time and they are worth it."""
    centre, most = state.centres[f], capacity(f, p, world, state)
    before = centre.carried
    centre.carried = 0
    for n in range(before):
        c = state.carried[f, n]
        if centre.carried < most and is_worth_carrying(state.cases[c], p, world, state):
            carry(f, c, most, state)


@mechanism
def take_cases(f, t, p, world, state):
    """Process leadership: take the first-ranked new cases while there is time; each is looked at at once."""
    centre, most = state.centres[f], capacity(f, p, world, state)
    if centre.carried >= most:
        return
    ranked = rank_cases(f, p, world, state)
    while ranked > 0 and centre.carried < most:
        ranked = pop(state.ranking, ranked)
        c = state.moving[state.ranking[ranked].who]
        carry(f, c, most, state)
        state.cases[c].look = t


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
