"""The top-level functions: names, parameters, modes, defaults, errors."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import zarrpipe
from zarrpipe import api, jobs
from zarrpipe.arrays.chunk_shapes import auto_chunks, auto_shards
from zarrpipe.codecs import BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, ZstdCodec
from zarrpipe.dtypes import UInt16
from zarrpipe.errors import (
    LimitError,
    MetadataError,
    NodeExistsError,
    NodeNotFoundError,
    ReadOnlyError,
    StoreError,
    UnsupportedError,
)
from zarrpipe.stores import LocalStore, MemoryStore, StorePath

ZSTD = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


# Names


def test_public_names() -> None:
    assert set(api.__all__) < set(zarrpipe.__all__) <= set(dir(zarrpipe))
    for name in zarrpipe.__all__:
        assert getattr(zarrpipe, name) is not None
    functions = {name for name in zarrpipe.__all__ if inspect.isfunction(getattr(zarrpipe, name))}
    assert functions == {*api.__all__, *(name for name in jobs.__all__ if name[0].islower())}
    with pytest.raises(AttributeError, match="nothing"):
        zarrpipe.nothing  # noqa: B018


def test_each_function_has_an_async_twin() -> None:
    for name in api.__all__:
        if name.endswith("_async"):
            assert inspect.iscoroutinefunction(getattr(zarrpipe, name))
        elif name != "tree":
            assert name + "_async" in api.__all__


LATER = {
    "AsyncArray",
    "AsyncGroup",
    "copy_all",
    "copy_store",
    "group",
    "open_like",
    "print_debug_info",
}


def test_names_of_zarr() -> None:
    assert set(zarr.__all__) - set(zarrpipe.__all__) == LATER


@pytest.mark.parametrize("name", sorted(set(zarr.__all__) & set(api.__all__)))
def test_parameters_of_zarr(name: str) -> None:
    theirs = inspect.signature(getattr(zarr, name)).parameters
    ours = inspect.signature(getattr(zarrpipe, name)).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in ours.values())
    for parameter in theirs.values():
        if parameter.name not in ours:
            assert open_ended, parameter.name
            continue
        mine = ours[parameter.name]
        # Theirs has an object that stands for "the data type's own" here.
        if parameter.name != "fill_value":
            assert (mine.kind, mine.default) == (parameter.kind, parameter.default), parameter.name


def test_import_loads_nothing() -> None:
    code = "import sys; before = set(sys.modules); import zarrpipe; print(sorted(set(sys.modules) - before))"
    assert run_python(code) == "['zarrpipe']"


def test_names_and_the_modules_that_hold_them() -> None:
    assert run_python("import zarrpipe.config; print(zarrpipe.config.current.order)") == "C"
    assert run_python("from zarrpipe.config import Config; import zarrpipe as z; print(z.config.current.order)") == "C"
    assert run_python("from zarrpipe.arrays import Array; import zarrpipe; print(zarrpipe.array([1, 2])[:])") == "[1 2]"
    assert run_python("import zarrpipe; print(zarrpipe.errors.LimitError.__name__, 'Array' in dir(zarrpipe))")


# Creating


def test_create_array_defaults() -> None:
    array = zarrpipe.create_array({}, shape=(100, 30), dtype="uint16")
    assert array.metadata.to_dict() == {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [100, 30],
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [100, 30]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [LITTLE, ZSTD],
        "attributes": {},
    }
    assert [codec.to_dict() for codec in zarrpipe.create_array({}, shape=1, dtype="u1").codecs] == [
        {"name": "bytes"},
        ZSTD,
    ]


def test_create_array_options(tmp_path: Path) -> None:
    array = zarrpipe.create_array(
        tmp_path,
        name="a/b",
        shape=(20, 30),
        dtype=UInt16(),
        chunks=(5, -1),
        shards={"shape": (10, 30), "index_location": "start"},
        filters={"name": "transpose", "configuration": {"order": [1, 0]}},
        compressors=[GzipCodec(level=1), "crc32c"],
        serializer=BytesCodec(endian="big"),
        fill_value=9,
        order="F",
        attributes={"x": [1]},
        chunk_key_encoding=("v2", "."),
        dimension_names=["y", None],
    )
    document = json.loads((tmp_path / "a" / "b" / "zarr.json").read_text())
    assert document == array.metadata.to_dict()
    assert document["chunk_grid"]["configuration"]["chunk_shape"] == [10, 30]
    assert document["chunk_key_encoding"] == {"name": "v2", "configuration": {"separator": "."}}
    assert (document["fill_value"], document["attributes"], document["dimension_names"]) == (9, {"x": [1]}, ["y", None])
    assert document["codecs"] == [
        {
            "name": "sharding_indexed",
            "configuration": {
                "chunk_shape": [5, 30],
                "codecs": [
                    {"name": "transpose", "configuration": {"order": [1, 0]}},
                    {"name": "bytes", "configuration": {"endian": "big"}},
                    {"name": "gzip", "configuration": {"level": 1}},
                    {"name": "crc32c"},
                ],
                "index_codecs": [LITTLE, {"name": "crc32c"}],
                "index_location": "start",
            },
        }
    ]
    assert [codec.to_dict()["name"] for codec in array.filters] == ["transpose"]
    assert array.serializer == BytesCodec(endian="big")
    assert array.compressors == (GzipCodec(level=1), Crc32cCodec())
    values = np.arange(600, dtype="u2").reshape(20, 30)
    array[:] = values
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["0.0", "1.0", "zarr.json"]
    assert np.array_equal(array[:], values)
    assert array[:].flags.f_contiguous


@pytest.mark.parametrize("none", [None, (), []])
def test_without_compressors_and_filters(none: Any) -> None:
    array = zarrpipe.create_array({}, shape=4, dtype="u1", compressors=none, filters=none)
    assert array.codecs == (BytesCodec(endian=None),)


def test_whole_chain() -> None:
    for codecs in (["bytes", "zstd"], [{"name": "bytes"}, ZSTD], (BytesCodec(endian=None), ZstdCodec())):
        array = zarrpipe.create_array({}, shape=(8, 8), dtype="u1", chunks=4, codecs=codecs)
        assert array.metadata.to_dict()["codecs"] == [{"name": "bytes"}, ZSTD]
        assert array.chunks == (4, 4)
    sharded = ShardingCodec(chunk_shape=(2, 2), codecs=[BytesCodec(endian=None)])
    array = zarrpipe.create_array({}, shape=(8, 8), dtype="u1", chunks=(4, 8), codecs=[sharded])
    assert (array.chunks, array.shards) == ((2, 2), (4, 8))
    # Without chunks= a shard is as large as shards="auto" would make it.
    assert zarrpipe.create_array({}, shape=(8, 7), dtype="u1", codecs=[sharded]).shards == (8, 8)


def test_what_the_chunk_determines_is_recorded() -> None:
    array = zarrpipe.create_array(
        {},
        shape=8,
        dtype="f8",
        codecs=[
            LITTLE,
            {
                "name": "blosc",
                "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "blocksize": 0, "typesize": 8},
            },
            "crc32c",
        ],
    )
    from_class = zarrpipe.create_array({}, shape=8, dtype="f8", compressors=zarrpipe.codecs.BloscCodec(cname="lz4"))
    assert from_class.metadata.to_dict()["codecs"] == array.metadata.to_dict()["codecs"][:2]


@pytest.mark.parametrize("write_data", [True, False])
def test_data(write_data: bool) -> None:
    values = np.arange(12, dtype=">f4").reshape(3, 4)
    array = zarrpipe.create_array({}, data=values, chunks=2, write_data=write_data)
    assert (array.shape, array.dtype) == ((3, 4), np.dtype("f4"))
    assert np.array_equal(array[:], values if write_data else np.zeros((3, 4)))
    assert zarrpipe.create_array({}, data=[1.5, 2])[:].tolist() == [1.5, 2]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"shape": 3}, ValueError),
        ({"dtype": "u1"}, ValueError),
        ({"data": [1], "shape": 1}, ValueError),
        ({"data": [1], "dtype": "u1"}, ValueError),
        ({"shape": -1, "dtype": "u1"}, ValueError),
        ({"shape": (1.5,), "dtype": "u1"}, TypeError),
        ({"shape": (2,) * 65, "dtype": "u1"}, LimitError),
        ({"shape": 3, "dtype": "O"}, UnsupportedError),
        ({"shape": 3, "dtype": "nonsense"}, TypeError),
        ({"shape": 3, "dtype": "u1", "zarr_format": "n5"}, UnsupportedError),
        ({"shape": 3, "dtype": "u1", "zarr_format": 4}, ValueError),
        ({"shape": (3, 3), "dtype": "u1", "chunks": (2,)}, ValueError),
        ({"shape": (3, 3), "dtype": "u1", "chunks": (0, 1)}, ValueError),
        ({"shape": (3, 3), "dtype": "u1", "chunks": (1.0, 1)}, TypeError),
        ({"shape": (3, 3), "dtype": "u1", "chunks": "large"}, TypeError),
        ({"shape": (3, 3), "dtype": "u1", "chunks": (2, 2), "shards": (3, 3)}, ValueError),
        ({"shape": (3, 3), "dtype": "u1", "chunks": (2, 2), "shards": (4,)}, ValueError),
        ({"shape": 3, "dtype": "u1", "shards": {"index_location": "middle"}}, ValueError),
        ({"shape": 3, "dtype": "u1", "shards": {"size": 3}}, ValueError),
        ({"shape": 3, "dtype": "u1", "codecs": []}, MetadataError),
        ({"shape": 3, "dtype": "u1", "codecs": ["zstd"]}, MetadataError),
        ({"shape": 3, "dtype": "u1", "codecs": ["zstd", "bytes"]}, MetadataError),
        ({"shape": 3, "dtype": "u1", "codecs": ["bytes", "bytes"]}, MetadataError),
        ({"shape": 3, "dtype": "u2", "codecs": ["bytes"]}, MetadataError),
        ({"shape": 3, "dtype": "u1", "codecs": ["bytes", "nonsense"]}, UnsupportedError),
        ({"shape": 3, "dtype": "u1", "codecs": "bytes"}, MetadataError),
        ({"shape": 3, "dtype": "u1", "codecs": ["bytes"], "compressors": "zstd"}, ValueError),
        ({"shape": 3, "dtype": "u1", "codecs": ["bytes"], "shards": 3}, ValueError),
        ({"shape": 3, "dtype": "u1", "filters": "zstd"}, MetadataError),
        ({"shape": 3, "dtype": "u1", "compressors": {"name": "gzip", "configuration": {"level": 99}}}, MetadataError),
        ({"shape": 3, "dtype": "u1", "fill_value": 300}, OverflowError),
        ({"shape": 3, "dtype": "u1", "fill_value": "x"}, TypeError),
        ({"shape": 3, "dtype": "u1", "dimension_names": ["x", "y"]}, MetadataError),
        ({"shape": 3, "dtype": "u1", "attributes": {"a": float("nan")}}, MetadataError),
        ({"shape": 3, "dtype": "u1", "chunk_key_encoding": ("v9", "/")}, UnsupportedError),
        ({"shape": 3, "dtype": "u1", "chunk_key_encoding": ("v2", "-")}, MetadataError),
        ({"shape": 3, "dtype": "u1", "config": {"colour": 1}}, TypeError),
        ({"shape": 3, "dtype": "u1", "config": {"order": "F"}, "order": "C"}, ValueError),
        ({"shape": 3, "dtype": "u1", "name": "__x"}, MetadataError),
        ({"shape": 3, "dtype": "u1", "storage_options": {"anon": True}}, TypeError),
    ],
    ids=str,
)
def test_nothing_is_written_where_something_is_wrong(options: dict[str, Any], error: type[Exception]) -> None:
    store: dict[str, Any] = {}
    zarrpipe.create_array(store, data=[1, 2, 3])
    before = dict(store)
    with pytest.raises(error):
        zarrpipe.create_array(store, overwrite=True, **options)
    assert store == before


def test_overwrite(tmp_path: Path) -> None:
    zarrpipe.create_array(tmp_path, data=np.ones((4, 4)), chunks=2)
    with pytest.raises(NodeExistsError):
        zarrpipe.create_array(tmp_path, shape=1, dtype="u1")
    with pytest.raises(NodeExistsError):
        zarrpipe.create_group(tmp_path)
    zarrpipe.create_group(tmp_path, overwrite=True, attributes={"a": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["zarr.json"]
    zarrpipe.create_array(tmp_path, shape=1, dtype="u1", overwrite=True)
    assert zarrpipe.open(tmp_path).shape == (1,)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("shape", "nbytes", "chunks", "inner"),
    [
        ((), 8, (), ()),
        ((0, 3), 8, (1, 3), (1, 3)),
        ((100,), 8, (100,), (100,)),
        ((2**22,), 1, (2**22,), (2**20,)),
        ((2**22 + 1,), 1, (2**21 + 1,), (524289,)),
        ((4096, 4096), 1, (2048, 2048), (1024, 1024)),
        ((4096, 4096), 2, (1024, 2048), (512, 1024)),
        ((512, 1024, 1024), 2, (128, 128, 128), (64, 64, 128)),
        ((10, 10**9), 4, (10, 61036), (10, 15259)),
    ],
)
def test_auto_chunks(shape: tuple[int, ...], nbytes: int, chunks: tuple[int, ...], inner: tuple[int, ...]) -> None:
    assert auto_chunks(shape, nbytes) == chunks
    assert auto_chunks(shape, nbytes, in_shards=True) == inner
    if shape != (10, 10**9):
        dtype = {1: "u1", 2: "u2", 8: "f8"}[nbytes]
        assert zarrpipe.create_array({}, shape=shape, dtype=dtype).chunks == chunks
        assert zarrpipe.create_array({}, shape=shape, dtype=dtype, shards="auto").chunks == inner


@pytest.mark.parametrize(
    ("shape", "chunks", "nbytes", "shards"),
    [
        ((), (), 8, ()),
        ((0, 3), (1, 3), 8, (1, 3)),
        ((10, 10), (4, 4), 1, (12, 12)),
        ((2**14, 2**14), (2**10, 2**10), 1, (2**13, 2**13)),
        ((2**14, 2**14), (2**10, 2**10), 2, (2**12, 2**13)),
        ((2**30,), (2**27,), 1, (2**27,)),
        ((100, 2**30), (100, 2**10), 1, (100, 2**19)),
    ],
)
def test_auto_shards(shape: tuple[int, ...], chunks: tuple[int, ...], nbytes: int, shards: tuple[int, ...]) -> None:
    assert auto_shards(shape, chunks, nbytes) == shards


def test_chunks_in_other_words() -> None:
    def chunks(value: Any) -> tuple[int, ...]:
        return zarrpipe.create_array({}, shape=(30, 40), dtype="u1", chunks=value).chunks

    assert chunks(7) == (7, 7)
    assert chunks(np.int64(7)) == (7, 7)
    assert chunks([7, 100]) == (7, 100)
    assert chunks((7, None)) == (7, 40)
    assert chunks(-1) == chunks(False) == chunks("auto") == chunks(True) == chunks(None) == (30, 40)


# Stores and paths


def test_what_a_store_may_be(tmp_path: Path) -> None:
    place = tmp_path / "s"
    zarrpipe.create_array(place, name="a", data=[1, 2])
    zarr_store = zarr.storage.LocalStore(place)
    for store in (place, str(place), f"file://{place}", LocalStore(place), StorePath(LocalStore(place)), zarr_store):
        assert zarrpipe.open_array(store, path="a")[:].tolist() == [1, 2]
        assert zarrpipe.open(store, path="/a/", mode="r")[:].tolist() == [1, 2]  # type: ignore[index]
    assert zarrpipe.open_array(StorePath(LocalStore(tmp_path), "s"), path="a")[:].tolist() == [1, 2]
    os.chdir(tmp_path)
    assert zarrpipe.open_array("s/a")[:].tolist() == [1, 2]
    with pytest.raises(TypeError):
        zarrpipe.open_array(5)
    for path in ("..", "a/../..", "a/__x"):
        with pytest.raises((MetadataError, StoreError)):
            zarrpipe.open_array(place, path=path)


@pytest.mark.parametrize("cls", ["MemoryStore", "LocalStore", "ZipStore"])
def test_stores_of_zarr(cls: str, tmp_path: Path) -> None:
    stores = {
        "MemoryStore": zarr.storage.MemoryStore,
        "LocalStore": lambda: zarr.storage.LocalStore(tmp_path / "l"),
        "ZipStore": lambda: zarr.storage.ZipStore(tmp_path / "z.zip", mode="w"),
    }
    store = stores[cls]()
    group = zarrpipe.create_group(store)
    values = np.arange(100, dtype="i4").reshape(10, 10)
    array = group.create_array("x", data=values, chunks=(4, 4), shards=(8, 8))
    assert np.array_equal(array[2:9, ::3], values[2:9, ::3])
    assert [name for name, _ in group.members()] == ["x"]
    assert np.array_equal(zarr.open_array(store, path="x")[:], values)


# Modes


@pytest.mark.parametrize("mode", ["r", "r+", None])
def test_nodes_that_must_exist(mode: Any, tmp_path: Path) -> None:
    for store in ({}, tmp_path / "nothing", tmp_path):
        with pytest.raises(NodeNotFoundError):
            zarrpipe.open_array(store, mode=mode)
        if mode is not None:
            with pytest.raises(NodeNotFoundError):
                zarrpipe.open_group(store, mode=mode)
            with pytest.raises(NodeNotFoundError):
                zarrpipe.open(store, mode=mode)
        with pytest.raises(FileNotFoundError):
            zarrpipe.open_array(store, path="x/y", mode=mode)
    assert list(tmp_path.iterdir()) == []


def test_mode_a() -> None:
    store: dict[str, Any] = {}
    array = zarrpipe.open_array(store, mode="a", shape=3, dtype="u1")
    array[:] = 1
    assert zarrpipe.open_array(store, mode="a", shape=99)[:].tolist() == [1, 1, 1]
    assert zarrpipe.open(store)[:].tolist() == [1, 1, 1]  # type: ignore[index]
    assert isinstance(zarrpipe.open({}), zarrpipe.Group)
    assert isinstance(zarrpipe.open_group({}), zarrpipe.Group)
    assert zarrpipe.open({}, shape=3).dtype == np.float64  # type: ignore[union-attr]
    assert zarrpipe.open_group({}, attributes={"a": 1}).attrs == {"a": 1}


def test_mode_w() -> None:
    store: dict[str, Any] = {}
    zarrpipe.create_group(store).create_array("a", shape=3, dtype="u1")
    assert zarrpipe.open_array(store, mode="w", shape=2, dtype="u1").shape == (2,)
    assert list(store) == ["zarr.json"]
    assert isinstance(zarrpipe.open_group(store, mode="w"), zarrpipe.Group)
    assert isinstance(zarrpipe.open(store, mode="w", shape=2), zarrpipe.Array)
    assert isinstance(zarrpipe.open(store, mode="w"), zarrpipe.Group)


def test_mode_w_minus() -> None:
    for create in (zarrpipe.open_group, zarrpipe.open):
        store: dict[str, Any] = {}
        create(store, mode="w-")
        with pytest.raises(NodeExistsError):
            create(store, mode="w-")
    with pytest.raises(FileExistsError):
        zarrpipe.open_array(store, mode="w-", shape=1)


def test_arrays_and_groups_are_not_mistaken_for_each_other() -> None:
    group = zarrpipe.create_group({})
    array = group.create_array("a", shape=1, dtype="u1")
    for mode in ("r", "r+", None):
        with pytest.raises(NodeNotFoundError, match="group"):
            zarrpipe.open_array(group.store, mode=mode)
    with pytest.raises(NodeExistsError):
        zarrpipe.open_array(group.store, mode="a", shape=1)
    for mode in ("r", "r+", "a"):
        with pytest.raises(NodeExistsError, match="array"):
            zarrpipe.open_group(array.store, path="a", mode=mode)


def test_unknown_mode() -> None:
    for function in (zarrpipe.open, zarrpipe.open_array, zarrpipe.open_group):
        with pytest.raises(ValueError, match="mode"):
            function({}, mode="x")  # type: ignore[operator]


def test_read_only_stores() -> None:
    store = MemoryStore()
    zarrpipe.create_array(store, data=[1])
    locked = store.with_read_only(True)
    assert zarrpipe.open(locked).read_only
    assert zarrpipe.open_array(locked).read_only
    assert zarrpipe.open(store, mode="r").read_only
    assert not zarrpipe.open(store, mode="r+").read_only
    for mode in ("r+", "a", "w", "w-"):
        for function in (zarrpipe.open, zarrpipe.open_array, zarrpipe.open_group):
            with pytest.raises(ReadOnlyError):
                function(locked, mode=mode)  # type: ignore[operator]
    for create in (
        lambda: zarrpipe.create_array(locked, shape=1, dtype="u1", overwrite=True),
        lambda: zarrpipe.create_group(locked, overwrite=True),
    ):
        with pytest.raises(ReadOnlyError):
            create()
    assert zarrpipe.open(store)[:].tolist() == [1]  # type: ignore[index]


def test_config_of_what_is_opened() -> None:
    store: dict[str, Any] = {}
    zarrpipe.create_group(store).create_array("a", shape=1, dtype="u1", config={"write_empty_chunks": True})
    config = {"write_empty_chunks": True}
    assert zarrpipe.open(store, path="a", config=config).config.write_empty_chunks  # type: ignore[union-attr,arg-type]
    assert not zarrpipe.open_array(store, path="a").config.write_empty_chunks
    with zarrpipe.config.set(order="F"):
        assert zarrpipe.open_array(store, path="a").order == "F"
    with pytest.raises(TypeError):
        zarrpipe.open(store, config=config)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="shape"):
        zarrpipe.open({}, chunks=3)


def test_what_is_not_implemented_says_so() -> None:
    for call in (
        lambda: zarrpipe.open_group({}, synchronizer=object()),
        lambda: zarrpipe.open_group({}, mode="w", zarr_format="n5"),
        lambda: zarrpipe.open_array({}, mode="w", zarr_format="n5"),
        lambda: zarrpipe.create_group({}, zarr_format="n5"),
        lambda: zarrpipe.create(3, object_codec=object()),
    ):
        with pytest.raises(UnsupportedError):
            call()


# Filling


def test_create() -> None:
    array = zarrpipe.create((4, 4), chunks=2, fill_value=3, path="x", attributes={"a": 1}, write_empty_chunks=True)
    assert (array.dtype, array.chunks, array.path, array.attrs) == (np.dtype("f8"), (2, 2), "x", {"a": 1})
    assert array.config.write_empty_chunks
    assert zarrpipe.create(3, data=[1, 2, 3])[:].tolist() == [1, 2, 3]
    assert zarrpipe.create(3, chunk_shape=2, dtype="u1", codecs=["bytes"]).chunks == (2,)
    store: dict[str, Any] = {}
    zarrpipe.create(3, store=store)
    with pytest.raises(NodeExistsError):
        zarrpipe.create(3, store=store)
    assert zarrpipe.create(4, store=store, mode="w").shape == (4,)
    with pytest.raises(TypeError, match="nonsense"):
        zarrpipe.create(3, nonsense=1)
    with pytest.raises(ValueError):
        zarrpipe.create(3, chunks=1, chunk_shape=1)


def test_filled_arrays() -> None:
    assert zarrpipe.empty(2, dtype="u1")[:].tolist() == [0, 0]
    assert zarrpipe.zeros((2,))[:].tolist() == [0, 0]
    assert zarrpipe.ones((2,), dtype="i2")[:].tolist() == [1, 1]
    full = zarrpipe.full((2, 2), 7, dtype="f4", chunks=1)
    assert (full[:] == 7).all()
    assert full.nchunks_initialized == 0


def test_arrays_like_others() -> None:
    model = zarrpipe.create_array(
        {}, shape=(8, 8), dtype="f4", chunks=2, shards=4, fill_value=5, compressors=GzipCodec(level=1)
    )
    for like, value in ((zarrpipe.empty_like, 5), (zarrpipe.zeros_like, 0), (zarrpipe.ones_like, 1)):
        array = like(model)
        assert (array.shape, array.dtype, array.chunks, array.shards) == ((8, 8), model.dtype, (2, 2), (4, 4))
        assert array.codecs == model.codecs
        assert (array[:] == value).all()
    assert (zarrpipe.full_like(model, fill_value=9)[:] == 9).all()
    assert zarrpipe.zeros_like(model, chunks=8, dtype="u1").shards is None
    assert zarrpipe.ones_like(np.zeros((2, 3), "u2"))[:].tolist() == [[1] * 3] * 2
    assert zarrpipe.zeros_like([1.5]).dtype == np.float64


def test_array() -> None:
    model = zarrpipe.array(np.arange(6, dtype="u2").reshape(2, 3), chunks=2)
    assert (model.dtype, model.chunks) == (np.dtype("u2"), (2, 2))
    copy = zarrpipe.array(model)
    assert (copy.chunks, copy[:].tolist()) == ((2, 2), [[0, 1, 2], [3, 4, 5]])
    assert zarrpipe.array([1, 2], dtype="f4").dtype == np.float32
    store: dict[str, Any] = {}
    assert zarrpipe.array([True], store=store, path="x")[0]
    assert "x/zarr.json" in store


# Saving


def test_save_and_load_one(tmp_path: Path) -> None:
    values = np.arange(6).reshape(2, 3)
    zarrpipe.save(tmp_path / "a", values)
    assert np.array_equal(zarrpipe.load(tmp_path / "a"), values)
    with pytest.raises(NodeExistsError):
        zarrpipe.save(tmp_path / "a", values)
    zarrpipe.save_array(tmp_path / "a", values + 1, mode="w", chunks=1)
    assert zarrpipe.open_array(tmp_path / "a").chunks == (1, 1)
    zarrpipe.save(tmp_path / "b", values, path="x/y")
    assert np.array_equal(zarrpipe.load(tmp_path / "b", path="x/y"), values)
    with pytest.raises(TypeError):
        zarrpipe.save(tmp_path / "c", [1, 2])
    with pytest.raises(NodeNotFoundError):
        zarrpipe.load(tmp_path / "c")


def test_save_and_load_several() -> None:
    store: dict[str, Any] = {}
    zarrpipe.save(store, np.ones(2), np.zeros(3), c=np.arange(4))
    loaded: Any = zarrpipe.load(store)
    assert {name: values.tolist() for name, values in loaded.items()} == {
        "arr_0": [1, 1],
        "arr_1": [0, 0, 0],
        "c": [0, 1, 2, 3],
    }
    # In place of what is there; but not where an argument is wrong.
    with pytest.raises(TypeError):
        zarrpipe.save_group(store, np.ones(1), b=[1])
    with pytest.raises(ValueError):
        zarrpipe.save_group(store)
    with pytest.raises(ValueError):
        zarrpipe.save(store, np.ones(1), arr_0=np.ones(1))
    assert sorted(zarrpipe.load(store)) == ["arr_0", "arr_1", "c"]
    zarrpipe.save_group(store, x=np.ones(1))
    assert sorted(zarrpipe.load(store)) == ["x"]


# Async


async def test_async_twins(tmp_path: Path) -> None:
    values = np.arange(6).reshape(2, 3)
    await zarrpipe.save_async(tmp_path / "a", values)
    assert np.array_equal(await zarrpipe.load_async(tmp_path / "a"), values)
    await zarrpipe.save_async(tmp_path / "g", values, x=values)
    loaded: Any = await zarrpipe.load_async(tmp_path / "g")
    assert sorted(loaded) == ["arr_0", "x"]
    opened = await zarrpipe.open_async(tmp_path / "g")
    assert isinstance(opened, zarrpipe.Group)
    assert isinstance(await zarrpipe.open_async(tmp_path / "a", mode="r"), zarrpipe.Array)
    assert isinstance(await zarrpipe.open_async({}, shape=(2,)), zarrpipe.Array)
    assert (await zarrpipe.open_array_async({}, mode="w", shape=2, data=None)).dtype == np.float64
    assert (await zarrpipe.create_async(3, data=[1, 2, 3]))[:].tolist() == [1, 2, 3]
    model = await zarrpipe.array_async([1, 2])
    assert (await zarrpipe.array_async(model))[:].tolist() == [1, 2]
    for made, value in (
        (zarrpipe.zeros_async(2), 0),
        (zarrpipe.ones_async(2), 1),
        (zarrpipe.empty_async(2), 0),
        (zarrpipe.full_async(2, 5), 5),
        (zarrpipe.zeros_like_async(model), 0),
        (zarrpipe.ones_like_async(model), 1),
        (zarrpipe.empty_like_async(model), 0),
        (zarrpipe.full_like_async(model, fill_value=5), 5),
    ):
        assert (await (await made).read_async()).tolist() == [value] * 2
    with pytest.raises(NodeNotFoundError):
        await zarrpipe.open_array_async({}, mode="r")
    with pytest.raises(NodeNotFoundError):
        await zarrpipe.open_group_async({}, mode="r")
    with pytest.raises(NodeExistsError):
        await zarrpipe.create_group_async(tmp_path / "g")
