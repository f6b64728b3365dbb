"""Which plants there are: named ones of the region's table, and drawn firms."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from types import SimpleNamespace

import numpy as np

from abm import chance
from abm.catalogue import Plant as PlantRow
from abm.catalogue import Region, catalogue
from tests.twin.luck import Luck, joint_key

LARGEST = 2000.0
KM_PER_DEGREE = 111.2


@dataclass
class Plant:
    """A place of work; `municipality` and `sector` count in the order of their tables."""

    key: np.uint64
    is_firm: bool
    sector: int
    municipality: int
    employees: float
    lat: float
    lon: float
    is_free: bool = False  # a site without a firm at the start


def pick(weights: list[float], u: float) -> int:
    """Index drawn in proportion to `weights` by the uniform number `u`."""
    sums = list(accumulate(weights))
    return min(bisect_right(sums, u * sums[-1]), len(sums) - 1)


def named_plant(row: PlantRow, is_firm: bool, region: Region) -> Plant:
    """A plant of the region's table; at the seat if the table gives no position."""
    place = next(n for n, town in enumerate(region.municipality) if town.name == row.municipality)
    sector = next(n for n, one in enumerate(catalogue().sectors) if one.id == row.sector)
    seat = region.municipality[place]
    lat = seat.lat if row.lat is None else row.lat
    lon = seat.lon if row.lon is None else row.lon
    return Plant(chance.name_key(row.name), is_firm, sector, place, row.employees, lat, lon)


def drawn_firm(number: int, region: Region, p: SimpleNamespace, luck: Luck, *, is_free: bool = False) -> Plant:
    """The plant that stands `number` places after the anchors."""
    key, sectors = joint_key(chance.FIRM, np.uint64(number)), catalogue().sectors
    sector = pick([row.share for row in sectors], luck.uniform(chance.SECTOR, key))
    least, tail = sectors[sector].smallest, p.size_exponent
    u = luck.uniform(chance.EMPLOYEES, key)
    employees = least * (1.0 - u * (1.0 - (least / LARGEST) ** tail)) ** (-1.0 / tail)
    weights = [town.land if sectors[sector].rural else town.population for town in region.municipality]
    place = pick(weights, luck.uniform(chance.MUNICIPALITY, key))
    seat = region.municipality[place]
    north = p.position_spread * luck.normal(chance.POSITION, key, 0)
    east = p.position_spread * luck.normal(chance.POSITION, key, 1)
    lat = seat.lat + north / KM_PER_DEGREE
    lon = seat.lon + east / (KM_PER_DEGREE * math.cos(math.radians(seat.lat)))
    return Plant(key, True, sector, place, employees, lat, lon, is_free)


def plants(region: Region, p: SimpleNamespace, luck: Luck) -> list[Plant]:
    """Anchors, drawn firms, utilities, free sites; utilities take places in the numbering too."""
    anchors = [named_plant(row, True, region) for row in region.anchor[: p.firms]]
    utilities = [named_plant(row, False, region) for row in region.utility]
    drawn = p.firms - len(anchors)
    firms = [drawn_firm(number, region, p, luck) for number in range(drawn)]
    first = drawn + len(utilities)
    sites = range(first, first + round(p.potential * p.firms))
    return [*anchors, *firms, *utilities, *(drawn_firm(number, region, p, luck, is_free=True) for number in sites)]
