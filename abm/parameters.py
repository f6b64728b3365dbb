"""Every parameter of the model, declared once: unit, default, sweep bounds, meaning, source.

Names are dotted by mechanism. `low` and `high` bound a sweep; `domain` bounds what is accepted at all.
Money is SEK of 2024 (real), rates are per year, distances are km by road. Defaults marked "judgement" were set by
the authors and should be swept before a conclusion rests on them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from abm.catalogue import MOST_STAFF, NEVER, STRATEGIES
from abm.rules import RULES
from abm.ruleset import mix_problem, rule_problem
from abm.texts import quoted

Value = float | int | str

JUDGEMENT = "judgement"
INFINITE = float("inf")
NON_NEGATIVE = (0.0, INFINITE)
POSITIVE = (1e-9, INFINITE)
SHARE = (0.0, 1.0)
MONTHLY_SHARE = (0.0, 12.0)  # a yearly rate of which a twelfth is taken each month
COUNT = (1, 2_000_000)
STAFF = (0.0, MOST_STAFF)
REACH = (0.0, 1e5)  # what one person can do a year
MONTH = (0, 100_000)
LARGEST = 1e15  # no parameter means a number beyond this
LONGEST = 4000  # characters of a text
LARGEST_MULTIPLE = 1000.0  # of the staff, in a dated path


@dataclass(frozen=True)
class Parameter:
    """A number (`default` is float or int; ints are counts or months), or a text (`default` is str).

    A text is one of `choices`, or anything in which `syntax` finds nothing wrong (it returns what is, in one phrase).
    With both it may be either.
    """

    name: str
    default: Value
    low: float | None
    high: float | None
    unit: str
    meaning: str
    source: str = JUDGEMENT
    domain: tuple[float, float] = NON_NEGATIVE
    choices: tuple[str, ...] = field(default=())
    syntax: Callable[[str], str | None] | None = None

    @property
    def numeric(self) -> bool:
        """Is it a number, so that it can be swept and read in a kernel?"""
        return not isinstance(self.default, str)

    def check(self, value: Any) -> str | None:
        """What is wrong with `value`, in one phrase, or None."""
        if not self.numeric and (problem := _text_problem(str(value))):
            return problem
        if self.choices:
            other = self.syntax(str(value)) if self.syntax else ""
            known = value in self.choices or other is None
            return None if known else f"{quoted(value)} is not one of {', '.join(self.choices)}{other}"
        if not self.numeric:
            return self.syntax(str(value)) if self.syntax else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"{quoted(value)} is not a number"
        if abs(value) > LARGEST or math.isnan(value):
            return "not finite, or too large to be meant"
        whole = isinstance(self.default, int)
        if whole and value != int(value):
            return f"{quoted(value)} is not a whole number"
        least, most = self.domain
        if not least <= value <= most:
            return f"{value:g} is not allowed: {describe(self.domain)} ({self.unit})"
        return None


def _text_problem(text: str) -> str | None:
    """What no text may be, in one phrase."""
    if len(text) > LONGEST:
        return f"{quoted(text)} is over {LONGEST} characters long"
    control = any(one < " " for one in text)
    return f"{quoted(text)} holds a character that cannot be seen" if control else None


def read_path(text: str) -> list[tuple[int, float]]:
    """'36:2, 96:0.5' -> [(36, 2.0), (96, 0.5)]: from each month on, so many times the staff; raises ValueError."""
    steps = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        month, _, multiple = part.partition(":")
        steps.append((int(month), float(multiple)))
    rising = all(first[0] < second[0] for first, second in pairwise(steps))
    if not rising or any(not 0 <= multiple <= LARGEST_MULTIPLE for _, multiple in steps):
        raise ValueError(text)
    return steps


def path_problem(text: str) -> str | None:
    """What is wrong with a dated path, or None."""
    try:
        read_path(text)
    except ValueError:
        return f"{quoted(text)} is not month:multiple, month:multiple, ... with rising months and multiples from 0"
    return None


def describe(domain: tuple[float, float]) -> str:
    """'0 to 1', 'at least 0', 'above 0'."""
    least, most = domain
    if most < INFINITE:
        return f"{least:g} to {most:g}"
    return "at least 0" if least == 0 else "above 0"


P = Parameter
AUDITS = "energy-audit studies: Anderson & Newell 2004; Qiu et al. 2015"
PLANNED = "theory-of-planned-behaviour study weights: model specification; weights 0.39:0.27:0.44"
OREBRO = "Business Region Örebro: three staff on 6 MSEK a year, paid by the region and twelve municipalities"


def dated(name: str, high: float, unit: str, meaning: str, *, most: float = INFINITE) -> tuple[Parameter, ...]:
    """Level, first month and month of the end of an intervention; at level 0 it is off."""
    domain = (0.0, most) if most < INFINITE else NON_NEGATIVE
    first, level = f"interventions.{name}", 0 if isinstance(high, int) else 0.0
    return (
        P(f"{first}.level", level, 0, high, unit, meaning, domain=domain),
        P(f"{first}.start", 12, 0, 60, "month", f"months from month 0 to the start of the {name.replace('_', ' ')}",
          domain=MONTH),
        P(f"{first}.stop", NEVER, 96, NEVER, "month", f"months from month 0 to its end ({NEVER}: never)", domain=MONTH),
    )  # fmt: skip


# fmt: off
PARAMETERS: tuple[Parameter, ...] = (
  # -- the run
  P("run.spin_up", 15, 5, 25, "years", "years simulated without the centre before month 0", domain=(0, 200)),
  # -- population
  P("population.firms", 600, 300, 1200, "count", "firms with at least 10 employees in exchange-capable sectors",
    domain=COUNT),
  P("population.size_exponent", 1.0, 0.9, 1.15, "-", "tail exponent of the firm-size law",
    "Tillväxtverket firm sizes 2021 (10-49: 2.8 %, 50-249: 0.5 %, 250+: 0.1 % of firms)", POSITIVE),
  P("population.prevalence", 0.35, 0.2, 0.6, "share",
    "chance that a firm in a donor or receiver sector has a free stream or need of that route", domain=SHARE),
  P("population.stream_spread", 1.0, 0.6, 1.4, "log", "log standard deviation of stream size per employee (mean 1)"),
  P("population.position_spread", 6.0, 3, 12, "km", "standard deviation of plant positions around the seat, per axis"),
  P("population.trait_spread", 0.5, 0.2, 0.8, "share",
    "half-width of the uniform spread of risk aversion, knowledge, social capital and attitude around their means",
    domain=SHARE),
  P("population.sharing", 0.03, 0.0, 0.1, "share",
    "the same chance for what is shared instead of bought twice (transport, space, staff)", domain=SHARE),
  P("population.potential", 0.15, 0.0, 0.3, "share", "sites without a firm at the start, per firm", domain=(0.0, 10.0)),
  # -- firms that close and firms that enter
  P("turnover.exit", 0.01, 0.0, 0.03, "1/yr", "closing of a firm; all its exchanges end"),
  P("turnover.entry", 0.07, 0.02, 0.15, "1/yr", "a new firm at a site without one"),
  P("turnover.attraction", 1.0, 0.0, 4.0, "-",
    "how many times more entries where many living exchanges carry what the site could take part in",
    "judgement; Sotenäs expects 20 new firms around its symbiosis"),
  P("turnover.half_offers", 3.0, 1, 10, "count", "such exchanges in the municipality at half of that effect",
    domain=POSITIVE),
  # -- opportunities
  P("opportunities.fit_spread", 0.35, 0.15, 0.6, "log", "log standard deviation of technical fit (mean 1)"),
  P("opportunities.min_value", 100_000.0, 30_000, 300_000, "SEK/yr",
    "least gross flow value at long-run prices for a pair to count as an opportunity"),
  P("opportunities.max_partners", 80, 20, 160, "count", "nearest receivers kept per donor stream", domain=COUNT),
  P("opportunities.min_share", 0.2, 0.05, 0.5, "share", "least share of the donor's stream that is worth an agreement",
    domain=SHARE),
  P("opportunities.road_factor", 1.3, 1.2, 1.45, "-", "road distance over great-circle distance", domain=(1.0, 3.0)),
  # -- prices
  P("prices.volatility", 1.0, 0.0, 2.0, "-", "multiplier on every commodity's volatility and jumps; 0 freezes prices"),
  P("prices.half_life_factor", 1.0, 0.43, 2.9, "-", "multiplier on every commodity's half-life",
    "World Bank Pink Sheet 1996-2026, pooled half-life 3.5 years, sensitivity 1.5 to 10", (1e-3, 100.0)),
  P("prices.expectations", "reverting", None, None, "name",
    "reverting: the conditional mean of the price process; current: today's price for ever",
    choices=("reverting", "current")),
  # -- what an exchange is worth
  P("worth.horizon", 10, 5, 15, "years", "planning horizon", domain=(1, 60)),
  P("worth.discount_firms", 0.12, 0.06, 0.16, "1/yr", "real discount rate of firms (middle class)", domain=POSITIVE),
  P("worth.discount_spread", 1.5, 1.1, 2.0, "-", "high over middle and middle over low discount-rate class",
    domain=(1.0, 5.0)),
  P("worth.discount_municipal", 0.04, 0.01, 0.08, "1/yr", "real discount rate of municipal utilities",
    "judgement; the internal rate, 2.5 % nominal (SKR 2025), about 0.5 % real, is a borrowing cost", POSITIVE),
  P("worth.split_spread", 0.2, 0.0, 0.35, "share", "half-width of the value split around one half without a broker",
    domain=(0.0, 0.5)),
  P("worth.landfill_tax", 744.0, 744, 1544, "SEK/t", "landfill tax met by the disposal avoided",
    "Skatteverket: 744 SEK/t in 2025"),
  P("worth.carbon_price", 200.0, 0, 1000, "SEK/t", "carbon price that the parties themselves meet on the net saving"),
  P("worth.carbon_value", 1100.0, 500, 4000, "SEK/t",
    "public value of a tonne CO2e in municipal choices and case tests"),
  # -- transaction cost
  P("transaction.wage", 700.0, 500, 900, "SEK/h", "cost of an hour of staff",
    "judgement; white-collar labour about 560 SEK per hour worked (SCB 2021 scaled to 2024), overhead on top"),
  P("transaction.search_hours", 100.0, 40, 250, "h", "search hours per party that searches, and find"),
  P("transaction.bargain_hours", 200.0, 80, 500, "h", "bargaining hours per party"),
  P("transaction.permit_hours", 200.0, 80, 500, "h", "permit hours per party at permit effort 1"),
  P("transaction.enforce_hours", 30.0, 10, 80, "h/yr", "enforcement hours per party"),
  P("transaction.multiplier", 1.0, 0.25, 4, "-", "multiplier on all four hours, for sweeps only"),
  P("transaction.cross_surcharge", 0.4, 0.0, 1.0, "share", "surcharge on bargaining and enforcement across sectors"),
  P("transaction.trust_cut", 0.5, 0.2, 0.8, "share", "cut of bargaining and enforcement by full trust", domain=SHARE),
  P("transaction.support_cut", 0.4, 0.2, 0.6, "share", "cut of bargaining when a case is carried", domain=SHARE),
  P("transaction.broker_cut", 0.8, 0.5, 0.95, "share", "cut of search hours when a broker finds", domain=SHARE),
  P("transaction.learning", 0.15, 0.0, 0.3, "-", "learning exponent over agreements made before"),
  P("transaction.neighbour_trust", 0.15, 0.0, 0.4, "share", "embeddedness of parties of one municipality",
    domain=SHARE),
  # -- appraisal
  P("appraisal.rule", "real_option", None, None, "name",
    "decision rule of every participant that appraisal.mix does not except; also file.py:function (docs/user-rules.md)",
    choices=tuple(RULES), syntax=rule_problem),
  P("appraisal.mix", "", None, None, "list",
    "who follows another rule: rule@sector (all of it) or rule@share (of the firms of other sectors), with commas",
    syntax=mix_problem),
  P("appraisal.uncertainty", 0.8, 0.4, 0.95, "share", "appraisal uncertainty without knowledge or examples",
    domain=SHARE),
  P("appraisal.risk_aversion", 1.15, 0.7, 1.5, "-", "mean risk aversion"),
  P("appraisal.half_examples", 6.0, 2, 15, "count", "live exchanges of a route that halve the uncertainty",
    domain=POSITIVE),
  P("appraisal.redundancy", 0.3, 0.0, 0.8, "share",
    "cut of a receiver's uncertainty while another supplier of the same by-product serves it", domain=SHARE),
  P("appraisal.interval", 12, 1, 24, "months", "months between looks at an identified opportunity", domain=(1, 1200)),
  P("appraisal.case_interval", 3, 1, 12, "months", "the same for a carried case", domain=(1, 1200)),
  P("appraisal.payback_median", 2.0, 1.25, 3.0, "yr", "median payback limit", AUDITS, POSITIVE),
  P("appraisal.payback_spread", 0.63, 0.3, 0.9, "log", "log standard deviation of payback limits (90 %: 0.75-6 years)",
    AUDITS),
  P("appraisal.attitude", 0.5, 0.3, 0.7, "share", "mean attitude to exchanges (planned_behaviour)", domain=SHARE),
  P("appraisal.threshold", 0.46, 0.4, 0.6, "share", "mean intention from which a party joins (planned_behaviour)",
    domain=SHARE),
  P("appraisal.threshold_spread", 0.08, 0.02, 0.15, "share", "standard deviation of that threshold across parties",
    domain=SHARE),
  P("appraisal.weight_attitude", 0.39, 0.3, 0.5, "-", "weight of attitude in intention; all three are scaled to sum 1",
    PLANNED),
  P("appraisal.weight_norm", 0.27, 0.15, 0.4, "-", "weight of the social norm in intention", PLANNED),
  P("appraisal.weight_control", 0.44, 0.3, 0.5, "-", "weight of perceived control in intention", PLANNED),
  P("appraisal.aspiration", 2.5, 1.5, 4.0, "-", "value over cost that a party aspires to at first (satisficing)",
    domain=(1.0, 1000.0)),
  P("appraisal.aspiration_decay", 0.2, 0.05, 0.5, "share",
    "share of the aspiration beyond 1 given up at each own no since the last agreement", domain=SHARE),
  # -- awareness, knowledge, social capital
  P("learning.aware_start", 0.05, 0.02, 0.2, "share", "aware participants at the start of the spin-up", domain=SHARE),
  P("learning.aware_spontaneous", 0.01, 0.003, 0.03, "1/yr", "spontaneous awareness"),
  P("learning.aware_municipal", 0.02, 0.0, 0.06, "1/yr", "awareness per step of municipal maturity"),
  P("learning.aware_peers", 0.25, 0.05, 0.6, "1/yr",
    "awareness per unit share of adopters (mean of municipality and sector)"),
  P("learning.aware_event", 0.06, 0.02, 0.15, "share", "chance that attending one event makes aware",
    domain=(0.0, 0.999)),
  P("learning.aware_training", 0.3, 0.1, 0.6, "share", "chance that one training makes aware", domain=(0.0, 0.999)),
  P("learning.knowledge_start", 0.2, 0.05, 0.4, "share", "mean knowledge at start", domain=(0.0, 0.5)),
  P("learning.knowledge_training", 0.35, 0.15, 0.6, "share", "share of missing knowledge won by one training",
    domain=SHARE),
  P("learning.knowledge_event", 0.05, 0.02, 0.1, "share", "share of missing knowledge won by one event", domain=SHARE),
  P("learning.knowledge_own", 0.15, 0.05, 0.3, "1/yr", "share of missing knowledge won per year with a live exchange",
    domain=MONTHLY_SHARE),
  P("learning.knowledge_decay", 0.04, 0.01, 0.1, "1/yr", "decay of knowledge towards its start",
    domain=MONTHLY_SHARE),
  P("learning.social_start", 0.25, 0.1, 0.4, "share", "mean social capital at start", domain=(0.0, 0.5)),
  P("learning.social_event", 0.06, 0.02, 0.12, "share", "share of missing social capital won by one event",
    domain=SHARE),
  P("learning.social_own", 0.05, 0.02, 0.15, "1/yr",
    "share of missing social capital won per year with a live exchange",
    domain=MONTHLY_SHARE),
  P("learning.social_decay", 0.04, 0.01, 0.1, "1/yr", "decay of social capital towards its start",
    domain=MONTHLY_SHARE),
  P("learning.social_loss", 0.10, 0.0, 0.3, "share", "social capital that both parties lose at an ending",
    domain=SHARE),
  # -- discovery
  P("discovery.finds", 0.45, 0.1, 0.6, "1/yr", "finds per aware participant when candidates are plenty",
    "calibrated to Kalundborg 1959-1998, rule real_option, before waiting was mended (results/published/calibration)"),
  P("discovery.half_weight", 4.0, 1, 15, "weight", "candidate weight at which half of the search budget is productive",
    domain=POSITIVE),
  P("discovery.distance", 80.0, 30, 120, "km", "distance decay of own search", domain=POSITIVE),
  P("discovery.cross_cut", 0.4, 0.0, 0.8, "share", "cut of own search across sectors", domain=SHARE),
  P("discovery.social_gain", 1.0, 0.0, 2.0, "-", "gain of own search per unit of social capital"),
  P("discovery.value_exponent", 0.5, 0.0, 1.0, "-", "search weight over gross flow value (MSEK/yr)"),
  P("discovery.value_cap", 25e6, 5e6, 100e6, "SEK/yr", "gross flow value above which search weight no longer grows",
    domain=POSITIVE),
  P("discovery.hit_rate", 0.3, 0.15, 0.6, "1/yr", "hit rate of a broker's screening of one pair"),
  P("discovery.broker_distance", 120.0, 50, 300, "km", "distance decay of a broker's screening", domain=POSITIVE),
  P("discovery.forgetting", 0.35, 0.15, 0.7, "1/yr", "forgetting of identified opportunities"),
  P("discovery.cool_down", 12, 1, 36, "months", "months before a lost opportunity can be found again",
    domain=(1, 100_000)),
  # -- closing
  P("closing.attention", 2, 1, 4, "count", "negotiations a participant can hold at once", domain=COUNT),
  P("closing.duration", 1.0, 0.5, 2.0, "yr", "mean negotiation without permit", domain=POSITIVE),
  P("closing.permit_delay", 1.0, 0.3, 2.0, "-", "extra duration at permit effort 1"),
  P("closing.support_cut", 0.35, 0.15, 0.6, "share", "cut of duration when a case is carried", domain=(0.0, 0.99)),
  P("closing.municipal_cut", 0.10, 0.0, 0.2, "share", "cut of duration and permit hours per step of maturity",
    domain=(0.0, 0.45)),
  # -- operation
  P("operation.patience", 6, 3, 24, "months", "months of loss before a party leaves", domain=(1, 100_000)),
  P("operation.end_rate", 0.04, 0.01, 0.10, "1/yr", "endings by process change"),
  P("operation.trust_cut", 0.5, 0.0, 0.8, "share", "cut of endings by full trust", domain=SHARE),
  # -- municipalities
  P("municipalities.spontaneous", 0.02, 0.005, 0.05, "1/yr", "spontaneous step up in maturity"),
  P("municipalities.examples", 0.06, 0.0, 0.15, "1/yr", "step up at many local exchanges"),
  P("municipalities.half_examples", 3.0, 1, 10, "count", "local exchanges at half of that effect", domain=POSITIVE),
  P("municipalities.saving", 0.06, 0.0, 0.2, "1/yr", "step up at a large local saving: the economic part must show"),
  P("municipalities.half_saving", 100.0, 30, 300, "SEK/yr", "saving per head at half of that effect", domain=POSITIVE),
  P("municipalities.peers", 0.15, 0.0, 0.4, "1/yr", "step up per share of active municipalities"),
  P("municipalities.election_loss", 0.15, 0.0, 0.4, "share",
    "chance to fall one step at an election without local exchanges", domain=SHARE),
  P("municipalities.cofund_threshold", 1.0, 0.25, 4.0, "-",
    "growth of yearly benefit at home over own yearly share of the centre, from which a municipality goes on paying"),
  P("municipalities.cofund_grace", 24, 0, 60, "months",
    "months after the opening in which active municipalities pay without asking for results", domain=MONTH),
  # -- the resource centre, and facilitators in general
  P("facilitator.fte", 4.0, 0, 16, "FTE", "staff of the resource centre", domain=STAFF),
  P("facilitator.start", 12, 0, 36, "month", "months from month 0 to the opening of the centre", domain=MONTH),
  P("facilitator.stop", NEVER, 36, NEVER, "month", f"months from month 0 to its closing ({NEVER}: never)",
    domain=MONTH),
  P("facilitator.shares.leadership", 0.2, 0, 1, "share", "share of staff on process leadership", domain=SHARE),
  P("facilitator.shares.knowledge", 0.2, 0, 1, "share", "share of staff on knowledge", domain=SHARE),
  P("facilitator.shares.policy", 0.2, 0, 1, "share", "share of staff on policy and strategy", domain=SHARE),
  P("facilitator.shares.brokerage", 0.2, 0, 1, "share", "share of staff on brokerage", domain=SHARE),
  P("facilitator.shares.meeting", 0.2, 0, 1, "share", "share of staff on the meeting place", domain=SHARE),
  P("facilitator.staff_path", "", None, None, "text",
    "dated multiples of the staff: month:multiple, ...; empty: none", syntax=path_problem),
  P("facilitator.strategy", "value", None, None, "name", "which cases and which participants come first",
    choices=STRATEGIES),
  P("facilitator.covers", "", None, None, "text", "municipalities covered, separated by commas; empty: all"),
  P("facilitator.host", "", None, None, "text",
    "municipality that hosts the centre: it works only while that one is active; empty: no such need"),
  P("facilitator.coordination", 0.5, 0, 1, "share",
    "how far facilitators over the same participants avoid doing the same work twice", domain=SHARE),
  P("facilitator.support_gain", 0.3, 0.1, 0.6, "share",
    "largest gain of a node's productivity through a centre that supports several nodes"),
  P("facilitator.support_half", 0.25, 0.1, 0.5, "FTE/FTE",
    "supporting staff per staff of the nodes at half of that gain",
    domain=POSITIVE),
  P("facilitator.funding.national", 0.0, 0, 0.5, "share", "part of the centre paid by national project money",
    domain=SHARE),
  P("facilitator.funding.municipal", 0.0, 0, 0.5, "share",
    "part of the centre asked of municipalities, by residents; what they do not pay is missing",
    domain=SHARE),
  P("facilitator.project_end", NEVER, 60, NEVER, "month",
    f"months from month 0 to the end of project money ({NEVER}: never)",
    domain=MONTH),
  P("facilitator.review_period", 4, 2, 6, "yr", "years between the funders' reviews of the centre", domain=(1, 100)),
  P("facilitator.review_threshold", 0.0, 0.0, 8.0, "-",
    "growth of yearly benefit since the opening over yearly cost below which funders close it; 0: always renewed"),
  P("facilitator.cases", 6.0, 3, 12, "1/FTE", "cases carried at a time", domain=REACH),
  P("facilitator.patience", 2, 1, 6, "count", "refused looks after which a case is given up", domain=COUNT),
  P("facilitator.trainings", 40.0, 20, 80, "1/(FTE yr)", "participants trained", domain=REACH),
  P("facilitator.registrations", 30.0, 15, 60, "1/(FTE yr)", "participants registered", domain=REACH),
  P("facilitator.screenings", 60.0, 30, 120, "1/(FTE yr)", "pairs screened", domain=REACH),
  P("facilitator.attendances", 250.0, 120, 500, "1/(FTE yr)", "attendances at events (10 events of 25)",
    domain=REACH),
  P("facilitator.steps", 1.0, 0.4, 2.5, "1/(FTE yr)", "municipal steps spread over municipalities not yet active",
    domain=REACH),
  P("facilitator.relief", 0.03, 0.01, 0.06, "1/(FTE yr)", "regulatory relief won for permits", domain=REACH),
  P("facilitator.relief_most", 0.4, 0.2, 0.6, "share", "largest regulatory relief", domain=SHARE),
  P("facilitator.cofinance", 0.10, 0.0, 0.25, "share", "share of the investment of a carried case paid by funds found",
    domain=SHARE),
  P("facilitator.cost", 2.0e6, 1.0e6, 2.5e6, "SEK/(FTE yr)", "cost of one FTE, all in", OREBRO),
  # -- interventions: off at level 0, from month `start` to month `stop`
  *dated("landfill_tax", 800.0, "SEK/t", "landfill tax added to today's", most=1e5),
  *dated("carbon_price", 1000.0, "SEK/t", "carbon price added to today's", most=1e5),
  *dated("transaction_subsidy", 0.5, "share", "share of the parties' transaction cost paid by the state", most=1.0),
  *dated("grant", 0.4, "share", "share of the parties' investment paid by the state", most=1.0),
  *dated("price_floor", 1.0, "share",
         "price guaranteed for replaced raw material, over its long-run price (contract for difference)", most=2.0),
  *dated("marketplace", 0.1, "1/yr", "finds per aware participant that a digital marketplace adds", most=12.0),
  *dated("campaign", 0.1, "1/yr", "awareness that an information campaign adds", most=12.0),
  *dated("mandate", 1, "step", "least maturity that municipalities are obliged to have", most=2),
  *dated("procurement", 0.3, "share", "premium that public buyers pay for replaced raw material", most=5.0),
  P("interventions.marketplace.cost", 20_000.0, 5_000, 50_000, "SEK",
    "yearly cost of the marketplace per participant and unit of its level"),
  P("interventions.campaign.cost", 10_000.0, 3_000, 30_000, "SEK",
    "yearly cost of the campaign per participant and unit of its level"),
  P("interventions.mandate.cost", 300_000.0, 100_000, 800_000, "SEK/yr", "cost of a mandate per step and municipality"),
)
# fmt: on

BY_NAME: dict[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}
FUNCTIONS: tuple[str, ...] = tuple(name.rsplit(".", 1)[1] for name in BY_NAME if name.startswith("facilitator.shares."))

# What whoever sets up the centre or a policy decides, in exploratory modelling a lever, not an uncertainty
OF_THE_CENTRE = frozenset(
    name for name in BY_NAME if name.startswith(("facilitator.shares.", "facilitator.funding."))
) | {
    f"facilitator.{name}"
    for name in ("fte", "start", "stop", "staff_path", "strategy", "host", "project_end", "review_threshold")
}
LEVERS = (
    OF_THE_CENTRE
    | {name for name in BY_NAME if name.startswith("interventions.") and not name.endswith(".cost")}
    | {f"facilitator.{name}" for name in ("covers", "coordination", "review_period")}
)
NOT_UNCERTAIN = ("run.spin_up", "transaction.multiplier")  # how the model is run; all four hours, which vary themselves


def uncertainties() -> tuple[Parameter, ...]:
    """Numbers with declared bounds that nobody decides on: what a robust result should not hang on."""
    return tuple(
        one
        for one in PARAMETERS
        if one.numeric and one.low is not None and one.name not in LEVERS and one.name not in NOT_UNCERTAIN
    )


def _kind(parameter: Parameter) -> str:
    return "i8" if isinstance(parameter.default, int) else "f8"


def _nested() -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for parameter in PARAMETERS:
        if parameter.numeric:
            *groups, leaf = parameter.name.split(".")
            node = tree
            for group in groups:
                node = node.setdefault(group, {})
            node[leaf] = _kind(parameter)
    return tree


def _dtype(tree: dict[str, Any]) -> np.dtype[Any]:
    fields = [(name, _dtype(kind) if isinstance(kind, dict) else kind) for name, kind in tree.items()]
    return np.dtype(fields, align=True)


RECORD = _dtype(_nested())


def record(values: dict[str, Value]) -> Any:
    """The numeric parameters as one nested numpy record: `p.transaction.bargain_hours` in a kernel."""
    row = np.zeros(1, RECORD)
    for parameter in PARAMETERS:
        if parameter.numeric:
            *groups, leaf = parameter.name.split(".")
            node = row
            for group in groups:
                node = node[group]
            node[leaf] = values[parameter.name]
    return row[0]


def part(p: Any, names: Sequence[str]) -> Any:
    """A record of some of the numeric parameters of `p`, by the last part of their names: all that a kernel sees."""
    row = np.zeros(1, np.dtype([(name.rsplit(".", 1)[1], _kind(BY_NAME[name])) for name in names], align=True))
    for name in names:
        node = p
        for group in name.split("."):
            node = node[group]
        row[name.rsplit(".", 1)[1]] = node
    return row[0]
