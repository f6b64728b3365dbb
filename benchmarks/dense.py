"""What do calendar and lists save against looking at every opportunity in every step of every month?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from abm.month import months
from abm.plan import plan
from abm.scenario import Scenario
from abm.simulate import build, initial_state
from benchmarks.report import Cell, Criterion, Result, Table
from benchmarks.scenarios import synthetic
from benchmarks.timing import Effort, Spread, Subject, Times, alternate, say
from tests.dense import dense_months

FIRMS = (600, 6_000)
JUDGED, WITHOUT = 6_000, 0.0
STAFF = (WITHOUT, 4.0)
AT_LEAST = 20_000  # firms in all runs of a subject together, so that small ones are timed for long enough


def _both(scenario: Scenario, effort: Effort, repeats: int) -> tuple[Times, int]:
    """All months of a region built once, by the engine and by the dense scan; and how many opportunities it has."""
    fixed, (world, _) = plan(scenario), build(scenario, 1)

    def run(advance: Callable[..., None]) -> np.ndarray:
        for _ in range(repeats):
            state, rows = initial_state(fixed.p, world, fixed.most_carried), fixed.rows(scenario.months)
            advance(0, len(world.levers), fixed.p, world, state, fixed.rules, rows)
        return rows.indicators

    if not np.array_equal(run(months), run(dense_months)):
        raise ValueError("the dense scan does not give the engine's bits")
    subjects = {
        "engine": Subject(lambda _: run(months), repeats),
        "dense scan": Subject(lambda _: run(dense_months), repeats),
    }
    return alternate(effort.rounds, subjects), len(world.pairs)


def measure(effort: Effort) -> Result:
    """The months of synthetic regions, spin-up included, without a centre and with one."""
    rows: list[tuple[Cell, ...]] = []
    judged: Spread | None = None
    for firms in FIRMS:
        for fte in STAFF:
            say(f"  {firms:,} firms, {fte:g} FTE")
            times, pairs = _both(synthetic(firms, {"facilitator.fte": fte}), effort, max(1, AT_LEAST // firms))
            ratio = times.ratio("dense scan", "engine")
            rows.append((firms, pairs, fte, *(times.spread(name, 1000.0) for name in times.seconds), ratio))
            judged = ratio if (firms, fte) == (JUDGED, WITHOUT) else judged
    assert judged is not None
    columns = (
        "firms",
        "opportunities",
        "FTE",
        "ms, engine",
        "ms, dense scan",
        "dense scan takes so many times as long",
    )
    return Result(
        "calendar and lists against looking at everything",
        (Table("30 years, the state laid out anew", columns, tuple(rows)),),
        (
            "The dense scan (`tests/dense.py`) calls the same rules on the same records: discovery looks at every "
            "latent opportunity every month, appraisal, closing and operation ask every opportunity for its stage. "
            "Every indicator of every month is equal bit for bit, which is checked before anything is timed.",
            "All that does not visit opportunities (learning, turnover, facilitators, observing) is the same in both.",
        ),
        (Criterion(f"at least twice as fast as the dense scan, {JUDGED:,} firms, no centre", judged, at_least=2.0),),
    )
