"""File systems of fsspec as stores: their loops, their ranges, their errors."""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import numpy as np
import pytest
import zarr
import zarr.storage
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from fsspec.implementations.memory import MemoryFileSystem
from upath import UPath

import zarrpipe
from servers.s3 import S3Server, s3_server
from store_contract import RANGES, WHOLE, StoreContract, buffer, collect, value_of
from zarrpipe.abc.store import RangeByteRequest, SuffixByteRequest
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.errors import ConflictError, NodeNotFoundError, StoreError, UnsupportedError
from zarrpipe.stores import FsspecStore, LoggingStore, make_store

PROTOTYPE = default_buffer_prototype()


class LoopBoundFileSystem(AsyncFileSystem):
    """A file system whose instances serve the loop of their first request, as those with connections do."""

    protocol = "loopbound"
    cachable = False

    def __init__(self, name: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.name = name
        self.memory = MemoryFileSystem()
        self.bound: Any = None
        self.moved: list[tuple[str, int]] = []

    def _check(self) -> None:
        running = asyncio.get_running_loop()
        self.bound = self.bound or running
        if self.bound is not running:
            raise RuntimeError("attached to a different loop")

    def __getattr__(self, name: str) -> Any:
        if name not in ("_pipe_file", "_info", "_ls", "_find", "_rm_file", "_rm"):
            raise AttributeError(name)

        async def call(path: Any, *args: Any, **kwargs: Any) -> Any:
            self._check()
            return getattr(self.memory, name[1:])(path, *args, **kwargs)

        return call

    async def _cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
        self._check()
        await asyncio.sleep(0)
        data: bytes = self.memory.cat_file(path, start=start, end=end)
        self.moved.append((path, len(data)))
        return data


for _name in ("_pipe_file", "_info", "_ls", "_find", "_rm_file", "_rm"):
    # AsyncFileSystem has some of these.
    def _forward(name: str) -> Any:
        async def call(self: Any, path: Any, *args: Any, **kwargs: Any) -> Any:
            self._check()
            return getattr(self.memory, name[1:])(path, *args, **kwargs)

        return call

    setattr(LoopBoundFileSystem, _name, _forward(_name))


@pytest.fixture
def root() -> str:
    return f"/{uuid4().hex}"


def made(kind: str, root: str, tmp_path: Path) -> FsspecStore:
    memory = fsspec.filesystem("memory")
    return {
        "memory": lambda: FsspecStore.from_url(f"memory://{root}"),
        "local": lambda: FsspecStore.from_url(f"file://{tmp_path}/root"),
        "mapper": lambda: FsspecStore.from_mapper(fsspec.get_mapper(f"memory://{root}")),
        "upath": lambda: FsspecStore.from_upath(UPath(f"memory://{root}")),
        "wrapped": lambda: FsspecStore(AsyncFileSystemWrapper(memory, asynchronous=True), path=root),
        "folder": lambda: FsspecStore(fsspec.filesystem("dir", path=root, fs=memory), path=""),
        "loop": lambda: FsspecStore(LoopBoundFileSystem(root), path=root),
        "users loop": lambda: FsspecStore(LoopBoundFileSystem(root, asynchronous=True), path=root),
    }[kind]()


KINDS = ["memory", "local", "mapper", "upath", "wrapped", "folder", "loop", "users loop"]


class TestFsspecStore(StoreContract):
    @pytest.fixture(params=KINDS)
    def store(self, request: pytest.FixtureRequest, root: str, tmp_path: Path) -> Any:
        self.kind = request.param
        return made(request.param, root, tmp_path)

    def reopened(self, store: Any) -> Any:
        if self.kind in ("wrapped", "loop", "users loop"):
            # Instances of which fsspec makes as many as it is asked for: equal by what they are made of.
            return type(store)(store.fs, path=store.path)
        return super().reopened(store)


# Loops


@pytest.mark.parametrize("asynchronous", [False, True])
def test_any_loop_may_ask(asynchronous: bool, root: str) -> None:
    store = FsspecStore(LoopBoundFileSystem(root, asynchronous=asynchronous), path=root)
    data = np.arange(40, dtype="int32")
    array = zarrpipe.create_array(store, data=data, chunks=(3,))
    assert np.array_equal(array[:], data)

    async def read() -> Any:
        return await array.read_async(slice(5, 30))

    # Two loops, one after the other, and then the one of the library again.
    assert np.array_equal(asyncio.run(read()), data[5:30])
    assert np.array_equal(asyncio.run(read()), data[5:30])
    array[0] = 100
    assert array[0] == 100


async def test_a_sync_call_beside_a_running_loop(root: str) -> None:
    store = FsspecStore(LoopBoundFileSystem(root), path=root)
    array = await zarrpipe.create_array_async(store, shape=(8,), chunks=(2,), dtype="uint8")
    await array.write_async(..., np.uint8(3))
    assert (await asyncio.to_thread(lambda: array[:])).tolist() == [3] * 8


def _read_in_child(store: FsspecStore, answers: Any) -> None:
    answers.put(zarrpipe.open_array(store, mode="r")[:].tolist())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes(method: str, tmp_path: Path) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("allowed: not on this platform")
    store = FsspecStore.from_url(f"file://{tmp_path}/x")
    zarrpipe.create_array(store, data=np.arange(5))
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    child = context.Process(target=_read_in_child, args=(store, answers))
    child.start()
    assert answers.get(timeout=60) == [0, 1, 2, 3, 4]
    child.join()
    assert child.exitcode == 0


# Requests


def test_parts_are_asked_for(root: str) -> None:
    fs = LoopBoundFileSystem(root)
    store = LoggingStore(FsspecStore(fs, path=root))
    array = zarrpipe.create_array(store, shape=(64,), shards=(64,), chunks=(8,), dtype="uint8", compressors=None)
    array[:] = np.arange(64)
    fs.moved.clear()
    store.clear_requests()
    assert array[10:12].tolist() == [10, 11]
    assert [nbytes for _, nbytes in fs.moved] == [132, 8]
    assert store.counts() == {"get": 2}


class WithoutRanges(MemoryFileSystem):
    """A file system that gives whole values, whatever part is asked for."""

    protocol = "noranges"
    cachable = False
    refuses = False

    def cat_file(self, path: str, start: Any = None, end: Any = None, **kwargs: Any) -> bytes:
        if self.refuses and (start is not None or end is not None):
            raise NotImplementedError("no ranges")
        return bytes(super().cat_file(path))


async def test_a_file_system_without_ranges(root: str) -> None:
    fs = WithoutRanges()
    store = FsspecStore(fs, path=root)
    await store.set("a", buffer(WHOLE))
    for part, expected in (
        (RangeByteRequest(2, 5), b"234"),
        (RangeByteRequest(8, 9), b"8"),
        (SuffixByteRequest(3), b"789"),
        (SuffixByteRequest(20), WHOLE),
    ):
        found = await store.get("a", PROTOTYPE, part)
        assert found.to_bytes() == expected
    fs.refuses = True
    for part, expected in RANGES:
        found = await store.get("a", PROTOTYPE, part)
        assert found.to_bytes() == expected


# Errors


class Failing(MemoryFileSystem):
    protocol = "failing"
    cachable = False
    error: Exception = OSError(5, "disk")

    def cat_file(self, path: str, **kwargs: Any) -> bytes:
        raise self.error

    def info(self, path: str, **kwargs: Any) -> Any:
        raise self.error

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [PermissionError("403 Forbidden"), OSError(5, "disk"), TimeoutError("slow"), RuntimeError("bug"), ValueError()],
)
async def test_only_a_missing_file_is_a_missing_key(error: Exception, root: str) -> None:
    fs = Failing()
    fs.error = error
    store = FsspecStore(fs, path=root)
    for request in (
        store.get("c/0", PROTOTYPE),
        store.get("c/0", PROTOTYPE, RangeByteRequest(0, 5)),
        store.get("c/0", PROTOTYPE, RangeByteRequest(5, 5)),
        store.exists("c/0"),
        store.getsize("c/0"),
        store.set("c/0", buffer(b"1")),
    ):
        with pytest.raises(StoreError) as raised:
            await request
        assert raised.value.key == "c/0"
        assert raised.value.__cause__ is error
        assert type(error).__name__ in str(raised.value)
    assert raised.value.errno == getattr(error, "errno", None)
    with pytest.raises(StoreError, match=r"zarr\.json"):
        zarrpipe.open_array(store, mode="r")
    fs.error = FileNotFoundError("none")
    assert await store.get("c/0", PROTOTYPE) is None
    assert await store.get("c/0", PROTOTYPE, RangeByteRequest(5, 5)) is None
    assert not await store.exists("c/0")
    with pytest.raises(NodeNotFoundError):
        await store.getsize("c/0")
    with pytest.raises(StoreError, match="to store it in"):
        await store.set("c/0", buffer(b"1"))
    fs.error = error
    allowing = FsspecStore(fs, path=root, allowed_exceptions=(FileNotFoundError, type(error)))
    assert await allowing.get("c/0", PROTOTYPE) is None


async def test_what_a_file_system_cannot_do(root: str) -> None:
    store = FsspecStore.from_url("data:,hello")
    with pytest.raises(UnsupportedError, match="cannot do that") as raised:
        await store.delete("a")
    assert raised.value.key == "a"


def test_paths_and_urls(root: str) -> None:
    with pytest.raises(ValueError, match="without a scheme"):
        FsspecStore(fsspec.filesystem("memory"), path="memory://a")
    with pytest.raises(UnsupportedError, match="knows no such URL"):
        FsspecStore.from_url("nonsense://a")
    with pytest.raises(UnsupportedError, match="another package"):
        FsspecStore.from_url("gs://a")
    a, b = FsspecStore.from_url("memory://a/"), FsspecStore.from_url("memory://a")
    assert a == b != FsspecStore.from_url("memory://b")
    assert hash(a) == hash(b)
    assert a != FsspecStore.from_url("file:///a")
    assert pickle.loads(pickle.dumps(a)) == a


async def test_the_root_of_a_file_system(tmp_path: Path) -> None:
    for path in ("/", ""):
        store = FsspecStore(WithoutRanges(), path=path)
        WithoutRanges.store.clear()
        WithoutRanges.pseudo_dirs[:] = [""]
        await store.set("a/b", buffer(b"1"))
        assert await value_of(store, "a/b") == b"1"
        assert await collect(store.list()) == ["a/b"]
        assert await collect(store.list_dir("")) == ["a"]
        await store.clear()
        assert await collect(store.list()) == []


def test_parity_with_zarr(root: str) -> None:
    data = np.arange(64, dtype="int32").reshape(8, 8)
    url = f"memory://{root}"
    zarrpipe.create_array(FsspecStore.from_url(url), name="a", data=data, shards=(4, 4), chunks=(2, 2))
    peer = zarr.storage.FsspecStore.from_url(url)
    assert np.array_equal(zarr.open_array(peer, path="a", mode="r")[:], data)
    zarr.create_array(peer, name="b", data=data, chunks=(3, 3))
    assert np.array_equal(zarrpipe.open_array(FsspecStore.from_url(url), path="b")[2:, 3], data[2:, 3])


# HTTP


class Handler(BaseHTTPRequestHandler):
    """Values by their path; `server.ranges` says whether ranges are known, `server.status` what else to answer."""

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        server: Any = self.server
        wanted = self.headers.get("Range")
        server.requests.append((self.command, self.path, wanted))
        data = server.values.get(self.path)
        status, body = (404, b"") if data is None else (server.status or 200, data)
        if status == 200 and wanted and server.ranges:
            start, _, end = wanted.removeprefix("bytes=").partition("-")
            first = int(start) if start else max(0, len(data) - int(end))
            last = int(end) + 1 if start and end else len(data)
            status, body = (206, data[first:last]) if first < len(data) else (416, b"")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + (10 if server.cut else 0)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last - 1}/{len(data)}")
        if self.path in server.tags:
            self.send_header("ETag", server.tags[self.path])
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.values, server.tags, server.requests = {}, {}, []
    server.ranges, server.status, server.cut = True, None, False
    server.url = f"http://127.0.0.1:{server.server_port}/data"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("ranges", [True, False])
async def test_http(server: Any, ranges: bool) -> None:
    server.ranges = ranges
    server.values["/data/a"] = WHOLE
    store = FsspecStore.from_url(server.url, read_only=True)
    for part, expected in RANGES:
        found = await store.get("a", PROTOTYPE, part)
        assert found.to_bytes() == expected, part
        assert await store.get("b", PROTOTYPE, part) is None
    assert await store.exists("a")
    assert not await store.exists("b")
    assert await store.getsize("a") == 10
    if ranges:
        # The end of a value in one request.
        server.requests.clear()
        await store.get("a", PROTOTYPE, SuffixByteRequest(4))
        assert server.requests == [("GET", "/data/a", "bytes=-4")]


@pytest.mark.parametrize("status", [403, 500, 503])
async def test_http_refusals_are_errors(server: Any, status: int) -> None:
    server.values["/data/c/0"] = WHOLE
    server.status = status
    store = FsspecStore.from_url(server.url)
    for request in (
        store.get("c/0", PROTOTYPE),
        store.get("c/0", PROTOTYPE, SuffixByteRequest(3)),
        store.exists("c/0"),
        store.getsize("c/0"),
    ):
        with pytest.raises(StoreError, match="c/0"):
            await request


async def test_http_bodies_cut_short_are_errors(server: Any) -> None:
    server.values["/data/a"] = WHOLE
    server.cut = True
    store = FsspecStore.from_url(server.url)
    for part in (None, RangeByteRequest(2, 5)):
        with pytest.raises(StoreError) as raised:
            await store.get("a", PROTOTYPE, part)
        assert raised.value.key == "a"


@pytest.mark.parametrize("chain", ["", "simplecache::"])
def test_arrays_over_http(server: Any, chain: str) -> None:
    values: dict[str, Any] = {}
    data = np.arange(64, dtype="int32").reshape(8, 8)
    zarrpipe.create_array(values, data=data, shards=(4, 4), chunks=(2, 2))
    server.values.update({f"/data/{key}": value.to_bytes() for key, value in values.items()})
    array = zarrpipe.open_array(FsspecStore.from_url(f"{chain}{server.url}", read_only=True))
    assert np.array_equal(array[:], data)
    assert np.array_equal(array[1:3, 5], data[1:3, 5])


def test_refused_chunks_are_no_fill_values(server: Any) -> None:
    values: dict[str, Any] = {}
    zarrpipe.create_array(values, data=np.arange(8), chunks=(4,))
    server.values.update({f"/data/{key}": value.to_bytes() for key, value in values.items()})
    array = zarrpipe.open_array(FsspecStore.from_url(server.url, read_only=True))
    server.status = 403
    with pytest.raises(StoreError, match="c/"):
        array[:]


def test_mappings_and_upaths_are_stores(root: str, tmp_path: Path) -> None:
    data = np.arange(6)
    zarrpipe.create_array(fsspec.get_mapper(f"memory://{root}"), data=data)
    assert np.array_equal(zarrpipe.open_array(UPath(f"memory://{root}"), mode="r")[:], data)
    assert np.array_equal(zarrpipe.open_array(f"simplecache::memory:/{root}", mode="r")[:], data)
    local = make_store(UPath(tmp_path / "x"))
    assert type(local) is zarrpipe.stores.LocalStore
    assert type(make_store(UPath(tmp_path / "x.zip"))) is zarrpipe.stores.ZipStore


# S3


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def s3_options(s3: S3Server) -> dict[str, Any]:
    # Where a region is named, s3fs makes buckets with a constraint that S3 refuses for this one.
    return {key: value for key, value in s3.fsspec_options().items() if key != "client_kwargs"}


class TestS3(StoreContract):
    @pytest.fixture
    def store(self, s3_options: dict[str, Any]) -> Any:
        bucket = uuid4().hex
        fsspec.filesystem("s3", **s3_options).mkdir(bucket)
        return FsspecStore.from_url(f"s3://{bucket}/inner/data.zarr", storage_options=s3_options)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_arrays_on_s3(s3_options: dict[str, Any], asynchronous: bool) -> None:
    bucket = uuid4().hex
    fsspec.filesystem("s3", **s3_options).mkdir(bucket)
    fs = fsspec.filesystem("s3", asynchronous=asynchronous, **s3_options)
    store = LoggingStore(FsspecStore(fs, path=f"{bucket}/a"))
    data = np.arange(64, dtype="int32").reshape(8, 8)
    array = zarrpipe.create_array(store, data=data, shards=(4, 4), chunks=(2, 2))
    assert np.array_equal(array[:], data)

    async def read() -> Any:
        return await array.read_async((slice(1, 3), 5))

    assert np.array_equal(asyncio.run(read()), data[1:3, 5])
    array.resize((4, 8))
    assert sorted(fsspec.filesystem("s3", **s3_options).find(bucket)) == [
        f"{bucket}/a/c/0/0",
        f"{bucket}/a/c/0/1",
        f"{bucket}/a/zarr.json",
    ]


async def test_a_bucket_that_is_not_there_is_not_made(s3_options: dict[str, Any]) -> None:
    bucket = uuid4().hex
    store = FsspecStore.from_url(f"s3://{bucket}/a", storage_options=s3_options)
    with pytest.raises(StoreError, match="no such bucket"):
        await store.set("zarr.json", buffer(b"{}"))
    # Nor are its chunks fill values.
    with pytest.raises(StoreError, match="no such bucket"):
        await store.get("c/0", PROTOTYPE)
    assert not await asyncio.to_thread(fsspec.filesystem("s3", **s3_options).exists, bucket)


async def test_versions_on_s3(s3_options: dict[str, Any]) -> None:
    bucket = uuid4().hex
    await asyncio.to_thread(fsspec.filesystem("s3", **s3_options).mkdir, bucket)
    store = FsspecStore.from_url(f"s3://{bucket}/a", storage_options=s3_options)
    await store.set_if_version("k", buffer(b"old value"), None)
    with pytest.raises(ConflictError):
        await store.set_if_version("k", buffer(b"second"), None)
    found = await store.get_versioned("k", PROTOTYPE, RangeByteRequest(0, 3))
    assert found is not None
    assert (found.buffer.to_bytes(), found.nbytes) == (b"old", 9)
    part = await store.get_versioned("k", PROTOTYPE, SuffixByteRequest(5), version=found.version)
    assert part is not None
    assert (part.buffer.to_bytes(), part.version, part.nbytes) == (b"value", found.version, 9)
    await store.set_if_version("k", buffer(b"new value"), found.version)
    with pytest.raises(ConflictError):
        await store.get_versioned("k", PROTOTYPE, version=found.version)
    with pytest.raises(ConflictError):
        await store.set_if_version("k", buffer(b"third"), found.version)
    await store.delete("k")
    with pytest.raises(ConflictError):
        await store.get_versioned("k", PROTOTYPE, version=found.version)
    assert await store.get_versioned("k", PROTOTYPE) is None


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"'])
async def test_versions_over_http(server: Any, tag: str) -> None:
    server.values["/data/k"] = WHOLE
    server.tags["/data/k"] = tag
    store = FsspecStore.from_url(server.url, read_only=True)
    found = await store.get_versioned("k", PROTOTYPE, SuffixByteRequest(3))
    assert found is not None
    assert (found.buffer.to_bytes(), found.nbytes) == (WHOLE[-3:], len(WHOLE))
    again = await store.get_versioned("k", PROTOTYPE, RangeByteRequest(1, 4), version=found.version)
    assert again is not None
    assert (again.buffer.to_bytes(), again.version) == (WHOLE[1:4], found.version)
    # This server does not know conditions: the answer's tag says it.
    server.tags["/data/k"] = tag.replace("1", "2")
    with pytest.raises(ConflictError):
        await store.get_versioned("k", PROTOTYPE, RangeByteRequest(1, 4), version=found.version)
    server.tags.clear()
    plain = await store.get_versioned("k", PROTOTYPE)
    assert plain is not None
    assert (plain.buffer.to_bytes(), plain.version, plain.nbytes) == (WHOLE, None, len(WHOLE))


def test_stores_of_zarr_python_over_http_tell_versions(server: Any) -> None:
    values: dict[str, Any] = {}
    old = np.arange(64, dtype="int32").reshape(8, 8)
    zarrpipe.create_array(values, data=old, shards=(8, 8), chunks=(2, 2), compressors=None)
    server.values.update({f"/data/{key}": value.to_bytes() for key, value in values.items()})
    server.tags["/data/c/0/0"] = '"1"'
    fs = fsspec.filesystem("http", asynchronous=True)
    array = zarrpipe.open_array(zarr.storage.FsspecStore(fs, read_only=True, path=server.url))
    np.testing.assert_array_equal(array[1:3, 5], old[1:3, 5])
    # The index that was read is of a shard that has been replaced since, by one whose inner chunks lie elsewhere.
    new: dict[str, Any] = {}
    data = np.where(old < 32, 0, -old)
    zarrpipe.create_array(new, data=data, shards=(8, 8), chunks=(2, 2), compressors=None)
    server.values["/data/c/0/0"] = new["c/0/0"].to_bytes()
    server.tags["/data/c/0/0"] = '"2"'
    np.testing.assert_array_equal(array[5:7, 5], data[5:7, 5])


async def test_other_file_systems_tell_no_versions(root: str) -> None:
    store = FsspecStore.from_url(f"memory://{root}")
    await store.set("k", buffer(WHOLE))
    found = await store.get_versioned("k", PROTOTYPE, RangeByteRequest(1, 4))
    assert found is not None
    assert (found.buffer.to_bytes(), found.version) == (WHOLE[1:4], None)
    with pytest.raises(UnsupportedError, match="tells versions"):
        await store.set_if_version("k", buffer(b"x"), None)
