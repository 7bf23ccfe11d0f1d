"""N5: read as Zarr's arrays and groups, with axes reversed, and never written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import tensorstore

import zarrpipe
from zarrpipe.errors import CodecError, NodeNotFoundError, UnsupportedError
from zarrpipe.metadata import N5ArrayMetadata, N5ChunkKeyEncoding
from zarrpipe.metadata.json import dumps, loads

VALUES = np.arange(11 * 7, dtype="<i2").reshape(11, 7)
COMPRESSIONS: list[dict[str, Any]] = [
    {"type": "raw"},
    {"type": "gzip", "level": 5, "useZlib": False},
    {"type": "gzip", "level": 5, "useZlib": True},
    {"type": "bzip2", "blockSize": 9},
    {"type": "xz", "preset": 6},
    {"type": "zstd", "level": 3},
    {"type": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
]


def write_n5(folder: Path, compress: Callable[[bytes], bytes] = gzip.compress, **changes: Any) -> None:
    """Write `VALUES` as N5 does, by hand: blocks at the border are cut, and one is missing."""
    (folder / "d").mkdir(parents=True)
    (folder / "attributes.json").write_text('{"n5": "2.5.1", "title": "x"}')
    document = {
        "dimensions": [7, 11],
        "blockSize": [3, 4],
        "dataType": "int16",
        "compression": {"type": "gzip", "level": -1},
        "unit": "nm",
        **changes,
    }
    (folder / "d" / "attributes.json").write_text(json.dumps(document))
    for i in range(3):
        for j in range(3):
            block = VALUES[4 * i : 4 * i + 4, 3 * j : 3 * j + 3]
            # N5 counts the fastest axis first, and names blocks so.
            sizes = b"".join(length.to_bytes(4, "big") for length in block.shape[::-1])
            data = b"\0\0\0\2" + sizes + compress(block.astype(">i2").tobytes())
            if (i, j) != (1, 2):
                (folder / "d" / str(j)).mkdir(exist_ok=True)
                (folder / "d" / str(j) / str(i)).write_bytes(data)


def test_blocks_of_other_writers(tmp_path: Path) -> None:
    write_n5(tmp_path)
    expected = VALUES.copy()
    expected[4:8, 6:] = 0
    array = zarrpipe.open_array(tmp_path / "d", mode="r")
    np.testing.assert_array_equal(array[...], expected)
    np.testing.assert_array_equal(array[9:, 5:], expected[9:, 5:])
    np.testing.assert_array_equal(array[1:10:3, 6], expected[1:10:3, 6])
    assert array.nchunks_initialized == 8
    assert array[3, 2] == zarrpipe.open_array(tmp_path / "d", config={"order": "F"})[3, 2]


def xxhash32(data: bytes, seed: int) -> int:
    """The sum of less than 16 bytes more than whole stripes, by its specification."""
    primes, mask = (2654435761, 2246822519, 3266489917, 668265263, 374761393), 0xFFFFFFFF

    def turn(number: int, by: int) -> int:
        number &= mask
        return (number << by | number >> (32 - by)) & mask

    lanes = [seed + primes[0] + primes[1], seed + primes[1], seed, seed - primes[0]]
    whole = len(data) // 16 * 16
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little")
        lanes[at // 4 % 4] = turn(lanes[at // 4 % 4] + word * primes[1], 13) * primes[0] & mask
    found = sum(map(turn, lanes, (1, 7, 12, 18))) if whole else seed + primes[4]
    found += len(data)
    words = (len(data) - whole) // 4
    for at in range(whole, whole + 4 * words, 4):
        found = turn(found + int.from_bytes(data[at : at + 4], "little") * primes[2], 17) * primes[3]
    for byte in data[whole + 4 * words :]:
        found = turn(found + byte * primes[4], 11) * primes[0]
    for shift, prime in ((15, primes[1]), (13, primes[2]), (16, 1)):
        found &= mask
        found = (found ^ found >> shift) * prime
    return found & mask


def lz4_java(data: bytes) -> bytes:
    """Compress as lz4-java's `LZ4BlockOutputStream` does, in blocks of 16 bytes, of which every other is stored."""
    stream = b""
    for number, start in enumerate(range(0, len(data), 16)):
        block = data[start : start + 16]
        packed = bytes(numcodecs.LZ4().encode(block))[4:] if number % 2 else block
        token = 0x20 if number % 2 else 0x10
        words = (len(packed), len(block), xxhash32(block, 0x9747B28C) & 0x0FFFFFFF)
        stream += b"LZ4Block" + bytes([token]) + b"".join(word.to_bytes(4, "little") for word in words) + packed
    return stream + b"LZ4Block\x10" + bytes(12)


@pytest.mark.parametrize("compress", [lz4_java, lambda data: bytes(numcodecs.LZ4().encode(data))[4:]])
def test_lz4(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    assert xxhash32(b"Nobody inspects the spammish repetition", 0) == 0xE2293B2F
    write_n5(tmp_path, compress, compression={"type": "lz4", "blockSize": 65536})
    expected = VALUES.copy()
    expected[4:8, 6:] = 0
    np.testing.assert_array_equal(zarrpipe.open_array(tmp_path / "d", mode="r")[...], expected)
    path = tmp_path / "d" / "0" / "0"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CodecError):
        zarrpipe.open_array(tmp_path / "d", mode="r")[...]


def test_facts(tmp_path: Path) -> None:
    write_n5(tmp_path)
    root = zarrpipe.open(tmp_path)
    assert isinstance(root, zarrpipe.Group)
    assert (root.zarr_format, root.read_only, dict(root.attrs)) == ("n5", True, {"title": "x"})
    array = root["d"]
    assert isinstance(array, zarrpipe.Array)
    assert (array.shape, array.chunks, array.dtype) == ((11, 7), (4, 3), np.dtype("i2"))
    assert (array.zarr_format, array.read_only, array.fill_value) == ("n5", True, 0)
    assert dict(array.attrs) == {"unit": "nm"}
    assert str(root.tree()) == "/\n└── d (11, 7) int16"


def test_nothing_is_written(tmp_path: Path) -> None:
    write_n5(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    root = zarrpipe.open_group(tmp_path)
    array: Any = root["d"]

    def put(node: Any) -> None:
        node.attrs["a"] = 1

    def delete() -> None:
        del root["d"]

    for attempt in (
        lambda: array.write(..., 1),
        lambda: array.resize((3, 3)),
        lambda: array.append(VALUES),
        lambda: array.put_encoded_chunk((0, 0), None),
        lambda: put(array),
        lambda: put(root),
        delete,
        lambda: root.create_array("x", shape=1, dtype="u1"),
        lambda: root.create_group("x"),
        lambda: zarrpipe.open(tmp_path, mode="r+"),
        lambda: zarrpipe.open_array(tmp_path / "d", mode="r+"),
        lambda: zarrpipe.create_group(tmp_path / "y", zarr_format="n5"),  # type: ignore[arg-type]
    ):
        with pytest.raises(UnsupportedError, match="N5 is"):
            attempt()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_groups_without_a_document(tmp_path: Path) -> None:
    write_n5(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "attributes.json").unlink()
    with pytest.raises(NodeNotFoundError):
        zarrpipe.open(tmp_path / "a", mode="r")
    root = zarrpipe.open_group(tmp_path / "a", mode="r", zarr_format="n5")
    assert [name for name, _ in root.members(max_depth=None)] == ["b", "b/d"]
    assert zarrpipe.open_array(tmp_path / "a", path="b/d", zarr_format="n5").shape == (11, 7)
    with pytest.raises(NodeNotFoundError):
        zarrpipe.open(tmp_path / "nothing", mode="r", zarr_format="n5")


def test_files_of_the_same_name_are_not_n5(tmp_path: Path) -> None:
    for text in ('{"colour": "red"}', "[1]", "no JSON", '{"dimensions": [1]}'):
        (tmp_path / "attributes.json").write_text(text)
        with pytest.raises(NodeNotFoundError):
            zarrpipe.open(tmp_path, mode="r")
    # A node of Zarr is what it was.
    zarrpipe.create_array(tmp_path, shape=2, dtype="u1", zarr_format=2)
    (tmp_path / "attributes.json").write_text('{"n5": "2.0.0"}')
    assert zarrpipe.open(tmp_path).zarr_format == 2
    assert zarrpipe.open(tmp_path, mode="r", zarr_format="n5").zarr_format == "n5"


def test_the_old_name_of_compressions() -> None:
    document = {"dimensions": [4], "blockSize": [2], "dataType": "uint8", "compressionType": "gzip"}
    array = N5ArrayMetadata.from_dict(loads(dumps(document)))
    assert array.compression == {"type": "gzip"}
    assert [codec["name"] for codec in array.codecs] == ["n5_default"]


def test_keys() -> None:
    encoding = N5ChunkKeyEncoding()
    assert encoding.encode_chunk_key((1, 2, 3)) == "3/2/1"
    assert encoding.decode_chunk_key("3/2/1") == (1, 2, 3)
    with pytest.raises(ValueError, match="is not the key"):
        encoding.decode_chunk_key("attributes.json")


@pytest.mark.parametrize("compression", COMPRESSIONS, ids=lambda c: "-".join(map(str, c.values())))
@pytest.mark.parametrize("dtype", ["int16", "uint8", "float64"])
def test_tensorstore(tmp_path: Path, compression: dict[str, Any], dtype: str) -> None:
    metadata = {"dimensions": [7, 11], "blockSize": [3, 4], "dataType": dtype, "compression": compression}
    spec = {"driver": "n5", "kvstore": {"driver": "file", "path": str(tmp_path)}, "metadata": metadata}
    theirs = tensorstore.open(spec, create=True).result()
    # It keeps N5's order of axes.
    theirs.write(VALUES.T.astype(dtype)).result()
    array = zarrpipe.open_array(tmp_path, mode="r")
    np.testing.assert_array_equal(array[...], VALUES.astype(dtype))
    np.testing.assert_array_equal(array[3:9, ::2], VALUES[3:9, ::2].astype(dtype))


def test_a_copy_in_zarr(tmp_path: Path) -> None:
    write_n5(tmp_path)
    source = zarrpipe.open_array(tmp_path / "d", mode="r")
    copy = zarrpipe.array(source, store=tmp_path / "copy")
    assert (copy.zarr_format, copy.chunks) == (3, source.chunks)
    np.testing.assert_array_equal(copy[...], source[...])
