"""Names for types that many modules share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias, Union

import numpy as np
import numpy.typing as npt

__all__ = [
    "JSON",
    "AccessMode",
    "BytesLike",
    "ChunkCoords",
    "DimensionNames",
    "Endianness",
    "Layout",
    "MemoryOrder",
    "NodeType",
    "Selector",
    "SelectorTuple",
    "ShapeLike",
    "StoredFormat",
    "ZarrFormat",
]

# A `Union` of strings rather than `|`: the alias is recursive, and is evaluated at run time on Python 3.11.
JSON: TypeAlias = Union[str, int, float, bool, Mapping[str, "JSON"], Sequence["JSON"], None]  # noqa: UP007

BytesLike: TypeAlias = bytes | bytearray | memoryview
ShapeLike: TypeAlias = Iterable[int | np.integer[Any]] | int | np.integer[Any]
ChunkCoords: TypeAlias = tuple[int, ...]
DimensionNames: TypeAlias = Iterable[str | None] | None
MemoryOrder: TypeAlias = Literal["C", "F"]
Endianness: TypeAlias = Literal["little", "big"]
ZarrFormat: TypeAlias = Literal[2, 3]
# What is read: N5 too.
StoredFormat: TypeAlias = Literal[2, 3, "n5"]
NodeType: TypeAlias = Literal["array", "group"]
AccessMode: TypeAlias = Literal["r", "r+", "a", "w", "w-"]

# What a codec or pipeline is handed as the part of a chunk: one entry an axis, or integer and boolean arrays.
Selector: TypeAlias = SupportsIndex | slice | npt.NDArray[np.intp] | npt.NDArray[np.bool_]
SelectorTuple: TypeAlias = tuple[Selector, ...] | npt.NDArray[np.intp] | slice

# A data type as the Rust extension knows it: kind, bytes an item, and the runs to swap (offset, bytes, count).
Layout: TypeAlias = tuple[str, int, tuple[tuple[int, int, int], ...]]
