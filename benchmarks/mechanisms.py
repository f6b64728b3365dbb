"""How much slower are the hottest mechanisms than the same in C?

`benchmarks/c/mechanisms.c` is compiled here with plain `gcc -O3 -march=native` and works on the same arrays
(native.py). Before anything is timed both work on copies of the same states, month by month, and all that they leave
must be equal: whole numbers exactly, others to 1e-9 (logarithms, and multiplications that gcc fuses with additions, may
differ in the last place).

Both are then called from one compiled loop, which before each call lays the state of that month into the same spare
arrays and reads the processor's cycle counter around the call alone: A B A B, the first one changing with the month.
Of the two turns of a month the faster counts, so that what interrupts one does not; ratios are of sums over months, so
that a rare and dear month counts for what it costs. The states are those of a real run, each as it stands in its month
when the mechanism's turn comes.
"""

from __future__ import annotations

import ast
import ctypes
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np

import abm.month
from abm.plan import plan
from abm.scenario import Scenario
from abm.simulate import Run, spun_up
from benchmarks import native
from benchmarks.native import Linked
from benchmarks.profile import body, cycles_now, function_of, profile, steps
from benchmarks.report import Cell, Criterion, Result, Table
from benchmarks.scenarios import FIRMS, MILLION, STAFF, synthetic
from benchmarks.timing import Effort, Spread, say

NAMES = ("learning", "discovery", "operation", "observe")
TOGETHER = "together"
ARMS = {STAFF[0]: 0.0, STAFF[1]: 4.0}
MOST_RATIO, LEAST_SHARE = 1.2, 60.0  # % of the month
TOLERANCE = 1e-9
TURNS = 2
FEWEST, LEAST, MANY = 18_000, 2, 7  # firms in all replicates of a size together; least and most replicates
MOST = 1_000_000  # firms in all months timed of a replicate together


@cache
def arguments() -> dict[str, tuple[str, ...]]:
    """Arguments of each step of a month, in its order."""
    source = inspect.getsource(abm.month)
    lines = body(function_of(ast.parse(source), "month"))
    calls = [line.value for line in lines if isinstance(line, ast.Expr)]
    given = [tuple(ast.unparse(one) for one in call.args) for call in calls if isinstance(call, ast.Call)]
    return dict(zip(steps(source), given, strict=True))


def _step(name: str) -> Any:
    return importlib.import_module(f"abm.{name}").step


class Arena:
    """A run whose months are done step by step, with spare states and rows for the mechanisms to be compared on."""

    def __init__(self, run: Run) -> None:
        self.run, self.plan = run, plan(run.scenario)
        self.p = np.array(self.plan.p, ndmin=1)
        self.world, self.state, self.rows = (Linked.of(table) for table in (run.world, run.state, run.rows))
        self.spares = [(native.spare(run.state), native.spare(run.rows)) for _ in range(2)]
        self.library = native.library(native.layout(run.world, run.state, run.rows))

    def in_c(self, name: str) -> Any:
        """A mechanism in C."""
        return native.function(self.library, name, len(arguments()[name]))

    def given(self, name: str, t: int, state: Linked, rows: Linked) -> tuple[Any, ...]:
        """What a step of the engine is called with."""
        values = {"t": t, "p": self.p[0], "world": self.world.table, "state": state.table, "rows": rows.table}
        return tuple({**values, "rules": self.plan.rules}[argument] for argument in arguments()[name])

    def addresses(self, name: str, state: Linked, rows: Linked) -> tuple[int, ...]:
        """The same for C, without the month, which comes first."""
        values = {"p": self.p.ctypes.data, "world": self.world.address, "state": state.address, "rows": rows.address}
        return tuple(values[argument] for argument in arguments()[name][1:])

    def copy(self, target: Linked) -> None:
        """Lay the state of the run into spare arrays."""
        native.function(self.library, native.COPY, 2)(self.state.address, target.address)

    def months(self, visit: Callable[[str, int], None]) -> None:
        """All months that are left, by the engine's own steps; `visit` comes before each that C can do too."""
        for t in range(self.run.world.spin_up + self.run.month, len(self.run.world.levers)):
            for name in arguments():
                if name in NAMES:
                    visit(name, t)
                _step(name)(*self.given(name, t, self.state, self.rows))
            self.run.month += 1


def _fields(array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    if array.dtype.names is None:
        yield "", array
    else:
        yield from ((f".{name}", array[name]) for name in array.dtype.names)


def unequal(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Names of what is not equal, to rounding if it is not whole."""
    for name in one:
        for (field, left), (_, right) in zip(_fields(one[name]), _fields(other[name]), strict=True):
            if left.shape != right.shape:
                yield f"{name}{field} (length)"
            elif left.dtype.kind == "f":
                close = np.isclose(left, right, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
                if not close.all():
                    yield f"{name}{field}"
            elif not np.array_equal(left, right):
                yield f"{name}{field}"


def _left(state: Linked, rows: Linked) -> dict[str, np.ndarray]:
    return {**native.used(state.table), **rows.table._asdict()}


def check(scenario: Scenario, seed: int) -> dict[str, int]:
    """Both on copies of the same state in each month of a run; raises ValueError if they do not agree.

    Returns in how many months each moved a pair to another stage or made someone aware: what is rare did happen.
    """
    arena = Arena(spun_up(scenario, seed))
    eventful = dict.fromkeys(NAMES, 0)

    def visit(name: str, t: int) -> None:
        (one, one_rows), (other, other_rows) = arena.spares
        arena.copy(one)
        arena.copy(other)
        _step(name)(*arena.given(name, t, one, one_rows))
        arena.in_c(name)(t, *arena.addresses(name, other, other_rows))
        if differing := list(unequal(_left(one, one_rows), _left(other, other_rows))):
            raise ValueError(f"{name} in C is not the engine's in month {t} of {scenario.name}: {differing}")
        before, after = arena.state.table, one.table
        same = np.array_equal(before.stages, after.stages)
        eventful[name] += not (same and np.array_equal(before.persons["aware"], after.persons["aware"]))

    arena.months(visit)
    whole = spun_up(scenario, seed)
    whole.advance(scenario.months)
    if not np.array_equal(arena.run.trajectory().values, whole.trajectory().values, equal_nan=True):
        raise ValueError("months step by step do not give the digits of whole months")
    return eventful


@cache
def duel(library: ctypes.CDLL, name: str) -> Callable[..., None]:
    """A loop that times both in turn on the same state; what they take in cycles goes to `cycles[turn, who]`."""
    step, in_c = _step(name), native.function(library, name, len(arguments()[name]))
    copy = native.function(library, native.COPY, 2)
    njit: Any = numba.njit  # the option is not in Numba's published signature
    now: Any = cycles_now

    @njit(nogil=True, error_model="numpy", _nrt=False)
    def both(cycles, first, state, target, addresses, t, *given):  # type: ignore[no-untyped-def]
        for turn in range(cycles.shape[0]):
            for n in range(2):
                who = (first + n) % 2
                copy(state, target)
                start = now()
                if who == 0:
                    step(t, *given)
                else:
                    in_c(t, *addresses)
                cycles[turn, who] = now() - start

    compiled: Callable[..., None] = both
    return compiled


def timed(scenario: Scenario, seed: int, every: int) -> dict[str, np.ndarray]:
    """Cycles of each mechanism in Numba and in C, summed over every so many months of one replicate."""
    arena = Arena(spun_up(scenario, seed))
    target, rows = arena.spares[0]
    sums, cycles = {name: np.zeros(2) for name in NAMES}, np.zeros((TURNS, 2), np.int64)

    def visit(name: str, t: int) -> None:
        if t % every == 0:
            _, *given = arena.given(name, t, target, rows)
            addresses = arena.addresses(name, target, rows)
            duel(arena.library, name)(cycles, t // every, arena.state.address, target.address, addresses, t, *given)
            sums[name] += cycles.min(axis=0)

    arena.months(visit)
    return sums


@dataclass(frozen=True)
class Found:
    """Of one size and arm, over replicates: ratios and shares of the month, by mechanism and together."""

    ratios: dict[str, Spread]
    shares: dict[str, Spread]


def compare(firms: int, fte: float) -> Found:
    """Replicates of one size and arm, each timed and profiled."""
    scenario = synthetic(firms, {"facilitator.fte": fte})
    order, every = steps(inspect.getsource(abm.month)), max(1, firms * scenario.months // MOST)
    cycles: list[dict[str, np.ndarray]] = []
    parts: list[dict[str, float]] = []
    for seed in range(min(max(FEWEST // firms, LEAST), MANY)):
        cycles.append(timed(scenario, seed, every))
        by_step = profile(scenario, seed).by_step
        parts.append({name: float(100.0 * by_step[order.index(name)] / by_step.sum()) for name in NAMES})
        cycles[-1][TOGETHER], parts[-1][TOGETHER] = sum(cycles[-1].values(), np.zeros(2)), sum(parts[-1].values())
    return Found(
        {name: Spread.of([float(one[name][0] / one[name][1]) for one in cycles]) for name in (*NAMES, TOGETHER)},
        {name: Spread.of([one[name] for one in parts]) for name in (*NAMES, TOGETHER)},
    )


def _row(name: str, found: Mapping[int, Found]) -> tuple[Cell, ...]:
    ratios = [one.ratios[name] for one in found.values()]
    shares = [one.shares[name] for one in found.values()]
    return (name, *ratios, *shares)


def measure(effort: Effort) -> Result:
    """First that both agree, then each size without a centre and with four persons."""
    question = "the hottest mechanisms against the same in C"
    if not native.available():
        return Result(question, (), (f"Skipped: there is no `{native.COMPILER}` here.",))
    say("  do they agree?")
    for fte in ARMS.values():
        check(synthetic(FIRMS, {"facilitator.fte": fte}), 1)
    found: dict[str, dict[int, Found]] = {arm: {} for arm in ARMS}
    for firms in (size for size in effort.sizes if size < MILLION):
        for arm, fte in ARMS.items():
            say(f"  {firms:,} firms, {arm}")
            found[arm][firms] = compare(firms, fte)
    criteria = []
    for arm, sizes in found.items():
        for firms, one in sizes.items():
            where = f"({firms:,} firms, {arm})"
            promise = f"mechanisms take at most {MOST_RATIO} times as long as in C {where}"
            criteria.append(Criterion(promise, one.ratios[TOGETHER], at_most=MOST_RATIO))
            promise = f"these mechanisms are at least {LEAST_SHARE:.0f} % of the month {where}"
            criteria.append(Criterion(promise, one.shares[TOGETHER], at_least=LEAST_SHARE))
    return Result(
        question,
        tuple(
            Table(
                f"{arm}: Numba takes so many times as long as C, and share of the month",
                ("mechanism", *(f"{what}, {firms:,} firms" for what in ("ratio", "%") for firms in sizes)),
                tuple(_row(name, sizes) for name in (*NAMES, TOGETHER)),
            )
            for arm, sizes in found.items()
        ),
        (
            f"C: `{native.COMPILER} -O3 -march=native`, the same algorithm on the same arrays by pointer; checked to "
            f"be equal first, in all {synthetic(FIRMS).months} months of a run of either arm.",
            "Both are called from one compiled loop on copies of the state of each month of a run (of large ones, of "
            "every few), between two readings of the cycle counter; spreads are over replicates.",
            "Shares are those of `profile`, of the same replicates.",
        ),
        tuple(criteria),
    )
