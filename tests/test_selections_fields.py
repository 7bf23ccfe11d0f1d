"""Fields of structured data types, read and written alone: the others keep what they hold."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from zarrpipe import _core
from zarrpipe.errors import SelectionError

INNER = np.dtype([("x", "f4"), ("y", "f4")])
DTYPE = np.dtype([("id", "i4"), ("at", INNER), ("name", "S3"), ("big", "f8")])
SHAPE, CHUNKS = (7, 5), (3, 2)
# Those of more than one byte, in the packed data type: id, at.x and at.y, big.
RUNS = ((0, 4, 3), (15, 8, 1))
FILL = np.array((-1, (0.5, 1.5), b"ab", 2.0), DTYPE)

BYTES = [{"name": "bytes", "configuration": {"endian": "little"}}]
BIG = [{"name": "bytes", "configuration": {"endian": "big"}}]
ZSTD = [{"name": "zstd", "configuration": {"level": 0, "checksum": False}}]
CRC = [{"name": "crc32c"}]


def sharded(inner: tuple[int, int], codecs: list[Any]) -> list[Any]:
    configuration = {"chunk_shape": list(inner), "codecs": codecs, "index_codecs": BYTES + CRC}
    return [{"name": "sharding_indexed", "configuration": {**configuration, "index_location": "end"}}]


CHAINS: dict[str, list[Any]] = {
    "plain": BYTES,
    "big endian": BIG,
    "zstd": BYTES + ZSTD,
    "transposed": [{"name": "transpose", "configuration": {"order": [1, 0]}}, *BIG, *CRC],
    "shards": sharded((1, 2), BYTES + ZSTD),
    "plain shards": sharded((3, 1), BIG),
    "wrapped shards": sharded((1, 1), BYTES) + CRC,
}


def records(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray:
    numbers = np.random.default_rng(seed).integers(0, 100, (4, *shape))
    made = np.zeros(shape, DTYPE)
    made["id"], made["at"]["x"], made["at"]["y"], made["big"] = numbers
    made["name"] = numbers[0].astype("S3")
    return made


def make_engine(root: Path, codecs: list[Any], **options: Any) -> _core.Engine:
    layout: Any = ("opaque", DTYPE.itemsize, RUNS)
    chain = _core.Chain(json.dumps(codecs), [], layout, CHUNKS, FILL.tobytes())
    store = _core.Store.local(str(root))
    return _core.Engine(chain, SHAPE, CHUNKS, store, "", ("default", "/"), DTYPE, **options)


@pytest.fixture(params=CHAINS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> _core.Engine:
    return make_engine(tmp_path, CHAINS[request.param])


def write(engine: _core.Engine, selection: Any, value: Any, kind: Any = "any", fields: Any = None) -> None:
    selected = engine.select(selection, kind, fields, writing=True)
    engine.write(selected, np.broadcast_to(np.asarray(value, selected.dtype), selected.shape))


def read(engine: _core.Engine, selection: Any, kind: Any = "any", fields: Any = None) -> np.ndarray:
    return engine.read(engine.select(selection, kind, fields))


def packed(names: list[str]) -> np.dtype[Any]:
    return np.dtype([(name, DTYPE[name]) for name in names])


def test_fields_are_read_alone(engine: _core.Engine) -> None:
    model = records()
    engine.write(..., model)
    for name in DTYPE.names or ():
        got = engine.read(name)
        assert got.dtype == DTYPE[name]
        assert np.array_equal(got, model[name])
        assert np.array_equal(engine.read((slice(1, 6, 2), name, -1)), model[name][1:6:2, -1])
        assert engine.read((name, 3, 4)).shape == ()
        assert np.array_equal(read(engine, ([5, 0], [1, 4]), "orthogonal", name), model[name][np.ix_([5, 0], [1, 4])])
        assert np.array_equal(read(engine, (name, [5, 0], [1, 4]), "vectorized"), model[name][[5, 0], [1, 4]])
        assert np.array_equal(read(engine, model["id"] > 50, "mask", name), model[name][model["id"] > 50])
        assert np.array_equal(read(engine, (1, name), "block"), model[name][3:6])
    assert np.array_equal(engine.read(...), model)


def test_several_fields_make_a_packed_data_type(engine: _core.Engine) -> None:
    model = records()
    engine.write(..., model)
    names = list(DTYPE.names or ())
    for count in (1, 2, 3, 4):
        for chosen in map(list, itertools.permutations(names, count)):
            dtype = packed(chosen)
            expected = model[chosen].astype(dtype)
            spelled: list[np.ndarray] = [engine.read(chosen), read(engine, ..., "basic", chosen)]
            spelled += [engine.read((*chosen, slice(2, 5)))[...]] if count > 1 else []
            for got in spelled[:2]:
                assert got.dtype == dtype
                assert np.array_equal(got, expected)
            for got in spelled[2:]:
                assert np.array_equal(got, expected[2:5])


def test_no_names_are_all_fields(engine: _core.Engine) -> None:
    engine.write(..., records())
    for none in ([], (), "", None):
        assert np.array_equal(read(engine, ..., "basic", none), records())


@pytest.mark.parametrize("name", DTYPE.names or ())
def test_writing_a_field_keeps_the_others(engine: _core.Engine, name: str) -> None:
    model, new = records(), records(seed=1)
    engine.write(..., model)
    write(engine, name, new[name])
    model[name] = new[name]
    assert np.array_equal(engine.read(...), model)
    rest = records(seed=2)
    write(engine, (name, slice(1, 6, 2), slice(3)), rest[name][:3, :3])
    model[name][1:6:2, :3] = rest[name][:3, :3]
    write(engine, (name, [6, 0], [0, 4]), rest[name][0, :2])
    model[name][[6, 0], [0, 4]] = rest[name][0, :2]
    write(engine, ([2, 4], [3, 1]), rest[name][:2, :2], "orthogonal", [name])
    model[name][np.ix_([2, 4], [3, 1])] = rest[name][:2, :2]
    write(engine, (-1, name), rest[name][0, 0], "block")
    model[name][6:] = rest[name][0, 0]
    assert np.array_equal(engine.read(...), model)


def test_a_field_of_chunks_that_are_not_stored(engine: _core.Engine) -> None:
    """The other fields are the fill value's, and the fill value is not stored."""
    model = np.full(SHAPE, FILL)
    assert np.array_equal(engine.read("name"), model["name"])
    assert np.array_equal(engine.read(("big", "id")), model[["big", "id"]].astype(packed(["big", "id"])))
    write(engine, ("id", 0, slice(None)), 9)
    model["id"][0] = 9
    assert np.array_equal(engine.read(...), model)
    write(engine, ("id", 0), -1)
    assert np.array_equal(engine.read(...), np.full(SHAPE, FILL))


def test_only_chunks_that_differ_from_the_fill_value_are_stored(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, BYTES)
    write(engine, "id", -1)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    write(engine, ("id", 0, 0), 5)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["0"]


@pytest.mark.parametrize("wrong", ["none", ["id", "none"], 3, b"id", ["id", 3], ["id", "id"], [["id"]]], ids=repr)
def test_fields_that_are_not_there_are_refused(tmp_path: Path, wrong: Any) -> None:
    engine = make_engine(tmp_path, BYTES)
    with pytest.raises(SelectionError):
        engine.select(..., "basic", wrong)


def test_more_than_one_field_is_not_written(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, BYTES)
    for select in (("id", "big"), ["id", "big"], ("id", "big", 0)):
        with pytest.raises(SelectionError, match="one field"):
            engine.select(select, writing=True)
        with pytest.raises(SelectionError, match="one field"):
            engine.write(select, np.zeros(SHAPE, packed(["id", "big"])))
    for kind in ("basic", "orthogonal", "block"):
        with pytest.raises(SelectionError, match="one field"):
            engine.select(..., kind, ["id", "big"], writing=True)
    with pytest.raises(SelectionError, match="twice"):
        engine.select("id", "basic", "big")


def test_items_of_the_fields_are_checked(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, BYTES)
    selected = engine.select("id", writing=True)
    for value in (np.zeros(SHAPE, DTYPE), np.zeros(SHAPE, "f4"), np.zeros(SHAPE, "i8")):
        with pytest.raises(TypeError):
            engine.write(selected, value)
    with pytest.raises(ValueError, match="shape"):
        engine.write(selected, np.zeros((7, 4), "i4"))
    with pytest.raises(TypeError):
        engine.read("id", np.zeros(SHAPE, DTYPE))


def test_a_field_is_read_into_a_field(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, BYTES)
    engine.write(..., records())
    out = records(seed=5)
    rest = out.copy()
    assert np.array_equal(engine.read("at", out["at"]), records()["at"])
    rest["at"] = records()["at"]
    assert np.array_equal(out, rest)


def test_the_order_of_the_result(tmp_path: Path) -> None:
    engine = make_engine(tmp_path, BYTES, order="F")
    engine.write(..., records())
    got = engine.read("big")
    assert got.flags.f_contiguous
    assert np.array_equal(got, records()["big"])


@pytest.mark.parametrize("shards", [None, (6, 4)])
def test_arrays_of_users(shards: Any) -> None:
    array = zarrpipe.create_array({}, shape=SHAPE, chunks=CHUNKS, shards=shards, dtype=DTYPE, fill_value=FILL[()])
    model = np.full(SHAPE, FILL)
    array["id"] = np.arange(35).reshape(SHAPE)
    model["id"] = np.arange(35).reshape(SHAPE)
    array["name", 2:4] = b"xyz"
    model["name"][2:4] = b"xyz"
    array["at", 0, 0] = (7, 8)
    model["at"][0, 0] = (7, 8)
    array.oindex["big", [0, 5], [1]] = [[3], [4]]
    model["big"][[0, 5], 1] = [3, 4]
    array.vindex["big", [0, 0], [4, 4]] = [1, 2]
    model["big"][0, 4] = 2
    array.blocks["id", 0] = -5
    model["id"][: 6 if shards else 3] = -5
    array.set_mask_selection(model["big"] == 3, b"m", fields="name")
    model["name"][model["big"] == 3] = b"m"
    array.set_basic_selection((6, slice(None)), 0.25, fields=["big"])
    model["big"][6] = 0.25
    assert np.array_equal(array[...], model)
    assert np.array_equal(array["at"], model["at"])
    assert np.array_equal(array["big", "id"], model[["big", "id"]].astype(packed(["big", "id"])))
    assert np.array_equal(array[["big", "id"]], array["big", "id"])
    assert np.array_equal(array["id", [5, 0], [1, 4]], model["id"][[5, 0], [1, 4]])
    assert np.array_equal(array.get_coordinate_selection(([1], [2]), fields="name"), model["name"][[1], [2]])
    for wrong in (lambda: array["none"], lambda: array.__setitem__(("id", "big"), 0), lambda: array.vindex["id"]):
        with pytest.raises(SelectionError):
            wrong()
    with pytest.raises(ValueError, match="shape"):
        array["id", 0] = [1, 2]
    assert np.array_equal(array[...], model)
