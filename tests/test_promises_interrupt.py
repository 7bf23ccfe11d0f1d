"""Ctrl-C ends a call within a second, and leaves no half-written key."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe

CHILDREN = Path(__file__).parent / "children"
SIZE, BLOCK = 2**28, 2**24


def gzip(level: int) -> list[Any]:
    return ["bytes", {"name": "gzip", "configuration": {"level": level}}]


def zstd(level: int) -> list[Any]:
    return ["bytes", {"name": "zstd", "configuration": {"level": level, "checksum": True}}]


def sharding(chunk: int, codecs: list[Any]) -> list[Any]:
    return [{"name": "sharding_indexed", "configuration": {"chunk_shape": [chunk], "codecs": codecs}}]


WRITES = {
    "zstd-one-chunk": (SIZE, zstd(15)),
    "zstd-chunks": (BLOCK, zstd(19)),
    "gzip-small-chunks": (2**20, gzip(9)),
    # A chunk that takes seconds, and cannot be stopped half-way: the worker is left to itself.
    "gzip-large-chunks": (BLOCK, gzip(9)),
    "shard": (2**26, sharding(2**20, zstd(19))),
}


@pytest.mark.parametrize("write", WRITES)
def test_an_interrupt_ends_a_long_write(tmp_path: Path, write: str) -> None:
    chunk, codecs = WRITES[write]
    array = zarrpipe.create_array(tmp_path / "a.zarr", shape=(SIZE,), chunks=(chunk,), dtype="uint8", codecs=codecs)
    command = [sys.executable, str(CHILDREN / "long_write.py"), str(tmp_path / "a.zarr")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "writing\n"
        time.sleep(1.0)
        child.send_signal(signal.SIGINT)
        start = time.monotonic()
        assert child.stdout.readline() == "interrupted\n"
        raised_s = time.monotonic() - start
        stderr = child.communicate(timeout=20)[1]
        ended_s = time.monotonic() - start
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 0, stderr
    assert raised_s < 1, f"KeyboardInterrupt came after {raised_s:.2f} s"
    assert ended_s - raised_s < 1, f"the process ended {ended_s - raised_s:.2f} s after KeyboardInterrupt"
    check_keys(array, chunk)


def check_keys(array: Any, chunk: int) -> None:
    """Each stored chunk is complete: it reads, and all of it is what was written."""
    stored = [n for n in range(SIZE // chunk) if array.get_encoded_chunk((n,)) is not None]
    assert len(stored) < SIZE // chunk, "all was written before the interrupt"
    block = np.random.default_rng(3).integers(1, 40, BLOCK, dtype=np.uint8)
    for n in stored[:: max(1, len(stored) // 8)]:
        values = array[n * chunk : (n + 1) * chunk]
        for start in range(0, chunk, BLOCK):
            first = n * chunk + start
            part = block[first % BLOCK : first % BLOCK + min(chunk, BLOCK)] + np.uint8(first // BLOCK)
            np.testing.assert_array_equal(values[start : start + BLOCK], part)


def test_an_array_is_usable_after_an_interrupt(tmp_path: Path) -> None:
    # In one process: what the interrupt left behind in the pool and the locks must not be in the way.
    code = """
import signal, sys, threading, time
import numpy as np, zarrpipe
values = np.random.default_rng(3).integers(1, 40, 2**26, dtype=np.uint8)
codecs = ["bytes", {"name": "zstd", "configuration": {"level": 19, "checksum": False}}]
array = zarrpipe.create_array(sys.argv[1], shape=values.shape, chunks=(2**23,), dtype="uint8", codecs=codecs)
for _ in range(2):
    threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT)).start()
    try:
        array[...] = values
    except KeyboardInterrupt:
        pass
    else:
        sys.exit("it was not interrupted")
array[: 2**23 + 5] = 3
assert (array[: 2**23 + 5] == 3).all()
assert set(np.unique(array[2**23 + 5 : 2**24])) <= set(range(40))
"""
    child = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.zarr")], capture_output=True, text=True, timeout=60
    )
    assert child.returncode == 0, child.stderr


STORES = {
    # One that never answers.
    "async": """
class Slow(MemoryStore):
    _supports_sync_io = False
    async def get(self, key, prototype=None, byte_range=None):
        if key.startswith("c/"):
            await asyncio.sleep(600)
        return await super().get(key, prototype, byte_range)
""",
    # One whose thread cannot be stopped: it is left to itself.
    "sync": """
class Slow(MemoryStore):
    def get_sync(self, key, **options):
        if key.startswith("c/"):
            time.sleep(600)
        return super().get_sync(key, **options)
""",
}


@pytest.mark.parametrize("kind", STORES)
def test_an_interrupt_ends_a_wait_for_a_store(kind: str) -> None:
    code = f"""
import asyncio, os, signal, sys, threading, time
import numpy as np, zarrpipe
from zarrpipe.stores import MemoryStore
{STORES[kind]}
keys = {{}}
writer = zarrpipe.create_array(MemoryStore(keys), shape=(2**23,), chunks=(2**20,), dtype="uint8")
writer[...] = 1
array = zarrpipe.open_array(Slow(keys), mode="r+")
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
start = time.monotonic()
try:
    array[...]
except KeyboardInterrupt:
    print(time.monotonic() - start - 0.3)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        start = time.monotonic()
        assert child.wait(timeout=20) == 0
        ended_s = time.monotonic() - start
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert float(line) < 1
    assert ended_s < 1, f"the process ended {ended_s:.2f} s after KeyboardInterrupt"
