"""Tables of Markdown: what stands in a cell cannot end it, nor begin HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable

LINES = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")  # not the thin spaces within numbers


def cell(text: str) -> str:
    """A text as it stands in a cell, or in a line: on one line, with no bar, backslash or tag that means anything."""
    text = LINES.sub(" ", text).replace("\\", "\\\\").replace("|", "\\|")
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)


def row(cells: Iterable[str]) -> str:
    """'| a | b |'."""
    return "| " + " | ".join(map(cell, cells)) + " |"


def head(cells: Iterable[str]) -> list[str]:
    """The names of the columns and the rule below them."""
    names = list(cells)
    return [row(names), "|" + "---|" * len(names)]
