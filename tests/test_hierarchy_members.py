"""Members of large groups: what it takes to name, count, find and hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import zarrpipe
from counting import AwaitedCountingStore, CountingStore
from zarrpipe.errors import MetadataError
from zarrpipe.metadata import ArrayMetadata, RegularChunkGrid

COUNT = 3000


def array_document(fill_value: int = 0) -> bytes:
    grid = RegularChunkGrid((10,))
    codecs = ("bytes",)
    return ArrayMetadata(
        shape=(100,), data_type="uint8", chunk_grid=grid, fill_value=fill_value, codecs=codecs
    ).to_bytes()


GROUP = b'{"zarr_format": 3, "node_type": "group"}'


def large() -> dict[str, bytes]:
    """Return a group of many arrays, a group, and things that are no nodes."""
    data = array_document()
    keys = {f"a{index:04}/zarr.json": data for index in range(COUNT)}
    return {"zarr.json": GROUP, **keys, "g/zarr.json": GROUP, "g/x/zarr.json": data, "junk/file": b"x", "file": b"x"}


@pytest.fixture(scope="module")
def documents() -> dict[str, bytes]:
    return large()


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the arrays that are parsed."""
    count = [0]
    parse = ArrayMetadata.from_dict.__func__  # type: ignore[attr-defined]

    def counted(cls: Any, data: Any) -> Any:
        count[0] += 1
        return parse(cls, data)

    monkeypatch.setattr(ArrayMetadata, "from_dict", classmethod(counted))
    return count


def test_sync_counts(documents: dict[str, bytes], parsed: list[int]) -> None:
    store = CountingStore(dict(documents))
    group = zarrpipe.open_group(store, mode="r")
    store.taken()
    # One listing, and a look for a document for each name; the two that are no nodes have three that are missing.
    expected = {"list": 1, "exists": COUNT + 1 + 3 * 2}
    assert len(group) == COUNT + 1
    assert store.taken() == expected
    assert group.nmembers() == COUNT + 1
    assert store.taken() == expected
    assert list(group.keys())[-2:] == [f"a{COUNT - 1:04}", "g"]
    assert store.taken() == expected
    assert ("a0000" in group, "nothing" in group) == (True, False)
    assert store.taken() == {"exists": 1 + 3}
    assert len(list(group.array_keys())) == COUNT
    taken = store.taken()
    # Names that are no nodes: all documents of both formats are looked for.
    assert taken == {"list": 1, "get": COUNT + 1 + 2 * 4}
    assert parsed == [0]
    assert group.nmembers(None) == COUNT + 2
    assert group.info_complete().count_arrays == COUNT + 1
    assert parsed == [0]
    assert len(repr(group.tree(max_nodes=10)).splitlines()) == 12
    assert parsed == [10]
    parsed[0] = 0
    store.taken()
    members = group.iter_members()
    assert next(members)[0] == "a0000"
    # Members are found while they are iterated over.
    assert store.taken()["get"] < 300
    assert len(list(members)) == COUNT
    assert parsed == [COUNT]
    assert [name for name, _ in group.groups()] == ["g"]


async def test_async_counts(documents: dict[str, bytes], parsed: list[int]) -> None:
    store = AwaitedCountingStore(dict(documents))
    group = await zarrpipe.open_group_async(store, mode="r")
    store.taken()
    with zarrpipe.config.set(io_requests=500):
        assert await group.nmembers_async() == COUNT + 1
        taken = store.taken()
        assert taken["exists"] == COUNT + 1 + 3 * 2
        # A listing, and as many at once as the settings allow.
        assert 2 <= taken["rounds"] <= 12
        assert await group.nmembers_async(None) == COUNT + 2
        assert parsed == [0]
        store.taken()
        first = None
        async for name, _ in group.iter_members_async():
            first = name
            break
        assert first == "a0000"
        assert store.taken()["get"] < 300
        members = await group.members_async()
    assert len(members) == COUNT + 1


def test_over_a_store_that_is_awaited(documents: dict[str, bytes]) -> None:
    store = AwaitedCountingStore(dict(documents))
    group = zarrpipe.open_group(store, mode="r")
    with zarrpipe.config.set(io_requests=500):
        assert len(group) == COUNT + 1
        assert sum(1 for _ in group.iter_members()) == COUNT + 1


def test_consolidated_counts(documents: dict[str, bytes], parsed: list[int]) -> None:
    store = CountingStore(dict(documents))
    zarrpipe.consolidate_metadata(store)
    store.taken()
    assert parsed == [0]
    group = zarrpipe.open_consolidated(store, mode="r")
    assert store.taken() == {"get": 1}
    members = group.members(None)
    assert len(members) == COUNT + 2
    assert len(group) == COUNT + 1
    assert sum(1 for _ in group.arrays()) == COUNT
    assert parsed == [0]
    array: Any = dict(members)["a0100"]
    assert (array.path, array.name, array.read_only) == ("a0100", "/a0100", True)
    assert parsed == [0]
    assert array.nchunks == 10
    assert parsed == [1]
    assert "Array" in repr(array.info)
    assert array.dtype == "uint8"
    assert parsed == [1]
    assert store.taken() == {}


def test_lazy_arrays_say_what_is_wrong_with_them() -> None:
    bad = array_document().replace(b'"shape": [\n    100\n  ]', b'"shape": [\n    -1\n  ]')
    assert bad != array_document()
    store = CountingStore({"zarr.json": GROUP, "a/zarr.json": bad, "b/zarr.json": array_document()})
    zarrpipe.consolidate_metadata(store)
    group = zarrpipe.open_consolidated(store)
    (_, broken), (_, fine) = group.members()
    assert fine.shape == (100,)  # type: ignore[union-attr]
    with pytest.raises(MetadataError, match=r"/shape/0, key a/zarr\.json"):
        broken.shape  # type: ignore[union-attr] # noqa: B018
    asked = zarrpipe.open_group(store, use_consolidated=False)
    assert list(asked) == ["a", "b"]
    assert "a" in asked
    with pytest.raises(MetadataError, match=r"/shape/0, key a/zarr\.json"):
        asked.members()


def test_local_files(tmp_path: Path) -> None:
    nodes = {f"a{index}": ArrayMetadata.from_bytes(array_document()) for index in range(300)}
    group = zarrpipe.create_group(tmp_path)
    group.create_hierarchy(nodes)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    assert sorted(group) == sorted(nodes)
    assert {name: array.metadata for name, array in group.arrays()} == nodes
    assert len(group) == 300


def test_deep_and_wide() -> None:
    """Levels are listed one after the other, all groups of a level at once."""
    documents = {"zarr.json": GROUP}
    for first in range(20):
        documents[f"g{first:02}/zarr.json"] = GROUP
        for second in range(20):
            documents[f"g{first:02}/h{second:02}/zarr.json"] = GROUP
    store = AwaitedCountingStore(documents)
    group = zarrpipe.open_group(store, mode="r")
    with zarrpipe.config.set(io_requests=1000):
        store.taken()
        names = [name for name, _ in group.members(None)]
    assert names == sorted(names)
    assert len(names) == 420
    # Three listings and two times documents; what finds nothing is asked in two rounds.
    assert store.taken()["rounds"] <= 8
    deep = {"zarr.json": GROUP, **{"/".join("d" * depth) + "/zarr.json": GROUP for depth in range(1, 1200)}}
    group = zarrpipe.open_group(deep, mode="r")
    assert group.nmembers(None) == 1199
    assert zarrpipe.consolidate_metadata(dict(deep)).nmembers(None) == 1199


@pytest.mark.parametrize("consolidated", [False, True])
def test_max_depth(consolidated: bool) -> None:
    store = CountingStore()
    root = zarrpipe.create_group(store, path="top")
    root.create_array("a/b/c/d", shape=1, dtype="u1")
    root.create_group("a/x")
    root.create_group("z")
    zarrpipe.consolidate_metadata(store, path="top/a/b")
    if consolidated:
        root = zarrpipe.consolidate_metadata(store, path="top")
    expected = [
        ["a", "z"],
        ["a", "a/b", "a/x", "z"],
        ["a", "a/b", "a/b/c", "a/x", "z"],
        ["a", "a/b", "a/b/c", "a/b/c/d", "a/x", "z"],
    ]
    for depth, names in enumerate(expected):
        assert [name for name, _ in root.members(depth)] == names
        assert root.nmembers(depth) == len(names)
    assert [name for name, _ in root.members(None)] == expected[-1]
    below: Any = root["a"]
    assert [name for name, _ in below.members(1)] == ["b", "b/c", "x"]


def test_groups_that_are_found_use_their_own_consolidated_metadata() -> None:
    store = CountingStore()
    root = zarrpipe.create_group(store)
    root.create_array("a/b", shape=1, dtype="u1")
    zarrpipe.consolidate_metadata(store, path="a")
    zarrpipe.create_array(store, name="a/c/d", shape=1, dtype="u1")
    below = zarrpipe.open_group(store, path="a")
    del store._store_dict["a/b/zarr.json"]
    assert [name for name, _ in root.members(None)] == ["a", "a/b", "a/c", "a/c/d"]
    assert below.is_consolidated
    assert root["a"].is_consolidated  # type: ignore[union-attr]
    assert [name for name, _ in root.members(None, use_consolidated_for_children=False)] == ["a", "a/c", "a/c/d"]
    unused = zarrpipe.open_group(store, use_consolidated=False)
    assert [name for name, _ in unused.members(None)] == ["a", "a/c", "a/c/d"]
    assert not unused["a"].is_consolidated  # type: ignore[union-attr]
    assert list(unused["a"]) == ["c"]  # type: ignore[arg-type]
