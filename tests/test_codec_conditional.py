"""`conditional`: bitmasks, what is applied, documents, nesting, and what is refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zarrpipe
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.buffer import Buffer, default_buffer_prototype
from zarrpipe.codecs import ConditionalCodec, Crc32cCodec, GzipCodec, ZstdCodec, parse_codec
from zarrpipe.codecs.numcodecs import Shuffle, Zlib
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import ChecksumError, CodecError, MetadataError, TruncatedError, UnsupportedError
from zarrpipe.spec import ArraySpec, parse_array_config

ZDTYPE = parse_dtype("int32")
SPEC = ArraySpec((1000,), ZDTYPE, ZDTYPE.default_scalar(), parse_array_config({}), default_buffer_prototype())
INNER = [Shuffle(elementsize=4), Zlib(level=5), Crc32cCodec()]


def encode(codec: Any, data: bytes) -> bytes:
    (encoded,) = asyncio.run(codec.encode([(Buffer.from_bytes(data), SPEC)]))
    return bytes(encoded.to_bytes())


def decode(codec: Any, data: bytes) -> bytes:
    (decoded,) = asyncio.run(codec.decode([(Buffer.from_bytes(data), SPEC)]))
    return bytes(decoded.to_bytes())


@given(mask=st.integers(0, 7), header_bits=st.sampled_from([None, 8, 24]), data=st.binary(max_size=50))
def test_every_mask_is_read(mask: int, header_bits: int | None, data: bytes) -> None:
    data *= 4
    stored = data
    for index, inner in enumerate(INNER):
        if mask >> index & 1:
            stored = encode(inner, stored)
    header = mask.to_bytes((header_bits or 8) // 8, "little")
    assert decode(ConditionalCodec(codecs=INNER, header_bits=header_bits), header + stored) == data


def test_codecs_are_applied_where_they_help() -> None:
    codec = ConditionalCodec(codecs=INNER)
    easy = np.arange(1000, dtype="<i4").tobytes()
    hard = np.random.default_rng(1).integers(0, 256, 4000, dtype="u1").tobytes()
    assert encode(codec, easy)[0] == 0b111
    assert encode(codec, hard) == b"\x05" + encode(Crc32cCodec(), encode(INNER[0], hard))
    for data in (easy, hard, b""):
        assert decode(codec, encode(codec, data)) == data


def test_arrays(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(-(2**31), 2**31, (20, 30), dtype="int32")
    values[:10] = 7
    codec = {"name": "conditional", "configuration": {"codecs": ["numcodecs.shuffle", "numcodecs.zlib"]}}
    array = zarrpipe.create_array(
        tmp_path, shape=values.shape, shards=(10, 30), chunks=(5, 10), dtype="int32", compressors=[codec, "crc32c"]
    )
    array[:] = values
    again = zarrpipe.open_array(tmp_path, mode="r")
    np.testing.assert_array_equal(again[:], values)
    np.testing.assert_array_equal(again[3:17:2, 5:22], values[3:17:2, 5:22])
    (sharding,) = json.loads((tmp_path / "zarr.json").read_text())["codecs"]
    filled_in = [
        {"name": "numcodecs.shuffle", "configuration": {"elementsize": 4}},
        {"name": "numcodecs.zlib", "configuration": {"level": 1}},
    ]
    assert sharding["configuration"]["codecs"][1] == {"name": "conditional", "configuration": {"codecs": filled_in}}


def test_documents() -> None:
    codec = ConditionalCodec(codecs=["crc32c", {"name": "zstd", "configuration": {"level": 5}}], header_bits=16)
    assert codec.codecs == (Crc32cCodec(), ZstdCodec(level=5))
    assert parse_codec(json.loads(json.dumps(codec.to_dict()))) == codec
    assert codec.to_dict()["configuration"]["header_bits"] == 16  # type: ignore[index, call-overload]
    assert codec.evolve_from_array_spec(SPEC) is codec
    nested = ConditionalCodec(codecs=[codec, GzipCodec()])
    assert decode(nested, encode(nested, b"some bytes")) == b"some bytes"
    with pytest.raises(NotImplementedError):
        codec.compute_encoded_size(100, SPEC)


def test_bits_that_stand_for_nothing() -> None:
    codec = ConditionalCodec(codecs=["crc32c"], header_bits=16)
    for header in (b"\x02\x00", b"\x00\x01"):
        with pytest.raises(CodecError, match="bit"):
            decode(codec, header + b"ab")
    with pytest.raises(TruncatedError):
        decode(codec, b"\x00")
    with pytest.raises(ChecksumError, match="crc32c"):
        decode(codec, b"\x01\x00" + b"abcdefgh")


@pytest.mark.parametrize(
    ("configuration", "at"),
    [
        ({}, "/configuration"),
        ({"codecs": "crc32c"}, "/configuration/codecs"),
        ({"codecs": [3]}, "/configuration/codecs/0"),
        ({"codecs": ["crc32c"], "header_bits": 0}, "/configuration/header_bits"),
        ({"codecs": ["crc32c"], "header_bits": 12}, "/configuration/header_bits"),
        ({"codecs": ["crc32c"], "header_bits": "8"}, "/configuration/header_bits"),
        ({"codecs": ["crc32c"], "mask": 1}, "/configuration/mask"),
        ({"codecs": ["crc32c", {"name": "bytes", "configuration": {"endian": "big"}}]}, "/configuration/codecs/1"),
    ],
)
def test_wrong_documents(configuration: dict[str, Any], at: str) -> None:
    with pytest.raises(MetadataError) as caught:
        parse_codec({"name": "conditional", "configuration": configuration}).evolve_from_array_spec(SPEC)
    assert caught.value.at == at


def test_a_python_codec_inside_is_not_supported(tmp_path: Path) -> None:
    class Mine(BytesBytesCodec):
        is_fixed_size = True

        async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
            return chunk_data

        async def _encode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
            return chunk_data

        def to_dict(self) -> dict[str, Any]:
            return {"name": "example.mine"}

    with pytest.raises(UnsupportedError, match="Python"):
        ConditionalCodec(codecs=[Mine()]).evolve_from_array_spec(SPEC)
