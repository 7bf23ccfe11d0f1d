"""The shapes of chunks and shards that a user asks for, or leaves to zarrpipe.

An automatic chunk is the whole array, halved along its longest axis until it is small enough: 4 MiB, or 1 MiB inside
shards. An automatic shard is a box of whole chunks of at most 64 MiB, grown along its shortest axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, cast

import numpy as np

from zarrpipe._types import ShapeLike
from zarrpipe.abc.metadata import parse_shapelike
from zarrpipe.errors import MetadataError
from zarrpipe.metadata import ChunkGrid, RectilinearChunkGrid, RegularChunkGrid, parse_chunk_grid
from zarrpipe.metadata.chunk_axis import ChunkRuns

__all__ = [
    "ChunksLike",
    "IndexLocation",
    "ShardsLike",
    "auto_chunks",
    "auto_shards",
    "check_inner_chunks",
    "inner_chunks",
    "is_auto",
    "parse_chunks",
    "parse_shards",
]

IndexLocation: TypeAlias = Literal["start", "end"]
# One length, a length for each axis, or for an axis the lengths of its chunks.
AxesLike: TypeAlias = ShapeLike | Iterable[int | Iterable[int | Sequence[int]] | None] | ChunkGrid
ChunksLike: TypeAlias = AxesLike | bool | Literal["auto"] | None
ShardsLike: TypeAlias = AxesLike | Mapping[str, Any] | Literal["auto"] | None

_CHUNK_NBYTES: Final = 4 * 2**20
_INNER_CHUNK_NBYTES: Final = 2**20
_SHARD_NBYTES: Final = 64 * 2**20


def auto_chunks(shape: tuple[int, ...], item_nbytes: int, *, in_shards: bool = False) -> tuple[int, ...]:
    """Return a shape for chunks.

    Parameters
    ----------
    shape : tuple of int
        The array's shape.
    item_nbytes : int
        Bytes an item.
    in_shards : bool
        Whether the chunks will lie in shards, where small ones cost less.

    Examples
    --------
    >>> auto_chunks((4096, 4096), 1), auto_chunks((4096, 4096), 1, in_shards=True)
    ((2048, 2048), (1024, 1024))
    """
    limit = (_INNER_CHUNK_NBYTES if in_shards else _CHUNK_NBYTES) // max(item_nbytes, 1)
    chunk = [max(length, 1) for length in shape]
    while math.prod(chunk) > max(limit, 1):
        # `max` takes the first of equals: the last axis, whose items lie together, is cut last.
        axis = max(range(len(chunk)), key=chunk.__getitem__)
        chunk[axis] = -(-chunk[axis] // 2)
    return tuple(chunk)


def auto_shards(shape: tuple[int, ...], chunks: tuple[int, ...], item_nbytes: int) -> tuple[int, ...]:
    """Return a shape for shards: whole chunks, no more than cover the array.

    Parameters
    ----------
    shape, chunks : tuple of int
        The array's shape, and that of an inner chunk.
    item_nbytes : int
        Bytes an item.

    Examples
    --------
    >>> auto_shards((10000, 10000), (1000, 1000), 1)
    (8000, 8000)
    """
    limit = _SHARD_NBYTES // max(item_nbytes, 1)
    most = [max(-(-length // chunk), 1) for length, chunk in zip(shape, chunks, strict=True)]
    counts = [1] * len(shape)
    open_axes = [axis for axis, count in enumerate(most) if count > 1]
    while open_axes:
        # The shortest axis grows first; of equals the last, so that runs get long.
        axis = min(reversed(open_axes), key=lambda axis: counts[axis] * chunks[axis])
        wider = [*counts]
        wider[axis] = min(2 * counts[axis], most[axis])
        if math.prod(wider) * math.prod(chunks) > limit:
            open_axes.remove(axis)
            continue
        counts = wider
        if counts[axis] == most[axis]:
            open_axes.remove(axis)
    return tuple(count * chunk for count, chunk in zip(counts, chunks, strict=True))


def _parse_grid(value: object, shape: tuple[int, ...], what: str, unit: tuple[int, ...] | None = None) -> ChunkGrid:
    """One length for all axes, or one for each; -1 and None stand for all of the axis, in whole units.

    Where an axis has a list of lengths in place of one, the grid is rectilinear, as in zarr-python.
    """
    if hasattr(value, "to_dict"):
        grid = parse_chunk_grid(value if isinstance(value, ChunkGrid) else value.to_dict())
        grid.check_shape(shape)
        return grid
    if isinstance(value, int | np.integer):
        axes: list[Any] = [value] * len(shape)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        axes = list(value)
    else:
        raise TypeError(f"{what} are given by a length for each axis, not {value!r}")
    if len(axes) != len(shape):
        raise ValueError(f"{what} have {len(axes)} axes, but the array has {len(shape)}")
    units = unit or (1,) * len(shape)
    whole = [
        one * max(-(-length // one), 1) if axis is None or (not isinstance(axis, list) and axis == -1) else axis
        for axis, length, one in zip(map(_listed, axes), shape, units, strict=True)
    ]
    if any(isinstance(axis, list) for axis in whole):
        return _rectilinear(whole, shape, what)
    parsed = parse_shapelike(whole)
    if any(length < 1 for length in parsed):
        raise ValueError(f"{what} are at least 1 long, not {parsed}")
    return RegularChunkGrid(parsed)


def _listed(axis: Any) -> Any:
    """Return the lengths of an axis as a list; anything else as it is."""
    is_one = isinstance(axis, str | bytes | Mapping) or getattr(axis, "shape", None) == ()
    return list(axis) if isinstance(axis, Iterable) and not is_one else axis


def _rectilinear(axes: list[Any], shape: tuple[int, ...], what: str) -> ChunkGrid:
    try:
        grid = RectilinearChunkGrid(tuple(axes))
    except MetadataError as error:
        raise ValueError(f"{what}{error.at or ''}: {error.args[0]}") from None
    for axis, (cuts, length) in enumerate(zip(grid.axes, shape, strict=True)):
        if isinstance(cuts, ChunkRuns) and length and cuts.end != length:
            raise ValueError(f"{what} of axis {axis} are {cuts.end} long in all, but the axis is {length} long")
    return grid


def parse_chunks(chunks: ChunksLike, shape: tuple[int, ...], item_nbytes: int, *, in_shards: bool = False) -> ChunkGrid:
    """Return the grid of chunks that a user asks for.

    Parameters
    ----------
    chunks : int, iterable, bool, ChunkGrid, "auto" or None
        A length for all axes or one for each, in which -1 and None stand for all of the axis; False for one chunk.
        True, "auto" and None leave it to `auto_chunks`. In place of a length an axis may have a list of the lengths of
        its chunks, or of (length, count) for equal ones; together they are as long as the axis.
    shape : tuple of int
        The array's shape.
    item_nbytes : int
        Bytes an item.
    in_shards : bool
        Whether the chunks will lie in shards.

    Raises
    ------
    TypeError, ValueError
        `chunks` is something else, or does not fit the array.

    Examples
    --------
    >>> parse_chunks((10, -1), (100, 50), 8)
    RegularChunkGrid(chunk_shape=(10, 50))
    >>> parse_chunks(([10, 10, 30], 20), (50, 50), 8)
    RectilinearChunkGrid(chunk_shapes=(((10, 2), 30), 20))
    """
    if is_auto(chunks):
        return RegularChunkGrid(auto_chunks(shape, item_nbytes, in_shards=in_shards))
    if chunks is False:
        chunks = -1
    return _parse_grid(chunks, shape, "chunks")


def is_auto(chunks: object) -> bool:
    """Whether a user leaves the chunks to zarrpipe."""
    return chunks is None or chunks is True or (isinstance(chunks, str) and chunks == "auto")


def parse_shards(
    shards: ShardsLike, chunk_grid: ChunkGrid, shape: tuple[int, ...], item_nbytes: int
) -> tuple[ChunkGrid | None, IndexLocation]:
    """Return the grid of shards that a user asks for, and where their index lies.

    Parameters
    ----------
    shards : int, iterable, ChunkGrid, mapping, "auto" or None
        As for chunks; or a mapping with `shape` and `index_location`. None for no shards.
    chunk_grid : ChunkGrid
        That of the chunks inside them.
    shape : tuple of int
        The array's shape.
    item_nbytes : int
        Bytes an item.

    Raises
    ------
    TypeError, ValueError
        `shards` is something else, does not fit the array, or is no whole number of chunks; or the chunks have
        several shapes.

    Examples
    --------
    >>> parse_shards((20, 20), RegularChunkGrid((10, 10)), (100, 100), 1)
    (RegularChunkGrid(chunk_shape=(20, 20)), 'end')
    """
    location: IndexLocation = "end"
    if isinstance(shards, Mapping):
        if unknown := sorted(set(shards) - {"shape", "index_location"}):
            raise ValueError(f"shards have no {unknown[0]!r}; they have a shape and an index_location")
        if shards.get("index_location", "end") not in ("start", "end"):
            raise ValueError(f'an index_location is "start" or "end", not {shards["index_location"]!r}')
        location = cast(IndexLocation, shards.get("index_location", "end"))
        shards = cast(ShardsLike, shards.get("shape", "auto"))
    if shards is None or shards is False:
        return None, location
    chunks = getattr(chunk_grid, "chunk_shape", None)
    if chunks is None:
        raise ValueError("chunks in shards have one shape; the shards may have several: shards=[[...], ...]")
    if is_auto(shards):
        return RegularChunkGrid(auto_shards(shape, chunks, item_nbytes)), location
    grid = _parse_grid(shards, shape, "shards", chunks)
    check_inner_chunks(chunks, grid)
    return grid, location


def check_inner_chunks(chunks: tuple[int, ...], grid: ChunkGrid) -> None:
    """Raise MetadataError unless every shard of a grid is a whole number of inner chunks."""
    if len(chunks) != grid.ndim:
        raise MetadataError(f"inner chunks have {len(chunks)} axes, but the array has {grid.ndim}")
    for axis, (cuts, chunk) in enumerate(zip(grid.axes, chunks, strict=True)):
        for length in cuts.lengths:
            if length % chunk:
                raise MetadataError(f"a shard is a whole number of chunks: on axis {axis}, {length} is none of {chunk}")


# Behind these, an axis is none of the array's.
_RESHAPING = frozenset({"reshape", "zarrs.squeeze", "numcodecs.packbits"})


def inner_chunks(codecs: Iterable[Mapping[str, Any]]) -> tuple[int, ...] | None:
    """Return the shape of the chunks inside shards, along the array's own axes.

    None where there are no shards, or where they divide something else than the array's axes: what lies behind a codec
    that reshapes.

    Parameters
    ----------
    codecs : iterable of mapping
        The chain's JSON, valid as far as it was parsed.

    Examples
    --------
    >>> transpose = {"name": "transpose", "configuration": {"order": [1, 0]}}
    >>> inner_chunks([transpose, {"name": "sharding_indexed", "configuration": {"chunk_shape": [2, 3]}}])
    (3, 2)
    """
    orders: list[list[int]] = []
    for codec in codecs:
        if codec["name"] in _RESHAPING:
            return None
        if codec["name"] == "transpose":
            orders.append(codec["configuration"]["order"])
        elif codec["name"] == "sharding_indexed":
            shape = [int(length) for length in codec["configuration"]["chunk_shape"]]
            for order in reversed(orders):
                # Axis `order[i]` of what the codec was given is axis `i` of what it gave.
                shape = [shape[order.index(axis)] for axis in range(len(order))]
            return tuple(shape)
    return None
