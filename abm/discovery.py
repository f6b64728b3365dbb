"""Month's step 6: latent opportunities are found, by the parties' own search or by a broker's screening.

Both clocks of a pair are sums of integrals kept once per participant and once for the centre, so a pair need not be
visited every month: the largest rate at which its clocks can run tells the earliest month in which it can be found,
and a calendar of linked lists holds each pair under that month. The result is the same, bit for bit, as looking at
every pair every month (tests/test_discovery.py).
"""

from __future__ import annotations

import math

import numpy as np

from abm import chance
from abm.chance import exponential
from abm.compiled import kernel, mechanism
from abm.state import BROKER, IDENTIFIED, LATENT, NEVER_DUE, NOBODY, RESTING, SEARCH, SELF, move

SAFETY = 1.0 - 1e-9  # a bound must not be late by a rounding error


@kernel
def search_weights(pairs, first, own, p):  # type: ignore[no-untyped-def]
    """Per pair the finds per unit of search of each party, and of a screening (record array)."""
    weight = np.zeros(pairs.size)
    for e in range(pairs.size):
        pair = pairs[e]
        near = math.exp(-pair.distance / p.distance)
        familiar = 1.0 - p.cross_cut if pair.cross else 1.0
        weight[e] = near * familiar * (min(pair.value, p.value_cap) / 1e6) ** p.value_exponent
    total = np.zeros(first.size - 1)
    for i in range(total.size):
        for e in own[first[i] : first[i + 1]]:
            total[i] += weight[e]
    result = np.zeros(pairs.size, SEARCH)
    for e in range(pairs.size):
        result[e].supplier = weight[e] / (p.half_weight + total[pairs[e].supplier])
        result[e].receiver = weight[e] / (p.half_weight + total[pairs[e].receiver])
        result[e].broker = p.hit_rate * math.exp(-pairs[e].distance / p.broker_distance)
    return result


@mechanism
def searched(e, world, state):  # type: ignore[no-untyped-def]
    """Where the clock of own search of pair `e` stands."""
    pair, weight = world.pairs[e], world.search[e]
    own = weight.supplier * state.persons[pair.supplier].search
    return own + weight.receiver * state.persons[pair.receiver].search


@mechanism
def is_found(e, world, state):  # type: ignore[no-untyped-def]
    """Whose clock has passed its threshold: SELF, BROKER or NOBODY."""
    pair = state.pairs[e]
    if searched(e, world, state) >= pair.self_target:
        return SELF
    if state.centre[0].screening >= pair.broker_target:
        return BROKER
    return NOBODY


@mechanism
def _unlink(e, state):  # type: ignore[no-untyped-def]
    pair = state.pairs[e]
    if pair.due == NEVER_DUE:
        return
    if pair.previous >= 0:
        state.pairs[pair.previous].next = pair.next
    else:
        state.calendar[pair.due] = pair.next
    if pair.next >= 0:
        state.pairs[pair.next].previous = pair.previous
    pair.due = NEVER_DUE


@mechanism
def put_due(e, month, state):  # type: ignore[no-untyped-def]
    """Enter pair `e` in the calendar under `month`; beyond the last month it is not entered."""
    _unlink(e, state)
    if month >= state.calendar.size:
        return
    pair = state.pairs[e]
    pair.due, pair.previous, pair.next = month, -1, state.calendar[month]
    if pair.next >= 0:
        state.pairs[pair.next].previous = e
    state.calendar[month] = e


@mechanism
def reschedule(e, t, world, state):  # type: ignore[no-untyped-def]
    """Enter latent pair `e` under the earliest month in which it can be found, its clocks standing as after `t`."""
    pair, fixed, weight = state.pairs[e], world.pairs[e], world.search[e]
    rate = 0.0
    if state.persons[fixed.supplier].aware:
        rate += weight.supplier
    if state.persons[fixed.receiver].aware:
        rate += weight.receiver
    months = math.inf
    if rate > 0.0:
        months = (pair.self_target - searched(e, world, state)) / (rate * world.fastest_search)
    if pair.broker_target < math.inf:
        months = min(months, 12.0 * (pair.broker_target - state.centre[0].screening))
    if months >= state.calendar.size:
        _unlink(e, state)
    else:
        put_due(e, t + max(1, int(months * SAFETY)), state)


@mechanism
def start_screening(e, t, world, state):  # type: ignore[no-untyped-def]
    """Latent pair `e` has two registered parties: its broker clock starts."""
    pair, fixed = state.pairs[e], world.pairs[e]
    threshold = exponential(world.seed, chance.FOUND_BROKER, fixed.key, pair.attempt)
    pair.broker_target = state.centre[0].screening + threshold / world.search[e].broker
    state.centre[0].candidates += 1
    reschedule(e, t, world, state)


@mechanism
def become_latent(e, t, world, state):  # type: ignore[no-untyped-def]
    """Pair `e` can be found from now on; its clocks start anew."""
    pair, fixed = state.pairs[e], world.pairs[e]
    move(e, LATENT, state)
    threshold = exponential(world.seed, chance.FOUND_SELF, fixed.key, pair.attempt)
    pair.self_target = searched(e, world, state) + threshold
    pair.broker_target = math.inf
    if state.persons[fixed.supplier].registered and state.persons[fixed.receiver].registered:
        start_screening(e, t, world, state)
    else:
        reschedule(e, t, world, state)


@mechanism
def rest(e, t, p, state):  # type: ignore[no-untyped-def]
    """Pair `e` is lost (forgotten, failed or ended) and cannot be found for a while."""
    pair = state.pairs[e]
    move(e, RESTING, state)
    pair.attempt += 1
    pair.support = 0.0
    put_due(e, t + p.discovery.cool_down, state)


@mechanism
def identify(e, found, t, world, state):  # type: ignore[no-untyped-def]
    """Latent pair `e` is found: both parties now know of it."""
    pair, fixed = state.pairs[e], world.pairs[e]
    _unlink(e, state)
    if pair.broker_target < math.inf:
        state.centre[0].candidates -= 1
    move(e, IDENTIFIED, state)
    pair.found, pair.look = found, t
    pair.clock = 0.0
    pair.threshold = exponential(world.seed, chance.FORGOTTEN, fixed.key, pair.attempt)
    state.found[state.centre[0].found] = e
    state.centre[0].found += 1
    if found == SELF:
        state.account[0].found_self += 1
    else:
        state.account[0].found_broker += 1


@kernel
def merge_found(state):  # type: ignore[no-untyped-def]
    """Bring the list of moving pairs up to date: those found come in, lost ones go, in visiting order."""
    centre = state.centre[0]
    kept = 0
    for n in range(centre.moving):
        e = state.moving[n]
        if state.pairs[e].stage != LATENT and state.pairs[e].stage != RESTING:
            state.moving[kept] = e
            kept += 1
    new = np.sort(state.found[: centre.found])
    last, write = kept - 1, kept + new.size - 1
    for n in range(new.size - 1, -1, -1):
        while last >= 0 and state.moving[last] > new[n]:
            state.moving[write] = state.moving[last]
            last -= 1
            write -= 1
        state.moving[write] = new[n]
        write -= 1
    centre.moving = kept + new.size
    centre.found = 0


@mechanism
def step(t, world, state):  # type: ignore[no-untyped-def]
    """Look at the pairs that are due in month `t`; the others cannot be found yet."""
    e = state.calendar[t]
    while e >= 0:
        following = state.pairs[e].next
        if state.pairs[e].stage == RESTING:
            become_latent(e, t, world, state)
        else:
            found = is_found(e, world, state)
            if found == NOBODY:
                reschedule(e, t, world, state)
            else:
                identify(e, found, t, world, state)
        e = following
    merge_found(state)
