"""A region's name or file -> a checked Region.

A region is a TOML file: municipalities, named plants and utilities as tables in it, or as CSV files beside it that
it names (docs/new-region.md). All that is wrong is said at once, with the file, the row, the key and the nearest valid
name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from abm.catalogue import (
    DATA,
    EAST,
    MOST_EMPLOYEES,
    MOST_LAND,
    MOST_PEOPLE,
    NORTH,
    Facilitator,
    Municipality,
    Plant,
    Region,
    Row,
    catalogue,
    field_error,
)
from abm.csvfile import NAME, CsvRow, column_errors, read_rows, stop_at
from abm.texts import DataError, alike, nearest, quoted, read_toml, shown

ENDING = ".toml"
ROWS: dict[str, type[Row]] = {
    "municipality": Municipality,
    "anchor": Plant,
    "utility": Plant,
    "facilitator": Facilitator,
}
TABLES = ("municipalities", "plants")  # in CSV files
MATURITIES = ("0", "1", "2")


def region_names() -> list[str]:
    """Names of the regions that come with the model."""
    return sorted(file.stem for file in (DATA / "regions").glob(f"*{ENDING}"))


def load_region(name: str, folder: Path = Path()) -> Region:
    """One of `region_names()`, or a region's file (its name ends in .toml) relative to `folder`. Raises DataError."""
    if name.endswith(ENDING):
        return read_region(folder / name)
    if name not in region_names():
        known = ", ".join(region_names())
        raise DataError([f"no region {quoted(name)}; known: {known}{nearest(name, region_names())}"])
    return read_region(DATA / "regions" / f"{name}{ENDING}")


def is_region(content: Mapping[str, Any]) -> bool:
    """Is the content of a TOML file that of a region, not of a scenario?"""
    return bool({"municipality", "municipalities"} & set(content))


def read_region(file: Path) -> Region:
    """A region's file and the tables that it names, checked; raises DataError."""
    where, content = str(file), read_toml(file)
    known = (*Region.model_fields, *TABLES)
    errors = [f"{where}: unknown key {shown(key)}{nearest(key, known)}" for key in content if key not in known]
    rows: dict[str, Any] = {key: content.pop(key, []) for key in ROWS}  # lists that CSV rows are added to
    errors += [f"{where}: {key} must be an array of tables: [[{key}]]" for key in ROWS if not _is_table(rows[key])]
    if not errors:
        errors += _read_tables(file, content, rows)
    stop_at(errors)
    errors += [problem for key, kind in ROWS.items() for problem in _row_problems(where, key, rows[key], kind)]
    try:
        region = Region(**content, **rows)
    except ValidationError as error:
        found = [one for one in error.errors() if one["loc"][0] not in ROWS or len(one["loc"]) == 1]
        errors += [f"{where}: {field_error(one)}" for one in found]
    stop_at(errors)
    stop_at([f"{where}: {problem}" for problem in _problems(region)])
    return region


def _is_table(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows)


def _row_problems(where: str, key: str, rows: Iterable[Mapping[str, Any]], kind: type[Row]) -> Iterator[str]:
    """What is wrong with rows one by one, with their names and the nearest key."""
    for number, row in enumerate(rows, start=1):
        try:
            kind(**row)
        except ValidationError as error:
            at = f"{where}: {key} {shown(row.get(NAME, '')) or number}"
            for one in error.errors():
                name = ".".join(shown(part) for part in one["loc"])
                unknown = f"{name}: unknown key{nearest(name, tuple(kind.model_fields))}"
                yield f"{at}: {unknown if one['type'] == 'extra_forbidden' else field_error(one)}"


def _problems(region: Region) -> Iterator[str]:
    """What more than one row must agree on: places, sectors, names."""
    towns = dict.fromkeys(row.name for row in region.municipality)
    sectors = {row.id: row for row in catalogue().sectors}
    for key, plants in (("anchor", region.anchor), ("utility", region.utility)):
        for plant in plants:
            at, town = f"{key} {shown(plant.name)}:", plant.municipality
            if town not in towns:
                yield f"{at} municipality: no municipality {quoted(town)}{nearest(town, towns)}"
            if plant.sector not in sectors:
                yield f"{at} sector: no sector {quoted(plant.sector)}{nearest(plant.sector, sectors)}"
            elif sectors[plant.sector].municipal != (key == "utility"):
                yield f"{at} sector {plant.sector} is {'not ' if key == 'utility' else ''}a municipal one"
            if (plant.lat is None) != (plant.lon is None):
                yield f"{at} lat and lon go together"
    for row in region.facilitator:
        for name in (*row.covers, *([row.host] if row.host else [])):
            if name not in towns:
                at = f"facilitator {shown(row.name)}: covers or host:"
                yield f"{at} no municipality {quoted(name)}{nearest(name, towns)}"
    yield from _twice(region)


def _twice(region: Region) -> Iterator[str]:
    """Names of places and plants that are there before, in the same or other letters."""
    seen: dict[str, str] = {}
    for key in ("municipality", "anchor", "utility"):
        for row in getattr(region, key):
            before = seen.get(alike(row.name))
            seen[alike(row.name)] = row.name
            if before is not None:
                other = "" if before == row.name else f", as {quoted(before)}"
                yield f"{key} {shown(row.name)}: given twice{other}"


# -- tables as CSV


def _read_tables(file: Path, content: dict[str, Any], rows: dict[str, Any]) -> list[str]:
    """Add the rows of the CSV files that `content` names (and take out their keys); returns what is wrong."""
    named = {key: content.pop(key, "") for key in TABLES}
    errors = [f'{file}: {key} = "..." must name a CSV file' for key, name in named.items() if not isinstance(name, str)]
    if errors:
        return errors
    if named["municipalities"]:
        towns = _read_table(file.parent / named["municipalities"], Municipality, _municipality, errors)
        rows["municipality"] += towns
    if named["plants"] and not errors:  # what is said of their municipalities needs those
        known = {str(row.get(NAME, "")) for row in rows["municipality"]}
        for plant in _read_table(file.parent / named["plants"], Plant, partial(_plant, towns=known), errors):
            rows["utility" if catalogue().by_sector[plant["sector"]].municipal else "anchor"].append(plant)
    return errors


def _read_table(
    file: Path, kind: type[Row], cells: Callable[[CsvRow], dict[str, Any]], errors: list[str]
) -> list[dict[str, Any]]:
    """The rows of a CSV file that are without fault; notes what is wrong with the others. Raises DataError."""
    fields = kind.model_fields
    needed = [name for name, one in fields.items() if one.is_required()]
    read = []
    for row in read_rows(file, partial(column_errors, columns=tuple(fields), wanted=needed), errors):
        row.require(name for name in needed if name != NAME)
        values = cells(row)
        if not row.faulty:
            read.append(values)
    return read


def _municipality(row: CsvRow) -> dict[str, Any]:
    maturity = row.choice("maturity", MATURITIES, "maturity (0, 1 or 2)")
    return {
        "name": row.name(),
        "seat": row.text("seat"),
        **_position(row),
        "population": row.number("population", 0.0, MOST_PEOPLE),
        "land": row.number("land", 0.0, MOST_LAND),
        "maturity": int(maturity or 0),
        "source": row.text("source"),
    }


def _plant(row: CsvRow, towns: Collection[str]) -> dict[str, Any]:
    return {
        "name": row.name(),
        "municipality": row.choice("municipality", towns, "municipality of the region"),
        **_position(row),
        "sector": row.choice("sector", catalogue().by_sector, "sector"),
        "employees": row.number("employees", 0.0, MOST_EMPLOYEES),
        "source": row.text("source"),
    }


def _position(row: CsvRow) -> dict[str, float | None]:
    return {"lat": row.number("lat", *NORTH), "lon": row.number("lon", *EAST)}
