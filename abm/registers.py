"""Whom a facilitator registers next: a queue of the aware by what its strategy sees in them.

A queue is laid out when its facilitator first has time to register, and then kept; entries that time has overtaken
(closed, registered, aware anew later) are mended or dropped when they come up.
"""

from __future__ import annotations

from abm import chance
from abm.chance import uniform
from abm.compiled import mechanism
from abm.queues import pop, push
from abm.scenario import MOST_FACILITATORS
from abm.staffing import FIRST_COME


@mechanism
def knows_of(f, key, event, occasion, p, world):
    """Does facilitator `f` know what another one does here? So far they are coordinated."""
    return uniform(world.seed, event, key, occasion * MOST_FACILITATORS + f) < p.facilitator.coordination


@mechanism
def interest(f, i, world, state):
    """Rank of participant `i` in the eyes of facilitator `f`; 0: nothing to exchange.

    While somebody queues it may only fall: what has become too high is mended when it comes up, too low is never seen.
    """
    seen = world.potential[f, i]
    if world.centres[f].strategy == FIRST_COME and seen > 0.0:
        return 1.0 / (2.0 + state.persons[i].aware_since)
    return seen


@mechanism
def join(f, i, world, state):
    """Participant `i`, which is aware, queues for the register of `f` if it is of interest and does not queue yet."""
    person, rank = state.persons[i], interest(f, i, world, state)
    if rank > 0.0 and not ((person.visited | person.queued) >> f) & 1:
        person.queued |= 1 << f
        state.centres[f].waiting = push(state.queue[f], state.centres[f].waiting, rank, i)


@mechanism
def join_queues(i, world, state):
    """Participant `i` has become aware."""
    for f in range(state.centres.size):
        if state.centres[f].queueing:
            join(f, i, world, state)


@mechanism
def lay_out(f, world, state):
    """Facilitator `f` starts its queue: all that are aware."""
    state.centres[f].queueing, state.centres[f].waiting = True, 0
    for i in range(state.persons.size):
        if state.persons[i].aware:
            join(f, i, world, state)


@mechanism
def next_to_register(f, p, world, state):
    """The aware participant of most interest that `f` has not registered, or -1. Registering makes nobody aware.

    Who is in another's register that `f` knows of is left to that one, as long as it stays there.
    """
    centre, queue = state.centres[f], state.queue[f]
    while centre.waiting > 0:
        centre.waiting = pop(queue, centre.waiting)
        i, rank = queue[centre.waiting].who, queue[centre.waiting].rank
        person = state.persons[i]
        person.queued &= ~(1 << f)
        if not person.aware or (person.visited >> f) & 1:
            continue
        if interest(f, i, world, state) < rank:
            join(f, i, world, state)
            continue
        key = world.participants[i].key
        if person.registered and knows_of(f, key, chance.KNOWN_REGISTER, state.stays[i].turns, p, world):
            continue
        return i
    return -1
