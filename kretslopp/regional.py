"""The commands for a region of one's own: `new-region` writes its files, `check` looks them over."""

from __future__ import annotations

import json
import logging
import shlex
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from kretslopp.options import Json, Region, Set, read_scenario

TEMPLATE = Path(__file__).parent / "template"
REGION_FILE = "region.toml"  # of the template


def new_region(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, space, point and hyphen.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files, which must not be there (default: NAME).")
    ] = None,
) -> None:
    """Write the files of a region of your own: a commented TOML file and tables (CSV) to fill in."""
    from abm.scenario import NAME, ScenarioError
    from experiments.files import abandoned, mine

    folder = out or Path(name)
    if not NAME.fullmatch(name):
        raise ScenarioError([f"new-region {name}: letters, digits, space, point and hyphen only"])
    if folder.exists():
        raise ScenarioError([f"new-region {name}: {folder} is there already; nothing is written"])
    file = folder / f"{name}.toml"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in filter(abandoned, folder.parent.glob(".new-region.*")):  # of one that was killed
            rmtree(left, ignore_errors=True)
        with TemporaryDirectory(dir=folder.parent, prefix=".new-region.", suffix=f".{mine()}") as written:
            whole = Path(written) / "region"
            whole.mkdir()
            for part in sorted(TEMPLATE.iterdir()):
                text = part.read_text(encoding="utf-8").replace("@NAME@", name).replace("@FILE@", str(file))
                (whole / (file.name if part.name == REGION_FILE else part.name)).write_text(text, encoding="utf-8")
            whole.rename(folder)
    except OSError as error:
        raise ScenarioError([f"new-region {name}: {folder} cannot be written ({error.strerror})"]) from None
    typer.echo(f"Files: {', '.join(sorted(part.name for part in folder.iterdir()))} in {folder}")
    typer.echo(f"Fill them in (docs/new-region.md), then: kretslopp check {shlex.quote(str(file))}")


def check(region: Region, settings: Set = None, as_json: Json = False) -> None:
    """What is missing or odd in a region or scenario, before a run: firms, by-products, opportunities."""
    _say_what_is_executed()
    scenario = read_scenario(region, settings, None)
    from results.regioncheck import check_text, region_check

    found = region_check(scenario)
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else check_text(found))


def _say_what_is_executed() -> None:
    """On stderr, before it is: code of rule files, which a scenario of somebody else's may name."""
    log, said = logging.getLogger("abm.rulefiles"), logging.StreamHandler()
    said.setFormatter(logging.Formatter("kretslopp: %(message)s"))
    log.addHandler(said)
    log.setLevel(logging.INFO)
