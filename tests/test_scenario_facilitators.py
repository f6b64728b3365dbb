"""What is wrong with facilitators, dates and interventions is said at once, one line each."""

from __future__ import annotations

from pathlib import Path

import pytest

from abm.parameters import FUNCTIONS
from abm.scenario import ScenarioError, load_scenario, overlapping
from kretslopp.cli import main
from tests.test_facilitators import NODES

EVEN = "{ " + ", ".join(f"{name} = 0.2" for name in FUNCTIONS) + " }"


def _errors(**overrides: object) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("tiny", {name.replace("__", "."): value for name, value in overrides.items()})  # type: ignore[misc]
    assert all("\n" not in line for line in caught.value.errors)
    return caught.value.errors


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("facilitator.shares.policy", 0.5, "facilitator.shares.*: the 5 shares sum to 1.3, they must sum to 1"),
        ("facilitator.start", 400, "facilitator.start: month 400 is outside the run (months 0 to 179)"),
        ("facilitator.stop", 400, "facilitator.stop: month 400 is outside the run (180 months; 9999: never)"),
        ("facilitator.stop", 6, "facilitator.stop: month 6 is not after facilitator.start"),
        ("interventions.grant.start", 180, "interventions.grant.start: month 180 is outside the run"),
        ("interventions.grant.stop", 3, "interventions.grant.stop: month 3 is not after interventions.grant.start"),
        ("interventions.grant.level", 1.2, "interventions.grant.level: 1.2 is not allowed: 0 to 1 (share)"),
        ("interventions.mandate.level", 0.5, "interventions.mandate.level: 0.5 is not a whole number"),
        ("facilitator.staff_path", "24", "facilitator.staff_path: '24' is not month:multiple"),
        ("facilitator.staff_path", "36:1, 24:2", "rising months"),
        ("facilitator.staff_path", "24:-1", "multiples from 0"),
        ("facilitator.staff_path", "500:2", "facilitator.staff_path: month 500 is outside the run (180 months)"),
        ("facilitator.covers", "Storstan", "no municipality 'Storstan' in this region; did you mean Storstad?"),
        ("facilitator.host", "Mellan", "facilitator.host: no municipality 'Mellan'"),
        ("facilitator.strategy", "carbn", "'carbn' is not one of value, carbon"),
        ("facilitator.trainings", 1e12, "facilitator.trainings: 1e+12 is not allowed: 0 to 100000"),
        ("facilitator.funding.national", 1.5, "facilitator.funding.national: 1.5 is not allowed"),
        ("interventions.grants.level", 0.2, "no parameter interventions.grants.level; did you mean"),
    ],
)
def test_one_line_says_it(name: str, value: object, expected: str) -> None:
    errors = _errors(**{name: value})
    assert any(expected in line for line in errors), errors
    assert len(errors) == 1


def test_an_intervention_that_would_never_come_into_force() -> None:
    with pytest.raises(ScenarioError, match="month 12 is outside the run"):
        load_scenario("tiny", {"interventions.grant.level": 0.2}, months=12)
    load_scenario("tiny", months=12)


def test_funding_beyond_the_whole() -> None:
    parts = {"facilitator.funding.national": 0.7, "facilitator.funding.municipal": 0.7}
    assert _errors(**parts) == ["facilitator.funding.*: sum to 1.4, they must not exceed 1"]


def _file(folder: Path, *rows: str, parameters: str = "") -> Path:
    file = folder / "own.toml"
    text = "\n".join(f"[[facilitator]]\n{row}\n" for row in rows)
    file.write_text(f'region = "tiny"\n[parameters]\n{parameters}\n{text}')
    return file


LOCAL = f'name = "local"\nfte = 1\nshares = {EVEN}\ncovers = ["Storstad"]\n'


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (LOCAL.replace("fte = 1", 'fte = "one"'), "facilitator local: fte"),
        (LOCAL.replace("fte = 1", "fte = -1"), "facilitator local: fte"),
        (LOCAL.replace("fte = 1", "fte = true"), "facilitator local: fte"),
        (LOCAL.replace("policy = 0.2", "policy = -0.2"), "facilitator local: shares.policy"),
        (LOCAL + 'staff_path = "24:20000"', "multiples from 0"),
        (LOCAL.replace("fte = 1", "fte = 500") + 'staff_path = "24:900"', "900 times 500 FTE is more than 10000 FTE"),
        (LOCAL.replace("fte = 1\n", ""), "facilitator local: fte: Field required"),
        (LOCAL + 'strategi = "value"', "facilitator local: strategi"),
        (LOCAL + 'strategy = "best"', "facilitator local: strategy"),
        (LOCAL.replace("Storstad", "Storstan"), "facilitator local: covers: no municipality 'Storstan'"),
        (LOCAL.replace("policy = 0.2", "policy = 0.4"), "facilitator local: shares.*: the 5 shares sum to 1.2"),
        (LOCAL.replace("policy = 0.2", "polcy = 0.2"), "facilitator local: shares: expected leadership"),
        (LOCAL + 'supports = ["nodes"]', "facilitator local: supports: no other facilitator 'nodes'"),
        (LOCAL + 'supports = ["local"]', "facilitator local: supports: no other facilitator 'local'"),
        (LOCAL.replace('"local"', '"resource centre"'), "facilitator resource centre: given twice"),
        (
            LOCAL + "support = 0.5",
            "facilitator local: support: 0.5 of its staff supports others, but supports names nobody",
        ),
        (LOCAL + "start = -500", "facilitator local: start: month -500 is outside the run"),
        (LOCAL + "start = 20\nstop = 10", "facilitator local: stop: month 10 is not after"),
    ],
)
def test_faulty_rows(tmp_path: Path, row: str, expected: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(_file(tmp_path, row, parameters="facilitator.coordination = 0.5"))
    assert any(expected in line for line in caught.value.errors), caught.value.errors


def test_a_table_in_place_of_rows(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('region = "tiny"\n[facilitator]\nname = "local"\n')
    with pytest.raises(ScenarioError, match="array of tables"):
        load_scenario(file)


def test_overlapping_centres_need_coordination(tmp_path: Path) -> None:
    file = _file(tmp_path, LOCAL)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    (line,) = caught.value.errors
    assert "resource centre and local cover the same municipalities" in line
    assert "facilitator.coordination" in line
    assert load_scenario(file, {"facilitator.coordination": 0.0}).values["facilitator.coordination"] == 0.0
    apart = {"facilitator.covers": "Mellanby, Lillbyn"}
    assert overlapping(load_scenario(file, apart)) is None
    with pytest.raises(ScenarioError, match="coordination"):  # a study adds staff to a centre without any
        load_scenario(file, {"facilitator.fte": 0.0})


def test_the_command_ends_with_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = _file(tmp_path, LOCAL)
    monkeypatch.setattr("sys.argv", ["kretslopp", "run", str(file), "--set", "facilitator.shares.policy=0.9"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_the_nodes_of_the_tests_load() -> None:
    scenario = load_scenario(NODES)
    assert [row.name for row in scenario.facilitators] == ["business support", "west", "east", "national"]
