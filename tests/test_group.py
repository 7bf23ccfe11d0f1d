"""Groups: a mapping of nodes."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from zarrpipe.errors import ConflictError, MetadataError, NodeExistsError, ReadOnlyError
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
def group(store: Any) -> zarrpipe.Group:
    """Return a group with /a (array), /b/c (array) and /b/d (group)."""
    root = zarrpipe.create_group(store, attributes={"title": "t"})
    root.create_array("a", shape=(4,), dtype="float32")
    root.create_array("b/c", shape=(2, 2), dtype="uint8")
    root.create_group("b/d")
    return root


def test_mapping(group: zarrpipe.Group) -> None:
    assert list(group) == list(group.keys()) == ["a", "b"]
    assert len(group) == 2
    assert [type(node) for node in group.values()] == [zarrpipe.Array, zarrpipe.Group]
    assert dict(group.items()) == {"a": group["a"], "b": group["b"]}
    assert "a" in group
    assert "b/c" in group
    assert "/b//c/" in group
    for name in ("c", "a/x", "", "__x", "..", "zarr.json", "b/../a", 1, None):
        assert (name in group) == (name == "")
    assert group["b/c"] == group["b"]["c"]  # type: ignore[index]
    assert group[""] == group
    assert group.get("nothing", 5) == 5
    assert group.get("a") == group["a"]
    for name in ("nothing", "a/x", "__x", ".."):
        with pytest.raises(KeyError):
            group[name]


def test_places(group: zarrpipe.Group, store: Any) -> None:
    below = group["b"]
    assert (group.path, group.name, group.basename) == ("", "/", "")
    assert (below.path, below.name, below.basename) == ("b", "/b", "b")
    assert (group["b/c"].path, group["b/c"].name) == ("b/c", "/b/c")
    assert group.store == below.store == store
    assert str(below.store_path) == f"{store}/b"


def test_kinds_of_members(group: zarrpipe.Group) -> None:
    assert list(group.array_keys()) == ["a"]
    assert list(group.group_keys()) == ["b"]
    assert list(group.arrays()) == [("a", group["a"])]
    assert list(group.groups()) == [("b", group["b"])]
    assert list(group.array_values()) == [group["a"]]
    assert list(group.group_values()) == [group["b"]]


def test_members(group: zarrpipe.Group) -> None:
    assert [name for name, _ in group.members()] == ["a", "b"]
    assert [name for name, _ in group.members(max_depth=1)] == ["a", "b", "b/c", "b/d"]
    assert [name for name, _ in group.members(max_depth=None)] == ["a", "b", "b/c", "b/d"]
    assert group.nmembers(None) == 4
    assert group["b/d"].members() == ()  # type: ignore[union-attr]
    with pytest.raises(ValueError):
        group.members(-1)


def test_groups_on_the_way_are_created(store: Any) -> None:
    array = zarrpipe.create_array(store, name="x/y/z", shape=1, dtype="u1")
    root = zarrpipe.open_group(store, mode="r")
    assert array == root["x/y/z"] or root.read_only
    assert [name for name, _ in root.members(None)] == ["x", "x/y", "x/y/z"]


def test_an_array_has_nothing_below_it(group: zarrpipe.Group) -> None:
    for create in (lambda: group.create_group("a/x"), lambda: group.create_array("a/x/y", shape=1, dtype="u1")):
        with pytest.raises(NodeExistsError):
            create()
    assert "a/x" not in group
    assert [name for name, _ in group.members(None)] == ["a", "b", "b/c", "b/d"]


def test_a_name_that_is_taken(group: zarrpipe.Group) -> None:
    for name in ("a", "b"):
        with pytest.raises(NodeExistsError):
            group.create_group(name)
        with pytest.raises(NodeExistsError):
            group.create_array(name, shape=1, dtype="u1")
    group.create_group("b", overwrite=True)
    assert len(group["b"]) == 0  # type: ignore[arg-type]
    group.create_array("b", shape=1, dtype="u1", overwrite=True)
    assert isinstance(group["b"], zarrpipe.Array)


@pytest.mark.parametrize(
    "name", ["", "/", "__x", "__b/a", "..", ".", "...", "x/../y", "zarr.json", "x/zarr.json", "\0"]
)
def test_names_that_no_node_may_have(store: Any, name: str) -> None:
    group = zarrpipe.create_group(store)
    with pytest.raises(MetadataError):
        group.create_group(name)
    with pytest.raises(MetadataError):
        group.create_array(name, shape=1, dtype="u1")
    assert list(group) == []


def test_members_by_other_writers(tmp_path: Path) -> None:
    """Folders that are no nodes, and nodes with names that are reserved, are not members."""
    group = zarrpipe.create_group(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "__hidden").mkdir()
    (tmp_path / "__hidden" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    assert list(group) == []
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "zarr.json").write_text("{")
    # Names are told without reading documents.
    assert list(group) == ["broken"]
    with pytest.raises(MetadataError, match=r"broken/zarr\.json"):
        group.members()
    (tmp_path / "broken" / "zarr.json").unlink()
    (tmp_path / "broken" / ".zgroup").write_text('{"zarr_format": 2}')
    assert group["broken"].zarr_format == 2
    with pytest.raises(NodeExistsError):
        group.create_group("broken")


def test_delete(group: zarrpipe.Group) -> None:
    del group["b"]
    assert list(group) == ["a"]
    assert "b/c" not in group
    for name in ("b", "", "__x", "a/y"):
        with pytest.raises(KeyError):
            del group[name]
    group.create_group("b")
    assert len(group["b"]) == 0  # type: ignore[arg-type]


def test_delete_is_of_the_whole_name(store: Any) -> None:
    group = zarrpipe.create_group(store)
    group.create_group("ab")
    group.create_group("a")
    del group["a"]
    assert list(group) == ["ab"]


def test_attributes(group: zarrpipe.Group, store: Any) -> None:
    assert group.attrs == {"title": "t"}
    group.attrs["a"] = [1]
    assert group.update_attributes({"b": 2}) is group
    assert zarrpipe.open_group(store).attrs == {"title": "t", "a": [1], "b": 2}
    group.attrs = {"c": 3}
    assert zarrpipe.open_group(store).attrs == {"c": 3}


def test_consolidated_metadata_are_kept(tmp_path: Path) -> None:
    document = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {},
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": False,
            "metadata": {"x": {"node_type": "group"}},
        },
        "extra": {"must_understand": False},
    }
    (tmp_path / "zarr.json").write_text(json.dumps(document))
    zarrpipe.open_group(tmp_path).attrs["a"] = 1
    assert json.loads((tmp_path / "zarr.json").read_text()) == {**document, "attributes": {"a": 1}}


def test_read_only(group: zarrpipe.Group, store: Any) -> None:
    locked = zarrpipe.open_group(store, mode="r")
    assert locked.read_only
    assert locked["a"].read_only
    for write in (
        lambda: locked.create_group("x"),
        lambda: locked.create_array("x", shape=1, dtype="u1"),
        lambda: locked.attrs.update(a=1),
        lambda: locked.__delitem__("a"),
    ):
        with pytest.raises(ReadOnlyError):
            write()
    assert list(locked) == ["a", "b"]


def test_identity(group: zarrpipe.Group, store: Any) -> None:
    again = zarrpipe.open_group(store)
    assert group == again
    assert hash(group) == hash(again)
    assert group != group["b"]
    assert (group == 1) is False
    assert group.__dask_tokenize__() == again.__dask_tokenize__()
    copy = pickle.loads(pickle.dumps(group))
    assert list(copy) == ["a", "b"]
    if isinstance(store, LocalStore):
        assert copy == group
    again.attrs["a"] = 1
    assert group != again


def test_a_group_that_was_replaced(group: zarrpipe.Group, store: Any) -> None:
    zarrpipe.create_array(store, shape=1, dtype="u1", overwrite=True)
    with pytest.raises(ConflictError):
        group.attrs["a"] = 1


async def test_async_twins(store: Any) -> None:
    group = await zarrpipe.create_group_async(store)
    array = await group.create_array_async("b/a", data=np.arange(3))
    below = await group.create_group_async("b/g", attributes={"x": 1})
    assert (await group.getitem_async("b/a")) == array
    assert (await group.getitem_async("b/g")) == below
    assert [name for name, _ in await group.members_async(None)] == ["b", "b/a", "b/g"]
    await group.update_attributes_async({"t": 1})
    assert (await zarrpipe.open_group_async(store)).attrs == {"t": 1}
    await group.delitem_async("b")
    assert await group.members_async() == ()
    with pytest.raises(KeyError):
        await group.getitem_async("b")
    with pytest.raises(KeyError):
        await group.delitem_async("b")
