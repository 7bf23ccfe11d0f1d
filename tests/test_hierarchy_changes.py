"""Groups: members required, moved, created in great number; the requests that this takes."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import zarrpipe
from counting import AwaitedCountingStore, CountingStore
from zarrpipe.errors import MetadataError, NodeExistsError, NodeNotFoundError, ReadOnlyError, UnsupportedError
from zarrpipe.metadata import ArrayMetadata, ArrayV2Metadata, GroupMetadata, GroupV2Metadata, RegularChunkGrid
from zarrpipe.stores import LocalStore, MemoryStore


@pytest.fixture(params=["memory", "local", "awaited"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "local":
        return LocalStore(tmp_path / "store")
    return CountingStore() if request.param == "memory" else AwaitedCountingStore()


@pytest.fixture(params=[2, 3])
def zarr_format(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def group(store: Any, zarr_format: Any) -> zarrpipe.Group:
    """Return a group with /a (array), /b/c (array), /b/d (group)."""
    root = zarrpipe.create_group(store, zarr_format=zarr_format)
    root.create_array("a", data=np.arange(10), chunks=4, attributes={"unit": "m"})
    root.create_array("b/c", shape=(2, 2), dtype="uint8")
    root.create_group("b/d", attributes={"x": 1})
    return root


def names(group: zarrpipe.Group) -> list[str]:
    return [name for name, _ in group.members(None)]


# Required members


def test_require_group(group: zarrpipe.Group, zarr_format: int) -> None:
    assert group.require_group("b").attrs == {}
    assert group.require_group("b/d").attrs == {"x": 1}
    new = group.require_group("x/y")
    assert (new.path, new.zarr_format) == ("x/y", zarr_format)
    assert group.require_groups("x", "x/y", "z") == (group["x"], new, group["z"])
    assert group.require_groups() == ()
    assert list(group.require_group("b", overwrite=True)) == []
    for name in ("a", "a/x"):
        with pytest.raises((TypeError, NodeExistsError)):
            group.require_group(name)
    with pytest.raises(TypeError):
        group.require_group("a")
    for name in ("", "..", "/"):
        with pytest.raises(MetadataError):
            group.require_group(name)


def test_require_array(group: zarrpipe.Group) -> None:
    array = group.require_array("a", shape=10, dtype="int64")
    assert array == group["a"]
    assert group.require_array("b/c", shape=(2, 2), dtype="uint16") == group["b/c"]
    for wrong in (
        {"shape": 9, "dtype": "int64"},
        {"shape": (10, 1), "dtype": "int64"},
        {"shape": 10, "dtype": "int32"},
        {"shape": 10, "dtype": "float64", "exact": True},
    ):
        with pytest.raises(TypeError):
            group.require_array("a", **wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        group.require_array("b", shape=1, dtype="u1")
    assert group.require_array("a", shape=10, dtype="int64", exact=True, config={"order": "F"}).config.order == "F"
    new = group.require_array("b/new", shape=(3,), chunks=2, attributes={"q": 1})
    assert (new.dtype, new.chunks, new.attrs["q"]) == (np.dtype("float64"), (2,), 1)
    assert group.require_array("b/new", shape=3) == new
    np.testing.assert_array_equal(group["a"][:], np.arange(10))  # type: ignore[index]


async def test_require_async(store: Any) -> None:
    group = await zarrpipe.create_group_async(store)
    below = await group.require_group_async("g")
    assert await group.require_groups_async("g", "h") == (below, await group.getitem_async("h"))
    array = await group.require_array_async("x", shape=2, dtype="u1")
    assert await group.require_array_async("x", shape=2, dtype="u1") == array
    with pytest.raises(TypeError):
        await group.require_array_async("x", shape=3, dtype="u1")
    with pytest.raises(TypeError):
        await group.require_group_async("x")


def test_get_array_and_get_group(group: zarrpipe.Group) -> None:
    assert group.get_array("b/c") == group["b/c"]
    assert group.get_group("b") == group["b"]
    for call in (lambda: group.get_array("b"), lambda: group.get_array("x"), lambda: group.get_group("a")):
        with pytest.raises(NodeNotFoundError):
            call()


# Moving


def test_move(group: zarrpipe.Group, store: Any) -> None:
    group.move("a", "moved")
    assert names(group) == ["b", "b/c", "b/d", "moved"]
    np.testing.assert_array_equal(group["moved"][:], np.arange(10))  # type: ignore[index]
    assert group["moved"].attrs == {"unit": "m"}
    group.move("b", "x/y/z")
    assert names(group) == ["moved", "x", "x/y", "x/y/z", "x/y/z/c", "x/y/z/d"]
    assert group["x/y/z/d"].attrs == {"x": 1}
    group["x"].move("y/z/c", "c")  # type: ignore[union-attr]
    assert names(group) == ["moved", "x", "x/c", "x/y", "x/y/z", "x/y/z/d"]
    # Nothing is left behind, and the old place can be used again.
    assert not [key for key in keys_of(store) if key.startswith(("a/", "b/"))]
    again = group.create_array("a", data=np.ones(9), chunks=2)
    again[3] = 5
    np.testing.assert_array_equal(again[:], [1, 1, 1, 5, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(group["moved"][:], np.arange(10))  # type: ignore[index]


def keys_of(store: Any) -> list[str]:
    if isinstance(store, LocalStore):
        return [path.relative_to(store.root).as_posix() for path in store.root.rglob("*") if path.is_file()]
    return list(store._store_dict)


def test_what_cannot_be_moved(group: zarrpipe.Group, store: Any) -> None:
    before = sorted(keys_of(store))
    for source, dest, error in (
        ("nothing", "x", KeyError),
        ("..", "x", KeyError),
        ("a", "b", NodeExistsError),
        ("a", "b/c", NodeExistsError),
        ("b/c", "a/x", NodeExistsError),
        ("b", "b/x", ValueError),
        ("b", "b", ValueError),
        ("", "x", ValueError),
        ("a", "", MetadataError),
        ("a", "x/../y", MetadataError),
    ):
        with pytest.raises(error):
            group.move(source, dest)
    if group.zarr_format == 3:
        with pytest.raises(MetadataError):
            group.move("a", "__a")
    assert sorted(keys_of(store)) == before
    with pytest.raises(ReadOnlyError):
        zarrpipe.open_group(store, mode="r").move("a", "x")


class FailingStore(MemoryStore):
    """A store that fails at the nth write or delete."""

    left: float = float("inf")

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError("the disk is on fire")

    def set_sync(self, key: str, value: Any) -> None:
        self._count()
        super().set_sync(key, value)

    def delete_sync(self, key: str) -> None:
        self._count()
        super().delete_sync(key)


@pytest.mark.parametrize("count", range(16))
def test_a_move_that_is_cut_off(count: int, zarr_format: Any) -> None:
    """At the old place, or the new one, or both, is the whole node; else nothing."""
    store = FailingStore()
    group = zarrpipe.create_group(store, zarr_format=zarr_format)
    group.create_array("a/b", data=np.arange(1, 11), chunks=4)
    group.create_array("a/c", data=np.arange(1, 5), chunks=4)
    store.left = count
    with contextlib.suppress(OSError):
        group.move("a", "x/y")
    store.left = float("inf")
    whole = [["a", "a/b", "a/c"], ["x", "x/y", "x/y/b", "x/y/c"]]
    found = names(group)
    # The groups on the way may be there already.
    rest = [name for name in found if name != "x"]
    assert rest in (whole[0], whole[1][1:], whole[0] + whole[1][1:])
    for path in ("a", "x/y"):
        if path in group:
            np.testing.assert_array_equal(group[f"{path}/b"][:], np.arange(1, 11))  # type: ignore[index]
            np.testing.assert_array_equal(group[f"{path}/c"][:], np.arange(1, 5))  # type: ignore[index]
    if "x/y" not in group:
        # It can be tried again, and what was left behind does no harm.
        store.set_sync("x/y/b/c/9", store.get_sync("zarr.json" if zarr_format == 3 else ".zgroup"))  # type: ignore[arg-type]
        group.move("a", "x/y")
        assert names(group) == whole[1]
        assert "x/y/b/c/9" not in keys_of(store)


async def test_move_async(store: Any) -> None:
    group = await zarrpipe.create_group_async(store)
    await group.create_array_async("a/b", data=np.arange(5), chunks=2)
    await group.move_async("a/b", "c")
    assert await group.keys_async() == ["a", "c"]
    moved: Any = await group.getitem_async("c")
    np.testing.assert_array_equal(await moved.read_async(), np.arange(5))
    with pytest.raises(KeyError):
        await group.move_async("a/b", "d")


def test_local_files_are_renamed(tmp_path: Path) -> None:
    group = zarrpipe.create_group(tmp_path)
    group.create_array("a", data=np.arange(10), chunks=4)
    chunk = (tmp_path / "a/c/0").stat().st_ino
    group.move("a", "b/c")
    assert (tmp_path / "b/c/c/0").stat().st_ino == chunk
    assert not (tmp_path / "a").exists()
    # A folder that is no node is in nobody's way.
    (tmp_path / "d/junk").mkdir(parents=True)
    group.move("b", "d")
    assert names(group) == ["d", "d/c"]
    assert not (tmp_path / "d/junk").exists()


# Many new members


BYTES = {"name": "bytes", "configuration": {"endian": "little"}}


def array_of(zarr_format: int, shape: tuple[int, ...] = (4,)) -> Any:
    if zarr_format == 2:
        return ArrayV2Metadata(shape=shape, chunks=(2,), dtype="<i2", compressor=None, fill_value=3)
    return ArrayMetadata(
        shape=shape, data_type="int16", chunk_grid=RegularChunkGrid((2,)), fill_value=3, codecs=(BYTES,)
    )


def group_of(zarr_format: int, **attributes: Any) -> Any:
    return (GroupV2Metadata if zarr_format == 2 else GroupMetadata)(attributes=attributes)


def test_create_hierarchy(store: Any, zarr_format: Any) -> None:
    nodes = {"b/c": array_of(zarr_format), "/a/": group_of(zarr_format, t=1), "b/d/e": group_of(zarr_format)}
    made = dict(zarrpipe.create_hierarchy(store=store, nodes=nodes))
    assert list(made) == ["", "a", "b", "b/c", "b/d", "b/d/e"]
    root = zarrpipe.open_group(store)
    assert root.zarr_format == zarr_format
    assert {"": root, **dict(root.members(None))} == made
    np.testing.assert_array_equal(made["b/c"][:], [3] * 4)  # type: ignore[index]
    assert root["a"].attrs == {"t": 1}
    # Groups that are there stay; nothing is written where there is a node.
    before = sorted(keys_of(store))
    with pytest.raises(NodeExistsError):
        zarrpipe.create_hierarchy(store=store, nodes={"new": group_of(zarr_format), "b/c": group_of(zarr_format)})
    with pytest.raises(NodeExistsError):
        zarrpipe.create_hierarchy(store=store, nodes={"b/c/x/y": group_of(zarr_format)})
    assert sorted(keys_of(store)) == before
    made = dict(zarrpipe.create_hierarchy(store=store, nodes={"a/x": group_of(zarr_format)}))
    assert list(made) == ["a/x"]
    assert root["a"].attrs == {"t": 1}
    made = dict(zarrpipe.create_hierarchy(store=store, nodes={"b": group_of(zarr_format, n=2)}, overwrite=True))
    assert [name for name, _ in root.members(None)] == ["a", "a/x", "b"]
    assert root["b"].attrs == {"n": 2}
    assert list(zarrpipe.create_hierarchy(store={}, nodes={})) == []


def test_create_hierarchy_below_a_group(store: Any, zarr_format: Any) -> None:
    group = zarrpipe.create_group(store, path="p/q", zarr_format=zarr_format)
    made = dict(group.create_hierarchy({"x/y": array_of(zarr_format)}))
    assert [(name, node.path) for name, node in made.items()] == [("x", "p/q/x"), ("x/y", "p/q/x/y")]
    with pytest.raises(ValueError, match="itself"):
        group.create_hierarchy({"": group_of(zarr_format)})
    assert list(group.create_hierarchy({})) == []
    below = zarrpipe.stores.StorePath(store, "p")  # type: ignore[attr-defined]
    made = dict(zarrpipe.create_hierarchy(store=below, nodes={"z": group_of(zarr_format)}))
    assert [(name, node.path) for name, node in made.items()] == [("z", "p/z")]


def test_hierarchies_that_cannot_be() -> None:
    store: dict[str, Any] = {}
    for nodes, error in (
        ({"a": array_of(3), "a/b": group_of(3)}, ValueError),
        ({"a": group_of(3), "b": group_of(2)}, ValueError),
        ({"a": group_of(3), "/a": group_of(3)}, ValueError),
        ({"a": 3}, TypeError),
        ({"..": group_of(3)}, MetadataError),
        ({"__a": group_of(3)}, MetadataError),
        ({"a": zarrpipe.create_group({})}, TypeError),
    ):
        with pytest.raises(error):
            zarrpipe.create_hierarchy(store=store, nodes=nodes)  # type: ignore[arg-type]
    assert store == {}


async def test_create_hierarchy_async(zarr_format: Any) -> None:
    """Level by level, all of a level at once."""
    store = AwaitedCountingStore()
    nodes = {f"a/b{index}": array_of(zarr_format) for index in range(30)}
    made = dict(await zarrpipe.create_hierarchy_async(store=store, nodes=nodes))
    assert len(made) == 32
    # What is there, in two rounds at most, as many requests are under way as the settings allow; then three levels,
    # of documents each of which is one value in v3, and two in v2.
    assert store.taken()["rounds"] <= 4 + 3 * (zarr_format == 2) + 2
    group = await zarrpipe.open_group_async(store)
    below = dict(await group.create_hierarchy_async({"c": group_of(zarr_format)}))
    assert below == {"c": await group.getitem_async("c")}


@pytest.mark.parametrize("zarr_format_", [2, 3])
def test_zarr_reads_hierarchies(tmp_path: Path, zarr_format_: Any) -> None:
    nodes = {"b/c": array_of(zarr_format_), "a": group_of(zarr_format_, t=1)}
    zarrpipe.create_hierarchy(store=tmp_path, nodes=nodes)
    theirs = zarr.open_group(tmp_path, mode="r")
    assert sorted(name for name, _ in theirs.members(None)) == ["a", "b", "b/c"]
    assert dict(theirs["a"].attrs) == {"t": 1}


# By what they are filled with


def test_filled(group: zarrpipe.Group, zarr_format: int) -> None:
    assert group.zeros(name="f/z", shape=(2, 3))[:].tolist() == [[0] * 3] * 2
    assert group.ones(name="f/o", shape=2, dtype="int8")[:].tolist() == [1, 1]
    assert group.full(name="f/f", shape=2, fill_value=7, dtype="int8")[:].tolist() == [7, 7]
    assert group.empty(name="f/e", shape=2).dtype == np.dtype("float64")
    source: Any = group["a"]
    for name in ("empty_like", "zeros_like", "ones_like"):
        new = getattr(group, name)(name=f"like/{name}", data=source)
        assert (new.shape, new.dtype, new.chunks, new.zarr_format) == ((10,), source.dtype, (4,), zarr_format)
        assert new[0] == (name == "ones_like")
    assert group.full_like(name="like/full", data=source, fill_value=9)[3] == 9
    assert group.zeros_like(name="like/numpy", data=np.ones((2, 2), dtype="u2")).dtype == np.dtype("u2")
    other = zarrpipe.create_array({}, shape=5, dtype="u1", chunks=2, zarr_format=5 - zarr_format)  # type: ignore[arg-type]
    new = group.empty_like(name="like/other", data=other)
    assert (new.zarr_format, new.chunks) == (zarr_format, (2,))


# Requests


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        # The group above and the node's own three documents at once, and then the one that is written.
        ("a", {"get": 4, "set": 1, "rounds": 2}),
        # Where the group above is missing, all those further up are asked for at once.
        ("x/y/z", {"get": 3 + 4 + 2 * 4, "set": 3, "rounds": 5}),
    ],
)
def test_requests_of_a_creation(path: str, expected: dict[str, int]) -> None:
    store = AwaitedCountingStore()
    group = zarrpipe.create_group(store)
    store.taken()
    group.create_array(path, shape=(2,), dtype="u1")
    taken = store.taken()
    assert taken == expected


def test_requests_of_opening() -> None:
    """One for v3; two rounds at most where nothing says the format."""
    store = AwaitedCountingStore()
    zarrpipe.create_array(store, name="new", shape=2, dtype="u1")
    zarrpipe.create_array(store, name="old", shape=2, dtype="u1", zarr_format=2)
    store.taken()
    zarrpipe.open_array(store, path="new", mode="r")
    assert store.taken() == {"get": 1, "rounds": 1}
    zarrpipe.open_array(store, path="old", mode="r")
    assert store.taken() == {"get": 5, "rounds": 2}
    zarrpipe.open_array(store, path="old", mode="r", zarr_format=2)
    assert store.taken() == {"get": 3, "rounds": 1}
    with pytest.raises(NodeNotFoundError):
        zarrpipe.open_array(store, path="nothing", mode="r")
    assert store.taken() == {"get": 5, "rounds": 2}


def test_n5_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "attributes.json").write_text('{"n5": "4.0.0"}')
    group = zarrpipe.open_group(tmp_path, mode="r")
    for call in (
        lambda: group.require_group("a"),
        lambda: group.create_hierarchy({"a": group_of(3)}),
        lambda: group.move("a", "b"),
        lambda: group.zeros(name="a", shape=1),
    ):
        with pytest.raises(UnsupportedError):
            call()
