"""`locking="file"`: processes that write parts of one chunk, shard or document lose nothing, and stop nobody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from zarrpipe import _core
from zarrpipe.codecs import register_codec, unregister_codec
from zarrpipe.config import Config, config
from zarrpipe.errors import ConfigError, ReadOnlyError, StoreError
from zarrpipe.spec import ArrayConfig
from zarrpipe.stores import LocalStore, MemoryStore

CHILDREN = Path(__file__).parent / "children"
PROCESSES, ITEMS = 8, 32
ROUNDS = 12
LOCK = ".zarrpipe-lock"

RAW: list[Any] = [{"name": "bytes", "configuration": {"endian": "little"}}]
ZSTD = [*RAW, {"name": "zstd", "configuration": {"level": 1, "checksum": True}}]


def sharding(chunk: int, codecs: list[Any] = ZSTD, index_location: str = "end") -> list[Any]:
    configuration = {
        "chunk_shape": [chunk],
        "codecs": codecs,
        "index_codecs": [*RAW, {"name": "crc32c"}],
        "index_location": index_location,
    }
    return [{"name": "sharding_indexed", "configuration": configuration}]


CHAINS = {
    "raw": RAW,
    "zstd": ZSTD,
    # Each process has an inner chunk, each two, and all have one together.
    "shard-own": sharding(ITEMS // PROCESSES),
    "shard-shared": sharding(ITEMS // PROCESSES * 2, RAW, "start"),
    "shard-one": sharding(ITEMS),
    # Answered by an event loop.
    "python": [*RAW, {"name": "test.hold"}],
}


class Children:
    """Processes of a test, which end with it."""

    def __init__(self) -> None:
        self._all: list[subprocess.Popen[str]] = []

    def start(self, what: str, path: Path, *rest: object, locking: str = "file") -> subprocess.Popen[str]:
        command = [sys.executable, str(CHILDREN / "writers.py"), what, locking, str(path), *map(str, rest)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._all.append(child)
        return child

    def end(self) -> None:
        for child in self._all:
            child.kill()
            child.communicate()


@pytest.fixture
def children() -> Iterator[Children]:
    made = Children()
    yield made
    made.end()


@pytest.fixture(autouse=True)
def hold_codec() -> Iterator[None]:
    sys.path.insert(0, str(CHILDREN))
    from writers import Hold

    register_codec("test.hold", Hold)
    yield
    unregister_codec("test.hold")
    sys.path.remove(str(CHILDREN))


def line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().rstrip()


def done(child: subprocess.Popen[str], timeout_s: float = 60) -> None:
    stderr = child.communicate(timeout=timeout_s)[1]
    assert child.returncode == 0, stderr


def create(path: Path, codecs: list[Any], items: int = ITEMS) -> Any:
    return zarrpipe.create_array(
        path, shape=(items,), chunks=(items,), dtype="int32", codecs=codecs, config={"locking": "file"}
    )


def updated(items: int = ITEMS, rounds: int = ROUNDS) -> Any:
    return np.arange(items) + 1000 * rounds


def is_held(path: Path, key: str = "c/0") -> bool:
    lock = _core.Store.local(str(path)).try_lock("", key)
    if lock is None:
        return True
    lock.release()
    return False


# Nothing is lost


@pytest.mark.parametrize("chain", CHAINS)
def test_eight_processes_lose_nothing(tmp_path: Path, children: Children, chain: str) -> None:
    array = create(tmp_path / "a", CHAINS[chain])
    own = ITEMS // PROCESSES
    writers = [
        children.start("update", tmp_path / "a", n * own, (n + 1) * own, ROUNDS, 1 + n % 2) for n in range(PROCESSES)
    ]
    for writer in writers:
        done(writer)
    np.testing.assert_array_equal(array[...], updated())
    assert not is_held(tmp_path / "a")


def test_roots_may_differ(tmp_path: Path, children: Children) -> None:
    """The lock lies in the array's folder: whoever opens the group, or the array by a link, meets the others."""
    group = zarrpipe.create_group(tmp_path / "g")
    array = group.create_array("a", shape=(ITEMS,), chunks=(ITEMS,), dtype="int32")
    (tmp_path / "link").symlink_to(tmp_path / "g" / "a")
    paths = [tmp_path / "g" / "a", tmp_path / "link"] * 2
    own = ITEMS // 4
    writers = [children.start("update", path, n * own, (n + 1) * own, 12, 1) for n, path in enumerate(paths[:3])]
    inside = group["a"].with_config({"locking": "file"})
    for number in range(12):
        for item in range(3 * own, ITEMS):
            inside[item] = 1000 * (number + 1) + item
    for writer in writers:
        done(writer)
    np.testing.assert_array_equal(array[...], updated())


def test_a_handle_that_knows_a_smaller_array_keeps_what_lies_behind(tmp_path: Path) -> None:
    """A chunk at the edge is not complete just because this handle's array ends there."""
    new = create(tmp_path / "a", ZSTD, items=10)
    new.resize((15,))
    old = zarrpipe.open_array(tmp_path / "a", mode="r+", config={"locking": "file"})
    new.append([7, 8])
    old[10:15] = 5
    assert new[10:].tolist() == [5, 5, 5, 5, 5, 7, 8]


def test_eight_processes_append(tmp_path: Path, children: Children) -> None:
    array = zarrpipe.create_array(tmp_path / "a", shape=(0,), chunks=(5,), dtype="int32", fill_value=-1)
    writers = [children.start("append", tmp_path / "a", n, 6) for n in range(PROCESSES)]
    for writer in writers:
        done(writer)
    found = zarrpipe.open_array(tmp_path / "a")[...]
    assert len(found) == PROCESSES * 6 * 2
    pairs = found.reshape(-1, 2)
    assert (pairs[:, 0] == pairs[:, 1]).all()
    assert np.bincount(pairs[:, 0]).tolist() == [6] * PROCESSES
    assert array.shape == (0,)


def test_eight_processes_set_attributes(tmp_path: Path, children: Children) -> None:
    create(tmp_path / "a", RAW)
    writers = [children.start("attributes", tmp_path / "a", n, 8) for n in range(PROCESSES)]
    for writer in writers:
        done(writer)
    expected = {f"{n}-{number}": number for n in range(PROCESSES) for number in range(8)}
    assert zarrpipe.open_array(tmp_path / "a").attrs.asdict() == expected


async def test_tasks_of_one_loop_change_attributes(tmp_path: Path) -> None:
    """Waiting for the lock between processes does not block the loop that its holder runs on."""
    array = create(tmp_path / "a", RAW)
    other = zarrpipe.open_array(tmp_path / "a", mode="r+", config={"locking": "file"})
    nodes = [array, other] * 8
    await asyncio.gather(*(node.update_attributes_async({str(n): n}) for n, node in enumerate(nodes)))
    assert zarrpipe.open_array(tmp_path / "a").attrs.asdict() == {str(n): n for n in range(16)}


def test_groups_follow_the_setting(tmp_path: Path) -> None:
    group = zarrpipe.create_group(tmp_path / "g")
    held = _core.Store.local(str(tmp_path / "g")).try_lock("", "zarr.json")
    assert held is not None
    group.attrs["free"] = 1
    with config.set(locking="file"):
        late = threading.Timer(0.3, held.release)
        late.start()
        start = time.monotonic()
        group.attrs["waited"] = 2
        assert time.monotonic() - start >= 0.25
        late.join()
    assert zarrpipe.open_group(tmp_path / "g").attrs.asdict() == {"free": 1, "waited": 2}


# Nobody is stopped


def test_a_killed_writer_stops_nobody(tmp_path: Path, children: Children) -> None:
    array = create(tmp_path / "a", CHAINS["python"])
    own = ITEMS // PROCESSES
    holder = children.start("hold", tmp_path / "a")
    assert line(holder) == "holding"
    assert is_held(tmp_path / "a")
    writers = [children.start("update", tmp_path / "a", n * own, (n + 1) * own, 3, 1) for n in range(1, PROCESSES)]
    time.sleep(1.0)
    assert [writer.poll() for writer in writers] == [None] * 7
    assert (array[...] == 0).all()
    holder.kill()
    for writer in writers:
        done(writer)
    np.testing.assert_array_equal(array[own:], updated(rounds=3)[own:])
    assert (array[:own] == 0).all()


def test_a_forked_child_does_not_keep_its_killed_parents_lock(tmp_path: Path, children: Children) -> None:
    array = create(tmp_path / "a", CHAINS["python"])
    holder = children.start("hold-and-fork", tmp_path / "a")
    assert line(holder) == "holding"
    pid = int(line(holder))
    try:
        # The child's fork has not let go of what its parent holds.
        assert is_held(tmp_path / "a")
        holder.kill()
        holder.wait()
        os.kill(pid, 0)
        array[3] = 3
        assert array[3] == 3
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("how", ["interrupted", "interrupted-async"])
@pytest.mark.parametrize("chain", ["raw", "python"])
def test_waiting_for_a_stopped_holder_ends_at_an_interrupt(
    tmp_path: Path, children: Children, how: str, chain: str
) -> None:
    array = create(tmp_path / "a", CHAINS[chain])
    # A stopped process holds its lock for as long as it is stopped.
    held = _core.Store.local(str(tmp_path / "a")).try_lock("", "c/0")
    assert held is not None
    child = children.start(how, tmp_path / "a")
    assert line(child) == "writing"
    time.sleep(0.5)
    start = time.monotonic()
    if how == "interrupted":
        child.send_signal(signal.SIGINT)
    assert line(child) == "interrupted"
    assert time.monotonic() - start < 1
    done(child, timeout_s=5)
    held.release()
    array[2] = 2
    assert array[:3].tolist() == [0, 0, 2]


def test_a_stopped_holder(tmp_path: Path, children: Children) -> None:
    array = create(tmp_path / "a", CHAINS["python"])
    holder = children.start("hold", tmp_path / "a")
    assert line(holder) == "holding"
    holder.send_signal(signal.SIGSTOP)
    child = children.start("interrupted", tmp_path / "a")
    assert line(child) == "writing"
    time.sleep(0.5)
    start = time.monotonic()
    child.send_signal(signal.SIGINT)
    assert line(child) == "interrupted"
    assert time.monotonic() - start < 1
    done(child, timeout_s=5)
    holder.kill()
    holder.wait()
    array[2] = 2
    assert array[:3].tolist() == [0, 0, 2]


def test_a_locked_chunk_holds_up_no_other(tmp_path: Path) -> None:
    """A call that waits for the lock of one chunk goes on with its other chunks, with one worker too."""
    array = create(tmp_path / "a", ZSTD, items=4)
    array.resize((40,))
    held = _core.Store.local(str(tmp_path / "a")).try_lock("", "c/1")
    assert held is not None
    with config.set(threads=1):
        writer = threading.Thread(target=array.write, args=(slice(0, 40), np.arange(40, dtype="int32")))
        writer.start()
        stop = time.monotonic() + 10
        while (array[8:] == 0).any() and time.monotonic() < stop:
            time.sleep(0.01)
        assert array[...].tolist() == [*range(4), 0, 0, 0, 0, *range(8, 40)]
        held.release()
        writer.join(10)
    assert array[...].tolist() == list(range(40))


# What is left behind


def test_the_lock_file_is_nobodys_business(tmp_path: Path) -> None:
    array = create(tmp_path / "g" / "a", ZSTD)
    array[3] = 3
    array.attrs["a"] = 1
    lock = tmp_path / "g" / "a" / LOCK
    assert lock.stat().st_size == 0
    store = LocalStore(tmp_path / "g")

    async def listed() -> list[list[str]]:
        return [
            [key async for key in store.list()],
            [key async for key in store.list_prefix("a/.")],
            [name async for name in store.list_dir("a")],
        ]

    assert asyncio.run(listed()) == [["a/zarr.json", "a/c/0"], [], ["c", "zarr.json"]]
    assert array.nchunks_initialized == 1


def test_locks_leak_no_descriptors(tmp_path: Path) -> None:
    array = create(tmp_path / "a", ZSTD)
    array[3] = 3
    before = len(os.listdir("/proc/self/fd"))
    for n in range(100):
        array[n % ITEMS] = n
        array.attrs["n"] = n
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_lock_file_without_the_option(tmp_path: Path) -> None:
    array = zarrpipe.create_array(tmp_path / "a", shape=(4,), chunks=(4,), dtype="int32")
    array[1] = 1
    array.attrs["a"] = 1
    array.append([1])
    assert not (tmp_path / "a" / LOCK).exists()


def test_an_array_that_is_deleted_and_made_again(tmp_path: Path) -> None:
    array = create(tmp_path / "a", ZSTD)
    array[1] = 1
    held = _core.Store.local(str(tmp_path / "a")).try_lock("", "c/0")
    assert held is not None
    again = zarrpipe.create_array(
        tmp_path / "a", shape=(4,), chunks=(4,), dtype="int32", overwrite=True, config={"locking": "file"}
    )
    # The old file's lock excludes nobody from the new array.
    again[2] = 2
    assert again[...].tolist() == [0, 0, 2, 0]
    held.release()


# The option


def test_how_it_is_set(tmp_path: Path) -> None:
    assert config.current.locking == "none"
    array = zarrpipe.create_array(tmp_path / "a", shape=(4,), chunks=(4,), dtype="int32")
    assert array.config.locking == "none"
    assert array.with_config({"locking": "file"}).config.locking == "file"
    assert zarrpipe.open_array(tmp_path / "a", config={"locking": "file"}).config.locking == "file"
    with config.set(locking="file"):
        assert zarrpipe.open_array(tmp_path / "a").config.locking == "file"
    assert Config({"ZARRPIPE_LOCKING": "File"}).current.locking == "file"
    with pytest.raises(ConfigError, match="locking is one of none, file, conditional"):
        Config({"ZARRPIPE_LOCKING": "files"}).current  # noqa: B018
    bad: Any = "files"
    with pytest.raises(ValueError, match="locking is one of"):
        ArrayConfig("C", False, locking=bad)


class Subclass(LocalStore):
    pass


@pytest.mark.parametrize("kind", ["memory", "subclass"])
def test_other_stores_refuse_to_write(tmp_path: Path, kind: str) -> None:
    store: Any = MemoryStore() if kind == "memory" else Subclass(tmp_path)
    plain = zarrpipe.create_array(store, shape=(4,), chunks=(4,), dtype="int32")
    plain[1] = 1
    array = plain.with_config({"locking": "file"})
    # Reading needs no locks.
    assert array[1] == 1
    refused = [
        lambda: array.write(slice(2, 3), 2),
        lambda: array.put_encoded_chunk((0,), b"1234"),
        lambda: array.update_attributes({"a": 1}),
        lambda: array.append([1]),
        lambda: array.resize((2,)),
    ]
    for call in refused:
        with pytest.raises(ConfigError, match=r"local files \(LocalStore\)"):
            call()
    assert plain[...].tolist() == [0, 1, 0, 0]


def test_a_folder_that_cannot_be_written_is_told_with_the_key(tmp_path: Path) -> None:
    array = create(tmp_path / "a", ZSTD)
    # A folder in the lock file's place: a mode would not stop root.
    (tmp_path / "a" / LOCK).mkdir()
    with pytest.raises(StoreError, match=r'lock "c/0"') as caught:
        array[1] = 1
    assert caught.value.key == "c/0"
    if os.geteuid() != 0:
        with contextlib.ExitStack() as stack:
            (tmp_path / "a" / LOCK).rmdir()
            (tmp_path / "a").chmod(0o555)
            stack.callback((tmp_path / "a").chmod, 0o755)
            with pytest.raises(ReadOnlyError, match=r'lock "c/0"'):
                array[1] = 1
