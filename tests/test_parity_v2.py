"""Arrays of format 2 that zarr-python 3 and tensorstore read as we wrote them, and the other way round."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import tensorstore
import zarr
from numcodecs.abc import Codec

import zarrpipe

DTYPES = ["|b1", "|i1", "<i2", ">i4", "<i8", "|u1", ">u2", "<u4", ">u8", "<f2", ">f4", "<f8", "<c8", ">c16"]
SHAPE, CHUNK = (17, 23), (6, 10)

COMPRESSORS: dict[str, Any] = {
    "none": None,
    "zstd": numcodecs.Zstd(3),
    "gzip": numcodecs.GZip(2),
    "zlib": numcodecs.Zlib(2),
    "bz2": numcodecs.BZ2(2),
    "lzma": numcodecs.LZMA(preset=1),
    "lz4": numcodecs.LZ4(),
    "blosc lz4": numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE),
    "blosc zstd": numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE),
    "blosc zlib": numcodecs.Blosc("zlib", 3, numcodecs.Blosc.NOSHUFFLE),
}

# Filters, with the data type of the array.
FILTERS: dict[str, tuple[str, list[Codec]]] = {
    "delta": ("<i4", [numcodecs.Delta("<i4")]),
    "delta big": (">i4", [numcodecs.Delta(">i4")]),
    "delta narrow": ("<i4", [numcodecs.Delta("<i4", "<i2")]),
    "delta other order": ("<i4", [numcodecs.Delta("<i4", ">i2")]),
    "fixedscaleoffset": ("<f8", [numcodecs.FixedScaleOffset(offset=0, scale=2, dtype="<f8", astype="u1")]),
    "quantize": ("<f4", [numcodecs.Quantize(2, "<f4")]),
    "astype": ("<i8", [numcodecs.AsType(encode_dtype="<i2", decode_dtype="<i8")]),
    "bitround": ("<f4", [numcodecs.BitRound(12)]),
    "packbits": ("|b1", [numcodecs.PackBits()]),
    "shuffle": ("<i4", [numcodecs.Shuffle(4)]),
    "checksums": ("<i4", [numcodecs.CRC32(), numcodecs.Adler32()]),
    "fletcher32": ("<i4", [numcodecs.Fletcher32()]),
    "two": ("<i4", [numcodecs.Delta("<i4"), numcodecs.Shuffle(4)]),
    "three": ("<f8", [numcodecs.Quantize(2, "<f8"), numcodecs.AsType("<f4", "<f8"), numcodecs.Zlib(1)]),
}


def random_values(dtype: Any) -> np.ndarray:
    """Return an array with a chunk of zeros only."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, 2 if np.dtype(dtype) == bool else 100, SHAPE).astype(dtype)
    values[:6, :10] = 0
    return values


def open_theirs(path: Path) -> Any:
    return zarr.open_array(path, mode="r+", zarr_format=2)


def create_theirs(path: Path, values: np.ndarray, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = zarr.create_array(path, shape=values.shape, dtype=values.dtype, chunks=CHUNK, zarr_format=2, **options)
    array[...] = values
    return array


def create_ours(path: Path, values: np.ndarray, **options: Any) -> zarrpipe.Array:
    array = zarrpipe.create_array(path, shape=values.shape, dtype=values.dtype, chunks=CHUNK, zarr_format=2, **options)
    array[...] = values
    return array


def check_both_ways(tmp_path: Path, values: np.ndarray, **options: Any) -> None:
    ours = create_ours(tmp_path / "ours", values, **options)
    theirs = create_theirs(tmp_path / "theirs", values, **options)
    expected = theirs[...]
    np.testing.assert_array_equal(open_theirs(tmp_path / "ours")[...], expected)
    reopened = zarrpipe.open_array(tmp_path / "theirs", mode="r+")
    np.testing.assert_array_equal(reopened[...], expected)
    np.testing.assert_array_equal(reopened[3:15:2, 9], expected[3:15:2, 9])
    # What is stored where, and the documents.
    assert {p.name for p in (tmp_path / "ours").rglob("*")} == {p.name for p in (tmp_path / "theirs").rglob("*")}
    for name in (".zarray", ".zattrs"):
        written, expected_json = (json.loads((tmp_path / who / name).read_text()) for who in ("ours", "theirs"))
        assert written == expected_json
    # A part of chunks that the other wrote.
    reopened[2:9, 4:12] = values[2:9, 3:11]
    theirs[2:9, 4:12] = values[2:9, 3:11]
    ours[2:9, 4:12] = values[2:9, 3:11]
    np.testing.assert_array_equal(open_theirs(tmp_path / "theirs")[...], open_theirs(tmp_path / "ours")[...])
    np.testing.assert_array_equal(ours[...], reopened[...])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(tmp_path: Path, dtype: str, order: Any) -> None:
    check_both_ways(tmp_path, random_values(dtype), order=order, attributes={"units": "m", "n": [1, None]})


WIDE = {
    "times": np.array([0, 5, -7], "<M8[ns]"),
    "durations": np.array([1, 2, 5], ">m8[10s]"),
    "bytes": np.array([b"a", b"bcd", b""], "S3"),
    "text": np.array(["a", "bç\U0001f40d", ""], "<U3"),
    "text big": np.array(["a", "bç", ""], ">U3"),
    "raw": np.array([b"abc", b"def", b"\0\0\1"], "V3"),
    "struct": np.array([(1, 2.5, b"x"), (3, 4, b"y")], [("a", "<i4"), ("b", "<f8"), ("c", "S2")]),
    "struct big": np.array([(1, 2.5), (3, 4)], [("a", ">i4"), ("b", ">f8")]),
}


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("name", WIDE)
def test_wide_dtypes(tmp_path: Path, name: str) -> None:
    values = WIDE[name]
    zarrpipe.create_array(tmp_path / "ours", data=values, chunks=2, zarr_format=2)
    theirs = zarr.create_array(tmp_path / "theirs", data=values, chunks=(2,), zarr_format=2)
    np.testing.assert_array_equal(open_theirs(tmp_path / "ours")[...], values)
    np.testing.assert_array_equal(zarrpipe.open_array(tmp_path / "theirs")[...], theirs[...])
    written, expected = ((tmp_path / who / ".zarray").read_text() for who in ("ours", "theirs"))
    assert json.loads(written) == json.loads(expected)


@pytest.mark.parametrize("name", COMPRESSORS)
@pytest.mark.parametrize("dtype", ["|u1", ">f8"])
def test_compressors(tmp_path: Path, name: str, dtype: str) -> None:
    check_both_ways(tmp_path, random_values(dtype), compressors=COMPRESSORS[name])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", FILTERS)
def test_filters(tmp_path: Path, name: str, order: Any) -> None:
    dtype, filters = FILTERS[name]
    values = random_values(dtype)
    if name == "bitround" and order == "F":
        # zarr-python 3.4.2 stores it in C order, and reads something else than it wrote.
        create_ours(tmp_path / "ours", values, filters=filters, compressors=None, order=order)
        np.testing.assert_array_equal(open_theirs(tmp_path / "ours")[...], values)
        return
    check_both_ways(tmp_path, values, filters=filters, compressors=None, order=order)


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("fill_value", [None, 0, 7])
def test_separators_and_fill_values(tmp_path: Path, separator: Any, fill_value: Any) -> None:
    encoding = {"name": "v2", "separator": separator}
    check_both_ways(tmp_path, random_values("<i2"), chunk_key_encoding=encoding, fill_value=fill_value)
    assert zarrpipe.open_array(tmp_path / "theirs").fill_value == open_theirs(tmp_path / "ours").fill_value


@pytest.mark.parametrize("fill_value", [float("nan"), float("inf"), -float("inf"), -0.0, 1e300])
def test_fill_values_that_are_no_plain_numbers(tmp_path: Path, fill_value: float) -> None:
    check_both_ways(tmp_path, random_values("<f8"), fill_value=fill_value)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3, 4, 5)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_shapes(tmp_path: Path, shape: tuple[int, ...], order: Any) -> None:
    values = np.arange(np.prod(shape, dtype=int), dtype="<i4").reshape(shape)
    array = zarrpipe.create_array(
        tmp_path / "ours", shape=shape, dtype="<i4", chunks=(2,) * len(shape), zarr_format=2, order=order, fill_value=9
    )
    array[...] = values
    np.testing.assert_array_equal(open_theirs(tmp_path / "ours")[...], values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = zarr.create_array(
            tmp_path / "theirs",
            shape=shape,
            dtype="<i4",
            chunks=(2,) * len(shape) or "auto",
            zarr_format=2,
            order=order,
        )
    theirs[...] = values
    np.testing.assert_array_equal(zarrpipe.open_array(tmp_path / "theirs")[...], values)


def test_groups(tmp_path: Path) -> None:
    ours = zarrpipe.create_group(tmp_path / "ours", zarr_format=2, attributes={"title": "x"})
    ours.create_array("a/b/c", shape=3, dtype="u1", attributes={"k": 1})
    ours.create_group("a/g")
    theirs = zarr.open_group(tmp_path / "ours", mode="r", zarr_format=2, use_consolidated=False)
    assert dict(theirs.attrs) == {"title": "x"}
    assert sorted(name for name, _ in theirs.members(max_depth=None)) == ["a", "a/b", "a/b/c", "a/g"]
    assert dict(theirs["a/b/c"].attrs) == {"k": 1}
    written = zarr.create_group(tmp_path / "theirs", zarr_format=2, attributes={"title": "y"})
    written.create_array("a/b/c", shape=3, dtype="u1", attributes={"k": 1}, compressors=None)
    written.require_group("a/g").attrs["n"] = 2
    group = zarrpipe.open_group(tmp_path / "theirs", mode="r")
    assert [name for name, _ in group.members(max_depth=None)] == ["a", "a/b", "a/b/c", "a/g"]
    assert (group.attrs.asdict(), group["a/g"].attrs.asdict()) == ({"title": "y"}, {"n": 2})
    assert group["a/b/c"].attrs == {"k": 1}


def test_changes(tmp_path: Path) -> None:
    values = random_values("<i4")
    ours, theirs = create_ours(tmp_path / "ours", values), create_theirs(tmp_path / "theirs", values)
    for array in (ours, theirs):
        array.append(values[:5])
        array.resize((9, 40))
        array.attrs["n"] = 1
    for who in ("ours", "theirs"):
        for opened in (zarrpipe.open_array(tmp_path / who), open_theirs(tmp_path / who)):
            assert (opened.shape, dict(opened.attrs)) == ((9, 40), {"n": 1})
            np.testing.assert_array_equal(opened[:, :23], values[:9])
            np.testing.assert_array_equal(opened[:, 23:], 0)


# tensorstore


def open_tensorstore(path: Path, metadata: dict[str, Any] | None = None, driver: str = "zarr") -> Any:
    spec: dict[str, Any] = {"driver": driver, "kvstore": {"driver": "file", "path": str(path)}}
    if metadata is None:
        return tensorstore.open(spec).result()
    return tensorstore.open({**spec, "metadata": metadata}, create=True).result()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tensorstore(tmp_path: Path, dtype: str, order: Any) -> None:
    values = random_values(dtype)
    compressor = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1}
    create_ours(tmp_path / "ours", values, order=order, compressors=compressor)
    np.testing.assert_array_equal(open_tensorstore(tmp_path / "ours").read().result(), values)
    metadata = {
        "shape": list(SHAPE),
        "chunks": list(CHUNK),
        "dtype": dtype,
        "order": order,
        "compressor": compressor,
        "dimension_separator": "/",
        "fill_value": None,
    }
    theirs = open_tensorstore(tmp_path / "theirs", metadata)
    theirs.write(values).result()
    np.testing.assert_array_equal(zarrpipe.open_array(tmp_path / "theirs")[...], values)


@pytest.mark.parametrize("compressor", [None, *({"id": name, "level": 2} for name in ("zlib", "bz2", "zstd"))])
def test_tensorstore_compressors(tmp_path: Path, compressor: dict[str, Any] | None) -> None:
    values = random_values("<u2")
    create_ours(tmp_path / "ours", values, compressors=compressor)
    np.testing.assert_array_equal(open_tensorstore(tmp_path / "ours").read().result(), values)
    metadata = {"shape": list(SHAPE), "chunks": list(CHUNK), "dtype": "<u2", "compressor": compressor}
    open_tensorstore(tmp_path / "theirs", metadata).write(values).result()
    np.testing.assert_array_equal(zarrpipe.open_array(tmp_path / "theirs")[...], values)
