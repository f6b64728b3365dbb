"""The command line. Heavy imports live inside the commands, so that `--help` is quick.

Exit codes: 0 done, 1 a run failed, 2 the input is wrong (one line an error on stderr), 130 stopped by Ctrl-C, 143 by
SIGTERM.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import sys
import warnings
from contextlib import suppress
from typing import Annotated, TextIO

import typer

from kretslopp import calibrating, exporting, inference, pricing, regional, sweeping
from kretslopp.options import (
    FOLDERS,
    Json,
    Months,
    Out,
    Pairs,
    PosteriorFile,
    Region,
    Replicates,
    Seed,
    Set,
    SmallEffects,
    Width,
    WidthOf,
    Workers,
    app,
    count_or_none,
    output_folder,
    read_draws,
    read_pairs,
    read_scenario,
    read_small_effects,
    say_if_wide,
)
from kretslopp.stopping import STOPPING, WORDS
from kretslopp.terminal import fit_terminal, no_file_name, unreadable
from kretslopp.typed import as_typed

INPUT_WRONG = 2
RUN_FAILED = 1
INTERRUPTED = 130


@app.command()
def study(
    region: Region,
    replicates: Pairs = "100",
    months: Months = None,
    seed: Seed = 1,
    settings: Set = None,
    out: Out = None,
    workers: Workers = None,
    ci_width: Width = None,
    ci_of: WidthOf = "adoption",
    posterior: PosteriorFile = None,
    small: SmallEffects = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out the ranges of what nobody has measured, and the screening.")
    ] = False,
) -> None:
    """The main job: with and without the centre, its functions and its size; tables, figures and a report."""
    scenario = read_scenario(region, settings, months)
    pairs, little = read_pairs(replicates, ci_width, ci_of, scenario), read_small_effects(small, scenario)
    from calibration.posterior import read_posterior

    given = read_posterior(posterior) if posterior else None
    folder = output_folder(out, scenario.name, "study")
    from kretslopp.progress import Stages

    with Stages() as stages:
        stages.stage("loading what reports and figures need")
        from results.study import make_study

        text = make_study(
            scenario,
            folder,
            replicates=pairs,
            seed=seed,
            workers=workers,
            posterior=given,
            small=little,
            quick=quick,
            stage=stages.stage,
        )
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
    scenario = read_scenario(region, settings, months)
    from experiments.panel import parse_panels

    panels = parse_panels(panel, every, scenario.months)
    folder = output_folder(out, f"{scenario.name}-run", "run")  # beside the study of the same scenario, not over it
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
    replicates: Pairs = "100",
    months: Months = None,
    seed: Seed = 1,
    settings: Set = None,
    workers: Workers = None,
    as_json: Json = False,
    ci_width: Width = None,
    ci_of: WidthOf = "adoption",
    posterior: PosteriorFile = None,
    small: SmallEffects = None,
) -> None:
    """What the centre changes, with minus without on the same seeds, with intervals."""
    scenario = read_scenario(region, settings, months, facilitator__fte=fte)
    little = read_small_effects(small, scenario)
    if posterior is not None:
        if small:
            from abm.scenario import ScenarioError

            raise ScenarioError(["--small: does not go with --posterior, whose table gives 95 % of histories"])
        draws = read_draws(replicates, ci_width)
        from kretslopp.calibrating import effect_over_posterior

        effect_over_posterior(scenario, posterior, draws, seed, workers, as_json)
        return
    pairs = read_pairs(replicates, ci_width, ci_of, scenario)
    from experiments.effect import paired_effect
    from kretslopp.progress import Reporter

    with Reporter("pairs", count_or_none(pairs)) as reporter:
        result = paired_effect(
            scenario, replicates=pairs, seed=seed, workers=workers, progress=reporter.update, small=little
        )
    say_if_wide(pairs, [result[ci_of]])
    if as_json:
        typer.echo(json.dumps(result.as_dict(), ensure_ascii=False))
    else:
        from results.answer import answer, answer_text
        from results.tables import effect_table

        typer.echo(f"{answer_text(answer(result, scenario))}\n\n{effect_table(result)}")


@app.command("list")
def list_what(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="regions, parameters, byproducts, rules, interventions, indicators or targets."
        ),
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


for command in (
    inference.compare,
    inference.sensitivity,
    sweeping.sweep,
    sweeping.status,
    sweeping.merge,
    inference.hypotheses,
    calibrating.calibrate,
    calibrating.validate,
    regional.new_region,
    regional.check,
    exporting.export,
):
    app.command()(command)
app.add_typer(pricing.prices, name="prices")


def main() -> None:
    """Run the command line; errors of input end with one line each and exit code 2."""
    _spare_the_interpreter()
    warnings.showwarning = _say
    fit_terminal()
    STOPPING.listen()
    if foreign := unreadable(sys.argv[1:]):
        _fail(foreign, INPUT_WRONG)
    try:
        with FOLDERS:
            code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
            sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        _fail(*_explained(error))
    if (
        STOPPING.code and code in (STOPPING.code, INTERRUPTED)
    ) or code == INTERRUPTED:  # typer, too, makes it of Ctrl-C
        code = STOPPING.code or INTERRUPTED
        _fail([f"{WORDS[code]}; each file is whole, and a folder without manifest.json is not complete"], code)
    sys.exit(code if isinstance(code, int) else 0)


def _explained(error: Exception) -> tuple[list[str], int]:
    """What is said of an error, and the exit code."""
    if isinstance(lines := getattr(error, "errors", None), list):  # ScenarioError, DataError, CompilerError
        return [as_typed(line, sys.argv[1:]) for line in lines], INPUT_WRONG
    if isinstance(error, UnicodeEncodeError):
        return [no_file_name(error)], INPUT_WRONG
    if hasattr(error, "format_message"):  # typer's own: a missing or malformed option
        return [error.format_message()], INPUT_WRONG
    failed = STOPPING.code or RUN_FAILED
    if type(error).__name__ in ("SweepError", "NoWorker", "WorkerKilled"):
        return [str(error)], failed
    if isinstance(error, OSError) and error.errno is not None:
        return [_refused(error)], failed
    return [f"a run failed: {type(error).__name__}: {error}"], failed


def _refused(error: OSError) -> str:
    """What the system does not do, with the file."""
    from experiments.files import NO_ROOM

    reason = os.strerror(error.errno or 0)
    if error.filename is None:  # of the command line's own stream
        with suppress(OSError):  # so that the interpreter does not try once more when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return f"standard output: cannot be written ({reason})"
    verb = "cannot be written; what is there is whole" if error.errno in NO_ROOM else "the system refuses"
    return f"{error.filename}: {verb} ({reason})"


def _spare_the_interpreter() -> None:
    """Leave out what a short-lived command does not need (benchmarks/startup.py measures it)."""
    # Replicates are what runs in parallel. Before numpy is imported: BLAS starts a thread a processor when loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Imports and kernels make half a million objects that all stay: look for garbage among them less often, and not
    # at all at the end, when the system takes the memory back at once.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)


def _fail(lines: list[str], code: int) -> None:
    from abm.texts import one_line

    for line in lines:
        print(f"kretslopp: {one_line(line)}", file=sys.stderr)
    sys.exit(code)


def _say(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print what was noted of a user's file as one line; other warnings as Python does."""
    if category.__name__ == "Note":  # of abm.texts
        print(f"kretslopp: {message}", file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, filename, lineno, line), end="", file=file or sys.stderr)
