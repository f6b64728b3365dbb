"""Decision rules of the user: a plain function of one prospect in a file of their own, named `file.py:function`.

The file is read once, when a scenario that names it is loaded; what was read then is what runs. It is executed as a
module of its own, never found through the import path, and nothing compiled from it is kept on disk. Before it is, the
log of this module says so (level INFO).
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import logging
import re
import sys
import threading
from collections.abc import Iterable
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import numba

from abm.rules import FIELDS, PROSPECT_TYPE, SIGNATURE
from abm.texts import MOST_TEXT, DataError, nearest, read_bytes, shown

LOG = logging.getLogger(__name__)
REFERENCE = re.compile(r".+\.py:\w+")
SIGNS_OFF = ("Failed in", "During", "File ")  # how the lines of a Numba message begin that say nothing to a user


def is_reference(rule: str) -> bool:
    """Does the name of a rule have the form `file.py:function`?"""
    return REFERENCE.fullmatch(rule) is not None


def split_reference(reference: str) -> tuple[str, str]:
    """'folder/file.py:name' -> ('folder/file.py', 'name')."""
    path, _, name = reference.rpartition(":")
    return path, name


def read(path: str) -> bytes:
    """The content of a rule file; raises DataError."""
    return read_bytes(path, MOST_TEXT)


@cache
def _module(path: str, content: bytes) -> ModuleType:
    LOG.info("runs the code in %s, with your rights, for the rules that it names", path)
    module = ModuleType(f"kretslopp_rule_{hashlib.sha256(path.encode() + content).hexdigest()[:16]}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # as an import would: a dataclass in the file looks itself up there
    try:
        exec(compile(content, path, "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise DataError([f"{path}: does not load: {type(error).__name__}: {error}"]) from None
    return module


@cache
def function(reference: str, content: bytes) -> FunctionType:
    """The plain function that a reference names; raises DataError if it cannot be a rule."""
    path, name = split_reference(reference)
    known = vars(_module(path, content))
    if name not in known:
        functions = tuple(key for key, value in known.items() if inspect.isfunction(value))
        raise DataError([f"{path}: no function {shown(name)}{nearest(name, functions)}"])
    found = getattr(known[name], "py_func", known[name])  # the plain one under numba.njit
    if not isinstance(found, FunctionType):
        raise DataError([f"{path}: {name} is not a plain function"])
    arguments = inspect.signature(found).parameters.values()
    if len(arguments) != 1 or any(one.kind != one.POSITIONAL_OR_KEYWORD for one in arguments):
        taken = ", ".join(map(str, arguments)) or "none"
        raise DataError([f"{path}: {name} takes {len(arguments)} arguments ({taken}), a rule takes one: prospect"])
    _refuse_raising(path, name, content)
    return found


def _refuse_raising(path: str, name: str, content: bytes) -> None:
    """A compiled rule has nobody to raise to; refused in the whole function `name` of the file."""
    for rule in ast.walk(ast.parse(content)):
        if isinstance(rule, ast.FunctionDef) and rule.name == name:
            for node in ast.walk(rule):
                if isinstance(node, (ast.Raise, ast.Assert)):
                    raise DataError([f"{path}: {name} raises in line {node.lineno}; a rule says True or False"])


@cache
def compiled_file(reference: str, content: bytes) -> Any:
    """The rule in the form that the kernels call; raises DataError if it does not compile to a yes or no."""
    plain = function(reference, content)
    where = ": ".join(split_reference(reference))
    try:
        returned = numba.njit((PROSPECT_TYPE,), error_model="numpy")(plain).nopython_signatures[0].return_type
    except Exception as error:  # whatever a compiler stumbles over in a user's text
        raise DataError([f"{where} does not compile: {_reason(error)}"]) from None
    if not isinstance(returned, numba.types.Boolean):
        raise DataError([f"{where} returns {str(returned)[:40]}, a rule returns True or False on every path"])
    _listen()
    return numba.cfunc(SIGNATURE, error_model="numpy")(plain)


_FAILED: dict[int, BaseException] = {}  # by thread: what a rule raised in compiled code, which nobody can catch


class RuleFailed(RuntimeError):
    """A rule of the user's own, or what it calls, failed in a run: what the run gave is worth nothing."""


def _listen() -> None:
    """Note what compiled rules raise: Numba hands it to the hook for what cannot be raised, and goes on with no."""
    usual = sys.unraisablehook
    if getattr(usual, "notes_rules", False):
        return

    def note(given: Any) -> None:
        if "numba" in repr(given.object):
            _FAILED.setdefault(threading.get_ident(), given.exc_value)
        else:
            usual(given)

    note.notes_rules = True  # type: ignore[attr-defined]
    sys.unraisablehook = note


def refuse_failed(rules: Iterable[str]) -> None:
    """Raise RuleFailed if one of the `rules` failed in this thread since last asked."""
    error = _FAILED.pop(threading.get_ident(), None)
    if error is not None:
        raise RuleFailed(f"{', '.join(rules)}: {type(error).__name__}: {shown(error)}")


def _reason(error: Exception) -> str:
    """What Numba's message says of use to who wrote the function, with the line if it names one."""
    text = str(error)
    field = error.args[0] if isinstance(error, KeyError) else _first(r"Field '(\w+)' was not found", text)
    if field:
        return f"a prospect has no field {field}{nearest(str(field), FIELDS)}; it has {', '.join(FIELDS)}"
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(SIGNS_OFF)] or [type(error).__name__]
    said = " ".join(lines[:2]) if lines[0].endswith("signature:") else lines[0]
    if "<class 'function'>" in said:
        said += "; decorate what a rule calls with numba.njit"
    number = _first(r'File "[^"]*", line (\d+)', text)
    return f"{said} (line {number})" if number else said


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found[1] if found else None
