"""A sweep's folder, for reading: its runs as tables, and how far it is.

manifest.json            the design in full, versions, and who worked on it for how long
design.parquet           one row a row of the design: its number and swept values
runs/*.parquet           shards, one row a run (failed ones with their error)
trajectories/*.parquet   the months kept, one row a run and month
merged.parquet           all runs in order, once `merge` was asked for
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.scenario import ScenarioError, nearest
from experiments.designs import Design, row_keys
from experiments.files import has_ended, whole
from experiments.inorder import in_order
from experiments.pairs import t_quantile
from experiments.shardfile import Damaged, check, marks_of, table_of
from experiments.shards import DONE, FAILURES, RUNS, TRAJECTORIES
from experiments.sweepmanifest import MANIFEST, MEND, DamagedManifest, design_id, read_manifest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DESIGN, MERGED = "design.parquet", "merged.parquet"
LUCK = "luck"  # column of a design whose rows share seeds by number
ORDER = ("row", "replicate", "arm")
SILENT = 120.0  # seconds after which a process that says nothing is taken to have ended


@dataclass(frozen=True)
class Status:
    """How far a sweep is. `rate`: runs a second of the processes at work, or of the last one; None if unknown."""

    total: int
    done: int  # failed ones included
    failed: int
    errors: Mapping[str, int]  # failed runs by type of error
    rate: float | None
    seconds_left: float | None
    at_work: tuple[Mapping[str, Any], ...]
    core_hours: float
    damaged: tuple[
        str, ...
    ] = ()  # files that are not as they were written, or not of this sweep; their runs are not done

    def as_dict(self) -> dict[str, Any]:
        """As printed by `status --json`."""
        return {**asdict(self), "left": self.total - self.done}


class Store:
    """The folder of a sweep, for reading; raises ScenarioError if there is none."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        manifest = read_manifest(self.folder)
        if manifest is None:
            held = next((self.folder / RUNS).glob("*.parquet"), None)
            more = f"; the runs are there: the same sweep command writes {MANIFEST} anew" if held else ""
            raise ScenarioError([f"{folder}: holds no sweep (no {MANIFEST} of one){more}"])
        self.manifest: dict[str, Any] = manifest
        self.content: dict[str, Any] = manifest["design"]

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms in the order of the design."""
        return tuple(self.content["arms"])

    @property
    def swept(self) -> tuple[str, ...]:
        """The parameters that rows differ in."""
        return tuple(self.content["swept"])

    @property
    def indicators(self) -> tuple[str, ...]:
        """What is kept of each run's horizon."""
        return tuple(self.content["indicators"])

    @property
    def total(self) -> int:
        """Runs of the whole design."""
        return self.content["rows"] * self.content["replicates"] * len(self.arms)

    def files(self, kind: str = RUNS) -> list[Path]:
        """The shards that are there; of trajectories those whose runs are there too."""
        names = sorted(file.name for file in (self.folder / RUNS).glob("*.parquet"))
        return [file for name in names if (file := self.folder / kind / name).exists()]

    def counts(self) -> tuple[int, int]:
        """Runs that are there, and how many of them failed; a shard that cannot be read counts as not there."""
        from pyarrow import parquet

        done = failed = 0
        for file in self.files():
            try:
                metadata = parquet.read_metadata(file)
            except (OSError, ValueError):
                continue
            done += metadata.num_rows
            failed += int((metadata.metadata or {}).get(FAILURES, b"0"))
        return done, failed

    @property
    def design(self) -> str:
        """What the sweep's files say that they are of."""
        return design_id(self.content)

    def tables(self, columns: Sequence[str] | None = None, kind: str = RUNS, step: int = 200) -> Iterator[pa.Table]:
        """The rows in order (row, replicate, arm, month), some rows of the design at a time; each file is read once.

        Raises ScenarioError for a file that is not as it was written.
        """
        keys = ORDER if kind == RUNS else (*ORDER, "month")
        wanted = None if columns is None else list(dict.fromkeys([*keys, *columns]))
        try:
            yield from in_order(self.files(kind), keys, self.arms, self._opened, columns=wanted, step=step)
        except Damaged as error:
            raise ScenarioError([f"{self.folder}: {error}; {MEND}"]) from None

    def _opened(self, file: Path) -> Any:
        """A shard, checked; raises Damaged with its name."""
        name = f"{file.parent.name}/{file.name}"
        try:
            return check(file, self.design, name)
        except (Damaged, FileNotFoundError) as error:
            raise Damaged(f"{name}: {'gone' if isinstance(error, FileNotFoundError) else error}") from None

    def frame(self, columns: Sequence[str] | None = None, kind: str = RUNS) -> pd.DataFrame:
        """All runs in order, each once; `columns` besides row, replicate and arm, or all."""
        import pyarrow as pa

        parts = list(self.tables(columns, kind))
        if not parts:
            raise ScenarioError([f"{self.folder}: has no {kind} yet"])
        frame: pd.DataFrame = pa.concat_tables(parts, promote_options="permissive").to_pandas(use_threads=False)
        for name in frame.select_dtypes("category"):  # in an order that does not hang on what was read first
            categories = self.arms if name == "arm" else sorted(frame[name].cat.categories)
            frame[name] = frame[name].cat.set_categories(categories)
        return frame

    def rows(self) -> pd.DataFrame:
        """The design: `row` and the swept values."""
        return table_of(self._design_file()).to_pandas(ignore_metadata=True, use_threads=False)

    def columns(self) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """The swept values by parameter, one entry a row, and the rows' luck if they have any."""
        return _columns_of(self._design_file(), self.swept)

    def _design_file(self) -> Any:
        try:
            return check(self.folder / DESIGN, self.design, DESIGN)
        except (Damaged, FileNotFoundError) as error:
            why = "gone" if isinstance(error, FileNotFoundError) else error
            raise ScenarioError([f"{self.folder}: {DESIGN}: {why}; {MEND}"]) from None

    def places(self, design: Design) -> list[int]:
        """Numbers that a design's rows have here; raises ScenarioError if any is missing or the arms are others."""
        numbers = {key: number for number, key in enumerate(row_keys(*self.columns()))}
        keys = design.row_keys()
        foreign = sum(key not in numbers for key in keys)
        if foreign or self.arms != tuple(design.arms):
            raise ScenarioError([f"{self.folder}: holds another design; {foreign} of {len(keys)} rows are not in it"])
        return [numbers[key] for key in keys]

    def outputs(self, design: Design, indicators: Sequence[str], kind: str = RUNS) -> np.ndarray:
        """What is held of a design's rows, in its order: shape (rows, replicates, arms, indicators), of months
        (rows, replicates, arms, months, indicators). Raises ScenarioError where runs failed or are missing."""
        places = self.places(design)
        status = self.frame(["status", "error"])
        failed = status[status["status"] != DONE]
        if len(failed):
            said = f"{len(failed)} of {len(status)} runs failed, so nothing can be said: {failed['error'].iloc[0]}"
            raise ScenarioError([f"{self.folder}: {said}"])
        if len(status) != self.total:
            raise ScenarioError([f"{self.folder}: {self.total - len(status)} runs are missing"])
        names = list(indicators)
        values = self.frame(names, kind)[names].to_numpy(float)
        shape = (self.content["rows"], self.content["replicates"], len(self.arms))
        values = values.reshape(*shape, -1, len(names)) if kind != RUNS else values.reshape(*shape, len(names))
        return values[places][:, : design.replicates]

    def status(self) -> Status:
        """How far the sweep is; every file is held against its checksum and the design."""
        done, failed, errors, damaged = self._survey()
        jobs = list(self.manifest["jobs"].values())
        at_work = [job for job in jobs if job["ended"] is None and _is_heard(job)]
        rates = [job["done"] / job["seconds"] for job in (at_work or jobs[-1:]) if job["done"] and job["seconds"]]
        rate = sum(rates) if rates else None
        return Status(
            self.total,
            done,
            failed,
            errors,
            rate,
            (self.total - done) / rate if rate else None,
            tuple(at_work),
            sum(job["core_hours"] for job in jobs),
            damaged,
        )

    def _survey(self) -> tuple[int, int, dict[str, int], tuple[str, ...]]:
        """Runs that are there, those that failed, their errors, and damaged files, which count as not there."""
        done = failed = 0
        errors: Counter[str] = Counter()
        damaged = []
        try:
            check(self.folder / DESIGN, self.design, DESIGN)
        except (Damaged, FileNotFoundError) as error:
            damaged.append(f"{DESIGN}: {'gone' if isinstance(error, FileNotFoundError) else error}")
        for file in sorted((self.folder / RUNS).glob("*.parquet")):
            try:
                if self.content["trajectories"]:
                    self._opened(self.folder / TRAJECTORIES / file.name)
                found = self._opened(file)
            except Damaged as error:
                damaged.append(str(error))
                continue
            done += found.metadata.num_rows
            if count := int(marks_of(found).get(FAILURES, b"0")):
                failed += count
                kinds = table_of(found, ["error_type"])["error_type"].to_pylist()
                errors.update(kind for kind in kinds if kind)
        return done, failed, dict(errors), tuple(damaged)

    def merge(self) -> tuple[Path, int]:
        """Write all runs into one file, in order and whole; returns its path and how many runs are in it."""
        from pyarrow import parquet

        target, rows = self.folder / MERGED, 0
        with whole(target) as temporary:
            writer = None
            for table in self.tables():
                writer = writer or parquet.ParquetWriter(temporary, table.schema, compression="zstd")
                writer.write_table(table)
                rows += table.num_rows
            if writer is None:
                raise ScenarioError([f"{self.folder}: has no {RUNS} yet"])
            writer.close()
        return target, rows

    # -- what other tools take

    def effects(self, indicator: str, arm: str | None = None) -> pd.DataFrame:
        """The effect of `arm` (by default the last) against the first arm in each row, on one indicator.

        One row a row of the design: the swept values, means `without` and `with`, `mean` of the difference with its
        95 % interval (Student's t over pairs), and `pairs`; failed runs and their partners are left out. Raises
        ScenarioError for an indicator or arm that was not kept.
        """
        import pandas as pd

        arm = arm or self.arms[-1]
        self._check(arm, indicator)
        frame = self.frame(["status", indicator])
        frame = frame[frame["status"] == DONE]
        wide = frame.pivot(index=["row", "replicate"], columns="arm", values=indicator)[[self.arms[0], arm]].dropna()
        wide.columns = pd.Index(["without", "with"])
        by_row = wide.assign(difference=wide["with"] - wide["without"]).groupby(level="row")
        table = by_row.mean().rename(columns={"difference": "mean"})
        pairs = by_row.size().to_numpy()
        error = by_row["difference"].std().to_numpy() / np.sqrt(pairs)
        half = error * np.array([t_quantile(int(count)) for count in pairs])
        table = table.assign(ci_low=table["mean"] - half, ci_high=table["mean"] + half, pairs=pairs)
        return self.rows().merge(table, on="row")

    def _check(self, arm: str, *indicators: str) -> None:
        errors = [f"no arm {arm!r}; known: {', '.join(self.arms)}"] if arm not in self.arms else []
        errors += [
            f"no indicator {name!r} was kept{nearest(name, self.indicators)}"
            for name in indicators
            if name not in self.indicators
        ]
        if errors:
            raise ScenarioError([f"{self.folder}: {error}" for error in errors])

    def to_xarray(self) -> Any:
        """The runs as an xarray Dataset (extra `xarray`): indicators over (row, replicate, arm), missing ones NaN."""
        frame = self.frame()
        keys = [name for name in frame.columns if name in {"run", "error", "error_type", *self.swept}]
        frame["arm"] = frame["arm"].astype(str)
        data = frame.drop(columns=keys).set_index(list(ORDER)).to_xarray()
        rows = self.rows().set_index("row").reindex(data["row"].to_numpy())
        return data.assign_coords({str(name): ("row", rows[name].to_numpy()) for name in rows})

    def to_ema(self) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
        """The runs that did not fail in the form of the EMA Workbench: (experiments, outcomes).

        An experiment is a run: its row's swept values (numbers as float, texts as category), `replicate` (float), and
        as categories `scenario` (row), `policy` (arm) and `model`; an outcome an array of shape (experiments,) (Kwakkel
        2017, doi:10.1016/j.envsoft.2017.06.054).
        """
        from experiments.workbench import frames

        frame = self.frame()
        frame = frame[frame["status"] == DONE].reset_index(drop=True)
        return frames(frame, self.swept, self.indicators, self.content["name"])


def _is_heard(job: Mapping[str, Any]) -> bool:
    """Has a process lately said that it is at work? One of this machine must also be there."""
    here = job["host"] == platform.node()
    return _age(job["noted"]) < SILENT and not (here and has_ended(job["process"]))


def _age(moment: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def _columns_of(found: Any, swept: Sequence[str]) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    table = table_of(found)
    columns = {name: np.array(table[name].to_pylist()) for name in swept}
    return columns, np.array(table[LUCK].to_pylist()) if LUCK in table.column_names else None


def read_rows(folder: Path, design: str, swept: Sequence[str]) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Swept values and luck of a folder's rows, whatever its manifest says; raises Damaged, FileNotFoundError."""
    return _columns_of(check(folder / DESIGN, design, DESIGN), swept)


def replicates_there(folder: Path) -> int:
    """Replicates of the design that a folder holds; 0 where it holds none, or its manifest is damaged."""
    try:
        manifest = read_manifest(folder)
    except DamagedManifest:
        return 0
    return manifest["design"]["replicates"] if manifest else 0
