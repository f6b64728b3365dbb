"""Month's step 1: raw-material prices, and what one unit a year is worth at them.

Log deviation x of each commodity: x' = a x + s e + J, an Ornstein-Uhlenbeck process with jumps sampled monthly,
a = exp(-kappa/12), kappa = ln 2 / half-life. Price = long-run price * exp(x - m), with m such that the stationary mean
is the long-run price at every volatility: raising volatility does not raise the average price. Prices depend on
nothing that agents do, so a replicate's path and the values of a flow are computed once and read month by month.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from abm import chance
from abm.chance import normal, uniform
from abm.compiled import kernel

HALF_YEAR_STEP = 0.5  # years between the points of the value sum: error below 0.8 % against monthly sums
LONG = 4000  # terms at which the slowest jump memory of a reverting price has died out

PROCESS = np.dtype(
    [(name, "f8") for name in ("price", "a", "s", "chance", "jump", "loading", "mean", "effective", "spread")]
    + [("key", "u8")],
    align=True,
)

MARKET = np.dtype(
    [
        ("price", "f8"),
        ("top_up", "f8"),  # what a guaranteed price adds to it today
        ("exposure", "f8"),  # part of the volatility that a guarantee leaves to the parties
        ("public_value", "f8"),  # of one unit a year at the municipal rate, guarantee left out
    ],
    align=True,
)
MUNICIPAL = 3  # discount class of municipal utilities and of public value


@kernel
def jump_sum(process, months):
    """Log of the mean growth that possible jumps of the last `months` months add, until their memory dies out."""
    total = 0.0
    memory = 1.0
    for _ in range(months):
        if process.chance == 0.0 or process.jump == 0.0 or memory < 1e-9:
            break
        total += math.log(1.0 - process.chance + process.chance * math.exp(0.5 * (memory * process.jump) ** 2))
        memory *= process.a
    return total


@kernel
def processes(commodities, p, horizon):
    """The monthly process of each commodity at the scenario's volatility and half-life (record array).

    An infinite half-life gives a = 1, a random walk; `mean` is then what each month adds to the correction m, and
    `spread`, otherwise the standard deviation of the stationary law, that of one year.
    """
    result = np.zeros(commodities.size, PROCESS)
    v = p.volatility
    for k in range(commodities.size):
        row, process = commodities[k], result[k]
        kappa = math.log(2.0) / (row.half_life * p.half_life_factor)
        walk = kappa == 0.0
        process.price, process.loading, process.key = row.price, row.loading, row.key
        process.a = math.exp(-kappa / 12.0)
        process.s = v * row.volatility * math.sqrt(1.0 / 12.0 if walk else (1.0 - process.a**2) / (2.0 * kappa))
        process.chance, process.jump = row.jump_rate / 12.0, v * row.jump_sd
        process.mean = process.s**2 / (2.0 if walk else 2.0 * (1.0 - process.a**2))
        process.mean += jump_sum(process, 1 if walk else LONG)
        variance = v**2 * (row.volatility**2 + row.jump_rate * row.jump_sd**2)
        lasting = 1.0 if walk else (1.0 - math.exp(-2.0 * kappa * horizon)) / (2.0 * kappa * horizon)
        process.effective = math.sqrt(variance * lasting)
        process.spread = math.sqrt(variance if walk else variance / (2.0 * kappa))
    return result


@kernel
def correction(process, t):
    """m: what is taken off the log price so that the mean price in month `t` is the long-run price."""
    return process.mean if process.a < 1.0 else (t + 1) * process.mean


@kernel
def _remembered(a):
    """Months back, `LONG` at most, to where of a jump no millionth is left: the first n with a**n <= 1e-6."""
    least, most = 0, LONG
    while least < most:
        middle = (least + most) // 2
        if a**middle > 1e-6:
            least = middle + 1
        else:
            most = middle
    return least


@kernel
def _start(seed, process):
    """A draw from the stationary law: the diffusive part at once, the jumps of the past one by one."""
    if process.a == 1.0:
        return 0.0
    x = process.s / math.sqrt(1.0 - process.a**2) * normal(seed, chance.PRICE_START, process.key, 0)
    if process.chance == 0.0 or process.jump == 0.0:
        return x
    for n in range(_remembered(process.a)):
        if uniform(seed, chance.PAST_JUMP, process.key, n) < process.chance:
            x += process.a**n * process.jump * normal(seed, chance.PAST_JUMP_SIZE, process.key, n)
    return x


@kernel
def deviations(seed, process, months):
    """Log deviation x of each month, shape (months, commodities)."""
    x, common = np.zeros((months, process.size)), np.zeros(months)
    for t in range(months):
        common[t] = normal(seed, chance.COMMON_SHOCK, 0, t)
    for k in range(process.size):
        one = process[k]
        level = _start(seed, one)
        own = math.sqrt(1.0 - one.loading**2)
        for t in range(months):
            shock = one.loading * common[t]
            shock += own * normal(seed, chance.PRICE_SHOCK, one.key, t)
            level = one.a * level + one.s * shock
            if one.chance > 0.0 and uniform(seed, chance.PRICE_JUMP, one.key, t) < one.chance:
                level += one.jump * normal(seed, chance.JUMP_SIZE, one.key, t)
            x[t, k] = level
    return x


@kernel
def annuity(rate, horizon):
    """Value of 1 SEK a year over `horizon` years at `rate` (yr)."""
    return (1.0 - math.exp(-rate * horizon)) / rate


@kernel
def _growth(process, months):
    """c_h: log of the mean growth in `months` from shocks not yet drawn (a reverting price)."""
    diffusion = process.s**2 * (1.0 - process.a ** (2 * months)) / (2.0 * (1.0 - process.a**2))
    return diffusion + jump_sum(process, months)


@kernel
def _weights(rates, horizon):
    """Discount weights of the sum, shape (points, classes), years."""
    points = round(horizon / HALF_YEAR_STEP)
    weights = np.zeros((points, rates.size))
    for h in range(points):
        for c in range(rates.size):
            weights[h, c] = HALF_YEAR_STEP * math.exp(-rates[c] * (h + 0.5) * HALF_YEAR_STEP)
    return weights


@kernel
def unit_values(x, process, rates, horizon, reverting):
    """Value of one unit a year over the horizon, SEK yr/unit, and what of it moves with the log price of today.

    Shape of both (months, commodities, discount classes). The sum over expected prices at 0.25, 0.75, ... years.
    Without `reverting` today's price is taken for ever.
    """
    weights = _weights(rates, horizon)
    values = np.empty((x.shape[0], process.size, rates.size))
    slopes = np.empty(values.shape)
    ahead, sums = np.zeros(x.shape[0]), np.zeros((2, rates.size, x.shape[0]))
    for k in range(process.size):
        one = process[k]
        looks_back = reverting and one.a < 1.0
        sums[:] = 0.0
        for h in range(weights.shape[0]):
            months = round(12.0 * (h + 0.5) * HALF_YEAR_STEP)
            lasting = one.a**months if looks_back else 1.0
            growth = _growth(one, months) if looks_back else 0.0
            for t in range(x.shape[0]):
                taken_off = one.mean if looks_back else correction(one, t)
                ahead[t] = math.exp(lasting * x[t, k] + growth - taken_off)
            for c in range(rates.size):  # months stand side by side, so that several are added at once
                weight = weights[h, c] * one.price
                for t in range(x.shape[0]):
                    value = weight * ahead[t]
                    sums[0, c, t] += value
                    sums[1, c, t] += lasting * value
        for t in range(x.shape[0]):
            for c in range(rates.size):
                values[t, k, c], slopes[t, k, c] = sums[0, c, t], sums[1, c, t]
    return values, slopes


@kernel
def levels(x, process):
    """Price of each month, SEK/unit, shape (months, commodities)."""
    result = np.zeros(x.shape)
    for t in range(x.shape[0]):
        for k in range(process.size):
            result[t, k] = process[k].price * math.exp(x[t, k] - correction(process[k], t))
    return result


@kernel
def markets(x, process, values):
    """The market of each month without any guarantee: MARKET, shape (months, commodities)."""
    result, price = np.zeros(x.shape, MARKET), levels(x, process)
    for t in range(x.shape[0]):
        for k in range(process.size):
            row = result[t, k]
            row.price, row.public_value, row.exposure = price[t, k], values[t, k, MUNICIPAL], 1.0
    return result


@kernel
def guaranteed(mean, spread, floor):
    """Mean of max(P, floor) of a lognormal P, and the part of it that moves with P (Black 1976, undiscounted)."""
    if spread <= 0.0:
        return max(mean, floor), mean if mean > floor else 0.0
    d = math.log(mean / floor) / spread + 0.5 * spread
    moving = mean * 0.5 * math.erfc(-d / math.sqrt(2.0))
    return moving + floor * 0.5 * math.erfc((d - spread) / math.sqrt(2.0)), moving


@kernel
def _ahead(one, x, t, months, reverting):
    """Mean of the price `months` after month `t` at log deviation `x`, and the spread of its log."""
    today = one.price * math.exp(x - correction(one, t))
    if not reverting:
        return today, 0.0
    monthly = one.s**2 + one.chance * one.jump**2
    if one.a == 1.0:
        return today, math.sqrt(months * monthly)
    lasting = (1.0 - one.a ** (2 * months)) / (1.0 - one.a**2)
    mean = one.price * math.exp(one.a**months * x + _growth(one, months) - one.mean)
    return mean, math.sqrt(lasting * monthly)


@kernel
def guarantee(floors, x, process, rates, horizon, reverting, market, values, slopes):
    """Lay a guaranteed price over `market`, unit `values` and their `slopes` in the months with `floors` above 0.

    `floors` is the guarantee over the long-run price, shape (months,). Parties expect what is in force to last.
    """
    weights = _weights(rates, horizon)
    for t in range(floors.size):
        if floors[t] <= 0.0:
            continue
        for k in range(process.size):
            floor, row = floors[t] * process[k].price, market[t, k]
            row.top_up = max(floor - row.price, 0.0)
            whole, moving = 0.0, 0.0
            looks_back = reverting and process[k].a < 1.0
            slopes[t, k] = 0.0
            for h in range(weights.shape[0]):
                months = round(12.0 * (h + 0.5) * HALF_YEAR_STEP)
                mean, spread = _ahead(process[k], x[t, k], t, months, reverting)
                received, part = guaranteed(mean, spread, floor)
                lasting = process[k].a ** months if looks_back else 1.0
                for c in range(rates.size):
                    values[t, k, c] += weights[h, c] * (received - mean)
                    slopes[t, k, c] += weights[h, c] * lasting * part
                whole += weights[h, 0] * received
                moving += weights[h, 0] * part
            row.exposure = moving / whole


def discount_rates(p: Any) -> np.ndarray:
    """Real discount rates of the classes low, middle, high (firms) and municipal, 1/yr."""
    middle, spread = float(p["worth"]["discount_firms"]), float(p["worth"]["discount_spread"])
    return np.array([middle / spread, middle, middle * spread, float(p["worth"]["discount_municipal"])])


@kernel
def step(t, world, state):
    """The market of month `t` is today's."""
    for k in range(state.market.size):
        state.market[k] = world.market[t, k]
        for rate in range(world.rates.size):
            state.unit_value[k, rate] = world.unit_value[t, k, rate]
            state.waiting[k, rate] = world.waiting[t, k, rate]
