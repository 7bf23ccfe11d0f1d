"""`zfp` and `numcodecs.zfpy`, against zfpy, numcodecs, zarr-python and zarrs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
import zfpy

import zarrpipe
from zarrpipe.buffer import Buffer, NDBuffer, default_buffer_prototype
from zarrpipe.codecs import ZfpCodec, evolve_codecs, get_codec_class
from zarrpipe.codecs.numcodecs import ZFPY
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import CodecError, MetadataError, SizeError, TruncatedError, UnsupportedError
from zarrpipe.spec import ArraySpec, parse_array_config

SHAPES = [(1,), (37,), (9, 13), (5, 6, 7), (3, 4, 5, 6)]
LOSSLESS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]
MODES: list[dict[str, Any]] = [
    {"mode": "reversible"},
    {"mode": "fixed_accuracy", "tolerance": 0.01},
    {"mode": "fixed_accuracy", "tolerance": 0},
    {"mode": "fixed_precision", "precision": 24},
    {"mode": "fixed_rate", "rate": 11},
    {"mode": "fixed_rate", "rate": 16.5},
]


def spec(dtype: str, shape: tuple[int, ...]) -> ArraySpec:
    zdtype = parse_dtype(dtype)
    return ArraySpec(shape, zdtype, zdtype.default_scalar(), parse_array_config({}), default_buffer_prototype())


def values_of(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    grid = np.indices(shape).sum(axis=0) if shape else np.array(3)
    return (20 + 10 * np.sin(grid / 5)).astype(dtype)


def encode(codec: Any, values: np.ndarray) -> bytes:
    encoded = codec._encode_sync(NDBuffer.from_numpy_array(values), spec(values.dtype.str[1:], values.shape))
    assert encoded is not None
    data: bytes = encoded.to_bytes()
    return data


def decode(codec: Any, data: bytes, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    items: np.ndarray = codec._decode_sync(Buffer.from_bytes(data), spec(dtype, shape)).as_numpy_array()
    assert items.dtype == np.dtype(dtype)
    assert items.shape == shape
    return items


def zfpy_options(configuration: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in configuration.items() if name != "mode"}


@pytest.mark.parametrize("configuration", MODES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_streams_are_zfpys(dtype: str, shape: tuple[int, ...], configuration: dict[str, Any]) -> None:
    values, codec = values_of(dtype, shape), ZfpCodec(**configuration)
    data = encode(codec, values)
    options = zfpy_options(configuration)
    assert data == zfpy.compress_numpy(values, write_header=False, **options)
    expected = zfpy.decompress_numpy(zfpy.compress_numpy(values, **options))
    assert np.array_equal(decode(codec, data, dtype, shape), expected)
    assert abs(expected - values).max() < 0.1


@pytest.mark.parametrize("shape", [(), *SHAPES], ids=str)
@pytest.mark.parametrize("dtype", LOSSLESS)
def test_nothing_is_lost_in_reversible_mode(dtype: str, shape: tuple[int, ...]) -> None:
    codec = ZfpCodec(mode="reversible")
    values = values_of(dtype, shape)
    assert np.array_equal(decode(codec, encode(codec, values), dtype, shape), values)
    if np.dtype(dtype).kind == "f":
        values = np.resize(np.array([np.nan, -np.inf, -0.0, 1, np.inf], dtype=dtype), shape)
    else:
        limits = np.iinfo(dtype)
        most = min(int(limits.max), 2**31 - 1 if limits.bits == 32 else 2**63 - 1)
        values = np.resize(np.array([limits.min, 0, 1, most], dtype=dtype), shape)
    assert decode(codec, encode(codec, values), dtype, shape).tobytes() == values.tobytes()


def test_small_integers_are_promoted_as_the_readme_says() -> None:
    codec = ZfpCodec(mode="reversible")
    for dtype, promoted in [
        ("i1", lambda a: a << 23),
        ("u1", lambda a: (a - 128) << 23),
        ("i2", lambda a: a << 15),
        ("u2", lambda a: (a - 32768) << 15),
    ]:
        values = np.arange(100).astype(dtype)
        assert encode(codec, values) == zfpy.compress_numpy(promoted(values.astype("i4")), write_header=False)


@pytest.mark.parametrize("rate", [0, 0.1, 1, 2])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_low_rates_keep_room_for_the_exponent(dtype: str, rate: float) -> None:
    """The library rounds up to 9 and 12 bits a block. zfpy's encoder alone does not know, and writes out of bounds."""
    codec, values = ZfpCodec(mode="fixed_rate", rate=rate), np.full(64, 2).astype(dtype)
    data = encode(codec, values)
    bits = max(4 * rate + 0.5, {"f4": 9, "f8": 12, "i4": 1}[dtype]) // 1
    assert len(data) == -(-16 * bits // 64) * 8
    decoded = decode(codec, data, dtype, (64,))
    if dtype != "i4":
        # An exponent, and nothing that it scales.
        assert not decoded.any()


def test_expert_mode_where_it_is_another() -> None:
    values = values_of("f8", (9, 13))

    def expert(minbits: int, maxbits: int, maxprec: int, minexp: int) -> ZfpCodec:
        return ZfpCodec(mode="expert", minbits=minbits, maxbits=maxbits, maxprec=maxprec, minexp=minexp)

    for codec, same in [
        (expert(1, 16658, 64, -1075), ZfpCodec(mode="reversible")),
        (expert(0, 20000, 64, -4), ZfpCodec(mode="fixed_accuracy", tolerance=0.0625)),
        (expert(1, 16658, 64, -1074), ZfpCodec(mode="fixed_accuracy", tolerance=0)),
        (expert(1, 16658, 20, -1074), ZfpCodec(mode="fixed_precision", precision=20)),
        (expert(160, 160, 64, -1074), ZfpCodec(mode="fixed_rate", rate=10)),
    ]:
        data = encode(codec, values)
        assert data == encode(same, values)
        assert np.array_equal(decode(codec, data, "f8", (9, 13)), decode(same, data, "f8", (9, 13)))
    for codec in [expert(10, 1000, 64, -1074), expert(1, 16658, 20, -4), expert(2, 2, 64, -1074)]:
        with pytest.raises(UnsupportedError, match="expert"):
            evolve_codecs([codec], spec("f8", (9, 13)))


@pytest.mark.parametrize("configuration", MODES, ids=str)
@pytest.mark.parametrize("sharded", [False, True])
def test_arrays(tmp_path: Path, configuration: dict[str, Any], sharded: bool) -> None:
    values = values_of("f4", (30, 40))
    array = zarrpipe.create_array(
        tmp_path / "a",
        shape=(30, 40),
        chunks=(10, 12),
        shards=(20, 24) if sharded else None,
        dtype="f4",
        serializer={"name": "zfp", "configuration": configuration},
        compressors=[{"name": "crc32c"}],
    )
    array[...] = values
    array[3:14, 5:6] = 7
    values[3:14, 5:6] = 7
    again = zarrpipe.open_array(tmp_path / "a")
    assert abs(again[...] - values).max() < 0.1
    assert np.array_equal(again[2:29:4, 11:13], again[...][2:29:4, 11:13])


NUMCODECS: list[dict[str, Any]] = [
    {"mode": zfpy.mode_fixed_accuracy, "tolerance": 0.01},
    {"mode": zfpy.mode_fixed_rate, "rate": 12},
    {"mode": zfpy.mode_fixed_rate, "rate": 3.3},
    {"mode": zfpy.mode_fixed_precision, "precision": 20},
    {},
]


@pytest.mark.parametrize("configuration", NUMCODECS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["i4", "i8", "f4", "f8"])
def test_streams_are_those_of_numcodecs(dtype: str, shape: tuple[int, ...], configuration: dict[str, Any]) -> None:
    values, codec, theirs = values_of(dtype, shape), ZFPY(**configuration), numcodecs.ZFPY(**configuration)
    stream = bytes(theirs.encode(values))
    assert encode(codec, values) == stream
    assert np.array_equal(decode(codec, stream, dtype, shape), theirs.decode(stream))
    # What numcodecs says of itself is a configuration of ours; to read, any will do.
    config = {name: value for name, value in theirs.get_config().items() if name != "id"}
    assert ZFPY.from_dict({"name": "numcodecs.zfpy", "configuration": config}) == codec
    assert np.array_equal(decode(ZFPY(mode=5), stream, dtype, shape), theirs.decode(stream))


@pytest.mark.parametrize("rate", [0, 0.5, 2])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_rates_at_which_zfpy_writes_out_of_bounds(dtype: str, rate: float) -> None:
    values, codec = values_of(dtype, (4000,)), ZFPY(mode=2, rate=rate)
    data = encode(codec, values)
    assert len(data) < 1000 * 12 / 8 + 32
    assert np.array_equal(decode(codec, data, dtype, (4000,)), np.zeros(4000))


@pytest.mark.parametrize("pipeline", ["zarr.core.codec_pipeline.BatchedCodecPipeline", "zarrs.ZarrsCodecPipeline"])
@pytest.mark.parametrize("dtype", ["i8", "f4"])
@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification")
@pytest.mark.filterwarnings("ignore:Array is unsupported by ZarrsCodecPipeline:UserWarning")
def test_arrays_of_zarr_python_and_zarrs(tmp_path: Path, pipeline: str, dtype: str) -> None:
    values = values_of(dtype, (20, 30))
    codec = {"name": "numcodecs.zfpy", "configuration": {"mode": 4, "tolerance": 0.001}}
    ours = zarrpipe.create_array(tmp_path / "a", shape=(20, 30), chunks=(10, 15), dtype=dtype, codecs=[codec])
    ours[...] = values
    with zarr.config.set({"codec_pipeline.path": pipeline}):
        theirs = zarr.open_array(tmp_path / "a", mode="r+")
        assert np.array_equal(theirs[...], ours[...])
        theirs[3:8] = values[4:9]
        assert np.array_equal(theirs[...], ours[...])
    if dtype == "f4":
        # To integers the tolerance does not apply.
        assert abs(ours[3:8] - values[4:9]).max() < 0.001


def wrong(codec: Any, data: bytes) -> type[Exception] | None:
    """Return the error that decoding damaged bytes ends with."""
    try:
        decode(codec, data, "f4", (9, 13))
    except CodecError as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    "codec", [*(ZfpCodec(**mode) for mode in MODES), *(ZFPY(**mode) for mode in NUMCODECS)], ids=str
)
def test_cuts(codec: Any) -> None:
    """A cut stream is an error, or misses nothing: the last bits may belong to what is beyond the border."""
    rng = np.random.default_rng(4)
    data = encode(codec, rng.normal(size=(9, 13)).astype("f4"))
    whole = decode(codec, data, "f4", (9, 13))
    for length in range(len(data)):
        if length < len(data) - 16:
            assert wrong(codec, data[:length]) in (TruncatedError, CodecError)
        elif wrong(codec, data[:length]) is None:
            assert np.array_equal(decode(codec, data[:length], "f4", (9, 13)), whole)
    assert wrong(codec, data + bytes(10_000)) is SizeError


@pytest.mark.parametrize(
    "codec", [*(ZfpCodec(**mode) for mode in MODES), *(ZFPY(**mode) for mode in NUMCODECS)], ids=str
)
def test_damage(codec: Any) -> None:
    """Any bytes end in an error or in numbers: nothing is read beyond them, nothing allocated that they claim."""
    rng = np.random.default_rng(6)
    data = encode(codec, rng.normal(size=(9, 13)).astype("f4"))
    for _ in range(300):
        bad = np.frombuffer(data, dtype="u1").copy()
        bad[rng.integers(0, min(bad.size, 40), 3)] = rng.integers(0, 256, 3)
        wrong(codec, bad.tobytes())
    for size in (1, 8, 24, 100, 400):
        wrong(codec, rng.bytes(size))
        wrong(codec, b"\xff" * size)


def test_headers_of_other_arrays() -> None:
    for values, error in [
        (values_of("f8", (9, 13)), SizeError),
        (values_of("f4", (9, 14)), SizeError),
        (values_of("f4", (9,)), SizeError),
    ]:
        with pytest.raises(error, match="header"):
            decode(ZFPY(), zfpy.compress_numpy(values), "f4", (9, 13))
    # As many items: numcodecs gives arrays in one axis what it reads.
    values = values_of("f4", (117,))
    assert np.array_equal(decode(ZFPY(), zfpy.compress_numpy(values), "f4", (9, 13)), values.reshape(9, 13))
    with pytest.raises(CodecError, match="no zfp header"):
        decode(ZFPY(), b"zfp" + bytes(100), "f4", (9, 13))


@pytest.mark.parametrize(
    "codec", [ZfpCodec(mode="fixed_accuracy", tolerance=0.1), ZFPY(mode=4, tolerance=0.1)], ids=str
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_lossy_modes_refuse_what_they_would_garble(codec: Any, value: float) -> None:
    with pytest.raises(CodecError, match="reversible"):
        encode(codec, np.array([1, value], dtype="f4"))


def test_integers_that_zfp_does_not_have() -> None:
    for dtype in ("u4", "u8"):
        limit = np.iinfo(dtype).max // 2
        with pytest.raises(CodecError, match=str(limit)):
            encode(ZfpCodec(mode="reversible"), np.array([1, limit + 1], dtype=dtype))


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({}, "mode"),
        ({"mode": "lossless"}, "mode"),
        ({"mode": "fixed_rate"}, "needs 'rate'"),
        ({"mode": "reversible", "rate": 3}, "no 'rate'"),
        ({"mode": "fixed_rate", "rate": -1}, "rate"),
        ({"mode": "fixed_rate", "rate": 1e300}, "rate"),
        ({"mode": "fixed_accuracy", "tolerance": "1"}, "tolerance"),
        ({"mode": "fixed_accuracy", "tolerance": float("nan")}, "tolerance"),
        ({"mode": "fixed_precision", "precision": 0}, "precision"),
        ({"mode": "fixed_precision", "precision": 8.0}, "precision"),
        ({"mode": "expert", "minbits": 1}, "needs 'maxbits'"),
        ({"mode": "reversible", "write_header": True}, "write_header"),
    ],
    ids=str,
)
def test_wrong_configurations(configuration: dict[str, Any], message: str) -> None:
    with pytest.raises(MetadataError, match=message) as caught:
        ZfpCodec.from_dict({"name": "zfp", "configuration": configuration})
    assert (caught.value.at or "").startswith("/configuration")


@pytest.mark.parametrize(
    "configuration",
    [{"mode": 6}, {"mode": "rate"}, {"tolerance": "1"}, {"rate": float("inf")}, {"precision": 1.5}, {"level": 1}],
    ids=str,
)
def test_wrong_configurations_of_zfpy(configuration: dict[str, Any]) -> None:
    with pytest.raises(MetadataError) as caught:
        ZFPY.from_dict({"name": "numcodecs.zfpy", "configuration": configuration})
    assert (caught.value.at or "").startswith("/configuration")


@pytest.mark.parametrize(
    ("codec", "dtype", "shape"),
    [
        (ZfpCodec(mode="reversible"), "bool", (4,)),
        (ZfpCodec(mode="reversible"), "c8", (4,)),
        (ZFPY(), "i2", (4,)),
        (ZfpCodec(mode="reversible"), "f4", (2, 2, 2, 2, 2)),
        (ZFPY(), "f4", (2, 2, 2, 2, 2)),
    ],
    ids=str,
)
def test_what_zfp_does_not_have(codec: Any, dtype: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(MetadataError, match="takes") as caught:
        zarrpipe.create_array({}, shape=shape, chunks=shape, dtype=dtype, codecs=[codec])
    assert caught.value.at == "/codecs/0"


def test_without_zfpy() -> None:
    code = (
        "import sys; sys.modules['zfpy'] = None\n"
        "import zarrpipe\n"
        "from zarrpipe.codecs import ZfpCodec\n"
        "try: zarrpipe.create_array({}, shape=(4,), dtype='f4', codecs=[ZfpCodec(mode='reversible')])\n"
        "except zarrpipe.errors.UnsupportedError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install zarrpipe[zfp]" in run.stdout


def test_documents() -> None:
    assert get_codec_class("zfp") is ZfpCodec
    assert get_codec_class("numcodecs.zfpy") is ZFPY
    assert ZFPY.from_dict({"name": "numcodecs.zfpy"}) == ZFPY()
    for configuration in MODES:
        document = {"name": "zfp", "configuration": configuration}
        assert ZfpCodec.from_dict(document).to_dict() == document
    with pytest.raises(MetadataError, match="not the codec"):
        ZfpCodec.from_dict({"name": "zfpy"})
