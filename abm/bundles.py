"""Tables of arrays that kernels take as one pointer.

Numba hands a named tuple over member by member: the forty arrays of a state become some three hundred machine arguments
of every function, and compiling those took most of the first minutes. A bundle is handed over as the address of its
header instead: for each array where its data begin and its shape, for each number its bits. Reading a member loads two
words, marked as never changing, so that the compiler may read them before a loop. Its types are those declared, so a
function is compiled for it once and before there is one.

A bundle is a named tuple for Python, and for a kernel it has the same names. Its arrays are Python's: no kernel may
keep one.
"""

from __future__ import annotations

from functools import cache, cached_property
from importlib import import_module
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

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
from numba.np.numpy_support import as_dtype, from_dtype

Table = TypeVar("Table", bound=type)
Array = np.ndarray
WORD = 8  # bytes of each entry of a header
ADDRESS = "_address"  # where a bundle has that of its header


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

    def generic_resolve(self, value: BundleType, attr: str) -> Any:  # type: ignore[override]  # as Numba calls it
        found = value.place(attr)
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
    address = c.pyapi.object_getattr_string(value, ADDRESS)
    pointer = cgutils.alloca_once_value(c.builder, ir.Constant(c.context.get_value_type(bundle), None))
    with c.builder.if_then(cgutils.is_not_null(c.builder, address)):  # null: a member is not as declared
        c.builder.store(c.pyapi.long_as_voidptr(address), pointer)
        c.pyapi.decref(address)
    return NativeValue(c.builder.load(pointer), is_error=cgutils.is_not_null(c.builder, c.pyapi.err_occurred()))


def bundle(table: Table) -> Table:
    """A named tuple as a bundle: compiled functions take it as one pointer.

    Each member is declared as `int`, `float` or `np.uint64`, or as `Annotated[Array, dtype, dimensions]`: 1 where none
    are given; a dtype of the model's by the module and name that it has there, `"state.PERSON"`.
    """

    class Bundle(table):  # type: ignore[valid-type, misc]  # a subclass, since a named tuple has no room for an address
        @cached_property
        def _header(self) -> np.ndarray:
            members = zip(self, type_of(type(self)).members, strict=True)  # type: ignore[arg-type]  # it is hashable
            return np.array([word for member, declared in members for word in _words(table, member, *declared)], "i8")

        @cached_property
        def _address(self) -> int:
            return int(self._header.ctypes.data)

        def __reduce__(self) -> Any:
            return type(self), tuple(self)

    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(Bundle, name, getattr(table, name))
    typeof_impl.register(Bundle)(lambda value, context: type_of(type(value)))  # type: ignore[arg-type]
    return Bundle  # type: ignore[return-value]


@cache
def type_of(table: Any) -> BundleType:
    """What compiled functions know of a bundle, by its declaration."""
    declared = get_type_hints(table.__mro__[1], include_extras=True)
    return BundleType(table.__name__, tuple((name, _declared(hint)) for name, hint in declared.items()))


def _declared(hint: Any) -> Any:
    if get_origin(hint) is not Annotated:
        return from_dtype(np.dtype(hint))
    _, kind, dimensions = (*get_args(hint), 1)[:3]
    module, _, name = kind.rpartition(".")
    dtype = getattr(import_module(f"abm.{module}"), name) if module else np.dtype(kind)
    return types.Array(from_dtype(dtype), dimensions, "C")


def _words(table: type, member: Any, name: str, declared: Any) -> list[int]:
    """A member's words in the header; raises TypeError for what is not as it was declared."""
    if not isinstance(declared, types.Array):
        return [int(np.array(member, as_dtype(declared)).view("i8"))]
    as_declared = (as_dtype(declared.dtype), declared.ndim)
    if (member.dtype, member.ndim) != as_declared or not member.flags.c_contiguous:
        raise TypeError(
            f"{table.__name__}.{name}: an array of {member.dtype}, or another that is not as it is declared"
        )
    return [member.ctypes.data, *member.shape]
