"""What several tests need: scenarios, and runs of both arms on a few seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen

import numpy as np
import pytest
from hypothesis import settings
from scipy import stats

from abm.parameters import Value
from abm.scenario import Scenario, load_scenario
from abm.simulate import Trajectory, simulate
from experiments.runner import default_workers, replicate_seeds, run_all
from tests.processes import FORKS, Start, ended, started

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Processes of `make test`: as many as the program itself would use."""
    return default_workers()


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


def runs(
    scenario: Scenario, replicates: int | Sequence[int], changes: Mapping[str, Value] | None = None
) -> list[Trajectory]:
    """Trajectories of a scenario on the same replicate seeds (so many, or these), whatever the changes."""
    changed = scenario.with_values(changes or {})
    seeds = replicate_seeds(7, replicates) if isinstance(replicates, int) else replicates
    return run_all(lambda seed: simulate(changed, seed), seeds)


def horizon(trajectories: list[Trajectory], indicator: str) -> np.ndarray:
    """Value at the end of each run, shape (replicates,)."""
    return np.array([trajectory[indicator][-1] for trajectory in trajectories])


def looks(
    change: Callable[[Sequence[int]], np.ndarray], t: float, most: int = 40
) -> Iterator[tuple[np.ndarray, float]]:
    """Changes in a growing number of replicates, and the t value above which their mean is clear.

    What ten replicates show plainly needs no forty; what they do not is looked at with twenty, and then with the most.
    Each look may be passed by chance with a share of what a single look at the most, above `t`, may (Bonferroni): all
    together no more often than that one. What does nothing has a t value of 0 in each.

    Args:
        change: What is looked at, shape (seeds, ...), on these replicate seeds.
        t: The t value that would be asked of a single look at the most replicates.
        most: Replicates of the last look.
    """
    seeds, chance, found = replicate_seeds(7, most), stats.t.sf(t, most - 1), []
    for begin, end, share in ((0, 10, 0.1), (10, 20, 0.15), (20, most, 0.75)):
        found.append(change(seeds[begin:end]))
        yield np.concatenate(found), float(stats.t.isf(share * chance, end - 1))


def t_value(difference: np.ndarray) -> float:
    """Mean over its standard error; 0 where nothing differs."""
    error = difference.std(ddof=1) / np.sqrt(difference.size)
    return float(difference.mean() / error) if error > 0 else 0.0
