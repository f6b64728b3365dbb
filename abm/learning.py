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
    """What a month without attendance is worth: gains of who has a live exchange, and decays.

    One less what is missed, as `gains` has it: the digits are the same whether somebody attends or not.
    """
    knowledge, social = 1.0 - (1.0 - rates.knowledge_own / 12.0), 1.0 - (1.0 - rates.social_own / 12.0)
    return knowledge, social, rates.knowledge_decay / 12.0, rates.social_decay / 12.0


@mechanism
def awareness_hazard(town, like, spontaneous, municipal, peers):
    """Hazard of becoming aware, 1/yr: by itself, by the municipality's outreach, by adopters around.

    `town.adopting` and `like` are the shares of adopters in the own municipality and sector.
    """
    return spontaneous + municipal * town.maturity + peers * 0.5 * (town.adopting + like)


@mechanism
def grow_aware(learner, hazard, trainings, events, rates):
    """Advance the awareness clock of a participant by a month; has it passed its threshold?

    An attendance that makes aware with chance q adds -ln(1 - q): the same chance, on the same threshold.
    """
    clock = learner.aware_clock + hazard / 12.0
    if trainings > 0:
        clock -= trainings * math.log(1.0 - rates.aware_training)
    if events > 0:
        clock -= events * math.log(1.0 - rates.aware_event)
    learner.aware_clock = clock
    return clock >= learner.aware_threshold


@mechanism
def attend(i, world, state):
    """Trainings and events attended this month: the centre's integrals have passed so many of the own thresholds."""
    learner, key = state.learners[i], world.participants[i].key
    town, trainings, events = state.towns[learner.municipality], learner.trainings, learner.events
    while town.training >= learner.next_training:
        learner.trainings += 1
        learner.next_training += exponential(world.seed, chance.TRAINING, key, learner.trainings)
    while town.event >= learner.next_event:
        learner.events += 1
        learner.next_event += exponential(world.seed, chance.EVENT, key, learner.events)
    return learner.trainings - trainings, learner.events - events


@mechanism
def gains(knowledge, social, trainings, events, rates):
    """Shares of missing knowledge and social capital won in a month that would win these without attendance."""
    if trainings + events > 0:
        missed = (1.0 - rates.knowledge_training) ** trainings * (1.0 - rates.knowledge_event) ** events
        knowledge = 1.0 - missed * (1.0 - knowledge)
        social = 1.0 - (1.0 - rates.social_event) ** events * (1.0 - social)
    return knowledge, social


@mechanism
def count_adopting(state):
    """Shares of adopters in each municipality and sector, which are many participants' surroundings."""
    for m in range(state.towns.size):
        state.towns[m].adopting = state.towns[m].adopters / max(state.towns[m].members, 1)
    for s in range(state.adopting.size):
        state.adopting[s] = state.adopters_of_sector[s] / max(state.members_of_sector[s], 1)


@mechanism
def step(t, p, world, state):
    """Awareness, knowledge, social capital and the search done so far of every participant.

    Rates are read before the loop: in it, the compiler could not know that no record written to holds them.
    """
    rates, finds, social_gain = p.learning, p.discovery.finds, p.discovery.social_gain
    spontaneous, municipal, around = rates.aware_spontaneous, rates.aware_municipal, rates.aware_peers
    campaign, marketplace = state.lever[0].campaign, state.lever[0].marketplace
    knowledge_live, social_live, knowledge_decay, social_decay = monthly(rates)
    count_adopting(state)
    for i in range(state.persons.size):
        person, learner = state.persons[i], state.learners[i]
        if not person.present:
            continue
        town, trainings, events = state.towns[learner.municipality], 0, 0
        if town.training >= learner.next_training or town.event >= learner.next_event:
            trainings, events = attend(i, world, state)
        if not person.aware:
            hazard = awareness_hazard(town, state.adopting[learner.sector], spontaneous, municipal, around) + campaign
            if grow_aware(learner, hazard, trainings, events, rates):
                become_aware(i, t, t - 1, world, state)
        knowledge, social = (knowledge_live, social_live) if person.live > 0 else (0.0, 0.0)
        knowledge, social = gains(knowledge, social, trainings, events, rates)
        person.knowledge = drift(person.knowledge, learner.knowledge_start, knowledge, knowledge_decay)
        person.social = drift(person.social, learner.social_start, social, social_decay)
        if person.aware:
            person.search += (finds * (1.0 + social_gain * person.social) + marketplace) / 12.0
