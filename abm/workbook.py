"""A sheet of an XLSX workbook as lines of cells, refused before it can fill the memory.

What is packed small can be large: far cells, entities, millions of styles. All parts are looked through once, as a
stream, and counted against a budget, before openpyxl builds anything of them.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.parsers import expat

from abm.texts import DataError, nearest, shown

MOST_CELLS = 1_000_000  # of a whole workbook, each row up to its last cell
MOST_ROWS, MOST_WIDE = 1_048_576, 16_384  # as far as Excel makes a sheet
MOST_OTHER = 200_000  # elements besides cells and texts: styles, names, drawings
MOST_UNPACKED = 128_000_000  # bytes
MOST_PARTS = 1_000
OLD = bytes.fromhex("d0cf11e0a1b11ae1")  # XLS, or XLSX with a password
ZIP = b"PK\x03\x04"
COLUMN = re.compile(r"([A-Za-z]{1,3})\d+", re.ASCII)
CONTENT = {"row", "c", "v", "f", "is", "t", "si"}  # elements of cells and texts


class TooLarge(Exception):
    """A workbook is not read; says why, in one phrase."""


class _Budget:
    """Counts what a workbook would take."""

    def __init__(self) -> None:
        self.cells = self.other = self.wide = 0

    def look(self, part: Any) -> None:
        """Look through one part; raises TooLarge, or expat's error where it is no XML."""
        parser = expat.ParserCreate(namespace_separator="}")
        parser.StartDoctypeDeclHandler = _refuse_entities
        parser.StartElementHandler = self._start
        parser.ParseFile(part)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2]
        if name == "row":
            self.wide = 0
            number = attributes.get("r", "1")
            if len(number) > 7 or not number.isascii() or not number.isdigit() or int(number) > MOST_ROWS:
                raise TooLarge(f"row {shown(number)} is beyond {MOST_ROWS}")
        elif name == "c":
            before, reference = self.wide, attributes.get("r")
            self.wide = max(self.wide + 1, _column(reference) if reference else 0)
            self.cells += self.wide - before
        elif name == "si":
            self.cells += 1
        self.other += name not in CONTENT
        if self.wide > MOST_WIDE or self.cells > MOST_CELLS:
            raise TooLarge(f"its cells, many or far from the others, span over {MOST_CELLS}")
        if self.other > MOST_OTHER:
            raise TooLarge(f"over {MOST_OTHER} styles, drawings or the like")


def _refuse_entities(*_: Any) -> None:
    raise TooLarge("it declares entities, as no spreadsheet does")


def _column(reference: str) -> int:
    """'C7' -> 3; 0 if there is none."""
    found = COLUMN.fullmatch(reference)
    number = 0
    for letter in found[1].upper() if found else "":
        number = 26 * number + ord(letter) - ord("A") + 1
    return number


def _check(content: bytes) -> None:
    """Raise TooLarge for a workbook that takes more than its budget."""
    budget = _Budget()
    with zipfile.ZipFile(BytesIO(content)) as book:
        parts = book.infolist()
        if len(parts) > MOST_PARTS:
            raise TooLarge(f"it has over {MOST_PARTS} parts")
        if sum(part.file_size for part in parts) > MOST_UNPACKED:  # and no more than these are unpacked
            raise TooLarge(f"it is over {MOST_UNPACKED / 1e6:g} MB when unpacked")
        for part in parts:
            try:
                with book.open(part) as stream:
                    budget.look(stream)
            except expat.ExpatError:  # a picture; what is read as XML fails there, too
                continue


def read_workbook(file: Path, content: bytes, wanted: str = "") -> list[tuple[int, list[Any]]]:
    """Line numbers and cells of the sheet `wanted`, or of the only one, without empty lines; raises DataError."""
    if content.startswith(OLD):
        raise DataError([f"{file}: an old workbook (XLS), or one with a password; save it as XLSX or CSV UTF-8"])
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise DataError([f"{file}: reading XLSX takes openpyxl: pip install 'kretslopp[calibrate]'"]) from None
    try:
        _check(content)
        with warnings.catch_warnings(action="ignore"):  # on styles and extensions that nobody needs here
            book = load_workbook(BytesIO(content), read_only=True, data_only=True)
            sheet = book[_sheet(file, list(book.sheetnames), wanted)]
            sheet.reset_dimensions()  # what a file says of its size may be anything
            rows = sheet.iter_rows(values_only=True)
            lines = [(line, _cells(cells)) for line, cells in enumerate(rows, start=1) if any(map(_there, cells))]
            book.close()
    except DataError:
        raise
    except TooLarge as error:
        raise DataError([f"{file}: not read: {error}"]) from None
    except Exception as error:  # what openpyxl raises for a file that is no workbook has no common type
        raise DataError([f"{file}: cannot be read as XLSX ({type(error).__name__})"]) from None
    return lines


def _sheet(file: Path, names: list[str], wanted: str) -> str:
    """The name of the sheet to read; raises DataError."""
    if wanted in names or len(names) == 1:
        return wanted if wanted in names else names[0]
    among = ", ".join(map(shown, names[:6]))
    missing = f"no sheet {wanted!r} among {among}{nearest(wanted, names)}"
    raise DataError([f"{file}: {missing if wanted else f'several sheets, {among}; keep one'}"])


def _there(cell: Any) -> bool:
    return cell is not None and cell != ""


def _cells(cells: tuple[Any, ...]) -> list[Any]:
    """Texts with single spaces; the empty cells at the end left out."""
    last = max(place for place, cell in enumerate(cells, start=1) if _there(cell))
    return [" ".join(cell.split()) if isinstance(cell, str) else _plain(cell) for cell in cells[:last]]


def _plain(cell: Any) -> Any:
    return cell if cell is None or isinstance(cell, (bool, int, float, date)) else str(cell)
