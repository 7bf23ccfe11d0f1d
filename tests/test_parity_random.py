"""Random arrays that zarr-python writes and zarrpipe reads, and the other way round, by random selections."""

from __future__ import annotations

import warnings
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import zarr
import zarr.testing.strategies
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import product
import zarrpipe

seeds = st.integers(0, 2**32 - 1)
pytestmark = pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")

KNOWN = [
    *("bool", *product.INTEGERS, *product.FLOATS, "complex64", "complex128", "string", "bytes"),
    *(data_type for data_type in product.DATA_TYPES if isinstance(data_type, dict)),
]
"""The data types of zarr-python."""


def chain(draw: st.DrawFn | Any, place: product.Place, depth: int = 0) -> list[Any]:
    """Draw codecs of zarr-python's that keep every bit."""
    codecs: list[Any] = []
    # zarr-python 3.4.2 refuses shards behind a transpose: it compares their inner chunks with the axes in front of it.
    sharded = depth < 2 and place.unit and draw(st.integers(0, 2)) == 0
    if place.unit and not sharded and draw(st.booleans()):
        order = list(draw(st.permutations(range(len(place.unit)))))
        place.unit = tuple(place.unit[axis] for axis in order)
        codecs.append(product.named("transpose", order=order))
    if sharded:
        inner = tuple(draw(st.sampled_from([n for n in range(1, k + 1) if k % n == 0])) for k in place.unit)
        inside = chain(draw, product.Place(place.data_type, inner, True), depth + 1)
        index = [product.bytes_codec(draw), *draw(st.sampled_from([[], [product.named("crc32c")]]))]
        location = draw(st.sampled_from(["start", "end"]))
        more = {"index_codecs": index, "index_location": location}
        codecs.append(product.named("sharding_indexed", chunk_shape=list(inner), codecs=inside, **more))
    elif place.variable:
        codecs.append(product.named("vlen-utf8" if place.name == "string" else "vlen-bytes"))
    else:
        codecs.append(product.bytes_codec(draw))
    return codecs + [codec for codec in draw(product.compressors(1)) if codec["name"] != "conditional"]


def theirs_reads(array: zarr.Array, selection: product.Selection) -> Any:
    return getattr(array, f"get_{selection.kind}_selection")(selection.ours)


def write(draw: st.DrawFn | Any, array: Any, model: np.ndarray, data_type: Any, edges: list[list[int]]) -> None:
    selection = draw(product.selections(model, edges))
    # zarr-python writes these otherwise than NumPy: places named twice, single items, in any order.
    assume(selection.kind in ("basic", "block", "mask") and (model.ndim == 0 or selection.shape))
    value = product.random_items(data_type, selection.shape, draw(seeds))
    note(f"write {type(array)} {selection}")
    getattr(array, f"set_{selection.kind}_selection")(selection.ours, value)
    model[selection.numpy] = value[()] if value.ndim == 0 else value


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
def test_each_reads_what_the_other_wrote(data: st.DataObject) -> None:
    draw = data.draw
    data_type = draw(st.sampled_from(KNOWN))
    # Single items of variable length come back from zarr-python as arrays inside arrays.
    least = int(data_type in ("string", "bytes"))
    shape = draw(npst.array_shapes(min_dims=least, max_dims=3, min_side=1, max_side=6))
    grid = draw(product.grids(shape).filter(lambda grid: grid.regular))
    codecs = chain(draw, product.Place(data_type, grid.unit, True))
    fill = product.random_items(data_type, (1,), draw(seeds))
    if fill.dtype.kind in "fc":
        # zarr-python makes a quiet NaN of a signaling one.
        fill = np.nan_to_num(fill)
    elif data_type in ("string", "bytes"):
        # zarr-python takes texts for equal that differ by NULs at the end, and so for chunks of the fill value; of fill
        # values of `bytes` it cuts NULs off.
        fill[0] = "zwölf" if data_type == "string" else b"\0\xff"
    note(f"{shape} {grid} {data_type} {codecs}")
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options: Any = {"shape": shape, "chunks": tuple(grid.chunks), "dtype": data_type, "codecs": codecs}
        ours = zarrpipe.create_array(folder, fill_value=fill[0], **options)
        theirs = zarr.open_array(folder, mode="r+")
        assert zarr.core.metadata.v3.ArrayV3Metadata.from_dict(ours.metadata.to_dict()) == theirs.metadata
        model = np.broadcast_to(fill.reshape((1,) * len(shape)), shape).copy()
        for array in draw(st.lists(st.sampled_from([ours, theirs]), min_size=1, max_size=4)):
            write(draw, array, model, data_type, grid.edges)
            assert product.same(ours[...], model)
            selection = draw(product.selections(model, grid.edges))
            note(f"read {selection}")
            found = getattr(ours, f"get_{selection.kind}_selection")(selection.ours)
            with_zarr = theirs_reads(theirs, selection)
            assert product.same(np.asarray(with_zarr).astype(found.dtype).reshape(found.shape), found)


@given(st.data())
@settings(max_examples=40)
def test_arrays_as_zarr_tests_them(data: st.DataObject) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = data.draw(zarr.testing.strategies.arrays())
        note(f"{theirs.metadata.to_dict()}")
        ours = zarrpipe.open_array(theirs.store, path=theirs.path, zarr_format=theirs.metadata.zarr_format, mode="r+")
        model = ours[...]
        whole = np.asarray(theirs[...])
        assert product.same(model, whole.astype(model.dtype))
        assert dict(ours.attrs) == dict(theirs.attrs)
        for _ in range(3):
            selection = data.draw(product.selections(model, edges_of(ours)))
            note(f"{selection}")
            found = np.asarray(getattr(ours, f"get_{selection.kind}_selection")(selection.ours))
            assert product.same(found, product.picked(model, selection))
        ours[...] = model[::-1].copy() if model.ndim else model
        again = np.asarray(theirs[...]).astype(model.dtype)
        assert product.same(again, model[::-1].copy() if model.ndim else model)


def edges_of(array: zarrpipe.Array) -> list[list[int]]:
    """Where the blocks of an array begin and end: shards where it has some."""
    return [np.cumsum([0, *sizes]).tolist() for sizes in array.write_chunk_sizes]
