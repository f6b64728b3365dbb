"""Trajectories of one scenario, written as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from abm.scenario import Scenario
from abm.simulate import Trajectory, spun_up
from experiments.files import manifest, write_parquet
from experiments.outputs import finish, opened
from experiments.panel import Recorder, panel_files
from experiments.runner import Progress, replicate_seeds, run_all


def trajectory_frame(trajectories: list[Trajectory]) -> pd.DataFrame:
    """One row a replicate and month (from 1), one column an indicator."""
    frames = []
    for replicate, trajectory in enumerate(trajectories):
        frame = trajectory.to_frame()
        frame.insert(0, "replicate", replicate)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def write_trajectories(
    scenario: Scenario,
    folder: Path,
    *,
    replicates: int,
    seed: int,
    workers: int | None = None,
    progress: Progress | None = None,
    panels: Sequence[str] = (),
    every: int = 1,
) -> Path:
    """Run the replicates and write `trajectories.parquet` and `manifest.json`; returns the former's path.

    `panels` (of panel.PANELS) are written beside it, that of participants every so many months.
    """
    seeds = replicate_seeds(seed, replicates)
    number = {one: replicate for replicate, one in enumerate(seeds)}
    with opened(folder), panel_files(folder, panels) as files:

        def run(one: int) -> Trajectory:
            recorder = Recorder(panels, every)
            trajectory = recorder.follow(spun_up(scenario, one))
            files.put(number[one], recorder.tables(number[one], scenario, trajectory.network.names))
            return trajectory

        runs = run_all(run, seeds, workers=workers, progress=progress)
    file = folder / "trajectories.parquet"
    write_parquet(file, trajectory_frame(runs))
    facts = {"seeds": seeds, "panels": list(panels), "every": every}
    finish(folder, manifest(scenario, "run", seed=seed, replicates=replicates, **facts))
    return file
