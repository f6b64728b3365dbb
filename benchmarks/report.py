"""What a benchmark hands back, and how all of it becomes Markdown and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.timing import Spread
from experiments.files import whole, write_json, write_text

FOLDER = Path(__file__).parent
Cell = str | int | float | Spread | None


@dataclass(frozen=True)
class Table:
    """Rows under columns; units stand in the columns' names."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Criterion:
    """What was promised of a measured number, and whether its median keeps it."""

    promise: str
    measured: Spread
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool:
        """Is the median within the bounds?"""
        above = self.at_least is None or self.measured.median >= self.at_least
        return above and (self.at_most is None or self.measured.median <= self.at_most)


@dataclass(frozen=True)
class Result:
    """Answer to one question: promises first, tables, how it was measured, perhaps a figure."""

    question: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    criteria: tuple[Criterion, ...] = ()
    figure: Figure | None = None


def number(value: float) -> str:
    """Three digits, whole from 100 on."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def text(cell: Cell) -> str:
    """A cell in Markdown; a spread as its median with its range."""
    if isinstance(cell, Spread):
        return f"{number(cell.median)} ({number(cell.low)} to {number(cell.high)})"
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else number(cell)


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(text(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def section(name: str, result: Result) -> str:
    """One benchmark in Markdown."""
    parts = [f"## {name}: {result.question}\n"]
    for one in result.tables:
        parts += [f"{one.title}\n", table(one.columns, one.rows)]
    if result.figure:
        parts.append(f"![{name}]({name}.png)\n")
    if result.notes:
        parts.append("\n".join(f"- {note}" for note in result.notes) + "\n")
    return "\n".join(parts)


def promises(results: Mapping[str, Result]) -> str:
    """All criteria in one table."""
    rows = [
        (name, one.promise, one.measured, "kept" if one.is_met else "**not kept**")
        for name, result in results.items()
        for one in result.criteria
    ]
    return table(("benchmark", "promise", "measured", ""), rows)


def markdown(facts: Mapping[str, str], results: Mapping[str, Result]) -> str:
    """The whole page: what was promised, the machine, and each benchmark."""
    head = (
        "# What the simulator costs\n\n"
        f"Written by `{facts['command']}`; do not edit. Cells are medians over rounds with their range; ratios are "
        "taken within a round,\nin which all subjects ran one after the other. Ratios are what to rely on: absolute "
        "times are for orientation and move\nwith the load of the machine.\n"
    )
    sections = [section(name, result) for name, result in results.items()]
    return "\n".join([head, promises(results), table(("machine", ""), list(facts.items())), *sections])


def as_json(facts: Mapping[str, str], results: Mapping[str, Result]) -> dict[str, Any]:
    """The same for machines."""
    return {
        "machine": dict(facts),
        "benchmarks": {
            name: {
                "question": result.question,
                "criteria": [asdict(one) | {"is_met": one.is_met} for one in result.criteria],
                "tables": [asdict(one) for one in result.tables],
                "notes": result.notes,
            }
            for name, result in results.items()
        },
    }


def write(facts: Mapping[str, str], results: Mapping[str, Result]) -> None:
    """RESULTS.md, results.json and the figures, each written whole."""
    for name, result in results.items():
        if result.figure:
            with whole(FOLDER / f"{name}.png") as temporary:
                result.figure.savefig(temporary, format="png", dpi=120)
    write_json(FOLDER / "results.json", as_json(facts, results))
    write_text(FOLDER / "RESULTS.md", markdown(facts, results))
