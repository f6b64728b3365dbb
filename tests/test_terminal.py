"""Commands on terminals of any encoding, and names of files in any locale."""

from __future__ import annotations

import codecs
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from kretslopp.terminal import _stand_in

KRETSLOPP = [sys.executable, "-c", "from kretslopp.cli import main; main()"]


def _call(cwd: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    root = str(Path(__file__).resolve().parent.parent)
    settings = {name: value for name, value in os.environ.items() if name not in ("LANG", "LC_ALL", "PYTHONUTF8")}
    return subprocess.run(
        [*KRETSLOPP, *words], cwd=cwd, env={**settings, "PYTHONPATH": root, **environment}, capture_output=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "cp850", "ascii", "cp1252", "utf-8"])
def test_lists_on_terminals_that_lack_characters(tmp_path: Path, encoding: str) -> None:
    for what, name in (("parameters", "run.spin_up"), ("targets", "cluster_streams[20]")):
        call = _call(tmp_path, "list", what, PYTHONIOENCODING=encoding)
        assert (call.returncode, call.stderr) == (0, b"")
        text = call.stdout.decode(encoding if encoding != "ascii" else "utf-8")  # typer writes UTF-8 in place of ASCII
        assert any(line.startswith(name) for line in text.splitlines())
        assert ("..." in text) != ("…" in text)


def test_what_is_wrong_is_said_on_any_terminal(tmp_path: Path) -> None:
    call = _call(tmp_path, "run", "œuvre–Åsele.toml", PYTHONIOENCODING="latin-1", PYTHONUTF8="1")
    assert call.returncode == 2
    assert call.stderr.decode("latin-1") == "kretslopp: ?uvre-Åsele.toml: no such file\n"


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("ascii", "1 – 2 … é × Å", "1 - 2 ... e x A"),
        ("latin-1", "é × Å … œ", "é × Å ... ?"),
        ("cp850", "Åsele … – →", "Åsele ... - ->"),
        ("cp1251", "Åsele … é", "Asele … e"),
        ("ascii", "漢字\ud800", "???"),
    ],
)
def test_stand_ins(encoding: str, text: str, written: str) -> None:
    codecs.register_error("tests.stand_in", partial(_stand_in, encoding))
    assert text.encode(encoding, "tests.stand_in").decode(encoding) == written


PLAIN = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}


@pytest.mark.skipif(sys.platform != "linux", reason="the C locale is ASCII on Linux")
def test_names_in_a_locale_of_ascii(tmp_path: Path) -> None:
    refused = _call(tmp_path, "new-region", "Åsele", **PLAIN)
    assert refused.returncode == 2
    assert b"cannot be read as ascii; set PYTHONUTF8=1" in refused.stderr
    assert refused.stderr.count(b"\n") == 1
    (tmp_path / "plain.toml").write_text(
        'region = "tiny"\nname = "Åsele"\nmonths = 1\n[parameters]\nrun.spin_up = 0\n', encoding="utf-8"
    )
    refused = _call(tmp_path, "run", "plain.toml", **PLAIN)
    assert refused.returncode == 2
    assert b"sele-run cannot be a file's name in this locale (ascii); set PYTHONUTF8=1" in refused.stderr
    made = _call(tmp_path, "new-region", "Åsele", PYTHONUTF8="1", LC_ALL="C")
    assert made.returncode == 0
    assert (tmp_path / "Åsele" / "Åsele.toml").exists()
