"""Wrappers: what they hand on, record, delay and damage."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr.storage

import zarrpipe
from store_contract import StoreContract
from zarrpipe.abc.store import RangeByteRequest, Store, SuffixByteRequest, Versioned
from zarrpipe.buffer import Buffer, default_buffer_prototype
from zarrpipe.errors import ConflictError, NodeNotFoundError, StoreError
from zarrpipe.stores import Fault, FaultStore, LatencyStore, LocalStore, LoggingStore, MemoryStore, WrapperStore
from zarrpipe.stores.adapter import identity_of, is_native, supports_sync

PROTOTYPE = default_buffer_prototype()


def buffer(data: bytes) -> Buffer:
    return Buffer.from_bytes(data)


class AwaitedStore(MemoryStore):
    """A store that must be awaited, and that says when."""

    _supports_sync_io = False


class VersionedStore(MemoryStore):
    """A store whose versions are its values."""

    async def get_versioned(
        self, key: str, prototype: Any, byte_range: Any = None, *, version: object | None = None
    ) -> Versioned | None:
        whole = self.get_sync(key)
        if version is not None and (whole is None or whole.to_bytes() != version):
            raise ConflictError("changed")
        if whole is None:
            return None
        part = await self.get(key, prototype, byte_range)
        assert part is not None
        return Versioned(part, whole.to_bytes(), len(whole))

    async def set_if_version(self, key: str, value: Buffer, version: object | None) -> None:
        whole = self.get_sync(key)
        if (None if whole is None else whole.to_bytes()) != version:
            raise ConflictError("changed")
        self.set_sync(key, value)


class TestWrappers(StoreContract):
    @pytest.fixture(params=["plain", "logging", "latency", "fault", "of a wrapper"])
    def store(self, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
        local = LocalStore(tmp_path / "root")
        made: dict[str, Any] = {
            "plain": lambda: WrapperStore(local),
            "logging": lambda: LoggingStore(local),
            "latency": lambda: LatencyStore(local, get_latency=1e-4, set_latency=1e-4),
            "fault": lambda: FaultStore(local, [Fault(action="raise", keys="never")]),
            "of a wrapper": lambda: LoggingStore(LatencyStore(local, sync=True)),
        }
        return made[request.param]()


# What is there


@pytest.mark.parametrize("wrap", [WrapperStore, LoggingStore, FaultStore])
def test_methods_are_there_where_the_wrapped_store_has_them(wrap: Any) -> None:
    optional = ("get_sync", "set_sync", "delete_sync", "get_versioned", "set_if_version")
    assert [hasattr(wrap(MemoryStore()), name) for name in optional] == [True, True, True, False, False]
    assert [hasattr(wrap(AwaitedStore()), name) for name in optional] == [False] * 5
    assert [hasattr(wrap(VersionedStore()), name) for name in optional] == [True] * 5
    assert [hasattr(wrap(wrap(AwaitedStore())), name) for name in optional] == [False] * 5
    assert supports_sync(wrap(MemoryStore()))
    assert not supports_sync(wrap(AwaitedStore()))
    with pytest.raises(AttributeError, match="has no get_sync"):
        wrap(AwaitedStore()).get_sync("a")
    with pytest.raises(TypeError, match="no get_sync"):
        wrap(AwaitedStore()).get_ranges_sync("a", [None], prototype=PROTOTYPE)


def test_what_a_wrapper_is(tmp_path: Path) -> None:
    local = LocalStore(tmp_path)
    for wrap in (WrapperStore, LoggingStore, LatencyStore, FaultStore):
        store = wrap(local)
        assert store == wrap(LocalStore(tmp_path)) != wrap(MemoryStore())
        assert store != local
        assert hash(store) == hash(wrap(LocalStore(tmp_path)))
        assert not is_native(store)
        assert identity_of(store) == identity_of(local)
        assert identity_of(wrap(store)) == identity_of(local)
        assert (store.supports_writes, store.supports_deletes, store.supports_listing) == (True, True, True)
        assert store.supports_consolidated_metadata
        assert not store.read_only
        assert store.with_read_only(True).read_only
        assert pickle.loads(pickle.dumps(store)) == store
        assert store.wrapped_store is local
        assert repr(local) in repr(store)
        assert str(local) in str(store)


async def test_opening() -> None:
    store = await WrapperStore.open(MemoryStore, {"a": b"1"}, read_only=True)
    assert store._is_open
    assert store.read_only
    store.close()
    assert not store.wrapped_store._is_open
    await store._ensure_open()
    assert store.wrapped_store._is_open


async def test_versions_are_handed_on() -> None:
    store = LoggingStore(VersionedStore({"a": b"123456"}))
    found = await store.get_versioned("a", PROTOTYPE, RangeByteRequest(1, 3))
    assert (found.buffer.to_bytes(), found.version, found.nbytes) == (b"23", b"123456", 6)
    await store.set_if_version("a", buffer(b"new"), b"123456")
    with pytest.raises(ConflictError):
        await store.set_if_version("a", buffer(b"x"), b"123456")
    with pytest.raises(ConflictError):
        await store.get_versioned("a", PROTOTYPE, version=b"123456")
    assert [(r.method, r.nbytes, r.error) for r in store.requests] == [
        ("get_versioned", 2, None),
        ("set_if_version", 3, None),
        ("set_if_version", 0, "ConflictError"),
        ("get_versioned", 0, "ConflictError"),
    ]
    assert store.counts() == {"get": 2, "set": 2}


@pytest.mark.parametrize("kind", ["MemoryStore", "LocalStore", "ZipStore", "FsspecStore"])
def test_stores_of_zarr(kind: str, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    if kind == "FsspecStore":
        from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

        memory = AsyncFileSystemWrapper(fsspec.filesystem("memory", skip_instance_cache=True), asynchronous=True)
        inner: Any = zarr.storage.FsspecStore(memory, path=f"/{tmp_path.name}")
    else:
        make = {
            "MemoryStore": zarr.storage.MemoryStore,
            "LocalStore": lambda: zarr.storage.LocalStore(tmp_path / "x"),
            "ZipStore": lambda: zarr.storage.ZipStore(tmp_path / "x.zip", mode="w"),
        }
        inner = make[kind]()
    store = LoggingStore(inner)
    data = np.arange(64, dtype="int32").reshape(8, 8)
    array = zarrpipe.create_array(store, shape=(8, 8), shards=(4, 4), chunks=(2, 2), dtype="int32")
    array[:] = data
    assert np.array_equal(array[1:7, 3], data[1:7, 3])
    assert np.array_equal(array[:], data)
    assert store.counts()["set"] == 5
    assert all(request.error is None for request in store.requests)


# Logging


def test_requests_are_recorded(caplog: pytest.LogCaptureFixture) -> None:
    store = LoggingStore(MemoryStore(), log_level="INFO")
    array = zarrpipe.create_array(store, shape=(4, 4), shards=(4, 4), chunks=(2, 2), dtype="uint8", compressors=None)
    before_s = time.perf_counter()
    array[:] = 7
    assert store.nbytes("set") == sum(request.nbytes for request in store.requests if request.kind == "set")
    store.clear_requests()
    assert store.requests == ()
    with caplog.at_level(logging.INFO, "zarrpipe.stores"):
        assert array[0, 0] == 7
    index, inner = store.requests
    assert (index.method, index.key, index.byte_range, index.nbytes) == (
        "get_sync",
        "c/0/0",
        SuffixByteRequest(68),
        68,
    )
    assert (inner.key, inner.byte_range, inner.nbytes) == ("c/0/0", RangeByteRequest(0, 4), 4)
    assert before_s < index.start_s <= index.start_s + index.duration_s <= inner.start_s
    assert store.counts() == {"get": 2}
    assert store.nbytes() == 72
    assert "get_sync c/0/0" in caplog.text


def test_no_records_are_lost_between_threads() -> None:
    store = LoggingStore(MemoryStore({"a": b"1"}))
    threads = [threading.Thread(target=lambda: [store.get_sync("a") for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.counts() == {"get": 1600}
    assert store.nbytes() == 1600


async def test_listings_looks_and_failures_are_recorded() -> None:
    store = LoggingStore(MemoryStore({"a/b": b"1", "a/c": b"2"}))
    assert [key async for key in store.list_prefix("a/")] == ["a/b", "a/c"]
    assert not await store.is_empty("a")
    assert await store.exists("a/b")
    assert await store.getsize("a/b") == 1
    with pytest.raises(NodeNotFoundError):
        await store.getsize("z")
    await store.delete_dir("a")
    await store.set_if_not_exists("x", buffer(b"123"))
    assert [(r.method, r.key, r.nbytes, r.error) for r in store.requests] == [
        ("list_prefix", "a/", 0, None),
        ("is_empty", "a", 0, None),
        ("exists", "a/b", 0, None),
        ("getsize", "a/b", 0, None),
        ("getsize", "z", 0, "NodeNotFoundError"),
        ("delete_dir", "a", 0, None),
        ("set_if_not_exists", "x", 3, None),
    ]
    assert store.counts() == {"list": 2, "head": 3, "delete": 1, "set": 1}


async def test_parts_of_several_keys_are_single_requests() -> None:
    store = LoggingStore(MemoryStore({"a": b"0123456789", "b": b"1"}))
    parts = await store.get_partial_values(PROTOTYPE, [("a", RangeByteRequest(0, 2)), ("b", None), ("z", None)])
    assert [part if part is None else part.to_bytes() for part in parts] == [b"01", b"1", None]
    assert store.counts() == {"get": 3}
    assert store.nbytes() == 3


def test_a_read_only_twin_has_the_same_record() -> None:
    store = LoggingStore(MemoryStore())
    zarrpipe.create_array(store, shape=(2,), dtype="uint8")[:] = 1
    store.clear_requests()
    assert zarrpipe.open_array(store, mode="r")[:].tolist() == [1, 1]
    assert {request.key for request in store.requests} == {"zarr.json", "c/0"}
    copy = pickle.loads(pickle.dumps(store))
    assert copy.requests == ()


def test_unknown_level() -> None:
    with pytest.raises(KeyError):
        LoggingStore(MemoryStore(), log_level="LOUD")


# Latency


def test_requests_wait_side_by_side() -> None:
    inner = MemoryStore()
    zarrpipe.create_array(inner, shape=(64,), chunks=(2,), dtype="uint8")[:] = 3
    store = LatencyStore(inner, get_latency=0.05)
    array = zarrpipe.open_array(store, mode="r")
    start_s = time.perf_counter()
    assert array[:].tolist() == [3] * 64
    # 32 requests: 1.6 s one after the other.
    assert 0.05 <= time.perf_counter() - start_s < 0.8


def test_latency_of_writes_and_without_a_loop() -> None:
    store = LatencyStore(MemoryStore(), get_latency=0.04, set_latency=0.08, sync=True)
    assert supports_sync(store)
    start_s = time.perf_counter()
    store.set_sync("a", buffer(b"1"))
    middle_s = time.perf_counter()
    assert store.get_sync("a").to_bytes() == b"1"
    end_s = time.perf_counter()
    assert middle_s - start_s >= 0.08
    assert end_s - middle_s >= 0.04
    assert not supports_sync(LatencyStore(MemoryStore()))
    assert not supports_sync(LatencyStore(AwaitedStore(), sync=True))
    assert store.with_read_only(True).set_latency == 0.08


async def test_random_latency() -> None:
    store = LatencyStore(MemoryStore(), get_latency=(0.0, 1e-4))
    assert await store.get("a", PROTOTYPE) is None
    assert [key async for key in store.list()] == []


# Faults


def stored(values: Any = b"0123456789", *faults: Fault) -> FaultStore[MemoryStore]:
    return FaultStore(MemoryStore({"a": values, "b/c": values}), faults)


def test_raise_counts_what_matches() -> None:
    error = StoreError("reset", key="a")
    store = stored(b"1", Fault(action="raise", keys="b/*", nth=2, times=2, error=error))
    answers = []
    for _ in range(5):
        assert store.get_sync("a").to_bytes() == b"1"
        try:
            answers.append(store.get_sync("b/c").to_bytes())
        except StoreError as raised:
            answers.append(raised)
    assert [answers[0], *answers[3:]] == [b"1"] * 3
    assert [raised.key for raised in answers[1:3]] == ["a", "a"]
    # Copies: notes are added to what is raised.
    assert error not in answers
    assert [(injected.method, injected.key) for injected in store.injected] == [("get_sync", "b/c")] * 2


@pytest.mark.parametrize("kind", ["get", "set", "delete", "head", "list"])
async def test_raise_in_every_kind(kind: Any) -> None:
    store = FaultStore(MemoryStore({"a": b"1"}), [Fault(action="raise", kind=kind, times=None, error=OSError(5, "x"))])

    async def listing() -> list[str]:
        return [key async for key in store.list_prefix("")]

    requests = {
        "get": lambda: store.get("a", PROTOTYPE),
        "set": lambda: store.set("a", buffer(b"2")),
        "delete": lambda: store.delete("z"),
        "head": lambda: store.exists("a"),
        "list": listing,
    }
    for name, request in requests.items():
        if name == kind:
            with pytest.raises(OSError, match="x"):
                await request()
        else:
            await request()


async def test_damage() -> None:
    whole, part = b"0123456789", RangeByteRequest(2, 6)

    async def got(fault: Fault, *, awaited: bool) -> bytes | None:
        store = stored(whole, fault)
        value = await store.get("a", PROTOTYPE, part) if awaited else store.get_sync("a", byte_range=part)
        assert len(store.injected) == 1
        # It happens once.
        assert store.get_sync("b/c").to_bytes() == whole
        return None if value is None else value.to_bytes()

    for awaited in (True, False):
        assert await got(Fault(action="cut"), awaited=awaited) == b"23"
        assert await got(Fault(action="cut", keep_nbytes=3), awaited=awaited) == b"234"
        assert await got(Fault(action="ignore_range"), awaited=awaited) == whole
        assert await got(Fault(action="missing"), awaited=awaited) is None
        assert await got(Fault(action="swap", value=b"abcdefg"), awaited=awaited) == b"cdef"
        assert await got(Fault(action="swap"), awaited=awaited) is None

    versioned = FaultStore(VersionedStore({"a": whole}), [Fault(action="cut"), Fault(action="swap", nth=2, value=b"x")])
    found = await versioned.get_versioned("a", PROTOTYPE)
    assert found.buffer.to_bytes() == b"01234"
    with pytest.raises(ConflictError):
        await versioned.get_versioned("a", PROTOTYPE, version=found.version)

    store = stored(whole, Fault(action="missing", kind="head", times=None))
    assert not await store.exists("a")
    with pytest.raises(NodeNotFoundError):
        await store.getsize("a")
    store = stored(whole, Fault(action="cut", kind="set"))
    await store.set("a", buffer(b"abcd"))
    assert store.get_sync("a").to_bytes() == b"ab"
    read_only = stored(whole, Fault(action="swap", value=b"x")).with_read_only(True)
    assert read_only.get_sync("a").to_bytes() == b"x"


async def test_hang() -> None:
    store = stored(b"1", Fault(action="hang", times=None))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(store.get("a", PROTOTYPE), 0.05)
    threading.Timer(0.05, store.release).start()
    with pytest.raises(TimeoutError, match="timed out"):
        await asyncio.to_thread(store.get_sync, "a")
    with pytest.raises(TimeoutError, match="timed out"):
        await stored(b"1", Fault(action="hang", hang_s=0.01)).get("a", PROTOTYPE)


def test_rules_are_checked() -> None:
    with pytest.raises(ValueError, match="the action is one of"):
        Fault(action="explode")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not 'set'"):
        Fault(action="missing", kind="set")


def test_state_is_shared_by_twins_and_not_by_copies() -> None:
    store = stored(b"1", Fault(action="missing"))
    assert store.with_read_only(True).get_sync("a") is None
    assert store.get_sync("a") is not None
    assert len(store.injected) == 1
    copy = pickle.loads(pickle.dumps(store))
    assert copy.injected == ()
    assert copy.get_sync("a") is None


def test_an_array_over_faults() -> None:
    """What does not decode is read once more by the engine; then it is an error."""
    inner = MemoryStore()
    data = np.arange(8, dtype="int64")
    zarrpipe.create_array(inner, data=data, chunks=(4,))
    once = Fault(action="cut", keys="c/1")
    assert np.array_equal(zarrpipe.open_array(FaultStore(inner, [once]), mode="r")[:], data)
    reset = Fault(action="raise", keys="c/1", error=ConnectionResetError("reset"))
    for fault in (replace(once, times=2), reset):
        store = FaultStore(inner, [fault])
        array = zarrpipe.open_array(store, mode="r")
        with pytest.raises((zarrpipe.errors.CodecError, ConnectionResetError), match=r"cut short|reset"):
            array[:]
        assert np.array_equal(array[:], data)


def test_wrappers_are_stores() -> None:
    assert all(issubclass(cls, Store) for cls in (WrapperStore, LoggingStore, LatencyStore, FaultStore))
