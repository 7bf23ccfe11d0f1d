"""Rectilinear arrays that zarr-python and zarrs read as we wrote them, and the other way round."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import zarrpipe
from zarrpipe.pipeline import ZarrPipeline

zarr.registry.register_pipeline(ZarrPipeline)

PIPELINES = {
    "zarr": "zarr.core.codec_pipeline.BatchedCodecPipeline",
    "zarrs": "zarrs.ZarrsCodecPipeline",
    "zarrpipe in zarr": "zarrpipe.pipeline.engine_pipeline.ZarrPipeline",
}
VALUES = np.arange(60 * 26, dtype="int32").reshape(60, 26)
TRANSPOSE = {"name": "transpose", "configuration": {"order": [1, 0]}}

LAYOUTS: dict[str, dict[str, Any]] = {
    "several": {"chunks": [[10, 20, 30], [6, 20]]},
    "runs": {"chunks": [[10, 10, 10, 30], [13, 13]]},
    "one axis even": {"chunks": [[7, 53], 9]},
    "transposed": {"chunks": [[10, 20, 30], 8], "filters": [TRANSPOSE]},
    "shards": {"chunks": (5, 2), "shards": [[10, 20, 30], [6, 20]]},
    "even shards on one axis": {"chunks": (5, 4), "shards": [[10, 20, 30], 8]},
    "uncompressed": {"chunks": [[10, 20, 30], [6, 20]], "compressors": None},
}


@contextmanager
def peer(pipeline: str) -> Iterator[None]:
    with (
        zarr.config.set({"array.rectilinear_chunks": True, "codec_pipeline.path": PIPELINES[pipeline]}),
        warnings.catch_warnings(),
    ):
        # zarrs says so where it leaves a chunk to zarr-python.
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_parity(tmp_path: Path, layout: str, pipeline: str) -> None:
    options: dict[str, Any] = LAYOUTS[layout]
    ours = zarrpipe.create_array(tmp_path / "ours", shape=(60, 26), dtype="int32", **options)
    ours[:] = VALUES
    with peer(pipeline):
        theirs = zarr.create_array(tmp_path / "theirs", shape=(60, 26), dtype="int32", **options)
        theirs[:] = VALUES
        read = zarr.open_array(tmp_path / "ours", mode="r+")
        assert np.array_equal(read[:], VALUES)
        assert np.array_equal(read[7:35:3, 5:21], VALUES[7:35:3, 5:21])
        for name in ("read_chunk_sizes", "write_chunk_sizes", "cdata_shape", "nchunks", "nchunks_initialized"):
            assert getattr(read, name) == getattr(ours, name), name
    documents = [json.loads((tmp_path / name / "zarr.json").read_bytes()) for name in ("ours", "theirs")]
    assert documents[0]["chunk_grid"] == documents[1]["chunk_grid"]
    opened = zarrpipe.open_array(tmp_path / "theirs", mode="r+")
    assert np.array_equal(opened[:], VALUES)
    # Each writes into chunks of the other.
    expected = VALUES.copy()
    expected[5:33, 3:25] = 7
    opened[5:33, 3:25] = 7
    with peer(pipeline):
        assert np.array_equal(zarr.open_array(tmp_path / "theirs")[:], expected)
        read[5:33, 3:25] = 7
    assert np.array_equal(ours[:], expected)


@pytest.mark.parametrize(
    "shapes", [[(80, 26), (45, 26), (60, 40)], [(12, 3), (60, 26), (90, 30)], [(60, 26), (61, 27), (62, 28)]]
)
def test_both_resize_alike(tmp_path: Path, shapes: list[tuple[int, int]]) -> None:
    options: dict[str, Any] = {"shape": (60, 26), "dtype": "int32", "chunks": [[10, 20, 30], 8]}
    ours = zarrpipe.create_array(tmp_path / "ours", **options)
    ours[:] = VALUES
    with peer("zarr"):
        theirs = zarr.create_array(tmp_path / "theirs", **options)
        theirs[:] = VALUES
        for shape in shapes:
            ours.resize(shape)
            theirs.resize(shape)
            assert ours.metadata.to_dict()["chunk_grid"] == json.loads(
                (tmp_path / "theirs" / "zarr.json").read_bytes()
            ).get("chunk_grid")
            assert np.array_equal(zarr.open_array(tmp_path / "ours")[:], ours[:])
            assert (ours.cdata_shape, ours.write_chunk_sizes) == (theirs.cdata_shape, theirs.write_chunk_sizes)
        assert ours.append(VALUES[:3, :1].repeat(ours.shape[1], axis=1)) == theirs.append(
            VALUES[:3, :1].repeat(ours.shape[1], axis=1)
        )
        assert ours.write_chunk_sizes == theirs.write_chunk_sizes


def test_each_takes_the_grids_of_the_other() -> None:
    with peer("zarr"):
        theirs = zarr.create_array({}, shape=(60, 26), dtype="u1", chunks=[[10, 20, 30], [13, 13]])
    ours = zarrpipe.create_array({}, shape=(60, 26), dtype="u1", chunks=theirs.metadata.chunk_grid)
    assert ours.metadata.to_dict()["chunk_grid"] == {
        "name": "rectilinear",
        "configuration": {"kind": "inline", "chunk_shapes": [[10, 20, 30], [[13, 2]]]},
    }
    from zarrpipe.codecs import ShardingCodec
    from zarrpipe.dtypes import parse_dtype

    codec: Any = ShardingCodec(chunk_shape=(5, 13))
    codec.validate(shape=(60, 26), dtype=parse_dtype("u1"), chunk_grid=theirs.metadata.chunk_grid)
    with pytest.raises(ValueError, match="divide"):
        ShardingCodec(chunk_shape=(20, 13)).validate(
            shape=(60, 26),
            dtype=parse_dtype("u1"),
            chunk_grid=theirs.metadata.chunk_grid,
        )


@pytest.mark.parametrize(
    "chunks",
    [[[10, 50], 5], [[10, 49], 5], [[10, 51], 5], [[60], [26]], [[], 5], [[10, -50], 5], [[0, 60], 5], [5, [26]], [60]],
    ids=repr,
)
def test_both_take_the_same_chunks(chunks: Any) -> None:
    with peer("zarr"):
        outcomes: list[Any] = []
        for library in (zarr, zarrpipe):
            try:
                array: Any = library.create_array({}, shape=(60, 26), dtype="u1", chunks=chunks)  # type: ignore[attr-defined]
                outcomes.append((array.write_chunk_sizes, array.nchunks))
            except ValueError:
                outcomes.append("refused")
    assert outcomes[0] == outcomes[1]


def test_dask_takes_the_chunk_sizes(tmp_path: Path) -> None:
    import dask.array

    array = zarrpipe.create_array(tmp_path, shape=(60, 26), dtype="int32", chunks=[[10, 20, 30], 8])
    array[:] = VALUES
    lazy = dask.array.from_array(array, chunks=array.read_chunk_sizes)
    assert lazy.chunks == ((10, 20, 30), (8, 8, 8, 2))
    assert np.array_equal(lazy[5:, ::3].compute(scheduler="sync"), VALUES[5:, ::3])
