"""How numbers are written in a table: which sign is the decimal one, which stands between thousands.

`1.130` is 1130 in Germany and 1.13 in England. What the other numbers of its column show settles it, then those of the
file, then what stands between cells (a comma: points are decimal; a semicolon: commas are); else it is refused. It is
never guessed, since a thousandth of a price looks like a price.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from abm.texts import quoted

MISSING = {"", ".", "..", "...", "…", "-", "–", "—", "−", ":", "na", "n/a", "nan", "#n/a", "#na", "null"}
SPACES = str.maketrans(dict.fromkeys("\u00a0\u2009\u202f'’", " ") | {"−": "-"})  # between thousands; a true minus
PLAIN = re.compile(r"\d+", re.ASCII)
ONE = re.compile(r"(\d*)([.,])(\d*)", re.ASCII)  # one sign, which may be either
SPACED = re.compile(r"\d{1,3}(?: \d{3})+(?:([.,])\d*)?", re.ASCII)
GROUPED = re.compile(r"\d{1,3}([.,])\d{3}(?:\1\d{3})*(?:(?!\1)([.,])\d*)?", re.ASCII)  # with several signs
PARTS = re.compile(r"([+-]? ?)([\d., ]*\d[\d., ]*)([eE][+-]?\d{1,4})?", re.ASCII)
OTHER = {",": ".", ".": ","}
LONGEST = 60  # characters of a number
DECIMAL = {",": ".", ";": ","}  # the decimal sign that goes with what stands between cells


def is_missing(cell: Any) -> bool:
    """Is nothing there: an empty cell, or one of the marks that offices and programs write for it?"""
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING)


@dataclass
class Signs:
    """What the numbers of a column, or of a table, show of how they are written."""

    decimal: set[str] = field(default_factory=set)
    thousands: set[str] = field(default_factory=set)
    hundreds: bool = False  # is there a plain number of three digits, as beside thousands without decimals?

    def see(self, written: Written) -> None:
        """Take in one number."""
        self.decimal |= {written.decimal} - {""}
        self.thousands |= {written.thousands} - {""}
        self.hundreds |= written.hundreds

    def is_decimal(self, sign: str) -> bool | None:
        """Is a sign before three digits the decimal one? None: nothing is shown, or both."""
        decimal = sign in self.decimal or OTHER[sign] in self.thousands
        thousands = sign in self.thousands or (OTHER[sign] in self.decimal and " " not in self.thousands)
        return decimal if decimal != thousands else None

    @property
    def said(self) -> bool:
        """Is anything shown of points and commas?"""
        return bool(self.decimal or self.thousands - {" "})


@dataclass(frozen=True)
class Written:
    """One number as it is written: digits with signs, and which of them is surely what; `either` may be both."""

    digits: str
    exponent: str
    decimal: str = ""
    thousands: str = ""
    either: str = ""
    hundreds: bool = False

    def value(self, decimal: str) -> float:
        """The number, where `decimal` is the decimal sign ("": none in it)."""
        plain = "".join("." if one == decimal else one for one in self.digits if one.isdigit() or one in (decimal, "-"))
        return float(plain + self.exponent)


def written(text: str) -> Written | None:
    """How a number is written; None if it is none."""
    if len(text) > LONGEST or (parts := PARTS.fullmatch(text.translate(SPACES).strip())) is None:
        return None
    sign, digits, exponent = parts[1].strip().replace("+", ""), parts[2], parts[3] or ""
    signed = sign + digits
    if PLAIN.fullmatch(digits):
        return Written(signed, exponent, hundreds=len(digits) == 3 and digits[0] != "0" and not exponent)
    if one := ONE.fullmatch(digits):
        whole, point, rest = one[1], one[2], one[3]
        if len(rest) == 3 and 1 <= len(whole) <= 3 and whole[0] != "0" and not exponent:
            return Written(signed, exponent, either=point)
        return Written(signed, exponent, decimal=point)
    if exponent:
        return None
    if spaced := SPACED.fullmatch(digits):
        return Written(signed, exponent, decimal=spaced[1] or "", thousands=" ")
    if grouped := GROUPED.fullmatch(digits):
        return Written(signed, exponent, decimal=grouped[2] or "", thousands=grouped[1])
    return None


class Numerals:
    """The numbers of a table, given by columns of cells and what stands between cells ("" in a workbook)."""

    def __init__(self, columns: Sequence[Iterable[Any]], between: str) -> None:
        self.between = between
        self.columns = [Signs() for _ in columns]
        self.numeric: list[bool] = []  # by column: is there any number in it?
        self.table = Signs()
        for signs, cells in zip(self.columns, columns, strict=True):
            numbers = texts = 0
            for cell in cells:
                if not isinstance(cell, str):
                    numbers += is_number(cell)
                elif not is_missing(cell):
                    found = written(cell)
                    texts += found is None
                    numbers += found is not None
                    if found is not None:
                        signs.see(found)
            self.numeric.append(numbers > 0 or not texts)
            if not texts:  # codes and dates among names show nothing of numbers
                self.table.decimal |= signs.decimal
                self.table.thousands |= signs.thousands

    def read(self, column: int, cell: Any) -> float | None:
        """The number of a cell, None where nothing is; raises ValueError with what is wrong, in one phrase."""
        if is_missing(cell):
            return None
        if is_number(cell):
            if not math.isfinite(cell):
                raise ValueError(f"{quoted(str(cell))} is not a number")
            return float(cell)
        number = written(cell) if isinstance(cell, str) else None
        if number is None:
            raise ValueError(f"{quoted(str(cell))} is not a number")
        if number.either:
            return number.value(number.either if self._is_decimal(column, cell, number.either) else "")
        if self.between == "," and (number.decimal == "," or number.thousands == "."):
            raise ValueError(f"{quoted(cell)} is not a number (decimal comma only in a file with semicolons)")
        return number.value(number.decimal)

    def _is_decimal(self, column: int, cell: str, sign: str) -> bool:
        """Is the one sign before three digits the decimal one? ValueError where nothing settles it."""
        own = self.columns[column]
        shows = own if own.said else self.table
        verdict = shows.is_decimal(sign) if shows.said else (DECIMAL.get(self.between) == sign or None)
        if verdict is not None and not (verdict and own.hundreds and not own.said):  # 1.130 beside 966: not 1.13
            return verdict
        digits = cell.strip().replace(sign, "")
        raise ValueError(
            f"{quoted(cell)} may be {digits} or a thousandth of it; write thousands without a sign, or other decimals"
        )


def is_number(cell: Any) -> bool:
    """Is the cell of a workbook a number?"""
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)
