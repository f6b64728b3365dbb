"""Processes of tests: what is started is ended whatever state it is in, and a fork is as a command started anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.processes import KRETSLOPP, call, ended, environment, started
from tests.sweeps import gone, until

PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"


@pytest.mark.parametrize("state", ["at work", "stopped", "killed", "over"])
def test_what_is_started_is_ended_with_what_it_started(tmp_path: Path, state: str) -> None:
    rest = "" if state == "over" else "; time.sleep(600)"
    process = started([sys.executable, "-c", PARENT + rest], tmp_path)
    children: list[psutil.Process] = []

    def has_child() -> bool:
        members = [one for one in psutil.process_iter(["pid"]) if one.pid != process.pid and _group(one) == process.pid]
        children[:] = members
        return bool(children)

    until(has_child)
    if state == "stopped":
        os.kill(process.pid, signal.SIGSTOP)
    elif state == "killed":
        process.kill()
        process.wait()
    elif state == "over":
        assert process.wait(60) == 0
    ended(process)
    assert process.returncode is not None
    until(lambda: gone(children), seconds=60.0)
    ended(process)  # no harm


def _group(process: psutil.Process) -> int:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return 0


@pytest.mark.parametrize(
    "arguments",
    [["list", "rules", "--json"], ["run", "nowhere"], ["--help"], ["check", "tiny"], ["effect", "tiny", "--fte"]],
)
def test_a_fork_says_what_a_command_started_anew_says(tmp_path: Path, arguments: list[str]) -> None:
    forked = call(*arguments, cwd=tmp_path)
    anew = subprocess.run(
        [*KRETSLOPP, *arguments], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert (forked.returncode, forked.stdout, forked.stderr) == (anew.returncode, anew.stdout, anew.stderr)


def test_a_fork_has_its_own_folder_and_leaves_nothing_behind(tmp_path: Path) -> None:
    assert call("new-region", "Norrbygden", cwd=tmp_path).returncode == 0
    assert (tmp_path / "Norrbygden").is_dir()
    refused = call("new-region", "Norrbygden", cwd=tmp_path)
    assert refused.returncode == 2
    assert "is there already" in refused.stderr
    (tmp_path / "end.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    killed = call("check", "tiny", "--set", "appraisal.rule=end.py:own", cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    assert call("list", "rules").returncode == 0
