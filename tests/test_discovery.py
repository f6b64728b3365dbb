"""Discovery by calendar against a plain scan of every pair every month: the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abm import (
    accounts,
    appraisal,
    closing,
    discovery,
    facilitators,
    interventions,
    learning,
    municipalities,
    observe,
    operation,
    prices,
    staffing,
    turnover,
)
from abm.compiled import kernel
from abm.month import months
from abm.observe import INDICATORS, empty_rows
from abm.parameters import record
from abm.ruleset import slots
from abm.scenario import Scenario
from abm.simulate import build, column_names, initial_state, places
from abm.state import LATENT, NOBODY, RESTING, State


@kernel
def dense_step(t, world, state):
    """Every latent pair is looked at; resting ones wake when their time is over."""
    for e in range(state.pairs.size):
        case, pair = state.pairs[e], world.pairs[e]
        if case.stage == RESTING:
            if case.due == t:
                discovery.become_latent(e, t, world, state)
        elif case.stage == LATENT:
            donor, user = state.persons[pair.supplier], state.persons[pair.receiver]
            screening = state.coverage[pair.coverage].screening
            found = discovery.is_found(case, world.search[e], donor, user, screening)
            if found != NOBODY:
                discovery.identify(e, found, t, world, state)
    discovery.tell_parties(t, world, state)
    discovery.merge_found(state)


@kernel
def dense_months(first, last, p, world, state, rules: Any, rows):
    """`abm.month.months` with the dense scan in place of the calendar."""
    for t in range(first, last):
        prices.step(t, world, state)
        interventions.step(t, world, state)
        staffing.step(t, p, world, state)
        municipalities.step(t, p, world, state)
        facilitators.step(t, p, world, state)
        learning.step(t, p, world, state)
        dense_step(t, world, state)
        appraisal.step(t, p, world, state, rules)
        closing.step(t, p, world, state, rules)
        operation.step(t, p, world, state)
        turnover.step(t, p, world, state)
        accounts.step(p, world, state)
        observe.step(t, p, world, state, rows)


def _run(step: Any, scenario: Scenario, seed: int) -> tuple[np.ndarray, np.ndarray, State]:
    world, _ = build(scenario, seed)
    p = record(dict(scenario.values))
    state = initial_state(p, world, places(scenario))
    rows = empty_rows(scenario.months, len(column_names(scenario)) - len(INDICATORS))
    step(0, len(world.levers), p, world, state, slots(scenario.values), rows)
    return rows.indicators, rows.groups, state


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
    assert indicators["found_self"][-1] > 100
    assert np.array_equal(indicators, dense_indicators)
    assert np.array_equal(groups, dense_groups)
    assert np.array_equal(state.persons, dense_state.persons)
    for field in ("stage", "attempt", "quantity", "clock", "found"):
        assert np.array_equal(state.pairs[field], dense_state.pairs[field]), field


def test_calendar_holds_each_latent_or_resting_pair_once(region: Scenario) -> None:
    scenario = region.with_values({})
    world, _ = build(scenario, 5)
    p = record(dict(scenario.values))
    state = initial_state(p, world, places(scenario))
    rows = empty_rows(scenario.months, len(column_names(scenario)) - len(INDICATORS))
    half = len(world.levers) // 2
    months(0, half, p, world, state, slots(scenario.values), rows)
    seen: list[int] = []
    for month in range(len(state.calendar)):
        e = int(state.calendar[month])
        while e >= 0:
            assert state.pairs["due"][e] == month >= half
            seen.append(e)
            e = int(state.pairs["next"][e])
    assert len(seen) == len(set(seen)) == np.count_nonzero(state.pairs["due"] >= 0)
    assert np.all(np.isin(state.pairs["stage"][seen], (LATENT, RESTING)))
