"""How long does `kretslopp effect` take until its first replicate starts, and is done, on a warm kernel cache?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.report import Criterion, Result, Table
from benchmarks.timing import Effort, Spread, say

ROOT = Path(__file__).resolve().parent.parent
STARTS, ALL_DONE = "the first replicate starts", "with --replicates 30 and without --json: all is said"
COMMAND = ("effect", "ostergotland", "--replicates", "1", "--json")
WHOLE = ("effect", "ostergotland", "--replicates", "30")

# Both print [wall, cpu] in seconds since the process was started, a line each; argv[1] is when that was.
NUMBA = """
import json, sys, time
import numba
print(json.dumps([time.time() - float(sys.argv[1]), time.process_time()]))
"""
# The replicates are what the command gives to its threads, so a wrapper of `submit` sees the first begin and end
# whatever has been imported until then.
EFFECT = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor

marks, submit, since = [], ThreadPoolExecutor.submit, float(sys.argv.pop(1))

def mark():
    marks.append([time.time() - since, time.process_time()])

def marked(function, *arguments):
    mark()
    result = function(*arguments)
    mark()
    return result

ThreadPoolExecutor.submit = lambda pool, *call: submit(pool, marked, *call)
from kretslopp.cli import main
try:
    main()
finally:
    mark()
    for one in marks:
        print(json.dumps(one))
"""


def _marks(code: str, *arguments: str) -> list[tuple[float, float]]:
    """The (wall, cpu) seconds that a fresh interpreter prints, the last of its lines."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code, repr(time.time()), *arguments]
    call = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return [tuple(json.loads(line)) for line in call.stdout.splitlines() if line.startswith("[")]


def measure(effort: Effort) -> Result:
    """The interpreters run in turn; one run of each comes first, so that kernels and byte code are on disk."""
    names = ("import numba", STARTS, "the first replicate is done", ALL_DONE)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for number in range(effort.rounds + 1):
        say(f"  round {number} of {effort.rounds}")
        marks = [*_marks(NUMBA), *_marks(EFFECT, *COMMAND)[:2], _marks(EFFECT, *WHOLE)[-1]]
        for name, mark in zip(taken, marks, strict=True):
            taken[name] += [mark] if number else []
    wall, cpu = ({name: Spread.of([mark[n] for mark in marks]) for name, marks in taken.items()} for n in range(2))
    return Result(
        "how soon does a command simulate?",
        (
            Table(
                f"`kretslopp {' '.join(COMMAND)}`, kernels on disk, seconds since the process was started",
                ("", "s", "s of processor time"),
                tuple((name, wall[name], cpu[name]) for name in taken),
            ),
        ),
        ("`import numba` alone is a process of its own: below it no change of this project can reach.",),
        (
            Criterion("a second `kretslopp effect` starts simulating within 2 s", wall[STARTS], at_most=2.0),
            Criterion(f"`kretslopp {' '.join(WHOLE)}` is done within 2 s", wall[ALL_DONE], at_most=2.0),
        ),
    )
