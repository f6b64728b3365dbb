"""What the EMA Workbench (extra `discovery`) takes: frames of a sweep.

Versions 2.5 and 3.0 write limits that are no whole numbers into columns of the kind of the values, which pandas 3
refuses: so no column is of whole numbers.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd


def frames(
    runs: pd.DataFrame, swept: Sequence[str], indicators: Sequence[str], model: str
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """(experiments, outcomes) of the runs of a sweep, as Store.to_ema says; `save_results` knows the outcomes then."""
    columns: dict[str, Any] = {name: _column(runs[name]) for name in swept}
    columns |= {
        "replicate": runs["replicate"].astype(float),
        "scenario": pd.Categorical(runs["row"].astype(np.int64)),
        "policy": runs["arm"],
        "model": pd.Categorical([model] * len(runs)),
    }
    _register(indicators)
    return pd.DataFrame(columns), {name: runs[name].to_numpy(float) for name in indicators}


def _column(values: pd.Series) -> pd.Series:
    return values.astype(float) if pd.api.types.is_numeric_dtype(values) else values.astype("category")


def _register(names: Sequence[str]) -> None:
    """Tell the workbench, where it is installed, that these outcomes are numbers: its `save_results` looks there."""
    with warnings.catch_warnings(), suppress(ImportError):
        warnings.simplefilter("ignore")  # of parts of the workbench that are not used, and of points in names
        from ema_workbench import ScalarOutcome

        for name in names:
            with suppress(ValueError):  # already known as something else
                ScalarOutcome(name)
