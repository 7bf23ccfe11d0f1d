"""Chunk grids: how an array is cut.

Source: Zarr v3 core specification, "Chunk grids"; zarr-extensions, chunk grid "rectilinear".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

from zarrpipe._types import JSON
from zarrpipe.abc.metadata import Metadata
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.metadata.chunk_axis import (
    MAX_LENGTH,
    AxisShapes,
    ChunkAxis,
    EvenChunks,
    parse_chunk_axis,
    parse_length,
)
from zarrpipe.metadata.extension import check_fields, parse_extension, place_of_name
from zarrpipe.metadata.json import located, pointer

__all__ = [
    "MAX_LENGTH",
    "ChunkGrid",
    "RectilinearChunkGrid",
    "RegularChunkGrid",
    "parse_chunk_grid",
    "parse_lengths",
    "sample_chunk_shapes",
]


def parse_lengths(data: object, *, what: str, least: int) -> tuple[int, ...]:
    """Lengths of axes, each an integer from `least` to 2**63 - 1.

    Raises
    ------
    MetadataError
        They are not.
    """
    if not isinstance(data, Sequence) or isinstance(data, str | bytes):
        raise MetadataError(f"{what} is an array of integers, not {data!r}")
    lengths = []
    for axis, length in enumerate(data):
        with located(pointer(axis)):
            lengths.append(parse_length(length, what=what, least=least))
    return tuple(lengths)


@dataclass(frozen=True)
class ChunkGrid(Metadata, ABC):
    """How an array is cut into chunks."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def axes(self) -> tuple[ChunkAxis, ...]:
        """How each axis is cut."""

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.axes)

    @classmethod
    @abstractmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return the grid of a metadata document."""

    def grid_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """How many chunks an array of this shape has along each axis."""
        return tuple(axis.count(length) for axis, length in zip(self.axes, shape, strict=True))

    def chunk_shape_at(self, chunk_coords: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of one chunk, as it is encoded."""
        return tuple(axis.span(at)[1] for axis, at in zip(self.axes, chunk_coords, strict=True))

    def chunk_sizes(self, shape: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """Return the lengths of all chunks along each axis, cut off at the array's end: one number for each chunk."""
        return tuple(axis.sizes(length) for axis, length in zip(self.axes, shape, strict=True))

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise MetadataError unless the grid fits an array of this shape."""
        if self.ndim != len(shape):
            raise MetadataError(f"the grid has {self.ndim} axes, the array {len(shape)}")

    def update_shape(self, shape: Sequence[int]) -> Self:  # noqa: ARG002 - for grids that end
        """Return the grid for the array with another shape."""
        return self

    def continues(self, other: ChunkGrid) -> bool:
        """Whether both cut alike, as far as both have chunks: grids of one array, before and after it was resized."""
        return type(self) is type(other) and all(
            mine.continues(its) for mine, its in zip(self.axes, other.axes, strict=True)
        )


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

    @cached_property
    def axes(self) -> tuple[ChunkAxis, ...]:
        return tuple(map(EvenChunks, self.chunk_shape))

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


@dataclass(frozen=True)
class RectilinearChunkGrid(ChunkGrid):
    """Chunks whose lengths are given for each axis. Each is stored at its full size, those at the border too.

    In JSON: ``{"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": [[[10, 3], 5], 20]}}``.

    Parameters
    ----------
    chunk_shapes : sequence
        For each axis a length, which all of its chunks have; or a sequence of lengths, and of (length, count) for
        equal ones. They may reach beyond the array.

    Raises
    ------
    MetadataError
        A length or count is not an integer of at least 1, or an axis has no chunk.

    Examples
    --------
    >>> grid = RectilinearChunkGrid([[10, 10, 10, 5], 20])
    >>> grid
    RectilinearChunkGrid(chunk_shapes=(((10, 3), 5), 20))
    >>> grid.grid_shape((32, 50)), grid.chunk_shape_at((3, 2))
    ((4, 3), (5, 20))
    """

    chunk_shapes: tuple[AxisShapes, ...]

    name: ClassVar[str] = "rectilinear"

    def __post_init__(self) -> None:
        shapes: Any = self.chunk_shapes
        if isinstance(shapes, str | bytes) or not isinstance(shapes, Sequence):
            raise MetadataError(f"chunk shapes are an array, one entry for each axis, not {shapes!r}")
        axes = []
        for index, axis in enumerate(shapes):
            with located(pointer(index)):
                axes.append(parse_chunk_axis(axis))
        # The class is frozen.
        object.__setattr__(self, "chunk_shapes", tuple(axis.to_shapes() for axis in axes))
        object.__setattr__(self, "axes", tuple(axes))

    @cached_property
    def axes(self) -> tuple[ChunkAxis, ...]:
        return tuple(map(parse_chunk_axis, self.chunk_shapes))

    def check_shape(self, shape: Sequence[int]) -> None:
        super().check_shape(shape)
        for index, (axis, length) in enumerate(zip(self.axes, shape, strict=True)):
            with located(f"/configuration/chunk_shapes/{index}"):
                axis.check(length)

    def update_shape(self, shape: Sequence[int]) -> Self:
        """Return the grid with one more chunk on each axis whose chunks end before the array does."""
        axes = [axis.grown(length) for axis, length in zip(self.axes, shape, strict=True)]
        return type(self)(tuple(axis.to_shapes() for axis in axes))

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        grid = parse_extension(data, what="a chunk grid")
        if grid["name"] != cls.name:
            raise MetadataError(f"{grid['name']!r} is not the chunk grid {cls.name!r}", at="/name")
        configuration = grid.get("configuration", {})
        with located("/configuration"):
            if not isinstance(configuration, Mapping):
                raise MetadataError("the configuration of a rectilinear chunk grid is an object")
            check_fields(configuration, frozenset({"kind", "chunk_shapes"}), what="a rectilinear chunk grid")
            for field in ("kind", "chunk_shapes"):
                if field not in configuration:
                    raise MetadataError(f"a rectilinear chunk grid has a {field}")
            if configuration["kind"] != "inline":
                raise MetadataError(
                    f'the kind of a rectilinear chunk grid is "inline", not {configuration["kind"]!r}', at="/kind"
                )
            with located("/chunk_shapes"):
                shapes: Any = configuration["chunk_shapes"]
                return cls(shapes)

    def to_dict(self) -> dict[str, JSON]:
        shapes: list[JSON] = [_as_lists(axis) for axis in self.chunk_shapes]
        return {"name": self.name, "configuration": {"kind": "inline", "chunk_shapes": shapes}}


def _as_lists(axis: AxisShapes) -> JSON:
    if isinstance(axis, int):
        return axis
    return [item if isinstance(item, int) else list(item) for item in axis]


def sample_chunk_shapes(chunk_grid: object, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield shapes of chunks, as few as have every length that the grid has along every axis.

    Parameters
    ----------
    chunk_grid : ChunkGrid
        Ours or zarr-python's. One of another kind is taken for a single chunk.
    shape : tuple of int
        The array's shape.

    Examples
    --------
    >>> list(sample_chunk_shapes(RectilinearChunkGrid([[10, 10, 5], 20]), (25, 40)))
    [(10, 20), (5, 20)]
    """
    if not hasattr(chunk_grid, "chunk_shapes"):
        yield tuple(getattr(chunk_grid, "chunk_shape", shape))
        return
    lengths = [axis.lengths for axis in RectilinearChunkGrid(chunk_grid.chunk_shapes).axes]
    for index in range(max(map(len, lengths), default=1)):
        yield tuple(axis[index % len(axis)] for axis in lengths)


# Further grids are entered here.
_GRIDS: dict[str, type[ChunkGrid]] = {
    RegularChunkGrid.name: RegularChunkGrid,
    RectilinearChunkGrid.name: RectilinearChunkGrid,
}


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
        raise UnsupportedError(
            f"the chunk grid {name!r} is not implemented; known are {', '.join(_GRIDS)}", at=place_of_name(data)
        )
    return _GRIDS[name].from_dict(extension)
