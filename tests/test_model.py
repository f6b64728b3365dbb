"""The Mesa model is the same simulation: same digits, own agents, nothing left behind."""

from __future__ import annotations

import gc
import inspect
import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mesa
import numpy as np
import pandas as pd
import pytest

from abm.model import FacilitatorAgent, Firm, MunicipalityAgent, ParticipantAgent, SymbiosisModel, Utility
from abm.scenario import Scenario, ScenarioError, load_scenario
from abm.simulate import simulate

ROOT = Path(__file__).resolve().parent.parent
NODES = ROOT / "docs" / "examples" / "nodes.toml"


def batch(parameters: Mapping[str, Any], seeds: list[int]) -> pd.DataFrame:
    """Mesa 3.5 takes the seeds as an argument, earlier ones as a parameter."""
    if "rng" in inspect.signature(mesa.batch_run).parameters:
        rows = mesa.batch_run(SymbiosisModel, parameters, rng=seeds, display_progress=False)
    else:
        rows = mesa.batch_run(SymbiosisModel, {**parameters, "rng": seeds}, display_progress=False)
    return pd.DataFrame(rows)


@pytest.fixture
def model() -> SymbiosisModel:
    """Three years of the small region, with a centre from the first month."""
    model = SymbiosisModel("tiny", rng=1, months=36, facilitator__start=0)
    model.run_model()
    return model


# the nodes of the example register and carry in the spin-up, before the branch that a stepped model does without
@pytest.mark.parametrize(("name", "months"), [("tiny", 180), ("ostergotland", 60), (str(NODES), 120)])
def test_steps_give_the_digits_of_simulate(name: str, months: int) -> None:
    scenario = load_scenario(name, months=months)
    model = SymbiosisModel(scenario, rng=5)
    for _ in range(months):
        model.step()
    whole = simulate(scenario, 5)
    assert model.steps == months
    assert model.trajectory().names == whole.names
    np.testing.assert_array_equal(model.trajectory().values, whole.values)
    np.testing.assert_array_equal(model.trajectory().network.supplier, whole.network.supplier)
    np.testing.assert_array_equal(model.trajectory().ledger, whole.ledger)


def test_agents_and_collectors_change_nothing(tiny: Scenario) -> None:
    model = SymbiosisModel(tiny, rng=2)
    while model.running:
        model.agents.shuffle_do("step")
        model.random.random()
        model.rng.random()
        model.step()
    np.testing.assert_array_equal(model.trajectory().values, simulate(tiny, 2).values)


def test_two_models_do_not_cross(tiny: Scenario) -> None:
    models = [SymbiosisModel(tiny, rng=seed) for seed in (1, 2)]
    agents = [list(model.agents) for model in models]
    for _ in range(tiny.months):
        for model in models:
            model.step()
    for model, own in zip(models, agents, strict=True):
        np.testing.assert_array_equal(model.trajectory().values, simulate(tiny, model.replicate_seed).values)
        assert list(model.agents) == own
        assert [agent.unique_id for agent in own] == list(range(1, len(own) + 1))
        seen = [agent.exchanges for agent in own if isinstance(agent, ParticipantAgent)]
        assert seen == list(model.simulation.state.persons["live"])


def test_a_deleted_model_is_freed(tiny: Scenario) -> None:
    model = SymbiosisModel(tiny, rng=1)
    model.step()
    agent = next(iter(model.agents))
    kept = [weakref.ref(model), weakref.ref(agent), weakref.ref(model.simulation.state.persons)]
    del model, agent
    gc.collect()
    assert [reference() for reference in kept] == [None, None, None]


def test_seeds(tiny: Scenario) -> None:
    assert SymbiosisModel(tiny, rng=np.int64(7)).replicate_seed == 7
    drawn = [SymbiosisModel(tiny, rng=np.random.default_rng(3)).replicate_seed for _ in range(2)]
    assert drawn[0] == drawn[1]
    one, other = SymbiosisModel(tiny), SymbiosisModel(tiny, rng=None)
    assert one.replicate_seed != other.replicate_seed
    one.run_model()
    np.testing.assert_array_equal(one.trajectory().values, simulate(tiny, one.replicate_seed).values)


def test_kinds_of_agents(model: SymbiosisModel) -> None:
    region = model.settings.region
    counts = {kind: len(agents) for kind, agents in model.agents_by_type.items()}
    sites = round(30 * (1 + float(model.settings.values["population.potential"])))
    assert counts == {Firm: sites, Utility: len(region.utility), MunicipalityAgent: 3, FacilitatorAgent: 1}
    assert set(model.agent_types) == set(counts)
    names = {agent.name for agent in model.agents.select(agent_type=Utility)}
    assert names == {plant.name for plant in region.utility}


def test_agents_show_what_the_indicators_say(model: SymbiosisModel) -> None:
    participants = model.agents.select(agent_type=ParticipantAgent).select(lambda agent: agent.present)
    for indicator, attribute in (("adoption", "adopter"), ("aware", "aware"), ("social_capital", "social_capital")):
        assert participants.agg(attribute, np.mean) == pytest.approx(model.indicator(indicator))
    assert participants.agg("exchanges", sum) == 2 * model.indicator("exchanges")
    towns = model.agents.select(agent_type=MunicipalityAgent)
    assert towns.agg("maturity", np.mean) == pytest.approx(model.indicator("maturity"))
    assert towns.agg("adopters", sum) == sum(participants.get("adopter"))
    (centre,) = model.agents.select(agent_type=FacilitatorAgent)
    assert centre.staff == model.settings.values["facilitator.fte"]
    assert centre.registered >= model.indicator("registered") == sum(participants.get("registered")) > 0
    assert centre.caseload == pytest.approx(model.indicator("caseload"))
    assert towns.agg("relief", np.mean) == pytest.approx(model.indicator("relief"))
    assert centre.name == "resource centre"


def test_groups_of_agents(model: SymbiosisModel) -> None:
    groups = model.agents.select(agent_type=ParticipantAgent).groupby("municipality", result_type="list")
    for name, agents in groups:
        assert np.mean([agent.adopter for agent in agents if agent.present]) == model.indicator(
            f"adoption.municipality.{name}"
        )
    known = model.agents.select(lambda agent: isinstance(agent, Firm) and agent.knowledge > 0.5)
    assert all(agent.knowledge > 0.5 for agent in known)


def test_agents_cannot_be_written(model: SymbiosisModel) -> None:
    firms = model.agents.select(agent_type=Firm)
    with pytest.raises(AttributeError, match="knowledge of a Firm is read from the simulation"):
        firms.set("knowledge", 1.0)
    with pytest.raises(TypeError, match="cannot be removed"):
        firms.do("remove")
    firms.set("colour", "red")
    assert set(firms.get("colour")) == {"red"}


def test_every_attribute_is_a_plain_value(model: SymbiosisModel) -> None:
    for agent in model.agents:
        for name, column in type(agent).columns().items():
            assert isinstance(getattr(agent, name), (bool, int, float, str)), name
            assert column.__doc__


def test_data_collector(model: SymbiosisModel) -> None:
    """The model's own, and one of the user's with agents."""
    table = model.datacollector.get_model_vars_dataframe()
    whole = simulate(model.settings, model.replicate_seed)
    for name in table:
        np.testing.assert_array_equal(table[name], whole[name])
    mine = SymbiosisModel(model.settings, rng=1)
    mine.datacollector = mesa.DataCollector(
        SymbiosisModel.reporters("adoption", "adoption.sector.C17"),
        agenttype_reporters={ParticipantAgent: {"knowledge": "knowledge"}},
    )
    frames = {}
    while mine.running:
        mine.step()
        frames[mine.steps] = mine.participants_frame()
    assert list(mine.datacollector.get_model_vars_dataframe()) == ["adoption", "adoption.sector.C17"]
    by_agent = mine.datacollector.get_agenttype_vars_dataframe(ParticipantAgent)
    panel = pd.concat(frames, names=["Step"])
    pd.testing.assert_frame_equal(panel[["knowledge"]], by_agent.set_axis(panel.index))
    assert list(by_agent.index) == list(panel.index)


def test_frames_are_snapshots(tiny: Scenario) -> None:
    model = SymbiosisModel(tiny, rng=1)
    frame = model.participants_frame()
    before = frame.copy()
    model.run_model()
    pd.testing.assert_frame_equal(frame, before)
    towns, agents = model.municipalities_frame(), model.agents.select(agent_type=MunicipalityAgent)
    assert list(towns.index) == agents.get("unique_id")
    assert list(towns["exchanges"]) == agents.get("exchanges")


def test_batch_run() -> None:
    table = batch({"scenario": "tiny", "months": 60, "facilitator__fte": np.array([0, 4])}, [3, 4])
    assert len(table) == 4
    for row in table.to_dict("records"):
        scenario = load_scenario("tiny", {"facilitator.fte": int(row["facilitator__fte"])}, months=60)
        whole = simulate(scenario, row["rng"])
        assert all(row[name] == whole[name][-1] for name in ("adoption", "exchanges", "aware", "saving"))
    assert table.groupby("facilitator__fte")["knowledge"].nunique().eq(2).all()


def test_indicators_by_name(tiny: Scenario) -> None:
    model = SymbiosisModel(tiny, rng=1)
    assert np.isnan(model.indicator("adoption"))
    assert len(model.trajectory().values) == 0
    model.step()
    assert model.indicator("price_index") == model.trajectory()["price_index"][0]
    with pytest.raises(KeyError, match="did you mean adoption"):
        model.indicator("adoptoin")


def test_no_month_after_the_last(model: SymbiosisModel) -> None:
    assert not model.running
    before = model.trajectory().values
    with pytest.raises(ValueError, match="tiny: 36 of 36 months are done"):
        model.step()
    np.testing.assert_array_equal(model.trajectory().values, before)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"facilitator__ftee": 4}, "no parameter facilitator.ftee; did you mean facilitator.fte"),
        ({"overrides": {"prices.volatilty": 1}}, "did you mean prices.volatility"),
        ({"facilitator__fte": -1}, "facilitator.fte: -1 is not allowed"),
        ({"seed": 3}, "given as rng"),
        ({"months": 0}, "months: 0 is not a whole number"),
    ],
)
def test_what_is_wrong_is_said(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        SymbiosisModel("tiny", rng=1, **wrong)


def test_a_scenario_has_its_own_months(tiny: Scenario) -> None:
    with pytest.raises(ScenarioError, match="a Scenario has its own"):
        SymbiosisModel(tiny, rng=1, months=12)
    with pytest.raises(ScenarioError, match="did you mean tiny"):
        SymbiosisModel("tyni", rng=1)


def test_import_is_silent_and_leaves_the_start_method_alone() -> None:
    code = "import multiprocessing as m, abm.model; print(m.get_start_method(allow_none=True))"
    call = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (call.returncode, call.stdout.strip(), call.stderr) == (0, "None", "")
