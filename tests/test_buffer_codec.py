"""The interface of numcodecs over the built-in stages: what other libraries call."""

from __future__ import annotations

from typing import Any

import numcodecs
import numpy as np
import pytest

from zarrpipe.codecs import get_codec
from zarrpipe.codecs.buffer_codec import BufferCodec
from zarrpipe.errors import CodecError, MetadataError, UnsupportedError

RAMP = np.arange(1000, dtype="<i4")
FLOATS = np.linspace(-3, 3, 100)
TEXT = np.array(["a", "", "zürich"], dtype=object)
BLOBS = np.array([b"a", b"", b"\x00\xff"], dtype=object)

BYTES: list[dict[str, Any]] = [
    {"id": "adler32"},
    {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1},
    {"id": "blosc", "cname": "zstd", "clevel": 1, "shuffle": 2, "blocksize": 0},
    {"id": "bz2", "level": 1},
    {"id": "crc32"},
    {"id": "crc32c"},
    {"id": "fletcher32"},
    {"id": "gzip", "level": 1},
    {"id": "jenkins_lookup3"},
    {"id": "lz4", "acceleration": 1},
    {"id": "lzma"},
    {"id": "shuffle", "elementsize": 4},
    {"id": "zlib", "level": 1},
    {"id": "zstd", "level": 1},
]
ITEMS: list[tuple[dict[str, Any], Any]] = [
    ({"id": "delta", "dtype": "<i4"}, RAMP),
    ({"id": "delta", "dtype": ">i4", "astype": ">i2"}, RAMP.astype(">i4")),
    ({"id": "fixedscaleoffset", "offset": 1, "scale": 100, "dtype": "<f8", "astype": "<i2"}, FLOATS),
    ({"id": "quantize", "digits": 2, "dtype": "<f8", "astype": "<f4"}, FLOATS),
    ({"id": "astype", "encode_dtype": ">f4", "decode_dtype": "<f8"}, FLOATS),
    ({"id": "bitround", "keepbits": 4}, FLOATS),
    ({"id": "packbits"}, RAMP % 3 == 0),
]


def name(value: Any) -> str | None:
    return "-".join(map(str, value.values())) if isinstance(value, dict) else None


@pytest.mark.parametrize("config", BYTES, ids=name)
@pytest.mark.parametrize(
    "data", [RAMP, RAMP.tobytes(), bytearray(b"abc" * 4), memoryview(RAMP.tobytes())], ids=lambda d: type(d).__name__
)
def test_bytes(config: dict[str, Any], data: Any) -> None:
    ours, theirs = get_codec(config), numcodecs.get_codec(config)
    assert isinstance(ours, BufferCodec)
    raw = bytes(memoryview(data).cast("B"))
    assert bytes(ours.decode(ours.encode(data))) == raw
    assert bytes(ours.decode(theirs.encode(data))) == raw
    assert bytes(theirs.decode(ours.encode(data))) == raw
    out = np.empty(len(raw), dtype="u1")
    assert ours.decode(ours.encode(data), out=out) is out
    assert out.tobytes() == raw
    with pytest.raises(ValueError, match="`out` has"):
        ours.decode(ours.encode(data), out=bytearray(len(raw) + 1))


@pytest.mark.parametrize("config", BYTES, ids=name)
def test_identity(config: dict[str, Any]) -> None:
    codec = get_codec(config)
    assert codec.codec_id == config["id"]
    assert get_codec(codec.get_config()) == codec == type(codec).from_config(codec.get_config())
    assert {**codec.get_config(), **config} == codec.get_config()
    # numcodecs takes ours.
    assert numcodecs.get_codec(codec.get_config()).codec_id == config["id"]
    assert repr(codec) == f"get_codec({codec.get_config()!r})"
    assert hash(codec) == hash(get_codec(config))


@pytest.mark.parametrize(("config", "data"), ITEMS, ids=name)
def test_items(config: dict[str, Any], data: Any) -> None:
    ours, theirs = get_codec(config), numcodecs.get_codec(config)
    encoded, wanted = ours.encode(data), np.asarray(theirs.encode(data))
    assert encoded.tobytes() == wanted.tobytes()
    # numcodecs shows rounded floats as integers of the same bits.
    assert config["id"] == "bitround" or encoded.dtype == wanted.dtype
    decoded, wanted = ours.decode(encoded.tobytes()), np.asarray(theirs.decode(encoded))
    assert decoded.tobytes() == wanted.tobytes()
    if config["id"] != "bitround":
        assert decoded.dtype == wanted.dtype
    out = np.empty_like(wanted)
    assert ours.decode(encoded, out=out) is out
    assert out.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(("codec_id", "data"), [("vlen-utf8", TEXT), ("vlen-bytes", BLOBS)])
def test_variable(codec_id: str, data: Any) -> None:
    ours, theirs = get_codec({"id": codec_id}), numcodecs.get_codec({"id": codec_id})
    assert ours.encode(data) == bytes(theirs.encode(data))
    assert ours.decode(ours.encode(data)).tolist() == data.tolist()
    out = np.empty(3, dtype=object)
    ours.decode(theirs.encode(data), out=out)
    assert out.tolist() == data.tolist()
    for bad in (b"", b"\x01", b"\xff\xff\xff\xff", ours.encode(data)[:-1], ours.encode(data) + b"x"):
        with pytest.raises(CodecError):
            ours.decode(bad)


@pytest.mark.parametrize("dtype", ["<f8", "<i4", "<u2"])
def test_pcodec(dtype: str) -> None:
    ours, theirs = get_codec({"id": "pcodec"}), numcodecs.get_codec({"id": "pcodec"})
    data = RAMP.astype(dtype)
    for encoded in (ours.encode(data), theirs.encode(data)):
        np.testing.assert_array_equal(ours.decode(encoded), data)
        np.testing.assert_array_equal(theirs.decode(encoded), data)


def test_defaults_are_those_of_numcodecs() -> None:
    for codec_id in ("adler32", "bz2", "gzip", "lz4", "lzma", "shuffle", "zlib", "zstd"):
        ours, theirs = get_codec({"id": codec_id}), numcodecs.get_codec({"id": codec_id})
        assert bytes(ours.decode(theirs.encode(RAMP))) == RAMP.tobytes()
        assert bytes(theirs.decode(ours.encode(RAMP.tobytes()))) == RAMP.tobytes()


def test_memory_order() -> None:
    data = np.asfortranarray(np.arange(6, dtype="u2").reshape(2, 3))
    codec = get_codec({"id": "zlib"})
    assert codec.decode(codec.encode(data)) == data.tobytes(order="A")
    with pytest.raises(ValueError, match="contiguous"):
        codec.encode(np.arange(10)[::2])
    with pytest.raises(TypeError, match="objects"):
        codec.encode(TEXT)


def test_what_is_not_built_in_is_numcodecs_own() -> None:
    assert isinstance(get_codec({"id": "base64"}), numcodecs.Base64)
    with pytest.raises(UnsupportedError, match="no-such-codec"):
        get_codec({"id": "no-such-codec"})
    for bad in ({}, {"id": 1}, "zlib"):
        with pytest.raises(MetadataError):
            get_codec(bad)
    with pytest.raises(MetadataError):
        get_codec({"id": "zlib", "nonsense": 1})


@pytest.mark.parametrize("config", BYTES, ids=name)
def test_bad_bytes(config: dict[str, Any]) -> None:
    codec = get_codec(config)
    encoded = bytearray(codec.encode(RAMP))
    if config["id"] == "shuffle":
        return
    with pytest.raises(CodecError):
        codec.decode(bytes(encoded[: len(encoded) // 2]))
