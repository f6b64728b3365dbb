"""Parts of worlds are shared by all that they are alike for, by nothing else, and nobody writes into them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from abm import building, parts
from abm.parameters import PARAMETERS, Value
from abm.parts import MEMORY, Memory, Part, given, made
from abm.scenario import Scenario, load_scenario
from abm.simulate import build, simulate, simulate_arms
from abm.state import World

TEXTS: dict[str, str] = {
    "prices.expectations": "current",
    "appraisal.rule": "npv",
    "appraisal.mix": "payback@0.3, npv@C10",
    "facilitator.staff_path": "24:2",
    "facilitator.strategy": "carbon",
    "facilitator.covers": "Storstad",
    "facilitator.host": "Storstad",
}
BEHAVIOUR = {"transaction.multiplier": 2.0, "appraisal.rule": "npv", "facilitator.fte": 8.0, "discovery.finds": 0.2}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Each test starts with nothing kept, and leaves nothing."""
    MEMORY.clear()
    yield
    MEMORY.clear()


def _content(world: World) -> dict[str, bytes]:
    """All numbers of a world by name; the bytes between the fields of a record are nobody's."""
    content = {}
    for name, value in world._asdict().items():
        array = np.asarray(value)
        for field in array.dtype.names or ("",):
            content[f"{name}.{field}"] = (array[field] if field else array).tobytes()
    return content


def _changes(name: str, scenario: Scenario) -> dict[str, Value]:
    """Another value of one parameter; of shares that must sum to 1, of one more."""
    if name in TEXTS:
        return {name: TEXTS[name]}
    one, value = next(one for one in PARAMETERS if one.name == name), scenario.values[name]
    if name.startswith("facilitator.shares."):
        other = next(key for key in scenario.values if key.startswith("facilitator.shares.") and key != name)
        return {name: 0.3, other: 0.1}
    if name.startswith("interventions.") and name.endswith((".start", ".stop")):
        level = f"{name.rpartition('.')[0]}.level"
        return {name: 24, level: next(one.high for one in PARAMETERS if one.name == level) or 0}
    other_value = next(bound for bound in (one.high, one.low) if bound is not None and bound != value)
    return {name: type(one.default)(other_value)}


@pytest.mark.parametrize("name", [one.name for one in PARAMETERS])
def test_a_world_with_one_other_parameter_is_that_of_an_empty_memory(name: str) -> None:
    """Whatever was kept of the scenario as it was: so no parameter that shapes a part is missing in its key."""
    scenario = load_scenario("tiny", months=48)
    changed = scenario.with_values(_changes(name, scenario))
    assert changed.values[name] != scenario.values[name]
    alone = _content(build(changed, 1)[0])
    MEMORY.clear()
    build(scenario, 1)
    assert _content(build(changed, 1)[0]) == alone


def test_a_key_that_misses_an_input_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_GROUNDS", {})
    monkeypatch.setattr(parts, "_pieces", lambda value: iter([b"all alike"]))
    with pytest.raises(AssertionError):
        test_a_world_with_one_other_parameter_is_that_of_an_empty_memory("population.prevalence")


def test_behaviour_on_common_seeds_shares_all_parts_and_other_firms_share_none() -> None:
    scenario = load_scenario("tiny", months=24)
    shared = (
        "participants",
        "supplies",
        "demands",
        "pairs",
        "outlook",
        "first",
        "own",
        "market",
        "unit_value",
        "waiting",
    )
    world = build(scenario, 1)[0]
    other = build(scenario.with_values(BEHAVIOUR), 1)[0]
    assert all(getattr(other, name) is getattr(world, name) for name in shared)
    again = build(load_scenario("tiny", months=24), 1)[0]  # read anew, as by another shard of a sweep
    assert all(getattr(again, name) is getattr(world, name) for name in shared)
    firms = build(scenario.with_values({"population.prevalence": 0.5}), 1)[0]
    assert not any(getattr(firms, name) is getattr(world, name) for name in shared[:7])
    seed = build(scenario, 2)[0]
    assert not any(getattr(seed, name) is getattr(world, name) for name in shared)


def test_a_search_of_another_kind_shares_the_firms() -> None:
    scenario = load_scenario("tiny", months=24)
    world, other = (build(one, 1)[0] for one in (scenario, scenario.with_values({"discovery.distance": 40.0})))
    assert other.own is world.own
    assert other.pairs is not world.pairs
    assert (other.pairs["weight"] != world.pairs["weight"]).any()


def test_a_run_writes_into_nothing_that_it_shares() -> None:
    """With all that is dated, so that markets are laid over; and so are its results the same after others ran."""
    levels = {one.name: one.high or 0 for one in PARAMETERS if one.name.endswith(".level")}
    scenario = load_scenario("tiny", {**levels, "turnover.exit": 0.05, "appraisal.mix": "npv@0.5"}, months=48)
    arms = [scenario.with_values({"interventions.price_floor.level": 0.0, "facilitator.fte": 0.0}), scenario]
    before = [_content(build(arm, 1)[0]) for arm in arms]
    first = simulate_arms(arms, 1)
    assert [_content(build(arm, 1)[0]) for arm in arms] == before
    for one, again in zip(first, simulate_arms(arms, 1), strict=True):
        np.testing.assert_array_equal(one.values, again.values)


def test_whoever_writes_into_a_trajectory_changes_no_other() -> None:
    scenario = load_scenario("tiny", {"run.spin_up": 1}, months=12)
    first = simulate(scenario, 1)
    kept = [first.network.lat.copy(), dict(first.network.names)]
    for array in (first.network.lat, first.network.lon, first.network.sector, first.network.municipality):
        array[:] = 0
    first.network.names.clear()
    second = simulate(scenario, 1)
    np.testing.assert_array_equal(second.network.lat, kept[0])
    assert second.network.names == kept[1]
    assert second.network.sector.any()


def test_threads_build_what_one_alone_builds() -> None:
    scenario = load_scenario("tiny", months=12)
    seeds = [1, 2, 3, 4] * 8
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: _content(build(scenario, seed)[0]), seeds))
    MEMORY.clear()
    alone = {seed: _content(build(scenario, seed)[0]) for seed in set(seeds)}
    assert together == [alone[seed] for seed in seeds]


def _kilobytes(number: int) -> np.ndarray:
    return np.zeros(128 * number)


def test_memory_is_bounded_and_forgets_what_was_asked_for_first() -> None:
    memory = Memory(room=10 * 1024)
    keys = [bytes([n]) for n in range(4)]
    for key in keys[:3]:
        memory.keep(Part(key, (_kilobytes(3), "and a name")))
    assert (len(memory), memory.used) == (3, 9 * 1024)
    assert memory.get(keys[0]) is not None  # asked for again
    memory.keep(Part(keys[3], _kilobytes(3)))
    assert [memory.get(key) is not None for key in keys] == [True, False, True, True]
    memory.keep(Part(b"large", _kilobytes(6)))
    assert memory.get(b"large") is None
    assert memory.used <= memory.room
    memory.clear()
    assert (len(memory), memory.used) == (0, 0)


def test_a_function_is_called_once_for_the_same_inputs() -> None:
    calls = []

    def double(number: float) -> np.ndarray:
        calls.append(number)
        return np.array([2.0 * number])

    assert made(double, given(3.0)) is made(double, given(3.0))
    assert made(double, given(4.0)).value == 8.0
    assert calls == [3.0, 4.0]
    other = made(_kilobytes, given(3)), made(_kilobytes, made(len, given("abc")))
    assert other[0].key != other[1].key  # by where an input came from


def test_what_differs_has_another_key() -> None:
    record = np.zeros(1, [("a", "f8"), ("b", "i8")])
    values = (
        1, 1.0, True, "1", np.float64(1.0), np.int64(1), np.uint64(1), np.ones(1), np.ones((1, 1)), np.ones(2),
        (1, 1.0), (1,), ((1,),), (), {1: 1}, np.zeros(2, np.int64), np.zeros(2), np.zeros((2, 1)), record, record[0],
        record.view([("a", "f8"), ("c", "i8")]), -0.0, 0.0,
    )  # fmt: skip
    assert len({given(value).key for value in values}) == len(values)
    assert given(1, 2).key == given((1, 2)).key
    with pytest.raises(TypeError, match="cannot be part of a key"):
        given(object())
