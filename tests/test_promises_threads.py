"""No update is lost inside a process, whichever array object makes it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from zarrpipe.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarrpipe.stores import LocalStore, MemoryStore

THREADS, EACH = 16, 20
UPDATES = THREADS * EACH

GZIP = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "gzip", "configuration": {"level": 1}}]
CHAINS = {
    "chunk": GZIP,
    "shard": [{"name": "sharding_indexed", "configuration": {"chunk_shape": [UPDATES // 16], "codecs": GZIP}}],
}


class AsyncStore(Store):
    """A store that has only coroutines, each of which gives way to others: between a get and a set anything happens."""

    supports_writes = supports_deletes = supports_listing = True

    def __init__(self, values: dict[str, bytes]) -> None:
        super().__init__()
        self.values = values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncStore) and self.values is other.values

    def __hash__(self) -> int:
        return id(self.values)

    def __str__(self) -> str:
        return f"async://{id(self.values)}"

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        await asyncio.sleep(0.001)
        value = self.values.get(key)
        match byte_range:
            case _ if value is None:
                return None
            case RangeByteRequest(start, end):
                value = value[start:end]
            case OffsetByteRequest(offset):
                value = value[offset:]
            case SuffixByteRequest(suffix):
                value = value[-suffix:]
        return prototype.buffer.from_bytes(value)

    async def get_partial_values(self, prototype: Any, key_ranges: Any) -> list[Any]:
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        return key in self.values

    async def set(self, key: str, value: Any) -> None:
        await asyncio.sleep(0.001)
        self.values[key] = value.to_bytes()

    async def delete(self, key: str) -> None:
        await asyncio.sleep(0.001)
        self.values.pop(key, None)

    async def list(self) -> Any:
        for key in sorted(self.values):
            yield key

    async def list_prefix(self, prefix: str) -> Any:
        for key in sorted(self.values):
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> Any:
        for name in sorted({key[len(prefix) :].split("/")[0] for key in self.values if key.startswith(prefix)}):
            yield name


def stores(kind: str, path: Path) -> Callable[[int], Any]:
    """From the number of a thread to the store of its array: other objects, the same keys."""
    if kind == "path":
        (path / "link").symlink_to(path, target_is_directory=True)
        # By two names: the lock is that of the file.
        return lambda thread: path / ("link/a.zarr" if thread % 2 else "a.zarr")
    if kind == "local":
        return lambda _: LocalStore(path / "a.zarr")
    if kind == "memory":
        keys: dict[str, Any] = {}
        return lambda _: MemoryStore(keys)
    if kind == "async":
        values: dict[str, bytes] = {}
        return lambda _: AsyncStore(values)
    one = MemoryStore()
    return lambda _: one


def run_threads(work: Callable[[int], None]) -> None:
    barrier, failed = threading.Barrier(THREADS), []

    def body(thread: int) -> None:
        try:
            barrier.wait()
            work(thread)
        except BaseException as error:  # noqa: BLE001 - raised in the main thread
            failed.append(error)

    threads = [threading.Thread(target=body, args=(n,), daemon=True) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    if failed:
        raise failed[0]


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("kind", ["path", "local", "memory", "one-memory", "async"])
def test_no_update_is_lost(tmp_path: Path, kind: str, chain: str) -> None:
    store = stores(kind, tmp_path)
    zarrpipe.create_array(store(0), shape=(UPDATES,), chunks=(UPDATES,), dtype="uint16", codecs=CHAINS[chain])

    def work(thread: int) -> None:
        array = zarrpipe.open_array(store(thread), mode="r+")
        # Each element is written once: one that is zero in the end was lost. Inner chunks are shared by all threads.
        for element in range(thread, UPDATES, THREADS):
            array[element] = 1000 + element

    run_threads(work)
    values = zarrpipe.open_array(store(0), mode="r+")[...]
    np.testing.assert_array_equal(values, 1000 + np.arange(UPDATES))


def test_no_update_is_lost_beside_complete_writes_and_deletes(tmp_path: Path) -> None:
    # Half of the threads write the whole chunk, of one value, or delete it by writing the fill value; the others set
    # an element. In the end a last round of elements must be there.
    path = tmp_path / "a.zarr"
    zarrpipe.create_array(path, shape=(UPDATES,), chunks=(UPDATES,), dtype="uint16", codecs=CHAINS["chunk"])
    done = threading.Barrier(THREADS)

    def work(thread: int) -> None:
        array = zarrpipe.open_array(path, mode="r+")
        for step in range(EACH):
            if thread % 2:
                array[...] = 7 * (step % 2)
            else:
                array[thread] = 500 + step
        done.wait()
        array[thread] = 2000 + thread

    run_threads(work)
    values = zarrpipe.open_array(path, mode="r")[...]
    np.testing.assert_array_equal(values[:THREADS], 2000 + np.arange(THREADS))
    rest = np.unique(values[THREADS:])
    assert rest.size == 1, f"the rest is of several complete writes: {rest}"
    assert int(rest[0]) in (0, 7)


def test_attributes_of_one_document_are_not_lost(tmp_path: Path) -> None:
    zarrpipe.create_array(tmp_path / "a.zarr", shape=(4,), chunks=(2,), dtype="uint8")

    def work(thread: int) -> None:
        array = zarrpipe.open_array(tmp_path / "a.zarr", mode="r+")
        for step in range(3):
            array.attrs[f"{thread}-{step}"] = step

    run_threads(work)
    assert len(zarrpipe.open_array(tmp_path / "a.zarr", mode="r").attrs) == 3 * THREADS
