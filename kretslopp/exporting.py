"""The command that writes the network of exchanges for other programs: `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.limits import LARGEST_SEED
from kretslopp.options import Months, Set, read_scenario


def export(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR|REGION|FILE", help="A folder of `run --panel participants,exchanges`, or what to run."
        ),
    ],
    kind: Annotated[str, typer.Option("--format", metavar="NAME", help="graphml or gexf.")] = "graphml",
    month: Annotated[int | None, typer.Option(help="Only exchanges living at its end (default: all).")] = None,
    replicate: Annotated[
        int | None, typer.Option(min=0, help="Of a folder: which run (default: the first, 0).")
    ] = None,
    months: Months = None,
    seed: Annotated[int | None, typer.Option(min=0, max=LARGEST_SEED, help="Of a region (default: 1).")] = None,
    settings: Set = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="File to write.")] = None,
) -> None:
    """The network of exchanges for Gephi, Cytoscape, networkx and others: participants and what they exchange."""
    from abm.scenario import ScenarioError
    from experiments.network import check_format, network_of, network_of_folder, write_graph

    check_format(kind)
    folder = Path(source)
    if folder.is_dir():
        for name, given in (("months", months), ("seed", seed), ("set", settings)):
            if given is not None:
                raise ScenarioError([f"{name}: goes with a region, not with a folder that was run"])
        file = out or folder / f"network.{kind}"
        graph = network_of_folder(folder, replicate or 0, month)
    else:
        if replicate is not None:
            raise ScenarioError(["replicate: goes with a folder; of a region one run is made, --seed says which"])
        scenario = read_scenario(source, settings, months)
        file = out or Path("runs") / f"{scenario.name}.{kind}"
        graph = network_of(scenario, 1 if seed is None else seed, month)
    write_graph(graph, file, kind)
    typer.echo(f"Network: {file} ({graph.number_of_nodes()} participants, {graph.number_of_edges()} exchanges)")
