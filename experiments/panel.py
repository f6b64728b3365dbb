"""Panels for study: participants by month, and exchanges with their dates.

Months are those of trajectories: month 1 is the first after the spin-up, and what began in the spin-up has a month of 0
or below. A recorder looks at the state between months and changes nothing, so a run's trajectory is the same with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.lib.recfunctions import repack_fields
from pyarrow.parquet import ParquetWriter

from abm.catalogue import catalogue
from abm.scenario import Scenario, ScenarioError, nearest
from abm.simulate import Run, Trajectory
from abm.state import ACTIVE, CASE
from experiments.files import whole

PARTICIPANTS, EXCHANGES = PANELS = ("participants", "exchanges")
FOUND_BY = ("nobody", "self", "broker")  # as the codes of abm/state.py
CAUSES = ("none", "loss", "process", "exit")
MONTHLY = ("present", "aware", "knowledge", "social", "registered", "live", "agreements", "talks")


def parse_panels(text: str | None, every: int, length: int) -> tuple[str, ...]:
    """The panels of `--panel`; raises ScenarioError, also for an `--every` that does not fit a run of that length."""
    names = [name.strip() for name in text.split(",")] if text is not None else []
    errors = [
        f"panel: no panel {name!r}; known: {', '.join(PANELS)}{nearest(name, PANELS)}"
        for name in names
        if name not in PANELS
    ]
    errors += [f"panel: {name} is given twice" for name in PANELS if names.count(name) > 1]
    if every > 1 and PARTICIPANTS not in names and not errors:
        errors.append(f"every: thins the panel of {PARTICIPANTS}; ask for that too")
    if every > length:
        errors.append(f"every: {every} is more than the {length} months of the run")
    if errors:
        raise ScenarioError(errors)
    return tuple(names)


def _category(codes: np.ndarray, names: Sequence[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, pd.Index(pd.array(list(names), dtype="string")))


class Recorder:
    """What one run leaves in the panels."""

    def __init__(self, panels: Sequence[str], every: int = 1) -> None:
        self.panels, self.every = panels, every
        self.kept: list[tuple[int, np.ndarray]] = []  # month, persons
        self.lives = [np.zeros(0, CASE)]  # cases whose exchange is over, in the end those that live

    def follow(self, run: Run) -> Trajectory:
        """Do all months of a run that is at month 0, looking on."""
        self.world, state = run.world, run.state
        if not self.panels:
            run.advance(run.scenario.months)
            return run.trajectory()
        while run.month < run.scenario.months:
            run.advance(1)
            if PARTICIPANTS in self.panels and run.month % self.every == 0:
                self.kept.append((run.month, repack_fields(state.persons[list(MONTHLY)])))
            done = run.world.spin_up + run.month - 1
            if EXCHANGES in self.panels:
                moving = state.moving_cases()  # those lost this month are still among them
                self.lives.append(moving[moving["ended_at"] == done])
        moving = state.moving_cases()
        self.lives.append(moving[moving["stage"] == ACTIVE])
        return run.trajectory()

    def tables(self, replicate: int, scenario: Scenario, names: Mapping[int, str]) -> dict[str, pd.DataFrame]:
        """The rows of this run in each panel that is asked for."""
        makers = {PARTICIPANTS: lambda: self._participants(scenario, names), EXCHANGES: self._exchanges}
        frames = {panel: makers[panel]() for panel in self.panels}
        for frame in frames.values():
            frame.insert(0, "replicate", np.int32(replicate))
        return frames

    def _participants(self, scenario: Scenario, names: Mapping[int, str]) -> pd.DataFrame:
        fixed, times = self.world.participants, len(self.kept)
        persons = np.concatenate([row for _, row in self.kept])
        known = sorted(names)
        called = np.full(len(fixed), -1)
        called[known] = np.arange(len(known))
        towns = [row.name for row in scenario.region.municipality]
        sectors = [row.id for row in catalogue().sectors]
        return pd.DataFrame(
            {
                "month": np.repeat(np.array([month for month, _ in self.kept], np.int16), len(fixed)),
                "participant": np.tile(np.arange(len(fixed), dtype=np.int32), times),
                "name": _category(np.tile(called, times), [names[number] for number in known]),
                "sector": _category(np.tile(fixed["sector"], times), sectors),
                "municipality": _category(np.tile(fixed["municipality"], times), towns),
                "lat": np.tile(fixed["lat"], times),
                "lon": np.tile(fixed["lon"], times),
                "employees": np.tile(fixed["employees"].astype(np.float32), times),
                "present": persons["present"],
                "aware": persons["aware"],
                "knowledge": persons["knowledge"].astype(np.float32),
                "social_capital": persons["social"].astype(np.float32),
                "registered": persons["registered"],
                "exchanges": persons["live"],
                "agreements": persons["agreements"],
                "talks": persons["talks"],
            }
        )

    def _exchanges(self) -> pd.DataFrame:
        case = np.concatenate(self.lives)
        rows, before = catalogue().byproduct_rows, self.world.spin_up - 1
        route, over = case["byproduct"], case["ended_at"] >= 0
        units = sorted({row.unit for row in rows})
        ended = pd.Series(case["ended_at"] - before, dtype="Int32").where(over)
        frame = pd.DataFrame(
            {
                "supplier": case["supplier"].astype(np.int32),
                "receiver": case["receiver"].astype(np.int32),
                "byproduct": _category(route, [row.id for row in rows]),
                "distance": case["distance"],
                "quantity": case["agreed"],
                "unit": _category(np.array([units.index(row.unit) for row in rows])[route], units),
                "found_by": _category(case["found"].astype(int) - 1, FOUND_BY[1:]),
                "identified": case["identified_at"] - np.int32(before),
                "started": case["started_at"] - np.int32(before),
                "ended": ended,
                "cause": _category(np.where(over, case["cause"].astype(int) - 1, -1), CAUSES[1:]),
            }
        )
        return frame.sort_values(["started", "supplier", "receiver", "byproduct"], kind="stable", ignore_index=True)


class PanelFiles:
    """Open panels; the rows of each replicate are written as soon as those before it are."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.files = files
        self.writers: dict[str, ParquetWriter] = {}
        self.waiting: dict[int, dict[str, pd.DataFrame]] = {}
        self.following = 0
        self.lock = Lock()

    def put(self, replicate: int, frames: dict[str, pd.DataFrame]) -> None:
        """Take the rows of a replicate (from 0), in whatever order they are done; any thread may call."""
        with self.lock:
            self.waiting[replicate] = frames
            while self.following in self.waiting:
                for panel, frame in self.waiting.pop(self.following).items():
                    self._write(panel, pa.Table.from_pandas(frame, preserve_index=False))
                self.following += 1

    def _write(self, panel: str, table: pa.Table) -> None:
        with _named(self.files[panel]):
            if panel not in self.writers:
                self.writers[panel] = ParquetWriter(self.files[panel], table.schema)
            self.writers[panel].write_table(table)

    def close(self) -> None:
        """End the files."""
        for panel, writer in self.writers.items():
            with _named(self.files[panel]):
                writer.close()


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """An error of the system that names no file names this one."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(file)) from None


@contextmanager
def panel_files(folder: Path, panels: Sequence[str]) -> Iterator[PanelFiles]:
    """Panels that are written whole or not at all; those of an earlier run that are not asked for are removed."""
    with ExitStack() as stack:
        files = PanelFiles({panel: stack.enter_context(whole(folder / f"{panel}.parquet")) for panel in panels})
        try:
            yield files
        finally:
            files.close()
    for panel in set(PANELS) - set(panels):
        (folder / f"{panel}.parquet").unlink(missing_ok=True)
