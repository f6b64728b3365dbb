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
def search_weights(pairs, first, own, p):
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
def searched(weight, donor, user):
    """Where the clock of own search of a pair stands."""
    return weight.supplier * donor.search + weight.receiver * user.search


@mechanism
def is_found(case, weight, donor, user, screening):
    """Whose clock has passed its threshold: SELF, BROKER or NOBODY."""
    if searched(weight, donor, user) >= case.self_target:
        return SELF
    return BROKER if screening >= case.broker_target else NOBODY


@mechanism
def months_to_wait(case, weight, donor, user, screening, fastest):
    """Months in which a latent pair cannot be found, whatever happens; infinite if its clocks stand still.

    `fastest` bounds what a month adds to a participant's search; a month adds at most 1/12 to the screening.
    """
    rate = fastest * (weight.supplier * donor.aware + weight.receiver * user.aware)
    months = (case.self_target - searched(weight, donor, user)) / rate if rate > 0.0 else math.inf
    return min(months, 12.0 * (case.broker_target - screening))


@mechanism
def unlink(e, cases, calendar):
    """Take pair `e` out of the calendar."""
    case = cases[e]
    if case.due == NEVER_DUE:
        return
    if case.previous >= 0:
        cases[case.previous].next = case.next
    else:
        calendar[case.due] = case.next
    if case.next >= 0:
        cases[case.next].previous = case.previous
    case.due = NEVER_DUE


@mechanism
def put_due(e, month, cases, calendar):
    """Enter pair `e` in the calendar under `month`; beyond the last month it is not entered."""
    unlink(e, cases, calendar)
    if month >= calendar.size:
        return
    case = cases[e]
    case.due, case.previous, case.next = month, -1, calendar[month]
    if case.next >= 0:
        cases[case.next].previous = e
    calendar[month] = e


@mechanism
def reschedule(e, t, world, state):
    """Enter latent pair `e` under the earliest month in which it can be found, its clocks standing as after `t`."""
    pair = world.pairs[e]
    donor, user = state.persons[pair.supplier], state.persons[pair.receiver]
    screening = state.centre[0].screening
    months = months_to_wait(state.pairs[e], world.search[e], donor, user, screening, world.fastest_search)
    wait = state.calendar.size
    if months < wait:
        wait = max(1, int(months * SAFETY))
    put_due(e, t + wait, state.pairs, state.calendar)


@mechanism
def start_screening(e, t, world, state):
    """Latent pair `e` has two registered parties: its broker clock starts."""
    case = state.pairs[e]
    threshold = exponential(world.seed, chance.FOUND_BROKER, world.pairs[e].key, case.attempt)
    case.broker_target = state.centre[0].screening + threshold / world.search[e].broker
    state.centre[0].candidates += 1
    reschedule(e, t, world, state)


@mechanism
def become_latent(e, t, world, state):
    """Pair `e` can be found from now on; its clocks start anew."""
    case, pair = state.pairs[e], world.pairs[e]
    donor, user = state.persons[pair.supplier], state.persons[pair.receiver]
    move(e, LATENT, state)
    threshold = exponential(world.seed, chance.FOUND_SELF, pair.key, case.attempt)
    case.self_target = searched(world.search[e], donor, user) + threshold
    case.broker_target = math.inf
    if donor.registered and user.registered:
        start_screening(e, t, world, state)
    else:
        reschedule(e, t, world, state)


@mechanism
def become_aware(i, t, world, state):
    """From now on participant `i` searches; its latent pairs, clocks as after `t`, may be found earlier."""
    state.persons[i].aware = True
    for e in world.own[world.first[i] : world.first[i + 1]]:
        if state.pairs[e].stage == LATENT:
            reschedule(e, t, world, state)


@mechanism
def rest(e, t, p, state):
    """Pair `e` is lost (forgotten, failed or ended) and cannot be found for a while."""
    pair = state.pairs[e]
    move(e, RESTING, state)
    pair.attempt += 1
    pair.support = 0.0
    put_due(e, t + p.discovery.cool_down, state.pairs, state.calendar)


@mechanism
def identify(e, found, t, world, state):
    """Latent pair `e` is found."""
    pair, fixed = state.pairs[e], world.pairs[e]
    unlink(e, state.pairs, state.calendar)
    if state.persons[fixed.supplier].registered and state.persons[fixed.receiver].registered:
        state.centre[0].candidates -= 1
    move(e, IDENTIFIED, state)
    pair.found, pair.look, pair.refused, pair.clock = found, t, 0, 0.0
    pair.identified_at = t
    pair.threshold = exponential(world.seed, chance.FORGOTTEN, fixed.key, pair.attempt)
    state.found[state.centre[0].found] = e
    state.centre[0].found += 1
    if found == SELF:
        state.account[0].found_self += 1
    else:
        state.account[0].found_broker += 1


@mechanism
def tell_parties(t, world, state):
    """Both parties of a pair found this month know of it, and so of by-product exchange.

    After all pairs due were looked at: who becomes aware now finds from next month on.
    """
    for e in state.found[: state.centre[0].found]:
        for i in (world.pairs[e].supplier, world.pairs[e].receiver):
            if not state.persons[i].aware:
                become_aware(i, t, world, state)


@kernel
def merge_found(state):
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
def step(t, world, state):
    """Look at the pairs that are due in month `t`; the others cannot be found yet."""
    screening = state.centre[0].screening
    e = state.calendar[t]
    while e >= 0:
        case, pair = state.pairs[e], world.pairs[e]
        following = case.next
        if case.stage == RESTING:
            become_latent(e, t, world, state)
        else:
            donor, user = state.persons[pair.supplier], state.persons[pair.receiver]
            found = is_found(case, world.search[e], donor, user, screening)
            if found == NOBODY:
                reschedule(e, t, world, state)
            else:
                identify(e, found, t, world, state)
        e = following
    tell_parties(t, world, state)
    merge_found(state)
