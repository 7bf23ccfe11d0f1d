"""`reshape` and `zarrs.squeeze`: a chunk's items in another shape.

In JSON: ``{"name": "reshape", "configuration": {"shape": [[0, 1], 10, -1]}}`` and ``{"name": "zarrs.squeeze"}``.

Source: zarr-extensions, "reshape codec"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/reshape); zarrs, "squeeze"
(https://codec.zarrs.dev/array_to_array/squeeze).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from zarrpipe.abc.buffer import NDBuffer
from zarrpipe.abc.codec import ArrayArrayCodec
from zarrpipe.codecs.native import NativeCodec
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.json import located, pointer

__all__ = ["ReshapeCodec", "SqueezeCodec"]


@dataclass(frozen=True, init=False)
class ReshapeCodec(NativeCodec[NDBuffer, NDBuffer], ArrayArrayCodec):
    """A chunk in another shape, its items in the same order.

    Parameters
    ----------
    shape : tuple of (int or tuple of int)
        For each axis its length: a number; the axes of the chunk whose lengths are multiplied; or, once, -1 for
        what is left. Axes are named in ascending order.

    Raises
    ------
    MetadataError
        It is something else.

    Examples
    --------
    >>> ReshapeCodec(shape=((0, 1), 10, -1)).to_dict()
    {'name': 'reshape', 'configuration': {'shape': ((0, 1), 10, -1)}}
    """

    shape: tuple[int | tuple[int, ...], ...]

    name: ClassVar[str] = "reshape"
    is_fixed_size = True

    def __init__(self, *, shape: Iterable[int | Iterable[int]]) -> None:
        given: object = shape
        if not isinstance(given, Iterable) or isinstance(given, str | bytes):
            raise MetadataError(f"the shape is a list, not {given!r}", at="/shape")
        with located("/shape"):
            entries = tuple(_parse_entry(entry, pointer(index)) for index, entry in enumerate(given))
        axes = [axis for entry in entries if isinstance(entry, tuple) for axis in entry]
        if axes != sorted(set(axes)):
            raise MetadataError(f"the shape names axes in ascending order, not {axes}", at="/shape")
        if entries.count(-1) > 1:
            raise MetadataError(f"the shape has -1 once at most, not {entries}", at="/shape")
        # The class is frozen.
        object.__setattr__(self, "shape", entries)


def _parse_entry(entry: object, at: str) -> int | tuple[int, ...]:
    if isinstance(entry, list | tuple):
        return tuple(_parse_integer(axis, at + pointer(index), least=0) for index, axis in enumerate(entry))
    length = _parse_integer(entry, at, least=-1)
    if length == 0:
        raise MetadataError("an axis of the shape has at least one item, not 0", at=at)
    return length


def _parse_integer(value: object, at: str, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise MetadataError(f"the shape has positive integers, lists of axes, and at most one -1, not {value!r}", at=at)
    return int(value)


@dataclass(frozen=True, kw_only=True)
class SqueezeCodec(NativeCodec[NDBuffer, NDBuffer], ArrayArrayCodec):
    """A chunk without its axes of one item: an experimental codec of zarrs.

    Examples
    --------
    >>> SqueezeCodec().to_dict()
    {'name': 'zarrs.squeeze'}
    """

    name: ClassVar[str] = "zarrs.squeeze"
    aliases: ClassVar[tuple[str, ...]] = ("squeeze", "https://codec.zarrs.dev/array_to_array/squeeze")
    is_fixed_size = True
