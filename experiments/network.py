"""The network of exchanges as a graph that other programs read (GraphML, GEXF): who exchanges what with whom, and when.

Nodes are participants, edges exchanges from supplier to receiver, several between two if there are; what is unknown of
one (the name of a drawn firm, the end of a living exchange) is left out of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from abm.scenario import Scenario, ScenarioError
from abm.simulate import spun_up
from abm.texts import nearest
from experiments.files import whole
from experiments.panel import EXCHANGES, PANELS, PARTICIPANTS, Recorder
from experiments.runner import replicate_seeds

if TYPE_CHECKING:
    from networkx import MultiDiGraph

NODE = ("name", "sector", "municipality", "lat", "lon", "employees", "present")
EDGE = ("byproduct", "quantity", "unit", "distance", "identified", "started", "ended", "cause")
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _write_graphml(graph: MultiDiGraph, file: Path) -> None:
    import networkx

    networkx.write_graphml(graph, file)


def _write_gexf(graph: MultiDiGraph, file: Path) -> None:
    import networkx

    networkx.write_gexf(graph, file)


FORMATS: dict[str, Callable[[MultiDiGraph, Path], None]] = {"graphml": _write_graphml, "gexf": _write_gexf}


def check_format(name: str) -> None:
    """Raise ScenarioError unless it is one of FORMATS."""
    if name not in FORMATS:
        known = tuple(FORMATS)
        raise ScenarioError([f"format: no format {name!r}; known: {', '.join(known)}{nearest(name, known)}"])


def write_graph(graph: MultiDiGraph, file: Path, format_name: str) -> None:
    """Write a graph whole; raises ScenarioError for an unknown format or a file that cannot be written."""
    check_format(format_name)
    try:
        with whole(file) as temporary:
            FORMATS[format_name](graph, temporary)
    except OSError as error:
        raise ScenarioError([f"{file}: cannot be written ({error.strerror})"]) from None


def network_of_folder(folder: Path, replicate: int = 0, month: int | None = None) -> MultiDiGraph:
    """The graph of one replicate of a folder of `kretslopp run --panel participants,exchanges`.

    All exchanges with their months, or those living at the end of `month`. Raises ScenarioError for what is not there.
    """
    needed = (*(f"{panel}.parquet" for panel in PANELS), "manifest.json")
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        said = f"has no {' and no '.join(missing)}; kretslopp run REGION --panel {','.join(PANELS)} writes them"
        raise ScenarioError([f"{folder}: {said}"])
    participants, exchanges = (
        pd.read_parquet(folder / f"{panel}.parquet", use_threads=False) for panel in (PARTICIPANTS, EXCHANGES)
    )
    if absent := [name for name in ("lat", "lon") if name not in participants]:
        raise ScenarioError([f"{folder}: {PARTICIPANTS}.parquet of an earlier version has no {', '.join(absent)}"])
    most = int(participants["replicate"].max())
    if not 0 <= replicate <= most:
        raise ScenarioError([f"replicate: {replicate} is not a whole number from 0 to {most}"])
    _check_month(month, json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["months"])
    people = participants[participants["replicate"] == replicate]
    return graph_of(people, exchanges[exchanges["replicate"] == replicate], month)


def network_of(scenario: Scenario, seed: int = 1, month: int | None = None) -> MultiDiGraph:
    """The same of a scenario's first replicate, run for it."""
    _check_month(month, scenario.months)
    recorder = Recorder(PANELS, month or scenario.months)
    trajectory = recorder.follow(spun_up(scenario, replicate_seeds(seed, 1)[0]))
    tables = recorder.tables(0, scenario, trajectory.network.names)
    return graph_of(tables[PARTICIPANTS], tables[EXCHANGES], month)


def graph_of(participants: pd.DataFrame, exchanges: pd.DataFrame, month: int | None = None) -> MultiDiGraph:
    """A graph of one replicate's rows of both panels: whom they show in the last month kept, up to `month` if given."""
    import networkx

    kept = participants["month"].unique()
    before = kept[kept <= month] if month is not None else kept
    shown = participants[participants["month"] == (before.max() if before.size else kept.min())]
    graph = networkx.MultiDiGraph()
    for row in shown.to_dict("records"):
        graph.add_node(row["participant"], **_known(row, NODE))
    if month is not None:
        exchanges = exchanges[(exchanges["started"] <= month) & ~(exchanges["ended"] <= month).fillna(False)]
    for row in exchanges.to_dict("records"):
        brokered = row["found_by"] == "broker"
        graph.add_edge(row["supplier"], row["receiver"], **_known(row, EDGE), brokered=brokered)
    return graph


def _check_month(month: int | None, last: int) -> None:
    if month is not None and not 1 <= month <= last:
        raise ScenarioError([f"month: {month} is not a month from 1 to {last}"])


def _known(row: dict[Any, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """What is known of a row, texts without what XML cannot hold."""
    return {
        name: NOT_XML.sub("", row[name]) if isinstance(row[name], str) else row[name]
        for name in names
        if not pd.isna(row[name])
    }
