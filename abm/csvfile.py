"""A table with names of columns in its first line, each cell read with its line (own firms, the tables of a region).

What is wrong is noted cell by cell, so that all of it is said at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abm.numerals import Numerals, is_missing
from abm.tablefile import read_lines
from abm.texts import DataError, alike, name_problem, nearest, quoted, shown

NAME = "name"
MOST_ERRORS = 100  # that are said one by one, and that the nearest name is looked for


@dataclass
class CsvRow:
    """One line of the file: its cells, read one by one; what is wrong with them is noted in `errors`."""

    where: str
    line: int
    cells: dict[str, Any]
    places: dict[str, int]  # of the columns
    numerals: Numerals
    errors: list[str]
    faulty: set[str] = field(default_factory=set)

    def wrong(self, column: str, what: str) -> None:
        """Note that a cell is wrong."""
        self.faulty.add(column)
        self.errors.append(f"{self.where}: line {self.line}: {column}: {what}")

    def text(self, column: str) -> str:
        """The cell; empty if there is no such column, or a mark that nothing is there."""
        cell = self.cells.get(column)
        if column != NAME and is_missing(cell):
            return ""
        return f"{cell:g}" if isinstance(cell, float) else str("" if cell is None else cell)

    def given(self, columns: Iterable[str]) -> list[str]:
        """Those of `columns` whose cell is not empty."""
        return [column for column in columns if self.text(column)]

    def require(self, columns: Iterable[str], why: str = "") -> None:
        """Note which cells are missing."""
        for column in columns:
            if not self.text(column):
                self.wrong(column, f"missing{why}")

    def choice(self, column: str, known: Collection[str], what: str) -> str | None:
        """One of `known` (a dict or set, if it is long); None if the cell is empty or another text, which is noted."""
        text = self.text(column)
        if not text or text in known:
            return text or None
        hint = nearest(text, known) if len(self.errors) < MOST_ERRORS else ""
        self.wrong(column, f"{quoted(text)} is not a {what}{hint}")
        return None

    def number(self, column: str, least: float, most: float) -> float | None:
        """A number from `least` to `most`; 0 as the least is itself not allowed."""
        try:
            value = self.numerals.read(self.places[column], self.cells[column]) if column in self.cells else None
        except ValueError as error:
            self.wrong(column, str(error))
            return None
        if value is None:
            return None
        if least == 0 and value <= 0:
            self.wrong(column, f"{shown(self.text(column))} is not above 0")
        elif not least <= value <= most:
            self.wrong(column, f"{shown(self.text(column))} is not from {least:g} to {most:g}")
        else:
            return value
        return None

    def name(self) -> str:
        """The cell of the column `name`, checked."""
        name = self.text(NAME)
        problem = name_problem(name)
        if problem:
            self.wrong(NAME, problem if name else "missing")
        return name

    def same(self, column: str, other: CsvRow) -> bool:
        """Does the cell say what that of `other` says?"""
        try:
            cells = self.cells.get(column), other.cells.get(column)
            one, two = (self.numerals.read(self.places[column], cell) for cell in cells)
        except ValueError:
            return self.text(column) == other.text(column)
        return one == two


@dataclass
class Names:
    """The names that were given so far, and where."""

    seen: dict[str, tuple[str, int]] = field(default_factory=dict)

    def clash(self, name: str, line: int) -> str | None:
        """Another name that people would take for the same, in one phrase, or None."""
        before, where = self.seen.setdefault(alike(name), (name, line))
        return f"{quoted(name)} is {quoted(before)} of line {where} in other letters" if before != name else None


def unnamed_first(header: Sequence[str]) -> bool:
    """Is the first column without a name, as the index that pandas writes?"""
    return len(header) > 1 and header[0].lower() in ("", "unnamed: 0") and any(header[1:])


def column_errors(header: list[str], where: str, columns: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """What is wrong with a line of names: those not in `columns`, given twice, or `wanted` and missing."""
    known, columns = [name for name in header if name], tuple(columns)
    unknown = [name for name in known if name not in columns][:MOST_ERRORS]
    errors = [f"{where}: no column {quoted(name)}{nearest(name, columns)}" for name in unknown]
    repeated = sorted(name for name in columns if known.count(name) > 1)
    errors += [f"{where}: column {quoted(name)} is given twice" for name in repeated]
    return errors + [f"{where}: column {quoted(name)} is missing" for name in wanted if name not in known]


def read_rows(file: Path, header_errors: Callable[[list[str], str], list[str]], errors: list[str]) -> list[CsvRow]:
    """The lines that are not empty, as cells by column; raises DataError if columns or quotes are wrong.

    `header_errors` says what is wrong with the names of the columns; errors of cells are to be noted in `errors`.
    """
    table, where = read_lines(file), str(file)
    if not table.lines:
        return []
    line, names = table.lines[0]
    if line != table.first:
        raise DataError([f"{where}: line {table.first}: no column names"])
    header = [str("" if name is None else name).lower() for name in names]
    if problems := header_errors(header, f"{where}: line {line}"):
        raise DataError(problems)
    places = {name: place for place, name in enumerate(header) if name}
    numerals, rows = table.numerals(1, len(header)), []
    for line, cells in table.lines[1:]:
        by_name = {name: cells[place] for name, place in places.items() if place < len(cells)}
        row = CsvRow(where, line, by_name, places, numerals, errors)
        if any(cell not in (None, "") for place, cell in enumerate(cells) if place >= len(header) or not header[place]):
            row.wrong("row", f"has {len(cells)} cells, the first line names {len(places)}")
        rows.append(row)
    return rows


def stop_at(errors: list[str]) -> None:
    """Raise DataError with what was noted, if anything was: the first `MOST_ERRORS` and how many more there are."""
    if errors:
        more = len(errors) - MOST_ERRORS
        raise DataError(errors[:MOST_ERRORS] + ([f"{errors[0].split(': ')[0]}: and {more} more"] if more > 0 else []))
