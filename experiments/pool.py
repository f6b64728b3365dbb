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
        self._processes = [_one_process() for _ in range(workers)]
        self._free: SimpleQueue[int] = SimpleQueue()
        for number in range(workers):
            self._free.put(number)
        self._closing = False

    def prove(self) -> None:
        """Start a worker; raises WorkerKilled if that cannot be, as in a script that starts a pool when imported."""
        try:
            self.submit(os.getpid).result()
        except WorkerKilled:
            raise WorkerKilled(
                "no worker process can be started; in a script, call it under if __name__ == '__main__':"
            ) from None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do `fn(*args)` in some worker; the future raises WorkerKilled if that always ends the worker."""
        return self._threads.submit(self._insist, fn, args, kwargs)

    def _insist(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        number = self._free.get()
        try:
            for _ in range(ATTEMPTS):
                try:
                    return self._processes[number].submit(fn, *args, **kwargs).result()
                except BrokenProcessPool:
                    if self._closing:
                        raise
                    self._processes[number].shutdown(wait=False)
                    self._processes[number] = _one_process()
            raise WorkerKilled(f"its worker process was killed {ATTEMPTS} times")
        finally:
            self._free.put(number)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all workers, as `concurrent.futures.Executor`."""
        self._closing = True
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        for one in self._processes:
            one.shutdown(wait=wait)

    def abandon(self) -> None:
        """End all workers at once; what they were doing is lost, not damaged."""
        self._closing = True
        for one in self._processes:
            for child in list((one._processes or {}).values()):  # public only from Python 3.14 on
                child.kill()
        self.shutdown(cancel_futures=True)
