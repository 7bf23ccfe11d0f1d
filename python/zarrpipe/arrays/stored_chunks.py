"""Which chunks of an array are stored.

A chunk here is what has a key: a shard, where the array has shards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

from zarrpipe.metadata import AnyArrayMetadata, join_key
from zarrpipe.nodes import NodeAccess

__all__ = ["chunk_at", "chunk_count", "grid_shape", "inside", "is_inside", "stored_chunks"]


def grid_shape(metadata: AnyArrayMetadata) -> tuple[int, ...]:
    """How many chunks there are along each axis."""
    return metadata.chunk_grid.grid_shape(metadata.shape)


async def stored_chunks(access: NodeAccess, path: str, metadata: AnyArrayMetadata) -> list[tuple[int, ...]]:
    """Return the coordinates of the chunks that are stored, those outside of the array too where the store can list.

    Parameters
    ----------
    access : NodeAccess
        The store.
    path : str
        The array's path.
    metadata : AnyArrayMetadata
        The array's.
    """
    if access.store.supports_listing:
        return list(_parse_keys(await access.keys(path), path, metadata))
    coords = product(*map(range, grid_shape(metadata)))
    return [at for at in coords if await access.exists(join_key(path, metadata.encode_chunk_key(at)))]


def _parse_keys(keys: list[str], path: str, metadata: AnyArrayMetadata) -> Iterator[tuple[int, ...]]:
    start = len(join_key(path, ""))
    for key in keys:
        coords = chunk_at(metadata, key[start:])
        if coords is not None:
            yield coords


def chunk_at(metadata: AnyArrayMetadata, key: str, *, only_inside: bool = False) -> tuple[int, ...] | None:
    """Return the coordinates of the chunk that has a key below the array's; None if it is no chunk's.

    Parameters
    ----------
    metadata : AnyArrayMetadata
        The array's.
    key : str
        What may be the key of a chunk; or the document, or something else that lies there.
    only_inside : bool
        Whether chunks outside of the array are none.
    """
    try:
        coords = metadata.chunk_key_encoding.decode_chunk_key(key)
    except ValueError:
        return None
    if not metadata.shape and coords == (0,):
        coords = ()  # key encoding v2 has the one key for both
    if len(coords) != len(metadata.shape) or (only_inside and not is_inside(coords, grid_shape(metadata))):
        return None
    return coords


def is_inside(coords: tuple[int, ...], grid: tuple[int, ...]) -> bool:
    """Whether a grid has a chunk with these coordinates."""
    return all(at < count for at, count in zip(coords, grid, strict=True))


def inside(coords: list[tuple[int, ...]], metadata: AnyArrayMetadata) -> list[tuple[int, ...]]:
    """Those of these chunks that are inside of the array."""
    grid = grid_shape(metadata)
    return [at for at in coords if is_inside(at, grid)]


def chunk_count(metadata: AnyArrayMetadata) -> int:
    """How many chunks the array has, stored or not."""
    return math.prod(grid_shape(metadata))
