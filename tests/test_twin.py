"""The engine against a second, plain implementation in Mesa: every month, every indicator, every pair."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import abm.catalogue
from abm.observe import INDICATORS
from abm.parameters import FUNCTIONS, STRATEGIES, Value
from abm.scenario import Scenario, load_scenario
from abm.simulate import Trajectory, simulate
from abm.state import LEDGER
from tests.twin import RegionModel
from tests.twin.compare import Comparison, compare, is_close, ledger_of, traced

Changes = dict[str, Value]
SHORT: Changes = {"run.spin_up": 3}
SEEDS = (1, 2)
SEED = pytest.mark.parametrize("seed", [SEEDS[0], pytest.param(SEEDS[1], marks=pytest.mark.slow)])


def _only(function: str) -> Changes:
    """A centre that does one thing, with staff for a lot of it."""
    shares: Changes = {f"facilitator.shares.{name}": float(name == function) for name in FUNCTIONS}
    return shares | {"facilitator.fte": 4.0}


# More happens in a short run when plants are aware, search and end their exchanges more often
BUSY: Changes = {
    "learning.aware_start": 0.5,
    "discovery.finds": 2.0,
    "operation.end_rate": 0.3,
    "discovery.cool_down": 3,
    "operation.patience": 2,
}
RESTLESS: Changes = {"municipalities.election_loss": 0.9, "municipalities.spontaneous": 0.5}
MUNICIPAL: Changes = {"facilitator.funding.municipal": 0.5, "facilitator.start": 0, "facilitator.fte": 6.0}
TURNOVER: Changes = {"turnover.exit": 0.2, "turnover.entry": 0.4, "population.potential": 0.5}
REDUNDANT: Changes = BUSY | {  # doubt is large, and a need may have several suppliers
    "appraisal.redundancy": 1.0,
    "appraisal.uncertainty": 0.95,
    "appraisal.risk_aversion": 0.9,
    "appraisal.half_examples": 60.0,
    "learning.knowledge_start": 0.05,
    "opportunities.min_share": 0.0,
    "appraisal.rule": "satisficing",  # and much is asked for, so that a little less doubt decides
    "appraisal.aspiration": 8.0,
    "appraisal.aspiration_decay": 0.0,
}
SETTLED: Changes = {"turnover.exit": 0.0, "population.potential": 0.0}  # nobody leaves, nobody comes
STRONG: Changes = {
    "landfill_tax": 2000.0,
    "carbon_price": 2000.0,
    "transaction_subsidy": 0.8,
    "grant": 0.8,
    "price_floor": 1.3,
    "marketplace": 2.0,
    "campaign": 2.0,
    "mandate": 2,
    "procurement": 2.0,
}


def _dated(*names: str) -> Changes:
    """Interventions that begin and end within the run, at a level that is felt."""
    changes: Changes = {f"interventions.{name}.level": STRONG[name] for name in names}
    for name in names:
        changes |= {f"interventions.{name}.start": 8, f"interventions.{name}.stop": 45}
    return changes


CASES: dict[str, Changes] = {
    "default": {},
    "npv": {"appraisal.rule": "npv"},
    "payback": {"appraisal.rule": "payback"},
    "planned behaviour": BUSY | {"appraisal.rule": "planned_behaviour"},
    "satisficing": BUSY | {"appraisal.rule": "satisficing"},
    "mixed rules": BUSY | {"appraisal.mix": "payback@0.2, satisficing@C16, npv@D35, planned_behaviour@0.3"},
    "no centre": {"facilitator.fte": 0.0},
    "part of a person": {"facilitator.fte": 0.7, "facilitator.start": 0},
    "16 FTE": {"facilitator.fte": 16.0},
    "closing centre": {"facilitator.fte": 8.0, "facilitator.stop": 40},
    **{f"only {name}": _only(name) for name in FUNCTIONS},
    "today's price": {"prices.expectations": "current"},
    "still prices": {"prices.volatility": 0.0},
    "wild prices": {"prices.volatility": 2.0, "operation.patience": 1},
    "busy": BUSY,
    "busy and cheap": BUSY | {"transaction.multiplier": 0.25, "facilitator.fte": 16.0},
    "crowded": BUSY | {"opportunities.max_partners": 2, "opportunities.min_share": 0.0, "closing.attention": 1},
    "dear": BUSY | {"transaction.multiplier": 4.0, "worth.landfill_tax": 1544.0, "worth.carbon_price": 1000.0},
    "thin": BUSY
    | {"appraisal.rule": "npv", "prices.volatility": 3.0, "appraisal.risk_aversion": 0.0, "operation.patience": 1},
    "no screening": {"discovery.hit_rate": 0.0, "discovery.cross_cut": 0.0},
    "elections": RESTLESS,
    **{name: BUSY | _dated(name) for name in STRONG},
    "all interventions": BUSY | _dated(*STRONG) | {"appraisal.rule": "npv"},
    "everything free": BUSY | {"interventions.grant.level": 1.0, "interventions.transaction_subsidy.level": 1.0},
    "guaranteed today's price": BUSY | _dated("price_floor") | {"prices.expectations": "current"},
    "guaranteed still price": BUSY | _dated("price_floor") | {"prices.volatility": 0.0},
    "mandate before elections": RESTLESS | _dated("mandate") | {"interventions.mandate.level": 1},
    **{f"first {name}": BUSY | {"facilitator.strategy": name, "facilitator.start": 0} for name in STRATEGIES},
    "staff path": BUSY | {"facilitator.staff_path": "20:3, 34:0, 41:0.6", "facilitator.fte": 3.3},
    "host": RESTLESS | {"facilitator.host": "Mellanby", "facilitator.start": 0},
    "one town": BUSY | {"facilitator.covers": "Storstad, Lillbyn", "facilitator.start": 2},
    "project money": BUSY | {"facilitator.funding.national": 0.4, "facilitator.project_end": 30},
    "municipal money": RESTLESS | MUNICIPAL,
    "easily content municipalities": BUSY | MUNICIPAL | {"municipalities.cofund_threshold": 0.01},
    "hosted by who pays": RESTLESS | MUNICIPAL | {"facilitator.host": "Mellanby", "facilitator.funding.national": 0.2},
    "review": BUSY | {"facilitator.review_threshold": 0.5, "facilitator.review_period": 1},
    "review that closes": {"facilitator.review_threshold": 4.0, "facilitator.review_period": 2, "facilitator.start": 0},
    "turnover": BUSY | TURNOVER,
    "nobody stays": BUSY | TURNOVER | {"turnover.exit": 3.0, "turnover.entry": 0.05},
    "attracted": BUSY | TURNOVER | {"turnover.exit": 0.02, "turnover.attraction": 20.0, "turnover.half_offers": 0.5},
    "turnover with brokers": BUSY | TURNOVER | _only("brokerage"),
    "settled": BUSY | SETTLED,
    "sharing": BUSY | {"population.sharing": 0.7, "opportunities.min_value": 1000.0},
    "redundancy": REDUNDANT,
}


OTHERS = """
region = "tiny"

[[facilitator]]
name = "business support"
fte = 1.5
start = -30
stop = 50
shares = { leadership = 0.4, knowledge = 0.1, policy = 0.1, brokerage = 0.3, meeting = 0.1 }
strategy = "small_firms"

[[facilitator]]
name = "town node"
fte = 2.0
start = 4
staff_path = "20:2, 30:0.5"
shares = { leadership = 0.5, knowledge = 0.0, policy = 0.1, brokerage = 0.4, meeting = 0.0 }
covers = ["Storstad", "Mellanby"]

[[facilitator]]
name = "village node"
fte = 1.2
shares = { leadership = 0.2, knowledge = 0.2, policy = 0.2, brokerage = 0.2, meeting = 0.2 }
strategy = "first_come"
covers = ["Mellanby", "Lillbyn"]
host = "Mellanby"
payer = "municipal"

[[facilitator]]
name = "national centre"
fte = 3.0
start = 10
shares = { leadership = 0.5, knowledge = 0.2, policy = 0.1, brokerage = 0.1, meeting = 0.1 }
payer = "national"
strategy = "carbon"
supports = ["town node", "village node", "resource centre"]
support = 0.7

[[facilitator]]
name = "another centre"
fte = 1.0
shares = { leadership = 0.0, knowledge = 1.0, policy = 0.0, brokerage = 0.0, meeting = 0.0 }
supports = ["town node", "national centre"]
support = 0.9
"""
TOGETHER: dict[str, Changes] = {
    "each alone": {"facilitator.coordination": 0.0},
    "half coordinated": {"facilitator.coordination": 0.5},
    "coordinated": {"facilitator.coordination": 1.0},
    "busy": BUSY | {"facilitator.coordination": 0.5, "facilitator.cases": 2.0, "facilitator.registrations": 6.0},
    "turnover": BUSY | TURNOVER | {"facilitator.coordination": 0.5},
    "paid": BUSY | MUNICIPAL | {"facilitator.coordination": 0.5, "facilitator.review_threshold": 0.2},
    "everything": BUSY | TURNOVER | RESTLESS | MUNICIPAL | _dated(*STRONG) | {"facilitator.coordination": 0.5},
}


def _short(changes: Changes) -> Scenario:
    return load_scenario("tiny", SHORT | changes, months=60)


def _together(changes: Changes, folder: Path) -> Scenario:
    """With business support, two nodes that overlap, and centres that support them, besides the resource centre."""
    file = folder / "others.toml"
    file.write_text(OTHERS, encoding="utf-8")
    return load_scenario(file, SHORT | changes, months=60)


def _assert_same_ledger(run: Trajectory, model: RegionModel) -> None:
    mine = ledger_of(model)
    for name in LEDGER.names or ():
        assert is_close(mine[name], run.ledger[name]).all(), name


def _assert_same(result: Comparison) -> None:
    assert result.difference is None or result.difference.is_rounding, result.difference
    assert result.differing() == {}
    assert result.levels == []


@SEED
@pytest.mark.parametrize("case", CASES)
def test_twin_takes_the_same_decisions(case: str, seed: int) -> None:
    _assert_same(compare(_short(CASES[case]), seed))


@SEED
@pytest.mark.parametrize("case", TOGETHER)
def test_twin_takes_the_same_decisions_with_several_facilitators(case: str, seed: int, tmp_path: Path) -> None:
    _assert_same(compare(_together(TOGETHER[case], tmp_path), seed))


@SEED
def test_twin_has_the_table_of_simulate(tiny: Scenario, seed: int) -> None:
    """At full length and without any tracing; counts are the same to the last digit."""
    run, model = simulate(tiny, seed), RegionModel(tiny, seed)
    model.run_model()
    table = model.datacollector.get_model_vars_dataframe()
    assert set(table.columns) == set(run.names)
    assert is_close(table[list(run.names)].to_numpy(float), run.values).all()
    for indicator in INDICATORS:
        if indicator.unit == "count" and indicator.name not in ("degree", "caseload"):
            assert np.array_equal(table[indicator.name], run[indicator.name]), indicator.name
    _assert_same_ledger(run, model)
    assert run["started"][-1] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{}, {"turnover.exit": 0.05, "turnover.entry": 0.3, "population.sharing": 0.2, **_dated("price_floor", "grant")}],
    ids=["plain", "turnover and interventions"],
)
def test_twin_has_the_table_of_a_whole_region(changes: Changes) -> None:
    """Thousands of pairs: the nearest partners, the search budget and the register matter."""
    often: Changes = {"discovery.finds": 1.0, "facilitator.fte": 16.0}
    scenario = load_scenario("ostergotland", SHORT | often | changes, months=60)
    run, model = simulate(scenario, 5), RegionModel(scenario, 5)
    model.run_model()
    table = model.datacollector.get_model_vars_dataframe()
    assert is_close(table[list(run.names)].to_numpy(float), run.values).all()
    _assert_same_ledger(run, model)
    assert run["exchanges"][-1] > 50


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every second raw material's price does not revert: none of the catalogue is so."""
    read = abm.catalogue._rows

    def changed(file_name: str, key: str, kind: type[abm.catalogue.Row]) -> tuple[Any, ...]:
        rows = read(file_name, key, kind)
        if key != "commodity":
            return rows
        return tuple(row.model_copy(update={"half_life": math.inf}) if n % 2 else row for n, row in enumerate(rows))

    monkeypatch.setattr(abm.catalogue, "_rows", changed)
    abm.catalogue.catalogue.cache_clear()
    yield
    abm.catalogue.catalogue.cache_clear()


@pytest.mark.usefixtures("walks")
@pytest.mark.parametrize("changes", [{}, _dated("price_floor")], ids=["free", "guaranteed"])
def test_prices_that_do_not_revert(changes: Changes) -> None:
    _assert_same(compare(_short(BUSY | changes), 1))


def test_adoption_by_maturity_where_a_municipality_has_no_participant() -> None:
    _assert_same(compare(_short(SETTLED), 19))


def test_much_happens_in_what_is_compared(tmp_path: Path) -> None:
    """Each kind of ending, find and payment happens in some case: agreement on nothing would show nothing."""
    scenarios = [_short(changes) for changes in CASES.values()]
    scenarios += [_together(changes, tmp_path) for changes in TOGETHER.values()]
    runs = [simulate(scenario, seed) for scenario in scenarios for seed in SEEDS]
    most = {indicator.name: max(run[indicator.name].max() for run in runs) for indicator in INDICATORS}
    assert [name for name, value in most.items() if value <= 0] == []
    assert any(run["staff"][-1] == 0 < run["staff"].max() for run in runs)
    for name in LEDGER.names or ():
        assert all(max(run.ledger[name][m] for run in runs) > 0 for m in range(len(runs[0].ledger))), name


@pytest.mark.parametrize(
    ("changed", "factor"),
    [("transaction.bargain_hours", 1.2), ("learning.social_decay", 1.1), ("prices.volatility", 1.01)],
)
def test_a_changed_twin_is_noticed(changed: str, factor: float) -> None:
    scenario = _short(BUSY)
    other = scenario.with_values({changed: float(scenario.values[changed]) * factor})
    result = compare(scenario, 1, other)
    rounding = result.difference is not None and result.difference.is_rounding
    assert not rounding
    assert result.difference or result.differing() or result.levels


NEW = (
    "facilitator.support_gain",
    "facilitator.support_half",
    "facilitator.coordination",
    "facilitator.funding.municipal",
    "turnover.attraction",
    "turnover.half_offers",
    *(f"interventions.{name}.level" for name in STRONG if name != "mandate"),
)


@pytest.mark.parametrize("changed", NEW)
def test_a_changed_twin_is_noticed_with_several_facilitators(changed: str, tmp_path: Path) -> None:
    scenario = _together(TOGETHER["everything"], tmp_path)
    result = compare(scenario, 1, scenario.with_values({changed: float(scenario.values[changed]) * 0.9}))
    assert result.difference or result.differing() or result.levels


def test_a_second_supplier_decides_something() -> None:
    scenario = _short(REDUNDANT)
    without = scenario.with_values({"appraisal.redundancy": 0.0})
    assert any(compare(scenario, seed, without).difference for seed in SEEDS)


def test_first_difference_names_the_decision() -> None:
    scenario = _short(BUSY)
    result = compare(scenario, 1, scenario.with_values({"operation.end_rate": 1.0}))
    assert result.difference
    assert result.difference.closest
    assert result.difference.closest.what == "clock"
    assert any(name.startswith("pair.stage") for name in result.difference.fields)


def test_tracing_changes_nothing_and_leaves_nothing(tiny: Scenario) -> None:
    plain = RegionModel(_short({}), 1)
    plain.run_model()
    with traced() as log:
        watched = RegionModel(_short({}), 1)
        watched.run_model()
    seen = len(log)
    RegionModel(_short({}), 1).run_model()
    assert len(log) == seen > 0
    assert plain.datacollector.model_vars == watched.datacollector.model_vars
