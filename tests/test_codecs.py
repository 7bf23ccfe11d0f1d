"""The built-in codecs' classes: documents, parameters, errors, sizes; and the registry."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import numpy as np
import pytest
import zarr.codecs
from zarr.core.array_spec import ArrayConfig
from zarr.core.array_spec import ArraySpec as TheirSpec
from zarr.core.buffer.core import default_buffer_prototype as their_prototype
from zarr.core.dtype import get_data_type_from_native_dtype as their_dtype

from zarrpipe.abc.codec import BaseCodec, SupportsSyncCodec
from zarrpipe.buffer import Buffer, NDBuffer, default_buffer_prototype
from zarrpipe.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
    codec_documents,
    compile_chain,
    evolve_codecs,
    get_codec_class,
    parse_codec,
    parse_codecs,
    register_codec,
    registry,
    unregister_codec,
)
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import ChecksumError, CodecError, MetadataError, UnsupportedError
from zarrpipe.metadata import RegularChunkGrid
from zarrpipe.spec import ArraySpec, parse_array_config

# Ours, and zarr-python's class with the same parameters.
SAME = [
    (BytesCodec, zarr.codecs.BytesCodec, {"endian": "little"}),
    (BytesCodec, zarr.codecs.BytesCodec, {"endian": "big"}),
    (BytesCodec, zarr.codecs.BytesCodec, {"endian": None}),
    (TransposeCodec, zarr.codecs.TransposeCodec, {"order": (1, 0)}),
    (TransposeCodec, zarr.codecs.TransposeCodec, {"order": [0, 1]}),
    (GzipCodec, zarr.codecs.GzipCodec, {}),
    (GzipCodec, zarr.codecs.GzipCodec, {"level": 0}),
    (ZstdCodec, zarr.codecs.ZstdCodec, {}),
    (ZstdCodec, zarr.codecs.ZstdCodec, {"level": -5, "checksum": True}),
    (BloscCodec, zarr.codecs.BloscCodec, {"typesize": 4, "shuffle": "noshuffle"}),
    (
        BloscCodec,
        zarr.codecs.BloscCodec,
        {"typesize": 2, "cname": "lz4", "clevel": 9, "shuffle": "bitshuffle", "blocksize": 4096},
    ),
    (Crc32cCodec, zarr.codecs.Crc32cCodec, {}),
    (ShardingCodec, zarr.codecs.ShardingCodec, {"chunk_shape": (2, 3)}),
    (ShardingCodec, zarr.codecs.ShardingCodec, {"chunk_shape": (2, 3), "index_location": "start"}),
]
IDS = [f"{mine.__name__}{parameters}" for mine, _, parameters in SAME]


def spec(dtype: str = "int32", shape: tuple[int, ...] = (4, 6), fill_value: Any = 0, **config: Any) -> ArraySpec:
    zdtype = parse_dtype(dtype)
    fill = zdtype.cast_scalar(fill_value)
    return ArraySpec(shape, zdtype, fill, parse_array_config(config), default_buffer_prototype())


def their_spec(dtype: str = "int32", shape: tuple[int, ...] = (4, 6)) -> TheirSpec:
    zdtype = their_dtype(np.dtype(dtype))
    return TheirSpec(shape, zdtype, zdtype.default_scalar(), ArrayConfig("C", False), their_prototype())


@pytest.mark.parametrize(("mine", "theirs", "parameters"), SAME, ids=IDS)
class TestParity:
    def test_document(self, mine: Any, theirs: Any, parameters: dict[str, Any]) -> None:
        codec, expected = mine(**parameters), theirs(**parameters)
        assert codec.to_dict() == expected.to_dict()
        assert mine.from_dict(expected.to_dict()) == codec
        assert theirs.from_dict(codec.to_dict()) == expected
        assert codec.is_fixed_size == expected.is_fixed_size

    def test_is_a_value(self, mine: Any, theirs: Any, parameters: dict[str, Any]) -> None:
        codec = mine(**parameters)
        assert pickle.loads(pickle.dumps(codec)) == codec
        assert hash(mine(**parameters)) == hash(codec)
        with pytest.raises(AttributeError):
            codec.level = 3
        with pytest.raises(TypeError):
            mine(*parameters.values(), 1)
        assert isinstance(codec, BaseCodec)
        assert isinstance(codec, SupportsSyncCodec)

    def test_encoded_bytes(self, mine: Any, theirs: Any, parameters: dict[str, Any]) -> None:
        codec, peer = mine(**parameters), theirs(**parameters)
        dtype = "uint8" if parameters.get("endian", "") is None else "int32"
        kind = {base.__name__ for base in mine.__mro__}
        items = np.arange(24, dtype=dtype).reshape(4, 6)
        ours, other = spec(dtype), their_spec(dtype)
        chunk: Any = NDBuffer.from_numpy_array(items)
        their_chunk: Any = other.prototype.nd_buffer.from_numpy_array(items)
        if "BytesBytesCodec" in kind:
            chunk = Buffer.from_bytes(items.tobytes())
            their_chunk = other.prototype.buffer.from_bytes(items.tobytes())

        async def both() -> tuple[Any, Any, Any, Any]:
            (a,) = await codec.encode([(chunk, ours)])
            (b,) = await peer.encode([(their_chunk, other)])
            # Each reads what the other wrote.
            if "ArrayArrayCodec" in kind:
                mine_of_b, theirs_of_a = NDBuffer(b.as_numpy_array()), type(b)(a.as_numpy_array())
            else:
                mine_of_b, theirs_of_a = Buffer.from_bytes(b.to_bytes()), type(b).from_bytes(a.to_bytes())
            (a_again,) = await codec.decode([(mine_of_b, ours)])
            (b_again,) = await peer.decode([(theirs_of_a, other)])
            return a, b, a_again, b_again

        a, b, a_again, b_again = asyncio.run(both())
        np.testing.assert_array_equal(a_again.as_numpy_array(), chunk.as_numpy_array())
        np.testing.assert_array_equal(b_again.as_numpy_array(), chunk.as_numpy_array())
        if codec.is_fixed_size and "ArrayArrayCodec" not in kind:
            assert a.to_bytes() == b.to_bytes()

    def test_size(self, mine: Any, theirs: Any, parameters: dict[str, Any]) -> None:
        codec, peer = mine(**parameters), theirs(**parameters)
        dtype = "uint8" if parameters.get("endian", "") is None else "int32"
        try:
            expected = peer.compute_encoded_size(96, their_spec(dtype))
        except NotImplementedError:
            with pytest.raises(NotImplementedError):
                codec.compute_encoded_size(96, spec(dtype))
            return
        if mine is ShardingCodec:
            # zarr-python counts all inner chunks; they may be left out, so the size varies.
            with pytest.raises(NotImplementedError):
                codec.compute_encoded_size(96, spec(dtype))
            return
        assert codec.compute_encoded_size(96, spec(dtype)) == expected

    def test_spec_behind(self, mine: Any, theirs: Any, parameters: dict[str, Any]) -> None:
        codec, peer = mine(**parameters), theirs(**parameters)
        dtype = "uint8" if parameters.get("endian", "") is None else "int32"
        behind, expected = codec.resolve_metadata(spec(dtype)), peer.resolve_metadata(their_spec(dtype))
        assert behind.shape == expected.shape
        assert behind.dtype == spec(dtype).dtype


@pytest.mark.parametrize(
    ("dtype", "codec"),
    [("int32", BloscCodec()), ("uint8", BloscCodec()), ("float64", BloscCodec(shuffle="noshuffle"))],
)
def test_blosc_is_evolved_as_zarrs(dtype: str, codec: BloscCodec) -> None:
    parameters = {} if codec.shuffle is None else {"shuffle": codec.shuffle}
    expected = zarr.codecs.BloscCodec(**parameters).evolve_from_array_spec(their_spec(dtype))  # type: ignore[arg-type]
    assert codec.evolve_from_array_spec(spec(dtype)).to_dict() == expected.to_dict()


def test_bytes_is_evolved_as_zarrs() -> None:
    assert BytesCodec().evolve_from_array_spec(spec("uint8")).to_dict() == {"name": "bytes"}
    assert BytesCodec().evolve_from_array_spec(spec("uint16")) == BytesCodec()
    with pytest.raises(MetadataError, match="endian"):
        BytesCodec(endian=None).evolve_from_array_spec(spec("uint16"))


def test_chains_are_evolved() -> None:
    chain = parse_codecs([TransposeCodec(order=(1, 0)), BytesCodec(), BloscCodec(), Crc32cCodec()])
    evolved = evolve_codecs(chain, spec("uint8"))
    assert evolved[1:3] == (BytesCodec(endian=None), BloscCodec(typesize=1, shuffle="bitshuffle"))
    shard = ShardingCodec(chunk_shape=(2, 3), codecs=[BytesCodec(), BloscCodec()])
    (again,) = evolve_codecs([shard], spec("int64"))
    assert again.codecs == (BytesCodec(), BloscCodec(typesize=8, shuffle="shuffle"))
    assert evolve_codecs([again], spec("int64")) == (again,)


WRONG = [
    (GzipCodec, {"level": 10}),
    (GzipCodec, {"level": -1}),
    (GzipCodec, {"level": "5"}),
    (GzipCodec, {"level": True}),
    (ZstdCodec, {"level": 23}),
    (ZstdCodec, {"checksum": 1}),
    (BloscCodec, {"cname": "brotli"}),
    (BloscCodec, {"clevel": 10}),
    (BloscCodec, {"shuffle": 1}),
    (BloscCodec, {"typesize": 0}),
    (BloscCodec, {"blocksize": -1}),
    (BytesCodec, {"endian": "middle"}),
    (TransposeCodec, {"order": (0, 0)}),
    (TransposeCodec, {"order": (1, 2)}),
    (TransposeCodec, {"order": "C"}),
    (TransposeCodec, {"order": (True, False)}),
    (ShardingCodec, {"chunk_shape": (0, 2)}),
    (ShardingCodec, {"chunk_shape": (2.0, 2)}),
    (ShardingCodec, {"chunk_shape": "2"}),
    (ShardingCodec, {"chunk_shape": (2, 2), "index_location": "middle"}),
    (ShardingCodec, {"chunk_shape": (2, 2), "codecs": "bytes"}),
    (ShardingCodec, {"chunk_shape": (2, 2), "codecs": [3]}),
]


@pytest.mark.parametrize(("cls", "parameters"), WRONG, ids=[f"{cls.__name__}{p}" for cls, p in WRONG])
def test_wrong_parameters(cls: Any, parameters: dict[str, Any]) -> None:
    with pytest.raises(MetadataError):
        cls(**parameters)
    with pytest.raises(MetadataError):
        cls.from_dict({"name": cls.name, "configuration": parameters})


def test_documents() -> None:
    assert parse_codec("crc32c") == Crc32cCodec()
    assert parse_codec({"name": "crc32c", "configuration": {}}) == Crc32cCodec()
    assert parse_codec({"name": "gzip", "must_understand": True}) == GzipCodec()
    assert parse_codec("bytes") == BytesCodec(endian=None)
    with pytest.raises(MetadataError, match="levle") as caught:
        parse_codecs(["bytes", {"name": "gzip", "configuration": {"levle": 5}}])
    assert caught.value.at == "/1/configuration/levle"
    with pytest.raises(MetadataError, match="order"):
        parse_codec({"name": "transpose"})
    with pytest.raises(MetadataError):
        parse_codec({"name": "gzip", "configuration": [5]})
    with pytest.raises(MetadataError):
        parse_codec({"configuration": {}})
    with pytest.raises(MetadataError):
        GzipCodec.from_dict({"name": "zstd"})
    with pytest.raises(MetadataError):
        parse_codecs("bytes")
    with pytest.raises(MetadataError, match="not a codec"):
        parse_codec(object())
    with pytest.raises(MetadataError) as caught:
        parse_codec({"name": "sharding_indexed", "configuration": {"chunk_shape": [1], "codecs": [{"name": 3}]}})
    assert caught.value.at == "/configuration/codecs/0/name"


def test_zarrs_objects_become_ours() -> None:
    theirs = [zarr.codecs.BytesCodec(endian="big"), zarr.codecs.BloscCodec(cname="lz4"), zarr.codecs.GzipCodec(level=2)]
    assert parse_codecs(theirs) == (BytesCodec(endian="big"), BloscCodec(cname="lz4"), GzipCodec(level=2))
    shard = zarr.codecs.ShardingCodec(chunk_shape=(2, 2), codecs=theirs[:1])
    assert parse_codec(shard) == ShardingCodec(chunk_shape=(2, 2), codecs=[BytesCodec(endian="big")])
    assert codec_documents(parse_codecs(theirs))[2] == theirs[2].to_dict()


def test_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in registry.BUILT_IN:
        cls = get_codec_class(name)
        assert name in (cls.name, *cls.aliases)

    class Mine(GzipCodec):
        pass

    register_codec("gzip", Mine)
    try:
        assert type(parse_codec("gzip")) is Mine
    finally:
        unregister_codec("gzip")
    assert get_codec_class("gzip") is GzipCodec
    with pytest.raises(KeyError):
        unregister_codec("gzip")
    with pytest.raises(UnsupportedError, match=r"example\.none"):
        get_codec_class("example.none")
    with pytest.raises(UnsupportedError, match="pip install numcodecs imagecodecs"):
        get_codec_class("numcodecs.imagecodecs_jpeg")

    class EntryPoint:
        def load(self) -> Any:
            return Mine

    def found(*, group: str, name: str) -> list[Any]:
        assert group == "zarrpipe.codecs"
        return [EntryPoint()] if name == "example.other" else []

    monkeypatch.setattr(registry, "entry_points", found)
    assert get_codec_class("example.other") is Mine


def test_validate() -> None:
    grid = RegularChunkGrid((4, 6))
    dtype = parse_dtype("int32")
    for codec in (BytesCodec(), TransposeCodec(order=(1, 0)), ShardingCodec(chunk_shape=(2, 3)), ZstdCodec()):
        codec.validate(shape=(100, 100), dtype=dtype, chunk_grid=grid)
    for codec in (
        BytesCodec(endian=None),
        TransposeCodec(order=(1, 0, 2)),
        ShardingCodec(chunk_shape=(3, 3)),
        ShardingCodec(chunk_shape=(2,)),
        ShardingCodec(chunk_shape=(2, 3), codecs=[ZstdCodec()]),
        ShardingCodec(chunk_shape=(2, 3), index_codecs=[BytesCodec(), GzipCodec()]),
    ):
        with pytest.raises(MetadataError):
            codec.validate(shape=(100, 100), dtype=dtype, chunk_grid=grid)


def test_chains_that_do_not_fit() -> None:
    for chain in (["zstd"], ["zstd", "bytes"], ["bytes", "bytes"], [{"name": "bytes"}], []):
        with pytest.raises(MetadataError):
            compile_chain(chain, spec("int32"))


def test_chains_are_compiled_once() -> None:
    chain = [BytesCodec(), ZstdCodec()]
    assert compile_chain(chain, spec()) is compile_chain(chain, spec())
    assert compile_chain(chain, spec()) is not compile_chain(chain, spec(fill_value=1))


def test_nan_and_negative_zero_are_told_apart() -> None:
    chain = [BytesCodec()]
    assert compile_chain(chain, spec("float64", fill_value=0.0)) is not compile_chain(
        chain, spec("float64", fill_value=-0.0)
    )
    nan = spec("float64", fill_value=float("nan"))
    assert compile_chain(chain, nan) is compile_chain(chain, nan)


@pytest.mark.parametrize("dtype", [">i4", "<i4", ">f8", "bool", "complex64", ">c16", "float16"])
async def test_items_of_any_byte_order(dtype: str) -> None:
    items = (np.arange(24).reshape(4, 6) % 3).astype(dtype)
    for endian in ("little", "big"):
        codec = BytesCodec(endian=endian).evolve_from_array_spec(spec(dtype))  # type: ignore[arg-type]
        (encoded,) = await codec.encode([(NDBuffer.from_numpy_array(items[::-1, ::-1]), spec(dtype))])
        assert encoded is not None
        assert encoded.to_bytes() == items[::-1, ::-1].astype(np.dtype(dtype).newbyteorder(endian)).tobytes()
        (decoded,) = await codec.decode([(encoded, spec(dtype))])
        assert decoded is not None
        assert decoded.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(decoded.as_numpy_array(), items[::-1, ::-1])


async def test_wrong_data() -> None:
    wrong = NDBuffer.from_numpy_array(np.zeros((4, 5), "i4"))
    with pytest.raises(CodecError, match="shape"):
        await BytesCodec().encode([(wrong, spec())])
    with pytest.raises(CodecError, match="type"):
        await BytesCodec().encode([(NDBuffer.from_numpy_array(np.zeros((4, 6), "f4")), spec())])
    (data,) = await Crc32cCodec().encode([(Buffer.from_bytes(b"abc"), spec())])
    assert data is not None
    flipped = bytearray(data.to_bytes())
    flipped[0] ^= 1
    with pytest.raises(ChecksumError):
        await Crc32cCodec().decode([(Buffer.from_bytes(flipped), spec())])
    for codec in (GzipCodec(), ZstdCodec(), BloscCodec()):
        with pytest.raises(CodecError):
            await codec.decode([(Buffer.from_bytes(b"not compressed at all"), spec())])


async def test_empty_shards() -> None:
    codec = ShardingCodec(chunk_shape=(2, 3))
    (none,) = await codec.encode([(NDBuffer.from_numpy_array(np.zeros((4, 6), "i4")), spec())])
    assert none is None
