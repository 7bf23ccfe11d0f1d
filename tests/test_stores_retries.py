"""Which failures are retried, how often, and what a lost answer does to a conditional write."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import boto3
import botocore.config
import fsspec
import obstore.store
import pytest

from servers.misbehaving import Fault, MisbehavingServer
from servers.s3 import S3Server
from zarrpipe.abc.store import Versioned
from zarrpipe.buffer import Buffer, default_buffer_prototype
from zarrpipe.config import config
from zarrpipe.errors import ConflictError, NodeNotFoundError, ReadOnlyError, StoreError
from zarrpipe.stores.object import ObjectStore
from zarrpipe.stores.retries import is_transient, retried, set_if_version

PROTOTYPE = default_buffer_prototype()


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionResetError(), True),
        (BrokenPipeError(), True),
        (TimeoutError(), True),
        (asyncio.IncompleteReadError(b"", 3), True),
        (OSError(errno.ENETUNREACH, ""), True),
        (caused(StoreError("", key="k"), ConnectionResetError()), True),
        (caused(StoreError("", key="k"), caused(OSError(), TimeoutError())), True),
        (ExceptionGroup("", [TimeoutError(), ConnectionError()]), True),
        (ExceptionGroup("", [TimeoutError(), ValueError()]), False),
        (OSError(errno.ENOSPC, ""), False),
        (StoreError("", key="k"), False),
        (ValueError(), False),
        (KeyError(), False),
        (FileNotFoundError(), False),
        (PermissionError(), False),
        (caused(PermissionError(), ConnectionError()), False),
        (caused(NodeNotFoundError(), ConnectionError()), False),
        (caused(ReadOnlyError(), ConnectionError()), False),
        (caused(ConflictError(), ConnectionError()), False),
    ],
    ids=repr,
)
def test_what_is_transient(error: Exception, expected: bool) -> None:
    assert is_transient(error) == expected


# In the words of others: what their clients raise when a real server does wrong


@pytest.fixture
def url(misbehaving: MisbehavingServer) -> str:
    (misbehaving.root / "bucket").mkdir()
    (misbehaving.root / "bucket" / "k").write_bytes(b"0123456789")
    return misbehaving.url


def by_obstore(url: str, *, retries: int = 0) -> None:
    store = obstore.store.S3Store(
        "bucket",
        client_options={"allow_http": True, "timeout": "300ms"},
        retry_config={"max_retries": retries},
        **S3Server(url).options(),
    )
    store.get("k").bytes()


def by_botocore(url: str) -> None:
    settings = botocore.config.Config(retries={"max_attempts": 0}, read_timeout=0.3, s3={"addressing_style": "path"})
    client = boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
        config=settings,
    )
    try:
        client.get_object(Bucket="bucket", Key="k")["Body"].read()
    finally:
        client.close()


def by_aiohttp(url: str) -> None:
    async def get() -> bytes:
        limit = aiohttp.ClientTimeout(total=0.3)
        async with (
            aiohttp.ClientSession(raise_for_status=True, timeout=limit) as session,
            session.get(f"{url}/bucket/k") as answer,
        ):
            return await answer.read()

    asyncio.run(get())


def by_fsspec_http(url: str) -> None:
    async def get() -> bytes:
        system = fsspec.filesystem(
            "http",
            asynchronous=True,
            skip_instance_cache=True,
            client_kwargs={"timeout": aiohttp.ClientTimeout(total=0.3)},
        )
        session = await system.set_session()
        try:
            found: bytes = await system._cat_file(f"{url}/bucket/k")
        finally:
            await session.close()
        return found

    asyncio.run(get())


def by_s3fs(url: str) -> None:
    async def get() -> bytes:
        system = fsspec.filesystem(
            "s3",
            asynchronous=True,
            skip_instance_cache=True,
            config_kwargs={"retries": {"max_attempts": 0}, "read_timeout": 0.3},
            **S3Server(url).fsspec_options(),
        )
        system.retries = 1
        session = await system.set_session()
        try:
            found: bytes = await system._cat_file("bucket/k")
        finally:
            await session.close()
        return found

    asyncio.run(get())


CLIENTS: dict[str, Callable[[str], None]] = {
    "obstore": by_obstore,
    "botocore": by_botocore,
    "aiohttp": by_aiohttp,
    "fsspec http": by_fsspec_http,
    "s3fs": by_s3fs,
}
PASSING = ["reset", "cut short", "hang", "500", "502", "503", "504", "429"]
LASTING = ["400", "401", "403", "404", "405", "412", "501"]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("kind", [*PASSING, *LASTING])
def test_in_the_words_of_others(url: str, misbehaving: MisbehavingServer, client: str, kind: str) -> None:
    misbehaving.faults = [Fault(kind, times=99)]
    with pytest.raises(Exception) as caught:
        CLIENTS[client](url)
    misbehaving.released.set()
    assert is_transient(caught.value) == (kind in PASSING), repr(caught.value)


def test_what_obstore_has_retried_is_not_retried_again(url: str, misbehaving: MisbehavingServer) -> None:
    misbehaving.faults = [Fault("503", times=99)]
    with pytest.raises(Exception, match="503") as caught:
        by_obstore(url, retries=2)
    assert len(misbehaving.requests) == 3
    assert not is_transient(caught.value)
    misbehaving.faults = [Fault("reset", times=99)]
    with pytest.raises(Exception, match="HTTP error") as caught:
        by_obstore(url, retries=1)
    assert not is_transient(caught.value)


# How often, and how long


class Failing:
    """A call that fails so many times."""

    def __init__(self, times: int, error: Exception) -> None:
        self.left, self.error, self.at = times, error, [0.0][:0]

    async def __call__(self) -> str:
        self.at.append(time.monotonic())
        if self.left:
            self.left -= 1
            raise self.error
        return "done"


@pytest.fixture(autouse=True)
def _no_delay() -> Iterator[None]:
    with config.set(io_retry_delay_s=0.001):
        yield


async def test_as_often_as_the_settings_say() -> None:
    call = Failing(3, ConnectionResetError())
    assert await retried(call, key="k") == "done"
    assert len(call.at) == 4
    call = Failing(4, ConnectionResetError("by peer"))
    with pytest.raises(ConnectionResetError, match="by peer") as caught:
        await retried(call, key="k")
    assert len(call.at) == 4
    assert caught.value.__notes__ == ["tried 4 times"]
    with config.set(io_retries=0):
        call = Failing(1, ConnectionResetError())
        with pytest.raises(ConnectionResetError):
            await retried(call, key="k")
    assert len(call.at) == 1
    call = Failing(1, PermissionError())
    with pytest.raises(PermissionError):
        await retried(call, key="k")
    assert len(call.at) == 1


async def test_the_delays_grow() -> None:
    call = Failing(3, ConnectionResetError())
    with config.set(io_retry_delay_s=0.04):
        await retried(call, key="k")
    waited = [later - sooner for sooner, later in zip(call.at, call.at[1:], strict=False)]
    for delay_s, found in zip((0.04, 0.08, 0.16), waited, strict=True):
        assert found >= delay_s / 2
    assert sum(waited) < 1


async def test_a_try_has_a_time_limit() -> None:
    tries = 0

    async def hang() -> None:
        nonlocal tries
        tries += 1
        await asyncio.sleep(30)

    with config.set(io_timeout_s=0.05, io_retries=1), pytest.raises(StoreError, match=r"0\.05 s") as caught:
        await retried(hang, key="a/c/0")
    assert caught.value.key == "a/c/0"
    assert tries == 2
    with config.set(io_timeout_s=0):
        assert await retried(Failing(0, OSError()), key="k") == "done"


async def test_cancelling_is_not_retried() -> None:
    started = asyncio.Event()

    async def wait() -> None:
        assert not started.is_set()
        started.set()
        await asyncio.sleep(30)

    task = asyncio.ensure_future(retried(wait, key="k"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Conditional writes


class Lossy:
    """A store whose answers to conditional writes may be lost, before or after they are done."""

    def __init__(self) -> None:
        self.value: tuple[bytes, int] | None = (b"old", 1)
        self.script: list[str] = []
        self.other: bytes | None = None

    async def get_versioned(self, key: str, prototype: Any, *_: Any, **__: Any) -> Versioned | None:
        return None if self.value is None else Versioned(Buffer.from_bytes(self.value[0]), self.value[1])

    async def set_if_version(self, key: str, value: Any, version: Any) -> None:
        fault = self.script.pop(0) if self.script else ""
        if fault == "lost before":
            raise ConnectionResetError
        if fault == "other":
            self.value = (b"theirs", 50)
        found = None if self.value is None else self.value[1]
        if found != version:
            raise ConflictError(key)
        self.value = (value.to_bytes(), (version or 0) + 1)
        if fault == "lost after":
            raise ConnectionResetError


@pytest.mark.parametrize("version", [1, None])
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([], b"new"),
        (["lost before"], b"new"),
        (["lost after"], b"new"),
        (["lost before", "lost after"], b"new"),
        (["lost after", "lost before"], b"new"),
        (["other"], ConflictError),
        (["lost before", "other"], ConflictError),
        (["lost after", "other"], ConflictError),
    ],
    ids=str,
)
async def test_a_conflict_with_ourselves_is_none(version: int | None, script: list[str], expected: Any) -> None:
    store = Lossy()
    if version is None:
        store.value = None
    store.script = list(script)
    value = Buffer.from_bytes(b"new")
    if expected is ConflictError:
        with pytest.raises(ConflictError):
            await set_if_version(store, "k", value, version, PROTOTYPE)
        assert store.value == (b"theirs", 50)
    else:
        await set_if_version(store, "k", value, version, PROTOTYPE)
        assert store.value == (b"new", (version or 0) + 1)


@pytest.mark.parametrize("kind", ["lost", "reset", "503"])
async def test_conditional_writes_over_a_server_that_loses_answers(
    url: str, misbehaving: MisbehavingServer, kind: str
) -> None:
    store = ObjectStore.from_url("s3://bucket", storage_options=S3Server(url).options())
    found = await store.get_versioned("k", PROTOTYPE)
    assert found is not None
    misbehaving.requests.clear()
    misbehaving.faults = [Fault(kind, method="PUT")]
    await set_if_version(store, "k", Buffer.from_bytes(b"new"), found.version, PROTOTYPE)
    assert (await store.get("k")).to_bytes() == b"new"  # type: ignore[union-attr]
    assert [request.method for request in misbehaving.requests].count("PUT") == 2
    with pytest.raises(ConflictError):
        await set_if_version(store, "k", Buffer.from_bytes(b"newer"), found.version, PROTOTYPE)
