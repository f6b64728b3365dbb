"""The command line. Heavy imports live inside the commands, so that `--help` is quick.

Exit codes: 0 done, 1 a run failed, 2 the input is wrong (one line an error on stderr).
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from abm.scenario import Scenario

INPUT_WRONG = 2
RUN_FAILED = 1
INTERRUPTED = 130
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


def _scenario(region: str, settings: list[str] | None, months: int | None, **more: Any) -> Scenario:
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


def _folder(out: Path | None, name: str) -> Path:
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


@app.command()
def study(
    region: Region,
    replicates: Replicates = 100,
    months: Months = None,
    seed: Seed = 1,
    settings: Set = None,
    out: Out = None,
    workers: Workers = None,
) -> None:
    """The main job: with and without the centre, its functions and its size; tables, figures and a report."""
    scenario = _scenario(region, settings, months)
    folder = _folder(out, scenario.name)
    from kretslopp.progress import Reporter
    from results.study import make_study

    with Reporter("runs on each seed", replicates) as reporter:
        text = make_study(scenario, folder, replicates=replicates, seed=seed, workers=workers, progress=reporter.update)
    typer.echo(text)
    typer.echo(f"\nReport: {folder / 'report.html'}")


@app.command()
def run(
    region: Region,
    replicates: Replicates = 1,
    months: Months = None,
    seed: Seed = 1,
    settings: Set = None,
    out: Out = None,
    workers: Workers = None,
    panel: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Also participants, exchanges or both, with a comma between.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Months between rows of the participant panel.")] = 1,
) -> None:
    """Trajectories of one scenario: trajectories.parquet and manifest.json, with --panel what is behind them."""
    scenario = _scenario(region, settings, months)
    from experiments.panel import parse_panels

    panels = parse_panels(panel, every, scenario.months)
    folder = _folder(out, f"{scenario.name}-run")  # beside the study of the same scenario, not over it
    from experiments.trajectories import write_trajectories
    from kretslopp.progress import Reporter

    with Reporter("runs", replicates) as reporter:
        file = write_trajectories(
            scenario,
            folder,
            replicates=replicates,
            seed=seed,
            workers=workers,
            progress=reporter.update,
            panels=panels,
            every=every,
        )
    typer.echo(f"Trajectories: {file}")
    for name in panels:
        typer.echo(f"Panel: {folder / name}.parquet")


@app.command()
def effect(
    region: Region,
    fte: Annotated[float | None, typer.Option(help="Staff of the centre (full-time equivalents).")] = None,
    replicates: Replicates = 100,
    months: Months = None,
    seed: Seed = 1,
    settings: Set = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """What the centre changes, with minus without on the same seeds, with intervals."""
    scenario = _scenario(region, settings, months, facilitator__fte=fte)
    from experiments.effect import paired_effect
    from kretslopp.progress import Reporter

    with Reporter("pairs", replicates) as reporter:
        result = paired_effect(scenario, replicates=replicates, seed=seed, workers=workers, progress=reporter.update)
    if as_json:
        typer.echo(json.dumps(result.as_dict(), ensure_ascii=False))
    else:
        from results.tables import effect_table, in_both_arms

        typer.echo(effect_table(result, in_both_arms(scenario)))


@app.command("list")
def list_what(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="regions, parameters, byproducts, rules, interventions or indicators.")
    ],
    as_json: Json = False,
) -> None:
    """What there is to choose from."""
    from results.listings import LISTINGS, as_text

    if what not in LISTINGS:
        from abm.scenario import ScenarioError, nearest

        raise ScenarioError([f"no list of {what!r}; known: {', '.join(LISTINGS)}{nearest(what, tuple(LISTINGS))}"])
    rows = LISTINGS[what]()
    typer.echo(json.dumps(rows, ensure_ascii=False) if as_json else as_text(rows))


def main() -> None:
    """Run the command line; errors of input end with one line each and exit code 2."""
    _spare_the_interpreter()
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        if isinstance(lines := getattr(error, "errors", None), list):  # ScenarioError, DataError
            _fail(lines, INPUT_WRONG)
        if hasattr(error, "format_message"):  # typer's own: a missing or malformed option
            _fail([error.format_message()], INPUT_WRONG)
        _fail([f"a run failed: {type(error).__name__}: {error}"], RUN_FAILED)
    if code == INTERRUPTED:
        _fail(["interrupted; each file is whole, and a folder without manifest.json is not complete"], INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _spare_the_interpreter() -> None:
    """Leave out what a short-lived command does not need (benchmarks/startup.py measures it)."""
    # Replicates are what runs in parallel. Before numpy is imported: BLAS starts a thread a processor when loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Imports and kernels make half a million objects that all stay: look for garbage among them less often, and not
    # at all at the end, when the system takes the memory back at once.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)


def _fail(lines: list[str], code: int) -> None:
    for line in lines:
        print(f"kretslopp: {' '.join(line.split())}", file=sys.stderr)
    sys.exit(code)
