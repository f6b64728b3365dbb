"""Reading a design from a TOML file (docs/sweeps.md): checked as a whole, one line for each thing that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from abm.csvfile import unnamed_first
from abm.observe import INDICATORS
from abm.parameters import BY_NAME, Value
from abm.plan import plan
from abm.scenario import NAME, Scenario, ScenarioError, load_scenario
from abm.tablefile import read_lines
from abm.texts import DataError, nearest, quoted, read_toml, shown
from experiments.designs import (
    COMMON,
    DEFAULT_ARMS,
    INDEPENDENT,
    KINDS,
    SEEDS,
    Columns,
    Design,
    Thinning,
    check_rows,
)
from experiments.files import beside
from experiments.limits import LARGEST_SEED, MOST_RUNS
from experiments.ranges import Range, flat_ranges, read_range

KEYS = (
    "name", "region", "scenario", "months", "kind", "rows", "second_order", "table", "replicates", "seed", "seeds",
    "indicators", "trajectories", "parameters", "ranges", "arms",
)  # fmt: skip
TABLE = "table"  # the kind whose rows stand in a CSV file


def load_design(file: str | Path, max_runs: int = MOST_RUNS) -> Design:
    """The design of a TOML file, checked as a whole; raises ScenarioError, one line for each thing that is wrong."""
    file = Path(file)
    try:
        content = read_toml(file)
        return _Reader(file, content, max_runs).design()
    except DataError as error:
        raise ScenarioError(error.errors) from None


class _Reader:
    """Reads a design file and gathers what is wrong with it."""

    def __init__(self, file: Path, content: Mapping[str, Any], max_runs: int) -> None:
        self.file, self.content, self.max_runs = file, content, max_runs
        self.errors = [f"{file}: unknown key {shown(key)}{nearest(key, KEYS)}" for key in content if key not in KEYS]

    def design(self) -> Design:
        """The design, or ScenarioError."""
        for key in ("parameters", "ranges", "arms"):
            if not isinstance(self.content.get(key, {}), Mapping):
                self.wrong(f"{key}: expected a table")
        self.stop()
        kind = self.kind()
        sampled = kind in KINDS and KINDS[kind].sampled
        replicates, seed = self.count("replicates", 10, 1), self.count("seed", 1, 0, LARGEST_SEED)
        seeds = self.choice("seeds", SEEDS, INDEPENDENT if sampled else COMMON)
        if sampled:
            self.count("rows", None, 2)
        if not isinstance(self.content.get("second_order", False), bool):
            self.wrong("second_order: expected true or false")
        arms = self.arms()
        self.stop()
        base = self.base()
        ranges = self.ranges(kind, base)
        self.stop()
        rows = KINDS[kind].count(ranges, self.content) if kind in KINDS else 1
        if rows * replicates * len(arms) > self.max_runs:
            self.wrong(f"{rows * replicates * len(arms)} runs, more than max_runs {self.max_runs}")
            self.stop()
        columns = self.columns(kind, ranges, base, seed)
        indicators = self.indicators("indicators", base, self.content.get("indicators", []))
        trajectories = self.thinning(base)
        self.stop()
        layout = {"kind": kind, "ranges": {one.name: one.as_dict() for one in ranges}}
        name = str(self.content.get("name", self.file.stem))
        if not NAME.fullmatch(name):
            self.wrong("name: letters, digits, space, point and hyphen only")
            self.stop()
        design = Design(
            name, base, columns, replicates, arms, seed, seeds == COMMON, indicators, trajectories, layout
        )  # fmt: skip
        if design.runs > self.max_runs:  # of a table
            self.wrong(f"{design.runs} runs, more than max_runs {self.max_runs}")
            self.stop()
        check_rows(design, str(self.file))
        return design

    def wrong(self, text: str) -> None:
        """Note an error."""
        self.errors.append(f"{self.file}: {text}")

    def stop(self) -> None:
        """Raise what was noted so far."""
        if self.errors:
            raise ScenarioError(self.errors)

    def kind(self) -> str:
        """How rows are laid out."""
        known = (*KINDS, TABLE)
        if "kind" not in self.content:
            self.wrong(f"kind is missing; known: {', '.join(known)}")
        kind = self.choice("kind", known, "factorial")
        taken = KINDS[kind].keys if kind in KINDS else (TABLE,)
        for key in ("rows", "second_order", TABLE):
            if key in self.content and key not in taken:
                self.wrong(f"{key}: not a key of kind {kind}")
        return kind

    def choice(self, key: str, known: Sequence[str], default: str) -> str:
        """A word out of several."""
        value = self.content.get(key, default)
        if value not in known:
            self.wrong(f"{key}: no {quoted(value)}; known: {', '.join(known)}{nearest(str(value), tuple(known))}")
        return str(value)

    def count(self, key: str, default: int | None, least: int, most: int = MOST_RUNS) -> int:
        """A whole number; without a default it must be given."""
        value = self.content.get(key, default)
        if value is None:
            self.wrong(f"{key} is missing: how many")
        elif isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.wrong(f"{key}: {quoted(value)} is not a whole number from {least} to {most}")
        else:
            return value
        return least

    def ranges(self, kind: str, base: Scenario) -> list[Range]:
        """What is swept, by parameter."""
        given, ranges = dict(flat_ranges(self.content.get("ranges", {}))), []
        if kind == TABLE:
            if given:
                self.wrong("ranges: a table brings its own rows; leave them out")
            return []
        if not given:
            self.wrong("ranges: nothing is swept; give at least one parameter")
        for name, one in given.items():
            try:
                ranges.append(read_range(name, one, base.values))
            except ValueError as error:
                self.wrong(f"ranges: {error}")
        return ranges

    def arms(self) -> Mapping[str, Mapping[str, Value]]:
        """The arms by name; with and without the centre if the file says nothing."""
        given = self.content.get("arms", {})
        arms = {}
        for name, changes in given.items():
            if not isinstance(changes, Mapping):
                self.wrong(f"arms.{shown(name)}: expected a table of parameters")
                continue
            arms[name] = self.values(f"arms.{shown(name)}", changes)
        return arms or DEFAULT_ARMS

    def values(self, where: str, tree: Mapping[str, Any]) -> dict[str, Value]:
        """Checked values by parameter."""
        values: dict[str, Value] = {}
        for name, value in flat_ranges(tree):
            parameter = BY_NAME.get(name)
            if parameter is None:
                self.wrong(f"{where}: no parameter {shown(name)}{nearest(name, tuple(BY_NAME))}")
            elif problem := parameter.check(value):
                self.wrong(f"{where}: {name}: {problem}{nearest(str(value), parameter.choices)}")
            else:
                values[name] = type(parameter.default)(value)
        return values

    def base(self) -> Scenario:
        """The scenario that rows and arms change."""
        sources = [key for key in ("region", "scenario") if key in self.content]
        if len(sources) != 1 or not isinstance(self.content[sources[0]], str):
            self.wrong('give one of region = "..." and scenario = "file.toml"')
            self.stop()
        source = beside(self.file, self.content[sources[0]], sources == ["scenario"])
        return load_scenario(source, self.values("parameters", self.content.get("parameters", {})),
                             months=self.content.get("months"))  # fmt: skip

    def columns(self, kind: str, ranges: list[Range], base: Scenario, seed: int) -> Columns:
        """The rows as columns."""
        try:
            if kind == TABLE:
                return read_table(self.file.parent / str(self.content.get("table", "")))
            return KINDS[kind].lay_out(ranges, self.content, base, seed)
        except DataError as error:
            self.errors += error.errors
            return {}
        except ValueError as error:
            self.wrong(str(error))
            return {}

    def indicators(self, where: str, base: Scenario, given: Any) -> tuple[str, ...]:
        """Names of columns, each known."""
        known = plan(base).columns
        if not isinstance(given, list):
            self.wrong(f"{where}: expected a list of names")
            return ()
        for name in given:
            if name not in known:
                names = tuple(one.name for one in INDICATORS)
                self.wrong(f"{where}: no indicator {shown(name)}{nearest(str(name), (*names, *known))}")
        return tuple(dict.fromkeys(map(str, given)))

    def thinning(self, base: Scenario) -> Thinning | None:
        """What is kept of the months."""
        given = self.content.get("trajectories")
        if given is None:
            return None
        keys = ("indicators", "every")
        if not isinstance(given, Mapping) or any(key not in keys for key in given):
            self.wrong(f"trajectories: expected a table of {' and '.join(keys)}")
            return None
        every = given.get("every", 12)
        if isinstance(every, bool) or not isinstance(every, int) or not 1 <= every <= base.months:
            self.wrong(f"trajectories: every: {quoted(every)} is not a whole number from 1 to {base.months} (months)")
            return None
        names = self.indicators("trajectories.indicators", base, given.get("indicators", []))
        return Thinning(names or tuple(one.name for one in INDICATORS), every)


def read_table(file: Path) -> Columns:
    """Rows of a table (abm/tablefile.py) with a parameter's name over each column; raises DataError naming the line."""
    table = read_lines(file)
    if not table.lines:
        raise DataError([f"{file}: is empty"])
    (line, names), *rows = table.lines
    header = [str("" if name is None else name) for name in names]
    header = header[: max((place for place, name in enumerate(header, start=1) if name), default=0)]
    _check_header(f"{file}: line {line}", header)
    if not rows:
        raise DataError([f"{file}: has no rows"])
    numerals = table.numerals(1, len(header))
    values: dict[str, list[Value]] = {name: [] for name in header}
    for number, row in rows:
        cells = row[: len(header)] if not any(row[len(header) :]) else row
        cells += [None] * (len(header) - len(row)) if not table.between else []  # a workbook ends with what is there
        if len(cells) != len(header):
            raise DataError([f"{file}: line {number} has {len(row)} cells, not {len(header)}"])
        for place, (name, cell) in enumerate(zip(header, cells, strict=True)):
            try:
                value = numerals.read(place, cell) if BY_NAME[name].numeric else cell and str(cell)
            except ValueError as error:
                raise DataError([f"{file}: line {number}: {name}: {error}"]) from None
            problem = "missing" if value is None else BY_NAME[name].check(value)
            if problem or value is None:
                raise DataError([f"{file}: line {number}: {name}: {problem}"])
            values[name].append(type(BY_NAME[name].default)(value))
    return {name: np.array(column) for name, column in values.items()}


def _check_header(where: str, header: Sequence[str]) -> None:
    """Raise DataError for a line of names that are not all parameters, each once."""
    if unnamed_first(header):
        raise DataError([f"{where}: the first column has no name; if pandas wrote it, use to_csv(..., index=False)"])
    for name in header:
        if name not in BY_NAME:
            raise DataError([f"{where}: no parameter {quoted(name)}{nearest(name, tuple(BY_NAME))}"])
        if header.count(name) > 1:
            raise DataError([f"{where}: {name} is given twice"])
