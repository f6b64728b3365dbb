"""Stated directions: wherever theory gives a sign, the model moves that way when a parameter goes up.

Every numeric parameter is in `DIRECTIONS`, is the level of an intervention (tests/test_interventions.py), or is in
`OPEN` with the reason why theory leaves its sign open, or why the model does not follow it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest

from abm.interventions import INTERVENTIONS
from abm.parameters import BY_NAME, FUNCTIONS, PARAMETERS, Value
from abm.scenario import Scenario, load_scenario
from tests.conftest import horizon, looks, runs, t_value
from tests.test_facilitators import NODES
from tests.test_interventions import RAISES

CLEAR = 3.0  # t value in forty replicates

ALONE: dict[str, Value] = {"facilitator.fte": 0.0}
CENTRE: dict[str, Value] = {}


def _only(function: str, staff: float) -> dict[str, Value]:
    """A centre that does one thing."""
    shares: dict[str, Value] = {f"facilitator.shares.{name}": float(name == function) for name in FUNCTIONS}
    return shares | {"facilitator.fte": staff}


LEADERSHIP, TRAINING, BROKERAGE, MEETING = (
    _only(function, 8.0) for function in ("leadership", "knowledge", "brokerage", "meeting")
)
PAYBACK, PLANNED, SATISFICING = (
    ALONE | {"appraisal.rule": rule} for rule in ("payback", "planned_behaviour", "satisficing")
)
SHARED_COST: dict[str, Value] = {"facilitator.funding.municipal": 0.5}
PROJECT: dict[str, Value] = {"facilitator.funding.national": 0.5}


class Direction(NamedTuple):
    """What theory says of a parameter between two values, by default the bounds of its sweep, all else as `given`."""

    name: str
    sign: int
    indicator: str = "exchanges"
    given: dict[str, Value] = ALONE
    low: float | None = None
    high: float | None = None
    nodes: bool = False  # among several facilitators

    @property
    def ends(self) -> tuple[Value, Value]:
        """The two values, as the parameter's own type."""
        parameter = BY_NAME[self.name]
        low, high = (parameter.low, parameter.high) if self.low is None else (self.low, self.high)
        assert low is not None
        assert high is not None
        kind = type(parameter.default)
        return kind(low), kind(high)


# What shows 15 years later when an intervention started earlier: what it is meant to raise, summed up where it can be
SHOWS = dict.fromkeys(RAISES, "started") | {"campaign": "aware", "mandate": "aware", "marketplace": "found_self"}


def _dated(name: str) -> tuple[Direction, Direction]:
    """The later an intervention starts the less it does, the later it ends the more."""
    level = INTERVENTIONS[name].level
    given = ALONE | {level.name: type(level.default)(level.high)}  # type: ignore[arg-type]
    if name == "mandate":  # its end shows where elections take back what it held
        given |= {"municipalities.election_loss": 0.4}
    return (
        Direction(f"interventions.{name}.start", -1, SHOWS[name], given),
        Direction(f"interventions.{name}.stop", +1, RAISES[name], given),
    )


DIRECTIONS: tuple[Direction, ...] = (
    Direction("run.spin_up", +1),  # a longer history
    # more partners, of the right kind, near enough, large enough to pay for the agreement
    Direction("population.firms", +1),
    Direction("population.size_exponent", -1),
    Direction("population.prevalence", +1),
    Direction("population.sharing", +1, "shared"),
    Direction("population.potential", +1, "firms"),
    Direction("turnover.exit", -1),
    Direction("turnover.entry", +1, "firms"),
    Direction("turnover.attraction", +1, "firms_entered"),
    Direction("turnover.half_offers", -1, "firms_entered"),
    Direction("opportunities.min_share", -1),
    Direction("opportunities.road_factor", -1),
    # value over cost
    Direction("prices.volatility", -1),  # the option to wait
    Direction("worth.horizon", +1),
    Direction("worth.discount_firms", -1),
    Direction("worth.split_spread", -1),  # both must gain
    Direction("worth.landfill_tax", +1),
    Direction("worth.carbon_price", +1),
    Direction("worth.carbon_value", +1),
    Direction("transaction.wage", -1),
    Direction("transaction.search_hours", +1, "transaction_cost"),  # paid at the find, it deters nothing later
    Direction("transaction.bargain_hours", -1),
    Direction("transaction.permit_hours", -1),
    Direction("transaction.enforce_hours", -1),
    Direction("transaction.multiplier", -1, low=1.0, high=4.0),
    Direction("transaction.cross_surcharge", -1),
    Direction("transaction.trust_cut", +1),
    Direction("transaction.support_cut", +1, given=LEADERSHIP),
    Direction("transaction.broker_cut", -1, "transaction_cost", BROKERAGE),
    Direction("transaction.learning", +1),
    Direction("transaction.neighbour_trust", +1),
    # doubt and decision
    Direction("appraisal.uncertainty", -1),
    Direction("appraisal.risk_aversion", -1),
    Direction("appraisal.half_examples", -1),
    Direction("appraisal.redundancy", +1, given=ALONE | {"population.firms": 2400}),  # few have a second supplier
    Direction("appraisal.interval", -1),
    Direction("appraisal.payback_median", +1, given=PAYBACK),
    Direction("appraisal.attitude", +1, given=PLANNED),
    Direction("appraisal.threshold", -1, given=PLANNED),
    Direction("appraisal.aspiration", -1, given=SATISFICING),
    Direction("appraisal.aspiration_decay", +1, given=SATISFICING),
    # awareness, knowledge, social capital
    Direction("learning.aware_start", +1),
    Direction("learning.aware_spontaneous", +1),
    Direction("learning.aware_municipal", +1),
    Direction("learning.aware_peers", +1),
    Direction("learning.aware_event", +1, given=MEETING),
    Direction("learning.aware_training", +1, given=TRAINING),
    Direction("learning.knowledge_start", +1),
    Direction("learning.knowledge_training", +1, given=TRAINING),
    Direction("learning.knowledge_event", +1, given=MEETING),
    Direction("learning.knowledge_own", +1),
    Direction("learning.knowledge_decay", -1, given=TRAINING),
    Direction("learning.social_start", +1),
    Direction("learning.social_event", +1, given=MEETING),
    Direction("learning.social_own", +1),
    Direction("learning.social_decay", -1, given=MEETING),
    Direction("learning.social_loss", -1),
    # finds
    Direction("discovery.finds", +1),
    Direction("discovery.half_weight", -1),
    Direction("discovery.distance", +1),
    Direction("discovery.cross_cut", -1),
    Direction("discovery.social_gain", +1),
    Direction("discovery.hit_rate", +1, given=BROKERAGE),
    Direction("discovery.broker_distance", +1, given=BROKERAGE),
    Direction("discovery.forgetting", -1),
    Direction("discovery.cool_down", -1),
    # talks and endings
    Direction("closing.attention", +1),
    Direction("closing.duration", -1),
    Direction("closing.permit_delay", -1),
    Direction("closing.support_cut", +1, given=LEADERSHIP),
    Direction("closing.municipal_cut", +1),
    Direction("operation.patience", -1, "ended_loss", ALONE | {"prices.volatility": 2.0}),
    Direction("operation.end_rate", -1),
    Direction("operation.trust_cut", +1),
    # municipalities
    Direction("municipalities.spontaneous", +1, "maturity"),
    Direction("municipalities.examples", +1, "maturity"),
    Direction("municipalities.half_examples", -1, "maturity"),
    Direction("municipalities.saving", +1, "maturity"),
    Direction("municipalities.half_saving", -1, "maturity"),
    Direction("municipalities.peers", +1, "maturity"),
    Direction("municipalities.election_loss", -1, "maturity"),
    Direction("municipalities.cofund_threshold", -1, "paid_municipal", SHARED_COST),
    Direction("municipalities.cofund_grace", +1, "paid_municipal", SHARED_COST),
    # facilitators: more of them, longer, reaching more
    Direction("facilitator.fte", +1, given=CENTRE),
    Direction("facilitator.start", -1, given=CENTRE),
    Direction("facilitator.stop", +1, given=CENTRE),
    Direction("facilitator.coordination", +1, "found_broker", CENTRE, nodes=True),  # less is screened twice
    Direction("facilitator.support_gain", +1, nodes=True),
    Direction("facilitator.support_half", -1, "found_broker", nodes=True),
    Direction("facilitator.funding.national", -1, "paid_region", CENTRE),
    Direction("facilitator.funding.municipal", -1, "staff", CENTRE),  # not all municipalities pay
    Direction("facilitator.project_end", +1, given=PROJECT),
    Direction("facilitator.review_threshold", -1, "staff", CENTRE),
    Direction("facilitator.cases", +1, given=_only("leadership", 0.8)),
    Direction("facilitator.trainings", +1, given=TRAINING),
    Direction("facilitator.screenings", +1, given=BROKERAGE),
    Direction("facilitator.attendances", +1, given=MEETING),
    Direction("facilitator.steps", +1, "maturity", _only("policy", 0.8)),
    Direction("facilitator.relief", +1, given=_only("policy", 0.8)),
    Direction("facilitator.relief_most", +1, given=_only("policy", 60.0)),
    Direction("facilitator.cofinance", +1, given=LEADERSHIP),
    Direction("facilitator.cost", +1, "public_cost", CENTRE),
    # interventions
    *(row for name in INTERVENTIONS for row in _dated(name)),
    *(
        Direction(
            f"interventions.{name}.cost",
            +1,
            "public_cost",
            ALONE | {f"interventions.{name}.level": BY_NAME[f"interventions.{name}.level"].high},  # type: ignore[dict-item]
        )
        for name in ("marketplace", "campaign", "mandate")
    ),
)

# Parameters whose sign theory leaves open, and why
OPEN: tuple[tuple[str, str], ...] = (
    ("population.stream_spread", "fewer middling streams, but more large ones at the same mean"),
    ("population.position_spread", "farther from the plants of the own municipality, nearer to those of others"),
    ("population.trait_spread", "more who are bold and more who are wary; an exchange needs two"),
    ("opportunities.fit_spread", "better best fits, worse usual ones at the same mean"),
    ("opportunities.min_value", "fewer opportunities, but search goes to the ones that pay"),
    ("opportunities.max_partners", "more partners, but search and brokerage are spread over farther ones"),
    ("prices.half_life_factor", "a shock lasts longer, for good and bad, and weighs more in the option to wait"),
    ("worth.discount_spread", "some value the future more and others less; an exchange needs two"),
    ("worth.discount_municipal", "a low rate raises the value and, with the option to wait, the hurdle"),
    ("appraisal.payback_spread", "more patient and more impatient firms at the same median; an exchange needs two"),
    ("appraisal.threshold_spread", "the same with thresholds of intention"),
    ("appraisal.weight_attitude", "one part of intention gains what the two others lose"),
    ("appraisal.weight_norm", "likewise"),
    ("appraisal.weight_control", "likewise"),
    ("discovery.value_exponent", "search moves to large flows, away from small ones"),
    ("discovery.value_cap", "likewise"),
    (
        "appraisal.case_interval",
        "rarer looks cost time, but the centre gives a case up after so many refused ones: with 8 FTE of "
        "process leadership alone 1 to 12 months raise exchanges from 116 to 118, and lower them from 121 to 119 if it "
        "never gives up",
    ),
    (
        "facilitator.registrations",
        "more are in the register, but the best are screened first and take what time there is: with a broker of 0.8 "
        "FTE 15 to 60 a year change exchanges by -0.4 (t -0.5, 40 replicates)",
    ),
    ("facilitator.review_period", "fewer reviews, but each sees more growth"),
    ("facilitator.patience", "cases get more chances, but hopeless ones take up the time of others"),
    *((f"facilitator.shares.{name}", "more of one function is less of another") for name in FUNCTIONS),
)
LEVELS = tuple(f"interventions.{name}.level" for name in RAISES)


def test_every_number_is_in_one_list() -> None:
    stated = [*(row.name for row in DIRECTIONS), *LEVELS, *(name for name, _ in OPEN)]
    assert [name for name, times in Counter(stated).items() if times > 1] == []
    assert set(stated) == {parameter.name for parameter in PARAMETERS if parameter.numeric}
    assert all(reason for _, reason in OPEN)


def _is_clear(scenario: Scenario, row: Direction) -> bool:
    """Does the indicator clearly move as stated from the low end to the high one, on the same replicates?"""

    def rise(seeds: Sequence[int]) -> np.ndarray:
        low, high = (
            horizon(runs(scenario, seeds, {**row.given, row.name: value}), row.indicator) for value in row.ends
        )
        return row.sign * (high - low)

    for change, clear in looks(rise, CLEAR):
        if np.ptp(change) < 1e-9 * np.abs(change).mean():  # the same in every replicate, as a price per unit is
            return bool(change.mean() > 0)
        if t_value(change) > clear:
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("row", DIRECTIONS, ids=lambda row: row.name)
def test_direction(region: Scenario, row: Direction) -> None:
    assert _is_clear(load_scenario(NODES) if row.nodes else region, row)


@pytest.mark.slow
@pytest.mark.parametrize(("patience", "sign"), [(2, +1), (1000, -1)])
def test_frequent_looks_at_cases_pay_if_the_centre_is_patient(region: Scenario, patience: int, sign: int) -> None:
    """Refused looks use its patience up: then a case that is looked at every month is given up within months."""
    given = LEADERSHIP | {"facilitator.patience": patience}
    assert _is_clear(region, Direction("appraisal.case_interval", sign, given=given))
