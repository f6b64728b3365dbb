"""Limits in which the model has a closed law: many like firms in one place, of which nothing but finding is left.

**Mean field.** N donors and N receivers of one by-product stand in one place, so that all N x N pairs are
opportunities of weight 1. Nothing is forgotten or agreed, nobody comes or goes. With f = `discovery.finds` and
h = `discovery.half_weight` an aware party runs the clock of each of its pairs at `l = f / (h + N)`, and a find makes
both parties aware. Let a be the share of aware participants, z the share of pairs identified.

- A latent pair runs at l times its aware parties. Whoever is party to an identified pair is aware, so that of all pairs
  the share a - z is latent with the donor aware, and as many with the receiver: `dz/dt = 2 l (a - z)`. No closure.
- All pairs of an unaware participant are latent, so it becomes aware at `s + l x aware ones of the other side`,
  s = `learning.aware_spontaneous`: `da/dt = (1 - a)(s + l N a)`, but for the covariance of two participants' awareness.
  That is of order 1/N, here about 0.0006, which slows a by a quarter of its standard error.

Tolerance: four standard errors of the mean of independent replicates (a chance of some 2e-4 a comparison), and what
a month's step differs from the ODE. That is computed from the same right-hand side in steps of a month and must stay
below one standard error. Hazards that are a tenth wrong must lie outside the tolerance, so that the tests can fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from abm.catalogue import Municipality, Region
from abm.firms import Firm, Flow
from abm.month import months as run_months
from abm.parameters import Value, record
from abm.plan import plan
from abm.ruleset import slots
from abm.scenario import Scenario, load_scenario
from abm.simulate import build, initial_state
from experiments.runner import replicate_seeds
from tests.conftest import runs

Flux = Callable[[float, np.ndarray], np.ndarray]
HALF_WEIGHT = 4.0
TOWN = Municipality(
    name="Fält", seat="Fält", lat=58.4, lon=15.6, population=1e5, land=100.0, maturity=0, source="made up"
)
# All that would stand between the parties and the law above
BARE: dict[str, Value] = {
    "population.potential": 0.0,
    "turnover.exit": 0.0,
    "run.spin_up": 0,
    "facilitator.fte": 0.0,
    "opportunities.fit_spread": 0.0,
    "discovery.half_weight": HALF_WEIGHT,
    "discovery.value_exponent": 0.0,
    "discovery.cross_cut": 0.0,
    "discovery.distance": 1e9,
    "discovery.social_gain": 0.0,
    "discovery.forgetting": 0.0,
    "transaction.multiplier": 1e6,
    "learning.aware_municipal": 0.0,
    "learning.aware_peers": 0.0,
}


def field(size: int, months: int, changes: dict[str, Value]) -> Scenario:
    """As many like donors as receivers in one place, left with nothing but awareness and search."""
    firms = tuple(
        Firm(f"{side} {number}", TOWN.name, TOWN.lat, TOWN.lon, "C22", 50.0, (Flow("plastics_offcuts", side, 1000.0),))
        for side in ("supply", "demand")
        for number in range(size)
    )
    region = Region(title="Field (made up)", country="SE", municipality=(TOWN,))
    bare = replace(load_scenario("tiny"), region=region, firms=firms, months=months)
    return bare.with_values(
        BARE | {"population.firms": 2 * size, "opportunities.max_partners": size, **changes},
    )


@dataclass(frozen=True)
class Law:
    """Right-hand side for aware share and identified share, and where they start."""

    size: int
    finds: float
    spontaneous: float
    start: float

    def flux(self, _time: float, y: np.ndarray) -> np.ndarray:
        aware, identified = y
        rate = self.finds / (HALF_WEIGHT + self.size)
        return np.array(
            [(1.0 - aware) * (self.spontaneous + rate * self.size * aware), 2.0 * rate * (aware - identified)]
        )

    def solution(self, months: np.ndarray) -> np.ndarray:
        """Both shares at the end of each month, shape (2, months)."""
        begin, end = np.array([self.start, 0.0]), months[-1] / 12
        solved = solve_ivp(self.flux, (0.0, end), begin, t_eval=months / 12, rtol=1e-9, atol=1e-12)
        assert solved.success
        return np.asarray(solved.y)

    def by_month(self, months: np.ndarray) -> np.ndarray:
        """The same in steps of a month."""
        shares, path = np.array([self.start, 0.0]), []
        for _ in range(months[-1]):
            shares = shares + self.flux(0.0, shares) / 12
            path.append(shares)
        return np.array(path)[months - 1].T


def _observed(scenario: Scenario, size: int, replicates: int, months: np.ndarray) -> np.ndarray:
    """Aware and identified shares at the ends of some months, shape (2, replicates, months)."""
    trajectories = runs(scenario, replicates)
    for one in trajectories:
        assert np.all(one["latent"] + one["identified"] == size**2)  # every pair is there, none agreed or lost
        assert one["forgotten"][-1] == one["talks"][-1] == 0
    aware, identified = (np.array([one[name][months - 1] for one in trajectories]) for name in ("aware", "identified"))
    return np.array([aware, identified / size**2])


def _off(law: Law, observed: np.ndarray, months: np.ndarray) -> np.ndarray:
    """By how many standard errors the replicates' means lie from the law, beyond what a month's step explains."""
    error = observed.std(axis=1, ddof=1) / np.sqrt(observed.shape[1])
    step = np.abs(law.by_month(months) - law.solution(months))
    assert np.all(step < error)
    return (np.abs(observed.mean(axis=1) - law.solution(months)) - step) / error


@pytest.mark.slow
def test_finds_and_awareness_follow_the_mean_field() -> None:
    size, months = 200, np.arange(60, 721, 60)
    law = Law(size, finds=0.1, spontaneous=0.03, start=0.0)
    changes: dict[str, Value] = {
        "discovery.finds": law.finds,
        "learning.aware_start": law.start,
        "learning.aware_spontaneous": law.spontaneous,
    }
    observed = _observed(field(size, int(months[-1]), changes), size, 60, months)
    assert np.all(_off(law, observed, months) < 4)
    assert np.any(_off(replace(law, finds=1.1 * law.finds), observed, months)[1] > 4)
    assert np.any(_off(replace(law, finds=0.9 * law.finds), observed, months)[1] > 4)
    assert np.any(_off(replace(law, spontaneous=1.1 * law.spontaneous), observed, months)[0] > 4)
    assert np.any(_off(replace(law, spontaneous=0.9 * law.spontaneous), observed, months)[0] > 4)


@pytest.mark.slow
def test_finds_of_those_who_all_know_are_exponential() -> None:
    """With a = 1 from the start the pairs are independent: z = 1 - exp(-2 l t), up to most of them."""
    size, months = 60, np.arange(120, 1201, 120)
    finds, replicates = 0.6, 12
    changes: dict[str, Value] = {"discovery.finds": finds, "learning.aware_start": 1.0}
    identified = _observed(field(size, int(months[-1]), changes), size, replicates, months)[1].mean(axis=0)
    assert identified[-1] > 0.8

    def off(rate: float) -> np.ndarray:
        expected = 1.0 - np.exp(-2.0 * rate / (HALF_WEIGHT + size) * months / 12)
        return np.abs(identified - expected) / np.sqrt(expected * (1.0 - expected) / (replicates * size**2))

    assert np.all(off(finds) < 4)  # on integrals kept month by month, so that there is no error of the step
    assert np.all(off(1.1 * finds)[:6] > 4)
    assert np.all(off(0.9 * finds)[:6] > 4)


def test_awareness_among_adopters_that_stay_the_same_is_exponential() -> None:
    """Hazard s + c (x + y)/2 with x and y the shares of adopters in the municipality and in the sector."""
    size, spontaneous, peers, adopters = 1000, 0.02, 0.5, 600
    changes: dict[str, Value] = {
        "discovery.finds": 0.0,
        "learning.aware_start": 0.0,
        "learning.aware_spontaneous": spontaneous,
        "learning.aware_peers": peers,
        "opportunities.max_partners": 1,
    }
    scenario = field(size, 120, {}).with_values(changes)
    months, aware = np.arange(12, 121, 12), np.zeros(120)
    for seed in replicate_seeds(7, 3):
        world, _ = build(scenario, seed)
        p = record(dict(scenario.values))
        state = initial_state(p, world, plan(scenario).most_carried)
        state.towns["adopters"] = adopters
        state.adopters_of_sector[world.participants["sector"][0]] = adopters
        rows = plan(scenario).rows(scenario.months)
        run_months(0, scenario.months, p, world, state, slots(scenario.values), rows)
        aware += rows.indicators["aware"] / 3

    def off(rate: float) -> np.ndarray:
        expected = 1.0 - np.exp(-(spontaneous + rate * adopters / (2 * size)) * months / 12)
        return np.abs(aware[months - 1] - expected) / np.sqrt(expected * (1.0 - expected) / (3 * 2 * size))

    assert np.all(off(peers) < 4)
    assert np.any(off(1.1 * peers) > 4)
    assert np.any(off(0.9 * peers) > 4)
