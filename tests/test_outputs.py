"""Folders that commands write: an old manifest never stands beside new files, and what a kill left half done goes."""

from __future__ import annotations

import errno
import inspect
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import experiments.files
from abm.scenario import ScenarioError
from experiments.files import NODE, PART, clear_parts, mine, whole, write_json
from experiments.outputs import finish, opened
from kretslopp.cli import app
from kretslopp.options import FOLDERS
from tests.processes import KRETSLOPP, environment

ROOT = Path(__file__).resolve().parent.parent
FEW = ["--months", "12", "--set", "run.spin_up=1"]
SWEPT = ["--method", "morris", "--outcome", "adoption", "--runs", "2000", "--workers", "1", *FEW]
AREA = ["--parameters", "transaction.multiplier,prices.volatility", "--workers", "1", *FEW]
# Each way of writing a folder, and what its manifest says it is
COMMANDS = {
    "study": ("study", ["study", "tiny", "--replicates", "1", *FEW]),
    "run": ("run", ["run", "tiny", *FEW]),
    "run --panel": ("run", ["run", "tiny", "--panel", "exchanges,participants", *FEW]),
    "compare": (
        "comparison",
        ["compare", "tiny", "--interventions", "grant", "--budget", "1", "--replicates", "3", "--no-robust"],
    ),
    "sensitivity": ("sensitivity", ["sensitivity", "tiny", *SWEPT]),
    "sensitivity map": ("sensitivity", ["sensitivity", "tiny", "--method", "map", "--runs", "400", *AREA]),
    "sensitivity functions": ("sensitivity", ["sensitivity", "tiny", "--method", "functions", "--runs", "124", *FEW]),
    "hypotheses": ("hypotheses", ["hypotheses", "--most", "10", "--workers", "1"]),
    "calibrate": ("calibration", ["calibrate", "kalundborg", "--workers", "1"]),
    "validate": (
        "validation",
        ["validate", "tiny", "--replicates", "2", "--targets", "landfill_tax", "--workers", "1"],
    ),
    "fit": ("price fit", ["prices", "fit", str(ROOT / "docs" / "examples" / "prices.csv"), "--from", "2005"]),
}
OTHERWISE = {"sweep", "new-region", "export"}  # a folder of its own kind, one that appears whole, a single file


class Killed(BaseException):
    """As a kill from outside: nothing catches it."""


def _all_commands() -> dict[str, Any]:
    found = {
        one.name or one.callback.__name__.replace("_", "-"): one.callback
        for one in app.registered_commands
        if one.callback
    }
    for group in app.registered_groups:
        if group.typer_instance:
            found |= {
                one.callback.__name__: one.callback for one in group.typer_instance.registered_commands if one.callback
            }
    return found


def test_the_list_is_of_all_commands_that_write_a_folder() -> None:
    writing = {name for name, call in _all_commands().items() if "out" in inspect.signature(call).parameters}
    assert writing - OTHERWISE == {name.split()[0] for name in COMMANDS}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_the_old_manifest_is_gone_before_a_file_is_new(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, arguments = COMMANDS[command]
    folder = tmp_path / "out"
    old = folder / "manifest.json"
    write_json(old, {"kind": kind})
    left = folder / f".table.csv.{NODE}-{_dead_process()}-0123abcd{PART}"
    left.write_text("half")
    replace = os.replace

    def watching(source: Any, target: Any) -> None:
        replace(source, target)
        if folder in Path(target).parents:  # the first file of the command's own
            assert not old.exists()
            assert not left.exists()
            raise Killed

    with monkeypatch.context() as watched:
        watched.setattr(experiments.files.os, "replace", watching)
        with pytest.raises(Killed):
            app([*arguments, "--out", str(folder)], standalone_mode=False)
    FOLDERS.close()
    assert not old.exists()
    assert [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")]


def _dead_process() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


# -- the function


def test_the_old_manifest_comes_back_where_nothing_was_written(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("1")
    write_json(tmp_path / "manifest.json", {"kind": "run"})
    before = (tmp_path / "manifest.json").read_text()

    def end(write: bool) -> None:
        with opened(tmp_path):
            assert not (tmp_path / "manifest.json").exists()
            if write:
                (tmp_path / "table.csv").write_text("2 ")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        end(False)
    assert (tmp_path / "manifest.json").read_text() == before
    with pytest.raises(KeyboardInterrupt):
        end(True)
    assert not (tmp_path / "manifest.json").exists()
    with opened(tmp_path) as folder:
        finish(folder, {"kind": "other"})
    assert json.loads((tmp_path / "manifest.json").read_text()) == {"kind": "other"}


def test_a_refused_command_leaves_a_folder_complete(tmp_path: Path) -> None:
    """The refusal comes after the folder was opened, of what is in it."""
    write_json(tmp_path / "problem.json", {"of": "another calibration"})
    write_json(tmp_path / "manifest.json", {"kind": "calibration"})
    with pytest.raises(ScenarioError, match="holds another calibration"):
        app(["calibrate", "kalundborg", "--workers", "1", "--out", str(tmp_path)], standalone_mode=False)
    assert not (tmp_path / "manifest.json").exists()
    FOLDERS.close()  # as the end of the command does
    assert json.loads((tmp_path / "manifest.json").read_text()) == {"kind": "calibration"}


def test_only_what_nobody_is_writing_is_cleared(tmp_path: Path) -> None:
    inner = tmp_path / "figures"
    inner.mkdir()
    dead = [folder / f".a.png.{NODE}-{_dead_process()}-00000000{PART}" for folder in (tmp_path, inner)]
    old = tmp_path / f".b.csv.0f0f0f0f{PART}"
    alive = [tmp_path / f".c.csv.{mine()}{PART}", tmp_path / f".d.csv.elsewhere-1-00000000{PART}", tmp_path / ".hidden"]
    for file in (*dead, old, *alive):
        file.write_text("")
    os.utime(old, (0, 0))
    clear_parts(tmp_path)
    assert not any(file.exists() for file in (*dead, old))
    assert all(file.exists() for file in alive)


def test_new_region_clears_the_work_of_one_that_was_killed(tmp_path: Path) -> None:
    left, other = tmp_path / f".new-region.x.{NODE}-{_dead_process()}-0123abcd", tmp_path / f".new-region.y.{mine()}"
    for folder in (left, other):
        (folder / "region").mkdir(parents=True)
    app(["new-region", "Mine", "--out", str(tmp_path / "mine")], standalone_mode=False)
    assert (tmp_path / "mine" / "Mine.toml").exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["mine", other.name])


# -- no room


def test_a_file_for_which_there_is_no_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(experiments.files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as error, whole(tmp_path / "table.csv") as temporary:
        temporary.write_text("half")
    assert error.value.filename == str(tmp_path / "table.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (["run", "tiny", "--months", "60", "--out", "out"], "out/trajectories.parquet"),
        (["run", "tiny", "--months", "60", "--panel", "participants", "--out", "out"], "out/participants.parquet"),
        (["study", "tiny", "--replicates", "2", "--months", "12", "--out", "out"], "out/runs.parquet"),
    ],
)
def test_no_room_is_one_line_and_nothing_half_written(tmp_path: Path, arguments: list[str], file: str) -> None:
    """A limit on the size of files stands in for a full disk, which takes other rights."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    ended = subprocess.run(
        [*KRETSLOPP, *arguments],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )
    assert ended.returncode == 1, ended.stderr
    line = ended.stderr.strip().splitlines()[-1]
    assert line == f"kretslopp: {file}: cannot be written; what is there is whole (File too large)"
    assert "Traceback" not in ended.stderr
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []
