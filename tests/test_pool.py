"""Workers: how many fit, and what is said where the system lets none begin; nothing waits for good."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from abm.scenario import ScenarioError
from experiments.pool import NoWorker, SturdyPool, WorkerKilled, most_workers
from experiments.sweep import SweepError, run_sweep
from tests.processes import KRETSLOPP, environment
from tests.sweeps import design, write_design


def _limited(limits: str, *arguments: str, cwd: Path, seconds: float = 240.0) -> subprocess.CompletedProcess[str]:
    """The command line under limits of a shell; what hangs fails the test."""
    command = ["bash", "-c", f'{limits}; exec "$@"', "-", *KRETSLOPP, *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False, timeout=seconds
    )


def _fail(*_: Any) -> None:
    raise RuntimeError("can't start new thread")


class Unreadable(Exception):
    """An error that cannot be made again from its pickle."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


def raise_unreadable() -> None:
    raise Unreadable(1, 2)


def give_unwritable() -> Any:
    return threading.Lock()


def sleep_long() -> None:
    time.sleep(600.0)


# -- open files


def test_more_workers_than_open_files_are_refused_with_the_number_that_fits(tmp_path: Path) -> None:
    write_design(tmp_path, 25_000)  # of more shards than workers
    ended = _limited("ulimit -n 256", "sweep", "design.toml", "--out", "out", "--workers", "1000", cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    line = ended.stderr.strip().splitlines()[-1]
    assert line.startswith("kretslopp: --workers 1000: ")
    assert 10 < int(line.split()[3]) < 256
    assert "ulimit -n" in line
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_as_many_open_files_as_allowed_are_asked_for() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, soft), hard))
        most = most_workers()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 200
        assert most > 200
        with pytest.raises(ScenarioError, match=rf"{most} fit into the files"):
            SturdyPool(10 * most)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_worker_takes_three_open_files_and_gives_them_back() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with SturdyPool(2) as pool:
        list(pool.map(abs, range(20)))
        assert len(os.listdir("/proc/self/fd")) <= before + 2 * 3 + 1  # and the tracker that Python starts once
    assert len(os.listdir("/proc/self/fd")) <= before + 1


# -- memory and threads


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [600_000, 850_000])
def test_too_little_memory_is_one_line_and_no_hang(tmp_path: Path, kilobytes: int) -> None:
    write_design(tmp_path, 10)
    ended = _limited(f"ulimit -v {kilobytes}", "sweep", "design.toml", "--out", "out", "--workers", "2", cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.strip().splitlines()[-1].startswith("kretslopp: memory is limited to ")
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_a_thread_that_cannot_start_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = design(tmp_path, 2)
    monkeypatch.setattr(threading.Thread, "start", _fail)
    with pytest.raises(NoWorker, match="only 0 of 2 workers can be started"):
        SturdyPool(2)
    with pytest.raises(SweepError, match="only 0 of 1 workers"):
        run_sweep(plan, tmp_path / "out", workers=2)


def test_a_process_that_cannot_start_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = design(tmp_path, 2)

    def refuse(*_: Any) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.popen_spawn_posix.Popen._launch", refuse)
    with SturdyPool(2) as pool, pytest.raises(NoWorker, match="no worker process can be started"):
        pool.prove()
    with pytest.raises(SweepError, match="no worker process can be started"):
        run_sweep(plan, tmp_path / "out", workers=1)


# -- answers


def test_each_task_is_answered_whatever_becomes_of_it() -> None:
    with SturdyPool(1) as pool:
        with pytest.raises(RuntimeError, match="Unreadable: 1 and 2"):
            pool.submit(raise_unreadable).result(60)
        with pytest.raises(TypeError, match=r"pickle .*lock"):
            pool.submit(give_unwritable).result(60)
        with pytest.raises(WorkerKilled):
            pool.submit(os._exit, 1).result(60)
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result(60)
        assert pool.submit(divmod, 7, 2).result(60) == (3, 1)


def test_left_by_an_error_it_ends_at_once() -> None:
    def leave() -> None:
        with SturdyPool(2) as pool:
            pool.prove()
            tasks.extend(pool.submit(sleep_long) for _ in range(6))
            raise KeyboardInterrupt

    tasks: list[Any] = []
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        leave()
    assert time.monotonic() - started < 120.0
    assert all(task.done() for task in tasks)


def test_a_pool_that_is_never_ended_ends_with_its_program() -> None:
    code = (
        "import time; from experiments.pool import SturdyPool\n"
        "if __name__ == '__main__':\n"
        "    pool = SturdyPool(1); pool.prove(); pool.submit(time.sleep, 600)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], env=environment(), timeout=120, check=False)
    assert ended.returncode == 0


def test_a_request_to_stop_ends_waiting_for_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.pool._Worker.ask", lambda *_: time.sleep(1.0))
    stop = threading.Event()
    stop.set()
    with SturdyPool(1) as pool:
        pool.prove(stop)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signal masks")
def test_workers_do_not_hear_ctrl_c() -> None:
    """From their first moment, when they are still importing: the terminal sends it to them, too."""
    with SturdyPool(1) as pool:
        blocked = pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, []).result()
        assert {signal.SIGINT, signal.SIGTERM} <= set(blocked)
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
