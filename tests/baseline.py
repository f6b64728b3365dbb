"""Digits of reference runs, kept so that no change moves them unseen. `make baseline` accepts new ones."""

from __future__ import annotations

import json
from pathlib import Path

from abm.observe import INDICATORS
from abm.scenario import load_scenario
from abm.simulate import simulate

FILE = Path(__file__).with_name("baseline.json")
CASES = {
    "tiny": ("tiny", {}),
    "ostergotland": ("ostergotland", {}),
    "npv": ("ostergotland", {"appraisal.rule": "npv", "prices.volatility": 2.0}),
    "payback": ("ostergotland", {"appraisal.rule": "payback", "facilitator.fte": 0.0}),
}


def digits(case: str) -> dict[str, float]:
    """All indicators at the horizon of one reference run."""
    region, changes = CASES[case]
    trajectory = simulate(load_scenario(region, changes), 1)  # type: ignore[arg-type]
    return {indicator.name: float(trajectory[indicator.name][-1]) for indicator in INDICATORS}


if __name__ == "__main__":
    FILE.write_text(json.dumps({case: digits(case) for case in CASES}, indent=1) + "\n")
