"""Looks at ten, twenty and then forty replicates err no more often than one at forty, and see nearly as much."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from abm.parameters import Value
from abm.scenario import Scenario
from tests.conftest import horizon, looks, runs, t_value

SAMPLES = 1500


def _shares(effect: float, t: float) -> tuple[float, float]:
    """How often looks are passed, and one look at forty, if the mean is so many standard deviations from 0."""
    random, passed, plain = np.random.default_rng(3), 0, 0
    for _ in range(SAMPLES):
        drawn = iter(np.split(random.normal(effect, 1.0, 40), [10, 20]))
        found = [(t_value(change), clear) for change, clear in looks(lambda _, parts=drawn: next(parts), t)]
        passed += any(value > clear for value, clear in found)
        plain += found[-1][0] > t
    return passed / SAMPLES, plain / SAMPLES


def test_noise_passes_no_more_often_than_by_one_look() -> None:
    chance = float(stats.t.sf(2.0, 39))
    passed, plain = _shares(0.0, 2.0)
    assert passed <= chance + 3.0 * math.sqrt(chance / SAMPLES)
    assert passed > chance / 3.0  # and not by being idle
    assert plain == pytest.approx(chance, abs=3.0 * math.sqrt(chance / SAMPLES))


@pytest.mark.parametrize("effect", [0.3, 0.6, 0.9])
def test_what_one_look_sees_is_seen(effect: float) -> None:
    """Half, nearly all and all of such effects are clear in forty; of them less than one in twenty more is missed."""
    passed, plain = _shares(effect, 2.0)
    assert passed > plain - 0.05


def test_what_does_nothing_is_never_clear(tiny: Scenario) -> None:
    """Reach of a centre in which nobody works: the same runs at both ends."""
    alone: dict[str, Value] = {"facilitator.fte": 0.0}

    def change(seeds: Sequence[int]) -> np.ndarray:
        low, high = (horizon(runs(tiny, seeds, alone | {"facilitator.cases": cases}), "exchanges") for cases in (2, 24))
        return high - low

    assert [t_value(found) for found, _ in looks(change, 3.0)] == [0.0, 0.0, 0.0]
