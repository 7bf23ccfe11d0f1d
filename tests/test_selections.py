"""Selections by arrays, masks, coordinates and blocks: which there are, what they mean, and which are refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zarr

import zarrpipe
from zarrpipe.buffer import NDBuffer, default_buffer_prototype
from zarrpipe.errors import ReadOnlyError, SelectionError
from zarrpipe.stores import MemoryStore

SHAPE, CHUNKS, SHARDS = (10, 6), (2, 3), (4, 6)


class AwaitedStore(MemoryStore):
    """A store that must be awaited."""

    _supports_sync_io = False


def values(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.arange(1, 1 + np.prod(shape, dtype=int), dtype="int32").reshape(shape)


@pytest.fixture(params=["local", "memory", "awaited"])
def array(request: pytest.FixtureRequest, tmp_path: Any) -> zarrpipe.Array:
    store = {"local": tmp_path, "memory": MemoryStore(), "awaited": AwaitedStore()}[request.param]
    return zarrpipe.create_array(store, data=values(), chunks=CHUNKS, shards=SHARDS)


# Parity with zarr-python: what each gives, and that both refuse the same

INT = np.array([], dtype=int)
ROWS = np.arange(10) % 3 == 0
COLUMNS = np.arange(6) > 3
MASK = values() % 7 == 0

BRACKETS: list[Any] = [
    [1, 2], [9, 0, 0, -1], [-10], np.array([3, 1], "u1"), np.array([3, 1], "i8"), [True, False] * 5, ROWS, MASK,
    (MASK,), ~MASK & False, [[0, 1], [2, 3]], ([0, 1], [2, 3]), ([0, -1], 5), (np.int64(3), [0, 1]), (0, [1]),
    ([1, 2], slice(None)), (slice(1, 9, 3), [5, 0]), (ROWS, slice(None, None, 2)), (2, COLUMNS), (ROWS, COLUMNS),
    (ROWS, [0, 1]), ([0, 1], COLUMNS), (slice(None), INT), (INT, INT), INT, [], ([], []), ([0, 1], []), (..., [0, 1]),
    ([0, 1], ...), [True, 1], [1.0], np.array([1.0]), np.array(["a"]), [None], [[0, 1]], ([[0, 1]], [[2, 3]]),
    (np.array([[0, 1]]), np.array([[2, 3]])), (np.array([[0], [1]]), np.array([2, 3, 4])), np.array([[0, 1], [2, 3]]),
    (np.array([[0, 1]]), slice(None)), ([0, 1, 2], [0, 1]), [10], [-11], ([0], [6]), (slice(None), [0, 6]), ([0], 6),
    np.zeros((10, 5), bool), np.zeros(9, bool), (np.zeros(9, bool), 0), (0, np.zeros(7, bool)), True, False, np.True_,
    (True, 0), (0, True), ([0, 1], [0, 1], [0, 1]), ([0, 1], slice(None), slice(None)), ([0, 1], None), range(2), {1},
    (slice(None, None, -1), [0, 1]), "x", (0, "x"), np.array([2**63], "u8"), np.array([2**64 - 1], "u8"),
    (np.zeros((10, 6), bool), 0), [0, slice(1)], np.datetime64(1, "s"), (0, 1.5), b"",
]  # fmt: skip

KINDS: dict[str, list[Any]] = {
    "oindex": [
        3, -10, (3, 4), (), ..., slice(2, 9, 3), (..., [0, 1]), [1, 1, 0, -1], ([9, 0, 3], [5, 5, 0]),
        (ROWS, COLUMNS), (ROWS, 0), (0, COLUMNS), ([2], 3), (ROWS & False, slice(None)), (INT, [0, 1]), INT,
        (slice(None, None, 2), [3, 1]), np.array([1, 2], "u2"), [True, 1], [True, False] * 5, [], ([0], []), MASK,
        np.array([[0, 1]]), [[0, 1]], np.zeros(9, bool), 10, -11, [10], (0, [-7]), [1.0], None, True, np.True_, "x",
        (slice(None, None, -1), 0), (0, 0, 0), (..., ...), ([0], [0], [0]), range(2),
        np.array([2**63], "u8"), (0, (1, 2)),
    ],
    "vindex": [
        ([0, 9], [5, 0]), (3, 4), ([0, 1], 2), (-1, [0, -6]), ([1, 1], [2, 2]), MASK, (MASK,), MASK & False, (INT, INT),
        (np.array([[0, 1], [2, 3]]), [4, 5]), (np.array([[0], [1]]), np.array([2, 3, 4])), ([[0, 1]], [[2], [3]]),
        (np.array([1, 2], "u1"), np.array([0, 1], "i2")), (np.array(3), 1), [0, 1], 3, (), ..., (slice(None), [0, 1]),
        ([0, 1, 2], [0, 1]), ([0, 10], [0, 1]), ([0, -11], [0, 1]), ([0], [6]), ROWS, (ROWS, COLUMNS), MASK[:, :5],
        MASK[:9], ([0], [0], [0]), ([1.0], [0]), ([], []), True, np.True_, None, "x", ([0, 1], True), ([0, 1], None),
        (np.array([2**63], "u8"), [0]), MASK.astype(int),
    ],
    "blocks": [
        0, 1, 2, -1, -3, (0, 0), (slice(0, 2), 0), slice(None), slice(1, None), slice(-2, -1), slice(2, 1), (..., 0),
        ..., (), slice(0, 100), (slice(None), slice(None)), np.int64(1), 3, -4, (0, 1), slice(3, None), slice(-4, None),
        slice(0, 2, 2), slice(None, None, -1), [0], True, None, (0, 0, 0), (..., ...), "x", 1.0, ROWS, np.array([0]),
    ],
}  # fmt: skip


def outcome(read: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(read())
        except (IndexError, ValueError, TypeError) as error:
            return error


def both(shape: tuple[int, ...] = SHAPE, **options: Any) -> tuple[zarrpipe.Array, Any]:
    store: dict[str, Any] = {}
    theirs = zarr.create_array(store, data=values(shape), **options)
    return zarrpipe.create_array(MemoryStore(), data=values(shape), **options), theirs


def label(selection: Any) -> str:
    return " ".join(repr(selection).split())[:60]


@pytest.mark.parametrize(
    ("place", "selection"),
    [("brackets", s) for s in BRACKETS] + [(place, s) for place, all_ in KINDS.items() for s in all_],
    ids=lambda value: label(value) if not isinstance(value, str) else value,
)
def test_selections_are_those_of_zarr(place: str, selection: Any) -> None:
    ours, theirs = both(chunks=CHUNKS, shards=SHARDS)
    at = (lambda array: array) if place == "brackets" else (lambda array: getattr(array, place))
    expected, got = outcome(lambda: at(theirs)[selection]), outcome(lambda: at(ours)[selection])
    if isinstance(expected, Exception):
        assert isinstance(got, SelectionError), got
        assert str(got)
        with pytest.raises(SelectionError):
            at(ours)[selection] = 0
        assert np.array_equal(ours[...], values())
        return
    assert not isinstance(got, Exception), got
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert np.array_equal(got, expected)
    for array in (ours, theirs):
        at(array)[selection] = -7
    assert np.array_equal(ours[...], theirs[...])
    assert (ours[...] == -7).sum() == np.unique(expected).size


ONE: list[Any] = [
    [1, 2], np.array([[1, 2], [3, 4]]), [True] * 10, ([1, 2],), np.arange(10) > 5, INT, [-1, -10], [[1, 2]], [True, 1],
    [10], ..., (), 3, slice(8, 2), (..., 0), True, np.True_,
]  # fmt: skip


@pytest.mark.parametrize("selection", ONE, ids=label)
@pytest.mark.parametrize("place", ["brackets", "oindex", "vindex", "blocks"])
def test_selections_of_one_axis_are_those_of_zarr(place: str, selection: Any) -> None:
    ours, theirs = both((10,), chunks=(3,))
    at = (lambda array: array) if place == "brackets" else (lambda array: getattr(array, place))
    expected, got = outcome(lambda: at(theirs)[selection]), outcome(lambda: at(ours)[selection])
    if isinstance(expected, Exception):
        assert isinstance(got, SelectionError)
    else:
        assert got.shape == expected.shape
        assert np.array_equal(got, expected)


def test_ellipsis_may_stand_behind_an_array() -> None:
    """In zarr-python only before: there the search for it compares the array."""
    array, _ = both(chunks=CHUNKS)
    assert np.array_equal(array.oindex[[0, 1], ...], values()[:2])


def test_integers_in_arrays_without_axes_are_integers() -> None:
    """As in NumPy; zarr-python refuses them, or gives an axis of length 1."""
    array, _ = both(chunks=CHUNKS)
    assert array[np.array(3)].tolist() == values()[3].tolist()
    assert array[np.array(3), 1].shape == ()
    assert array.oindex[np.array(3), [0, 1]].tolist() == values()[3, :2].tolist()
    assert array.vindex[np.array(3), np.array(1)].tolist() == [values()[3, 1]]


@pytest.mark.parametrize("name", ["basic", "orthogonal", "block"])
def test_an_array_without_axes(name: str) -> None:
    array = zarrpipe.create_array({}, shape=(), dtype="int32", fill_value=5)
    get, set_ = getattr(array, f"get_{name}_selection"), getattr(array, f"set_{name}_selection")
    for selection in ((), ...):
        assert get(selection).shape == ()
        assert get(selection) == 5
        set_(selection, 7)
        assert array[()] == 7
        set_(selection, 5)
    for wrong in (0, [0], slice(None), (..., 0)):
        with pytest.raises(SelectionError):
            get(wrong)


def test_an_array_without_axes_has_no_single_items() -> None:
    array = zarrpipe.create_array({}, shape=(), dtype="int32")
    for read in (lambda: array.vindex[()], lambda: array.get_mask_selection(np.array(True)), lambda: array[np.True_]):
        with pytest.raises(SelectionError):
            read()


def test_an_array_of_no_items() -> None:
    array = zarrpipe.create_array({}, shape=(0, 4), chunks=(2, 2), dtype="int32")
    assert array.oindex[INT].shape == array.oindex[np.ones(0, bool)].shape == (0, 4)
    assert array.oindex[:, [3, 1]].shape == (0, 2)
    assert array.vindex[np.ones((0, 4), bool)].shape == array.vindex[INT, INT].shape == (0,)
    array.vindex[INT, INT] = 3
    array.oindex[INT] = 3
    for wrong in (lambda: array.oindex[[0]], lambda: array.blocks[:], lambda: array.blocks[0]):
        with pytest.raises(SelectionError):
            wrong()


# Meaning


def test_orthogonal_selections_are_numpy_ix(array: zarrpipe.Array) -> None:
    model = values()
    rows, columns = [9, 0, 3, 3, -2], [5, -6, 2]
    assert np.array_equal(array.oindex[rows, columns], model[np.ix_(rows, columns)])
    assert np.array_equal(array.get_orthogonal_selection((rows, 2)), model[rows, 2])
    array.oindex[rows, columns] = new = np.arange(15).reshape(5, 3)
    model[np.ix_(rows, columns)] = new
    assert np.array_equal(array[...], model)
    array.set_orthogonal_selection((ROWS, slice(1, None, 2)), [[1, 2, 3]])
    model[ROWS, 1::2] = [1, 2, 3]
    array.oindex[4, [0, 1]] = [8, 9]
    model[4, [0, 1]] = [8, 9]
    assert np.array_equal(array[...], model)


def test_coordinates_keep_their_shape(array: zarrpipe.Array) -> None:
    model = values()
    rows, columns = np.array([[0, 9], [4, -1], [4, 2]]), np.array([5, -6])
    assert np.array_equal(array.vindex[rows, columns], model[rows, columns])
    for value in (np.arange(6).reshape(3, 2), np.arange(6) + 10, [1, 2], 5, np.arange(6).reshape(2, 3)):
        array.vindex[rows, columns] = value
        flat = np.size(value) == 6
        model[rows, columns] = np.reshape(value, (3, 2)) if flat else value
        assert np.array_equal(array[...], model)
    with pytest.raises(ValueError, match="shape"):
        array.vindex[rows, columns] = np.zeros(5)


def test_of_places_that_are_named_twice_the_last_value_stays(array: zarrpipe.Array) -> None:
    rows, columns = np.array([1, 7, 1, 7, 1]), np.array([2, 0, 2, 0, 2])
    array.vindex[rows, columns] = [1, 2, 3, 4, 5]
    assert array[1, 2] == 5
    assert array[7, 0] == 4
    array.oindex[[3, 8, 3], [0, 0]] = [[1, 2], [3, 4], [5, 6]]
    assert array[3, 0] == 6
    assert array[8, 0] == 4


def test_masks(array: zarrpipe.Array) -> None:
    model = values()
    assert np.array_equal(array.get_mask_selection(MASK), model[MASK])
    assert np.array_equal(array.get_mask_selection(MASK.tolist()), model[MASK])
    array.set_mask_selection(MASK, np.arange(MASK.sum()))
    model[MASK] = np.arange(MASK.sum())
    array[model > 50] = 0
    model[model > 50] = 0
    assert np.array_equal(array[...], model)
    with pytest.raises(ValueError, match="shape"):
        array[MASK] = [1, 2]
    assert np.array_equal(array.get_mask_selection((MASK,)), model[MASK])
    for wrong in (ROWS, MASK.astype(int), (MASK, MASK), 0, [True]):
        with pytest.raises(SelectionError):
            array.get_mask_selection(wrong)


def test_blocks_are_shards_where_there_are_shards(array: zarrpipe.Array) -> None:
    model = values()
    assert np.array_equal(array.blocks[-1], model[8:])
    assert np.array_equal(array.get_block_selection((slice(1, 3), 0)), model[4:])
    array.blocks[0] = 5
    array.set_block_selection(1, np.arange(6))
    model[:4], model[4:8] = 5, np.arange(6)
    assert np.array_equal(array[...], model)
    plain, _ = both(chunks=CHUNKS)
    assert np.array_equal(plain.blocks[1, 1], values()[2:4, 3:])
    # A stop before the beginning is empty, as in Python.
    assert plain.blocks[:-9].shape == (0, 6)


@pytest.mark.parametrize(
    ("selection", "shape"),
    [
        (slice(0, 2), (3, 6)),
        (slice(0, 2), (2, 5)),
        ((slice(None), [0, 1]), (10, 3)),
        (([0, 1], [0, 1]), (3,)),
        (MASK, (2,)),
        (0, (2, 6)),
    ],
    ids=label,
)
def test_a_value_of_the_wrong_shape_is_refused(selection: Any, shape: tuple[int, ...]) -> None:
    array, _ = both(chunks=CHUNKS)
    with pytest.raises(ValueError, match="shape"):
        array[selection] = np.zeros(shape)
    assert np.array_equal(array[...], values())


def test_arrays_in_stores_are_indices() -> None:
    array, theirs = both((10,), chunks=(3,))
    index = zarrpipe.create_array({}, data=np.array([3, 1]))
    mask = zarrpipe.create_array({}, data=np.arange(10) > 7)
    assert array[index].tolist() == array.vindex[index].tolist() == array.oindex[index].tolist() == [4, 2]
    assert array[mask].tolist() == array.vindex[mask].tolist() == array.oindex[mask].tolist() == [9, 10]
    assert array[zarr.array(np.array([3, 1]))].tolist() == theirs[zarr.array(np.array([3, 1]))].tolist()


def test_coordinates_that_would_not_fit_in_memory_are_refused() -> None:
    array = zarrpipe.create_array({}, shape=(10**6, 10**6), chunks=(10, 10), dtype="int8")
    every = np.arange(10**6)
    with pytest.raises((MemoryError, ValueError)):
        array.vindex[every[:, None], every]


@pytest.mark.parametrize("options", [{"chunks": (512, 512)}, {"chunks": (256, 512), "shards": (512, 512)}], ids=str)
@pytest.mark.parametrize("compressors", [None, "auto"])
def test_a_few_items_of_large_chunks(tmp_path: Any, options: Any, compressors: Any) -> None:
    """Where chunks are not compressed, these are read alone; where there are many, the chunk is read whole."""
    model = np.arange(600 * 520, dtype="f8").reshape(600, 520)
    array = zarrpipe.create_array(
        tmp_path, shape=model.shape, dtype="f8", fill_value=-1, compressors=compressors, **options
    )
    array[:512, :512] = model[:512, :512]
    model[512:], model[:, 512:] = -1, -1
    rng = np.random.default_rng(0)
    for count in (1, 3, 100, 20_000):
        rows, columns = rng.integers(-600, 600, count), rng.integers(-520, 520, count)
        assert np.array_equal(array.vindex[rows, columns], model[rows, columns])
        rows, columns = rows[:300], columns[:200]
        assert np.array_equal(array.oindex[rows, columns], model[np.ix_(rows, columns)])
        assert np.array_equal(array.oindex[rows, 3:400:7], model[rows, 3:400:7])
        assert np.array_equal(array.oindex[3:400:90, columns], model[3:400:90, columns])


# Options


GETTERS: list[tuple[str, Any]] = [
    ("basic", (slice(1, 4), 2)),
    ("orthogonal", ([5, 1], slice(None))),
    ("coordinate", ([[5, 1], [0, 9]], [[0, 0], [5, 1]])),
    ("mask", MASK),
    ("block", (1, slice(None))),
]


@pytest.mark.parametrize(("name", "selection"), GETTERS, ids=[name for name, _ in GETTERS])
def test_out_and_prototype(array: zarrpipe.Array, name: str, selection: Any) -> None:
    get = getattr(array, f"get_{name}_selection")
    expected = get(selection)
    for order in ("C", "F"):
        out = np.zeros(expected.shape, "int32", order)
        assert get(selection, out=out) is out
        assert np.array_equal(out, expected)
    wide = np.zeros((*expected.shape[:-1], 2 * expected.shape[-1]), "int32")
    get(selection, out=wide[..., ::2])
    assert np.array_equal(wide[..., ::2], expected)
    assert not wide[..., 1::2].any()
    buffer = NDBuffer.from_numpy_array(np.zeros(expected.shape, "int32"))
    assert np.array_equal(get(selection, out=buffer, prototype=default_buffer_prototype()), expected)
    assert np.array_equal(buffer.as_numpy_array(), expected)
    for wrong in (np.zeros(expected.shape, "int64"), np.zeros((1, *expected.shape), "int32"), np.zeros(5, "int32")):
        with pytest.raises((ValueError, TypeError)):
            get(selection, out=wrong)


def test_out_for_coordinates_may_be_flat(array: zarrpipe.Array) -> None:
    out = np.zeros(4, "int32")
    got = array.get_coordinate_selection(([[5, 1], [0, 9]], [[0, 0], [5, 1]]), out=out)
    assert got.shape == (2, 2)
    assert out.tolist() == got.ravel().tolist() == [31, 7, 6, 56]


def test_a_prototype_makes_the_result() -> None:
    class Own(NDBuffer):
        def as_ndarray_like(self) -> Any:
            return super().as_ndarray_like().view(np.recarray)

    array, _ = both(chunks=CHUNKS)
    prototype = default_buffer_prototype()._replace(nd_buffer=Own)
    got = array.get_orthogonal_selection([1, 2], prototype=prototype)
    assert isinstance(got, np.recarray)
    assert np.array_equal(got, values()[1:3])


async def test_async_forms_take_the_same_selections() -> None:
    array = zarrpipe.create_array(AwaitedStore(), shape=SHAPE, chunks=CHUNKS, dtype="int32")
    model = np.zeros(SHAPE, "int32")
    await array.write_async(MASK, 3)
    model[MASK] = 3
    await array.write_async((slice(None), [1, 4]), np.arange(20).reshape(10, 2))
    model[:, [1, 4]] = np.arange(20).reshape(10, 2)
    await array.oindex.write_async(([0, 5], [0, 5]), [[1, 2], [3, 4]])
    model[np.ix_([0, 5], [0, 5])] = [[1, 2], [3, 4]]
    await array.vindex.write_async(([9, 9], [0, 0]), [1, 2])
    model[9, 0] = 2
    await array.blocks.write_async((2, 1), 8)
    model[4:6, 3:] = 8
    assert np.array_equal(await array.read_async(), model)
    assert np.array_equal(await array.read_async(([0, 5], [1, 1])), model[[0, 5], [1, 1]])
    out = np.zeros((2, 2), "int32")
    assert await array.oindex.read_async(([5, 0], [5, 0]), out=out) is out
    assert np.array_equal(out, model[np.ix_([5, 0], [5, 0])])
    assert np.array_equal(await array.vindex.read_async(MASK), model[MASK])
    assert np.array_equal(await array.blocks.read_async(-1), model[8:])
    with pytest.raises(SelectionError):
        await array.read_async([10])
    with pytest.raises(SelectionError):
        await array.vindex.write_async([0], 1)


def test_what_is_open_for_reading_is_not_written() -> None:
    store: dict[str, Any] = {}
    zarrpipe.create_array(store, data=values(), chunks=CHUNKS)
    array = zarrpipe.open_array(store, mode="r")
    for indexer in (array.oindex, array.vindex, array.blocks):
        with pytest.raises(ReadOnlyError):
            indexer[0, 0] = 1
    assert array.oindex[0, 0] == 1


def test_indexers_say_what_they_are() -> None:
    array, _ = both(chunks=CHUNKS)
    assert repr(array.oindex) == f"<orthogonal selections of {array!r}>"
    assert array.oindex == array.oindex
    assert array.oindex != array.vindex


def test_a_selection_of_another_shape_is_refused() -> None:
    array, _ = both(chunks=CHUNKS)
    selected = array._engine.select([0, 9], "orthogonal")
    assert (selected.shape, selected.dtype, selected.points) == ((2, 6), np.dtype("int32"), False)
    array.resize((5, 6))
    with pytest.raises(ValueError, match="shape"):
        array._engine.read(selected)


def test_settings_and_chunks_that_are_missing_hold_for_all_kinds() -> None:
    array = zarrpipe.create_array(
        {}, shape=SHAPE, chunks=CHUNKS, dtype="int32", fill_value=4, config={"read_missing_chunks": False}
    )
    array[0, 0] = 1
    for read in (lambda: array.vindex[[0, 9], [0, 0]], lambda: array.oindex[[0, 9], [0]], lambda: array.blocks[:]):
        with pytest.raises(KeyError):
            read()
    assert array.vindex[[0, 1], [0, 2]].tolist() == [1, 4]
