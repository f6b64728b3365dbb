"""A CSV file as its user wrote it: UTF-8, commas or semicolons with decimal commas, each cell read with its line.

What is wrong is noted cell by cell, so that all of it is said at once (own firms, the tables of a region).
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from abm.catalogue import DataError, nearest

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass
class CsvRow:
    """One line of the file: its cells, read one by one; what is wrong with them is noted in `errors`."""

    where: str
    line: int
    cells: dict[str, str]
    comma: bool  # is the decimal sign a comma?
    errors: list[str]
    faulty: set[str] = field(default_factory=set)

    def wrong(self, column: str, what: str) -> None:
        """Note that a cell is wrong."""
        self.faulty.add(column)
        self.errors.append(f"{self.where}: line {self.line}: {column}: {what}")

    def text(self, column: str) -> str:
        """The cell; empty if there is no such column."""
        return self.cells.get(column, "")

    def given(self, columns: Iterable[str]) -> list[str]:
        """Those of `columns` whose cell is not empty."""
        return [column for column in columns if self.text(column)]

    def require(self, columns: Iterable[str], why: str = "") -> None:
        """Note which cells are missing."""
        for column in columns:
            if not self.text(column):
                self.wrong(column, f"missing{why}")

    def choice(self, column: str, known: Iterable[str], what: str) -> str | None:
        """One of `known`; None if the cell is empty or another text, which is noted."""
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

    def same(self, column: str, other: CsvRow) -> bool:
        """Does the cell say what that of `other` says?"""
        one, two = self.plain(column), other.plain(column)
        if NUMBER.fullmatch(one) and NUMBER.fullmatch(two):
            return float(one) == float(two)
        return one == two


def read_text(file: Path) -> str:
    """The whole file, accents composed; raises DataError with the line that is not UTF-8."""
    try:
        return unicodedata.normalize("NFC", file.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise DataError([f"{file}: no such file"]) from None
    except OSError as error:
        raise DataError([f"{file}: cannot be read ({error.strerror})"]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError([f"{file}: line {line}: not UTF-8; save it as CSV UTF-8"]) from None


def column_errors(header: list[str], where: str, columns: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """What is wrong with a first line: names not in `columns`, given twice, or `wanted` and missing."""
    known, columns = [name for name in header if name], tuple(columns)
    errors = [f"{where}: line 1: no column {name!r}{nearest(name, columns)}" for name in known if name not in columns]
    repeated = sorted({name for name in known if known.count(name) > 1})
    errors += [f"{where}: line 1: column {name!r} is given twice" for name in repeated]
    return errors + [f"{where}: line 1: column {name!r} is missing" for name in wanted if name not in known]


def read_rows(file: Path, header_errors: Callable[[list[str], str], list[str]], errors: list[str]) -> list[CsvRow]:
    """The lines that are not empty, as cells by column; raises DataError if columns or quotes are wrong.

    `header_errors` says what is wrong with the names of the columns; errors of cells are to be noted in `errors`.
    """
    text, where = read_text(file), str(file)
    head = text.partition("\n")[0]
    comma = head.count(";") > head.count(",")
    reader = csv.reader(StringIO(text, newline=""), delimiter=";" if comma else ",", strict=True)
    rows, header = [], None
    try:
        for values in reader:
            cells = [" ".join(value.split()) for value in values]
            if header is None:
                header = [cell.lower() for cell in cells]
                if problems := header_errors(header, where):
                    raise DataError(problems if any(header) else [f"{where}: line 1: no column names"])
            elif any(cells):
                names = header + [""] * (len(cells) - len(header))
                row = CsvRow(where, reader.line_num, dict(zip(names, cells, strict=False)), comma, errors)
                if any(cell for name, cell in zip(names, cells, strict=False) if not name):
                    row.wrong("row", f"has {len(cells)} cells, the first line names {len([n for n in header if n])}")
                rows.append(row)
    except csv.Error as error:
        raise DataError([*errors, f"{where}: line {reader.line_num}: {error}"]) from None
    return rows
