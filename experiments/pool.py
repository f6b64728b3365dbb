"""A pool of worker processes that outlives any of them.

Of the standard library's pool one killed worker fails all that is pending, and where a thread of it cannot start (a
limit on memory) what was asked is never answered. Here each worker is a process at the other end of one pipe, with one
thread that waits for it: what died with a process is given to a new one, and after `ATTEMPTS` deaths refused by name.
A worker ends with its parent, however that ends, and leaves Ctrl-C and SIGTERM to it.
"""

from __future__ import annotations

import atexit
import mmap
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any
from weakref import WeakSet

try:
    import resource
except ImportError:  # not a POSIX system
    resource = None  # type: ignore[assignment]

ATTEMPTS = 3
DEAF_TO = (signal.SIGINT, signal.SIGTERM)
FILES_EACH = (
    3  # open files of a worker here: its pipe, and the two by which a process and its parent know of each other
)
FILES_SPARE = 64  # left for what else a process opens: modules, tables, a shard that is read
HEADROOM = 256 * 2**20  # bytes of address space that writing tables and starting threads take, with room to spare
MANY = 10_000  # where the system sets no limit
_STARTING = threading.Lock()
_OPEN: WeakSet[SturdyPool] = WeakSet()

Task = tuple[Future[Any], bytes]


class WorkerKilled(RuntimeError):
    """A task ended its worker process `ATTEMPTS` times: out of memory, or killed from outside."""


class NoWorker(RuntimeError):
    """The system does not let a worker begin: its thread or its process."""


# -- in the worker: nothing heavy is imported before its first task, so that what cannot be is an answer


def _serve(connection: Connection) -> None:
    """Do what comes through the pipe, one after the other, until it is closed."""
    for number in DEAF_TO:
        signal.signal(number, signal.SIG_IGN)
    try:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    except RuntimeError:  # no memory for it; the parent sees the death
        os._exit(1)
    while True:
        try:
            content = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(_answer(content))


def _answer(content: bytes) -> bytes:
    """What a task came to, as bytes: (True, result) or (False, error)."""
    try:
        function, arguments, named = pickle.loads(content)
        return pickle.dumps((True, function(*arguments, **named)))
    except Exception as error:
        with suppress(Exception):
            told = pickle.dumps((False, error))
            pickle.loads(told)  # an error that cannot be read at the other end is none that tells anything
            return told
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


# -- in the parent


class _Worker:
    """One process at a time, started at its first task and after each death."""

    def __init__(self) -> None:
        self.process: Any = None
        self.pipe: Connection | None = None
        self.given_up = False

    def ask(self, content: bytes) -> bytes:
        """The answer to a task; raises EOFError or OSError if the process dies of it, NoWorker if none can start."""
        if self.pipe is None:
            self._start()
        if self.given_up:  # while it started
            self.kill()
        assert self.pipe is not None
        self.pipe.send_bytes(content)
        return self.pipe.recv_bytes()

    def _start(self) -> None:
        """Spawned, not forked: a fork would keep the parent's end of the pipe that tells of its death."""
        context = multiprocessing.get_context("spawn")
        with _STARTING:
            try:
                ours, theirs = context.Pipe()
                try:
                    process = context.Process(target=_serve, args=(theirs,), daemon=False)
                    process.start()
                except BaseException:
                    ours.close()
                    raise
                finally:
                    theirs.close()
            except (OSError, MemoryError, RuntimeError) as error:
                raise NoWorker(f"no worker process can be started ({str(error) or type(error).__name__})") from None
        self.process, self.pipe = process, ours

    def kill(self) -> None:
        """End the process at once, and one that is being started."""
        self.given_up = True
        if self.process is not None:
            with suppress(OSError, ValueError):
                self.process.kill()

    def end(self) -> None:
        """Let the process end: it has nothing more to do, or is dead."""
        if self.pipe is not None:
            self.pipe.close()
            self.process.join()
            self.process.close()
            self.pipe = self.process = None


def most_workers() -> int:
    """How many workers' pipes fit into the files that this process may open, after asking for as many as it may."""
    if resource is None:
        return MANY
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_EACH * MANY if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # where the system has a limit of its own below the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft == resource.RLIM_INFINITY:
        return MANY
    return max(1, (soft - _open_files() - FILES_SPARE) // FILES_EACH)


def _open_files() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return len(os.listdir(folder))
    return FILES_SPARE


def check_memory() -> None:
    """Raise NoWorker where a limit on memory (ulimit -v) leaves too little: libraries that run out of it do not say so,
    they break off or wait for a thread that never started."""
    if resource is None or (limit := resource.getrlimit(resource.RLIMIT_AS)[0]) == resource.RLIM_INFINITY:
        return
    try:
        from pyarrow import parquet  # noqa: F401  # the largest that is to come

        mmap.mmap(-1, HEADROOM).close()
    except (OSError, MemoryError, ImportError, ValueError):
        raise NoWorker(f"memory is limited to {limit / 1e6:.0f} MB (ulimit -v), which is too little") from None


def check_workers(workers: int) -> None:
    """Raise ScenarioError for more workers than this process may have open files for."""
    most = most_workers()
    if workers > most:
        from abm.scenario import ScenarioError

        raise ScenarioError([f"workers {workers}: {most} fit into the files that a process may open (ulimit -n)"])


class SturdyPool(Executor):
    """`workers` processes; a task whose process dies is done again in a new one.

    Raises ScenarioError for more workers than fit (`check_workers`), NoWorker where a thread cannot start. Left by an
    error, as a context, it ends its workers at once.
    """

    def __init__(self, workers: int) -> None:
        check_workers(workers)
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._closing = False
        self._workers = [_Worker() for _ in range(workers)]
        # No process outlives this one, and no end of it waits for them: daemons
        self._threads = [threading.Thread(target=self._attend, args=(one,), daemon=True) for one in self._workers]
        started = 0
        try:
            for thread in self._threads:
                thread.start()
                started += 1
        except (RuntimeError, MemoryError):
            self._threads = self._threads[:started]
            self.shutdown()
            raise NoWorker(
                f"only {started} of {workers} workers can be started (memory or threads run out: ulimit -v, ulimit -u)"
            ) from None
        _OPEN.add(self)

    def prove(self, stop: threading.Event | None = None) -> None:
        """Start a worker; raises WorkerKilled if that cannot be, as in a script that starts a pool when imported.

        A request to `stop` ends the waiting.
        """
        started = self.submit(os.getpid)
        while not started.done() and not (stop is not None and stop.is_set()):
            time.sleep(0.01)
        try:
            if started.done():
                started.result()
        except WorkerKilled:
            raise WorkerKilled(
                "no worker process can be started: memory runs out (ulimit -v), or, in a script, call it under "
                "if __name__ == '__main__':"
            ) from None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do `fn(*args)` in some worker; the future raises WorkerKilled if that always ends the worker."""
        if self._closing:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[Any] = Future()
        self._tasks.put((future, pickle.dumps((fn, args, kwargs))))
        return future

    def _attend(self, worker: _Worker) -> None:
        """A worker's thread: one task after the other, each answered whatever happens."""
        if hasattr(signal, "pthread_sigmask"):  # the process inherits it: a Ctrl-C while it starts is not its own
            signal.pthread_sigmask(signal.SIG_BLOCK, DEAF_TO)
        while (task := self._tasks.get()) is not None:
            future, content = task
            if future.set_running_or_notify_cancel():
                try:
                    well, found = pickle.loads(self._insist(worker, content))
                except BaseException as error:  # this thread's own: whoever waits must be told
                    well, found = False, error
                if well:
                    future.set_result(found)
                else:
                    future.set_exception(found)
            del task, future, content
        worker.end()

    def _insist(self, worker: _Worker, content: bytes) -> bytes:
        for _ in range(ATTEMPTS):
            try:
                return worker.ask(content)
            except (EOFError, OSError):  # the process is dead
                worker.end()
                if self._closing:
                    break
        raise WorkerKilled(f"its worker process was killed {ATTEMPTS} times")

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all workers when they have done what is asked, as `concurrent.futures.Executor`."""
        if cancel_futures:
            with suppress(Empty):
                while True:
                    if (task := self._tasks.get_nowait()) is not None:
                        task[0].cancel()
        if not self._closing:
            self._closing = True
            for _ in self._threads:
                self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def abandon(self) -> None:
        """End all workers at once; what they were doing is lost, not damaged."""
        self._closing = True
        self.shutdown(wait=False, cancel_futures=True)
        for _ in self._threads:
            self._tasks.put(None)
        for worker in self._workers:
            worker.kill()
        for thread in self._threads:
            thread.join()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.shutdown()
        else:
            self.abandon()


@atexit.register
def _end_all() -> None:
    """Before the standard library waits for processes that nobody has told to end."""
    for pool in list(_OPEN):
        pool.abandon()
