"""What does building a region take, anew and again, and its nearest receivers by a grid against k-d trees?"""

from __future__ import annotations

import time

import numba
import numpy as np
from scipy.spatial import KDTree

from abm.building import shape
from abm.neighbours import Grids, lay_out, nearest, sphere
from abm.parts import MEMORY
from abm.population import Population, populated
from abm.scenario import Scenario
from abm.simulate import build
from abm.state import ENTRY
from benchmarks.report import Cell, Criterion, Result, Table
from benchmarks.scenarios import synthetic
from benchmarks.timing import Effort, Spread, Subject, alternate, say

FIRMS = (600, 6_000, 60_000)
AT_LEAST = 12_000  # firms of all that a subject does in a round
GRID, TREES = "grid", "k-d trees"


@numba.njit(nogil=True)
def _count(supplies: np.ndarray, places: np.ndarray, grids: Grids, reach: np.ndarray, most: int) -> tuple[int, float]:
    """How many pairs there are, and the sum of their chords."""
    kept, count, total = np.empty(most, ENTRY), 0, 0.0
    for supply in supplies:
        found = nearest(supply.owner, supply.byproduct, reach[supply.byproduct] ** 2, places, grids, kept)
        count += found
        for n in range(found):
            total += np.sqrt(kept[n].rank)
    return count, total


def by_grid(people: Population, reach: np.ndarray, most: int) -> tuple[int, float]:
    """How many pairs of donors and their nearest receivers there are, and the sum of their chords."""
    places = sphere(people.participants["lat"], people.participants["lon"])
    return _count(people.supplies, places, lay_out(people.demands, places, len(reach)), reach, most)


def by_trees(people: Population, reach: np.ndarray, most: int) -> tuple[int, float]:
    """The same by a k-d tree a by-product, asked for one more receiver, since a plant may find itself."""
    places, count, total = sphere(people.participants["lat"], people.participants["lon"]), 0, 0.0
    for number, chord in enumerate(reach):
        donors, receivers = (
            side["owner"][side["byproduct"] == number].astype(np.int64) for side in (people.supplies, people.demands)
        )
        if donors.size == 0 or receivers.size == 0:
            continue
        tree = KDTree(places[receivers])
        ranks = np.arange(1, min(most + 1, receivers.size) + 1)
        chords, found = map(np.asarray, tree.query(places[donors], k=ranks, distance_upper_bound=chord))
        others = (found < receivers.size) & (np.append(receivers, -1)[found] != donors[:, None])
        others &= others.cumsum(axis=1) <= most
        count += int(others.sum())
        total += float(chords[others].sum())
    return count, total


def _row(firms: int, effort: Effort) -> tuple[tuple[Cell, ...], Spread]:
    """Milliseconds of one size, and how many times as long as the grid trees take."""
    scenario, repeats = synthetic(firms), max(1, AT_LEAST // firms)
    given = shape(scenario)
    people = populated(given.ground.value, np.uint64(1), given.populating.value)
    km = given.table.value[0]["reach"] / given.existing.value["road_factor"]
    reach = 2.0 * np.sin(np.minimum(km / 6371.0, np.pi) / 2.0)
    most = int(given.existing.value["max_partners"])
    (count, total), (same, sum_of_trees) = (by(people, reach, most) for by in (by_grid, by_trees))
    if count != same or not np.isclose(total, sum_of_trees, rtol=1e-9):
        raise ValueError(f"the grid finds {count} pairs, k-d trees {same}")

    subjects = {
        GRID: Subject(lambda _: [by_grid(people, reach, most) for _ in range(repeats)], repeats),
        TREES: Subject(lambda _: [by_trees(people, reach, most) for _ in range(repeats)], repeats),
    }
    times = alternate(effort.rounds, subjects)
    anew, again = _anew_and_again(scenario, effort.rounds, repeats)
    ratio = times.ratio(TREES, GRID)
    return (firms, anew, again, times.spread(GRID, 1000.0), times.spread(TREES, 1000.0), ratio), ratio


def _anew_and_again(scenario: Scenario, rounds: int, repeats: int) -> tuple[Spread, Spread]:
    """Milliseconds of building a seed for the first and for the second time."""
    laps: tuple[list[float], list[float]] = [], []
    build(scenario, 0)  # what no seed changes is there
    for number in range(rounds):
        spent = [0.0, 0.0]
        for seed in range(repeats):
            for n in range(2):
                start = time.perf_counter()
                build(scenario, 1 + number * repeats + seed)
                spent[n] += time.perf_counter() - start
        for lap, seconds in zip(laps, spent, strict=True):
            lap.append(1000.0 * seconds / repeats)
    return Spread.of(laps[0]), Spread.of(laps[1])


def measure(effort: Effort) -> Result:
    """Synthetic regions of several sizes."""
    rows, criteria = [], []
    for firms in FIRMS:
        say(f"  {firms:,} firms")
        row, ratio = _row(firms, effort)
        rows.append(row)
        promise = f"k-d trees take at least twice as long as the grid, {firms:,} firms"
        criteria.append(Criterion(promise, ratio, at_least=2.0))
    columns = ("firms", "ms, building anew", "ms, building again", "ms, grid", "ms, k-d trees", "trees over grid")
    return Result(
        "what does building a region take?",
        (Table("Firms, opportunities and market of one seed", columns, tuple(rows)),),
        (
            "Again: the same seed once more, as the next row of a sweep over behaviour does; a part over half of "
            f"{MEMORY.room // 2**20} MiB is not kept.",
            "Grid and trees: each donor's nearest receivers within reach, all by-products; they find the same pairs at "
            "the same distances, which is checked first. Trees (scipy's) were what the model used before.",
        ),
        tuple(criteria),
    )
