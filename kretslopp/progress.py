"""Progress on stderr: a bar on a terminal, a plain line every tenth otherwise."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any


class Reporter:
    """Tells at once what is being done, and then how many of `total` (None: the first update says of how many) are; use
    as a context. Before anything else the model is compiled, if it is the model that is at work."""

    def __init__(self, what: str, total: int | None, *, runs: bool = True) -> None:
        self.what, self.total, self.runs = what, total, runs
        self.bar: Any = None
        self.task: Any = None
        self.told = 0

    def __enter__(self) -> Reporter:
        if self.runs:
            compile_first()
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self.bar.start()
            self.task = self.bar.add_task(self.what, total=self.total)
        elif self.total is None:
            print(f"{self.what} ...", file=sys.stderr, flush=True)
        else:
            print(f"{self.what}: 0 of {self.total}", file=sys.stderr, flush=True)
        return self

    def update(self, done: int, total: int) -> None:
        """`done` of `total` are finished."""
        if self.bar:
            self.bar.update(self.task, completed=done, total=total, description=self.what)
        elif total:
            if total != self.total:  # it is more than was thought
                self.total, self.told = total, (done - 1) * 10 // total
            if done * 10 // total <= self.told:
                return
            self.told = done * 10 // total
            print(f"{self.what}: {done} of {total}", file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()


def compile_first() -> None:
    """Compile the model unless that was done on this machine before, and say how far it is."""
    from abm.compiling import prepare
    from experiments.runner import default_workers

    with ExitStack() as stack:
        reporter: Reporter | None = None

        def tell(done: int, total: int) -> None:
            nonlocal reporter
            if reporter is None:
                reporter = stack.enter_context(Reporter("compiling the model, once on this machine", total, runs=False))
            reporter.update(done, total)

        prepare(default_workers(), tell)


class Stages:
    """A reporter for each stage of a long job, one after the other; use as a context."""

    def __init__(self) -> None:
        self.open = ExitStack()

    def __enter__(self) -> Stages:
        return self

    def stage(self, name: str) -> Callable[[int, int], None]:
        """End the stage before and begin this one; returns where to tell how far it is."""
        self.open.close()
        return self.open.enter_context(Reporter(name, None)).update

    def __exit__(self, *error: object) -> None:
        self.open.close()
