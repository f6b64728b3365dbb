"""How the model's functions are compiled.

`kernel` and `mechanism` are Numba's `njit` with the project's settings: kept on disk, without the interpreter's lock
(so replicates run on threads), division by zero as in numpy. `mechanism` is for what happens in a month, `kernel` for
what makes arrays. What is compiled is kept, and looked for, by `kernelcache`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature
from numba.np.numpy_support import as_dtype

from abm.kernelcache import CompilerError, kept

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
KERNELS: list[str] = []  # names of all functions of the model that are compiled, as they were declared


def stamped(dispatcher: Any) -> Any:
    """Let what a Numba dispatcher compiles be kept on disk, for as long as the model's source is unchanged.

    Raises CompilerError where Numba is switched off, or keeps it in another way than the versions known.
    """
    if getattr(numba.config, "DISABLE_JIT", 0):  # set at run time, so unknown to type checkers
        raise CompilerError("Numba's compiler is switched off (NUMBA_DISABLE_JIT), and kretslopp runs on it: unset it")
    return kept(dispatcher)


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
    KERNELS.append(f"{function.__module__}.{function.__name__}")
    njit: Any = numba.njit  # these options are not in Numba's published signature
    options = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, "_nrt": allocates}
    return one_version(stamped(njit(**options)(function)))


def one_version(dispatcher: Any) -> Any:
    """Let a Numba dispatcher compile for whole numbers of 64 bits, and for no number in particular.

    Otherwise there is a version for each width of an index, and for each number that is written out in a call.
    """
    compile_for = dispatcher.compile

    def compile_widened(signature: Any) -> Any:
        arguments, result = normalize_signature(signature)
        widened = tuple(map(_widened, arguments))
        return compile_for(widened if result is None else result(*widened))

    dispatcher.compile = compile_widened
    return dispatcher


def _widened(argument: Any) -> Any:
    general: Any = numba.types.unliteral(argument)
    narrow = isinstance(general, numba.types.Integer) and np.iinfo(as_dtype(general)).bits < 64
    return numba.types.int64 if narrow else general


def callback(signature: Any, function: Callable[..., Any]) -> Any:
    """A function as a C function of one explicit type, compiled now or loaded from the disk cache."""
    made = CFunc(function, normalize_signature(signature), locals={}, options={"error_model": "numpy"})
    stamped(made).compile()
    return made
