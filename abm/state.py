"""Everything that changes, and everything that does not, as record arrays: one array per kind of entity.

`World` is fixed for a replicate, `State` is what months change; both are tuples of numpy arrays, so a branch is a copy,
and bundles (abm/bundles.py), so a kernel takes each as one pointer. One record per entity rather than one array per
field: what a rule touches of a pair then lies in one or two cache lines.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from abm.bundles import Array, bundle
from abm.compiled import mechanism

# Numbers of entities that are never missing are unsigned: Numba then need not ask of each index whether it counts from
# the end.

# Stages of an opportunity
LATENT, IDENTIFIED, NEGOTIATING, ACTIVE, RESTING, DORMANT = range(6)
STAGES = ("latent", "identified", "negotiating", "active", "resting", "dormant")  # dormant: a party is not there
# Who found it
NOBODY, SELF, BROKER = range(3)
# What ended its last exchange
NO_CAUSE, LOSS, PROCESS, EXIT = range(4)
NEVER_DUE = -1
NONE = -1  # end of a list of pairs, free cases or firms
PASSIVE, EXPLORING, ACTIVE_MUNICIPALITY = range(3)

# What a search, an appraisal or an exchange asks of a party: one cache line
PERSON = np.dtype(
    [
        ("search", "f8"),
        ("attention", "f8"),  # share of its search that an opportunity of weight 1 gets
        ("knowledge", "f8"),
        ("social", "f8"),
        ("agreements", "i4"),
        ("talks", "i4"),
        ("live", "i4"),
        ("refusals", "i4"),  # own noes since the last agreement
        ("visited", "u4"),  # facilitators that have registered it, one bit each
        ("queued", "u4"),  # facilitators in whose queue for the register it stands, one bit each
        ("present", "?"),
        ("aware", "?"),
        ("registered", "?"),
        ("aware_since", "i4"),
    ],
    align=True,
)
# What else learning asks of it: another
LEARNER = np.dtype(
    [
        ("aware_clock", "f8"),
        ("aware_threshold", "f8"),
        ("next_training", "f8"),
        ("next_event", "f8"),
        ("knowledge_start", "f8"),
        ("social_start", "f8"),
        ("trainings", "i4"),
        ("events", "i4"),
        ("municipality", "u4"),
        ("sector", "u4"),
    ],
    align=True,
)
STAY = np.dtype(
    [
        ("clock", "f8"),  # towards the entry of a firm at a free site
        ("threshold", "f8"),
        ("step", "f8"),  # what a month adds to the clock
        ("turns", "i4"),  # closings and entries so far
        ("municipality", "u4"),
        ("seen", "i4"),  # changes there when the step was last worked out
        ("next", "i4"),  # firm that closes in the same month
    ],
    align=True,
)
# What every opportunity needs, known or not: half a cache line
PAIR = np.dtype(
    [
        ("self_target", "f8"),
        ("broker_target", "f8"),
        ("next", "i4"),
        ("previous", "i4"),
        ("place", "i4"),  # latent or resting: month in which it is due; known: its number among the cases
        ("attempt", "u2"),
        ("stage", "u1"),
    ],
    align=True,
)
# An opportunity that its parties know of; what a month asks of every case stands first, then what is seldom asked
CASE = np.dtype(
    [
        ("clock", "f8"),
        ("threshold", "f8"),
        ("support", "f8"),
        ("look", "i4"),
        ("losing", "i4"),
        ("supplier", "u4"),
        ("receiver", "u4"),
        ("byproduct", "u4"),
        ("pair", "i4"),  # number of the opportunity; of a free record, the next free one
        ("carriers", "u4"),  # facilitators that carry it, one bit each
        ("stage", "u1"),  # as the pair's
        ("found", "u1"),
        ("cross", "?"),
        ("neighbours", "?"),
        ("quantity", "f8"),
        ("fit", "f8"),
        ("split", "f8"),
        ("saved", "f8"),  # emissions avoided per unit, t CO2e
        ("public", "f8"),  # share of what the receiver makes of it that public buyers take
        ("distance", "f8"),
        ("here", "u4"),  # municipality of the supplier
        ("there", "u4"),
        ("supply", "u4"),
        ("demand", "u4"),
        ("key", "u8"),
        ("carbon", "f8"),  # emissions that the whole flow would avoid, t CO2e/yr
        ("agreed", "f8"),
        ("coverage", "u4"),
        ("attempt", "i4"),
        ("refused", "i4"),
        ("identified_at", "i4"),
        ("started_at", "i4"),
        ("ended_at", "i4"),
        ("cause", "u1"),
    ],
    align=True,
)
# A place in a queue: who is of how much interest
ENTRY = np.dtype([("rank", "f8"), ("who", "i4")], align=True)
TOWN = np.dtype(
    [
        ("clock", "f8"),
        ("threshold", "f8"),
        ("saving", "f8"),  # of its participants this month, SEK/yr
        ("carbon", "f8"),  # their part of the emissions avoided this month, t CO2e/yr
        ("training", "f8"),  # trainings per participant so far
        ("event", "f8"),  # attendances per participant so far
        ("relief", "f8"),
        ("policy", "f8"),  # steps a year won by policy work
        ("adopting", "f8"),  # share of its participants, for this month's learning
        ("maturity", "i4"),
        ("steps", "i4"),
        ("members", "i4"),
        ("adopters", "i4"),
        ("exchanges", "i4"),
        ("changes", "i4"),  # starts and endings of exchanges so far, from 1
    ],
    align=True,
)
CENTRE = np.dtype(
    [
        ("staff", "f8"),  # FTE paid this month
        ("national", "f8"),  # FTE of it paid from national project money
        ("municipal", "f8"),  # FTE of it paid by municipalities
        ("work", "f8"),  # FTE at work on the five functions, productivity included
        ("register_hours", "f8"),
        ("registered", "i8"),
        ("carried", "i8"),
        ("waiting", "i8"),  # participants in its queue for the register
        ("queueing", "?"),  # does it keep that queue yet?
        ("opened", "i4"),  # month of the opening, NEVER_DUE before
        ("closed", "?"),  # by its funders
    ],
    align=True,
)
# A facilitator's standing in one municipality
SEAT = np.dtype([("saving", "f8"), ("carbon", "f8"), ("pays", "?")], align=True)
# Pairs that the same facilitators cover and sort on the same shelf
COVERAGE = np.dtype([("screening", "f8"), ("candidates", "i8")], align=True)
TALLY = np.dtype(
    [
        ("moving", "i8"),
        ("found", "i8"),
        ("cases", "i8"),  # records of the case table that were ever used
        ("free", "i8"),  # the first free one of them, or none
        ("firms", "i8"),
        ("adopting_firms", "i8"),
        ("sites", "i8"),  # free ones
        ("vacated", "i8"),  # of them those of this month
        ("freight", "f8"),
    ],
    align=True,
)
# Sums since month 0: finds and endings in counts, money in SEK, carbon in t CO2e
ACCOUNT = np.dtype(
    [
        (name, "f8")
        for name in (
            "found_self",
            "found_broker",
            "forgotten",
            "talks",
            "started",
            "failed",
            "ended_loss",
            "ended_process",
            "ended_exit",
            "closed",
            "entered",
            "transaction_firms",
            "transaction_utilities",
            "investment",
            "saving",
            "carbon",
            "enforcement",
            "staff",
            "administration",
            "cofinance",
            "grant",
            "subsidy",
            "price_floor",
            "procurement",
            "national",
            "region",
            "municipal",
            "tax_revenue",
        )
    ],
    align=True,
)
# Sums since month 0 of one municipality; apart from TOWN, whose records are read all through a month
LEDGER = np.dtype(
    [
        ("saving", "f8"),  # private saving of its participants, SEK
        ("carbon", "f8"),  # their part of the emissions avoided, half of each exchange a party, t CO2e
        ("spent", "f8"),  # transaction cost and investment that they paid themselves, SEK
        ("paid", "f8"),  # what it paid as a public body: facilitators, mandates, premiums of procurement, SEK
    ],
    align=True,
)
DEAL = np.dtype(
    [(name, "f8") for name in ("first_cost", "last_cost", "investment", "cofinance", "grant")],
    align=True,
)


@bundle
class World(NamedTuple):
    """What a replicate's months cannot change.

    Shapes: M months from the start of the spin-up, K commodities, F facilitators, T municipalities, Q coverages.
    """

    seed: np.uint64
    spin_up: int  # months before month 0
    fastest_search: float  # most that one month can add to a participant's search
    participants: Annotated[Array, "population.PARTICIPANT"]
    supplies: Annotated[Array, "population.STREAM"]
    demands: Annotated[Array, "population.STREAM"]
    pairs: Annotated[Array, "opportunities.OPPORTUNITY"]
    outlook: Annotated[Array, "opportunities.OUTLOOK"]  # one per participant
    first: Annotated[Array, "i8"]  # own[first[i]:first[i + 1]] are the pairs of participant i
    own: Annotated[Array, "u4"]
    routes: Annotated[Array, "catalogue.BYPRODUCT"]
    public: Annotated[Array, "f8"]  # share of its sales to public buyers, by sector
    price_process: Annotated[Array, "prices.PROCESS"]
    market: Annotated[Array, "prices.MARKET", 2]  # (M, K)
    unit_value: Annotated[Array, "f8", 3]  # (M, K, discount classes) SEK yr/unit
    waiting: Annotated[Array, "f8", 3]  # (M, K, discount classes) share of that for which it pays to wait
    rates: Annotated[Array, "f8"]  # 1/yr, by discount class
    annuities: Annotated[Array, "f8"]  # yr, by discount class
    levers: Annotated[Array, "interventions.LEVERS"]  # M
    centres: Annotated[Array, "staffing.CENTRE_ROW"]  # F
    staff: Annotated[Array, "f8", 2]  # (M, F) FTE planned
    covers: Annotated[Array, "?", 2]  # (F, T) does the facilitator cover the municipality
    serves: Annotated[Array, "?", 2]  # (F, Q) does it cover pairs of this coverage
    supports: Annotated[Array, "?", 2]  # (F, F) does the first support the second
    potential: Annotated[Array, "f8", 2]  # (F, participants) what its strategy sees in registering a participant
    town_keys: Annotated[Array, "u8"]  # by municipality
    residents: Annotated[Array, "f8"]  # heads, by municipality
    maturity: Annotated[Array, "i4"]  # group of today, by municipality


@bundle
class State(NamedTuple):
    """What months change."""

    persons: Annotated[Array, "state.PERSON"]
    learners: Annotated[Array, "state.LEARNER"]  # by participant
    stays: Annotated[Array, "state.STAY"]  # by participant
    pairs: Annotated[Array, "state.PAIR"]
    towns: Annotated[Array, "state.TOWN"]
    centres: Annotated[Array, "state.CENTRE"]  # F
    seats: Annotated[Array, "state.SEAT", 2]  # (F, T)
    coverage: Annotated[Array, "state.COVERAGE", 2]  # (Q, shelves)
    screenings: Annotated[Array, "f8", 2]  # (F, shelves) a year of each registered latent pair that it covers
    tally: Annotated[Array, "state.TALLY"]  # one record
    account: Annotated[Array, "state.ACCOUNT"]  # one record
    ledger: Annotated[Array, "state.LEDGER"]  # by municipality
    lever: Annotated[Array, "interventions.LEVERS"]  # of this month, one record
    supply_free: Annotated[Array, "f8"]  # units/yr, by supply stream
    demand_free: Annotated[Array, "f8"]
    suppliers: Annotated[Array, "i8"]  # living exchanges of each demand stream
    calendar: Annotated[Array, "i4"]  # first pair due in each month
    closings: Annotated[Array, "i4"]  # first firm to close in each month
    sites: Annotated[Array, "u4"]  # free sites by number
    vacated: Annotated[Array, "u4"]  # sites of this month's closings by number
    cases: Annotated[Array, "state.CASE"]  # in no order; room for every pair, of which memory holds what was ever used
    moving: Annotated[Array, "u4"]  # cases identified, negotiating or active, in visiting order
    found: Annotated[Array, "u4"]  # pairs found this month
    carried: Annotated[Array, "u4", 2]  # (F, places) cases carried, oldest first
    queue: Annotated[Array, "state.ENTRY", 2]  # (F, participants) heaps: who may be registered
    ranking: Annotated[Array, "state.ENTRY"]  # a heap: cases that a facilitator may take, firms that close this month
    parent: Annotated[Array, "u4"]  # by participant: scratch of observe_network
    stages: Annotated[Array, "i8"]  # pairs in each stage
    live_of_route: Annotated[Array, "i8"]
    live_here: Annotated[Array, "i8", 2]  # (T, by-products) living exchanges with a party in the municipality
    members_of_sector: Annotated[Array, "i8"]  # participants present
    members_of_size: Annotated[Array, "i8"]
    adopters_of_sector: Annotated[Array, "i8"]
    adopting: Annotated[Array, "f8"]  # share of each sector's participants, for this month's learning
    adopters_of_size: Annotated[Array, "i8"]
    market: Annotated[Array, "prices.MARKET"]  # K
    unit_value: Annotated[Array, "f8", 2]  # (K, discount classes)
    waiting: Annotated[Array, "f8", 2]  # (K, discount classes)
    deal: Annotated[Array, "state.DEAL"]  # of supplier and receiver
    prospect: Annotated[Array, "rules.PROSPECT"]  # of supplier and receiver

    def moving_cases(self) -> np.ndarray:
        """The cases in visiting order, with those lost in the last month done; a copy."""
        return self.cases[self.moving[: self.tally[0]["moving"]]]

    def open_accounts(self) -> None:
        """Month 0: account and ledger start at nothing."""
        self.account[:] = np.zeros(1, ACCOUNT)
        self.ledger[:] = np.zeros(1, LEDGER)

    def copy(self) -> State:
        """An independent copy, the branching point of two arms: of tables with room to spare, what is used."""
        tally = self.tally[0]
        used = {"cases": tally["cases"], "moving": tally["moving"], "found": tally["found"], "queue": 0, "ranking": 0}
        copied = {name: _front(array, int(used[name])) for name, array in self._asdict().items() if name in used}
        state = State(*(copied[name] if name in copied else array.copy() for name, array in self._asdict().items()))
        state.centres["queueing"] = False  # facilitators lay their queues out anew
        state.persons["queued"] = 0
        return state


def _front(array: np.ndarray, used: int) -> np.ndarray:
    """A copy of the first `used` records; the others are zero, and take no memory before they are written."""
    copy = np.zeros(array.shape, array.dtype)  # not zeros_like, which writes them
    copy[:used] = array[:used]
    return copy


@mechanism
def is_known(stage):
    """Do the parties of an opportunity in this stage know of it?"""
    return stage in (IDENTIFIED, NEGOTIATING, ACTIVE)


@mechanism
def move(e, stage, state):
    """Put pair `e`, and its case if it has one, into `stage` and keep count."""
    pair = state.pairs[e]
    if is_known(pair.stage):
        state.cases[pair.place].stage = stage
    state.stages[pair.stage] -= 1
    state.stages[stage] += 1
    pair.stage = stage


@mechanism
def count_exchange(case, change, world, state):
    """An exchange starts (+1) or ends (-1): adopters, quantities bound, examples."""
    _count_adopter(case.supplier, change, world, state)
    _count_adopter(case.receiver, change, world, state)
    state.supply_free[case.supply] -= change * case.quantity
    state.demand_free[case.demand] -= change * case.quantity
    state.suppliers[case.demand] += change
    state.live_of_route[case.byproduct] += change
    state.live_here[case.here, case.byproduct] += change
    state.towns[case.here].changes += 1
    if not case.neighbours:
        state.live_here[case.there, case.byproduct] += change
        state.towns[case.there].changes += 1


@mechanism
def _count_adopter(i, change, world, state):
    """Participant `i` gains (+1) or loses (-1) a live exchange; an adopter has at least one."""
    person, fixed = state.persons[i], world.participants[i]
    person.live += change
    state.towns[fixed.municipality].exchanges += change
    became = (change == 1 and person.live == 1) or (change == -1 and person.live == 0)
    if became:
        state.towns[fixed.municipality].adopters += change
        state.adopters_of_sector[fixed.sector] += change
        state.adopters_of_size[fixed.size] += change
        state.tally[0].adopting_firms += change * fixed.firm


@mechanism
def count_member(i, change, world, state):
    """Participant `i` is there from now on (+1), or no longer (-1)."""
    fixed = world.participants[i]
    state.persons[i].present = change == 1
    state.tally[0].firms += change * fixed.firm
    state.towns[fixed.municipality].members += change
    state.members_of_sector[fixed.sector] += change
    state.members_of_size[fixed.size] += change


@mechanism
def adopters_around(i, world, state):
    """Shares of adopters among those present in the municipality and in the sector of participant `i`."""
    fixed = world.participants[i]
    town = state.towns[fixed.municipality]
    return town.adopters / town.members, state.adopters_of_sector[fixed.sector] / state.members_of_sector[fixed.sector]


@mechanism
def other(e, i, world):
    """The party of pair `e` that is not `i`."""
    pair = world.pairs[e]
    return pair.receiver if pair.supplier == i else pair.supplier
