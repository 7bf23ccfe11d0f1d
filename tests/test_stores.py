"""Stores: what they keep, what they refuse, and how the engine is handed them."""

from __future__ import annotations

import asyncio
import doctest
import importlib
import multiprocessing
import os
import pickle
import pkgutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr.storage
from zarr.core.buffer.core import default_buffer_prototype as zarr_prototype

import zarrpipe.stores
from store_contract import StoreContract, buffer, collect
from zarrpipe.abc.store import (
    ByteGetter,
    ByteSetter,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarrpipe.buffer import Buffer, default_buffer_prototype
from zarrpipe.config import config
from zarrpipe.errors import NodeExistsError, NodeNotFoundError, ReadOnlyError, StoreError
from zarrpipe.stores import (
    AsyncStoreAdapter,
    LocalStore,
    MemoryStore,
    StoreAdapter,
    StorePath,
    core_store,
    make_store,
    make_store_path,
)
from zarrpipe.stores.adapter import identity_of, is_native, supports_sync

PROTOTYPE = default_buffer_prototype()
RANGES = [
    (None, b"0123456789"),
    (RangeByteRequest(2, 5), b"234"),
    (RangeByteRequest(8, 20), b"89"),
    (RangeByteRequest(12, 20), b""),
    (OffsetByteRequest(7), b"789"),
    (OffsetByteRequest(10), b""),
    (SuffixByteRequest(3), b"789"),
    (SuffixByteRequest(30), b"0123456789"),
    (SuffixByteRequest(0), b""),
]


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return LocalStore(tmp_path / "root") if request.param == "local" else MemoryStore()


class TestBoth(StoreContract):
    """Files and memory."""

    @pytest.fixture
    def store(self, store: Any) -> Any:
        return store

    def reopened(self, store: Any) -> Any:
        # A pickled store in memory is a copy.
        return super().reopened(store) if isinstance(store, LocalStore) else MemoryStore(store._store_dict)


async def test_prefixes_stay_inside(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "root")
    store.set_sync("a", buffer(b"x"))
    (tmp_path / "outside").write_bytes(b"x")
    for prefix in ("..", "../", "a/../.."):
        with pytest.raises(StoreError):
            await store.delete_dir(prefix)
        with pytest.raises(StoreError):
            await collect(store.list_dir(prefix))
    assert (tmp_path / "outside").exists()


def test_memory_keeps_its_own_bytes() -> None:
    data = bytearray(b"abc")
    store = MemoryStore()
    store.set_sync("a", Buffer.from_bytes(data))
    data[0] = 0
    found = store.get_sync("a")
    assert found is not None
    assert found.to_bytes() == b"abc"
    assert MemoryStore(store._store_dict) == store
    assert MemoryStore() != MemoryStore()
    loaded = MemoryStore({"k": b"raw"}).get_sync("k")
    assert loaded is not None
    assert loaded.to_bytes() == b"raw"


def test_equality_and_pickling(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path), read_only=True)
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert again.read_only
    assert LocalStore(tmp_path / "x") != store
    assert str(store) == f"file://{tmp_path.as_posix()}"
    with pytest.raises(TypeError):
        LocalStore(3)  # type: ignore[arg-type]


async def test_open(tmp_path: Path) -> None:
    store = await LocalStore.open(tmp_path / "new")
    assert (tmp_path / "new").is_dir()
    assert not store.read_only
    for arguments in ({"read_only": True}, {"mode": "r"}, {"mode": "r+"}):
        with pytest.raises(NodeNotFoundError):
            await LocalStore.open(tmp_path / "missing", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "missing").exists()
    assert (await MemoryStore.open(read_only=True)).read_only


async def test_local_move(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "a")
    store.set_sync("k", buffer(b"x"))
    (tmp_path / "there").mkdir()
    with pytest.raises(NodeExistsError):
        await store.move(tmp_path / "there")
    await store.move(tmp_path / "b" / "c")
    assert store.get_sync("k") is not None
    assert not (tmp_path / "a").exists()


class TestOtherThingsThanFiles:
    """Only "no such key" is a missing value."""

    async def test_directory(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        with pytest.raises(StoreError, match=r"regular file|directory"):
            LocalStore(tmp_path).get_sync("a")
        with pytest.raises(StoreError):
            await LocalStore(tmp_path).set("a", buffer(b"x"))
        assert [path.name for path in tmp_path.rglob("*")] == ["a"]

    async def test_fifo(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a")
        with pytest.raises(StoreError, match="regular"):
            await asyncio.wait_for(LocalStore(tmp_path).get("a", PROTOTYPE), 5)

    def test_dangling_link(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to(tmp_path / "gone")
        with pytest.raises(StoreError) as caught:
            LocalStore(tmp_path).get_sync("a")
        assert caught.value.key == "a"

    def test_permission(self, tmp_path: Path) -> None:
        if os.geteuid() == 0:
            pytest.skip("allowed: root may read everything")
        (tmp_path / "a").write_bytes(b"x")
        (tmp_path / "a").chmod(0)
        with pytest.raises(StoreError):
            LocalStore(tmp_path).get_sync("a")


def test_set_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    store.set_sync("d/a", buffer(b"old"))

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(StoreError) as caught:
        store.set_sync("d/a", buffer(b"new"))
    monkeypatch.undo()
    assert caught.value.errno == 28
    assert (tmp_path / "d" / "a").read_bytes() == b"old"
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["a"]


async def test_partial_files_are_not_listed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.set_sync("d/a", buffer(b"x"))
    (tmp_path / "d" / ".zarrpipe-123.partial").write_bytes(b"half")
    assert await collect(store.list()) == ["d/a"]
    assert await collect(store.list_dir("d")) == ["a"]


def test_mode_and_fsync(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    old = os.umask(0o027)
    try:
        with config.set(fsync="full"):
            store.set_sync("a", buffer(b"x" * 100_000))
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def _set_many(root: Path, value: bytes) -> None:
    for _ in range(200):
        LocalStore(root).set_sync("k", buffer(value))


def test_readers_see_whole_values(tmp_path: Path) -> None:
    _set_many(tmp_path, b"a" * 50_000)
    writers = [
        multiprocessing.get_context("fork").Process(target=_set_many, args=(tmp_path, c * 50_000)) for c in (b"b", b"c")
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        found = LocalStore(tmp_path).get_sync("k")
        assert found is not None
        assert len(set(found.to_bytes())) == 1
        assert len(found) == 50_000
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0


# Store paths


async def test_store_path(store: Any) -> None:
    place = StorePath(store, "a") / "c/0"
    assert isinstance(place, ByteGetter)
    assert isinstance(place, ByteSetter)
    assert place.path == "a/c/0"
    await place.set(buffer(b"abc"))
    for found in (await place.get(), await place.get(PROTOTYPE, None), place.get_sync()):
        assert found is not None
        assert found.to_bytes() == b"abc"
    part = await place.get(prototype=PROTOTYPE, byte_range=RangeByteRequest(1, 2))
    assert part is not None
    assert part.to_bytes() == b"b"
    assert await place.exists()
    assert not await StorePath(store, "a").is_empty()
    place.set_sync(buffer(b"new"))
    await place.set_if_not_exists(buffer(b"other"))
    assert place.get_sync().to_bytes() == b"new"  # type: ignore[union-attr]
    place.delete_sync()
    assert await place.get() is None
    assert StorePath(store, "/a/") == StorePath(store, "a")
    assert str(place).endswith("a/c/0")
    with pytest.raises(StoreError):
        StorePath(store, "../x")


async def test_store_path_modes() -> None:
    store = MemoryStore()
    assert (await StorePath.open(store, "a", "r")).read_only
    assert not (await StorePath.open(store, "a")).read_only
    with pytest.raises(ReadOnlyError):
        await StorePath.open(store.with_read_only(True), "a", "a")
    store.set_sync("a/b", buffer(b"x"))
    with pytest.raises(NodeExistsError):
        await StorePath.open(store, "a", "w-")
    assert (await StorePath.open(store, "c", "w-")).path == "c"


# What users give


def test_make_store(tmp_path: Path) -> None:
    assert make_store(tmp_path) == make_store(str(tmp_path)) == LocalStore(tmp_path)
    assert make_store(f"file://{tmp_path}") == LocalStore(tmp_path)
    assert make_store(tmp_path, "r").read_only
    assert not make_store(tmp_path, "r+").read_only
    backing: dict[str, Any] = {}
    assert make_store(backing) == MemoryStore(backing)
    assert isinstance(make_store(None), MemoryStore)
    store = MemoryStore()
    assert make_store(store) is store
    assert make_store(StorePath(store, "a")) is store
    theirs = zarr.storage.MemoryStore()
    assert make_store(theirs) is theirs
    assert not any(tmp_path.iterdir())
    place = make_store_path(StorePath(store, "a"), "b/c")
    assert (place.store, place.path) == (store, "a/b/c")
    with pytest.raises(TypeError):
        make_store(3)


# As the engine takes them


class Wrapped(LocalStore):
    """A subclass may do anything in its methods."""


class AsyncOnly(MemoryStore):
    _supports_sync_io = False


def test_core_store(tmp_path: Path) -> None:
    assert is_native(LocalStore(tmp_path))
    assert is_native(zarr.storage.LocalStore(tmp_path))
    assert not is_native(Wrapped(tmp_path))
    assert not is_native(MemoryStore())
    assert not core_store(LocalStore(tmp_path)).needs_loop
    assert not core_store(Wrapped(tmp_path)).needs_loop
    assert not core_store(zarr.storage.MemoryStore()).needs_loop
    assert core_store(AsyncOnly()).needs_loop
    assert not supports_sync(AsyncOnly())


def test_identity(tmp_path: Path) -> None:
    backing: dict[str, Any] = {}
    assert identity_of(MemoryStore(backing)) == identity_of(MemoryStore(backing, read_only=True))
    assert identity_of(MemoryStore()) != identity_of(MemoryStore(backing))
    first, second = Wrapped(tmp_path), Wrapped(tmp_path)
    assert identity_of(first) == identity_of(second)
    assert identity_of(Wrapped(tmp_path / "x")) != identity_of(first)


@pytest.mark.parametrize("kind", ["ours", "zarr", "zarr local"])
async def test_adapters(kind: str, tmp_path: Path) -> None:
    stores: dict[str, Any] = {
        "ours": MemoryStore(),
        "zarr": zarr.storage.MemoryStore(),
        "zarr local": zarr.storage.LocalStore(tmp_path),
    }
    adapter, asynchronous = StoreAdapter(stores[kind]), AsyncStoreAdapter(stores[kind])
    ranges = [None, (2, 5), (None, 3)]
    assert adapter.get("a/0", ranges) is None
    assert await asynchronous.get("a/0", None) is None
    adapter.set("a/0", b"0123456789")
    await asynchronous.set("a/1", memoryview(b"0123456789"))
    for key in ("a/0", "a/1"):
        found = adapter.get(key, ranges)
        assert found is not None
        assert [bytes(part) for part in found] == [b"0123456789", b"234", b"789"]
        for part, expected in zip(ranges, found, strict=True):
            awaited = await asynchronous.get(key, part)
            assert awaited is not None
            assert bytes(awaited.data) == bytes(expected)
            assert (awaited.version, awaited.nbytes) == (None, None)
    adapter.delete("a/0")
    await asynchronous.delete("a/1")
    assert adapter.get("a/1", [None]) is None


async def test_zarrs_stores_pass_for_ours(tmp_path: Path) -> None:
    theirs = zarr.storage.LocalStore(tmp_path)
    await theirs.set("a/b", zarr_prototype().buffer.from_bytes(b"x"))
    ours = LocalStore(tmp_path)
    assert ours.get_sync("a/b") is not None
    assert not isinstance(theirs, Store)
    assert await collect(ours.list()) == await collect(theirs.list())


@pytest.mark.parametrize("kind", ["memory", "zip", "latency", "wrapper"])
def test_arrays_in_zarrs_stores(kind: str, tmp_path: Path) -> None:
    from zarr.testing.store import LatencyStore

    import zarrpipe

    store: Any = {
        "memory": zarr.storage.MemoryStore,
        "zip": lambda: zarr.storage.ZipStore(tmp_path / "a.zip", mode="w"),
        "latency": lambda: LatencyStore(zarr.storage.MemoryStore(), get_latency=0.001, set_latency=0.001),
        "wrapper": lambda: zarr.storage.WrapperStore(zarr.storage.LocalStore(tmp_path)),
    }[kind]()
    items = np.arange(100, dtype="i4").reshape(10, 10)
    array = zarrpipe.create_array(store, shape=(10, 10), chunks=(4, 4), dtype="i4")
    array[...] = items
    again = zarrpipe.open_array(store, mode="r+")
    np.testing.assert_array_equal(again[2:8, 3], items[2:8, 3])
    theirs: Any = zarr.open_array(store, mode="r+")
    np.testing.assert_array_equal(theirs[...], items)
    store.close()


# What the documentation shows


@pytest.mark.parametrize(
    "module", [item.name for item in pkgutil.walk_packages(zarrpipe.stores.__path__, "zarrpipe.stores.")]
)
def test_examples(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(module))
    assert result.failed == 0


def test_every_name_is_there() -> None:
    assert all(getattr(zarrpipe.stores, name) is not None for name in zarrpipe.stores.__all__)
    assert set(zarrpipe.stores.__all__) <= set(dir(zarrpipe.stores))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = zarrpipe.stores.Nothing
    # The others are imported when they are used.
    script = "import sys, zarrpipe.stores; print({'zipfile', 'fsspec', 'zarrpipe.stores.wrappers'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"
