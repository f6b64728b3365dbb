"""What the commands of the command line share: the application, common options, scenario and output folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.limits import LARGEST_SEED, MOST_RUNS

if TYPE_CHECKING:
    from abm.scenario import Scenario
    from experiments.pairs import Difference
    from experiments.precision import UntilNarrow
    from experiments.risk import Small

FOLDERS = ExitStack()  # output folders that are open until the command ends (cli.main)
app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Does a regional resource centre make the circular economy happen? Simulate by-product exchanges with and "
    "without one.",
)

Region = Annotated[
    str, typer.Argument(metavar="REGION|FILE", help="A region's name, or the file of a region or scenario (TOML).")
]
Replicates = Annotated[int, typer.Option(min=1, max=MOST_RUNS, help="Runs, or pairs of runs, on different seeds.")]
Pairs = Annotated[
    str, typer.Option("--replicates", metavar="N|auto", help="Pairs of runs; auto: until --ci-width is reached.")
]
Width = Annotated[
    float | None, typer.Option("--ci-width", help="With --replicates auto: width of the effect's 95 % interval.")
]
ADOPTION = "adoption"
WidthOf = Annotated[str, typer.Option("--ci-of", metavar="INDICATOR", help="Whose interval that is.")]
Months = Annotated[int | None, typer.Option(help="Months after the spin-up (default: the scenario's, else 180).")]
Seed = Annotated[
    int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the experiment; the same seed gives the same digits.")
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Override a parameter; repeatable.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the files.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Threads (default: one a processor).")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]

SmallEffects = Annotated[
    list[str] | None,
    typer.Option("--small", metavar="NAME=VALUE", help="An effect that is little (in the indicator's unit)."),
]

PosteriorFile = Annotated[
    Path | None,
    typer.Option(
        "--posterior", metavar="FILE", help="Calibrated parameters (kretslopp calibrate); --replicates draws of them."
    ),
]


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


def read_pairs(text: str, width: float | None, indicator: str, scenario: Scenario) -> int | UntilNarrow:
    """`--replicates` with `--ci-width` and `--ci-of`; raises ScenarioError."""
    from abm.plan import plan
    from abm.scenario import ScenarioError, nearest
    from abm.texts import shown
    from experiments.effect import GROSS
    from experiments.precision import UntilNarrow

    if text == "auto":
        columns = [name for name in plan(scenario).columns if name != GROSS]
        if width is None or not 0.0 < width < float("inf"):
            raise ScenarioError(["--replicates auto: needs --ci-width above 0, in the unit of --ci-of (a share: 0.01)"])
        if indicator not in columns:
            raise ScenarioError([f"--ci-of: no indicator {indicator!r} to be had{nearest(indicator, columns)}"])
        return UntilNarrow(width, indicator)
    given = [name for name, value in (("--ci-width", width), ("--ci-of", indicator)) if value not in (None, ADOPTION)]
    if given:
        raise ScenarioError([f"{given[0]}: goes with --replicates auto"])
    if not (text.isdecimal() and 1 <= int(text) <= MOST_RUNS):
        raise ScenarioError([f"--replicates {shown(text)}: expected a whole number from 1 to {MOST_RUNS}, or auto"])
    return int(text)


def read_draws(text: str, width: float | None) -> int:
    """`--replicates` with `--posterior`: draws from it; raises ScenarioError."""
    from abm.scenario import ScenarioError
    from abm.texts import shown

    if width is not None:
        raise ScenarioError(["--ci-width: does not go with --posterior; give --replicates draws"])
    if not (text.isdecimal() and 1 <= int(text) <= MOST_RUNS):
        raise ScenarioError(
            [f"--replicates {shown(text)}: expected a whole number from 1 to {MOST_RUNS} with --posterior"]
        )
    return int(text)


def read_small_effects(texts: list[str] | None, scenario: Scenario) -> Mapping[str, Small]:
    """`--small`, beside what the authors judge to be little; raises ScenarioError."""
    from abm.plan import plan
    from experiments.effect import GROSS
    from experiments.risk import read_small

    return read_small(texts or [], [name for name in plan(scenario).columns if name != GROSS])


def say_if_wide(wanted: int | UntilNarrow, differences: Sequence[Difference | None]) -> None:
    """Say on stderr that an interval did not become as narrow as was wanted."""
    if isinstance(wanted, int):
        return
    for one in differences:
        if one is not None and not one.ci_high - one.ci_low <= wanted.width:  # nan: not defined
            width = f"{one.ci_high - one.ci_low:.3g}, not {wanted.width:g}"
            print(f"kretslopp: stopped at {one.pairs} pairs with an interval {width} wide", file=sys.stderr)
            return


def count_or_none(pairs: int | UntilNarrow) -> int | None:
    """How many that are, if it is known beforehand."""
    return pairs if isinstance(pairs, int) else None


def output_folder(out: Path | None, name: str, kind: str) -> Path:
    """The output folder, made and writable, before any run starts; never one that holds something of another kind.

    Its old manifest is gone (experiments.outputs.opened), and back at the end of a command that has written nothing.
    """
    from tempfile import TemporaryFile

    from abm.scenario import ScenarioError
    from experiments.files import kind_of
    from experiments.outputs import opened

    folder = out or Path("runs") / name
    other = kind_of(folder)
    if other not in (None, kind):
        raise ScenarioError([f"--out {folder}: holds a {other}; choose another folder"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
        return FOLDERS.enter_context(opened(folder))
    except OSError as error:
        raise ScenarioError([f"--out {folder}: cannot be written ({error.strerror})"]) from None
