"""Where the compiler cannot be used this is said in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from abm.compiled import STAMP, CompilerError, stamped

ROOT = Path(__file__).resolve().parent.parent
OFF = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("words", [["run", "tiny"], ["effect", "tiny", "--replicates", "2"]])
def test_switched_off_on_the_command_line(tmp_path: Path, words: list[str]) -> None:
    code = "from kretslopp.cli import main; main()"
    call = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, env=OFF, capture_output=True, text=True)
    assert call.returncode == 2
    assert call.stderr.startswith("kretslopp: Numba's compiler is switched off (NUMBA_DISABLE_JIT)")
    assert call.stderr.count("\n") == 1
    assert call.stdout == ""


def test_switched_off_in_python() -> None:
    code = "import kretslopp as kr\ntry: kr.simulate\nexcept RuntimeError as error: print(error)"
    call = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=OFF, capture_output=True, text=True)
    assert call.stdout.startswith("Numba's compiler is switched off (NUMBA_DISABLE_JIT)")
    assert call.stdout.count("\n") == 1


def test_another_way_of_keeping_what_is_compiled() -> None:
    known = SimpleNamespace(_cache=SimpleNamespace(_cache_file=SimpleNamespace(_source_stamp="file")))
    assert stamped(known)._cache._cache_file._source_stamp == (STAMP, "file")
    for other in (
        SimpleNamespace(),
        SimpleNamespace(_cache=None),
        SimpleNamespace(_cache=SimpleNamespace(_cache_file=object())),
    ):
        with pytest.raises(
            CompilerError, match=r"^Numba \S+ keeps compiled code in a way that kretslopp does not know"
        ):
            stamped(other)


def test_one_place_knows_of_the_field() -> None:
    for folder in ("abm", "experiments", "calibration", "results", "kretslopp"):
        for file in (ROOT / folder).glob("*.py"):
            assert ("_source_stamp" in file.read_text(encoding="utf-8")) == (file.name == "compiled.py")
