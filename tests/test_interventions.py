"""Dated interventions: each does what it says, in its months, at its payer's cost; the twin checks the digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from abm.interventions import INTERVENTIONS, LEVERS, PAYERS, lever_paths
from abm.parameters import NEVER, Value
from abm.scenario import Scenario
from abm.simulate import simulate, simulate_arms
from experiments.runner import run_all
from tests.conftest import looks, t_value
from tests.engine import SHARES, undefined

NAMES = tuple(INTERVENTIONS)
# Indicator that theory says each raises, at the high end of its sweep, without a centre
RAISES = dict.fromkeys(NAMES, "exchanges") | {"campaign": "aware", "mandate": "maturity", "marketplace": "found_self"}
OFF: dict[str, Value] = {"facilitator.fte": 0.0}


def _at(name: str, **changes: Value) -> dict[str, Value]:
    high = INTERVENTIONS[name].level.high
    assert high is not None
    kind = type(INTERVENTIONS[name].level.default)
    return {f"interventions.{name}.level": kind(high)} | {
        f"interventions.{name}.{key}": value for key, value in changes.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_declaration(name: str) -> None:
    one = INTERVENTIONS[name]
    assert one.payer in PAYERS
    assert set(one.levers) <= set(LEVERS.names or ())
    assert one.meaning
    assert one.level.default == 0


@pytest.mark.parametrize("name", NAMES)
def test_levers_are_in_force_in_their_months_alone(region: Scenario, name: str) -> None:
    off, on = lever_paths(region), lever_paths(region.with_values(_at(name, start=24, stop=60)))
    changed = np.flatnonzero(off != on) - region.spin_up_months
    assert changed.tolist() == list(range(24, 60))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_moves_before_the_start(tiny: Scenario, name: str) -> None:
    off, on = simulate_arms([tiny, tiny.with_values(_at(name, start=40))], 3)
    assert np.array_equal(off.values[:40], on.values[:40], equal_nan=True)
    assert not np.array_equal(off.values[40:], on.values[40:], equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
def test_prices_and_population_stay(tiny: Scenario, name: str) -> None:
    settled = tiny.with_values({"turnover.attraction": 0.0})  # else exchanges attract firms
    off, on = simulate_arms([settled, settled.with_values(_at(name))], 3)
    for indicator in ("price_index", "firms", "firms_closed", "firms_entered"):
        assert np.array_equal(off[indicator], on[indicator], equal_nan=True), indicator
    for attribute in ("lat", "lon", "sector", "municipality"):
        assert np.array_equal(getattr(off.network, attribute), getattr(on.network, attribute))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_raises_what_it_is_meant_to(region: Scenario, name: str) -> None:
    arms = [region.with_values(OFF), region.with_values(OFF | _at(name))]
    indicator = RAISES[name]

    def rise(seeds: Sequence[int]) -> np.ndarray:
        pairs = run_all(lambda seed: simulate_arms(arms, seed), seeds)
        return np.array([on[indicator][-1] - off[indicator][-1] for off, on in pairs])

    assert any(t_value(found) > clear for found, clear in looks(rise, 3.0))


def test_payers_and_flows_follow_the_registry(region: Scenario) -> None:
    """Without a centre all outlay of an intervention is its payer's, and shows under the indicator it names."""
    for one in INTERVENTIONS.values():
        run = simulate(region.with_values(OFF | _at(one.name)), 4)
        assert run[one.flow or "public_cost"][-1] > 0, one.name
        outlay = run["public_outlay"][-1]
        assert run[f"paid_{one.payer}"][-1] == pytest.approx(outlay)
        if one.flow == "tax_revenue":
            assert outlay == 0.0  # revenue is not taken off, and is no outlay


def test_a_tax_is_a_transfer(region: Scenario) -> None:
    """What parties no longer pay and what is still collected sum to the tax on all there is."""
    price = 300.0
    changes: dict[str, Value] = {
        "turnover.exit": 0.0,
        "turnover.entry": 0.0,
        "interventions.landfill_tax.level": 500.0,
        "interventions.landfill_tax.start": 0,
        "interventions.carbon_price.level": price,
        "interventions.carbon_price.start": 0,
    }
    both = simulate(region.with_values(changes), 6)
    taxes = {}
    for name in ("landfill_tax", "carbon_price"):
        other = "carbon_price" if name == "landfill_tax" else "landfill_tax"
        taxes[name] = simulate(region.with_values(changes | {f"interventions.{other}.level": 0.0}), 6)
    revenue = np.diff(1e6 * taxes["carbon_price"]["tax_revenue"], prepend=0.0) * 12 / price  # t CO2e a year still taxed
    untaxed = taxes["carbon_price"]["carbon_rate"]
    ended = sum(taxes["carbon_price"][name] for name in ("ended_loss", "ended_process", "ended_exit"))
    calm = np.diff(ended, prepend=0.0) == 0  # what ends in a month still paid in it
    assert np.ptp((revenue + untaxed)[calm]) < 1e-6 * untaxed.max()
    assert both["tax_revenue"][-1] > max(run["tax_revenue"][-1] for run in taxes.values())


def test_a_full_subsidy_leaves_parties_nothing_to_pay(tiny: Scenario) -> None:
    level = {"interventions.transaction_subsidy.level": 1.0, "interventions.transaction_subsidy.start": 0}
    run = simulate(tiny.with_values(level), 2)
    assert run["transaction_firms"][-1] + run["transaction_utilities"][-1] == pytest.approx(0.0, abs=1e-9)
    assert run["subsidy"][-1] == pytest.approx(run["transaction_cost"][-1])
    assert run["subsidy"][-1] > 0


def test_a_full_grant_leaves_nothing_to_invest(tiny: Scenario) -> None:
    run = simulate(tiny.with_values({"interventions.grant.level": 1.0, "interventions.grant.start": 0}), 2)
    assert run["investment"][-1] == 0.0
    assert run["grant"][-1] > 0


def test_a_mandate_holds_while_it_lasts(tiny: Scenario) -> None:
    mandate = {"interventions.mandate.level": 2, "interventions.mandate.start": 6, "interventions.mandate.stop": 100}
    changes = mandate | {"municipalities.election_loss": 1.0, "municipalities.half_examples": 1e9}
    maturity = simulate(tiny.with_values(changes), 2)["maturity"]
    assert np.all(maturity[6:100] == 2.0)
    assert maturity[:6].max() < 2.0
    assert maturity[110] < 2.0  # the election of month 104


def test_all_at_once_and_never_ending(tiny: Scenario) -> None:
    changes: dict[str, Value] = {}
    for name in NAMES:
        changes |= _at(name, start=0, stop=NEVER)
    run = simulate(tiny.with_values(changes), 5)
    assert undefined(run) <= SHARES
    assert run["public_outlay"][-1] > 0
