"""All benchmarks by name, in the order in which they run: a benchmark is a function and a line here."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import (
    building,
    compiling,
    dense,
    mechanisms,
    parallel,
    profile,
    runners,
    scale,
    startup,
    study,
    sweep,
    twin,
)
from benchmarks.report import Result
from benchmarks.timing import Effort

BENCHMARKS: dict[str, Callable[[Effort], Result]] = {
    "twin": twin.measure,
    "dense": dense.measure,
    "runners": runners.measure,
    "parallel": parallel.measure,
    "sweep": sweep.measure,
    "building": building.measure,
    "scale": scale.measure,
    "profile": profile.measure,
    "mechanisms": mechanisms.measure,
    "startup": startup.measure,
    "compiling": compiling.measure,
    "study": study.measure,
}
