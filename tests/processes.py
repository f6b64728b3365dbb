"""Processes that tests start: command lines, to their end or under way; none is left behind.

Most tests ask what a command says and does. `call` runs it in a process of its own that has imported everything
already: the second or two that imports and the loading of kernels take are spent once, by a server that forks
(tests/forking.py). What is about the start of a process, its limits, signals or streams runs `KRETSLOPP` anew.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
KRETSLOPP = [sys.executable, "-c", "from kretslopp.cli import main; main()"]
FORKING = [sys.executable, "-c", "from tests.forking import serve; serve()"]

Start = Callable[..., subprocess.Popen[str]]


def environment() -> dict[str, str]:
    """For processes that must find the project's packages."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


class Forking:
    """The server, begun when first asked."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None

    def call(self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """A command line to its end: exit code (negative: the signal that killed it) and what it said."""
        with TemporaryDirectory() as place:
            files = [str(Path(place) / name) for name in ("out", "err")]
            request = {"arguments": arguments, "cwd": str(cwd), "env": dict(env), "files": files}
            code = self._ask(json.dumps(request))
            said = [Path(file).read_text(encoding="utf-8") for file in files]
        return subprocess.CompletedProcess([*KRETSLOPP, *arguments], code, *said)

    def _ask(self, request: str) -> int:
        if self._server is None:
            self._server = subprocess.Popen(
                FORKING, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment()
            )
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(request + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def end(self) -> None:
        """Let the server go."""
        if self._server is not None:
            self._server.communicate()


FORKS = Forking()


def call(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line, to its end, in a process that has imported everything."""
    return FORKS.call(arguments, cwd or Path.cwd(), os.environ)


def started(command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """A command under way, in a group of its own; it hears Ctrl-C even if this process is in a shell's background.

    Raises:
        OSError: It cannot be started.
    """
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=env or environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def ended(process: subprocess.Popen[str]) -> None:
    """End a started command with all that it started, whatever state they are in; nothing if they have ended."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
