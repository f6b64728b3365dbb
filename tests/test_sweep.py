"""Sweeps that survive: whatever is killed, cut or full, the same command ends with the rows of an undisturbed run."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

import experiments.shards
from abm.scenario import ScenarioError
from experiments.designs import Design
from experiments.pool import SturdyPool, WorkerKilled
from experiments.store import Store, _is_heard
from experiments.sweep import SweepError, run_sweep
from tests.processes import KRETSLOPP, Start, call, environment
from tests.sweeps import TEXT, assert_same, design, gone, runs, serially, shards, until, workers_of, write_design

LONG = 125  # replicates of a sweep that is under way long enough to be disturbed: 12 shards


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The long sweep, run undisturbed in one process."""
    folder = tmp_path_factory.mktemp("reference")
    serially(design(folder, LONG), folder / "out")
    return folder / "out"


def _under_way(start: Start, cwd: Path, *more: str) -> subprocess.Popen[str]:
    """The long sweep on two workers, with some shards done and more to do."""
    write_design(cwd, LONG)
    process = start([*KRETSLOPP, "sweep", "design.toml", "--out", "out", "--workers", "2", *more], cwd)
    until(lambda: 0 < len(shards(cwd / "out")) < 8, process)
    return process


def _again(cwd: Path, *more: str) -> subprocess.CompletedProcess[str]:
    ended = call("sweep", "design.toml", "--out", "out", "--workers", "2", *more, cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    return ended


# -- killed


@pytest.mark.slow
def test_a_killed_worker_is_replaced(start: Start, tmp_path: Path, reference: Path) -> None:
    process = _under_way(start, tmp_path)
    victim = workers_of(process)[0]
    victim.kill()
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert gone([victim])
    assert_same(tmp_path / "out", reference)


@pytest.mark.slow
def test_a_killed_parent_leaves_no_orphan_and_loses_nothing_finished(
    start: Start, tmp_path: Path, reference: Path
) -> None:
    process = _under_way(start, tmp_path)
    workers = workers_of(process)
    assert len(workers) == 2
    process.kill()
    process.communicate()
    until(lambda: gone(workers), seconds=20)
    kept = {file.name: file.stat().st_mtime_ns for file in shards(tmp_path / "out")}
    assert kept
    ended = _again(tmp_path)
    assert "were there already" in ended.stdout
    assert {file.name: file.stat().st_mtime_ns for file in shards(tmp_path / "out")}.items() >= kept.items()
    assert_same(tmp_path / "out", reference)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_stop_it_ends_cleanly(start: Start, tmp_path: Path, reference: Path, number: int, code: int) -> None:
    process = _under_way(start, tmp_path)
    for one in (process, *workers_of(process)):  # as a batch system or a terminal does: all of them
        one.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == code, said
    assert "the same command goes on" in said.splitlines()[-1]
    assert "Traceback" not in said
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    (job,) = manifest["jobs"].values()
    assert job["ended"] is not None
    assert job["core_hours"] > 0
    store = Store(tmp_path / "out")
    assert store.counts() == (job["done"], 0)
    assert 0 < job["done"] < store.total
    _again(tmp_path)
    assert_same(tmp_path / "out", reference)


def _end_own_process(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Deadly(SturdyPool):
    """A pool in which one shard kills every worker that takes it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(_end_own_process if args[0].shard == 1 else fn, *args, **kwargs)


@pytest.mark.slow
def test_a_shard_that_kills_workers_is_named_and_the_others_are_done(tmp_path: Path, reference: Path) -> None:
    plan = design(tmp_path, LONG)
    with _Deadly(2) as pool:
        report = run_sweep(plan, tmp_path / "out", executor=pool, workers=2)
    assert list(report.killers) == [1]
    assert "killed 3 times" in report.killers[1]
    assert report.left == 500
    _again(tmp_path)
    assert_same(tmp_path / "out", reference)


@pytest.mark.slow
def test_a_pool_outlives_its_workers() -> None:
    with SturdyPool(2) as pool:
        killed = pool.submit(_end_own_process)
        futures = [pool.submit(os.getpid) for _ in range(6)]
        with pytest.raises(WorkerKilled):
            killed.result()
        assert all(isinstance(future.result(), int) for future in futures)


@pytest.mark.slow
def test_a_script_that_forgets_its_guard_is_told_at_once(tmp_path: Path) -> None:
    """Its workers die importing it; that is no shard's fault."""
    write_design(tmp_path, 10)
    (tmp_path / "script.py").write_text(
        "import kretslopp as kr\nkr.run_sweep(kr.load_design('design.toml'), 'out', workers=2)\n"
    )
    script = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert script.returncode == 1
    assert script.stderr.strip().splitlines()[-1].endswith("call it under if __name__ == '__main__':")
    assert not shards(tmp_path / "out")


# -- damaged, full


@pytest.mark.slow
def test_a_cut_shard_is_put_aside_and_done_again(tmp_path: Path, reference: Path) -> None:
    shutil.copytree(reference, tmp_path / "out")
    write_design(tmp_path, LONG)
    first, second, third, fourth, *_ = shards(tmp_path / "out")
    months = tmp_path / "out" / "trajectories"
    (months / third.name).write_bytes(b"PAR1")
    (months / fourth.name).unlink()
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    second.write_bytes(b"")
    assert Store(tmp_path / "out").counts()[0] == Store(tmp_path / "out").total - 1000
    _again(tmp_path)
    aside = {f"runs-{first.name}", f"runs-{second.name}", f"trajectories-{third.name}"}
    assert {file.name for file in (tmp_path / "out" / "damaged").iterdir()} == aside
    assert_same(tmp_path / "out", reference)


def test_a_shard_with_other_bytes_is_told_when_read(tmp_path: Path) -> None:
    serially(design(tmp_path, 2), tmp_path / "out")
    (file,) = shards(tmp_path / "out")
    metadata = parquet.read_metadata(file)
    numbers = metadata.row_group(0).column(metadata.schema.names.index("adoption"))
    content = bytearray(file.read_bytes())
    content[numbers.data_page_offset + numbers.total_compressed_size // 2] ^= 0xFF
    file.write_bytes(bytes(content))
    with pytest.raises(ScenarioError, match=rf"runs/{file.name}: its bytes are not those that were written"):
        Store(tmp_path / "out").frame()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mount.returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=False)


@pytest.mark.slow
def test_a_full_disk_loses_nothing(tmp_path: Path, small_disk: Path, reference: Path) -> None:
    write_design(tmp_path, LONG)
    arguments = ["sweep", "design.toml", "--out", str(small_disk / "out"), "--workers", "2"]
    full = call(*arguments, cwd=tmp_path)
    assert full.returncode == 1
    assert "No space left on device" in full.stderr.splitlines()[-1]
    assert "Traceback" not in full.stderr
    assert all(pd.read_parquet(file).shape[0] for file in shards(small_disk / "out"))  # each whole
    assert not list((small_disk / "out" / "runs").glob(".*"))
    before = len(shards(small_disk / "out"))
    assert before > 0
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert call(*arguments, cwd=tmp_path).returncode == 0
    assert_same(small_disk / "out", reference)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    plan = design(tmp_path, 2)
    (tmp_path / "file").write_text("")
    with pytest.raises(SweepError, match="cannot be written"):
        serially(plan, tmp_path / "file" / "out")


# -- several processes


@pytest.mark.slow
def test_the_same_shards_twice_are_refused(start: Start, tmp_path: Path, reference: Path) -> None:
    process = _under_way(start, tmp_path)
    os.kill(process.pid, signal.SIGSTOP)  # so that it is surely still at work
    for more in ([], ["--shard", "2/3"]):
        second = call("sweep", "design.toml", "--out", "out", *more, cwd=tmp_path)
        assert second.returncode == 2
        line = second.stderr.strip().splitlines()[-1]
        assert f"process {process.pid}" in line
        assert "is at work on" in line
    grown = write_design(tmp_path, LONG + 5)
    refused = call("sweep", grown.name, "--out", "out", cwd=tmp_path)
    assert refused.returncode == 2
    assert "has grown" in refused.stderr
    write_design(tmp_path, LONG)
    os.kill(process.pid, signal.SIGCONT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert_same(tmp_path / "out", reference)


@pytest.mark.slow
def test_different_shards_of_one_folder_at_once(start: Start, tmp_path: Path, reference: Path) -> None:
    write_design(tmp_path, LONG)
    parts = [
        start([*KRETSLOPP, "sweep", "design.toml", "--out", "out", "--shard", f"{n}/3", "--workers", "1"], tmp_path)
        for n in (1, 2, 3)
    ]
    for process in parts:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    jobs = json.loads((tmp_path / "out" / "manifest.json").read_text())["jobs"]
    assert sorted(job["part"] for job in jobs.values()) == ["1/3", "2/3", "3/3"]
    assert_same(tmp_path / "out", reference)


@pytest.mark.slow
def test_a_lock_of_a_killed_process_holds_nobody_up(start: Start, tmp_path: Path, reference: Path) -> None:
    process = _under_way(start, tmp_path, "--shard", "1/2")
    process.kill()
    process.communicate()
    _again(tmp_path, "--shard", "1/2")
    _again(tmp_path, "--shard", "2/2")
    assert_same(tmp_path / "out", reference)


def test_a_file_system_without_locks_is_never_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody can be known to be at work, what looks half done may be another's; else it goes after a day."""
    plan, out = design(tmp_path, 2), tmp_path / "out"
    serially(plan, out)
    left = [out / "runs" / ".x.parquet.1.part", out / "trajectories" / "orphan.parquet"]
    for file in left:
        file.write_text("")
    serially(plan, out)
    assert all(file.exists() for file in left)  # young ones may be another node's
    for file in left:
        os.utime(file, (0, 0))

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    with monkeypatch.context() as without:
        without.setattr(fcntl, "lockf", refuse)
        serially(plan, out)
    assert all(file.exists() for file in left)
    serially(plan, out)
    assert not any(file.exists() for file in left)


# -- executors


@pytest.mark.slow
def test_processes_give_the_bits_of_one_process(tmp_path: Path, reference: Path) -> None:
    before = dict(os.environ)
    report = run_sweep(design(tmp_path, LONG), tmp_path / "out", workers=2)
    assert (report.done, report.left, report.failed) == (3000, 0, 0)
    assert not {"OMP_NUM_THREADS", "MKL_NUM_THREADS"} - set(before) & set(os.environ)  # left as it was
    assert_same(tmp_path / "out", reference)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def dask_cluster() -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """A scheduler and two workers, each a process of its own."""
    address = f"tcp://127.0.0.1:{_free_port()}"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker"]
    options: dict[str, Any] = {
        "env": environment(),
        "text": True,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    scheduler = subprocess.Popen(
        [*dask, "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard"], **options
    )
    workers = [
        subprocess.Popen([*worker, address, "--nthreads", "1", "--no-nanny", "--no-dashboard"], **options)
        for _ in range(2)
    ]
    yield address, workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()


@pytest.mark.slow
def test_dask_with_a_worker_killed(
    start: Start, tmp_path: Path, reference: Path, dask_cluster: tuple[str, list[subprocess.Popen[str]]]
) -> None:
    address, workers = dask_cluster
    write_design(tmp_path, LONG)
    time.sleep(5)
    process = start([*KRETSLOPP, "sweep", "design.toml", "--out", "out", "--dask", address], tmp_path)
    until(lambda: 0 < len(shards(tmp_path / "out")) < 8, process)
    workers[0].kill()
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert workers[1].poll() is None
    assert_same(tmp_path / "out", reference)


@pytest.mark.slow
def test_dask_on_this_machine(tmp_path: Path, reference: Path) -> None:
    _again_with = ["sweep", "design.toml", "--out", "out", "--dask", "local", "--workers", "2"]
    write_design(tmp_path, LONG)
    ended = call(*_again_with, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert_same(tmp_path / "out", reference)


# -- failed runs


def test_a_failed_run_is_a_row_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = design(tmp_path, 4)
    serially(plan, tmp_path / "well")
    bad = plan.seeds(0, "")[2]
    simulate = experiments.shards.simulate_arms

    def failing(arms: Any, seed: int) -> Any:
        if seed == bad and any(arm.values["facilitator.fte"] == 8.0 for arm in arms):
            raise MemoryError("not\nenough")
        found = simulate(arms, seed)
        if seed == plan.seeds(0, "")[3]:
            found[0].values[5, found[0].names.index("exchanges")] = np.nan
        return found

    monkeypatch.setattr(experiments.shards, "simulate_arms", failing)
    report = serially(plan, tmp_path / "out")
    frame, well = Store(tmp_path / "out").frame(), Store(tmp_path / "well").frame()
    failed = frame["status"] == "failed"
    assert report.failed == failed.sum() > 0
    assert set(frame["error_type"].dropna()) == {"MemoryError", "NotFinite"}
    memory = frame["error_type"] == "MemoryError"
    assert set(frame[memory]["replicate"]) == {2}
    assert set(frame[memory]["facilitator.fte"]) == {8.0}
    assert set(frame[memory]["arm"]) == {"with"}  # the other arm, with nobody at the centre, is well
    assert set(frame[memory]["error"]) == {"not enough"}
    assert set(frame[failed & ~memory]["error"]) == {"exchanges is not a number in month 6"}
    numbers = list(Store(tmp_path / "out").indicators)
    assert frame.loc[failed, numbers].isna().all(axis=None)
    pd.testing.assert_frame_equal(frame.loc[~failed, numbers], well.loc[~failed, numbers], check_exact=True)
    status = Store(tmp_path / "out").status()
    assert (status.done, status.failed) == (len(frame), failed.sum())
    (first, *_) = shards(tmp_path / "out")
    cut = tmp_path / "out" / "runs" / "cut.parquet"
    cut.write_bytes(first.read_bytes()[:100])
    assert Store(tmp_path / "out").status().failed == status.failed  # what cannot be read is passed over
    cut.unlink()
    assert status.errors["MemoryError"] == memory.sum()
    pairs = Store(tmp_path / "out").effects("adoption")["pairs"]
    assert pairs.max() < 4
    assert serially(plan, tmp_path / "out").done == 0  # a failed run is done


# -- growing, and other designs


def _values(folder: Path, plan: Design) -> pd.DataFrame:
    """Runs by what they are, not by the number of their row."""
    keys = [*plan.columns, "replicate", "arm"]
    return runs(folder).drop(columns=["row"]).sort_values(keys, ignore_index=True)


@pytest.mark.slow
def test_more_replicates_and_rows_extend_a_design(tmp_path: Path) -> None:
    out = tmp_path / "out"
    serially(design(tmp_path, 3), out)
    first = {file.name for file in shards(out)}
    more = serially(design(tmp_path, 30), out)
    assert (more.before, more.done) == (72, 648)
    wide = TEXT.replace("[0.5, 1.0, 2.0]", "[0.25, 0.5, 1.0, 2.0]")
    plan = design(tmp_path, 30, wide)
    wider = serially(plan, out)
    assert (wider.before, wider.done) == (720, 240)
    assert first <= {file.name for file in shards(out)}
    serially(plan, tmp_path / "afresh")
    pd.testing.assert_frame_equal(_values(out, plan), _values(tmp_path / "afresh", plan), check_exact=True)
    numbers = Store(out).frame(["transaction.multiplier"]).groupby("transaction.multiplier")["row"].min()
    assert numbers.idxmax() == 0.25  # rows that came later have later numbers


def test_a_sobol_design_grows_and_a_hypercube_does_not(tmp_path: Path) -> None:
    text = """
region = "tiny"
months = 12
kind = "{kind}"
rows = {rows}
replicates = 2
indicators = ["adoption", "exchanges"]
[parameters]
run.spin_up = 1
[ranges]
transaction.multiplier = "declared"
discovery.finds = "declared"
"""
    for rows in (4, 8):
        plan = design(tmp_path, 2, text.format(kind="sobol", rows=rows))
        serially(plan, tmp_path / "sobol")
    serially(plan, tmp_path / "afresh")
    pd.testing.assert_frame_equal(
        _values(tmp_path / "sobol", plan), _values(tmp_path / "afresh", plan), check_exact=True
    )
    serially(design(tmp_path, 2, text.format(kind="latin_hypercube", rows=4)), tmp_path / "cube")
    with pytest.raises(ScenarioError, match="Latin hypercube not at all"):
        serially(design(tmp_path, 2, text.format(kind="latin_hypercube", rows=8)), tmp_path / "cube")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("months = 24", "months = 36", "months: 24, now 36"),
        ("seed = 5", "seed = 6", "seed: 5, now 6"),
        ("run.spin_up = 3", "run.spin_up = 4", "parameters.run.spin_up: 3, now 4"),
        ("every = 12", "every = 6", "trajectories.every: 12, now 6"),
        ("replicates = 2", "replicates = 1", "can only grow"),
        ('"npv", ', "", "of its 12 rows are not in this one (row 0: transaction.multiplier = 0.5"),
        ("facilitator.fte = [2, 8]", "facilitator.cases = [2, 8]", "swept"),
        ("[trajectories]", "[arms.only]\n[trajectories]", "arms.with"),
    ],
)
def test_a_changed_design_is_refused_with_what_differs(tmp_path: Path, old: str, new: str, line: str) -> None:
    out = tmp_path / "out"
    serially(design(tmp_path, 2), out)
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*") if file.is_file() and ".locks" not in file.parts}
    changed = TEXT.replace("{replicates}", "2").replace(old, new)
    with pytest.raises(ScenarioError) as error:
        serially(design(tmp_path, 2, changed.replace("{", "{{").replace("}", "}}")), out)
    assert any(line in text for text in error.value.errors), error.value.errors
    after = {file: file.stat().st_mtime_ns for file in out.rglob("*") if file.is_file() and ".locks" not in file.parts}
    assert after == before


def test_another_version_of_the_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import experiments.identity
    import experiments.sweepplan

    serially(design(tmp_path, 2), tmp_path / "out")
    for module in (experiments.identity, experiments.sweepplan):
        monkeypatch.setattr(module, "model_version", lambda: "9.9.9+other")
    with pytest.raises(ScenarioError, match=r"model: .*, now \"9\.9\.9\+other\""):
        serially(design(tmp_path, 2), tmp_path / "out")


def test_a_changed_rule_file_is_another_design(tmp_path: Path) -> None:
    """Also one that only a row or an arm names."""
    rule = tmp_path / "mine.py"
    rule.write_text("def mine(prospect):\n    return prospect.value > prospect.cost\n")
    text = TEXT.replace('"npv", "real_option"', f'"npv", "{rule}:mine"')
    plan = design(tmp_path, 2, text)
    assert list(plan.rule_files) == [str(rule)]
    serially(plan, tmp_path / "out")
    rule.write_text("def mine(prospect):\n    return False\n")
    with pytest.raises(ScenarioError, match="rule_files"):
        serially(design(tmp_path, 4, text), tmp_path / "out")
    stale = serially(design(tmp_path, 4, text), tmp_path / "afresh")
    assert stale.failed == 0


def test_a_worker_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a cluster with an older checkout, or when the source changes while the sweep runs."""
    own = dict(experiments.shards.versions())
    monkeypatch.setattr(experiments.shards, "versions", lambda: {**own, "model": "0.0.0+other"})
    with pytest.raises(SweepError, match=r"a worker has model 0\.0\.0\+other"):
        serially(design(tmp_path, 2), tmp_path / "out")
    assert not shards(tmp_path / "out")


def test_a_start_that_was_cut_short_is_no_foreign_folder(tmp_path: Path) -> None:
    serially(design(tmp_path, 2), tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    shutil.rmtree(tmp_path / "out" / "runs")
    shutil.rmtree(tmp_path / "out" / "trajectories")
    assert serially(design(tmp_path, 2), tmp_path / "out").done == 48


def test_a_folder_that_is_gone_ends_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate = experiments.shards.simulate_arms

    def removing(arms: Any, seed: int) -> Any:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        return simulate(arms, seed)

    monkeypatch.setattr(experiments.shards, "simulate_arms", removing)
    with pytest.raises(SweepError, match="gone"):
        serially(design(tmp_path, 2), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_commands_leave_a_sweep_alone(tmp_path: Path) -> None:
    serially(design(tmp_path, 2), tmp_path / "out")
    compare = ["compare", "tiny", "--interventions", "grant", "--budget", "1"]
    for command in (["study", "tiny"], ["run", "tiny"], compare, ["hypotheses"]):
        ended = call(*command, "--out", "out", cwd=tmp_path)
        assert ended.returncode == 2
        assert "holds a sweep" in ended.stderr
    assert len(runs(tmp_path / "out")) == 48


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "holiday.jpg").write_text("")
    with pytest.raises(ScenarioError, match="holds other files"):
        serially(design(tmp_path, 2), tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["holiday.jpg"]


@pytest.mark.slow
def test_a_request_to_stop_before_the_first_shard(tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    report = run_sweep(design(tmp_path, 2), tmp_path / "out", workers=1, stop=stop)
    assert report.stopped
    assert report.done + report.left == report.total == 48


# -- the command line


@pytest.mark.parametrize(
    ("change", "arguments", "expected"),
    [
        (("transaction.multiplier =", "transaction.multiplyer ="), [], "did you mean transaction.multiplier?"),
        (("[0.5, 1.0, 2.0]", "[]"), [], "the range is empty"),
        (("[0.5, 1.0, 2.0]", "{{ low = 2, high = 1 }}"), [], "the range is empty: low 2 is not below high 1"),
        (("[0.5, 1.0, 2.0]", "{{ low = 0, high = 1, log = true }}"), [], "starts above 0"),
        (("[0.5, 1.0, 2.0]", "[0.5, -1]"), [], "-1 is not allowed"),
        (("[0.5, 1.0, 2.0]", "[1, 1.0]"), [], "given twice"),
        (('"npv", "real_option"', '"nvp"'), [], "did you mean npv?"),
        (('kind = "factorial"', 'kind = "factory"'), [], "did you mean factorial?"),
        (('kind = "factorial"', 'kind = "sobol"\nrows = 100'), [], "100 is not a power of two"),
        (('kind = "factorial"', 'kind = "table"\ntable = "rows.csv"'), [], "a table brings its own rows"),
        (('region = "tiny"', 'region = "tine"'), [], "did you mean tiny?"),
        (("seed = 5", "sed = 5"), [], "unknown key sed; did you mean seed?"),
        (('indicators = ["exchanges", "adoption"]', 'indicators = "adoption"'), [], "expected a list of names"),
        (("seed = 5", "seed = 5\nrows = 3"), [], "rows: not a key of kind factorial"),
        (("seed = 5", 'seed = 5\nname = "../x"'), [], "name: letters, digits"),
        (("[0.5, 1.0, 2.0]", "{{ low = 1, high = 2, steps = 1000 }}"), ["--max-runs", "1000"], "80000 runs, more than"),
        (("every = 12", "every = 25"), [], "every: 25 is not a whole number from 1 to 24"),
        (('"exchanges", "adoption"', '"exchange"'), [], "did you mean exchanges?"),
        (("facilitator.fte = [2, 8]", "facilitator.shares.policy = [0.2, 0.9]"), [], "row 1: "),
        (("", ""), ["--max-runs", "20"], "240 runs, more than --max-runs 20"),
        pytest.param(  # it is tried for a while
            ("", ""), ["--dask", "tcp://127.0.0.1:1"], "no scheduler is reached", marks=pytest.mark.slow
        ),
        (("", ""), ["--shard", "4/3"], "--shard 4/3"),
        (("", ""), ["--out", os.devnull], "is a file, not a folder"),
    ],
)
def test_bad_input_is_one_line_and_nothing_written(
    tmp_path: Path, change: tuple[str, str], arguments: list[str], expected: str
) -> None:
    write_design(tmp_path, 10, TEXT.replace(*change) if change[0] else TEXT)
    ended = call("sweep", "design.toml", *arguments, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert expected in ended.stderr
    assert len(ended.stderr.strip().splitlines()) <= 4
    assert "Traceback" not in ended.stderr
    assert [file.name for file in tmp_path.rglob("*")] == ["design.toml"]


def test_dry_run_says_what_it_takes_and_writes_nothing(tmp_path: Path) -> None:
    write_design(tmp_path, 10)
    ended = call("sweep", "design.toml", "--dry-run", "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    facts = json.loads(ended.stdout)
    assert (facts["rows"], facts["replicates"], facts["runs"]) == (12, 10, 240)
    assert 0 < facts["run_seconds"] < 1
    assert facts["memory_per_worker"] > 5e7
    assert [file.name for file in tmp_path.rglob("*")] == ["design.toml"]


@pytest.mark.slow
def test_status_and_merge(tmp_path: Path) -> None:
    write_design(tmp_path, 10)
    assert call("status", "nothing", cwd=tmp_path).returncode == 2
    assert call("sweep", "design.toml", "--out", "out", "--shard", "1/1", cwd=tmp_path).returncode == 0
    status = json.loads(call("status", "out", "--json", cwd=tmp_path).stdout)
    assert (status["total"], status["done"], status["failed"], status["left"]) == (240, 240, 0, 0)
    merged = call("merge", "out", cwd=tmp_path)
    assert merged.returncode == 0
    frame = pd.read_parquet(tmp_path / "out" / "merged.parquet")
    expected = Store(tmp_path / "out").frame()
    pd.testing.assert_frame_equal(frame, expected, check_exact=True)


def test_a_killed_process_of_this_machine_is_not_at_work() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    noted = datetime.now(UTC).isoformat()
    for host, process, heard in (
        (platform.node(), os.getpid(), True),
        (platform.node(), ended.pid, False),
        ("elsewhere", ended.pid, True),  # of whose processes nothing is known
    ):
        assert _is_heard({"host": host, "process": process, "noted": noted}) == heard
    assert not _is_heard({"host": "elsewhere", "process": 1, "noted": "2026-01-01T00:00:00+00:00"})
