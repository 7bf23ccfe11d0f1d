"""`reshape` and `zarrs.squeeze`: other shapes of the same items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from zarrpipe.codecs import ReshapeCodec, SqueezeCodec, get_codec_class, parse_codec
from zarrpipe.errors import MetadataError, UnsupportedError

BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
GZIP = {"name": "gzip", "configuration": {"level": 1}}


def reshape(*shape: Any) -> dict[str, Any]:
    return {"name": "reshape", "configuration": {"shape": list(shape)}}


def transpose(*order: int) -> dict[str, Any]:
    return {"name": "transpose", "configuration": {"order": list(order)}}


def sharding(chunk_shape: list[int], codecs: list[Any]) -> dict[str, Any]:
    configuration = {"chunk_shape": chunk_shape, "codecs": codecs, "index_codecs": [BYTES], "index_location": "end"}
    return {"name": "sharding_indexed", "configuration": configuration}


# A chain, and what NumPy makes of a chunk of shape (4, 6, 1) with it.
CHAINS: dict[str, tuple[list[Any], Any]] = {
    "one axis": ([reshape(-1), BYTES], lambda a: a.reshape(-1)),
    "joined": ([reshape([0, 1], [2]), BYTES], lambda a: a.reshape(24, 1)),
    "cut": ([reshape(2, -1, [1], 1), BYTES, GZIP], lambda a: a.reshape(2, 2, 6, 1)),
    "transposed behind": ([reshape(8, 3), transpose(1, 0), BYTES], lambda a: a.reshape(8, 3).T),
    "transposed in front": ([transpose(1, 0, 2), reshape(8, 3), BYTES], lambda a: a.transpose(1, 0, 2)),
    "squeeze": ([{"name": "zarrs.squeeze"}, transpose(1, 0), BYTES], lambda a: a[..., 0].T),
    "in a shard": ([sharding([4, 3, 1], [reshape(-1), BYTES])], None),
    "of a shard": ([reshape(-1), sharding([8], [BYTES, GZIP])], None),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains(tmp_path: Path, name: str) -> None:
    codecs, stored = CHAINS[name]
    values = np.arange(10 * 15 * 2, dtype="i4").reshape(10, 15, 2)
    array = zarrpipe.create_array(tmp_path / "a", shape=values.shape, chunks=(4, 6, 1), dtype="i4", codecs=codecs)
    array[...] = values
    array[1:7, 4:13, 1] = values[2:8, 3:12, 0]
    values[1:7, 4:13, 1] = values[2:8, 3:12, 0].copy()
    again = zarrpipe.open_array(tmp_path / "a")
    assert np.array_equal(again[...], values)
    assert np.array_equal(again[3:9:2, -4:, 1], values[3:9:2, -4:, 1])
    if stored is not None and codecs[-1] is BYTES:
        chunk = np.frombuffer((tmp_path / "a" / "c" / "1" / "0" / "1").read_bytes(), dtype="<i4")
        assert np.array_equal(chunk, stored(values[4:8, :6, 1:]).reshape(-1))


@pytest.mark.parametrize(
    ("shape", "at"),
    [
        ("24", "/codecs/0/configuration/shape"),
        ([0, -1], "/codecs/0/configuration/shape/0"),
        ([-1, -1], "/codecs/0/configuration/shape"),
        ([2.0, -1], "/codecs/0/configuration/shape/0"),
        ([True, -1], "/codecs/0/configuration/shape/0"),
        ([[1], [0]], "/codecs/0/configuration/shape"),
        ([[0, -1]], "/codecs/0/configuration/shape/0/1"),
        # What only the chunk's shape tells.
        ([5, -1], "/codecs/0"),
        ([4, 5], "/codecs/0"),
        ([[0, 7]], "/codecs/0"),
        ([[1], -1], "/codecs/0"),
    ],
    ids=str,
)
def test_wrong_shapes(shape: Any, at: str) -> None:
    codecs = [{"name": "reshape", "configuration": {"shape": shape}}, BYTES]
    with pytest.raises(MetadataError) as caught:
        zarrpipe.create_array({}, shape=(8, 12), chunks=(4, 6), dtype="i4", codecs=codecs)
    assert caught.value.at == at


def test_documents() -> None:
    assert ReshapeCodec(shape=[np.int64(3), [0, 1], -1]) == ReshapeCodec(shape=(3, (0, 1), -1))
    assert parse_codec(reshape([0], 3)).to_dict() == {"name": "reshape", "configuration": {"shape": ((0,), 3)}}
    for name in ("zarrs.squeeze", "squeeze", "https://codec.zarrs.dev/array_to_array/squeeze"):
        assert parse_codec({"name": name, "configuration": {}}) == SqueezeCodec()
    with pytest.raises(MetadataError, match="axis"):
        parse_codec({"name": "zarrs.squeeze", "configuration": {"axis": 1}})
    with pytest.raises(MetadataError, match="'shape'"):
        parse_codec("reshape")


@pytest.mark.parametrize("name", ["zarrs.optional", "optional"])
def test_items_that_may_be_missing_have_no_array(name: str) -> None:
    with pytest.raises(UnsupportedError, match=f"{name}.*NumPy has no form"):
        get_codec_class(name)


@pytest.mark.parametrize(
    ("codecs", "chunks"),
    [
        ([transpose(2, 0, 1), reshape([0, 1], [2]), sharding([2, 3], [BYTES])], (4, 6, 1)),
        ([transpose(2, 0, 1), {"name": "zarrs.squeeze"}, sharding([2, 3], [BYTES])], (4, 6, 1)),
        ([reshape([0], [1], [2]), sharding([2, 3, 1], [BYTES])], (4, 6, 1)),
        ([transpose(2, 0, 1), sharding([1, 2, 3], [BYTES])], (2, 3, 1)),
    ],
)
def test_what_shards_divide(codecs: list[Any], chunks: tuple[int, ...]) -> None:
    """Behind another shape they divide none of the array's axes, so the array has no shards to speak of."""
    array = zarrpipe.create_array({}, shape=(10, 15, 2), chunks=(4, 6, 1), dtype="i4", codecs=codecs)
    assert array.chunks == chunks
    assert array.shards == (None if chunks == (4, 6, 1) else (4, 6, 1))
    values = np.arange(300, dtype="i4").reshape(10, 15, 2)
    array[...] = values
    assert np.array_equal(array[1:9, ::2], values[1:9, ::2])
