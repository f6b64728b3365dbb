"""Month's step 6: participants become aware, learn and trust, and with that search more."""

from __future__ import annotations

import math

from abm import chance
from abm.chance import exponential
from abm.compiled import mechanism
from abm.discovery import become_aware


@mechanism
def start_level(mean, spread, trait):
    """Own level at start: uniform around the mean."""
    return mean * (1.0 + spread * trait)


@mechanism
def drift(level, start, gain, decay):
    """One month of a level in 0..1: a share of what is missing is won, then it falls back towards its start.

    `decay` is a month's.
    """
    won = level + gain * (1.0 - level)
    return won - decay * (won - start)


@mechanism
def monthly(rates):
    """What a month without attendance is worth: gains of who has a live exchange, and decays."""
    knowledge, social = 1.0 - (1.0 - rates.knowledge_own / 12.0), 1.0 - (1.0 - rates.social_own / 12.0)
    return knowledge, social, rates.knowledge_decay / 12.0, rates.social_decay / 12.0


@mechanism
def awareness_hazard(town, near, like, rates):
    """Hazard of becoming aware, 1/yr: by itself, by the municipality's outreach, by adopters around.

    `near` and `like` are the shares of adopters in the own municipality and sector.
    """
    outreach = rates.aware_municipal * town.maturity
    return rates.aware_spontaneous + outreach + rates.aware_peers * 0.5 * (near + like)


@mechanism
def grow_aware(i, trainings, events, rates, state):
    """Advance the awareness clock of participant `i` by a month; has it passed its threshold?

    An attendance that makes aware with chance q adds -ln(1 - q): the same chance, on the same threshold.
    """
    learner = state.learners[i]
    town, like = state.towns[learner.municipality], state.adopting[learner.sector]
    hazard = awareness_hazard(town, town.adopting, like, rates) + state.lever[0].campaign
    learner.aware_clock += hazard / 12.0
    if trainings > 0:
        learner.aware_clock -= trainings * math.log(1.0 - rates.aware_training)
    if events > 0:
        learner.aware_clock -= events * math.log(1.0 - rates.aware_event)
    return learner.aware_clock >= learner.aware_threshold


@mechanism
def trainings_now(i, world, state):
    """Trainings attended this month: the centre's integral has passed so many of the own thresholds."""
    learner = state.learners[i]
    before, so_far = learner.trainings, state.towns[learner.municipality].training
    while so_far >= learner.next_training:
        learner.trainings += 1
        key = world.participants[i].key
        learner.next_training += exponential(world.seed, chance.TRAINING, key, learner.trainings)
    return learner.trainings - before


@mechanism
def events_now(i, world, state):
    """Meeting-place events attended this month, likewise."""
    learner = state.learners[i]
    before, so_far = learner.events, state.towns[learner.municipality].event
    while so_far >= learner.next_event:
        learner.events += 1
        key = world.participants[i].key
        learner.next_event += exponential(world.seed, chance.EVENT, key, learner.events)
    return learner.events - before


@mechanism
def gains(live, trainings, events, month, rates):
    """Shares of missing knowledge and social capital won this month; `month` is what `monthly` says."""
    knowledge, social = month[:2] if live > 0 else (0.0, 0.0)
    if trainings + events > 0:
        missed = (1.0 - rates.knowledge_training) ** trainings * (1.0 - rates.knowledge_event) ** events
        knowledge = 1.0 - missed * (1.0 - knowledge)
        social = 1.0 - (1.0 - rates.social_event) ** events * (1.0 - social)
    return knowledge, social


@mechanism
def peers(state):
    """Shares of adopters in each municipality and sector, which are many participants' surroundings."""
    for m in range(state.towns.size):
        state.towns[m].adopting = state.towns[m].adopters / max(state.towns[m].members, 1)
    for s in range(state.adopting.size):
        state.adopting[s] = state.adopters_of_sector[s] / max(state.members_of_sector[s], 1)


@mechanism
def step(t, p, world, state):
    """Awareness, knowledge, social capital and the search done so far of every participant."""
    rates, marketplace, month = p.discovery, state.lever[0].marketplace, monthly(p.learning)
    finds, social_gain = rates.finds, rates.social_gain
    peers(state)
    for i in range(state.persons.size):
        person, learner = state.persons[i], state.learners[i]
        if not person.present:
            continue
        trainings, events = trainings_now(i, world, state), events_now(i, world, state)
        if not person.aware and grow_aware(i, trainings, events, p.learning, state):
            become_aware(i, t, t - 1, world, state)
        knowledge, social = gains(person.live, trainings, events, month, p.learning)
        person.knowledge = drift(person.knowledge, learner.knowledge_start, knowledge, month[2])
        person.social = drift(person.social, learner.social_start, social, month[3])
        if person.aware:
            person.search += (finds * (1.0 + social_gain * person.social) + marketplace) / 12.0
