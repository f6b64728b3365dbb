"""The nearest receivers of each donor: points of several kinds on the unit sphere, the nearest few within a reach.

Each kind's points lie in a grid over two of the three coordinates of space, those in which they are spread most: what
lies far apart in two coordinates does so in all three, so a donor looks through rings of cells around its own until no
further ring can hold anything nearer. Coordinates of space, and not degrees, know no pole and no antimeridian.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from abm.compiled import kernel, mechanism
from abm.queues import push, replace

CROWD = 3.0  # points of a cell on average (measured: 2 to 6 are alike)
ROUNDING = 1e-9  # by which, as a share, a cell may seem farther than it is

GRID = np.dtype(
    [
        ("first", "i8"),  # its first cell among those of all grids; cells stand by row
        ("columns", "i8"),
        ("rows", "i8"),
        ("across", "i8"),  # coordinates of space that columns and rows follow
        ("along", "i8"),
        ("west", "f8"),  # where the first column begins
        ("south", "f8"),
        ("side", "f8"),  # of a cell
    ],
    align=True,
)


class Grids(NamedTuple):
    """Points by kind and cell.

    Those of cell c are `points[starts[c]:starts[c + 1]]`, and so are their `numbers` in the order given, rising within
    a cell, and their `owners`.
    """

    grids: np.ndarray  # GRID, by kind
    starts: np.ndarray  # i8
    points: np.ndarray  # (n, 3)
    numbers: np.ndarray  # u4
    owners: np.ndarray  # u4


class Donor(NamedTuple):
    """Whose receivers are looked for: place, owner, its cell or the nearest one, and its reach as a chord squared."""

    x: float
    y: float
    z: float
    owner: int
    column: int
    row: int
    reach: float


def sphere(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Points on the unit sphere, shape (n, 3), from degrees."""
    phi, lam = np.radians(lat), np.radians(lon)
    return np.column_stack((np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)))


@kernel
def _grid(grid, count, low, high):
    """Fill in the grid of `count` points between `low` and `high` (3,)."""
    width = high - low
    least = np.argmin(width)
    grid.across, grid.along = (least + 1) % 3, (least + 2) % 3
    grid.west, grid.south = low[grid.across], low[grid.along]
    across, along, cells = width[grid.across], width[grid.along], max(count / CROWD, 1.0)
    # so many squares cover the rectangle, or if it is next to a line, that line
    grid.side = max(math.sqrt(across * along / cells), max(across, along) / cells)
    if grid.side == 0.0:  # all in one place
        grid.side = 1.0
    grid.columns, grid.rows = int(across / grid.side) + 1, int(along / grid.side) + 1


@mechanism
def _place(coordinate, start, side, cells):
    """Column or row of a coordinate, the nearest one if it is outside."""
    return int(min(max((coordinate - start) / side, 0.0), cells - 1.0))


@mechanism
def _cell(point, grid):
    column = _place(point[grid.across], grid.west, grid.side, grid.columns)
    return grid.first + _place(point[grid.along], grid.south, grid.side, grid.rows) * grid.columns + column


@kernel
def lay_out(streams, places, kinds):
    """Grids of the owners' `places` (participants, 3) of each kind of `streams` (population.STREAM)."""
    counts, low, high = np.zeros(kinds, np.int64), np.full((kinds, 3), np.inf), np.full((kinds, 3), -np.inf)
    for stream in streams:
        kind, point = stream.byproduct, places[stream.owner]
        counts[kind] += 1
        for n in range(3):
            low[kind, n], high[kind, n] = min(low[kind, n], point[n]), max(high[kind, n], point[n])
    grids, cells = np.zeros(kinds, GRID), 0
    for kind in range(kinds):
        grids[kind].first = cells
        if counts[kind] > 0:
            _grid(grids[kind], counts[kind], low[kind], high[kind])
        cells += grids[kind].columns * grids[kind].rows
    cell, starts = np.zeros(streams.size, np.int64), np.zeros(cells + 1, np.int64)
    for n in range(streams.size):
        cell[n] = _cell(places[streams[n].owner], grids[streams[n].byproduct])
        starts[cell[n] + 1] += 1
    starts[:] = np.cumsum(starts)
    filled = starts.copy()
    points = np.zeros((streams.size, 3))
    numbers, owners = np.zeros(streams.size, np.uint32), np.zeros(streams.size, np.uint32)
    for n in range(streams.size):
        at = filled[cell[n]]
        filled[cell[n]] += 1
        points[at], numbers[at], owners[at] = places[streams[n].owner], n, streams[n].owner
    return Grids(grids, starts, points, numbers, owners)


@mechanism
def _keep(number, square, kept, count):
    """Keep the point `number` at distance squared `square` if it is among the nearest so far; returns how many are.

    Once `kept` (ENTRY) is full it is a heap, the farthest first: of equals the one of the highest number.
    """
    if count < kept.size:
        kept[count].rank, kept[count].who = square, -number
        count += 1
        if count == kept.size:
            for n in range(count):
                push(kept, n, kept[n].rank, kept[n].who)
    elif square < kept[0].rank or (square == kept[0].rank and -number > kept[0].who):
        replace(kept, count, square, -number)
    return count


@mechanism
def _among(first, last, donor, grids, kept, count):
    """Look for receivers in the cells from `first` to `last`; returns how many are kept."""
    for at in range(grids.starts[first], grids.starts[last + 1]):
        x, y, z = donor.x - grids.points[at, 0], donor.y - grids.points[at, 1], donor.z - grids.points[at, 2]
        square = x * x + y * y + z * z
        if square < donor.reach and grids.owners[at] != donor.owner:
            count = _keep(np.int64(grids.numbers[at]), square, kept, count)
    return count


@mechanism
def _in_ring(ring, donor, grid, grids, kept, count):
    """Look for receivers in the cells that are `ring` rows or columns away; returns how many are kept."""
    left, right = donor.column - ring, donor.column + ring
    for row in range(max(donor.row - ring, 0), min(donor.row + ring, grid.rows - 1) + 1):
        start = grid.first + row * grid.columns
        if abs(row - donor.row) == ring:
            ends = max(left, 0), min(right, grid.columns - 1)
            count = _among(start + ends[0], start + ends[1], donor, grids, kept, count)
        else:
            if left >= 0:
                count = _among(start + left, start + left, donor, grids, kept, count)
            if right < grid.columns:
                count = _among(start + right, start + right, donor, grids, kept, count)
    return count


@mechanism
def nearest(owner, kind, reach, places, grids, kept):
    """Put the receivers of this kind that are nearest to `owner` into `kept` (ENTRY); returns how many there are.

    At most as many as there is room for, none beyond `reach` (the chord squared), and not its own. They stand in no
    order: the chord squared, and less than zero by the number of the stream. Of receivers equally far the one of the
    lower number is nearer.
    """
    grid, point, count, ring = grids.grids[kind], places[owner], 0, 0
    column = _place(point[grid.across], grid.west, grid.side, grid.columns)
    row = _place(point[grid.along], grid.south, grid.side, grid.rows)
    donor = Donor(point[0], point[1], point[2], owner, column, row, reach)
    while ring < max(grid.columns, grid.rows):
        count = _in_ring(ring, donor, grid, grids, kept, count)
        farthest = kept[0].rank if count == kept.size else reach
        if (ring * grid.side) ** 2 * (1.0 - ROUNDING) > farthest:  # all that no ring has shown lies beyond
            break
        ring += 1
    return count
