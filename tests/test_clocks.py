"""A lone clock waits an exponential time: awareness with nothing but its spontaneous hazard, talks, endings."""

from __future__ import annotations

import numpy as np
import pytest

from abm.parameters import FUNCTIONS
from abm.scenario import Scenario, load_scenario
from tests.conftest import runs

SETTLED: dict[str, float | int | str] = {"turnover.exit": 0.0, "population.potential": 0.0}  # nobody comes or goes
LONE = {
    "learning.aware_start": 0.0,
    "learning.aware_municipal": 0.0,
    "learning.aware_peers": 0.0,
    "facilitator.fte": 0.0,
    "run.spin_up": 0,
    **SETTLED,
    "discovery.finds": 0.0,  # whoever is party to a find becomes aware
}


def _errors(observed: np.ndarray, expected: np.ndarray, count: int) -> np.ndarray:
    """Deviation of shares in binomial standard errors."""
    return (observed - expected) / np.sqrt(expected * (1 - expected) / count)


def test_spontaneous_awareness_is_exponential(region: Scenario) -> None:
    hazard = 0.1
    trajectories = runs(region, 20, LONE | {"learning.aware_spontaneous": hazard})
    aware = np.mean([trajectory["aware"] for trajectory in trajectories], axis=0)
    people = 20 * (int(region.values["population.firms"]) + len(region.region.utility))
    months = np.arange(1, region.months + 1)
    errors = _errors(aware, 1 - np.exp(-hazard * months / 12), people)
    assert np.abs(errors[11::24]).max() < 4


def test_training_and_events_add_their_chance(region: Scenario) -> None:
    """Attendances come as a Poisson process, each making aware with its chance: hazard rate x chance."""
    for function, rate, chance in (
        ("knowledge", "trainings", "aware_training"),
        ("meeting", "attendances", "aware_event"),
    ):
        changes: dict[str, float | int | str] = {
            f"facilitator.shares.{name}": float(name == function) for name in FUNCTIONS
        }
        changes |= LONE | {
            "learning.aware_spontaneous": 0.0,
            f"learning.{chance}": 0.5,
            "facilitator.fte": 10.0,
            f"facilitator.{rate}": 60.0,
            "facilitator.start": 0,
        }
        trajectories = runs(region, 20, changes)
        people = int(region.values["population.firms"]) + len(region.region.utility)
        aware = np.mean([trajectory["aware"] for trajectory in trajectories], axis=0)
        years = np.arange(1, region.months + 1) / 12
        expected = 1 - np.exp(-10.0 * 60.0 / people * 0.5 * years)
        assert np.abs(_errors(aware, expected, 20 * people)[11::24]).max() < 4


def test_register_hours_are_kept(region: Scenario) -> None:
    """The broker registers at its rate while aware participants with something to exchange are left."""
    changes: dict[str, float | int | str] = {
        f"facilitator.shares.{name}": float(name == "brokerage") for name in FUNCTIONS
    }
    changes |= SETTLED | {"facilitator.fte": 1.0, "facilitator.start": 0, "learning.aware_start": 0.9}
    registered = runs(region, 1, changes)[0]["registered"]
    assert registered[[11, 35, 59]] == pytest.approx([30, 90, 150], abs=1)  # 30 a year
    assert np.all(np.diff(registered) >= 0)


def test_screening_is_one_a_pair_and_year_at_most() -> None:
    """With staff in plenty a registered pair is found at hit rate x nearness, not faster with more staff."""
    scenario = load_scenario(
        "tiny",
        {
            "learning.aware_start": 1.0,
            "discovery.finds": 0.0,
            "discovery.broker_distance": 1e9,
            "run.spin_up": 0,
            **SETTLED,
            "discovery.forgetting": 0.0,
            "facilitator.start": 0,
            "transaction.multiplier": 1e6,
            **{f"facilitator.shares.{name}": float(name == "brokerage") for name in FUNCTIONS},
        },
    )
    shares = []
    for fte in (100.0, 1000.0):
        trajectories = runs(scenario, 60, {"facilitator.fte": fte})
        pairs = sum(trajectory["latent"][0] + trajectory["found_broker"][0] for trajectory in trajectories)
        found = np.sum([trajectory["found_broker"] for trajectory in trajectories], axis=0)
        shares.append(found / pairs)
        # all are registered in the first month at 1000 FTE (2,500 a month), in the first at 100 (250 a month)
        expected = 1 - np.exp(-0.3 * np.arange(region_months := scenario.months) / 12)
        assert np.abs(_errors(shares[-1], np.clip(expected, 1e-9, 1), int(pairs))[24:region_months:24]).max() < 4
    assert np.array_equal(*shares)
