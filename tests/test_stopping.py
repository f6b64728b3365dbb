"""Ctrl-C and SIGTERM end every command in words, in order and soon, whatever it is doing."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.files import PART
from kretslopp.stopping import GRACE
from tests.processes import KRETSLOPP, Start, environment
from tests.sweeps import gone, until, workers_of, write_design

SLACK = 60.0  # seconds that a busy machine may take besides
ENDLESS = """
def rule(prospect):
    x = prospect.value
    while x == x:
        x = prospect.value
    return x > 0
"""
OWN_RULE = ["--set", "appraisal.rule=loop.py:rule"]
INT, TERM = (signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")
BUSY = {
    "run": (TERM, ["run", "ostergotland", "--replicates", "20000", "--out", "out"]),
    "study": (INT, ["study", "ostergotland", "--replicates", "20000", "--out", "out"]),
    "effect": (TERM, ["effect", "ostergotland", "--replicates", "20000"]),
    "compare": (INT, ["compare", "ostergotland", "--interventions", "grant", "--budget", "8", "--replicates", "20000"]),
    "hypotheses": (INT, ["hypotheses", "--out", "out", "--workers", "1"]),
    "sensitivity": (TERM, ["sensitivity", "ostergotland", "--runs", "200000", "--out", "out", "--workers", "1"]),
    "validate": (INT, ["validate", "ostergotland", "--replicates", "20000", "--out", "out", "--workers", "1"]),
}


def _at_work(process: subprocess.Popen[str], cpu: float = 4.0) -> Callable[[], bool]:
    """Has it, with its workers, computed for so long? Then it is past its imports."""
    import psutil

    def check() -> bool:
        own = psutil.Process(process.pid)
        spent = 0.0
        for one in (own, *own.children(recursive=True)):
            try:
                spent += sum(one.cpu_times()[:2])
            except psutil.Error:
                continue
        return spent > cpu

    return check


@pytest.mark.slow
@pytest.mark.parametrize("command", BUSY)
def test_a_command_ends_soon_in_words(start: Start, tmp_path: Path, command: str) -> None:
    (number, code, word), arguments = BUSY[command]
    process = start([*KRETSLOPP, *arguments], tmp_path)
    until(_at_work(process), process)
    workers = workers_of(process)
    asked = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=GRACE + SLACK)
    assert process.returncode == code, said
    assert time.monotonic() - asked < GRACE + SLACK
    *_, first, last = said.strip().splitlines()
    assert "stopping: runs under way are waited for" in first
    assert last.startswith(f"kretslopp: {word}")
    assert "Traceback" not in said
    until(lambda: gone(workers), seconds=SLACK)
    assert not list(tmp_path.rglob("manifest.json")) or command in ("hypotheses", "sensitivity")  # of their sweeps
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert not list(tmp_path.rglob(f".*{PART}")) or workers  # theirs are cleared by the next


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code", "word"), [INT, TERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_rule_that_never_ends_is_ended(start: Start, tmp_path: Path, number: int, code: int, word: str) -> None:
    """Its run is compiled: the main thread waits for a thread that hears no signal."""
    (tmp_path / "loop.py").write_text(ENDLESS)
    process = start([*KRETSLOPP, "run", "tiny", *OWN_RULE, "--panel", "exchanges"], tmp_path)
    until(_at_work(process, 6.0), process)
    process.send_signal(number)
    _, said = process.communicate(timeout=GRACE + SLACK)
    assert process.returncode == code, said
    assert said.strip().splitlines()[-1].startswith(f"kretslopp: {word}: a run does not end by itself (compiling, or a")
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [tmp_path / "loop.py"]


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(start: Start, tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(ENDLESS)
    process = start([*KRETSLOPP, "effect", "tiny", *OWN_RULE], tmp_path)
    until(_at_work(process, 6.0), process)
    process.send_signal(signal.SIGINT)
    time.sleep(1.0)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=GRACE + SLACK)
    assert process.returncode == 130, said
    assert "ended at once" in said or time.monotonic() - asked >= GRACE - 1.0  # a machine that slept through it


@pytest.mark.slow
def test_a_sweep_of_an_endless_rule_is_stopped_before_its_shards(start: Start, tmp_path: Path) -> None:
    """While its first runs are timed; workers end with it."""
    (tmp_path / "loop.py").write_text(ENDLESS)
    design = write_design(tmp_path, 10)
    design.write_text(design.read_text().replace('["npv", "real_option"]', '["npv", "loop.py:rule"]'))
    process = start([*KRETSLOPP, "sweep", design.name, "--out", "out", "--workers", "1"], tmp_path)
    until(lambda: bool(workers_of(process)), process)
    workers = workers_of(process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=GRACE + SLACK)
    assert process.returncode == 130, said
    until(lambda: gone(workers), seconds=SLACK)
    assert not (tmp_path / "out").exists()


def test_check_says_whose_code_it_runs_before_it_does(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import sys\nprint('code of the file', file=sys.stderr)\ndef own(prospect):\n    return prospect.value > 0\n"
    )
    ended = subprocess.run(
        [*KRETSLOPP, "check", "tiny", "--set", "appraisal.rule=mine.py:own"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    said = ended.stderr.splitlines()
    assert said.index(
        f"kretslopp: runs the code in {tmp_path / 'mine.py'}, with your rights, for the rules that it names"
    ) < (said.index("code of the file"))


def test_a_stream_that_is_full_is_one_line() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [*KRETSLOPP, "list", "rules"],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == "kretslopp: standard output: cannot be written (No space left on device)\n"
