"""A sweep's folder while processes work on it: whose it is, what is missing, and who is at work on which shards."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from abm.scenario import ScenarioError
from experiments.designs import Design
from experiments.files import STALE, clear_parts, kind_of
from experiments.identity import run_id, versions
from experiments.locks import LockFile, Taken, alone
from experiments.shardfile import (
    OTHER_DESIGN,
    Damaged,
    Whose,
    check,
    check_numbering,
    check_rows,
    table_of,
    write_marked,
)
from experiments.shards import RUNS, TRAJECTORIES, Draw
from experiments.store import DESIGN, LUCK, MERGED, read_rows
from experiments.sweepmanifest import (
    MANIFEST,
    SWEEP,
    DamagedManifest,
    design_id,
    read_manifest,
    write_manifest,
)
from experiments.sweepplan import Plan, design_content, differences

DAMAGED = "damaged"  # files that are not as they were written, put aside
OWN = (MANIFEST, DESIGN, MERGED, RUNS, TRAJECTORIES, DAMAGED)  # what a sweep's folder holds
SHARD = re.compile(r"[0-9a-f]{20}\.parquet")
LOCKS, MANIFEST_LOCK = ".locks/shards", ".locks/manifest"


class Vanished(RuntimeError):
    """The folder, or what it says of itself, is gone while a process works on it; says what to do."""


class Folder:
    """A sweep's folder while a process works on its part of the shards; use as a context.

    Entering checks the design against what is there, lets it grow, and takes the locks of the part; raises
    ScenarioError where the folder is another design's, or another process is on the same shards.
    """

    def __init__(self, path: Path, design: Design, part: tuple[int, int]) -> None:
        self.path, self.part, self.versions = path, part, versions()
        self.plan, self.content = Plan(design), design_content(design)
        self.design = design_id(self.content)
        self.damage: list[str] = []  # what was found damaged, a line each
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
        """Take up an old sweep's rows, in its numbering, or write what a new one, or one that is damaged, lacks."""
        manifest, design = self._manifest_there(), self.plan.design
        if manifest is not None:
            self._refuse_changed(manifest["design"])
        before = self._rows_there(design, manifest is not None)
        if before is not None:
            self.plan = Plan(self._numbered_as_before(design, before))
        old = manifest["design"] if manifest else {}
        if before is None or (design.rows, design.replicates) != (old.get("rows"), old.get("replicates")):
            self._sole()
            self._write_design(self.plan.design)
            write_manifest(self.path, (manifest or {"kind": SWEEP, "jobs": {}}) | {"design": self.content})

    def _manifest_there(self) -> dict[str, Any] | None:
        """The manifest; None, and a line, where it is damaged or gone and the runs are this design's."""
        try:
            if (manifest := read_manifest(self.path)) is not None:
                return manifest
            why = f"{MANIFEST}: gone"
        except DamagedManifest as error:
            why = f"{MANIFEST}: {error.errors[0].removeprefix(f'{self.path / MANIFEST}: ')}"
        shards = sorted((self.path / RUNS).glob("*.parquet"))
        for file in shards:
            try:
                check(file, self.design, f"{RUNS}/{file.name}")
            except Damaged as error:
                if str(error) == OTHER_DESIGN:
                    raise ScenarioError(
                        [f"{self.path}: {why.split(' (')[0]}, and {file.name} is {OTHER_DESIGN}"]
                    ) from None
        if shards or "damaged" in why:
            self.damage.append(f"{why.split(';')[0]}; written anew from the design, without the core-hours so far")
        return None

    def _refuse_changed(self, old: Mapping[str, Any]) -> None:
        changed = list(differences(old, self.content))
        if self.content["replicates"] < old["replicates"]:
            changed.append(f"replicates: {old['replicates']}, now {self.content['replicates']}; a design can only grow")
        if changed:
            raise ScenarioError([f"{self.path}: holds another design: {line}" for line in changed])

    def _rows_there(self, design: Design, told: bool) -> Design | None:
        """The design with the rows that the folder has; None where it has none, or they are damaged."""
        try:
            columns, luck = read_rows(self.path, self.design, tuple(design.columns))
        except FileNotFoundError:
            if told:
                self.damage.append(f"{DESIGN}: gone; written anew from the design")
            return None
        except Damaged as error:
            if told or (self.path / RUNS).exists():
                self.damage.append(f"{DESIGN}: {error}; written anew from the design")
            return None
        return replace(design, columns=columns, luck=luck)

    def _numbered_as_before(self, design: Design, before: Design) -> Design:
        """The design with the folder's rows first; raises ScenarioError if any of them is not in it."""
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

    def _write_design(self, design: Design) -> None:
        import pyarrow as pa

        luck = {} if design.luck is None else {LUCK: design.luck}
        table = pa.table({"row": np.arange(design.rows, dtype=np.int32), **luck, **design.columns})
        write_marked(self.path / DESIGN, table, Whose(self.design, DESIGN))

    def _clear_away(self) -> None:
        """What a killed process left half done goes, unless others are at work; without locks that cannot be known.

        Of another node only what is a day old: where locks hold within a node alone, its process may be at work.
        """
        assert self.locks is not None
        try:
            self.locks.take_all()
        except Taken:
            return
        self.locks.release()
        if not self.locks.works:
            return
        clear_parts(self.path)
        for file in (self.path / TRAJECTORIES).glob("*.parquet"):
            if not (self.path / RUNS / file.name).exists() and time.time() - file.stat().st_mtime > STALE:
                file.unlink(missing_ok=True)

    def _sole(self) -> None:
        """Nobody else may be at work while the design changes."""
        assert self.locks is not None
        try:
            self.locks.take_all()
        except Taken:
            raise ScenarioError(
                [f"{self.path}: the design has grown or is mended, but {self._who()} is at work on it"]
            ) from None
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
        try:
            jobs = (read_manifest(self.path) or {}).get("jobs", {})
        except DamagedManifest:
            return "another process"
        names = [f"{one['host']}, process {one['process']}" for one in jobs.values() if one.get("ended") is None]
        return f"another process ({'; '.join(names[-2:])})" if names else "another process"

    def note(self, **facts: Any) -> None:
        """Write into the manifest what this process did so far; raises Vanished where there is none, nor makes one."""
        self.look()
        with alone(self.path / MANIFEST_LOCK):
            manifest = self.look()
            manifest["jobs"][self.job] = manifest["jobs"].get(self.job, {}) | facts
            write_manifest(self.path, manifest)

    def look(self) -> dict[str, Any]:
        """The manifest of a folder that is being worked on; raises Vanished."""
        if not self.path.exists():
            raise Vanished(f"{self.path}: gone while the sweep ran; the same command begins it anew")
        try:
            manifest = read_manifest(self.path)
        except DamagedManifest as error:
            raise Vanished(error.errors[0]) from None
        if manifest is None:
            raise Vanished(f"{self.path / MANIFEST}: gone while the sweep ran; runs are kept, and the same command "
                           "writes it anew")  # fmt: skip
        return manifest

    def missing(self) -> dict[int, tuple[Draw, ...] | None]:
        """Shards of this part that are not there, None, or not in full: what is left; damaged files are put aside."""
        there = {file.name for file in (self.path / RUNS).glob("*.parquet")}
        names = [self.plan.name(number) for number in range(self.plan.shards)]
        missing: dict[int, tuple[Draw, ...] | None] = {
            number: None
            for number in self.shards
            if names[number] not in there or not self._sound(names[number], number)
        }
        foreign = there - set(names)  # of the design before it grew
        done = self._done_in(sorted(foreign))
        if missing and done:
            arm = next(iter(self.plan.design.arms))
            for number in list(missing):
                draws = self.plan.shard(number)
                left = tuple(draw for draw in draws if run_id(draw.identity, arm) not in done)
                if not left:
                    del missing[number]
                elif len(left) < len(draws):
                    missing[number] = left
        return missing

    def _sound(self, name: str, number: int | None = None) -> bool:
        """Are a shard's files there and as they were written, its rows numbered as here? Else they are put aside."""
        kinds = (RUNS,) if self.plan.design.trajectories is None else (RUNS, TRAJECTORIES)
        states = [self._file_sound(kind, name, number) for kind in kinds]  # each is looked at
        return all(states)

    def _file_sound(self, kind: str, name: str, number: int | None) -> bool:
        file = self.path / kind / name
        try:
            found = check(file, self.design, f"{kind}/{name}")
            if number is not None:
                check_numbering(found, self.plan.numbering_of(number))
            else:
                check_rows(found, self.plan.row_keys, self.plan.design.replicates)
        except FileNotFoundError:
            return False
        except Damaged as error:
            aside = self.path / DAMAGED / f"{kind}-{name}"
            aside.parent.mkdir(exist_ok=True)
            with suppress(FileNotFoundError):  # another part was faster
                os.replace(file, aside)
                self.damage.append(
                    f"{kind}/{name}: {error}; put aside in {DAMAGED}/, done again if it is of this sweep"
                )
            return False
        return True

    def _done_in(self, names: Iterable[str]) -> set[str]:
        """Runs in files of another layout."""
        from pyarrow import parquet

        done: set[str] = set()
        for name in names:
            if self._sound(name):
                with parquet.ParquetFile(self.path / RUNS / name) as found:
                    done.update(table_of(found, ["run"])["run"].to_pylist())
        return done


def refuse_foreign(folder: Path) -> None:
    """Raise ScenarioError if a folder holds something that is no sweep's."""
    if folder.exists() and not folder.is_dir():
        raise ScenarioError([f"{folder}: is a file, not a folder"])
    if not folder.exists():
        return
    try:
        if read_manifest(folder) is not None:
            return
    except DamagedManifest:
        pass
    names = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
    others = [name for name in names if name not in OWN]
    others += [file.name for file in (folder / RUNS).glob("*") if not SHARD.fullmatch(file.name.lstrip("."))]
    if kind := kind_of(folder):
        others += [MANIFEST] if kind != SWEEP else []
    if others:
        raise ScenarioError([f"{folder}: holds other files ({others[0]}, ...) and no sweep"])
