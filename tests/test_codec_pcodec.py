"""`numcodecs.pcodec`, against numcodecs, zarr-python and zarrs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numcodecs.pcodec
import numpy as np
import pytest
import zarr
import zarr.codecs.numcodecs

import zarrpipe
from zarrpipe.buffer import Buffer, NDBuffer, default_buffer_prototype
from zarrpipe.codecs import evolve_codecs, get_codec_class, parse_codec
from zarrpipe.codecs.numcodecs import PCodec
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import CodecError, MetadataError, SizeError, TruncatedError
from zarrpipe.spec import ArraySpec, parse_array_config

DTYPES = ["u2", "u4", "u8", "i2", "i4", "i8", "f2", "f4", "f8"]
CONFIGURATIONS: list[dict[str, Any]] = [
    {},
    {"level": 0},
    {"level": 12, "mode_spec": "classic", "delta_spec": "no_op"},
    {"delta_encoding_order": 2},
    {"delta_spec": "try_consecutive", "delta_encoding_order": 1},
    {"delta_spec": "try_lookback", "equal_pages_up_to": 100},
]


def spec(dtype: str, shape: tuple[int, ...]) -> ArraySpec:
    zdtype = parse_dtype(dtype)
    return ArraySpec(shape, zdtype, zdtype.default_scalar(), parse_array_config({}), default_buffer_prototype())


def values_of(dtype: str, shape: tuple[int, ...] = (20, 33)) -> np.ndarray:
    rng = np.random.default_rng(5)
    return (np.cumsum(rng.integers(0, 9, shape), axis=1) * 1.5).astype(dtype)


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_streams_of_numcodecs(dtype: str, configuration: dict[str, Any]) -> None:
    values, chunk = values_of(dtype), spec(dtype, (20, 33))
    codec, theirs = PCodec(**configuration), numcodecs.pcodec.PCodec(**configuration)
    encoded = codec._encode_sync(NDBuffer.from_numpy_array(values), chunk)
    assert encoded is not None
    assert np.array_equal(theirs.decode(encoded.to_bytes()).reshape(values.shape), values)
    stream = theirs.encode(values)
    assert np.array_equal(codec._decode_sync(Buffer.from_bytes(stream), chunk).as_numpy_array(), values)
    # What numcodecs says of itself is a configuration of ours.
    config = {name: value for name, value in theirs.get_config().items() if name != "id"}
    assert PCodec.from_dict({"name": "numcodecs.pcodec", "configuration": config}) == codec


@pytest.mark.parametrize("dtype", ["M8[s]", "m8[10ms]"])
def test_times_are_integers(dtype: str, tmp_path: Path) -> None:
    values = values_of("i8").astype(dtype)
    values[3, 4] = "NaT"
    stream = numcodecs.pcodec.PCodec().encode(values.view("i8"))
    codec, chunk = PCodec(), spec(dtype, values.shape)
    encoded = codec._encode_sync(NDBuffer.from_numpy_array(values), chunk)
    assert encoded is not None
    assert encoded.to_bytes() == stream
    theirs = zarr.create_array(
        tmp_path,
        shape=values.shape,
        chunks=(7, 9),
        dtype=dtype,
        serializer=zarr.codecs.numcodecs.PCodec(),
        compressors=None,
    )
    theirs[...] = values
    found = zarrpipe.open_array(tmp_path, mode="r")[...]
    assert found.dtype == values.dtype
    assert found.tobytes() == values.tobytes()


@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_complex_numbers_are_their_components(dtype: str) -> None:
    values, chunk = values_of(dtype) + 1j, spec(dtype, (20, 33))
    values = values.astype(dtype)
    encoded = PCodec()._encode_sync(NDBuffer.from_numpy_array(values), chunk)
    assert encoded is not None
    components = numcodecs.pcodec.PCodec().decode(encoded.to_bytes())
    assert np.array_equal(components.view(dtype).reshape(values.shape), values)
    assert np.array_equal(PCodec()._decode_sync(encoded, chunk).as_numpy_array(), values)


def test_nan_and_negative_zero() -> None:
    values = np.array([np.nan, -0.0, np.inf, -np.inf, 5e-324] * 30)
    values.view("u8")[0] = 0xFFF0_0000_0000_0123
    encoded = PCodec()._encode_sync(NDBuffer.from_numpy_array(values), spec("f8", (150,)))
    assert encoded is not None
    assert PCodec()._decode_sync(encoded, spec("f8", (150,))).as_numpy_array().tobytes() == values.tobytes()


@pytest.mark.parametrize("pipeline", ["zarr.core.codec_pipeline.BatchedCodecPipeline", "zarrs.ZarrsCodecPipeline"])
@pytest.mark.parametrize("dtype", ["u2", "i8", "f4"])
@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification")
@pytest.mark.filterwarnings("ignore:Array is unsupported by ZarrsCodecPipeline:UserWarning")
def test_arrays_of_zarr_python_and_zarrs(tmp_path: Path, dtype: str, pipeline: str, sharded: bool) -> None:
    values = values_of(dtype, (40, 60))
    codecs: list[Any] = [PCodec(level=4).to_dict()]
    if sharded:
        index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
        inner = {"chunk_shape": [5, 15], "codecs": codecs, "index_codecs": index, "index_location": "end"}
        codecs = [{"name": "sharding_indexed", "configuration": inner}]
    with zarr.config.set({"codec_pipeline.path": pipeline}):
        ours = zarrpipe.create_array(tmp_path / "a", shape=(40, 60), chunks=(20, 30), dtype=dtype, codecs=codecs)
        ours[...] = values
        theirs = zarr.open_array(tmp_path / "a", mode="r+")
        assert np.array_equal(theirs[...], values)
        theirs[3:28] = values[5:30]
        values[3:28] = values[5:30].copy()
        assert np.array_equal(ours[...], values)
        assert np.array_equal(ours[2:39:5, 7:8], values[2:39:5, 7:8])


def test_documents() -> None:
    assert get_codec_class("numcodecs.pcodec") is PCodec
    for name in ("numcodecs.pcodec", "pcodec", "https://codec.zarrs.dev/array_to_bytes/pcodec"):
        codec = parse_codec(name)
        assert codec == PCodec()
        assert codec.to_dict()["name"] == "numcodecs.pcodec"
    document = {"name": "numcodecs.pcodec", "configuration": {"delta_encoding_order": None, "level": 3}}
    assert evolve_codecs([parse_codec(document)], spec("f4", (3,))) == (PCodec(level=3),)


@pytest.mark.parametrize(
    ("configuration", "at"),
    [
        ({"level": 13}, "/configuration/level"),
        ({"level": True}, "/configuration/level"),
        ({"mode_spec": "fast"}, "/configuration/mode_spec"),
        ({"delta_spec": "try_conv1"}, "/configuration/delta_spec"),
        ({"paging_spec": "exact"}, "/configuration/paging_spec"),
        ({"delta_encoding_order": 8}, "/configuration/delta_encoding_order"),
        ({"delta_encoding_order": 1, "delta_spec": "no_op"}, "/configuration/delta_encoding_order"),
        ({"equal_pages_up_to": 0}, "/configuration/equal_pages_up_to"),
        ({"pages": 1}, "/configuration/pages"),
    ],
    ids=str,
)
def test_wrong_configurations(configuration: dict[str, Any], at: str) -> None:
    with pytest.raises(MetadataError) as caught:
        PCodec.from_dict({"name": "numcodecs.pcodec", "configuration": configuration})
    assert caught.value.at == at


@pytest.mark.parametrize("dtype", ["bool", "u1", "i1"])
def test_data_types_that_numcodecs_refuses_too(dtype: str) -> None:
    with pytest.raises(MetadataError, match="pcodec takes"):
        evolve_codecs([PCodec()], spec(dtype, (4,)))
    with warnings.catch_warnings(), pytest.raises((RuntimeError, TypeError)):
        numcodecs.pcodec.PCodec().encode(np.ones(4, dtype=dtype))


def test_wrong_streams() -> None:
    chunk = spec("i4", (100,))
    stream = numcodecs.pcodec.PCodec().encode(np.arange(100, dtype="i4"))
    for data, error in [
        (stream[:-1], TruncatedError),
        (b"", TruncatedError),
        (stream + b"\0", CodecError),
        (b"gco!" + stream[4:], CodecError),
        (numcodecs.pcodec.PCodec().encode(np.arange(101, dtype="i4")), SizeError),
        (numcodecs.pcodec.PCodec().encode(np.arange(99, dtype="i4")), TruncatedError),
        (numcodecs.pcodec.PCodec().encode(np.arange(100, dtype="u4")), CodecError),
    ]:
        with pytest.raises(error):
            PCodec()._decode_sync(Buffer.from_bytes(bytes(data)), chunk)
