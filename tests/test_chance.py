"""Named draws: uniform, unrelated to each other, the same for the same name."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from abm import chance
from abm.chance import exponential, mix, normal, uniform
from abm.compiled import kernel


@kernel
def _fill(draw_normal, seeds, events, keys, occasions):
    out = np.zeros(seeds.size)
    for n in range(seeds.size):
        if draw_normal:
            out[n] = normal(seeds[n], events[n], keys[n], occasions[n])
        else:
            out[n] = uniform(seeds[n], events[n], keys[n], occasions[n])
    return out


def _draws(varying: str, count: int = 40_000, *, gaussian: bool = False) -> np.ndarray:
    names = {
        name: np.full(count, value, np.uint64)
        for name, value in {"seed": 3, "event": 11, "key": 17, "occasion": 0}.items()
    }
    names[varying] = np.arange(count, dtype=np.uint64)
    return _fill(gaussian, names["seed"], names["event"], names["key"], names["occasion"])


@pytest.mark.parametrize("varying", ["seed", "event", "key", "occasion"])
def test_uniform_along_every_name(varying: str) -> None:
    u = _draws(varying)
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4 / np.sqrt(u.size)  # neighbours unrelated


@pytest.mark.parametrize("varying", ["key", "occasion"])
def test_normal(varying: str) -> None:
    assert stats.kstest(_draws(varying, gaussian=True), "norm").pvalue > 1e-4


def test_events_of_one_entity_are_unrelated() -> None:
    keys = np.arange(40_000, dtype=np.uint64)
    same = np.full(keys.size, 5, np.uint64)
    zero = np.zeros(keys.size, np.uint64)
    first = _fill(False, same, np.full(keys.size, chance.FIT), keys, zero)
    second = _fill(False, same, np.full(keys.size, chance.SPLIT), keys, zero)
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(keys.size)


def test_same_name_same_draw_and_order_of_names_matters() -> None:
    assert uniform(1, chance.FIT, 2, 3) == uniform(1, chance.FIT, 2, 3)
    assert uniform(1, chance.FIT, 2, 3) != uniform(1, chance.FIT, 3, 2)
    assert mix(np.uint64(1), np.uint64(2)) != mix(np.uint64(2), np.uint64(1))


def test_known_answer() -> None:
    """The definition once more, in plain Python integers."""

    def plain(seed: int, event: int, key: int, occasion: int) -> float:
        value, mask = 0, 2**64 - 1
        for word in (seed, event, key, occasion):
            z = ((value + 0x9E3779B97F4A7C15) & mask) ^ word
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
            value = z ^ (z >> 31)
        return ((value >> 12) + 0.5) * 2.0**-52

    for seed in range(5):
        expected = plain(seed, int(chance.FIT), 2**63 + seed, 9)
        assert uniform(seed, chance.FIT, np.uint64(2**63 + seed), 9) == expected
        assert exponential(seed, chance.FIT, np.uint64(2**63 + seed), 9) == pytest.approx(-np.log(expected))


def test_event_names_are_distinct() -> None:
    events = [value for name, value in vars(chance).items() if isinstance(value, np.uint64) and name.isupper()]
    assert len(set(map(int, events))) == len(events) > 20
