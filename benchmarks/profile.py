"""Where does the time of a month go, step by step and size by size?

A copy of abm/month.py, made from its source at run time, reads the processor's cycle counter around each step: no call
from Python and no unboxing of arguments, which at 600 firms would cost more than most steps. Seconds are those of the
whole call, divided in proportion to cycles. Only processors of the x86 family let a program read the counter.
"""

from __future__ import annotations

import ast
import inspect
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

import abm.month
import abm.simulate
from abm.scenario import Scenario
from abm.simulate import spun_up
from benchmarks.report import Cell, Result, Table
from benchmarks.scenarios import FIRMS, MILLION, STAFF, staff_of, synthetic
from benchmarks.timing import Effort, Spread, say

FEWEST = 20_000  # firms in all replicates of a size together, so that small ones are timed for long enough


@intrinsic
def cycles_now(context):  # type: ignore[no-untyped-def]
    """The processor's cycle counter."""

    def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        counter = ir.FunctionType(ir.IntType(64), ())
        return builder.call(builder.module.declare_intrinsic("llvm.readcyclecounter", fnty=counter), ())

    return numba.types.int64(), code


def function_of(tree: ast.Module, name: str) -> ast.FunctionDef:
    """The function of that name."""
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


def _step_name(line: ast.stmt) -> str:
    """'prices' for `prices.step(...)`; other lines go by their text."""
    text = ast.unparse(line)
    return text.partition(".step(")[0]


def body(function: ast.FunctionDef) -> list[ast.stmt]:
    """Its lines, except for the docstring."""
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def steps(source: str) -> list[str]:
    """Names of the steps of a month, in order."""
    return [_step_name(line) for line in body(function_of(ast.parse(source), "month"))]


def instrumented(source: str) -> str:
    """The source of `month` and `months` with a further argument `cycles`, where each step adds up its own."""
    tree = ast.parse(source)
    month, months = function_of(tree, "month"), function_of(tree, "months")
    lines = []
    for number, line in enumerate(body(month)):
        before, after = ast.parse(f"_start = cycles_now()\ncycles[{number}] += cycles_now() - _start").body
        lines += [before, line, after]
    month.body = lines
    for node in ast.walk(months):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "month":
            node.args.append(ast.Name("cycles"))
    for function in (month, months):
        function.args.args.append(ast.arg("cycles"))
        function.decorator_list = [ast.Name("compiled")]
    return "\n\n".join(ast.unparse(ast.fix_missing_locations(function)) for function in (month, months))


@cache
def profiled_months() -> Callable[..., None]:
    """The months of the model with counters, compiled as the model's own mechanisms are (abm/compiled.py)."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise OSError(f"a program cannot read the cycle counter of {platform.machine()}")
    njit: Any = numba.njit  # the option is not in Numba's published signature
    compiled = njit(nogil=True, error_model="numpy", _nrt=False)
    names: dict[str, Any] = {**vars(abm.month), "compiled": compiled, "cycles_now": cycles_now}
    exec(instrumented(inspect.getsource(abm.month)), names)
    function: Callable[..., None] = names["months"]
    return function


@dataclass(frozen=True)
class Profile:
    """Nanoseconds an opportunity-month of each step, and of the month with and without the counters."""

    by_step: np.ndarray
    counted: float
    plain: float
    opportunities: int


def profile(scenario: Scenario, seed: int) -> Profile:
    """The months after the spin-up of one replicate, once plain and once with counters; both must agree."""
    cycles, function = np.zeros(len(steps(inspect.getsource(abm.month))), np.int64), profiled_months()
    run = spun_up(scenario, seed)
    plain, counted = run.branch(scenario), run.branch(scenario)
    unit = 1e9 / (scenario.months * len(run.world.pairs))
    start = time.perf_counter()
    plain.advance(scenario.months)
    plain_seconds = time.perf_counter() - start
    with patch.object(abm.simulate, "months", lambda *given: function(*given, cycles)):
        start = time.perf_counter()
        counted.advance(scenario.months)
        seconds = time.perf_counter() - start
    if not np.array_equal(plain.trajectory().values, counted.trajectory().values, equal_nan=True):
        raise ValueError("months with counters do not give the digits of months without")
    return Profile(unit * seconds * cycles / cycles.sum(), unit * seconds, unit * plain_seconds, len(run.world.pairs))


def _profiles(firms: int, fte: float) -> list[Profile]:
    """Replicates of one size and arm."""
    scenario = synthetic(firms, {"facilitator.fte": fte})
    return [profile(scenario, seed) for seed in range(max(1, FEWEST // firms))]


def _table(arm: str, found: Mapping[int, list[Profile]]) -> Table:
    """Steps of one arm by number of firms, the dearest first."""
    names = steps(inspect.getsource(abm.month))
    ns = {firms: np.median([one.by_step for one in profiles], axis=0) for firms, profiles in found.items()}
    shares = {firms: 100.0 * values / values.sum() for firms, values in ns.items()}

    def row(name: str, values: list[Cell], parts: list[Cell]) -> tuple[Cell, ...]:
        return (name, *values, *parts)

    rows = [
        row(names[n], [float(one[n]) for one in ns.values()], [float(one[n]) for one in shares.values()])
        for n in np.argsort(-np.sum(list(shares.values()), axis=0))
    ]
    rows.append(row("all", [float(one.sum()) for one in ns.values()], [100.0] * len(ns)))
    costs = [Spread.of([one.counted / one.plain for one in profiles]) for profiles in found.values()]
    rows.append(row("with counters, of without", list(costs), [None] * len(ns)))
    columns = (f"{what}, {firms:,} firms" for what in ("ns", "%") for firms in found)
    return Table(arm, ("step", *columns), tuple(rows))


def measure(effort: Effort) -> Result:
    """Each size without a centre, with four persons, and with as many a firm as Östergötland's four."""
    say("  the months with counters compile")
    profile(synthetic(FIRMS), 1)
    found: dict[str, dict[int, list[Profile]]] = {arm: {} for arm in STAFF}
    for firms in (size for size in effort.sizes if size < MILLION):
        say(f"  {firms:,} firms")
        for arm, fte in staff_of(firms).items():
            found[arm][firms] = _profiles(firms, fte)
    return Result(
        "where the time of a month goes",
        tuple(_table(arm, sizes) for arm, sizes in found.items()),
        (
            "ns: nanoseconds an opportunity-month, over the 180 months after the spin-up, medians over replicates.",
            "Measured by the processor's cycle counter around the steps of a compiled copy of abm/month.py, so that no "
            "step carries the cost of a call from Python; the last row says what the counters themselves cost.",
            "A step that costs the same at each size finds what it works on in the cache; one that gets dearer waits "
            "for memory, or does more for each opportunity.",
        ),
    )
