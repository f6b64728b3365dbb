"""firms.csv -> checked own firms: plants that a user knows, with what they have left over and what they need.

One row a firm, or one row a flow of a firm (docs/own-data.md). All that is wrong is reported at once with its line, and
then nothing is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from abm.catalogue import EAST, MOST_EMPLOYEES, NORTH, Catalogue, Municipality, Plant, Region, catalogue
from abm.csvfile import CsvRow, Names, column_errors, read_rows, stop_at
from abm.texts import DataError, quoted, shown

FIRM_COLUMNS = ("municipality", "lat", "lon", "sector", "employees")
FLOW_COLUMNS = ("byproduct", "side", "quantity", "unit")
COLUMNS = ("name", *FIRM_COLUMNS, *FLOW_COLUMNS)
SIDES = ("supply", "demand")
FARTHEST = 150.0  # km from the nearest seat: a plant beyond it is not one of the region
EARTH_RADIUS = 6371.0  # km
MOST_QUANTITY = 1e9  # more is a slip of the pen


@dataclass(frozen=True)
class Flow:
    """What a firm has left over (`side` supply) or needs (demand): units a year of a by-product."""

    byproduct: str
    side: str
    quantity: float


@dataclass(frozen=True)
class Firm:
    """One own firm; without `flows` its streams are drawn from its sector."""

    name: str
    municipality: str
    lat: float
    lon: float
    sector: str
    employees: float
    flows: tuple[Flow, ...] = ()


def _municipal(sector: str) -> bool:
    known = catalogue().by_sector
    return sector in known and known[sector].municipal


def without_utilities(firms: Iterable[Firm]) -> tuple[Firm, ...]:
    """Those that are no municipal utilities."""
    return tuple(firm for firm in firms if not _municipal(firm.sector))


def utilities(firms: Iterable[Firm], region: Region) -> tuple[Plant | Firm, ...]:
    """The region's utilities, where own ones replace those of their municipality and sector."""
    own = [firm for firm in firms if _municipal(firm.sector)]
    replaced = {(firm.municipality, firm.sector) for firm in own}
    return (*(plant for plant in region.utility if (plant.municipality, plant.sector) not in replaced), *own)


def _header_errors(header: list[str], where: str) -> list[str]:
    wanted = ["name", "sector", "employees"]
    if not {"municipality", "lat", "lon"} & set(header):
        wanted.append("municipality")
    for together in (("lat", "lon"), FLOW_COLUMNS):
        wanted += together if set(together) & set(header) else ()
    return column_errors(header, where, COLUMNS, wanted)


def km_to_seat(lat: float, lon: float, town: Municipality) -> float:
    """Great-circle distance from a point to a municipality's seat."""
    north, south = math.radians(lat), math.radians(town.lat)
    h = math.sin((north - south) / 2) ** 2
    h += math.cos(north) * math.cos(south) * math.sin(math.radians(lon - town.lon) / 2) ** 2
    return 2.0 * EARTH_RADIUS * math.asin(min(math.sqrt(h), 1.0))


class Places:
    """Municipalities by name and by distance from a point."""

    def __init__(self, towns: Sequence[Municipality]) -> None:
        self.towns = towns
        self.by_name = {one.name: one for one in towns}
        self._places = {one.name: place for place, one in enumerate(towns)}
        self._lat = np.radians([one.lat for one in towns])
        self._lon = np.radians([one.lon for one in towns])

    def nearest(self, lat: float, lon: float, but: Municipality | None = None) -> tuple[Municipality, float]:
        """The one whose seat is nearest, and km to it; `but` is infinitely far."""
        north, east = math.radians(lat), math.radians(lon)
        h = np.sin((north - self._lat) / 2) ** 2
        h += math.cos(north) * np.cos(self._lat) * np.sin((east - self._lon) / 2) ** 2
        if but is not None:
            h[self._places[but.name]] = math.inf
        town = self.towns[int(h.argmin())]
        return town, math.inf if town is but else km_to_seat(lat, lon, town)

    def of(self, row: CsvRow, town: str | None, lat: float | None, lon: float | None) -> Municipality | None:
        """The municipality of a firm: the one named, else that of the nearest seat; notes what is wrong."""
        given = row.given(("lat", "lon"))
        if len(given) == 1:
            row.require(("lat", "lon"), f" ({given[0]} is given)")
        elif not given:
            row.require(("municipality",), "; or give lat and lon")
        elif lat is not None and lon is not None:
            near, km = self.nearest(lat, lon)
            if km > FARTHEST:
                turned = -90.0 <= lon <= 90.0 and self.nearest(lon, lat)[1] <= FARTHEST
                hint = "; lat and lon are swapped" if turned else ""
                row.wrong("lat", f"{lat:g} with lon {lon:g} is {km:.0f} km from {near.seat}, the nearest seat{hint}")
            elif not row.text("municipality"):
                return near
        return self.by_name.get(town or "")


def _flow(row: CsvRow, table: Catalogue) -> Flow | None:
    """The flow of a row; None if it has none, or a faulty one."""
    given = row.given(FLOW_COLUMNS)
    if given:
        row.require(FLOW_COLUMNS, f" ({given[0]} is given)")
    byproduct = row.choice("byproduct", table.by_byproduct, "by-product")
    side = row.choice("side", SIDES, "side")
    quantity = row.number("quantity", 0.0, MOST_QUANTITY)
    unit = row.text("unit")
    if byproduct and unit and unit != (right := table.by_byproduct[byproduct].unit):
        row.wrong("unit", f"{quoted(unit)}, but {byproduct} is in {right} a year")
    if byproduct is None or side is None or quantity is None or row.faulty & set(FLOW_COLUMNS):
        return None
    return Flow(byproduct, side, quantity)


def _firm(row: CsvRow, first: CsvRow, places: Places, table: Catalogue) -> Firm | None:
    """Check the firm's own cells; the firm if the row is the `first` of its name and without fault."""
    town = row.choice("municipality", places.by_name, "municipality of the region")
    lat, lon = row.number("lat", *NORTH), row.number("lon", *EAST)
    sector = row.choice("sector", table.by_sector, "sector")
    employees = row.number("employees", 0.0, MOST_EMPLOYEES)
    if row is not first:
        return None
    row.require(("sector", "employees"))
    place = places.of(row, town, lat, lon)
    if place is None or sector is None or employees is None or row.faulty & {"name", *FIRM_COLUMNS}:
        return None
    if lat is None or lon is None:
        lat, lon = place.lat, place.lon
    return Firm(row.text("name"), place.name, lat, lon, sector, employees)


def _check_further(row: CsvRow, first: CsvRow) -> None:
    """A further row of a firm repeats its data or leaves it out, and gives another flow."""
    for column in row.given(FIRM_COLUMNS):
        if column not in row.faulty and not row.same(column, first):
            was = first.text(column) or "empty"
            row.wrong(column, f"{shown(row.text(column))}, but {shown(was)} on line {first.line}, the same firm")
    if not row.given(FLOW_COLUMNS):
        said = f"{quoted(row.text('name'))} is already on line {first.line}"
        row.wrong("name", f"{said}; a further row gives another flow")


def _clashes(firms: Iterable[Firm], first: dict[str, CsvRow], region: Region) -> None:
    names = {plant.name for plant in utilities(firms, region) if isinstance(plant, Plant)}
    for name in names & set(first):
        first[name].wrong("name", f"{quoted(name)} is a utility of the region")


def read_firms(file: Path, region: Region) -> tuple[Firm, ...]:
    """The firms of a CSV file, in its order; raises DataError with one line for each thing that is wrong."""
    table, where, errors = catalogue(), str(file), list[str]()
    rows = read_rows(file, _header_errors, errors)
    if not rows:
        raise DataError([f"{where}: no firms in it"])
    first: dict[str, CsvRow] = {}
    firms: dict[str, Firm] = {}
    flows: dict[str, dict[tuple[str, str], tuple[int, Flow]]] = {}  # by firm, by-product and side
    names, places = Names(), Places(region.municipality)
    for row in rows:
        name = row.name()
        if name and (clash := names.clash(name, row.line)):
            row.wrong("name", clash)
        opening = first.setdefault(name, row) if name else row
        if firm := _firm(row, opening, places, table):
            firms[name] = firm
        if flow := _flow(row, table):
            line, _ = flows.setdefault(name, {}).setdefault((flow.byproduct, flow.side), (row.line, flow))
            if line != row.line and name:
                said = f"{flow.side} of {flow.byproduct} by {quoted(name)}"
                row.wrong("byproduct", f"{said} is already on line {line}")
        if opening is not row:
            _check_further(row, opening)
    _clashes(firms.values(), first, region)
    stop_at(errors)
    return tuple(
        replace(firm, flows=tuple(flow for _, flow in flows.get(name, {}).values())) for name, firm in firms.items()
    )
