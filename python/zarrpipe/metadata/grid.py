"""Chunk grids: how an array is cut.

Source: Zarr v3 core specification, "Chunk grids".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from zarrpipe._types import JSON
from zarrpipe.abc.metadata import Metadata
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.metadata.extension import check_fields, parse_extension
from zarrpipe.metadata.json import located, pointer

__all__ = ["MAX_LENGTH", "ChunkGrid", "RegularChunkGrid", "parse_chunk_grid", "parse_lengths"]

MAX_LENGTH = 2**63 - 1
"""The length of an axis, at most: indices are signed 64-bit numbers."""


def parse_lengths(data: object, *, what: str, least: int) -> tuple[int, ...]:
    """Lengths of axes, each an integer from `least` to 2**63 - 1.

    Raises
    ------
    MetadataError
        They are not.
    """
    if not isinstance(data, Sequence) or isinstance(data, str | bytes):
        raise MetadataError(f"{what} is an array of integers, not {data!r}")
    for axis, length in enumerate(data):
        # bool is a subclass of int, and 2.0 is not an integer in JSON.
        if isinstance(length, bool) or not isinstance(length, int | np.integer):
            raise MetadataError(f"{what} is an array of integers, not {length!r}", at=pointer(axis))
        if not least <= length <= MAX_LENGTH:
            raise MetadataError(f"{what} is at least {least} and below 2**63, not {length}", at=pointer(axis))
    return tuple(int(length) for length in data)


@dataclass(frozen=True)
class ChunkGrid(Metadata, ABC):
    """How an array is cut into chunks."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def ndim(self) -> int:
        """The number of axes."""

    @classmethod
    @abstractmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return the grid of a metadata document."""


@dataclass(frozen=True)
class RegularChunkGrid(ChunkGrid):
    """Chunks of one shape, from the origin on. Those at the far border are stored at full size too.

    In JSON: ``{"name": "regular", "configuration": {"chunk_shape": [100, 100]}}``.

    Parameters
    ----------
    chunk_shape : tuple of int
        The length of a chunk along each axis, at least 1.

    Raises
    ------
    MetadataError
        A length is not an integer of at least 1.

    Examples
    --------
    >>> RegularChunkGrid((10, 20)).grid_shape((25, 20))
    (3, 1)
    """

    chunk_shape: tuple[int, ...]

    name: ClassVar[str] = "regular"

    def __post_init__(self) -> None:
        object.__setattr__(self, "chunk_shape", parse_lengths(self.chunk_shape, what="a chunk shape", least=1))

    @property
    def ndim(self) -> int:
        return len(self.chunk_shape)

    def grid_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """How many chunks an array of this shape has along each axis."""
        return tuple(-(-length // chunk) for length, chunk in zip(shape, self.chunk_shape, strict=True))

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        grid = parse_extension(data, what="a chunk grid")
        if grid["name"] != cls.name:
            raise MetadataError(f"{grid['name']!r} is not the chunk grid {cls.name!r}", at="/name")
        configuration = grid.get("configuration", {})
        with located("/configuration"):
            if not isinstance(configuration, Mapping) or "chunk_shape" not in configuration:
                raise MetadataError("a regular chunk grid has a chunk_shape")
            check_fields(configuration, frozenset({"chunk_shape"}), what="a regular chunk grid")
            with located("/chunk_shape"):
                return cls(parse_lengths(configuration["chunk_shape"], what="a chunk shape", least=1))

    def to_dict(self) -> dict[str, JSON]:
        return {"name": self.name, "configuration": {"chunk_shape": list(self.chunk_shape)}}


# Further grids are entered here.
_GRIDS: dict[str, type[ChunkGrid]] = {RegularChunkGrid.name: RegularChunkGrid}


def parse_chunk_grid(data: object) -> ChunkGrid:
    """Return the chunk grid of a metadata document, or one that is a grid already.

    Raises
    ------
    MetadataError
        It is not a chunk grid.
    UnsupportedError
        It is of a kind that is not implemented.
    """
    if isinstance(data, ChunkGrid):
        return data
    extension = parse_extension(data, what="a chunk grid")
    name = str(extension["name"])
    if name not in _GRIDS:
        raise UnsupportedError(f"the chunk grid {name!r} is not implemented; known are {', '.join(_GRIDS)}", at="/name")
    return _GRIDS[name].from_dict(extension)
