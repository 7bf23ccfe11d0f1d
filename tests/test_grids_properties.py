"""Rectilinear arrays against a model in NumPy: any chunks, shards and transposes, selections, writes and resizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from hypothesis import given, note
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import zarrpipe
from zarrpipe.errors import MetadataError
from zarrpipe.metadata import RectilinearChunkGrid
from zarrpipe.stores import MemoryStore


class AwaitedStore(MemoryStore):
    """A store that must be awaited."""

    _supports_sync_io = False


@dataclass
class Case:
    """An array, what it should hold, and the lengths of the chunks along each axis, or the one that all have."""

    array: zarrpipe.Array
    model: np.ndarray
    grid: list[int | list[int]]


@st.composite
def chains(draw: st.DrawFn, unit: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return codecs for chunks that are a whole number of units."""
    codecs: list[dict[str, Any]] = []
    if draw(st.booleans()):
        order = draw(st.permutations(range(len(unit))))
        codecs.append({"name": "transpose", "configuration": {"order": list(order)}})
        unit = tuple(unit[axis] for axis in order)
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    if draw(st.booleans()):
        inner = [draw(st.sampled_from([n for n in range(1, length + 1) if length % n == 0])) for length in unit]
        configuration = {
            "chunk_shape": inner,
            "codecs": [little, *draw(st.sampled_from([[], [{"name": "crc32c"}]]))],
            "index_codecs": [little, {"name": "crc32c"}],
            "index_location": draw(st.sampled_from(["start", "end"])),
        }
        codecs.append({"name": "sharding_indexed", "configuration": configuration})
    else:
        codecs.append(little)
    if draw(st.booleans()):
        codecs.append({"name": "zstd", "configuration": {"level": 1, "checksum": False}})
    return codecs


@st.composite
def cases(draw: st.DrawFn) -> Case:
    ndim = draw(st.integers(1, 3))
    unit = tuple(draw(st.integers(1, 3)) for _ in range(ndim))
    grid: list[Any] = []
    shape = []
    for n in unit:
        lengths = [n * k for k in draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))]
        even = draw(st.booleans())
        grid.append(lengths[0] if even else lengths)
        # Chunks may reach beyond the array, and lie outside of it.
        shape.append(draw(st.integers(0, sum(lengths))))
    array = zarrpipe.create_array(
        draw(st.sampled_from([MemoryStore, AwaitedStore]))(),
        shape=shape,
        chunks=RectilinearChunkGrid(grid),
        dtype="int16",
        codecs=draw(chains(unit)),
        fill_value=-1,
        config={"write_empty_chunks": draw(st.booleans()), "order": draw(st.sampled_from(["C", "F"]))},
    )
    note(f"{array.metadata.to_dict()}")
    return Case(array, np.full(shape, -1, "int16"), grid)


@st.composite
def selections(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """Return a basic selection, without negative steps."""

    def axis(length: int) -> Any:
        some = st.one_of(st.none(), st.integers(-length - 2, length + 2))
        sliced = st.builds(slice, some, some, st.one_of(st.none(), st.integers(1, length + 2)))
        return draw(st.one_of(sliced, st.integers(-length, length - 1)) if length else sliced)

    return tuple(axis(length) for length in shape)


def check(case: Case) -> None:
    """Compare what the array says of its chunks with their lengths one by one."""
    array = case.array
    for axis, (cuts, length, count) in enumerate(
        zip(case.grid, array.shape, array.metadata.chunk_grid.grid_shape(array.shape), strict=True)
    ):
        lengths = [cuts] * -(-length // cuts) if isinstance(cuts, int) else cuts
        ends = np.cumsum(lengths)
        sizes = [int(min(n, length - end + n)) for n, end in zip(lengths, ends, strict=True) if end - n < length]
        assert array.write_chunk_sizes[axis] == tuple(sizes)
        assert count == len(sizes)
        document: Any = array.metadata.chunk_grid.to_dict()["configuration"]
        if isinstance(cuts, int):
            assert document["chunk_shapes"][axis] == cuts
        else:
            runs = [(n, len(list(group))) for n, group in groupby(cuts)]
            assert document["chunk_shapes"][axis] == [n if count == 1 else [n, count] for n, count in runs]


def write(draw: st.DrawFn, case: Case) -> None:
    selection = draw(selections(case.model.shape))
    shape = np.shape(case.model[selection])
    note(f"write {selection!r}")
    value: Any = np.arange(math.prod(shape), dtype="int16").reshape(shape) if draw(st.booleans()) else -1
    case.array[selection] = value
    case.model[selection] = value


def resize(draw: st.DrawFn, case: Case) -> None:
    shape = tuple(draw(st.integers(0, length + 9)) for length in case.model.shape)
    note(f"resize {shape}")
    try:
        case.array.resize(shape)
    except MetadataError:
        # The new chunk would be no whole number of inner chunks: nothing has changed.
        assert case.array.write_chunk_sizes
        assert "sharding_indexed" in repr(case.array.metadata.codecs)
        assert case.array.shape == case.model.shape
        return
    for axis, (cuts, length) in enumerate(zip(case.grid, shape, strict=True)):
        if isinstance(cuts, list) and length > sum(cuts):
            case.grid[axis] = [*cuts, length - sum(cuts)]
    kept = tuple(slice(0, min(pair)) for pair in zip(shape, case.model.shape, strict=True))
    model = np.full(shape, -1, "int16")
    model[kept] = case.model[kept]
    case.model = model


def reopen(_: st.DrawFn, case: Case) -> None:
    again = zarrpipe.open_array(case.array.store, config=case.array.config)
    assert again == case.array
    case.array = again


@given(st.data())
def test_reads_and_writes_are_those_of_numpy(data: st.DataObject) -> None:
    case = data.draw(cases())
    for _ in range(data.draw(st.integers(1, 5))):
        data.draw(st.sampled_from([write, write, resize, reopen]))(data.draw, case)
        check(case)
        selection = data.draw(selections(case.model.shape))
        note(f"read {selection!r}")
        assert np.array_equal(case.array[selection], case.model[selection])
    assert np.array_equal(case.array[...], case.model)
    assert np.array_equal(zarrpipe.open_array(case.array.store)[...], case.model)


@given(npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9), st.data())
def test_chunks_one_by_one_are_the_array(shape: tuple[int, ...], data: st.DataObject) -> None:
    grid: list[Any] = []
    for length in shape:
        cuts = sorted(data.draw(st.sets(st.integers(1, max(length - 1, 1)), max_size=4)))
        edges = [0, *[cut for cut in cuts if cut < length], length]
        grid.append(np.diff(edges).tolist() if length else [3, 2])
    array = zarrpipe.create_array({}, shape=shape, dtype="u1", chunks=grid or "auto", fill_value=9)
    values = np.random.default_rng(0).integers(0, 9, shape, dtype="u1")
    array[...] = values
    for coords in np.ndindex(array.cdata_shape):
        encoded = array.get_encoded_chunk(coords)
        assert encoded is not None
        starts = [sum(sizes[:at]) for at, sizes in zip(coords, array.read_chunk_sizes, strict=True)]
        part = tuple(
            slice(start, start + sizes[at])
            for start, at, sizes in zip(starts, coords, array.read_chunk_sizes, strict=True)
        )
        assert np.array_equal(array.decode_chunk(encoded, coords), values[part])
        assert np.array_equal(array.get_block_selection(coords), values[part])
