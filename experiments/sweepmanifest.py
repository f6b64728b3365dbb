"""What a sweep's folder says of itself: its design in full, and who worked on it for how long."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from abm.scenario import ScenarioError
from experiments.files import write_json
from experiments.identity import digest

SWEEP = "sweep"  # what the manifest of such a folder says it is
MANIFEST, CHECKSUM = "manifest.json", "checksum"
MEND = "the same sweep command mends it"
FREE = ("name", "layout", "rows", "replicates")  # may change when a design grows; rows are compared one by one
KINDS: Mapping[str, type | tuple[type, ...]] = {
    "rows": int,
    "replicates": int,
    "arms": dict,
    "swept": list,
    "indicators": list,
    "name": str,
}
JOB_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "host": str,
    "process": int,
    "part": str,
    "done": int,
    "seconds": (int, float),
    "core_hours": (int, float),
    "noted": str,
}


class DamagedManifest(ScenarioError):
    """The manifest is there and not as it was written."""


def design_id(content: Mapping[str, Any]) -> str:
    """Digest of what no growth of a design changes: of its content as the manifest keeps it."""
    return digest({key: value for key, value in content.items() if key not in FREE})


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a sweep's folder, or None if there is none, or another's; raises DamagedManifest."""
    file = folder / MANIFEST
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DamagedManifest([f"{file}: damaged ({reason}); {MEND}"]) from None
    if isinstance(content, dict) and content.get("kind") != SWEEP and not {"design", "jobs"} <= set(content):
        return None  # of another command, or another program
    for problem in _problems(content):
        raise DamagedManifest([f"{file}: damaged ({problem}); {MEND}"])
    return content


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Write it whole, with a checksum of what it says."""
    said = {key: value for key, value in content.items() if key != CHECKSUM}
    write_json(folder / MANIFEST, {**said, CHECKSUM: digest(said)})


def _problems(content: Any) -> Iterator[str]:
    """What is not as a sweep writes it."""
    if not isinstance(content, dict) or content.get("kind") != SWEEP:
        yield "it is not a sweep's"
        return
    yield from _wrong(content, {"design": dict, "jobs": dict}, "")
    yield from _wrong(content["design"], KINDS, "design.")
    for name, job in content["jobs"].items():
        yield from _wrong({name: job}, {name: dict}, "jobs.")
        yield from _wrong(job, JOB_KINDS, f"jobs.{name}.")
    if content.get(CHECKSUM) != digest({key: value for key, value in content.items() if key != CHECKSUM}):
        yield "it does not say what was written: checksum"


def _wrong(content: Mapping[str, Any], kinds: Mapping[str, type | tuple[type, ...]], where: str) -> Iterator[str]:
    for key, kind in kinds.items():
        if not isinstance(content.get(key), kind):
            yield f"{where}{key} is {json.dumps(content.get(key))[:40]}"
