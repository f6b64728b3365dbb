"""Named draws of one replicate, and the clocks that run on them."""

from __future__ import annotations

import math

import numpy as np

from abm import chance


class Luck:
    """The draws of abm/chance.py under one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = np.uint64(seed)

    def uniform(self, event: np.uint64, key: np.uint64, occasion: int | np.uint64 = 0) -> float:
        """Uniform in (0, 1)."""
        return chance.uniform(self.seed, event, key, occasion)

    def normal(self, event: np.uint64, key: np.uint64, occasion: int | np.uint64 = 0) -> float:
        """Standard normal."""
        return chance.normal(self.seed, event, key, occasion)

    def exponential(self, event: np.uint64, key: np.uint64, occasion: int = 0) -> float:
        """Exponential with mean 1."""
        return chance.exponential(self.seed, event, key, occasion)

    def lognormal(self, event: np.uint64, key: np.uint64, occasion: int | np.uint64, spread: float) -> float:
        """Lognormal with mean 1 and log standard deviation `spread`."""
        return math.exp(spread * self.normal(event, key, occasion) - 0.5 * spread * spread)


def joint_key(first: np.uint64, second: np.uint64) -> np.uint64:
    """Key of what two named things make together."""
    return np.uint64(chance.mix(first, second))


class Clock:
    """Sums its hazard and fires when it passes a drawn threshold."""

    def __init__(self, luck: Luck, event: np.uint64, key: np.uint64, occasion: int = 0) -> None:
        self.event, self.key = event, key
        self.value = 0.0
        self.threshold = luck.exponential(event, key, occasion)

    def run(self, amount: float) -> bool:
        """Add `amount`; has the clock fired?"""
        self.value += amount
        return self.value >= self.threshold


class Attendances:
    """How often one participant attends, as the facilitators' work per head grows."""

    def __init__(self, luck: Luck, event: np.uint64, key: np.uint64) -> None:
        self.luck, self.event, self.key = luck, event, key
        self.count = 0
        self.next = luck.exponential(event, key)

    def attend(self, offered: float) -> int:
        """Attendances since last asked, when `offered` per head have been offered so far."""
        before = self.count
        while offered >= self.next:
            self.count += 1
            self.next += self.luck.exponential(self.event, self.key, self.count)
        return self.count - before

    def start_anew(self, offered: float, turn: int) -> None:
        """Somebody new, with thresholds of its own from what has been offered so far."""
        self.count = turn * 2**20
        self.next = offered + self.luck.exponential(self.event, self.key, self.count)
