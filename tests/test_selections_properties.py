"""Selections of every kind against NumPy: any shape, chunks, shards, transposes, stores."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, note
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import zarrpipe
from every_store import new_store


@st.composite
def arrays(draw: st.DrawFn) -> tuple[zarrpipe.Array, np.ndarray]:
    shape = draw(npst.array_shapes(min_dims=1, max_dims=3, max_side=9))
    inner = tuple(draw(st.integers(1, length)) for length in shape)
    dtype = np.dtype(draw(st.sampled_from(["u1", "i2", ">i4", "f8", "c16"])))
    codecs: list[dict[str, Any]] = []
    order = list(range(len(shape)))
    if draw(st.booleans()):
        order = draw(st.permutations(order))
        codecs.append({"name": "transpose", "configuration": {"order": order}})
    endian = {} if dtype.itemsize == 1 else {"configuration": {"endian": draw(st.sampled_from(["little", "big"]))}}
    last: list[dict[str, Any]] = [{"name": "bytes", **endian}]
    last += draw(st.sampled_from([[], [{"name": "zstd", "configuration": {"level": 0, "checksum": False}}]]))
    chunks = inner
    if draw(st.booleans()):
        chunks = tuple(draw(st.integers(1, 3)) * length for length in inner)
        configuration = {
            "chunk_shape": [inner[axis] for axis in order],
            "codecs": last,
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "index_location": "end",
        }
        last = [{"name": "sharding_indexed", "configuration": configuration}]
    array = zarrpipe.create_array(
        new_store(draw),
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        codecs=codecs + last,
        fill_value=3,
    )
    model = np.full(shape, 3, dtype.newbyteorder("="))
    if draw(st.booleans()):
        model = np.arange(model.size).reshape(shape).astype(model.dtype)
        array[...] = model
    note(f"{array.metadata.to_dict()}")
    return array, model


def lists(length: int) -> st.SearchStrategy[Any]:
    """Return lists and arrays of indices of an axis, unsorted, some of them twice."""
    some = st.lists(st.integers(-length, length - 1), min_size=1, max_size=12)
    return st.one_of(some, some.map(np.array), st.builds(np.zeros, st.just(0), st.just(int)))


def slices(length: int) -> st.SearchStrategy[Any]:
    place = st.one_of(st.none(), st.integers(-length - 2, length + 2))
    return st.builds(slice, place, place, st.one_of(st.none(), st.integers(1, length + 2)))


def orthogonal(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    def axis(length: int) -> st.SearchStrategy[Any]:
        masks = npst.arrays(bool, length)
        return st.one_of(slices(length), st.integers(-length, length - 1), lists(length), masks)

    return st.tuples(*map(axis, shape))


def by_ix(shape: tuple[int, ...], selection: tuple[Any, ...]) -> tuple[Any, tuple[int, ...]]:
    """Return the selection as NumPy has it, and the shape of the result."""
    indices, kept = [], []
    for length, part in zip(shape, selection, strict=True):
        picked = np.arange(length)[np.asarray(part, dtype=int) if isinstance(part, list) else part]
        indices.append(np.atleast_1d(picked))
        if picked.ndim:
            kept.append(len(picked))
    return np.ix_(*indices), tuple(kept)


def new_values(draw: st.DrawFn, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    if draw(st.booleans()):
        shape = tuple(1 if draw(st.booleans()) else length for length in shape)
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)


@given(st.data())
def test_orthogonal_selections(data: st.DataObject) -> None:
    array, model = data.draw(arrays())
    for _ in range(3):
        selection = data.draw(orthogonal(model.shape))
        note(f"{selection!r}")
        index, shape = by_ix(model.shape, selection)
        value = new_values(data.draw, shape, model.dtype)
        array.oindex[selection] = value
        model[index] = np.broadcast_to(value, shape).reshape(model[index].shape)
        assert np.array_equal(array[...], model)
        selection = data.draw(orthogonal(model.shape))
        note(f"{selection!r}")
        index, shape = by_ix(model.shape, selection)
        got = array.oindex[selection]
        assert got.shape == shape
        assert np.array_equal(got, model[index].reshape(shape))


@given(st.data())
def test_coordinates(data: st.DataObject) -> None:
    array, model = data.draw(arrays())
    for write in (True, False, True):
        shapes = data.draw(
            npst.mutually_broadcastable_shapes(num_shapes=model.ndim, min_dims=1, max_dims=3, max_side=4)
        )
        parts = zip(shapes.input_shapes, model.shape, strict=True)
        selection = tuple(
            data.draw(npst.arrays(np.intp, shape, elements=st.integers(-length, length - 1))) for shape, length in parts
        )
        note(f"{selection!r}")
        if write:
            value = new_values(data.draw, shapes.result_shape, model.dtype)
            array.vindex[selection] = value
            model[selection] = value
        got = array.vindex[selection]
        assert got.shape == shapes.result_shape
        assert np.array_equal(got, model[selection])
    assert np.array_equal(array[...], model)


@given(st.data())
def test_masks(data: st.DataObject) -> None:
    array, model = data.draw(arrays())
    mask = data.draw(npst.arrays(bool, model.shape))
    value = new_values(data.draw, (int(mask.sum()),), model.dtype)
    array[mask] = value
    model[mask] = value
    assert np.array_equal(array[...], model)
    mask = data.draw(npst.arrays(bool, model.shape))
    assert np.array_equal(array[mask], model[mask])


@given(st.data())
def test_blocks(data: st.DataObject) -> None:
    array, model = data.draw(arrays())
    blocks = array.shards or array.chunks
    selection, region = [], []
    for length, block in zip(model.shape, blocks, strict=True):
        count = -(-length // block)
        first = data.draw(st.integers(0, count - 1))
        if data.draw(st.booleans()):
            selection.append(data.draw(st.sampled_from([first, first - count])))
            region.append(slice(first * block, (first + 1) * block))
        else:
            end = data.draw(st.integers(first, count + 1))
            selection.append(slice(first, end))
            region.append(slice(first * block, end * block))
    note(f"{selection!r}")
    assert np.array_equal(array.blocks[tuple(selection)], model[tuple(region)])
    value = new_values(data.draw, model[tuple(region)].shape, model.dtype)
    array.blocks[tuple(selection)] = value
    model[tuple(region)] = value
    assert np.array_equal(array[...], model)
