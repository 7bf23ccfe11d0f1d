"""What is asked of a store: how many requests, for how many bytes, in how many rounds that wait for one another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import obstore.store
import pytest

import zarrpipe
from zarrpipe.abc.store import RangeByteRequest, SuffixByteRequest
from zarrpipe.buffer import Buffer
from zarrpipe.stores import LatencyStore, LoggingStore, MemoryStore
from zarrpipe.stores.object import ObjectStore

ITEMS = np.arange(64 * 64, dtype="uint16").reshape(64, 64)
INNER = 8 * 8 * 2
INDEX = 16 * 16 + 4
SHARD = 16 * INNER + INDEX
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}

LAYOUTS: dict[str, dict[str, Any]] = {
    "raw": {"chunks": (32, 32), "compressors": None},
    "shard": {"chunks": (8, 8), "shards": (32, 32), "compressors": None},
}
STORES: dict[str, Callable[[], Any]] = {
    "plain": lambda: LatencyStore(MemoryStore()),
    "versioned": lambda: ObjectStore(obstore.store.MemoryStore()),
}


@pytest.fixture(params=STORES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make(kind: str, layout: str, **options: Any) -> tuple[zarrpipe.Array, LoggingStore[Any]]:
    """An array that was opened anew, over a store whose log is empty."""
    store = LoggingStore(STORES[kind]())
    zarrpipe.create_array(store, data=ITEMS, **{**LAYOUTS[layout], **options})
    array = zarrpipe.open_array(store)
    store.clear_requests()
    return array, store


def asked(store: LoggingStore[Any]) -> list[tuple[str, str, int]]:
    """(what, key, bytes) of all requests since the last look, in the order of their keys."""
    requests = sorted((request.kind, request.key, request.nbytes) for request in store.requests)
    store.clear_requests()
    return requests


@dataclass
class Rounds:
    """How many requests were waited for one after another."""

    count: int = 0


@contextmanager
def counting_rounds(store: LoggingStore[Any]) -> Iterator[Rounds]:
    """Count groups of requests of which each began after the one before had ended."""
    found = Rounds()
    store.clear_requests()
    yield found
    end = -1.0
    for request in sorted(store.requests, key=lambda request: request.start_s):
        if request.start_s >= end:
            found.count += 1
            end = request.start_s + request.duration_s
        end = min(end, request.start_s + request.duration_s)


def chunk_keys(rows: int = 2, columns: int = 2) -> list[str]:
    return [f"c/{i}/{j}" for i in range(rows) for j in range(columns)]


def test_a_whole_read_asks_once_for_each_chunk(kind: str) -> None:
    array, store = make(kind, "raw")
    np.testing.assert_array_equal(array[...], ITEMS)
    assert asked(store) == [("get", key, 32 * 32 * 2) for key in chunk_keys()]


def test_a_whole_read_asks_once_for_each_shard(kind: str) -> None:
    array, store = make(kind, "shard")
    np.testing.assert_array_equal(array[...], ITEMS)
    assert asked(store) == [("get", key, SHARD) for key in chunk_keys()]


def test_a_large_shard_that_is_wanted_whole_is_read_in_parts(kind: str) -> None:
    with zarrpipe.config.set(io_nbytes=2000, io_merge_nbytes=1024):
        array, store = make(kind, "shard")
        np.testing.assert_array_equal(array[:32, :32], ITEMS[:32, :32])
        # Its index, and its 16 inner chunks by 8.
        assert asked(store) == [("get", "c/0/0", INDEX), ("get", "c/0/0", 1024), ("get", "c/0/0", 1024)]


def test_rows_of_an_uncompressed_chunk_share_a_request(kind: str) -> None:
    array, store = make(kind, "raw")
    np.testing.assert_array_equal(array[2:6, 4:8], ITEMS[2:6, 4:8])
    assert [request.byte_range for request in store.requests] == [RangeByteRequest(2 * 64 + 8, 5 * 64 + 16)]
    assert asked(store) == [("get", "c/0/0", 3 * 64 + 8)]


def test_gaps_larger_than_the_setting_part_requests(kind: str) -> None:
    with zarrpipe.config.set(io_merge_gap_nbytes=0):
        array, store = make(kind, "raw")
        np.testing.assert_array_equal(array[2:6, 4:8], ITEMS[2:6, 4:8])
        assert asked(store) == [("get", "c/0/0", 8)] * 4
    # 56 bytes lie between two rows' parts.
    for gap, count in ((55, 4), (56, 1)):
        array = array.with_config({"sharding_coalesce_max_gap_bytes": gap})
        np.testing.assert_array_equal(array[2:6, 4:8], ITEMS[2:6, 4:8])
        assert len(asked(store)) == count


def test_a_shared_request_is_not_larger_than_the_setting(kind: str) -> None:
    with zarrpipe.config.set(io_merge_nbytes=200):
        array, store = make(kind, "raw")
        np.testing.assert_array_equal(array[0:12, 0:4], ITEMS[0:12, 0:4])
        assert asked(store) == [("get", "c/0/0", 3 * 64 + 8)] * 3


def test_points_share_requests(kind: str) -> None:
    array, store = make(kind, "raw")
    rows, columns = [0, 1, 31, 40], [1, 1, 31, 40]
    np.testing.assert_array_equal(array.vindex[rows, columns], ITEMS[rows, columns])
    # A read of the whole chunk costs no more than one of the points.
    assert asked(store) == [("get", "c/0/0", 2048), ("get", "c/1/1", 2)]
    with zarrpipe.config.set(io_merge_gap_nbytes=100):
        array = zarrpipe.open_array(store, config={"sharding_coalesce_max_gap_bytes": 100})
        store.clear_requests()
        np.testing.assert_array_equal(array.vindex[rows, columns], ITEMS[rows, columns])
        # The first two lie 62 bytes apart, the third far behind.
        assert asked(store) == [("get", "c/0/0", 2), ("get", "c/0/0", 66), ("get", "c/1/1", 2)]


def test_inner_chunks_that_lie_close_share_a_request(kind: str) -> None:
    array, store = make(kind, "shard")
    np.testing.assert_array_equal(array[:8, :24], ITEMS[:8, :24])
    requests = store.requests
    assert [request.byte_range for request in requests] == [SuffixByteRequest(INDEX), RangeByteRequest(0, 3 * INNER)]
    assert asked(store) == [("get", "c/0/0", INDEX), ("get", "c/0/0", 3 * INNER)]


def test_parts_of_large_uncompressed_inner_chunks_share_a_request(kind: str) -> None:
    items = np.arange(512 * 512, dtype="uint16").reshape(512, 512)
    store = LoggingStore(STORES[kind]())
    zarrpipe.create_array(store, data=items, chunks=(256, 256), shards=(512, 512), compressors=None)
    array = zarrpipe.open_array(store)
    store.clear_requests()
    np.testing.assert_array_equal(array[10], items[10])
    inner = 256 * 256 * 2
    # One row of each of the first two inner chunks: 128 KiB lie between.
    assert asked(store) == [("get", "c/0/0", 4 * 16 + 4), ("get", "c/0/0", inner + 512)]
    array = array.with_config({"sharding_coalesce_max_gap_bytes": 1000})
    np.testing.assert_array_equal(array[10], items[10])
    assert asked(store) == [("get", "c/0/0", 68), ("get", "c/0/0", 512), ("get", "c/0/0", 512)]


def test_the_index_of_a_shard_is_fetched_once_where_the_store_tells_versions() -> None:
    array, store = make("versioned", "shard")
    for at in range(0, 32, 8):
        np.testing.assert_array_equal(array[at, :8], ITEMS[at, :8])
    assert asked(store) == [("get", "c/0/0", INNER)] * 4 + [("get", "c/0/0", INDEX)]
    plain, store = make("plain", "shard")
    for at in range(0, 32, 8):
        np.testing.assert_array_equal(plain[at, :8], ITEMS[at, :8])
    assert asked(store) == sorted([("get", "c/0/0", INNER), ("get", "c/0/0", INDEX)] * 4)


def test_kept_indexes_are_bounded() -> None:
    with zarrpipe.config.set(index_nbytes=0):
        array, store = make("versioned", "shard")
        for _ in range(2):
            np.testing.assert_array_equal(array[:8, :8], ITEMS[:8, :8])
        assert asked(store) == sorted([("get", "c/0/0", INNER), ("get", "c/0/0", INDEX)] * 2)


def test_a_kept_index_of_a_shard_that_others_replaced_is_not_used() -> None:
    array, store = make("versioned", "shard")
    np.testing.assert_array_equal(array[:8, :8], ITEMS[:8, :8])
    other = zarrpipe.open_array(store)
    other[:8, :8] = 7
    store.clear_requests()
    assert (array[:8, :8] == 7).all()
    kinds = [(request.kind, request.error is not None) for request in store.requests]
    # Refused in the old version, then from the index on.
    assert kinds == [("get", True), ("get", False), ("get", False)]
    store.clear_requests()
    assert (array[:8, :8] == 7).all()
    assert asked(store) == [("get", "c/0/0", INNER)]


def test_a_kept_index_that_says_empty_is_looked_at_again() -> None:
    store = LoggingStore(STORES["versioned"]())
    zarrpipe.create_array(store, shape=(64, 64), dtype="uint16", **LAYOUTS["shard"])[:8, :8] = 1
    array = zarrpipe.open_array(store)
    assert (array[8:16, :8] == 0).all()
    store.clear_requests()
    assert (array[8:16, :8] == 0).all()
    assert asked(store) == [("get", "c/0/0", INDEX)]
    zarrpipe.open_array(store)[8:16, :8] = 5
    store.clear_requests()
    assert (array[8:16, :8] == 5).all()
    assert asked(store) == [("get", "c/0/0", INNER), ("get", "c/0/0", INDEX)]
    # And a shard that is gone.
    zarrpipe.open_array(store)[:32, :32] = 0
    assert (array[:16, :8] == 0).all()


def test_our_own_writes_drop_the_kept_index() -> None:
    array, store = make("versioned", "shard")
    np.testing.assert_array_equal(array[:8, :8], ITEMS[:8, :8])
    array[:8, :8] = 9
    store.clear_requests()
    assert (array[:8, :8] == 9).all()
    assert asked(store) == [("get", "c/0/0", INNER), ("get", "c/0/0", INDEX)]


def test_chunks_that_are_not_there_cost_one_request(kind: str) -> None:
    store = LoggingStore(STORES[kind]())
    array = zarrpipe.create_array(store, shape=(64, 64), dtype="uint16", fill_value=3, **LAYOUTS["shard"])
    store.clear_requests()
    assert (array[:8, :8] == 3).all()
    assert asked(store) == [("get", "c/0/0", 0)]


def test_complete_chunks_are_written_without_a_look(kind: str) -> None:
    for layout, nbytes in (("raw", 2048), ("shard", SHARD)):
        array, store = make(kind, layout)
        array[:32] = 1
        assert asked(store) == [("set", key, nbytes) for key in chunk_keys(rows=1)]


def test_an_update_reads_and_writes_once(kind: str) -> None:
    for layout, nbytes in (("raw", 2048), ("shard", SHARD)):
        array, store = make(kind, layout)
        array[3:5, 3:60] = 1
        keys = chunk_keys(rows=1)
        assert asked(store) == [("get", key, nbytes) for key in keys] + [("set", key, nbytes) for key in keys]


def test_chunks_of_nothing_but_fill_value_are_deleted_in_one_request(kind: str) -> None:
    array, store = make(kind, "raw")
    array[:32, :32] = 0
    assert asked(store) == [("delete", "c/0/0", 0)]


@pytest.mark.parametrize("layout", ["raw", "shard"])
def test_a_batch_reads_and_writes_each_key_once(kind: str, layout: str) -> None:
    array, store = make(kind, layout)
    with array.batch():
        for at in range(20):
            array[at, at : at + 3] = 1
    assert [request[:2] for request in asked(store)] == [("get", "c/0/0"), ("set", "c/0/0")]


def slow(layout: str, latency_s: float = 0.05) -> tuple[zarrpipe.Array, LoggingStore[Any]]:
    memory = MemoryStore()
    zarrpipe.create_array(memory, data=ITEMS, **LAYOUTS[layout])
    store = LoggingStore(LatencyStore(memory, get_latency=latency_s))
    return zarrpipe.open_array(store), store


@pytest.mark.parametrize(
    ("layout", "selection", "rounds"),
    [
        ("raw", (slice(None), slice(None)), 1),
        ("raw", (slice(3, 50), slice(3, 50)), 1),
        ("raw", (slice(None, None, 7), 5), 1),
        ("shard", (slice(None), slice(None)), 1),
        ("shard", (slice(3, 50), slice(3, 50)), 2),
        ("shard", (5, 5), 2),
    ],
)
def test_rounds_that_wait_for_one_another(layout: str, selection: Any, rounds: int) -> None:
    array, store = slow(layout)
    with counting_rounds(store) as found:
        np.testing.assert_array_equal(array[selection], ITEMS[selection])
    assert found.count == rounds


class Gauge(MemoryStore):
    """Counts the requests, and their bytes, that are under way at once."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.now = self.most = self.nbytes = self.most_nbytes = 0

    get_sync = set_sync = delete_sync = None  # type: ignore[assignment]

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Buffer | None:
        value = MemoryStore.get_sync(self, key, prototype=prototype, byte_range=byte_range)
        nbytes = 0 if value is None else len(value)
        self.now, self.nbytes = self.now + 1, self.nbytes + nbytes
        self.most, self.most_nbytes = max(self.most, self.now), max(self.most_nbytes, self.nbytes)
        await asyncio.sleep(0.002)
        self.now, self.nbytes = self.now - 1, self.nbytes - nbytes
        return value


def gauge(items: npt.NDArray[Any], **options: Any) -> tuple[zarrpipe.Array, Gauge]:
    memory = MemoryStore()
    zarrpipe.create_array(memory, data=items, **options)
    store = Gauge(memory._store_dict)
    array = zarrpipe.open_array(store)
    store.most = store.most_nbytes = 0
    return array, store


@pytest.mark.parametrize("limit", [1, 5, 64])
def test_requests_in_flight_are_bounded_in_number(limit: int) -> None:
    with zarrpipe.config.set(io_requests=limit, io_merge_gap_nbytes=0):
        array, store = gauge(ITEMS, chunks=(4, 4), compressors=None)
        np.testing.assert_array_equal(array[...], ITEMS)
        assert store.most == limit
        # Several ranges of one value count each.
        store.most = 0
        array, store = gauge(ITEMS, chunks=(64, 64), compressors=None)
        np.testing.assert_array_equal(array[:, :2], ITEMS[:, :2])
        assert store.most == limit


def test_requests_in_flight_are_bounded_in_bytes() -> None:
    with zarrpipe.config.set(io_nbytes=1000, io_merge_gap_nbytes=0):
        array, store = gauge(ITEMS, chunks=(64, 64), compressors=None)
        # Rows of 60 bytes.
        np.testing.assert_array_equal(array[:, :30], ITEMS[:, :30])
        assert 900 < store.most_nbytes <= 1000
