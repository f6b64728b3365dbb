"""The model compiled ahead of its first run: all of it, once, and said."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from abm import compiling
from abm.compiled import KERNELS, _widened
from abm.compiling import MONTHS, STEPS, _arguments
from abm.kernelcache import SUFFIX
from abm.month import month, months
from abm.scenario import Scenario
from abm.simulate import simulate
from tests.processes import KRETSLOPP, Start, environment

# Which take numbers as they come: keys or counters in chance, counts or values in a share.
OF_SEVERAL_KINDS = {"abm.chance.mix", "abm.chance.uniform", "abm.chance.normal", "abm.chance.exponential",
                    "abm.observe.share", "abm.queues.push"}  # fmt: skip


OF_THE_MODEL = [name for name in KERNELS if name.startswith("abm.")]  # tests compile their own


def test_a_run_calls_the_month_that_is_compiled_ahead(tiny: Scenario) -> None:
    simulate(tiny, 1)
    assert [tuple(signature) for signature in months.signatures] == [_arguments(months)]


def test_every_step_of_the_month_is_a_part_of_its_own() -> None:
    called = {name for name in month.py_func.__code__.co_names if name != "step"}
    assert called == set(STEPS)
    assert MONTHS not in STEPS


def test_numbers_are_taken_at_one_width() -> None:
    from numba import float32, float64, int32, int64, literally, types, uint8, uint64  # noqa: F401

    for narrow in (int32, uint8, types.literal(5)):
        assert _widened(narrow) == int64
    assert _widened(types.literal(True)) == types.boolean
    for one in (int64, uint64, float64, float32):
        assert _widened(one) == one


def environment_of(folder: Path) -> dict[str, str]:
    return {**environment(), "NUMBA_CACHE_DIR": str(folder / "kept"), "KRETSLOPP_COMPILED": str(folder / "log")}


def compiled(folder: Path) -> list[str]:
    return (folder / "log").read_text().split() if (folder / "log").exists() else []


def versions(folder: Path) -> Counter[str]:
    """How many versions of each function are kept."""
    return Counter(file.name.rpartition("-")[0] for file in (folder / "kept").glob(f"*/*{SUFFIX}"))


@pytest.mark.slow
def test_after_the_first_command_nothing_is_compiled(start: Start, tmp_path: Path) -> None:
    """A first command is killed on the way; the next compiles all that is left, says how far it is, and runs."""
    words = ["effect", "tiny", "--replicates", "2", "--months", "12"]
    env = environment_of(tmp_path)
    first = start([*KRETSLOPP, *words], tmp_path, env)
    assert first.stderr is not None
    assert first.stderr.readline() == f"compiling the model, once on this machine: 0 of {len(OF_THE_MODEL)}\n"
    first.stderr.readline()  # a tenth is done
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert 0 < len(versions(tmp_path)) < len(OF_THE_MODEL)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run([*KRETSLOPP, *words], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        return ended

    second = run(*words)
    assert "compiling the model, once on this machine: " in second.stderr
    kept = versions(tmp_path)
    assert set(kept) >= set(OF_THE_MODEL)
    assert {name for name, count in kept.items() if count > 1} <= OF_SEVERAL_KINDS
    before = compiled(tmp_path)
    third = run(*words)
    assert third.stdout == second.stdout
    assert "compiling" not in third.stderr
    assert compiled(tmp_path) == before
    run("run", "tiny", "--months", "24", "--set=appraisal.mix=npv@0.5", "--set=interventions.price_floor.level=0.5")
    assert [name for name in compiled(tmp_path)[len(before) :] if name in OF_THE_MODEL] == []  # a rule alone


def test_without_room_for_a_process_the_run_compiles_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor for a thread: nothing is left under way, and nothing is said but that it began."""
    told: list[int] = []

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(compiling, "holds", lambda *_: False)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    compiling.prepare(2, lambda done, _: told.append(done))
    assert told == [0]
