"""Which exchanges are technically possible: supplier, receiver and by-product within reach.

Per by-product a k-d tree on the unit sphere finds each donor's nearest receivers; cost grows with the number of
opportunities, never with firms squared. Opportunities stand in the order in which a month visits them, which is drawn
once per replicate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from abm import chance
from abm.catalogue import catalogue
from abm.chance import mix, normal, uniform
from abm.compiled import kernel
from abm.parameters import BY_NAME
from abm.population import Population
from abm.worth import net_saving

EARTH_RADIUS = 6371.0  # km
# Which pairs exist does not follow a swept tax: the set is built once per replicate and used for every behaviour.
LANDFILL_TAX_TODAY = float(BY_NAME["worth.landfill_tax"].default)

OPPORTUNITY = np.dtype(
    [
        ("key", "u8"),
        ("distance", "f8"),
        ("fit", "f8"),
        ("split", "f8"),
        ("value", "f8"),
        ("carbon", "f8"),
        ("public", "f8"),
        ("supplier", "i4"),
        ("receiver", "i4"),
        ("supply", "i4"),
        ("demand", "i4"),
        ("byproduct", "i4"),
        ("coverage", "i4"),
        ("cross", "?"),
        ("neighbours", "?"),
    ],
    align=True,
)


@dataclass(frozen=True)
class Opportunities:
    """Record array of opportunities, and for each participant the numbers of its own.

    Those of participant i are `own[first[i]:first[i + 1]]`. `split` is the draw (-1..1) of who gets the value,
    `value` the gross flow value at long-run prices in SEK a year, `carbon` the emissions that the whole flow would
    avoid in t CO2e a year, `public` the share of what the receiver makes of it that public buyers take.
    """

    pairs: np.ndarray
    first: np.ndarray
    own: np.ndarray


def sphere(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Points on the unit sphere, shape (n, 3), from degrees."""
    phi, lam = np.radians(lat), np.radians(lon)
    return np.column_stack((np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)))


def _within_reach(population: Population, byproduct: int, reach: float, most: int) -> tuple[np.ndarray, ...]:
    """Supply stream, demand stream and great-circle km of all pairs of one by-product, nearest `most` per donor."""
    supplies = np.flatnonzero(population.supplies["byproduct"] == byproduct)
    demands = np.flatnonzero(population.demands["byproduct"] == byproduct)
    if supplies.size == 0 or demands.size == 0:
        return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    people = population.participants
    donors = people[population.supplies["owner"][supplies]]
    receivers = people[population.demands["owner"][demands]]
    tree = KDTree(sphere(receivers["lat"], receivers["lon"]))
    chord = 2.0 * math.sin(min(reach / EARTH_RADIUS, math.pi) / 2.0)
    nearest = min(most + 1, demands.size)  # one more, since a plant may find itself
    chords, found = map(
        np.asarray,
        tree.query(sphere(donors["lat"], donors["lon"]), k=np.arange(1, nearest + 1), distance_upper_bound=chord),
    )
    donor, _ = np.nonzero(found < demands.size)
    hit = found < demands.size
    return supplies[donor], demands[found[hit]], 2.0 * EARTH_RADIUS * np.arcsin(np.minimum(chords[hit] / 2.0, 1.0))


@kernel
def _keep(seed, pairs, population, table, p):
    """Fill in the candidates' draws and values; return which of them are opportunities."""
    (participants, supplies, demands), (byproducts, commodities, public) = population, table
    kept = np.zeros(pairs.size, np.bool_)
    partners, last = 0, -1
    for e in range(pairs.size):
        pair = pairs[e]
        pair.supplier, pair.receiver = supplies[pair.supply].owner, demands[pair.demand].owner
        if pair.supply != last:
            partners, last = 0, pair.supply
        if pair.supplier == pair.receiver or partners >= p.opportunities.max_partners:
            continue
        partners += 1
        donor, user, route = participants[pair.supplier], participants[pair.receiver], byproducts[pair.byproduct]
        pair.key = mix(mix(donor.key, user.key), route.key)
        spread = p.opportunities.fit_spread
        pair.fit = math.exp(spread * normal(seed, chance.FIT, pair.key, 0) - 0.5 * spread * spread)
        pair.split = 2.0 * uniform(seed, chance.SPLIT, pair.key, 0) - 1.0
        pair.cross = donor.nace2 != user.nace2
        pair.neighbours = donor.municipality == user.municipality
        pair.distance *= p.opportunities.road_factor
        quantity = min(supplies[pair.supply].quantity, demands[pair.demand].quantity)
        saved = route.substitution * pair.fit * commodities[route.commodity].price
        pair.value = quantity * (saved + route.gate_fee + route.landfill_share * LANDFILL_TAX_TODAY)
        pair.carbon = quantity * net_saving(pair, route)
        pair.public = public[user.sector]
        enough = quantity >= p.opportunities.min_share * supplies[pair.supply].quantity
        kept[e] = enough and pair.value >= p.opportunities.min_value
    return kept


@kernel
def _visit_order(seed, pairs):
    rank = np.zeros(pairs.size)
    for e in range(pairs.size):
        rank[e] = uniform(seed, chance.VISIT_ORDER, pairs[e].key, 0)
    return np.argsort(rank)


def enumerate_opportunities(population: Population, seed: int, p: np.void) -> Opportunities:
    """All opportunities of one replicate, in visiting order."""
    table = catalogue()
    most = int(p["opportunities"]["max_partners"])
    parts = []
    for number, row in enumerate(table.byproduct_rows):
        great_circle = row.reach / float(p["opportunities"]["road_factor"])
        supply, demand, distance = _within_reach(population, number, great_circle, most)
        part = np.zeros(supply.size, OPPORTUNITY)
        part["supply"], part["demand"], part["distance"], part["byproduct"] = supply, demand, distance, number
        parts.append(part)
    pairs = np.concatenate(parts)
    people = (population.participants, population.supplies, population.demands)
    goods = (table.byproducts, table.commodities, np.array([sector.public for sector in table.sectors]))
    pairs = pairs[_keep(np.uint64(seed), pairs, people, goods, p)]
    pairs = pairs[_visit_order(np.uint64(seed), pairs)]
    ends = np.concatenate((pairs["supplier"], pairs["receiver"]))
    first = np.zeros(len(population.participants) + 1, np.int64)
    np.cumsum(np.bincount(ends, minlength=len(population.participants)), out=first[1:])
    own = (np.argsort(ends, kind="stable") % max(len(pairs), 1)).astype(np.int32)
    return Opportunities(pairs, first, own)
