"""Untrusted input costs what its metadata says: a chunk that lies ends in an error, soon and in little memory."""

from __future__ import annotations

import gzip
import json
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import google_crc32c
import numcodecs
import numpy as np
import pytest

import zarrpipe
from zarrpipe.errors import LimitError, ShardIndexError

CHILD = Path(__file__).parent / "children" / "bounded.py"
# Of 1 MiB each; the second stays whole.
CHUNK = 2**20
BOMB = 2**30
RAW = {"name": "bytes"}
CRC = {"name": "crc32c"}
CHAINS: dict[str, list[Any]] = {
    "gzip": [RAW, {"name": "gzip", "configuration": {"level": 1}}],
    "zstd": [RAW, {"name": "zstd", "configuration": {"level": 1, "checksum": False}}],
    "blosc": [
        RAW,
        {
            "name": "blosc",
            "configuration": {"cname": "lz4", "clevel": 1, "shuffle": "shuffle", "typesize": 1, "blocksize": 0},
        },
    ],
}
INNER = CHUNK // 8


def sharding(index_codecs: list[Any], index_location: str = "end", codecs: list[Any] | None = None) -> list[Any]:
    configuration = {
        "chunk_shape": [INNER],
        "codecs": codecs or [RAW],
        "index_codecs": index_codecs,
        "index_location": index_location,
    }
    return [{"name": "sharding_indexed", "configuration": configuration}]


def read_in_child(path: Path) -> list[dict[str, Any]]:
    """What came of a read of one item, and of the whole."""
    command = [sys.executable, str(CHILD), str(path)]
    child = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, "ZARRPIPE_THREADS": "2"}
    )
    assert child.returncode == 0, f"the reader ended with {child.returncode}: {child.stderr}"
    attempts: dict[str, dict[str, Any]] = json.loads(child.stdout)
    for found in attempts.values():
        assert found["cpu_seconds"] < 1, attempts
        assert found["seconds"] < 5, attempts
        # Sixteen times what is decoded, and no part of what the bombs would be.
        assert found["kib"] * 1024 < 16 * CHUNK, attempts
    return list(attempts.values())


def create(path: Path, codecs: list[Any]) -> tuple[Any, Path]:
    array = zarrpipe.create_array(path, shape=(2 * CHUNK,), chunks=(CHUNK,), dtype="uint8", codecs=codecs)
    array[...] = np.random.default_rng(1).integers(1, 5, 2 * CHUNK, dtype=np.uint8)
    return array, path / "c" / "0"


# Frames that inflate past the chunk, and headers that say they would


def gzip_bomb(_: bytes) -> bytes:
    # A gigabyte of zeros, in a megabyte, and the same again ten times.
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(2**24)
    member = b"".join(compressor.compress(block) for _ in range(BOMB // 2**24)) + compressor.flush()
    return member * 10


def gzip_of_small_members(_: bytes) -> bytes:
    return gzip.compress(b"") * 50_000


def gzip_one_item_too_much(_: bytes) -> bytes:
    return gzip.compress(bytes(CHUNK + 1), 9)


def zstd_bomb(_: bytes) -> bytes:
    # RLE blocks of 128 KiB in a frame without a content size: 3 + 1 bytes each.
    header = b"\x28\xb5\x2f\xfd" + bytes([0x00, 0x58])
    block = 128 * 1024 << 3 | 1 << 1
    blocks = struct.pack("<I", block)[:3] + b"\x07"
    last = struct.pack("<I", block | 1)[:3] + b"\x07"
    return header + blocks * (BOMB * 8 // 2**17) + last


def zstd_says_exabytes(good: bytes) -> bytes:
    # A content size of eight bytes, of nearly 2^64, in a single segment.
    return b"\x28\xb5\x2f\xfd" + b"\xe0" + b"\xff" * 7 + b"\x7f" + good[8:]


def zstd_huge_window(_: bytes) -> bytes:
    # A window of 2^41 bytes, and no content size.
    return b"\x28\xb5\x2f\xfd" + b"\x00" + b"\xf8" + b"\x01\x00\x00"


def zstd_one_item_too_much(_: bytes) -> bytes:
    return bytes(numcodecs.Zstd(3).encode(bytes(CHUNK + 1)))


def zstd_empty_frames(_: bytes) -> bytes:
    return bytes(numcodecs.Zstd(3).encode(b"")) * 50_000


def zstd_skippable_only(_: bytes) -> bytes:
    return struct.pack("<II", 0x184D2A50, 2**32 - 1) + bytes(64)


def blosc_header(good: bytes, offset: int, value: int) -> bytes:
    return good[:offset] + struct.pack("<I", value) + good[offset + 4 :]


def blosc_says_two_gigabytes(good: bytes) -> bytes:
    return blosc_header(good, 4, 2**31 - 17)


def blosc_block_of_nothing(good: bytes) -> bytes:
    return blosc_header(good, 8, 0)


def blosc_negative_block(good: bytes) -> bytes:
    return blosc_header(good, 8, 2**32 - 1)


def blosc_longer_than_it_is(good: bytes) -> bytes:
    return blosc_header(good, 12, 2**31 - 1)


def blosc_block_starts_outside(good: bytes) -> bytes:
    return blosc_header(good, 16, 2**31 - 5)


def blosc_block_starts_before(good: bytes) -> bytes:
    return blosc_header(good, 16, 2**32 - 5)


def blosc_typesize_of_nothing(good: bytes) -> bytes:
    return good[:3] + b"\x00" + good[4:]


def blosc_one_item_too_much(_: bytes) -> bytes:
    return bytes(numcodecs.Blosc("lz4").encode(bytes(CHUNK + 1)))


LIES: dict[str, list[Callable[[bytes], bytes]]] = {
    "gzip": [gzip_bomb, gzip_of_small_members, gzip_one_item_too_much],
    "zstd": [
        zstd_bomb, zstd_says_exabytes, zstd_huge_window, zstd_one_item_too_much, zstd_empty_frames,
        zstd_skippable_only,
    ],
    "blosc": [
        blosc_says_two_gigabytes, blosc_block_of_nothing, blosc_negative_block, blosc_longer_than_it_is,
        blosc_block_starts_outside, blosc_block_starts_before, blosc_one_item_too_much,
    ],
}  # fmt: skip


@pytest.mark.parametrize(("codec", "lie"), [(codec, lie) for codec, lies in LIES.items() for lie in lies])
def test_a_lying_frame_is_an_error_in_bounds(tmp_path: Path, codec: str, lie: Any) -> None:
    _, file = create(tmp_path / "a.zarr", CHAINS[codec])
    file.write_bytes(lie(file.read_bytes()))
    for found in read_in_child(tmp_path / "a.zarr"):
        assert found["error"] in ("CodecError", "SizeError", "TruncatedError", "LimitError"), found
        assert (found["codec"], found["key"], found["chunk"]) == (codec, "c/0", [0])


@pytest.mark.parametrize(("codec", "lie"), [("gzip", gzip_bomb), ("zstd", zstd_bomb)])
def test_a_bomb_as_an_inner_chunk(tmp_path: Path, codec: str, lie: Any) -> None:
    _, file = create(tmp_path / "a.zarr", sharding([RAW64, CRC], codecs=CHAINS[codec]))
    bomb = lie(b"")
    index = struct.pack("<16Q", 0, len(bomb), *[2**64 - 1] * 14)
    file.write_bytes(bomb + index + struct.pack("<I", google_crc32c.value(index)))
    for found in read_in_child(tmp_path / "a.zarr"):
        assert found["error"] in ("CodecError", "SizeError", "LimitError"), found
        assert (found["codec"], found["key"], found["chunk"]) == (codec, "c/0", [0])


# Indexes that lie

RAW64 = {"name": "bytes", "configuration": {"endian": "little"}}
NONE = 2**64 - 1


def index_lies(pairs: list[tuple[int, int]], size: int) -> dict[str, list[tuple[int, int]]]:
    """From an index that is right to those that are not; `size` is the shard's."""
    (offset, nbytes), rest = pairs[0], pairs[1:]
    return {
        "ends behind the end": [(size - 10, nbytes), *rest],
        "starts behind the end": [(size + 1, nbytes), *rest],
        "wraps around": [(NONE - 5, nbytes), *rest],
        "huge": [(offset, 2**63), *rest],
        "huge sum": [(2**63, 2**63), *rest],
        "no offset": [(NONE, nbytes), *rest],
        "no nbytes": [(offset, NONE), *rest],
        "too short": [(offset, nbytes - 1), *rest],
        "too long": [(offset, nbytes + 1), *rest],
        "empty": [(offset, 0), *rest],
        "all of one, twice the length": [(0, 2 * INNER)] * len(pairs),
    }


@pytest.mark.parametrize("index_location", ["start", "end"])
@pytest.mark.parametrize("lie", index_lies([(0, 0)], 0))
def test_a_lying_index_is_an_error_in_bounds(tmp_path: Path, lie: str, index_location: str) -> None:
    for codecs in ([RAW64], [RAW64, CRC]):
        name = f"a{len(codecs)}.zarr"
        _, file = create(tmp_path / name, sharding(codecs, index_location))
        data = file.read_bytes()
        length = 16 * 8 + 4 * (len(codecs) - 1)
        old, place = (data[-length:], len(data) - length) if index_location == "end" else (data[:length], 0)
        numbers = struct.unpack("<16Q", old[:128])
        index = struct.pack(
            "<16Q",
            *(n for pair in index_lies(list(zip(*[iter(numbers)] * 2, strict=True)), len(data))[lie] for n in pair),
        )
        if len(codecs) == 2:
            index += struct.pack("<I", google_crc32c.value(index))
        file.write_bytes(data[:place] + index + data[place + length :])
        for found in read_in_child(tmp_path / name):
            assert found["error"] in ("ShardIndexError", "SizeError", "TruncatedError", "ChecksumError"), found
            assert (found["key"], found["chunk"]) == ("c/0", [0])
            assert found["codec"], found


@pytest.mark.parametrize("nbytes", [1, 4, 100, 131])
def test_a_shard_shorter_than_its_index_is_truncated(tmp_path: Path, nbytes: int) -> None:
    _, file = create(tmp_path / "a.zarr", sharding([RAW64, CRC]))
    file.write_bytes(file.read_bytes()[-nbytes:])
    for found in read_in_child(tmp_path / "a.zarr"):
        assert found["error"] == "TruncatedError", found
        assert (found["codec"], found["key"], found["chunk"]) == ("sharding_indexed", "c/0", [0])


def test_inner_chunks_that_overlap_cost_no_more(tmp_path: Path) -> None:
    # Readable, if odd: the specification does not forbid it. Each inner chunk is the same bytes.
    array, file = create(tmp_path / "a.zarr", sharding([RAW64]))
    data = file.read_bytes()
    file.write_bytes(data[:-128] + struct.pack("<16Q", *(0, INNER) * 8))
    try:
        read = array[:CHUNK]
    except ShardIndexError:
        return
    np.testing.assert_array_equal(read, np.tile(np.frombuffer(data[:INNER], np.uint8), 8))


# Metadata that ask for too much


@pytest.mark.parametrize(
    "codecs",
    [CHAINS["gzip"], [{"name": "sharding_indexed", "configuration": {"chunk_shape": [1], "codecs": [RAW]}}]],
    ids=["gzip", "shard-of-2^40"],
)
def test_a_chunk_larger_than_memory_is_refused(tmp_path: Path, codecs: list[Any]) -> None:
    path = tmp_path / "a.zarr"
    zarrpipe.create_array(path, shape=(64,), chunks=(32,), dtype="uint8", codecs=[RAW])
    document = json.loads((path / "zarr.json").read_text())
    document["chunk_grid"]["configuration"]["chunk_shape"] = [2**40]
    document["codecs"] = codecs
    (path / "zarr.json").write_text(json.dumps(document))
    (path / "c").mkdir()
    (path / "c" / "0").write_bytes(b"\x1f\x8b\x08" + bytes(100))
    array = zarrpipe.open_array(path)
    start = time.monotonic()
    for attempt in (lambda: array[...], lambda: array[3], lambda: array.__setitem__(3, 4)):
        with pytest.raises(LimitError, match="max_chunk_nbytes"):
            attempt()
    assert time.monotonic() - start < 1
