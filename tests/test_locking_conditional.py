"""`locking="conditional"`: what was read is replaced only while it is there; else the write begins again."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import numpy as np
import pytest

import zarrpipe
from versioned import VersionedStore
from zarrpipe.config import config
from zarrpipe.errors import ConflictError, UnsupportedError
from zarrpipe.nodes import locks
from zarrpipe.stores import LocalStore, MemoryStore

WRITERS, ITEMS, ROUNDS = 8, 32, 5
CONDITIONAL: Any = {"locking": "conditional"}

RAW: list[Any] = [{"name": "bytes", "configuration": {"endian": "little"}}]
ZSTD = [*RAW, {"name": "zstd", "configuration": {"level": 1, "checksum": True}}]


def sharding(chunk: int, codecs: list[Any] = ZSTD) -> list[Any]:
    configuration = {"chunk_shape": [chunk], "codecs": codecs, "index_codecs": [*RAW, {"name": "crc32c"}]}
    return [{"name": "sharding_indexed", "configuration": configuration}]


CHAINS = {
    "raw": RAW,
    "zstd": ZSTD,
    "shard-own": sharding(ITEMS // WRITERS),
    "shard-shared": sharding(ITEMS // WRITERS * 2, RAW),
    "shard-one": sharding(ITEMS),
}


def create(store: Any, codecs: list[Any] = ZSTD, items: int = ITEMS, **options: Any) -> Any:
    return zarrpipe.create_array(
        store, shape=(items,), chunks=(items,), dtype="int32", codecs=codecs, config=CONDITIONAL, **options
    )


def opened(store: VersionedStore) -> Any:
    """The array as another process would open it: no lock of this process is shared."""
    return zarrpipe.open_array(VersionedStore(store.values), mode="r+", config=CONDITIONAL)


def in_threads(*functions: Any) -> None:
    errors: list[BaseException] = []

    def guarded(function: Any) -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - raised by the test
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


# Nothing is lost


@pytest.mark.parametrize("chain", CHAINS)
def test_eight_writers_lose_nothing(chain: str) -> None:
    store = VersionedStore()
    create(store, CHAINS[chain])
    arrays = [opened(store) for _ in range(WRITERS)]
    own = ITEMS // WRITERS

    def update(n: int) -> None:
        for number in range(ROUNDS):
            for item in range(n * own, (n + 1) * own):
                arrays[n][item] = 1000 * (number + 1) + item

    in_threads(*(lambda n=n: update(n) for n in range(WRITERS)))
    np.testing.assert_array_equal(opened(store)[...], np.arange(ITEMS) + 1000 * ROUNDS)
    assert sum(array.store.conflicts for array in arrays) > 0


def test_complete_and_partial_writers() -> None:
    """A complete write needs no condition: who has read what it replaces is overtaken, and begins again."""
    store = VersionedStore()
    create(store)
    whole, part = opened(store), opened(store)

    def write_whole() -> None:
        for number in range(1, 40):
            whole[...] = number

    def write_part() -> None:
        for number in range(1, 40):
            part[3] = 1000 + number
            part[5] = 1000 + number

    in_threads(write_whole, write_part)
    found = opened(store)[...]
    assert set(found[[0, 1, 2, 4, *range(6, ITEMS)]]) == {39}
    # Of each, either what was written last, or what lies over it.
    assert set(found[[3, 5]]) <= {39, 1039}
    # Nothing of a complete chunk was read, and nothing put on condition.
    kinds = {kind for kind, key in whole.store.requests if key == "c/0"}
    assert kinds == {"set"}


def test_an_empty_chunk_is_stored_where_it_was_read() -> None:
    """There is no delete on condition: it could take with it what another has just written."""
    store = VersionedStore()
    array = create(store)
    array[3] = 3
    store.requests.clear()
    array[3] = 0
    assert store.requests == [("get", "c/0"), ("set_if", "c/0")]
    assert "c/0" in store.values
    assert not opened(store)[...].any()
    # All of it is a delete: nothing was read.
    array[...] = 0
    assert "c/0" not in store.values


def test_missing_and_deleted_chunks() -> None:
    store = VersionedStore()
    array = create(store)
    array[1] = 1
    assert store.requests[-2:] == [("get", "c/0"), ("set_if", "c/0")]
    late = VersionedStore(store.values)

    class Deleted(VersionedStore):
        async def set_if_version(self, key: str, value: Any, version: object | None) -> None:
            if not self.conflicts:
                del self.values[key]
            await super().set_if_version(key, value, version)

    late = Deleted(store.values)
    zarrpipe.open_array(late, mode="r+", config=CONDITIONAL)[2] = 2
    # Read again from nothing, and put on condition that there is nothing.
    assert late.conflicts == 1
    assert opened(store)[:4].tolist() == [0, 0, 2, 0]


def test_a_handle_that_knows_a_smaller_array_keeps_what_lies_behind() -> None:
    store = VersionedStore()
    create(store, items=10).resize((15,))
    old, new = opened(store), opened(store)
    new.append([7, 8])
    old[10:15] = 5
    assert opened(store)[10:].tolist() == [5, 5, 5, 5, 5, 7, 8]


def test_appends_and_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    # As between processes: no lock of a document or a shape is shared.
    monkeypatch.setattr(locks, "lock_named", lambda _: threading.Lock())
    store = VersionedStore()
    zarrpipe.create_array(store, shape=(0,), chunks=(5,), dtype="int32", fill_value=-1)
    arrays = [opened(store) for _ in range(WRITERS)]

    def change(n: int) -> None:
        for number in range(3):
            arrays[n].append([n, n])
            arrays[n].attrs[f"{n}-{number}"] = number

    in_threads(*(lambda n=n: change(n) for n in range(WRITERS)))
    array = opened(store)
    pairs = array[...].reshape(-1, 2)
    assert (pairs[:, 0] == pairs[:, 1]).all()
    assert np.bincount(pairs[:, 0]).tolist() == [3] * WRITERS
    assert array.attrs.asdict() == {f"{n}-{number}": number for n in range(WRITERS) for number in range(3)}
    assert sum(array.store.conflicts for array in arrays) > 0


@pytest.mark.parametrize("zarr_format", [2, 3])
async def test_tasks_of_one_loop(zarr_format: Any) -> None:
    store = VersionedStore()
    first = await zarrpipe.create_array_async(
        store, shape=(ITEMS,), chunks=(ITEMS,), dtype="int32", zarr_format=zarr_format, config=CONDITIONAL
    )
    second = zarrpipe.Array(first.metadata, zarrpipe.stores.StorePath(VersionedStore(store.values)), first.config)

    async def change(n: int) -> None:
        array = (first, second)[n % 2]
        await array.write_async(slice(n, n + 1), n)
        await array.update_attributes_async({str(n): n})

    await asyncio.gather(*(change(n) for n in range(16)))
    assert (await first.read_async(slice(16))).tolist() == list(range(16))
    found = await zarrpipe.open_array_async(VersionedStore(store.values))
    assert found.attrs.asdict() == {str(n): n for n in range(16)}


# Those that are overtaken


class Overtaken(VersionedStore):
    """Each conditional write comes too late."""

    async def set_if_version(self, key: str, value: Any, version: object | None) -> None:
        await self._request("set_if", key)
        self.conflicts += 1
        raise ConflictError("somebody was faster")


@pytest.mark.parametrize("retries", [0, 3])
def test_who_is_overtaken_again_and_again_gives_up(retries: int) -> None:
    store = VersionedStore()
    create(store)[0] = 9
    late = Overtaken(store.values)
    with config.set(conflict_retries=retries):
        array = zarrpipe.open_array(late, mode="r+", config=CONDITIONAL)
        with pytest.raises(ConflictError, match="somebody was faster") as caught:
            array[1] = 1
        assert any("c/0" in note for note in caught.value.__notes__)
        assert late.conflicts == retries + 1
        assert [kind for kind, key in late.requests if key == "c/0"] == ["get", "set_if"] * (retries + 1)
        with pytest.raises(ConflictError, match=r"zarr\.json"):
            array.attrs["a"] = 1
        assert late.conflicts == 2 * (retries + 1)
    found = opened(store)
    assert found[:2].tolist() == [9, 0]
    assert found.attrs.asdict() == {}
    assert "a" not in array.attrs


async def test_a_task_that_begins_again_can_be_cancelled() -> None:
    store = VersionedStore()
    await zarrpipe.create_array_async(store, shape=(4,), chunks=(4,), dtype="int32")
    late = Overtaken(store.values)
    with config.set(conflict_retries=10**6):
        array = await zarrpipe.open_array_async(late, mode="r+", config=CONDITIONAL)
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(array.write_async(slice(1, 2), 1), 0.3)
    assert time.monotonic() - start < 1
    assert late.conflicts > 1
    requests = len(late.requests)
    await asyncio.sleep(0.6)
    assert len(late.requests) == requests


def test_an_error_is_not_taken_for_a_conflict() -> None:
    class Failing(VersionedStore):
        async def set_if_version(self, key: str, value: Any, version: object | None) -> None:
            self.conflicts += 1
            raise ValueError("no")

    store = VersionedStore()
    create(store)
    late = Failing(store.values)
    with pytest.raises(ValueError, match="no"):
        zarrpipe.open_array(late, mode="r+", config=CONDITIONAL)[1] = 1
    assert late.conflicts == 1


# The option


@pytest.mark.parametrize("kind", ["memory", "local", "no-versions"])
def test_stores_without_versions_refuse_to_write(tmp_path: Any, kind: str) -> None:
    stores: dict[str, Any] = {"memory": MemoryStore(), "local": LocalStore(tmp_path), "no-versions": VersionedStore()}
    store = stores[kind]
    plain = zarrpipe.create_array(store, shape=(4,), chunks=(4,), dtype="int32")
    plain[1] = 1
    if kind == "no-versions":
        store.tells = False
    array = plain.with_config(CONDITIONAL)
    # Reading needs no versions.
    assert array[1] == 1
    refused = [
        lambda: array.write(slice(2, 3), 2),
        lambda: array.update_attributes({"a": 1}),
        lambda: array.append([1]),
    ]
    for call in refused:
        with pytest.raises(UnsupportedError, match="a store that tells versions"):
            call()
    assert plain[...].tolist() == [0, 1, 0, 0]


def test_without_the_option_nothing_is_conditional() -> None:
    store = VersionedStore()
    array = zarrpipe.create_array(store, shape=(4,), chunks=(4,), dtype="int32")
    array[1] = 1
    array.attrs["a"] = 1
    assert {kind for kind, _ in store.requests} <= {"get", "set"}
