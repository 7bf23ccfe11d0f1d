"""Between items and bytes: what Rust is told of a chunk, and how its items are handed over without copies.

Specs and buffers are zarrpipe's or zarr-python's own: only what both have is used.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from zarrpipe._types import Layout
from zarrpipe.abc.buffer import NDBuffer
from zarrpipe.dtypes import ObjectDType, ZDType, parse_dtype
from zarrpipe.errors import CodecError
from zarrpipe.spec import ArraySpec

__all__ = ["ChunkForm", "bytes_to_items", "chunk_form", "form_of", "items_to_bytes", "native_dtype", "variable_content"]


class ChunkForm(NamedTuple):
    """What Rust knows of a chunk.

    Attributes
    ----------
    layout : Layout
        The kind and size of items, and what of them to byte-swap.
    shape : tuple of int
        The length of each axis.
    fill_value : bytes
        One item, in the host's byte order; of a data type of variable length, what it holds.
    """

    layout: Layout
    shape: tuple[int, ...]
    fill_value: bytes


def form_of(dtype: Any, shape: tuple[int, ...], fill_value: Any = None) -> ChunkForm:
    """Return what Rust is told; a fill value of None, which v2 has, stands for the data type's default."""
    own: ZDType[Any, Any] = parse_dtype(dtype)
    scalar = own.default_scalar() if fill_value is None else fill_value
    return ChunkForm(own.layout(), tuple(shape), own.fill_bytes(scalar))


def chunk_form(spec: ArraySpec) -> ChunkForm:
    """Return what Rust is told of a chunk of this spec."""
    return form_of(spec.dtype, spec.shape, spec.fill_value)


def native_dtype(spec: ArraySpec) -> np.dtype[Any]:
    """Return the NumPy data type of a chunk's items in the host's byte order."""
    dtype: np.dtype[Any] = spec.dtype.to_native_dtype()
    return dtype if dtype.isnative else dtype.newbyteorder("=")


def variable_content(dtype: Any) -> str | None:
    """Return "string" or "bytes", which items of variable length hold; None where all items are of one size."""
    kind = parse_dtype(dtype).layout()[0]
    return kind if kind in ("string", "bytes") else None


def items_to_bytes(items: NDBuffer, spec: ArraySpec, codec: str | None = None) -> npt.NDArray[np.uint8]:
    """Return a chunk's items as bytes, C order and the host's byte order; a view where they are so already.

    Items of variable length are packed: their number and the end of each (64 bits, little-endian), then what they hold.

    Parameters
    ----------
    items : NDBuffer
        The chunk.
    spec : ArraySpec
        What it should be.
    codec : str, optional
        Who made the items, for the message.

    Raises
    ------
    CodecError
        They have another shape or data type.
    """
    array, dtype = items.as_numpy_array(), native_dtype(spec)
    if array.shape != tuple(spec.shape):
        raise CodecError(f"got items of shape {array.shape} for a chunk of shape {tuple(spec.shape)}", codec=codec)
    if content := variable_content(spec.dtype):
        from zarrpipe import _core

        if isinstance(spec.dtype, ObjectDType):
            array = spec.dtype.pack_objects(array)
        return _core.pack_items(array.astype(dtype) if array.dtype.kind == "U" else array, content)
    if array.dtype.newbyteorder("=") != dtype:
        raise CodecError(f"got items of type {array.dtype} for a chunk of type {dtype}", codec=codec)
    return np.ascontiguousarray(array, dtype=dtype).reshape(-1).view(np.uint8)


def bytes_to_items(data: Any, spec: ArraySpec) -> NDBuffer:
    """Return a chunk over the bytes of its items, without a copy unless the spec asks for the other byte order.

    Items of variable length are unpacked: see `items_to_bytes`.
    """
    if content := variable_content(spec.dtype):
        from zarrpipe import _core

        unpacked = np.empty(spec.shape, dtype=native_dtype(spec))
        _core.unpack_items(data, content, unpacked)
        if isinstance(spec.dtype, ObjectDType):
            unpacked = spec.dtype.unpack_objects(unpacked)
        return spec.prototype.nd_buffer.from_numpy_array(unpacked)
    array = np.frombuffer(data, dtype=native_dtype(spec)).reshape(spec.shape)
    # Only differs where the data type says so: big-endian in memory.
    return spec.prototype.nd_buffer.from_numpy_array(array.astype(spec.dtype.to_native_dtype(), copy=False))
