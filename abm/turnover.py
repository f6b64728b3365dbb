"""Month's step 11: firms close, and new ones enter at free sites.

Sites are laid out with the region, so that a firm that enters has a place, a sector and streams of its own; living
exchanges that carry what it could take part in attract it. Pairs with an absent party are dormant.
"""

from __future__ import annotations

import math

from abm import chance
from abm.chance import exponential, uniform
from abm.compiled import mechanism
from abm.discovery import become_latent, leave
from abm.learning import start_level
from abm.operation import end
from abm.queues import pop, push
from abm.registers import join_queues
from abm.state import (
    ACTIVE,
    DORMANT,
    EXIT,
    IDENTIFIED,
    LATENT,
    NEGOTIATING,
    NONE,
    count_member,
    other,
)

TURN = 20  # bits kept for the attendances of one occupant of a site


@mechanism
def settle(i, t, p, world, state):
    """Participant `i` starts afresh: own knowledge and trust, aware or not, thresholds of its clocks."""
    person, learner, fixed, rates = state.persons[i], state.learners[i], world.participants[i], p.learning
    town, spread, turn = state.towns[fixed.municipality], p.population.trait_spread, state.stays[i].turns
    learner.municipality, learner.sector = fixed.municipality, fixed.sector
    learner.knowledge_start = start_level(rates.knowledge_start, spread, fixed.trait_knowledge)
    learner.social_start = start_level(rates.social_start, spread, fixed.trait_social)
    person.knowledge, person.social = learner.knowledge_start, learner.social_start
    person.aware = uniform(world.seed, chance.AWARE_AT_START, fixed.key, turn) < rates.aware_start
    person.aware_since, person.agreements, person.refusals = t, 0, 0
    learner.aware_clock = 0.0
    learner.aware_threshold = exponential(world.seed, chance.AWARENESS, fixed.key, turn)
    learner.next_training = town.training + exponential(world.seed, chance.TRAINING, fixed.key, learner.trainings)
    learner.next_event = town.event + exponential(world.seed, chance.EVENT, fixed.key, learner.events)


@mechanism
def next_turn(i, world, state):
    """The threshold of the next closing or entry."""
    stay = state.stays[i]
    stay.threshold = exponential(world.seed, chance.STAYS, world.participants[i].key, stay.turns)


@mechanism
def stay_until(i, t, rates, world, state):
    """Firm `i`, there since month `t`, closes when its clock, whose hazard is constant, reaches its threshold."""
    next_turn(i, world, state)
    stay, monthly = state.stays[i], rates.exit / 12.0
    if monthly > 0.0 and stay.threshold / monthly < state.closings.size - t:
        month = t + max(1, math.ceil(stay.threshold / monthly))
        if month < state.closings.size:
            stay.next, state.closings[month] = state.closings[month], i


@mechanism
def stay_free(i, world, state):
    """Site `i` is free: its clock towards an entry starts."""
    next_turn(i, world, state)
    stay = state.stays[i]
    stay.clock, stay.seen = 0.0, 0


@mechanism
def leave_pair(e, t, p, world, state):
    """Pair `e` loses a party, whatever its stage."""
    pair, fixed = state.pairs[e], world.pairs[e]
    donor, user = state.persons[fixed.supplier], state.persons[fixed.receiver]
    if pair.stage == ACTIVE:
        end(pair.place, EXIT, t, p, world, state)
    elif pair.stage == NEGOTIATING:
        state.account[0].failed += 1
        donor.talks -= 1
        user.talks -= 1
    elif pair.stage == IDENTIFIED:
        state.account[0].forgotten += 1
    elif pair.stage == LATENT and donor.registered and user.registered:
        state.coverage[fixed.coverage, fixed.shelf].candidates -= 1
    leave(e, DORMANT, state)


@mechanism
def close(i, t, p, world, state):
    """Firm `i` closes: all it had or knew of ends."""
    person = state.persons[i]
    for e in world.own[world.first[i] : world.first[i + 1]]:
        if state.pairs[e].stage != DORMANT:
            leave_pair(e, t, p, world, state)
    count_member(i, -1, world, state)
    person.aware, person.registered, person.visited = False, False, 0
    state.stays[i].turns += 1
    state.account[0].closed += 1
    stay_free(i, world, state)
    state.vacated[state.tally[0].vacated] = i
    state.tally[0].vacated += 1


@mechanism
def enter(i, t, p, world, state):
    """A new firm at site `i`: its pairs with those that are there can be found from next month on."""
    learner, stay = state.learners[i], state.stays[i]
    count_member(i, 1, world, state)
    stay.turns += 1
    learner.trainings = learner.events = stay.turns << TURN  # its luck does not hang on what was here before
    settle(i, t, p, world, state)
    state.account[0].entered += 1
    if state.persons[i].aware:
        join_queues(i, world, state)
    stay_until(i, t, p.turnover, world, state)
    for e in world.own[world.first[i] : world.first[i + 1]]:
        if state.persons[other(e, i, world)].present:
            become_latent(e, t, p, world, state)


@mechanism
def offers(i, world, state):
    """Living exchanges in the municipality that carry what site `i` could take part in."""
    site, total = world.participants[i], 0
    here = state.live_here[site.municipality]
    for r in range(here.size):
        total += here[r] * ((site.routes >> r) & 1)
    return total


@mechanism
def entry_hazard(i, rates, world, state):
    """Hazard of a new firm at site `i`, 1/yr."""
    x = offers(i, world, state)
    return rates.entry * (1.0 + rates.attraction * x / (x + rates.half_offers))


@mechanism
def attract(i, rates, world, state):
    """The step of free site `i` follows its hazard, which only a start or an ending in the municipality can change."""
    stay = state.stays[i]
    changes = state.towns[stay.municipality].changes
    if stay.seen != changes:
        stay.step, stay.seen = entry_hazard(i, rates, world, state) / 12.0, changes


@mechanism
def closing_now(t, state):
    """Put the firms whose time is over in month `t` into a heap, the lowest number first; returns how many."""
    waiting, i = 0, state.closings[t]
    while i != NONE:
        waiting = push(state.ranking, waiting, 0.0, i)
        i = state.stays[i].next
    return waiting


@mechanism
def close_below(i, waiting, t, p, world, state):
    """Close those of the `waiting` firms with a number below `i`; returns how many are left."""
    while waiting > 0 and state.ranking[0].who < i:
        waiting = pop(state.ranking, waiting)
        close(state.ranking[waiting].who, t, p, world, state)
    return waiting


@mechanism
def offer_vacated(state):
    """This month's vacated sites join the free ones, by number."""
    tally = state.tally[0]
    last, write = tally.sites - 1, tally.sites + tally.vacated - 1
    for n in range(tally.vacated - 1, -1, -1):
        while last >= 0 and state.sites[last] > state.vacated[n]:
            state.sites[write] = state.sites[last]
            last -= 1
            write -= 1
        state.sites[write] = state.vacated[n]
        write -= 1
    tally.sites += tally.vacated
    tally.vacated = 0


@mechanism
def step(t, p, world, state):
    """Firms whose time is over close, and the clock of each free site runs towards entry, by number; utilities stay."""
    waiting, kept = closing_now(t, state), 0
    for n in range(state.tally[0].sites):
        i = state.sites[n]
        waiting = close_below(i, waiting, t, p, world, state)
        stay = state.stays[i]
        attract(i, p.turnover, world, state)
        stay.clock += stay.step
        if stay.clock >= stay.threshold:
            enter(i, t, p, world, state)
        else:
            state.sites[kept] = i
            kept += 1
    state.tally[0].sites = kept
    close_below(state.stays.size, waiting, t, p, world, state)
    offer_vacated(state)
