"""Parts of worlds, kept for whoever asks for them again: a sweep over behaviour on common seeds builds a region once.

A part is made by a pure function from its inputs and nothing else, and its key is a digest of the function's name and
of all its inputs' bytes. So what shapes a part cannot be forgotten in its key: what a function is not given it cannot
see.
Parts are shared between runs, so nobody may write into them (tests/test_parts.py).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

ROOM = 64 * 2**20  # bytes: 25 replicates of Östergötland (a block of a sweep) take 40 MB


class Part(NamedTuple):
    """A value and a digest of all that it was made from."""

    key: bytes
    value: Any


class Memory:
    """The parts asked for last, by key, as many as there is room for; for several threads.

    What takes more than half of the room is not kept, so that one large region does not drive out all else.
    """

    def __init__(self, room: int) -> None:
        self.room, self.used = room, 0
        self._kept: OrderedDict[bytes, tuple[Part, int]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes) -> Part | None:
        """The part of this key, if it is kept."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def keep(self, part: Part) -> None:
        """Keep a part, in place of those not asked for for the longest."""
        size = _size(part.value)
        with self._lock:
            if part.key in self._kept or size > self.room // 2:
                return
            self._kept[part.key] = part, size
            self.used += size
            while self.used > self.room:
                self.used -= self._kept.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
            self.used = 0


MEMORY = Memory(ROOM)


def given(*values: Any) -> Part:
    """An input as it stands, several as a tuple; its key is a digest of its own bytes."""
    value = values[0] if len(values) == 1 else values
    return Part(_digest(_pieces(value)), value)


def made(function: Callable[..., Any], *inputs: Part) -> Part:
    """`function` of the values of the inputs, kept from an earlier call with the same ones if there is room."""
    key = _digest([f"{function.__module__}.{function.__qualname__}".encode(), *(one.key for one in inputs)])
    part = MEMORY.get(key)
    if part is None:
        part = Part(key, function(*(one.value for one in inputs)))
        MEMORY.keep(part)
    return part


def _digest(pieces: Any) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        digest.update(len(piece).to_bytes(8, "little") + piece)
    return digest.digest()


def _pieces(value: Any) -> Iterator[bytes]:
    """A value as bytes: what differs in anything differs in these. Raises TypeError for what has none of its own."""
    if isinstance(value, (np.ndarray, np.generic)):
        yield f"{value.dtype.descr} {value.shape}".encode()
        yield value.tobytes()
    elif isinstance(value, tuple):
        yield f"{type(value).__qualname__} {len(value)}".encode()
        for one in value:
            yield from _pieces(one)
    elif isinstance(value, Mapping):
        yield from _pieces(tuple(value.items()))
    elif isinstance(value, (bool, int, float, str)):
        yield repr(value).encode()
    else:
        raise TypeError(f"{type(value).__qualname__} cannot be part of a key")


def _size(value: Any) -> int:
    """Bytes of all arrays in a part."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if is_dataclass(value):
        value = tuple(getattr(value, field.name) for field in fields(value))
    return sum(map(_size, value)) if isinstance(value, tuple) else 0
