"""The opportunities that their parties know of, a few in a hundred: a table of their own, so that months walk it alone.

What is asked of an opportunity only once it is known (its fit, its split, what it saves) is drawn when it is found.
"""

from __future__ import annotations

import numpy as np

from abm.compiled import kernel, mechanism
from abm.opportunities import draw_fit, draw_split, pair_key
from abm.state import NEVER_DUE, NO_CAUSE, NONE, is_known
from abm.worth import net_saving


@mechanism
def take_place(state):
    """Number of a free record in the table of cases."""
    tally = state.tally[0]
    c = tally.free
    if c == NONE:
        c = tally.cases
        tally.cases += 1
    else:
        tally.free = state.cases[c].pair
    return c


@mechanism
def describe(case, e, p, world, state):
    """Fill in what is fixed of the case of pair `e`."""
    pair = world.pairs[e]
    donor, user = world.participants[pair.supplier], world.participants[pair.receiver]
    route = world.routes[pair.byproduct]
    case.key, case.pair, case.attempt = pair_key(donor, user, route), e, state.pairs[e].attempt
    case.supplier, case.receiver, case.supply, case.demand = pair.supplier, pair.receiver, pair.supply, pair.demand
    case.here, case.there = donor.municipality, user.municipality
    case.cross, case.neighbours = donor.nace2 != user.nace2, donor.municipality == user.municipality
    case.byproduct, case.coverage, case.distance = pair.byproduct, pair.coverage, pair.distance
    case.fit = draw_fit(world.seed, case.key, p.opportunities.fit_spread)
    case.split = draw_split(world.seed, case.key)
    case.public, case.saved = world.public[user.sector], net_saving(pair.distance, route)
    case.carbon = case.saved * min(world.supplies[pair.supply].quantity, world.demands[pair.demand].quantity)


@mechanism
def open_case(e, t, p, world, state):
    """A place in the table for pair `e`, found in month `t`; returns its number."""
    c = take_place(state)
    case = state.cases[c]
    describe(case, e, p, world, state)
    case.clock, case.quantity, case.support, case.agreed = 0.0, 0.0, 0.0, 0.0
    case.look, case.losing, case.refused, case.carriers = t, 0, 0, 0
    case.identified_at, case.started_at, case.ended_at, case.cause = t, NEVER_DUE, NEVER_DUE, NO_CAUSE
    return c


@mechanism
def drop_lost(state):
    """Cases lost since last month leave the list of moving ones, and their places are free."""
    tally, kept = state.tally[0], 0
    for n in range(tally.moving):
        c = state.moving[n]
        if is_known(state.cases[c].stage):
            state.moving[kept] = c
            kept += 1
        else:
            state.cases[c].pair, tally.free = tally.free, c
    tally.moving = kept


@kernel
def put_in_order(tally, found):
    """Pairs found this month in visiting order, whatever the order in which they were looked at."""
    found[: tally.found] = np.sort(found[: tally.found])


@mechanism
def take_in_found(tally, found, moving, cases, pairs):
    """Pairs found this month, in visiting order, come into the list of moving cases."""
    new = found[: tally.found]
    last, write = tally.moving - 1, tally.moving + new.size - 1
    for n in range(new.size - 1, -1, -1):
        while last >= 0 and cases[moving[last]].pair > new[n]:
            moving[write] = moving[last]
            last -= 1
            write -= 1
        moving[write] = pairs[new[n]].place
        write -= 1
    tally.moving += new.size
    tally.found = 0
