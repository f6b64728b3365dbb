"""The command that fits raw-material prices: `prices fit`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kretslopp.options import Json, Out, output_folder

if TYPE_CHECKING:
    from calibration.priceseries import Deflator, Series, Window

PRICES = "price fit"  # what the manifest of a folder says it is
prices = typer.Typer(add_completion=False, rich_markup_mode=None, help="Raw-material prices: fit the price process.")


@prices.callback()
def _group() -> None:
    """Raw-material prices: fit the price process."""  # with a callback `fit` stays a command of its own


@prices.command()
def fit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Monthly prices: Pink Sheet XLSX, or a CSV table.")],
    deflator: Annotated[Path | None, typer.Option(help="Monthly price index (CSV): Date,Index.")] = None,
    start: Annotated[
        str, typer.Option("--from", metavar="YEAR|MONTH", help="First month, as 1996 or 1996-01.")
    ] = "1996",
    end: Annotated[str | None, typer.Option("--to", metavar="YEAR|MONTH", help="Last month.")] = None,
    series: Annotated[
        list[str] | None, typer.Option(metavar="NAME[,NAME]", help="Only these series; repeatable.")
    ] = None,
    units: Annotated[Path | None, typer.Option(help="Table series,unit (default: *_units.csv beside FILE).")] = None,
    base_year: Annotated[int, typer.Option(help="Year whose money real prices are in.")] = 2024,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Fit the mean-reverting jump process to each series: estimates, intervals, checks, correlation, figures."""
    from abm.texts import DataError
    from calibration.correlations import correlation
    from calibration.pricecheck import check
    from calibration.prices import fit_all
    from kretslopp.progress import Stages
    from results.pricefits import fits_dict, fits_text

    asked, left_out, facts, basis = _read(file, deflator, start, end, series, units, base_year)
    folder = None if as_json and out is None else output_folder(out, f"{file.stem}-prices", PRICES)
    with Stages() as stages:
        try:
            fits = fit_all(asked, stages.stage("series"))
        except DataError as error:
            raise DataError([f"{file}: {line}" for line in error.errors]) from None
        links = correlation({one.series.name: one.shocks for one in fits})
        checks = [found for one in fits for found in check(one)]
        if folder is not None:
            _write(folder, fits, links, checks, facts, basis, stages.stage("pages of figures"))
    if as_json:
        typer.echo(json.dumps(fits_dict(fits, links, left_out, facts), ensure_ascii=False, allow_nan=False))
    else:
        typer.echo(fits_text(fits, links, checks, left_out, basis))
        typer.echo(f"\nRows for a table of commodities: {folder}/prices.toml; figures: {folder}/prices-1.png and on")


def _read(
    file: Path,
    deflator: Path | None,
    start: str,
    end: str | None,
    series: list[str] | None,
    units: Path | None,
    base: int,
) -> tuple[list[Series], dict[str, str], dict[str, Any], str]:
    """Checked series, what is left out and why, facts for programs and a line for people."""
    from calibration.pricefile import month_text, read_table, read_units, units_beside
    from calibration.priceseries import cut_by_deflator, make_deflator, make_series, read_window

    asked = read_window(start, end)
    table = read_table(file)
    level = make_deflator(read_table(deflator), base) if deflator is not None else None
    window = cut_by_deflator(table, asked, level, deflator)
    beside = units or (None if table.units else units_beside(file))
    known = table.units | (read_units(beside) if beside is not None else {})
    kept, left_out = make_series(table, window, level, known, series)
    _say_cuts(asked, window, level)
    first, last = month_text(window.first), month_text(window.last)
    money = f"money of {base}, deflated by {deflator.name}" if deflator is not None else "nominal"
    basis = f"{file.name}, {first} to {last}, {money}."
    facts = {"file": str(file), "deflator": deflator and str(deflator), "base_year": base if level else None}
    return kept, left_out, facts | {"from": first, "to": last, "units_from": beside and str(beside)}, basis


def _say_cuts(asked: Window, window: Window, level: Deflator | None) -> None:
    """Say on stderr where the window was cut, and which months of the deflator were interpolated."""
    from calibration.pricefile import month_text

    first, last = month_text(window.first), month_text(window.last)
    if window.first > asked.first:
        print(f"kretslopp: the window begins in {first}: there is no price or deflator before", file=sys.stderr)
    if level is not None and window.last == level.first + level.logs.size - 1:
        print(f"kretslopp: the window ends in {last}, with the deflator", file=sys.stderr)
    filled = [month for month in (level.filled if level else ()) if first <= month <= last]
    if filled:
        more = f" and {len(filled) - 6} months more" if len(filled) > 6 else ""
        print(f"kretslopp: the deflator has no {', '.join(filled[:6])}{more}: interpolated", file=sys.stderr)


def _write(
    folder: Path,
    fits: Any,
    links: Any,
    checks: Any,
    facts: dict[str, Any],
    basis: str,
    progress: Callable[[int, int], None],
) -> None:
    """Tables, rows, figures; the manifest last, since where it is the rest belongs together."""
    from experiments.files import provenance
    from experiments.outputs import finish
    from results.pricefigures import write_pages
    from results.pricefits import write_fits

    write_fits(fits, links, checks, folder, basis, Path(facts["file"]).name)
    write_pages(fits, folder, basis, progress)
    finish(folder, {"kind": PRICES, **facts, "series": [one.series.name for one in fits], **provenance()})
