"""A region of one's own: its files are written, looked over and run; errors name the file and the nearest name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from abm.catalogue import DATA, DataError
from abm.regions import load_region
from abm.scenario import ScenarioError, load_scenario
from abm.simulate import build, simulate
from experiments.designfile import load_design
from experiments.identity import description
from results.regioncheck import check_text, region_check
from tests.processes import call


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The folder of a region as `new-region` writes it."""
    made = call("new-region", "Norrbygden", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    return tmp_path / "Norrbygden"


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def errors_of(file: Path) -> list[str]:
    with pytest.raises(ScenarioError) as raised:
        load_scenario(file)
    return raised.value.errors


def test_what_is_written_runs_and_says_that_it_is_made_up(own: Path) -> None:
    files = {file.name for file in own.iterdir()}
    assert files == {"Norrbygden.toml", "municipalities.csv", "plants.csv", "firms.csv"}
    scenario = load_scenario(own / "Norrbygden.toml", {"run.spin_up": 1}, months=12)
    assert (scenario.name, scenario.region_name, scenario.region.title) == ("Norrbygden",) * 3
    assert [row.lat for row in scenario.region.municipality] == [58.4, 58.5, 58.35]  # decimal commas
    assert [row.name for row in scenario.region.utility] == [
        "Storstad energy",
        "Storstad water and waste",
        "Mellanby energy and water",
    ]
    assert simulate(scenario, 1)["adoption"].shape == (12,)
    found = region_check(scenario)
    assert found["missing"][0].startswith("8 rows still have the source 'made up'")
    assert "no energy utility (D35) in Lillbyn" in found["missing"]


def test_tables_in_toml_and_in_csv_are_the_same_region(own: Path, tmp_path: Path) -> None:
    region = load_region("Norrbygden.toml", own)
    lines = [f'title = "{region.title}"', f'country = "{region.country}"', "[parameters]", '"population.firms" = 115']
    for key in ("municipality", "anchor", "utility"):
        for row in getattr(region, key):
            lines += [f"[[{key}]]"]
            lines += [f"{name} = {json.dumps(value)}" for name, value in row.model_dump().items() if value is not None]
    (tmp_path / "other.toml").write_text("\n".join(lines), encoding="utf-8")
    assert load_region("other.toml", tmp_path) == region


def test_a_scenario_names_a_region_file_beside_it(own: Path) -> None:
    file = own.parent / "scenario.toml"
    file.write_text('region = "Norrbygden/Norrbygden.toml"\nmonths = 24\n[parameters]\nfacilitator.fte = 2\n')
    scenario = load_scenario(file)
    assert (scenario.name, scenario.region_name, scenario.months) == ("scenario", "Norrbygden", 24)
    assert scenario.values["population.firms"] == 115
    assert scenario.values["facilitator.fte"] == 2
    assert load_scenario(scenario.region_source).region == scenario.region  # what a report's command starts from


def test_own_firms_of_a_region_replace_the_named_and_drawn_ones(own: Path) -> None:
    change(own / "Norrbygden.toml", '# firms = "firms.csv"', 'firms = "firms.csv"')
    scenario = load_scenario(own / "Norrbygden.toml")
    assert [firm.name for firm in scenario.firms] == ["Storstad sawmill", "Storstad pulp mill", "Mellanby foods"]
    assert scenario.values["population.firms"] == 115  # stated there: the others are drawn
    change(own / "Norrbygden.toml", '"population.firms" = 115', '"population.prevalence" = 0.5')
    assert load_scenario(own / "Norrbygden.toml").values["population.firms"] == 3
    change(own / "firms.csv", "wood_residues;supply", "wood_residue;supply")
    assert errors_of(own / "Norrbygden.toml") == [
        f"{own / 'firms.csv'}: line 2: byproduct: 'wood_residue' is not a by-product; did you mean wood_residues?"
    ]


def test_the_content_of_a_region_is_part_of_what_a_run_is(own: Path) -> None:
    before = description(load_scenario(own / "Norrbygden.toml"))
    change(own / "plants.csv", "C17;300", "C17;301")
    after = description(load_scenario(own / "Norrbygden.toml"))
    assert before["region_content"] != after["region_content"]


WRONG: dict[str, tuple[str, str, str, str]] = {  # file, text, what is there instead, what is said
    "municipality": (
        "plants.csv",
        "bakery;Storstad",
        "bakery;Storstadd",
        "plants.csv: line 3: municipality: 'Storstadd'",
    ),
    "sector": ("plants.csv", "C10;120", "C1O;120", "plants.csv: line 3: sector: 'C1O' is not a sector; did you mean"),
    "maturity": ("municipalities.csv", "600;2", "600;3", "line 2: maturity: '3' is not a maturity (0, 1 or 2)"),
    "column": ("municipalities.csv", "population", "poulation", "no column 'poulation'; did you mean population?"),
    "number": ("municipalities.csv", "60000", "sixty", "line 2: population: 'sixty' is not a number"),
    "missing": ("municipalities.csv", ";made up", ";", "line 2: source: missing"),
    "key": ("Norrbygden.toml", "plants =", "plant =", "Norrbygden.toml: unknown key plant; did you mean plants?"),
    "table": ("Norrbygden.toml", '"plants.csv"', '"plant.csv"', "plant.csv: no such file"),
    "parameter": ("Norrbygden.toml", "population.firms", "population.frims", "did you mean population.firms?"),
    "twice": ("plants.csv", "Storstad bakery", "Storstad pulp mill", "Storstad pulp mill: given twice"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_file_key_and_nearest_name(own: Path, case: str) -> None:
    file, old, new, said = WRONG[case]
    change(own / file, old, new)
    lines = errors_of(own / "Norrbygden.toml")
    assert any(said in line for line in lines), lines
    assert all(str(own) in line for line in lines), lines
    if case == "municipality":
        assert "did you mean Storstad?" in lines[0]


DESK = """
[[facilitator]]
name = "desk"
fte = 1
shares = { leadership = 0.2, knowledge = 0.2, policy = 0.2, brokerage = 0.2, meeting = 0.2 }
covers = ["Lilbyn"]

[[municipality]]
"""
IN_TOML: dict[str, tuple[str, str, str]] = {
    "place": ('municipality = "Storstad"', 'municipality = "Storstat"', "did you mean Storstad?"),
    "sector": ('sector = "C17"', 'sector = "C177"', "sector: no sector 'C177'; did you mean C17"),
    "key": ("employees = 300", "employes = 300", "employes: unknown key; did you mean employees?"),
    "municipal": ('sector = "C10"', 'sector = "D35"', "sector D35 is a municipal one"),
    "facilitator": ("[[municipality]]", DESK, "facilitator desk: covers or host: no municipality 'Lilbyn'"),
}


@pytest.mark.parametrize("case", IN_TOML)
def test_rows_in_toml_are_checked_alike(tmp_path: Path, case: str) -> None:
    old, new, said = IN_TOML[case]
    file = tmp_path / "mine.toml"
    text = (DATA / "regions" / "tiny.toml").read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError) as raised:
        load_region("mine.toml", tmp_path)
    assert any(line.startswith(f"{file}: ") and said in line for line in raised.value.errors), raised.value.errors


def test_check_finds_what_is_odd(own: Path) -> None:
    change(own / "municipalities.csv", "58,35;15,30", "15,30;58,35")
    change(own / "plants.csv", "58,42;15,62;C17", "59,42;15,62;C17")
    change(own / "Norrbygden.toml", '"population.firms" = 115', '"population.firms" = 600')
    odd = region_check(load_scenario(own / "Norrbygden.toml"))["odd"]
    assert any(line.startswith("Lillbyn: its seat is") and line.endswith("are lat and lon swapped?") for line in odd)
    assert any(line.startswith("Storstad pulp mill: 113 km from the seat of Storstad") for line in odd)
    assert any("times those of ostergotland" in line for line in odd)
    assert "by-products with no donor: fuel_gas" in "\n".join(odd)


def test_counts_of_the_check_are_those_of_the_built_worlds() -> None:
    scenario = load_scenario("tiny")
    found = region_check(scenario)
    assert sum(row["firms"] for row in found["by_municipality"]) == pytest.approx(30)
    total = sum(row["opportunities"] for row in found["by_byproduct"])
    assert found["opportunities"] == pytest.approx(total)
    assert sum(row["opportunities_as_donor"] for row in found["by_municipality"]) == pytest.approx(total)
    assert 0.0 < found["share_without_opportunity"] < 1.0
    assert "It can be run." in check_text(found)
    everywhere = np.mean([len(build(scenario, seed)[0].pairs) for seed in range(1, 6)])
    assert 0 < total < everywhere  # sites that firms may move into are left out


def test_commands(own: Path) -> None:
    file = "Norrbygden/Norrbygden.toml"
    checked = call("check", file, "--json", cwd=own.parent)
    assert json.loads(checked.stdout)["firms"] == 115
    again = call("new-region", "Norrbygden", cwd=own.parent)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == "kretslopp: new-region Norrbygden: Norrbygden is there already; nothing is written\n"
    assert call("new-region", "../away", cwd=own.parent).returncode == 2
    run = call("effect", file, "--replicates", "2", "--months", "12", "--set", "run.spin_up=1", cwd=own.parent)
    assert run.returncode == 0, run.stderr
    change(own / "plants.csv", "C17", "C177")
    wrong = call("check", file, cwd=own.parent)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(
        "kretslopp: Norrbygden/plants.csv: line 2: sector: 'C177' is not a sector; did you mean"
    )


def test_a_design_starts_from_a_region_file_beside_it(own: Path) -> None:
    text = 'region = "Norrbygden/Norrbygden.toml"\nkind = "factorial"\nreplicates = 2\n'
    text += "[ranges]\nfacilitator.fte = [0, 4]\n"
    (own.parent / "design.toml").write_text(text, encoding="utf-8")
    design = load_design(own.parent / "design.toml")
    assert (design.scenario.region_name, len(design.columns["facilitator.fte"])) == ("Norrbygden", 2)
