"""The paired effect: what the resource centre changes, on the same firms, prices and luck.

The gain from pairing is measured, not assumed: the variance that the difference would have between independent runs,
over the variance that it has between paired ones. Means and ratios with their intervals: pairs.py; how likely it is
that a single future brings little: risk.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from abm.observe import INDICATORS
from abm.parameters import BY_NAME, FUNCTIONS, Value
from abm.plan import plan
from abm.scenario import Scenario
from abm.simulate import Network, Trajectory, check_arms, simulate_arms
from abm.texts import position
from experiments.pairs import Difference, Ratio, fieller, paired_differences
from experiments.precision import UntilNarrow, run_replicates
from experiments.risk import SMALL, Risk, Small, risk_of
from experiments.runner import Progress, replicate_seeds

WITHOUT, WITH = "without", "with"
UNITS = {indicator.name: indicator.unit for indicator in INDICATORS}
PER_TONNE, PER_EXCHANGE = "SEK/t CO2e", "SEK per exchange"
# What one person does a year in each function: judgement on which a ranking of functions rests
REACH = {
    "leadership": ("facilitator.cases",),
    "knowledge": ("facilitator.trainings",),
    "policy": ("facilitator.steps", "facilitator.relief"),
    "brokerage": ("facilitator.registrations", "facilitator.screenings"),
    "meeting": ("facilitator.attendances",),
}
OUTLAY = "public_outlay"  # what the public pays in all: the public cost
GROSS = "cost_per_tonne"  # the indicator that is a ratio: its effect is `PairedEffect.gross_cost`


def unit(indicator: str) -> str:
    """Unit of an indicator or a group."""
    return UNITS.get(indicator, "share")  # groups are shares of adopters


@dataclass(frozen=True)
class Arms:
    """Runs of several arms on the same replicates.

    `ends` has shape (arms, replicates, columns), at the horizon; `monthly` (replicates, months, kept columns) for some
    arms; `ledgers` (arms, replicates, municipalities), see Trajectory; `networks` are those of the first replicate;
    `scenarios` are what was run, by arm.
    """

    seed: int
    arm_names: tuple[str, ...]
    columns: tuple[str, ...]
    ends: np.ndarray
    monthly: Mapping[str, np.ndarray]
    ledgers: np.ndarray
    networks: Mapping[str, Network]
    kept: tuple[str, ...]  # columns of `monthly`
    scenarios: Mapping[str, Scenario] = field(default_factory=dict)

    @property
    def pairs(self) -> int:
        """Number of replicates."""
        return int(self.ends.shape[1])

    def end(self, arm: str, indicator: str) -> np.ndarray:
        """One indicator at the horizon, shape (replicates,); KeyError with the nearest name, here and in `series`."""
        place = position(arm, self.arm_names, "arm")
        column: np.ndarray = self.ends[place, :, position(indicator, self.columns)]
        return column

    def series(self, arm: str, indicator: str) -> np.ndarray:
        """One indicator by month, shape (replicates, months), for an arm whose months were kept."""
        position(arm, tuple(self.monthly), "arm whose months were kept")
        return self.monthly[arm][:, :, position(indicator, self.kept)]

    def difference(self, indicator: str, arm: str = WITH, month: int | None = None) -> Difference:
        """Effect of `arm` against the arm without the centre on one indicator, at the horizon or after a month."""
        if month is None:
            without, with_ = self.end(WITHOUT, indicator), self.end(arm, indicator)
        else:
            without, with_ = (self.series(name, indicator)[:, month - 1] for name in (WITHOUT, arm))
        return paired_differences(without[:, None], with_[:, None], [unit(indicator)], self.seed)[0]


@dataclass(frozen=True)
class PairedEffect:
    """Effects of the centre at the horizon by indicator, the risk that they are small, and what they cost the public.

    The public cost is public outlay: staff, administration and what is paid to the parties. `average_cost` is what the
    centre adds to it over the emissions avoided because of the centre, `exchange_cost` over the further exchanges alive
    at the end; both against no centre, so averages over its whole size (of steps in size: increments.py). `gross_cost`:
    all outlay over the emissions that all exchanges avoid in the arm with the centre. All are ratios of means: a mean
    of ratios has a long tail.
    """

    scenario: str
    seed: int
    pairs: int
    months: int
    indicators: Mapping[str, Difference]
    risks: Mapping[str, Risk]
    average_cost: Ratio
    exchange_cost: Ratio
    gross_cost: Ratio

    def __getitem__(self, indicator: str) -> Difference:
        position(indicator, tuple(self.indicators))
        return self.indicators[indicator]

    def as_dict(self) -> dict[str, Any]:
        """As printed by `effect --json`."""
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "pairs": self.pairs,
            "months": self.months,
            "indicators": {
                name: difference.as_dict() | {"risk": self.risks[name].as_dict() if name in self.risks else None}
                for name, difference in self.indicators.items()
            },
            "average_cost_per_tonne": asdict(self.average_cost),
            "average_cost_per_exchange": asdict(self.exchange_cost),
            "gross_cost_per_tonne": asdict(self.gross_cost),
        }


def without_centre(scenario: Scenario) -> Scenario:
    """The same scenario with nobody at the centre."""
    return scenario.with_values({"facilitator.fte": 0.0})


def single_function(scenario: Scenario, function: str, reach: Literal["low", "high"] | None = None) -> Scenario:
    """A centre with the staff that `function` has in `scenario`, and nobody else.

    `reach` puts what one person does at the low or high bound of its sweep.
    """
    staff = float(scenario.values["facilitator.fte"]) * float(scenario.values[f"facilitator.shares.{function}"])
    changes: dict[str, Value] = {f"facilitator.shares.{name}": float(name == function) for name in FUNCTIONS}
    changes["facilitator.fte"] = staff
    if reach:
        changes |= {name: getattr(BY_NAME[name], reach) for name in REACH[function]}
    return scenario.with_values(changes)


@dataclass(frozen=True)
class _Kept:
    """What is kept of one replicate: rows at the horizon, months of some arms, ledgers, networks of the first."""

    ends: np.ndarray
    monthly: dict[str, np.ndarray]
    ledgers: np.ndarray
    networks: dict[str, Network]


def same_run(arm: Scenario) -> tuple[Value, ...]:
    """Equal for variants of one scenario (`with_values`) that have the same run on the same seed."""
    return tuple(arm.values.values())


def simulate_once(arms: Sequence[Scenario], seed: int) -> list[Trajectory]:
    """As `simulate_arms`; arms with the same values are one run."""
    check_arms(arms)  # also those that are left out then
    unlike = {same_run(arm): arm for arm in arms}
    runs = dict(zip(unlike, simulate_arms(list(unlike.values()), seed), strict=True))
    return [runs[same_run(arm)] for arm in arms]


def _one_replicate(
    arms: Mapping[str, Scenario], monthly: Sequence[str], columns: Sequence[int], first: int, seed: int
) -> _Kept:
    runs = dict(zip(arms, simulate_once(list(arms.values()), seed), strict=True))
    return _Kept(
        np.array([run.values[-1] for run in runs.values()]),
        {name: runs[name].values[:, columns] for name in monthly},
        np.array([run.ledger for run in runs.values()]),
        {name: run.network for name, run in runs.items()} if seed == first else {},
    )


def run_arms(
    arms: Mapping[str, Scenario],
    *,
    replicates: int | UntilNarrow = 100,
    seed: int = 1,
    monthly: Sequence[str] = (),
    kept: Sequence[str] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Arms:
    """Run all arms on the same replicates; months are kept of the arms in `monthly`, of the columns in `kept` or all.

    The arms may differ in the centre's parameters and interventions only (abm/simulate.py: `simulate_arms`). Until an
    interval is narrow: that of the effect of the arm `WITH` if there is one, else of every arm but `WITHOUT`.
    """
    columns, places = plan(next(iter(arms.values()))).columns, list(arms)
    kept = columns if kept is None else tuple(kept)
    watched = [places.index(WITH)] if WITH in arms else [n for n, name in enumerate(places) if name != WITHOUT]

    def differences(some: Sequence[_Kept], indicator: str) -> np.ndarray:
        ends = np.array([one.ends[:, columns.index(indicator)] for one in some])
        return ends[:, watched] - ends[:, [places.index(WITHOUT)]]

    run = partial(_one_replicate, arms, monthly, [columns.index(name) for name in kept], replicate_seeds(seed, 1)[0])
    found = run_replicates(run, replicates, seed, differences, workers=workers, progress=progress)
    return Arms(
        seed,
        tuple(arms),
        columns,
        np.array([one.ends for one in found]).swapaxes(0, 1),
        {name: np.array([one.monthly[name] for one in found]) for name in monthly},
        np.array([one.ledgers for one in found]).swapaxes(0, 1),
        found[0].networks,
        tuple(kept),
        dict(arms),
    )


def effect_of(
    arms: Arms, scenario: Scenario, arm: str = WITH, small: Mapping[str, Small] | None = None
) -> PairedEffect:
    """Effects of `arm` (by default the whole centre) on every indicator and group that is not itself a ratio.

    `small`: below which the effect on an indicator is little (by default `SMALL`).
    """
    without, with_ = (arms.ends[arms.arm_names.index(name)] for name in (WITHOUT, arm))
    kept = [number for number, name in enumerate(arms.columns) if name != GROSS]
    names = [arms.columns[number] for number in kept]
    effects = paired_differences(without[:, kept], with_[:, kept], [unit(name) for name in names], arms.seed)
    more = {name: arms.end(arm, name) - arms.end(WITHOUT, name) for name in (OUTLAY, "carbon", "exchanges")}
    small = SMALL if small is None else small
    return PairedEffect(
        scenario.name,
        arms.seed,
        arms.pairs,
        scenario.months,
        dict(zip(names, effects, strict=True)),
        {name: risk_of(arms.end(arm, name) - arms.end(WITHOUT, name), one) for name, one in small.items()},
        fieller(1e6 * more[OUTLAY], more["carbon"], PER_TONNE),
        fieller(1e6 * more[OUTLAY], more["exchanges"], PER_EXCHANGE),
        fieller(1e6 * arms.end(arm, OUTLAY), arms.end(arm, "carbon"), PER_TONNE),
    )


def paired_effect(
    scenario: Scenario,
    *,
    replicates: int | UntilNarrow = 100,
    seed: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
    small: Mapping[str, Small] | None = None,
) -> PairedEffect:
    """With and without the centre on `replicates` pairs of runs; mean, intervals, risk and pairing gain per indicator.

    `replicates=UntilNarrow(0.01)`: as many as it takes until the interval of the effect on adoption is so wide.
    `small`: below which the effect on an indicator is little (by default `SMALL`).
    """
    pair = {WITHOUT: without_centre(scenario), WITH: scenario}
    arms = run_arms(pair, replicates=replicates, seed=seed, workers=workers, progress=progress)
    return effect_of(arms, scenario, small=small)
