"""What becomes of reads and writes when a store fails: each fault, met by each kind of access, over each store.

What was seen is the table in ``docs/faults.md``, which must be what is measured here. To renew it:
``python tests/test_faults.py``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

import test_faults_injected
import zarrpipe
from fault_tables import DOCUMENT, stored_row, table, titles
from servers.misbehaving import Fault, MisbehavingServer
from servers.s3 import S3Server
from zarrpipe.config import config
from zarrpipe.errors import CodecError, StoreError
from zarrpipe.stores import FsspecStore, ObjectStore

SIDE, INNER = 64, 16
KEY = "c/0/1"
PART = (slice(20, 30), slice(SIDE + 3, SIDE + 9))
RETRIES = 2
# For requests that are not answered, and for all others, which a busy machine must not make time out.
SHORT_S, LONG_S = 0.3, 30.0
ALWAYS = 99
_numbers = count()


def values(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(1, 1000, (SIDE, 2 * SIDE), dtype="int32")


OLD, OTHER, NEW = values(0), values(1), values(2)
# Its first inner chunks are not stored, so the others lie elsewhere: where the index of one array says, the other has
# items too, but of another place.
OTHER[:INNER] = 0


def make_array(folder: Path, data: np.ndarray[Any, Any]) -> None:
    array = zarrpipe.create_array(
        folder, shape=data.shape, dtype="int32", chunks=(INNER, INNER), shards=(SIDE, SIDE), compressors=[]
    )
    array[...] = data


@dataclass
class Place:
    """An array behind a server that misbehaves, and where its files really are.

    Parameters
    ----------
    store : Store
        To read and write it.
    server : MisbehavingServer
        The server.
    files : Path
        The array's folder.
    originals : Path
        Where arrays to be served are.
    """

    store: Any
    server: MisbehavingServer
    files: Path
    originals: Path

    def requests(self, method: str) -> int:
        """Return how often the key that fails was asked for."""
        return sum(
            request.method == method and request.path == f"{self.files.parent.name}/a.zarr/{KEY}"
            for request in self.server.requests
        )


def by_s3(url: str, bucket: str) -> Any:
    return ObjectStore.from_url(f"s3://{bucket}/a.zarr", storage_options=S3Server(url).options())


def by_http(url: str, bucket: str) -> Any:
    return ObjectStore.from_url(f"{url}/{bucket}/a.zarr")


def by_s3fs(url: str, bucket: str) -> Any:
    # s3fs and botocore would retry by themselves.
    settings = {"retries": {"max_attempts": 0}}
    options = {**S3Server(url).fsspec_options(), "config_kwargs": settings, "skip_instance_cache": True}
    store = FsspecStore.from_url(f"s3://{bucket}/a.zarr", storage_options=options)
    store.fs.retries = 1
    return store


def by_fsspec_http(url: str, bucket: str) -> Any:
    options = {"skip_instance_cache": True}
    return FsspecStore.from_url(f"{url}/{bucket}/a.zarr", storage_options=options, read_only=True)


STORES: dict[str, Callable[[str, str], Any]] = {
    "S3, by ObjectStore": by_s3,
    "HTTP, by ObjectStore": by_http,
    "S3, by FsspecStore (s3fs)": by_s3fs,
    "HTTP, by FsspecStore": by_fsspec_http,
}


@contextmanager
def place(server: MisbehavingServer, store: str, folder: Path, timeout_s: float) -> Iterator[Place]:
    # One that no other test had: a request that was given up may still be on its way.
    bucket = f"bucket-{next(_numbers)}"
    files = server.root / bucket / "a.zarr"
    shutil.copytree(folder / "old.zarr", files)
    server.released.clear()
    with config.set(io_retries=RETRIES, io_retry_delay_s=0.001, io_timeout_s=timeout_s):
        yield Place(STORES[store](server.url, bucket), server, files, folder)
    server.released.set()


# What is done. Each returns what was read, or what the array holds afterwards.


def read_whole(array: Any) -> Any:
    return array[...]


def read_part(array: Any) -> Any:
    return array[PART]


def write_part(array: Any) -> None:
    array[PART] = NEW[PART]


@dataclass(frozen=True)
class Access:
    """A column: what is done, and which of its requests for the key fails.

    Parameters
    ----------
    call : callable
        What is done with the array.
    method : str
        The request that fails.
    after : int
        How many such requests of the call are answered well before.
    more : int
        How many it makes afterwards.
    """

    call: Callable[[Any], Any]
    method: str = "GET"
    after: int = 0
    more: int = 0


ACCESSES = {
    "whole read": Access(read_whole),
    "part: index": Access(read_part, more=1),
    "part: inner chunks": Access(read_part, after=1),
    "partial write: its read": Access(write_part),
    "partial write: its put": Access(write_part, method="PUT"),
}


@dataclass(frozen=True)
class Row:
    """A fault.

    Parameters
    ----------
    kind : str
        See `servers.misbehaving.Fault`.
    times : int
        How often.
    accesses : tuple of str
        What it can happen to.
    """

    kind: str
    times: int = 1
    accesses: tuple[str, ...] = tuple(ACCESSES)


READS = tuple(name for name, access in ACCESSES.items() if access.method == "GET")
RANGES = ("part: index", "part: inner chunks")
ROWS = {
    "connection reset, once": Row("reset"),
    "connection reset, always": Row("reset", ALWAYS),
    "answer lost, once": Row("lost"),
    "no answer in time, once": Row("hang"),
    "no answer in time, always": Row("hang", ALWAYS, ("whole read", "partial write: its put")),
    "500, once": Row("500"),
    "500, always": Row("500", ALWAYS),
    "503, twice": Row("503", 2),
    "503, always": Row("503", ALWAYS),
    "429, once": Row("429"),
    "403": Row("403", ALWAYS),
    "body cut short, once": Row("cut short", accesses=READS),
    "body cut short, always": Row("cut short", ALWAYS, READS),
    "body shorter than its range, once": Row("cut and told", accesses=RANGES),
    "body shorter than its range, always": Row("cut and told", ALWAYS, RANGES),
    "range ignored": Row("range ignored", ALWAYS, RANGES),
    "object replaced just before": Row("replace", accesses=("whole read", *RANGES)),
    "object deleted just before": Row("delete", accesses=("whole read", *RANGES)),
}


# What adds nothing over the file systems of fsspec, whose sessions are slow to start.
ONLY_OBJECT_STORES = frozenset(
    {
        "answer lost, once",
        "no answer in time, always",
        "500, once",
        "500, always",
        "503, always",
        "429, once",
        "body cut short, always",
    }
)


def rows_of(store: str) -> list[str]:
    return [name for name in ROWS if "ObjectStore" in store or name not in ONLY_OBJECT_STORES]


def outcome(row: Row, access: Access, here: Place) -> str:
    """Return what a fault did to an access, after checking that it is nothing worse."""
    array = zarrpipe.open_array(here.store)
    other = here.originals / "other.zarr" / KEY
    actions: dict[str, Callable[[], Any]] = {
        "replace": lambda: shutil.copy(other, here.files / KEY),
        "delete": (here.files / KEY).unlink,
    }
    kind = "call" if row.kind in actions else row.kind
    action = actions.get(row.kind, lambda: None)
    here.server.faults = [
        Fault(kind, access.method, f"{here.files.parent.name}/a.zarr/{KEY}", row.times, access.after, action)
    ]
    here.server.requests.clear()
    before = (here.files / KEY).read_bytes()
    found, failed = attempt(access, array)
    if failed is None:
        result = check(found, row, access, here)
    else:
        result = "StoreError" if isinstance(failed, StoreError) else type(failed).__name__
        assert failed.key == KEY
        assert not isinstance(failed, FileNotFoundError)
        if access.method == "GET":
            assert (here.files / KEY).read_bytes() == before
    tries = max(1, here.requests(access.method) - access.after - (access.more if failed is None else 0))
    # All else is as it was, and every stored chunk is whole.
    here.server.faults = []
    stored = zarrpipe.open_array(here.files)[...]
    np.testing.assert_array_equal(stored[:, :SIDE], OLD[:, :SIDE])
    # Other clients repeat some requests by themselves.
    return f"{result}, {tries} {'try' if tries == 1 else 'tries'}" if isinstance(here.store, ObjectStore) else result


def attempt(access: Access, array: Any) -> tuple[Any, StoreError | CodecError | None]:
    try:
        return access.call(array), None
    except (StoreError, CodecError) as error:
        return None, error


def check(found: Any, row: Row, access: Access, here: Place) -> str:
    want = OLD.copy()
    # Of two versions a read gives one: here always the new one.
    if row.kind == "replace":
        want[:, SIDE:] = OTHER[:, SIDE:]
    elif row.kind == "delete":
        want[:, SIDE:] = 0
    if access.call is write_part:
        want[PART] = NEW[PART]
        found = zarrpipe.open_array(here.files)[...]
    elif access.call is read_part:
        want = want[PART]
    if row.kind == "replace" and (found != want).any():
        return "mixture"
    np.testing.assert_array_equal(found, want)
    return "exact"


def measure(store: str, name: str, server: MisbehavingServer, folder: Path) -> list[str]:
    """Return a row of the table."""
    cells, row = [], ROWS[name]
    for title, access in ACCESSES.items():
        with place(server, store, folder, SHORT_S if row.kind == "hang" else LONG_S) as here:
            possible = title in row.accesses and not (access.call is write_part and here.store.read_only)
            cells.append(outcome(row, access, here) if possible else "")
    return cells


def make_arrays(folder: Path) -> None:
    make_array(folder / "old.zarr", OLD)
    make_array(folder / "other.zarr", OTHER)


INTRODUCTION = f"""\
# When a store fails

Made by `tests/test_faults.py`, which checks it: an array of two shards behind a server that misbehaves as said, or in a
`FaultStore`, when the second shard is asked for. "Exact": every item was right, in memory and in the store.
"StoreError": it was raised, and names the key; nothing was filled in for what could not be read, and what is stored is
whole: the old value of the key, or the new one. Other errors are those of a codec that was given the wrong number of
bytes, and exceptions of a user's store, which come through; they name the key as well. "Mixture": items of the new
object by the index of the old one, which only a store with versions can notice (see design/versions.md).

A try is one request for what failed; `io_retries` was {RETRIES}, so there are {RETRIES + 1} at most. A server that
ignores ranges is asked for the whole value, too. Clients of fsspec's stores repeat some requests by themselves: there
the tries are not counted. Empty: it cannot happen there, or was not tried.
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("faults")
    make_arrays(made)
    return made


@pytest.mark.parametrize(("store", "name"), [(store, name) for store in STORES for name in rows_of(store)])
def test_the_table_is_what_is_measured(misbehaving: MisbehavingServer, folder: Path, store: str, name: str) -> None:
    assert measure(store, name, misbehaving, folder) == stored_row(store, name)


def test_what_stands_around_the_tables() -> None:
    assert DOCUMENT.read_text().startswith(INTRODUCTION)
    assert titles() == [*STORES, *test_faults_injected.TABLES]


if __name__ == "__main__":
    parts = [INTRODUCTION]
    with TemporaryDirectory() as folder:
        make_arrays(Path(folder))
        (Path(folder) / "root").mkdir()
        server = MisbehavingServer(Path(folder) / "root")
        try:
            parts += [
                table(store, ACCESSES, {name: measure(store, name, server, Path(folder)) for name in rows_of(store)})
                for store in STORES
            ]
        finally:
            server.close()
    DOCUMENT.write_text("\n".join([*parts, *test_faults_injected.tables()]))
