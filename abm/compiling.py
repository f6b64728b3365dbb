"""Compiling the model before its first run on a machine, in as many processes as there are processors.

A run compiles what it calls, one function after the other. `prepare` compiles the parts of the model side by side, and
then the month that calls them all. Each process keeps what it has compiled on disk (abm/kernelcache.py), and finds
there what others have.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import ModuleType
from typing import Any

import numba
from numba.core import event

import abm.month
from abm.bundles import type_of
from abm.compiled import KERNELS
from abm.kernelcache import can_keep, holds
from abm.observe import Rows
from abm.plan import plan
from abm.ruleset import SLOTS_TYPE
from abm.scenario import load_scenario
from abm.simulate import build, initial_state
from abm.state import State, World

Progress = Callable[[int, int], None]  # functions that are compiled, of how many
SMALL = "tiny"  # any scenario: what is compiled is the same for all
STEPS: dict[str, Any] = {name: one.step for name, one in vars(abm.month).items() if isinstance(one, ModuleType)}
BUILDING, MONTHS = "building", "months"
DONE = "done"  # what a process answers when it has compiled a part
ROOT = Path(__file__).parent.parent
WORKER = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from abm.compiling import work; work()"


def prepare(processes: int, progress: Progress) -> None:
    """Compile the model in so many processes, unless that was done on this machine before.

    `progress` is told nothing where it was. Does nothing where what is compiled cannot be kept: then each process
    compiles for itself what it runs.
    """
    if holds(abm.month.months, _arguments(abm.month.months)) or not can_keep():
        return
    parts: SimpleQueue[str] = SimpleQueue()
    for part in (BUILDING, *STEPS):
        parts.put(part)
    compiled: set[str] = set()

    def tell(name: str) -> None:
        compiled.add(name)
        progress(len(compiled), len(KERNELS))

    progress(0, len(KERNELS))
    _side_by_side(parts, tell, processes)
    parts.put(MONTHS)
    _side_by_side(parts, tell, 1)


def _side_by_side(parts: SimpleQueue[str], tell: Callable[[str], None], processes: int) -> None:
    """Compile parts until none is left, in processes that end with this one; as many as there is room for."""
    workers: list[subprocess.Popen[str]] = []
    threads: list[Thread] = []
    try:
        with suppress(OSError, RuntimeError):  # no memory for another process or thread
            for _ in range(processes):
                workers.append(subprocess.Popen([sys.executable, "-c", WORKER], text=True, **_PIPES))
                thread = Thread(target=_feed, args=(workers[-1], parts, tell), daemon=True)
                thread.start()
                threads.append(thread)
        for thread in threads:
            thread.join()
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


_PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}


def _feed(worker: subprocess.Popen[str], parts: SimpleQueue[str], tell: Callable[[str], None]) -> None:
    """Give a process part after part; what one that dies has not done is compiled by the run that needs it."""
    assert worker.stdin
    assert worker.stdout
    try:
        while True:
            worker.stdin.write(f"{parts.get_nowait()}\n")
            worker.stdin.flush()
            for line in worker.stdout:
                if line.strip() == DONE:
                    break
                tell(line.strip())
            else:
                return
    except (Empty, OSError, ValueError):
        return


def work() -> None:
    """Compile the parts that are named on stdin, a line each; on stdout each function's name, and `DONE`."""
    event.register("numba:compile", _Names())
    for line in sys.stdin:
        part = line.strip()
        if part == BUILDING:
            _build()
        else:
            function = STEPS.get(part, abm.month.months)
            function.compile(_arguments(function))
        print(DONE, flush=True)


class _Names(event.Listener):
    """Says the name of each function of the model when it is compiled."""

    def on_start(self, event: Any) -> None:
        """Nothing is done yet."""

    def on_end(self, event: Any) -> None:
        """Numba has compiled one, its own functions among them."""
        function = event.data["dispatcher"].py_func
        if (name := f"{function.__module__}.{function.__name__}") in KERNELS:
            print(name, flush=True)


def _arguments(function: Any) -> tuple[Any, ...]:
    """Numba's types of a function's arguments, which have the same names everywhere."""
    known = {
        "p": numba.typeof(plan(load_scenario(SMALL)).p),
        "world": type_of(World),
        "state": type_of(State),
        "rules": SLOTS_TYPE,
        "rows": type_of(Rows),
    }
    code = function.py_func.__code__
    return tuple(known.get(name, numba.int64) for name in code.co_varnames[: code.co_argcount])


def _build() -> None:
    """Draw a world, with all that can be in one."""
    scenario = load_scenario(SMALL).with_values({"interventions.price_floor.level": 0.5, "appraisal.mix": "npv@0.5"})
    world, _ = build(scenario, 0)
    initial_state(plan(scenario).p, world, 0)
