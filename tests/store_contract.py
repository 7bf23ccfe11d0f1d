"""What every store keeps to: a class of tests, for the test files of the stores to derive from.

A store that cannot do something says so by its `supports_*`.
"""

from __future__ import annotations

import asyncio
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from zarrpipe.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarrpipe.buffer import Buffer, default_buffer_prototype
from zarrpipe.errors import ReadOnlyError, StoreError
from zarrpipe.stores import supports_sync
from zarrpipe.stores.adapter import identity_of

PROTOTYPE = default_buffer_prototype()
WHOLE = b"0123456789"
RANGES = [
    (None, WHOLE),
    (RangeByteRequest(0, 10), WHOLE),
    (RangeByteRequest(2, 5), b"234"),
    (RangeByteRequest(8, 20), b"89"),
    (RangeByteRequest(10, 20), b""),
    (RangeByteRequest(12, 20), b""),
    (RangeByteRequest(3, 3), b""),
    (OffsetByteRequest(0), WHOLE),
    (OffsetByteRequest(7), b"789"),
    (OffsetByteRequest(10), b""),
    (OffsetByteRequest(11), b""),
    (SuffixByteRequest(3), b"789"),
    (SuffixByteRequest(10), WHOLE),
    (SuffixByteRequest(30), WHOLE),
    (SuffixByteRequest(0), b""),
]
BAD_KEYS = ["", "/", "../x", "a/../../x", "a//b", "/etc/passwd", "a/.", "a\0b", "a\\b", "a/"]


def buffer(data: bytes) -> Buffer:
    return Buffer.from_bytes(data)


async def collect(names: Any) -> list[str]:
    return sorted([name async for name in names])


async def value_of(store: Any, key: str) -> bytes | None:
    found = await store.get(key, PROTOTYPE)
    return None if found is None else found.to_bytes()


class StoreContract:
    """Derive from it, with a fixture `store`: a new and empty store."""

    def reopened(self, store: Any) -> Any:
        """Return another store of the same keys."""
        return pickle.loads(pickle.dumps(store))

    async def test_get_set_delete(self, store: Any) -> None:
        assert isinstance(store, Store)
        assert await store.get("a/b", PROTOTYPE) is None
        await store.set("a/b", buffer(WHOLE))
        for byte_range, expected in RANGES:
            found = await store.get("a/b", PROTOTYPE, byte_range)
            assert found is not None, byte_range
            assert found.to_bytes() == expected, byte_range
            assert await store.get("a/c", PROTOTYPE, byte_range) is None
        await store.set("a/b", buffer(b"new"))
        assert await value_of(store, "a/b") == b"new"
        await store.set("empty", buffer(b""))
        assert await value_of(store, "empty") == b""
        await store.delete("a/b")
        await store.delete("a/b")
        await store.delete("never/there")
        assert await value_of(store, "a/b") is None
        await store.set("a/b", buffer(b"again"))
        assert await value_of(store, "a/b") == b"again"

    async def test_without_a_loop(self, store: Any) -> None:
        if not supports_sync(store):
            return
        assert await asyncio.to_thread(store.get_sync, "a/b") is None
        store.set_sync("a/b", buffer(WHOLE))
        for byte_range, expected in RANGES:
            assert store.get_sync("a/b", byte_range=byte_range).to_bytes() == expected, byte_range
        assert store.get_sync("a/b", prototype=PROTOTYPE).to_bytes() == WHOLE
        store.delete_sync("a/b")
        store.delete_sync("a/b")
        assert store.get_sync("a/b") is None

    async def test_several_parts(self, store: Any) -> None:
        await store.set("a/b", buffer(WHOLE))
        wanted = [("a/b", part) for part, _ in RANGES] + [("x", None), ("x", RangeByteRequest(0, 2))]
        found = await store.get_partial_values(PROTOTYPE, iter(wanted))
        assert [None if part is None else part.to_bytes() for part in found] == [data for _, data in RANGES] + [
            None
        ] * 2
        assert await store.get_partial_values(PROTOTYPE, []) == []
        ranges = [RangeByteRequest(0, 2), RangeByteRequest(4, 6), SuffixByteRequest(1)]
        parts = {}
        async for group in store.get_ranges("a/b", ranges, prototype=PROTOTYPE):
            parts.update({index: part.to_bytes() for index, part in group})
        assert parts == {0: b"01", 1: b"45", 2: b"9"}

    async def test_sizes_and_existence(self, store: Any) -> None:
        await store.set("a/b", buffer(WHOLE))
        await store.set("a/c", buffer(b"1"))
        assert await store.exists("a/b")
        assert not await store.exists("a")
        assert not await store.exists("z")
        assert await store.getsize("a/b") == 10
        with pytest.raises(FileNotFoundError):
            await store.getsize("z")
        if store.supports_listing:
            assert await store.getsize_prefix("a") == 11

    async def test_set_if_not_exists(self, store: Any) -> None:
        await store.set_if_not_exists("a", buffer(b"1"))
        await store.set_if_not_exists("a", buffer(b"2"))
        assert await value_of(store, "a") == b"1"

    async def test_listing(self, store: Any) -> None:
        assert await collect(store.list()) == []
        assert await collect(store.list_dir("")) == []
        assert await store.is_empty("")
        keys = ["a/c/0/0", "a/c/0/1", "a/zarr.json", "ab/zarr.json", "zarr.json"]
        for key in keys:
            await store.set(key, buffer(b"x"))
        assert await collect(store.list()) == keys
        assert await collect(store.list_prefix("")) == keys
        assert await collect(store.list_prefix("a/")) == keys[:3]
        assert await collect(store.list_prefix("a")) == keys[:4]
        assert await collect(store.list_prefix("a/c/0/1")) == ["a/c/0/1"]
        assert await collect(store.list_prefix("none/")) == []
        assert await collect(store.list_dir("")) == ["a", "ab", "zarr.json"]
        assert await collect(store.list_dir("a")) == ["c", "zarr.json"]
        assert await collect(store.list_dir("a/c/")) == ["0"]
        assert await collect(store.list_dir("none")) == []
        assert await collect(store.list_dir("zarr.json")) == []
        assert not await store.is_empty("a")
        assert await store.is_empty("b")
        await store.delete_dir("a")
        await store.delete_dir("none")
        assert await collect(store.list()) == keys[3:]
        await store.clear()
        assert await collect(store.list()) == []

    async def test_keys_stay_inside(self, store: Any) -> None:
        for key in BAD_KEYS:
            for request in (
                store.get(key, PROTOTYPE),
                store.set(key, buffer(b"x")),
                store.delete(key),
                store.exists(key),
                store.set_if_not_exists(key, buffer(b"x")),
                store.getsize(key),
            ):
                with pytest.raises(StoreError):
                    await request
        assert await collect(store.list()) == []

    async def test_values_are_buffers(self, store: Any) -> None:
        with pytest.raises(TypeError):
            await store.set("a", b"bytes")
        value = buffer(b"1234")[1:3]
        await store.set("a", value)
        assert await value_of(store, "a") == b"23"

    async def test_a_value_is_not_the_callers_memory(self, store: Any) -> None:
        memory = bytearray(b"before")
        await store.set("a", Buffer.from_bytes(memory))
        memory[:] = b"after!"
        assert await value_of(store, "a") == b"before"

    async def test_read_only(self, store: Any) -> None:
        await store.set("a", buffer(b"1"))
        read_only = store.with_read_only(True)
        assert read_only.read_only
        assert not store.read_only
        assert await value_of(read_only, "a") == b"1"
        for request in (
            read_only.set("a", buffer(b"2")),
            read_only.set_if_not_exists("z", buffer(b"2")),
            read_only.delete("a"),
            read_only.delete_dir("a"),
            read_only.clear(),
        ):
            with pytest.raises(ReadOnlyError):
                await request
        if supports_sync(read_only):
            for call in (lambda: read_only.set_sync("a", buffer(b"2")), lambda: read_only.delete_sync("a")):
                with pytest.raises(ReadOnlyError):
                    call()
        assert await value_of(store, "a") == b"1"
        await read_only.with_read_only(False).set("a", buffer(b"3"))
        assert await value_of(store, "a") == b"3"

    async def test_equality(self, store: Any) -> None:
        twin = store.with_read_only(True)
        assert store == twin
        assert identity_of(store) == identity_of(twin)
        assert store != "store"
        assert repr(store)
        assert str(store)

    async def test_pickle(self, store: Any) -> None:
        await store.set("a", buffer(b"1"))
        copy = self.reopened(store)
        assert type(copy) is type(store)
        assert copy == store
        assert await value_of(copy, "a") == b"1"

    async def test_open_and_close(self, store: Any) -> None:
        await store._ensure_open()
        await store._ensure_open()
        with pytest.raises(ValueError, match="open already"):
            await store._open()
        with store:
            await store.set("a", buffer(b"1"))
        store.close()
        assert await value_of(store, "a") == b"1"

    async def test_many_at_once(self, store: Any) -> None:
        keys = [f"c/{index}" for index in range(40)]
        await asyncio.gather(*(store.set(key, buffer(key.encode() * 50)) for key in keys))
        found = await asyncio.gather(*(store.get(key, PROTOTYPE, RangeByteRequest(0, len(key))) for key in keys))
        assert [part.to_bytes().decode() for part in found] == keys
        if supports_sync(store):
            with ThreadPoolExecutor(8) as threads:
                list(threads.map(lambda key: store.set_sync(key, buffer(key.encode() * 9)), keys))
                answers = list(
                    threads.map(lambda key: store.get_sync(key, byte_range=SuffixByteRequest(len(key))), keys)
                )
            assert [part.to_bytes().decode() for part in answers] == keys
        await asyncio.gather(*(store.delete(key) for key in keys[:20]))
        assert await collect(store.list()) == sorted(keys[20:])
