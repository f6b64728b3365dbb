"""One lock a shard: a byte of a lock file each, held by the process that runs it.

The system keeps these locks (POSIX record locks), so they end with the process that holds them, however it ends: a
stale lock cannot be. They hold between the machines of a cluster where its file system offers locks, as NFS 4, Lustre
(mounted with flock) and GPFS do; where it offers none, or the system is not POSIX, `LockFile.works` is False.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

TAKEN = (errno.EACCES, errno.EAGAIN)
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of a file system


class Taken(Exception):
    """Another process holds the lock."""


def stretches(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and length of each unbroken stretch of rising numbers: 1, 2, 3, 7 -> (1, 3), (7, 1)."""
    first = length = 0
    for number in numbers:
        if length and number == first + length:
            length += 1
            continue
        if length:
            yield first, length
        first, length = number, 1
    if length:
        yield first, length


class LockFile:
    """Locks on the bytes of one file; a process opens it once, since closing it anywhere gives up all of them."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.works = fcntl is not None
        self.handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def take(self, numbers: Iterable[int]) -> None:
        """Hold the locks of rising numbers, all or none; raises Taken if another process holds any of them."""
        for first, length in stretches(numbers):
            self._lock(length, first)

    def take_all(self) -> None:
        """Hold every lock there can be; raises Taken."""
        self._lock(0, 0)

    def release(self) -> None:
        """Hold nothing."""
        if self.works:
            fcntl.lockf(self.handle, fcntl.LOCK_UN, 0, 0)

    def _lock(self, length: int, first: int) -> None:
        if not self.works:
            return
        try:
            fcntl.lockf(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB, length, first)
        except OSError as error:
            if error.errno in NO_LOCKS:
                self.works = False
                return
            self.release()  # all or none
            if error.errno in TAKEN:
                raise Taken from None
            raise

    def close(self) -> None:
        """Hold nothing, for good."""
        os.close(self.handle)


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Wait until no other process is in this block on the same file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if fcntl is not None:
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
        yield
    finally:
        os.close(handle)
