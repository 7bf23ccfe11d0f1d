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

from zarrpipe.arrays.stored_chunks import chunk_shape, is_inside, stored_chunks
from zarrpipe.metadata import ArrayMetadata, join_key
from zarrpipe.nodes import NodeAccess

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["border_regions", "clear_border", "delete_outside"]

Selection = tuple[slice, ...]


def border_regions(old: tuple[int, ...], new: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[Selection]:
    """Yield the parts, chunk by chunk, that a resize leaves in chunks of the array and outside of one of the shapes.

    Parameters
    ----------
    old, new : tuple of int
        The shapes before and after.
    chunks : tuple of int
        The shape of a chunk.

    Examples
    --------
    >>> list(border_regions((10,), (7,), (4,)))
    [(slice(7, 8, None),)]
    """
    kept = [min(pair) for pair in zip(old, new, strict=True)]
    wide = [max(pair) for pair in zip(old, new, strict=True)]
    counts = [-(-length // chunk) for length, chunk in zip(kept, chunks, strict=True)]
    for axis, (start, chunk) in enumerate(zip(kept, chunks, strict=True)):
        stop = min(counts[axis] * chunk, wide[axis])
        if start == stop:
            continue
        others = [[at * size for at in range(count)] for count, size in zip(counts, chunks, strict=True)]
        others[axis] = [start]
        for corner in product(*others):
            yield tuple(
                slice(begin, stop if i == axis else min(begin + chunks[i], wide[i])) for i, begin in enumerate(corner)
            )


async def clear_border(
    metadata: ArrayMetadata,
    new_shape: tuple[int, ...],
    read: Callable[[Selection], Awaitable[npt.NDArray[Any]]],
    write: Callable[[Selection, npt.NDArray[Any]], Awaitable[None]],
) -> None:
    """Set to the fill value what lies in chunks of the array and outside of it.

    Parameters
    ----------
    metadata : ArrayMetadata
        The array's, before.
    new_shape : tuple of int
        Its shape after.
    read, write : callable
        From and to an array of the larger extents.
    """
    fill = np.full((), metadata.fill_value, dtype=metadata.data_type.to_native_dtype())
    for region in border_regions(metadata.shape, new_shape, chunk_shape(metadata)):
        items = await read(region)
        # By bits: NaN equals itself here. What is clean, or not stored, is not written.
        if items.tobytes() != fill.tobytes() * items.size:
            await write(region, fill)


async def delete_outside(access: NodeAccess, path: str, metadata: ArrayMetadata, new_shape: tuple[int, ...]) -> None:
    """Delete the chunks that are wholly outside of the new shape.

    Parameters
    ----------
    access : NodeAccess
        The store.
    path : str
        The array's path.
    metadata : ArrayMetadata
        The array's, before.
    new_shape : tuple of int
        Its shape after.
    """
    grid = tuple(-(-length // chunk) for length, chunk in zip(new_shape, chunk_shape(metadata), strict=True))
    for coords in await stored_chunks(access, path, metadata):
        if not is_inside(coords, grid):
            await access.delete(join_key(path, metadata.encode_chunk_key(coords)))
