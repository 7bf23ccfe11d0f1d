"""The bytes-to-bytes codecs named `numcodecs.*`: against numcodecs, zarr-python and zarrs, both ways."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import json
import lzma
import pickle
import zlib
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
import zarr.codecs.numcodecs as theirs

import zarrpipe
from zarrpipe.buffer import Buffer, default_buffer_prototype
from zarrpipe.codecs import BytesCodec, get_codec_class, parse_codec
from zarrpipe.codecs import numcodecs as ours
from zarrpipe.codecs.computing import ComputingCodec
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import (
    ChecksumError,
    CodecError,
    MetadataError,
    SizeError,
    TruncatedError,
    UnsupportedError,
)
from zarrpipe.spec import ArraySpec, parse_array_config

RAW = [{"id": lzma.FILTER_DELTA, "dist": 4}, {"id": lzma.FILTER_LZMA2, "preset": 1}]
RAW_OLD = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 0, "lp": 2}]

# The class's name, and parameters; those whose encoded bytes are numcodecs' own.
SAME_BYTES: list[tuple[str, dict[str, Any]]] = [
    ("Adler32", {}),
    ("Adler32", {"location": "end"}),
    ("CRC32", {}),
    ("CRC32", {"location": "start"}),
    ("CRC32", {"location": "end"}),
    ("CRC32C", {}),
    ("CRC32C", {"location": "start"}),
    ("Fletcher32", {}),
    ("JenkinsLookup3", {}),
    ("JenkinsLookup3", {"initval": 0xFFFF_FFFF}),
    ("JenkinsLookup3", {"initval": 3, "prefix": b"some bytes in front"}),
    ("BZ2", {}),
    ("BZ2", {"level": 9}),
    ("LZ4", {}),
    ("LZ4", {"acceleration": 20}),
    ("LZ4", {"acceleration": -1}),
    ("Shuffle", {"elementsize": 4}),
    ("Shuffle", {"elementsize": 8}),
    ("Shuffle", {"elementsize": 1}),
    ("Shuffle", {"elementsize": 0}),
]
# Those of which each only reads what the other wrote: the libraries or their versions differ.
OTHER_BYTES: list[tuple[str, dict[str, Any]]] = [
    ("Zlib", {}),
    ("Zlib", {"level": 0}),
    ("Zlib", {"level": -1}),
    ("Zlib", {"level": 9}),
    ("GZip", {}),
    ("GZip", {"level": 9}),
    ("Zstd", {}),
    ("Zstd", {"level": 25}),
    ("Zstd", {"level": -5, "checksum": True}),
    ("LZMA", {}),
    ("LZMA", {"preset": 1}),
    ("LZMA", {"preset": 0 | lzma.PRESET_EXTREME, "check": lzma.CHECK_SHA256}),
    ("LZMA", {"format": lzma.FORMAT_ALONE, "preset": 0}),
    ("LZMA", {"format": lzma.FORMAT_RAW, "filters": RAW}),
    ("LZMA", {"format": lzma.FORMAT_RAW, "filters": RAW_OLD}),
    ("Blosc", {}),
    ("Blosc", {"cname": "zstd", "clevel": 9, "shuffle": 2}),
    ("Blosc", {"cname": "lz4hc", "shuffle": 0, "blocksize": 4096}),
    ("Blosc", {"cname": "zlib", "shuffle": -1}),
    ("Blosc", {"cname": "blosclz", "typesize": 8}),
]
ALL = SAME_BYTES + OTHER_BYTES
EMPTY_IS_NO_INPUT = {"LZ4", "Fletcher32", "Blosc", "Zstd"}
"""Those of numcodecs that fail on nothing, or read nothing back."""


def ids(cases: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [f"{name}{parameters}" for name, parameters in cases]


def spec(dtype: str = "int32", shape: tuple[int, ...] = (1000,)) -> ArraySpec:
    zdtype = parse_dtype(dtype)
    return ArraySpec(shape, zdtype, zdtype.default_scalar(), parse_array_config({}), default_buffer_prototype())


def encode(codec: Any, data: bytes, chunk: ArraySpec | None = None) -> bytes:
    (encoded,) = asyncio.run(codec.encode([(Buffer.from_bytes(data), chunk or spec())]))
    return bytes(encoded.to_bytes())


def decode(codec: Any, data: bytes, chunk: ArraySpec | None = None) -> bytes:
    (decoded,) = asyncio.run(codec.decode([(Buffer.from_bytes(data), chunk or spec())]))
    return bytes(decoded.to_bytes())


def samples(name: str) -> list[bytes]:
    rng = np.random.default_rng(1)
    found = [
        bytes(range(256)),
        np.arange(5000, dtype="<i4").tobytes(),
        rng.integers(0, 256, 40_000, dtype="u1").tobytes(),
        bytes(200_000),
        rng.normal(size=3000).cumsum().tobytes(),
    ]
    if name == "Fletcher32":
        found += [b"a", b"abc", b"\xff" * 9999]
    elif name != "Shuffle":
        found += [b"a", b"some thirteen", b"\xff" * 9999]
    return found if name in EMPTY_IS_NO_INPUT else [*found, b""]


@pytest.mark.parametrize(("name", "parameters"), ALL, ids=ids(ALL))
def test_each_reads_what_the_other_wrote(name: str, parameters: dict[str, Any]) -> None:
    mine, peer = getattr(ours, name)(**parameters), getattr(numcodecs, name)(**parameters)
    for data in samples(name):
        encoded, expected = encode(mine, data), bytes(peer.encode(data))
        assert decode(mine, expected) == data
        assert bytes(peer.decode(encoded)) == data
        assert decode(mine, encoded) == data
        if (name, parameters) in SAME_BYTES:
            assert encoded == expected


@pytest.mark.parametrize(("name", "parameters"), ALL, ids=ids(ALL))
def test_documents(name: str, parameters: dict[str, Any]) -> None:
    cls = getattr(ours, name)
    codec, peer = cls(**parameters), getattr(numcodecs, name)(**parameters)
    configuration = peer.get_config()
    identifier = configuration.pop("id")
    assert cls.name == f"numcodecs.{identifier}"
    assert get_codec_class(cls.name) is cls
    if "typesize" not in parameters:
        # numcodecs keeps that one for itself.
        assert cls.from_dict({"name": cls.name, "configuration": configuration}) == codec
    # What goes into a file comes back.
    document = json.loads(json.dumps(codec.to_dict()))
    assert parse_codec(document) == codec
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert hash(cls(**parameters)) == hash(codec)
    again = codec.evolve_from_array_spec(spec())
    assert again.evolve_from_array_spec(spec()) == again
    if "prefix" not in parameters:
        # zarr-python's class too takes what ours writes, and the other way round.
        wrapper = getattr(theirs, name)
        assert wrapper.from_dict(document)._codec == peer
        assert parse_codec(wrapper(**parameters)) == codec


# The array filters cannot do without.
FREE = [name for name in ours.__all__ if name != "Shuffle" and not issubclass(getattr(ours, name), ComputingCodec)]


@pytest.mark.parametrize("name", FREE)
def test_without_a_configuration(name: str) -> None:
    cls = getattr(ours, name)
    for document in (cls.name, {"name": cls.name}, {"name": cls.name, "configuration": {}}):
        assert parse_codec(document) == cls()
    theirs = {"JSON2": "JSON", "MsgPack2": "MsgPack"}.get(name, name)
    assert cls() == cls.from_dict({"name": cls.name, "configuration": _config(getattr(numcodecs, theirs)())})


def _config(codec: Any) -> dict[str, Any]:
    return {key: value for key, value in codec.get_config().items() if key != "id"}


def test_all_of_zarrs_bytes_codecs_are_here() -> None:
    def is_bytes_codec(value: Any) -> bool:
        return isinstance(value, type) and issubclass(value, zarr.abc.codec.BytesBytesCodec)

    expected = {name for name, value in vars(theirs).items() if is_bytes_codec(value) and not name.startswith("_")}
    assert expected
    assert expected <= set(ours.__all__)


def test_a_shuffle_has_the_items_size() -> None:
    assert ours.Shuffle().evolve_from_array_spec(spec("float64")) == ours.Shuffle(elementsize=8)
    data = np.arange(100, dtype="<f8").tobytes()
    assert encode(ours.Shuffle(), data, spec("float64")) == bytes(numcodecs.Shuffle(8).encode(data))


def test_blosc_has_the_items_size() -> None:
    """As numcodecs, which asks the array; zarr-python's own wrapper hands it bytes."""
    values = np.random.default_rng(1).normal(size=1000).cumsum()
    encoded = encode(ours.Blosc(), values.tobytes(), spec("float64"))
    # Byte 3 of the header is the size of an item.
    assert encoded[3] == bytes(numcodecs.Blosc().encode(values))[3] == 8
    auto = encode(ours.Blosc(shuffle=-1), values.tobytes(), spec("uint8"))
    assert auto[2] & 0b101 == bytes(numcodecs.Blosc(shuffle=-1).encode(values.view("u1")))[2] & 0b101 == 0b100


ARRAYS: list[list[tuple[str, dict[str, Any]]]] = [[case] for case in ALL if "prefix" not in case[1]]
ARRAYS += [[("Shuffle", {"elementsize": 4}), ("Zlib", {"level": 1}), ("Adler32", {}), ("CRC32C", {})]]


@pytest.mark.parametrize("codecs", ARRAYS, ids=["+".join(ids(codecs)) for codecs in ARRAYS])
def test_arrays_of_zarr_python(codecs: list[tuple[str, dict[str, Any]]], tmp_path: Path) -> None:
    values = np.arange(17 * 23, dtype="int32").reshape(17, 23)
    written_by_them = zarr.create_array(
        tmp_path / "theirs",
        shape=values.shape,
        chunks=(6, 10),
        dtype=values.dtype,
        compressors=[getattr(theirs, name)(**parameters) for name, parameters in codecs],
    )
    written_by_them[:] = values
    np.testing.assert_array_equal(zarrpipe.open_array(tmp_path / "theirs", mode="r")[:], values)
    mine = [getattr(ours, name)(**parameters) for name, parameters in codecs]
    written_by_us = zarrpipe.create_array(
        tmp_path / "ours",
        shape=values.shape,
        chunks=(6, 10),
        dtype=values.dtype,
        compressors=mine,
    )
    written_by_us[:] = values
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "ours", mode="r")[:], values)
    # Inside shards as well, where a chunk is decoded alone.
    sharded = zarrpipe.create_array(
        tmp_path / "sharded", shape=values.shape, shards=(12, 20), chunks=(6, 10), dtype="int32", compressors=mine
    )
    sharded[:] = values
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "sharded", mode="r")[:], values)
    np.testing.assert_array_equal(sharded[3:9, 5:22], values[3:9, 5:22])


ZARRS = [
    ("BZ2", {"level": 5}),
    ("Zlib", {"level": 5}),
    ("Shuffle", {"elementsize": 4}),
]


@pytest.mark.parametrize(("name", "parameters"), ZARRS, ids=ids(ZARRS))
def test_arrays_of_zarrs(name: str, parameters: dict[str, Any], tmp_path: Path) -> None:
    values = np.arange(17 * 23, dtype="int32").reshape(17, 23)
    strict = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}
    with zarr.config.set(strict):
        peer = zarr.create_array(
            tmp_path / "theirs",
            shape=values.shape,
            chunks=(6, 10),
            dtype=values.dtype,
            compressors=[getattr(theirs, name)(**parameters)],
        )
        peer[:] = values
    np.testing.assert_array_equal(zarrpipe.open_array(tmp_path / "theirs", mode="r")[:], values)
    array = zarrpipe.create_array(
        tmp_path / "ours",
        shape=values.shape,
        chunks=(6, 10),
        dtype=values.dtype,
        compressors=[getattr(ours, name)(**parameters)],
    )
    array[:] = values
    with zarr.config.set(strict):
        np.testing.assert_array_equal(zarr.open_array(tmp_path / "ours", mode="r")[:], values)


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("Adler32", {"location": "middle"}),
    ("CRC32", {"location": 1}),
    ("CRC32C", {"location": True}),
    ("JenkinsLookup3", {"initval": -1}),
    ("JenkinsLookup3", {"initval": 1 << 32}),
    ("JenkinsLookup3", {"prefix": "ab"}),
    ("JenkinsLookup3", {"prefix": [256]}),
    ("JenkinsLookup3", {"prefix": 7}),
    ("BZ2", {"level": 0}),
    ("BZ2", {"level": "9"}),
    ("LZ4", {"acceleration": 1.5}),
    ("LZMA", {"format": 4}),
    ("LZMA", {"check": 2}),
    ("LZMA", {"preset": 10}),
    ("LZMA", {"filters": "x86"}),
    ("LZMA", {"filters": [3]}),
    ("Shuffle", {"elementsize": "4"}),
    ("Zlib", {"level": 10}),
    ("Zlib", {"level": True}),
    ("GZip", {"level": -2}),
    ("Zstd", {"checksum": 1}),
    ("Zstd", {"level": None}),
    ("Blosc", {"cname": "lzo"}),
    ("Blosc", {"shuffle": "shuffle"}),
    ("Blosc", {"shuffle": 3}),
    ("Blosc", {"clevel": 10}),
]


@pytest.mark.parametrize(("name", "parameters"), WRONG, ids=ids(WRONG))
def test_wrong_parameters(name: str, parameters: dict[str, Any]) -> None:
    cls = getattr(ours, name)
    with pytest.raises(MetadataError, match=next(iter(parameters))):
        # A parameter of lzma that another forbids is found with the chunk.
        cls(**parameters).evolve_from_array_spec(spec())
    with pytest.raises(MetadataError) as caught:
        parse_codec({"name": cls.name, "configuration": parameters}).evolve_from_array_spec(spec())
    assert str(caught.value.at).startswith("/configuration")
    with pytest.raises(MetadataError, match="lovel"):
        parse_codec({"name": cls.name, "configuration": {"lovel": 1}})


def test_parameters_of_lzma_that_exclude_each_other() -> None:
    for parameters in (
        {"preset": 1, "filters": RAW},
        {"format": lzma.FORMAT_RAW},
        {"format": lzma.FORMAT_ALONE, "check": lzma.CHECK_CRC64},
        {"format": lzma.FORMAT_XZ, "filters": RAW_OLD},
        {"filters": [{"id": lzma.FILTER_LZMA2, "dictsize": 1}]},
    ):
        with pytest.raises(MetadataError):
            ours.LZMA(**parameters).evolve_from_array_spec(spec())
    with pytest.raises(UnsupportedError, match="only be read"):
        encode(ours.LZMA(format=lzma.FORMAT_AUTO), b"abc")


CHECKSUMS = ["Adler32", "CRC32", "CRC32C", "Fletcher32", "JenkinsLookup3"]


@pytest.mark.parametrize("name", CHECKSUMS)
def test_a_wrong_checksum(name: str) -> None:
    codec = getattr(ours, name)()
    bad = bytearray(encode(codec, bytes(range(100))))
    bad[50] ^= 1
    with pytest.raises(ChecksumError, match=codec.name):
        decode(codec, bytes(bad))
    with pytest.raises(TruncatedError):
        decode(codec, b"abc")
    assert codec.compute_encoded_size(100, spec()) == 104
    assert codec.is_fixed_size


@pytest.mark.parametrize("name", CHECKSUMS)
def test_checksums_that_are_not_compared(name: str, tmp_path: Path) -> None:
    codec = getattr(ours, name)()
    array = zarrpipe.create_array(tmp_path, shape=(100,), chunks=(100,), dtype="uint8", compressors=[codec])
    array[:] = 1
    chunk = tmp_path / "c" / "0"
    bad = bytearray(chunk.read_bytes())
    bad[50] ^= 1
    chunk.write_bytes(bytes(bad))
    with pytest.raises(ChecksumError, match=codec.name):
        array[:]
    with zarrpipe.config.set(verify_checksums=False):
        assert array[:].tolist().count(0) == 1


def test_a_shuffle_of_parts_of_elements() -> None:
    for direction in (encode, decode):
        with pytest.raises(CodecError, match="whole number of elements"):
            direction(ours.Shuffle(elementsize=4), b"abcde")
    with pytest.raises(ValueError, match="multiple"):
        numcodecs.Shuffle(4).encode(b"abcde")


def members(parts: list[bytes], one: Any) -> bytes:
    return b"".join(one(part) for part in parts)


PARTS = [b"some bytes " * 1000, b"", bytes(range(256)), b"x" * 100_000]


def zstd_unsized(data: bytes) -> bytes:
    """Return one frame of one raw block after another that does not say how long it is (RFC 8878, 3.1.1)."""
    blocks = [data[start : start + 100_000] for start in range(0, len(data), 100_000)] or [b""]
    headers = [((len(block) << 3) | (block is blocks[-1])).to_bytes(3, "little") for block in blocks]
    # A window of 128 kB.
    body = b"".join(header + block for header, block in zip(headers, blocks, strict=True))
    return b"\x28\xb5\x2f\xfd\x00\x38" + body


SKIPPABLE = b"\x50\x2a\x4d\x18\x05\x00\x00\x00skip!"

RARE: list[tuple[str, bytes]] = [
    ("gzip", members(PARTS, gzip.compress)),
    ("numcodecs.gzip", members(PARTS, gzip.compress)),
    ("numcodecs.bz2", members(PARTS, bz2.compress)),
    ("numcodecs.lzma", members(PARTS, lzma.compress)),
    ("numcodecs.lzma", b"\0\0\0\0".join(lzma.compress(part) for part in PARTS)),
    ("zstd", members(PARTS, numcodecs.Zstd().encode)),
    ("numcodecs.zstd", members(PARTS, numcodecs.Zstd().encode)),
    ("zstd", members(PARTS, zstd_unsized)),
    ("zstd", members(PARTS, lambda part: SKIPPABLE + zstd_unsized(part) + numcodecs.Zstd().encode(b"") + SKIPPABLE)),
]


@pytest.mark.parametrize(("name", "stream"), RARE, ids=[f"{i}-{name}" for i, (name, _) in enumerate(RARE)])
def test_rare_streams_are_read(name: str, stream: bytes, tmp_path: Path) -> None:
    expected = b"".join(PARTS)
    configuration = {"level": 1} if name in ("gzip", "zstd") else {}
    codec = {"name": name, "configuration": configuration}
    assert decode(parse_codec(codec), stream) == expected
    array = zarrpipe.create_array(
        tmp_path, shape=(len(expected),), chunks=(len(expected),), dtype="uint8", compressors=[codec]
    )
    array[:] = 1
    (tmp_path / "c" / "0").write_bytes(stream)
    assert array[:].tobytes() == expected


@pytest.mark.parametrize("name", ["gzip", "numcodecs.bz2", "numcodecs.lzma", "numcodecs.zlib", "zstd"])
def test_what_follows_a_stream_must_be_one(name: str) -> None:
    codec = parse_codec({"name": name, "configuration": {"level": 1} if name in ("gzip", "zstd") else {}})
    with pytest.raises(CodecError):
        decode(codec, encode(codec, b"some bytes") + b"and others")


BOMBS = [
    ("numcodecs.bz2", bz2.compress(bytes(1 << 26))),
    ("numcodecs.lzma", lzma.compress(bytes(1 << 26), preset=0)),
    ("numcodecs.zlib", zlib.compress(bytes(1 << 26))),
    ("numcodecs.lz4", bytes(numcodecs.LZ4().encode(bytes(1 << 26)))),
]


@pytest.mark.parametrize(("name", "bomb"), BOMBS, ids=[name for name, _ in BOMBS])
def test_a_bomb_is_a_size_error(name: str, bomb: bytes, tmp_path: Path) -> None:
    array = zarrpipe.create_array(tmp_path, shape=(100,), chunks=(100,), dtype="uint8", compressors=[name])
    array[:] = 1
    (tmp_path / "c" / "0").write_bytes(bomb)
    with pytest.raises(SizeError, match=name):
        array[:]


def test_the_old_name_of_bytes(tmp_path: Path) -> None:
    old = {"name": "endian", "configuration": {"endian": "big"}}
    assert parse_codec(old) == BytesCodec(endian="big")
    assert parse_codec(old).to_dict() == {"name": "bytes", "configuration": {"endian": "big"}}
    array = zarrpipe.create_array(tmp_path, shape=(4,), chunks=(4,), dtype="int16", codecs=[old])
    array[:] = [1, 2, 3, 4]
    metadata = json.loads((tmp_path / "zarr.json").read_text())
    assert metadata["codecs"][0]["name"] == "bytes"
    metadata["codecs"] = [old]
    (tmp_path / "zarr.json").write_text(json.dumps(metadata))
    assert zarrpipe.open_array(tmp_path)[:].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["gdeflate", "zarrs.gdeflate"])
def test_gdeflate_is_not_implemented(name: str) -> None:
    with pytest.raises(UnsupportedError, match=r"gdeflate.*GDeflate"):
        parse_codec(name)
