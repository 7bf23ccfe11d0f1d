"""The shapes of chunks and shards that a user asks for, or leaves to zarrpipe.

An automatic chunk is the whole array, halved along its longest axis until it is small enough: 4 MiB, or 1 MiB inside
shards. An automatic shard is a box of whole chunks of at most 64 MiB, grown along its shortest axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, cast

import numpy as np

from zarrpipe._types import ShapeLike
from zarrpipe.abc.metadata import parse_shapelike

__all__ = [
    "ChunksLike",
    "IndexLocation",
    "ShardsLike",
    "auto_chunks",
    "auto_shards",
    "inner_chunks",
    "parse_chunks",
    "parse_shards",
]

IndexLocation: TypeAlias = Literal["start", "end"]
ChunksLike: TypeAlias = ShapeLike | bool | Literal["auto"] | None
ShardsLike: TypeAlias = ShapeLike | Mapping[str, Any] | Literal["auto"] | None

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


def _parse_lengths(value: object, shape: tuple[int, ...], what: str) -> tuple[int, ...]:
    """One length for all axes, or one for each; -1 and None stand for all of the axis."""
    if isinstance(value, int | np.integer):
        lengths: list[Any] = [value] * len(shape)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        lengths = list(value)
    else:
        raise TypeError(f"{what} are given by a length for each axis, not {value!r}")
    if len(lengths) != len(shape):
        raise ValueError(f"{what} have {len(lengths)} axes, but the array has {len(shape)}")
    whole = [
        max(axis_length, 1) if length is None or length == -1 else length
        for length, axis_length in zip(lengths, shape, strict=True)
    ]
    parsed = parse_shapelike(whole)
    if any(length < 1 for length in parsed):
        raise ValueError(f"{what} are at least 1 long, not {parsed}")
    return parsed


def parse_chunks(
    chunks: ChunksLike, shape: tuple[int, ...], item_nbytes: int, *, in_shards: bool = False
) -> tuple[int, ...]:
    """Return the shape of chunks that a user asks for.

    Parameters
    ----------
    chunks : int, iterable of int, bool, "auto" or None
        A length for all axes or one for each, in which -1 and None stand for all of the axis; False for one chunk.
        True, "auto" and None leave it to `auto_chunks`.
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
    (10, 50)
    """
    if chunks is None or chunks is True or (isinstance(chunks, str) and chunks == "auto"):
        return auto_chunks(shape, item_nbytes, in_shards=in_shards)
    if chunks is False:
        return tuple(max(length, 1) for length in shape)
    return _parse_lengths(chunks, shape, "chunks")


def parse_shards(
    shards: ShardsLike, chunks: tuple[int, ...], shape: tuple[int, ...], item_nbytes: int
) -> tuple[tuple[int, ...] | None, IndexLocation]:
    """Return the shape of shards that a user asks for, and where their index lies.

    Parameters
    ----------
    shards : int, iterable of int, mapping, "auto" or None
        As for chunks; or a mapping with `shape` and `index_location`. None for no shards.
    chunks, shape : tuple of int
        The shape of an inner chunk, and the array's.
    item_nbytes : int
        Bytes an item.

    Raises
    ------
    TypeError, ValueError
        `shards` is something else, does not fit the array, or is no whole number of chunks.

    Examples
    --------
    >>> parse_shards((20, 20), (10, 10), (100, 100), 1)
    ((20, 20), 'end')
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
    if shards is True or (isinstance(shards, str) and shards == "auto"):
        return auto_shards(shape, chunks, item_nbytes), location
    parsed = _parse_lengths(shards, shape, "shards")
    for axis, (shard, chunk) in enumerate(zip(parsed, chunks, strict=True)):
        if shard % chunk:
            raise ValueError(f"a shard is a whole number of chunks: on axis {axis}, {shard} is none of {chunk}")
    return parsed, location


def inner_chunks(codecs: Iterable[Mapping[str, Any]]) -> tuple[int, ...] | None:
    """Return the shape of the chunks inside shards, along the array's own axes; None where there are no shards.

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
        if codec["name"] == "transpose":
            orders.append(codec["configuration"]["order"])
        elif codec["name"] == "sharding_indexed":
            shape = [int(length) for length in codec["configuration"]["chunk_shape"]]
            for order in reversed(orders):
                # Axis `order[i]` of what the codec was given is axis `i` of what it gave.
                shape = [shape[order.index(axis)] for axis in range(len(order))]
            return tuple(shape)
    return None
