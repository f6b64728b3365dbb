"""What several tests need: scenarios, and runs of both arms on a few seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen

import numpy as np
import pytest
from hypothesis import settings

from abm.parameters import Value
from abm.scenario import Scenario, load_scenario
from abm.simulate import Trajectory, simulate
from experiments.runner import replicate_seeds, run_all
from tests.processes import FORKS, Start, ended, started

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def tiny() -> Scenario:
    return load_scenario("tiny")


@pytest.fixture(scope="session")
def region() -> Scenario:
    return load_scenario("ostergotland")


@pytest.fixture(scope="session", autouse=True)
def _forks_end() -> Iterator[None]:
    yield
    FORKS.end()


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a command; that, and all that it started, ends with the test, whatever becomes of the test."""
    with ExitStack() as under_way:

        def begin(command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> Popen[str]:
            process = started(command, cwd, env)
            under_way.callback(ended, process)
            return process

        yield begin


def runs(scenario: Scenario, replicates: int, changes: Mapping[str, Value] | None = None) -> list[Trajectory]:
    """Trajectories of a scenario on the same replicate seeds, whatever the changes."""
    changed = scenario.with_values(changes or {})
    return run_all(lambda seed: simulate(changed, seed), replicate_seeds(7, replicates))


def horizon(trajectories: list[Trajectory], indicator: str) -> np.ndarray:
    """Value at the end of each run, shape (replicates,)."""
    return np.array([trajectory[indicator][-1] for trajectory in trajectories])


def t_value(difference: np.ndarray) -> float:
    """Mean over its standard error; 0 where nothing differs."""
    error = difference.std(ddof=1) / np.sqrt(difference.size)
    return float(difference.mean() / error) if error > 0 else 0.0
