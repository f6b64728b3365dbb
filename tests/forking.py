"""A process that imports everything, runs the model once, and forks for each command line (tests/processes.py).

The fork is as a command line that was started anew: its own arguments, folder, environment and streams. At its end it
waits for threads and does what was registered for it, but does not take half a million objects apart.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("abm", "experiments", "calibration", "results", "kretslopp")


def serve() -> None:
    """Answer each line of JSON with the exit code of its command."""
    _import_all()
    assert threading.active_count() == 1  # a fork has the thread alone that forked
    while line := sys.stdin.readline():
        if (child := os.fork()) == 0:
            _run(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _import_all() -> None:
    """Modules and kernels, so that the forks find them in memory."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does: no threads of its own
    for package in PACKAGES:
        for file in sorted((ROOT / package).glob("*.py")):
            importlib.import_module(f"{package}.{file.stem}")
    from abm.scenario import load_scenario
    from abm.simulate import simulate

    simulate(load_scenario("tiny", months=1), 1)


def _run(request: dict[str, Any]) -> NoReturn:
    """A command in this process, to the end of both."""
    from kretslopp.cli import main

    _become(request)
    code: Any = 1
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code or 0)


def _become(request: dict[str, Any]) -> None:
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv[1:] = request["arguments"]
    streams = [os.open(os.devnull, os.O_RDONLY)]
    streams += [os.open(file, os.O_WRONLY | os.O_CREAT) for file in request["files"]]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
