"""What a change of shape does to chunks, so that what comes into view reads as the fill value, never as old data.

Chunks that end up outside are deleted. A chunk across the border keeps items that are outside: they are set to the
fill value, both when the array shrinks and, because other writers leave anything there, when it grows. The document is
written last: whoever is stopped in between has the old shape.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpipe.arrays.stored_chunks import grid_shape, is_inside, stored_chunks
from zarrpipe.dtypes import ObjectDType, ZDType
from zarrpipe.metadata import AnyArrayMetadata, ChunkGrid, join_key
from zarrpipe.nodes import NodeAccess

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["border_regions", "clear_border", "delete_outside"]

Selection = tuple[slice, ...]


def border_regions(old: tuple[int, ...], new: tuple[int, ...], grid: ChunkGrid) -> Iterator[Selection]:
    """Yield the parts, chunk by chunk, that a resize leaves in chunks of the array and outside of one of the shapes.

    Parameters
    ----------
    old, new : tuple of int
        The shapes before and after.
    grid : ChunkGrid
        How the array is cut before.

    Examples
    --------
    >>> from zarrpipe.metadata import RegularChunkGrid
    >>> list(border_regions((10,), (7,), RegularChunkGrid((4,))))
    [(slice(7, 8, None),)]
    """
    kept = [min(pair) for pair in zip(old, new, strict=True)]
    wide = [max(pair) for pair in zip(old, new, strict=True)]
    counts = grid.grid_shape(kept)
    if 0 in counts:
        return
    for axis, start in enumerate(kept):
        last_start, last_length = grid.axes[axis].span(counts[axis] - 1)
        stop = min(last_start + last_length, wide[axis])
        if start == stop:
            continue
        parts = [
            [(start, stop)] if at == axis else [_within(cuts.span(chunk), wide[at]) for chunk in range(count)]
            for at, (cuts, count) in enumerate(zip(grid.axes, counts, strict=True))
        ]
        for part in product(*parts):
            yield tuple(slice(*bounds) for bounds in part)


def _within(span: tuple[int, int], extent: int) -> tuple[int, int]:
    """(start, stop) of a chunk, cut off at the array's end."""
    start, length = span
    return start, min(start + length, extent)


async def clear_border(
    metadata: AnyArrayMetadata,
    new_shape: tuple[int, ...],
    read: Callable[[Selection], Awaitable[npt.NDArray[Any]]],
    write: Callable[[Selection, npt.NDArray[Any]], Awaitable[None]],
) -> None:
    """Set to the fill value what lies in chunks of the array and outside of it.

    Parameters
    ----------
    metadata : AnyArrayMetadata
        The array's, before.
    new_shape : tuple of int
        Its shape after.
    read, write : callable
        From and to an array of the larger extents.
    """
    data_type, value = metadata.data_type, metadata.fill_value
    # v2 has arrays without a fill value, which read as the data type's own.
    value = data_type.default_scalar() if value is None else value
    if isinstance(data_type, ObjectDType):
        fill = data_type.to_array(value, ())
    else:
        # Item by item: NumPy would take bytes for an array of their own kind, without the zeros at the end.
        fill = np.empty((), dtype=data_type.to_native_dtype())
        fill[()] = value
    for region in border_regions(metadata.shape, new_shape, metadata.chunk_grid):
        items = await read(region)
        # What is clean, or not stored, is not written.
        if not _is_all(items, fill, data_type):
            await write(region, fill)


def _is_all(items: npt.NDArray[Any], fill: npt.NDArray[Any], data_type: ZDType[Any, Any]) -> bool:
    """Whether all items are the fill value: by bits, so that NaN equals itself, unless they lie elsewhere in memory."""
    if isinstance(data_type, ObjectDType):
        # Objects need not say by == whether they are equal.
        return bool((data_type.pack_objects(items) == data_type.pack_objects(fill)).all())
    if items.dtype.hasobject:
        return bool((items == fill).all())
    return items.tobytes() == fill.tobytes() * items.size


async def delete_outside(access: NodeAccess, path: str, metadata: AnyArrayMetadata, new_shape: tuple[int, ...]) -> None:
    """Delete the chunks that are wholly outside of the new shape, or were of the old one.

    Parameters
    ----------
    access : NodeAccess
        The store.
    path : str
        The array's path.
    metadata : AnyArrayMetadata
        The array's, before.
    new_shape : tuple of int
        Its shape after.
    """
    before, after = grid_shape(metadata), grid_shape(metadata.update_shape(new_shape))
    for coords in await stored_chunks(access, path, metadata):
        # Those outside before are no data of the array, whoever left them there: they must not come into view.
        if not (is_inside(coords, before) and is_inside(coords, after)):
            await access.delete(join_key(path, metadata.encode_chunk_key(coords)))
