"""Tables of arrays that kernels take as one pointer.

Numba hands a named tuple over member by member: the forty arrays of a state become some three hundred machine arguments
of every function, and compiling those took most of the first minutes. A bundle is handed over as the address of its
header instead: for each array where its data begin and its shape, for each number its bits. Reading a member loads two
words, marked as never changing, so that the compiler may read them before a loop.

A bundle is a named tuple for Python, and for a kernel it has the same names.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)
from numba.np.arrayobj import make_array, populate_array
from numba.np.numpy_support import from_dtype

Table = TypeVar("Table", bound=type)
WORD = 8  # bytes of each entry of a header
HEADER = "_header_address"


class BundleType(types.Type):
    """What Numba knows of a bundle: its name and its members' types, in order."""

    def __init__(self, name: str, members: tuple[tuple[str, Any], ...]) -> None:
        self.members = members
        inside = ", ".join(f"{member}: {kind}" for member, kind in members)
        super().__init__(name=f"{name}({inside})")

    def place(self, name: str) -> tuple[Any, int] | None:
        """Type of a member and the first of its words in the header; None if there is none of this name."""
        word = 0
        for member, kind in self.members:
            if member == name:
                return kind, word
            word += 1 + (kind.ndim if isinstance(kind, types.Array) else 0)
        return None


@register_model(BundleType)
class _Pointer(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, ir.IntType(8).as_pointer())


@infer_getattr
class _Members(AttributeTemplate):
    key = BundleType

    def generic_resolve(self, bundle: BundleType, name: str) -> Any:
        found = bundle.place(name)
        return found and found[0]


@lower_getattr_generic(BundleType)
def _member(context: Any, builder: Any, bundle: BundleType, pointer: Any, name: str) -> Any:
    """A member: a number as it is, an array made of where it lies and its shape; contiguous, and owned by Python."""
    place = bundle.place(name)
    assert place is not None  # typed before it is lowered
    kind, word = place
    if not isinstance(kind, types.Array):
        return _load(builder, pointer, word, context.get_value_type(kind))
    array = make_array(kind)(context, builder)
    item = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    shape = [_load(builder, pointer, word + 1 + axis, ir.IntType(64)) for axis in range(kind.ndim)]
    strides = [context.get_constant(types.intp, item)]
    for length in shape[:0:-1]:
        strides.insert(0, builder.mul(strides[0], length))
    populate_array(
        array,
        data=_load(builder, pointer, word, array.data.type),
        shape=cgutils.pack_array(builder, shape),
        strides=cgutils.pack_array(builder, strides),
        itemsize=context.get_constant(types.intp, item),
        meminfo=None,
    )
    return array._getvalue()


def _load(builder: Any, pointer: Any, word: int, kind: Any) -> Any:
    at = builder.gep(pointer, [ir.Constant(ir.IntType(64), word * WORD)], inbounds=True)
    value = builder.load(builder.bitcast(at, kind.as_pointer()))
    value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


@unbox(BundleType)
def _unbox(bundle: BundleType, value: Any, c: Any) -> Any:
    address = c.pyapi.object_getattr_string(value, HEADER)
    with c.builder.if_then(cgutils.is_not_null(c.builder, address)):
        pass
    pointer = c.pyapi.long_as_voidptr(address)
    c.pyapi.decref(address)
    return NativeValue(pointer, is_error=cgutils.is_not_null(c.builder, c.pyapi.err_occurred()))


def bundle(table: Table) -> Table:
    """A named tuple of arrays and numbers as a bundle: compiled functions take it as one pointer."""

    class Bundle(table):  # type: ignore[valid-type, misc]  # a subclass, for room for the header
        @cached_property
        def _header(self) -> np.ndarray:
            words: list[Any] = []
            for member in self:
                if not isinstance(member, np.ndarray):
                    words.append(np.array([member], _number(member)).view(np.int64)[0])
                    continue
                if not member.flags.c_contiguous:
                    raise ValueError(f"{table.__name__}: an array that is not contiguous")
                words += [member.ctypes.data, *member.shape]
            return np.array(words, np.int64)

        @cached_property
        def _header_address(self) -> int:
            return int(self._header.ctypes.data)

        def __reduce__(self) -> Any:
            return type(self), tuple(self)

    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(Bundle, name, getattr(table, name))
    typeof_impl.register(Bundle)(_typeof)
    return Bundle  # type: ignore[return-value]


def _number(member: Any) -> np.dtype:
    """One word a number."""
    kind = np.asarray(member).dtype
    return np.dtype(np.uint64) if kind == np.uint64 else np.dtype(np.float64 if kind.kind == "f" else np.int64)


def _typeof(value: Any, context: Any) -> BundleType:
    members = [
        (name, types.Array(from_dtype(member.dtype), member.ndim, "C"))
        if isinstance(member, np.ndarray)
        else (name, from_dtype(_number(member)))
        for name, member in zip(value._fields, value, strict=True)
    ]
    return BundleType(type(value).__name__, tuple(members))
