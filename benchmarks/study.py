"""What does a whole study at its defaults take, stage by stage, and how many pairs of runs could be made instead?"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from abm.scenario import load_scenario
from benchmarks.parallel import pair
from benchmarks.report import Cell, Criterion, Result, Table
from benchmarks.timing import Effort, Spread, say
from experiments.runner import default_workers, replicate_seeds, run_all
from results.study import make_study


@dataclass
class Clock:
    """Notes when each stage begins: its name, the time and the processor time of this process, in seconds."""

    marks: list[tuple[str, float, float]] = field(default_factory=list)

    def stage(self, name: str) -> None:
        """What begins now."""
        say(f"  {name}")
        self.marks.append((name, time.perf_counter(), time.process_time()))

    def stages(self) -> list[tuple[str, float, float]]:
        """Each stage but the last, which only ends the one before, with its seconds and processor seconds."""
        following = zip(self.marks, self.marks[1:], strict=False)
        return [(name, end - start, spent - before) for (name, start, before), (_, end, spent) in following]


def _seconds_a_pair(seeds: list[int]) -> float:
    start = time.perf_counter()
    run_all(pair, seeds)
    return (time.perf_counter() - start) / len(seeds)


def measure(effort: Effort) -> Result:
    """One study of Östergötland, and the time of a pair on as many threads just before and after it."""
    seeds, clock = replicate_seeds(1, effort.replicates), Clock()
    pairs = [_seconds_a_pair(seeds)]
    with TemporaryDirectory() as folder:
        make_study(load_scenario("ostergotland"), Path(folder), stage=clock.stage)
        clock.stage("done")
    pairs.append(_seconds_a_pair(seeds))
    parts = clock.stages()
    stages = [*parts, ("in all", sum(one[1] for one in parts), sum(one[2] for one in parts))]
    rows: list[tuple[Cell, ...]] = [
        (name, seconds, spent, Spread.of([seconds / one for one in pairs])) for name, seconds, spent in stages
    ]
    return Result(
        "what does a whole study take?",
        (
            Table(
                f"`kretslopp study ostergotland`, kernels in memory, {default_workers()} threads",
                ("", "s", "s of processor time", "in times of a pair on as many threads"),
                tuple(rows),
            ),
        ),
        (
            "A pair is timed just before and just after the study: where the two differ, others were at work.",
            "Figures are drawn while runs go on, within the stages from the second on.",
        ),
        (Criterion("a study at its defaults within 75 s", Spread.of([stages[-1][1]]), at_most=75.0),),
    )
