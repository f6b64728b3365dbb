"""Binary heaps of ENTRY records: the entry of the highest rank first, of equals the one of the lowest number."""

from __future__ import annotations

from abm.compiled import mechanism


@mechanism
def before(one, another):
    """Does entry `one` come before `another`?"""
    return one.rank > another.rank or (one.rank == another.rank and one.who < another.who)


@mechanism
def _swap(heap, a, b):
    rank, who = heap[a].rank, heap[a].who
    heap[a].rank, heap[a].who = heap[b].rank, heap[b].who
    heap[b].rank, heap[b].who = rank, who


@mechanism
def push(heap, size, rank, who):
    """Put an entry into the first `size` records of `heap`, which has room; returns the new size."""
    heap[size].rank, heap[size].who = rank, who
    n = size
    while n > 0 and before(heap[n], heap[(n - 1) // 2]):
        _swap(heap, n, (n - 1) // 2)
        n = (n - 1) // 2
    return size + 1


@mechanism
def _sink(heap, size):
    """Let the first of `size` entries sink to where it belongs."""
    n = 0
    while True:
        least, left = n, 2 * n + 1
        for child in (left, left + 1):
            if child < size and before(heap[child], heap[least]):
                least = child
        if least == n:
            break
        _swap(heap, n, least)
        n = least


@mechanism
def pop(heap, size):
    """Take the first entry off: it stands behind the others then, at the new size, which is returned."""
    size -= 1
    _swap(heap, 0, size)
    _sink(heap, size)
    return size


@mechanism
def replace(heap, size, rank, who):
    """Put an entry in the place of the first of `size`."""
    heap[0].rank, heap[0].who = rank, who
    _sink(heap, size)
