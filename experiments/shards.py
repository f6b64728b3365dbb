"""The unit of work of a sweep: a shard of some hundred runs, run and written whole by one worker.

Shards are laid out by the design alone, so that any process knows which they are: blocks of replicates, in each block
the rows one after the other. A draw is one replicate of one row; its arms branch from one spin-up, and so do rows that
differ only in what acts from month 0 on, where they have the same seeds.
"""

from __future__ import annotations

import errno
import hashlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.parameters import Value
from abm.plan import plan
from abm.scenario import Scenario
from abm.simulate import Trajectory, past_key, simulate_arms
from experiments.designs import Design, Thinning
from experiments.identity import run_id, versions
from experiments.shardfile import Whose, write_marked

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 25  # replicates of a row that are run together: its scenarios are worked out once
MOST, TYPICAL = 500, 200  # in a shard: at most, and of the size of Östergötland
TYPICAL_FIRMS, TYPICAL_MONTHS = 600, 360
DONE, FAILED = "done", "failed"
RUNS, TRAJECTORIES = "runs", "trajectories"
# What is of nobody or of no exchange in some months, and then NaN (abm/observe.py: share); groups of adoption besides
SOMETIMES = frozenset({
    "adoption", "adoption_firms", "aware", "knowledge", "social_capital", "cross_sector", "distance", "degree",
    "cost_per_tonne",
})  # fmt: skip
FAILURES = b"failed"  # in the metadata of a shard: how many of its runs failed


class Changed(RuntimeError):
    """A worker is not what the sweep is of: another version, or a rule file that is no longer what it was."""


class NotFinite(ArithmeticError):
    """A run gave a number that is none."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One replicate of one row, and the content hash of its runs."""

    row: int
    replicate: int
    seed: int
    identity: str


@dataclass(frozen=True)
class Job:
    """All that a worker needs to run a shard and write it into `folder`."""

    shard: int
    folder: Path
    scenario: Scenario
    arms: Mapping[str, Mapping[str, Value]]
    rows: Mapping[int, Mapping[str, Value]]
    draws: tuple[Draw, ...]
    kept: tuple[str, ...]
    trajectories: Thinning | None
    versions: Mapping[str, str] = field(default_factory=versions)  # of the process that hands it out
    rule_files: Mapping[str, str] = field(default_factory=dict)  # digests of the user's rule files
    design: str = ""  # what the shard says it is of, and how the design's rows in it are numbered
    numbering: str = ""

    @property
    def file_name(self) -> str:
        """By the runs that are in it: the same runs, the same name."""
        return shard_name(draw.identity for draw in self.draws)


@dataclass(frozen=True)
class Outcome:
    """What a worker says of a shard that it wrote."""

    shard: int
    runs: int
    failed: int
    seconds: float


def shard_name(identities: Iterable[str]) -> str:
    """Name of the file that holds the runs of these draws."""
    return hashlib.blake2b("".join(identities).encode(), digest_size=10).hexdigest() + ".parquet"


def draws_per_shard(design: Design) -> int:
    """As many as take some seconds; where runs are long the shards are longer too, but not as much: files count."""
    firms = max(
        [*np.atleast_1d(design.columns.get("population.firms", [0])), design.scenario.values["population.firms"]]
    )
    months = design.scenario.months + design.scenario.spin_up_months
    runs = TYPICAL * math.sqrt(TYPICAL_FIRMS / firms * TYPICAL_MONTHS / months)
    return max(1, round(min(runs, MOST) / len(design.arms)))


def place_of_draw(place: int, rows: int, replicates: int) -> tuple[int, int]:
    """Row and replicate of a draw by its place: by block of replicates, then row, then replicate."""
    block, within = divmod(place, rows * BLOCK)
    row, replicate = divmod(within, min(BLOCK, replicates - block * BLOCK))
    return row, block * BLOCK + replicate


# -- in the worker


def run_shard(job: Job) -> Outcome:
    """Run all draws of a shard and write its files, trajectories first: runs without theirs there are not."""
    started = time.process_time()
    for name, own in versions().items():
        if own != job.versions[name]:
            raise Changed(f"a worker has {name} {own}, the sweep is of {job.versions[name]}")
    runs, months = simulate_draws(job)
    failed = sum(run["status"] == FAILED for run in runs)
    if job.trajectories is not None:
        _write(job, TRAJECTORIES, _months_table(months, job.trajectories), {})
    _write(job, RUNS, _runs_table(runs, job), {FAILURES: str(failed).encode()})
    return Outcome(job.shard, len(runs), failed, time.process_time() - started)


Key = tuple[int, str]  # row and arm


def simulate_draws(job: Job) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The runs of a shard, and what is kept of their months, in the order of draws and arms."""
    scenarios = {
        (row, name): job.scenario.with_values({**values, **arm})
        for row, values in job.rows.items()
        for name, arm in job.arms.items()
    }
    for path, content in (entry for scenario in scenarios.values() for entry in scenario.rule_files):
        if job.rule_files and hashlib.sha256(content).hexdigest() != job.rule_files[path]:
            raise Changed(f"{path} was changed while the sweep ran")
    known: dict[tuple[Value, ...], int] = {}
    pasts = {key: known.setdefault(past_key(scenario), len(known)) for key, scenario in scenarios.items()}
    groups: dict[tuple[int, int], list[tuple[Draw, Key]]] = {}
    for draw in job.draws:
        for name in job.arms:
            groups.setdefault((draw.seed, pasts[draw.row, name]), []).append((draw, (draw.row, name)))
    kept, thinned = _columns(job, job.kept), _columns(job, job.trajectories.indicators if job.trajectories else ())
    runs, months = {}, {}
    # rows of one seed one after another: what their regions have in common is built once, however large it is
    for members in sorted(groups.values(), key=lambda members: members[0][0].seed):
        for (draw, key), result in zip(members, _simulate(scenarios, members), strict=True):
            facts = _facts(job, draw, key[1])
            runs[draw, key[1]] = facts | _end(result, kept)
            if job.trajectories is not None and isinstance(result, Trajectory):
                months[draw, key[1]] = facts | _thinned(result, thinned, job.trajectories.every)
    order = [(draw, name) for draw in job.draws for name in job.arms]
    return [runs[one] for one in order], [months[one] for one in order if one in months]


def _simulate(scenarios: Mapping[Key, Scenario], members: Sequence[tuple[Draw, Key]]) -> list[Trajectory | Exception]:
    """Trajectories of runs that share a past, or what each of them died of."""
    arms, seed = [scenarios[key] for _, key in members], members[0][0].seed
    try:
        return [_checked(one) for one in simulate_arms(arms, seed)]
    except Exception as error:
        if len(members) == 1:
            return [error]
        return [result for member in members for result in _simulate(scenarios, [member])]


def _checked(trajectory: Trajectory) -> Trajectory:
    """The trajectory, if all is finite that is defined at all times; shares and means of nobody are not."""
    sometimes = [name in SOMETIMES or name.startswith("adoption.") for name in trajectory.names]
    bad = ~np.isfinite(trajectory.values) & ~(np.isnan(trajectory.values) & np.array(sometimes))
    if bad.any():
        month, column = np.argwhere(bad)[0]
        raise NotFinite(f"{trajectory.names[column]} is not a number in month {month + 1}")
    return trajectory


def _facts(job: Job, draw: Draw, arm: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"run": run_id(draw.identity, arm), "row": draw.row, "replicate": draw.replicate}
    return facts | {"arm": arm, "seed": draw.seed, **job.rows[draw.row]}


def _end(result: Trajectory | Exception, columns: list[int]) -> dict[str, Any]:
    """A run at its horizon; of a failed one the error's type and text, and no numbers."""
    if isinstance(result, Exception):
        text = " ".join(str(result).split())
        return {"status": FAILED, "error_type": type(result).__name__, "error": text, "values": None}
    return {"status": DONE, "error_type": None, "error": None, "values": result.values[-1, columns]}


def _thinned(result: Trajectory, columns: list[int], every: int) -> dict[str, Any]:
    months = np.arange(every, len(result.values) + 1, every)
    return {"months": months, "values": result.values[months - 1][:, columns]}


def _columns(job: Job, names: Sequence[str]) -> list[int]:
    """Places of columns in a trajectory; rows and arms of one scenario have the same."""
    place = {name: number for number, name in enumerate(plan(job.scenario).columns)}
    return [place[name] for name in names]


# -- tables

FACTS = ("run", "row", "replicate", "arm", "seed")


def _facts_table(rows: Sequence[Mapping[str, Any]], swept: Iterable[str]) -> dict[str, pa.Array]:
    """What each row is, by column; the same text over and over stands once."""
    kinds = {"row": np.int32, "replicate": np.int32, "seed": np.int64}
    columns = {"run": _texts([row["run"] for row in rows])}
    for name in (*FACTS[1:], *swept):
        values = [row[name] for row in rows]
        text = name == "arm" or (name not in kinds and bool(rows) and isinstance(values[0], str))
        columns[name] = _labels(values) if text else _numbers(np.array(values, kinds.get(name)))
    return columns


# `pyarrow.array` would import pandas, which no worker needs: columns are made of their buffers.


def _valid(missing: np.ndarray | None) -> pa.Buffer | None:
    import pyarrow as pa

    return None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))


def _numbers(values: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    import pyarrow as pa

    kind, content = pa.from_numpy_dtype(values.dtype), pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [_valid(missing), content])


def _texts(values: Sequence[str | None]) -> pa.Array:
    import pyarrow as pa

    encoded = [(value or "").encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
    missing = np.array([value is None for value in values], bool)
    content = [_valid(missing), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(values), content)


def _labels(values: Sequence[str]) -> pa.Array:
    import pyarrow as pa

    labels = list(dict.fromkeys(values))
    places = {label: number for number, label in enumerate(labels)}
    numbers = np.array([places[value] for value in values], np.int32)
    return pa.DictionaryArray.from_arrays(_numbers(numbers), _texts(labels))


def _runs_table(runs: Sequence[Mapping[str, Any]], job: Job) -> pa.Table:
    """One row a run: what it is, how it ended, and its indicators at the horizon (missing where it failed)."""
    import pyarrow as pa

    columns = _facts_table(runs, next(iter(job.rows.values())))
    for name in ("status", "error_type", "error"):
        columns[name] = _texts([run[name] for run in runs])
    missing = np.array([run["values"] is None for run in runs])
    nothing = np.zeros(len(job.kept))
    values = np.array([nothing if run["values"] is None else run["values"] for run in runs])
    for number, name in enumerate(job.kept):
        columns[name] = _numbers(values[:, number], missing)
    return pa.table(columns)


def _months_table(months: Sequence[Mapping[str, Any]], thinning: Thinning) -> pa.Table:
    """One row a run and month kept; failed runs have none."""
    import pyarrow as pa

    lengths = [len(one["months"]) for one in months]
    where = np.repeat(np.arange(len(months)), lengths)
    facts = pa.table(_facts_table(months, ())).take(_numbers(where)) if months else pa.table(_facts_table([], ()))
    columns = {name: facts[name] for name in facts.column_names}
    columns["month"] = _numbers(np.concatenate([one["months"] for one in months] or [[]]).astype(np.int32))
    values = np.concatenate([one["values"] for one in months] or [np.zeros((0, len(thinning.indicators)))])
    for number, name in enumerate(thinning.indicators):
        columns[name] = _numbers(values[:, number])
    return pa.table(columns)


def _write(job: Job, kind: str, table: pa.Table, more: Mapping[bytes, bytes]) -> None:
    if not job.folder.exists():  # never made anew: without its manifest nobody could tell what is in it
        raise FileNotFoundError(errno.ENOENT, "the folder of the sweep is gone")
    name = f"{kind}/{job.file_name}"
    write_marked(job.folder / name, table, Whose(job.design, name, job.numbering), more)
