"""`vlen-utf8` and `vlen-bytes` against numcodecs, against bytes that lie, and beside codecs written in Python."""

from __future__ import annotations

import gzip
import json
import struct
from dataclasses import dataclass, replace
from typing import Any

import numcodecs
import numcodecs.vlen
import numpy as np
import pytest
import zarr.codecs
from hypothesis import given
from hypothesis import strategies as st

import zarrpipe
from zarrpipe import _core
from zarrpipe.abc.codec import (
    ArrayArrayCodec,
    ArrayBytesCodec,
    ArrayBytesCodecPartialDecodeMixin,
    ArrayBytesCodecPartialEncodeMixin,
)
from zarrpipe.buffer import NDBuffer, default_buffer_prototype
from zarrpipe.codecs import (
    Crc32cCodec,
    VLenBytesCodec,
    VLenCodec,
    VLenUTF8Codec,
    VLenV2Codec,
    register_codec,
    unregister_codec,
)
from zarrpipe.codecs.compiled import stage_of
from zarrpipe.codecs.foreign import from_numcodecs
from zarrpipe.codecs.items import form_of
from zarrpipe.dtypes import UInt8, VariableLengthBytes, VariableLengthUTF8
from zarrpipe.errors import CodecError, LimitError, MetadataError, SizeError, TruncatedError
from zarrpipe.pipeline import ZarrPipeline
from zarrpipe.spec import ArraySpec, parse_array_config
from zarrpipe.stores import MemoryStore

TEXTS = ["", "a", "zwölf", "日本語", "\0", "x" * 40]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def spec(dtype: Any, shape: tuple[int, ...], fill_value: Any) -> ArraySpec:
    return ArraySpec(shape, dtype, fill_value, parse_array_config(None), default_buffer_prototype())


def objects(items: list[Any], shape: tuple[int, ...] | None = None) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape or array.shape)


# Against numcodecs


@given(st.lists(texts, min_size=1, max_size=20))
async def test_utf8_is_that_of_numcodecs(items: list[str]) -> None:
    theirs = bytes(numcodecs.vlen.VLenUTF8().encode(objects(items)))
    chunk = spec(VariableLengthUTF8(), (len(items),), "")
    for codec in (VLenUTF8Codec(), VLenV2Codec()):
        (encoded,) = await codec.encode([(NDBuffer.from_numpy_array(objects(items)), chunk)])
        assert encoded is not None
        assert encoded.to_bytes() == theirs
        (decoded,) = await codec.decode([(encoded, chunk)])
        assert decoded is not None
        assert decoded.as_numpy_array().dtype == np.dtypes.StringDType()
        assert decoded.as_numpy_array().tolist() == items


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=20))
async def test_bytes_are_those_of_numcodecs(items: list[bytes]) -> None:
    theirs = bytes(numcodecs.vlen.VLenBytes().encode(objects(items)))
    chunk = spec(VariableLengthBytes(), (len(items), 1), b"")
    items_2d = NDBuffer.from_numpy_array(objects(items, (-1, 1)))
    for codec in (VLenBytesCodec(), VLenV2Codec()):
        (encoded,) = await codec.encode([(items_2d, chunk)])
        assert encoded is not None
        assert encoded.to_bytes() == theirs
        (decoded,) = await codec.decode([(encoded, chunk)])
        assert decoded is not None
        assert decoded.as_numpy_array()[:, 0].tolist() == items


async def test_items_of_another_kind() -> None:
    chunk = spec(VariableLengthUTF8(), (2,), "")
    (encoded,) = await VLenUTF8Codec().encode([(NDBuffer.from_numpy_array(np.array(["ä", "b"])), chunk)])
    assert encoded is not None
    for wrong in (np.zeros(2), np.array([b"a", b"b"]), objects([1, 2]), objects(["a"])):
        with pytest.raises((TypeError, CodecError)):
            await VLenUTF8Codec().encode([(NDBuffer.from_numpy_array(wrong), chunk)])


VLEN_CHAINS: list[dict[str, Any]] = [
    {"index_data_type": "uint32"},
    {"index_location": "end", "data_codecs": ["bytes", "zstd"]},
    {
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "big"}}, "zstd", "crc32c"],
        "data_codecs": [
            "bytes",
            {"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle"}},
        ],
    },
]


@pytest.mark.parametrize("configuration", VLEN_CHAINS)
@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("dtype", ["string", "bytes"])
def test_the_codecs_of_zarrs(dtype: str, sharded: bool, configuration: dict[str, Any]) -> None:
    # No peer writes these from Python: that the form is right is tested with known bytes, in Rust.
    store: dict[str, Any] = {}
    codec = VLenCodec(**configuration)
    shards = (6,) if sharded else None
    array = zarrpipe.create_array(
        store, shape=(13,), chunks=(3,), shards=shards, dtype=dtype, serializer=codec, fill_value="?", compressors=None
    )
    items = [TEXTS[i % 6] if dtype == "string" else TEXTS[i % 6].encode() for i in range(13)]
    array[:] = items
    again = zarrpipe.open_array(store)
    assert again[:].tolist() == items
    again[2:9:3] = items[1]
    items[2:9:3] = [items[1]] * 3
    assert zarrpipe.open_array(store)[1::2].tolist() == items[1::2]
    written = again.metadata.codecs[0]
    written = written["configuration"]["codecs"][0] if sharded else written
    assert written["name"] == "zarrs.vlen"
    assert written["configuration"]["index_location"] == configuration.get("index_location", "start")
    assert VLenCodec.from_dict(json.loads(json.dumps(written))) == again.serializer


def test_a_document_of_zarrs_without_a_location() -> None:
    document: dict[str, Any] = VLenCodec().to_dict()
    del document["configuration"]["index_location"]
    assert VLenCodec.from_dict(document) == VLenCodec(index_location="start")
    del document["configuration"]["data_codecs"]
    with pytest.raises(MetadataError, match="'data_codecs'"):
        VLenCodec.from_dict(document)


# Bytes that lie


def u32(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


HOSTILE: dict[str, tuple[bytes, type[Exception], str]] = {
    "nothing": (b"\0\0", TruncatedError, "2 bytes are left"),
    "another count": (u32(2, 0, 0), SizeError, "2 items are stored where the chunk has 3"),
    "a huge count": (u32(2**32 - 1, 0, 0), SizeError, "4294967295 items"),
    "too short": (u32(3, 0, 0), TruncatedError, "cannot hold 3 items"),
    "a huge item": (u32(3, 2**32 - 1, 0, 0), TruncatedError, "item 0 has 4294967295 bytes"),
    "cut": (u32(3, 0, 0, 5) + b"abcd", TruncatedError, "item 2 has 5 bytes, and 4 are left"),
    "no length": (u32(3, 8) + bytes(8), TruncatedError, "0 bytes are left where a length must be"),
    "more behind": (u32(3, 0, 0, 0) + b"x", SizeError, "1 bytes lie behind the last item"),
    "not UTF-8": (u32(3, 0, 1, 0)[:-4] + b"\xff" + u32(0), CodecError, "item 1 is not UTF-8"),
    "half a character": (u32(3, 0, 0, 1) + "ö".encode()[:1], CodecError, "item 2 is not UTF-8"),
}


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("case", HOSTILE)
def test_lies(case: str, sharded: bool) -> None:
    data, kind, message = HOSTILE[case]
    array = zarrpipe.create_array({}, shape=(6,), chunks=(3,), dtype=str, compressors=None)
    array[3:] = "good"
    if sharded:
        good = array.encode_chunk(["a"] * 3)
        assert good is not None
        array = zarrpipe.create_array({}, shape=(6,), chunks=(3,), shards=(6,), dtype=str, compressors=None)
        index = _index([(0, len(data)), (len(data), len(good))])
        array.put_encoded_chunk((0,), data + good + index)
    else:
        array.put_encoded_chunk((0,), data)
    with pytest.raises(kind, match=message) as caught:
        array[:]
    assert "vlen-utf8" in (caught.value.codec or "")  # type: ignore[attr-defined]
    assert caught.value.key == "c/0"  # type: ignore[attr-defined]
    with pytest.raises(kind):
        array[0] = "merged"
    assert array[4].tolist() in ("good", "a")


def _index(entries: list[tuple[int, int]]) -> bytes:
    numbers = struct.pack(f"<{2 * len(entries)}Q", *(number for entry in entries for number in entry))
    stage = stage_of(Crc32cCodec().to_dict(), (), form_of("uint8", (1,)))
    return bytes(stage.encode(numbers))  # type: ignore[arg-type]


def test_what_unpacks_to_too_much_is_refused() -> None:
    # What a chunk of text may take says no shape, so only the limit does.
    bomb = gzip.compress(bytes(64 << 20))
    array = zarrpipe.create_array(
        {}, shape=(3,), dtype=str, compressors=[{"name": "gzip", "configuration": {"level": 1}}]
    )
    array.put_encoded_chunk((0,), bomb)
    with pytest.raises(SizeError, match="0 items are stored where the chunk has 3"):
        array[:]
    with zarrpipe.config.set(max_chunk_nbytes=1 << 20):
        array = zarrpipe.open_array(array.store)
        with pytest.raises(SizeError, match="decodes to more than"):
            array[:]
        with pytest.raises(LimitError):
            zarrpipe.create_array({}, shape=(1 << 20,), chunks=(1 << 20,), dtype=str)[:]


def test_packed_items_are_checked() -> None:
    array = zarrpipe.create_array({}, shape=(2,), dtype=str)
    chain = array._chain_of((2,))
    good = bytes(_core.pack_items(objects(["ab", "ö"]), "string"))
    assert good == struct.pack("<3Q", 2, 2, 4) + "abö".encode()
    assert chain.encode(good) is not None
    for bad in (
        good[:-1],
        good + b"x",
        b"",
        struct.pack("<3Q", 2, 5, 4) + b"abcd",
        struct.pack("<3Q", 2, 2, 3) + b"ab\xff",
    ):
        with pytest.raises(CodecError):
            chain.encode(bad)
        with pytest.raises(CodecError):
            _core.unpack_items(bad, "string", np.empty(2, dtype=object))
    with pytest.raises(TypeError):
        _core.unpack_items(good, "string", np.empty(2, dtype="U2"))
    with pytest.raises(TypeError):
        _core.pack_items(np.zeros(2), "float64")


# Codecs in Python


@dataclass(frozen=True)
class Reversed(ArrayArrayCodec):
    """Each text from behind. Answers at once."""

    is_fixed_size = True

    def to_dict(self) -> Any:
        return {"name": "test.reversed"}

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        return replace(chunk_spec, fill_value=chunk_spec.fill_value[::-1])

    def _turn(self, chunk: NDBuffer) -> NDBuffer:
        items = chunk.as_numpy_array()
        assert items.dtype == np.dtypes.StringDType()
        turned = [text[::-1] for text in items.ravel().tolist()]
        return NDBuffer.from_numpy_array(np.array(turned, dtype=items.dtype).reshape(items.shape))

    def _encode_sync(self, chunk: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return self._turn(chunk)

    def _decode_sync(self, chunk: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return self._turn(chunk)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return input_byte_length


@dataclass(frozen=True)
class AwaitedReversed(Reversed):
    """The same, awaited."""

    _sync_capable = False

    async def _encode_single(self, chunk: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return self._turn(chunk)

    async def _decode_single(self, chunk: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return self._turn(chunk)


@dataclass(frozen=True)
class Numbered(ArrayArrayCodec):
    """Text as numbers: items of variable length on one side, of a fixed size on the other."""

    is_fixed_size = True

    def to_dict(self) -> Any:
        return {"name": "test.numbered"}

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        return replace(chunk_spec, dtype=UInt8(), fill_value=np.uint8(TEXTS.index(chunk_spec.fill_value)))

    def _encode_sync(self, chunk: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        items = chunk.as_numpy_array()
        numbers = [TEXTS.index(text) for text in items.ravel().tolist()]
        return NDBuffer.from_numpy_array(np.array(numbers, dtype="u1").reshape(items.shape))

    def _decode_sync(self, chunk: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return NDBuffer.from_numpy_array(np.array(TEXTS, dtype=np.dtypes.StringDType())[chunk.as_numpy_array()])

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return input_byte_length // 16


@dataclass(frozen=True)
class Lines(ArrayBytesCodec):
    """One text a line. Awaited."""

    is_fixed_size = False

    def to_dict(self) -> Any:
        return {"name": "test.lines"}

    async def _encode_single(self, chunk: NDBuffer, chunk_spec: ArraySpec) -> Any:
        return chunk_spec.prototype.buffer.from_bytes("\n".join(chunk.as_numpy_array().ravel().tolist()).encode())

    async def _decode_single(self, chunk: Any, chunk_spec: ArraySpec) -> NDBuffer:
        items = chunk.to_bytes().decode().split("\n")
        return NDBuffer.from_numpy_array(np.array(items, dtype=np.dtypes.StringDType()).reshape(chunk_spec.shape))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        raise NotImplementedError


@dataclass(frozen=True)
class PartialLines(Lines, ArrayBytesCodecPartialDecodeMixin, ArrayBytesCodecPartialEncodeMixin):
    """The same, which reads and writes its parts by itself."""

    async def _decode_partial_single(self, byte_getter: Any, selection: Any, chunk_spec: ArraySpec) -> Any:
        data = await byte_getter.get(chunk_spec.prototype)
        if data is None:
            return None
        return (await self._decode_single(data, chunk_spec))[selection]

    async def _encode_partial_single(self, byte_setter: Any, chunk: Any, selection: Any, chunk_spec: ArraySpec) -> None:
        data = await byte_setter.get(chunk_spec.prototype)
        whole = np.full(chunk_spec.shape, chunk_spec.fill_value, dtype=np.dtypes.StringDType())
        if data is not None:
            whole = (await self._decode_single(data, chunk_spec)).as_numpy_array()
        whole[selection] = chunk.as_numpy_array()
        await byte_setter.set(await self._encode_single(NDBuffer.from_numpy_array(whole), chunk_spec))


BYTES = {"name": "bytes"}
GZIP = {"name": "gzip", "configuration": {"level": 1}}
TRANSPOSE = {"name": "transpose", "configuration": {"order": [1, 0]}}
INDEX = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]


def shard(*codecs: Any) -> Any:
    return zarrpipe.codecs.ShardingCodec(chunk_shape=(2, 2), codecs=codecs, index_codecs=INDEX)


CHAINS: dict[str, list[Any]] = {
    "sync": [Reversed(), "vlen-utf8"],
    "sync twice": [TRANSPOSE, Reversed(), TRANSPOSE, Reversed(), "vlen-utf8", GZIP],
    "awaited": [AwaitedReversed(), "vlen-utf8", GZIP],
    "mixed": [Reversed(), AwaitedReversed(), Lines()],
    "numbers": [Numbered(), BYTES],
    "numbers behind": [TRANSPOSE, Reversed(), Reversed(), Numbered(), BYTES, GZIP],
    "lines": [Lines()],
    "partial lines": [PartialLines()],
    "sync in a shard": [shard(Reversed(), "vlen-utf8")],
    "awaited in a shard": [shard(AwaitedReversed(), "vlen-utf8", GZIP)],
    "lines in a shard": [TRANSPOSE, shard(Lines())],
    "a shard behind": [Reversed(), shard("vlen-utf8"), GZIP],
}


class AwaitedStore(MemoryStore):
    _supports_sync_io = False


@pytest.mark.parametrize("store", [MemoryStore, AwaitedStore])
@pytest.mark.parametrize("name", CHAINS)
def test_codecs_in_python(name: str, store: Any) -> None:
    array = zarrpipe.create_array(store(), shape=(7, 9), chunks=(4, 4), dtype=str, codecs=CHAINS[name], fill_value="a")
    model = np.full((7, 9), "a", dtype=object)
    assert array[:].tolist() == model.tolist()
    values = objects([TEXTS[i % 6] for i in range(63)], (7, 9))
    for selection in [(slice(1, 3), slice(2, 9)), (slice(0, 7, 2), 3), (..., slice(None)), (slice(4, 6), slice(0, 5))]:
        array[selection] = values[selection][::-1]
        model[selection] = values[selection][::-1]
        assert array[:].tolist() == model.tolist()
        assert array[1:6:2, 3:].tolist() == model[1:6:2, 3:].tolist()
    encoded = array.encode_chunk(values[:4, :4])
    assert encoded is not None
    assert array.decode_chunk(encoded).tolist() == values[:4, :4].tolist()


@dataclass(frozen=True)
class Wrong(Reversed):
    result: Any = None

    def _turn(self, chunk: NDBuffer) -> NDBuffer:
        return NDBuffer.from_numpy_array(self.result)


@pytest.mark.parametrize(
    "result", [np.array(["a"]), np.zeros(4), objects([1, 2, 3, 4]), np.array([b"a"] * 4), np.array(["a"] * 5)]
)
def test_codecs_in_python_that_give_something_else(result: Any) -> None:
    array = zarrpipe.create_array({}, shape=(4,), dtype=str, codecs=[Wrong(result), "vlen-utf8"])
    with pytest.raises((CodecError, TypeError)):
        array[:] = "text"


def test_by_name() -> None:
    register_codec("test.reversed", Reversed)
    try:
        Reversed.from_dict = classmethod(lambda cls, _: cls())  # type: ignore[method-assign, assignment]
        store: dict[str, Any] = {}
        array = zarrpipe.create_array(store, shape=(4,), dtype=str, codecs=["test.reversed", "vlen-utf8"])
        array[:2] = "text"
        assert zarrpipe.open_array(store)[:].tolist() == ["text", "text", "", ""]
    finally:
        unregister_codec("test.reversed")


@pytest.mark.parametrize("name", ["sync", "awaited", "lines", "awaited in a shard"])
async def test_chunks_in_memory(name: str) -> None:
    chunk_spec = spec(VariableLengthUTF8(), (4, 4), "a")
    pipeline = ZarrPipeline.from_codecs(CHAINS[name]).evolve_from_array_spec(chunk_spec)
    values = objects([TEXTS[i % 6] for i in range(16)], (4, 4))
    chunk = NDBuffer.from_numpy_array(values.astype(np.dtypes.StringDType()))
    (encoded, none) = await pipeline.encode([(chunk, chunk_spec), (None, chunk_spec)])
    assert encoded is not None
    assert none is None
    (decoded,) = await pipeline.decode([(encoded, chunk_spec)])
    assert decoded is not None
    assert decoded.as_numpy_array().tolist() == values.tolist()


# Codecs of others


def test_codecs_of_numcodecs() -> None:
    from_json = numcodecs.JSON()
    # Without "\0", which numcodecs cannot tell from no text.
    words = [text for text in TEXTS if text != "\0"]
    labels = numcodecs.Categorize(labels=words[1:], dtype=object, astype="u1")
    for codecs in ([from_numcodecs(from_json).as_serializer()], [from_numcodecs(labels), BYTES]):
        array = zarrpipe.create_array({}, shape=(5, 3), chunks=(2, 2), dtype=str, codecs=codecs)
        values = objects([words[i % 5] for i in range(15)], (5, 3))
        array[:] = values
        assert array[:].tolist() == values.tolist()
        array[1:4, 1] = "a"
        values[1:4, 1] = "a"
        assert array[::2].tolist() == values[::2].tolist()


@pytest.mark.parametrize(("codec", "dtype"), [("VLenUTF8Codec", "string"), ("VLenBytesCodec", "bytes")])
def test_codecs_of_zarr(codec: str, dtype: str) -> None:
    theirs = getattr(zarr.codecs, codec)()
    array = zarrpipe.create_array({}, shape=(4,), dtype=dtype, serializer=theirs, compressors=None)
    assert array.serializer == {"string": VLenUTF8Codec(), "bytes": VLenBytesCodec()}[dtype]
    items = TEXTS[:4] if dtype == "string" else [text.encode() for text in TEXTS[:4]]
    array[:] = items
    assert array[:].tolist() == items
