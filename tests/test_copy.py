"""`zarrpipe.copy`: what is copied, and how; see test_copy_resume for copies that are cut off."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, note, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import product
import zarrpipe
from every_store import STORES, WITHOUT_DELETES
from servers.http import FolderServer
from zarrpipe.errors import (
    MetadataError,
    NodeExistsError,
    NodeNotFoundError,
    ReadOnlyError,
    UnsupportedError,
)
from zarrpipe.metadata import RectilinearChunkGrid
from zarrpipe.stores import LatencyStore, LocalStore, LoggingStore, MemoryStore, ZipStore

CHILDREN = Path(__file__).parent / "children"


def values_of(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Items none of which is the fill value."""
    return np.random.default_rng(seed).integers(1, 1000, shape, dtype="i4")


def stored(store: MemoryStore) -> dict[str, bytes]:
    return {key: value.to_bytes() for key, value in store._store_dict.items()}


def fill(store: Any, zarr_format: Any = 3) -> zarrpipe.Group:
    """A hierarchy: a group with an array that is half empty, an array in a group, and one with shards or filters."""
    root = zarrpipe.create_group(store, zarr_format=zarr_format, attributes={"of": "the root"})
    half = root.create_array("half", shape=(20, 30), chunks=(7, 8), dtype="i4", attributes={"unit": "m"})
    half[:10] = values_of((10, 30))
    deep = root.create_array("g/deep", shape=(50,), chunks=(9,), dtype="f4")
    deep[...] = values_of((50,))
    if zarr_format == 3:
        other = root.create_array("sharded", shape=(20, 20), chunks=(5, 5), shards=(10, 10), dtype="i8", fill_value=3)
    else:
        other = root.create_array(
            "filtered", shape=(20, 20), chunks=(5, 5), dtype="i8", filters=[{"id": "delta", "dtype": "<i8"}]
        )
    other[3:] = values_of((17, 20))
    root.create_array("scalar", shape=(), dtype="i2")[...] = 4
    return root


def check_alike(found: Any, want: Any) -> None:
    """The same nodes with the same items and attributes."""
    ours, theirs = dict(found.members(max_depth=None)), dict(want.members(max_depth=None))
    assert ours.keys() == theirs.keys()
    assert dict(found.attrs) == dict(want.attrs)
    for path, node in theirs.items():
        assert dict(ours[path].attrs) == dict(node.attrs), path
        if isinstance(node, zarrpipe.Array):
            assert np.array_equal(ours[path][...], node[...]), path
            assert ours[path].dtype == node.dtype, path


# Stored bytes


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_stored_bytes_are_copied_as_they_are(zarr_format: Any) -> None:
    source, dest = MemoryStore(), MemoryStore()
    root = fill(source, zarr_format)
    report = zarrpipe.copy(source, dest)
    assert stored(dest) == stored(source)
    chunks = sum(array.nchunks_initialized for array in (root["half"], root["g/deep"], root["scalar"])) + 4
    if zarr_format == 2:
        chunks += root["filtered"].nchunks_initialized - 4
    assert (report.arrays, report.groups, report.chunks_copied) == (4, 2, chunks)
    assert (report.chunks_encoded, report.chunks_skipped, report.foreign_keys) == (0, 0, ())
    documents = {"zarr.json", ".zarray", ".zgroup", ".zattrs"}
    values = [data for key, data in stored(source).items() if key.rpartition("/")[2] not in documents]
    assert report.nbytes_copied == sum(map(len, values))
    theirs = zarr.open_group(zarr.storage.MemoryStore(dest._store_dict), mode="r")
    assert np.array_equal(theirs["half"][...], root["half"][...])
    assert np.array_equal(theirs["g/deep"][...], root["g/deep"][...])


@pytest.mark.parametrize("kind", STORES)
def test_between_memory_and_every_store(kind: str, tmp_path: Path) -> None:
    source, back = MemoryStore(), MemoryStore()
    root = fill(source)
    there = STORES[kind](tmp_path / "a.zarr")
    try:
        zarrpipe.copy(source, there)
        check_alike(zarrpipe.open_group(there, mode="r+"), root)
        zarrpipe.copy(there, back)
        assert stored(back) == stored(source)
        changed = MemoryStore()
        zarrpipe.copy(there, changed, path="half", chunks=(5, 30))
        assert np.array_equal(zarrpipe.open_array(changed)[...], root["half"][...])
    finally:
        there.close()


@pytest.mark.parametrize("kind", [kind for kind in STORES if kind not in WITHOUT_DELETES])
def test_arrays_are_encoded_anew_in_every_store(kind: str, tmp_path: Path) -> None:
    source = MemoryStore()
    array = zarrpipe.create_array(source, shape=(40, 50), chunks=(9, 11), dtype="u2")
    array[5:] = values_of((35, 50)).astype("u2")
    there = STORES[kind](tmp_path / "a.zarr")
    try:
        report = zarrpipe.copy(source, there, dest_path="b", chunks=(5, 5), shards=(20, 25))
        assert (report.chunks_copied, report.chunks_encoded) == (0, 4)
        copied = zarrpipe.open_array(there, path="b", mode="r")
        assert (copied.chunks, copied.shards) == ((5, 5), (20, 25))
        assert np.array_equal(copied[...], array[...])
    finally:
        there.close()


def test_each_key_is_read_once_and_written_once() -> None:
    source, dest = LoggingStore(MemoryStore()), LoggingStore(MemoryStore())
    fill(source._store if hasattr(source, "_store") else source.wrapped_store)
    keys = set(stored(source.wrapped_store))
    zarrpipe.copy(source, dest)
    read, written = (
        Counter(r.key for r in store.requests if r.kind == kind) for store, kind in ((source, "get"), (dest, "set"))
    )
    assert read == dict.fromkeys(keys, 1)
    assert written == dict.fromkeys({*keys, ".zarrpipe-copy.json"}, 1)
    assert not [r for r in source.requests if r.kind == "head"], "small values are not asked for their size"
    assert [r.kind for r in source.requests].count("list") == 1
    assert [r.key for r in dest.requests if r.kind == "delete"] == [".zarrpipe-copy.json"]
    # A copy looks whole when it is: each document after the chunks below it, and the root's at the end.
    order = [r.key for r in dest.requests if r.kind == "set"]
    assert order[0] == ".zarrpipe-copy.json"
    assert order[-1] == "zarr.json"
    for at, key in enumerate(order[:-1]):
        if key.endswith("/zarr.json"):
            assert not [
                later for later in order[at:] if later.startswith(key.removesuffix("zarr.json")) and later != key
            ]


def test_many_requests_are_under_way() -> None:
    inner = MemoryStore()
    zarrpipe.create_array(inner, shape=(64,), chunks=(1,), dtype="i4", compressors=None)[...] = values_of((64,))
    source = LoggingStore(LatencyStore(inner, get_latency=0.05))
    with zarrpipe.config.set(io_requests=16):
        zarrpipe.copy(source, MemoryStore())
    gets = [r for r in source.requests if r.kind == "get" and r.key.startswith("c/")]
    events = sorted([(r.start_s, 1) for r in gets] + [(r.start_s + r.duration_s, -1) for r in gets])
    most = max(sum(change for _, change in events[: at + 1]) for at in range(len(events)))
    assert 8 < most <= 16


def test_large_values_are_not_in_memory_together() -> None:
    inner = MemoryStore()
    zarrpipe.create_array(inner, shape=(12, 1000), chunks=(1, 1000), dtype="u1", compressors=None)[...] = 1
    source = LoggingStore(LatencyStore(inner, get_latency=0.02))
    with zarrpipe.config.set(io_requests=16, io_nbytes=2500):
        zarrpipe.copy(source, MemoryStore())
    gets = sorted((r.start_s, r.start_s + r.duration_s) for r in source.requests if r.kind == "get" and "c/" in r.key)
    assert len(gets) == 12
    # The third begins when the first has ended.
    assert all(
        third[0] >= min(first[1], second[1]) for first, second, third in zip(gets, gets[1:], gets[2:], strict=False)
    )


def test_foreign_keys_are_told_and_not_copied() -> None:
    source, dest = MemoryStore(), MemoryStore()
    fill(source)
    want = stored(source)
    values = [
        "readme.txt",
        "half/notes",
        "half/c/9/9",
        "half/c/x",
        ".zarrpipe-lock",
        "half/.zarrpipe-lock",
        "lost/zarr.json/x",
        "x/y/zarr.json",
    ]
    for key in values:
        source._store_dict[key] = source._store_dict["half/zarr.json"]
    report = zarrpipe.copy(source, dest)
    assert stored(dest) == want
    assert report.foreign_keys == tuple(sorted(values))


def test_what_a_store_that_cannot_list_has(http_server: FolderServer, tmp_path: Path) -> None:
    root = fill(LocalStore(http_server.root / "a.zarr"))
    url = http_server.url_of("a.zarr")
    dest = MemoryStore()
    report = zarrpipe.copy(url, dest, path="half")
    assert report.chunks_copied == root["half"].nchunks_initialized < root["half"].nchunks
    assert stored(dest) == {key: (http_server.root / "a.zarr" / "half" / key).read_bytes() for key in stored(dest)}
    assert np.array_equal(zarrpipe.open_array(dest)[...], root["half"][...])
    with pytest.raises(UnsupportedError, match="cannot list"):
        zarrpipe.copy(url, MemoryStore())
    zarrpipe.consolidate_metadata(http_server.root / "a.zarr")
    everything = MemoryStore()
    zarrpipe.copy(url, everything)
    check_alike(zarrpipe.open_group(everything), root)


# Encoded anew


CHANGES: list[dict[str, Any]] = [
    {"chunks": (5, 6)},
    {"shards": (14, 16)},
    {"compressors": None},
    {
        "codecs": [
            {"name": "transpose", "configuration": {"order": [1, 0]}},
            {"name": "bytes", "configuration": {"endian": "big"}},
            {"name": "gzip", "configuration": {"level": 1}},
        ]
    },
    {"zarr_format": 2},
    {"zarr_format": 2, "chunks": (10, 10)},
    {"filters": [{"name": "transpose", "configuration": {"order": [1, 0]}}]},
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_an_array_is_stored_in_another_way(changes: dict[str, Any]) -> None:
    source, dest = MemoryStore(), MemoryStore()
    array = fill(source)["half"]
    report = zarrpipe.copy(source, dest, path="half", **changes)
    copied = zarrpipe.open_array(dest)
    assert report.chunks_encoded > 0 == report.chunks_copied
    assert np.array_equal(copied[...], array[...])
    assert dict(copied.attrs) == {"unit": "m"}
    assert copied.zarr_format == changes.get("zarr_format", 3)
    assert not [key for key in stored(dest) if "zarrpipe" in key]
    theirs = zarr.open_array(zarr.storage.MemoryStore(dest._store_dict), mode="r")
    assert np.array_equal(theirs[...], array[...])
    # Half of it was not stored, and need not be.
    assert copied.nchunks_initialized < copied.nchunks


def test_what_does_not_change_is_copied_as_it_is() -> None:
    source, dest = MemoryStore(), MemoryStore()
    fill(source)
    report = zarrpipe.copy(source, dest, path="half", chunks=(7, 8))
    assert (report.chunks_encoded, report.chunks_copied) == (0, 8)
    layouts = zarrpipe.copy(
        source, MemoryStore(), layout=lambda array: {"chunks": (array.shape[0],)} if array.ndim == 1 else {}
    )
    assert layouts.chunks_encoded == 1
    assert layouts.chunks_copied == report.chunks_copied + 4 + 1


@pytest.mark.parametrize(("old", "new"), [(2, 3), (3, 2)])
def test_formats_of_hierarchies(old: Any, new: Any) -> None:
    source, dest = MemoryStore(), MemoryStore()
    if old == 3:
        root = zarrpipe.create_group(source, attributes={"a": 1})
        root.create_array("g/x", shape=(20,), chunks=(6,), dtype=">u2")[...] = np.arange(20)
    else:
        root = fill(source, 2)
    zarrpipe.copy(source, dest, zarr_format=new)
    copied = zarrpipe.open_group(dest)
    assert {copied.zarr_format, *(node.zarr_format for _, node in copied.members(None))} == {new}
    check_alike(copied, root)


def test_n5_becomes_zarr(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "attributes.json").write_text('{"n5": "4.0.0"}')
    document = {"dimensions": [5, 4], "blockSize": [3, 2], "dataType": "uint16", "compression": {"type": "raw"}, "x": 1}
    (tmp_path / "a" / "b" / "attributes.json").write_text(json.dumps(document))
    want = np.zeros((4, 5), "u2")
    for row in range(2):
        block = (np.arange(6).reshape(2, 3) + 10 * row + 1).astype(">u2")
        want[2 * row : 2 * row + 2, :3] = block
        folder = tmp_path / "a" / "b" / "0"
        folder.mkdir(exist_ok=True)
        header = np.array([0, 2], ">u2").tobytes() + np.array([3, 2], ">u4").tobytes()
        (folder / str(row)).write_bytes(header + block.tobytes())
    dest = MemoryStore()
    report = zarrpipe.copy(tmp_path, dest)
    copied = zarrpipe.open_group(dest)["a/b"]
    assert np.array_equal(copied[...], want)
    assert (copied.zarr_format, dict(copied.attrs), report.arrays, report.groups) == (3, {"x": 1}, 1, 2)


def in_one_chunk(array: zarrpipe.Array) -> dict[str, Any]:
    options: dict[str, Any] = {"chunks": array.shape} if array.shape else {}
    return {**options, "shards": None} if array.zarr_format == 3 else options


def test_consolidated_metadata_stay_right() -> None:
    for zarr_format in (2, 3):
        source, same, other = MemoryStore(), MemoryStore(), MemoryStore()
        root = fill(source, zarr_format)
        zarrpipe.consolidate_metadata(source)
        zarrpipe.copy(source, same)
        assert stored(same) == stored(source)
        zarrpipe.copy(source, other, layout=in_one_chunk)
        copied = zarrpipe.open_group(other, use_consolidated=True)
        assert copied.check_consolidated() == ()
        assert copied["half"].chunks == (20, 30)
        check_alike(copied, root)


def test_groups_above_the_copy_are_there_and_know_it() -> None:
    dest = MemoryStore()
    zarrpipe.create_group(dest)
    zarrpipe.consolidate_metadata(dest)
    source = MemoryStore()
    root = fill(source)
    zarrpipe.copy(source, dest, dest_path="x/y")
    top = zarrpipe.open_group(dest, use_consolidated=True)
    assert top.check_consolidated() == ()
    check_alike(top["x/y"], root)


regions = st.tuples(*(st.integers(1, 8),) * 4)


@given(st.data())
@settings(max_examples=60)
def test_any_array_with_any_chunking_is_itself(data: st.DataObject) -> None:
    draw = data.draw
    data_type = draw(st.sampled_from(product.DATA_TYPES))
    shape = draw(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7))
    grid = draw(product.grids(shape))
    codecs = product.chain(draw, product.Place(data_type, grid.unit, grid.regular))
    fill_value = product.random_items(data_type, (1,), draw(st.integers(0, 2**32 - 1)))[0]
    note(f"{shape} {grid} {data_type} {codecs}")
    options: dict[str, Any] = {"shape": shape, "dtype": data_type, "codecs": codecs, "fill_value": fill_value}
    chunks = tuple(grid.chunks) if grid.regular else RectilinearChunkGrid(grid.chunks)
    source, dest = MemoryStore(), MemoryStore()
    array = zarrpipe.create_array(source, chunks=chunks, **options)
    items = product.random_items(data_type, shape, draw(st.integers(0, 2**32 - 1)))
    part = tuple(slice(draw(st.integers(0, 2)), None) for _ in shape)
    array[part] = items[part]
    new = draw(product.grids(shape))
    wanted = tuple(new.chunks) if new.regular else RectilinearChunkGrid(new.chunks)
    chain = product.chain(draw, product.Place(data_type, new.unit, new.regular))
    note(f"{new} {chain}")
    zarrpipe.copy(source, dest, chunks=wanted, codecs=chain)
    copied = zarrpipe.open_array(dest)
    assert product.same(copied[...], array[...])
    assert (
        copied.metadata.chunk_grid
        == zarrpipe.create_array({}, chunks=wanted, **{**options, "codecs": chain}).metadata.chunk_grid
    )
    exact = MemoryStore()
    zarrpipe.copy(source, exact)
    assert stored(exact) == stored(source)


# What is refused


def test_what_is_there_is_not_overwritten_unasked() -> None:
    source, dest = MemoryStore(), MemoryStore()
    zarrpipe.create_array(source, shape=(4,), dtype="i4")
    zarrpipe.create_array(dest, shape=(5,), dtype="i2")[...] = 1
    before = stored(dest)
    for options in ({}, {"chunks": (2,)}, {"resume": True}):
        with pytest.raises(NodeExistsError):
            zarrpipe.copy(source, dest, **options)
        assert stored(dest) == before
    zarrpipe.copy(source, dest, overwrite=True)
    assert stored(dest) == stored(source)


def test_somebodys_files_are_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    source = MemoryStore()
    zarrpipe.create_array(source, shape=(4,), dtype="i4")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(NodeExistsError, match="that is no node"):
            zarrpipe.copy(source, tmp_path, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_places_inside_of_each_other(tmp_path: Path) -> None:
    fill(LocalStore(tmp_path / "a.zarr"))
    for source, dest, options in [
        (tmp_path / "a.zarr", tmp_path / "a.zarr", {}),
        (tmp_path / "a.zarr", tmp_path / "a.zarr", {"path": "g", "dest_path": "g/x"}),
        (tmp_path / "a.zarr", tmp_path / "a.zarr", {"path": "g/deep", "dest_path": "g"}),
        (tmp_path / "a.zarr", tmp_path / "a.zarr" / "new", {}),
        (tmp_path / "a.zarr" / "g", tmp_path / "a.zarr", {}),
    ]:
        with pytest.raises(ValueError, match="own copy"):
            zarrpipe.copy(source, dest, overwrite=True, **options)
    zarrpipe.copy(tmp_path / "a.zarr", tmp_path / "a.zarr", path="g", dest_path="gg")


def test_what_cannot_be_copied() -> None:
    source = MemoryStore()
    root = fill(source)
    with pytest.raises(NodeNotFoundError):
        zarrpipe.copy(source, MemoryStore(), path="nothing")
    with pytest.raises(ReadOnlyError):
        zarrpipe.copy(source, MemoryStore(read_only=True))
    dest = MemoryStore()
    with pytest.raises(ValueError, match="axes") as caught:
        zarrpipe.copy(source, dest, chunks=(2, 2))
    assert "in the copy of the array" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="not both"):
        zarrpipe.copy(source, dest, overwrite=True, resume=True)
    zarrpipe.create_array(dest, name="a", shape=(3,), dtype="i2")
    with pytest.raises(NodeExistsError, match="is an array"):
        zarrpipe.copy(source, dest, dest_path="a/b")
    source._store_dict["half/zarr.json"] = source._store_dict["half/c/0/0"]
    with pytest.raises(MetadataError):
        zarrpipe.copy(source, MemoryStore())
    assert root.name == "/"


# How it is asked for


class Listener:
    def __init__(self) -> None:
        self.total = self.done = self.ends = 0

    def on_start(self, total: int) -> None:
        self.total = total

    def on_advance(self, n: int) -> None:
        assert n >= 0
        self.done += n

    def on_end(self) -> None:
        self.ends += 1


@pytest.mark.parametrize("changes", [{}, {"compressors": None}])
def test_progress_comes_to_all_of_it(changes: dict[str, Any]) -> None:
    source, listener = MemoryStore(), Listener()
    root = fill(source)
    zarrpipe.copy(source, MemoryStore(), progress=listener, **changes)
    nbytes = sum(node.nbytes for _, node in root.members(None) if isinstance(node, zarrpipe.Array))
    assert (listener.total, listener.done, listener.ends) == (nbytes, nbytes, 1)


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    source = LocalStore(tmp_path / "source.zarr")
    fill(source)
    dest = LoggingStore(MemoryStore())
    plan = zarrpipe.copy(source, dest, dry_run=True)
    assert dest.requests == ()
    assert plan == zarrpipe.copy(source, dest)
    encoded = zarrpipe.copy(source, tmp_path / "a.zip", chunks=-1, shards=None, dry_run=True)
    assert (encoded.chunks_encoded, encoded.chunks_copied) == (3, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["source.zarr"]


def test_the_async_form() -> None:
    source, dest = MemoryStore(), MemoryStore()
    fill(source)

    async def both() -> tuple[Any, Any]:
        return await asyncio.gather(
            zarrpipe.copy_async(source, dest, dest_path="a"),
            zarrpipe.copy_async(source, dest, path="half", dest_path="b", chunks=(20, 20)),
        )

    first, second = asyncio.run(both())
    assert (first.arrays, second.chunks_encoded) == (4, 2)
    check_alike(zarrpipe.open_group(dest, path="a"), zarrpipe.open_group(source))
    with pytest.raises(TypeError, match="no parameter 'chunk'"):
        asyncio.run(zarrpipe.copy_async(source, MemoryStore(), chunk=(4,)))


def test_zip_files_are_whole_at_the_end(tmp_path: Path) -> None:
    source = MemoryStore()
    root = fill(source)
    zarrpipe.copy(source, tmp_path / "a.zip")
    with ZipStore(tmp_path / "a.zip", mode="r") as store:
        check_alike(zarrpipe.open_group(store, mode="r"), root)
    zarrpipe.copy(tmp_path / "a.zip", tmp_path / "b.zarr", path="g")
    assert np.array_equal(zarrpipe.open_array(tmp_path / "b.zarr", path="deep")[...], root["g/deep"][...])


@pytest.mark.parametrize("kind", ["bytes", "items"])
def test_memory_is_bounded(kind: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, CHILDREN / "copy_memory.py", tmp_path, kind], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["equal"]
    assert found["nbytes"] >= 480 * 2**20
    assert found["grown"] < 300 * 2**20
