"""Texts in CSV files that a spreadsheet would run as formulas, written so that it shows them, read back as they were.

A cell that begins with = + - @ (full-width ones too), a tab or a line break, also after spaces and quotation marks,
gets an apostrophe in front; so does what follows a semicolon, a tab or a line break within a cell, which end a cell
where lists are separated by them. Numbers stay numbers. (OWASP, CSV injection.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

APOSTROPHE = "'"
ENDS = re.compile(r"([;\t\n])")  # of a cell, for one spreadsheet or another
BEFORE = r"[\s\ufeff\u200b\"'“”‘’]*"  # what may stand in front of a formula
FORMULA = re.compile(rf"{BEFORE}[=+\-@＝＋－＠].", re.S)
NOTHING = re.compile(BEFORE)


def guarded(text: str) -> str:
    """A text as it is written; line breaks of any kind are those of the file, which alone get quoted."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(f"{APOSTROPHE * runs(part)}{part}{end}" for part, end, runs in _parts(lines))


def unguarded(text: str) -> str:
    """What `guarded` was given, but for the kind of its line breaks."""
    return "".join(
        f"{part[1:] if part[:1] == APOSTROPHE and runs(part[1:]) else part}{end}" for part, end, runs in _parts(text)
    )


def _parts(text: str) -> Iterator[tuple[str, str, Callable[[str], bool]]]:
    """What stands between ends of cells, the end after it, and what says whether such a part would run."""
    pieces = [*ENDS.split(text), ""]
    yield pieces[0], pieces[1], _runs if pieces[1] in ("", ";") else _runs_or_is_blank
    for part, end in zip(pieces[2::2], pieces[3::2], strict=True):
        yield part, end, _runs


def _runs_or_is_blank(part: str) -> bool:
    """Of the first part, with a tab or a line break after it."""
    return NOTHING.fullmatch(part) is not None or _runs(part)


def _runs(part: str) -> bool:
    if not FORMULA.match(part):
        return False
    try:
        float(part)
    except ValueError:
        return True
    return False


def guarded_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A table with its texts, and the names of its columns, as they are written."""
    return _mapped(frame, guarded)


def read_csv(file: Path) -> pd.DataFrame:
    """A table that experiments.files.write_csv wrote, as it was."""
    import pandas as pd

    return _mapped(pd.read_csv(file), unguarded)


def _mapped(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    mapped = frame.copy()
    for name, values in frame.items():
        if not (is_numeric_dtype(values) or is_bool_dtype(values)):
            mapped[name] = values.astype(object).map(lambda one: change(one) if isinstance(one, str) else one)
    return mapped.rename(columns=lambda name: change(name) if isinstance(name, str) else name)
