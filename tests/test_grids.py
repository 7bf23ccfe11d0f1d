"""Rectilinear chunk grids: documents, how axes are cut, and arrays that have them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import zarrpipe
from zarrpipe.abc.codec import ArrayArrayCodec
from zarrpipe.buffer import Buffer
from zarrpipe.cli import main
from zarrpipe.codecs import BytesCodec, ShardingCodec, TransposeCodec
from zarrpipe.config import config
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import CodecError, LimitError, MetadataError, SelectionError, UnsupportedError
from zarrpipe.metadata import ArrayMetadata, RectilinearChunkGrid, RegularChunkGrid, parse_chunk_grid
from zarrpipe.metadata.chunk_axis import ChunkRuns, EvenChunks, parse_chunk_axis
from zarrpipe.pipeline import ZarrPipeline
from zarrpipe.stores import MemoryStore


def document(chunk_shapes: Any, shape: list[int], **changes: Any) -> dict[str, Any]:
    configuration = {"kind": "inline", "chunk_shapes": chunk_shapes}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "uint8",
        "chunk_grid": {"name": "rectilinear", "configuration": configuration, **changes},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0,
        "codecs": [{"name": "bytes"}],
    }


# Documents

# The example of the extension's README, and what must come out of each axis.
README = [
    ([[2, 3]], (2, 2, 2)),
    ([[1, 6]], (1, 1, 1, 1, 1, 1)),
    ([1, [2, 1], 3], (1, 2, 3)),
    ([[1, 3], 3], (1, 1, 1, 3)),
    ([6], (6,)),
    (4, (4, 2)),
]


def test_the_example_of_the_specification() -> None:
    metadata = ArrayMetadata.from_dict(document([axis for axis, _ in README], [6] * 6))
    assert metadata.chunk_grid.chunk_sizes(metadata.shape) == tuple(sizes for _, sizes in README)
    assert metadata.chunk_grid.grid_shape(metadata.shape) == (3, 6, 3, 4, 1, 2)
    # Runs are merged; a run of one is a length.
    written: Any = metadata.to_dict()
    assert written["chunk_grid"]["configuration"] == {
        "kind": "inline",
        "chunk_shapes": [[[2, 3]], [[1, 6]], [1, 2, 3], [[1, 3], 3], [6], 4],
    }
    assert ArrayMetadata.from_dict(json.loads(json.dumps(written))) == metadata


@pytest.mark.parametrize(
    ("chunk_shapes", "shape"),
    [
        ([], []),
        ([[5, 5]], [0]),
        ([[5, 5]], [3]),  # there may be more chunks than the axis takes
        ([[5, [9, 100]]], [6]),
        ([3], [0]),
        ([[[1, 2**62]]], [2**62]),
        ([[[2**62, 1], 2**62 - 1]], [2**63 - 1]),
    ],
)
def test_documents_that_are_taken(chunk_shapes: list[Any], shape: list[int]) -> None:
    metadata = ArrayMetadata.from_dict(document(chunk_shapes, shape))
    assert isinstance(metadata.chunk_grid, RectilinearChunkGrid)
    assert ArrayMetadata.from_bytes(metadata.to_bytes()) == metadata


SHAPES = "/chunk_grid/configuration/chunk_shapes"


@pytest.mark.parametrize(
    ("chunk_shapes", "shape", "at"),
    [
        ([4], [6, 6], "/chunk_grid"),
        ([4, 4, 4], [6, 6], "/chunk_grid"),
        (4, [6], SHAPES),
        ("4", [6], SHAPES),
        (None, [6], SHAPES),
        ({"0": 4}, [6], SHAPES),
        ([0], [6], f"{SHAPES}/0"),
        ([-1], [6], f"{SHAPES}/0"),
        ([True], [6], f"{SHAPES}/0"),
        ([4.0], [6], f"{SHAPES}/0"),
        (["4"], [6], f"{SHAPES}/0"),
        ([None], [6], f"{SHAPES}/0"),
        ([2**63], [6], f"{SHAPES}/0"),
        ([6, []], [6, 6], f"{SHAPES}/1"),
        ([[]], [0], f"{SHAPES}/0"),
        ([[3, 0, 3]], [6], f"{SHAPES}/0/1"),
        ([[3, "3"]], [6], f"{SHAPES}/0/1"),
        ([[3, {}]], [6], f"{SHAPES}/0/1"),
        ([[3, [3]]], [6], f"{SHAPES}/0/1"),
        ([[3, [3, 1, 1]]], [6], f"{SHAPES}/0/1"),
        ([[3, []]], [6], f"{SHAPES}/0/1"),
        ([[[0, 2]]], [6], f"{SHAPES}/0/0/0"),
        ([[[3, 0]]], [6], f"{SHAPES}/0/0/1"),
        ([[[3, -1]]], [6], f"{SHAPES}/0/0/1"),
        ([[[3, 2.0]]], [6], f"{SHAPES}/0/0/1"),
        ([[[3, True]]], [6], f"{SHAPES}/0/0/1"),
        ([[[3, [2]]]], [6], f"{SHAPES}/0/0/1"),
        ([[[3, 2**64]]], [6], f"{SHAPES}/0/0/1"),
        ([[3, [2**40, 2**40]]], [6], f"{SHAPES}/0/1"),
        ([[2**62, 2**62]], [6], f"{SHAPES}/0/1"),
        ([6, [3, 2]], [6, 6], f"{SHAPES}/1"),
        ([[[1, 5]]], [6], f"{SHAPES}/0"),
    ],
    ids=repr,
)
def test_documents_that_are_refused(chunk_shapes: Any, shape: list[int], at: str) -> None:
    with pytest.raises(MetadataError) as caught:
        ArrayMetadata.from_dict(document(chunk_shapes, shape))
    assert caught.value.at == at


@pytest.mark.parametrize(
    ("grid", "at"),
    [
        ({"configuration": {"chunk_shapes": [6]}}, "/configuration"),
        ({"configuration": {"kind": "inline"}}, "/configuration"),
        ({"configuration": {}}, "/configuration"),
        ({}, "/configuration"),
        ({"configuration": [6]}, "/configuration"),
        ({"configuration": {"kind": "outline", "chunk_shapes": [6]}}, "/configuration/kind"),
        ({"configuration": {"kind": None, "chunk_shapes": [6]}}, "/configuration/kind"),
        ({"configuration": {"kind": "inline", "chunk_shapes": [6], "x": 1}}, "/configuration/x"),
        ({"configuration": {"kind": "inline", "chunk_shapes": [6]}, "must_understand": False}, "/must_understand"),
    ],
    ids=repr,
)
def test_grids_that_are_refused(grid: dict[str, Any], at: str) -> None:
    with pytest.raises(MetadataError) as caught:
        parse_chunk_grid({"name": "rectilinear", **grid})
    assert caught.value.at == at
    with pytest.raises(MetadataError) as caught:
        RectilinearChunkGrid.from_dict({"name": "regular", "configuration": {"chunk_shape": [6]}})
    assert caught.value.at == "/name"


# Axes


def expand(axis: Any) -> list[int]:
    return [n for item in axis for n in ([item] if isinstance(item, int) else [item[0]] * item[1])]


@pytest.mark.parametrize("shapes", [[7], [3, [2, 4], 3], [[1, 3], [4, 2], 1], [[5, 2], [5, 1], 2]])
def test_runs_are_what_they_expand_to(shapes: list[Any]) -> None:
    axis, lengths = parse_chunk_axis(shapes), expand(shapes)
    assert isinstance(axis, ChunkRuns)
    starts = [sum(lengths[:at]) for at in range(len(lengths))]
    assert [axis.span(at) for at in range(len(lengths))] == list(zip(starts, lengths, strict=True))
    assert set(axis.lengths) == set(lengths)
    assert len(axis.lengths) == len(set(lengths))
    for extent in range(sum(lengths) + 1):
        inside = [min(length, extent - start) for start, length in zip(starts, lengths, strict=True) if start < extent]
        assert axis.sizes(extent) == tuple(inside)
        assert axis.count(extent) == len(inside)


def test_an_axis_grows_by_one_chunk() -> None:
    axis = parse_chunk_axis([4, 4, 2])
    assert axis.grown(10) is axis
    assert axis.grown(3) is axis
    assert axis.grown(13) == parse_chunk_axis([[4, 2], 2, 3])
    assert axis.grown(12) == parse_chunk_axis([[4, 2], [2, 2]])
    assert EvenChunks(4).grown(13) == EvenChunks(4)


def test_grids_of_one_array_continue_each_other() -> None:
    def continues(a: Any, b: Any) -> bool:
        grids = [RectilinearChunkGrid((shapes, 5)) for shapes in (a, b)]
        assert grids[0].continues(grids[1]) == grids[1].continues(grids[0])
        return grids[0].continues(grids[1])

    assert continues([4, 4, 2], [4, 4, 2])
    assert continues([4, 4, 2], [4, 4, 2, 2, 9])
    assert continues([[4, 2]], [4, 4, 4])
    assert not continues([4, 4, 2], [4, 4, 3])
    assert not continues([4, 4, 2], [4, 4, 4, 2])
    assert not continues([4, 4], 4)
    assert not RegularChunkGrid((4, 5)).continues(RectilinearChunkGrid((4, 5)))


# Arrays

VALUES = np.arange(60 * 25, dtype="int32").reshape(60, 25)


def test_create_read_and_reopen(tmp_path: Path) -> None:
    array = zarrpipe.create_array(tmp_path, shape=(60, 25), dtype="int32", chunks=[[10, 20, 30], 10])
    assert json.loads((tmp_path / "zarr.json").read_bytes())["chunk_grid"] == {
        "name": "rectilinear",
        "configuration": {"kind": "inline", "chunk_shapes": [[10, 20, 30], 10]},
    }
    array[...] = VALUES
    # Chunks at the border are stored at their full size.
    assert array.decode_chunk(array.get_encoded_chunk((2, 2)), (2, 2)).shape == (30, 10)
    for opened in (array, zarrpipe.open_array(tmp_path, mode="r+")):
        assert np.array_equal(opened[...], VALUES)
        assert np.array_equal(opened[7:41:3, 9], VALUES[7:41:3, 9])
        opened[5:35, ::4] = -1
        expected = VALUES.copy()
        expected[5:35, ::4] = -1
        assert np.array_equal(opened[...], expected)
        assert np.array_equal(np.stack(list(opened)), expected)
        opened[...] = VALUES


def test_facts() -> None:
    array = zarrpipe.create_array({}, shape=(60, 25), dtype="int32", chunks=[[10, 20, 30], 10])
    assert array.read_chunk_sizes == array.write_chunk_sizes == ((10, 20, 30), (10, 10, 5))
    assert (array.cdata_shape, array.nchunks, array.nchunks_initialized) == ((3, 3), 9, 0)
    assert array.shards is None
    with pytest.raises(NotImplementedError, match="read_chunk_sizes"):
        _ = array.chunks
    array[:15, 0] = 1
    assert array.nchunks_initialized == 2
    lines = dict(re.split(" +: ", line, maxsplit=1) for line in repr(array.info_complete()).splitlines())
    assert lines["Chunk shape"] == "<variable>"
    assert lines["Chunks stored"] == "2 of 9"
    assert "Shard shape" not in lines

    sharded = zarrpipe.create_array({}, shape=(60, 25), dtype="u1", chunks=(5, 2), shards=[[10, 20, 30], 10])
    assert sharded.chunks == (5, 2)
    assert sharded.read_chunk_sizes == ((5,) * 12, (2,) * 12 + (1,))
    assert sharded.write_chunk_sizes == ((10, 20, 30), (10, 10, 5))
    assert (sharded.cdata_shape, sharded.nchunks) == ((12, 13), 156)
    with pytest.raises(NotImplementedError, match="write_chunk_sizes"):
        _ = sharded.shards
    sharded[:15, 0] = 1
    assert sharded.nchunks_initialized == 2 * 5 + 4 * 5
    assert "Shard shape : <variable>" in repr(sharded.info)

    regular = zarrpipe.create_array({}, shape=(40,), dtype="i1", chunks=(10,), shards=(20,))
    assert (regular.read_chunk_sizes, regular.write_chunk_sizes) == (((10,) * 4,), ((20, 20),))


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([[10, 20, 30], 5], ([10, 20, 30], 5)),
        (([30, 30], -1), ([[30, 2]], 25)),
        ((None, (20, 5)), (60, [20, 5])),
        ([np.array([30, 30]), np.int64(5)], ([[30, 2]], 5)),
        ([[[10, 6]], [[12, 2], 1]], ([[10, 6]], [[12, 2], 1])),
        ([range(10, 31, 10), 5], ([10, 20, 30], 5)),
        (RectilinearChunkGrid([[40, 40], 5]), ([[40, 2]], 5)),
    ],
    ids=repr,
)
def test_chunks_as_users_write_them(chunks: Any, expected: Any) -> None:
    array = zarrpipe.create_array({}, shape=(60, 25), dtype="u1", chunks=chunks)
    assert array.metadata.chunk_grid == RectilinearChunkGrid(expected)


@pytest.mark.parametrize(
    ("chunks", "error", "match"),
    [
        ([[10, 20, 31], 5], ValueError, "61 long in all, but the axis is 60"),
        ([[10, 20], 5], ValueError, "30 long in all"),
        ([[], 5], ValueError, "chunks/0"),
        ([[10, 0, 50], 5], ValueError, "chunks/0/1"),
        ([[10, 50.0], 5], ValueError, "chunks/0/1"),
        ([[10, 50], 0], ValueError, "chunks/1"),
        ([[60]], ValueError, "1 axes"),
        ([[60], [25], [1]], ValueError, "3 axes"),
        (RectilinearChunkGrid([[40, 10], 5]), MetadataError, "end at 50"),
    ],
    ids=repr,
)
def test_chunks_that_are_refused(chunks: Any, error: type[Exception], match: str) -> None:
    store: dict[str, Any] = {}
    with pytest.raises(error, match=match):
        zarrpipe.create_array(store, shape=(60, 25), dtype="u1", chunks=chunks)
    assert not store


def test_regular_chunks_stay_regular() -> None:
    for chunks in ("auto", 10, (10, 5), (-1, None), [np.int64(10), 5], False):
        array = zarrpipe.create_array({}, shape=(60, 25), dtype="u1", chunks=chunks)
        assert isinstance(array.metadata.chunk_grid, RegularChunkGrid)


def test_shards_of_several_shapes() -> None:
    with pytest.raises(ValueError, match="shards may have several"):
        zarrpipe.create_array({}, shape=(60, 25), dtype="u1", chunks=[[10, 50], 5], shards=(60, 25))
    with pytest.raises(MetadataError, match="30 is none of 20"):
        zarrpipe.create_array({}, shape=(60, 24), dtype="u1", chunks=(20, 3), shards=[[20, 30, 10], 6])
    for index_location in ("start", "end"):
        shards = {"shape": [[12, 48], [6, 18]], "index_location": index_location}
        array = zarrpipe.create_array({}, shape=(60, 24), dtype="int32", chunks=(6, 3), shards=shards)
        array[3:50, :20] = VALUES[3:50, :20]
        expected = np.zeros((60, 24), "int32")
        expected[3:50, :20] = VALUES[3:50, :20]
        assert np.array_equal(array[...], expected)


def test_a_document_whose_shards_do_not_divide(tmp_path: Path) -> None:
    array = zarrpipe.create_array(tmp_path, shape=(60,), dtype="u1", chunks=(10,), shards=[[20, 40]])
    path = tmp_path / "zarr.json"
    wrong = json.loads(path.read_bytes())
    wrong["chunk_grid"]["configuration"]["chunk_shapes"] = [[20, 40, 15]]
    path.write_text(json.dumps(wrong))
    with pytest.raises(MetadataError) as caught:
        zarrpipe.open_array(tmp_path)[:1]
    assert (caught.value.at, caught.value.key) == ("/codecs", "zarr.json")
    assert array.write_chunk_sizes == ((20, 40),)


@pytest.mark.parametrize(
    ("codec", "at"),
    [
        ({"name": "sharding_indexed"}, "/codecs/0/configuration"),
        ({"name": "transpose"}, "/codecs/0/configuration"),
        ({"name": "bytes", "configuration": {"endian": 1}}, "/codecs/0/configuration/endian"),
    ],
    ids=repr,
)
def test_a_document_whose_codecs_are_wrong(tmp_path: Path, codec: dict[str, Any], at: str) -> None:
    (tmp_path / "zarr.json").write_text(json.dumps({**document([[4, 6]], [10]), "codecs": [codec]}))
    array = zarrpipe.open_array(tmp_path, mode="r+")
    for call in (lambda: array[:], lambda: array.resize((12,))):
        with pytest.raises(MetadataError) as caught:
            call()
        assert (caught.value.at or "").startswith("/codecs/0")
        assert at.startswith(caught.value.at or "x")


@pytest.mark.parametrize("sharded", [False, True])
def test_resize(sharded: bool) -> None:
    grid: Any = [[10, 20, 30], 10]
    options = {"chunks": (5, 2), "shards": grid} if sharded else {"chunks": grid}
    array = zarrpipe.create_array({}, shape=(60, 25), dtype="int32", fill_value=-5, **options)
    array[...] = VALUES
    model = VALUES
    for shape, shapes in [
        ((17, 11), [[10, 20, 30], 10]),  # shorter arrays keep their grid
        ((60, 11), [[10, 20, 30], 10]),
        ((70, 25), [[10, 20, 30, 10], 10]),  # longer ones get a chunk more
        ((30, 30), [[10, 20, 30, 10], 10]),
        ((75, 30), [[10, 20, 30, 10, 5], 10]),
        ((80, 30), [[10, 20, 30, 10, [5, 2]], 10]),
        ((0, 30), [[10, 20, 30, 10, [5, 2]], 10]),
        ((80, 30), [[10, 20, 30, 10, [5, 2]], 10]),
    ]:
        array.resize(shape)
        grown = np.full(shape, -5, "int32")
        both = tuple(slice(min(pair)) for pair in zip(shape, model.shape, strict=True))
        grown[both] = model[both]
        model = grown
        assert array.metadata.chunk_grid == RectilinearChunkGrid(shapes)
        assert np.array_equal(array[...], model)
        if 0 not in shape:
            array[-3:, -3:] = model[-3:, -3:] = shape[0]


def test_append() -> None:
    array = zarrpipe.create_array({}, shape=(60, 25), dtype="int32", chunks=[[10, 20, 30], [25]])
    other = zarrpipe.open_array(array.store)
    array[...] = VALUES
    # Two that know the same array: each goes on from what is in the store.
    assert array.append(VALUES[:7]) == (67, 25)
    assert other.append(VALUES[:7]) == (74, 25)
    array = zarrpipe.open_array(array.store)
    assert array.append(VALUES[:, :2].repeat(2, axis=0)[:74], axis=1) == (74, 27)
    assert array.metadata.chunk_grid == RectilinearChunkGrid([[10, 20, 30, 7, 7], [25, 2]])
    assert np.array_equal(array[:, :25], np.concatenate([VALUES, VALUES[:7], VALUES[:7]]))
    assert np.array_equal(array[:, 25:], VALUES[:, :2].repeat(2, axis=0)[:74])


def test_an_append_that_would_split_an_inner_chunk_changes_nothing() -> None:
    store: dict[str, Any] = {}
    array = zarrpipe.create_array(store, shape=(60,), dtype="u1", chunks=(10,), shards=[[20, 40]])
    before = dict(store)
    for change in (lambda: array.append(np.ones(5, "u1")), lambda: array.resize((65,))):
        with pytest.raises(MetadataError, match="5 is none of 10"):
            change()
        assert (dict(store), array.shape) == (before, (60,))
    array.append(np.ones(10, "u1"))
    assert array[50:].tolist() == [0] * 10 + [1] * 10


def test_an_array_that_was_replaced_is_noticed() -> None:
    store: dict[str, Any] = {}
    array = zarrpipe.create_array(store, shape=(10,), dtype="u1", chunks=[[4, 6]])
    zarrpipe.create_array(store, shape=(10,), dtype="u1", chunks=[[6, 4]], overwrite=True)
    with pytest.raises(zarrpipe.errors.ConflictError):
        array.resize((5,))


def test_what_others_left_outside_never_comes_into_view() -> None:
    array = zarrpipe.create_array({}, shape=(10,), dtype="u1", chunks=[[4, 6]])
    left = zarrpipe.create_array({}, shape=(15,), dtype="u1", chunks=[[4, 6, 5]])
    left[...] = 9
    for key in ("c/1", "c/2"):
        array.store.set_sync(key, left.store.get_sync(key))
    array.resize((15,))
    assert array[...].tolist() == [0] * 4 + [9] * 6 + [0] * 5


def test_encoded_chunks() -> None:
    array = zarrpipe.create_array({}, shape=(60, 25), dtype="int32", chunks=[[10, 20, 30], 10])
    array[...] = VALUES
    for coords, part in {(0, 0): VALUES[:10, :10], (1, 1): VALUES[10:30, 10:20]}.items():
        data = array.get_encoded_chunk(coords)
        assert data is not None
        assert np.array_equal(array.decode_chunk(data, coords), part)
        assert array.encode_chunk(part, coords) == data
        array.put_encoded_chunk(coords, array.encode_chunk(7, coords))
        expected = VALUES.copy()
        expected[part[0, 0] // 25 :, :][: len(part), part[0, 0] % 25 :][:, :10] = 7
        assert np.array_equal(array[...], expected)
        array[...] = VALUES
    data = array.get_encoded_chunk((0, 0))
    assert data is not None
    for call in (lambda: array.encode_chunk(1), lambda: array.decode_chunk(data)):
        with pytest.raises(ValueError, match="chunk_coords"):
            call()
    for wrong in ((3, 0), (0, 3), (-1, 0), (0,)):
        with pytest.raises(SelectionError):
            array.decode_chunk(data, wrong)
        with pytest.raises(SelectionError):
            array.get_encoded_chunk(wrong)
    with pytest.raises(CodecError):
        array.decode_chunk(data, (1, 0))
    # A chunk that is stored at another size is an error, and says which one it is.
    array.put_encoded_chunk((1, 0), data)
    with pytest.raises(CodecError) as caught:
        array[...]
    assert caught.value.chunk == (1, 0)


def test_blocks() -> None:
    array = zarrpipe.create_array({}, shape=(55, 25), dtype="int32", chunks=[[10, 20, 25], 10])
    array[...] = VALUES[:55]
    assert np.array_equal(array.get_block_selection((1, 2)), VALUES[10:30, 20:])
    assert np.array_equal(array.get_block_selection((-1, slice(1, None))), VALUES[30:55, 10:])
    assert np.array_equal(array.get_block_selection(slice(0, 2)), VALUES[:30])
    array.set_block_selection((2, 0), 3)
    assert (array[30:, :10] == 3).all()
    assert np.array_equal(array[:30], VALUES[:30])
    with pytest.raises(SelectionError):
        array.get_block_selection((3, 0))


def test_arrays_like_another() -> None:
    array = zarrpipe.create_array({}, shape=(60, 25), dtype="u1", chunks=[[10, 20, 30], 10])
    assert zarrpipe.zeros_like(array).metadata.chunk_grid == array.metadata.chunk_grid
    sharded = zarrpipe.create_array({}, shape=(60, 25), dtype="u1", chunks=(5, 5), shards=[[10, 20, 30], 10])
    like = zarrpipe.full_like(sharded, fill_value=4)
    assert like.metadata.chunk_grid == sharded.metadata.chunk_grid
    assert like.chunks == (5, 5)
    assert (like[...] == 4).all()
    assert np.array_equal(zarrpipe.array(sharded)[...], sharded[...])


def test_codecs_are_validated_for_every_length() -> None:
    grid = RectilinearChunkGrid([[10, 20, 35], [6, 4]])
    validate: dict[str, Any] = {"shape": (65, 10), "dtype": parse_dtype("u2"), "chunk_grid": grid}
    ShardingCodec(chunk_shape=(5, 2)).validate(**validate)
    TransposeCodec(order=(1, 0)).validate(**validate)
    ZarrPipeline.from_codecs((ShardingCodec(chunk_shape=(5, 2)),)).validate(**validate)
    for chunk_shape in ((10, 2), (5, 3)):
        with pytest.raises(MetadataError, match="divide"):
            ShardingCodec(chunk_shape=chunk_shape).validate(**validate)
        with pytest.raises(MetadataError, match="divide"):
            ZarrPipeline.from_codecs((ShardingCodec(chunk_shape=chunk_shape),)).validate(**validate)
    with pytest.raises(MetadataError, match="axes"):
        BytesCodec(endian="little").validate(**{**validate, "shape": (65,)})


class Negative(ArrayArrayCodec):
    """A codec in Python that notes the shapes of the chunks that it sees."""

    is_fixed_size = True
    shapes: ClassVar[set[tuple[int, ...]]] = set()

    def to_dict(self) -> dict[str, Any]:
        return {"name": "negative"}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        return input_byte_length

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        return await self._encode_single(chunk_data, chunk_spec)

    async def _encode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        items = chunk_data.as_numpy_array()
        assert items.shape == chunk_spec.shape
        self.shapes.add(items.shape)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(-items)


class AwaitedStore(MemoryStore):
    """A store that must be awaited."""

    _supports_sync_io = False


@pytest.mark.parametrize("remote", [False, True])
def test_codecs_written_in_python_see_each_chunk_in_its_shape(remote: bool) -> None:
    Negative.shapes.clear()
    store: Any = AwaitedStore() if remote else {}
    array = zarrpipe.create_array(
        store,
        shape=(60, 25),
        dtype="int32",
        chunks=[[10, 20, 30], [20, 5]],
        codecs=[Negative(), BytesCodec(endian="little")],
    )
    array[...] = VALUES
    assert np.array_equal(array[...], VALUES)
    assert np.array_equal(array[5:40:3, 18:], VALUES[5:40:3, 18:])
    assert Negative.shapes == {(n, m) for n in (10, 20, 30) for m in (20, 5)}
    assert np.array_equal(array.decode_chunk(array.get_encoded_chunk((1, 1)), (1, 1)), VALUES[10:30, 20:])


async def test_async() -> None:
    array = zarrpipe.create_array({}, shape=(60, 25), dtype="int32", chunks=[[10, 20, 30], 10])
    await array.write_async(..., VALUES)
    await array.append_async(VALUES[:2])
    assert np.array_equal(await array.read_async(np.s_[55:, 3]), np.concatenate([VALUES[55:, 3], VALUES[:2, 3]]))
    await array.resize_async((12, 25))
    assert np.array_equal(await array.read_async(), VALUES[:12])


# What it costs

HUGE = """
import resource, sys, zarrpipe
path = sys.argv[1]
array = zarrpipe.open_array(path, mode="r+")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
n = 10**12
array[n - 2 : n + 3] = [1, 2, 3, 4, 5]
assert array[n - 3 : n + 4].tolist() == [0, 1, 2, 3, 4, 5, 0], array[n - 3 : n + 4]
assert array.cdata_shape == (n + 2**40,) and array.nchunks_initialized == 4
assert len(array.get_encoded_chunk((n + 1,))) == 2
array.resize((n + 1,))
assert array[n - 3 :].tolist() == [0, 1, 2, 3]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_a_trillion_chunks_cost_nothing(tmp_path: Path) -> None:
    shapes = [[[1, 10**12], [2, 2**40]]]
    (tmp_path / "zarr.json").write_text(json.dumps(document(shapes, [10**12 + 2**41])))
    ran = subprocess.run(
        [sys.executable, "-c", HUGE, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 64 * 2**20


def test_chunks_that_nobody_touches_may_be_too_large() -> None:
    store = MemoryStore()
    metadata = ArrayMetadata.from_dict(document([[10, 2**40]], [20]))
    store.set_sync("zarr.json", Buffer.from_bytes(metadata.to_bytes()))
    array = zarrpipe.open_array(store)
    with config.set(max_chunk_nbytes=1000):
        array[:10] = 3
        assert array[:10].tolist() == [3] * 10
        for call in (lambda: array[10:], lambda: array.write(np.s_[10:], 1)):
            with pytest.raises(LimitError):
                call()
        with pytest.raises(LimitError):
            zarrpipe.create_array({}, shape=(2010,), dtype="u1", chunks=[[10, 2000]])


def test_more_shapes_than_are_compiled_beforehand() -> None:
    lengths = list(range(1, 41))
    n = sum(lengths)
    array = zarrpipe.create_array({}, shape=(n, n), dtype="u1", chunks=[lengths, lengths])
    values = np.random.default_rng(0).integers(1, 255, (n, n), dtype="u1")
    array[...] = values
    assert np.array_equal(array[...], values)


@pytest.mark.parametrize("shards", [False, True])
def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], shards: bool) -> None:
    grid: Any = [[10, 20, 30], 10]
    options = {"chunks": (5, 2), "shards": grid} if shards else {"chunks": grid}
    zarrpipe.create_array(tmp_path / "a", shape=(60, 25), dtype="int32", **options)[...] = VALUES
    assert main(["info", "--json", str(tmp_path / "a")]) == 0
    assert json.loads(capsys.readouterr().out)["shards" if shards else "chunks"] == grid
    for command, target in (("import", "b"), ("export", "c.npy")):
        assert main([command, str(tmp_path / "a"), str(tmp_path / target)]) == 0
    copied = zarrpipe.open_array(tmp_path / "b")
    assert copied.metadata.chunk_grid == RectilinearChunkGrid(grid)
    assert np.array_equal(copied[...], VALUES)
    assert np.array_equal(np.load(tmp_path / "c.npy"), VALUES)


def test_zarr_format_2_has_no_such_grids() -> None:
    with pytest.raises((ValueError, UnsupportedError)):
        zarrpipe.create_array({}, shape=(60,), dtype="u1", chunks=[[10, 50]], zarr_format=2)
