"""ObjectStore over obstore's own stores and over real servers: versions, options, errors, requests.

What it has in common with all stores is in `test_store_object_contract`.
"""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import obstore.store
import pytest
import zarr.storage

from servers.http import FolderServer
from servers.misbehaving import Fault, MisbehavingServer
from servers.s3 import S3Server
from zarrpipe.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest, SupportsVersions
from zarrpipe.buffer import Buffer, default_buffer_prototype
from zarrpipe.config import config
from zarrpipe.errors import ConfigError, ConflictError, NodeNotFoundError, ReadOnlyError, StoreError, UnsupportedError
from zarrpipe.stores.adapter import AsyncStoreAdapter, identity_of, supports_sync
from zarrpipe.stores.object import ObjectStore

PROTOTYPE = default_buffer_prototype()
RANGES = [
    (None, b"0123456789"),
    (RangeByteRequest(2, 5), b"234"),
    (RangeByteRequest(8, 20), b"89"),
    (RangeByteRequest(12, 20), b""),
    (RangeByteRequest(3, 3), b""),
    (OffsetByteRequest(7), b"789"),
    (OffsetByteRequest(10), b""),
    (SuffixByteRequest(3), b"789"),
    (SuffixByteRequest(30), b"0123456789"),
    (SuffixByteRequest(0), b""),
]

Make = Callable[[], Any]


def buffer(data: bytes) -> Buffer:
    return Buffer.from_bytes(data)


def s3_options(url: str) -> dict[str, Any]:
    return S3Server(url).options()


@pytest.fixture(params=["memory", "local", "s3", "folder server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        return ObjectStore(obstore.store.MemoryStore())
    if request.param == "local":
        return ObjectStore(obstore.store.LocalStore(tmp_path))
    if request.param == "s3":
        s3 = request.getfixturevalue("s3")
        return ObjectStore.from_url(f"s3://{s3.bucket()}/some/prefix", storage_options=s3.options())
    server = request.getfixturevalue("http_server")
    (server.root / "bucket").mkdir()
    return ObjectStore.from_url("s3://bucket", storage_options=s3_options(server.url))


async def collect(names: Any) -> list[str]:
    return sorted([name async for name in names])


# What every store does


async def test_get_set_delete(store: ObjectStore) -> None:
    assert isinstance(store, Store)
    assert isinstance(store, SupportsVersions)
    assert not supports_sync(store)
    assert await store.get("a/b", PROTOTYPE) is None
    for byte_range, _ in RANGES:
        assert await store.get("a/b", PROTOTYPE, byte_range) is None, byte_range
    await store.set("a/b", buffer(b"0123456789"))
    await store.set("empty", buffer(b""))
    for byte_range, expected in RANGES:
        found = await store.get("a/b", PROTOTYPE, byte_range)
        assert found is not None
        assert found.to_bytes() == expected, byte_range
        found = await store.get("empty", PROTOTYPE, byte_range)
        assert found is not None
        assert found.to_bytes() == b"", byte_range
    parts = await store.get_partial_values(PROTOTYPE, [("a/b", RANGES[1][0]), ("x", None), ("a/b", RANGES[7][0])])
    assert [part if part is None else part.to_bytes() for part in parts] == [b"234", None, b"789"]
    await store.set("a/b", buffer(b"new"))
    assert (await store.get("a/b")).to_bytes() == b"new"  # type: ignore[union-attr]
    assert await store.getsize("a/b") == 3
    with pytest.raises(NodeNotFoundError):
        await store.getsize("a")
    assert await store.exists("a/b")
    assert not await store.exists("a")
    await store.delete("a/b")
    await store.delete("a/b")
    assert await store.get("a/b", PROTOTYPE) is None


async def test_versions(store: ObjectStore, request: pytest.FixtureRequest) -> None:
    await store.set("k", buffer(b"0123456789"))
    versions = set()
    for byte_range, expected in RANGES:
        found = await store.get_versioned("k", PROTOTYPE, byte_range)
        assert found is not None
        assert (found.buffer.to_bytes(), found.nbytes) == (expected, 10)
        versions.add(found.version)
    (version,) = versions
    assert version is not None
    for byte_range, expected in RANGES:
        again = await store.get_versioned("k", PROTOTYPE, byte_range, version=version)
        assert again is not None
        assert again.buffer.to_bytes() == expected
    await store.set("k", buffer(b"abcdefghijk"))
    for byte_range, _ in RANGES:
        with pytest.raises(ConflictError):
            await store.get_versioned("k", PROTOTYPE, byte_range, version=version)
    await store.delete("k")
    for byte_range, _ in RANGES:
        with pytest.raises(ConflictError):
            await store.get_versioned("k", PROTOTYPE, byte_range, version=version)
        assert await store.get_versioned("k", PROTOTYPE, byte_range) is None


async def test_writes_on_condition(store: ObjectStore) -> None:
    await store.set_if_not_exists("k", buffer(b"first"))
    await store.set_if_not_exists("k", buffer(b"second"))
    found = await store.get_versioned("k", PROTOTYPE)
    assert found is not None
    assert found.buffer.to_bytes() == b"first"
    with pytest.raises(ConflictError):
        await store.set_if_version("k", buffer(b"third"), None)
    if type(store.store).__name__ == "LocalStore":
        with pytest.raises(UnsupportedError):
            await store.set_if_version("k", buffer(b"third"), found.version)
        return
    await store.set_if_version("k", buffer(b"third"), found.version)
    with pytest.raises(ConflictError):
        await store.set_if_version("k", buffer(b"fourth"), found.version)
    assert (await store.get("k")).to_bytes() == b"third"  # type: ignore[union-attr]
    await store.delete("k")
    with pytest.raises(ConflictError):
        await store.set_if_version("k", buffer(b"fourth"), found.version)
    assert await store.get("k") is None
    with pytest.raises(TypeError):
        await store.set_if_version("k", buffer(b"x"), "a tag")


async def test_many_keys_are_listed_and_deleted(store: ObjectStore) -> None:
    count = 1100  # more than a page
    if type(store.store).__name__ == "S3Store":
        count = 30  # what the server itself does with pages is not ours
    await asyncio.gather(*(store.set(f"d/{i}", buffer(b"")) for i in range(count)))
    assert len(await collect(store.list_prefix("d/"))) == count
    await store.delete_dir("d")
    assert await collect(store.list()) == []


async def test_keys_of_all_letters(store: ObjectStore) -> None:
    keys = ["a b/ü%#?", "a%2Fb", "x+y", ".a", "~*'()!", "日本"]
    for key in keys:
        await store.set(key, buffer(key.encode()))
    for key in keys:
        assert (await store.get(key)).to_bytes() == key.encode()  # type: ignore[union-attr]
    if type(store.store).__name__ != "S3Store":
        assert await collect(store.list()) == sorted(keys)
    with pytest.raises(StoreError):
        await store.set("a\x01b", buffer(b"x"))


async def test_read_only(store: ObjectStore) -> None:
    await store.set("a", buffer(b"x"))
    closed = store.with_read_only(True)
    assert closed.read_only
    assert closed == store
    assert hash(closed) == hash(store)
    assert (await closed.get("a")).to_bytes() == b"x"  # type: ignore[union-attr]
    value = buffer(b"y")
    for call in (
        lambda: closed.set("a", value),
        lambda: closed.delete("a"),
        closed.clear,
        lambda: closed.delete_dir("a"),
        lambda: closed.set_if_not_exists("b", value),
        lambda: closed.set_if_version("b", value, None),
    ):
        with pytest.raises(ReadOnlyError):
            await call()
    assert not closed.with_read_only(False).read_only
    with pytest.raises(TypeError):
        await store.set("a", b"bytes")  # type: ignore[arg-type]


async def test_large_values_go_in_parts(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from zarrpipe.stores import object as module

    data = np.random.default_rng(0).bytes(11 * 2**20)
    if type(store.store).__name__ != "S3Store" or store.store.config["bucket"] != "bucket":
        monkeypatch.setattr(module, "_ONE_PUT_NBYTES", 2**20)
        monkeypatch.setattr(module, "_PART_NBYTES", 5 * 2**20)
    await store.set("k", buffer(data))
    assert (await store.get("k")).to_bytes() == data  # type: ignore[union-attr]


# Single ones


async def test_values_are_not_copied() -> None:
    store = ObjectStore(obstore.store.MemoryStore())
    await store.set("k", buffer(bytes(1000)))
    found = await store.get("k")
    assert found is not None
    owner = found.as_numpy_array().base
    assert isinstance(owner, memoryview)
    assert type(owner.obj).__name__ == "Bytes"
    assert type(owner.obj).__module__.startswith("obstore")


def test_pickling_and_equality(s3: S3Server, tmp_path: Path) -> None:
    one = ObjectStore.from_url("s3://bucket/a", storage_options=s3.options(), read_only=True)
    again = pickle.loads(pickle.dumps(one))
    assert again == one
    assert again.read_only
    assert one != ObjectStore.from_url("s3://bucket/b", storage_options=s3.options())
    assert one != ObjectStore.from_url("s3://bucket/a", storage_options={**s3.options(), "region": "eu-west-1"})
    assert ObjectStore(obstore.store.LocalStore(tmp_path)) == ObjectStore(obstore.store.LocalStore(tmp_path))
    with pytest.raises(TypeError, match="obstore"):
        ObjectStore({})


def test_what_we_make_does_not_retry_by_itself(s3: S3Server) -> None:
    made = ObjectStore.from_url("s3://bucket", storage_options=s3.options()).store
    assert made.retry_config["max_retries"] == 0
    told = ObjectStore.from_url("s3://bucket", storage_options={**s3.options(), "retry_config": {"max_retries": 2}})
    assert told.store.retry_config["max_retries"] == 2


@pytest.mark.parametrize(
    ("url", "options", "kind", "expected"),
    [
        ("s3://b/p", {"anon": True}, "S3Store", {"bucket": "b", "skip_signature": "true"}),
        (
            "s3://b/p",
            {
                "key": "k",
                "secret": "s",
                "token": "t",
                "client_kwargs": {"endpoint_url": "http://x:1", "region_name": "r"},
            },
            "S3Store",
            {
                "bucket": "b",
                "access_key_id": "k",
                "secret_access_key": "s",
                "session_token": "t",
                "endpoint": "http://x:1",
                "region": "r",
            },
        ),
        ("s3a://b/p", {"skip_signature": True, "region": None}, "S3Store", {"bucket": "b", "skip_signature": "true"}),
        ("gs://b/p", {"token": "anon"}, "GCSStore", {"bucket": "b", "skip_signature": "true"}),
        ("gcs://b/p", {"anon": True}, "GCSStore", {"bucket": "b", "skip_signature": "true"}),
        ("az://c/p", {"account_name": "n", "anon": True}, "AzureStore", {"container_name": "c", "account_name": "n"}),
        ("https://s3.amazonaws.com/b/p", {"headers": {"X-A": "1"}}, "HTTPStore", {}),
        ("http://127.0.0.1:1/p", {}, "HTTPStore", {}),
    ],
)
def test_urls_and_options(url: str, options: dict[str, Any], kind: str, expected: dict[str, str]) -> None:
    store = ObjectStore.from_url(url, storage_options=options).store
    assert type(store).__name__ == kind
    if kind != "HTTPStore":
        assert {name: store.config[name] for name in expected} == expected
        assert store.prefix == "p"
    allowed = url.startswith("http:") or "http:" in str(options)
    assert (store.client_options.get("allow_http") == "true") == allowed


@pytest.mark.parametrize("url", ["s3://b", "gs://b", "https://x/y"])
def test_unknown_options_say_what_is_known(url: str) -> None:
    with pytest.raises(ConfigError, match="client_options") as caught:
        ObjectStore.from_url(url, storage_options={"colour": "red"})
    assert "colour" in str(caught.value)
    with pytest.raises(ConfigError, match="client_options"):
        ObjectStore.from_url(url, storage_options={"client_kwargs": {"colour": "red"}})


def test_contradictions_and_other_schemes() -> None:
    with pytest.raises(ConfigError, match="twice"):
        ObjectStore.from_url("s3://b", storage_options={"key": "a", "access_key_id": "b"})
    with pytest.raises(UnsupportedError, match="ftp"):
        ObjectStore.from_url("ftp://x/y")


# HTTP


async def test_http(http_server: FolderServer) -> None:
    (http_server.root / "d").mkdir()
    (http_server.root / "d" / "k").write_bytes(b"0123456789")
    store = ObjectStore.from_url(f"{http_server.url}/d")
    for byte_range, expected in RANGES:
        found = await store.get_versioned("k", PROTOTYPE, byte_range)
        assert found is not None
        assert (found.buffer.to_bytes(), found.nbytes) == (expected, 10), byte_range
        again = await store.get_versioned("k", PROTOTYPE, byte_range, version=found.version)
        assert again is not None
        assert again.buffer.to_bytes() == expected
    assert await store.get("none") is None
    assert await store.exists("k")
    assert await store.getsize("k") == 10
    assert store.read_only
    assert (store.supports_listing, store.supports_writes, store.supports_deletes) == (False, False, False)
    with pytest.raises(ReadOnlyError):
        await store.set("k", buffer(b"x"))
    for listing in (store.list(), store.list_dir(""), store.list_prefix("a")):
        with pytest.raises(UnsupportedError, match="consolidated"):
            await collect(listing)
    with pytest.raises(UnsupportedError):
        store.with_read_only(False)


@pytest.fixture
def bucket(misbehaving: MisbehavingServer) -> ObjectStore:
    (misbehaving.root / "bucket").mkdir()
    (misbehaving.root / "bucket" / "k").write_bytes(b"0123456789")
    return ObjectStore.from_url("s3://bucket", storage_options=s3_options(misbehaving.url))


@pytest.mark.parametrize(
    ("byte_range", "count"),
    [(RANGES[0][0], 1), (RANGES[1][0], 1), (RANGES[2][0], 1), (RANGES[5][0], 1), (RANGES[7][0], 1), (RANGES[9][0], 1)],
)
async def test_a_value_is_one_request(
    bucket: ObjectStore, misbehaving: MisbehavingServer, byte_range: Any, count: int
) -> None:
    found = await bucket.get_versioned("k", PROTOTYPE, byte_range)
    assert found is not None
    assert len(misbehaving.requests) == count
    misbehaving.requests.clear()
    await bucket.get_versioned("k", PROTOTYPE, byte_range, version=found.version)
    assert len(misbehaving.requests) == count


@pytest.mark.parametrize("kind", ["reset", "cut short", "cut and told", "500", "503", "429", "403", "401", "hang"])
async def test_errors_name_the_key(bucket: ObjectStore, misbehaving: MisbehavingServer, kind: str) -> None:
    from zarrpipe.stores.retries import is_transient

    misbehaving.faults = [Fault(kind, times=9)]
    options = {**s3_options(misbehaving.url), "client_options": {"timeout": "300ms"}}
    store = ObjectStore.from_url("s3://bucket", storage_options=options) if kind == "hang" else bucket
    with pytest.raises(StoreError) as caught:
        await store.get("k", PROTOTYPE, RANGES[1][0])
    assert caught.value.key == "k"
    assert not isinstance(caught.value, FileNotFoundError)
    assert caught.value.__cause__ is not None
    assert "Debug" not in str(caught.value)
    # One request each: it is not for the store to try again.
    assert len(misbehaving.requests) == 1
    assert is_transient(caught.value) == (kind not in ("403", "401"))
    misbehaving.released.set()


async def test_a_server_that_ignores_ranges(bucket: ObjectStore, misbehaving: MisbehavingServer) -> None:
    http = ObjectStore.from_url(f"{misbehaving.url}/bucket")
    for store in (bucket, http):
        for byte_range, expected in RANGES:
            misbehaving.faults = [Fault("range ignored", times=99)]
            found = await store.get_versioned("k", PROTOTYPE, byte_range)
            assert found is not None
            assert (found.buffer.to_bytes(), found.nbytes) == (expected, 10), byte_range


async def test_a_store_that_is_not_there_is_no_missing_key(s3: S3Server, misbehaving: MisbehavingServer) -> None:
    for url in (s3.url, misbehaving.url):
        store = ObjectStore.from_url("s3://no-such-bucket", storage_options=s3_options(url))
        with pytest.raises(StoreError, match="no such store") as caught:
            await store.get("k")
        assert caught.value.key == "k"


async def test_a_folder_in_a_keys_place_is_no_missing_key(tmp_path: Path) -> None:
    (tmp_path / "k").mkdir()
    with pytest.raises(StoreError, match="folder"):
        await ObjectStore(obstore.store.LocalStore(tmp_path)).get("k")


class NoSuffixes:
    """As obstore's AzureStore answers: ranges from the end are not supported."""

    def __init__(self) -> None:
        self.inner = obstore.store.MemoryStore()
        self.asked: list[Any] = []

    async def get_async(self, path: str, *, options: Any = None) -> Any:
        self.asked.append((options or {}).get("range"))
        if isinstance((options or {}).get("range"), dict) and "suffix" in options["range"]:
            raise obstore.exceptions.NotSupportedError("Operation not supported: Azure does not support suffix range")
        return await self.inner.get_async(path, options=options)

    async def head_async(self, path: str) -> Any:
        self.asked.append("head")
        return await self.inner.head_async(path)

    async def put_async(self, path: str, file: Any, **options: Any) -> Any:
        return await self.inner.put_async(path, file, **options)


async def test_stores_without_ranges_from_the_end() -> None:
    inner = NoSuffixes()
    store = ObjectStore(inner)
    await store.set("k", buffer(b"0123456789"))
    for asked in ([{"suffix": 3}, "head", (7, 10)], ["head", (7, 10)]):
        inner.asked.clear()
        found = await store.get_versioned("k", PROTOTYPE, SuffixByteRequest(3))
        assert found is not None
        assert (found.buffer.to_bytes(), found.nbytes) == (b"789", 10)
        assert inner.asked == asked


class Answer:
    def __init__(self, tag: str | None) -> None:
        self.range = (0, 3)
        self.meta = {"e_tag": tag, "version": None, "size": 3}

    async def bytes_async(self) -> bytes:
        return b"abc"


class Tagged:
    """A server that ignores conditions, and gives such tags as it likes."""

    def __init__(self, tag: str | None) -> None:
        self.tag = tag
        self.asked: list[Any] = []

    async def get_async(self, path: str, *, options: Any = None) -> Any:
        self.asked.append((options or {}).get("if_match"))
        return Answer(self.tag)

    head_async = put_async = get_async


@pytest.mark.parametrize(("tag", "sent"), [('"1"', '"1"'), ('W/"1"', None)])
async def test_tags_are_compared_where_conditions_are_not_known(tag: str, sent: str | None) -> None:
    inner = Tagged(tag)
    store = ObjectStore(inner)
    found = await store.get_versioned("k", PROTOTYPE)
    assert found is not None
    assert await store.get_versioned("k", PROTOTYPE, version=found.version) == found
    inner.tag = '"2"'
    with pytest.raises(ConflictError):
        await store.get_versioned("k", PROTOTYPE, version=found.version)
    assert inner.asked == [None, sent, sent]


async def test_no_tag_is_no_version() -> None:
    found = await ObjectStore(Tagged(None)).get_versioned("k", PROTOTYPE)
    assert found is not None
    assert (found.version, found.nbytes) == (None, 3)


async def test_zarr_pythons_store_is_asked_as_ours() -> None:
    inner = obstore.store.MemoryStore()
    theirs = zarr.storage.ObjectStore(inner)
    ours = ObjectStore(inner)
    assert identity_of(theirs) == identity_of(ours) == identity_of(ours.with_read_only(True))
    assert identity_of(ObjectStore(obstore.store.MemoryStore())) != identity_of(ours)
    await AsyncStoreAdapter(theirs).set("k", b"abc")
    assert (await ours.get("k")).to_bytes() == b"abc"  # type: ignore[union-attr]
    found = await AsyncStoreAdapter(theirs).get("k", (None, 2))
    assert found is not None
    assert (bytes(found.data), found.nbytes) == (b"bc", 3)
    assert found.version is not None
    with pytest.raises(ReadOnlyError):
        await AsyncStoreAdapter(theirs.with_read_only(True)).set("k", b"abc")


async def test_a_subclass_of_zarr_pythons_store_is_asked_itself() -> None:
    class Special(zarr.storage.ObjectStore[Any]):
        async def get(self, *_: Any, **__: Any) -> Any:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await AsyncStoreAdapter(Special(obstore.store.MemoryStore())).get("k", None)


def conditional_increments(make: Callable[[], Any], threads: int, times: int) -> bytes:
    """Threads that each add to a number, by conditional writes."""
    errors: list[BaseException] = []

    async def add() -> None:
        store = make()
        for _ in range(times):
            while True:
                found = await store.get_versioned("n", PROTOTYPE)
                value = int(found.buffer.to_bytes())
                try:
                    await store.set_if_version("n", buffer(b"%d" % (value + 1)), found.version)
                    break
                except ConflictError:
                    continue

    def run() -> None:
        try:
            asyncio.run(add())
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert not errors
    return asyncio.run(make().get("n")).to_bytes()


@pytest.mark.parametrize("server", ["s3", "folder"])
def test_conditional_writes_lose_nothing(server: str, s3: S3Server, http_server: FolderServer) -> None:
    if server == "s3":
        bucket, url = s3.bucket(), s3.url
    else:
        bucket, url = "bucket", http_server.url
        (http_server.root / bucket).mkdir()

    def make() -> ObjectStore:
        return ObjectStore.from_url(f"s3://{bucket}", storage_options=s3_options(url))

    asyncio.run(make().set("n", buffer(b"0")))
    assert conditional_increments(make, 4, 10) == b"40"


def test_a_time_limit_is_told_to_obstore(s3: S3Server) -> None:
    with config.set(io_timeout_s=7):
        assert "7" in str(ObjectStore.from_url("s3://b", storage_options=s3.options()).store.client_options["timeout"])


SHORT_LIFE = """
import asyncio, sys
import obstore.store
from zarrpipe.buffer import Buffer
from zarrpipe.stores.object import ObjectStore
store = ObjectStore(obstore.store.LocalStore(sys.argv[1]))
async def main():
    await store.set("k", Buffer.from_bytes(bytes(1000)))
    assert len(await store.get("k")) == 1000
asyncio.run(main())
"""


def test_a_process_may_end_right_after_an_answer(tmp_path: Path) -> None:
    # Without care one in three is aborted by obstore's threads.
    command = [sys.executable, "-c", SHORT_LIFE, str(tmp_path)]
    children = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(10)]
    assert [child.wait() for child in children] == [0] * 10
