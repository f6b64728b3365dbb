"""A sweep's folder while processes work on it: whose it is, what is missing, and who is at work on which shards."""

from __future__ import annotations

import errno
import json
import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from abm.scenario import ScenarioError
from experiments.designs import Design
from experiments.files import PART, whole, write_json
from experiments.identity import content_id, description, draw_id, library_versions, model_version, run_id, versions
from experiments.locks import LockFile, Taken, alone
from experiments.shards import RUNS, TRAJECTORIES, Draw, draws_per_shard, place_of_draw, shard_name
from experiments.store import DESIGN, LUCK, MANIFEST, SWEEP, Store, read_manifest

STALE = 86_400.0  # seconds
DAMAGED = "damaged"  # shards that could not be read, put aside
LOCKS, MANIFEST_LOCK = ".locks/shards", ".locks/manifest"


def design_content(design: Design) -> dict[str, Any]:
    """All that a design says, as the manifest keeps it, but for the rows themselves."""
    thinned = design.trajectories
    return {
        "name": design.name,
        **description(design.scenario),
        "rule_files": design.rule_files,
        "layout": json.loads(json.dumps(design.layout)),
        "swept": list(design.columns),
        "rows": design.rows,
        "replicates": design.replicates,
        "arms": {name: dict(arm) for name, arm in design.arms.items()},
        "seed": design.seed,
        "seeds": "by luck" if design.luck is not None else "common" if design.common else "independent",
        "indicators": list(design.kept),
        "trajectories": thinned and {"indicators": list(thinned.indicators), "every": thinned.every},
        "model": model_version(),
        "libraries": library_versions(),
    }


FREE = ("name", "layout", "rows", "replicates")  # may change when a design grows; rows are compared one by one


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Where two contents differ: 'parameters.prices.volatility: 1.0, now 2.0'."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            if not where and key in FREE:
                continue
            yield from differences(old.get(key), new.get(key), f"{where}.{key}".lstrip("."))
    elif old != new:
        yield f"{where}: {_short(old)}, now {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


class Plan:
    """A design as it stands in its folder: rows numbered as there, and the shards they make, worked out when asked."""

    def __init__(self, design: Design) -> None:
        self.design, self.size = design, draws_per_shard(design)
        self.rule_files, self.row_keys = design.rule_files, design.row_keys()
        self.content = content_id(design.scenario, design.arms, self.rule_files)
        self.draws = design.rows * design.replicates
        self._common = design.seeds(0, self.row_keys[0]) if design.common and design.luck is None else None

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-self.draws // self.size)

    def draws_of(self, number: int) -> range:
        """Places of a shard's draws in the order of all."""
        return range(number * self.size, min((number + 1) * self.size, self.draws))

    def shard(self, number: int) -> tuple[Draw, ...]:
        """The draws of one shard."""
        places = [place_of_draw(place, self.design.rows, self.design.replicates) for place in self.draws_of(number)]
        rows = {row: self._common or self.design.seeds(row, self.row_keys[row]) for row in dict(places)}
        return tuple(
            Draw(row, replicate, rows[row][replicate], draw_id(self.content, self.row_keys[row], rows[row][replicate]))
            for row, replicate in places
        )

    def name(self, number: int) -> str:
        """Name of a shard's file."""
        return shard_name(draw.identity for draw in self.shard(number))


class Folder:
    """A sweep's folder while a process works on its part of the shards; use as a context.

    Entering checks the design against what is there, lets it grow, and takes the locks of the part; raises
    ScenarioError where the folder is another design's, or another process is on the same shards.
    """

    def __init__(self, path: Path, design: Design, part: tuple[int, int]) -> None:
        self.path, self.part, self.versions = path, part, versions()
        self.plan = Plan(design)
        self.job = f"{platform.node()}-{os.getpid()}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        self.locks: LockFile | None = None

    def __enter__(self) -> Folder:
        refuse_foreign(self.path)
        with alone(self.path / MANIFEST_LOCK):
            self.locks = LockFile(self.path / LOCKS)
            try:
                self._agree()
                self._clear_away()
                self._take_part()
            except BaseException:
                self.locks.close()
                raise
        return self

    def __exit__(self, *error: object) -> None:
        if self.locks is not None:
            self.locks.close()

    @property
    def locked(self) -> bool:
        """Does the file system have locks?"""
        return self.locks is not None and self.locks.works

    @property
    def shards(self) -> range:
        """Numbers of the shards of this part."""
        first, of = self.part
        return range(first - 1, self.plan.shards, of)

    def _agree(self) -> None:
        """Write the manifest of a new sweep, or take up an old one's rows, in its numbering."""
        manifest, design = read_manifest(self.path), self.plan.design
        content = design_content(design)
        if manifest is None:
            self._sole()
            self._write_design(design)
            write_json(self.path / MANIFEST, {"kind": SWEEP, "design": content, "jobs": {}})
            return
        old = manifest["design"]
        changed = list(differences(old, content))
        if design.replicates < old["replicates"]:
            changed.append(f"replicates: {old['replicates']}, now {design.replicates}; a design can only grow")
        if changed:
            raise ScenarioError([f"{self.path}: holds another design: {line}" for line in changed])
        self.plan = Plan(self._numbered_as_before(design))
        if (design.rows, design.replicates) != (old["rows"], old["replicates"]):
            self._sole()
            self._write_design(self.plan.design)
            write_json(self.path / MANIFEST, manifest | {"design": content})

    def _numbered_as_before(self, design: Design) -> Design:
        """The design with the folder's rows first; raises ScenarioError if any of them is not in it."""
        before = self._rows_there(design)
        keys, old = design.row_keys(), before.row_keys()
        if keys == old:
            return design
        places = {key: number for number, key in enumerate(keys)}
        missing = [number for number, key in enumerate(old) if key not in places]
        if missing:
            row = ", ".join(f"{name} = {value!r}" for name, value in before.row(missing[0]).items())
            raise ScenarioError([
                f"{self.path}: holds another design: {len(missing)} of its {len(old)} rows are not in this one "
                f"(row {missing[0]}: {row}); a design can only grow, and a Latin hypercube not at all"
            ])  # fmt: skip
        first = np.array([places[key] for key in old])
        return design.taken(np.concatenate((first, np.setdiff1d(np.arange(design.rows), first))))

    def _rows_there(self, design: Design) -> Design:
        """The design with the rows that the folder has."""
        columns, luck = Store(self.path).columns()
        return replace(design, columns=columns, luck=luck)

    def _write_design(self, design: Design) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        luck = {} if design.luck is None else {LUCK: design.luck}
        table = pa.table({"row": np.arange(design.rows, dtype=np.int32), **luck, **design.columns})
        with whole(self.path / DESIGN) as temporary:
            parquet.write_table(table, temporary)

    def _clear_away(self) -> None:
        """What a killed process left half done goes, unless others are at work; without locks that cannot be known.

        Only what is a day old: where locks hold within a node alone, another node's process may be at work.
        """
        assert self.locks is not None
        try:
            self.locks.take_all()
        except Taken:
            return
        self.locks.release()
        if not self.locks.works:
            return
        half = [file for kind in (RUNS, TRAJECTORIES) for file in (self.path / kind).glob(f".*{PART}")]
        alone = [
            file for file in (self.path / TRAJECTORIES).glob("*.parquet") if not (self.path / RUNS / file.name).exists()
        ]
        for file in (*half, *alone):
            if time.time() - file.stat().st_mtime > STALE:
                file.unlink(missing_ok=True)

    def _sole(self) -> None:
        """Nobody else may be at work while the design changes."""
        assert self.locks is not None
        try:
            self.locks.take_all()
        except Taken:
            raise ScenarioError([f"{self.path}: the design has grown, but {self._who()} is at work on it"]) from None
        self.locks.release()

    def _take_part(self) -> None:
        assert self.locks is not None
        try:
            self.locks.take(self.shards)
        except Taken:
            first, of = self.part
            what = "it" if of == 1 else f"shards of part {first}/{of}"
            raise ScenarioError([f"{self.path}: {self._who()} is at work on {what}"]) from None

    def _who(self) -> str:
        """The processes that have not said that they ended."""
        jobs = (read_manifest(self.path) or {}).get("jobs", {})
        names = [f"{one['host']}, process {one['process']}" for one in jobs.values() if one.get("ended") is None]
        return f"another process ({'; '.join(names[-2:])})" if names else "another process"

    def note(self, **facts: Any) -> None:
        """Write into the manifest what this process did so far."""
        if read_manifest(self.path) is None:  # nor is it made anew
            raise FileNotFoundError(errno.ENOENT, "the folder of the sweep is gone")
        with alone(self.path / MANIFEST_LOCK):
            manifest = read_manifest(self.path) or {"jobs": {}}
            manifest["jobs"][self.job] = manifest["jobs"].get(self.job, {}) | facts
            write_json(self.path / MANIFEST, manifest)

    def missing(self) -> dict[int, tuple[Draw, ...] | None]:
        """Shards of this part that are not there, None, or not in full: what is left; damaged files are put aside."""
        there = {file.name for file in (self.path / RUNS).glob("*.parquet")}
        names = [self.plan.name(number) for number in range(self.plan.shards)]
        missing: dict[int, tuple[Draw, ...] | None] = {
            number: None for number in self.shards if names[number] not in there or not self._whole(names[number])
        }
        foreign = there - set(names)  # of the design before it grew
        if missing and foreign:
            done, arm = self._done_in(sorted(foreign)), next(iter(self.plan.design.arms))
            for number in list(missing):
                draws = self.plan.shard(number)
                left = tuple(draw for draw in draws if run_id(draw.identity, arm) not in done)
                if not left:
                    del missing[number]
                elif len(left) < len(draws):
                    missing[number] = left
        return missing

    def _whole(self, name: str) -> bool:
        """Are a shard's files there and readable? What is not readable is put aside."""
        kinds = (RUNS,) if self.plan.design.trajectories is None else (RUNS, TRAJECTORIES)
        return all(self._readable(kind, name) for kind in kinds)

    def _readable(self, kind: str, name: str) -> bool:
        from pyarrow import parquet

        file = self.path / kind / name
        try:
            parquet.read_metadata(file)
        except FileNotFoundError:
            return False
        except (OSError, ValueError):
            aside = self.path / DAMAGED / f"{kind}-{name}"
            aside.parent.mkdir(exist_ok=True)
            os.replace(file, aside)
            return False
        return True

    def _done_in(self, names: Iterable[str]) -> set[str]:
        """Runs in files of another layout."""
        from pyarrow import parquet

        done: set[str] = set()
        for name in names:
            if self._whole(name):
                done.update(parquet.read_table(self.path / RUNS / name, columns=["run"])["run"].to_pylist())
        return done


def refuse_foreign(folder: Path) -> None:
    """Raise ScenarioError if a folder holds something that is no sweep's."""
    if folder.exists() and not folder.is_dir():
        raise ScenarioError([f"{folder}: is a file, not a folder"])
    if folder.exists() and read_manifest(folder) is None:
        others = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name != DESIGN]
        if others:
            raise ScenarioError([f"{folder}: holds other files ({others[0]}, ...) and no sweep"])
