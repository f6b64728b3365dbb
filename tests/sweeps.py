"""What tests of sweeps share: a small design, its undisturbed runs, and ways to disturb it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import psutil

from experiments.designfile import load_design
from experiments.designs import Design
from experiments.store import Store
from experiments.sweep import Report, run_sweep

TEXT = """
region = "tiny"
months = 24
kind = "factorial"
replicates = {replicates}
seed = 5
[parameters]
run.spin_up = 3
[ranges]
transaction.multiplier = [0.5, 1.0, 2.0]
appraisal.rule = ["npv", "real_option"]
facilitator.fte = [2, 8]
[trajectories]
indicators = ["exchanges", "adoption"]
every = 12
"""


def write_design(folder: Path, replicates: int = 10, text: str = TEXT) -> Path:
    """The design's file."""
    file = folder / "design.toml"
    file.write_text(text.format(replicates=replicates))
    return file


def design(folder: Path, replicates: int = 10, text: str = TEXT) -> Design:
    """The design, read."""
    return load_design(write_design(folder, replicates, text))


def serially(plan: Design, folder: Path) -> Report:
    """Run in this process, one shard after the other."""
    with ThreadPoolExecutor(1) as executor:
        return run_sweep(plan, folder, executor=executor, workers=1)


def runs(folder: Path, kind: str = "runs") -> pd.DataFrame:
    """All runs in order; each is there once, and every one of the design."""
    store = Store(folder)
    frame = store.frame(kind=kind)
    per_run = 1 if kind == "runs" else 2
    assert len(frame) == store.total * per_run
    files = pd.concat([pd.read_parquet(file, columns=["run"]) for file in store.files(kind)])
    assert len(files) == store.total * per_run  # none twice
    return frame


def assert_same(folder: Path, reference: Path) -> None:
    """Exactly the rows of an undisturbed run, bit for bit, months too."""
    for kind in ("runs", "trajectories"):
        pd.testing.assert_frame_equal(runs(folder, kind), runs(reference, kind), check_exact=True)


def until(true: Callable[[], bool], process: subprocess.Popen[str] | None = None, seconds: float = 300.0) -> None:
    """Wait until something is so; fails if the process ends before, or it takes too long."""
    patience = time.monotonic() + seconds
    while not true():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < patience
        time.sleep(0.005)


def shards(folder: Path) -> list[Path]:
    """Shards that are there."""
    return sorted((folder / "runs").glob("*.parquet"))


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Its worker processes (not the helper that Python starts beside them)."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def gone(processes: Sequence[psutil.Process]) -> bool:
    """Have they all ended?"""
    return all(not one.is_running() or one.status() == psutil.STATUS_ZOMBIE for one in processes)
