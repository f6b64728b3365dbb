"""Which exchanges are technically possible: supplier, receiver and by-product within reach.

Per by-product a grid finds each donor's nearest receivers (neighbours.py); cost grows with the number of opportunities,
never with firms squared. Opportunities stand in the order in which a month visits them, which is drawn once per
replicate. Which there are depends on `opportunities.*` alone; how they are searched for is laid over them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from abm import chance
from abm.chance import mix, normal, uniform
from abm.compiled import kernel, mechanism
from abm.neighbours import lay_out, nearest, sphere
from abm.parameters import BY_NAME
from abm.population import Population
from abm.worth import net_saving

EARTH_RADIUS = 6371.0  # km
BLOCK = 4096  # donors whose receivers are looked up at a time: what lies within reach is many times what is kept
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
        ("carbon", "f8"),  # emissions that the whole flow would avoid, t CO2e/yr
        ("rank", "f8"),  # in visiting order
        ("supply", "u4"),
        ("demand", "u4"),
        ("cross", "?"),
    ],
    align=True,
)


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


def _chord(km: float) -> float:
    """Straight through the unit sphere between places so far apart on the earth."""
    return 2.0 * math.sin(min(km / EARTH_RADIUS, math.pi) / 2.0)


def within_reach(population: Population, byproducts: np.ndarray, p: Any) -> Iterator[tuple[np.ndarray, ...]]:
    """Supply stream, demand stream and great-circle km of all pairs within their by-product's reach.

    Of each donor stream the nearest `max_partners`, by by-product and block of donors.
    """
    people, supplies, demands = population.participants, population.supplies, population.demands
    places = sphere(people["lat"], people["lon"])
    grids = lay_out(demands, places, len(byproducts))
    reach = np.array([_chord(km / p["road_factor"]) ** 2 for km in byproducts["reach"]])
    donors = np.argsort(supplies["byproduct"], kind="stable")
    for first in range(0, len(donors), BLOCK):
        block = donors[first : first + BLOCK]
        supply, demand, chord = nearest(block, supplies, places, grids, reach, p["max_partners"])
        yield supply, demand, 2.0 * EARTH_RADIUS * np.arcsin(np.minimum(chord / 2.0, 1.0))


@kernel
def _most_fits(spread):
    """What a fit is at most, by the bin of the first of the two draws that it is made of, shape (BINS,)."""
    most = np.zeros(BINS)
    for n in range(BINS):
        least = max(n / BINS, 2.0**-53)
        most[n] = math.exp(spread * math.sqrt(-2.0 * math.log(least)) - 0.5 * spread * spread) * (1.0 + 1e-9)
    return most


@kernel
def _assess(seed, within, population, table, p):
    """Those of the pairs within reach that are opportunities, with what they are worth (POSSIBLE).

    Most are worth too little even at the best fit that the first draw leaves them: their fit is not worked out.
    """
    (participants, supplies, demands), (byproducts, commodities) = population, table
    kept, most_fits = np.empty(within[0].size, POSSIBLE), _most_fits(p.fit_spread)
    count = 0
    for n in range(within[0].size):
        supply, demand = supplies[within[0][n]], demands[within[1][n]]
        quantity = min(supply.quantity, demand.quantity)
        if quantity < p.min_share * supply.quantity:
            continue
        donor, user, route = participants[supply.owner], participants[demand.owner], byproducts[supply.byproduct]
        key, price = pair_key(donor, user, route), commodities[route.commodity].price
        most = most_fits[int(BINS * uniform(seed, chance.FIT, key, 0))]
        if gross_value(quantity, most, route, price) < p.min_value:
            continue
        value = gross_value(quantity, draw_fit(seed, key, p.fit_spread), route, price)
        if value < p.min_value:
            continue
        pair = kept[count]
        pair.supply, pair.demand = within[0][n], within[1][n]
        pair.distance = within[2][n] * p.road_factor
        pair.value, pair.carbon = value, quantity * net_saving(pair.distance, route)
        pair.cross = donor.nace2 != user.nace2
        pair.rank = uniform(seed, chance.VISIT_ORDER, key, 0)
        count += 1
    return kept[:count].copy()


@kernel
def _whose(pairs, supplies, demands, people):
    """The numbers of each participant's pairs: where they begin, and they, as supplier first."""
    first = np.zeros(people + 1, np.int64)
    for e in range(pairs.size):
        first[supplies[pairs[e].supply].owner + 1] += 1
        first[demands[pairs[e].demand].owner + 1] += 1
    first[:] = np.cumsum(first)
    own, filled = np.zeros(2 * pairs.size, np.uint32), first.copy()
    for side in range(2):
        for e in range(pairs.size):
            i = supplies[pairs[e].supply].owner if side == 0 else demands[pairs[e].demand].owner
            own[filled[i]] = e
            filled[i] += 1
    return first, own


def possible(population: Population, seed: np.uint64, table: tuple[np.ndarray, np.ndarray], p: Any) -> Possible:
    """All opportunities of one replicate; `table` are by-products and commodities, `p` what SHAPING names."""
    people = population.participants, population.supplies, population.demands
    parts = [_assess(seed, within, people, table, p) for within in within_reach(population, table[0], p)]
    pairs = np.concatenate([np.zeros(0, POSSIBLE), *parts])
    pairs = pairs[np.argsort(pairs["rank"])]
    return Possible(pairs, *_whose(pairs, *people[1:], len(people[0])))


@kernel
def _promises(pairs, decay):
    """Value times what distance leaves of a broker's chance to hit, SEK/yr."""
    promise = np.zeros(pairs.size)
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
def _searched(possible, shelf, coverage, population, p):
    """Opportunities as they are searched for, and what they are to their parties."""
    participants, supplies, demands = population
    pairs, weight = np.zeros(possible.size, OPPORTUNITY), np.zeros(possible.size)
    for e in range(possible.size):
        pair, one = pairs[e], possible[e]
        weight[e] = search_weight(one.distance, one.cross, one.value, p)
        pair.distance, pair.weight, pair.shelf, pair.coverage = one.distance, weight[e], shelf[e], coverage[e]
        pair.supply, pair.demand = one.supply, one.demand
        pair.byproduct = supplies[one.supply].byproduct
        pair.supplier, pair.receiver = supplies[one.supply].owner, demands[one.demand].owner
    outlook = np.zeros(participants.size, OUTLOOK)
    for side in range(2):
        for e in range(possible.size):
            one, total = possible[e], outlook[pairs[e].supplier if side == 0 else pairs[e].receiver]
            total.attention += weight[e]
            total.value += one.value
            total.carbon += one.carbon
            total.crossed += one.value if one.cross else 1e-6 * one.value
    for i in range(participants.size):
        outlook[i].attention = 1.0 / (p.half_weight + outlook[i].attention)
    return pairs, outlook


def searched(found: Possible, coverage: np.ndarray, population: Population, p: Any) -> tuple[np.ndarray, np.ndarray]:
    """Opportunities (OPPORTUNITY) as they are searched for, each participant's outlook; `p` is what SEARCHING names."""
    people = population.participants, population.supplies, population.demands
    shelf = shelves(_promises(found.pairs, p["broker_distance"]))
    return _searched(found.pairs, shelf, coverage, people, p)
