"""`python -m benchmarks`: run all benchmarks and write RESULTS.md, results.json and the figure.

`--quick` and `--only` are for looking: they print what they measured and write nothing.
"""

from __future__ import annotations

import argparse
import sys
import time

from abm.scenario import load_scenario
from abm.simulate import simulate
from benchmarks.machine import describe
from benchmarks.registry import BENCHMARKS
from benchmarks.report import markdown, write
from benchmarks.timing import Effort, say

QUICK = Effort(rounds=2, replicates=12, sizes=(600, 6_000), sweeps=(2_000, 20_000))
FULL = Effort(rounds=7, replicates=32, sizes=(600, 6_000, 60_000, 1_000_000), sweeps=(2_000, 20_000, 100_000))


def main() -> None:
    """Measure what is asked for, telling on stderr where it is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What the simulator costs, side by side.")
    parser.add_argument("--quick", action="store_true", help="a rough look at the smaller sizes; nothing is written")
    parser.add_argument("--only", choices=BENCHMARKS, help="one benchmark; nothing is written")
    given = parser.parse_args()
    effort = QUICK if given.quick else FULL
    names = [given.only] if given.only else list(BENCHMARKS)
    say("kernels: compiled or loaded first")
    simulate(load_scenario("ostergotland"), 1)
    results = {}
    for name in names:
        say(f"{name} ({names.index(name) + 1} of {len(names)})")
        start = time.perf_counter()
        results[name] = BENCHMARKS[name](effort)
        say(f"  {time.perf_counter() - start:.0f} s")
    if given.quick or given.only:
        print(markdown(describe(" ".join(["python -m benchmarks", *sys.argv[1:]])), results))
    else:
        write(describe("make bench"), results)


if __name__ == "__main__":
    main()
