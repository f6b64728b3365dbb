"""What a run is, so that it is never done twice and never taken for another: digests of contents, not of names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from abm.catalogue import DATA
from abm.kernelcache import STAMP
from abm.scenario import Scenario

TABLES = ("sectors.toml", "byproducts.toml", "commodities.toml")  # regions are in the scenario
LIBRARIES = ("numpy", "scipy", "numba")  # whose version can change the last digit


def digest(content: Any) -> str:
    """32 hexadecimal digits of anything that JSON can write; the same on every machine."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def whole_key(hexadecimal: str) -> np.uint64:
    """The first 64 bits of a digest, as a key of chance."""
    return np.uint64(int(hexadecimal[:16], 16))


@cache
def model_version() -> str:
    """Version of the package and of the model's own source and tables: other digits can only come of another one."""
    content = hashlib.blake2b(STAMP.encode(), digest_size=6)
    for name in TABLES:
        content.update((DATA / name).read_bytes())
    return f"{version('kretslopp')}+{content.hexdigest()}"


@cache
def library_versions() -> dict[str, str]:
    """Versions of what computes the digits besides the model."""
    return {name: version(name) for name in LIBRARIES}


def versions() -> dict[str, str]:
    """Of all that computes the digits."""
    return {"model": model_version(), **library_versions()}


def description(scenario: Scenario) -> dict[str, Any]:
    """All that a run of the scenario depends on besides the seed and the model, as JSON can write it."""
    return {
        "region": scenario.region_name,
        "region_content": digest(scenario.region.model_dump(mode="json")),
        "months": scenario.months,
        "parameters": dict(scenario.values),
        "firms": [asdict(firm) for firm in scenario.firms],
        "facilitators": [row.model_dump(mode="json") for row in scenario.facilitators],
    }


def run_id(draw: str, arm: str) -> str:
    """Content hash of one run: of its draw (row and replicate of a design) and its arm."""
    return hashlib.blake2b(f"{draw}/{arm}".encode(), digest_size=16).hexdigest()


def draw_id(design: str, row_key: str, seed: int) -> str:
    """Content hash of one replicate of a row: of the design's content (`content_id`), the row and the seed."""
    return hashlib.blake2b(f"{design}/{row_key}/{seed}".encode(), digest_size=16).hexdigest()


def content_id(scenario: Scenario, arms: Mapping[str, Any], rule_files: Mapping[str, str]) -> str:
    """Digest of what all runs of a design share: scenario, arms, the user's rule files and the model's version."""
    named = {name: dict(arm) for name, arm in arms.items()}
    return digest([description(scenario), named, dict(rule_files), model_version()])
