"""The commands of sweeps: `sweep`, `status`, `merge`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.limits import MOST_RUNS
from kretslopp.options import Json
from kretslopp.stopping import STOPPING

if TYPE_CHECKING:
    from experiments.designs import Design
    from experiments.store import Status
    from experiments.sweep import Estimate, Report

RUN_FAILED = 1
SHOWN = 20  # lines on damaged files
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A sweep's folder.")]


def sweep(
    design: Annotated[Path, typer.Argument(metavar="DESIGN.toml", help="What is swept (docs/sweeps.md).")],
    out: Annotated[Path | None, typer.Option(help="Folder of the sweep; the same command again goes on in it.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes (default: one a processor).")] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on a Dask scheduler (tcp://...), or local.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Part I of N: one of N jobs that share the folder.")
    ] = None,
    max_runs: Annotated[int, typer.Option(min=1, help="Refuse a design of more runs than this.")] = MOST_RUNS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Run a design: every row, arm and replicate, whatever happens on the way."""
    from abm.scenario import ScenarioError
    from experiments.designfile import load_design
    from experiments.folder import refuse_foreign
    from experiments.sweep import check_start, estimate, run_sweep
    from kretslopp.progress import Reporter

    part = parse_part(shard)
    if dask is not None and workers and dask != "local":
        raise ScenarioError(["--workers: the scheduler's own are used; leave it out"])
    plan = load_design(design, max_runs)
    folder = out or Path("runs") / plan.name
    refuse_foreign(folder)
    if dask is None:
        check_start(plan, workers)
    with ExitStack() as stack, Reporter("runs", None) as reporter:
        executor, width = None, workers
        if dask is not None and not dry_run:
            from experiments.cluster import dask_executor

            executor, width = stack.enter_context(dask_executor(dask, workers))
        if dry_run or done_in(folder) < plan.runs:
            print("timing a few runs", file=sys.stderr, flush=True)
            demand = estimate(plan)
            if dry_run:
                facts = _demand_facts(plan, demand, width)
                typer.echo(json.dumps(facts) if as_json else demand_text(plan, demand, width))
                return
            typer.echo(demand_text(plan, demand, width), err=True)
        stop = stack.enter_context(STOPPING.asked())
        report = run_sweep(
            plan, folder, workers=width, executor=executor, part=part, progress=reporter.update, stop=stop
        )
    _tell(report, folder, as_json)
    sys.exit(stop.code or (RUN_FAILED if report.killers or report.failed else 0))


def done_in(folder: Path) -> int:
    """Runs that a folder holds; 0 if it is none of a sweep, or its manifest is damaged."""
    from experiments.store import Store, replicates_there

    return Store(folder).counts()[0] if replicates_there(folder) else 0


def parse_part(text: str | None) -> tuple[int, int]:
    """'3/40' -> (3, 40); raises ScenarioError."""
    from abm.scenario import ScenarioError

    if text is None:
        return 1, 1
    first, slash, of = text.partition("/")
    if not (slash and first.isdecimal() and of.isdecimal() and 1 <= int(first) <= int(of)):
        raise ScenarioError([f"--shard {text}: expected I/N with I from 1 to N, as 3/40"])
    return int(first), int(of)


# -- what is said


def duration(seconds: float) -> str:
    """'4.2 s', '40 s', '12 min', '3.5 h', '2.1 days'."""
    for unit, size in (("days", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2.0 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10.0 else f"{seconds:.1f} s"


def size_text(size: float) -> str:
    """'12 MB', '3.4 GB'."""
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def _demand_facts(plan: Design, demand: Estimate, workers: int | None) -> dict[str, Any]:
    from experiments.runner import default_workers

    width = workers or default_workers()
    return {
        "design": plan.name,
        "rows": plan.rows,
        "replicates": plan.replicates,
        "arms": list(plan.arms),
        "runs": plan.runs,
        "workers": width,
        "run_seconds": demand.run_seconds,
        "seconds": plan.runs * demand.run_seconds / width,
        "memory_per_worker": demand.memory,
        "disk": demand.disk,
    }


def demand_text(plan: Design, demand: Estimate, workers: int | None) -> str:
    """What a design asks for, in two lines."""
    facts = _demand_facts(plan, demand, workers)
    memory = f", {size_text(demand.memory)} of memory each" if demand.memory else ""
    return (
        f"{plan.name}: {plan.runs} runs ({plan.rows} rows x {plan.replicates} replicates x {len(plan.arms)} arms)\n"
        f"in all about {duration(facts['seconds'])} on {facts['workers']} workers (a run was timed at "
        f"{1e3 * demand.run_seconds:.3g} ms){memory}, about {size_text(demand.disk)} on disk"
    )


def _tell(report: Report, folder: Path, as_json: bool) -> None:
    """Say what was done, and what could not be."""
    facts = {name: value for name, value in vars(report).items() if name != "killers"}
    for line in shortened(report.damaged):
        print(f"kretslopp: {line}", file=sys.stderr)
    killers = [{"shard": number, "reason": reason} for number, reason in report.killers.items()]
    rate = f", {report.done / report.seconds:.3g} a second" if report.seconds else ""
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), **facts, "left": report.left, "killers": killers}))
    else:
        typer.echo(f"{report.done} runs done in {duration(report.seconds)}{rate}; {report.before} were there already")
        typer.echo(f"Runs: {folder / 'runs'} (pandas.read_parquet reads the folder)")
    for one in killers:
        print(f"kretslopp: shard {one['shard']} could not be run: {one['reason']}", file=sys.stderr)
    if not report.locked:
        print("kretslopp: this file system has no locks: do not start two jobs on the same shards", file=sys.stderr)
    if report.failed:
        print(f"kretslopp: {report.failed} runs failed; column error says why", file=sys.stderr)
    if report.stopped:
        print(f"kretslopp: stopped with {report.left} runs left; the same command goes on", file=sys.stderr)


def shortened(lines: Sequence[str]) -> list[str]:
    """The first `SHOWN` of many lines, and how many more there are."""
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"... and {more} more"] if more > 0 else [])]


def status(folder: Folder, as_json: Json = False) -> None:
    """How far a sweep is: done, failed, rate, time left, who is at work."""
    from experiments.store import Store

    store = Store(folder)
    facts = store.status()
    if as_json:
        typer.echo(json.dumps(facts.as_dict(), ensure_ascii=False))
    else:
        typer.echo(status_text(facts))


def status_text(facts: Status) -> str:
    """The status in a few lines."""
    lines = [f"{facts.done} of {facts.total} runs done ({100 * facts.done / facts.total:.1f} %), {facts.failed} failed"]
    lines += [f"  {count} x {kind}" for kind, count in facts.errors.items()]
    if facts.done < facts.total and facts.rate and facts.seconds_left is not None:
        state = "at" if facts.at_work else "nobody is at work; at the last"
        lines.append(f"{state} {facts.rate:.3g} runs a second, {duration(facts.seconds_left)} left")
    for job in facts.at_work:
        lines.append(f"at work: {job['host']}, process {job['process']}, part {job['part']}, {job['done']} runs so far")
    lines += [f"damaged: {line}" for line in shortened(facts.damaged)]
    if facts.damaged:
        lines.append("the same sweep command with its design mends what is damaged")
    lines.append(f"{facts.core_hours:.3g} core-hours so far")
    return "\n".join(lines)


def merge(folder: Folder, as_json: Json = False) -> None:
    """Write all runs of a sweep into one file, in order: merged.parquet."""
    from experiments.store import Store

    store = Store(folder)
    file, rows = store.merge()
    missing = store.total - rows
    if as_json:
        typer.echo(json.dumps({"file": str(file), "runs": rows, "missing": missing}))
    else:
        typer.echo(f"Merged: {file} ({rows} runs)")
    if missing:
        print(f"kretslopp: {missing} runs of the design are not there yet", file=sys.stderr)
