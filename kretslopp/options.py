"""What the commands of the command line share: the application, common options, scenario and output folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from abm.scenario import Scenario

MOST_RUNS = 1_000_000
LARGEST_SEED = 2**63 - 1

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Does a regional resource centre make the circular economy happen? Simulate by-product exchanges with and "
    "without one.",
)

Region = Annotated[str, typer.Argument(metavar="REGION|FILE", help="A region's name, or a scenario file (TOML).")]
Replicates = Annotated[int, typer.Option(min=1, max=MOST_RUNS, help="Runs, or pairs of runs, on different seeds.")]
Months = Annotated[int | None, typer.Option(help="Months after the spin-up (default: the scenario's, else 180).")]
Seed = Annotated[
    int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the experiment; the same seed gives the same digits.")
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Override a parameter; repeatable.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the files.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Threads (default: one a processor).")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


def read_scenario(region: str, settings: list[str] | None, months: int | None, **more: Any) -> Scenario:
    """The checked scenario of a command; `more` are parameters given by their own options (None: not given)."""
    from abm.scenario import ScenarioError, load_scenario, parse_overrides

    overrides = parse_overrides(settings or [])
    for name, value in more.items():
        parameter = name.replace("__", ".")
        if value is not None:
            if parameter in overrides:
                raise ScenarioError([f"--set {parameter}: given twice (there is an option for it too)"])
            overrides[parameter] = value
    return load_scenario(region, overrides, months=months)


def output_folder(out: Path | None, name: str) -> Path:
    """The output folder, made and writable, before any run starts."""
    from tempfile import TemporaryFile

    from abm.scenario import ScenarioError

    folder = out or Path("runs") / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ScenarioError([f"--out {folder}: cannot be written ({error.strerror})"]) from None
    return folder
