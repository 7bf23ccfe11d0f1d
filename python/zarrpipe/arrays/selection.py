"""What a user may write between brackets, and what may be assigned to it.

Basic selections are parsed in Rust. Here is what happens when it refuses one, blocks as a basic selection, and the
conversion of values to what the engine takes: an array of its data type, of the selection's shape or of shape ().
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from zarrpipe.errors import SelectionError, UnsupportedError
from zarrpipe.metadata.chunk_axis import ChunkAxis

__all__ = ["blocks_to_slices", "explain_selection_error", "parse_value"]

_LATER = (
    "integer, boolean and mask arrays as selections are not implemented yet: read a basic selection, and select from it"
)


def explain_selection_error(selection: Any, error: SelectionError) -> Exception:
    """Return the error to raise for a selection that is not basic.

    Parameters
    ----------
    selection : Any
        What the user wrote.
    error : SelectionError
        How the engine refused it.

    Returns
    -------
    Exception
        UnsupportedError where the selection is one of NumPy's advanced kinds; `error` itself otherwise.
    """
    parts = selection if isinstance(selection, tuple) else (selection,)
    if any(isinstance(part, list | np.ndarray | bool | np.bool_) or _is_array_like(part) for part in parts):
        return UnsupportedError(_LATER)
    return error


def _is_array_like(part: object) -> bool:
    return hasattr(part, "__array__") and not isinstance(part, np.generic)


def parse_value(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a value that is assigned to a selection as the engine takes it.

    Parameters
    ----------
    value : array_like
        What is assigned. It is converted as NumPy's assignment does: numbers are cast, an array's values may be
        truncated, a Python integer that is out of range is refused.
    shape : tuple of int
        The selection's shape.
    dtype : numpy.dtype
        The array's data type.

    Returns
    -------
    numpy.ndarray
        Of `dtype`, and of `shape` or of shape (). It may share memory with `value`.

    Raises
    ------
    ValueError
        The value does not broadcast to the selection.
    TypeError
        Its items cannot be converted to the data type.
    OverflowError
        It is a Python integer that the data type cannot hold.

    Examples
    --------
    >>> parse_value([1, 2], (3, 2), np.dtype("uint8")).tolist()
    [[1, 2], [1, 2], [1, 2]]
    """
    array = _convert(value, dtype)
    if array.shape == shape or array.ndim == 0:
        return array
    # NumPy drops leading axes of length 1 that the selection does not have.
    surplus = array.ndim - len(shape)
    if surplus > 0 and array.shape[:surplus] == (1,) * surplus:
        array = array.reshape(array.shape[surplus:])
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"a value of shape {np.shape(array)} cannot be assigned to a selection of shape {shape}"
        ) from None


def _convert(value: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    try:
        if isinstance(value, np.ndarray):
            return np.asarray(value) if value.dtype == dtype else value.astype(dtype)
        if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
            return np.asarray(value).astype(dtype, copy=False)
        # With the data type from the start: Python integers are checked for range, and never pass through floats.
        return np.asarray(value, dtype=dtype)
    except ValueError as error:
        if not _is_text(value):
            raise
        raise TypeError(f"text does not fit the data type {dtype}: {error}") from None


def _is_text(value: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind in "SUT"
    except ValueError:  # nested sequences without a shape
        return False


def blocks_to_slices(selection: Any, shape: tuple[int, ...], axes: Sequence[ChunkAxis]) -> tuple[slice, ...]:
    """Return the basic selection of whole chunks.

    Parameters
    ----------
    selection : int, slice, Ellipsis or tuple of them
        Chunks by their coordinates in the grid; slices have step 1.
    shape : tuple of int
        The array's shape.
    axes : sequence of ChunkAxis
        How each axis is cut.

    Raises
    ------
    SelectionError
        It is something else, or out of bounds.

    Examples
    --------
    >>> from zarrpipe.metadata import RegularChunkGrid
    >>> blocks_to_slices((0, slice(1, 3)), (10, 10), RegularChunkGrid((4, 4)).axes)
    (slice(0, 4, None), slice(4, 10, None))
    """
    parts = list(selection) if isinstance(selection, tuple) else [selection]
    ellipses = [index for index, part in enumerate(parts) if part is Ellipsis]
    if len(ellipses) > 1:
        raise SelectionError("a selection has one Ellipsis at most")
    missing = len(shape) - (len(parts) - len(ellipses))
    if missing < 0:
        raise SelectionError(f"the selection has too many axes: the array has {len(shape)}")
    at = ellipses[0] if ellipses else len(parts)
    parts[at : at + len(ellipses)] = [slice(None)] * missing
    return tuple(
        _block_slice(part, length, cuts, axis)
        for axis, (part, length, cuts) in enumerate(zip(parts, shape, axes, strict=True))
    )


def _block_slice(part: Any, length: int, cuts: ChunkAxis, axis: int) -> slice:
    count = cuts.count(length)
    if isinstance(part, slice):
        if part.step not in (None, 1):
            raise SelectionError(f"blocks are selected with step 1, not {part.step}")
        start, stop, _ = part.indices(count)
    elif isinstance(part, int | np.integer) and not isinstance(part, bool):
        start = int(part) + (count if part < 0 else 0)
        stop = start + 1
        if not 0 <= start < count:
            raise SelectionError(f"block {part} is out of bounds: axis {axis} has {count}")
    else:
        raise SelectionError(f"blocks are selected by integers and slices, not {part!r}")
    first = min(cuts.span(start)[0], length)
    return slice(first, max(min(cuts.span(stop)[0], length), first))
