"""Consolidated metadata: read, written, kept true, and compared."""

from __future__ import annotations

import json
import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import zarrpipe
from counting import AwaitedCountingStore, CountingStore
from zarrpipe.errors import (
    MetadataError,
    NodeExistsError,
    NodeNotFoundError,
    ReadOnlyError,
    StaleMetadataWarning,
    UnsupportedError,
)
from zarrpipe.stores import LocalStore, MemoryStore

ROOT = Path(__file__).parents[1]
PYTHON2 = ROOT / ".venv-zarr2" / "bin" / "python"
V3_WARNING = "ignore:Consolidated metadata is currently not part"


def build(store: Any, zarr_format: Any) -> zarrpipe.Group:
    """Return a group with /a (array), /b/c (array), /b/d (group), /b/d/e (array)."""
    root = zarrpipe.create_group(store, attributes={"title": "t"}, zarr_format=zarr_format)
    root.create_array("a", data=np.arange(6, dtype="int16"), chunks=4, attributes={"unit": "m"})
    root.create_array("b/c", shape=(2, 2), dtype="float32", fill_value=1.5)
    root.create_group("b/d", attributes={"x": [1]})
    root.create_array("b/d/e", shape=(3,), dtype="uint8")
    return root


PATHS = ["a", "b", "b/c", "b/d", "b/d/e"]


@pytest.fixture(params=[2, 3])
def zarr_format(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=["memory", "local", "awaited"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "local":
        return LocalStore(tmp_path / "store")
    return CountingStore() if request.param == "memory" else AwaitedCountingStore()


def document(store: Any, zarr_format: int, path: str = "") -> Any:
    """Return the consolidated document as it is stored."""
    key = ".zmetadata" if zarr_format == 2 else "zarr.json"
    found = json.loads(store.get_sync(f"{path}/{key}".lstrip("/")).to_bytes())
    return found if zarr_format == 2 else found["consolidated_metadata"]


def test_what_is_written(zarr_format: Any) -> None:
    store = MemoryStore()
    build(store, zarr_format)
    group = zarrpipe.consolidate_metadata(store)
    assert group.is_consolidated
    found = document(store, zarr_format)
    if zarr_format == 2:
        assert found["zarr_consolidated_format"] == 1
        keys = [".zgroup", ".zattrs", "a/.zarray", "a/.zattrs", "b/.zgroup", "b/.zattrs", "b/c/.zarray", "b/c/.zattrs"]
        keys += ["b/d/.zgroup", "b/d/.zattrs", "b/d/e/.zarray", "b/d/e/.zattrs"]
        assert sorted(found["metadata"]) == sorted(keys)
        for key, value in found["metadata"].items():
            assert value == json.loads(store.get_sync(key).to_bytes())
        return
    assert (found["kind"], found["must_understand"]) == ("inline", False)
    assert list(found["metadata"]) == PATHS
    for path, value in found["metadata"].items():
        own = json.loads(store.get_sync(f"{path}/zarr.json").to_bytes())
        if own["node_type"] == "group":
            own["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": {}}
        assert value == own


@pytest.mark.parametrize("asynchronous", [False, True])
def test_members_without_a_request(zarr_format: Any, asynchronous: bool) -> None:
    store = AwaitedCountingStore() if asynchronous else CountingStore()
    build(store, zarr_format)
    zarrpipe.consolidate_metadata(store)
    store.taken()
    group = zarrpipe.open_consolidated(store)
    opened = store.taken()
    # Of v2: zarr.json, which is not there, and then the others at once, that of N5 too.
    assert opened["get"] == (1 if zarr_format == 3 else 6)
    assert opened.get("rounds", 0) == (zarr_format == 2) + 1 if asynchronous else True
    assert list(group) == list(group.keys()) == ["a", "b"]
    assert [name for name, _ in group.members(None)] == PATHS
    assert [name for name, _ in group.members(1)] == ["a", "b", "b/c", "b/d"]
    assert [name for name, _ in group["b"].members()] == ["c", "d"]  # type: ignore[union-attr]
    assert [name for name, _ in group["b"].members(None)] == ["c", "d", "d/e"]  # type: ignore[union-attr]
    assert (len(group), group.nmembers(1), group.nmembers(None)) == (2, 4, 5)
    assert (list(group.array_keys()), list(group.group_keys())) == (["a"], ["b"])
    assert [array.shape for _, array in group.arrays()] == [(6,)]
    assert [below.path for _, below in group.groups()] == ["b"]
    assert "b/d/e" in group
    assert "b/x" not in group
    assert "b/d" in group
    assert "../b" not in group
    assert group["b/d/e"].shape == (3,)  # type: ignore[union-attr]
    assert group["b"]["d"].attrs["x"] == [1]  # type: ignore[index, union-attr]
    assert group.get("b/nothing") is None
    with pytest.raises(KeyError):
        group["nothing"]
    assert group.attrs["title"] == "t"
    assert "e (3,) uint8" in repr(group.tree())
    assert group.info_complete().count_arrays == 3
    assert store.taken() == {}
    np.testing.assert_array_equal(group["a"][:], np.arange(6))  # type: ignore[index]
    assert store.taken()["get"] == 2


def test_equal_to_what_the_store_says(store: Any, zarr_format: Any) -> None:
    build(store, zarr_format)
    zarrpipe.consolidate_metadata(store)
    known = zarrpipe.open_group(store)
    asked = zarrpipe.open_group(store, use_consolidated=False)
    assert (known.is_consolidated, asked.is_consolidated) == (True, False)
    assert known == asked
    assert known.members(None) == asked.members(None)
    assert [node.metadata for _, node in known.members(None)] == [node.metadata for _, node in asked.members(None)]


def test_use_consolidated(zarr_format: Any) -> None:
    store = MemoryStore()
    build(store, zarr_format)
    assert not zarrpipe.open_group(store).is_consolidated
    for call in (
        lambda: zarrpipe.open_consolidated(store),
        lambda: zarrpipe.open_group(store, use_consolidated=True),
        lambda: zarrpipe.open_consolidated(store, path="b"),
        lambda: zarrpipe.open(store, use_consolidated=True),
    ):
        with pytest.raises(MetadataError, match="no consolidated metadata"):
            call()
    zarrpipe.consolidate_metadata(store, path="b")
    assert not zarrpipe.open_group(store).is_consolidated
    below = zarrpipe.open_consolidated(store, path="b")
    assert [name for name, _ in below.members(None)] == ["c", "d", "d/e"]
    assert below["d/e"].path == "b/d/e"
    assert below["d"]["e"] == below["d/e"]  # type: ignore[index]
    assert zarrpipe.open(store, path="b", use_consolidated=True) == below
    with pytest.raises(TypeError):
        zarrpipe.open_consolidated(store, use_consolidated=False)  # type: ignore[arg-type]


def test_another_name() -> None:
    store = MemoryStore()
    build(store, 2)
    zarrpipe.consolidate_metadata(store)
    store.set_sync("other", store.get_sync(".zmetadata"))  # type: ignore[arg-type]
    store.delete_sync(".zmetadata")
    assert not zarrpipe.open_group(store).is_consolidated
    group = zarrpipe.open_consolidated(store, use_consolidated="other")
    assert [name for name, _ in group.members(None)] == PATHS
    group["a"].attrs["unit"] = "km"
    assert json.loads(store.get_sync("other").to_bytes())["metadata"]["a/.zattrs"] == {"unit": "km"}  # type: ignore[union-attr]
    assert group.check_consolidated() == ()
    with pytest.raises(TypeError):
        zarrpipe.open_group({"zarr.json": b'{"zarr_format": 3, "node_type": "group"}'}, use_consolidated="other")


def test_stores_that_hold_none() -> None:
    class Without(MemoryStore):
        @property
        def supports_consolidated_metadata(self) -> bool:
            return False

    held: dict[str, Any] = {}
    build(held, 3)
    zarrpipe.consolidate_metadata(held)
    store = Without(held)
    for call in (
        lambda: zarrpipe.consolidate_metadata(store),
        lambda: zarrpipe.open_consolidated(store),
        lambda: zarrpipe.open_group(store, use_consolidated=True),
    ):
        with pytest.raises(UnsupportedError):
            call()
    assert not zarrpipe.open_group(store).is_consolidated


def test_what_cannot_be_consolidated() -> None:
    with pytest.raises(NodeNotFoundError):
        zarrpipe.consolidate_metadata({})
    store = MemoryStore()
    zarrpipe.create_array(store, shape=1, dtype="u1")
    with pytest.raises(NodeExistsError):
        zarrpipe.consolidate_metadata(store)
    read_only = MemoryStore({}, read_only=True)
    with pytest.raises(ReadOnlyError):
        zarrpipe.consolidate_metadata(read_only)
    mixed = MemoryStore()
    zarrpipe.create_group(mixed, zarr_format=2)
    zarrpipe.create_group(mixed, path="new", zarr_format=3)
    with pytest.raises(MetadataError, match="format 3"):
        zarrpipe.consolidate_metadata(mixed)


def test_both_formats_below_a_v3_group() -> None:
    store = MemoryStore()
    root = zarrpipe.create_group(store)
    zarrpipe.create_array(store, name="old", shape=3, dtype=">i4", zarr_format=2, attributes={"a": 1})
    asked = root["old"]
    group = zarrpipe.consolidate_metadata(store)
    assert group["old"] == asked
    assert group["old"].zarr_format == 2
    assert group.check_consolidated() == ()
    group["old"].attrs["b"] = 2
    assert zarrpipe.open_consolidated(store)["old"].attrs == {"a": 1, "b": 2}
    assert group.check_consolidated() == ()


# Parity


def as_zarr_store(store: MemoryStore) -> Any:
    buffer = zarr.core.buffer.cpu.Buffer  # type: ignore[attr-defined]
    return zarr.storage.MemoryStore(
        {key: buffer.from_bytes(value.to_bytes()) for key, value in store._store_dict.items()}
    )


def from_zarr_store(store: Any) -> MemoryStore:
    return MemoryStore({key: value.to_bytes() for key, value in store._store_dict.items()})


@pytest.mark.filterwarnings(V3_WARNING)
def test_zarr_reads_ours(zarr_format: Any) -> None:
    store = MemoryStore()
    build(store, zarr_format)
    zarrpipe.consolidate_metadata(store)
    group = zarrpipe.open_consolidated(store)
    # After changes, too.
    group.create_array("b/new", shape=(5,), dtype="int64")
    group["b/c"].resize((4, 2))  # type: ignore[union-attr]
    group.move("b/d", "moved")
    theirs = zarr.open_consolidated(as_zarr_store(store))
    assert theirs.metadata.consolidated_metadata is not None
    shapes = {name: getattr(node, "shape", None) for name, node in theirs.members(None)}
    assert shapes == {"a": (6,), "b": None, "b/c": (4, 2), "b/new": (5,), "moved": None, "moved/e": (3,)}
    assert dict(theirs["moved"].attrs) == {"x": [1]}
    assert dict(theirs["a"].attrs) == {"unit": "m"}
    np.testing.assert_array_equal(theirs["a"][:], np.arange(6))  # type: ignore[index]


@pytest.mark.filterwarnings(V3_WARNING)
def test_we_read_zarrs(zarr_format: Any) -> None:
    theirs = zarr.storage.MemoryStore()
    root = zarr.create_group(theirs, zarr_format=zarr_format, attributes={"title": "t"})
    root.create_array("a", data=np.arange(6, dtype="int16"), chunks=(4,))
    root.create_array("b/c", shape=(2, 2), dtype="float64", fill_value=float("nan"))
    root.create_group("b/d/e")
    zarr.consolidate_metadata(theirs)
    group = zarrpipe.open_consolidated(from_zarr_store(theirs))
    assert [name for name, _ in group.members(None)] == ["a", "b", "b/c", "b/d", "b/d/e"]
    assert group.check_consolidated() == ()
    np.testing.assert_array_equal(group["a"][:], np.arange(6))  # type: ignore[index]
    assert np.isnan(group["b/c"].fill_value)  # type: ignore[union-attr]
    group["b/c"].attrs["x"] = 1
    assert group.check_consolidated() == ()


def test_zarr_2(tmp_path: Path) -> None:
    if not PYTHON2.exists():
        pytest.skip("allowed: .venv-zarr2 is made by make")
    child = ROOT / "tests" / "children" / "zarr2.py"

    def run(command: str) -> str:
        done = subprocess.run(
            [PYTHON2, "-I", child, command, tmp_path], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("write-consolidated")
    group = zarrpipe.open_consolidated(tmp_path / "zarr")
    assert [name for name, _ in group.members(None)] == ["a", "b", "b/c"]
    assert group.check_consolidated() == ()
    np.testing.assert_array_equal(group["b/c"][:], np.arange(5))  # type: ignore[index]
    group["b/c"].attrs["seen"] = True
    group.create_array("b/d", data=np.arange(3, dtype="int32"))
    del group["a"]
    assert json.loads(run("read-consolidated")) == {
        "b/c": [[0, 1, 2, 3, 4], {"seen": True}],
        "b/d": [[0, 1, 2], {}],
    }


# Kept true


def test_changes_are_told(store: Any, zarr_format: Any) -> None:
    build(store, zarr_format)
    zarrpipe.consolidate_metadata(store)
    group = zarrpipe.open_consolidated(store)

    def check() -> None:
        assert group.check_consolidated() == ()
        again = zarrpipe.open_consolidated(store)
        assert again.members(None) == group.members(None)
        assert again == group
        assert again.members(None) == zarrpipe.open_group(store, use_consolidated=False).members(None)

    group["a"].attrs["unit"] = "km"
    check()
    group["b/c"].resize((5, 5))  # type: ignore[union-attr]
    check()
    group["a"].append([7, 8])  # type: ignore[union-attr]
    check()
    np.testing.assert_array_equal(group["a"][:], [0, 1, 2, 3, 4, 5, 7, 8])  # type: ignore[index]
    group["b"].attrs["t"] = 2
    check()
    group.attrs["title"] = "other"
    check()
    group["b"].create_array("new/deep", shape=2, dtype="u1")  # type: ignore[union-attr]
    check()
    assert "b/new/deep" in group
    assert list(group["b/new"]) == ["deep"]  # type: ignore[arg-type]
    group["b"].create_group("d", overwrite=True)  # type: ignore[union-attr]
    check()
    assert "b/d/e" not in group
    del group["b/new"]
    check()
    assert "b/new/deep" not in group
    group.move("b", "moved/here")
    check()
    assert [name for name, _ in group.members(None)] == ["a", "moved", "moved/here", "moved/here/c", "moved/here/d"]
    group.require_group("r/s")
    group.require_array("r/t", shape=2, dtype="u1")
    group.zeros(name="z", shape=2)
    check()
    group.create_hierarchy({"h/i": group["a"].metadata}, overwrite=True)  # type: ignore[dict-item]
    check()


def test_changes_through_groups_that_do_not_use_it(zarr_format: Any) -> None:
    store = MemoryStore()
    build(store, zarr_format)
    zarrpipe.consolidate_metadata(store)
    group = zarrpipe.open_group(store, use_consolidated=False)
    group.create_array("new", shape=2, dtype="u1")
    group["a"].attrs["q"] = 1
    group["b/d"].attrs["q"] = 1
    del group["b/c"]
    assert zarrpipe.open_consolidated(store).check_consolidated() == ()
    assert sorted(zarrpipe.open_consolidated(store)["b"]) == ["d"]  # type: ignore[type-var, arg-type]


def test_groups_between(zarr_format: Any) -> None:
    """A group below a consolidated one that is consolidated itself."""
    store = MemoryStore()
    build(store, zarr_format)
    zarrpipe.consolidate_metadata(store, path="b")
    zarrpipe.consolidate_metadata(store)
    root = zarrpipe.open_consolidated(store)
    root["b/d/e"].attrs["q"] = 1
    root["b"].create_group("new")  # type: ignore[union-attr]
    assert root.check_consolidated() == ()
    below = zarrpipe.open_consolidated(store, path="b")
    assert below.check_consolidated() == ()
    assert sorted(below) == ["c", "d", "new"]


def test_a_new_member_by_its_path_is_told_to_the_group_right_above() -> None:
    store = MemoryStore()
    build(store, 3)
    zarrpipe.consolidate_metadata(store)
    zarrpipe.create_array(store, name="new", shape=2, dtype="u1")
    zarrpipe.create_group(store, path="group/below")
    group = zarrpipe.open_consolidated(store)
    assert group.check_consolidated() == ()
    assert sorted(group) == ["a", "b", "group", "new"]


def test_differences(store: Any, zarr_format: Any) -> None:
    build(store, zarr_format)
    group = zarrpipe.consolidate_metadata(store)
    zarrpipe.open_array(store, path="a").attrs["unit"] = "km"
    zarrpipe.create_array(store, name="b/d/new", shape=1, dtype="u1", zarr_format=zarr_format)
    below = zarrpipe.open_group(store, path="b")
    del below["c"]
    found = {item.path: item.kind for item in group.check_consolidated()}
    assert found == {"a": "stale", "b/d/new": "missing", "b/c": "extra"}
    assert zarrpipe.open_group(store, use_consolidated=False).check_consolidated() == group.check_consolidated()
    # Nothing is lost: the real document is read before it is changed. And it is told.
    with pytest.warns(StaleMetadataWarning, match="'/a'"):
        group["a"].attrs["more"] = 1
    assert zarrpipe.open_array(store, path="a").attrs == {"unit": "km", "more": 1}
    found = {item.path: item.kind for item in group.check_consolidated()}
    assert found == {"b/d/new": "missing", "b/c": "extra"}
    assert zarrpipe.consolidate_metadata(store).check_consolidated() == ()
    with pytest.raises(MetadataError, match="no consolidated"):
        below.check_consolidated()


def test_the_same_in_other_words_is_not_stale() -> None:
    """Who consolidates may have parsed: short-hands are written out then, and defaults given."""
    array = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [2],
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
        "chunk_key_encoding": "default",
        "fill_value": 0,
        "codecs": ["bytes"],
    }
    longer = {**array, "codecs": [{"name": "bytes"}], "attributes": {}}
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": {"a": longer}},
    }
    store = {"zarr.json": json.dumps(group).encode(), "a/zarr.json": json.dumps(array).encode()}
    assert zarrpipe.open_consolidated(store).check_consolidated() == ()


async def test_async_twins(zarr_format: Any) -> None:
    store = AwaitedCountingStore()
    root = await zarrpipe.create_group_async(store, zarr_format=zarr_format)
    await root.create_array_async("a/b", shape=(3,), dtype="u1")
    group = await zarrpipe.consolidate_metadata_async(store)
    opened = await zarrpipe.open_consolidated_async(store)
    assert group == opened
    store.taken()
    assert [name for name, _ in await opened.members_async(None)] == ["a", "a/b"]
    assert [name async for name, _ in opened.iter_members_async()] == ["a"]
    assert await opened.nmembers_async(None) == 2
    assert await opened.keys_async() == ["a"]
    assert await opened.contains_async("a/b")
    assert (await opened.getitem_async("a/b")).shape == (3,)  # type: ignore[union-attr]
    assert store.taken() == {}
    array: Any = await opened.getitem_async("a/b")
    await array.resize_async((7,))
    await opened.move_async("a/b", "c")
    await opened.require_group_async("d")
    assert await opened.check_consolidated_async() == ()
    assert (await zarrpipe.open_consolidated_async(store)) == opened
    assert await opened.keys_async() == ["a", "c", "d"]


def test_pickles(tmp_path: Path, zarr_format: Any) -> None:
    store = LocalStore(tmp_path)
    build(store, zarr_format)
    group = zarrpipe.consolidate_metadata(store)
    copy = pickle.loads(pickle.dumps(group))
    assert copy == group
    assert copy.is_consolidated
    array = pickle.dumps(group["b/c"])
    # Without the documents of its neighbours.
    assert b"b/d/e" not in array
    pickle.loads(array).attrs["x"] = 1
    copy.create_group("new")
    assert zarrpipe.open_consolidated(store).check_consolidated() == ()


# Documents of others


def with_entries(entries: Any, **fields: Any) -> dict[str, bytes]:
    consolidated = {"kind": "inline", "must_understand": False, "metadata": entries, **fields}
    group = {"zarr_format": 3, "node_type": "group", "attributes": {}, "consolidated_metadata": consolidated}
    return {"zarr.json": json.dumps(group).encode()}


GROUP = {"zarr_format": 3, "node_type": "group", "attributes": {}}


def test_entries_are_parsed_when_asked_for() -> None:
    broken = {**GROUP, "node_type": "array"}
    unknown = {"zarr_format": 3, "node_type": "group", "new": {"must_understand": True}}
    store = with_entries({"a": broken, "b": GROUP, "c": unknown, "b/d": GROUP, "e": {"zarr_format": 3}})
    group = zarrpipe.open_consolidated(store)
    assert list(group) == ["a", "b", "c", "e"]
    assert list(group["b"]) == ["d"]  # type: ignore[arg-type]
    with pytest.raises(MetadataError, match=r"a/zarr\.json"):
        group["a"]
    with pytest.raises(MetadataError, match=r"/new.*c/zarr\.json"):
        group["c"]
    with pytest.raises(MetadataError, match=r"/node_type.*e/zarr\.json"):
        group["e"]
    with pytest.raises(MetadataError):
        group.members()


@pytest.mark.parametrize("path", ["..", "a/../b", "zarr.json", "a/\0"])
def test_paths_that_no_node_may_have(path: str) -> None:
    group = zarrpipe.open_consolidated(with_entries({path: GROUP}))
    with pytest.raises(MetadataError, match="consolidated_metadata"):
        list(group)


def test_odd_entries() -> None:
    group = zarrpipe.open_consolidated(with_entries({"": GROUP, "__x": GROUP, "a//b": GROUP, "/c": GROUP}))
    # Groups that have no document of their own are none, but what is below them is there.
    assert list(group) == ["c"]
    assert "a" not in group
    assert group["a/b"].path == "a/b"
    assert zarrpipe.open_consolidated(with_entries({})).members() == ()


@pytest.mark.parametrize(
    "consolidated",
    [
        3,
        [],
        {},
        {"kind": "inline"},
        {"kind": "inline", "must_understand": False, "metadata": []},
        {"kind": "inline", "must_understand": True, "metadata": {}},
        {"kind": "inline", "must_understand": False, "metadata": {"a": 1}},
    ],
)
def test_invalid_fields(consolidated: Any) -> None:
    store = {"zarr.json": json.dumps({**GROUP, "consolidated_metadata": consolidated}).encode()}
    with pytest.raises(MetadataError, match="consolidated_metadata"):
        zarrpipe.open_group(store)


def test_null_and_other_kinds() -> None:
    """Null is what zarr-python wrote until 3.1.3."""
    for value in (None, {"kind": "elsewhere", "must_understand": False, "href": "x"}):
        store = {"zarr.json": json.dumps({**GROUP, "consolidated_metadata": value}).encode()}
        group = zarrpipe.open_group(store)
        assert not group.is_consolidated
        with pytest.raises(MetadataError):
            zarrpipe.open_consolidated(store)
        group.attrs["a"] = 1
        kept = json.loads(group.store.get_sync("zarr.json").to_bytes()).get("consolidated_metadata")  # type: ignore[attr-defined]
        assert kept == value
        assert zarrpipe.consolidate_metadata(group.store).is_consolidated


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"metadata": {}}',
        '{"metadata": [], "zarr_consolidated_format": 1}',
        '{"metadata": {}, "zarr_consolidated_format": 2}',
        '{"metadata": {"a/.zarray": 3}, "zarr_consolidated_format": 1}',
    ],
)
def test_invalid_zmetadata(text: str) -> None:
    store = {".zgroup": b'{"zarr_format": 2}', ".zmetadata": text.encode()}
    with pytest.raises(MetadataError, match=r"\.zmetadata"):
        zarrpipe.open_group(store)
    assert list(zarrpipe.open_group(store, use_consolidated=False)) == []


def test_zmetadata_of_others() -> None:
    """Root attributes missing, attributes missing, NaN among them, keys of other documents."""
    array = {"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "<f8", "compressor": None, "fill_value": "NaN"}
    array.update(order="C", filters=None)
    metadata = {"a/.zarray": array, "b/.zgroup": {"zarr_format": 2}, "b/.zattrs": {"x": float("nan")}, "c/.zattrs": {}}
    metadata["other"] = {}
    store = {
        ".zgroup": b'{"zarr_format": 2}',
        ".zmetadata": json.dumps({"metadata": metadata, "zarr_consolidated_format": 1}).encode(),
    }
    group = zarrpipe.open_consolidated(store)
    assert list(group) == ["a", "b"]
    assert np.isnan(group["b"].attrs["x"])
    assert group["a"].attrs == {}
    np.testing.assert_array_equal(group["a"][:], [np.nan, np.nan])  # type: ignore[index]


def test_fields_of_others_are_kept() -> None:
    store = MemoryStore(with_entries({}, extra=[1]))
    group = zarrpipe.open_consolidated(store)
    group.create_group("a")
    assert document(store, 3)["extra"] == [1]
    group.attrs["x"] = 1
    assert document(store, 3)["extra"] == [1]
    assert list(document(store, 3)["metadata"]) == ["a"]
