"""A pool of worker processes that outlives any of them.

Of the standard library's pool one killed worker fails all that is pending. Here each worker is a pool of its own with
one process, so that what died with it is known: it is given to a new process, and after `ATTEMPTS` deaths refused by
name. A worker ends with its parent, however that ends, and leaves Ctrl-C and SIGTERM to it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from queue import SimpleQueue
from typing import Any

ATTEMPTS = 3


class WorkerKilled(RuntimeError):
    """A task ended its worker process `ATTEMPTS` times: out of memory, or killed from outside."""


def _start_worker() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _one_process() -> ProcessPoolExecutor:
    """Spawned, not forked: a fork would keep the parent's end of the pipe that tells of its death."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)


class SturdyPool(Executor):
    """`workers` processes; a task whose process dies is done again in a new one."""

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers)  # each waits for one process
        self._free: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(workers):
            self._free.put(_one_process())
        self._workers, self._closing = workers, False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do `fn(*args)` in some worker; the future raises WorkerKilled if that always ends the worker."""
        return self._threads.submit(self._insist, fn, args, kwargs)

    def _insist(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        process = self._free.get()
        try:
            for _ in range(ATTEMPTS):
                try:
                    return process.submit(fn, *args, **kwargs).result()
                except BrokenProcessPool:
                    if self._closing:
                        raise
                    process.shutdown(wait=False)
                    process = _one_process()
            raise WorkerKilled(f"its worker process was killed {ATTEMPTS} times")
        finally:
            self._free.put(process)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all workers, as `concurrent.futures.Executor`."""
        self._closing = True
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        if wait:
            for _ in range(self._workers):
                self._free.get().shutdown(wait=True)

    def abandon(self) -> None:
        """End all workers at once; what they were doing is lost, not damaged."""
        self._closing = True
        kill_workers()
        self.shutdown(cancel_futures=True)


def kill_workers() -> None:
    """End all worker processes of this process at once; what they were doing is lost, not damaged."""
    for child in multiprocessing.active_children():
        child.kill()
