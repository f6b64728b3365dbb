"""firms.csv -> checked own firms: plants that a user knows, with what they have left over and what they need.

One row a firm, or one row a flow of a firm (docs/own-data.md). All that is wrong is reported at once with its line, and
then nothing is loaded.
"""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path

from abm.catalogue import Catalogue, DataError, Municipality, Plant, Region, catalogue, nearest

FIRM_COLUMNS = ("municipality", "lat", "lon", "sector", "employees")
FLOW_COLUMNS = ("byproduct", "side", "quantity", "unit")
COLUMNS = ("name", *FIRM_COLUMNS, *FLOW_COLUMNS)
SIDES = ("supply", "demand")
FARTHEST = 150.0  # km from the nearest seat: a plant beyond it is not one of the region
EARTH_RADIUS = 6371.0  # km
MOST_EMPLOYEES, MOST_QUANTITY = 1e6, 1e9  # more is a slip of the pen
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


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
    return any(row.id == sector and row.municipal for row in catalogue().sectors)


def without_utilities(firms: Iterable[Firm]) -> tuple[Firm, ...]:
    """Those that are no municipal utilities."""
    return tuple(firm for firm in firms if not _municipal(firm.sector))


def utilities(firms: Iterable[Firm], region: Region) -> tuple[Plant | Firm, ...]:
    """The region's utilities, where own ones replace those of their municipality and sector."""
    own = [firm for firm in firms if _municipal(firm.sector)]
    replaced = {(firm.municipality, firm.sector) for firm in own}
    return (*(plant for plant in region.utility if (plant.municipality, plant.sector) not in replaced), *own)


@dataclass
class _Row:
    """One line of the file: its cells, read one by one; what is wrong with them is noted in `errors`."""

    where: str
    line: int
    cells: dict[str, str]
    comma: bool  # is the decimal sign a comma?
    errors: list[str]
    faulty: set[str] = field(default_factory=set)

    def wrong(self, column: str, what: str) -> None:
        self.faulty.add(column)
        self.errors.append(f"{self.where}: line {self.line}: {column}: {what}")

    def text(self, column: str) -> str:
        return self.cells.get(column, "")

    def given(self, columns: Iterable[str]) -> list[str]:
        return [column for column in columns if self.text(column)]

    def require(self, columns: Iterable[str], why: str = "") -> None:
        for column in columns:
            if not self.text(column):
                self.wrong(column, f"missing{why}")

    def choice(self, column: str, known: Iterable[str], what: str) -> str | None:
        text, names = self.text(column), tuple(known)
        if not text or text in names:
            return text or None
        self.wrong(column, f"{text!r} is not a {what}{nearest(text, names)}")
        return None

    def plain(self, column: str) -> str:
        """The cell without spaces between thousands, with a decimal point."""
        text = re.sub(r"(?<=\d)\s(?=\d{3}\b)", "", self.text(column))
        return text.replace(",", ".") if self.comma else text

    def number(self, column: str, least: float, most: float) -> float | None:
        """A number from `least` to `most`; 0 as the least is itself not allowed."""
        text, plain = self.text(column), self.plain(column)
        if not text:
            return None
        if not NUMBER.fullmatch(plain):
            hint = " (decimal comma only in a file with semicolons)" if "," in plain else ""
            self.wrong(column, f"{text!r} is not a number{hint}")
        elif least == 0 and float(plain) <= 0:
            self.wrong(column, f"{text} is not above 0")
        elif not least <= float(plain) <= most:
            self.wrong(column, f"{text} is not from {least:g} to {most:g}")
        else:
            return float(plain)
        return None

    def same(self, column: str, other: _Row) -> bool:
        """Does the cell say what that of `other` says?"""
        one, two = self.plain(column), other.plain(column)
        if NUMBER.fullmatch(one) and NUMBER.fullmatch(two):
            return float(one) == float(two)
        return one == two


def _read_text(file: Path) -> str:
    try:
        return unicodedata.normalize("NFC", file.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise DataError([f"{file}: no such file"]) from None
    except OSError as error:
        raise DataError([f"{file}: cannot be read ({error.strerror})"]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError([f"{file}: line {line}: not UTF-8; save it as CSV UTF-8"]) from None


def _header_errors(header: list[str], where: str) -> list[str]:
    known = [name for name in header if name]
    errors = [f"{where}: line 1: no column {name!r}{nearest(name, COLUMNS)}" for name in known if name not in COLUMNS]
    repeated = sorted({name for name in known if known.count(name) > 1})
    errors += [f"{where}: line 1: column {name!r} is given twice" for name in repeated]
    wanted = ["name", "sector", "employees"]
    if not {"municipality", "lat", "lon"} & set(known):
        wanted.append("municipality")
    for together in (("lat", "lon"), FLOW_COLUMNS):
        wanted += together if set(together) & set(known) else ()
    return errors + [f"{where}: line 1: column {name!r} is missing" for name in wanted if name not in known]


def _rows(text: str, where: str, errors: list[str]) -> list[_Row]:
    """The lines that are not empty, as cells by column; raises DataError if columns or quotes are wrong."""
    head = text.partition("\n")[0]
    comma = head.count(";") > head.count(",")
    reader = csv.reader(StringIO(text, newline=""), delimiter=";" if comma else ",", strict=True)
    rows, header = [], None
    try:
        for values in reader:
            cells = [" ".join(value.split()) for value in values]
            if header is None:
                header = [cell.lower() for cell in cells]
                if problems := _header_errors(header, where):
                    raise DataError(problems if any(header) else [f"{where}: line 1: no column names"])
            elif any(cells):
                names = header + [""] * (len(cells) - len(header))
                row = _Row(where, reader.line_num, dict(zip(names, cells, strict=False)), comma, errors)
                if any(cell for name, cell in zip(names, cells, strict=False) if not name):
                    row.wrong("row", f"has {len(cells)} cells, the first line names {len([n for n in header if n])}")
                rows.append(row)
    except csv.Error as error:
        raise DataError([*errors, f"{where}: line {reader.line_num}: {error}"]) from None
    return rows


def _km(lat: float, lon: float, town: Municipality) -> float:
    """Great-circle distance from a point to a municipality's seat."""
    north, south = math.radians(lat), math.radians(town.lat)
    h = math.sin((north - south) / 2) ** 2
    h += math.cos(north) * math.cos(south) * math.sin(math.radians(lon - town.lon) / 2) ** 2
    return 2.0 * EARTH_RADIUS * math.asin(min(math.sqrt(h), 1.0))


def _place(row: _Row, town: str | None, lat: float | None, lon: float | None, region: Region) -> Municipality | None:
    """The municipality of a firm: the one named, else that of the nearest seat."""
    given = row.given(("lat", "lon"))
    if len(given) == 1:
        row.require(("lat", "lon"), f" ({given[0]} is given)")
    elif not given:
        row.require(("municipality",), "; or give lat and lon")
    elif lat is not None and lon is not None:
        near = min(region.municipality, key=lambda one: _km(lat, lon, one))
        if (km := _km(lat, lon, near)) > FARTHEST:
            turned = min(_km(lon, lat, one) for one in region.municipality) <= FARTHEST
            hint = "; lat and lon are swapped" if turned else ""
            row.wrong("lat", f"{lat:g} with lon {lon:g} is {km:.0f} km from {near.seat}, the nearest seat{hint}")
        elif not row.text("municipality"):
            return near
    return next((one for one in region.municipality if one.name == town), None)


def _flow(row: _Row, table: Catalogue) -> Flow | None:
    """The flow of a row; None if it has none, or a faulty one."""
    given = row.given(FLOW_COLUMNS)
    if given:
        row.require(FLOW_COLUMNS, f" ({given[0]} is given)")
    units = {one.id: one.unit for one in table.byproduct_rows}
    byproduct = row.choice("byproduct", units, "by-product")
    side = row.choice("side", SIDES, "side")
    quantity = row.number("quantity", 0.0, MOST_QUANTITY)
    unit = row.text("unit")
    if byproduct and unit and unit != units[byproduct]:
        row.wrong("unit", f"{unit!r}, but {byproduct} is in {units[byproduct]} a year")
    if byproduct is None or side is None or quantity is None or row.faulty & set(FLOW_COLUMNS):
        return None
    return Flow(byproduct, side, quantity)


def _firm(row: _Row, first: _Row, region: Region, table: Catalogue) -> Firm | None:
    """Check the firm's own cells; the firm if the row is the `first` of its name and without fault."""
    town = row.choice("municipality", (one.name for one in region.municipality), "municipality of the region")
    lat, lon = row.number("lat", -90.0, 90.0), row.number("lon", -180.0, 180.0)
    sector = row.choice("sector", (one.id for one in table.sectors), "sector")
    employees = row.number("employees", 0.0, MOST_EMPLOYEES)
    if row is not first:
        return None
    row.require(("sector", "employees"))
    place = _place(row, town, lat, lon, region)
    if place is None or sector is None or employees is None or row.faulty & {"name", *FIRM_COLUMNS}:
        return None
    if lat is None or lon is None:
        lat, lon = place.lat, place.lon
    return Firm(row.text("name"), place.name, lat, lon, sector, employees)


def _check_further(row: _Row, first: _Row) -> None:
    """A further row of a firm repeats its data or leaves it out, and gives another flow."""
    for column in row.given(FIRM_COLUMNS):
        if column not in row.faulty and not row.same(column, first):
            was = first.text(column) or "empty"
            row.wrong(column, f"{row.text(column)}, but {was} on line {first.line}, the same firm")
    if not row.given(FLOW_COLUMNS):
        row.wrong("name", f"{row.text('name')!r} is already on line {first.line}; a further row gives another flow")


def _clashes(firms: Iterable[Firm], first: dict[str, _Row], region: Region) -> None:
    names = {plant.name for plant in utilities(firms, region) if isinstance(plant, Plant)}
    for name in names & set(first):
        first[name].wrong("name", f"{name!r} is a utility of the region")


def read_firms(file: Path, region: Region) -> tuple[Firm, ...]:
    """The firms of a CSV file, in its order; raises DataError with one line for each thing that is wrong."""
    table, where, errors = catalogue(), str(file), list[str]()
    rows = _rows(_read_text(file), where, errors)
    if not rows:
        raise DataError([f"{where}: no firms in it"])
    first: dict[str, _Row] = {}
    firms: dict[str, Firm] = {}
    flows: dict[tuple[str, str, str], tuple[int, Flow]] = {}
    for row in rows:
        row.require(("name",))
        name = row.text("name")
        if not name.isprintable():
            row.wrong("name", f"{name!r} holds a character that cannot be seen")
        opening = first.setdefault(name, row) if name else row
        if firm := _firm(row, opening, region, table):
            firms[name] = firm
        if flow := _flow(row, table):
            line, _ = flows.setdefault((name, flow.byproduct, flow.side), (row.line, flow))
            if line != row.line and name:
                row.wrong("byproduct", f"{flow.side} of {flow.byproduct} by {name!r} is already on line {line}")
        if opening is not row:
            _check_further(row, opening)
    _clashes(firms.values(), first, region)
    if errors:
        raise DataError(errors)
    return tuple(
        replace(firm, flows=tuple(flow for key, (_, flow) in flows.items() if key[0] == name))
        for name, firm in firms.items()
    )
