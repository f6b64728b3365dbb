"""Named chance: every draw is a pure function of (seed, event, entity, occasion).

No stream is shared, so nothing that happens in a run can move another draw: with and without a resource centre the
same firm has the same size, luck and thresholds. The mixing function is the finaliser of SplitMix64 (Steele, Lea &
Flood 2014, doi:10.1145/2660193.2660195), applied once per name.

Draws keyed by entity rather than taken from a stream: Klein et al. (Starsim); Exp(1) thresholds for transitions:
Sellke (1983), doi:10.2307/3213811.
"""

from __future__ import annotations

import hashlib
import math
from numbers import Integral
from typing import Any

import numpy as np

from abm.compiled import kernel

A_SEED = "a whole number from 0 to 2**63 - 1"


def checked_seed(value: Any, name: str = "seed") -> int:
    """`value` as a Python integer; raises ScenarioError, naming the argument `name`, for what is no seed."""
    if isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) < 2**63:
        return int(value)
    from abm.scenario import ScenarioError  # which needs this module itself

    raise ScenarioError([f"{name}: {repr(value)[:60]} is not {A_SEED}"])


def name_key(name: str) -> np.uint64:
    """64-bit key of a name, the same on every machine."""
    return np.uint64(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little"))


# The population (abm/population.py)
FIRM = name_key("firm")
SECTOR = name_key("sector")
EMPLOYEES = name_key("employees")
MUNICIPALITY = name_key("municipality")
POSITION = name_key("position")
TRAIT = name_key("trait")
RULE = name_key("decision rule")
HAS_SUPPLY = name_key("has supply")
HAS_DEMAND = name_key("has demand")
SUPPLY_SIZE = name_key("supply size")
DEMAND_SIZE = name_key("demand size")
# The opportunities (abm/opportunities.py)
FIT = name_key("fit")
SPLIT = name_key("value split")
VISIT_ORDER = name_key("visit order")
# The months
PRICE_SHOCK = name_key("price shock")
COMMON_SHOCK = name_key("common price shock")
PRICE_JUMP = name_key("price jump")
JUMP_SIZE = name_key("price jump size")
PRICE_START = name_key("price start")
PAST_JUMP = name_key("price jump before the start")
PAST_JUMP_SIZE = name_key("price jump size before the start")
MATURITY = name_key("maturity step")
ELECTION = name_key("election")
AWARENESS = name_key("awareness")
AWARE_AT_START = name_key("aware at start")
TRAINING = name_key("training")
EVENT = name_key("meeting-place event")
FOUND_SELF = name_key("found by own search")
FOUND_BROKER = name_key("found by a broker")
FORGOTTEN = name_key("forgotten")
TALKS_END = name_key("end of talks")
PROCESS_END = name_key("end by process change")
KNOWN_REGISTER = name_key("knows another's register")
KNOWN_CASE = name_key("knows another's case")
STAYS = name_key("stays until")

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)
_TO_52_BITS = np.uint64(12)  # one bit less than a float holds, so that adding a half never rounds up to 1


@kernel
def mix(value, word):
    """One round: fold the 64-bit `word` into `value`; not symmetric in the two."""
    z = (np.uint64(value) + _STEP) ^ np.uint64(word)
    z = (z ^ (z >> _SHIFT_1)) * _MIX_1
    z = (z ^ (z >> _SHIFT_2)) * _MIX_2
    return z ^ (z >> _SHIFT_3)


@kernel
def uniform(seed, event, key, occasion):
    """Uniform number in the open interval (0, 1)."""
    bits = mix(mix(mix(mix(np.uint64(0), seed), event), key), occasion)
    return (np.float64(bits >> _TO_52_BITS) + 0.5) * 2.0**-52


@kernel
def exponential(seed, event, key, occasion):
    """Exponential number with mean 1: the threshold of a clock."""
    return -math.log(uniform(seed, event, key, occasion))


@kernel
def normal(seed, event, key, occasion):
    """Standard normal number (Box & Muller 1958): two uniforms of one name."""
    first = np.uint64(occasion) << np.uint64(1)
    radius = math.sqrt(-2.0 * math.log(uniform(seed, event, key, first)))
    return radius * math.cos(2.0 * math.pi * uniform(seed, event, key, first | np.uint64(1)))
