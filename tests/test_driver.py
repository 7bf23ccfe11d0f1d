"""The event-loop side of calls: many requests under way, bounds, cancellation, loops, forks."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from zarrpipe import driver
from zarrpipe.abc.buffer import BufferPrototype
from zarrpipe.abc.store import ByteRequest
from zarrpipe.buffer import Buffer, NDBuffer, default_buffer_prototype
from zarrpipe.config import config
from zarrpipe.dtypes import UInt16
from zarrpipe.pipeline import ZarrPipeline
from zarrpipe.spec import ArraySpec, parse_array_config
from zarrpipe.stores import LocalStore, MemoryStore, StorePath

LATENCY_S = 0.01
SHAPE = (4, 4)
SPEC = ArraySpec(SHAPE, UInt16(), np.uint16(9), parse_array_config(None), default_buffer_prototype())
PIPELINE = ZarrPipeline.from_codecs([{"name": "bytes", "configuration": {"endian": "little"}}, "zstd"])  # type: ignore[list-item]


class SlowStore(MemoryStore):
    """Answers late, on whatever loop it is asked; counts what is under way."""

    _supports_sync_io = False

    def __init__(self, latency_s: float = LATENCY_S) -> None:
        super().__init__()
        self.latency_s = latency_s
        self.now = self.most = self.calls = self.cancelled = 0
        self.threads: set[str] = set()

    async def _wait(self) -> None:
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        self.threads.add(threading.current_thread().name)
        try:
            await asyncio.sleep(self.latency_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.now -= 1

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Any:
        await self._wait()
        return await super().get(key, prototype, byte_range)

    async def set(self, key: str, value: Any) -> None:
        await self._wait()
        await super().set(key, value)


def batch(store: Any, count: int) -> list[Any]:
    return [
        (
            StorePath(store, f"c/{n}"),
            SPEC,
            (slice(0, 4), slice(0, 4)),
            (slice(0, 4), slice(4 * n, 4 * n + 4)),
            True,
        )
        for n in range(count)
    ]


def items(count: int) -> NDBuffer:
    return NDBuffer.from_numpy_array(np.arange(16 * count, dtype="u2").reshape(4, 4 * count) + 1)


async def test_many_requests_are_under_way() -> None:
    store, count = SlowStore(), 128
    await PIPELINE.write(batch(store, count), items(count))
    out = NDBuffer.create(shape=(4, 4 * count), dtype="u2")
    store.most = 0
    begin = time.perf_counter()
    await PIPELINE.read(batch(store, count), out)
    wall = time.perf_counter() - begin
    np.testing.assert_array_equal(out.as_numpy_array(), items(count).as_numpy_array())
    # Two rounds of 64; one after the other they would take 1.28 s.
    assert 32 < store.most <= 64
    assert wall < 0.5


async def test_count_is_bounded() -> None:
    store = SlowStore()
    with config.set(io_requests=5):
        await PIPELINE.write(batch(store, 40), items(40))
        out = NDBuffer.create(shape=(4, 160), dtype="u2")
        await PIPELINE.read(batch(store, 40), out)
    assert 1 < store.most <= 5


async def test_bytes_are_bounded() -> None:
    store = SlowStore()
    with config.set(io_nbytes=100):
        await PIPELINE.write(batch(store, 20), items(20))
    # A chunk of 32 bytes is about 41 compressed: two at a time.
    assert 1 <= store.most <= 3
    assert len(store._store_dict) == 20


async def test_the_callers_loop_is_used() -> None:
    store = SlowStore(0.0)
    await PIPELINE.write(batch(store, 3), items(3))
    assert store.threads == {threading.current_thread().name}


async def test_cancellation() -> None:
    store = SlowStore(5.0)
    task = asyncio.create_task(PIPELINE.write(batch(store, 8), items(8)))
    await asyncio.sleep(0.2)
    assert store.now == 8
    begin = time.perf_counter()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.perf_counter() - begin < 1
    assert store.cancelled == 8
    assert store._store_dict == {}
    # And the engine goes on to work; no lock of a key is left behind.
    store.latency_s = 0.0
    await PIPELINE.write(batch(store, 8), items(8))
    assert len(store._store_dict) == 8


async def test_a_failure_ends_the_others() -> None:
    class Failing(SlowStore):
        async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
            if key == "c/3":
                await asyncio.sleep(0.01)
                raise PermissionError("not this one")
            return await super().get(key, prototype, byte_range)

    store = Failing(5.0)
    out = NDBuffer.create(shape=(4, 32), dtype="u2")
    begin = time.perf_counter()
    with pytest.raises(PermissionError, match="not this one") as caught:
        await PIPELINE.read(batch(store, 8), out)
    assert time.perf_counter() - begin < 2
    assert any("c/3" in note for note in caught.value.__notes__)
    assert store.now == 0


async def test_a_store_that_cancels_itself_does_not_hang() -> None:
    class Cancelling(SlowStore):
        async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
            raise asyncio.CancelledError

    with pytest.raises(OSError, match="cancelled"):
        await asyncio.wait_for(
            PIPELINE.read(batch(Cancelling(), 2), NDBuffer.create(shape=(4, 8), dtype="u2")), timeout=5
        )


async def test_wake_ups_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    store, count = SlowStore(0.0), 256
    loop = asyncio.get_running_loop()
    calls = 0
    original = loop.call_soon_threadsafe

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return original(*args, **kwargs)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    await PIPELINE.write(batch(store, count), items(count))
    assert calls < count


# Calls without a loop


def test_sync() -> None:
    async def where() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert driver.sync(where) == "zarrpipe-io"
    assert driver.sync(where()) == "zarrpipe-io"
    with config.set(io_requests=3):
        assert driver.sync(_requests) == 3


async def _requests() -> int:
    return config.current.io_requests


def test_sync_raises_what_the_coroutine_raises() -> None:
    async def fail() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        driver.sync(fail)


def test_sync_from_the_io_thread_raises() -> None:
    async def again() -> None:
        driver.sync(_requests)

    with pytest.raises(RuntimeError, match="async form"):
        driver.sync(again)


async def test_sync_from_the_stores_own_loop_raises() -> None:
    store = SlowStore(0.0)
    await PIPELINE.write(batch(store, 1), items(1))
    with pytest.raises(RuntimeError, match="async form"):
        driver.sync(_requests, store)
    # Another store is not bound to this loop (a notebook's, say).
    assert driver.sync(_requests, SlowStore(0.0)) == 64


def test_a_zarr_store_is_awaited_on_zarrs_loop() -> None:
    import zarr.storage

    async def where() -> str:
        return threading.current_thread().name

    assert driver.sync(where, zarr.storage.MemoryStore()) == "zarr_io"


def test_single_values(tmp_path: Any) -> None:
    for store in (LocalStore(tmp_path), MemoryStore(), SlowStore(0.0)):
        assert driver.get_value(store, "a/zarr.json") is None
        driver.set_value(store, "a/zarr.json", b"{}")
        found = driver.get_value(store, "a/zarr.json")
        assert found is not None
        assert bytes(found) == b"{}"
        driver.delete_value(store, "a/zarr.json")
        assert driver.get_value(store, "a/zarr.json") is None


def test_fork() -> None:
    store = SlowStore(0.0)
    driver.set_value(store, "k", b"parent")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(20)
            found = driver.get_value(store, "k")
            asyncio.run(PIPELINE.write(batch(store, 20), items(20)))
            code = 0 if found is not None and bytes(found) == b"parent" and len(store._store_dict) == 21 else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert driver.get_value(store, "k") is not None


INTERRUPTED = """
import asyncio, sys, time
from zarrpipe import driver
async def long():
    try:
        print("begun", flush=True)
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
try:
    driver.sync(long)
except KeyboardInterrupt:
    time.sleep(0.1)
    print("interrupted", flush=True)
"""


def test_interrupt() -> None:
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    begin = time.perf_counter()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert time.perf_counter() - begin < 2
    assert out.split() == ["cancelled", "interrupted"]


async def test_values_that_vanish_are_missing() -> None:
    store = SlowStore(0.0)
    await PIPELINE.write(batch(store, 4), items(4))
    del store._store_dict["c/2"]
    out = NDBuffer.create(shape=(4, 16), dtype="u2")
    results = await PIPELINE.read(batch(store, 4), out)
    assert [result["status"] for result in results] == ["present", "present", "missing", "present"]
    assert (out.as_numpy_array()[:, 8:12] == 9).all()
    assert isinstance(store._store_dict["c/0"], Buffer)
