"""Faults that FaultStore injects, over stores that are awaited: what is retried, and what an error says.

What real servers do to reads and writes is in `test_faults`, which also writes the tables of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import obstore.store
import pytest

import zarrpipe
from every_store import AwaitedStore
from fault_tables import stored_row, table, titles
from versioned import VersionedStore
from zarrpipe.config import config
from zarrpipe.errors import CodecError, StoreError
from zarrpipe.stores import Fault, FaultStore, FsspecStore, MemoryStore, ObjectStore

SIDE, INNER, KEY = 64, 16, "c/0/1"
PART = (slice(20, 30), slice(SIDE + 3, SIDE + 9))
OLD = np.random.default_rng(0).integers(1, 1000, (SIDE, 2 * SIDE), dtype="int32")
NEW = np.random.default_rng(1).integers(1, 1000, (SIDE, 2 * SIDE), dtype="int32")
RETRIES = 2

STORES: dict[str, Callable[[], Any]] = {
    "awaited": AwaitedStore,
    "obstore": lambda: ObjectStore(obstore.store.MemoryStore()),
    "fsspec": lambda: FsspecStore.from_url(f"memory://{id(object())}-faults"),
}


@pytest.fixture(autouse=True)
def _few_retries() -> Iterator[None]:
    with config.set(io_retries=RETRIES, io_retry_delay_s=0.001):
        yield


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Any:
    store = STORES[request.param]()
    array = zarrpipe.create_array(
        store, shape=OLD.shape, dtype="int32", chunks=(INNER, INNER), shards=(SIDE, SIDE), overwrite=True
    )
    array[...] = OLD
    return store


def read_whole(array: Any) -> None:
    np.testing.assert_array_equal(array[...], OLD)


def read_part(array: Any) -> None:
    np.testing.assert_array_equal(array[PART], OLD[PART])


def write_part(array: Any) -> None:
    array[PART] = NEW[PART]


def faulty(store: Any, *faults: Fault) -> tuple[FaultStore[Any], Any]:
    wrapper = FaultStore(store, faults)
    return wrapper, zarrpipe.open_array(wrapper)


CALLS = {"whole": (read_whole, "get"), "part": (read_part, "get"), "write": (write_part, "get")}
CALLS["put"] = (write_part, "set")


@pytest.mark.parametrize("error", [ConnectionResetError, TimeoutError, BrokenPipeError])
@pytest.mark.parametrize("call", CALLS)
def test_what_passes_is_retried(store: Any, call: str, error: type[OSError]) -> None:
    act, kind = CALLS[call]
    fault: Any = {"action": "raise", "keys": KEY, "kind": kind, "error": error}
    wrapper, array = faulty(store, Fault(**fault, times=RETRIES))
    act(array)
    assert len(wrapper.injected) == RETRIES
    want = OLD.copy()
    if act is write_part:
        want[PART] = NEW[PART]
    np.testing.assert_array_equal(zarrpipe.open_array(store)[...], want)


@pytest.mark.parametrize(
    ("error", "tries"), [(ConnectionResetError, RETRIES + 1), (PermissionError, 1), (ValueError, 1)], ids=str
)
@pytest.mark.parametrize("call", CALLS)
def test_what_does_not_pass_is_told(store: Any, call: str, error: type[Exception], tries: int) -> None:
    act, kind = CALLS[call]
    wrapper, array = faulty(store, Fault(action="raise", keys=KEY, kind=kind, error=error, times=None))  # type: ignore[arg-type]
    with pytest.raises(error) as caught:
        act(array)
    assert len(wrapper.injected) == tries
    notes = " ".join(caught.value.__notes__)
    assert KEY in notes
    assert (f"tried {tries} times" in notes) == (tries > 1)
    np.testing.assert_array_equal(zarrpipe.open_array(store)[...], OLD)


@pytest.mark.parametrize("call", CALLS)
def test_no_answer_is_given_up(store: Any, call: str) -> None:
    act, kind = CALLS[call]
    with config.set(io_timeout_s=0.2):
        wrapper, array = faulty(store, Fault(action="hang", keys=KEY, kind=kind, times=None))  # type: ignore[arg-type]
        with pytest.raises(StoreError, match=r"no answer within 0\.2 s") as caught:
            act(array)
    assert caught.value.key == KEY
    assert len(wrapper.injected) == RETRIES + 1
    wrapper.release()


@pytest.mark.parametrize(
    ("action", "call"), [("cut", "whole"), ("cut", "part"), ("cut", "write"), ("ignore_range", "part")]
)
def test_a_wrong_length_that_nobody_tells_is_never_filled_in(store: Any, action: Any, call: str) -> None:
    wrapper, array = faulty(store, Fault(action=action, keys=KEY, times=None))
    with pytest.raises((CodecError, StoreError)) as caught:
        CALLS[call][0](array)
    assert caught.value.key == KEY
    assert wrapper.injected
    np.testing.assert_array_equal(zarrpipe.open_array(store)[...], OLD)


# The tables of docs/faults.md. Inner chunks are not compressed: nothing but versions tells those of two values apart.

OTHER = np.random.default_rng(2).integers(1, 1000, OLD.shape, dtype="int32")
# Its first inner chunks are not stored, so the others lie elsewhere.
OTHER[:INNER] = 0

TABLES: dict[str, Callable[[], Any]] = {
    "A store with versions, in FaultStore": VersionedStore,
    "An awaited store without versions, in FaultStore": AwaitedStore,
    "A store that answers at once, in FaultStore": MemoryStore,
}
# What is done, which kind of request for the key fails, and how many of them are answered well before.
ACCESSES: dict[str, tuple[Callable[[Any], Any], str, int]] = {
    "whole read": (lambda array: array[...], "get", 0),
    "part: index": (lambda array: array[PART], "get", 0),
    "part: inner chunks": (lambda array: array[PART], "get", 1),
    "partial write: its read": (write_part, "get", 0),
    "partial write: its put": (write_part, "set", 0),
}
ROWS: dict[str, dict[str, Any]] = {
    "connection reset, once": {"action": "raise", "error": ConnectionResetError},
    "connection reset, always": {"action": "raise", "error": ConnectionResetError, "times": None},
    "no answer in time, once": {"action": "hang"},
    "no answer in time, always": {"action": "hang", "times": None},
    "refused": {"action": "raise", "error": PermissionError, "times": None},
    "an exception of another kind": {"action": "raise", "error": KeyError, "times": None},
    "answer cut short, once": {"action": "cut"},
    "answer cut short, always": {"action": "cut", "times": None},
    "range ignored": {"action": "ignore_range", "times": None},
    "object replaced just before": {"action": "swap"},
    "object deleted just before": {"action": "swap"},
}


def shards(data: np.ndarray[Any, Any], store: Any) -> Any:
    array = zarrpipe.create_array(
        store, shape=data.shape, dtype="int32", chunks=(INNER, INNER), shards=(SIDE, SIDE), compressors=[]
    )
    array[...] = data
    return store


def outcome(title: str, row: str, access: str) -> str:
    """Return what a fault did to an access, after checking that it is nothing worse."""
    call, kind, after = ACCESSES[access]
    options = dict(ROWS[row])
    other: dict[str, Any] = shards(OTHER, {})
    if row.startswith("object replaced"):
        options["value"] = other[KEY].to_bytes()
    is_quiet = options["action"] in ("cut", "ignore_range", "swap")
    if (is_quiet and kind == "set") or (options["action"] == "ignore_range" and not access.startswith("part:")):
        return ""
    if options["action"] == "swap" and call is write_part:
        return ""
    is_sync = TABLES[title] is MemoryStore
    if is_sync and options["action"] == "hang":
        options["hang_s"] = 0.01
    store = shards(OLD, TABLES[title]())
    wrapper = FaultStore(store, [Fault(**options, keys=KEY, kind=kind, nth=after + 1)])  # type: ignore[arg-type]
    array = zarrpipe.open_array(wrapper)
    want = OLD.copy()
    if options["action"] == "swap":
        want[:, SIDE:] = OTHER[:, SIDE:] if "value" in options else 0
    failed: BaseException | None = None
    found: Any = None
    with config.set(io_timeout_s=0.2 if options["action"] == "hang" else 30.0):
        try:
            found = call(array)
        except (OSError, ValueError, KeyError) as error:
            failed = error
    wrapper.release()
    stored = zarrpipe.open_array(store)[...]
    np.testing.assert_array_equal(stored[:, :SIDE], OLD[:, :SIDE])
    tries = f", {len(wrapper.injected)} {'try' if len(wrapper.injected) == 1 else 'tries'}"
    if failed is not None:
        np.testing.assert_array_equal(stored, want)
        assert KEY in " ".join([str(failed), *getattr(failed, "__notes__", ())])
        return type(failed).__name__ + (tries if options["action"] in ("raise", "hang") else "")
    if call is write_part:
        want[PART] = NEW[PART]
        found = stored
    elif access.startswith("part:"):
        want = want[PART]
    if options["action"] == "swap" and (found != want).any():
        return "mixture"
    np.testing.assert_array_equal(found, want)
    return "exact"


def tables() -> list[str]:
    """Return the tables as measured."""
    with config.set(io_retries=RETRIES, io_retry_delay_s=0.001):
        return [
            table(title, ACCESSES, {row: [outcome(title, row, access) for access in ACCESSES] for row in ROWS})
            for title in TABLES
        ]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("title", TABLES)
def test_the_tables_are_what_is_measured(title: str, row: str) -> None:
    assert [outcome(title, row, access) for access in ACCESSES] == stored_row(title, row)


def test_only_stores_without_versions_give_mixtures() -> None:
    for title in titles():
        cells = stored_row(title, "object replaced just before")
        assert ("mixture" in cells) == (title in list(TABLES)[1:]), title
