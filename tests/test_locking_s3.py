"""`locking="conditional"` between processes, over a real S3 server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from servers.s3 import S3Server, s3_server

WRITERS = Path(__file__).parent / "children" / "writers.py"
PROCESSES, ITEMS, ROUNDS = 8, 32, 3

RAW: list[Any] = [{"name": "bytes", "configuration": {"endian": "little"}}]
ZSTD = [*RAW, {"name": "zstd", "configuration": {"level": 1, "checksum": True}}]
SHARD = {"chunk_shape": [ITEMS // PROCESSES * 2], "codecs": ZSTD, "index_codecs": [*RAW, {"name": "crc32c"}]}
CHAINS = {"raw": RAW, "zstd": ZSTD, "shard": [{"name": "sharding_indexed", "configuration": SHARD}]}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


def bucket_store(url: str) -> Any:
    sys.path.insert(0, str(WRITERS.parent))
    try:
        from writers import place
    finally:
        sys.path.pop(0)
    return place(url)


def run(*commands: tuple[object, ...]) -> None:
    """Writers that all run at once; each must end well."""
    children = [
        subprocess.Popen([sys.executable, str(WRITERS), *map(str, command)], stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    try:
        for child in children:
            stderr = child.communicate(timeout=120)[1]
            assert child.returncode == 0, stderr
    finally:
        for child in children:
            child.kill()
            child.communicate()


@pytest.mark.parametrize(("chain", "client"), [*((chain, "") for chain in CHAINS), ("shard", "s3fs+")])
def test_eight_processes_lose_nothing(server: S3Server, chain: str, client: str) -> None:
    url = f"{client}{server.url}/{server.bucket()}"
    array = zarrpipe.create_array(
        bucket_store(url), shape=(ITEMS,), chunks=(ITEMS,), dtype="int32", codecs=CHAINS[chain]
    )
    own = ITEMS // PROCESSES
    run(*(("update", "conditional", url, n * own, (n + 1) * own, ROUNDS, 1) for n in range(PROCESSES)))
    np.testing.assert_array_equal(array[...], np.arange(ITEMS) + 1000 * ROUNDS)


def test_eight_processes_append_and_set_attributes(server: S3Server) -> None:
    url = f"{server.url}/{server.bucket()}"
    zarrpipe.create_array(bucket_store(url), shape=(0,), chunks=(5,), dtype="int32", fill_value=-1)
    appends = [("append", "conditional", url, n, 2) for n in range(PROCESSES // 2)]
    run(*appends, *(("attributes", "conditional", url, n, 4) for n in range(PROCESSES // 2)))
    array = zarrpipe.open_array(bucket_store(url))
    pairs = array[...].reshape(-1, 2)
    assert (pairs[:, 0] == pairs[:, 1]).all()
    assert np.bincount(pairs[:, 0]).tolist() == [2] * (PROCESSES // 2)
    expected = {f"{n}-{number}": number for n in range(PROCESSES // 2) for number in range(4)}
    assert array.attrs.asdict() == expected


def test_a_killed_writer_stops_nobody(server: S3Server) -> None:
    url = f"{server.url}/{server.bucket()}"
    array = zarrpipe.create_array(bucket_store(url), shape=(ITEMS,), chunks=(ITEMS,), dtype="int32", codecs=RAW)
    endless = subprocess.Popen([sys.executable, str(WRITERS), "update", "conditional", url, "0", "4", "100000", "1"])
    try:
        while not array[:4].any():
            assert endless.poll() is None
        endless.kill()
        run(*(("update", "conditional", url, 4 * n, 4 * n + 4, ROUNDS, 1) for n in range(1, 4)))
    finally:
        endless.kill()
        endless.wait()
    np.testing.assert_array_equal(array[4:16], (np.arange(ITEMS) + 1000 * ROUNDS)[4:16])
