"""Which exchanges are technically possible: supplier, receiver and by-product within reach.

Per by-product a grid finds each donor's nearest receivers (neighbours.py); cost grows with the number of opportunities,
never with firms squared. Opportunities stand in the order in which a month visits them, which is drawn once per
replicate. Which there are depends on `opportunities.*` alone; how they are searched for is laid over them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from abm import chance
from abm.chance import mix, normal, uniform
from abm.compiled import kernel, mechanism
from abm.neighbours import lay_out, nearest, sphere
from abm.parameters import BY_NAME
from abm.population import Population
from abm.state import ENTRY
from abm.worth import net_saving

EARTH_RADIUS = 6371.0  # km
BINS = 64  # of a draw, in which the fit is bounded before it is worked out
# Which pairs exist does not follow a swept tax: the set is built once per replicate and used for every behaviour.
LANDFILL_TAX_TODAY = float(BY_NAME["worth.landfill_tax"].default)
SHAPING = tuple(
    f"opportunities.{name}" for name in ("fit_spread", "min_value", "max_partners", "min_share", "road_factor")
)
SEARCHING = tuple(
    f"discovery.{name}"
    for name in ("distance", "cross_cut", "value_exponent", "value_cap", "broker_distance", "half_weight")
)

OPPORTUNITY = np.dtype(
    [
        ("distance", "f8"),  # km by road
        ("supplier", "u4"),
        ("receiver", "u4"),
        ("supply", "u4"),
        ("demand", "u4"),
        ("weight", "f4"),  # in its parties' search; single precision does for it (tests/test_opportunities.py)
        ("coverage", "u2"),
        ("byproduct", "u1"),
        ("shelf", "u1"),  # how early a broker comes to it, 0 first
    ],
    align=True,
)
SHELVES = 16  # that brokers sort pairs into (judgement: how finely a broker tells them apart)
# What a participant's opportunities are together
OUTLOOK = np.dtype(
    [
        ("attention", "f8"),  # share of its search that an opportunity of weight 1 gets
        ("value", "f8"),  # gross flow value at long-run prices, SEK/yr
        ("carbon", "f8"),  # emissions that the whole flows would avoid, t CO2e/yr
        ("crossed", "f8"),  # value across sectors, and a millionth of the other
    ],
    align=True,
)
# An opportunity as it is whoever searches for it
POSSIBLE = np.dtype(
    [
        ("distance", "f8"),  # km by road
        ("value", "f8"),  # of the gross flow at long-run prices, SEK/yr
        ("supply", "u4"),
        ("demand", "u4"),
        ("cross", "?"),
    ],
    align=True,
)
# The same as it is found
FOUND = np.dtype(
    [
        ("square", "f8"),  # of the chord between the two on the unit sphere
        ("value", "f8"),
        ("rank", "f8"),  # in visiting order
        ("supply", "u4"),
        ("demand", "u4"),
    ],
    align=True,
)
ROOM = 8  # pairs a donor stream that there is room for at first: as many as there are in a large region


class Possible(NamedTuple):
    """Record array of what is possible (POSSIBLE) in visiting order, and for each participant the numbers of its own.

    Those of participant i are `own[first[i]:first[i + 1]]`. What is only asked of an opportunity once its parties know
    of it is drawn then (cases.py): of a million opportunities most are never known.
    """

    pairs: np.ndarray
    first: np.ndarray
    own: np.ndarray


@mechanism
def pair_key(donor, user, route):
    """Name of an opportunity in chance: its parties' and its by-product's."""
    return mix(mix(donor.key, user.key), route.key)


@mechanism
def draw_fit(seed, key, spread):
    """Quality fit of donor's residue and receiver's need: log-normal around 1."""
    return math.exp(spread * normal(seed, chance.FIT, key, 0) - 0.5 * spread * spread)


@mechanism
def draw_split(seed, key):
    """Who gets the value: -1 the receiver, 1 the supplier."""
    return 2.0 * uniform(seed, chance.SPLIT, key, 0) - 1.0


@mechanism
def gross_value(quantity, fit, route, price):
    """Value of a flow of `quantity` units a year at a raw-material price, SEK/yr."""
    saved = route.substitution * fit * price
    return quantity * (saved + route.gate_fee + route.landfill_share * LANDFILL_TAX_TODAY)


@mechanism
def search_weight(distance, cross, value, rates):
    """How much of its parties' search an opportunity draws: more when near, in the own sector, and valuable."""
    near = math.exp(-distance / rates.distance)
    familiar = 1.0 - rates.cross_cut if cross else 1.0
    return near * familiar * (min(value, rates.value_cap) / 1e6) ** rates.value_exponent


@kernel
def _most_fits(spread):
    """What a fit is at most, by the bin of the first of the two draws that it is made of, shape (BINS,)."""
    most = np.zeros(BINS)
    for n in range(BINS):
        least = max(n / BINS, 2.0**-53)
        most[n] = math.exp(spread * math.sqrt(-2.0 * math.log(least)) - 0.5 * spread * spread) * (1.0 + 1e-9)
    return most


@kernel
def _with_room(found, count, more):
    """The first `count` pairs with room for so many more."""
    if count + more <= found.size:
        return found
    larger = np.empty(2 * found.size + more, FOUND)
    for e in range(count):
        larger[e] = found[e]
    return larger


@kernel
def _find(seed, donors, surface, population, table, p):
    """All opportunities of the supply streams `donors` (FOUND), those of each donor together.

    `surface`: places of participants, grids of demand streams, and reach by by-product as a chord squared. Most pairs
    are worth too little even at the best fit that there is or that the first draw leaves: theirs is not worked out.
    """
    (participants, supplies, demands), (byproducts, commodities) = population, table
    places, grids, reach = surface
    most, kept = _most_fits(p.fit_spread), np.empty(min(p.max_partners, max(demands.size, 1)), ENTRY)
    found, count = np.empty(ROOM * donors.size, FOUND), 0
    for number in donors:
        supply = supplies[number]
        donor, route = participants[supply.owner], byproducts[supply.byproduct]
        price = commodities[route.commodity].price
        near = nearest(supply.owner, supply.byproduct, reach[supply.byproduct], places, grids, kept)
        found = _with_room(found, count, near)
        for n in range(near):
            demand = demands[-kept[n].who]
            quantity = min(supply.quantity, demand.quantity)
            if quantity < p.min_share * supply.quantity or gross_value(quantity, most[0], route, price) < p.min_value:
                continue
            key = pair_key(donor, participants[demand.owner], route)
            first = uniform(seed, chance.FIT, key, 0)
            if gross_value(quantity, most[int(BINS * first)], route, price) < p.min_value:
                continue
            value = gross_value(quantity, draw_fit(seed, key, p.fit_spread), route, price)
            if value < p.min_value:
                continue
            one = found[count]
            one.square, one.value, one.rank = kept[n].rank, value, uniform(seed, chance.VISIT_ORDER, key, 0)
            one.supply, one.demand = number, -kept[n].who
            count += 1
    return found[:count]


@kernel
def _arranged(found, order, km, population):
    """What was found in this order at these distances (POSSIBLE), and whose it is: Possible."""
    participants, supplies, demands = population
    pairs, first = np.empty(order.size, POSSIBLE), np.zeros(participants.size + 1, np.int64)
    for e in range(order.size):
        pair, one = pairs[e], found[order[e]]
        donor, user = supplies[one.supply].owner, demands[one.demand].owner
        pair.distance, pair.value, pair.supply, pair.demand = km[order[e]], one.value, one.supply, one.demand
        pair.cross = participants[donor].nace2 != participants[user].nace2
        first[donor + 1] += 1
        first[user + 1] += 1
    first[:] = np.cumsum(first)
    own, filled = np.zeros(2 * order.size, np.uint32), first.copy()
    for side in range(2):
        for e in range(order.size):
            i = supplies[pairs[e].supply].owner if side == 0 else demands[pairs[e].demand].owner
            own[filled[i]] = e
            filled[i] += 1
    return Possible(pairs, first, own)


def _chord(km: float) -> float:
    """Straight through the unit sphere between places so far apart on the earth."""
    return 2.0 * math.sin(min(km / EARTH_RADIUS, math.pi) / 2.0)


def possible(population: Population, seed: np.uint64, table: tuple[np.ndarray, np.ndarray], p: Any) -> Possible:
    """All opportunities of one replicate; `table` are by-products and commodities, `p` what SHAPING names."""
    people = population.participants, population.supplies, population.demands
    places = sphere(population.participants["lat"], population.participants["lon"])
    reach = np.array([_chord(km / p["road_factor"]) ** 2 for km in table[0]["reach"]])
    surface = places, lay_out(population.demands, places, len(reach)), reach
    donors = np.argsort(population.supplies["byproduct"], kind="stable")  # who looks into the same grid, one by one
    found = _find(seed, donors, surface, people, table, p)
    # arcsines by numpy: the compiler's differ in the last digit
    km = 2.0 * EARTH_RADIUS * np.arcsin(np.minimum(np.sqrt(found["square"]) / 2.0, 1.0)) * p["road_factor"]
    return _arranged(found, np.argsort(found["rank"]), km, people)


@kernel
def _promises(pairs, decay):
    """Value times what distance leaves of a broker's chance to hit, SEK/yr."""
    promise = np.empty(pairs.size)
    for e in range(pairs.size):
        promise[e] = pairs[e].value * math.exp(-pairs[e].distance / decay)
    return promise


@kernel
def _shelve(promise, rising):
    """The shelf of each pair, as `shelves` says; `rising` are the promises in rising order."""
    edges, above, seen = np.full(SHELVES - 1, -np.inf), np.zeros(SHELVES - 1, np.int64), np.zeros(SHELVES - 1, np.int64)
    for s in range(SHELVES - 1):
        place = -(-(s + 1) * promise.size // SHELVES)  # of the first pair beyond shelf s, the most promising at 0
        if place < promise.size:
            edges[s] = rising[promise.size - 1 - place]
            above[s] = promise.size - np.searchsorted(rising, edges[s], side="right")
    shelf = np.zeros(promise.size, np.uint8)
    for e in range(promise.size):
        s = 0
        while s < SHELVES - 1 and promise[e] < edges[s]:
            s += 1
        if s < SHELVES - 1 and promise[e] == edges[s]:
            seen[s] += 1
            s = (above[s] + seen[s] - 1) * SHELVES // promise.size
        shelf[e] = s
    return shelf


def shelves(promise: np.ndarray) -> np.ndarray:
    """The shelf of each pair, 0 for the sixteenth that promises most, of equals the first; shape as `promise`."""
    return _shelve(promise, np.sort(promise))


@kernel
def _searched(possible, shelf, population, byproducts, p):
    """Opportunities as they are searched for, and what they are to their parties."""
    participants, supplies, demands = population
    pairs, weight, carbon = np.empty(possible.size, OPPORTUNITY), np.empty(possible.size), np.empty(possible.size)
    for e in range(possible.size):
        pair, one = pairs[e], possible[e]
        weight[e] = search_weight(one.distance, one.cross, one.value, p)
        pair.distance, pair.weight, pair.shelf, pair.coverage = one.distance, weight[e], shelf[e], 0
        pair.supply, pair.demand = one.supply, one.demand
        supply, demand = supplies[one.supply], demands[one.demand]
        pair.byproduct, pair.supplier, pair.receiver = supply.byproduct, supply.owner, demand.owner
        carbon[e] = min(supply.quantity, demand.quantity) * net_saving(one.distance, byproducts[supply.byproduct])
    outlook = np.zeros(participants.size, OUTLOOK)
    for side in range(2):
        for e in range(possible.size):
            one, total = possible[e], outlook[pairs[e].supplier if side == 0 else pairs[e].receiver]
            total.attention += weight[e]
            total.value += one.value
            total.carbon += carbon[e]
            total.crossed += one.value if one.cross else 1e-6 * one.value
    for i in range(participants.size):
        outlook[i].attention = 1.0 / (p.half_weight + outlook[i].attention)
    return pairs, outlook


def searched(found: Possible, population: Population, byproducts: np.ndarray, p: Any) -> tuple[np.ndarray, np.ndarray]:
    """Opportunities (OPPORTUNITY, without coverage) as they are searched for, and each participant's outlook.

    `p` is what SEARCHING names.
    """
    people = population.participants, population.supplies, population.demands
    shelf = shelves(_promises(found.pairs, p["broker_distance"]))
    return _searched(found.pairs, shelf, people, byproducts, p)
