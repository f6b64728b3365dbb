"""A copy of a Mesa model goes on as the original would, and neither touches the other."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mesa
import numpy as np
import pandas as pd
import pytest

from abm.model import Firm, ParticipantAgent, SymbiosisModel
from abm.scenario import Scenario, load_scenario

MONTHS = 36
COPIES: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}
RULE = "def bold(prospect):\n    return prospect.value > 0.5 * prospect.cost\n"


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Restless, with a rule of the user's own."""
    file = tmp_path_factory.mktemp("rules") / "mine.py"
    file.write_text(RULE)
    changes = {
        "run.spin_up": 2,
        "appraisal.rule": f"{file}:bold",
        "discovery.finds": 3.0,
        "turnover.exit": 0.05,
        "facilitator.start": 0,
    }
    return load_scenario("tiny", changes, months=MONTHS)


def _model(scenario: Scenario, months: int, by_agent: bool = True) -> SymbiosisModel:
    """Collects all indicators, a count of agents, Mesa's own luck and, if asked for, two values of each participant."""
    model = SymbiosisModel(scenario, rng=4)
    columns = {ParticipantAgent: {"exchanges": "exchanges", "knows": lambda agent: agent.knowledge > 0.5}}
    model.datacollector = mesa.DataCollector(
        {**model.reporters(), "knowing": _knowing, "luck": _luck}, agenttype_reporters=columns if by_agent else None
    )
    for _ in range(months):
        model.step()
    return model


def _knowing(model: SymbiosisModel) -> int:
    return len(model.agents.select(lambda agent: isinstance(agent, Firm) and agent.knowledge > 0.3))


def _luck(model: SymbiosisModel) -> float:
    return model.random.random()


def _tables(model: SymbiosisModel, by_agent: bool = True) -> list[pd.DataFrame]:
    collector = model.datacollector
    assert collector is not None
    tables = [collector.get_model_vars_dataframe()]
    return [*tables, collector.get_agenttype_vars_dataframe(ParticipantAgent)] if by_agent else tables


@pytest.fixture(scope="module")
def undisturbed(scenario: Scenario) -> list[pd.DataFrame]:
    return _tables(_model(scenario, MONTHS))


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("before", [0, 5, MONTHS])
def test_a_copy_goes_on_as_the_original(
    scenario: Scenario, undisturbed: list[pd.DataFrame], how: str, before: int
) -> None:
    by_agent = how != "pickle"  # a collector of Mesa's with reporters by agent cannot be pickled
    model = _model(scenario, before, by_agent)
    other = COPIES[how](model)
    for one in (other, model):  # the original in its turn
        assert (one.steps, one.simulation.month, one.running) == (before, before, before < MONTHS)
        while one.running:
            one.step()
        for found, whole in zip(_tables(one, by_agent), undisturbed, strict=False):
            pd.testing.assert_frame_equal(found, whole, check_exact=True)


@pytest.mark.parametrize("how", COPIES)
def test_agents_of_a_copy_are_windows_on_it(scenario: Scenario, how: str) -> None:
    model = SymbiosisModel(scenario, rng=4)
    model.step()
    model.chosen = model.agents.select(agent_type=Firm)
    other = COPIES[how](model)
    other.run_model()
    assert {agent.model for agent in other.chosen} == {agent.model for agent in other.agents} == {other}
    assert {agent.model for agent in model.chosen} == {model}
    assert other.chosen.get("unique_id") == model.chosen.get("unique_id")
    ended = SymbiosisModel(scenario, rng=4)
    ended.run_model()
    assert other.chosen.get("knowledge") == ended.agents.select(agent_type=Firm).get("knowledge")
    assert other.chosen.get("knowledge") != model.chosen.get("knowledge")
    assert other.indicator("knowledge") == ended.indicator("knowledge") != model.indicator("knowledge")


def test_agents_made_after_copying_have_the_numbers_of_the_original(scenario: Scenario) -> None:
    model = SymbiosisModel(scenario, rng=4)
    other = copy.deepcopy(model)
    assert other.agents.get("unique_id") == model.agents.get("unique_id") == list(range(1, len(model.agents) + 1))


def test_copies_in_other_folders_need_no_rule_file(scenario: Scenario, monkeypatch: Any, tmp_path: Path) -> None:
    """What was read of the user's rule travels with the model."""
    monkeypatch.chdir(tmp_path)
    model = SymbiosisModel(scenario, rng=4)
    blob = pickle.dumps(model)
    Path(scenario.rule_files[0][0]).unlink()
    try:
        other = pickle.loads(blob)
        other.run_model()
        model.run_model()
    finally:
        Path(scenario.rule_files[0][0]).write_text(RULE)
    np.testing.assert_array_equal(other.trajectory().values, model.trajectory().values)
