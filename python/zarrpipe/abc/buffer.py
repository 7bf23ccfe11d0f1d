"""Memory as codecs see it: `Buffer`, encoded bytes, and `NDBuffer`, the items of a chunk.

The classes are abstract; `zarrpipe.buffer` has those over NumPy arrays. A codec makes new ones through the prototype in
its chunk's spec: ``chunk_spec.prototype.buffer.from_bytes(...)``.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, Self, SupportsIndex, TypeAlias, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from zarrpipe._types import BytesLike, Endianness

__all__ = ["ArrayLike", "Buffer", "BufferPrototype", "NDArrayLike", "NDArrayLikeOrScalar", "NDBuffer", "ScalarType"]


@runtime_checkable
class ArrayLike(Protocol):
    """What can stand behind a `Buffer`: a one-dimensional array of bytes."""

    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    def __getitem__(self, key: slice) -> Self: ...
    def __setitem__(self, key: slice, value: Any) -> None: ...
    def copy(self) -> Self: ...


@runtime_checkable
class NDArrayLike(Protocol):
    """What can stand behind an `NDBuffer`: an array with NumPy's methods."""

    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: slice) -> Self: ...
    def __setitem__(self, key: slice, value: Any) -> None: ...
    def __array__(self) -> npt.NDArray[Any]: ...
    def reshape(self, shape: tuple[int, ...], /) -> NDArrayLike: ...
    def view(self, dtype: npt.DTypeLike) -> Self: ...
    def astype(self, dtype: npt.DTypeLike, order: Literal["K", "A", "C", "F"] = ..., *, copy: bool = ...) -> Self: ...
    def fill(self, value: Any) -> None: ...
    def copy(self) -> Self: ...
    def transpose(self, axes: SupportsIndex | Sequence[SupportsIndex] | None) -> NDArrayLike: ...
    def ravel(self, order: Literal["K", "A", "C", "F"] = ...) -> NDArrayLike: ...
    def all(self) -> np.bool_: ...


ScalarType: TypeAlias = int | float | complex | bytes | str | bool | np.generic
NDArrayLikeOrScalar: TypeAlias = ScalarType | NDArrayLike


# Items compared in the first block of `all_equal`: a chunk that differs from the fill value mostly does so at once.
_FIRST_BLOCK_ITEMS = 1 << 14


def _check_slice(key: object) -> None:
    if not isinstance(key, slice):
        raise TypeError(f"a buffer is indexed by slices, not by {type(key).__name__}")
    if key.step not in (None, 1):
        raise ValueError("a buffer is indexed by slices without a step")


class Buffer(ABC):  # noqa: PLW1641 - mutable, and equal by content: not hashable
    """A contiguous run of bytes. Lengths and indices count bytes.

    Parameters
    ----------
    array_like : ArrayLike
        A one-dimensional array of unsigned bytes. It is kept, not copied.
    """

    def __init__(self, array_like: ArrayLike) -> None:
        if array_like.ndim != 1:
            raise ValueError(f"a buffer is one-dimensional, got {array_like.ndim} dimensions")
        if array_like.dtype != np.dtype("B"):
            raise ValueError(f"a buffer holds unsigned bytes, got {array_like.dtype}")
        self._data = array_like

    @classmethod
    @abstractmethod
    def create_zero_length(cls) -> Self:
        """Return a buffer of no bytes."""

    @classmethod
    def from_array_like(cls, array_like: ArrayLike) -> Self:
        """Return a buffer over `array_like`, without a copy."""
        return cls(array_like)

    @classmethod
    @abstractmethod
    def from_buffer(cls, buffer: Buffer) -> Self:
        """Return a buffer of this class with the bytes of another, without a copy where the memory allows it."""

    @classmethod
    @abstractmethod
    def from_bytes(cls, bytes_like: BytesLike) -> Self:
        """Return a buffer over a bytes-like object."""

    def as_array_like(self) -> ArrayLike:
        """Return the array behind the buffer, never a copy."""
        return self._data

    @abstractmethod
    def as_numpy_array(self) -> npt.NDArray[Any]:
        """Return the bytes as a NumPy array."""

    def as_buffer_like(self) -> BytesLike:
        """Return the bytes as an object with Python's buffer protocol."""
        return memoryview(self.as_numpy_array())

    def to_bytes(self) -> bytes:
        """Return the bytes, always copied."""
        return self.as_numpy_array().tobytes()

    def __getitem__(self, key: slice) -> Self:
        _check_slice(key)
        return self.__class__(self._data[key])

    def __setitem__(self, key: slice, value: Any) -> None:
        _check_slice(key)
        self._data[key] = value.as_array_like() if isinstance(value, Buffer) else value

    def __len__(self) -> int:
        return self._data.size

    @abstractmethod
    def combine(self, others: Iterable[Buffer]) -> Self:
        """Return a buffer with these bytes and those of `others` behind them."""

    def __add__(self, other: Buffer) -> Self:
        return self.combine([other])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Buffer) and np.array_equal(self.as_numpy_array(), other.as_numpy_array())


class NDBuffer(ABC):
    """The items of a chunk or of a part of an array, in memory.

    Parameters
    ----------
    array : NDArrayLike
        The array, of any strides. It is kept, not copied.
    """

    def __init__(self, array: NDArrayLike) -> None:
        self._data = array

    @classmethod
    @abstractmethod
    def create(
        cls,
        *,
        shape: Iterable[int],
        dtype: npt.DTypeLike,
        order: Literal["C", "F"] = "C",
        fill_value: Any | None = None,
    ) -> Self:
        """Return a new buffer, filled with `fill_value`, or with zeros where it is None."""

    @classmethod
    def empty(cls, shape: tuple[int, ...], dtype: npt.DTypeLike, order: Literal["C", "F"] = "C") -> Self:
        """Return a new buffer whose items may be anything."""
        return cls.create(shape=shape, dtype=dtype, order=order)

    @classmethod
    def from_ndarray_like(cls, ndarray_like: NDArrayLike) -> Self:
        """Return a buffer over `ndarray_like`, without a copy."""
        return cls(ndarray_like)

    @classmethod
    @abstractmethod
    def from_numpy_array(cls, array_like: npt.ArrayLike) -> Self:
        """Return a buffer over what NumPy can make an array of, without a copy if it is one."""

    def as_ndarray_like(self) -> NDArrayLike:
        """Return the array behind the buffer, never a copy."""
        return self._data

    @abstractmethod
    def as_numpy_array(self) -> npt.NDArray[Any]:
        """Return the items as a NumPy array."""

    def as_scalar(self) -> ScalarType:
        """Return the one item of a buffer of size 1."""
        if self._data.size != 1:
            raise ValueError(f"a buffer of {self._data.size} items is not a scalar")
        return cast(ScalarType, self.as_numpy_array().reshape(())[()])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy data type of the items."""
        return self._data.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._data.shape

    @property
    def byteorder(self) -> Endianness:
        """The byte order of the items in memory: the host's, where the data type has none."""
        explicit: dict[str, Endianness] = {"<": "little", ">": "big"}
        return explicit.get(self.dtype.byteorder, sys.byteorder)

    def reshape(self, newshape: tuple[int, ...] | Literal[-1]) -> Self:
        """Return the same items in another shape; -1 for one axis."""
        shape = newshape if isinstance(newshape, tuple) else (newshape,)
        return self.__class__(self._data.reshape(shape))

    def squeeze(self, axis: tuple[int, ...]) -> Self:
        """Return the buffer without the axes named."""
        kept = tuple(length for index, length in enumerate(self.shape) if index not in axis)
        return self.__class__(self._data.reshape(kept))

    def astype(self, dtype: npt.DTypeLike, order: Literal["K", "A", "C", "F"] = "K") -> Self:
        """Return a copy with the items cast to `dtype`."""
        return self.__class__(self._data.astype(dtype, order=order))

    @abstractmethod
    def __getitem__(self, key: Any) -> Self:
        """Return a part, by NumPy's rules; never a bare scalar."""

    @abstractmethod
    def __setitem__(self, key: Any, value: Any) -> None:
        """Assign a scalar, an array or another buffer to a part."""

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} shape={self.shape} dtype={self.dtype}>"

    def all_equal(self, other: Any, equal_nan: bool = True) -> bool:
        """Whether every item equals `other`; zeros of different sign do not, and None equals nothing."""
        if other is None:
            return False
        items, value = np.broadcast_arrays(self.as_numpy_array(), np.asarray(other))
        if items.shape != self.shape:
            raise ValueError(f"a value of shape {np.shape(other)} does not fit items of shape {self.shape}")
        if items.ndim == 0 or items.size == 0:
            return _equal(items, value, equal_nan)
        # Blocks double in length: few comparisons where all are equal, an early end where not. The first axis is cut,
        # because a part of it is a view whatever the strides are.
        start, step = 0, max(1, _FIRST_BLOCK_ITEMS * len(items) // items.size)
        while start < len(items):
            if not _equal(items[start : start + step], value[start : start + step], equal_nan):
                return False
            start, step = start + step, step * 2
        return True

    def fill(self, value: Any) -> None:
        """Set every item to `value`."""
        self._data.fill(value)

    def copy(self) -> Self:
        """Return a buffer with its own memory."""
        return self.__class__(self._data.copy())

    def transpose(self, axes: SupportsIndex | Sequence[SupportsIndex] | None) -> Self:
        """Return the buffer with its axes permuted, without a copy."""
        return self.__class__(self._data.transpose(axes))


def _equal(items: npt.NDArray[Any], value: npt.NDArray[Any], equal_nan: bool) -> bool:
    """Whether two arrays of one shape are equal, -0.0 and 0.0 held apart."""
    numeric = items.dtype.kind in "biufcmM" and value.dtype.kind in "biufcmM"
    if not np.array_equal(items, value, equal_nan=equal_nan and numeric):
        return False
    if items.dtype.kind not in "fc" or value.dtype.kind not in "fc":
        return True
    zeros = items == 0
    if not zeros.any():
        return True
    parts = [(items.real, value.real)]
    if items.dtype.kind == "c" or value.dtype.kind == "c":
        parts.append((items.imag, value.imag))
    # NaNs are equal whatever their sign, as above: only the zeros count.
    return all(np.array_equal(np.signbit(a[zeros]), np.signbit(b[zeros])) for a, b in parts)


class BufferPrototype(NamedTuple):
    """Which classes to make new buffers of.

    Attributes
    ----------
    buffer : type[Buffer]
        For encoded bytes.
    nd_buffer : type[NDBuffer]
        For items.
    """

    buffer: type[Buffer]
    nd_buffer: type[NDBuffer]
