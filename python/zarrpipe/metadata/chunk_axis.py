"""How one axis of a chunk grid is cut: into chunks of one length, or of given lengths.

Given lengths are kept as runs, however many chunks these have: 10**12 equal chunks cost as much as one.

Source: zarr-extensions, chunk grid "rectilinear".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from zarrpipe.errors import MetadataError
from zarrpipe.metadata.json import located, pointer

__all__ = ["MAX_LENGTH", "ChunkAxis", "ChunkRuns", "EvenChunks", "parse_chunk_axis", "parse_length"]

MAX_LENGTH = 2**63 - 1
"""The length of an axis, at most: indices are signed 64-bit numbers."""

AxisShapes: TypeAlias = int | tuple[int | tuple[int, int], ...]
"""How an axis is cut, as a document has it: one length, or lengths and (length, count)."""


def parse_length(length: object, *, what: str, least: int) -> int:
    """Return a length, an integer from `least` to 2**63 - 1; MetadataError if it is not one."""
    # bool is a subclass of int, and 2.0 is not an integer in JSON.
    if isinstance(length, bool) or not isinstance(length, int | np.integer):
        raise MetadataError(f"{what} is an array of integers, not {length!r}")
    if not least <= length <= MAX_LENGTH:
        raise MetadataError(f"{what} is at least {least} and below 2**63, not {length}")
    return int(length)


class ChunkAxis(ABC):
    """How one axis is cut into chunks."""

    @abstractmethod
    def count(self, extent: int) -> int:
        """How many chunks an axis of this length has."""

    @abstractmethod
    def span(self, at: int) -> tuple[int, int]:
        """Where chunk `at` starts, and its length."""

    @property
    @abstractmethod
    def lengths(self) -> tuple[int, ...]:
        """The lengths that chunks have, each once."""

    @abstractmethod
    def sizes(self, extent: int) -> tuple[int, ...]:
        """Return what of each chunk lies inside an axis of this length."""

    @abstractmethod
    def grown(self, extent: int) -> ChunkAxis:
        """Return the axis with a last chunk that fills it up to this length, where its chunks end before."""

    @abstractmethod
    def continues(self, other: ChunkAxis) -> bool:
        """Whether both cut alike, as far as both have chunks."""

    @abstractmethod
    def to_shapes(self) -> AxisShapes:
        """Return it as a document has it."""

    @abstractmethod
    def check(self, extent: int) -> None:
        """Raise MetadataError if the chunks end before an axis of this length does."""


@dataclass(frozen=True)
class EvenChunks(ChunkAxis):
    """Chunks of one length, as many as the axis takes.

    Parameters
    ----------
    length : int
        At least 1.

    Examples
    --------
    >>> EvenChunks(4).sizes(10)
    (4, 4, 2)
    """

    length: int

    def count(self, extent: int) -> int:
        return -(-extent // self.length)

    def span(self, at: int) -> tuple[int, int]:
        return at * self.length, self.length

    @property
    def lengths(self) -> tuple[int, ...]:
        return (self.length,)

    def sizes(self, extent: int) -> tuple[int, ...]:
        whole, rest = divmod(extent, self.length)
        return (self.length,) * whole + ((rest,) if rest else ())

    def grown(self, extent: int) -> ChunkAxis:  # noqa: ARG002 - it always fills the axis
        return self

    def continues(self, other: ChunkAxis) -> bool:
        return self == other

    def to_shapes(self) -> AxisShapes:
        return self.length

    def check(self, extent: int) -> None:
        pass


@dataclass(frozen=True)
class ChunkRuns(ChunkAxis):
    """Chunks of given lengths. They may reach beyond the axis, and there may be more of them than it takes.

    Parameters
    ----------
    runs : tuple of (int, int)
        (length, count), each at least 1; neighbours have different lengths.

    Examples
    --------
    >>> axis = ChunkRuns(((10, 2), (5, 1)))
    >>> axis.span(1), axis.sizes(23), axis.to_shapes()
    ((10, 10), (10, 10, 3), ((10, 2), 5))
    """

    runs: tuple[tuple[int, int], ...]

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate((length * count for length, count in self.runs), initial=0))

    @cached_property
    def _firsts(self) -> list[int]:
        return list(accumulate((count for _, count in self.runs), initial=0))

    @property
    def end(self) -> int:
        """Where the last chunk ends."""
        return self._starts[-1]

    def count(self, extent: int) -> int:
        if extent == 0:
            return 0
        run = min(bisect_left(self._starts, extent), len(self.runs)) - 1
        return self._firsts[run] + -(-(extent - self._starts[run]) // self.runs[run][0])

    def span(self, at: int) -> tuple[int, int]:
        run = min(bisect_right(self._firsts, at), len(self.runs)) - 1
        length = self.runs[run][0]
        return self._starts[run] + (at - self._firsts[run]) * length, length

    @property
    def lengths(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(length for length, _ in self.runs))

    def sizes(self, extent: int) -> tuple[int, ...]:
        sizes: list[int] = []
        for start, (length, count) in zip(self._starts, self.runs, strict=False):
            inside = min(extent - start, length * count)
            if inside <= 0:
                break
            whole, rest = divmod(inside, length)
            sizes += [length] * whole + ([rest] if rest else [])
        return tuple(sizes)

    def grown(self, extent: int) -> ChunkAxis:
        if extent <= self.end:
            return self
        return ChunkRuns(_merged([*self.runs, (extent - self.end, 1)]))

    def continues(self, other: ChunkAxis) -> bool:
        if not isinstance(other, ChunkRuns):
            return False
        both = min(self._firsts[-1], other._firsts[-1])
        return self._until(both) == other._until(both)

    def _until(self, chunks: int) -> list[tuple[int, int]]:
        """Return the runs of the first chunks."""
        runs = zip(self._firsts, self.runs, strict=False)
        return [(length, min(count, chunks - first)) for first, (length, count) in runs if first < chunks]

    def to_shapes(self) -> AxisShapes:
        return tuple((length, count) if count > 1 else length for length, count in self.runs)

    def check(self, extent: int) -> None:
        if self.end < extent:
            raise MetadataError(f"the chunks end at {self.end}, and the axis at {extent}")


def _merged(runs: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return runs, with neighbours of one length as one."""
    merged: list[tuple[int, int]] = []
    for length, count in runs:
        if merged and merged[-1][0] == length:
            merged[-1] = (length, merged[-1][1] + count)
        else:
            merged.append((length, count))
    return tuple(merged)


def parse_chunk_axis(data: object) -> ChunkAxis:
    """Return how an axis is cut, as a document has it: one length, or an array of lengths and of [length, count].

    Raises
    ------
    MetadataError
        It is something else, has no chunks, or reaches beyond 2**63 - 1.

    Examples
    --------
    >>> parse_chunk_axis([[10, 3], 5, 5])
    ChunkRuns(runs=((10, 3), (5, 2)))
    """
    if not _is_array(data):
        return EvenChunks(parse_length(data, what="the chunks of an axis", least=1))
    runs, end = [], 0
    for index, item in enumerate(data):  # type: ignore[arg-type, var-annotated]
        with located(pointer(index)):
            length, count = _parse_run(item)
            end += length * count
            if end > MAX_LENGTH:
                raise MetadataError("the chunks of an axis end below 2**63")
            runs.append((length, count))
    if not runs:
        raise MetadataError("an axis has at least one chunk")
    return ChunkRuns(_merged(runs))


def _parse_run(item: object) -> tuple[int, int]:
    if not _is_array(item):
        return parse_length(item, what="the chunks of an axis", least=1), 1
    parts: list[object] = list(item)  # type: ignore[call-overload]
    if len(parts) != 2:
        raise MetadataError(f"a run is [length, count], not {item!r}")
    numbers = []
    for index, (part, what) in enumerate(zip(parts, ("a length", "a count"), strict=True)):
        with located(pointer(index)):
            numbers.append(parse_length(part, what=f"{what} in a run", least=1))
    return numbers[0], numbers[1]


def _is_array(data: object) -> bool:
    return isinstance(data, Sequence | np.ndarray) and not isinstance(data, str | bytes)
