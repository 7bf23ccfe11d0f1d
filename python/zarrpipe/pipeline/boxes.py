"""Selections by integer and boolean arrays: the box around each, and what to pick from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from zarrpipe.codecs.items import native_dtype
from zarrpipe.pipeline.items import Item

__all__ = ["Box", "groups_of_boxes", "is_basic", "largest"]

# Boxes that are in memory at one time.
_BOXES_NBYTES = 64_000_000


def _parts(selection: Any) -> tuple[Any, ...]:
    return selection if isinstance(selection, tuple) else (selection,)


def is_basic(item: Item, *, is_scalar: bool = False) -> bool:
    """Whether Rust takes the selections of a chunk: integers and slices with a positive step, one an axis."""
    named = _parts(item.chunk_selection) if is_scalar else _parts(item.chunk_selection) + _parts(item.out_selection)
    return all(
        (part.step is None or part.step > 0)
        if isinstance(part, slice)
        else isinstance(part, int | np.integer) and not isinstance(part, bool)
        for part in named
    )


class Box:
    """The smallest basic selection around an array selection of a chunk, and the selection inside of it.

    Parameters
    ----------
    item : Item
        A chunk of a batch.
    """

    def __init__(self, item: Item) -> None:
        self._item = item
        shape = tuple(item.spec.shape)
        parts: list[Any] = []
        for part in _parts(item.chunk_selection):
            array = None if isinstance(part, slice) else np.asarray(part)
            # What NumPy makes of a boolean array: the places of its true values.
            parts += [part] if array is None or array.dtype != np.bool_ else array.nonzero()
        parts += [slice(None)] * (len(shape) - len(parts))
        bounds = [_bounds(part, length) for part, length in zip(parts, shape, strict=True)]
        self.outside = tuple(slice(start, stop) for start, stop in bounds)
        self.shape = tuple(stop - start for start, stop in bounds)
        self.inside = tuple(
            _shifted(part, length, start) for part, length, (start, _) in zip(parts, shape, bounds, strict=True)
        )

    @property
    def nbytes(self) -> int:
        """The box's size, in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * native_dtype(self._item.spec).itemsize

    def item(self, number: int) -> Item:
        """Return the chunk with the box as its part, and its place in a stack of boxes."""
        place = (number, *(slice(0, length) for length in self.shape))
        return Item(self._item.getter, self._item.spec, self.outside, place, False)


def _bounds(part: Any, length: int) -> tuple[int, int]:
    """Return the first place that a selection along one axis names, and the one behind the last."""
    if isinstance(part, slice):
        places: Any = range(*part.indices(length))
        return (min(places), max(places) + 1) if places else (0, 0)
    places = np.asarray(part)
    if places.size == 0:
        return 0, 0
    low, high = int(places.min()), int(places.max())
    if low < -length or high >= length:
        raise IndexError(f"index {low if low < -length else high} is out of bounds for a chunk of length {length}")
    if low < 0:
        # Counted from the end: rare here, so the whole axis is taken.
        return 0, length
    return low, high + 1


def _shifted(part: Any, length: int, start: int) -> Any:
    """Return a selection along one axis, counted from the box's start."""
    if isinstance(part, slice):
        low, high, step = part.indices(length)
        # A stop before the start of all is written as None: -1 would count from the end.
        stop = high - start
        return slice(low - start, None if stop < 0 else stop, step)
    places = np.asarray(part)
    places = np.where(places < 0, places + length, places) - start
    return int(places) if places.ndim == 0 else places


def largest(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the length along each axis that holds all of the shapes."""
    return tuple(max(lengths) for lengths in zip(*shapes, strict=True))


def groups_of_boxes(batch: Sequence[Item], indices: Sequence[int]) -> Iterator[list[int]]:
    """Cut chunks into groups whose boxes may be in memory at one time."""
    group: list[int] = []
    nbytes = 0
    for index in indices:
        box = Box(batch[index])
        if group and (nbytes + box.nbytes > _BOXES_NBYTES or batch[index].spec.ndim != batch[group[0]].spec.ndim):
            yield group
            group, nbytes = [], 0
        group.append(index)
        nbytes += box.nbytes
    if group:
        yield group
