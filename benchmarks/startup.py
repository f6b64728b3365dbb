"""How long `kretslopp effect` takes until its first replicate starts, and is done, on a warm kernel cache.

    python -m benchmarks.startup

`import numba` alone is measured beside it: what is below that no change of this project can reach.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
COMMAND = ("effect", "ostergotland", "--replicates", "1", "--json")

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
    for one in marks:
        print(json.dumps(one))
"""


def _marks(code: str, *arguments: str) -> list[tuple[float, float]]:
    """The (wall, cpu) seconds that a fresh interpreter prints, the last of its lines."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code, repr(time.time()), *arguments]
    call = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return [tuple(json.loads(line)) for line in call.stdout.splitlines() if line.startswith("[")]


def measure(repeats: int) -> dict[str, dict[str, float]]:
    """Median wall and CPU seconds to the end of `import numba`, the first replicate's start and its end.

    The interpreters run in turn; one run of each comes first, so that kernels and byte code are on disk.
    """
    taken: dict[str, list[tuple[float, float]]] = {"import numba": [], "first start": [], "first done": []}
    for repeat in range(repeats + 1):
        marks = [*_marks(NUMBA), *_marks(EFFECT, *COMMAND)[:2]]
        for name, mark in zip(taken, marks, strict=True):
            taken[name] += [mark] if repeat else []
    return {
        name: {"wall": round(median(wall for wall, _ in marks), 3), "cpu": round(median(cpu for _, cpu in marks), 3)}
        for name, marks in taken.items()
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if sys.argv[1:] else 9), indent=2))
