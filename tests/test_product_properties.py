"""Any data type through any chain, on any grid, by any selection, in any store: as NumPy has it, bit by bit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import given, note, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import product
import product_v2
import zarrpipe
from every_store import is_forced, new_store
from zarrpipe.metadata import RectilinearChunkGrid
from zarrpipe.stores import LocalStore

seeds = st.integers(0, 2**32 - 1)


@dataclass
class Case:
    """An array, what it should hold, how items for it are made, and where its chunks begin and end."""

    array: zarrpipe.Array
    model: np.ndarray
    items: Callable[[tuple[int, ...], int], np.ndarray]
    fill: np.ndarray
    edges: list[list[int]]


def drawn_case(draw: st.DrawFn | Any, folder: str) -> Case:
    data_type = draw(st.sampled_from(product.DATA_TYPES))
    shape = draw(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7))
    grid = draw(product.grids(shape))
    codecs = product.chain(draw, product.Place(data_type, grid.unit, grid.regular))
    fill = product.random_items(data_type, (1,), draw(seeds))
    store = LocalStore(folder) if draw(st.integers(0, 2)) == 0 and not is_forced() else new_store(draw)
    note(f"{shape} {grid} {data_type} {codecs} {fill.tobytes()!r}")
    array = zarrpipe.create_array(
        store,
        shape=shape,
        chunks=tuple(grid.chunks) if grid.regular else RectilinearChunkGrid(grid.chunks),
        dtype=data_type,
        codecs=codecs,
        fill_value=fill[0],
        config={"write_empty_chunks": draw(st.booleans()), "order": draw(st.sampled_from("CF"))},
    )
    model = np.broadcast_to(fill.reshape((1,) * len(shape)), shape).copy()
    return Case(array, model, partial(product.random_items, data_type), fill, grid.edges)


def drawn_case_of_format_2(draw: st.DrawFn | Any, folder: str) -> Case:
    dtype = draw(st.sampled_from(product_v2.DTYPES))
    native = dtype.newbyteorder("=")
    shape = draw(npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=7))
    grid = draw(product.grids(shape).filter(lambda grid: grid.regular))
    options = draw(product_v2.codecs(dtype))
    fill_value = draw(product_v2.fill_values(native, draw(seeds)))
    store = LocalStore(folder) if draw(st.integers(0, 2)) == 0 and not is_forced() else new_store(draw)
    note(f"{shape} {grid} {dtype} {options} {fill_value!r}")
    array = zarrpipe.create_array(
        store,
        shape=shape,
        chunks=tuple(grid.chunks),
        dtype=dtype,
        fill_value=fill_value,
        order=draw(st.sampled_from("CF")),
        chunk_key_encoding=("v2", draw(st.sampled_from("./"))),
        zarr_format=2,
        config={"write_empty_chunks": draw(st.booleans())},
        **options,
    )
    fill = np.zeros(1, native)
    if fill_value is not None:
        fill[0] = fill_value
    elif native.kind in "mM":
        fill[0] = "NaT"
    model = np.broadcast_to(fill.reshape((1,) * len(shape)), shape).copy()
    return Case(array, model, partial(product_v2.items, native), fill, grid.edges)


def read(draw: st.DrawFn | Any, case: Case) -> None:
    selection = draw(product.selections(case.model, case.edges))
    names = case.model.dtype.names
    fields = draw(st.sampled_from([None, *names])) if names else None
    model = case.model if fields is None else case.model[fields]
    want = product.picked(model, selection)
    note(f"read {selection} {fields}")
    indexer = indexer_of(case.array, selection.kind)
    how = draw(st.sampled_from(["sync", "async", "out"]))
    if how == "async" and fields is None:
        found = asyncio.run(indexer.read_async(selection.ours))
    else:
        out = np.empty(want.shape, want.dtype) if how == "out" and want.dtype != object else None
        getter = getattr(case.array, f"get_{selection.kind}_selection")
        found = getter(selection.ours, out=out, fields=fields)
        assert out is None or found is out
    assert product.same(found, want)


def write(draw: st.DrawFn | Any, case: Case) -> None:
    selection = draw(product.selections(case.model, case.edges))
    names = case.model.dtype.names
    fields = draw(st.sampled_from([None, *names])) if names else None
    shape = () if draw(st.booleans()) else selection.shape
    value = case.items(shape, draw(seeds))
    if draw(st.integers(0, 3)) == 0:
        value = np.broadcast_to(case.fill.reshape((1,) * len(shape)), shape)
    if fields is not None:
        value = value[fields]
    note(f"write {selection} {fields}")
    if fields is None and draw(st.booleans()):
        asyncio.run(indexer_of(case.array, selection.kind).write_async(selection.ours, value))
    else:
        getattr(case.array, f"set_{selection.kind}_selection")(selection.ours, value, fields=fields)
    model = case.model if fields is None else case.model[fields]
    value = np.broadcast_to(value, selection.shape)
    model[selection.numpy] = value[()] if value.ndim == 0 else value.reshape(np.shape(model[selection.numpy]))


def indexer_of(array: zarrpipe.Array, kind: str) -> Any:
    if kind == "basic":
        return array
    return {"orthogonal": array.oindex, "block": array.blocks}.get(kind, array.vindex)


def check(draw: st.DrawFn | Any, case: Case) -> None:
    for step in draw(st.lists(st.sampled_from([read, write, write]), max_size=5)):
        step(draw, case)
    assert product.same(case.array[...], case.model)
    again = zarrpipe.open_array(case.array.store, config=case.array.config)
    assert again == case.array
    case.array = again
    assert product.same(again[...], case.model)
    write(draw, case)
    read(draw, case)
    assert product.same(zarrpipe.open_array(again.store)[...], case.model)


@given(st.data())
@settings(max_examples=150)
def test_as_numpy(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        check(data.draw, drawn_case(data.draw, folder))


@given(st.data())
@settings(max_examples=100)
def test_format_2_as_numpy(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        check(data.draw, drawn_case_of_format_2(data.draw, folder))
