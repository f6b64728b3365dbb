"""Running a design into its folder: on worker processes, a cluster, or one part of it on one machine of many.

Workers write their shards themselves and say only how many runs are in them, so that memory does not grow with the
design and nothing that is done depends on this process living on.
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Event

from experiments.designs import Design
from experiments.folder import Folder, Vanished
from experiments.pool import NoWorker, SturdyPool, WorkerKilled, check_memory, check_workers
from experiments.runner import Progress, default_workers
from experiments.shards import RUNS, Changed, Draw, Job, Outcome, draws_per_shard, run_shard, simulate_draws

POLL = 0.2  # seconds between looks for a request to stop
NOTED = 30.0  # seconds between notes in the manifest
AHEAD = 2  # shards handed out per worker: one under way, one waiting
PATIENCE = 60.0  # seconds that shards under way may take after a request to stop
OWN_RULES_PATIENCE = 10.0  # the same where a rule of the user's own decides, which may never end
COMPILED = 15.0  # seconds of a first run above which it has compiled kernels, in some hundred megabytes
VISIBLE = 30.0  # seconds until a file that a worker wrote is seen here: network file systems cache names
PILOTS, PILOT_SECONDS = 3, 0.5  # rows on which the time of a run is measured, and for how long at least
BYTES, FACTS, HEAD = 8, 60, 300  # of a number, of what a run is, of a column's head in a shard; before compression
KILLED = ("WorkerKilled", "KilledWorker")  # our pool's, and Dask's
# Runs are what goes in parallel: libraries in a worker should start no threads of their own
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class SweepError(RuntimeError):
    """A sweep cannot go on; what is finished is kept."""


@dataclass
class Report:
    """What a sweep did this time, and what it could not do."""

    total: int  # runs of this part
    before: int  # runs of it that were there already
    done: int = 0  # runs done this time, failed ones included
    failed: int = 0  # of these
    seconds: float = 0.0  # by the clock
    core_seconds: float = 0.0  # that workers spent on runs and their files
    killers: dict[int, str] = field(default_factory=dict)  # shards that could not be run, and why
    locked: bool = True  # does the file system keep others off these shards?
    stopped: bool = False
    damaged: list[str] = field(default_factory=list)  # what was found damaged and is mended, a line each

    @property
    def left(self) -> int:
        """Runs of this part that are still missing."""
        return self.total - self.before - self.done


@dataclass(frozen=True)
class Estimate:
    """What a design asks for, measured on a few of its runs."""

    run_seconds: float
    memory: int | None  # bytes of one process that runs it, as far as the system tells
    disk: int  # bytes of its shards, about


def estimate(design: Design) -> Estimate:
    """Time some runs from all over the design, in a process like the workers; compiling, done before, is not timed.

    Raises SweepError where no worker can start. Nothing runs in this process, which can be stopped at any time.
    """
    rows = sorted({round(place * (design.rows - 1) / (PILOTS - 1)) for place in range(PILOTS)})
    jobs = [_pilot(design, row) for row in rows]
    with _told(), SturdyPool(1) as pool:
        _prove(pool)
        found = None if pool.submit(_first_run, jobs[0]).result() > COMPILED else _timed(pool, jobs)
    if found is None:
        with _told(), SturdyPool(1) as pool:
            found = _timed(pool, jobs)
    seconds, memory = found
    numbers = len(design.kept)
    if design.trajectories is not None:
        numbers += len(design.trajectories.indicators) * (design.scenario.months // design.trajectories.every)
    return Estimate(seconds, memory, design.runs * (numbers * BYTES + FACTS) + _files(design) * numbers * HEAD)


def _files(design: Design) -> int:
    """Shards of a design."""
    return math.ceil(design.rows * design.replicates / draws_per_shard(design))


def _first_run(job: Job) -> float:
    """Seconds of a first run."""
    started = time.perf_counter()
    simulate_draws(job)
    return time.perf_counter() - started


def _timed(pool: SturdyPool, jobs: Sequence[Job]) -> tuple[float, int | None]:
    return pool.submit(_time_runs, jobs).result()


def _time_runs(jobs: Sequence[Job]) -> tuple[float, int | None]:
    """Seconds a run, and the most memory that this process has held."""
    simulate_draws(jobs[0])  # loads the kernels
    started, runs = time.perf_counter(), 0
    for number in count():
        spent = time.perf_counter() - started
        if number >= len(jobs) and spent > PILOT_SECONDS:
            return spent / runs, peak_memory()
        runs += len(simulate_draws(jobs[number % len(jobs)])[0])
    raise AssertionError


def _pilot(design: Design, row: int) -> Job:
    draw = Draw(row, 0, design.seed, "")
    return Job(0, Path(), design.scenario, design.arms, {row: design.row(row)}, (draw,), design.kept, None)


def peak_memory() -> int | None:
    """Most bytes that this process has held, or None where the system does not tell.

    Not from getrusage, which on Linux counts what the parent held when it started this process.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:  # not Linux
        return None
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), None)


def check_start(design: Design, workers: int | None) -> None:
    """Raise ScenarioError for more workers than fit into the open files of this process, SweepError where memory is
    limited to too little: before anything runs."""
    check_workers(min(workers or default_workers(), _files(design)))
    with _told():
        check_memory()


def run_sweep(
    design: Design,
    folder: str | Path,
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    part: tuple[int, int] = (1, 1),
    progress: Progress | None = None,
    stop: Event | None = None,
) -> Report:
    """Run what is missing of a design in `folder`; the same call again goes on where this one ended.

    `part` (i, n) is every n-th shard from the i-th on, for n processes that share a folder. With an `executor` (Dask,
    MPI, any of `concurrent.futures`) of so many `workers`, these must see the same folder. `stop`, when set, ends it
    after the shards under way. Raises ScenarioError where the folder or part is not free or so many workers do not fit
    into the open files of this process, SweepError where a worker cannot start or write.
    """
    path, stop = Path(folder).absolute(), stop or Event()
    if executor is None:
        check_start(design, workers)
    with _writing(path), Folder(path, design, part) as place:
        missing = place.missing()
        arms = len(design.arms)
        sizes = {number: len(place.plan.draws_of(number)) for number in place.shards}
        left = sum(sizes[number] if draws is None else len(draws) for number, draws in missing.items())
        report = Report(sum(sizes.values()) * arms, (sum(sizes.values()) - left) * arms, locked=place.locked)
        report.damaged = place.damage
        if missing:
            width = min(workers or default_workers(), len(missing))
            with _pool(executor, width, stop) as pool:
                _Loop(place, report, missing, width, progress, stop).run(pool)
    return report


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What the file system refuses, and what is no longer there, is said in one line."""
    try:
        yield
    except Vanished as error:
        raise SweepError(str(error)) from None
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not path.exists():
            raise SweepError(f"{path}: gone while the sweep ran; the same command begins it anew") from None
        reason, file = os.strerror(error.errno) if error.errno else str(error), error.filename or path
        raise SweepError(f"{file}: cannot be written ({reason}); what is finished is kept, and the same command "
                         "goes on") from None  # fmt: skip


@contextmanager
def _pool(executor: Executor | None, workers: int, stop: Event) -> Iterator[Executor]:
    """The executor given, or worker processes of our own, which end with this block whatever happens."""
    if executor is not None:
        yield executor
        return
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update({name: value or "1" for name, value in before.items()})
    try:
        with _told(), SturdyPool(workers) as pool:
            _prove(pool, stop)
            yield pool
    finally:
        for name in (name for name, value in before.items() if value is None):
            os.environ.pop(name, None)


@contextmanager
def _told() -> Iterator[None]:
    """Workers that cannot start end a sweep with a line."""
    try:
        yield
    except NoWorker as error:
        raise SweepError(str(error)) from None


def _prove(pool: SturdyPool, stop: Event | None = None) -> None:
    try:
        pool.prove(stop)
    except WorkerKilled as error:
        raise SweepError(str(error)) from None


class _Loop:
    """Hands shards to workers, never many ahead, and books what comes back."""

    def __init__(
        self,
        place: Folder,
        report: Report,
        missing: Mapping[int, tuple[Draw, ...] | None],
        workers: int,
        progress: Progress | None,
        stop: Event,
    ) -> None:
        self.place, self.report, self.workers = place, report, workers
        self.jobs = (_job(place, number, draws or place.plan.shard(number)) for number, draws in missing.items())
        self.progress, self.stop = progress, stop
        self.waiting: dict[Future[Outcome], Job] = {}
        self.started = self.noted = time.monotonic()
        self.facts = {
            "host": platform.node(),
            "process": os.getpid(),
            "part": f"{place.part[0]}/{place.part[1]}",
            "workers": workers,
            "machine": platform.machine(),
            "started": _now(),
        }

    def run(self, pool: Executor) -> None:
        """Until nothing is left, or a stop is asked for and the shards under way are done."""
        self._tell()
        self._note()
        try:
            self._go_on(pool)
        except BaseException:  # what is wrong is being said: a full disk, a folder that is gone
            with suppress(OSError, Vanished):
                self._note(ended=_now())
            raise
        finally:
            for future in self.waiting:
                future.cancel()
        self._note(ended=_now())

    def _go_on(self, pool: Executor) -> None:
        while self._hand_out(pool) or self.waiting:
            done, _ = wait(self.waiting, timeout=POLL, return_when=FIRST_COMPLETED)
            for future in done:
                self._book(self.waiting.pop(future), future)
            if done:
                self._tell()
            if time.monotonic() - self.noted > NOTED:
                self._note()
            if self.stop.is_set():
                self._wind_up()
                return

    def _hand_out(self, pool: Executor) -> bool:
        """Give out shards until enough are ahead; is there anything to wait for?"""
        while len(self.waiting) < AHEAD * self.workers and (job := next(self.jobs, None)) is not None:
            self.waiting[pool.submit(run_shard, job)] = job
        return bool(self.waiting)

    def _wind_up(self) -> None:
        """Take back what has not started and wait for what has."""
        under_way = {future: job for future, job in self.waiting.items() if not future.cancel()}
        self.waiting.clear()
        patience = OWN_RULES_PATIENCE if self.place.plan.rule_files else PATIENCE
        done, late = wait(under_way, timeout=patience)
        for future in done:
            self._book(under_way[future], future)
        self.report.stopped = True
        self._tell()
        if late:
            raise SweepError(f"{len(late)} shards did not end within {patience:.0f} s and are given up; the others are "
                             "kept, and the same command goes on")  # fmt: skip

    def _book(self, job: Job, future: Future[Outcome]) -> None:
        try:
            outcome = future.result()
        except Changed as error:
            raise SweepError(f"{error}; what is finished is kept") from None
        except CancelledError:
            raise SweepError("the executor gave the work up (a scheduler that is gone?); what is finished is kept, and "
                             "the same command goes on") from None  # fmt: skip
        except NoWorker as error:
            raise SweepError(f"{error}; what is finished is kept") from None
        except OSError as error:
            if error.errno is None:  # of a connexion, not of a file
                raise SweepError(f"workers are lost ({error}); what is finished is kept") from None
            raise
        except Exception as error:
            if type(error).__name__ not in KILLED:
                raise
            self.report.killers[job.shard] = f"{type(error).__name__}: {error}"
            return
        if self.report.done == 0:
            self._see(self.place.path / RUNS / job.file_name)
        self.report.done += outcome.runs
        self.report.failed += outcome.failed
        self.report.core_seconds += outcome.seconds

    def _see(self, file: Path) -> None:
        """Is what a worker wrote seen from here? Raises SweepError."""
        patience = time.monotonic() + VISIBLE
        while not file.exists():
            self.place.look()
            if time.monotonic() > patience:
                raise SweepError(f"{file}: written by a worker but not seen here; the folder must be on a shared disk")
            time.sleep(POLL)

    def _tell(self) -> None:
        self.report.seconds = time.monotonic() - self.started
        if self.progress:
            self.progress(self.report.before + self.report.done, self.report.total)

    def _note(self, ended: str | None = None) -> None:
        self.noted = time.monotonic()
        self.report.seconds = self.noted - self.started
        did = {name: getattr(self.report, name) for name in ("done", "failed")}
        spent = {name: round(getattr(self.report, name), 3) for name in ("seconds", "core_seconds")}
        hours = {"core_hours": round(self.report.seconds * self.workers / 3600.0, 6)}
        self.place.note(**self.facts, **did, **spent, **hours, noted=_now(), ended=ended)


def _job(place: Folder, number: int, draws: tuple[Draw, ...]) -> Job:
    design = place.plan.design
    rows = {row: design.row(row) for row in dict.fromkeys(draw.row for draw in draws)}
    return Job(
        number, place.path, design.scenario, design.arms, rows, draws, design.kept, design.trajectories,
        place.versions, place.plan.rule_files, place.design, place.plan.numbering(rows),
    )  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
