"""What may be assigned to a selection, as the engine takes it.

That is an array of its data type, of the selection's shape or of shape (). Selections are parsed in Rust.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["parse_value"]


def parse_value(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any], *, points: bool = False) -> npt.NDArray[Any]:
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
    points : bool
        Whether the selection is of single items: then as many values fit, in any shape.

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
    if points and array.size == math.prod(shape):
        return array.reshape(shape)
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
    if dtype.kind in "TO":
        return _convert_variable(value, dtype)
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


def _convert_variable(value: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Items of variable length: strings, or objects whose types the engine looks at. None stands for the empty item.

    Unlike NumPy's, these are never made from numbers: that would store `str(nan)` for a missing value.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        array = np.empty((), dtype=object)
        array[()] = bytes(value)
        return array
    array = np.asarray(value) if hasattr(value, "__array__") else np.asarray(value, dtype=object)
    if dtype.kind == "T" and array.dtype.kind == "U":
        return array.astype(dtype)
    if array.dtype.kind == "O" or array.dtype.kind == dtype.kind:
        return array
    if dtype.kind == "O" and array.dtype.kind == "S":
        return array.astype(object)
    raise TypeError(f"items of type {array.dtype} do not fit the data type {dtype}")


def _is_text(value: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind in "SUT"
    except ValueError:  # nested sequences without a shape
        return False
