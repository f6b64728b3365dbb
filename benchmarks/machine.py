"""What the figures were measured on (no names of hosts, users or folders), and the memory of this process."""

from __future__ import annotations

import os
import platform
import resource
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("kretslopp", "numpy", "scipy", "numba", "llvmlite", "mesa", "SALib")
PROCESS = Path("/proc/self")


def _fields(file: Path) -> dict[str, str]:
    """'name : value' lines of a file of Linux; nothing elsewhere."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def caches() -> str:
    """Sizes of the first core's caches, as Linux knows them."""
    folders = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    found = []
    for folder in folders:
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found.append(f"L{level} {size}")
    return ", ".join(found) or "unknown"


def describe(command: str) -> dict[str, str]:
    """When, with what, on what."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": command,
        "processor": _fields(Path("/proc/cpuinfo")).get("model name") or platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "caches": caches(),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def peak_memory() -> int:
    """Most bytes that this process has held in memory since `forget_peak`.

    Linux's own count of this program: what `getrusage` says there includes the parent from which it was started.
    """
    if "VmHWM" in (fields := _fields(PROCESS / "status")):
        return 1024 * int(fields["VmHWM"].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_peak() -> None:
    """Count the peak from now on, where the system can (Linux); else it stays the peak of the whole process."""
    if (file := PROCESS / "clear_refs").exists():
        file.write_text("5", encoding="ascii")
