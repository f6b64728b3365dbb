"""Discovery by calendar, and cases by list, against a plain scan of every pair every month: the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abm.month import months
from abm.observe import ROW
from abm.parameters import record
from abm.plan import plan
from abm.ruleset import slots
from abm.scenario import Scenario
from abm.simulate import build, initial_state
from abm.state import LATENT, RESTING, State
from tests.dense import dense_months
from tests.engine import of_pairs


def _run(step: Any, scenario: Scenario, seed: int) -> tuple[np.ndarray, np.ndarray, State]:
    world, _ = build(scenario, seed)
    p = record(dict(scenario.values))
    state = initial_state(p, world, plan(scenario).most_carried)
    rows = plan(scenario).rows(scenario.months)
    step(0, len(world.levers), p, world, state, slots(scenario.values), rows)
    return rows.indicators.view("f8"), rows.groups, state


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"facilitator.fte": 0.0},
        {"facilitator.fte": 16.0, "discovery.cool_down": 1, "facilitator.stop": 100},
        {"discovery.finds": 0.8, "discovery.social_gain": 0.0, "learning.aware_start": 0.9},
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_calendar_equals_dense_scan(region: Scenario, changes: dict[str, Any], seed: int) -> None:
    scenario = region.with_values(changes)
    indicators, groups, state = _run(months, scenario, seed)
    dense_indicators, dense_groups, dense_state = _run(dense_months, scenario, seed)
    assert indicators.view(ROW)["found_self"][-1] > 100
    assert np.array_equal(indicators, dense_indicators, equal_nan=True)
    assert np.array_equal(groups, dense_groups, equal_nan=True)
    assert np.array_equal(state.persons, dense_state.persons)
    for field in ("stage", "attempt"):
        assert np.array_equal(state.pairs[field], dense_state.pairs[field]), field
    for field in ("quantity", "clock", "threshold", "found", "started_at"):
        assert np.array_equal(of_pairs(state, field), of_pairs(dense_state, field)), field


def test_calendar_holds_each_latent_or_resting_pair_once(region: Scenario) -> None:
    scenario = region.with_values({})
    world, _ = build(scenario, 5)
    p = record(dict(scenario.values))
    state = initial_state(p, world, plan(scenario).most_carried)
    rows = plan(scenario).rows(scenario.months)
    half = len(world.levers) // 2
    months(0, half, p, world, state, slots(scenario.values), rows)
    seen: list[int] = []
    for month in range(len(state.calendar)):
        e = int(state.calendar[month])
        while e >= 0:
            assert state.pairs["place"][e] == month >= half
            seen.append(e)
            e = int(state.pairs["next"][e])
    waiting = np.isin(state.pairs["stage"], (LATENT, RESTING))
    assert len(seen) == len(set(seen)) == np.count_nonzero(waiting & (state.pairs["place"] >= 0))
    assert np.all(waiting[seen])
