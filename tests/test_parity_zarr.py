"""Arrays and groups that zarr-python reads as we wrote them, and the other way round."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import zarrpipe

DTYPES = ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
SHAPE, CHUNK, INNER = (17, 23), (6, 10), (3, 5)


def little(dtype: Any, endian: str = "little") -> dict[str, Any]:
    if np.dtype(dtype).itemsize == 1:
        return {"name": "bytes"}
    return {"name": "bytes", "configuration": {"endian": endian}}


def blosc(dtype: Any, cname: str, shuffle: str) -> dict[str, Any]:
    configuration = {
        "cname": cname,
        "clevel": 5,
        "shuffle": shuffle,
        "typesize": np.dtype(dtype).itemsize,
        "blocksize": 0,
    }
    return {"name": "blosc", "configuration": configuration}


def sharding(inner: list[Any], shape: tuple[int, ...] = INNER, location: str = "end") -> dict[str, Any]:
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    configuration = {
        "chunk_shape": list(shape),
        "codecs": inner,
        "index_codecs": index,
        "index_location": location,
    }
    return {"name": "sharding_indexed", "configuration": configuration}


TRANSPOSE = {"name": "transpose", "configuration": {"order": [1, 0]}}
GZIP = {"name": "gzip", "configuration": {"level": 5}}
ZSTD = {"name": "zstd", "configuration": {"level": 3, "checksum": False}}
ZSTD_CHECKED = {"name": "zstd", "configuration": {"level": 3, "checksum": True}}
CRC32C = {"name": "crc32c"}

CHAINS: dict[str, Any] = {
    "bytes": lambda t: [little(t)],
    "big": lambda t: [little(t, "big")],
    "transpose": lambda t: [TRANSPOSE, little(t)],
    "gzip": lambda t: [little(t), GZIP],
    "zstd": lambda t: [little(t), ZSTD],
    "zstd checksum": lambda t: [little(t), ZSTD_CHECKED],
    "crc32c": lambda t: [little(t), CRC32C],
    "several": lambda t: [TRANSPOSE, TRANSPOSE, little(t, "big"), GZIP, CRC32C, ZSTD],
    "blosc lz4": lambda t: [little(t), blosc(t, "lz4", "shuffle")],
    "blosc lz4hc": lambda t: [little(t), blosc(t, "lz4hc", "noshuffle")],
    "blosc zstd": lambda t: [little(t), blosc(t, "zstd", "bitshuffle")],
    "blosc blosclz": lambda t: [little(t), blosc(t, "blosclz", "shuffle")],
    "blosc zlib": lambda t: [little(t), blosc(t, "zlib", "shuffle")],
    "sharding": lambda t: [sharding([little(t), ZSTD])],
    "sharding start": lambda t: [sharding([little(t), CRC32C], location="start")],
    "sharding transpose": lambda t: [sharding([TRANSPOSE, little(t, "big")])],
    # Of a shape that fits the chunk both ways: zarr-python compares it with the chunk before the transpose.
    "transpose sharding": lambda t: [TRANSPOSE, sharding([little(t)], (2, 1)), GZIP],
    "nested sharding": lambda t: [sharding([sharding([little(t), ZSTD], (3, 1)), CRC32C])],
}


def random_values(dtype: Any) -> np.ndarray:
    """Return an array with some chunks and inner chunks of zeros only."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, 2 if np.dtype(dtype) == bool else 100, SHAPE).astype(dtype)
    values[:6, :10] = 0
    values[7:9] = 0
    return values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec disables partial reads")
def test_chains_and_data_types(tmp_path: Path, chain: str, dtype: str) -> None:
    values, codecs = random_values(dtype), CHAINS[chain](dtype)

    ours = zarrpipe.create_array(tmp_path / "ours", shape=SHAPE, chunks=CHUNK, dtype=dtype, codecs=codecs)
    ours[...] = values
    theirs = zarr.open_array(tmp_path / "ours", mode="r+")
    assert np.array_equal(theirs[...], values)
    theirs[2:9, 3:12] = values[4:11, 5:14]
    values[2:9, 3:12] = values[4:11, 5:14].copy()
    assert np.array_equal(ours[...], values)

    theirs = zarr.create(
        SHAPE, chunks=CHUNK, dtype=dtype, codecs=codecs, store=tmp_path / "theirs", fill_value=0, zarr_format=3
    )
    theirs[...] = values
    again = zarrpipe.open_array(tmp_path / "theirs")
    assert np.array_equal(again[...], values)
    assert np.array_equal(again[3:16:4, -5:], values[3:16:4, -5:])
    again[1:8, 4:15] = values[5:12, 8:19]
    values[1:8, 4:15] = values[5:12, 8:19].copy()
    assert np.array_equal(theirs[...], values)
    assert np.array_equal(zarr.open_array(tmp_path / "theirs")[...], values)

    # Nothing is read out of a document that was not put in.
    documents = [json.loads((tmp_path / name / "zarr.json").read_text()) for name in ("ours", "theirs")]
    assert documents[1].pop("storage_transformers") == []
    assert documents[0] == documents[1]
    assert again.metadata == ours.metadata


@pytest.mark.parametrize("options", [{}, {"chunks": (5, 5)}, {"chunks": (5, 5), "shards": (10, 20)}], ids=str)
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_defaults_write_the_same_document(options: dict[str, Any], dtype: str, tmp_path: Path) -> None:
    common = {"shape": (20, 40), "dtype": dtype, "attributes": {"a": [1, None]}, "dimension_names": ["x", None]}
    ours = zarrpipe.create_array(tmp_path / "ours", **common, **options)
    theirs = zarr.create_array(tmp_path / "theirs", **common, **options)
    documents = [json.loads((tmp_path / name / "zarr.json").read_text()) for name in ("ours", "theirs")]
    assert documents[1].pop("storage_transformers") == []
    assert documents[0] == documents[1]
    for name in ("shape", "chunks", "shards", "ndim", "size", "nbytes", "cdata_shape", "nchunks", "order", "read_only"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("dtype", "fill_value", "name", "basename", "path", "nchunks_initialized"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("filters", "compressors"):
        assert [c.to_dict() for c in getattr(ours, name)] == [c.to_dict() for c in getattr(theirs, name)]
    assert ours.serializer.to_dict() == theirs.serializer.to_dict()


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        ("f4", float("nan")),
        ("f8", float("-inf")),
        ("f2", -0.0),
        ("f8", 0.1),
        ("f4", np.float32(0.1)),
        ("i8", -(2**63)),
        ("u8", 2**64 - 1),
        ("bool", True),
        ("c8", complex(float("nan"), -1.5)),
        ("c16", 1 + 2j),
    ],
    ids=str,
)
def test_fill_values(tmp_path: Path, dtype: str, fill: Any) -> None:
    ours = zarrpipe.create_array(tmp_path / "ours", shape=(4,), dtype=dtype, fill_value=fill)
    theirs = zarr.create_array(tmp_path / "theirs", shape=(4,), dtype=dtype, fill_value=fill)
    for array in (zarr.open_array(tmp_path / "ours"), zarrpipe.open_array(tmp_path / "theirs"), ours):
        assert array[...].tobytes() == theirs[...].tobytes()
    documents = [json.loads((tmp_path / name / "zarr.json").read_text()) for name in ("ours", "theirs")]
    assert documents[0]["fill_value"] == documents[1]["fill_value"]


@pytest.mark.parametrize("encoding", [("default", "/"), ("default", "."), ("v2", "/"), ("v2", ".")])
@pytest.mark.parametrize("shape", [(), (5,), (5, 7)])
def test_chunk_keys(tmp_path: Path, encoding: Any, shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape) + 1
    options: dict[str, Any] = {"data": values, "chunks": (2,) * len(shape)}
    ours = zarrpipe.create_array(tmp_path / "ours", chunk_key_encoding=encoding, **options)
    key_encoding = {"name": encoding[0], "separator": encoding[1]}
    theirs = zarr.create_array(tmp_path / "theirs", chunk_key_encoding=key_encoding, **options)

    def files(name: str) -> set[str]:
        return {str(path.relative_to(tmp_path / name)) for path in (tmp_path / name).rglob("*") if path.is_file()}

    assert files("ours") == files("theirs")
    assert np.array_equal(zarr.open_array(tmp_path / "ours")[...], values)
    assert np.array_equal(zarrpipe.open_array(tmp_path / "theirs")[...], values)
    assert ours.nchunks_initialized == theirs.nchunks_initialized
    # Theirs counts the document too.
    assert ours.nbytes_stored() == sum(path.stat().st_size for path in (tmp_path / "ours").rglob("*") if path.is_file())


def test_resized_and_appended_arrays(tmp_path: Path) -> None:
    ours = zarrpipe.create_array(tmp_path, data=np.arange(10), chunks=4)
    ours.resize(6)
    assert zarr.open_array(tmp_path)[:].tolist() == list(range(6))
    zarr.open_array(tmp_path).append(np.array([9, 9]))
    again = zarrpipe.open_array(tmp_path)
    assert again[:].tolist() == [0, 1, 2, 3, 4, 5, 9, 9]
    # Theirs leaves old items behind the edge; ours does not show them.
    zarr.open_array(tmp_path).resize(5)
    again = zarrpipe.open_array(tmp_path)
    again.resize(8)
    assert again[:].tolist() == [0, 1, 2, 3, 4, 0, 0, 0]


def test_hierarchies(tmp_path: Path) -> None:
    ours = zarrpipe.create_group(tmp_path / "ours", attributes={"a": 1})
    ours.create_array("x/y", data=np.arange(3))
    theirs = zarr.open_group(tmp_path / "ours", mode="r")
    assert dict(theirs.attrs) == {"a": 1}
    assert [name for name, _ in sorted(theirs.members(None))] == ["x", "x/y"]
    assert theirs["x/y"][:].tolist() == [0, 1, 2]

    root = zarr.open_group(tmp_path / "theirs", mode="w", attributes={"b": [2]})
    root.create_array("x/y", data=np.arange(3))
    root.create_group("z")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(tmp_path / "theirs")
    mine = zarrpipe.open_group(tmp_path / "theirs")
    assert mine.attrs == {"b": [2]}
    assert [name for name, _ in mine.members(None)] == ["x", "x/y", "z"]
    assert mine["x/y"][:].tolist() == [0, 1, 2]  # type: ignore[index]
    mine.attrs["c"] = 1
    assert zarr.open_consolidated(tmp_path / "theirs").metadata.consolidated_metadata is not None


SELECTIONS: list[Any] = [
    ...,
    (),
    3,
    -17,
    (2, -1),
    (slice(2, 9, 3), ...),
    (..., slice(None, None, 7)),
    slice(30, 40),
    17,
    -18,
    (0, 23),
    (0, 0, 0),
    None,
    1.5,
    "a",
    (..., ...),
    slice(None, None, -1),
]


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_selections_are_those_of_zarr(selection: Any) -> None:
    values = random_values("i4")
    theirs = zarr.create_array({}, data=values, chunks=CHUNK)
    ours = zarrpipe.create_array({}, data=values, chunks=CHUNK)
    try:
        expected = theirs[selection]
    except IndexError:
        with pytest.raises(IndexError):
            ours[selection]
    else:
        got = ours[selection]
        assert type(got) is type(expected)
        assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
        assert np.array_equal(got, expected)


VALUES: list[Any] = [
    5,
    -3.7,
    True,
    np.float32(2.5),
    2**40,
    1j,
    "7",
    "x",
    None,
    [1, 2],
    np.full((2, 23), 7, "u8"),
    np.full((2, 23), "8"),
    np.zeros((23, 2)),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__} {np.shape(value)} {value}"[:40])
def test_assignments_are_those_of_zarr(value: Any) -> None:
    values = random_values("i4")
    theirs = zarr.create_array({}, data=values, chunks=CHUNK)
    ours = zarrpipe.create_array({}, data=values, chunks=CHUNK)
    try:
        theirs[2:4] = value
    except Exception:  # noqa: BLE001 - their classes differ, that there is an error must not
        with pytest.raises((ValueError, TypeError, OverflowError)):
            ours[2:4] = value
        assert np.array_equal(ours[...], values)
    else:
        ours[2:4] = value
        assert np.array_equal(ours[...], theirs[...])
