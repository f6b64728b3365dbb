"""Tables of arrays by one pointer: a kernel sees what Python sees, and nothing that is not as it was declared."""

from __future__ import annotations

import pickle
from typing import Annotated, NamedTuple

import numba
import numpy as np
import pytest

from abm.bundles import Array, bundle, type_of
from abm.scenario import Scenario
from abm.simulate import spun_up
from abm.state import TALLY


@bundle
class Table(NamedTuple):
    """Members of every kind."""

    seed: np.uint64
    count: int
    rate: float
    row: Annotated[Array, "f8"]
    plane: Annotated[Array, "i4", 2]
    solid: Annotated[Array, "?", 3]
    tally: Annotated[Array, "state.TALLY"]


def table(**changes: object) -> Table:
    made = Table(
        seed=np.uint64(2**64 - 1),
        count=-3,
        rate=0.1,
        row=np.arange(5.0),
        plane=np.arange(6, dtype=np.int32).reshape(2, 3),
        solid=np.arange(24).reshape(2, 3, 4) % 5 == 0,
        tally=np.zeros(1, TALLY),
    )
    return made._replace(**changes)  # type: ignore[arg-type]


@numba.njit
def read(one, i, j, k):
    return one.seed, one.count, one.rate, one.row[i], one.plane[i, j], one.solid[i, j, k], one.tally[0].freight


@numba.njit
def shapes(one):
    return one.row.shape, one.plane.shape, one.solid.shape, one.plane[1].sum(), one.solid[1, 2, 3]


@numba.njit
def write(one):
    one.row[0], one.plane[1, 2], one.tally[0].freight = 7.5, -1, 2.25
    for value in one.row[1:3]:
        one.row[4] += value


def test_a_kernel_reads_what_is_there() -> None:
    one = table()
    for i in range(2):
        for j in range(3):
            for k in range(4):
                expected = (2**64 - 1, -3, 0.1, one.row[i], one.plane[i, j], one.solid[i, j, k], 0.0)
                assert read(one, i, j, k) == expected
    assert shapes(one) == ((5,), (2, 3), (2, 3, 4), 3 + 4 + 5, one.solid[1, 2, 3])


def test_what_a_kernel_writes_is_written() -> None:
    one = table()
    write(one)
    assert one.row.tolist() == [7.5, 1.0, 2.0, 3.0, 4.0 + 1.0 + 2.0]
    assert one.plane[1, 2] == -1
    assert one.tally[0]["freight"] == 2.25


def test_each_bundle_has_a_header_of_its_own() -> None:
    one = table()
    assert read(one, 0, 0, 0)[1] == -3
    other = one._replace(count=4, row=np.full(5, 9.0))
    assert isinstance(other, Table)
    assert read(other, 1, 0, 0)[1:4] == (4, 0.1, 9.0)
    assert read(one, 1, 0, 0)[1:4] == (-3, 0.1, 1.0)
    again = pickle.loads(pickle.dumps(other))
    assert read(again, 1, 0, 0) == read(other, 1, 0, 0)
    assert shapes(table(row=np.zeros(0)))[0] == (0,)


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("row", np.arange(5)),
        ("row", np.zeros((5, 1))),
        ("row", np.arange(10.0)[::2]),
        ("plane", np.zeros((2, 3), np.int64)),
        ("plane", np.zeros((3, 2), np.int32).T),
        ("tally", np.zeros(1)),
    ],
)
def test_what_is_not_as_declared_is_refused(name: str, member: np.ndarray) -> None:
    with pytest.raises(TypeError, match=f"Table.{name}"):
        read(table(**{name: member}), 0, 0, 0)


def test_a_member_that_is_not_there_does_not_compile() -> None:
    @numba.njit
    def misspelt(one):
        return one.rows

    with pytest.raises(numba.core.errors.TypingError, match="rows"):
        misspelt(table())


def test_the_model_has_bundles_as_declared(tiny: Scenario) -> None:
    """World, State and Rows of a run, and the types that the model is compiled for ahead of it."""
    run = spun_up(tiny, 1)
    for one in (run.world, run.state, run.rows):
        declared = type_of(type(one))
        assert numba.typeof(one) == declared
        for member, (name, kind) in zip(one, declared.members, strict=True):
            if isinstance(member, np.ndarray):
                assert (str(kind.ndim), numba.typeof(member).dtype) == (str(member.ndim), kind.dtype), name
        assert one._address == one._header.ctypes.data
