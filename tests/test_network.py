"""The network that is exported is the one of the panels, and other programs read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import pandas as pd
import pytest

from abm.scenario import Scenario, ScenarioError, load_scenario
from experiments.network import FORMATS, graph_of, network_of, network_of_folder, write_graph
from experiments.panel import PANELS
from experiments.trajectories import write_trajectories
from kretslopp.options import app
from tests.test_panel import RESTLESS

MONTHS, EVERY = 30, 12
READ = {
    "graphml": lambda file: nx.read_graphml(file, node_type=int, force_multigraph=True),
    "gexf": lambda file: nx.read_gexf(file, node_type=int),
}


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """Exchanges that end within the run, and free sites."""
    return load_scenario("tiny", {**RESTLESS, "facilitator.start": 0}, months=MONTHS)


@pytest.fixture(scope="module")
def folder(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("network") / "run"
    write_trajectories(scenario, place, replicates=2, seed=4, panels=PANELS, every=EVERY)
    return place


def _panels(folder: Path, replicate: int) -> list[pd.DataFrame]:
    frames = [pd.read_parquet(folder / f"{panel}.parquet") for panel in PANELS]
    return [frame[frame["replicate"] == replicate] for frame in frames]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("replicate", [0, 1])
def test_what_is_written_is_read_back(folder: Path, tmp_path: Path, kind: str, replicate: int) -> None:
    people, edges = _panels(folder, replicate)
    file = tmp_path / f"a.{kind}"
    write_graph(network_of_folder(folder, replicate), file, kind)
    graph = READ[kind](file)
    assert graph.number_of_nodes() == people["participant"].nunique()
    assert graph.number_of_edges() == len(edges)
    last = people[people["month"] == people["month"].max()].set_index("participant")
    for number, node in graph.nodes(data=True):
        row = last.loc[number]
        assert ("name" in node) == (not pd.isna(row["name"]))
        for name in ("sector", "municipality", "present", "employees"):
            assert node[name] == row[name]
        assert (node["lat"], node["lon"]) == pytest.approx((row["lat"], row["lon"]))
    written = {(a, b, edge["byproduct"], edge["started"]): edge for a, b, edge in graph.edges(data=True)}
    for row in edges.to_dict("records"):
        edge = written[row["supplier"], row["receiver"], row["byproduct"], row["started"]]
        assert edge["quantity"] == pytest.approx(row["quantity"])
        assert edge["brokered"] == (row["found_by"] == "broker")
        for name in ("ended", "cause"):
            assert (name in edge) == (not pd.isna(row[name]))
            assert name not in edge or edge[name] == row[name]
    assert edges["ended"].notna().any()
    assert edges["ended"].isna().any()


@pytest.mark.parametrize("month", [1, 12, 29, MONTHS])
def test_living_exchanges_of_a_month(folder: Path, month: int) -> None:
    graph = network_of_folder(folder, 1, month)
    values = pd.read_parquet(folder / "trajectories.parquet").set_index(["replicate", "month"])
    assert graph.number_of_edges() == values.loc[(1, month), "exchanges"]


def test_a_scenario_run_for_it(scenario: Scenario, folder: Path) -> None:
    graph = network_of(scenario, seed=4)
    other = network_of_folder(folder, 0)
    assert sorted(graph.edges) == sorted(other.edges)
    assert network_of(scenario, 4, 12).number_of_edges() == network_of_folder(folder, 0, 12).number_of_edges()


def test_names_that_xml_cannot_hold(folder: Path, tmp_path: Path) -> None:
    people, edges = _panels(folder, 0)
    odd = people.assign(name='<a & "b">\x00\x1b\ufffe Åsele 漢\U0001f33f')
    write_graph(graph_of(odd, edges), tmp_path / "a.graphml", "graphml")
    graph = READ["graphml"](tmp_path / "a.graphml")
    assert {node["name"] for _, node in graph.nodes(data=True)} == {'<a & "b"> Åsele 漢\U0001f33f'}


def test_by_hand(folder: Path, tmp_path: Path) -> None:
    """As the manual says."""
    edges = pd.read_parquet(folder / "exchanges.parquet").query("replicate == 0").dropna(axis="columns")
    graph = nx.from_pandas_edgelist(edges, "supplier", "receiver", edge_attr=True, create_using=nx.MultiDiGraph)
    nx.write_graphml(graph, tmp_path / "network.graphml")
    assert READ["graphml"](tmp_path / "network.graphml").number_of_edges() == len(edges)


def _told(words: list[str]) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        app(["export", *words], standalone_mode=False)
    return caught.value.errors


def test_the_command(folder: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import kretslopp.cli  # noqa: F401

    monkeypatch.chdir(tmp_path)
    app(["export", str(folder)], standalone_mode=False)
    people, edges = _panels(folder, 0)
    counts = f"({people['participant'].nunique()} participants, {len(edges)} exchanges)"
    assert capsys.readouterr().out == f"Network: {folder / 'network.graphml'} {counts}\n"
    app(["export", "tiny", "--format", "gexf", "--months", "3", "--set", "run.spin_up=1"], standalone_mode=False)
    assert (tmp_path / "runs" / "tiny.gexf").is_file()
    (tmp_path / "empty").mkdir()
    assert "has no participants.parquet and no exchanges.parquet" in _told(["empty"])[0]
    assert "no format 'graphm'; known: graphml, gexf; did you mean graphml?" in _told(["tiny", "--format", "graphm"])[0]
    assert _told([str(folder), "--replicate", "2"]) == ["replicate: 2 is not a whole number from 0 to 1"]
    assert _told([str(folder), "--month", "31"]) == ["month: 31 is not a month from 1 to 30"]
    assert _told([str(folder), "--seed", "1"]) == ["seed: goes with a region, not with a folder that was run"]
    assert "goes with a folder" in _told(["tiny", "--replicate", "0"])[0]
    assert "did you mean tiny" in _told(["tyni"])[0]


def test_a_panel_of_an_earlier_version(folder: Path, tmp_path: Path) -> None:
    for name in ("exchanges.parquet", "manifest.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    pd.read_parquet(folder / "participants.parquet").drop(columns=["lat"]).to_parquet(tmp_path / "participants.parquet")
    with pytest.raises(ScenarioError, match="of an earlier version has no lat"):
        network_of_folder(tmp_path)
