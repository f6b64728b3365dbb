"""Month's step 7: latent opportunities are found, by the parties' own search or by a broker's screening.

Both clocks of a pair are sums of integrals kept once per participant and once for the centre, so a pair need not be
visited every month: the largest rate at which its clocks can run tells the earliest month in which it can be found,
and a calendar of linked lists holds each pair under that month. The result is the same, bit for bit, as looking at
every pair every month (tests/test_discovery.py).
"""

from __future__ import annotations

import math

from abm import chance
from abm.cases import drop_lost, open_case, put_in_order, take_in_found
from abm.chance import exponential
from abm.compiled import mechanism
from abm.opportunities import pair_key
from abm.registers import join_queues
from abm.state import BROKER, IDENTIFIED, LATENT, NEVER_DUE, NOBODY, NONE, RESTING, SELF, is_known, move
from abm.worth import pay, search_cost

SAFETY = 1.0 - 1e-9  # a bound must not be late by a rounding error


@mechanism
def searched(pair, donor, user):
    """Where the clock of own search of a pair stands."""
    return pair.weight * (donor.attention * donor.search + user.attention * user.search)


@mechanism
def is_found(clocks, pair, donor, user, screening):
    """Whose clock has passed its threshold: SELF, BROKER or NOBODY."""
    if searched(pair, donor, user) >= clocks.self_target:
        return SELF
    return BROKER if screening >= clocks.broker_target else NOBODY


@mechanism
def months_to_wait(clocks, pair, donor, user, screening, fastest):
    """Months in which a latent pair cannot be found, whatever happens; infinite if its clocks stand still.

    `fastest` bounds what a month adds to a participant's search; a month adds at most 1/12 to the screening.
    """
    rate = fastest * pair.weight * (donor.attention * donor.aware + user.attention * user.aware)
    months = (clocks.self_target - searched(pair, donor, user)) / rate if rate > 0.0 else math.inf
    return min(months, 12.0 * (clocks.broker_target - screening))


@mechanism
def unlink(e, pairs, calendar):
    """Take pair `e`, which is not known, out of the calendar."""
    pair = pairs[e]
    if pair.place == NEVER_DUE:
        return
    if pair.previous != NONE:
        pairs[pair.previous].next = pair.next
    else:
        calendar[pair.place] = pair.next
    if pair.next != NONE:
        pairs[pair.next].previous = pair.previous
    pair.place = NEVER_DUE


@mechanism
def put_due(e, month, pairs, calendar):
    """Enter pair `e`, which is not in the calendar, under `month`; beyond the last month it is not entered."""
    pair = pairs[e]
    pair.place = NEVER_DUE
    if month >= calendar.size:
        return
    pair.place, pair.previous, pair.next = month, NONE, calendar[month]
    if pair.next != NONE:
        pairs[pair.next].previous = e
    calendar[month] = e


@mechanism
def reschedule(e, t, world, state):
    """Enter latent pair `e` under the earliest month in which it can be found, its clocks standing as after `t`."""
    pair = world.pairs[e]
    donor, user = state.persons[pair.supplier], state.persons[pair.receiver]
    screening = state.coverage[pair.coverage, pair.shelf].screening
    months = months_to_wait(state.pairs[e], pair, donor, user, screening, world.fastest_search)
    wait = state.calendar.size
    if months < wait:
        wait = max(1, int(months * SAFETY))
    unlink(e, state.pairs, state.calendar)
    put_due(e, t + wait, state.pairs, state.calendar)


@mechanism
def key_of(e, world):
    """Name of pair `e` in chance."""
    pair = world.pairs[e]
    donor, user = world.participants[pair.supplier], world.participants[pair.receiver]
    return pair_key(donor, user, world.routes[pair.byproduct])


@mechanism
def start_screening(e, t, p, world, state):
    """Latent pair `e` has two registered parties: its broker clock starts."""
    pair, clocks = world.pairs[e], state.pairs[e]
    coverage = state.coverage[pair.coverage, pair.shelf]
    threshold = exponential(world.seed, chance.FOUND_BROKER, key_of(e, world), clocks.attempt)
    hit = p.discovery.hit_rate * math.exp(-pair.distance / p.discovery.broker_distance)
    clocks.broker_target = coverage.screening + threshold / hit
    coverage.candidates += 1
    reschedule(e, t, world, state)


@mechanism
def become_latent(e, t, p, world, state):
    """Pair `e`, which is not known, can be found from now on; its clocks start anew."""
    clocks, pair = state.pairs[e], world.pairs[e]
    donor, user = state.persons[pair.supplier], state.persons[pair.receiver]
    move(e, LATENT, state)
    threshold = exponential(world.seed, chance.FOUND_SELF, key_of(e, world), clocks.attempt)
    clocks.self_target = searched(pair, donor, user) + threshold
    clocks.broker_target = math.inf
    if donor.registered and user.registered:
        start_screening(e, t, p, world, state)
    else:
        reschedule(e, t, world, state)


@mechanism
def become_aware(i, t, done, world, state):
    """From month `t` on participant `i` searches; its latent pairs, clocks as after `done`, may be found earlier."""
    state.persons[i].aware, state.persons[i].aware_since = True, t
    join_queues(i, world, state)
    for e in world.own[world.first[i] : world.first[i + 1]]:
        if state.pairs[e].stage == LATENT:
            reschedule(e, done, world, state)


@mechanism
def leave(e, stage, state):
    """Pair `e` goes out of the calendar, or is lost as a case, into `stage`; another attempt starts."""
    pair = state.pairs[e]
    known, place = is_known(pair.stage), pair.place
    move(e, stage, state)  # while `place` still says which case
    if known:
        state.cases[place].support = 0.0
        pair.place = NEVER_DUE
    else:
        unlink(e, state.pairs, state.calendar)
    pair.attempt += 1


@mechanism
def rest(c, t, p, state):
    """Case `c` is lost (forgotten, failed or ended) and cannot be found for a while."""
    e = state.cases[c].pair
    leave(e, RESTING, state)
    put_due(e, t + p.discovery.cool_down, state.pairs, state.calendar)


@mechanism
def identify(e, found, t, p, world, state):
    """Latent pair `e` is found."""
    fixed = world.pairs[e]
    unlink(e, state.pairs, state.calendar)
    if state.persons[fixed.supplier].registered and state.persons[fixed.receiver].registered:
        state.coverage[fixed.coverage, fixed.shelf].candidates -= 1
    c = open_case(e, t, p, world, state)
    case = state.cases[c]
    case.found = found
    case.threshold = exponential(world.seed, chance.FORGOTTEN, case.key, case.attempt)
    move(e, IDENTIFIED, state)  # it had no case before
    state.pairs[e].place, case.stage = c, IDENTIFIED
    state.found[state.tally[0].found] = e
    state.tally[0].found += 1
    if found == SELF:
        state.account[0].found_self += 1
    else:
        state.account[0].found_broker += 1


@mechanism
def pay_searches(p, world, state):
    """Who searched pays for it, whatever comes of the find: with a broker both parties, else those that are aware."""
    for e in state.found[: state.tally[0].found]:
        found = state.cases[state.pairs[e].place].found
        for i in (world.pairs[e].supplier, world.pairs[e].receiver):
            if found == BROKER or state.persons[i].aware:
                pay(i, search_cost(found, state.persons[i], p.transaction), world, state)


@mechanism
def tell_parties(t, world, state):
    """Both parties of a pair found this month know of it, and so of by-product exchange.

    After all pairs due were looked at: who becomes aware now finds from next month on.
    """
    for e in state.found[: state.tally[0].found]:
        for i in (world.pairs[e].supplier, world.pairs[e].receiver):
            if not state.persons[i].aware:
                become_aware(i, t, t, world, state)


@mechanism
def settle_finds(t, p, world, state):
    """This month's finds, in visiting order so that sums do not hang on the calendar: paid, told, and taken in."""
    put_in_order(state.tally[0], state.found)
    pay_searches(p, world, state)
    tell_parties(t, world, state)
    take_in_found(state.tally[0], state.found, state.moving, state.cases, state.pairs)


@mechanism
def look_at(e, t, p, world, state):
    """Latent pair `e` is found if a clock of its has passed its threshold, else due again."""
    pair = world.pairs[e]
    donor, user = state.persons[pair.supplier], state.persons[pair.receiver]
    found = is_found(state.pairs[e], pair, donor, user, state.coverage[pair.coverage, pair.shelf].screening)
    if found == NOBODY:
        reschedule(e, t, world, state)
    else:
        identify(e, found, t, p, world, state)


@mechanism
def step(t, p, world, state):
    """Look at the pairs that are due in month `t`; the others cannot be found yet."""
    drop_lost(state)
    e = state.calendar[t]
    while e != NONE:
        following = state.pairs[e].next
        if state.pairs[e].stage == RESTING:
            become_latent(e, t, p, world, state)
        else:
            look_at(e, t, p, world, state)
        e = following
    if state.tally[0].found > 0:
        settle_finds(t, p, world, state)
