"""Arrays: selections, assignments, shape, attributes, single chunks, identity."""

from __future__ import annotations

import asyncio
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from zarrpipe.errors import (
    ConflictError,
    MetadataError,
    MissingChunkError,
    NodeNotFoundError,
    ReadOnlyError,
    SelectionError,
)
from zarrpipe.stores import LocalStore, MemoryStore


class AwaitedStore(MemoryStore):
    """A store that must be awaited."""

    _supports_sync_io = False


@pytest.fixture(params=["memory", "local", "awaited"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "local":
        return LocalStore(tmp_path / "store")
    return MemoryStore() if request.param == "memory" else AwaitedStore()


@pytest.fixture
def values() -> np.ndarray:
    return np.arange(10 * 12, dtype="int32").reshape(10, 12)


@pytest.fixture
def array(store: Any, values: np.ndarray) -> zarrpipe.Array:
    return zarrpipe.create_array(store, data=values, chunks=(4, 3))


# Selections

BASIC = [
    ...,
    (),
    slice(None),
    3,
    -1,
    np.int8(-10),
    np.array(2),
    True + 1,
    (2, 3),
    (..., 2),
    (2, ...),
    (..., slice(1, 5), 2),
    slice(2, 9, 3),
    slice(-100, 100),
    slice(5, 2),
    slice(20, 30),
    (slice(None), slice(1, None, 5)),
    (slice(9, None, 100), slice(-2, None)),
    (slice(0, 10**30), slice(None, -1)),
    (slice(np.int64(1), np.int64(4)), 0),
    (slice(None), slice(None), ...),
]


@pytest.mark.parametrize("selection", BASIC, ids=repr)
def test_basic_selections_are_those_of_numpy(array: zarrpipe.Array, values: np.ndarray, selection: Any) -> None:
    expected = np.asarray(values[selection])
    for got in (array[selection], array.read(selection), array.get_basic_selection(selection)):
        assert isinstance(got, np.ndarray)
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype
        assert np.array_equal(got, expected)
    array[selection] = -expected
    values[selection] = -expected
    assert np.array_equal(array[:], values)


@pytest.mark.parametrize(
    "selection",
    [
        10,
        -11,
        (0, 12),
        (0, 0, 0),
        None,
        (None, 0),
        1.0,
        "a",
        (..., ...),
        slice(None, None, -1),
        slice(None, None, 0),
        b"",
    ],
    ids=repr,
)
def test_selections_that_are_refused(array: zarrpipe.Array, values: np.ndarray, selection: Any) -> None:
    for do in (array.__getitem__, array.read, lambda selection: array.write(selection, 0)):
        # NumPy and Python say ValueError for a step of zero.
        with pytest.raises((SelectionError, ValueError)) as caught:
            do(selection)
        assert isinstance(caught.value, IndexError) or getattr(selection, "step", None) == 0
    assert np.array_equal(array[:], values)


def test_zero_dimensions(store: Any) -> None:
    scalar = zarrpipe.create_array(store, shape=(), dtype="float32", fill_value=2.5)
    assert scalar[()].shape == scalar[...].shape == ()
    assert scalar[()] == 2.5
    scalar[()] = 3
    scalar[...] += 1
    assert scalar[()] == 4
    assert (scalar.chunks, scalar.nchunks, scalar.nchunks_initialized, scalar.size, scalar.ndim) == ((), 1, 1, 1, 0)
    for fails in (lambda: len(scalar), lambda: list(scalar)):
        with pytest.raises(TypeError):
            fails()
    with pytest.raises(SelectionError):
        scalar[0]


def test_empty_axes(store: Any) -> None:
    empty = zarrpipe.create_array(store, shape=(0, 5), dtype="int8")
    assert empty[:].shape == (0, 5)
    empty[:] = 1
    assert (len(empty), list(empty), empty.nchunks, empty.nbytes) == (0, [], 0, 0)
    assert empty.append(np.ones((2, 5), "i1")) == (2, 5)
    assert (empty[:] == 1).all()


# Reading into


def test_out(array: zarrpipe.Array, values: np.ndarray) -> None:
    out = np.zeros((20, 24), "int32")[::2, ::-2]
    assert array.read(..., out=out) is out
    assert np.array_equal(out, values)
    column = np.zeros(10, "int32")
    array.read((slice(None), 3), out=column)
    assert np.array_equal(column, values[:, 3])


def test_out_that_does_not_fit(array: zarrpipe.Array) -> None:
    read_only = np.zeros((10, 12), "int32")
    read_only.flags.writeable = False
    overlapping = np.lib.stride_tricks.as_strided(np.zeros(40, "int32"), (10, 12), (4, 4))
    for out in (np.zeros((12, 10), "int32"), np.zeros(1, "int32"), read_only, overlapping):
        with pytest.raises(ValueError):
            array.read(out=out)
    for wrong in (np.zeros((10, 12), "int64"), np.zeros((10, 12), ">i4"), [0], bytearray(480)):
        with pytest.raises(TypeError):
            array.read(out=wrong)  # type: ignore[arg-type]


def test_out_without_items(array: zarrpipe.Array) -> None:
    assert array.read(slice(0, 0), out=np.zeros((0, 12), "int32")).shape == (0, 12)


# Assigning


@pytest.mark.parametrize(
    "value",
    [
        7,
        7.9,
        True,
        np.float64(-3.5),
        np.array(4),
        [[5]],
        list(range(12)),
        np.arange(3)[:, None],
        np.ones((1, 1, 3, 12)),
        np.arange(36, dtype="u1").reshape(12, 3).T,
        np.broadcast_to(np.int16(3), (3, 12)),
        np.array([["1"] * 12]),
    ],
    ids=repr,
)
def test_values_are_converted_as_numpy_does(array: zarrpipe.Array, values: np.ndarray, value: Any) -> None:
    array[2:5] = value
    values[2:5] = value
    assert np.array_equal(array[:], values)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (np.zeros((3, 4)), ValueError),
        (np.zeros((2, 12)), ValueError),
        (np.zeros((2, 1, 12)), ValueError),
        (np.zeros(0), ValueError),
        ([[1, 2], [3]], ValueError),
        ("a", TypeError),
        (["a"], TypeError),
        (None, TypeError),
        ({}, TypeError),
        (1j, TypeError),
        (Ellipsis, TypeError),
        (float("nan"), ValueError),
        (2**31, OverflowError),
        (-(2**31) - 1, OverflowError),
    ],
    ids=repr,
)
def test_values_that_do_not_fit(array: zarrpipe.Array, values: np.ndarray, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        array[2:5] = value
    assert np.array_equal(array[:], values)


def test_complex_values_warn(array: zarrpipe.Array) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        array[0] = np.full(12, 1 + 1j)
    assert [warning.category for warning in caught] == [np.exceptions.ComplexWarning]


def test_an_array_as_value(array: zarrpipe.Array, values: np.ndarray) -> None:
    other = zarrpipe.create_array({}, shape=(10, 12), dtype="float64")
    other[:] = array
    assert np.array_equal(other[:], values)


def test_the_value_is_not_changed_and_not_kept(store: Any) -> None:
    array = zarrpipe.create_array(store, shape=(4,), dtype="uint8", chunks=4, compressors=None)
    value = np.arange(4, dtype="uint8")
    value.flags.writeable = False
    array[:] = value
    copy = value.copy()
    array[:] = copy
    copy[:] = 9
    assert array[:].tolist() == [0, 1, 2, 3]


# Protocols


def test_numpy_protocol(array: zarrpipe.Array, values: np.ndarray) -> None:
    assert np.array_equal(np.asarray(array), values)
    assert np.array_equal(np.array(array, copy=True), values)
    assert np.asarray(array, dtype="float32").dtype == np.float32
    with pytest.raises(ValueError, match="copy"):
        np.array(array, copy=False)


def test_len_and_iter(array: zarrpipe.Array, values: np.ndarray) -> None:
    assert len(array) == 10
    assert np.array_equal(list(array), values)
    line = zarrpipe.create_array({}, data=np.arange(5), chunks=2)
    assert [item.shape for item in line] == [()] * 5
    assert [int(item) for item in line] == list(range(5))


def test_facts(tmp_path: Path) -> None:
    array = zarrpipe.create_array(
        tmp_path, name="a/b", shape=(10, 12), dtype="uint16", chunks=(2, 3), shards=(4, 6), fill_value=3
    )
    assert (array.shape, array.ndim, array.size, array.itemsize, array.nbytes) == ((10, 12), 2, 120, 2, 240)
    assert (array.chunks, array.shards, array.cdata_shape, array.nchunks) == ((2, 3), (4, 6), (5, 4), 20)
    assert (array.path, array.name, array.basename) == ("a/b", "/a/b", "b")
    assert (array.order, array.read_only, array.fill_value, array.dtype) == ("C", False, 3, np.dtype("uint16"))
    assert array.store == LocalStore(tmp_path)
    assert str(array.store_path) == f"file://{tmp_path}/a/b"
    assert array.filters == ()
    assert array.serializer.to_dict() == {"name": "bytes", "configuration": {"endian": "little"}}
    assert [codec.to_dict()["name"] for codec in array.compressors] == ["zstd"]
    assert [codec.to_dict()["name"] for codec in array.codecs] == ["sharding_indexed"]
    assert array.nchunks_initialized == 0
    array[0, 0] = 1
    assert array.nchunks_initialized == 4
    files = [path for path in (tmp_path / "a" / "b").rglob("*") if path.is_file()]
    assert array.nbytes_stored() == sum(path.stat().st_size for path in files)


def test_facts_of_a_transposed_chain() -> None:
    codecs = [
        {"name": "transpose", "configuration": {"order": [2, 0, 1]}},
        {
            "name": "sharding_indexed",
            "configuration": {
                "chunk_shape": [4, 2, 3],
                "codecs": ["bytes"],
                "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, "crc32c"],
            },
        },
        "crc32c",
    ]
    array = zarrpipe.create_array({}, shape=(8, 9, 16), dtype="u1", chunks=(4, 6, 8), codecs=codecs)
    assert (array.chunks, array.shards) == ((2, 3, 4), (4, 6, 8))
    values = np.random.default_rng(0).integers(0, 255, array.shape, dtype="u1")
    array[:] = values
    assert np.array_equal(array[1:, ::2, 3], values[1:, ::2, 3])


# Identity


def test_equality_and_hash(store: Any, array: zarrpipe.Array) -> None:
    again = zarrpipe.open_array(store)
    assert array == again
    assert hash(array) == hash(again)
    assert (array == 1) is False
    assert array != zarrpipe.create_array({}, data=array[:], chunks=(4, 3))
    again.attrs["a"] = 1
    assert array != again
    assert hash(array) == hash(again)
    nan = zarrpipe.create_array({}, shape=1, dtype="f4", fill_value=float("nan"))
    assert nan == zarrpipe.open_array(nan.store)


def test_pickle(store: Any, array: zarrpipe.Array, values: np.ndarray) -> None:
    array = array.with_config({"order": "F", "write_empty_chunks": True})
    array[0, 0] = values[0, 0] = 77
    copy = pickle.loads(pickle.dumps(array))
    assert np.array_equal(copy[:], values)
    assert (copy.config, copy.metadata, copy.path) == (array.config, array.metadata, array.path)
    if isinstance(store, LocalStore):
        assert copy == array


def test_dask_token_changes_with_metadata(array: zarrpipe.Array) -> None:
    before = array.__dask_tokenize__()
    assert before == zarrpipe.open_array(array.store).__dask_tokenize__()
    array.attrs["a"] = 1
    assert array.__dask_tokenize__() != before


# Configuration


def test_write_empty_chunks(store: Any) -> None:
    array = zarrpipe.create_array(store, shape=(8,), dtype="f8", chunks=4, fill_value=float("nan"))
    array[:] = np.nan
    assert array.nchunks_initialized == 0
    array.with_config({"write_empty_chunks": True})[:4] = np.nan
    assert array.nchunks_initialized == 1
    array[0] = 1
    array[0] = np.nan
    assert array.nchunks_initialized == 0


def test_read_missing_chunks(store: Any) -> None:
    array = zarrpipe.create_array(store, shape=(8,), dtype="u1", chunks=4)
    array[:4] = 1
    strict = array.with_config({"read_missing_chunks": False})
    assert strict[:4].tolist() == [1] * 4
    with pytest.raises(MissingChunkError):
        strict[:]
    assert strict.config.order == "C"


def test_order(store: Any, array: zarrpipe.Array, values: np.ndarray) -> None:
    fortran = array.with_config({"order": "F"})
    assert fortran[:].flags.f_contiguous
    assert not fortran[:].flags.c_contiguous
    assert np.array_equal(fortran[:], values)
    assert fortran.order == "F"
    assert zarrpipe.open_array(store, config={"order": "F"})[:].flags.f_contiguous


def test_read_only(store: Any, array: zarrpipe.Array, values: np.ndarray) -> None:
    locked = zarrpipe.open_array(store, mode="r")
    assert locked.read_only
    for write in (
        lambda: locked.__setitem__(0, 1),
        lambda: locked.resize((1, 1)),
        lambda: locked.append(values),
        lambda: locked.attrs.update(a=1),
        lambda: locked.put_encoded_chunk((0, 0), None),
    ):
        with pytest.raises(ReadOnlyError):
            write()
    assert np.array_equal(locked[:], values)
    assert not locked.attrs
    assert not array.read_only


# Attributes


def test_attributes(store: Any, array: zarrpipe.Array) -> None:
    array.attrs["a"] = [1, {"b": None}]
    array.attrs.update({"c": 2}, d=3)
    array.update_attributes({"e": "x"}).attrs["f"] = np.float32(0.5)
    del array.attrs["d"]
    again = zarrpipe.open_array(store)
    assert again.attrs.asdict() == {"a": [1, {"b": None}], "c": 2, "e": "x", "f": 0.5} == dict(again.attrs)
    assert (len(again.attrs), "a" in again.attrs, repr(again.attrs)) == (4, True, repr(again.attrs.asdict()))
    again.attrs.put({"only": 1})
    assert zarrpipe.open_array(store).attrs == {"only": 1}
    again.attrs.clear()
    array.attrs = {"set": 1}
    assert zarrpipe.open_array(store).attrs == {"set": 1}
    with pytest.raises(KeyError):
        del array.attrs["nothing"]
    with pytest.raises(KeyError):
        array.attrs["nothing"]


def test_attributes_that_are_no_json(store: Any, array: zarrpipe.Array) -> None:
    array.attrs["a"] = 1
    for value in (float("nan"), object(), {1, 2}):
        with pytest.raises(MetadataError):
            array.attrs["a"] = value
    with pytest.raises(MetadataError):
        array.attrs[1] = 1  # type: ignore[index]
    assert array.attrs == zarrpipe.open_array(store).attrs == {"a": 1}


def test_attributes_of_two_objects(store: Any, array: zarrpipe.Array) -> None:
    other = zarrpipe.open_array(store)
    array.attrs["a"] = 1
    array.resize((5, 12))
    other.attrs["b"] = 2
    assert other.attrs == {"a": 1, "b": 2}
    assert other.shape == (5, 12)


def test_no_attribute_is_lost_between_threads(store: Any) -> None:
    zarrpipe.create_array(store, shape=1, dtype="u1")

    def update(number: int) -> None:
        zarrpipe.open_array(store).attrs[f"a{number}"] = number

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(update, range(64)))
    assert len(zarrpipe.open_array(store).attrs) == 64


def test_an_array_that_was_replaced(store: Any, array: zarrpipe.Array) -> None:
    zarrpipe.create_array(store, shape=(10, 12), dtype="float32", overwrite=True)
    for change in (
        lambda: array.attrs.update(a=1),
        lambda: array.resize((1, 1)),
        lambda: array.append(np.ones((1, 12))),
    ):
        with pytest.raises(ConflictError):
            change()
    zarrpipe.create_group(store, overwrite=True)
    with pytest.raises(ConflictError):
        array.attrs["a"] = 1
    group = zarrpipe.open_group(store)
    other = group.create_array("x", shape=1, dtype="u1")
    del group["x"]
    with pytest.raises(NodeNotFoundError):
        other.attrs["a"] = 1


# Shape


def test_resize_never_shows_old_data(store: Any, array: zarrpipe.Array, values: np.ndarray) -> None:
    array.resize((6, 7))
    assert array.shape == (6, 7)
    assert array.nchunks_initialized == 2 * 3
    array.resize((11, 13))
    expected = np.zeros((11, 13), "int32")
    expected[:6, :7] = values[:6, :7]
    assert np.array_equal(array[:], expected)
    assert np.array_equal(zarrpipe.open_array(store)[:], expected)
    # One axis shrinks while the other grows.
    array[:] = 1
    array.resize((3, 20))
    array.resize((11, 20))
    expected = np.zeros((11, 20), "int32")
    expected[:3, :13] = 1
    assert np.array_equal(array[:], expected)


def test_resize_of_shards_and_other_fill_values(store: Any) -> None:
    array = zarrpipe.create_array(store, shape=(16,), dtype="f4", chunks=2, shards=8, fill_value=float("nan"))
    array[:] = 1
    array.resize(3)
    assert array.nchunks_initialized == 4
    array.resize((16,))
    assert np.array_equal(np.isnan(array[:]), np.arange(16) >= 3)


def test_growing_hides_what_other_writers_left_behind_the_edge(store: Any) -> None:
    # The specification lets a writer put anything into an edge chunk outside of the array.
    array = zarrpipe.create_array(store, shape=(3,), dtype="u1", chunks=4)
    array.put_encoded_chunk((0,), array.encode_chunk([1, 2, 3, 99]))
    array.resize((8,))
    assert array[:].tolist() == [1, 2, 3, 0, 0, 0, 0, 0]


def test_resize_writes_nothing_that_is_clean(tmp_path: Path) -> None:
    array = zarrpipe.create_array(tmp_path, shape=(6,), dtype="u1", chunks=4)
    array[:] = 1
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "c").iterdir()}
    array.resize((100,))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "c").iterdir()} == before


def test_resize_that_is_refused(array: zarrpipe.Array, values: np.ndarray) -> None:
    for shape in ((5,), 5, (1, 2, 3), (-1, 2)):
        with pytest.raises(ValueError):
            array.resize(shape)
    with pytest.raises(TypeError):
        array.resize((1.5, 2))  # type: ignore[arg-type]
    assert np.array_equal(array[:], values)


def test_append(store: Any, array: zarrpipe.Array, values: np.ndarray) -> None:
    assert array.append(values[:3]) == (13, 12)
    assert array.append(np.ones((13, 2), "u1"), axis=-1) == (13, 14)
    expected = np.concatenate([np.concatenate([values, values[:3]]), np.ones((13, 2), "int32")], axis=1)
    assert np.array_equal(zarrpipe.open_array(store)[:], expected)
    for data, axis in ((np.ones((2, 13)), 0), (np.ones(14), 0), (np.ones((13, 2)), 2), (np.ones((13, 2)), -3)):
        with pytest.raises(ValueError):
            array.append(data, axis)
    with pytest.raises(TypeError):
        array.append(np.full((1, 14), "x"))
    assert np.array_equal(zarrpipe.open_array(store)[:], expected)


def test_appends_of_threads_do_not_meet(store: Any) -> None:
    zarrpipe.create_array(store, shape=(0, 3), dtype="u1", chunks=(4, 3))
    start = threading.Barrier(8)

    def append(number: int) -> None:
        start.wait()
        array = zarrpipe.open_array(store)
        for _ in range(4):
            array.append(np.full((2, 3), number, "u1"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(1, 9)))
    final = zarrpipe.open_array(store)[:]
    assert np.array_equal(np.bincount(final.ravel(), minlength=9), [0] + [24] * 8)


def test_reads_while_another_thread_appends() -> None:
    array = zarrpipe.create_array({}, shape=(0,), dtype="u1", chunks=4)
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            assert array[:].max(initial=0) <= 1

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(100):
        array.append(np.ones(3, "u1"))
    done.set()
    reader.join()
    # Nobody put back an engine of an older shape.
    assert array[:].sum() == 300


async def test_async_appends_do_not_meet(store: Any) -> None:
    await zarrpipe.create_array_async(store, shape=(0,), dtype="u1", chunks=4)

    async def append(number: int) -> None:
        await (await zarrpipe.open_array_async(store)).append_async(np.full(3, number, "u1"))

    await asyncio.gather(*map(append, range(1, 17)))
    final = await (await zarrpipe.open_array_async(store)).read_async()
    assert np.array_equal(np.bincount(final, minlength=17), [0] + [3] * 16)


# Single chunks


def test_encode_and_decode(store: Any, array: zarrpipe.Array, values: np.ndarray) -> None:
    stored = array.get_encoded_chunk((1, 2))
    assert stored == array.encode_chunk(values[4:8, 6:9])
    assert stored is not None
    decoded = array.decode_chunk(stored)
    assert np.array_equal(decoded, values[4:8, 6:9])
    # Edge chunks are stored at full size.
    edge = array.get_encoded_chunk((2, 0))
    assert edge is not None
    assert array.decode_chunk(edge).shape == (4, 3)
    assert array.encode_chunk(0) is None
    assert array.with_config({"write_empty_chunks": True}).encode_chunk(0) is not None
    with pytest.raises(ValueError):
        array.encode_chunk(np.ones((3, 4)))


def test_get_and_put(store: Any, array: zarrpipe.Array, values: np.ndarray) -> None:
    array.put_encoded_chunk((0, 0), array.encode_chunk(np.full((4, 3), 8)))
    array.put_encoded_chunk((0, 1), None)
    values[:4, :3], values[:4, 3:6] = 8, 0
    assert np.array_equal(array[:], values)
    assert array.get_encoded_chunk((0, 1)) is None
    for coords in ((3, 0), (0, -1), (0,), (0, 0, 0)):
        with pytest.raises(SelectionError):
            array.get_encoded_chunk(coords)
        with pytest.raises(SelectionError):
            array.put_encoded_chunk(coords, b"")


# Async


async def test_async_twins(store: Any, values: np.ndarray) -> None:
    array = await zarrpipe.create_array_async(store, data=values, chunks=(4, 3))
    assert np.array_equal(await array.read_async(), values)
    out = np.zeros((2, 12), "int32")
    assert await array.read_async(slice(0, 2), out=out) is out
    assert (await array.read_async((1, 2))).shape == ()
    await array.write_async((slice(0, 2), 0), [5, 6])
    values[0:2, 0] = [5, 6]
    assert np.array_equal(await array.read_async(), values)
    await array.update_attributes_async({"a": 1})
    await array.resize_async((9, 12))
    assert await array.append_async(np.zeros((1, 12))) == (10, 12)
    values[9] = 0
    again = await zarrpipe.open_array_async(store)
    assert np.array_equal(await again.read_async(), values)
    assert again.attrs == {"a": 1}
    assert await again.nbytes_stored_async() > 0
    with pytest.raises(SelectionError):
        await array.read_async(10)
    with pytest.raises(ValueError):
        await array.read_async(out=np.zeros(3, "int32"))
    with pytest.raises(ReadOnlyError):
        await (await zarrpipe.open_array_async(store, mode="r")).write_async(0, 1)


@pytest.mark.parametrize("checks", [[], [{"name": "crc32c"}]], ids=["zstd", "zstd-crc32c"])
def test_parts_of_large_chunks(tmp_path: Path, checks: list[Any]) -> None:
    """Decoding may stop behind the last item that is wanted, and the next decoding starts anew."""
    values = np.arange(64 * 128 * 64, dtype="uint32").reshape(64, 128, 64) % 1009
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    chain = [little, {"name": "zstd", "configuration": {"level": 1, "checksum": False}}, *checks]
    array = zarrpipe.create_array(
        tmp_path / "a", shape=values.shape, chunks=(32, 128, 64), dtype="uint32", codecs=chain
    )
    array[...] = values
    for first in (0, 3, 17, 30, 31, 33, 63):
        np.testing.assert_array_equal(array[first : first + 2, 5:9, ::7], values[first : first + 2, 5:9, ::7])
        np.testing.assert_array_equal(array[first], values[first])
        np.testing.assert_array_equal(array[...], values)
