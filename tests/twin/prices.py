"""Raw materials: their prices month by month, and what a flow over the horizon is worth at them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from types import SimpleNamespace

import numpy as np

from abm import chance
from abm.catalogue import Commodity as CommodityRow
from tests.twin.luck import Luck

NO_KEY = np.uint64(0)
FORGOTTEN_JUMP = 1e-9  # memory below which a past jump no longer counts in a mean
FADED_JUMP = 1e-6  # and below which it is not drawn for the start
MOST_TERMS = 4000
FARTHEST, APART = 8.0, 0.02  # of the points at which hope is tabled, in standard deviations of the price


def annuity(rate: float, horizon: float) -> float:
    """Value of 1 SEK a year."""
    return (1.0 - math.exp(-rate * horizon)) / rate


def discount_rates(worth: SimpleNamespace) -> tuple[float, ...]:
    """Rates of low, middle and high firms, and of municipalities."""
    middle, spread = worth.discount_firms, worth.discount_spread
    return middle / spread, middle, middle * spread, worth.discount_municipal


def normal_share(x: float) -> float:
    """Share of a standard normal below `x`."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


@cache
def rises(nu: float) -> tuple[float, ...]:
    """How steeply the worth of waiting rises at -8, -7.98, ..., 8 standard deviations: w' = nu + y w - w^2."""
    ys = [n * APART - FARTHEST for n in range(round(2.0 * FARTHEST / APART) + 1)]
    found = [0.5 * (math.sqrt(FARTHEST**2 + 4.0 * nu) - FARTHEST)]
    for y, after in pairwise(ys):
        # trapezoidal rule: half the step times both slopes, the later one with the w that is sought
        half, w = 0.5 * APART, found[-1]
        linear, constant = 1.0 - half * after, -(w + half * (nu + y * w - w * w) + half * nu)
        found.append((-linear + math.sqrt(linear**2 - 4.0 * half * constant)) / (2.0 * half))
    return tuple(found)


def rise(nu: float, y: float) -> float:
    """The same at `y`, on straight lines between the points."""
    table = rises(nu)
    place = min(max((y + FARTHEST) / APART, 0.0), len(table) - 1.0)
    before = min(int(place), len(table) - 2)
    return table[before] + (place - before) * (table[before + 1] - table[before])


@dataclass
class Outlook:
    """Price some months ahead: how today's deviation lasts until then, log growth, spread of its log."""

    decay: float
    growth: float
    spread: float


class Commodity:
    """A raw material whose log price reverts, jumps and shares a common factor."""

    def __init__(self, row: CommodityRow, p: SimpleNamespace, rates: tuple[float, ...], luck: Luck) -> None:
        self.luck, self.key, self.long_run = luck, chance.name_key(row.id), row.price
        kappa = math.log(2.0) / (row.half_life * p.prices.half_life_factor)
        v, horizon = p.prices.volatility, p.worth.horizon
        self.walks = kappa == 0.0
        self.memory = math.exp(-kappa / 12.0)
        variance = 1.0 / 12.0 if self.walks else (1.0 - self.memory**2) / (2.0 * kappa)
        self.noise = v * row.volatility * math.sqrt(variance)
        self.loading, self.own_loading = row.loading, math.sqrt(1.0 - row.loading**2)
        self.jump_chance, self.jump_size = row.jump_rate / 12.0, v * row.jump_sd
        if self.walks:
            self.mean = self.noise**2 / 2.0 + self._jump_growth(1)
        else:
            self.mean = self.noise**2 / (2.0 * (1.0 - self.memory**2)) + self._jump_growth(MOST_TERMS)
        self._hazard = p.discovery.forgetting
        self._yearly = math.sqrt(v**2 * (row.volatility**2 + row.jump_rate * row.jump_sd**2))
        self._rates, self._kappa = rates, kappa
        self._plan_valuation(p.prices.expectations == "reverting", horizon, rates)
        self.deviation = 0.0 if self.walks else self._stationary_start()
        self.price, self.floor = self.long_run, 0.0
        self._forget()

    def _forget(self) -> None:
        """Values are worked out anew when they are asked for."""
        self._plain: list[float] = []
        self._received: list[tuple[float, float]] = []
        self._values: list[float | None] = [None] * len(self._weights)

    def _jump_growth(self, months: int) -> float:
        """Log mean growth by possible jumps of some months."""
        if self.jump_chance == 0.0 or self.jump_size == 0.0:
            return 0.0
        growth, memory = 0.0, 1.0
        for _ in range(months):
            if memory < FORGOTTEN_JUMP:
                break
            by_jump = math.exp(0.5 * (memory * self.jump_size) ** 2)
            growth += math.log(1.0 - self.jump_chance + self.jump_chance * by_jump)
            memory *= self.memory
        return growth

    def _plan_valuation(self, looks_ahead: bool, horizon: float, rates: tuple[float, ...]) -> None:
        """Discount weights of each half year, and how the price stands then as seen from today."""
        years = [0.25 + 0.5 * n for n in range(round(2 * horizon))]
        self._weights = [[0.5 * math.exp(-rate * h) for h in years] for rate in rates]
        self._outlook = [self._outlook_in(round(12 * h)) if looks_ahead else Outlook(1.0, 0.0, 0.0) for h in years]
        self._reverts = looks_ahead and not self.walks

    def _outlook_in(self, months: int) -> Outlook:
        monthly = self.noise**2 + self.jump_chance * self.jump_size**2
        if self.walks:
            return Outlook(1.0, 0.0, math.sqrt(months * monthly))
        lasting = (1.0 - self.memory ** (2 * months)) / (1.0 - self.memory**2)
        growth = 0.5 * self.noise**2 * lasting + self._jump_growth(months) - self.mean
        return Outlook(self.memory**months, growth, math.sqrt(lasting * monthly))

    def _stationary_start(self) -> float:
        """Deviation before the first month."""
        x = self.noise / math.sqrt(1.0 - self.memory**2) * self.luck.normal(chance.PRICE_START, self.key)
        if self.jump_chance == 0.0 or self.jump_size == 0.0:
            return x
        for n in range(MOST_TERMS):
            left = self.memory**n
            if left <= FADED_JUMP:
                break
            if self.luck.uniform(chance.PAST_JUMP, self.key, n) < self.jump_chance:
                x += left * self.jump_size * self.luck.normal(chance.PAST_JUMP_SIZE, self.key, n)
        return x

    def advance(self, t: int, common: float, guarantee: float) -> None:
        """Price of month `t`, given the shock common to all and the guarantee over the long-run price (0: none)."""
        shock = self.loading * common + self.own_loading * self.luck.normal(chance.PRICE_SHOCK, self.key, t)
        x = self.memory * self.deviation + self.noise * shock
        if self.jump_chance > 0.0 and self.luck.uniform(chance.PRICE_JUMP, self.key, t) < self.jump_chance:
            x += self.jump_size * self.luck.normal(chance.JUMP_SIZE, self.key, t)
        self.deviation = x
        self.price = self.long_run * math.exp(x - ((t + 1) * self.mean if self.walks else self.mean))
        self.floor = guarantee * self.long_run
        self._forget()

    @property
    def top_up(self) -> float:
        """What the guarantee pays on top of today's price."""
        return max(self.floor - self.price, 0.0)

    def market_value(self, discount_class: int) -> float:
        """Value of one unit a year over the horizon at today's prices, any guarantee left out, SEK yr."""
        return self._discounted(self._expected(), discount_class)

    def unit_value(self, discount_class: int) -> float:
        """The same with the guarantee in force."""
        value = self._values[discount_class]
        if value is None:
            prices = [received for received, _ in self._guaranteed()] if self.floor > 0.0 else self._expected()
            value = self._values[discount_class] = self._discounted(prices, discount_class)
        return value

    def worth_waiting(self, discount_class: int) -> float:
        """Share of the value for which it pays to wait: what a log price moves of it, over how steeply hope rises."""
        if self._yearly == 0.0:
            return 0.0
        rate = self._rates[discount_class] + self._hazard
        prices = [moving for _, moving in self._guaranteed()] if self.floor > 0.0 else self._expected()
        if self._reverts:
            spread = self._yearly / math.sqrt(2.0 * self._kappa)
            prices = [one.decay * price for one, price in zip(self._outlook, prices, strict=True)]
            ahead = spread / rise(rate / self._kappa, self.deviation / spread)
        else:
            ahead = 1.0 / (0.5 + math.sqrt(0.25 + 2.0 * rate / self._yearly**2))
        return self._discounted(prices, discount_class) * ahead / self.unit_value(discount_class)

    def _discounted(self, prices: Sequence[float], discount_class: int) -> float:
        return sum(w * price for w, price in zip(self._weights[discount_class], prices, strict=True))

    def _expected(self) -> list[float]:
        """Price expected in each half year of the horizon."""
        if not self._plain:
            self._plain = [self._expected_in(one) for one in self._outlook]
        return self._plain

    def _expected_in(self, one: Outlook) -> float:
        if not self._reverts:
            return self.price
        return self.long_run * math.exp(one.decay * self.deviation + one.growth)

    def _guaranteed(self) -> list[tuple[float, float]]:
        """What is received in each half year under the guarantee, and the part of it that moves with the price."""
        if not self._received:
            ahead = zip(self._expected(), self._outlook, strict=True)
            self._received = [self._at_least(mean, one.spread) for mean, one in ahead]
        return self._received

    def _at_least(self, mean: float, spread: float) -> tuple[float, float]:
        """Mean of a lognormal price or the guaranteed one, whichever is higher (Black 1976), and its moving part."""
        if spread == 0.0:
            return max(mean, self.floor), mean if mean > self.floor else 0.0
        d = math.log(mean / self.floor) / spread + 0.5 * spread
        moving = mean * normal_share(d)
        return moving + self.floor * normal_share(spread - d), moving
