"""Only "no such key" is a missing chunk; a checksum that is present is verified, on partial reads too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from zarrpipe.errors import ChecksumError, CodecError, MissingChunkError, StoreError, TruncatedError

# What is in a chunk's place may block whoever opens it.
pytestmark = pytest.mark.timeout(20)

SIDE, INNER = 64, 16
RAW = {"name": "bytes", "configuration": {"endian": "little"}}
CRC = {"name": "crc32c"}
GZIP = {"name": "gzip", "configuration": {"level": 1}}
ZSTD = {"name": "zstd", "configuration": {"level": 1, "checksum": True}}


def sharding(codecs: list[Any], index_location: str = "end", inner: int = INNER) -> list[Any]:
    configuration = {
        "chunk_shape": [inner, inner],
        "codecs": codecs,
        "index_codecs": [RAW, CRC],
        "index_location": index_location,
    }
    return [{"name": "sharding_indexed", "configuration": configuration}]


def values() -> np.ndarray[Any, Any]:
    return np.random.default_rng(5).integers(1, 1000, (SIDE, 2 * SIDE), dtype=np.int32)


def create(path: Path, codecs: list[Any]) -> Any:
    array = zarrpipe.create_array(path, shape=(SIDE, 2 * SIDE), chunks=(SIDE, SIDE), dtype="int32", codecs=codecs)
    array[...] = values()
    return array


def check_place(error: CodecError, path: str = "") -> None:
    """The error says where: the second chunk."""
    assert error.array == path
    assert error.key == (f"{path}/c/0/1" if path else "c/0/1")
    assert error.chunk == (0, 1)


# Checksums

CHECKED = {
    "raw": ([RAW, CRC], "crc32c"),
    "gzip": ([RAW, GZIP, CRC], "crc32c"),
    "zstd": ([RAW, ZSTD], "zstd"),
    "inner-raw": (sharding([RAW, CRC]), "crc32c"),
    "inner-zstd": (sharding([RAW, ZSTD]), "zstd"),
    "inner-raw-index-first": (sharding([RAW, CRC], "start"), "crc32c"),
    "nested": (sharding(sharding([RAW, CRC], inner=4)), "crc32c"),
    "whole-shard": ([*sharding([RAW]), CRC], "crc32c"),
}


@pytest.mark.parametrize("chain", CHECKED)
def test_a_flipped_bit_is_found_in_a_partial_read(tmp_path: Path, chain: str) -> None:
    codecs, name = CHECKED[chain]
    array = create(tmp_path / "a.zarr", codecs)
    file = tmp_path / "a.zarr" / "c" / "0" / "1"
    good = file.read_bytes()
    if chain in ("raw", "gzip", "zstd", "whole-shard"):
        # Far from the two items that are read: the unit of the checksum is the chunk.
        place = len(good) * 3 // 4
        selection: Any = (slice(1, 2), slice(SIDE, SIDE + 2))
    else:
        # In the middle of one inner chunk, of which one item is read.
        place = len(good) // 2
        selection = None
    file.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
    if selection is None:
        # Which inner chunk it is depends on the order in the shard: exactly one must fail, whatever item is read.
        corners = [(row, SIDE + column) for row in range(0, SIDE, INNER) for column in range(0, SIDE, INNER)]
        selections: Any = (
            corners
            if chain != "nested"
            else [(r + i, c + j) for r, c in corners for i in range(0, 16, 4) for j in range(0, 16, 4)]
        )
    else:
        selections = [selection]
    failed = []
    for where in selections:
        try:
            got = array[where]
        except CodecError as error:
            failed.append(error)
        else:
            np.testing.assert_array_equal(got, values()[where])
    assert len(failed) == 1, failed
    assert isinstance(failed[0], ChecksumError)
    assert failed[0].codec == name
    check_place(failed[0])
    with pytest.raises(ChecksumError):
        array[...]
    # The other chunk is whole.
    np.testing.assert_array_equal(array[:, :SIDE], values()[:, :SIDE])
    # A partial write must not store damaged items under a new checksum. (In a shard it keeps them as they are.)
    if chain in ("raw", "gzip", "zstd"):
        with pytest.raises(ChecksumError):
            array[0, SIDE] = 1
        assert file.read_bytes() == good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :]


@pytest.mark.parametrize("index_location", ["start", "end"])
def test_a_flipped_bit_in_the_index_is_found(tmp_path: Path, index_location: str) -> None:
    array = create(tmp_path / "a.zarr", sharding([RAW], index_location))
    file = tmp_path / "a.zarr" / "c" / "0" / "1"
    data = bytearray(file.read_bytes())
    data[17 if index_location == "start" else -17] ^= 1
    file.write_bytes(data)
    before = file.read_bytes()
    for attempt in (lambda: array[0, SIDE], lambda: array[...], lambda: array.__setitem__((0, SIDE), 3)):
        with pytest.raises(ChecksumError) as caught:
            attempt()
        check_place(caught.value)
    assert file.read_bytes() == before


def test_verification_can_be_switched_off(tmp_path: Path) -> None:
    code_path = tmp_path / "a.zarr"
    array = create(code_path, [RAW, CRC])
    file = code_path / "c" / "0" / "1"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(ChecksumError):
        array[0, SIDE]
    with zarrpipe.config.set(verify_checksums=False):
        np.testing.assert_array_equal(array[...], values())
    with pytest.raises(ChecksumError):
        array[0, SIDE]


# What stands in a chunk's place


def directory(file: Path) -> None:
    file.mkdir()


def fifo(file: Path) -> None:
    os.mkfifo(file)


def fifo_with_a_writer(file: Path) -> None:
    os.mkfifo(file)
    # Open at both ends, and nothing written: a read would wait for ever.
    os.open(file, os.O_RDWR | os.O_NONBLOCK)


def dangling_symlink(file: Path) -> None:
    file.symlink_to(file.parent / "nowhere")


def symlink_to_itself(file: Path) -> None:
    file.symlink_to(file)


def device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def socket_file(file: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as made:
        # Socket paths are short: by the folder's descriptor.
        folder = os.open(file.parent, os.O_RDONLY)
        made.bind(f"/proc/self/fd/{folder}/{file.name}")
        os.close(folder)


def unreadable(file: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("allowed: root reads every file")
    file.write_bytes(b"x")
    file.chmod(0)


def folder_is_a_file(file: Path) -> None:
    shutil.rmtree(file.parent)
    file.parent.write_bytes(b"x")


PLACES = [
    directory, fifo, fifo_with_a_writer, dangling_symlink, symlink_to_itself, device, socket_file, unreadable,
    folder_is_a_file,
]  # fmt: skip
CHAINS = {"raw": [RAW], "gzip": [RAW, GZIP], "shard": sharding([RAW])}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_file_is_no_missing_chunk(tmp_path: Path, place: Any, chain: str) -> None:
    array = create(tmp_path / "a.zarr", CHAINS[chain])
    file = tmp_path / "a.zarr" / "c" / "0" / "1"
    file.unlink()
    place(file)
    for selection in ((0, SIDE), (slice(None), slice(SIDE, None)), ...):
        with pytest.raises(StoreError) as caught:
            array[selection]
        assert not isinstance(caught.value, MissingChunkError)
        assert caught.value.key in ("c/0/1", "c/0/0" if place is folder_is_a_file else "c/0/1")
        # Either the system refused it, or the engine looked and says what it is.
        assert caught.value.errno is not None or "not a regular file" in str(caught.value)
    # A partial write must not take it for fill values either.
    with pytest.raises(StoreError):
        array[0, SIDE] = 1
    assert place is folder_is_a_file or os.path.lexists(file)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("keep", ["nothing", "one byte", "half", "all but one"])
def test_a_value_that_ends_early_is_an_error(tmp_path: Path, chain: str, keep: str) -> None:
    array = create(tmp_path / "a.zarr", CHAINS[chain])
    file = tmp_path / "a.zarr" / "c" / "0" / "1"
    data = file.read_bytes()
    count = {"nothing": 0, "one byte": 1, "half": len(data) // 2, "all but one": len(data) - 1}[keep]
    file.write_bytes(data[:count])
    expected = TruncatedError if keep == "nothing" else CodecError
    for selection in ((SIDE - 1, 2 * SIDE - 1), ...):
        with pytest.raises(expected) as caught:
            array[selection]
        check_place(caught.value)
    with pytest.raises(CodecError):
        array[0, SIDE] = 1
    assert file.read_bytes() == data[:count]


@pytest.mark.parametrize("change", ["shorter", "longer"])
def test_a_chunk_of_another_size_is_an_error_wherever_it_is_read(tmp_path: Path, change: str) -> None:
    # What is read is there, but the value is not what was written: an interrupted copy, or another array's chunk.
    array = create(tmp_path / "a.zarr", [RAW])
    file = tmp_path / "a.zarr" / "c" / "0" / "1"
    data = file.read_bytes()
    file.write_bytes(data[:-100] if change == "shorter" else data + bytes(100))
    for selection in (..., (0, SIDE), (slice(0, 3), slice(SIDE, None))):
        with pytest.raises(CodecError) as caught:
            array[selection]
        check_place(caught.value)


def test_a_failed_read_writes_no_more_into_its_output(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    array = zarrpipe.create_array(path, shape=(2**24,), chunks=(2**21,), dtype="uint8", codecs=["bytes", ZSTD])
    array[...] = 1
    (path / "c" / "0").write_bytes(b"garbage")
    command = [sys.executable, str(Path(__file__).parent / "children" / "failing_reads.py"), str(path)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert child.returncode == 0, f"it ended with {child.returncode}: {child.stderr}"


def test_a_missing_key_is_the_fill_value_or_an_error_where_that_is_asked_for(tmp_path: Path) -> None:
    array = create(tmp_path / "a.zarr", [RAW])
    (tmp_path / "a.zarr" / "c" / "0" / "1").unlink()
    assert (array[:, SIDE:] == 0).all()
    np.testing.assert_array_equal(array[:, :SIDE], values()[:, :SIDE])
    with pytest.raises(MissingChunkError) as caught:
        array.with_config({"read_missing_chunks": False})[...]
    assert caught.value.key == "c/0/1"


def test_an_error_names_the_array_in_its_group(tmp_path: Path) -> None:
    group = zarrpipe.create_group(tmp_path / "g.zarr")
    array = group.create_array("x/y", shape=(SIDE, 2 * SIDE), chunks=(SIDE, SIDE), dtype="int32", codecs=[RAW, GZIP])
    array[...] = values()
    (tmp_path / "g.zarr" / "x" / "y" / "c" / "0" / "1").write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(CodecError) as caught:
        array[...]
    check_place(caught.value, "x/y")
    assert caught.value.codec == "gzip"
    for word in ("x/y/c/0/1", "(0, 1)", "gzip"):
        assert word in str(caught.value)


def test_an_exception_of_a_store_comes_through_with_a_note(tmp_path: Path) -> None:
    from zarrpipe.stores import MemoryStore

    class Failing(MemoryStore):
        def get_sync(self, key: str, **options: Any) -> Any:
            if key == "c/0/1":
                raise ConnectionResetError("by peer")
            return super().get_sync(key, **options)

    array = zarrpipe.create_array(Failing(), shape=(SIDE, 2 * SIDE), chunks=(SIDE, SIDE), dtype="int32", codecs=[RAW])
    array[:, :SIDE] = 1
    with pytest.raises(ConnectionResetError, match="by peer") as caught:
        array[...]
    assert "c/0/1" in " ".join(caught.value.__notes__)
