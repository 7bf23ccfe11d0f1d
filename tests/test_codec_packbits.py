"""`packbits` and `numcodecs.packbits`, against NumPy, numcodecs and zarr-python."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr

import zarrpipe
from zarrpipe.buffer import Buffer, NDBuffer, default_buffer_prototype
from zarrpipe.codecs import PackBitsCodec, evolve_codecs, get_codec_class
from zarrpipe.codecs.numcodecs import PackBits
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import CodecError, MetadataError, SizeError, TruncatedError
from zarrpipe.spec import ArraySpec, parse_array_config

SHAPES = [(), (1,), (7,), (8,), (3, 11), (2, 3, 5)]
DTYPES = ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
NUMCODECS: dict[str, Any] = {"name": "numcodecs.packbits", "configuration": {}}


def spec(dtype: str, shape: tuple[int, ...]) -> ArraySpec:
    zdtype = parse_dtype(dtype)
    return ArraySpec(shape, zdtype, zdtype.default_scalar(), parse_array_config({}), default_buffer_prototype())


def values_of(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(3)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    raw = rng.integers(0, 256, (*shape, np.dtype(dtype).itemsize), dtype=np.uint8)
    return raw.view(dtype).reshape(shape)


def packed_by_numpy(values: np.ndarray, first: int, last: int) -> bytes:
    """Return the bits of each component that are named, one after another from the least significant one."""
    flat = np.ascontiguousarray(values).reshape(-1)
    if values.dtype.kind == "c":
        flat = flat.view(values.real.dtype)
    bits = np.unpackbits(flat.view(np.uint8).reshape(flat.size, -1), axis=1, bitorder="little")
    return np.packbits(bits[:, first : last + 1], bitorder="little").tobytes()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_bytes_are_those_of_numpy(dtype: str, shape: tuple[int, ...]) -> None:
    values = values_of(dtype, shape)
    bits = 1 if dtype == "bool" else 8 * values.real.dtype.itemsize
    for first, last in {(0, bits - 1), (0, bits // 2), (bits // 3, bits - 1)}:
        codec, chunk = PackBitsCodec(first_bit=first, last_bit=last), spec(dtype, shape)
        encoded = codec._encode_sync(NDBuffer.from_numpy_array(values), chunk)
        assert encoded is not None
        assert encoded.to_bytes() == packed_by_numpy(values, first, last)
        assert codec.compute_encoded_size(values.nbytes, chunk) == len(encoded.to_bytes())
        decoded = codec._decode_sync(encoded, chunk).as_numpy_array()
        if (first, last) == (0, bits - 1):
            assert decoded.tobytes() == values.tobytes()


@pytest.mark.parametrize(("dtype", "least", "most", "last"), [("i2", -512, 511, 9), ("u4", 0, 4095, 11)])
@pytest.mark.parametrize("sharded", [False, True])
def test_numbers_of_few_bits(tmp_path: Path, dtype: str, least: int, most: int, last: int, sharded: bool) -> None:
    values = np.random.default_rng(0).integers(least, most, (40, 30), endpoint=True).astype(dtype)
    serializer = {"name": "packbits", "configuration": {"last_bit": last, "padding_encoding": "last_byte"}}
    array = zarrpipe.create_array(
        tmp_path / "a",
        shape=values.shape,
        dtype=dtype,
        chunks=(10, 7),
        shards=(20, 14) if sharded else None,
        serializer=serializer,
        compressors=None,
    )
    array[...] = values
    array[3:17, 2:9] = values[4:18, 1:8]
    values[3:17, 2:9] = values[4:18, 1:8].copy()
    again = zarrpipe.open_array(tmp_path / "a")
    assert np.array_equal(again[...], values)
    assert np.array_equal(again[2:33:3, -5:], values[2:33:3, -5:])
    if not sharded:
        chunk = next(path for path in (tmp_path / "a" / "c").rglob("*") if path.is_file())
        assert chunk.stat().st_size == math.ceil(70 * (last + 1) / 8) + 1


def test_booleans_take_a_bit(tmp_path: Path) -> None:
    values = values_of("bool", (100, 77))
    array = zarrpipe.create_array(
        tmp_path / "a", shape=values.shape, dtype=bool, chunks=(100, 77), serializer="packbits", compressors=None
    )
    array[...] = values
    assert np.array_equal(zarrpipe.open_array(tmp_path / "a")[1:-1], values[1:-1])
    assert (tmp_path / "a" / "c" / "0" / "0").read_bytes() == np.packbits(values, bitorder="little").tobytes()


@pytest.mark.parametrize(
    ("configuration", "at"),
    [
        ({"padding_encoding": "start_byte"}, "/configuration/padding_encoding"),
        ({"padding_encoding": 1}, "/configuration/padding_encoding"),
        ({"first_bit": -1}, "/configuration/first_bit"),
        ({"first_bit": True}, "/configuration/first_bit"),
        ({"first_bit": 3, "last_bit": 2}, "/configuration/last_bit"),
        ({"bits": 3}, "/configuration/bits"),
    ],
    ids=str,
)
def test_wrong_configurations(configuration: dict[str, Any], at: str) -> None:
    with pytest.raises(MetadataError) as caught:
        PackBitsCodec.from_dict({"name": "packbits", "configuration": configuration})
    assert caught.value.at == at


def test_what_does_not_fit_the_data_type() -> None:
    with pytest.raises(MetadataError, match="last_bit"):
        evolve_codecs([PackBitsCodec(last_bit=8)], spec("u1", (4,)))
    with pytest.raises(MetadataError, match="bool, not uint8"):
        evolve_codecs([PackBits()], spec("u1", (4,)))


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"\x04\x00", TruncatedError), (b"\x04\x00\x00\x00", SizeError), (b"\x05\x00\x00", CodecError)],
)
def test_wrong_bytes(data: bytes, error: type[Exception]) -> None:
    codec, chunk = PackBitsCodec(padding_encoding="first_byte", last_bit=3), spec("u1", (3,))
    with pytest.raises(error):
        codec._decode_sync(Buffer.from_bytes(data), chunk)


# numcodecs.packbits


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_items_are_those_of_numcodecs(shape: tuple[int, ...]) -> None:
    values, chunk, theirs = values_of("bool", shape), spec("bool", shape), numcodecs.PackBits()
    encoded = PackBits()._encode_sync(NDBuffer.from_numpy_array(values), chunk)
    assert encoded is not None
    expected = theirs.encode(values)
    assert encoded.as_numpy_array().dtype == expected.dtype
    assert np.array_equal(encoded.as_numpy_array(), expected)
    decoded = PackBits()._decode_sync(NDBuffer.from_numpy_array(expected), chunk).as_numpy_array()
    assert np.array_equal(decoded, values)
    assert np.array_equal(theirs.decode(encoded.as_numpy_array()).reshape(shape), values)


def test_specs_behind_it() -> None:
    behind = PackBits().resolve_metadata(spec("bool", (3, 7)))
    assert (behind.shape, behind.dtype, behind.fill_value) == ((4,), parse_dtype("uint8"), 0)
    config = zarr.core.array_spec.ArrayConfig("C", False)
    prototype = zarr.core.buffer.default_buffer_prototype()
    theirs: Any = zarr.core.array_spec.ArraySpec((3, 7), zarr.dtype.Bool(), False, config, prototype)
    expected = zarr.codecs.numcodecs.PackBits().resolve_metadata(theirs)
    found: Any = PackBits().resolve_metadata(theirs)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


@pytest.mark.parametrize("more", [[], [{"name": "gzip", "configuration": {"level": 1}}]], ids=["alone", "gzip"])
@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification")
def test_arrays_of_zarr_python(tmp_path: Path, sharded: bool, more: list[Any]) -> None:
    values = values_of("bool", (20, 30))
    codecs: list[Any] = [NUMCODECS, {"name": "bytes"}, *more]
    if sharded:
        index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
        inner = {"chunk_shape": [5, 5], "codecs": codecs, "index_codecs": index, "index_location": "end"}
        codecs = [{"name": "sharding_indexed", "configuration": inner}]
    ours = zarrpipe.create_array(tmp_path / "ours", shape=(20, 30), chunks=(10, 15), dtype=bool, codecs=codecs)
    ours[...] = values
    theirs = zarr.open_array(tmp_path / "ours", mode="r+")
    assert np.array_equal(theirs[...], values)
    theirs[3:8] = ~values[3:8]
    values[3:8] = ~values[3:8]
    assert np.array_equal(ours[...], values)
    assert np.array_equal(ours[2:9, ::7], values[2:9, ::7])


def test_its_classes() -> None:
    assert get_codec_class("packbits") is PackBitsCodec
    assert get_codec_class("numcodecs.packbits") is PackBits
    assert PackBits.from_dict(NUMCODECS) == PackBits.from_dict({"name": "numcodecs.packbits"}) == PackBits()


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("int2", 2),
        ("uint2", 2),
        ("int4", 4),
        ("uint4", 4),
        ("float4_e2m1fn", 4),
        ("float6_e2m3fn", 6),
        ("bfloat16", 16),
    ],
)
def test_data_types_of_few_bits(tmp_path: Path, name: str, bits: int) -> None:
    dtype = parse_dtype(name).to_native_dtype()
    raw = np.random.default_rng(7).integers(0, 2**bits, (9, 14)).astype(f"u{dtype.itemsize}")
    array = zarrpipe.create_array(
        tmp_path / "a", shape=(9, 14), chunks=(4, 5), dtype=name, serializer="packbits", compressors=None
    )
    array[...] = raw.view(dtype)
    assert np.array_equal(zarrpipe.open_array(tmp_path / "a")[...].view(raw.dtype), raw)
    assert (tmp_path / "a" / "c" / "0" / "0").read_bytes() == packed_by_numpy(raw[:4, :5], 0, bits - 1)
