"""Any table that a user hands in -> lines of cells, with what its numbers show of how they are written.

The one reader of prices, own firms, the tables of a region, rows of a sweep and draws of a posterior: CSV with commas,
semicolons or tabs, with a first line `sep=;` or without, or a sheet of an XLSX workbook.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from abm.numerals import Numerals
from abm.texts import MOST_TABLE, DataError, decode, read_bytes
from abm.workbook import OLD, ZIP, read_workbook

BETWEEN = (";", "\t", ",")  # what may stand between cells
SEP = re.compile(r'"?sep=([^\w\s"]|\t)"?[;,\t]*', re.IGNORECASE)  # a first line that spreadsheets read
LOOKED_AT = 500  # lines that tell what stands between cells
WORKBOOKS = (".xlsx", ".xlsm")
Cells = list[Any]  # texts; of a workbook also numbers, dates and None


@dataclass(frozen=True)
class Lines:
    """The lines of a table that are not empty, with their numbers; `first`: number of the first line of the file.

    `between` stands between cells; "" in a workbook. Lines may have different numbers of cells.
    """

    file: Path
    lines: list[tuple[int, Cells]]
    between: str
    first: int = 1

    def numerals(self, start: int, width: int) -> Numerals:
        """How numbers are written in the lines from place `start` on, in the first `width` columns."""
        body = [cells for _, cells in self.lines[start:]]
        columns = [[cells[place] for cells in body if place < len(cells)] for place in range(width)]
        return Numerals(columns, self.between)


def read_lines(file: Path, sheet: str = "") -> Lines:
    """The lines of a CSV or XLSX file (of the sheet of that name, or of its only one); raises DataError."""
    content = read_bytes(file, MOST_TABLE)
    if file.suffix.lower() in WORKBOOKS or content.startswith((ZIP, OLD)):
        return Lines(file, read_workbook(file, content, sheet), "")
    text, first = decode(file, content), 1
    head, _, rest = text.partition("\n")
    if said := SEP.fullmatch(head.rstrip("\r")):
        text, first, between = rest, 2, said[1]
    else:
        between = _between(text)
    reader = csv.reader(StringIO(text, newline=""), delimiter=between, strict=True)
    lines: list[tuple[int, Cells]] = []
    try:
        for row in reader:
            cells = [" ".join(cell.split()) for cell in row]
            if any(cells):
                lines.append((reader.line_num + first - 1, cells))
    except csv.Error as error:
        line = reader.line_num + first - 1
        raise DataError([f"{file}: line {line}: cannot be read as CSV ({error})"]) from None
    return Lines(file, lines, between, first)


def _between(text: str) -> str:
    """What stands between cells: the sign in most lines, then the one that is more often in the first of them."""
    beginning = re.sub(r'"[^"]*"', "", text[: 200 * LOOKED_AT])
    lines = [line for line in beginning.splitlines()[:LOOKED_AT] if line.strip()]
    counts = {sign: [line.count(sign) for line in lines] for sign in BETWEEN}
    head = next((number for number, found in enumerate(zip(*counts.values(), strict=True)) if any(found)), None)
    if head is None:
        return ","
    return max(BETWEEN, key=lambda sign: (sum(map(bool, counts[sign])), counts[sign][head]))
