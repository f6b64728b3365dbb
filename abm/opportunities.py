"""Which exchanges are technically possible: supplier, receiver and by-product within reach.

Per by-product a k-d tree on the unit sphere finds each donor's nearest receivers; cost grows with the number of
opportunities, never with firms squared. Opportunities stand in the order in which a month visits them, which is drawn
once per replicate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from abm import chance
from abm.catalogue import catalogue
from abm.chance import mix, normal, uniform
from abm.compiled import kernel, mechanism
from abm.parameters import BY_NAME
from abm.population import Population
from abm.worth import net_saving

EARTH_RADIUS = 6371.0  # km
BLOCK = 10_000  # donors whose receivers are looked up at a time
# Which pairs exist does not follow a swept tax: the set is built once per replicate and used for every behaviour.
LANDFILL_TAX_TODAY = float(BY_NAME["worth.landfill_tax"].default)

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
CANDIDATE = np.dtype(
    [
        ("distance", "f8"),
        ("value", "f8"),
        ("carbon", "f8"),
        ("weight", "f8"),
        ("promise", "f8"),  # value times what distance leaves of a broker's chance to hit, SEK/yr
        ("rank", "f8"),
        ("supply", "u4"),
        ("demand", "u4"),
        ("cross", "?"),
    ],
    align=True,
)


class Opportunities(NamedTuple):
    """Record array of opportunities, each participant's outlook, and for each participant the numbers of its own.

    Those of participant i are `own[first[i]:first[i + 1]]`. What is only asked of an opportunity once its parties know
    of it is drawn then (cases.py): of a million opportunities most are never known.
    """

    pairs: np.ndarray
    outlook: np.ndarray
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


def sphere(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Points on the unit sphere, shape (n, 3), from degrees."""
    phi, lam = np.radians(lat), np.radians(lon)
    return np.column_stack((np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)))


def _nearest(tree: KDTree, donors: np.ndarray, reach: float, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Donor, receiver and great-circle km of all pairs of points within reach, nearest `most` receivers per donor."""
    chord = 2.0 * math.sin(min(reach / EARTH_RADIUS, math.pi) / 2.0)
    nearest = np.arange(1, min(most + 1, tree.n) + 1)  # one more, since a plant may find itself
    chords, found = map(np.asarray, tree.query(donors, k=nearest, distance_upper_bound=chord))
    hit = found < tree.n
    return np.nonzero(hit)[0], found[hit], 2.0 * EARTH_RADIUS * np.arcsin(np.minimum(chords[hit] / 2.0, 1.0))


def _within_reach(population: Population, p: np.void) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Supply stream, demand stream and great-circle km of all pairs within their by-product's reach.

    By by-product and block of donors: what lies within reach is many times what is worth keeping.
    """
    people, most = population.participants, int(p["opportunities"]["max_partners"])
    places = sphere(people["lat"], people["lon"])
    for number, row in enumerate(catalogue().byproduct_rows):
        supplies = np.flatnonzero(population.supplies["byproduct"] == number)
        demands = np.flatnonzero(population.demands["byproduct"] == number)
        if supplies.size == 0 or demands.size == 0:
            continue
        tree = KDTree(places[population.demands["owner"][demands]])
        reach = row.reach / float(p["opportunities"]["road_factor"])
        for first in range(0, supplies.size, BLOCK):
            block = supplies[first : first + BLOCK]
            donor, receiver, km = _nearest(tree, places[population.supplies["owner"][block]], reach, most)
            yield block[donor], demands[receiver], km


@kernel
def _assess(seed, within, population, table, p):
    """Those of the pairs within reach that are opportunities, with what they are worth."""
    (participants, supplies, demands), (byproducts, commodities) = population, table
    kept = np.zeros(within[0].size, CANDIDATE)
    count, partners, last = 0, 0, -1
    for n in range(within[0].size):
        supply, demand = supplies[within[0][n]], demands[within[1][n]]
        if within[0][n] != last:
            partners, last = 0, within[0][n]
        if supply.owner == demand.owner or partners >= p.opportunities.max_partners:
            continue
        partners += 1
        donor, user, route = participants[supply.owner], participants[demand.owner], byproducts[supply.byproduct]
        quantity = min(supply.quantity, demand.quantity)
        if quantity < p.opportunities.min_share * supply.quantity:
            continue
        key = pair_key(donor, user, route)
        fit = draw_fit(seed, key, p.opportunities.fit_spread)
        value = gross_value(quantity, fit, route, commodities[route.commodity].price)
        if value < p.opportunities.min_value:
            continue
        pair = kept[count]
        pair.supply, pair.demand = within[0][n], within[1][n]
        pair.distance = within[2][n] * p.opportunities.road_factor
        pair.value, pair.carbon = value, quantity * net_saving(pair.distance, route)
        pair.cross = donor.nace2 != user.nace2
        pair.weight = search_weight(pair.distance, pair.cross, value, p.discovery)
        pair.promise = value * math.exp(-pair.distance / p.discovery.broker_distance)
        pair.rank = uniform(seed, chance.VISIT_ORDER, key, 0)
        count += 1
    return kept[:count].copy()


@kernel
def _arrange(order, candidates, shelf, population, half_weight):
    """The candidates in visiting order as opportunities, and what they are to their parties."""
    participants, supplies, demands = population
    pairs = np.zeros(order.size, OPPORTUNITY)
    first = np.zeros(participants.size + 1, np.int64)
    for e in range(order.size):
        pair, candidate = pairs[e], candidates[order[e]]
        pair.distance, pair.weight, pair.shelf = candidate.distance, candidate.weight, shelf[order[e]]
        pair.supply, pair.demand = candidate.supply, candidate.demand
        pair.byproduct = supplies[pair.supply].byproduct
        pair.supplier, pair.receiver = supplies[pair.supply].owner, demands[pair.demand].owner
        first[pair.supplier + 1] += 1
        first[pair.receiver + 1] += 1
    first[:] = np.cumsum(first)
    own, filled = np.zeros(2 * order.size, np.uint32), first.copy()
    outlook = np.zeros(participants.size, OUTLOOK)
    for side in range(2):
        for e in range(order.size):
            i = pairs[e].supplier if side == 0 else pairs[e].receiver
            own[filled[i]] = e
            filled[i] += 1
            candidate, total = candidates[order[e]], outlook[i]
            total.attention += candidate.weight
            total.value += candidate.value
            total.carbon += candidate.carbon
            total.crossed += candidate.value if candidate.cross else 1e-6 * candidate.value
    for i in range(participants.size):
        outlook[i].attention = 1.0 / (half_weight + outlook[i].attention)
    return pairs, outlook, first, own


def shelves(promise: np.ndarray) -> np.ndarray:
    """The shelf of each pair, 0 for the sixteenth of them that promises most; shape as `promise`."""
    shelf = np.zeros(promise.size, np.uint8)
    shelf[np.argsort(-promise, kind="stable")] = np.arange(promise.size) * SHELVES // max(promise.size, 1)
    return shelf


def enumerate_opportunities(population: Population, seed: int, p: np.void) -> Opportunities:
    """All opportunities of one replicate, in visiting order."""
    table = catalogue()
    people, goods = (
        (population.participants, population.supplies, population.demands),
        (table.byproducts, table.commodities),
    )
    parts = [_assess(np.uint64(seed), within, people, goods, p) for within in _within_reach(population, p)]
    candidates = np.concatenate([np.zeros(0, CANDIDATE), *parts])
    order, shelf = np.argsort(candidates["rank"]), shelves(candidates["promise"])
    return Opportunities(*_arrange(order, candidates, shelf, people, p["discovery"]["half_weight"]))
