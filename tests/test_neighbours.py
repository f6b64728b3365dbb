"""The nearest receivers against scipy's k-d tree, in places that grids find hard."""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
import pytest
from scipy.spatial import KDTree

from abm.neighbours import Grids, lay_out, nearest, sphere
from abm.population import STREAM
from abm.state import ENTRY

KINDS, MOST = 3, 12
Places = tuple[np.ndarray, np.ndarray]  # degrees north and east


def _even(generator: np.random.Generator, count: int, north: tuple[float, float], east: tuple[float, float]) -> Places:
    return generator.uniform(*north, count), generator.uniform(*east, count)


def _towns(generator: np.random.Generator, count: int) -> Places:
    """Three towns far apart, most in one of them."""
    town = generator.choice(3, count, p=(0.8, 0.15, 0.05))
    lat, lon = np.array([58.4, 55.6, 67.9])[town], np.array([15.6, 13.0, 20.2])[town]
    return lat + 0.03 * generator.standard_normal(count), lon + 0.05 * generator.standard_normal(count)


def _few(generator: np.random.Generator, count: int) -> Places:
    """All at seven seats, so that most distances are equal to others."""
    lat, lon = _even(generator, 7, (57.0, 59.0), (14.0, 17.0))
    seat = generator.integers(7, size=count)
    return lat[seat], lon[seat]


def _antimeridian(generator: np.random.Generator, count: int) -> Places:
    lat, lon = _even(generator, count, (-18.0, -16.0), (178.0, 180.0))
    return lat, lon * generator.choice((-1.0, 1.0), count)


PLACES: dict[str, Callable[[np.random.Generator, int], Places]] = {
    "region": lambda generator, count: _even(generator, count, (57.0, 59.0), (14.0, 17.0)),
    "earth": lambda generator, count: _even(generator, count, (-90.0, 90.0), (-180.0, 180.0)),
    "towns": _towns,
    "few places": _few,
    "one place": lambda generator, count: (np.full(count, 58.4), np.full(count, 15.6)),
    "pole": lambda generator, count: _even(generator, count, (88.0, 90.0), (-180.0, 180.0)),
    "antimeridian": _antimeridian,
    "meridian": lambda generator, count: _even(generator, count, (40.0, 60.0), (15.0, 15.0)),
    "equator": lambda generator, count: _even(generator, count, (0.0, 0.0), (15.0, 40.0)),
}


@numba.njit
def _all_nearest(donors: np.ndarray, places: np.ndarray, grids: Grids, reach: float, most: int) -> np.ndarray:
    """For each donor the number of each receiver and the chord squared, nan beyond the last, shape (n, most, 2)."""
    result, kept = np.full((donors.size, most, 2), np.nan), np.empty(most, ENTRY)
    for d in range(donors.size):
        for n in range(nearest(donors[d].owner, donors[d].byproduct, reach, places, grids, kept)):
            result[d, n, 0], result[d, n, 1] = -kept[n].who, kept[n].rank
    return result


def _streams(generator: np.random.Generator, count: int, people: int) -> np.ndarray:
    streams = np.zeros(count, STREAM)
    streams["owner"], streams["byproduct"] = (
        generator.integers(people, size=count),
        generator.integers(KINDS, size=count),
    )
    return streams


def _by_tree(donor: np.void, receivers: np.ndarray, places: np.ndarray, reach: float, most: int) -> dict[int, float]:
    """Chord by number of the nearest receivers: all that the tree finds, the owner's own left out, in order."""
    numbers = np.flatnonzero(receivers["byproduct"] == donor["byproduct"])
    tree = KDTree(places[receivers["owner"][numbers]])
    chords, found = tree.query(places[donor["owner"]], k=np.arange(1, numbers.size + 1), distance_upper_bound=reach)
    pairs = [(float(chord), int(numbers[n])) for chord, n in zip(chords, found, strict=True) if n < numbers.size]
    others = sorted(pair for pair in pairs if receivers["owner"][pair[1]] != donor["owner"])
    return {number: chord for chord, number in others[:most]}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("km", [3.0, 80.0, 25_000.0])
def test_the_same_receivers_at_the_same_distance_as_by_a_tree(where: str, km: float) -> None:
    """All digits of the distance; of receivers equally far those of the lowest numbers."""
    generator = np.random.default_rng(17)
    places = sphere(*PLACES[where](generator, 300))
    receivers, donors = _streams(generator, 600, 300), _streams(generator, 60, 300)
    chord = 2.0 * np.sin(min(km / 6371.0, np.pi) / 2.0)
    found = _all_nearest(donors, places, lay_out(receivers, places, KINDS), chord**2, MOST)
    for donor, one in zip(donors, found, strict=True):
        mine = {int(number): float(np.sqrt(square)) for number, square in one if number == number}
        assert mine == _by_tree(donor, receivers, places, chord, MOST)


def test_numbers_of_receivers_from_none_to_more_than_there_is_room_for() -> None:
    """So that full and half-empty lists, a kind without any receiver and a donor far outside the grid are all seen."""
    generator = np.random.default_rng(3)
    places = sphere(*_even(generator, 40, (57.0, 59.0), (14.0, 17.0)))
    places[0] = sphere(np.array([-33.0]), np.array([151.0]))[0]
    for count in (0, 1, MOST, 40):
        receivers = _streams(generator, count, 40)
        receivers["byproduct"] = 1
        donors = np.zeros(80, STREAM)
        donors["owner"], donors["byproduct"] = np.tile(np.arange(40), 2), np.repeat((1, 2), 40)
        found = _all_nearest(donors, places, lay_out(receivers, places, KINDS), 4.1, MOST)
        others = [min(int((receivers["owner"] != one["owner"]).sum()), MOST) for one in donors[:40]]
        assert (~np.isnan(found[:, :, 0])).sum(axis=1).tolist() == others + [0] * 40
