"""Arrays from arrays: what is kept, what is changed, and how the data are copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import zarr

import zarrpipe
from zarrpipe.errors import NodeExistsError, StoreError
from zarrpipe.stores import LocalStore, MemoryStore

VALUES = np.arange(60, dtype="int32").reshape(10, 6)


def source(**options: Any) -> zarrpipe.Array:
    settings = {
        "chunks": (2, 3),
        "shards": (4, 6),
        "compressors": [{"name": "gzip", "configuration": {"level": 2}}],
        "filters": [{"name": "transpose", "configuration": {"order": [1, 0]}}],
        "fill_value": 7,
        "attributes": {"a": {"b": [1]}},
        "dimension_names": ["y", "x"],
        "chunk_key_encoding": ("default", "."),
        **options,
    }
    return zarrpipe.create_array({}, data=VALUES, **settings)  # type: ignore[arg-type]


def test_everything_is_kept() -> None:
    array = source()
    copy = zarrpipe.from_array({}, data=array)
    assert copy.metadata == array.metadata
    np.testing.assert_array_equal(copy[...], VALUES)
    copy.attrs["a"]["b"].append(2)
    assert array.attrs["a"] == {"b": [1]}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("order", ["C", "F"])
def test_formats(zarr_format: Any, order: Any) -> None:
    array = zarrpipe.create_array({}, data=VALUES, chunks=(4, 4), zarr_format=2, order=order, fill_value=3)
    copy = zarrpipe.from_array({}, data=array, zarr_format=zarr_format)
    assert (copy.zarr_format, copy.chunks, copy.fill_value, copy.order) == (zarr_format, (4, 4), 3, order)
    np.testing.assert_array_equal(copy[...], VALUES)
    if zarr_format == 2:
        assert copy.metadata == array.metadata
    back = zarrpipe.from_array({}, data=source(), zarr_format=2)
    assert (back.chunks, back.fill_value, back.attrs["a"]) == ((2, 3), 7, {"b": [1]})
    np.testing.assert_array_equal(back[...], VALUES)


def test_parts_are_changed() -> None:
    array = source()
    copy = zarrpipe.from_array({}, data=array, chunks=(1, 6), shards=(5, 6))
    assert (copy.chunks, copy.shards) == ((1, 6), (5, 6))
    assert copy.compressors == array.compressors
    assert copy.filters == array.filters
    copy = zarrpipe.from_array({}, data=array, shards=None)
    assert (copy.chunks, copy.shards) == ((2, 3), None)
    copy = zarrpipe.from_array({}, data=array, compressors=None, filters=None, fill_value=1, attributes={})
    assert (copy.compressors, copy.filters, copy.fill_value, dict(copy.attrs)) == ((), (), 1, {})
    assert (copy.chunks, copy.shards, copy.metadata.dimension_names) == ((2, 3), (4, 6), ("y", "x"))
    copy = zarrpipe.from_array({}, data=array, codecs=[{"name": "bytes", "configuration": {"endian": "big"}}])
    assert (len(copy.codecs), copy.chunks) == (1, (4, 6))
    copy = zarrpipe.from_array({}, data=array, chunks="auto", shards="auto", filters="auto")
    assert copy.chunks == (10, 6)
    np.testing.assert_array_equal(copy[...], VALUES)


def test_rectilinear() -> None:
    array = zarrpipe.create_array({}, data=VALUES, chunks=[[1, 4, 5], 4])
    copy = zarrpipe.from_array({}, data=array)
    assert copy.metadata == array.metadata
    np.testing.assert_array_equal(copy[...], VALUES)
    copy = zarrpipe.from_array({}, data=array, compressors=None)
    assert copy.read_chunk_sizes == array.read_chunk_sizes
    np.testing.assert_array_equal(copy[...], VALUES)


@pytest.mark.parametrize(
    "data",
    [VALUES, VALUES[::2, ::-1], np.asfortranarray(VALUES), np.array(5.0), [[1, 2], [3, 4]], np.zeros((0, 3)), "abc"],
)
def test_what_numpy_takes(data: Any) -> None:
    copy = zarrpipe.from_array({}, data=data, chunks="auto")
    np.testing.assert_array_equal(copy[...], np.asarray(data).astype(copy.dtype))
    assert copy.zarr_format == 3


def test_dask() -> None:
    data = dask.array.from_array(VALUES, chunks=(3, 3))
    copy = zarrpipe.from_array({}, data=data, chunks=(2, 6))
    np.testing.assert_array_equal(copy[...], VALUES)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr(tmp_path: Path, zarr_format: Any) -> None:
    options: Any = {"shards": (4, 6)} if zarr_format == 3 else {}
    theirs = zarr.create_array(
        tmp_path / "theirs",
        data=VALUES,
        chunks=(2, 3),
        fill_value=9,
        attributes={"q": 1},
        zarr_format=zarr_format,
        **options,
    )
    copy = zarrpipe.from_array(tmp_path / "ours", data=theirs)
    np.testing.assert_array_equal(copy[...], VALUES)
    assert (copy.chunks, copy.shards, copy.fill_value) == (theirs.chunks, theirs.shards, 9)
    assert (copy.zarr_format, dict(copy.attrs)) == (zarr_format, {"q": 1})
    again = zarr.open_array(tmp_path / "ours", mode="r")
    assert again.metadata == theirs.metadata
    np.testing.assert_array_equal(again[...], VALUES)  # type: ignore[arg-type]
    ours = zarr.from_array({}, data=theirs)
    assert ours.metadata == again.metadata
    in_memory = zarr.create_array({}, data=VALUES, chunks=(5, 6))
    np.testing.assert_array_equal(zarrpipe.from_array({}, data=in_memory)[...], VALUES)


@pytest.mark.parametrize("dtype", ["S5", "U7", "M8[s]", "bool", "complex64", "T", [("a", "i4"), ("b", "f8")]])
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_data_types(dtype: Any, zarr_format: Any) -> None:
    dtype = np.dtypes.StringDType() if dtype == "T" else np.dtype(dtype)
    array = zarrpipe.create_array({}, shape=(5,), dtype=dtype, chunks=2, zarr_format=zarr_format)
    texts = {"M": "2001-01-01", "S": b"1", "U": "1", "T": "1", "V": (1, 2.5)}
    array[1:3] = np.array([texts.get(dtype.kind, 1)] * 2, dtype=dtype)
    copy = zarrpipe.from_array({}, data=array)
    assert copy.metadata == array.metadata
    assert copy[...].tolist() == array[...].tolist()


class Slow:
    """An array-like that records what is asked of it."""

    shape, dtype = (40, 6), np.dtype("int32")

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def __getitem__(self, selection: Any) -> Any:
        self.asked.append(selection)
        return np.broadcast_to(np.arange(40, dtype="int32")[:, None], (40, 6))[selection]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are whole shards of the new array."""
    from zarrpipe.arrays import slabs

    monkeypatch.setattr(slabs.plan_slabs, "__defaults__", (10 * 6 * 4,))
    data = Slow()
    store = MemoryStore()
    copy = zarrpipe.from_array(store, data=data, chunks=(2, 6), shards=(8, 6))
    rows = [selection[0].indices(40)[:2] for selection in data.asked]
    assert rows == [(0, 8), (8, 16), (16, 24), (24, 32), (32, 40)]
    np.testing.assert_array_equal(copy[:, 3], np.arange(40))


def test_data_are_not_written() -> None:
    copy = zarrpipe.from_array({}, data=source(), write_data=False)
    assert np.unique(copy[...]).tolist() == [7]
    data = Slow()
    assert zarrpipe.from_array({}, data=data, write_data=False).shape == (40, 6)
    assert data.asked == []


def test_places(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    array = zarrpipe.from_array(store, data=VALUES, name="a/b")
    assert [name for name, _ in zarrpipe.open_group(tmp_path).members(None)] == ["a", "a/b"]
    with pytest.raises(NodeExistsError):
        zarrpipe.from_array(store, data=VALUES, name="a/b")
    for name in ("a/b", "a", None):
        with pytest.raises(ValueError, match="its own copy"):
            zarrpipe.from_array(LocalStore(tmp_path), data=array, name=name, overwrite=True)
    np.testing.assert_array_equal(array[...], VALUES)
    copy = zarrpipe.from_array(store, data=array, name="c", overwrite=True)
    np.testing.assert_array_equal(copy[...], VALUES)
    with pytest.raises(TypeError):
        zarrpipe.from_array({}, data=VALUES, nothing=1)  # type: ignore[call-arg]


def test_half_an_array_is_deleted() -> None:
    class Broken(Slow):
        def __getitem__(self, selection: Any) -> Any:
            if self.asked:
                raise StoreError("no more")
            return super().__getitem__(selection)

    from zarrpipe.arrays import slabs

    store = MemoryStore()
    defaults = slabs.plan_slabs.__defaults__
    try:
        slabs.plan_slabs.__defaults__ = (10 * 6 * 4,)
        with pytest.raises(StoreError, match="no more"):
            zarrpipe.from_array(store, data=Broken(), chunks=(8, 6), name="a")
    finally:
        slabs.plan_slabs.__defaults__ = defaults
    assert list(zarrpipe.open_group(store)) == []
    assert not [key for key in store._store_dict if key.startswith("a/")]


async def test_async() -> None:
    class Awaited(MemoryStore):
        _supports_sync_io = False

    array = zarrpipe.create_array({}, data=VALUES, chunks=(2, 3))
    copy = await zarrpipe.from_array_async(Awaited(), data=array, chunks=(5, 6))
    np.testing.assert_array_equal(await copy.read_async(), VALUES)
    assert copy.chunks == (5, 6)
    copy = await zarrpipe.from_array_async(Awaited(), data=Slow(), name="a")
    assert (await copy.read_async((slice(None), 0))).tolist() == list(range(40))
    with pytest.raises(TypeError, match="nothing"):
        await zarrpipe.from_array_async({}, data=VALUES, nothing=1)
