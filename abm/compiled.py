"""How the model's functions are compiled.

`kernel` and `mechanism` are Numba's `njit` with the project's settings: cached on disk, without the
interpreter's lock (so replicates run on threads), division by zero as in numpy. `mechanism` is for what happens in a
month, `kernel` for what makes arrays.

Numba decides whether a cached function is still valid by looking at the file of that function alone; a month calls
mechanisms in other files, so here the stamp covers every source file of the model: change one, and all that was
compiled from the old one is compiled anew. The stamp goes into an unpublished field of Numba's: `stamped` is the only
place that knows of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
KNOWN = "one from 0.61 to 0.68"  # versions of Numba that `stamped` was tried with


class CompilerError(RuntimeError):
    """The compiler cannot be used as it is; `errors` holds the one line that says so."""

    def __init__(self, line: str) -> None:
        self.errors = [line]
        super().__init__(line)


def source_stamp(folder: Path) -> str:
    """Digest of all Python files of `folder`, in order of name."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


STAMP = source_stamp(Path(__file__).parent)


def stamped(dispatcher: Any) -> Any:
    """Let the disk cache of a Numba dispatcher hold only while its own file and the model's source are unchanged.

    Raises CompilerError where Numba is switched off, or keeps its cache in another way than the versions known.
    """
    if getattr(numba.config, "DISABLE_JIT", 0):  # set at run time, so unknown to type checkers
        raise CompilerError("Numba's compiler is switched off (NUMBA_DISABLE_JIT), and kretslopp runs on it: unset it")
    try:
        index = dispatcher._cache._cache_file
        index._source_stamp = (STAMP, index._source_stamp)
    except AttributeError:
        raise CompilerError(
            f"Numba {numba.__version__} keeps compiled code in a way that kretslopp does not know; install {KNOWN}"
        ) from None
    return dispatcher


def kernel(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile a module-level function at its first call, or load it from the disk cache."""
    return _compile(function, allocates=True)


def mechanism(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A kernel that makes no array of its own, as all that runs every month.

    Numba then counts no references: handing the arrays of world and state to a small function otherwise costs an atomic
    increment each, measured at six times the whole month. Making an array in it does not compile.
    """
    return _compile(function, allocates=False)


def _compile(function: Callable[Arguments, Result], *, allocates: bool) -> Callable[Arguments, Result]:
    """`_nrt` (Numba's own memory) is always said outright: unsaid, a callee takes it over from its caller."""
    njit: Any = numba.njit  # these options are not in Numba's published signature
    options = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, "_nrt": allocates}
    return one_version(stamped(njit(**options)(function)))


def one_version(dispatcher: Any) -> Any:
    """Let a Numba dispatcher compile for whole numbers of 64 bits, and for no number in particular.

    Otherwise there is a version for each width of an index, and for each number that is written out in a call.
    """
    compile_for = dispatcher.compile

    def compile_widened(signature: Any) -> Any:
        arguments, result = numba.core.sigutils.normalize_signature(signature)
        widened = tuple(map(_widened, arguments))
        return compile_for(widened if result is None else result(*widened))

    dispatcher.compile = compile_widened
    return dispatcher


def _widened(argument: Any) -> Any:
    general = numba.types.unliteral(argument)
    if isinstance(general, numba.types.Integer) and general.bitwidth < 64:
        return numba.types.int64
    return general
