"""Text that a user hands in: read whole up to a size, decoded, parsed as TOML; and said again, short, in errors."""

from __future__ import annotations

import codecs
import difflib
import re
import tomllib
import unicodedata
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

MOST_TEXT = 1_000_000  # bytes of a TOML or rule file
MOST_TABLE = 64_000_000  # bytes of a table
PIECE = 2**20  # bytes that are read at once
MOST_DEPTH = 20  # tables and lists within each other
LARGEST_WHOLE = 2**63  # the whole numbers that TOML promises
# a key of 40 parts, on which tomllib takes time by their square; possessive, so that looking for it does not
DEEP_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){40}""")
SHOWN, LINE = 60, 1000  # characters of what a user gave, and of a whole error
ECHO = re.compile(rf"(?<![^\s(=])'([^']{{{SHOWN + 1},}})'(?!\w)")  # a text in quotes
RUN = re.compile(r"\S{201,}")  # without a space: nothing but a path is as long
NEAR_NAME, NEAR_LIST = 60, 2000  # longest name, and most known names, that the nearest is looked for
SHARED = set(
    "äöéüßáâçëíîóôúÄÖÉÜÁÂÇËÍÎÓÔÚ"
)  # letters that stand at the same place in all Western and Central code pages
NORDIC = set("åæøÅÆØ")
SIGNS = set("€…–’\u00a0§°²³´·«»½±")  # and other characters that spreadsheets write
WORD = re.compile(r"[^\W\d_]+|[^\x00-\x7f]")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class DataError(ValueError):
    """A table of `abm/data`, a user's region or a user's rule is wrong: one line an error."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = [one_line(error) for error in errors]
        super().__init__("\n".join(self.errors))


class Note(UserWarning):
    """What a user should know, of a file that was read or of the installation; the command line prints one line."""


def visible(text: str) -> str:
    """The text with control characters, marks of direction and characters without width as their codes."""
    return text if text.isprintable() else "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def shown(given: object, most: int = SHOWN) -> str:
    """What a user gave as it is said in an error: visible, at most `most` characters."""
    text = str(given) if not isinstance(given, str) else given
    return visible(text if len(text) <= most else f"{text[: most - 1]}…")


def quoted(given: object) -> str:
    """The same in quotes, where it is a text."""
    return f"'{shown(given)}'" if isinstance(given, str) else shown(given)


def one_line(error: str) -> str:
    """An error as one line that a terminal can show: whatever echoes a user's text ends here."""
    line = visible(" ".join(error.split()))
    line = ECHO.sub(lambda echo: quoted(echo[1]), line)
    line = RUN.sub(lambda run: f"{run[0][:100]}…{run[0][-60:]}", line)
    return line if len(line) <= LINE else f"{line[: LINE - 201]}…{line[-200:]}"


def nearest(name: str, known: Collection[str]) -> str:
    """'; did you mean X?' for a misspelt name, or nothing; not looked for in a list of thousands."""
    if len(name) > NEAR_NAME or len(known) > NEAR_LIST:
        return ""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {shown(close[0])}?" if close else ""


def position(name: str, known: Sequence[str], what: str = "indicator") -> int:
    """Where `name` is in `known`; KeyError with the nearest one if it is not there."""
    if name not in known:
        raise KeyError(f"no {what} {shown(name)}{nearest(str(name), known)}")
    return known.index(name)


def name_problem(name: str) -> str | None:
    """What is wrong with the name of a place, a plant or somebody, in one phrase, or None."""
    if not name.strip():
        return "is empty"
    if not name.isprintable():
        return f"{quoted(name)} holds a character that cannot be seen"
    if len(mixed := _scripts(name) & {"LATIN", "CYRILLIC", "GREEK"}) > 1:
        return f"{quoted(name)} mixes letters of {' and '.join(sorted(one.title() for one in mixed))} that look alike"
    return f"{quoted(name)} begins or ends with a space" if name != name.strip() else None


def alike(name: str) -> str:
    """What two names share that people take for the same: forms, accents and spaces made one, no capitals."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())


def _scripts(name: str) -> set[str]:
    """Latin, Cyrillic, Greek, ...: of which alphabets the letters of a name are."""
    return {unicodedata.name(one, "?").split()[0] for one in name if one.isalpha() and one not in "ªº"}


# -- files


def read_bytes(file: str | Path, most: int) -> bytes:
    """The content of a file; raises DataError if there is none, or more than `most` bytes."""
    pieces, size = list[bytes](), 0
    try:
        with open(file, "rb") as source:
            while size <= most and (piece := source.read(PIECE)):
                pieces.append(piece)
                size += len(piece)
    except FileNotFoundError:
        raise DataError([f"{file}: no such file"]) from None
    except OSError as error:
        raise DataError([f"{file}: cannot be read ({error.strerror})"]) from None
    except ValueError:
        raise DataError([f"{file}: no file can have this name"]) from None
    if size > most:
        raise DataError([f"{file}: over {most / 1e6:g} MB, more than is read of such a file"])
    return b"".join(pieces)


def decode(file: Path, content: bytes) -> str:
    """The text of a table, accents composed: UTF-8, UTF-16 with its mark, or what can only be Windows Latin 1.

    Raises DataError with the line that is none of them; warns with a Note where it took the last.
    """
    coding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(coding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        ansi = _western(content) if coding == "utf-8" else None
        if ansi is None:
            raise DataError([f"{file}: line {line}: not UTF-8; save it as CSV UTF-8"]) from None
        warnings.warn(f"{file}: line {line}: not UTF-8, read as Windows-1252 (ANSI)", Note, stacklevel=2)
        text = ansi
    if "\0" in text:
        line = text.partition("\0")[0].count("\n") + 1
        raise DataError([f"{file}: line {line}: holds zero bytes, so it is no text in UTF-8; save it as CSV UTF-8"])
    return unicodedata.normalize("NFC", text)


def _western(content: bytes) -> str | None:
    """The text in Windows-1252, or None where another code page would give other letters.

    Only letters that most code pages share and the Nordic ones, within words of mostly plain letters, and signs that do
    not stand before a letter: what other code pages have at these places gives other words.
    """
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        return None
    for found in WORD.finditer(text):
        word, after = found[0], text[found.end() : found.end() + 1]
        if word.isascii():
            continue
        letters = [one for one in word if one.isalpha()]
        foreign = [one for one in letters if not one.isascii()]
        signs = [place for place, one in enumerate(word) if not one.isalpha()]
        if not set(foreign) <= SHARED | NORDIC or 2 * len(foreign) > len(letters):
            return None
        if any(word[place] not in SIGNS or (word + after)[place + 1 : place + 2].isalpha() for place in signs):
            return None
    return text


def read_toml(file: Path) -> dict[str, Any]:
    """Parse a TOML file; raises DataError with one line if it is missing, too large, too deep or not TOML."""
    content = read_bytes(file, MOST_TEXT)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError([f"{file}: line {line}: not UTF-8"]) from None
    if DEEP_KEY.search(text):
        raise DataError([f"{file}: a key of 40 parts; at most {MOST_DEPTH}"])
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError([f"{file}: {error}"]) from None
    except RecursionError:
        raise DataError([f"{file}: nested too deep, at most {MOST_DEPTH} levels"]) from None
    except ValueError:  # of int(), on thousands of digits
        raise DataError([f"{file}: a whole number beyond 64 bits"]) from None
    _check_tree(file, tree)
    return tree


def _check_tree(file: Path, tree: dict[str, Any]) -> None:
    """Raise DataError with the key of what is nested too deep, too large a whole number or no text."""
    left: list[tuple[str, Any, int]] = [("", tree, 0)]
    while left:
        key, value, depth = left.pop()
        if depth > MOST_DEPTH:
            raise DataError([f"{file}: {shown(key)}: nested too deep, at most {MOST_DEPTH} levels"])
        text = value if isinstance(value, str) else key  # keys are part of their values' keys
        if CONTROL.search(text):
            raise DataError([f"{file}: {shown(key)}: {quoted(text)} holds a control character"])
        if isinstance(value, int) and not -LARGEST_WHOLE <= value < LARGEST_WHOLE:
            raise DataError([f"{file}: {shown(key)}: a whole number beyond 64 bits"])
        if isinstance(value, Mapping):
            left += [(f"{key}.{name}" if key else name, one, depth + 1) for name, one in value.items()]
        elif isinstance(value, list):
            left += [(key, one, depth + 1) for one in value]
