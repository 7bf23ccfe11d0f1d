"""Buffers over NumPy arrays: what codecs and stores are handed unless a prototype asks for others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from zarrpipe._types import BytesLike
from zarrpipe.abc import buffer as abc
from zarrpipe.abc.buffer import ArrayLike, BufferPrototype, NDArrayLike, NDArrayLikeOrScalar

__all__ = [
    "ArrayLike",
    "Buffer",
    "BufferPrototype",
    "NDArrayLike",
    "NDArrayLikeOrScalar",
    "NDBuffer",
    "as_numpy_array_wrapper",
    "default_buffer_prototype",
    "numpy_buffer_prototype",
]


class Buffer(abc.Buffer):
    """A contiguous run of bytes over a NumPy array.

    Parameters
    ----------
    array_like : ArrayLike
        A one-dimensional array of unsigned bytes. It is kept, not copied.

    Examples
    --------
    >>> Buffer.from_bytes(b"abcd")[1:3].to_bytes()
    b'bc'
    """

    @classmethod
    def create_zero_length(cls) -> Self:
        return cls(np.empty(0, dtype=np.uint8))

    @classmethod
    def from_buffer(cls, buffer: abc.Buffer) -> Self:
        return cls(buffer.as_numpy_array())

    @classmethod
    def from_bytes(cls, bytes_like: BytesLike) -> Self:
        return cls(np.frombuffer(bytes_like, dtype=np.uint8))

    def as_numpy_array(self) -> npt.NDArray[Any]:
        return np.asanyarray(self._data)

    def combine(self, others: Iterable[abc.Buffer]) -> Self:
        return self.__class__(np.concatenate([self.as_numpy_array(), *(other.as_numpy_array() for other in others)]))


class NDBuffer(abc.NDBuffer):
    """Items over a NumPy array of any strides.

    Parameters
    ----------
    array : NDArrayLike
        The array. It is kept, not copied.

    Examples
    --------
    >>> NDBuffer.create(shape=(2, 3), dtype="int16", fill_value=7)[0].as_numpy_array()
    array([7, 7, 7], dtype=int16)
    """

    @classmethod
    def create(
        cls,
        *,
        shape: Iterable[int],
        dtype: npt.DTypeLike,
        order: Literal["C", "F"] = "C",
        fill_value: Any | None = None,
    ) -> Self:
        lengths = tuple(shape)
        # Fresh zero pages cost nothing until they are touched; -0.0 and a zero date must be written out.
        if fill_value is None or (type(fill_value) is int and fill_value == 0):
            return cls(np.zeros(lengths, dtype=dtype, order=order))
        return cls(np.full(lengths, fill_value, dtype=dtype, order=order))

    @classmethod
    def empty(cls, shape: tuple[int, ...], dtype: npt.DTypeLike, order: Literal["C", "F"] = "C") -> Self:
        return cls(np.empty(shape, dtype=dtype, order=order))

    @classmethod
    def from_numpy_array(cls, array_like: npt.ArrayLike) -> Self:
        return cls(np.asanyarray(array_like))

    def as_numpy_array(self) -> npt.NDArray[Any]:
        return np.asanyarray(self._data)

    def __getitem__(self, key: Any) -> Self:
        parts = key if isinstance(key, tuple) else (key,)
        if not any(part is Ellipsis for part in parts):
            # With an ellipsis NumPy gives a 0-d view of one item; without, a scalar that is a copy.
            parts = (*parts, Ellipsis)
        return self.__class__(np.asanyarray(self.as_numpy_array()[parts]))

    def __setitem__(self, key: Any, value: Any) -> None:
        self.as_numpy_array()[key] = value.as_numpy_array() if isinstance(value, abc.NDBuffer) else value


def default_buffer_prototype() -> BufferPrototype:
    """Return the prototype with the classes of this module."""
    return BufferPrototype(buffer=Buffer, nd_buffer=NDBuffer)


def numpy_buffer_prototype() -> BufferPrototype:
    """Return the prototype whose buffers are NumPy arrays: `default_buffer_prototype`, by its other name."""
    return default_buffer_prototype()


def as_numpy_array_wrapper(
    func: Callable[[npt.NDArray[Any]], bytes], buf: abc.Buffer, prototype: BufferPrototype
) -> abc.Buffer:
    """Apply a function from an array of bytes to bytes, such as a compressor, to a buffer."""
    return prototype.buffer.from_bytes(func(buf.as_numpy_array()))
