"""Timing side by side: A B A B ..., so that what disturbs the machine disturbs all; ratios are taken round by round."""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from abm.parts import MEMORY


@dataclass(frozen=True)
class Effort:
    """How much to measure: alternations, replicates of what runs many, numbers of firms, and of runs in a sweep."""

    rounds: int
    replicates: int
    sizes: tuple[int, ...]
    sweeps: tuple[int, ...]


@dataclass(frozen=True)
class Spread:
    """Median and range of one number over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Subject:
    """What is timed: `call(round)`; it does the same thing `repeats` times over, and seconds count for one of them."""

    call: Callable[[int], Any]
    repeats: int = 1


@dataclass(frozen=True)
class Times:
    """Seconds and answers of each subject, round by round."""

    seconds: Mapping[str, list[float]]
    answers: Mapping[str, list[Any]]

    def spread(self, name: str, unit: float = 1.0) -> Spread:
        """Of the seconds of one subject, times `unit`."""
        return Spread.of([unit * seconds for seconds in self.seconds[name]])

    def ratio(self, upper: str, lower: str) -> Spread:
        """Of how many times as long one takes as the other in the same round."""
        pairs = zip(self.seconds[upper], self.seconds[lower], strict=True)
        return Spread.of([one / other for one, other in pairs])


def say(text: str) -> None:
    """Progress goes to stderr."""
    print(text, file=sys.stderr, flush=True)


def alternate(rounds: int, subjects: Mapping[str, Subject]) -> Times:
    """Call the subjects in turn, `rounds` times over, every other round backwards."""
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    answers: dict[str, list[Any]] = {name: [] for name in subjects}
    for number in range(rounds):
        say(f"  round {number + 1} of {rounds}")
        for name in list(subjects) if number % 2 == 0 else reversed(list(subjects)):
            gc.collect()
            MEMORY.clear()  # what an earlier round has built is not lent to this one
            start = time.perf_counter()
            answer = subjects[name].call(number)
            seconds[name].append((time.perf_counter() - start) / subjects[name].repeats)
            answers[name].append(answer)
    return Times(seconds, answers)
