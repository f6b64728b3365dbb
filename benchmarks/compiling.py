"""How long does a machine that has never run the model take to compile it?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import Criterion, Result, Table
from benchmarks.timing import Effort, Spread, say

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 2  # at most: each compiles all there is
BEFORE = 206.0  # s of processor time that every function took by itself, arrays handed over one by one
# Prints seconds, those of processor time of all processes, and how many functions were compiled.
COMPILE = """
import json, resource, sys, time
from abm.compiling import prepare
begun, told = time.time(), []
prepare(int(sys.argv[1]), lambda done, total: told.append(done))
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps([time.time() - begun, sum(one.ru_utime + one.ru_stime for one in used), told[-1]]))
"""


def _compile(processes: int) -> tuple[float, float, int]:
    with TemporaryDirectory() as empty:
        environment = {**os.environ, "NUMBA_CACHE_DIR": empty}
        command = [sys.executable, "-c", COMPILE, str(processes)]
        call = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return tuple(json.loads(call.stdout))


def measure(effort: Effort) -> Result:
    """All functions of the model, in one process and in two, kept nowhere before."""
    taken: dict[int, list[tuple[float, float, int]]] = {1: [], 2: []}
    for number in range(min(effort.rounds, ROUNDS)):
        say(f"  round {number + 1} of {min(effort.rounds, ROUNDS)}")
        for processes, rounds in taken.items():
            rounds.append(_compile(processes))
    wall, cpu = ({count: Spread.of([one[n] for one in rounds]) for count, rounds in taken.items()} for n in range(2))
    return Result(
        "how long does compiling take, once on a machine?",
        (
            Table(
                f"{taken[1][0][2]} functions, nothing kept",
                ("processes", "s", "s of processor time"),
                tuple((str(count), wall[count], cpu[count]) for count in taken),
            ),
        ),
        (f"Before bundles, one version a function and side by side: {BEFORE:g} s of one idle processor.",),
        (
            Criterion("compiling takes at most a quarter of the processor time before", cpu[1], at_most=BEFORE / 4.0),
            Criterion("compiled within 60 s in two processes", wall[2], at_most=60.0),
        ),
    )
