"""The tables of `abm/data`: sectors, commodities and by-products, read and checked; what a row of a region is.

A row is added by adding it to the TOML file; nothing else needs to know. Kernels get numpy record arrays
(`Catalogue.commodities`, `.byproducts`), people get the rows with their names and sources.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from abm.chance import name_key
from abm.texts import DataError as DataError  # and nearest: looked for here by those who read tables
from abm.texts import name_problem, quoted, read_toml, shown
from abm.texts import nearest as nearest

DATA = Path(__file__).parent / "data"
STRATEGIES = ("value", "carbon", "small_firms", "cross_sector", "first_come")
PAYERS = ("national", "region", "municipal")
MOST_STAFF = 10_000.0  # FTE of one facilitator
NEVER = 9999  # a month no run reaches: "does not close"
MOST_PEOPLE, MOST_LAND = 1e8, 1e7  # inhabitants and km2 of a municipality; more is a slip of the pen
MOST_EMPLOYEES = 1e6  # of a plant: ten times the largest there is
NORTH, EAST = (-90.0, 90.0), (-180.0, 180.0)  # degrees


class Row(BaseModel):
    """A table row: unknown keys are errors, values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _checked_name(name: str) -> str:
    """The name with accents composed, as in tables; ValueError for what nobody could tell from another name."""
    if problem := name_problem(name):
        raise ValueError(problem)
    return unicodedata.normalize("NFC", name)


Name = Annotated[str, AfterValidator(_checked_name)]
Composed = Annotated[str, AfterValidator(lambda text: unicodedata.normalize("NFC", text))]  # may be empty
Latitude = Annotated[float, Field(ge=NORTH[0], le=NORTH[1], strict=True)]
Longitude = Annotated[float, Field(ge=EAST[0], le=EAST[1], strict=True)]


class Sector(Row):
    """A kind of plant, with its share of firms, its least size and how it is placed."""

    id: str
    name: str
    nace2: str
    share: float = Field(ge=0, le=1)
    smallest: float = Field(gt=0)
    rural: bool
    municipal: bool
    public: float = Field(ge=0, le=1)  # of its sales, to public buyers


class Commodity(Row):
    """A raw material and the law of its price."""

    id: str
    name: str
    price: float = Field(gt=0)
    volatility: float = Field(ge=0)
    half_life: float = Field(gt=0, allow_inf_nan=True)  # infinite: a random walk
    jump_rate: float = Field(ge=0, le=12)
    jump_sd: float = Field(ge=0)
    loading: float = Field(ge=-1, le=1)
    source: str = Field(min_length=3)


class Byproduct(Row):
    """What one plant has left over and another can use."""

    id: str
    name: str
    kind: Literal["material", "energy", "water", "sharing"]
    unit: Literal["t", "MWh", "m3", "1000 tkm", "m2", "h"]
    commodity: str
    donors: dict[str, PositiveFloat] = Field(min_length=1)
    receivers: dict[str, PositiveFloat] = Field(min_length=1)
    substitution: float = Field(gt=0)
    processing: float = Field(ge=0)
    gate_fee: float
    landfill_share: float = Field(ge=0, le=1)
    transport: float = Field(ge=0)
    capex: float = Field(ge=0)
    permit: float = Field(ge=0, le=1)
    reach: float = Field(gt=0)
    emission_saving: float
    mass: float = Field(ge=0)
    disposed: float = Field(ge=0, le=1)
    imported: float = Field(ge=0, le=1)
    examples: float = Field(ge=0)
    source: str = Field(min_length=3)


class Municipality(Row):
    """A municipality and its seat."""

    name: Name
    seat: str
    lat: Latitude
    lon: Longitude
    population: float = Field(gt=0, le=MOST_PEOPLE, strict=True)
    land: float = Field(gt=0, le=MOST_LAND, strict=True)
    maturity: int = Field(ge=0, le=2, strict=True)
    source: str = Field(min_length=3)


class Plant(Row):
    """A named plant: a private anchor (with its position) or a municipal utility (at the seat)."""

    name: Name
    municipality: Name
    lat: Latitude | None = None
    lon: Longitude | None = None
    sector: str
    employees: float = Field(gt=0, le=MOST_EMPLOYEES, strict=True)
    source: str = Field(min_length=3)


class Facilitator(Row):
    """Somebody who facilitates: the existing business support, a local node, a national centre.

    Months count from month 0 and may be negative (part of the spin-up); no `covers` means all municipalities.
    """

    name: Name
    fte: float = Field(ge=0, le=MOST_STAFF, strict=True)
    start: int = Field(default=0, strict=True)
    stop: int = Field(default=NEVER, strict=True)
    staff_path: str = ""
    shares: dict[str, Annotated[float, Field(ge=0, le=1, strict=True)]]
    strategy: Literal[STRATEGIES] = "value"  # type: ignore[valid-type]
    covers: tuple[Name, ...] = ()
    host: Composed = ""
    supports: tuple[Name, ...] = ()
    payer: Literal[PAYERS] = "region"  # type: ignore[valid-type]
    support: float = Field(default=0.0, ge=0, le=1, strict=True)  # share of the staff that supports them
    source: str = "judgement"


class Region(Row):
    """Municipalities, named plants, utilities, and the parameters in which the region differs."""

    title: str
    country: str
    municipality: tuple[Municipality, ...] = Field(min_length=1)
    anchor: tuple[Plant, ...] = ()
    utility: tuple[Plant, ...] = ()
    firms: str = ""  # own firms: a CSV file, relative to the region's
    facilitator: tuple[Facilitator, ...] = ()
    parameters: dict[str, Any] = {}


COMMODITY_NUMBERS = ("price", "volatility", "half_life", "jump_rate", "jump_sd", "loading")
COMMODITY = np.dtype(
    [(name, "f8") for name in COMMODITY_NUMBERS] + [("key", "u8")],
    align=True,
)
BYPRODUCT_NUMBERS = (
    "substitution",
    "processing",
    "gate_fee",
    "landfill_share",
    "transport",
    "capex",
    "permit",
    "reach",
    "emission_saving",
    "mass",
    "disposed",
    "imported",
    "examples",
)
BYPRODUCT = np.dtype(
    [(name, "f8") for name in BYPRODUCT_NUMBERS] + [("key", "u8"), ("commodity", "u4"), ("kind", "u4")], align=True
)
KINDS = ("material", "energy", "water", "sharing")
MATERIAL, ENERGY, WATER, SHARING = range(len(KINDS))
MOST_BYPRODUCTS = 63  # one bit each in a participant's record


@dataclass(frozen=True)
class Catalogue:
    """What can be exchanged. Intensities: units per employee and year, shape (by-product, sector)."""

    sectors: tuple[Sector, ...]
    commodity_rows: tuple[Commodity, ...]
    byproduct_rows: tuple[Byproduct, ...]
    commodities: np.ndarray
    byproducts: np.ndarray
    supply_intensity: np.ndarray
    demand_intensity: np.ndarray

    @cached_property
    def by_sector(self) -> dict[str, Sector]:
        """The sectors by id."""
        return {row.id: row for row in self.sectors}

    @cached_property
    def by_byproduct(self) -> dict[str, Byproduct]:
        """The by-products by id."""
        return {row.id: row for row in self.byproduct_rows}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {row.id: index for index, row in enumerate(self.sectors)}

    def sector_index(self, sector: str) -> int:
        """Position of a sector id; KeyError if unknown."""
        return self._places[sector]


def field_errors(where: str, error: ValidationError) -> list[str]:
    """One line for each thing that is wrong with a row."""
    return [f"{where}: {field_error(one)}" for one in error.errors()]


def field_error(one: Any) -> str:
    """One of pydantic's errors: key, what was found, what is allowed."""
    at, found = ".".join(shown(part) for part in one["loc"]), one["input"]
    given = f"{quoted(found)}: " if isinstance(found, (str, int, float)) and one["type"] != "value_error" else ""
    return f"{at}: {given}{one['msg'].removeprefix('Value error, ')}"


def _rows(file_name: str, key: str, kind: type[Row]) -> tuple[Any, ...]:
    """The rows of a table, each checked; raises DataError naming the row."""
    content = read_toml(DATA / file_name)
    errors = [f"{file_name}: unknown key {other}" for other in content if other not in (key, "source")]
    rows, seen = [], set()
    for number, values in enumerate(content.get(key, []), start=1):
        name = values.get("id", f"row {number}")
        if name in seen:
            errors.append(f"{file_name}: {name}: given twice")
        seen.add(name)
        try:
            rows.append(kind(**values))
        except ValidationError as error:
            errors += field_errors(f"{file_name}: {name}", error)
    if errors or not rows:
        raise DataError(errors or [f"{file_name}: no [[{key}]]"])
    return tuple(rows)


def _intensity(rows: tuple[Byproduct, ...], side: str, sectors: tuple[Sector, ...]) -> np.ndarray:
    index = {sector.id: number for number, sector in enumerate(sectors)}
    matrix = np.zeros((len(rows), len(sectors)))
    for number, row in enumerate(rows):
        for sector, amount in getattr(row, side).items():
            if sector not in index:
                raise DataError([f"byproducts.toml: {row.id}.{side}: no sector {sector!r}"])
            matrix[number, index[sector]] = amount
    return matrix


@cache
def catalogue() -> Catalogue:
    """Sectors, commodities and by-products of `abm/data`, checked; raises DataError."""
    sectors = _rows("sectors.toml", "sector", Sector)
    commodity_rows = _rows("commodities.toml", "commodity", Commodity)
    byproduct_rows = _rows("byproducts.toml", "byproduct", Byproduct)
    if len(byproduct_rows) > MOST_BYPRODUCTS:
        raise DataError([f"byproducts.toml: {len(byproduct_rows)} rows, at most {MOST_BYPRODUCTS}"])
    commodities = np.zeros(len(commodity_rows), COMMODITY)
    for number, commodity in enumerate(commodity_rows):
        commodities[number] = (*(getattr(commodity, name) for name in COMMODITY_NUMBERS), name_key(commodity.id))
    position = {row.id: number for number, row in enumerate(commodity_rows)}
    byproducts = np.zeros(len(byproduct_rows), BYPRODUCT)
    for number, row in enumerate(byproduct_rows):
        if row.commodity not in position:
            raise DataError([f"byproducts.toml: {row.id}.commodity: no commodity {row.commodity!r}"])
        byproducts[number] = (
            *(getattr(row, name) for name in BYPRODUCT_NUMBERS),
            name_key(row.id),
            position[row.commodity],
            KINDS.index(row.kind),
        )
    return Catalogue(
        sectors,
        commodity_rows,
        byproduct_rows,
        commodities,
        byproducts,
        _intensity(byproduct_rows, "donors", sectors),
        _intensity(byproduct_rows, "receivers", sectors),
    )
