"""What any array of format 2 may be: data types in both byte orders, filters and compressors that fit them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import product

FIELDS = [("a", "i2"), ("b", [("x", "f8"), ("y", "c8")]), ("c", "?"), ("d", "S3")]
PLAIN = ["|b1", "|i1", "|u1", "|S3", "|V4"]
ORDERED = ["i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", "M8[ms]", "m8[10s]", "U3"]
BYTE_FILTERS = ["shuffle", "crc32", "adler32", "fletcher32", "zlib"]
DTYPES: list[np.dtype[Any]] = [
    *map(np.dtype, PLAIN),
    *(np.dtype(order + name) for order in "<>" for name in ORDERED),
    *(np.dtype(FIELDS).newbyteorder(order) for order in "<>"),
]


def items(native: np.dtype[Any], shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Items of any bits that the data type has."""
    return product.items_of(np.random.default_rng(seed), native, native.str, shape)


def fill_values(native: np.dtype[Any], seed: int) -> st.SearchStrategy[Any]:
    """Fill values that JSON has: a NaN is any NaN, so there is one."""
    if native.names:
        zero = np.zeros(1, native)
        zero["a"], zero["d"] = seed % 100, b"xy"
        return st.sampled_from([None, zero[0]])
    if native.kind in "fc":
        return st.sampled_from([None, *np.array([0, -0.0, 1.5, np.nan, np.inf, -np.inf], native)])
    return st.sampled_from([None, items(native, (1,), seed)[0]])


@st.composite
def codecs(draw: st.DrawFn, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Draw filters and a compressor that keep every bit."""
    filters: list[dict[str, Any]] = []
    behind = dtype
    if dtype.kind == "b" and draw(st.booleans()):
        filters.append({"id": "packbits"})
    elif dtype.kind in "iu":
        wider = [np.dtype(name) for name in ("i1", "u1", "<i4", ">u4", ">i8") if np.can_cast(dtype, name)]
        if wider and draw(st.booleans()):
            behind = draw(st.sampled_from(wider))
            filters.append({"id": "astype", "encode_dtype": behind.str, "decode_dtype": dtype.str})
        if draw(st.booleans()):
            filters.append({"id": "delta", "dtype": behind.str})
    names = draw(st.lists(st.sampled_from(BYTE_FILTERS), max_size=2))
    filters += [{"id": name, **({"elementsize": 1} if name == "shuffle" else {})} for name in names]
    kinds = ["zstd", "gzip", "zlib", "bz2", "lzma", "lz4", "blosc", None]
    if behind.kind in "iuf" and behind.itemsize > 1 and not names:
        kinds.append("pcodec")
    kind = draw(st.sampled_from(kinds))
    more: dict[str, Any] = {}
    if kind == "blosc":
        more = {"cname": "lz4", "clevel": 3, "shuffle": draw(st.integers(-1, 2)), "blocksize": 0}
    elif kind in ("zstd", "gzip", "zlib", "bz2", "pcodec"):
        more = {"level": 1}
    return {"filters": filters or None, "compressors": {"id": kind, **more} if kind else None}
