"""Installing with uv takes packages from where pip is told to, and leaves to pip what uv cannot do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "tools" / "install.py"


@pytest.fixture(scope="module")
def install() -> ModuleType:
    spec = spec_from_file_location("install", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_environment_counts_more_than_a_file_and_other_commands_not_at_all(install: ModuleType) -> None:
    listed = ":env:.index-url='from env'\ndownload.no-index='1'\nglobal.index-url='from file'\nglobal.cert='a=b'\n"
    assert install.pip_settings(listed) == {"index-url": "from env", "cert": "a=b"}


def test_what_uv_is_told(install: ModuleType) -> None:
    told = install.uv_settings(
        {"index-url": "one", "extra-index-url": "two\nthree", "find-links": "a b", "retries": "3"}
    )
    assert told == {
        "UV_DEFAULT_INDEX": "one",
        "UV_INDEX": "two three",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "a,b",
    }
    assert install.uv_settings({}) == {}


@pytest.mark.parametrize("option", ["no-index", "no-binary", "require-hashes", "pre", "client-cert"])
def test_what_uv_cannot_be_told_is_left_to_pip(install: ModuleType, option: str) -> None:
    assert install.uv_settings({"index-url": "one", option: "1"}) is None


def run(folder: Path, uv: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The script with that text as uv on the path, and with an index and a constraint in pip's configuration."""
    program = folder / "uv"
    program.write_text(f"#!/bin/sh\n{uv}\n")
    program.chmod(0o755)
    settings = folder / "pip.conf"
    settings.write_text("[global]\nindex-url = https://mirror.example/simple\nconstraint = more.txt\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    known = {**clean, "PIP_CONFIG_FILE": str(settings), "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([sys.executable, str(SCRIPT), *words], env=known, cwd=folder, capture_output=True, text=True)


def test_uv_is_called_with_pips_index_and_the_pinned_versions(tmp_path: Path) -> None:
    call = run(tmp_path, 'echo "$UV_DEFAULT_INDEX" "$@"', "--constraint", "own.txt", "--editable", ".")
    assert call.returncode == 0, call.stderr
    said = f"pip install --quiet --python {sys.executable} --constraint more.txt --constraint own.txt --editable ."
    assert call.stdout == f"https://mirror.example/simple {said}\n"


@pytest.mark.parametrize("uv", ["exit 2", "kill -9 $$"])
def test_pip_does_what_uv_fails_at(tmp_path: Path, uv: str) -> None:
    call = run(tmp_path, uv, "--help")
    assert call.returncode == 0, call.stderr
    assert "pip install [options]" in call.stdout
    assert call.stderr.startswith("uv cannot do it here")


def test_no_address_of_a_registry_is_in_a_file() -> None:
    for name in ("Makefile", "tools/install.py", "pyproject.toml", "constraints.txt", ".ci/run"):
        assert not re.search(r"https?://", (ROOT / name).read_text(encoding="utf-8")), name
