"""The reference runs still give the digits that were accepted last (`make baseline`)."""

from __future__ import annotations

import json

import pytest

from tests.baseline import CASES, FILE, digits


@pytest.mark.parametrize("case", CASES)
def test_digits_are_the_accepted_ones(case: str) -> None:
    """Counts exactly, sums to rounding: another kind of processor may round a sum differently."""
    assert digits(case) == pytest.approx(json.loads(FILE.read_text())[case], rel=1e-9), (
        "if meant: make baseline, and a changelog line"
    )
