"""Faults that FaultStore injects, over stores that are awaited: what is retried, and what an error says.

What real servers do to reads and writes is in `test_faults`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import obstore.store
import pytest

import zarrpipe
from every_store import AwaitedStore
from zarrpipe.config import config
from zarrpipe.errors import CodecError, StoreError
from zarrpipe.stores import Fault, FaultStore, FsspecStore, ObjectStore

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
