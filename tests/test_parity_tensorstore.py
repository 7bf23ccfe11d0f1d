"""Arrays that tensorstore reads as we wrote them, and the other way round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore

import zarrpipe

DTYPES = ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
SHAPE, CHUNK, INNER = (17, 23), (6, 10), (3, 5)

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
TRANSPOSE = {"name": "transpose", "configuration": {"order": [1, 0]}}
GZIP = {"name": "gzip", "configuration": {"level": 5}}
ZSTD = {"name": "zstd", "configuration": {"level": 3}}
CRC32C = {"name": "crc32c"}


def blosc(cname: str, shuffle: str) -> dict[str, Any]:
    configuration = {"cname": cname, "clevel": 5, "shuffle": shuffle, "typesize": 4, "blocksize": 0}
    return {"name": "blosc", "configuration": configuration}


def sharding(inner: list[Any], location: str = "end") -> dict[str, Any]:
    configuration = {
        "chunk_shape": list(INNER),
        "codecs": inner,
        "index_codecs": [LITTLE, CRC32C],
        "index_location": location,
    }
    return {"name": "sharding_indexed", "configuration": configuration}


CHAINS: dict[str, list[dict[str, Any]]] = {
    "bytes": [LITTLE],
    "big": [BIG],
    "transpose": [TRANSPOSE, LITTLE],
    "gzip": [LITTLE, GZIP],
    "zstd": [LITTLE, ZSTD],
    "crc32c": [LITTLE, CRC32C],
    "several": [TRANSPOSE, BIG, GZIP, CRC32C],
    "blosc lz4": [LITTLE, blosc("lz4", "shuffle")],
    "blosc zstd": [LITTLE, blosc("zstd", "bitshuffle")],
    "blosc zlib": [LITTLE, blosc("zlib", "noshuffle")],
    "sharding": [sharding([LITTLE, ZSTD])],
    "sharding start": [sharding([TRANSPOSE, LITTLE, CRC32C], "start")],
}


def open_theirs(path: Path, metadata: dict[str, Any] | None = None) -> Any:
    spec: dict[str, Any] = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    if metadata is None:
        return tensorstore.open(spec).result()
    return tensorstore.open({**spec, "metadata": metadata}, create=True).result()


def random_values(dtype: Any) -> np.ndarray:
    values = np.random.default_rng(1).integers(0, 2 if np.dtype(dtype) == bool else 100, SHAPE).astype(dtype)
    values[:6, :10] = 0
    values[7:9] = 0
    return values


@pytest.mark.parametrize(
    ("chain", "dtype"),
    [*((chain, "f4") for chain in CHAINS), *(("zstd", dtype) for dtype in DTYPES), ("sharding", "u2")],
)
def test_chains_and_data_types(tmp_path: Path, chain: str, dtype: str) -> None:
    values = random_values(dtype)
    ours = zarrpipe.create_array(tmp_path / "ours", shape=SHAPE, chunks=CHUNK, dtype=dtype, codecs=CHAINS[chain])
    ours[...] = values
    theirs = open_theirs(tmp_path / "ours")
    assert np.array_equal(theirs.read().result(), values)
    theirs[2:9, 3:12] = values[4:11, 5:14]
    values[2:9, 3:12] = values[4:11, 5:14].copy()
    assert np.array_equal(ours[...], values)

    document = {**ours.metadata.to_dict(), "codecs": CHAINS[chain]}
    if np.dtype(dtype).itemsize == 1:
        document["codecs"] = ours.metadata.to_dict()["codecs"]
    theirs = open_theirs(tmp_path / "theirs", document)
    theirs[...] = values
    again = zarrpipe.open_array(tmp_path / "theirs")
    assert again.dtype == ours.dtype
    assert np.array_equal(again[...], values)
    assert np.array_equal(again[3:16:4, -5:], values[3:16:4, -5:])
    again[1:8, 4:15] = values[5:12, 8:19]
    values[1:8, 4:15] = values[5:12, 8:19].copy()
    assert np.array_equal(open_theirs(tmp_path / "theirs").read().result(), values)


@pytest.mark.parametrize("fill", [float("nan"), float("-inf"), 0.1, -0.0])
def test_fill_values(tmp_path: Path, fill: float) -> None:
    ours = zarrpipe.create_array(tmp_path, shape=(4,), dtype="f8", fill_value=fill)
    assert open_theirs(tmp_path).read().result().tobytes() == ours[...].tobytes()


@pytest.mark.parametrize("encoding", [("default", "/"), ("default", "."), ("v2", "/"), ("v2", ".")])
@pytest.mark.parametrize("shape", [(), (5,), (5, 7)])
def test_chunk_keys(tmp_path: Path, encoding: tuple[str, str], shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape) + 1
    zarrpipe.create_array(tmp_path, data=values, chunks=(2,) * len(shape), chunk_key_encoding=encoding)
    assert np.array_equal(open_theirs(tmp_path).read().result(), values)
