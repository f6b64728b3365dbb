"""An output folder while a command writes it: where its manifest is, all files in it belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from experiments.files import clear_parts, write_json, write_text

MANIFEST = "manifest.json"


@contextmanager
def opened(folder: Path) -> Iterator[Path]:
    """The folder, made if need be, cleared of what killed commands left half written, and without its old manifest.

    `finish` writes the new one. Where the block ends before that with every file as it was, as when what was asked is
    refused, the old one is put back.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clear_parts(folder)
    file = folder / MANIFEST
    old = file.read_text(encoding="utf-8") if file.is_file() else None
    before = _state(folder)
    file.unlink(missing_ok=True)
    try:
        yield folder
    finally:
        if old is not None and not file.exists() and _state(folder) == before:
            with suppress(OSError):  # what is wrong is being said
                write_text(file, old)


def finish(folder: Path, content: Mapping[str, Any]) -> None:
    """Write the manifest, last: the folder is complete."""
    write_json(folder / MANIFEST, content)


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    """When each file was written and its size; hidden files and the manifest are left out."""
    state = {}
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if not hidden and file != folder / MANIFEST and file.is_file():
            facts = file.stat()
            state[str(file)] = (facts.st_mtime_ns, facts.st_size)
    return state
