"""What is kept of each opportunity: how much memory it takes, and that single precision does no harm."""

from __future__ import annotations

import numpy as np
import pytest

from abm.month import months
from abm.opportunities import OPPORTUNITY
from abm.parameters import record
from abm.plan import plan
from abm.ruleset import slots
from abm.scenario import Scenario
from abm.simulate import build, initial_state, spun_up
from abm.state import CASE, ENTRY, PAIR, World


def _found(scenario: Scenario, world: World) -> np.ndarray:
    p, rows = record(dict(scenario.values)), plan(scenario).rows(scenario.months)
    state = initial_state(p, world, plan(scenario).most_carried)
    months(0, len(world.levers), p, world, state, slots(scenario.values), rows)
    return rows.indicators["found_self"]


@pytest.mark.parametrize("seed", range(1, 7))
def test_single_precision_of_weights_moves_next_to_no_find(region: Scenario, seed: int) -> None:
    """Rounding a weight moves it by half a unit in the last place at most: moved by a whole one, hardly a find moves.

    A weight only says when a pair is found, and months are coarse: of some 1,400 finds a ten-millionth more moves one
    by a month in one run of ten. 1 % more moves hundreds, so the test can fail.
    """
    world, _ = build(region, seed)
    plain = _found(region, world)
    assert plain[-1] > 1000
    for factor, least, most in ((np.float32(np.inf), 0, 2), (np.float32(-np.inf), 0, 2), (np.float32(1.01), 100, 1e9)):
        pairs = world.pairs.copy()
        weight = pairs["weight"]
        pairs["weight"] = weight * factor if np.isfinite(factor) else np.nextafter(weight, factor)
        assert least <= np.abs(_found(region, world._replace(pairs=pairs)) - plain).sum() <= most


def test_an_opportunity_takes_less_than_100_bytes(region: Scenario) -> None:
    """World, state and lists by opportunity, and the share of those that are known, at the horizon."""
    run = spun_up(region, 1)
    run.advance(region.months)
    count, tally, number = len(run.world.pairs), run.state.tally[0], 4
    assert run.world.own.itemsize == run.state.moving.itemsize == run.state.found.itemsize == number
    each = OPPORTUNITY.itemsize + PAIR.itemsize + 2 * number
    known = int(tally["cases"]) * (CASE.itemsize + 2 * number + ENTRY.itemsize) / count
    assert 0 < known < each + known < 100
