"""Own firms: declared ones are who and what the file says, the rest is drawn, and every fault is said with its line."""

from __future__ import annotations

import csv
import io
import unicodedata
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.catalogue import DataError, catalogue
from abm.chance import name_key
from abm.firms import COLUMNS, MOST_EMPLOYEES, MOST_QUANTITY, SIDES, Firm, Flow, read_firms, utilities
from abm.parameters import record
from abm.population import Population, draw_population
from abm.regions import load_region
from abm.scenario import Scenario, ScenarioError, load_scenario
from abm.simulate import simulate, simulate_arms
from abm.texts import alike, name_problem
from experiments.files import manifest
from results.report import command
from results.study import run_study

TINY = load_region("tiny")
HEAD = ",".join(COLUMNS)
EXAMPLES = Path(__file__).resolve().parent.parent / "docs" / "examples"


def _file(folder: Path, *lines: str, head: str = HEAD) -> Path:
    file = folder / "firms.csv"
    file.write_text("\n".join((head, *lines)) + "\n", encoding="utf-8")
    return file


def _scenario(folder: Path, *lines: str, parameters: str = "", **overrides: float) -> Scenario:
    _file(folder, *lines)
    file = folder / "own.toml"
    file.write_text(f'region = "tiny"\nfirms = "firms.csv"\n[parameters]\npopulation.potential = 0\n{parameters}\n')
    return load_scenario(file, {name.replace("__", "."): value for name, value in overrides.items()})


def _population(scenario: Scenario, seed: int = 1) -> Population:
    return draw_population(scenario, seed, record(dict(scenario.values)))


def _errors(folder: Path, *lines: str, head: str = HEAD) -> list[str]:
    with pytest.raises(DataError) as caught:
        read_firms(_file(folder, *lines, head=head), TINY)
    prefix = f"{folder / 'firms.csv'}: "
    assert all(line.startswith(prefix) and "\n" not in line for line in caught.value.errors)
    return [line.removeprefix(prefix) for line in caught.value.errors]


MILL = "Mill,Storstad,58.41,15.61,C16,60,wood_residues,supply,900,t"
BAKERY = "Bakery,Mellanby,,,C10,120,,,,"
GARDEN = "Garden,,58.36,15.31,A0113,12.5,excess_heat,demand,3000,MWh"


def test_rows_are_read_as_they_stand(tmp_path: Path) -> None:
    mill, bakery, garden = read_firms(_file(tmp_path, MILL, BAKERY, GARDEN, "Mill,,,,,,excess_heat,supply,5,MWh"), TINY)
    flows = (Flow("wood_residues", "supply", 900.0), Flow("excess_heat", "supply", 5.0))
    assert mill == Firm("Mill", "Storstad", 58.41, 15.61, "C16", 60.0, flows)
    assert bakery == Firm("Bakery", "Mellanby", 58.5, 15.9, "C10", 120.0)  # at the seat
    assert (garden.municipality, garden.lat, garden.employees) == ("Lillbyn", 58.36, 12.5)  # of the nearest seat


def test_own_firms_are_the_firms(tmp_path: Path) -> None:
    scenario = _scenario(tmp_path, MILL, BAKERY, GARDEN)
    assert scenario.values["population.firms"] == 3
    people = _population(scenario).participants
    assert people["firm"].tolist() == [True] * 3 + [False] * len(TINY.utility)
    assert people["key"][:3].tolist() == [int(name_key(name)) for name in ("Mill", "Bakery", "Garden")]
    assert people["lat"][:3].tolist() == [58.41, 58.5, 58.36]
    assert people["lon"][:3].tolist() == [15.61, 15.9, 15.31]
    assert people["municipality"][:3].tolist() == [0, 1, 2]
    assert [catalogue().sectors[number].id for number in people["sector"][:3]] == ["C16", "C10", "A0113"]
    assert people["size"][:3].tolist() == [1, 1, 0]


def _streams(population: Population, owner: int) -> list[tuple[str, str, float]]:
    return [
        (catalogue().byproduct_rows[row["byproduct"]].id, side, float(row["quantity"]))
        for side, rows in (("supply", population.supplies), ("demand", population.demands))
        for row in rows[rows["owner"] == owner]
    ]


def test_declared_flows_are_exactly_the_streams_and_others_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    plain = [line.rsplit(",", 4)[0] + ",,,," for line in (MILL, GARDEN)]
    for seed in range(5):
        own = _population(_scenario(tmp_path, MILL, BAKERY, GARDEN), seed)
        drawn = _population(_scenario(tmp_path / "plain", plain[0], BAKERY, plain[1]), seed)
        assert _streams(own, 0) == [("wood_residues", "supply", 900.0)]
        assert _streams(own, 2) == [("excess_heat", "demand", 3000.0)]
        for other in (1, 3, 4, 5):
            assert _streams(own, other) == _streams(drawn, other)
        assert len(_streams(drawn, 1)) > 0
        alike = [name for name in own.participants.dtype.names or () if name != "routes"]
        assert np.array_equal(own.participants[alike], drawn.participants[alike])
        for rows in (own.supplies, own.demands):
            assert np.all(np.diff(rows["owner"]) >= 0)


def test_more_firms_are_drawn_and_fewer_are_refused(tmp_path: Path) -> None:
    for scenario in (
        _scenario(tmp_path, MILL, BAKERY, parameters="population.firms = 40"),
        _scenario(tmp_path, MILL, BAKERY, population__firms=40),
    ):
        population = _population(scenario)
        assert np.count_nonzero(population.participants["firm"]) == 40
        assert [population.names[number] for number in (0, 1)] == ["Mill", "Bakery"]
        assert set(population.names) == {0, 1, 40, 41, 42}
    with pytest.raises(ScenarioError, match=r"population.firms: 1 are fewer than the 2 own firms"):
        _scenario(tmp_path, MILL, BAKERY, parameters="population.firms = 1")
    with pytest.raises(ScenarioError, match="fewer"):
        scenario.with_values({"population.firms": 1})
    assert scenario.with_values({"facilitator.fte": 1.0}).firms == scenario.firms


def test_a_municipal_row_is_a_utility_in_place_of_the_regions(tmp_path: Path) -> None:
    own = ["Heat,Storstad,,,D35,90,excess_heat,demand,8000,MWh", "Water,Lillbyn,,,E37,5,,,,"]
    scenario = _scenario(tmp_path, MILL, *own)
    assert scenario.values["population.firms"] == 1
    population = _population(scenario)
    assert population.names == {0: "Mill", 1: "Storstad water and waste", 2: "Mellanby energy and water"} | {
        3: "Heat",
        4: "Water",
    }
    assert population.participants["firm"].tolist() == [True] + 4 * [False]
    assert population.participants["discount_class"][1:].tolist() == [3] * 4
    assert _streams(population, 3) == [("excess_heat", "demand", 8000.0)]
    assert utilities((), TINY) == TINY.utility
    with pytest.raises(ScenarioError, match=r"only municipal utilities; set population.firms"):
        _scenario(tmp_path, *own)
    assert _population(_scenario(tmp_path, *own, population__firms=5)).participants["firm"].sum() == 5


def test_runs_and_arms(tmp_path: Path) -> None:
    scenario = _scenario(tmp_path, MILL, "Boiler,Storstad,,,C17,50,wood_residues,demand,900,t", run__spin_up=5)
    run = simulate(scenario, 3)
    assert run["exchanges"].max() <= 1 + len(TINY.utility)  # what utilities can add
    assert run.network.names[0] == "Mill"
    alone = _scenario(tmp_path, MILL)
    assert simulate(alone, 1)["exchanges"].size == 180
    with pytest.raises(ValueError, match="one region"):
        simulate_arms([scenario, alone.with_values(dict(scenario.values) | {"population.firms": 2})], 1)


def test_what_made_a_result_can_be_made_again(tmp_path: Path) -> None:
    scenario = _scenario(tmp_path, MILL, BAKERY)
    kept = manifest(scenario, "run", seed=1, replicates=1)["firms"]
    assert kept == [asdict(firm) for firm in scenario.firms]
    assert kept[0]["flows"] == ({"byproduct": "wood_residues", "side": "supply", "quantity": 900.0},)
    assert manifest(load_scenario("tiny"), "run", seed=1, replicates=1)["firms"] == []
    study = run_study(load_scenario(tmp_path / "own.toml", months=3), replicates=2, seed=1)
    assert command(study).startswith(f"kretslopp study {tmp_path / 'own.toml'} ")


def test_the_worked_example() -> None:
    scenario = load_scenario(EXAMPLES / "own-firms.toml")
    assert len(scenario.firms) == 6
    assert scenario.values["population.firms"] == 600
    dairy, sawmill, *_, energy = scenario.firms
    assert [flow.byproduct for flow in dairy.flows] == ["food_to_biogas", "excess_heat"]
    assert sawmill.municipality == "Kinda"
    assert energy.sector == "D35"
    population = _population(scenario)
    people = population.participants
    assert np.count_nonzero(people["firm"] & ~people["potential"]) == 600
    assert _streams(population, 1) == [("wood_residues", "supply", 11000.0)]


WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
NUMBERS = {"min_value": 1e-3, "allow_nan": False}
UNITS = {row.id: row.unit for row in catalogue().byproduct_rows}
FLOWS = st.builds(
    Flow, st.sampled_from(sorted(UNITS)), st.sampled_from(SIDES), st.floats(max_value=MOST_QUANTITY, **NUMBERS)
)
FIRMS = st.builds(
    Firm,
    st.lists(WORDS, min_size=1, max_size=3).map(" ".join).filter(lambda name: name_problem(name) is None),
    st.sampled_from([row.name for row in TINY.municipality]),
    st.floats(58.0, 59.0),
    st.floats(15.0, 16.5),
    st.sampled_from([row.id for row in catalogue().sectors]),
    st.floats(max_value=MOST_EMPLOYEES, **NUMBERS),
    st.lists(FLOWS, max_size=4, unique_by=lambda flow: (flow.byproduct, flow.side)).map(tuple),
)


def _write(firms: list[Firm], swedish: bool, repeat: bool) -> str:
    text = io.StringIO()
    rows = csv.writer(text, delimiter=";" if swedish else ",", lineterminator="\r\n" if swedish else "\n")
    rows.writerow(COLUMNS)

    def cell(value: object) -> str:
        return str(value).replace(".", ",") if swedish and isinstance(value, float) else str(value)

    for firm in firms:
        own = [firm.municipality, *map(cell, (firm.lat, firm.lon)), firm.sector, cell(firm.employees)]
        for number, flow in enumerate(firm.flows or [None]):
            stream = [flow.byproduct, flow.side, cell(flow.quantity), UNITS[flow.byproduct]] if flow else [""] * 4
            rows.writerow([firm.name, *(own if repeat or number == 0 else [""] * 5), *stream])
    return text.getvalue()


@settings(max_examples=60, deadline=None)
@given(
    firms=st.lists(FIRMS, min_size=1, max_size=5, unique_by=lambda firm: alike(firm.name)),
    swedish=st.booleans(),
    repeat=st.booleans(),
    mark=st.booleans(),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, firms: list[Firm], swedish: bool, repeat: bool, mark: bool
) -> None:
    file = tmp_path_factory.mktemp("round") / "firms.csv"
    file.write_bytes(_write(firms, swedish, repeat).encode("utf-8-sig" if mark else "utf-8"))
    read = read_firms(file, TINY)
    assert read == tuple(replace(firm, name=unicodedata.normalize("NFC", firm.name)) for firm in firms)


@pytest.mark.filterwarnings("ignore::abm.texts.Note")  # bytes that may be of Windows
@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_refused_never_crashes(tmp_path_factory: pytest.TempPathFactory, garbage: bytes) -> None:
    file = tmp_path_factory.mktemp("garbage") / "firms.csv"
    for head in (b"", HEAD.encode() + b"\n", HEAD.replace(",", ";").encode() + b"\r\n"):
        file.write_bytes(head + garbage)
        with pytest.raises(DataError):
            read_firms(file, TINY)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A,Storstad,,,C99,5,,,,", "sector: 'C99' is not a sector; did you mean C"),
        ("A,Storstat,,,C16,5,,,,", "municipality: 'Storstat' is not a municipality of the region; did you mean Storst"),
        ("A,Storstad,,,C16,-5,,,,", "employees: -5 is not above 0"),
        ("A,Storstad,,,C16,0,,,,", "employees: 0 is not above 0"),
        ("A,Storstad,,,C16,many,,,,", "employees: 'many' is not a number"),
        ("A,Storstad,,,C16,nan,,,,", "employees: missing"),
        ("A,Storstad,,,C16,inf,,,,", "employees: 'inf' is not a number"),
        ("A,Storstad,,,C16,1e999,,,,", "employees: 1e999 is not from 0 to 1e+06"),
        ("A,Storstad,,,C16,1_0,,,,", "employees: '1_0' is not a number"),
        ('A,Storstad,,,C16,"12,5",,,,', "employees: '12,5' is not a number (decimal comma only"),
        ("A,Storstad,,,C16,,,,,", "employees: missing"),
        ("A,Storstad,,,,5,,,,", "sector: missing"),
        (",Storstad,,,C16,5,,,,", "name: missing"),
        ("A,,,,C16,5,,,,", "municipality: missing; or give lat and lon"),
        ("A,Storstad,58.4,,C16,5,,,,", "lon: missing (lat is given)"),
        ("A,,,15.6,C16,5,,,,", "lat: missing (lon is given)"),
        ("A,,91,15.6,C16,5,,,,", "lat: 91 is not from -90 to 90"),
        ("A,,58.4,181,C16,5,,,,", "lon: 181 is not from -180 to 180"),
        ("A,Storstad,15.6,58.4,C16,5,,,,", "the nearest seat; lat and lon are swapped"),
        ("A,Storstad,48.8,2.3,C16,5,,,,", "the nearest seat"),
        ("A,Storstad,,,C16,5,slagg,supply,5,t", "byproduct: 'slagg' is not a by-product; did you mean slag?"),
        ("A,Storstad,,,C16,5,slag,suply,5,t", "side: 'suply' is not a side; did you mean supply?"),
        ("A,Storstad,,,C16,5,slag,supply,0,t", "quantity: 0 is not above 0"),
        ("A,Storstad,,,C16,5,slag,supply,-1,t", "quantity: -1 is not above 0"),
        ("A,Storstad,,,C16,5,slag,supply,x,t", "quantity: 'x' is not a number"),
        ("A,Storstad,,,C16,5,slag,supply,inf,t", "quantity: 'inf' is not a number"),
        ("A,Storstad,,,C16,5,slag,supply,5,kg", "unit: 'kg', but slag is in t a year"),
        ("A,Storstad,,,C16,5,slag,supply,5,", "unit: missing (byproduct is given)"),
        ("A,Storstad,,,C16,5,,supply,5,t", "byproduct: missing (side is given)"),
        ("A,Storstad,,,C16,5,,,,,,7", "row: has 12 cells, the first line names 10"),
        ("A\u200b,Storstad,,,C16,5,,,,", "name: 'A\\u200b' holds a character that cannot be seen"),
        ("Storstad energy,Storstad,,,C16,5,,,,", "name: 'Storstad energy' is a utility of the region"),
        ("Mill,,,,,,,,,", "name: 'Mill' is already on line 2; a further row gives another flow"),
        ("Mill,,,,C17,,slag,supply,5,t", "sector: C17, but C16 on line 2, the same firm"),
        ("Mill,,58.42,,,,slag,supply,5,t", "lat: 58.42, but 58.41 on line 2, the same firm"),
        ("Mill,,,,,,wood_residues,supply,5,t", "byproduct: supply of wood_residues by 'Mill' is already on line 2"),
        ('A,Storstad,,,C16,5,,,,"', "unexpected end of data"),
    ],
)
def test_one_fault_is_one_line(tmp_path: Path, line: str, expected: str) -> None:
    (error,) = _errors(tmp_path, MILL, "", line)
    assert error.startswith("line 4: ")
    assert expected in error


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    errors = _errors(tmp_path, "A,Storstad,,,C99,x,,,,", "B,Nowhere,,,C16,5,,,,", MILL, "C,,,,C16,5,slag,sold,1,t")
    assert [error.split(": ")[:2] for error in errors] == [
        ["line 2", "sector"],
        ["line 2", "employees"],
        ["line 3", "municipality"],
        ["line 5", "municipality"],
        ["line 5", "side"],
    ]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("name,municipality,sector", ["line 1: column 'employees' is missing"]),
        ("name,sector,employees", ["line 1: column 'municipality' is missing"]),
        ("name,lat,sector,employees", ["line 1: column 'lon' is missing"]),
        ("name,municipality,sektor,employees", ["did you mean sector?", "column 'sector' is missing"]),
        ("name,name,municipality,sector,employees", ["line 1: column 'name' is given twice"]),
        ("name,municipality,sector,employees,byproduct,side,quantity", ["line 1: column 'unit' is missing"]),
        ("", ["line 1: no column names"]),
    ],
)
def test_faulty_columns(tmp_path: Path, head: str, expected: list[str]) -> None:
    errors = _errors(tmp_path, "A,Storstad,C16,5", head=head)
    assert len(errors) == len(expected)
    for error, part in zip(errors, expected, strict=True):
        assert part in error


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    for content, expected in (
        (b"", "no firms in it"),
        (HEAD.encode(), "no firms in it"),
        (HEAD.encode() + b"\n\xe5", "line 2: not UTF-8; save it as CSV UTF-8"),
        (None, "no such file"),
    ):
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(DataError) as caught:
            read_firms(file, TINY)
        assert caught.value.errors == [f"{file}: {expected}"]
    with pytest.raises(DataError, match="cannot be read"):
        read_firms(tmp_path, TINY)


def test_a_swedish_spreadsheet(tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    head = "\ufeffName;Municipality;Lat;Lon;Sector;Employees;Byproduct;Side;Quantity;Unit;;\r\n"
    rows = "Såg;Storstad;58,41;15.61;C16;12,5;wood_residues;supply;12\xa0500;t;;\r\n;;;;;;;;;;;\r\n"
    file.write_bytes((head + rows).encode())
    (firm,) = read_firms(file, TINY)
    assert firm == Firm("Såg", "Storstad", 58.41, 15.61, "C16", 12.5, (Flow("wood_residues", "supply", 12500.0),))


def test_faults_of_scenario_and_firms_come_together(tmp_path: Path) -> None:
    _file(tmp_path, "A,Storstad,,,C99,5,,,,", "B,Storstad,,,C16,0,,,,")
    file = tmp_path / "own.toml"
    file.write_text('region = "tiny"\nfirms = "firms.csv"\n[parameters]\nfacilitator.fte = -1\n')
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    assert [error.split(": ")[1] for error in caught.value.errors] == ["facilitator.fte", "line 2", "line 3"]
    file.write_text('region = "tiny"\nfirms = 3\n')
    with pytest.raises(ScenarioError, match="must name a CSV file"):
        load_scenario(file)
    file.write_text('region = "tiny"\nfirms = "missing.csv"\n')
    with pytest.raises(ScenarioError, match=r"missing.csv: no such file"):
        load_scenario(file)
