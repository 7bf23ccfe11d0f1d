"""Python stores and codecs that wait, for each other too: no deadlock, no mixture, no foreign loop."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs import BytesCodec, register_codec, unregister_codec
from zarrpipe.errors import CodecError
from zarrpipe.stores import MemoryStore

pytestmark = pytest.mark.timeout(40)

CRC = {"name": "crc32c"}
ZSTD: list[Any] = [
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "zstd", "configuration": {"level": 1, "checksum": False}},
]


def sharding(chunk: int, codecs: list[Any], index_location: str = "end") -> list[Any]:
    configuration = {"chunk_shape": [chunk], "codecs": codecs, "index_location": index_location}
    return [{"name": "sharding_indexed", "configuration": configuration}]


class AsyncStore(MemoryStore):
    """Memory that must be awaited, and tells of each request. Its values have no versions."""

    _supports_sync_io = False

    def __init__(self, keys: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(keys, **options)
        self.loops: set[Any] = set()
        self.before_get: Callable[[str], None] = lambda _: None

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        self.loops.add(asyncio.get_running_loop())
        self.before_get(key)
        await asyncio.sleep(0)
        return await super().get(key, prototype, byte_range)

    async def set(self, key: str, value: Any) -> None:
        self.loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        await super().set(key, value)


# A shard that is replaced between two requests of one read


def shard_of(version: int) -> np.ndarray[Any, Any]:
    """8 inner chunks of 512: of one value, but those before `version` empty, and the others of sizes of their own."""
    values = np.random.default_rng(version).integers(0, 2**version, 4096) % 4 + 10 * version
    values[: 512 * (version % 5)] = 0
    return values.astype("uint16")


@pytest.mark.parametrize("index_location", ["start", "end"])
# This store has no versions: a mixture is noticed where it does not decode. Inner chunks that are all of one size
# decode whichever they are, and only a store with versions, as local files are, can tell (docs/design/versions.md).
@pytest.mark.parametrize("codecs", [ZSTD, [*ZSTD, CRC]], ids=["zstd", "zstd-crc"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_index_is_never_used_on_another_shard(codecs: list[Any], index_location: str, at: int) -> None:
    store = AsyncStore()
    codecs = [{"name": "bytes", "configuration": {"endian": "little"}}, *codecs[1:]]
    array = zarrpipe.create_array(
        store, shape=(4096,), chunks=(4096,), dtype="uint16", codecs=sharding(512, codecs, index_location)
    )
    encoded = [array.encode_chunk(shard_of(version)) for version in (1, 2, 3)]
    # Of one inner chunk, and of parts of several, the last of them.
    for part in (slice(3600, 3700), slice(2000, 4096, 3), slice(None)):
        for old, new in ((0, 1), (1, 2), (2, 0)):
            array.put_encoded_chunk((0,), encoded[old])
            gets = 0

            def replace(key: str, new: int = new) -> None:
                nonlocal gets
                if key == "c/0":
                    gets += 1
                    if gets == at:
                        array.store.set_sync(key, zarrpipe.buffer.Buffer.from_bytes(encoded[new]))

            store.before_get = replace
            try:
                values = zarrpipe.open_array(store, mode="r+")[part]
            finally:
                store.before_get = lambda _: None
            found = [n for n in (old, new) if np.array_equal(values, shard_of(n + 1)[part])]
            assert found, f"a mixture of {old} and {new}: {values}"


def test_a_reader_of_a_shard_during_overwrites_sees_one_version() -> None:
    # As above, with a writer that goes on all the time: a read may then fail, but it never gives a mixture.
    keys: dict[str, Any] = {}
    codecs = sharding(512, [{"name": "bytes", "configuration": {"endian": "little"}}, ZSTD[1], CRC])
    writer = zarrpipe.create_array(MemoryStore(keys), shape=(4096,), chunks=(4096,), dtype="uint16", codecs=codecs)
    versions = [shard_of(n) for n in (1, 2, 3)]
    writer[...] = versions[0]
    reader = zarrpipe.open_array(AsyncStore(keys), mode="r")
    stop, seen, failures = threading.Event(), set(), 0

    def overwrite() -> None:
        n = 0
        while not stop.wait(0.001):
            n += 1
            writer[...] = versions[n % 3]

    thread = threading.Thread(target=overwrite)
    thread.start()
    try:
        for start in [0, 512, 1800, 2600, 3500] * 60:
            part = slice(start, start + 500)
            try:
                values = reader[part]
            except CodecError:
                failures += 1
                continue
            found = [n for n, version in enumerate(versions) if np.array_equal(values, version[part])]
            assert found, f"at {start}: {values}"
            seen.update(found)
    finally:
        stop.set()
        thread.join()
    assert len(seen) == 3
    assert failures < 30, f"{failures} of 300 reads failed"


# A codec that reads an array


@dataclass(frozen=True)
class Masking(BytesBytesCodec):
    """Adds the bytes that another array holds; it reads them for each chunk."""

    path: str
    is_fixed_size = True

    def to_dict(self) -> dict[str, Any]:
        return {"name": f"test.{type(self).__name__.lower()}", "configuration": {"path": self.path}}

    @classmethod
    def from_dict(cls, data: Any) -> Any:
        return cls(data["configuration"]["path"])

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        return input_byte_length

    def other(self) -> Any:
        return zarrpipe.open_array(self.path, mode="r")

    def masked(self, data: Any, mask: Any, spec: Any) -> Any:
        return spec.prototype.buffer.from_array_like(data.as_numpy_array() ^ mask)


class SyncMasking(Masking):
    def _decode_sync(self, chunk_data: Any, chunk_spec: Any) -> Any:
        return self.masked(chunk_data, self.other()[: len(chunk_data)], chunk_spec)

    _encode_sync = _decode_sync


class AsyncMasking(Masking):
    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        mask = await self.other().read_async(slice(0, len(chunk_data)))
        return self.masked(chunk_data, mask, chunk_spec)

    _encode_single = _decode_single


class BlockingMasking(Masking):
    """Calls that wait, on the thread of the loop: the engine must not want that loop for them."""

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        return self.masked(chunk_data, self.other()[: len(chunk_data)], chunk_spec)

    _encode_single = _decode_single


MASKINGS = [SyncMasking, AsyncMasking, BlockingMasking]


@pytest.fixture(autouse=True)
def _codecs_are_known() -> Iterator[None]:
    for cls in MASKINGS:
        register_codec(f"test.{cls.__name__.lower()}", cls)
    yield
    for cls in MASKINGS:
        unregister_codec(f"test.{cls.__name__.lower()}")


@pytest.mark.parametrize("in_shards", [False, True], ids=["chunks", "shards"])
@pytest.mark.parametrize("codec", MASKINGS)
def test_a_codec_reads_another_array(tmp_path: Path, codec: Any, in_shards: bool) -> None:
    # Of 4 MiB, and the outer one of many chunks: more than there are workers, all of which wait for the inner one.
    mask = np.random.default_rng(1).integers(0, 256, 2**22, dtype=np.uint8)
    path = str(tmp_path / "mask.zarr")
    zarrpipe.create_array(path, data=mask, chunks=(2**18,))
    values = np.arange(2**25, dtype=np.uint32).view(np.uint8)[: 2**25 : 2][: 2**24]
    codecs: list[Any] = [BytesCodec(endian=None), codec(path)]
    if in_shards:
        codecs = sharding(2**20, codecs)
    array = zarrpipe.create_array(
        tmp_path / "a.zarr", shape=values.shape, chunks=(2**22 if in_shards else 2**20,), dtype="uint8", codecs=codecs
    )
    array[...] = values
    np.testing.assert_array_equal(array[...], values)
    np.testing.assert_array_equal(
        zarrpipe.open_array(tmp_path / "a.zarr")[2**20 - 3 : 2**20 + 5], values[2**20 - 3 :][:8]
    )
    # It did add the other array's bytes.
    assert in_shards or array.get_encoded_chunk((1,)) == (values[2**20 : 2**21] ^ mask[: 2**20]).tobytes()


# An async store whose loop is the caller's


async def filled(store: Any) -> Any:
    array = await zarrpipe.create_array_async(
        store, shape=(4096,), chunks=(256,), dtype="uint16", codecs=sharding(64, [BytesCodec().to_dict(), *ZSTD[1:]])
    )
    await array.write_async(slice(None), np.arange(4096, dtype="uint16"))
    return array


async def test_the_store_is_awaited_on_the_callers_loop_alone() -> None:
    store = AsyncStore()
    array = await filled(store)
    reads = await asyncio.gather(*(array.read_async(slice(n, n + 700)) for n in range(0, 3300, 300)))
    for n, values in zip(range(0, 3300, 300), reads, strict=True):
        np.testing.assert_array_equal(values, np.arange(n, n + 700, dtype="uint16"))
    await asyncio.gather(*(array.write_async(n, 60000 + n) for n in range(64)))
    np.testing.assert_array_equal(await array.read_async(slice(0, 64)), np.arange(60000, 60064))
    again = await zarrpipe.open_array_async(store, mode="r+")
    assert (await again.read_async(4095)) == 4095
    assert store.loops == {asyncio.get_running_loop()}


async def test_a_call_that_waits_is_refused_on_the_stores_own_loop() -> None:
    store = AsyncStore()
    array = await filled(store)
    with pytest.raises(RuntimeError, match="loop"):
        array[0]
    with pytest.raises(RuntimeError, match="loop"):
        array[0] = 1
    assert (await array.read_async(0)) == 0


def test_a_call_that_waits_has_a_loop_of_its_own() -> None:
    store = AsyncStore()
    array = zarrpipe.create_array(store, shape=(4096,), chunks=(256,), dtype="uint16")
    array[...] = np.arange(4096)
    np.testing.assert_array_equal(array[5:4000:7], np.arange(5, 4000, 7))
    assert len(store.loops) == 1


async def test_a_cancelled_write_leaves_whole_values() -> None:
    store = AsyncStore()
    array = await filled(store)
    keys = set(store._store_dict)
    new = np.arange(4096, dtype="uint16") + 5000
    chance = random.Random(1)
    for _ in range(200):
        task = asyncio.create_task(array.write_async(slice(None), new))
        await asyncio.sleep(chance.choice([0.0, 0.0002, 0.0005, 0.001, 0.002]))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert set(store._store_dict) == keys
        values = (await asyncio.wait_for(array.read_async(slice(None)), 10)).reshape(16, 256)
        first = values[:, :1]
        assert np.isin(first[:, 0] - 256 * np.arange(16, dtype="uint16"), (0, 5000)).all()
        np.testing.assert_array_equal(values, first + np.arange(256, dtype="uint16"))
        # The locks were given back: else this waits for ever.
        await asyncio.wait_for(array.write_async(slice(None), new - 5000), 10)


async def test_a_cancelled_write_that_waits_for_its_turn_lets_the_next_one_go() -> None:
    class Slow(AsyncStore):
        async def set(self, key: str, value: Any) -> None:
            await gate.wait()
            await super().set(key, value)

    gate, keys = asyncio.Event(), dict[str, Any]()
    gate.set()
    await filled(Slow(keys))
    gate.clear()
    # Each by an array of its own, of which nothing is left when it was cancelled.
    first = asyncio.create_task((await zarrpipe.open_array_async(Slow(keys), mode="r+")).write_async(0, 1))
    await asyncio.sleep(0.05)
    second = asyncio.create_task((await zarrpipe.open_array_async(Slow(keys), mode="r+")).write_async(1, 2))
    await asyncio.sleep(0.05)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    del second
    gc.collect()
    third = asyncio.create_task((await zarrpipe.open_array_async(Slow(keys), mode="r+")).write_async(2, 3))
    await asyncio.sleep(0.05)
    gate.set()
    await asyncio.wait_for(asyncio.gather(first, third), 10)
    array = await zarrpipe.open_array_async(AsyncStore(keys), mode="r+")
    assert (await array.read_async(slice(0, 4))).tolist() == [1, 1, 3, 3]
