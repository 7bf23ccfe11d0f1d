"""For the tests of codecs that compute: one codec on one array, as stored bytes hold it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.codecs import compile_chain, parse_codec
from zarrpipe.dtypes import parse_dtype
from zarrpipe.spec import ArraySpec, parse_array_config

NUMBERS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")


def spec_of(array: npt.NDArray[Any], fill_value: Any = 0) -> ArraySpec:
    """The spec of a chunk that is this array."""
    dtype = parse_dtype(array.dtype)
    fill = dtype.cast_scalar(fill_value)
    return ArraySpec(array.shape, dtype, fill, parse_array_config(None), default_buffer_prototype())


def encoded(codec: Any, array: npt.NDArray[Any], fill_value: Any = 0) -> npt.NDArray[Any]:
    """What the array becomes, in the codec's data type."""
    spec = spec_of(array, fill_value)
    chain = compile_chain([codec, {"name": "bytes", "configuration": {"endian": sys.byteorder}}], spec)
    stored = chain.encode(np.ascontiguousarray(array).reshape(-1).view("u1"), keep_empty=True)
    assert stored is not None
    behind = parse_codec(codec).evolve_from_array_spec(spec).resolve_metadata(spec)
    return np.frombuffer(stored, dtype=behind.dtype.to_native_dtype().newbyteorder("="))


def decoded(codec: Any, items: npt.NDArray[Any], like: npt.NDArray[Any], fill_value: Any = 0) -> npt.NDArray[Any]:
    """The array that these items of the codec's data type are."""
    serializer = {"name": "bytes", "configuration": {"endian": sys.byteorder}}
    chain = compile_chain([codec, serializer], spec_of(like, fill_value))
    found = chain.decode(np.ascontiguousarray(items).reshape(-1).view("u1"))
    return np.frombuffer(found, dtype=like.dtype).reshape(like.shape)


def same(one: npt.NDArray[Any], two: npt.NDArray[Any]) -> bool:
    """Whether two arrays are of one data type and the same bits, all NaNs being one."""
    if one.dtype != two.dtype or one.size != two.size:
        return False
    one, two = one.ravel(), two.ravel()
    if one.dtype.kind == "f":
        nans = np.isnan(one)
        if not np.array_equal(nans, np.isnan(two)):
            return False
        one, two = one[~nans], two[~nans]
    return one.tobytes() == two.tobytes()


def assorted(name: str, seed: int = 0, count: int = 1300) -> npt.NDArray[Any]:
    """Items of a data type of all sizes, its edges among them."""
    dtype, random = np.dtype(name), np.random.default_rng(seed)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        edges = [info.min, info.min + 1, 0, 1, 2, info.max - 1, info.max]
        wide = random.integers(info.min, info.max, size=count, dtype=dtype, endpoint=True)
        narrow = random.integers(0, 100, size=count).astype(dtype)
        return np.concatenate([np.array(edges, dtype), wide, narrow])
    finite = np.finfo(dtype)
    edges = [0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -2.5, finite.max, finite.min, finite.tiny, finite.smallest_subnormal]
    noise = random.integers(0, 256, size=count * dtype.itemsize, dtype="u1").view(dtype)
    return np.concatenate([np.array(edges, dtype), noise, random.normal(0, 60, size=count).astype(dtype)])
