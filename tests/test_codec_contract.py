"""Codecs written for zarr-python port by changing their imports, and take part in native chains, inside shards too."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from zarrpipe.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec
from zarrpipe.buffer import Buffer, NDBuffer, default_buffer_prototype
from zarrpipe.codecs import ShardingCodec, register_codec, unregister_codec
from zarrpipe.codecs.stage import PythonStage, is_sync_codec
from zarrpipe.dtypes import Int32
from zarrpipe.errors import CodecError
from zarrpipe.pipeline import ZarrPipeline
from zarrpipe.spec import ArraySpec, parse_array_config
from zarrpipe.stores import LocalStore, MemoryStore, StorePath

TEXT = (Path(__file__).parent / "contract" / "ported_codecs.py.txt").read_text()
# All that a port changes.
IMPORTS = {
    "zarr.abc.": "zarrpipe.abc.",
    "zarr.core.array_spec": "zarrpipe.spec",
    "zarr.core.buffer": "zarrpipe.buffer",
    "zarr.core.common": "zarrpipe.abc.metadata",
    "zarr.core.dtype": "zarrpipe.dtypes",
}


def load(name: str, text: str) -> ModuleType:
    module = ModuleType(name)
    sys.modules[name] = module  # dataclasses look their module up
    exec(compile(text, name, "exec"), vars(module))
    return module


def ported() -> ModuleType:
    text = TEXT
    for theirs, ours in IMPORTS.items():
        text = re.sub(rf"^from {re.escape(theirs)}", f"from {ours}", text, flags=re.MULTILINE)
    assert "from zarr." not in text
    return load("ported_codecs", text)


codecs = ported()
theirs = load("zarr_codecs", TEXT)

CHAINS: dict[str, Any] = {
    "sync": ["bytes<", codecs.Xor()],
    "async": ["bytes<", codecs.Head(), "crc32c"],
    "batch": ["bytes<", codecs.Batched(), "zstd"],
    "array": [codecs.Narrow(), "bytes<", "gzip"],
    "rows": [codecs.Rows()],
    "rows behind": [codecs.Rows(), "zstd"],
    "all": [codecs.Narrow(), codecs.Rows(), codecs.Xor(mask=3), "zstd", codecs.Head(), codecs.Batched()],
}
NAMED = {
    "bytes<": {"name": "bytes", "configuration": {"endian": "little"}},
    "zstd": {"name": "zstd", "configuration": {"level": 1, "checksum": False}},
    "gzip": {"name": "gzip", "configuration": {"level": 1}},
    "crc32c": {"name": "crc32c"},
}
SHAPE = (8, 6)
PART = (slice(1, 6, 2), slice(2, 5, 1))


def spec(shape: tuple[int, ...] = SHAPE, **config: Any) -> ArraySpec:
    return ArraySpec(shape, Int32(), np.int32(7), parse_array_config(config), default_buffer_prototype())


def chain(name: str, *, sharded: bool) -> list[Any]:
    inner = [NAMED.get(codec, codec) if isinstance(codec, str) else codec for codec in CHAINS[name]]
    return [ShardingCodec(chunk_shape=(4, 3), codecs=inner)] if sharded else inner


def everything(shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(0, length, 1) for length in shape)


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    codecs.CALLS.clear()


def test_bases() -> None:
    assert isinstance(codecs.Xor(), BytesBytesCodec)
    assert isinstance(codecs.Narrow(), ArrayArrayCodec)
    assert isinstance(codecs.Rows(), ArrayBytesCodec)
    for name in ("Xor", "Head", "Batched", "Narrow", "Rows"):
        assert getattr(theirs, name)().to_dict() == getattr(codecs, name)().to_dict()


def test_which_are_sync() -> None:
    assert is_sync_codec(codecs.Xor())
    for name in ("Head", "Batched", "Narrow", "Rows"):
        assert not is_sync_codec(getattr(codecs, name)())
    for name in ("Xor", "Head", "Batched"):
        assert is_sync_codec(getattr(theirs, name)()) == is_sync_codec(getattr(codecs, name)())

    class Refuses(codecs.Xor):  # type: ignore[misc, name-defined]
        _sync_capable = False

    class Overrides(codecs.Xor):  # type: ignore[misc, name-defined]
        async def encode(self, chunks_and_specs: Any) -> Any:
            return await super().encode(chunks_and_specs)

    assert not is_sync_codec(Refuses())
    assert not is_sync_codec(Overrides())


@pytest.mark.parametrize("name", ["Xor", "Head", "Batched", "Narrow", "Rows"])
async def test_alone(name: str) -> None:
    codec = getattr(codecs, name)()
    items = NDBuffer.from_numpy_array(np.arange(48, dtype="i4").reshape(SHAPE))
    chunk: Any = Buffer.from_bytes(bytes(range(40)) + bytes(8)) if isinstance(codec, BytesBytesCodec) else items
    encoded = list(await codec.encode([(chunk, spec()), (None, spec())]))
    assert encoded[1] is None
    (decoded, none) = await codec.decode([(encoded[0], spec()), (None, spec())])
    assert none is None
    np.testing.assert_array_equal(decoded.as_numpy_array(), chunk.as_numpy_array())


@pytest.mark.parametrize("sharded", [False, True], ids=["alone", "in a shard"])
@pytest.mark.parametrize("name", CHAINS)
async def test_pipeline_in_memory(name: str, sharded: bool) -> None:
    pipeline = ZarrPipeline.from_codecs(chain(name, sharded=sharded)).evolve_from_array_spec(spec())
    items = np.arange(48, dtype="i4").reshape(SHAPE)
    batch = [(NDBuffer.from_numpy_array(items + n), spec()) for n in range(5)]
    encoded = list(await pipeline.encode([*batch, (None, spec())]))
    assert encoded[5] is None
    decoded = list(await pipeline.decode([(chunk, spec()) for chunk in encoded]))
    assert decoded[5] is None
    for n in range(5):
        chunk = decoded[n]
        assert chunk is not None
        np.testing.assert_array_equal(chunk.as_numpy_array(), items + n)


class AsyncMemoryStore(MemoryStore):
    _supports_sync_io = False


@pytest.mark.parametrize("store_name", ["local", "memory", "async"])
@pytest.mark.parametrize("sharded", [False, True], ids=["alone", "in a shard"])
@pytest.mark.parametrize("name", CHAINS)
async def test_pipeline_in_stores(name: str, sharded: bool, store_name: str, tmp_path: Path) -> None:
    store = {"local": LocalStore(tmp_path), "memory": MemoryStore(), "async": AsyncMemoryStore()}[store_name]
    pipeline = ZarrPipeline.from_codecs(chain(name, sharded=sharded)).evolve_from_array_spec(spec())
    model = np.arange(96, dtype="i4").reshape(8, 12)
    places = [StorePath(store, f"a/c/0/{n}") for n in range(2)]
    outs = [(slice(0, 8), slice(0, 6)), (slice(0, 8), slice(6, 12))]
    whole = [(place, spec(), everything(SHAPE), out, True) for place, out in zip(places, outs, strict=True)]
    await pipeline.write(whole, NDBuffer.from_numpy_array(model))
    out = NDBuffer.create(shape=(8, 12), dtype="i4")
    results = await pipeline.read([*whole], out)
    assert results == ({"status": "present"}, {"status": "present"})
    np.testing.assert_array_equal(out.as_numpy_array(), model)

    value = np.full((3, 3), -5, dtype="i4")
    await pipeline.write([(places[1], spec(), PART, everything((3, 3)), False)], NDBuffer.from_numpy_array(value))
    model[:, 6:][PART] = -5
    part = NDBuffer.create(shape=(3, 3), dtype="i4")
    await pipeline.read([(places[1], spec(), (slice(0, 3, 1), slice(1, 4, 1)), everything((3, 3)), False)], part)
    np.testing.assert_array_equal(part.as_numpy_array(), model[:, 6:][0:3, 1:4])
    missing = StorePath(store, "a/c/9/9")
    assert await pipeline.read([(missing, spec(), PART, everything((3, 3)), False)], part) == ({"status": "missing"},)
    assert (part.as_numpy_array() == 7).all()
    await pipeline.read([*whole], out)
    np.testing.assert_array_equal(out.as_numpy_array(), model)


async def test_batches_are_collected() -> None:
    pipeline = ZarrPipeline.from_codecs(chain("batch", sharded=False))
    store = MemoryStore()
    items = np.arange(48, dtype="i4").reshape(SHAPE)
    batch = [(StorePath(store, f"c/{n}"), spec(), everything(SHAPE), everything(SHAPE), True) for n in range(100)]
    await pipeline.write(batch, NDBuffer.from_numpy_array(items))
    sizes = [int(call.split()[1]) for call in codecs.CALLS]
    assert sum(sizes) == 100
    assert max(sizes) <= 64
    assert len(sizes) < 100


async def test_partial_mixins_are_used() -> None:
    pipeline = ZarrPipeline.from_codecs([codecs.Rows()])
    assert pipeline.supports_partial_decode
    assert pipeline.supports_partial_encode
    place = StorePath(MemoryStore(), "c/0")
    value = NDBuffer.from_numpy_array(np.ones((3, 3), "i4"))
    await pipeline.write([(place, spec(), PART, everything((3, 3)), False)], value)
    await pipeline.read([(place, spec(), PART, everything((3, 3)), False)], value)
    assert codecs.CALLS == ["encode_partial", "decode_partial"]
    # Behind a compressor they would not see their own bytes.
    assert not ZarrPipeline.from_codecs([codecs.Rows(), NAMED["zstd"]]).supports_partial_decode


@pytest.mark.parametrize("inner", ["sync", "async"])
async def test_sharding_codecs_own_partial_methods(inner: str) -> None:
    codec = chain(inner, sharded=True)[0]
    place = StorePath(MemoryStore(), "c/0")
    model = np.full(SHAPE, 7, dtype="i4")
    (none,) = await codec.decode_partial([(place, PART, spec())])
    assert none is None
    value = NDBuffer.from_numpy_array(np.arange(9, dtype="i4").reshape(3, 3))
    await codec.encode_partial([(place, value, PART, spec())])
    model[PART] = value.as_numpy_array()
    for selection in [PART, (slice(0, 8), 2), (slice(3, 1), slice(0, 6)), (np.array([[1], [4]]), np.array([[2, 0]]))]:
        (part,) = await codec.decode_partial([(place, selection, spec())])
        np.testing.assert_array_equal(part.as_numpy_array(), model[selection])
    (chunk,) = await codec.decode([(await place.get(), spec())])
    np.testing.assert_array_equal(chunk.as_numpy_array(), model)
    scalar = NDBuffer.from_numpy_array(np.array(3, dtype="i4"))
    await codec.encode_partial([(place, scalar, everything(SHAPE), spec())])
    (part,) = await codec.decode_partial([(place, everything(SHAPE), spec())])
    assert (part.as_numpy_array() == 3).all()


async def test_bytes_are_as_zarrs_pipeline_writes_them() -> None:
    from zarr.codecs import BytesCodec, ZstdCodec
    from zarr.core.array_spec import ArrayConfig
    from zarr.core.array_spec import ArraySpec as TheirSpec
    from zarr.core.buffer import NDBuffer as TheirNDBuffer  # noqa: F401
    from zarr.core.buffer.core import default_buffer_prototype as their_prototype
    from zarr.core.codec_pipeline import BatchedCodecPipeline
    from zarr.core.dtype import Int32 as TheirInt32

    their_spec = TheirSpec(SHAPE, TheirInt32(), np.int32(7), ArrayConfig("C", False), their_prototype())
    items = np.arange(48, dtype="i4").reshape(SHAPE)
    their_codecs = [theirs.Narrow(), BytesCodec(), theirs.Xor(), ZstdCodec(level=1), theirs.Head(), theirs.Batched()]
    nd_buffer = their_spec.prototype.nd_buffer.from_numpy_array(items)
    (expected,) = await BatchedCodecPipeline.from_codecs(their_codecs).encode([(nd_buffer, their_spec)])
    assert expected is not None
    # The same objects in our pipeline, with zarr's own spec and buffers.
    pipeline: Any = ZarrPipeline.from_codecs(their_codecs)  # type: ignore[arg-type]
    (found,) = await pipeline.encode([(nd_buffer, their_spec)])
    assert type(found) is type(expected)
    (items_again,) = await pipeline.decode([(expected, their_spec)])
    np.testing.assert_array_equal(items_again.as_numpy_array(), items)
    # And the ported ones.
    ours = ["bytes<", codecs.Xor(), "zstd", codecs.Head(), codecs.Batched()]
    port = ZarrPipeline.from_codecs([codecs.Narrow(), *(NAMED.get(c, c) if isinstance(c, str) else c for c in ours)])
    (chunk,) = await port.decode([(Buffer.from_bytes(expected.to_bytes()), spec())])
    assert chunk is not None
    np.testing.assert_array_equal(chunk.as_numpy_array(), items)


async def test_wrong_items_are_refused() -> None:
    class Wrong(codecs.Narrow):  # type: ignore[misc, name-defined]
        async def _encode_single(self, chunk_array: Any, chunk_spec: Any) -> Any:
            return chunk_array

    with pytest.raises(CodecError, match="shape"):
        await ZarrPipeline.from_codecs([Wrong(), NAMED["bytes<"]]).encode(
            [(NDBuffer.from_numpy_array(np.zeros(SHAPE, "i4")), spec())]
        )


async def test_exceptions_come_through() -> None:
    class Broken(codecs.Xor):  # type: ignore[misc, name-defined]
        def _encode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
            raise KeyError("mine")

    class AsyncBroken(codecs.Head):  # type: ignore[misc, name-defined]
        async def _encode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
            raise KeyError("mine")

    for codec in (Broken(), AsyncBroken()):
        pipeline = ZarrPipeline.from_codecs([NAMED["bytes<"], codec])
        batch = [(StorePath(MemoryStore(), "c/0"), spec(), everything(SHAPE), everything(SHAPE), True)]
        with pytest.raises(KeyError, match="mine"):
            await pipeline.write(batch, NDBuffer.from_numpy_array(np.zeros(SHAPE, "i4")))


async def test_codec_that_gives_none_deletes() -> None:
    class Nothing(codecs.Head):  # type: ignore[misc, name-defined]
        async def _encode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
            return None

    store = MemoryStore({"c/0": Buffer.from_bytes(b"old")})
    pipeline = ZarrPipeline.from_codecs([NAMED["bytes<"], Nothing()])
    batch = [(StorePath(store, "c/0"), spec(), everything(SHAPE), everything(SHAPE), True)]
    await pipeline.write(batch, NDBuffer.from_numpy_array(np.zeros(SHAPE, "i4")))
    assert store._store_dict == {}


def test_stage_sizes() -> None:
    assert PythonStage(codecs.Xor(), spec()).encoded_size(10) == 10
    assert PythonStage(codecs.Head(), spec()).encoded_size(10) is None
    stage = PythonStage(codecs.Narrow(), spec())
    assert stage.encoded_spec == ((6, 8), ("int16", 2, ((0, 2, 1),)), np.int16(8).tobytes())


ARRAY_CHAINS = [(name, sharded) for name in CHAINS for sharded in (False, True)]


@pytest.mark.parametrize(("name", "sharded"), ARRAY_CHAINS)
@pytest.mark.parametrize("store_name", ["local", "async"])
def test_arrays(name: str, sharded: bool, store_name: str, tmp_path: Path) -> None:
    import zarrpipe

    for cls in (codecs.Xor, codecs.Head, codecs.Batched, codecs.Narrow, codecs.Rows):
        register_codec(cls().to_dict()["name"], cls)
    try:
        store: Any = LocalStore(tmp_path) if store_name == "local" else AsyncMemoryStore()
        array: Any = zarrpipe.create_array(
            store, shape=(17, 13), chunks=SHAPE, dtype="int32", fill_value=7, codecs=chain(name, sharded=sharded)
        )
        model = np.arange(17 * 13, dtype="i4").reshape(17, 13)
        array[...] = model
        np.testing.assert_array_equal(array[...], model)
        array[3:12, 5] = -1
        model[3:12, 5] = -1
        again: Any = zarrpipe.open_array(store)
        np.testing.assert_array_equal(again[...], model)
        np.testing.assert_array_equal(again[2:15:3, 4:11], model[2:15:3, 4:11])
        np.testing.assert_array_equal(asyncio.run(again.read_async((slice(1, 9), 3))), model[1:9, 3])
    finally:
        for cls in (codecs.Xor, codecs.Head, codecs.Batched, codecs.Narrow, codecs.Rows):
            unregister_codec(cls().to_dict()["name"])
