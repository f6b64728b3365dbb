"""Where compiled functions are kept on disk, and when one of them holds.

Numba decides whether a kept function is still valid by looking at the file of that function alone; a month calls
mechanisms in other files, so here the stamp covers every source file of the model: change one, and all that was
compiled from the old one is compiled anew. What is kept lies in files of our own, one a function and version of its
arguments, so that processes at work side by side have no list to write in turn:

    the name    function and digest of all that its code depends on: stamp, Python, Numba, processor, arguments (`_key`)
    content     digest of the rest, then, compressed to a tenth, what Numba makes of a compiled function to be kept

A file is there whole or not at all, and one that was damaged is as good as none. They are in NUMBA_CACHE_DIR where that
is set, else in `__pycache__` beside this file, else, where that cannot be written, in the user's own cache directory;
where none can be written the model runs all the same, and says so. READY are the ones that came with a wheel: made for
any processor of the architecture, so that an installation from it compiles nothing.

Kept functions are pickles, which can do whatever code can: nothing is read that does not come with the code, or lies
where only who runs it is meant to write. This is the only module that knows how Numba keeps what it compiles.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import platform
import re
import shutil
import sys
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import numba
import numpy as np

from abm.texts import Note

SOURCE = Path(__file__).parent
READY = SOURCE / "ready"  # kernels that came with a wheel, and ABOUT
ABOUT = "about.json"  # what they were made with
NOT_A_PROCESSOR = ("generic", "")  # name and features, as Numba has them under NUMBA_CPU_NAME=generic
FOLDERS, SUFFIX, UNFINISHED = "kernels-", ".kernel", ".part"
TRIAL, ROOM = f"trial{UNFINISHED}", 10_000_000  # a file as large as all that is kept of a source together, in bytes
KEPT = 3  # folders of other stamps that stay beside the newest: for who goes to and fro between versions
LOG = "KRETSLOPP_COMPILED"  # environment variable: a file that gets a line for each function that is compiled
DIGEST, MOST_NAME = 16, 80  # bytes; characters of a function's name in that of its file
KNOWN = "one from 0.61 to 0.68"  # versions of Numba that this was tried with
# Numba's settings that change the code of the same source on the same processor.
SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "USING_SVML")


class CompilerError(RuntimeError):
    """The compiler cannot be used as it is; `errors` holds the one line that says so."""

    def __init__(self, line: str) -> None:
        self.errors = [line]
        super().__init__(line)


try:
    from numba.core.caching import _Cache
    from numba.core.compiler import CompileResult
    from numba.core.serialize import dumps
    from numba.core.sigutils import normalize_signature
    from numba.misc.appdirs import AppDirs

    _reduce, _rebuild = CompileResult._reduce, CompileResult._rebuild
except (ImportError, AttributeError):
    raise CompilerError(
        f"Numba {numba.__version__} keeps compiled code in a way that kretslopp does not know; install {KNOWN}"
    ) from None


def source_stamp(folder: Path) -> str:
    """Digest of all Python files of `folder`, in order of name."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


STAMP = source_stamp(SOURCE)


@cache
def made_with() -> dict[str, str]:
    """All that kernels depend on besides the processor, by name."""
    return {
        "Python": f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}",
        "Numba": numba.__version__,
        "NumPy": ".".join(np.__version__.split(".")[:2]),
        "machine": f"{sys.platform} {platform.machine()}",
        "source": STAMP[:DIGEST],
    }


def describe(folder: str | Path) -> None:
    """Write down in a folder of kernels that are to come with a wheel what they were made with."""
    Path(folder, ABOUT).write_text(json.dumps(made_with(), indent=1) + "\n", encoding="utf-8")


def kept(dispatcher: Any) -> Any:
    """The Numba dispatcher or C function, its versions looked for among those kept before any is compiled.

    Raises CompilerError where Numba keeps them in another way than the versions known.
    """
    if not hasattr(dispatcher, "_cache"):
        raise CompilerError(
            f"Numba {numba.__version__} keeps compiled code in a way that kretslopp does not know; install {KNOWN}"
        )
    function = getattr(dispatcher, "py_func", None) or dispatcher.__wrapped__
    options = sorted(getattr(dispatcher, "targetoptions", {"callback": True}).items())
    dispatcher._cache = KernelCache(function, str(options))
    return dispatcher


class KernelCache(_Cache):
    """The kept versions of one function, as Numba asks for them; `options` are those it is compiled with."""

    cache_path = None  # Numba's statistics alone ask for it

    def __init__(self, function: Callable[..., Any], options: str) -> None:
        self.name = f"{function.__module__}.{function.__qualname__}"
        code: Any = function.__code__
        self._function = function
        self._identity = (self.name, str(code.co_firstlineno), options, hashlib.sha256(code.co_code).hexdigest())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """A kept version for arguments of these types, or None."""
        target_context.refresh()
        for file in self._files(sig, target_context):
            with suppress(Exception):  # whatever a damaged file leads to: it is as good as none
                if content := _read(file):
                    found = _rebuild(target_context, *pickle.loads(zlib.decompress(content)))
                    _use(file.parent)
                    return found
        _note_not_ready()
        return None

    def holds(self, sig: Any, target_context: Any) -> bool:
        """Is there a kept version for arguments of these types?"""
        return any(_read(file) for file in self._files(sig, target_context))

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a version that was compiled just now."""
        _log(self.name)
        if any(not lifted.can_cache for lifted in data.lifted) or data.library.has_dynamic_globals:
            return
        _keep(self._file(sig, data.codegen.magic_tuple()), zlib.compress(dumps(_reduce(data))))

    def _files(self, sig: Any, target_context: Any) -> list[Path]:
        """Where a version may be: kept on this machine, or ready."""
        triple, *processor = target_context.codegen().magic_tuple()
        own, ready = (self._file(sig, (triple, *kind)) for kind in (processor, NOT_A_PROCESSOR))
        return [*(folder / own for folder in folders()), READY / ready]

    def _file(self, sig: Any, processor: tuple[str, ...]) -> str:
        """Name of the file of a version for a processor (triple, name, features)."""
        name = re.sub(r"[^\w.]", "", self.name)[-MOST_NAME:]  # "<locals>" is no name of a file everywhere
        return f"{name}-{_digest(self._key(sig, processor)).hex()}{SUFFIX}"

    def _key(self, sig: Any, processor: tuple[str, ...]) -> bytes:
        """All that the code of a version depends on."""
        closed_over = [cell.cell_contents for cell in self._function.__closure__ or ()]
        settings = {name: str(getattr(numba.config, name, None)) for name in SETTINGS}
        parts = [STAMP, _own_stamp(self._function.__code__.co_filename), *self._identity, *processor]
        parts += [str(normalize_signature(sig)), str(made_with()), str(settings)]
        return "\0".join(parts).encode() + (dumps(closed_over) if closed_over else b"")

    def enable(self) -> None:
        """Always so."""

    def disable(self) -> None:
        """Never so."""

    def flush(self) -> None:
        """What is kept holds as long as its source."""


@cache
def _own_stamp(file: str) -> str:
    """Digest of a function's own file, which may be outside the model's source; empty if there is none."""
    with suppress(OSError):
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return ""


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST).digest()


@cache
def folders() -> tuple[Path, ...]:
    """Where kept functions of this source are looked for; written is to the first that can be."""
    chosen = getattr(numba.config, "CACHE_DIR", "")  # set at run time, of NUMBA_CACHE_DIR
    usual = (SOURCE / "__pycache__", Path(AppDirs(appname="kretslopp", appauthor=False).user_cache_dir))
    places = (Path(chosen),) if chosen else usual
    return tuple(place / f"{FOLDERS}{STAMP[:DIGEST]}" for place in places)


def _read(file: Path) -> bytes | None:
    """What the file holds, None if it is not there or was damaged."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    return content[DIGEST:] if _digest(content[DIGEST:]) == content[:DIGEST] else None


def holds(dispatcher: Any, signature: Any) -> bool:
    """Is a version of a `kept` function for arguments of these types there, so that it need not be compiled?"""
    found = bool(dispatcher._cache.holds(signature, dispatcher.targetctx))
    if not found:
        _note_not_ready()
    return found


def can_keep() -> bool:
    """Can what is compiled be handed to another process of this machine: is there a folder, and room in it?"""
    for folder in folders():
        with suppress(OSError):
            _write(folder, TRIAL, bytes(ROOM))
            (folder / TRIAL).unlink()
            return True
    return False


_refused: dict[Path, OSError] = {}  # folders that this process could not write to


def _keep(name: str, content: bytes) -> None:
    """Write a file to the first folder that takes it; say so once where none does, and try no more."""
    for folder in folders():
        if folder in _refused:
            continue
        try:
            _write(folder, name, content)
            return
        except OSError as error:
            _refused[folder] = error
            if len(_refused) == len(folders()):
                _say(
                    f"what is compiled cannot be kept in {folder} ({error.strerror}), so every run compiles it anew;"
                    " let NUMBA_CACHE_DIR name a folder that can be written"
                )


def _write(folder: Path, name: str, content: bytes) -> None:
    """Write a file that is there whole or not at all."""
    _make(folder)
    unfinished = folder / f"{name}.{uuid4().hex}{UNFINISHED}"
    try:
        with open(unfinished, "xb") as out:
            out.write(_digest(content) + content)
        os.replace(unfinished, folder / name)
    finally:
        unfinished.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    """Make a folder if it is not there, and remove what older sources left beside it, but for the last few.

    Who is at work with one of them compiles anew what it still needs.
    """
    if folder.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    older = [other for other in folder.parent.glob(f"{FOLDERS}*") if other != folder]
    for other in sorted(older, key=_last_used)[: -KEPT or None]:
        shutil.rmtree(other, ignore_errors=True)
    for file in folder.parent.glob("*.nb[ci]"):  # Numba's own, from when it kept them
        with suppress(OSError):
            file.unlink()


def _last_used(folder: Path) -> float:
    with suppress(OSError):
        return folder.stat().st_mtime
    return 0.0


@cache
def _use(folder: Path) -> None:
    """Mark that the folder is in use, once a process."""
    with suppress(OSError):
        os.utime(folder)


@cache
def _note_not_ready() -> None:
    """Say, once, why the kernels that came with a wheel are not for this machine, where that is so."""
    with suppress(OSError):
        meant = json.loads((READY / ABOUT).read_text(encoding="utf-8"))
        other = [f"{name} {meant[name]}, here {value}" for name, value in made_with().items() if meant[name] != value]
        if other:
            _say(
                f"the kernels that came with kretslopp are for {other[0]}: the model is compiled, once on this machine"
            )


def _say(line: str) -> None:
    """Note a line about what is kept; it is of no line of anybody's code."""
    warnings.warn_explicit(line, Note, "kretslopp", 0)


def _log(name: str) -> None:
    """Write down that a function was compiled, where that is asked for."""
    if file := os.environ.get(LOG):
        with open(file, "a", encoding="utf-8") as out:
            out.write(f"{name}\n")
