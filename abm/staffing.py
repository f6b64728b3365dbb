"""Month's step 3: who facilitates, and with how much staff.

The resource centre is the first facilitator, described by the parameters `facilitator.*`. A region or scenario may
name others: the existing business support, local nodes, a national centre that makes the nodes it supports more
productive. Staff is planned by date; money decides what is kept of it: national project money ends, municipalities pay
while they see their benefit, and funders close what does not bring enough. They see benefit grow since the opening:
what would have grown without the centre they cannot see.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from abm.catalogue import PAYERS, STRATEGIES, Facilitator
from abm.compiled import kernel, mechanism
from abm.parameters import FUNCTIONS, read_path
from abm.scenario import Scenario, facilitators
from abm.state import ACTIVE_MUNICIPALITY, NEVER_DUE
from abm.worth import unpaid_carbon

VALUE, CARBON, SMALL_FIRMS, CROSS_SECTOR, FIRST_COME = range(len(STRATEGIES))
MOST_COVERAGES = 2**16  # as many as 16 bits can number: 361 municipalities cannot have more
CENTRE_ROW = np.dtype(
    [(name, "f8") for name in (*FUNCTIONS, "support", "national", "municipal", "threshold")]
    + [("project_end", "i8"), ("strategy", "i4"), ("host", "i4"), ("payer", "i4")],
    align=True,
)


class Facilitation(NamedTuple):
    """Who facilitates: fixed attributes (F,), staff (M, F) FTE, coverage (F, T), who supports whom (F, F)."""

    centres: np.ndarray
    staff: np.ndarray
    covers: np.ndarray
    supports: np.ndarray


def staff_path(row: Facilitator, spin_up: int, months: int) -> np.ndarray:
    """Planned staff of each month from the start of the spin-up, FTE."""
    staff = np.zeros(spin_up + months)
    first, last = max(spin_up + row.start, 0), max(spin_up + row.stop, 0)
    staff[first:last] = row.fte
    for month, multiple in read_path(row.staff_path):
        staff[max(first, spin_up + month) : last] = row.fte * multiple
    return staff


def facilitation(scenario: Scenario) -> Facilitation:
    """The facilitators of a scenario as arrays."""
    rows, values = facilitators(scenario), scenario.values
    towns = [town.name for town in scenario.region.municipality]
    names = [row.name for row in rows]
    centres = np.zeros(len(rows), CENTRE_ROW)
    for centre, row in zip(centres, rows, strict=True):
        for function in FUNCTIONS:
            centre[function] = row.shares[function]
        centre["support"], centre["project_end"] = row.support, values["facilitator.project_end"]
        centre["payer"] = PAYERS.index(row.payer)
        centre["strategy"] = STRATEGIES.index(row.strategy)
        centre["host"] = towns.index(row.host) if row.host else NEVER_DUE
    for source in ("national", "municipal"):  # the others have permanent money
        centres[source][0] = values[f"facilitator.funding.{source}"]
    centres["threshold"][0] = values["facilitator.review_threshold"]
    return Facilitation(
        centres,
        np.column_stack([staff_path(row, scenario.spin_up_months, scenario.months) for row in rows]),
        np.array([[not row.covers or town in row.covers for town in towns] for row in rows]),
        np.array([[name in row.supports for name in names] for row in rows]),
    )


def coverages(covers: np.ndarray, here: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which facilitators cover both municipalities of each pair.

    Returns the coverage of each pair (index) and which facilitators serve each coverage, shape (F, Q). Raises
    ValueError if there are more than an opportunity's record can number.
    """
    bits = np.left_shift(1, np.arange(len(covers)))
    masks, kind_of_town = np.unique(bits @ covers, return_inverse=True)
    if masks.size == 1 and here.size:  # all towns alike: every pair is of the one coverage
        return np.zeros(here.size, np.uint16), (masks & bits[:, None]) > 0
    both = kind_of_town[here] * masks.size + kind_of_town[there]
    numbers, occurs = np.zeros(masks.size**2, np.uint16), np.zeros(masks.size**2, bool)
    occurs[both] = True
    found = np.flatnonzero(occurs)  # kinds of two towns: far fewer than pairs
    kinds, number = np.unique(masks[found // masks.size] & masks[found % masks.size], return_inverse=True)
    if kinds.size > MOST_COVERAGES:
        raise ValueError(f"facilitators divide the pairs of municipalities into {kinds.size}, at most {MOST_COVERAGES}")
    numbers[found] = number
    return numbers[both], (kinds[None, :] & bits[:, None]) > 0


@mechanism
def _seen(strategy, total, person):
    """What a strategy sees in a participant: `total` is its opportunities.OUTLOOK."""
    if strategy == CARBON:
        return total.carbon
    if strategy == CROSS_SECTOR:
        return total.crossed
    if strategy == SMALL_FIRMS:
        return 1.0 / person.employees if total.value > 0.0 else 0.0
    return total.value


@kernel
def potentials(who, outlook, participants):
    """What strategies see in registering participants (a needs analysis would show it), shape (F, participants).

    `outlook` is opportunities.OUTLOOK; 0: nothing to exchange, or not covered.
    """
    seen = np.zeros((who.centres.size, participants.size))
    for f in range(who.centres.size):
        for i in range(participants.size):
            if who.covers[f, participants[i].municipality]:
                seen[f, i] = _seen(who.centres[f].strategy, outlook[i], participants[i])
    return seen


@mechanism
def growth(f, m, carbon_value, state):
    """Yearly benefit in municipality `m`, carbon included, over that at the opening of facilitator `f`, SEK/yr."""
    town, seat = state.towns[m], state.seats[f, m]
    return town.saving - seat.saving + carbon_value * (town.carbon - seat.carbon)


@mechanism
def open_doors(f, t, state):
    """Facilitator `f` starts: what is there now is what its funders will compare with."""
    state.centres[f].opened = t
    for m in range(state.towns.size):
        state.seats[f, m].saving, state.seats[f, m].carbon = state.towns[m].saving, state.towns[m].carbon


@mechanism
def covered_residents(f, world):
    """Residents of the municipalities that facilitator `f` covers."""
    residents = 0.0
    for m in range(world.residents.size):
        if world.covers[f, m]:
            residents += world.residents[m]
    return residents


@mechanism
def paying_residents(f, world, state):
    """Residents of the municipalities that co-fund facilitator `f` this year."""
    residents = 0.0
    for m in range(world.residents.size):
        if state.seats[f, m].pays:
            residents += world.residents[m]
    return residents


@mechanism
def decide_cofunding(f, t, p, world, state):
    """Each municipality covered decides for the year: active ones pay while their benefit, money first, outgrows it."""
    row, young = world.centres[f], t - state.centres[f].opened < p.municipalities.cofund_grace
    asked = row.municipal * p.facilitator.cost * world.staff[t, f] / covered_residents(f, world)
    for m in range(state.towns.size):
        town, seat = state.towns[m], state.seats[f, m]
        least = p.municipalities.cofund_threshold * asked * world.residents[m]
        pays_off = town.saving > seat.saving and growth(f, m, unpaid_carbon(p.worth, state.lever[0]), state) >= least
        seat.pays = world.covers[f, m] and town.maturity == ACTIVE_MUNICIPALITY and (young or pays_off)


@mechanism
def review(f, t, p, world, state):
    """Funders close a facilitator whose benefit has not grown enough for its cost; without a threshold, never."""
    if world.centres[f].threshold == 0.0:
        return
    total = 0.0
    for m in range(state.towns.size):
        if world.covers[f, m]:
            total += growth(f, m, unpaid_carbon(p.worth, state.lever[0]), state)
    least = world.centres[f].threshold * p.facilitator.cost * state.centres[f].staff
    state.centres[f].closed = state.centres[f].closed or total < least


@mechanism
def fund(f, t, p, world, state):
    """Staff of facilitator `f` this month: what is planned, as far as it is paid for."""
    row, centre, plan = world.centres[f], state.centres[f], world.staff[t, f]
    paying = paying_residents(f, world, state)
    centre.national = plan * row.national if t - world.spin_up < row.project_end else 0.0
    centre.municipal = plan * row.municipal * paying / covered_residents(f, world)
    centre.staff = plan * (1.0 - row.national - row.municipal) + centre.national + centre.municipal
    centre.work = centre.staff * (1.0 - row.support)


@mechanism
def support_nodes(f, p, world, state):
    """A centre that supports several nodes lets them learn from each other: their work counts for more."""
    staff, nodes = 0.0, 0
    for g in range(state.centres.size):
        if world.supports[f, g] and state.centres[g].staff > 0.0:
            staff += state.centres[g].staff
            nodes += 1
    if nodes == 0:
        return
    ratio = state.centres[f].staff * world.centres[f].support / staff
    gain = p.facilitator.support_gain * ratio / (ratio + p.facilitator.support_half) * (nodes - 1) / nodes
    for g in range(state.centres.size):
        if world.supports[f, g]:
            state.centres[g].work *= 1.0 + gain


@mechanism
def may_work(f, t, world, state):
    """Is there a plan for this month, nobody closed it, and the host, if it needs one, is active?"""
    host = world.centres[f].host
    hosted = host < 0 or state.towns[host].maturity == ACTIVE_MUNICIPALITY
    return world.staff[t, f] > 0.0 and not state.centres[f].closed and hosted


@mechanism
def step(t, p, world, state):
    """Staff of every facilitator, on last month's benefits and maturity."""
    for f in range(state.centres.size):
        centre = state.centres[f]
        if not may_work(f, t, world, state):
            centre.staff, centre.work, centre.national, centre.municipal = 0.0, 0.0, 0.0, 0.0
            continue
        if centre.opened == NEVER_DUE:
            open_doors(f, t, state)
        age = t - centre.opened
        if age == 0 or (t - world.spin_up) % 12 == 0:
            decide_cofunding(f, t, p, world, state)
        if age > 0 and age % (12 * p.facilitator.review_period) == 0:
            review(f, t, p, world, state)
        fund(f, t, p, world, state)
    for f in range(state.centres.size):
        support_nodes(f, p, world, state)
