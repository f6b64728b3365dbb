"""Texts on a terminal of any encoding: what it lacks is written with what it has, never an error."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Sequence
from functools import partial
from io import TextIOWrapper
from unicodedata import normalize

MEND = "set PYTHONUTF8=1, or LANG to a UTF-8 locale"
STAND_INS = {"…": "...", "–": "-", "—": "-", "−": "-", "·": ".", "×": "x", "‘": "'", "’": "'", "“": '"', "”": '"',
             "≤": "<=", "≥": ">=", "→": "->", "±": "+/-", "≈": "~", "€": "EUR"}  # fmt: skip


def fit_terminal() -> None:
    """Let stdout and stderr write any text."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what an editor or a test put in its place may be no file
            name = f"kretslopp.{stream.encoding}"
            codecs.register_error(name, partial(_stand_in, stream.encoding))
            stream.reconfigure(errors=name)


def _stand_in(encoding: str, error: UnicodeError) -> tuple[str, int]:
    """What is written in place of characters that an encoding lacks: what looks alike, a letter without accent, or ?.

    The error itself says `charmap` for many encodings.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_alike(one, encoding) for one in error.object[error.start : error.end]), error.end


def _alike(character: str, encoding: str) -> str:
    for text in (STAND_INS.get(character, ""), normalize("NFKD", character)[:1]):
        try:
            if text.encode(encoding):
                return text
        except UnicodeError:
            continue
    return "?"


def unreadable(words: Sequence[str]) -> list[str]:
    """A line for each argument whose bytes mean nothing in this locale (surrogates stand for them)."""
    encoding = sys.getfilesystemencoding()
    mend = "" if encoding == "utf-8" else f"; {MEND}"
    return [
        f"argument {os.fsencode(word).decode('utf-8', 'replace')}: cannot be read as {encoding}{mend}"
        for word in words
        if any("\ud800" <= one <= "\udfff" for one in word)
    ]


def no_file_name(error: UnicodeEncodeError) -> str:
    """What to do about a name that this locale cannot write: by then only files' names meet its encoding."""
    return f"{error.object[:60]} cannot be a file's name in this locale ({error.encoding}); {MEND}"
