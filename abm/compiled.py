"""How the model's functions are compiled.

`kernel`, `mechanism` and `event` are Numba's `njit` with the project's settings: cached on disk, without the
interpreter's lock (so replicates run on threads), division by zero as in numpy. `mechanism` is for what is asked of
every entity every month, `event` for what seldom happens to one, `kernel` for what makes arrays.

What is compiled is kept, and looked for, by `kernelcache`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature

from abm.kernelcache import CompilerError, kept

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def stamped(dispatcher: Any) -> Any:
    """Let what a Numba dispatcher compiles be kept on disk, for as long as the model's source is unchanged.

    Raises CompilerError where Numba is switched off, or keeps it in another way than the versions known.
    """
    if getattr(numba.config, "DISABLE_JIT", 0):  # set at run time, so unknown to type checkers
        raise CompilerError("Numba's compiler is switched off (NUMBA_DISABLE_JIT), and kretslopp runs on it: unset it")
    return kept(dispatcher)


def _compile(function: Callable[Arguments, Result], *, allocates: bool, inline: bool) -> Callable[Arguments, Result]:
    """`_nrt` (Numba's own memory) is always said outright: unsaid, a callee takes it over from its caller."""
    njit: Any = numba.njit  # the option is not in Numba's published signature
    return stamped(njit(nogil=True, error_model="numpy", _nrt=allocates, forceinline=inline)(function))


def kernel(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile a module-level function at its first call, or load it from the disk cache."""
    return _compile(function, allocates=True, inline=False)


def mechanism(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A kernel that makes no array of its own, as all that runs every month.

    Numba then counts no references: passing the arrays of world and state to a small function otherwise costs an atomic
    increment each, measured at six times the whole month. Making an array in it does not compile. It is always compiled
    into its caller, since handing over all those arrays takes about 0.1 us.
    """
    return _compile(function, allocates=False, inline=True)


def event(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A mechanism of what seldom happens: compiled by itself, so that it is not compiled into each of its callers."""
    return _compile(function, allocates=False, inline=False)


def callback(signature: Any, function: Callable[..., Any]) -> Any:
    """A function as a C function of one explicit type, compiled now or loaded from the disk cache."""
    made = CFunc(function, normalize_signature(signature), locals={}, options={"error_model": "numpy"})
    stamped(made).compile()
    return made
