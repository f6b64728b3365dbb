"""Who is there: the participants of one replicate, with their traits and their free streams.

Named anchors and municipal utilities are the region's own, or a scenario's own firms stand in their place; the other
firms are drawn from the region's distributions of sector, size and place. Every draw is keyed by the firm's number or
the plant's name.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from abm import chance
from abm.catalogue import SHARING, Catalogue, Plant, Region, catalogue
from abm.chance import mix, name_key, normal, uniform
from abm.compiled import kernel
from abm.firms import Firm, utilities, without_utilities
from abm.parameters import part
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
SHAPING = tuple(
    f"population.{name}" for name in ("size_exponent", "prevalence", "sharing", "stream_spread", "position_spread")
)
EVENTS = ((chance.HAS_SUPPLY, chance.SUPPLY_SIZE), (chance.HAS_DEMAND, chance.DEMAND_SIZE))
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
    (first, routes, intensity), keys, shared = table
    streams = np.empty(participants.size * 4, STREAM)
    count = 0
    for i in range(participants.size):
        person = participants[i]
        sure = person.employees > ALWAYS or not person.firm
        for n in range(first[person.sector], first[person.sector + 1]):
            r, mean = routes[n], intensity[n] * person.employees
            if mean <= 0.0:
                continue
            chosen = uniform(seed, events[0], person.key, keys[r]) < (p.sharing if shared[r] else p.prevalence)
            if not (chosen or (sure and not shared[r])):
                continue
            if count == streams.size:
                streams = np.concatenate((streams, np.empty(streams.size, STREAM)))
            spread = p.stream_spread
            size = math.exp(spread * normal(seed, events[1], person.key, keys[r]) - 0.5 * spread * spread)
            streams[count].owner = i
            streams[count].byproduct = r
            streams[count].quantity = mean * size
            count += 1
    return streams[:count].copy()


@kernel
def _note_routes(participants, streams):
    """Of which by-products each participant has a stream."""
    for stream in streams:
        participants[stream.owner].routes |= 1 << np.int64(stream.byproduct)


Intensity = tuple[np.ndarray, np.ndarray, np.ndarray]


def _by_sector(intensity: np.ndarray) -> Intensity:
    """What is above 0 of a matrix (by-product, sector): where each sector's begins, its by-products and intensities."""
    sectors, routes = np.nonzero(intensity.T > 0.0)
    first = np.searchsorted(sectors, np.arange(intensity.shape[1] + 1))
    return first, routes, intensity[routes, sectors]


class Ground(NamedTuple):
    """What the populations of all seeds stand on: the plants known by name, and what the others are drawn from.

    `firms` named or drawn come first, then `municipal` utilities, then `sites` without a firm at the start.
    """

    firms: int
    municipal: int
    sites: int
    anchors: int  # firms known by name
    named: np.ndarray  # PARTICIPANT, as far as known
    places: np.ndarray  # i8, their numbers among all participants
    names: dict[int, str]
    distributions: tuple[np.ndarray, ...]
    nace2: np.ndarray  # by sector
    routes: np.ndarray  # keys by by-product
    shared: np.ndarray  # is it shared, by by-product
    intensities: tuple[Intensity, Intensity]  # of supply and demand
    declarers: np.ndarray  # numbers of the participants that declare any flow
    declared: tuple[np.ndarray, np.ndarray]  # STREAM, supplies and demands


def ground(scenario: Scenario) -> Ground:
    """What the populations of a scenario stand on."""
    table, region, firms = catalogue(), scenario.region, int(scenario.values["population.firms"])
    anchors: Sequence[Plant | Firm] = without_utilities(scenario.firms) if scenario.firms else region.anchor[:firms]
    municipal: Sequence[Plant | Firm] = utilities(scenario.firms, region)
    plants = {**dict(enumerate(anchors)), **dict(enumerate(municipal, start=firms))}
    names = {number: plant.name for number, plant in plants.items()}
    declarers, declared = _declared(scenario, names)
    return Ground(
        firms=firms,
        municipal=len(municipal),
        sites=round(float(scenario.values["population.potential"]) * firms),
        anchors=len(anchors),
        named=_named(plants.values(), region, table),
        places=np.array(list(plants), np.int64),
        names=names,
        distributions=(
            np.cumsum([sector.share for sector in table.sectors]),
            np.array([sector.smallest for sector in table.sectors], dtype=float),
            np.array([sector.rural for sector in table.sectors]),
            np.array([(row.lat, row.lon) for row in region.municipality]),
            np.cumsum([row.population for row in region.municipality]),
            np.cumsum([row.land for row in region.municipality]),
        ),
        nace2=np.array([int(sector.nace2) for sector in table.sectors]),
        routes=np.ascontiguousarray(table.byproducts["key"]),
        shared=table.byproducts["kind"] == SHARING,
        intensities=(_by_sector(table.supply_intensity), _by_sector(table.demand_intensity)),
        declarers=declarers,
        declared=declared,
    )


def _named(plants: Collection[Plant | Firm], region: Region, table: Catalogue) -> np.ndarray:
    """What is known of plants with a name."""
    towns = {row.name: number for number, row in enumerate(region.municipality)}
    people = np.zeros(len(plants), PARTICIPANT)
    for person, plant in zip(people, plants, strict=True):
        number = towns[plant.municipality]
        seat = region.municipality[number]
        person["key"] = name_key(plant.name)
        person["sector"] = table.sector_index(plant.sector)
        person["municipality"] = number
        person["employees"] = plant.employees
        person["lat"] = seat.lat if plant.lat is None else plant.lat
        person["lon"] = seat.lon if plant.lon is None else plant.lon
    return people


def _declared(scenario: Scenario, names: Mapping[int, str]) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Who declares flows of its own, and what they are, supplies and demands."""
    flows = {firm.name: firm.flows for firm in scenario.firms if firm.flows}
    owners = {number: flows[name] for number, name in names.items() if name in flows}
    routes = {row.id: number for number, row in enumerate(catalogue().byproduct_rows)}
    supplies, demands = (
        np.array(
            [
                (flow.quantity, number, routes[flow.byproduct])
                for number, own in owners.items()
                for flow in own
                if flow.side == side
            ],
            STREAM,
        )
        for side in ("supply", "demand")
    )
    return np.array(list(owners), np.int64), (supplies, demands)


def _with_declared(streams: np.ndarray, declared: np.ndarray, declarers: np.ndarray) -> np.ndarray:
    """The drawn streams of one side, those of firms that declare any flow replaced by what they declare."""
    if not declarers.size:
        return streams
    together = np.concatenate((streams[~np.isin(streams["owner"], declarers)], declared))
    return together[np.lexsort((together["byproduct"], together["owner"]))]


def populated(base: Ground, seed: np.uint64, p: Any) -> Population:
    """The participants of one replicate, all by the default rule; `p` is what SHAPING names."""
    last = base.firms + base.municipal
    participants = np.zeros(last + base.sites, PARTICIPANT)
    participants[base.places] = base.named
    participants["firm"] = True
    participants["firm"][base.firms : last] = False
    participants["potential"][last:] = True
    draw_participants(seed, participants, base.anchors, base.distributions, p)
    participants["nace2"] = base.nace2[participants["sector"]]
    drawn = (
        draw_streams(seed, participants, (intensity, base.routes, base.shared), events, p)
        for intensity, events in zip(base.intensities, EVENTS, strict=True)
    )
    supplies, demands = (
        _with_declared(streams, declared, base.declarers)
        for streams, declared in zip(drawn, base.declared, strict=True)
    )
    for streams in (supplies, demands):
        _note_routes(participants, streams)
    return Population(participants, supplies, demands, base.names)


def with_rules(
    population: Population, seed: np.uint64, places: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> Population:
    """The same participants, each with its rule: `places` as ruleset.RuleSet.places says."""
    participants = population.participants.copy()
    assign_rules(seed, participants, *places)
    return replace(population, participants=participants)


def draw_population(scenario: Scenario, seed: int, p: Any) -> Population:
    """The participants of one replicate; `p` are the scenario's parameters as a record."""
    key, sectors = np.uint64(seed), [sector.id for sector in catalogue().sectors]
    population = populated(ground(scenario), key, part(p, SHAPING))
    return with_rules(population, key, rule_set(scenario.values).places(sectors))
