"""How an array is cut into slabs: boxes that are copied one after the other.

A slab is a whole number of write units (shards, or chunks where there are none), so that no unit is written twice, and
as long along the fastest axes as the limit allows, so that files are read in long runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

from zarrpipe.metadata import RegularChunkGrid

if TYPE_CHECKING:
    from zarrpipe.arrays import Array

__all__ = ["Region", "aligned_slabs", "plan_bands", "plan_slabs", "slices", "write_unit"]

Region = tuple[tuple[int, int], ...]
"""(start, stop) for each axis."""

SLAB_NBYTES = 256 * 2**20
"""A slab's size, unless a single write unit is larger."""

BAND_NBYTES = 1024 * 2**20
"""How large a band may get before units are written in parts (see `plan_bands`)."""


def plan_slabs(
    shape: tuple[int, ...], unit: tuple[int, ...], item_nbytes: int, limit_nbytes: int = SLAB_NBYTES
) -> Iterator[Region]:
    """Cut an array into boxes of whole units, in C order.

    Parameters
    ----------
    shape : tuple of int
        The array's shape.
    unit : tuple of int
        Shape of what is written at once.
    item_nbytes : int
        Bytes an item.
    limit_nbytes : int
        What a slab may take; a single unit may take more.

    Yields
    ------
    Region
        Boxes that cover the array, each item once.
    """
    if 0 in shape:
        return
    box = [min(u, n) for u, n in zip(unit, shape, strict=True)]
    for axis in reversed(range(len(shape))):
        fitting = limit_nbytes // (math.prod(box) * item_nbytes)
        units = -(-shape[axis] // unit[axis])
        box[axis] = min(shape[axis], unit[axis] * max(1, min(units, fitting)))
        if box[axis] < shape[axis]:
            break
    yield from _tile(shape, box)


def plan_bands(shape: tuple[int, ...], unit: tuple[int, ...], item_nbytes: int) -> Iterator[Region]:
    """Cut an array into bands along the first axis, for a source that can only be read from front to back.

    A band is a whole number of units high, unless one such band is larger than a gigabyte: then it is lower, and the
    units are written in parts, which costs time instead of memory.

    Yields
    ------
    Region
        Bands in order, full along all axes but the first.
    """
    if 0 in shape or not shape:
        yield from _tile(shape, list(shape))
        return
    row_nbytes = math.prod(shape[1:]) * item_nbytes
    height = SLAB_NBYTES // row_nbytes // unit[0] * unit[0]
    if height == 0:
        height = unit[0] if unit[0] * row_nbytes <= BAND_NBYTES else max(1, SLAB_NBYTES // row_nbytes)
    yield from _tile(shape, [min(height, shape[0]), *shape[1:]])


def aligned_slabs(array: Array) -> Iterator[Region]:
    """Cut an array into boxes in which no shard, or chunk where there are no shards, is cut."""
    grid = array.metadata.chunk_grid
    if isinstance(grid, RegularChunkGrid):
        yield from plan_slabs(array.shape, write_unit(array), array.dtype.itemsize)
        return
    # One by one: lengths that differ do not add up to boxes.
    counts = grid.grid_shape(array.shape)
    for coords in product(*map(range, counts)):
        spans = (axis.span(at) for axis, at in zip(grid.axes, coords, strict=True))
        yield tuple((start, min(start + length, n)) for (start, length), n in zip(spans, array.shape, strict=True))


def write_unit(array: Array) -> tuple[int, ...]:
    """Return the shape of what is written at once, a shard or a chunk: of the largest, where they have several."""
    return tuple(max(axis.lengths) for axis in array.metadata.chunk_grid.axes)


def slices(region: Region) -> tuple[Any, ...]:
    """Return the selection of a region. It ends in an Ellipsis: without axes, too, it selects an array."""
    return (*(slice(start, stop) for start, stop in region), ...)


def _tile(shape: tuple[int, ...], box: list[int]) -> Iterator[Region]:
    if 0 in shape:
        return
    starts = [range(0, n, b) for n, b in zip(shape, box, strict=True)]
    for corner in product(*starts):
        yield tuple((start, min(start + b, n)) for start, b, n in zip(corner, box, shape, strict=True))
