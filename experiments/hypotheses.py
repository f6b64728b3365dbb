"""Hypotheses put to the model: contrasts of its runs, tested one pair of replicates after the other until it is clear.

A claim (claims.py) is decided when a confidence sequence excludes the one or the other, so the number of replicates may
follow what is seen; the error is shared equally by all claims of a file (Bonferroni), so that the chance of any wrong
decision in it is `error` at most. The replicate is the unit.

A hypothesis is supported when all its claims are, rejected when any is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationError

from abm.catalogue import field_errors
from abm.parameters import BY_NAME, Value
from abm.plan import plan
from abm.scenario import Scenario, ScenarioError, load_scenario
from abm.texts import DataError, nearest, quoted, read_toml, shown
from experiments.claims import REJECTED, SUPPORTED, UNDECIDED, Claim, Finding, Hypothesis, Row, Term, Verdict
from experiments.designs import Design, Thinning
from experiments.files import beside
from experiments.ranges import flat_ranges
from experiments.shards import TRAJECTORIES
from experiments.store import Store, replicates_there
from experiments.sweep import SweepError, run_sweep

STUDIES = Path(__file__).with_name("studies")
ONLY = "run"  # the one arm of a cell

Watch = Callable[[int, int, int], None]  # replicates so far, claims decided, claims in all


class Pairs(Row):
    """Replicates: at the first look, more at each further one, at most."""

    first: int = Field(default=50, ge=10)
    step: int = Field(default=25, ge=1)
    most: int = Field(default=1000, ge=10, le=1_000_000)


class _File(Row):
    name: str
    region: str = ""
    scenario: str = ""
    months: int | None = None
    error: float = Field(default=0.05, gt=0.0, lt=0.5)
    seed: int = Field(default=1, ge=0, lt=2**63, strict=True)
    pairs: Pairs = Pairs()
    parameters: dict[str, Any] = Field(default_factory=dict)
    cells: dict[str, dict[str, Any]]
    hypothesis: tuple[Hypothesis, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Hypotheses:
    """A checked file of hypotheses: their cells as the rows of a design."""

    name: str
    scenario: Scenario
    cells: Mapping[str, Mapping[str, Value]]
    hypotheses: tuple[Hypothesis, ...]
    error: float
    pairs: Pairs
    seed: int

    @property
    def claims(self) -> list[Claim]:
        """All claims of all hypotheses."""
        return [claim for hypothesis in self.hypotheses for claim in hypothesis.claim]

    @property
    def error_each(self) -> float:
        """Error of one claim."""
        return self.error / len(self.claims)

    @property
    def months_asked(self) -> list[int]:
        """Months besides the horizon at which an indicator is asked for."""
        asked = {month for claim in self.claims for term in claim.terms for month in (term.month, term.since)}
        return sorted(asked - {0, self.scenario.months})

    @property
    def indicators(self) -> tuple[str, ...]:
        """All that any claim asks for."""
        names = [term.indicator or claim.indicator for claim in self.claims for term in claim.terms]
        return tuple(dict.fromkeys(names))

    def design(self, replicates: int) -> Design:
        """The cells as rows, with common seeds, and the months that are asked for."""
        names = list(dict.fromkeys(name for cell in self.cells.values() for name in cell))
        values = self.scenario.values
        columns = {name: np.array([cell.get(name, values[name]) for cell in self.cells.values()]) for name in names}
        months = self.months_asked
        every = reduce(math.gcd, months) if months else 0
        thinning = Thinning(self.indicators, every) if months else None
        arms: dict[str, dict[str, Value]] = {ONLY: {}}
        return Design(
            self.name, self.scenario, columns, replicates, arms, self.seed, True, self.indicators, thinning,
            {"kind": "cells", "cells": list(self.cells)},
        )  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What was found on a file of hypotheses."""

    asked: Hypotheses
    findings: tuple[tuple[Hypothesis, tuple[Finding, ...]], ...]
    pairs: int

    def verdict(self, findings: Sequence[Finding]) -> Verdict:
        """Of a hypothesis by its claims."""
        verdicts = [one.verdict for one in findings]
        if REJECTED in verdicts:
            return REJECTED
        return SUPPORTED if all(one == SUPPORTED for one in verdicts) else UNDECIDED

    def rows(self) -> list[dict[str, Any]]:
        """One row a claim."""
        return [
            {
                "hypothesis": hypothesis.name,
                "statement": hypothesis.statement,
                "source": hypothesis.source,
                "verdict": self.verdict(findings),
                "claim": one.claim.text,
                "direction": one.claim.direction,
                "smallest": one.claim.smallest,
                "unit": one.claim.unit,
                "claim_verdict": one.verdict,
                "pairs": one.shown.pairs,
                "left_out": one.shown.left_out,
                "mean": _bounded(one.shown.mean),
                "low": _bounded(one.shown.low),
                "high": _bounded(one.shown.high),
                "error": self.asked.error_each,
                "seed": self.asked.seed,
            }
            for hypothesis, findings in self.findings
            for one in findings
        ]

    def as_dict(self) -> dict[str, Any]:
        """As printed by `hypotheses --json`."""
        return {
            "name": self.asked.name,
            "scenario": self.asked.scenario.name,
            "family_error": self.asked.error,
            "pairs": self.pairs,
            "seed": self.asked.seed,
            "claims": self.rows(),
        }


def _bounded(end: float) -> float | None:
    return end if math.isfinite(end) else None


# -- reading


def study_names() -> list[str]:
    """Files of hypotheses that come with the program."""
    return sorted(file.stem for file in STUDIES.glob("*.toml"))


def load_hypotheses(source: str | Path) -> Hypotheses:
    """The hypotheses of a TOML file or of one that comes with the program; raises ScenarioError."""
    file = Path(source)
    if file.suffix != ".toml":
        if str(source) not in study_names():
            known = ", ".join(study_names())
            raise ScenarioError([f"no hypotheses {str(source)!r}; known: {known}; or name a file ending in .toml"])
        file = STUDIES / f"{source}.toml"
    try:
        content = read_toml(file)
        read = _File(**{"name": file.stem, **content})
    except DataError as error:
        raise ScenarioError(error.errors) from None
    except ValidationError as error:
        raise ScenarioError(field_errors(str(file), error)) from None
    if bool(read.region) == bool(read.scenario):
        raise ScenarioError([f'{file}: give one of region = "..." and scenario = "file.toml"'])
    base = load_scenario(
        beside(file, read.region or read.scenario, bool(read.scenario)),
        dict(flat_ranges(read.parameters)),
        months=read.months,
    )
    cells = {name: _typed(cell) for name, cell in read.cells.items()}
    asked = Hypotheses(read.name, base, cells, read.hypothesis, read.error, read.pairs, read.seed)
    errors = [f"{file}: {line}" for line in _problems(asked)]
    if errors:
        raise ScenarioError(errors)
    for name, cell in asked.cells.items():
        try:
            base.with_values(cell)
        except ScenarioError as error:
            raise ScenarioError([f"{file}: cells.{shown(name)}: {line}" for line in error.errors]) from None
    return asked


def _typed(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a cell as their parameters have them, so that no column of cells is of another kind than its values."""
    values = dict(flat_ranges(cell))
    right = {name for name, value in values.items() if name in BY_NAME and not BY_NAME[name].check(value)}
    return {name: type(BY_NAME[name].default)(value) if name in right else value for name, value in values.items()}


def limited(asked: Hypotheses, most: int | None) -> Hypotheses:
    """The same with fewer replicates at most; raises ScenarioError for more than the file allows."""
    if most is None:
        return asked
    if most > asked.pairs.most:
        raise ScenarioError([f"most {most}: the file allows {asked.pairs.most} replicates"])
    return replace(asked, pairs=asked.pairs.model_copy(update={"most": most}))


def _problems(asked: Hypotheses) -> list[str]:
    known, columns = tuple(asked.cells), plan(asked.scenario).columns
    errors = [] if any(asked.cells.values()) else ["cells: none of them changes anything"]
    for name, cell in asked.cells.items():
        for key, value in cell.items():
            if key not in BY_NAME:
                errors.append(f"cells.{shown(name)}: no parameter {shown(key)}{nearest(key, tuple(BY_NAME))}")
            elif problem := BY_NAME[key].check(value):
                errors.append(f"cells.{shown(name)}: {key}: {problem}")
    for claim in asked.claims:
        for term in claim.terms:
            indicator = term.indicator or claim.indicator
            errors += [
                f"{shown(claim.text)}: no cell {quoted(cell)}{nearest(cell, known)}"
                for cell in dict.fromkeys((term.cell, term.over))
                if cell and cell not in known
            ]
            if indicator not in columns:
                errors.append(f"{shown(claim.text)}: no indicator {shown(indicator)}{nearest(indicator, columns)}")
            if max(term.month, term.since) > asked.scenario.months:
                errors.append(f"{shown(claim.text)}: month {max(term.month, term.since)} is after the end of the run")
    return errors


# -- testing


def put_to_test(
    asked: Hypotheses,
    folder: str | Path,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    watch: Watch | None = None,
) -> Result:
    """Add replicates until every claim is decided or there are as many as the file allows.

    The runs are a sweep in `folder`, so the same call goes on where an interrupted one ended, on the same digits.
    """
    findings = [(one, tuple(Finding(claim) for claim in one.claim)) for one in asked.hypotheses]
    every = [finding for _, some in findings for finding in some]
    replicates = min(asked.pairs.first, asked.pairs.most)
    there = replicates_there(Path(folder))
    while True:
        report = run_sweep(asked.design(max(replicates, there)), folder, workers=workers, executor=executor)
        if report.left:
            reason = next(iter(report.killers.values()), "stopped")
            raise SweepError(f"{folder}: {report.left} runs could not be done ({reason}); the same command goes on")
        samples = contrasts(asked, Store(folder), replicates)
        for finding, sample in zip(every, samples, strict=True):
            finding.look(sample, asked.error_each)
        decided = sum(finding.verdict != UNDECIDED for finding in every)
        if watch:
            watch(replicates, decided, len(every))
        if decided == len(every) or replicates >= asked.pairs.most:
            return Result(asked, tuple(findings), replicates)
        replicates = min(replicates + asked.pairs.step, asked.pairs.most)


def contrasts(asked: Hypotheses, store: Store, replicates: int) -> list[np.ndarray]:
    """The sum of each claim in each replicate, shape (replicates,), NaN where it is not defined.

    Raises ScenarioError if runs failed or miss.
    """
    design, names = asked.design(replicates), list(asked.indicators)
    ends = store.outputs(design, names)[:, :, 0]
    at = {asked.scenario.months: ends, 0: ends}
    if design.trajectories is not None:
        months = store.outputs(design, names, TRAJECTORIES)[:, :, 0]
        every = design.trajectories.every
        at |= {month: months[:, :, month // every - 1] for month in asked.months_asked}
    places = {name: number for number, name in enumerate(asked.cells)}

    def value(claim: Claim, term: Term, cell: str) -> np.ndarray:
        column = names.index(term.indicator or claim.indicator)
        found: np.ndarray = at[term.month][places[cell], :, column]
        return found - at[term.since][places[cell], :, column] if term.since else found

    def of_term(claim: Claim, term: Term) -> np.ndarray:
        found = value(claim, term, term.cell)
        if not term.over:
            return found
        over = value(claim, term, term.over)
        return np.divide(found, over, out=np.full_like(found, np.nan), where=over != 0.0)

    return [sum((term.weight * of_term(claim, term) for term in claim.terms), np.zeros(replicates))
            for claim in asked.claims]  # fmt: skip
