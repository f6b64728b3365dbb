"""The mechanisms of benchmarks/c/mechanisms.c on the engine's own arrays.

The C structs are written here from the numpy dtypes and the named tuples that hold the arrays, so that there is one
source of truth; the compiler then checks every offset and size. Arrays go to C as pointers, nothing is converted.
"""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import abm.catalogue
import abm.chance
import abm.discovery
import abm.interventions
import abm.observe
import abm.opportunities
import abm.parameters
import abm.population
import abm.prices
import abm.rules
import abm.staffing
import abm.state
import abm.worth
from abm.observe import Rows
from abm.state import State, World

SOURCE = Path(__file__).parent / "c"
COMPILER = "gcc"
COPY = "copy_state"
FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")
MODULES: tuple[ModuleType, ...] = (
    abm.state,
    abm.population,
    abm.opportunities,
    abm.catalogue,
    abm.prices,
    abm.interventions,
    abm.staffing,
    abm.rules,
    abm.observe,
    abm.discovery,
    abm.worth,
)
SCALARS = {
    "f8": "double",
    "f4": "float",
    "i8": "int64_t",
    "u8": "uint64_t",
    "i4": "int32_t",
    "u4": "uint32_t",
    "u2": "uint16_t",
    "u1": "uint8_t",
    "b1": "bool",
}
KEYWORDS = {"auto", "case", "default", "double", "float", "int", "long", "register", "short", "static", "switch"}
USED = {"cases": "cases", "moving": "moving", "found": "found"}  # tables with room to spare: what tally says of them
SCRATCH = ("ranking", "queue")  # not copied whole: of no use to these mechanisms, or by the rows below


def available() -> bool:
    """Is there a C compiler?"""
    return shutil.which(COMPILER) is not None


@cache
def records() -> dict[np.dtype[Any], str]:
    """C name of each record: 'Person' for `state.PERSON`."""
    named = {
        value: "".join(part.capitalize() for part in name.split("_"))
        for module in reversed(MODULES)
        for name, value in vars(module).items()
        if isinstance(value, np.dtype) and value.names
    }
    return {**named, abm.parameters.RECORD: "Parameters"}


def _c_name(name: str) -> str:
    return f"{name}_" if name in KEYWORDS else name


def _c_type(dtype: np.dtype[Any]) -> str:
    return records()[dtype] if dtype.names else SCALARS[dtype.str[1:]]


def _members(dtype: np.dtype[Any]) -> Iterator[str]:
    for name in dtype.names or ():
        kind = dtype[name]
        if kind.names:
            yield f"struct {{ {' '.join(_members(kind))} }} {_c_name(name)};"
        else:
            yield f"{_c_type(kind)} {_c_name(name)};"


def _offsets(dtype: np.dtype[Any], before: str = "", start: int = 0) -> Iterator[tuple[str, int]]:
    """Path and offset of every member, those of nested records included."""
    for name, (kind, offset, *_) in (dtype.fields or {}).items():
        path = before + _c_name(name)
        yield path, start + offset
        yield from _offsets(kind, f"{path}.", start + offset)


def _checks(name: str, dtype: np.dtype[Any]) -> Iterator[str]:
    yield f'_Static_assert(sizeof({name}) == {dtype.itemsize}, "{name}");'
    for path, offset in _offsets(dtype):
        yield f'_Static_assert(offsetof({name}, {path}) == {offset}, "{name}.{path}");'


def _struct(name: str, members: Iterator[str], dtype: np.dtype[Any]) -> str:
    return "\n".join([f"typedef struct {{ {' '.join(members)} }} {name};", *_checks(name, dtype)])


def table_dtype(table: Any) -> np.dtype[Any]:
    """A tuple of arrays as C sees it: of each array the pointer, the length, and the columns if it has more axes."""
    fields: list[tuple[str, str]] = []
    for name, value in table._asdict().items():
        if isinstance(value, np.ndarray):
            fields += [(name, "u8"), (f"{name}_size", "i8")]
            fields += [(f"{name}_columns", "i8")] if value.ndim > 1 else []
        else:
            fields.append((name, np.asarray(value).dtype.str[1:]))
    return np.dtype(fields, align=True)


def table_record(table: Any) -> np.ndarray:
    """One record of `table_dtype`; the arrays must live as long as it is used."""
    record = np.zeros(1, table_dtype(table))
    for name, value in table._asdict().items():
        if not isinstance(value, np.ndarray):
            record[name] = value
            continue
        if not value.flags["C_CONTIGUOUS"]:
            raise ValueError(f"{name} is not contiguous")
        record[name], record[f"{name}_size"] = value.ctypes.data, len(value)
        if value.ndim > 1:
            record[f"{name}_columns"] = math.prod(value.shape[1:])
    return record


def _table_members(table: Any, const: str) -> Iterator[str]:
    dtype = table_dtype(table)
    for name in dtype.names or ():
        value = getattr(table, name, None)
        if isinstance(value, np.ndarray):
            yield f"{const}{_c_type(value.dtype)} *{_c_name(name)};"
        else:
            yield f"{_c_type(dtype[name])} {_c_name(name)};"


def _constants() -> Iterator[str]:
    """Numbers that the model's modules name in capitals; those of chance are keys."""
    for name, value in vars(abm.chance).items():
        if name.isupper() and name[0] != "_" and isinstance(value, np.uint64):
            yield f"#define CHANCE_{name} UINT64_C({value})"
    numbers = {
        name: value
        for module in MODULES
        for name, value in vars(module).items()
        if name.isupper() and type(value) in (int, float)
    }
    for name, value in numbers.items():
        yield f"#define {name} {value if isinstance(value, int) else value.hex()}"


def _copy(state: State) -> Iterator[str]:
    """A function that copies of a state what is used of it."""
    yield f"void {COPY}(const State *from, const State *to) {{"
    for name, array in state._asdict().items():
        if name in SCRATCH:
            continue
        size = f"from->tally->{USED[name]}" if name in USED else f"from->{name}_size"
        size += f" * from->{name}_columns" if array.ndim > 1 else ""
        yield f"    memcpy(to->{name}, from->{name}, (size_t)({size}) * {array.itemsize});"
    yield "    for (int64_t f = 0; f < from->centres_size; f++)"
    yield "        memcpy(to->queue + f * to->queue_columns, from->queue + f * from->queue_columns,"
    yield "               (size_t)from->centres[f].waiting * sizeof *to->queue);"
    yield "}"


def layout(world: World, state: State, rows: Rows) -> str:
    """The header layout.h."""
    parts = ["#include <math.h>", "#include <stdbool.h>", "#include <stddef.h>", "#include <stdint.h>"]
    parts += ["#include <string.h>", *_constants()]
    parts += [_struct(name, _members(dtype), dtype) for dtype, name in records().items()]
    for name, table, const in (("World", world, "const "), ("State", state, ""), ("Rows", rows, "")):
        parts.append(_struct(name, _table_members(table, const), table_dtype(table)))
    return "\n".join([*parts, *_copy(state), ""])


@cache
def library(header: str) -> ctypes.CDLL:
    """The mechanisms compiled with this layout, in a folder that is gone again once they are loaded."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        (target / "layout.h").write_text(header, encoding="utf-8")
        command = [COMPILER, *FLAGS, f"-I{folder}", str(SOURCE / "mechanisms.c"), "-o", str(target / "c.so"), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"{COMPILER} does not compile the mechanisms:\n{done.stderr}")
        return ctypes.CDLL(str(target / "c.so"))


def function(loaded: ctypes.CDLL, name: str, arguments: int) -> Any:
    """A function of the library that takes whole numbers, most of them addresses; Numba can call it as well."""
    found = getattr(loaded, name)
    found.argtypes, found.restype = [ctypes.c_int64] * arguments, None
    return found


@dataclass(frozen=True)
class Linked:
    """Tuples of arrays and their addresses in C."""

    table: Any
    record: np.ndarray

    @classmethod
    def of(cls, table: Any) -> Linked:
        """Of a World, a State or Rows."""
        return cls(table, table_record(table))

    @property
    def address(self) -> int:
        """Of the C struct."""
        return int(self.record.ctypes.data)


def spare(table: Any) -> Linked:
    """Arrays of the same shapes to be written to; what no one writes takes no memory."""
    return Linked.of(type(table)(*(np.zeros(array.shape, array.dtype) for array in table)))


def used(state: State) -> dict[str, np.ndarray]:
    """What a state holds, without room to spare and scratch."""
    tally, found = state.tally[0], {}
    for name, array in state._asdict().items():
        if name in USED:
            found[name] = array[: int(tally[USED[name]])]
        elif name not in SCRATCH:
            found[name] = array
    for f, centre in enumerate(state.centres):
        found[f"queue of {f}"] = state.queue[f, : int(centre["waiting"])]
    return found
