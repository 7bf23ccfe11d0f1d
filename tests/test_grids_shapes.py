"""Arrays of odd shapes, with every chunk key encoding, as we and others write, read and resize them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr

import zarrpipe
from zarrpipe.errors import MetadataError

SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...] | None]] = {
    "scalar": ((), (), None),
    "scalar in a shard": ((), (), ()),
    "no rows": ((0, 3), (2, 2), None),
    "no columns": ((3, 0), (2, 5), (4, 5)),
    "nothing": ((0, 0), (1, 1), (1, 1)),
    "one axis": ((5,), (2,), (4,)),
    "one item": ((1,), (7,), None),
    "eight axes": ((1, 2) * 4, (1,) * 8, (1, 2) * 4),
    "32 axes": ((1,) * 30 + (2, 3), (1,) * 31 + (2,), None),
}
ENCODINGS: dict[str, Any] = {
    "default": {"name": "default", "configuration": {"separator": "/"}},
    "default with dots": {"name": "default", "configuration": {"separator": "."}},
    "v2": {"name": "v2", "configuration": {"separator": "."}},
    "v2 with slashes": {"name": "v2", "configuration": {"separator": "/"}},
}
PIPELINES = ["zarr.core.codec_pipeline.BatchedCodecPipeline", "zarrs.ZarrsCodecPipeline"]


def keys(path: Path) -> set[str]:
    return {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}


def expected_keys(shape: tuple[int, ...], outer: tuple[int, ...], encoding: Any) -> set[str]:
    separator = encoding["configuration"]["separator"]
    grid = [-(-length // chunk) for length, chunk in zip(shape, outer, strict=True)]
    found = {"zarr.json"}
    for coords in np.ndindex(*grid):
        parts = [str(at) for at in coords]
        found.add(separator.join(["c", *parts]) if encoding["name"] == "default" else separator.join(parts) or "0")
    return found


def model(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(1, np.prod(shape, dtype=int) + 1, dtype="int32").reshape(shape)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_all_read_what_any_writes(tmp_path: Path, shape: str, encoding: str) -> None:
    extents, chunks, shards = SHAPES[shape]
    values = model(extents)
    options: dict[str, Any] = {"shape": extents, "dtype": "int32", "chunks": chunks, "shards": shards}
    options["chunk_key_encoding"] = ENCODINGS[encoding]
    ours = zarrpipe.create_array(tmp_path / "ours", **options)
    ours[...] = values
    outer = chunks if shards is None else shards
    assert keys(tmp_path / "ours") == expected_keys(extents, outer, ENCODINGS[encoding])
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(tmp_path / "ours")}}
    assert np.array_equal(tensorstore.open(spec).result().read().result(), values)
    for number, pipeline in enumerate(PIPELINES):
        with zarr.config.set({"codec_pipeline.path": pipeline}):
            theirs = zarr.open_array(tmp_path / "ours", mode="r")
            assert np.array_equal(theirs[...], values)
            for name in ("nchunks", "nchunks_initialized", "cdata_shape", "read_chunk_sizes", "write_chunk_sizes"):
                assert getattr(theirs, name) == getattr(ours, name), name
            written = tmp_path / str(number)
            zarr.create_array(written, **options)[...] = values
        assert keys(written) == keys(tmp_path / "ours")
        assert np.array_equal(zarrpipe.open_array(written)[...], values)


@pytest.mark.parametrize("encoding", [*ENCODINGS, "short default", "short v2", "v2 without configuration"])
@pytest.mark.parametrize("shape", [name for name in SHAPES if "32" not in name])
def test_from_creation_to_resizing(tmp_path: Path, shape: str, encoding: str) -> None:
    extents, chunks, shards = SHAPES[shape]
    options: dict[str, Any] = {"shape": extents, "dtype": "int32", "chunks": chunks, "shards": shards}
    short: dict[str, Any] = {"short default": "default", "short v2": "v2", "v2 without configuration": {"name": "v2"}}
    written = short.get(encoding, ENCODINGS.get(encoding))
    full = ENCODINGS["v2" if "v2" in encoding and encoding in short else encoding.removeprefix("short ")]
    array = zarrpipe.create_array(tmp_path, chunk_key_encoding=written, **options)
    # As others may have written it: we write the long form, which older readers take too.
    path = tmp_path / "zarr.json"
    document = json.loads(path.read_bytes())
    assert document["chunk_key_encoding"] == full
    path.write_text(json.dumps({**document, "chunk_key_encoding": written}))
    array = zarrpipe.open_array(tmp_path, mode="r+")
    values = model(extents)
    array[...] = values
    assert keys(tmp_path) == expected_keys(extents, chunks if shards is None else shards, full)
    assert array.nchunks_initialized == array.nchunks if not shards else array.nchunks_initialized >= array.nchunks
    assert array[...].shape == extents
    larger = tuple(length + 1 for length in extents)
    array.resize(larger)
    expected = np.zeros(larger, "int32")
    expected[tuple(map(slice, extents))] = values
    assert np.array_equal(zarrpipe.open_array(tmp_path)[...], expected)
    array[...] = expected + 5
    array = zarrpipe.open_array(tmp_path, mode="r+")
    assert np.array_equal(array[...], expected + 5)
    if extents:
        array.resize((0, *larger[1:]))
        assert keys(tmp_path) == {"zarr.json"}
        array.resize(larger)
        assert not array[...].any()
        assert array.append(np.full((2, *larger[1:]), 3)) == (larger[0] + 2, *larger[1:])
        assert (array[larger[0] :] == 3).all()


@pytest.mark.parametrize("grid", ["regular", "rectilinear", "shards"])
def test_as_many_axes_as_numpy_has(tmp_path: Path, grid: str) -> None:
    shape = (1,) * 62 + (4, 3)
    layouts: dict[str, dict[str, Any]] = {
        "regular": {"chunks": (1,) * 62 + (2, 2)},
        "rectilinear": {"chunks": [*(1,) * 62, [1, 3], 2]},
        "shards": {"chunks": (1,) * 62 + (1, 2), "shards": (1,) * 62 + (2, 4)},
    }
    array = zarrpipe.create_array(tmp_path, shape=shape, dtype="int32", **layouts[grid])
    array[...] = model(shape)
    array[..., 1:3, 1] = 70
    expected = model(shape)
    expected[..., 1:3, 1] = 70
    again = zarrpipe.open_array(tmp_path, mode="r+")
    assert np.array_equal(again[...], expected)
    again.resize((1,) * 62 + (2, 3))
    assert np.array_equal(zarrpipe.open_array(tmp_path)[...], expected[..., :2, :])


@pytest.mark.parametrize(
    "names", [("y", "x"), ("y", None), (None, None), ("x", "x"), ("", ""), ("\u00e9", "a/b")], ids=repr
)
@pytest.mark.parametrize("chunks", [(2, 2), ([1, 2], 2)], ids=repr)
def test_dimension_names(tmp_path: Path, names: tuple[str | None, ...], chunks: Any) -> None:
    array = zarrpipe.create_array(tmp_path, shape=(3, 4), dtype="u1", chunks=chunks, dimension_names=names)
    array[...] = 1
    array.resize((4, 5))
    array.attrs["a"] = 1
    assert zarrpipe.open_array(tmp_path).metadata.dimension_names == names
    with zarr.config.set({"array.rectilinear_chunks": True}):
        theirs = zarr.open_array(tmp_path)
        assert tuple(theirs.metadata.dimension_names) == names
        theirs.resize((2, 5))
    again = zarrpipe.open_array(tmp_path)
    assert (again.shape, again.metadata.dimension_names) == ((2, 5), names)
    assert again[...].tolist() == [[1, 1, 1, 1, 0]] * 2


@pytest.mark.parametrize("names", [[], ["x"], ["x", "y", "z"], ["x", 1], "xy", 5, {"x": 1, "y": 2}], ids=repr)
def test_dimension_names_that_are_refused(tmp_path: Path, names: Any) -> None:
    with pytest.raises(MetadataError) as caught:
        zarrpipe.create_array(tmp_path, shape=(3, 4), dtype="u1", dimension_names=names)
    assert (caught.value.at or "").startswith("/dimension_names")
    assert keys(tmp_path) == set()
