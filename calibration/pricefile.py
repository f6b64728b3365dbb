"""Tables of monthly prices: the World Bank Pink Sheet (XLSX or CSV) and any `date, series...` table.

A table may begin with a title block; the names stand in the fullest row above the first date, units in a row whose
cells are mostly in brackets, or in a table `series, unit` beside it. Cells are read as numbers only for the series
that are asked for. All that is wrong is one line with its row (`DataError`).
"""

from __future__ import annotations

import csv
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from abm.catalogue import DataError, nearest
from abm.csvfile import read_text

PINK_SHEET = "Monthly Prices"  # the sheet of the official workbook
MISSING = {"", "..", "…", "...", "na", "n/a", "nan", "#n/a"}
MONTH = re.compile(r"(\d{4})(?:M(\d{1,2})|([-/])(\d{1,2})(?:\3\d{1,2}(?:[ T][\d:.]+)?)?)", re.IGNORECASE)
DATES = "1996-01, 1996-01-01 or 1996M01"
Cells = list[Any]


@dataclass(frozen=True)
class Table:
    """Monthly columns as they stand in a file: month numbers (12 x year + month - 1), lines, raw cells by name."""

    file: Path
    months: np.ndarray
    lines: tuple[int, ...]
    columns: dict[str, tuple[Any, ...]]
    units: dict[str, str]
    comma: bool  # is the decimal sign a comma?

    def numbers(self, name: str) -> np.ndarray:
        """A column as numbers, NaN where it is empty; raises DataError with the row of what is no positive number."""
        values = [self._number(name, line, cell) for line, cell in zip(self.lines, self.columns[name], strict=True)]
        return np.array(values)

    def _number(self, name: str, line: int, cell: Any) -> float:
        text = "" if cell is None else str(cell).strip()
        if text.lower() in MISSING:
            return math.nan
        plain = re.sub(r"(?<=\d)\s(?=\d{3}\b)", "", text)
        try:
            value = float(plain.replace(",", ".") if self.comma else plain)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or isinstance(cell, bool):
            raise DataError([f"{self.file}: row {line}: {name}: {text!r} is not a number"])
        if value <= 0.0:
            raise DataError([f"{self.file}: row {line}: {name}: {text} is not above 0 (prices are fitted in logs)"])
        return value


def month_number(cell: Any) -> int | None:
    """12 x year + month - 1 of a date, or None if it is none."""
    if isinstance(cell, date):
        return 12 * cell.year + cell.month - 1
    found = MONTH.fullmatch(str(cell).strip()) if cell is not None else None
    if found is None:
        return None
    month = int(found[2] or found[4])
    return 12 * int(found[1]) + month - 1 if 1 <= month <= 12 else None


def month_text(month: int) -> str:
    """'1996-01'."""
    return f"{month // 12}-{month % 12 + 1:02d}"


def read_table(file: Path) -> Table:
    """A table of monthly series, checked for dates; raises DataError."""
    rows, comma = _xlsx_rows(file) if file.suffix.lower() in (".xlsx", ".xlsm") else _csv_rows(file)
    first = next((place for place, (_, cells) in enumerate(rows) if month_number(cells[0]) is not None), None)
    if first is None:
        line, text = next(((line, str(cells[0])) for line, cells in rows[1:] if cells[0] not in (None, "")), (1, ""))
        raise DataError([f"{file}: row {line}: no dates in the first column (found {text[:30]!r}, expected {DATES})"])
    names, units = _header(file, [cells for _, cells in rows[:first]])
    months, lines, content = _body(file, rows[first:], max(names) + 1)
    columns = {name: tuple(row[place] for row in content) for place, name in names.items()}
    return Table(file, np.array(months), tuple(lines), columns, units, comma)


def _body(file: Path, rows: Sequence[tuple[int, Cells]], width: int) -> tuple[list[int], list[int], list[Cells]]:
    """Months, lines and cells of the rows with dates; notes below the table are left out."""
    months: list[int] = []
    lines: list[int] = []
    content: list[Cells] = []
    for line, cells in rows:
        month = month_number(cells[0])
        if month is None and not any(cell not in (None, "") for cell in cells[1:]):
            continue
        where = f"{file}: row {line}"
        if month is None:
            raise DataError([f"{where}: date {cells[0]!r} is not understood; expected {DATES}"])
        if months and month == months[-1]:
            raise DataError([f"{where}: {month_text(month)} is there twice (rows are months)"])
        if months and month < months[-1]:
            raise DataError([f"{where}: {month_text(month)} comes after {month_text(months[-1])}; sort by date"])
        if len(cells) > width and any(cell not in (None, "") for cell in cells[width:]):
            raise DataError([f"{where}: {len(cells)} cells, but {width} columns have names"])
        months.append(month)
        lines.append(line)
        content.append([*cells, *[None] * (width - len(cells))])
    return months, lines, content


def _header(file: Path, rows: list[Cells]) -> tuple[dict[int, str], dict[str, str]]:
    """Name by column, and unit by name."""
    rows = [row for row in rows if any(cell not in (None, "") for cell in row[1:])]
    if not rows:
        raise DataError([f"{file}: no row with the names of the series above the first date"])

    def filled(row: Cells) -> list[str]:
        return [str(cell).strip() for cell in row[1:] if cell not in (None, "")]

    bracketed = [row for row in rows if sum(text.startswith("(") for text in filled(row)) > len(filled(row)) / 2]
    titles = [row for row in rows if row not in bracketed] or rows
    fullest = max(titles, key=lambda row: len(filled(row)))
    names = {
        place: re.sub(r"\s+", " ", str(cell)).strip(" *")
        for place, cell in enumerate(fullest)
        if place and cell not in (None, "")
    }
    twice = [name for name in names.values() if list(names.values()).count(name) > 1]
    if twice:
        raise DataError([f"{file}: series {twice[0]!r} is there twice"])
    units = bracketed[0] if bracketed and bracketed[0] is not fullest else []
    found = {name: str(units[place]).strip() for place, name in names.items() if place < len(units) and units[place]}
    return names, found


def _csv_rows(file: Path) -> tuple[list[tuple[int, Cells]], bool]:
    """Lines and cells that are not empty, and whether the decimal sign is a comma."""
    text = read_text(file)
    lines = [line for line in text.splitlines() if line.strip()]
    sign = next((sign for sign in (";", "\t") if sum(sign in line for line in lines) > len(lines) / 2), ",")
    try:
        reader = csv.reader(text.splitlines(keepends=True), delimiter=sign)
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise DataError([f"{file}: cannot be read as CSV ({error})"]) from None
    return rows, sign != ","


def _xlsx_rows(file: Path) -> tuple[list[tuple[int, Cells]], bool]:
    """The same of a workbook: of its sheet "Monthly Prices", or of its only one."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise DataError([f"{file}: reading XLSX takes openpyxl: pip install 'kretslopp[calibrate]'"]) from None
    if not file.is_file():
        raise DataError([f"{file}: no such file"])
    try:
        with warnings.catch_warnings(action="ignore"):  # on styles and extensions that nobody needs here
            book = load_workbook(file, read_only=True, data_only=True)
            names = book.sheetnames
            if PINK_SHEET not in names and len(names) > 1:
                raise DataError(
                    [f"{file}: no sheet {PINK_SHEET!r} among {', '.join(names)}{nearest(PINK_SHEET, names)}"]
                )
            sheet = book[PINK_SHEET if PINK_SHEET in names else names[0]]
            rows = [(line, list(cells)) for line, cells in enumerate(sheet.iter_rows(values_only=True), start=1)]
            book.close()
    except DataError:
        raise
    except Exception as error:  # what openpyxl raises for a file that is no workbook has no common type
        raise DataError([f"{file}: cannot be read as XLSX ({type(error).__name__})"]) from None
    return [(line, cells) for line, cells in rows if any(cell not in (None, "") for cell in cells)], False


def read_units(file: Path) -> dict[str, str]:
    """A table `series, unit`; raises DataError."""
    rows, _ = _csv_rows(file)
    short = [line for line, cells in rows if len(cells) < 2]
    if short:
        raise DataError([f"{file}: row {short[0]}: expected series and unit"])
    return {cells[0]: cells[1] for _, cells in rows[1:]}


def units_beside(file: Path) -> Path | None:
    """A table NAME_units.csv in the folder of `file`, if the name of `file` begins with NAME."""
    found = [
        other for other in sorted(file.parent.glob("*_units.csv")) if file.stem.startswith(other.stem[: -len("_units")])
    ]
    return found[-1] if found else None


def choose(table: Table, asked: Sequence[str] | None) -> list[str]:
    """The series asked for, all by default; raises DataError with the nearest name of what is not there.

    Each text is a name, or names with commas between them; commas within known names are no separators.
    """
    known = {name.lower(): name for name in table.columns}
    errors, chosen = [], []
    for name in [name for text in asked or () for name in _split(text, known)] or list(known):
        if name.lower() in known:
            chosen.append(known[name.lower()])
        else:
            errors.append(f"series: no series {name!r} in {table.file}{nearest(name, tuple(table.columns))}")
    if errors:
        raise DataError(errors)
    return list(dict.fromkeys(chosen))


def _split(text: str, known: Mapping[str, str]) -> list[str]:
    """The longest known names between commas; what is between two of them is one unknown name."""
    parts, names, unknown = text.split(","), list[str](), list[str]()
    while parts:
        lengths = range(len(parts), 0, -1)
        length = next((one for one in lengths if ",".join(parts[:one]).strip().lower() in known), 0)
        if length:
            names += [",".join(unknown).strip()] * bool(unknown) + [",".join(parts[:length]).strip()]
            unknown = []
        else:
            unknown.append(parts[0])
        del parts[: max(length, 1)]
    return names + [",".join(unknown).strip()] * bool(unknown)
