"""What becomes of reads and writes when a store fails: each fault, met by each kind of access, over each store.

What was seen is the table in ``docs/faults.md``, which must be what is measured here. To renew it:
``python tests/test_faults.py``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

import zarrpipe
from servers.misbehaving import Fault, MisbehavingServer
from servers.s3 import S3Server
from zarrpipe.config import config
from zarrpipe.errors import StoreError
from zarrpipe.stores.object import ObjectStore

DOCUMENT = Path(__file__).parent.parent / "docs" / "faults.md"
SIDE, INNER = 64, 16
KEY = "c/0/1"
PART = (slice(20, 30), slice(SIDE + 3, SIDE + 9))
RETRIES, TIMEOUT_S = 2, 0.5
ALWAYS = 99


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
        return sum(request.method == method and request.path.endswith(f"/{KEY}") for request in self.server.requests)


def by_s3(server: MisbehavingServer) -> Any:
    return ObjectStore.from_url("s3://bucket/a.zarr", storage_options=S3Server(server.url).options())


def by_http(server: MisbehavingServer) -> Any:
    return ObjectStore.from_url(f"{server.url}/bucket/a.zarr")


STORES: dict[str, Callable[[MisbehavingServer], Any]] = {
    "S3, by ObjectStore": by_s3,
    "HTTP, by ObjectStore": by_http,
}


@contextmanager
def place(server: MisbehavingServer, store: str, folder: Path) -> Iterator[Place]:
    server.empty()
    files = server.root / "bucket" / "a.zarr"
    shutil.copytree(folder / "old.zarr", files)
    with config.set(io_retries=RETRIES, io_retry_delay_s=0.001, io_timeout_s=TIMEOUT_S):
        yield Place(STORES[store](server), server, files, folder)
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
    "no answer in time, always": Row("hang", ALWAYS),
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
    here.server.faults = [Fault(kind, access.method, KEY, row.times, access.after, action)]
    here.server.requests.clear()
    before = (here.files / KEY).read_bytes()
    found, failed = attempt(access, array)
    if failed is None:
        check(found, row, access, here)
    else:
        assert failed.key == KEY
        assert not isinstance(failed, FileNotFoundError)
        if access.method == "GET":
            assert (here.files / KEY).read_bytes() == before
    result = "exact" if failed is None else "StoreError"
    tries = here.requests(access.method) - access.after - (access.more if result == "exact" else 0)
    # All else is as it was, and every stored chunk is whole.
    here.server.faults = []
    stored = zarrpipe.open_array(here.files)[...]
    np.testing.assert_array_equal(stored[:, :SIDE], OLD[:, :SIDE])
    return f"{result}, {tries} {'try' if tries == 1 else 'tries'}"


def attempt(access: Access, array: Any) -> tuple[Any, StoreError | None]:
    try:
        return access.call(array), None
    except StoreError as error:
        return None, error


def check(found: Any, row: Row, access: Access, here: Place) -> None:
    want = OLD.copy()
    # Of two versions a read gives one, and never a mixture: here always the new one.
    if row.kind == "replace":
        want[:, SIDE:] = OTHER[:, SIDE:]
    elif row.kind == "delete":
        want[:, SIDE:] = 0
    if access.call is write_part:
        want[PART] = NEW[PART]
        np.testing.assert_array_equal(zarrpipe.open_array(here.files)[...], want)
    else:
        np.testing.assert_array_equal(found, want if access.call is read_whole else want[PART])


def measure(store: str, name: str, server: MisbehavingServer, folder: Path) -> list[str]:
    """Return a row of the table."""
    cells = []
    for title, access in ACCESSES.items():
        with place(server, store, folder) as here:
            possible = title in ROWS[name].accesses and not (access.call is write_part and here.store.read_only)
            cells.append(outcome(ROWS[name], access, here) if possible else "")
    return cells


def make_arrays(folder: Path) -> None:
    make_array(folder / "old.zarr", OLD)
    make_array(folder / "other.zarr", OTHER)


INTRODUCTION = f"""\
# When a store fails

Made by `tests/test_faults.py`, which checks it: an array of two shards behind a server that misbehaves as said, when
the second shard is asked for. "Exact": every item was right, in memory and in the store. "StoreError": it was raised,
and names the key; nothing was filled in for what could not be read, and what is stored is whole: the old value of the
key, or the new one. A try is one request for what failed; `io_retries` was {RETRIES}, so there are {RETRIES + 1} at
most. Empty: it cannot happen there.
"""


def table(store: str, rows: dict[str, list[str]]) -> str:
    lines = [["", *ACCESSES], ["---"] * (len(ACCESSES) + 1), *([name, *cells] for name, cells in rows.items())]
    return f"## {store}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("faults")
    make_arrays(made)
    return made


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("store", STORES)
def test_the_table_is_what_is_measured(misbehaving: MisbehavingServer, folder: Path, store: str, name: str) -> None:
    line = f"| {name} | " + " | ".join(measure(store, name, misbehaving, folder)) + " |"
    part = DOCUMENT.read_text().partition(f"## {store}\n")[2].partition("\n## ")[0]
    assert line in part.splitlines()


def test_what_stands_around_the_tables() -> None:
    text = DOCUMENT.read_text()
    assert text.startswith(INTRODUCTION)
    assert [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")] == list(STORES)


if __name__ == "__main__":
    parts = [INTRODUCTION]
    with TemporaryDirectory() as folder:
        make_arrays(Path(folder))
        (Path(folder) / "root").mkdir()
        server = MisbehavingServer(Path(folder) / "root")
        try:
            parts += [
                table(store, {name: measure(store, name, server, Path(folder)) for name in ROWS}) for store in STORES
            ]
        finally:
            server.close()
    DOCUMENT.write_text("\n".join(parts))
