"""What a hypothesis says, as claims on sums over runs, and what looks at a growing sample say to a claim.

A claim is a weighted sum of indicators over cells (variants of the scenario, all on the same replicates), or of their
ratios to the same indicator in another cell, said to be above or below its smallest effect of interest, or within it of
zero. A replicate in which any of it is not defined (a share of nobody, a ratio to nothing) is left out and counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from experiments.effect import unit
from experiments.sequences import interval

Verdict = Literal["supported", "rejected", "undecided"]
SUPPORTED: Verdict = "supported"
REJECTED: Verdict = "rejected"
UNDECIDED: Verdict = "undecided"


class Row(BaseModel):
    """A table of a file of hypotheses: it has no other keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Term(Row):
    """`weight` times an indicator of a cell after `month` (0: at the horizon), less its value after `since`.

    With `over`, that divided by the same of the cell `over`, in each replicate.
    """

    cell: str
    over: str = ""
    weight: float = Field(allow_inf_nan=False)
    indicator: str = ""  # empty: the claim's
    month: int = Field(default=0, ge=0)
    since: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Term:
        if self.month and self.since >= self.month:
            raise ValueError(f"since: month {self.since} is not before month {self.month}")
        return self


class Claim(Row):
    """What a sum of terms is said to be: `above` smallest, `below` -smallest, or `within` smallest of zero."""

    text: str
    indicator: str
    direction: Literal["above", "below", "within"]
    smallest: float = Field(ge=0.0, allow_inf_nan=False)
    terms: tuple[Term, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _within_something(self) -> Claim:
        if self.direction == "within" and self.smallest == 0.0:
            raise ValueError("smallest: nothing is within 0 of zero")
        return self

    @model_validator(mode="after")
    def _of_one_kind(self) -> Claim:
        if self.relative and not all(term.over for term in self.terms):
            raise ValueError("terms: some have over, some have none; a ratio and a value have no sum")
        return self

    @property
    def relative(self) -> bool:
        """Is it a sum of ratios?"""
        return any(term.over for term in self.terms)

    @property
    def unit(self) -> str:
        """Of the sum."""
        return "share" if self.relative else unit(self.indicator)

    def decide(self, low: float, high: float) -> Verdict:
        """What an interval says."""
        if self.direction == "below":
            low, high = -high, -low
        if self.direction == "within":
            inside, outside = (
                -self.smallest < low and high < self.smallest,
                low > self.smallest or high < -self.smallest,
            )
            return SUPPORTED if inside else REJECTED if outside else UNDECIDED
        return SUPPORTED if low > self.smallest else REJECTED if high < self.smallest else UNDECIDED


class Hypothesis(Row):
    """A statement with its source, and the claims that all must hold."""

    name: str
    statement: str
    source: str
    claim: tuple[Claim, ...] = Field(min_length=1)


class Look(NamedTuple):
    """Mean of a contrast with its confidence sequence over `pairs` replicates, `left_out` of them as not defined.

    `same`: all that are defined have the same value. The mean of none is nan.
    """

    pairs: int
    mean: float
    low: float
    high: float
    left_out: int
    same: bool


@dataclass
class Finding:
    """A claim, what was decided, and what each look saw."""

    claim: Claim
    looks: list[Look] = field(default_factory=list)
    verdict: Verdict = UNDECIDED
    decided_at: int | None = None

    @property
    def shown(self) -> Look:
        """The look at which it was decided, or the last."""
        return next((look for look in self.looks if look.pairs == self.decided_at), self.looks[-1])

    def look(self, sample: np.ndarray, error: float) -> None:
        """Take a further look at a growing sample, NaN where not defined; a decision once made stands."""
        defined = sample[~np.isnan(sample)]
        mean, low, high = interval(defined, error) if defined.size else (math.nan, -math.inf, math.inf)
        same = bool(defined.size and np.all(defined == defined[0]))
        self.looks.append(Look(sample.size, mean, low, high, sample.size - defined.size, same))
        if self.verdict == UNDECIDED:
            self.verdict = self.claim.decide(low, high)
            self.decided_at = sample.size if self.verdict != UNDECIDED else None
