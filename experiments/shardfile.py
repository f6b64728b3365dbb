"""A table of a sweep as a file that says whose it is and carries a checksum of all its bytes.

Parquet's own checksums are of data pages alone: a bit that flips in the footer, or a whole file from elsewhere, they do
not see. The checksum here is made with zeros in its place and then written there, into the footer: so it can neither be
lost nor copied without its file, costs no second file, and any reader of Parquet takes the file as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.files import whole

if TYPE_CHECKING:
    import pyarrow as pa

SIGN = b"kretslopp-checksum:"  # what stands before it
LENGTH = 32  # hexadecimal digits
BLANK = b"0" * LENGTH
CHECKSUM, OWNER, NAME, NUMBERING = b"checksum", b"design", b"file", b"rows"  # keys in the footer

OTHER_DESIGN = "of another design"


class Damaged(ValueError):
    """A file that is not as it was written, or not of this sweep; says what is wrong in a few words."""


@dataclass(frozen=True)
class Whose:
    """What a file is of: the design, its own place in the folder, and how the design's rows in it are numbered."""

    design: str = ""
    name: str = ""
    numbering: str = ""

    def marks(self) -> dict[bytes, bytes]:
        """As they stand in the footer."""
        return {OWNER: self.design.encode(), NAME: self.name.encode(), NUMBERING: self.numbering.encode()}


def numbering(rows: Iterable[int], keys: Sequence[str]) -> str:
    """Digest of which rows of a design have these numbers; `keys` are those of all rows."""
    text = "".join(f"{row}={keys[row]};" for row in sorted(set(rows)))
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def write_marked(file: Path, table: pa.Table, whose: Whose, more: Mapping[bytes, bytes] | None = None) -> None:
    """Write a table whole, with its marks, `more` of them and its checksum."""
    import pyarrow as pa
    from pyarrow import parquet

    marks = {**(table.schema.metadata or {}), **whose.marks(), **(more or {}), CHECKSUM: SIGN + BLANK}
    with pa.BufferOutputStream() as stream:
        parquet.write_table(table.replace_schema_metadata(marks), stream, compression="zstd", write_page_checksum=True)
        content = bytearray(stream.getvalue())
    place = content.rindex(SIGN + BLANK) + len(SIGN)
    content[place : place + LENGTH] = _checksum(content, place)
    with whole(file) as temporary:
        temporary.write_bytes(content)


def _checksum(content: bytes | bytearray, place: int) -> bytes:
    view, digest = memoryview(content), hashlib.blake2b(digest_size=LENGTH // 2)
    for part in (view[:place], BLANK, view[place + LENGTH :]):
        digest.update(part)
    return digest.hexdigest().encode()


def read_bytes(file: Path) -> bytes:
    """A file in the bytes that it was written in; raises Damaged if they are not, FileNotFoundError."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(f"cannot be read ({error.strerror})") from None
    at = content.rfind(SIGN)
    if at < 0:
        raise Damaged("cut, or not written by a sweep (it has no checksum)")
    place = at + len(SIGN)
    if content[place : place + LENGTH] != _checksum(content, place):
        raise Damaged("its bytes are not those that were written (checksum)")
    return content


def opened(file: Path) -> Any:
    """The sound file as a `pyarrow.parquet.ParquetFile` of its bytes; raises Damaged."""
    import pyarrow as pa
    from pyarrow import parquet

    return parquet.ParquetFile(pa.BufferReader(read_bytes(file)))


def table_of(opened_file: Any, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of an opened file, read by the calling thread.

    Arrow's own threads may still be ending when a command does, and then abort it (apache/arrow#34314).
    """
    return opened_file.read(columns=columns, use_threads=False)


def marks_of(opened_file: Any) -> Mapping[bytes, bytes]:
    """The marks in the footer of an opened file."""
    return opened_file.metadata.metadata or {}


def check(file: Path, design: str, name: str) -> Any:
    """The file, opened, if it is sound, of this design and in its place `name`; raises Damaged, FileNotFoundError."""
    found = opened(file)
    marks = marks_of(found)
    if marks.get(OWNER, b"").decode() != design:
        raise Damaged(OTHER_DESIGN)
    if (own := marks.get(NAME, b"").decode()) != name:
        raise Damaged(f"a copy of {own}")
    return found


def check_rows(found: Any, keys: Sequence[str], replicates: int) -> None:
    """Are the runs of an opened file in a design of rows with these `keys`, under the same numbers? Raises Damaged."""
    facts = table_of(found, ["row", "replicate"])
    rows = set(facts["row"].to_pylist())
    if max(rows, default=0) >= len(keys) or max(facts["replicate"].to_pylist(), default=0) >= replicates:
        raise Damaged("of a larger design")
    check_numbering(found, numbering(rows, keys))


def check_numbering(found: Any, expected: str) -> None:
    """Raises Damaged where an opened file has the rows under other numbers than `numbering` expects."""
    if marks_of(found).get(NUMBERING, b"").decode() != expected:
        raise Damaged("of another folder of this design, where rows have other numbers")
