"""Who is there: the participants of one replicate, with their traits and their free streams.

Named anchors and municipal utilities are the region's own, or a scenario's own firms stand in their place; the other
firms are drawn from the region's distributions of sector, size and place. Every draw is keyed by the firm's number or
the plant's name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abm import chance
from abm.catalogue import SHARING, Catalogue, Plant, catalogue
from abm.chance import mix, name_key, normal, uniform
from abm.compiled import kernel
from abm.firms import Firm, utilities, without_utilities
from abm.ruleset import rule_set
from abm.scenario import Scenario

LARGEST = 2000.0  # employees of a drawn firm at most (judgement; larger plants are named anchors)
ALWAYS = 100.0  # employees above which a plant surely has its sector's streams (judgement)
KM_PER_DEGREE = 111.2
SIZE_LIMITS = (50.0, 250.0)  # employees; classes of Tillväxtverket: 10-49, 50-249, 250+
DISCOUNT_CLASSES = 3  # of firms: low, middle, high; municipal utilities are class 3

PARTICIPANT = np.dtype(
    [
        ("key", "u8"),
        ("municipality", "u4"),
        ("sector", "u4"),
        ("nace2", "i4"),
        ("size", "u4"),
        ("discount_class", "i4"),
        ("rule", "i4"),  # place in the scenario's rules (ruleset.py)
        ("firm", "?"),
        ("potential", "?"),  # a site without a firm at the start
        ("trait_risk", "f8"),
        ("trait_payback", "f8"),
        ("trait_attitude", "f8"),
        ("trait_threshold", "f8"),
        ("trait_knowledge", "f8"),
        ("trait_social", "f8"),
        ("routes", "i8"),  # by-products that it could supply or take, one bit each
        ("employees", "f8"),
        ("lat", "f8"),
        ("lon", "f8"),
    ],
    align=True,
)
STREAM = np.dtype([("quantity", "f8"), ("owner", "u4"), ("byproduct", "u4")], align=True)


@dataclass(frozen=True)
class Population:
    """Participants (record array), their supply and demand streams, and the names of the named ones by index."""

    participants: np.ndarray
    supplies: np.ndarray
    demands: np.ndarray
    names: dict[int, str]


@kernel
def truncated_pareto(u, least, most, exponent):
    """Size with tail `exponent` between `least` and `most` at probability `u`."""
    return least * (1.0 - u * (1.0 - (least / most) ** exponent)) ** (-1.0 / exponent)


@kernel
def _pick(cumulated, u):
    return min(np.searchsorted(cumulated, u * cumulated[-1], side="right"), cumulated.size - 1)


@kernel
def _draw_firm(person, seed, table, p):
    """Sector, size and place of a firm that the region does not name."""
    shares, smallest, rural, places, population, land = table
    person.sector = _pick(shares, uniform(seed, chance.SECTOR, person.key, 0))
    u = uniform(seed, chance.EMPLOYEES, person.key, 0)
    person.employees = truncated_pareto(u, smallest[person.sector], LARGEST, p.size_exponent)
    weights = land if rural[person.sector] else population
    person.municipality = _pick(weights, uniform(seed, chance.MUNICIPALITY, person.key, 0))
    seat = places[person.municipality]
    north = p.position_spread * normal(seed, chance.POSITION, person.key, 0)
    east = p.position_spread * normal(seed, chance.POSITION, person.key, 1)
    person.lat = seat[0] + north / KM_PER_DEGREE
    person.lon = seat[1] + east / (KM_PER_DEGREE * math.cos(math.radians(seat[0])))


@kernel
def _draw_traits(person, seed):
    person.trait_risk = 2.0 * uniform(seed, chance.TRAIT, person.key, 0) - 1.0
    person.trait_knowledge = 2.0 * uniform(seed, chance.TRAIT, person.key, 1) - 1.0
    person.trait_social = 2.0 * uniform(seed, chance.TRAIT, person.key, 2) - 1.0
    # a normal number takes two uniform ones, here 6 and 7, then 8 and 9: no trait shares one
    person.trait_payback = normal(seed, chance.TRAIT, person.key, 3)
    person.trait_threshold = normal(seed, chance.TRAIT, person.key, 4)
    person.trait_attitude = 2.0 * uniform(seed, chance.TRAIT, person.key, 5) - 1.0
    if person.firm:
        person.discount_class = int(DISCOUNT_CLASSES * uniform(seed, chance.TRAIT, person.key, 4))
    else:
        person.discount_class = DISCOUNT_CLASSES
    for limit in SIZE_LIMITS:
        if person.employees >= limit:
            person.size += 1


@kernel
def draw_participants(seed, participants, n_anchors, table, p):
    """Fill in what is drawn: whole firms after the anchors, traits for all."""
    for i in range(participants.size):
        person = participants[i]
        if i >= n_anchors and person.firm:
            person.key = mix(chance.FIRM, np.uint64(i - n_anchors))
            _draw_firm(person, seed, table, p)
        _draw_traits(person, seed)


@kernel
def assign_rules(seed, participants, of_sector, below, rules):
    """Place of each participant's rule: its sector's (-1: none), else a firm's by its draw, else the default, 0.

    A firm with `below[n - 1] <= draw < below[n]` follows `rules[n]`, beyond the last the default.
    """
    for i in range(participants.size):
        person = participants[i]
        if of_sector[person.sector] >= 0:
            person.rule = of_sector[person.sector]
        elif person.firm:
            n = np.searchsorted(below, uniform(seed, chance.RULE, person.key, 0), side="right")
            person.rule = rules[n] if n < rules.size else 0


@kernel
def draw_streams(seed, participants, table, events, p):
    """Streams of one side (`events`: has it, its size): owner, by-product and units a year, by participant."""
    intensity, keys, shared = table
    streams = np.zeros(participants.size * 4, STREAM)
    count = 0
    for i in range(participants.size):
        person = participants[i]
        sure = person.employees > ALWAYS or not person.firm
        for r in range(keys.size):
            mean = intensity[r, person.sector] * person.employees
            chosen = uniform(seed, events[0], person.key, keys[r]) < (p.sharing if shared[r] else p.prevalence)
            if mean <= 0.0 or not (chosen or (sure and not shared[r])):
                continue
            if count == streams.size:
                streams = np.concatenate((streams, np.zeros(streams.size, STREAM)))
            spread = p.stream_spread
            size = math.exp(spread * normal(seed, events[1], person.key, keys[r]) - 0.5 * spread * spread)
            streams[count].owner = i
            streams[count].byproduct = r
            streams[count].quantity = mean * size
            count += 1
    return streams[:count].copy()


def _plants(scenario: Scenario, firms: int) -> tuple[Sequence[Plant | Firm], Sequence[Plant | Firm]]:
    """Named firms, own ones in place of the region's anchors, and utilities."""
    anchors = without_utilities(scenario.firms) if scenario.firms else scenario.region.anchor[:firms]
    return anchors, utilities(scenario.firms, scenario.region)


def _named(scenario: Scenario, table: Catalogue, firms: int) -> tuple[np.ndarray, dict[int, str], int]:
    """All participants with what is known of the named ones, the names, and how many of the firms are named."""
    region, (anchors, municipal) = scenario.region, _plants(scenario, firms)
    sites, last = round(float(scenario.values["population.potential"]) * firms), firms + len(municipal)
    participants = np.zeros(last + sites, PARTICIPANT)
    participants["firm"] = True
    participants["firm"][firms:last] = False
    participants["potential"][last:] = True
    places = {row.name: number for number, row in enumerate(region.municipality)}
    names = {}
    for number, plant in [*enumerate(anchors), *enumerate(municipal, start=firms)]:
        seat = region.municipality[places[plant.municipality]]
        person = participants[number]
        person["key"] = name_key(plant.name)
        person["sector"] = table.sector_index(plant.sector)
        person["municipality"] = places[plant.municipality]
        person["employees"] = plant.employees
        person["lat"] = seat.lat if plant.lat is None else plant.lat
        person["lon"] = seat.lon if plant.lon is None else plant.lon
        names[number] = plant.name
    return participants, names, len(anchors)


def _with_declared(streams: np.ndarray, side: str, scenario: Scenario, names: dict[int, str]) -> np.ndarray:
    """The drawn streams of one side, those of firms that declare any flow replaced by what they declare."""
    flows = {firm.name: firm.flows for firm in scenario.firms if firm.flows}
    owners = {number: flows[name] for number, name in names.items() if name in flows}
    if not owners:
        return streams
    routes = {row.id: number for number, row in enumerate(catalogue().byproduct_rows)}
    declared = np.array(
        [
            (flow.quantity, number, routes[flow.byproduct])
            for number, own in owners.items()
            for flow in own
            if flow.side == side
        ],
        STREAM,
    )
    kept = streams[~np.isin(streams["owner"], list(owners))]
    together = np.concatenate((kept, declared))
    return together[np.lexsort((together["byproduct"], together["owner"]))]


def draw_population(scenario: Scenario, seed: int, p: np.void) -> Population:
    """The participants of one replicate; `p` are the scenario's parameters as a record."""
    region, table = scenario.region, catalogue()
    firms = int(scenario.values["population.firms"])
    participants, names, named = _named(scenario, table, firms)
    distributions = (
        np.cumsum([sector.share for sector in table.sectors]),
        np.array([sector.smallest for sector in table.sectors], dtype=float),
        np.array([sector.rural for sector in table.sectors]),
        np.array([(row.lat, row.lon) for row in region.municipality]),
        np.cumsum([row.population for row in region.municipality]),
        np.cumsum([row.land for row in region.municipality]),
    )
    key = np.uint64(seed)
    draw_participants(key, participants, named, distributions, p["population"])
    participants["nace2"] = np.array([int(sector.nace2) for sector in table.sectors])[participants["sector"]]
    assign_rules(key, participants, *rule_set(scenario.values).places([sector.id for sector in table.sectors]))
    routes, shared = np.ascontiguousarray(table.byproducts["key"]), table.byproducts["kind"] == SHARING
    supplies, demands = (
        draw_streams(key, participants, (intensity, routes, shared), events, p["population"])
        for intensity, events in (
            (table.supply_intensity, (chance.HAS_SUPPLY, chance.SUPPLY_SIZE)),
            (table.demand_intensity, (chance.HAS_DEMAND, chance.DEMAND_SIZE)),
        )
    )
    supplies = _with_declared(supplies, "supply", scenario, names)
    demands = _with_declared(demands, "demand", scenario, names)
    for streams in (supplies, demands):
        np.bitwise_or.at(participants["routes"], streams["owner"], 1 << streams["byproduct"].astype(np.int64))
    return Population(participants, supplies, demands, names)
