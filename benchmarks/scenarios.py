"""Regions of any size and constant density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from abm.catalogue import Municipality, Plant, Region
from abm.parameters import Value
from abm.population import KM_PER_DEGREE
from abm.regions import load_region
from abm.scenario import Scenario, load_scenario

SOURCE = "ostergotland"
FIRMS = 600  # of one copy of Östergötland: the default of population.firms
MILLION = 1_000_000  # firms: without the largest centre
STAFF = ("no centre", "4 FTE", "4 FTE per 600 firms")
Placed = TypeVar("Placed", Municipality, Plant)


def tiled(copies: int) -> Region:
    """Östergötland so many times over, side by side in a square around the point where equator and meridian meet.

    Whole copies, and not a grid of equal municipalities, because a grid would have neither the two cities that hold
    two thirds of the firms nor the utilities and anchors that many exchanges go through: here the smallest size is
    Östergötland itself (up to the shape of the earth), and each larger one has the same mix and firms per area. A tile
    has the area of the region's land, so that density is its own. What a firm can reach still grows with the region
    until that is as wide as the longest reach (300 km by road, 3 tiles): opportunities per firm rise up to there.

    Municipalities grow with firms, 13 to 600. Their tables then do too, but stay small: at 1,000,000 firms the largest,
    the rows observed, is 30 MB where opportunities are gigabytes. At that size the square is 4,200 km wide, from 19
    degrees south to 19 degrees north; degrees east are stretched by latitude so that kilometres stay kilometres.
    """
    region = load_region(SOURCE)
    towns = region.municipality
    side = math.sqrt(sum(town.land for town in towns))  # km
    north, east = (sum(values) / len(towns) for values in zip(*((town.lat, town.lon) for town in towns), strict=True))
    columns = math.ceil(math.sqrt(copies))
    narrowing = math.cos(math.radians(north))  # of a degree east where the region really lies

    def moved(row: Placed, copy: int) -> Placed:
        """A municipality or plant of one copy, at its new place and with a name of its own."""
        changes: dict[str, Any] = {"name": f"{row.name} {copy}"}
        if isinstance(row, Plant):
            changes["municipality"] = f"{row.municipality} {copy}"
        if row.lat is not None and row.lon is not None:
            up, right = (place - (columns - 1) / 2 for place in divmod(copy, columns))
            lat = row.lat - north + up * side / KM_PER_DEGREE
            kilometres = (row.lon - east) * KM_PER_DEGREE * narrowing + right * side
            changes |= {"lat": lat, "lon": kilometres / (KM_PER_DEGREE * math.cos(math.radians(lat)))}
        return row.model_copy(update=changes)

    def all_copies(rows: Sequence[Placed]) -> tuple[Placed, ...]:
        return tuple(moved(row, copy) for copy in range(copies) for row in rows)

    return region.model_copy(
        update={
            "municipality": all_copies(region.municipality),
            "anchor": all_copies(region.anchor),
            "utility": all_copies(region.utility),
        }
    )


def synthetic(firms: int, changes: dict[str, Value] | None = None) -> Scenario:
    """A scenario of so many firms at the density of Östergötland, with as many copies of it as that takes."""
    scenario = load_scenario(SOURCE, {**(changes or {}), "population.firms": firms})
    return replace(scenario, name=f"{firms} firms", region=tiled(max(1, round(firms / FIRMS))))


def staff_of(firms: int) -> dict[str, float]:
    """FTE of the centre in each arm that is run: those that do not differ, or would take hours, are left out."""
    staff = dict(zip(STAFF, (0.0, 4.0, 4.0 * firms / FIRMS), strict=True))
    if firms <= FIRMS or firms >= MILLION:
        del staff[STAFF[2]]
    return staff
