"""Files that are written whole or not at all, and the manifest that says what made them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from abm.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = ("kretslopp", "numpy", "scipy", "numba")
PART = ".part"  # ending of what is being written: no pattern for tables (*.parquet) finds it
STALE = 86_400.0  # seconds after which what another machine left half written is taken to be abandoned
NODE = re.sub(r"[^A-Za-z0-9]", "", platform.node()) or "node"
OWNER = re.compile(r"\.(\w+)-(\d+)-[0-9a-f]{8}(?:\.part)?$")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_under_way: set[Path] = set()


def mine() -> str:
    """Part of the name of what is only there while this process writes: whose it is, never the same twice."""
    return f"{NODE}-{os.getpid()}-{uuid4().hex[:8]}"


def has_ended(process: int) -> bool:
    """Is no process of this number on this machine? Where that cannot be asked, no."""
    if os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def abandoned(path: Path) -> bool:
    """Has the process that was writing this ended? One of another machine is given a day."""
    owner = OWNER.search(path.name)
    if owner and owner[1] == NODE and has_ended(int(owner[2])):
        return True
    try:
        return time.time() - path.stat().st_mtime > STALE
    except OSError:  # it is gone
        return False


def clear_parts(folder: Path) -> None:
    """Remove what killed processes left half written in a folder and those in it."""
    for file in folder.rglob(f".*{PART}"):
        if abandoned(file):
            with suppress(OSError):
                file.unlink()


def drop_parts() -> None:
    """Remove what this process has half written: it is about to end without unwinding."""
    for file in list(_under_way):
        with suppress(OSError):
            file.unlink()


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Give a temporary name beside `file`; it takes the real name only when the block ends without error.

    What was written is on the disk by then, so that not even a power cut leaves half a file under the real name. An
    error of the system that names no file, or the temporary one, names this one: a full disk.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{mine()}{PART}")
    _under_way.add(temporary)
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, file)
        _sync(file.parent)
    except OSError as error:
        if error.filename == str(temporary) or (error.filename is None and error.errno in NO_ROOM):
            raise OSError(error.errno, os.strerror(error.errno or errno.EIO), str(file)) from None
        raise
    finally:
        temporary.unlink(missing_ok=True)
        _under_way.discard(temporary)


def _sync(path: Path) -> None:
    """Wait until a file or the names in a folder are on the disk; systems that cannot open a folder do without."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def beside(file: Path, source: str, is_file: bool) -> str:
    """What the file of a design starts from: a region's name, or a file (a region's, too), relative to the design's."""
    return str(file.parent / source) if is_file or source.endswith(".toml") else source


def write_text(file: Path, text: str) -> None:
    """Write a text file whole."""
    with whole(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(file: Path, content: Any) -> None:
    """Write JSON whole; numbers that JSON does not have are errors."""
    write_text(file, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(file: Path, frame: pd.DataFrame) -> None:
    """Write a table whole."""
    with whole(file) as temporary:
        frame.to_parquet(temporary, index=False)


def write_csv(file: Path, frame: pd.DataFrame) -> None:
    """Write a table whole, its texts so that no spreadsheet runs them (experiments/cells.py)."""
    from experiments.cells import guarded_frame

    with whole(file) as temporary:
        guarded_frame(frame).to_csv(temporary, index=False)


def commit() -> str | None:
    """The commit of the source tree this runs from, or None when it is installed without one."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    call = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return call.stdout.strip() or None


def kind_of(folder: Path) -> str | None:
    """What the manifest of a folder says it is; None if it has none, or an old one that does not say."""
    try:
        content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content.get("kind") if isinstance(content, dict) else None


def manifest(scenario: Scenario, kind: str, *, seed: int, replicates: int, **more: Any) -> dict[str, Any]:
    """All that is needed to make the folder's files again; `kind` is what they are of."""
    return {
        "kind": kind,
        "scenario": scenario.name,
        "region": scenario.region_name,
        "months": scenario.months,
        "parameters": dict(scenario.values),
        "firms": [asdict(firm) for firm in scenario.firms],
        "facilitators": [row.model_dump() for row in scenario.facilitators],
        "rule_files": {path: hashlib.sha256(content).hexdigest() for path, content in scenario.rule_files},
        "seed": seed,
        "replicates": replicates,
        **more,
        **provenance(),
    }


def provenance() -> dict[str, Any]:
    """What made a folder's files: command, versions, machine, commit and when."""
    return {
        "command": ["kretslopp", *sys.argv[1:]],
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "machine": platform.machine(),
        "commit": commit(),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
