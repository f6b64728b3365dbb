"""scenario, seed -> the firms, opportunities and market of a replicate, each part made once from what shapes it.

Arms of one seed, and the scenarios of a sweep on common seeds, differ mostly in behaviour: they share these parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from abm import opportunities, population
from abm.catalogue import Catalogue, Region, catalogue
from abm.firms import Firm
from abm.opportunities import Possible, possible, searched
from abm.parameters import part
from abm.parts import Part, given, made
from abm.plan import plan
from abm.population import Population, ground, populated, with_rules
from abm.prices import deviations, guarantee, markets, unit_values
from abm.ruleset import rule_set
from abm.scenario import Scenario
from abm.staffing import coverages
from abm.waiting import shares, steepness

GROUNDS = 4  # that are held: a sweep has one, or one a number of firms


class Surroundings(NamedTuple):
    """Who is there and what they could exchange: population.Population, and the rest as state.World has it."""

    population: Population
    pairs: np.ndarray
    outlook: np.ndarray
    first: np.ndarray
    own: np.ndarray
    serves: np.ndarray


class Market(NamedTuple):
    """Prices of all months, what a unit a year is worth at them, and what of that it pays to wait for (state.World)."""

    market: np.ndarray
    unit_value: np.ndarray
    waiting: np.ndarray


@dataclass(frozen=True)
class Shape:
    """What the parts of a scenario's worlds are made from besides the seed."""

    ground: Part
    populating: Part
    rules: Part | None  # who follows another rule than the default, if anybody
    table: Part
    existing: Part
    searching: Part
    covers: Part
    process: Part
    months: Part
    rates: Part
    horizon: Part
    reverting: Part
    hazard: Part
    floors: Part | None  # guaranteed prices by month, if there are any


_SHAPES: WeakKeyDictionary[Scenario, Shape] = WeakKeyDictionary()


def shape(scenario: Scenario) -> Shape:
    """The shape of a scenario; the same object as long as the scenario is there."""
    if scenario not in _SHAPES:
        _SHAPES[scenario] = _work_out(scenario)
    return _SHAPES[scenario]


def _work_out(scenario: Scenario) -> Shape:
    fixed, table, values = plan(scenario), catalogue(), scenario.values
    of_sector, below, places = rule_set(values).places([sector.id for sector in table.sectors])
    mixed, floors = below.size > 0 or (of_sector >= 0).any(), fixed.levers["price_floor"]
    return Shape(
        ground=_ground(scenario),
        populating=given(part(fixed.p, population.SHAPING)),
        rules=given(of_sector, below, places) if mixed else None,
        table=given(table.byproducts, table.commodities),
        existing=given(part(fixed.p, opportunities.SHAPING)),
        searching=given(part(fixed.p, opportunities.SEARCHING)),
        covers=given(fixed.who.covers),
        process=given(fixed.process),
        months=given(scenario.spin_up_months + scenario.months),
        rates=given(fixed.rates),
        horizon=given(float(values["worth.horizon"])),
        reverting=given(values["prices.expectations"] == "reverting"),
        hazard=given(float(values["discovery.forgetting"])),
        floors=given(floors) if floors.any() else None,
    )


# Reading a region's rows and hashing them takes longer than drawing a small population. A held ground holds what it was
# read from too, so that no other object can have the same identity.
Read = tuple[Region, tuple[Firm, ...], Catalogue, Any, Any]
_GROUNDS: dict[tuple[Any, ...], tuple[Read, Part]] = {}
_LOCK = Lock()


def _ground(scenario: Scenario) -> Part:
    """What populations stand on, of the last few regions and numbers of firms."""
    counts = (scenario.values["population.firms"], scenario.values["population.potential"])
    read: Read = (scenario.region, scenario.firms, catalogue(), *counts)
    key = (*map(id, read[:3]), *counts)
    with _LOCK:
        if key not in _GROUNDS:
            _GROUNDS[key] = read, given(ground(scenario))
            if len(_GROUNDS) > GROUNDS:
                del _GROUNDS[next(iter(_GROUNDS))]
        return _GROUNDS[key][1]


def surroundings(scenario: Scenario, seed: np.uint64) -> Surroundings:
    """Participants and opportunities of a replicate. Shared: not to be written into."""
    one, key = shape(scenario), given(seed)
    people = made(populated, one.ground, key, one.populating)
    existing = made(possible, people, key, one.table, one.existing)
    pairs, outlook, serves = made(_searched, existing, people, one.table, one.covers, one.searching).value
    if one.rules:
        people = made(with_rules, people, key, one.rules)
    return Surroundings(people.value, pairs, outlook, existing.value.first, existing.value.own, serves)


def _searched(
    existing: Possible, people: Population, table: tuple[np.ndarray, np.ndarray], covers: np.ndarray, p: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Opportunities as they are searched for and covered, outlooks, and which facilitators serve each coverage."""
    pairs, outlook = searched(existing, people, table[0], p)
    here, there = (people.participants["municipality"][pairs[side]] for side in ("supplier", "receiver"))
    pairs["coverage"], serves = coverages(covers, here, there)
    return pairs, outlook, serves


def market(scenario: Scenario, seed: np.uint64) -> Market:
    """The market of a replicate, with the prices guaranteed while they are. Shared: not to be written into."""
    one = shape(scenario)
    valuing = one.process, one.rates, one.horizon, one.reverting
    x = made(deviations, given(seed), one.process, one.months)
    valued = made(_valued, x, *valuing)
    if one.floors:
        valued = made(_guaranteed, valued, one.floors, x, *valuing)
    tables = made(steepness, one.process, one.rates, one.hazard)
    waits = made(_waits, valued, x, one.process, one.rates, one.hazard, one.reverting, tables)
    prices, values, _ = valued.value
    return Market(prices, values, waits.value)


Valued = tuple[np.ndarray, np.ndarray, np.ndarray]  # markets, unit values and their slopes (abm/prices.py)


def _valued(x: np.ndarray, process: np.ndarray, rates: np.ndarray, horizon: float, reverting: bool) -> Valued:
    values, slopes = unit_values(x, process, rates, horizon, reverting)
    return markets(x, process, values), values, slopes


def _guaranteed(
    valued: Valued,
    floors: np.ndarray,
    x: np.ndarray,
    process: np.ndarray,
    rates: np.ndarray,
    horizon: float,
    reverting: bool,
) -> Valued:
    prices, values, slopes = (array.copy() for array in valued)
    guarantee(floors, x, process, rates, horizon, reverting, prices, values, slopes)
    return prices, values, slopes


def _waits(
    valued: Valued,
    x: np.ndarray,
    process: np.ndarray,
    rates: np.ndarray,
    hazard: float,
    reverting: bool,
    tables: np.ndarray,
) -> np.ndarray:
    return shares(x, process, rates, hazard, reverting, *valued[1:], tables)
