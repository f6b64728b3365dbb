"""Raw materials: their prices month by month, and what a flow over the horizon is worth at them."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np

from abm import chance
from abm.catalogue import Commodity as CommodityRow
from tests.twin.luck import Luck

NO_KEY = np.uint64(0)
FORGOTTEN_JUMP = 1e-9  # memory below which a past jump no longer counts in a mean
FADED_JUMP = 1e-6  # and below which it is not drawn for the start
MOST_TERMS = 4000


def annuity(rate: float, horizon: float) -> float:
    """Value of 1 SEK a year."""
    return (1.0 - math.exp(-rate * horizon)) / rate


def discount_rates(worth: SimpleNamespace) -> tuple[float, ...]:
    """Rates of low, middle and high firms, and of municipalities."""
    middle, spread = worth.discount_firms, worth.discount_spread
    return middle / spread, middle, middle * spread, worth.discount_municipal


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
        lasting = 1.0 if self.walks else (1.0 - math.exp(-2.0 * kappa * horizon)) / (2.0 * kappa * horizon)
        self.volatility = math.sqrt(v**2 * (row.volatility**2 + row.jump_rate * row.jump_sd**2) * lasting)
        self._plan_valuation(p.prices.expectations == "reverting" and not self.walks, horizon, rates)
        self.deviation = 0.0 if self.walks else self._stationary_start()
        self.price = self.long_run
        self._expected: list[float] = []
        self._values: list[float | None] = [None] * len(rates)

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

    def _plan_valuation(self, looks_back: bool, horizon: float, rates: tuple[float, ...]) -> None:
        """Discount weights of each half year, and how today's deviation lasts until then."""
        years = [0.25 + 0.5 * n for n in range(round(2 * horizon))]
        self._weights = [[0.5 * math.exp(-rate * h) for h in years] for rate in rates]
        self._outlook: list[tuple[float, float]] | None = None
        if not looks_back:
            return
        self._outlook = []
        for months in (round(12 * h) for h in years):
            diffusion = self.noise**2 * (1.0 - self.memory ** (2 * months)) / (2.0 * (1.0 - self.memory**2))
            self._outlook.append((self.memory**months, diffusion + self._jump_growth(months) - self.mean))

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

    def advance(self, t: int, common: float) -> None:
        """Price of month `t`, given the shock common to all."""
        shock = self.loading * common + self.own_loading * self.luck.normal(chance.PRICE_SHOCK, self.key, t)
        x = self.memory * self.deviation + self.noise * shock
        if self.jump_chance > 0.0 and self.luck.uniform(chance.PRICE_JUMP, self.key, t) < self.jump_chance:
            x += self.jump_size * self.luck.normal(chance.JUMP_SIZE, self.key, t)
        self.deviation = x
        self.price = self.long_run * math.exp(x - ((t + 1) * self.mean if self.walks else self.mean))
        self._values = [None] * len(self._values)
        self._expected = []

    def unit_value(self, discount_class: int) -> float:
        """Value of one unit a year over the horizon at today's prices, SEK yr."""
        value = self._values[discount_class]
        if value is None:
            if not self._expected:
                self._expected = self._expect()
            value = sum(w * price for w, price in zip(self._weights[discount_class], self._expected, strict=True))
            self._values[discount_class] = value
        return value

    def _expect(self) -> list[float]:
        """Price expected in each half year of the horizon."""
        if self._outlook is None:
            return [self.price] * len(self._weights[0])
        x = self.deviation
        return [self.long_run * math.exp(decay * x + growth) for decay, growth in self._outlook]
