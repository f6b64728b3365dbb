"""Month's step 5: participants become aware, learn and trust, and with that search more."""

from __future__ import annotations

import math

from abm import chance
from abm.chance import exponential
from abm.compiled import mechanism
from abm.discovery import reschedule
from abm.state import LATENT


@mechanism
def start_level(mean, spread, trait):  # type: ignore[no-untyped-def]
    """Own level at start: uniform around the mean."""
    return mean * (1.0 + spread * trait)


@mechanism
def drift(level, start, gain, decay):  # type: ignore[no-untyped-def]
    """One month of a level in 0..1: a share of what is missing is won, the rest falls back towards its start."""
    return level + gain * (1.0 - level) - decay / 12.0 * (level - start)


@mechanism
def awareness_hazard(i, p, world, state):  # type: ignore[no-untyped-def]
    """Hazard of becoming aware, 1/yr: by itself, by the municipality's outreach, by adopters around."""
    fixed = world.participants[i]
    town = state.towns[fixed.municipality]
    near = town.adopters / world.members[fixed.municipality]
    like = state.adopters_of_sector[fixed.sector] / world.sector_members[fixed.sector]
    rates = p.learning
    return rates.aware_spontaneous + rates.aware_municipal * town.maturity + rates.aware_peers * 0.5 * (near + like)


@mechanism
def attend(i, p, world, state):  # type: ignore[no-untyped-def]
    """Trainings and events attended this month, from the centre's integrals and own thresholds."""
    person, centre, key = state.persons[i], state.centre[0], world.participants[i].key
    trainings, events = 0, 0
    while centre.training >= person.next_training:
        trainings += 1
        person.trainings += 1
        person.next_training += exponential(world.seed, chance.TRAINING, key, person.trainings)
    while centre.event >= person.next_event:
        events += 1
        person.events += 1
        person.next_event += exponential(world.seed, chance.EVENT, key, person.events)
    return trainings, events


@mechanism
def become_aware(i, t, world, state):  # type: ignore[no-untyped-def]
    """From now on participant `i` searches; its latent pairs may be found earlier than they were due."""
    state.persons[i].aware = True
    for e in world.own[world.first[i] : world.first[i + 1]]:
        if state.pairs[e].stage == LATENT:
            reschedule(e, t - 1, world, state)


@mechanism
def step(t, p, world, state):  # type: ignore[no-untyped-def]
    """Awareness, knowledge, social capital and the search done so far of every participant."""
    rates, spread = p.learning, p.population.trait_spread
    for i in range(state.persons.size):
        person, fixed = state.persons[i], world.participants[i]
        trainings, events = attend(i, p, world, state)
        if not person.aware:
            person.aware_clock += awareness_hazard(i, p, world, state) / 12.0
            person.aware_clock -= trainings * math.log(1.0 - rates.aware_training)
            person.aware_clock -= events * math.log(1.0 - rates.aware_event)
            if person.aware_clock >= person.aware_threshold:
                become_aware(i, t, world, state)
        lives = 1.0 if person.live > 0 else 0.0
        missed = (1.0 - rates.knowledge_training) ** trainings * (1.0 - rates.knowledge_event) ** events
        start = start_level(rates.knowledge_start, spread, fixed.trait_knowledge)
        gain = 1.0 - missed * (1.0 - lives * rates.knowledge_own / 12.0)
        person.knowledge = drift(person.knowledge, start, gain, rates.knowledge_decay)
        missed = (1.0 - rates.social_event) ** events
        start = start_level(rates.social_start, spread, fixed.trait_social)
        gain = 1.0 - missed * (1.0 - lives * rates.social_own / 12.0)
        person.social = drift(person.social, start, gain, rates.social_decay)
        if person.aware:
            person.search += p.discovery.finds * (1.0 + p.discovery.social_gain * person.social) / 12.0
