"""Month's step 6: participants become aware, learn and trust, and with that search more."""

from __future__ import annotations

import math

from abm import chance
from abm.chance import exponential
from abm.compiled import mechanism
from abm.discovery import become_aware
from abm.state import adopters_around


@mechanism
def start_level(mean, spread, trait):
    """Own level at start: uniform around the mean."""
    return mean * (1.0 + spread * trait)


@mechanism
def drift(level, start, gain, decay):
    """One month of a level in 0..1: a share of what is missing is won, then it falls back towards its start."""
    won = level + gain * (1.0 - level)
    return won - decay / 12.0 * (won - start)


@mechanism
def awareness_hazard(town, near, like, rates):
    """Hazard of becoming aware, 1/yr: by itself, by the municipality's outreach, by adopters around.

    `near` and `like` are the shares of adopters in the own municipality and sector.
    """
    outreach = rates.aware_municipal * town.maturity
    return rates.aware_spontaneous + outreach + rates.aware_peers * 0.5 * (near + like)


@mechanism
def grow_aware(i, trainings, events, rates, world, state):
    """Advance the awareness clock of participant `i` by a month; has it passed its threshold?

    An attendance that makes aware with chance q adds -ln(1 - q): the same chance, on the same threshold.
    """
    person, fixed = state.persons[i], world.participants[i]
    town = state.towns[fixed.municipality]
    near, like = adopters_around(i, world, state)
    hazard = awareness_hazard(town, near, like, rates) + state.lever[0].campaign
    person.aware_clock += hazard / 12.0
    person.aware_clock -= trainings * math.log(1.0 - rates.aware_training)
    person.aware_clock -= events * math.log(1.0 - rates.aware_event)
    return person.aware_clock >= person.aware_threshold


@mechanism
def trainings_now(person, key, seed, so_far):
    """Trainings attended this month: the centre's integral has passed so many of the own thresholds."""
    before = person.trainings
    while so_far >= person.next_training:
        person.trainings += 1
        person.next_training += exponential(seed, chance.TRAINING, key, person.trainings)
    return person.trainings - before


@mechanism
def events_now(person, key, seed, so_far):
    """Meeting-place events attended this month, likewise."""
    before = person.events
    while so_far >= person.next_event:
        person.events += 1
        person.next_event += exponential(seed, chance.EVENT, key, person.events)
    return person.events - before


@mechanism
def learn(person, fixed, trainings, events, p):
    """One month of knowledge and social capital."""
    rates, spread = p.learning, p.population.trait_spread
    lives = 1.0 if person.live > 0 else 0.0
    missed = (1.0 - rates.knowledge_training) ** trainings * (1.0 - rates.knowledge_event) ** events
    start = start_level(rates.knowledge_start, spread, fixed.trait_knowledge)
    gain = 1.0 - missed * (1.0 - lives * rates.knowledge_own / 12.0)
    person.knowledge = drift(person.knowledge, start, gain, rates.knowledge_decay)
    missed = (1.0 - rates.social_event) ** events
    start = start_level(rates.social_start, spread, fixed.trait_social)
    gain = 1.0 - missed * (1.0 - lives * rates.social_own / 12.0)
    person.social = drift(person.social, start, gain, rates.social_decay)


@mechanism
def step(t, p, world, state):
    """Awareness, knowledge, social capital and the search done so far of every participant."""
    rates, marketplace = p.discovery, state.lever[0].marketplace
    for i in range(state.persons.size):
        person, fixed = state.persons[i], world.participants[i]
        if not person.present:
            continue
        town = state.towns[fixed.municipality]
        trainings = trainings_now(person, fixed.key, world.seed, town.training)
        events = events_now(person, fixed.key, world.seed, town.event)
        if not person.aware and grow_aware(i, trainings, events, p.learning, world, state):
            become_aware(i, t, t - 1, world, state)
        learn(person, fixed, trainings, events, p)
        if person.aware:
            person.search += (rates.finds * (1.0 + rates.social_gain * person.social) + marketplace) / 12.0
