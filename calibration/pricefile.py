"""Tables of monthly prices: the World Bank Pink Sheet (XLSX or CSV) and any `date, series...` table.

A table may begin with a title block; the names stand in the fullest row above the first date, units in a row whose
cells are mostly in brackets, or in a table `series, unit` beside it. Cells are read as numbers only for the series
that are asked for. All that is wrong is one line with its row (`DataError`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from abm.numerals import Numerals
from abm.tablefile import Lines, read_lines
from abm.texts import DataError, nearest, quoted, shown

PINK_SHEET = "Monthly Prices"  # the sheet of the official workbook
MONTH = re.compile(r"(\d{4})(?:M(\d{1,2})|([-/])(\d{1,2})(?:\3(\d{1,2})(?:[ T][\d:.]+)?)?)", re.IGNORECASE)
OTHER_DATES = {"a quarter": re.compile(r"\d{4}[- ]?Q[1-4]|Q[1-4][- ]\d{4}", re.IGNORECASE),
               "a year": re.compile(r"(1[5-9]|20)\d\d"), "a week": re.compile(r"\d{4}-?W\d{1,2}(-\d)?")}  # fmt: skip
DATES = "1996-01, 1996-01-01 or 1996M01"
LEAST_PRICE, MOST_PRICE = 1e-12, 1e15
NEAR, OUTLYING = 12, 100.0  # values around one, and how many times theirs it is when it is a slip of the pen
TELLING = 3  # values around one from which they tell which of two is the slip
MOST_NAMES = 300  # characters of names that are listed
Cells = list[Any]


@dataclass(frozen=True)
class Table:
    """Monthly columns as they stand in a file: month numbers (12 x year + month - 1), lines, raw cells by name.

    `texts` are the names of columns without one number, which are none of the series.
    """

    file: Path
    months: np.ndarray
    lines: tuple[int, ...]
    columns: dict[str, tuple[Any, ...]]
    units: dict[str, str]
    texts: tuple[str, ...]
    numerals: Numerals
    places: dict[str, int]  # of the columns in the file

    def numbers(self, name: str) -> np.ndarray:
        """A column as numbers, NaN where it is empty; raises DataError with the row of what is no price."""
        values = [self._number(name, line, cell) for line, cell in zip(self.lines, self.columns[name], strict=True)]
        numbers = np.array(values)
        self._refuse_outlying(name, numbers)
        return numbers

    def _number(self, name: str, line: int, cell: Any) -> float:
        where = f"{self.file}: row {line}: {shown(name)}:"
        try:
            value = self.numerals.read(self.places[name], cell)
        except ValueError as error:
            raise DataError([f"{where} {error}"]) from None
        if value is None:
            return math.nan
        if value <= 0.0:
            raise DataError([f"{where} {shown(cell)} is not above 0 (prices are fitted in logs)"])
        if not LEAST_PRICE <= value <= MOST_PRICE:
            raise DataError([f"{where} {shown(cell)} is not from {LEAST_PRICE:g} to {MOST_PRICE:g}"])
        return value

    def _refuse_outlying(self, name: str, numbers: np.ndarray) -> None:
        """Raise DataError for a price that is a hundred times, or a hundredth of, those before and those after it."""
        there = np.flatnonzero(np.isfinite(numbers))
        logs = np.log(numbers[there])
        for place in np.flatnonzero(np.abs(np.diff(logs, prepend=logs[:1])) > math.log(OUTLYING)).tolist():
            for one in {place, place - 1}:
                sides = [side for side in (logs[max(one - NEAR, 0) : one], logs[one + 1 : one + 1 + NEAR]) if side.size]
                if sum(side.size for side in sides) < TELLING:
                    continue
                steps = [logs[one] - float(np.median(side)) for side in sides]
                if min(steps) > math.log(OUTLYING) or max(steps) < -math.log(OUTLYING):
                    at, times = there[one], math.exp(min(steps, key=abs))
                    where = f"{self.file}: row {self.lines[at]}: {shown(name)}: {shown(self.columns[name][at])}"
                    raise DataError(
                        [f"{where} in {month_text(int(self.months[at]))} is {times:.2g} times the months around it"]
                    )


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
    table = read_lines(file, PINK_SHEET)
    rows = table.lines
    first = next((place for place, (_, cells) in enumerate(rows) if month_number(cells[0]) is not None), None)
    if first is None:
        raise DataError([_no_dates(file, rows)])
    names, units = _header(file, [cells for _, cells in rows[:first]])
    width = max(names) + 1
    months, lines, content = _body(file, rows[first:], width)
    numerals = Lines(file, list(zip(lines, content, strict=True)), table.between).numerals(0, width)
    columns = {name: tuple(row[place] for row in content) for place, name in names.items()}
    texts = tuple(name for place, name in names.items() if not numerals.numeric[place])
    if len(texts) == len(names):
        raise DataError([f"{file}: no column with numbers, only {shown(', '.join(texts))}"])
    places = {name: place for place, name in names.items()}
    return Table(file, np.array(months), tuple(lines), columns, units, texts, numerals, places)


def _no_dates(file: Path, rows: Sequence[tuple[int, Cells]]) -> str:
    """What is wrong with a table without months."""
    for line, cells in rows:
        for what, form in OTHER_DATES.items():
            if form.fullmatch(str(cells[0])):
                return f"{file}: row {line}: {quoted(str(cells[0]))} is {what}; rows are months ({DATES})"
    line, text = next(((line, str(cells[0])) for line, cells in rows[1:] if cells[0] not in (None, "")), (1, ""))
    return f"{file}: row {line}: no dates in the first column (found {quoted(text[:30])}, expected {DATES})"


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
            raise DataError([f"{where}: date {quoted(str(cells[0]))} is not understood; expected {DATES}"])
        if months and month == months[-1]:
            raise DataError([f"{where}: {month_text(month)} is there twice (rows are months){_often(rows)}"])
        if months and month < months[-1]:
            raise DataError([f"{where}: {month_text(month)} comes after {month_text(months[-1])}; sort by date"])
        if any(cell not in (None, "") for cell in cells[width:]):
            raise DataError([f"{where}: {len(cells)} cells, but {width} columns have names"])
        months.append(month)
        lines.append(line)
        content.append([*cells[:width], *[None] * (width - len(cells))])
    return months, lines, content


def _often(rows: Sequence[tuple[int, Cells]]) -> str:
    """'; the rows are weekly' where days say so."""
    days = [day for _, cells in rows[:30] if (day := _day(cells[0])) is not None]
    step = float(np.median(np.diff(days))) if len(days) > 2 else 0.0
    often = {7.0: "weekly"}.get(step, "daily" if 1.0 <= step <= 3.0 else "")
    return f"; the rows are {often}: take means of months" if often else ""


def _day(cell: Any) -> int | None:
    """A number of the day of a date, or None if it has none."""
    if isinstance(cell, date):
        return cell.toordinal()
    found = MONTH.fullmatch(str(cell))
    try:
        return date(int(found[1]), int(found[4]), int(found[5])).toordinal() if found and found[5] else None
    except ValueError:
        return None


def _header(file: Path, rows: list[Cells]) -> tuple[dict[int, str], dict[str, str]]:
    """Name by column, and unit by name."""
    rows = [row for row in rows if any(cell not in (None, "") for cell in row[1:])]
    if not rows:
        raise DataError([f"{file}: no row with the names of the series above the first date"])

    def filled(row: Cells) -> list[str]:
        return [str(cell).strip() for cell in row[1:] if cell not in (None, "")]

    in_brackets = [sum(text.startswith("(") for text in filled(row)) > len(filled(row)) / 2 for row in rows]
    bracketed = [row for row, units in zip(rows, in_brackets, strict=True) if units]
    titles = [row for row, units in zip(rows, in_brackets, strict=True) if not units] or rows
    fullest = max(titles, key=lambda row: len(filled(row)))
    names = {
        place: re.sub(r"\s+", " ", str(cell)).strip(" *")
        for place, cell in enumerate(fullest)
        if place and cell not in (None, "")
    }
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise DataError([f"{file}: series {quoted(twice[0])} is there twice"])
    units = bracketed[0] if bracketed and bracketed[0] is not fullest else []
    found = {name: str(units[place]).strip() for place, name in names.items() if place < len(units) and units[place]}
    return names, found


def read_units(file: Path) -> dict[str, str]:
    """A table `series, unit`; raises DataError."""
    rows = read_lines(file).lines
    short = [line for line, cells in rows if len(cells) < 2]
    if short:
        raise DataError([f"{file}: row {short[0]}: expected series and unit"])
    return {str(cells[0]): str(cells[1]) for _, cells in rows[1:]}


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
    series = [name for name in table.columns if name not in table.texts]
    errors, chosen = [], []
    for name in [name for text in asked or () for name in _split(text, known)] or series:
        if name.lower() not in known:
            errors.append(f"series: no series {quoted(name)} in {table.file}{nearest(name, series)}")
        elif known[name.lower()] in table.texts:
            said = f"is text, without one number; series: {shown(', '.join(series), MOST_NAMES)}"
            errors.append(f"series: {quoted(name)} in {table.file} {said}")
        else:
            chosen.append(known[name.lower()])
    if errors:
        raise DataError(errors)
    return list(dict.fromkeys(chosen))


def _split(text: str, known: Mapping[str, str]) -> list[str]:
    """The longest known names between commas; what is between two of them is one unknown name."""
    parts, names, unknown = text.split(","), list[str](), list[str]()
    longest = 1 + max((name.count(",") for name in known), default=0)
    while parts:
        lengths = range(min(len(parts), longest), 0, -1)
        length = next((one for one in lengths if ",".join(parts[:one]).strip().lower() in known), 0)
        if length:
            names += [",".join(unknown).strip()] * bool(unknown) + [",".join(parts[:length]).strip()]
            unknown = []
        else:
            unknown.append(parts[0])
        del parts[: max(length, 1)]
    return names + [",".join(unknown).strip()] * bool(unknown)
