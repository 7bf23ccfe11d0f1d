"""A key is replaced at once: a reader, a kill, a full disk see the old value or the new one."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from zarrpipe.config import config
from zarrpipe.stores import LocalStore

CHILDREN = Path(__file__).parent / "children"
SIDE, INNER = 512, 64
RAW = [{"name": "bytes", "configuration": {"endian": "little"}}]
ZSTD = [*RAW, {"name": "zstd", "configuration": {"level": 1, "checksum": False}}]


def sharding(codecs: list[Any], index_location: str = "end") -> list[Any]:
    configuration = {
        "chunk_shape": [INNER, INNER],
        "codecs": codecs,
        "index_codecs": [*RAW, {"name": "crc32c"}],
        "index_location": index_location,
    }
    return [{"name": "sharding_indexed", "configuration": configuration}]


CHAINS = {
    "raw": RAW,
    "zstd": ZSTD,
    "shard": sharding(RAW),
    "shard-zstd": sharding(ZSTD),
    "shard-index-first": sharding(RAW, "start"),
}


def create(path: Path, chain: str, chunks: int = SIDE) -> Any:
    # Two chunks of 2 MiB: a kill meets most of the time a write that is under way.
    array = zarrpipe.create_array(
        path, shape=(2 * SIDE, SIDE), chunks=(chunks, SIDE), dtype="int64", codecs=CHAINS[chain]
    )
    array[...] = 1
    return array


@contextmanager
def overwriter(path: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, str(CHILDREN / "overwriter.py"), str(path), how], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child
        assert child.poll() is None, "the writer ended by itself"
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def versions(values: np.ndarray[Any, Any], side: int) -> np.ndarray[Any, Any]:
    """The one value of each block of `side`; fails where a block has several."""
    blocks = values.reshape(values.shape[0] // side, side, -1, side).swapaxes(1, 2)
    low, high = blocks.min(axis=(2, 3)), blocks.max(axis=(2, 3))
    assert (low == high).all(), f"blocks of two versions: {low[low != high]} and {high[low != high]}"
    return low


def partial_files(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if ".zarrpipe-" in file.name]


@pytest.mark.parametrize(("chain", "how"), [("raw", "whole"), ("shard-zstd", "whole"), ("shard", "inner")])
def test_a_killed_writer_leaves_the_old_or_the_new_value(tmp_path: Path, chain: str, how: str) -> None:
    path = tmp_path / "a.zarr"
    create(path, chain)
    side = SIDE if how == "whole" else INNER
    last, rounds = np.ones((2 * SIDE // side, SIDE // side), dtype=np.int64), 10
    chance = random.Random(7)
    for _ in range(rounds):
        with overwriter(path, how):
            time.sleep(chance.uniform(0.002, 0.06))
        seen = versions(zarrpipe.open_array(path, mode="r")[...], side)
        assert (seen >= last).all(), "a value came back that was replaced before"
        last = seen
    assert last.max() > rounds, "the writer wrote nothing: the kill met no write"


def test_partial_files_are_no_keys(tmp_path: Path) -> None:
    group = zarrpipe.create_group(tmp_path / "g.zarr")
    array = group.create_array("a", shape=(4,), chunks=(2,), dtype="uint8", codecs=["bytes"])
    array[...] = [1, 2, 3, 4]
    for folder in ("", "a", "a/c"):
        (tmp_path / "g.zarr" / folder / ".zarrpipe-1234-0.partial").write_bytes(b"half")

    async def listed(store: LocalStore) -> tuple[set[str], set[str]]:
        return {key async for key in store.list()}, {name async for name in store.list_dir("")}

    store = LocalStore(tmp_path / "g.zarr")
    assert asyncio.run(listed(store)) == ({"zarr.json", "a/zarr.json", "a/c/0", "a/c/1"}, {"zarr.json", "a"})
    reopened = zarrpipe.open_group(tmp_path / "g.zarr", mode="r")
    assert list(reopened.keys()) == ["a"]
    assert reopened["a"].nchunks_initialized == 2
    assert reopened["a"][...].tolist() == [1, 2, 3, 4]


def test_stale_partial_files_are_swept_and_fresh_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    array = zarrpipe.create_array(path, shape=(64,), chunks=(1,), dtype="uint8", codecs=["bytes"])
    array[...] = 1
    stale, fresh = (path / "c" / f".zarrpipe-{name}.partial" for name in ("1-0", "1-1"))
    for file in (stale, fresh):
        file.write_bytes(b"half")
    two_days_ago = time.time() - 2 * 86400
    os.utime(stale, (two_days_ago, two_days_ago))
    # By another process: one looks through a folder once.
    code = "import sys, zarrpipe; zarrpipe.open_array(sys.argv[1], mode='r+')[...] = 2"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)
    assert fresh.exists()
    assert not stale.exists()
    assert (array[...] == 2).all()


@pytest.mark.parametrize(
    ("chain", "how"), [("raw", "whole"), ("zstd", "whole"), ("shard-zstd", "whole"), ("shard", "inner")]
)
def test_a_reader_sees_no_torn_value(tmp_path: Path, chain: str, how: str) -> None:
    create(tmp_path / "a.zarr", chain)
    array = zarrpipe.open_array(tmp_path / "a.zarr", mode="r")
    side, seen, reads = SIDE if how == "whole" else INNER, set(), 0
    with overwriter(tmp_path / "a.zarr", how):
        stop = time.monotonic() + 1.2
        while time.monotonic() < stop:
            seen.update(versions(array[...], side).ravel().tolist())
            reads += 1
    assert reads > 10
    assert len(seen) > 5, "the writer wrote next to nothing: no read met a write"


@pytest.mark.parametrize("chain", ["shard", "shard-zstd", "shard-index-first"])
def test_a_shard_is_read_as_one_version(tmp_path: Path, chain: str) -> None:
    # Which inner chunks are stored changes with each version: the index of one on the bytes of another gives values
    # of other inner chunks, or fails. What is read spans inner chunks, by range requests of its own.
    create(tmp_path / "a.zarr", chain, chunks=2 * SIDE)
    array = zarrpipe.open_array(tmp_path / "a.zarr", mode="r")
    seen, reads = set(), 0
    with overwriter(tmp_path / "a.zarr", "shift"):
        # The initial value is not a version of the writer's.
        while array[-1, -1] == 1:
            pass
        stop = time.monotonic() + 1.5
        while time.monotonic() < stop:
            # Parts of every second inner chunk along the columns.
            values = array[: 5 * INNER : 2, 7::128]
            version = int(values[-1, 0])
            expected = np.full_like(values, version)
            expected[: INNER // 2 * (version % 4)] = 0
            np.testing.assert_array_equal(values, expected)
            seen.add(version)
            reads += 1
    assert reads > 20
    assert len(seen) > 3


@pytest.mark.parametrize("what", ["raw", "zstd", "shard", "shard-inner", "attributes"])
def test_on_a_full_disk_the_old_value_stays(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.zarr"
    array = create(path, what.removesuffix("-inner") if what != "attributes" else "raw")
    before = {file: file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}
    child = subprocess.run(
        [sys.executable, str(CHILDREN / "full_disk.py"), str(path), what], stdout=subprocess.PIPE, timeout=60
    )
    assert child.returncode == 0
    error = json.loads(child.stdout)
    assert error["kind"] == "StoreError"
    assert error["errno"] == "EFBIG"
    assert error["key"] == ("zarr.json" if what == "attributes" else "c/0/0")
    assert {file: file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()} == before
    assert partial_files(path) == []
    assert (array[...] == 1).all()
    assert "big" not in zarrpipe.open_array(path, mode="r").attrs


@pytest.mark.parametrize("fsync", ["none", "data", "full"])
def test_fsync_reaches_the_system(tmp_path: Path, fsync: Any) -> None:
    with config.set(fsync=fsync):
        array = zarrpipe.create_array(
            LocalStore(tmp_path / fsync), shape=(SIDE, SIDE), chunks=(SIDE, SIDE), dtype="int64", codecs=RAW
        )
        values = np.random.default_rng(1).integers(0, 2**60, (SIDE, SIDE))
        array[...] = values
        array[1:3, 5] = 9
    values[1:3, 5] = 9
    np.testing.assert_array_equal(zarrpipe.open_array(tmp_path / fsync, mode="r")[...], values)
    assert partial_files(tmp_path) == []
