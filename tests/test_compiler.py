"""Where the compiler cannot be used this is said in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
