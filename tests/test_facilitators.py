"""Several facilitators: dates, coverage, coordination, money, hosts, support. The twin checks the digits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from abm.parameters import FUNCTIONS, STRATEGIES, Value
from abm.scenario import Scenario, load_scenario
from abm.simulate import simulate, simulate_arms, spun_up
from abm.staffing import coverages, staff_path
from experiments.runner import replicate_seeds, run_all
from tests.conftest import horizon, runs, t_value

NODES = Path(__file__).resolve().parent.parent / "docs" / "examples" / "nodes.toml"
BROKER: dict[str, Value] = {f"facilitator.shares.{name}": float(name == "brokerage") for name in FUNCTIONS}
LEADER: dict[str, Value] = {f"facilitator.shares.{name}": float(name == "leadership") for name in FUNCTIONS}


@pytest.fixture(scope="module")
def nodes() -> Scenario:
    return load_scenario(NODES)


def _difference(scenario: Scenario, first: dict[str, Value], second: dict[str, Value], indicator: str) -> float:
    """t value of second minus first over 40 pairs at the horizon."""
    arms = [scenario.with_values(first), scenario.with_values(second)]
    pairs = run_all(lambda seed: simulate_arms(arms, seed), replicate_seeds(7, 40))
    return t_value(np.array([one[1][indicator][-1] - one[0][indicator][-1] for one in pairs]))


# -- staff by date


def test_staff_path(nodes: Scenario) -> None:
    national = nodes.facilitators[-1]
    staff = staff_path(national, 24, 180)
    assert np.all(staff[: 24 + 12] == 0)
    assert np.all(staff[24 + 12 : 24 + 24] == 2)
    assert np.all(staff[24 + 24 : 24 + 120] == 4)
    assert np.all(staff[24 + 120 :] == 0)
    support = staff_path(nodes.facilitators[0], 24, 180)  # began long before a spin-up of two years
    assert np.all(support == 2)


def test_staff_grows_shrinks_and_stops(tiny: Scenario) -> None:
    changes: dict[str, Value] = {
        "facilitator.fte": 2.0,
        "facilitator.staff_path": "24:3, 60:0.5",
        "facilitator.stop": 100,
    }
    staff = simulate(tiny.with_values(changes), 1)["staff"]
    expected = np.zeros(180)
    expected[12:24], expected[24:60], expected[60:100] = 2, 6, 1
    assert np.array_equal(staff, expected)


# -- coverage


def test_coverages_by_hand() -> None:
    covers = np.array([[True, True, False], [False, True, True]])
    here, there = np.array([0, 0, 1, 2, 0]), np.array([0, 1, 1, 1, 2])
    index, serves = coverages(covers, here, there)
    assert [tuple(serves[:, q]) for q in index] == [
        (True, False),
        (True, False),
        (True, True),
        (False, True),
        (False, False),
    ]


@pytest.mark.slow
def test_who_is_not_covered_is_not_registered_or_taught(region: Scenario) -> None:
    """A centre for one municipality alone moves that one, and the others only through it."""
    covers = {"facilitator.covers": "Norrköping", "facilitator.fte": 8.0}
    base = region.with_values(covers)
    arms = [base.with_values({"facilitator.fte": 0.0}), base]
    pairs = run_all(lambda seed: simulate_arms(arms, seed), replicate_seeds(7, 40))
    rise = {
        name: np.array([with_[name][-1] - without[name][-1] for without, with_ in pairs])
        for name in ("adoption.municipality.Norrköping", "adoption.municipality.Linköping")
    }
    assert t_value(rise["adoption.municipality.Norrköping"]) > 5
    ratio = rise["adoption.municipality.Linköping"].mean() / rise["adoption.municipality.Norrköping"].mean()
    assert ratio < 0.4


# -- strategies


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES[1:])
def test_a_strategy_other_than_value_starts_fewer_exchanges(region: Scenario, strategy: str) -> None:
    """Process leadership alone, with time for three cases: what is worth most is also what is agreed on most.

    Choosing by carbon does not avoid more of it either (MODEL.md, section 9); cases across sectors cost nothing.
    """
    base = LEADER | {"facilitator.fte": 0.5}
    t = _difference(region, base, base | {"facilitator.strategy": strategy}, "started")
    assert t > -3 if strategy == "cross_sector" else t < -3, t


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "more", "less"),
    [
        ("cross_sector", "cross_sector", None),
        ("small_firms", "adoption.size.below_50", "adoption.size.above_250"),
    ],
)
def test_a_strategy_moves_the_mix(region: Scenario, strategy: str, more: str, less: str | None) -> None:
    base = LEADER | {"facilitator.fte": 0.5}
    arms = [region.with_values(base), region.with_values(base | {"facilitator.strategy": strategy})]
    pairs = run_all(lambda seed: simulate_arms(arms, seed), replicate_seeds(7, 120))
    moved = np.array([second[more][-1] - first[more][-1] for first, second in pairs])
    if less:
        moved -= np.array([second[less][-1] - first[less][-1] for first, second in pairs])
    assert t_value(moved) > 3


@pytest.mark.slow
def test_strategies_all_differ(region: Scenario) -> None:
    ends = [simulate(region.with_values({"facilitator.strategy": name}), 3).values[-1] for name in STRATEGIES]
    assert len({tuple(end) for end in ends}) == len(STRATEGIES)


# -- coordination


CASES_AND_BROKERAGE = {"leadership": 0.5, "knowledge": 0.0, "policy": 0.0, "brokerage": 0.5, "meeting": 0.0}


def _shares(shares: dict[str, float]) -> dict[str, Value]:
    return {f"facilitator.shares.{name}": share for name, share in shares.items()}


def _twins(region: Scenario, coordination: float) -> Scenario:
    """A second facilitator like the resource centre, over the same participants."""
    scenario = load_scenario(NODES, {"facilitator.fte": 2.0, "facilitator.coordination": coordination})
    row = scenario.facilitators[0].model_copy(
        update={"name": "other", "start": 12, "strategy": "value", "shares": CASES_AND_BROKERAGE}
    )
    return replace(scenario.with_values(_shares(CASES_AND_BROKERAGE)), facilitators=(row,))


@pytest.mark.slow
def test_uncoordinated_work_is_done_twice(region: Scenario) -> None:
    """Two uncoordinated centres do less than two coordinated ones, and than one of both's staff."""
    alone, together, one = (
        horizon(runs(scenario, 120), "exchanges")
        for scenario in (
            _twins(region, 0.0),
            _twins(region, 1.0),
            region.with_values({"facilitator.fte": 4.0} | _shares(CASES_AND_BROKERAGE)),
        )
    )
    assert t_value(together - alone) > 3
    assert t_value(one - alone) > 3


@pytest.mark.slow
def test_uncoordinated_registers_overlap(region: Scenario) -> None:
    """After two years; later both have registered whoever has something to exchange."""
    alone, together = (
        np.array([run["registered"][35] for run in runs(_twins(region, share), 20)]) for share in (0.0, 1.0)
    )
    assert (together - alone).mean() > 20


# -- money


def test_project_money_ends(tiny: Scenario) -> None:
    changes: dict[str, Value] = {"facilitator.funding.national": 0.4, "facilitator.project_end": 48}
    run = simulate(tiny.with_values(changes), 1)
    assert np.all(run["staff"][12:48] == 4.0)
    assert run["staff"][48:] == pytest.approx(2.4)
    years = 4.0 * 0.4 * (48 - 12) / 12 * float(tiny.values["facilitator.cost"]) / 1e6
    assert run["paid_national"][-1] - run["cofinance"][-1] == pytest.approx(years)


def test_staff_is_booked_to_its_payer(nodes: Scenario) -> None:
    rows = nodes.facilitators
    run = simulate(nodes.with_values({"facilitator.cofinance": 0.0}), 1)
    cost = float(nodes.values["facilitator.cost"]) / 12e6
    national = staff_path(rows[-1], 0, nodes.months).sum() * cost
    assert run["paid_national"][-1] == pytest.approx(national)
    assert run["paid_region"][-1] == pytest.approx(run["staff"].sum() * cost - national)


def test_a_run_branches_into_what_it_was_told_of(tiny: Scenario) -> None:
    more, louder = tiny.with_values({"facilitator.fte": 400.0}), {"interventions.marketplace.level": 5.0}
    for arm in (more, tiny.with_values(louder)):
        with pytest.raises(ValueError, match="give it to spun_up"):
            spun_up(tiny, 1).branch(arm)
        assert spun_up(tiny, 1, [arm]).branch(arm).month == 0


def test_municipalities_pay_while_it_pays_for_them(region: Scenario) -> None:
    """Active ones pay at first; later only those whose benefit grew; with an impossible threshold nobody does."""
    changes: dict[str, Value] = {"facilitator.funding.municipal": 0.5}
    easy, hard = (
        simulate(region.with_values(changes | {"municipalities.cofund_threshold": value}), 2)["staff"]
        for value in (0.0, 1e6)
    )
    assert np.array_equal(easy[12:36], hard[12:36])
    assert 2.0 < easy[12] < 4.0
    assert np.all(hard[36:] == 2.0)
    assert easy[60] > 2.0


def test_funders_close_what_brings_too_little(region: Scenario) -> None:
    changes: dict[str, Value] = {"facilitator.review_threshold": 1e6, "facilitator.review_period": 3}
    staff = simulate(region.with_values(changes), 2)["staff"]
    assert np.all(staff[12 : 12 + 37] == 4.0)  # the month of the review is still worked
    assert np.all(staff[12 + 37 :] == 0.0)
    kept = simulate(region.with_values(changes | {"facilitator.review_threshold": 1e-9}), 2)["staff"]
    assert np.all(kept[12:] == 4.0)


def test_a_host_must_be_active(tiny: Scenario) -> None:
    active, passive = (
        simulate(tiny.with_values({"facilitator.host": name, "municipalities.spontaneous": 0.0}), 1)
        for name in ("Storstad", "Lillbyn")
    )
    assert active["staff"][12] == 4.0
    assert passive["staff"][12] == 0.0


# -- support and withdrawal


@pytest.mark.slow
def test_a_national_centre_makes_nodes_more_productive(nodes: Scenario) -> None:
    base: dict[str, Value] = {"facilitator.fte": 0.0}
    t = _difference(
        nodes, base | {"facilitator.support_gain": 0.0}, base | {"facilitator.support_gain": 0.6}, "exchanges"
    )
    assert t > 3


def test_supporting_a_single_node_gains_nothing(nodes: Scenario) -> None:
    lone = replace(nodes, facilitators=tuple(row for row in nodes.facilitators if row.name != "east"))
    lone = replace(
        lone,
        facilitators=tuple(
            row.model_copy(update={"supports": ("west",)}) if row.name == "national" else row
            for row in lone.facilitators
        ),
    )
    first, second = (simulate(lone.with_values({"facilitator.support_gain": gain}), 1).values for gain in (0.0, 0.6))
    assert np.array_equal(first, second, equal_nan=True)


@pytest.mark.slow
def test_withdrawal_slows_new_exchanges_without_undoing_living_ones(region: Scenario) -> None:
    without, open_, closed = (
        runs(region, 40, changes) for changes in ({"facilitator.fte": 0.0}, {}, {"facilitator.stop": 96})
    )
    year = {
        name: np.array([run["exchanges"][96 + 11] - run["exchanges"][95] for run in arm])
        for name, arm in (("open", open_), ("closed", closed))
    }
    assert t_value(year["open"] - year["closed"]) > 3
    kept = np.array([run["exchanges"][96 + 11] for run in closed]) - np.array(
        [run["exchanges"][96 + 11] for run in without]
    )
    before = np.array([run["exchanges"][95] for run in closed]) - np.array([run["exchanges"][95] for run in without])
    assert kept.mean() > 0.7 * before.mean()  # a year later most of the difference still lives
    after = horizon(open_, "exchanges") - horizon(closed, "exchanges")
    assert t_value(after) > 5


def test_arms_do_not_depend_on_each_other_where_others_work_in_the_spin_up(nodes: Scenario) -> None:
    more = nodes.with_values({"facilitator.cases": 12.0})
    together = simulate_arms([nodes, more], 2)
    assert np.array_equal(together[1].values, simulate(more, 2).values, equal_nan=True)
    assert not np.array_equal(
        together[0].values[0], together[1].values[0], equal_nan=True
    )  # the spin-up itself differs


def test_more_coverages_than_can_be_numbered_are_refused() -> None:
    covers = np.random.default_rng(1).random((32, 400)) < 0.7
    here, there = np.triu_indices(400)
    with pytest.raises(ValueError, match="at most 65536"):
        coverages(covers, here, there)
    index, serves = coverages(covers[:, :360], *np.triu_indices(360))
    assert len(serves[0]) == index.max() + 1 <= 2**16
    assert np.array_equal(serves[:, index], covers[:, np.triu_indices(360)[0]] & covers[:, np.triu_indices(360)[1]])
