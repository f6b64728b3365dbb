"""What the EMA Workbench takes and gives (extra `discovery`): frames of a sweep, and PRIM whatever its version.

Versions 2.5 and 3.0 write limits that are no whole numbers into columns of the kind of the values, which pandas 3
refuses: so no column is of whole numbers.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd

from abm.scenario import ScenarioError

LEAST_DENSITY = 0.5  # of a box that says anything


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


def prim_box(values: pd.DataFrame, wanted: np.ndarray) -> Any:
    """The workbench's box (PRIM) around the `wanted` rows of `values`, shape (rows,); raises ScenarioError without it.

    Version 2.5 gives the whole space where no box is of LEAST_DENSITY; to 3.0, which does not, this is left to the
    caller.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from ema_workbench.analysis.prim import Prim
        except ImportError:
            raise ScenarioError(["method prim: pip install 'kretslopp[discovery]'"]) from None
        asked = {"threshold": LEAST_DENSITY} if "threshold" in inspect.signature(Prim).parameters else {}
        return Prim(values.astype(float), wanted, peel_alpha=0.1, **asked).find_box()
