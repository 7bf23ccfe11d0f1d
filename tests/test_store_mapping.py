"""Any mapping as a store."""

from __future__ import annotations

import shelve
from collections import UserDict
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import zarrpipe
from store_contract import StoreContract, buffer, collect, value_of
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.errors import ReadOnlyError, StoreError
from zarrpipe.stores import MappingStore, MemoryStore, make_store

PROTOTYPE = default_buffer_prototype()


class Folder(MutableMapping[str, bytes]):
    """Files of one folder: what zarr-python 2 called a store, and `zict.File` is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)

    def _file(self, key: str) -> Path:
        return self.root / key.replace("/", "%")

    def __getitem__(self, key: str) -> bytes:
        try:
            return self._file(key).read_bytes()
        except FileNotFoundError:
            raise KeyError(key) from None

    def __setitem__(self, key: str, value: bytes) -> None:
        assert type(value) is bytes
        self._file(key).write_bytes(value)

    def __delitem__(self, key: str) -> None:
        try:
            self._file(key).unlink()
        except FileNotFoundError:
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[str]:
        return iter([path.name.replace("%", "/") for path in self.root.iterdir()])

    def __len__(self) -> int:
        return len(list(self.root.iterdir()))


class TestMappingStore(StoreContract):
    @pytest.fixture(params=["user", "folder"])
    def store(self, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
        return make_store(UserDict() if request.param == "user" else Folder(tmp_path / "x"))

    def reopened(self, store: Any) -> Any:
        # Pickled, it is a copy of a mapping in memory.
        return MappingStore(store._store_dict)


def test_shelve(tmp_path: Path) -> None:
    data = np.arange(12).reshape(3, 4)
    with shelve.open(str(tmp_path / "x")) as mapping:
        zarrpipe.create_array(mapping, data=data, chunks=(2, 2))
        assert set(mapping) == {"zarr.json", "c/0/0", "c/0/1", "c/1/0", "c/1/1"}
        assert all(type(value) is bytes for value in mapping.values())
    with shelve.open(str(tmp_path / "x")) as mapping:
        assert np.array_equal(zarrpipe.open_array(mapping, mode="r")[:, 1:3], data[:, 1:3])


class Odd(UserDict[Any, Any]):
    def __getitem__(self, key: Any) -> Any:
        if key == "c/0":
            raise OSError(5, "disk")
        return super().__getitem__(key)


async def test_only_a_key_error_is_a_missing_key() -> None:
    mapping = Odd()
    array = zarrpipe.create_array(mapping, data=np.arange(3))
    with pytest.raises(StoreError, match="disk") as raised:
        array[:]
    assert raised.value.key == "c/0"
    assert isinstance(raised.value.__cause__, OSError)
    assert await MappingStore(mapping).get("c/1", PROTOTYPE) is None


async def test_other_things_in_a_mapping() -> None:
    mapping: Any = UserDict({"a": b"1", 3: "x", "../b": b"2", "": b"3"})
    store = MappingStore(mapping)
    assert await collect(store.list()) == ["a"]
    await store.clear()
    assert dict(mapping) == {3: "x", "../b": b"2", "": b"3"}


async def test_values_may_be_any_bytes() -> None:
    store = MappingStore(UserDict({"a": bytearray(b"12"), "b": np.arange(3, dtype="uint8"), "c": memoryview(b"x")}))
    assert [await value_of(store, key) for key in "abc"] == [b"12", b"\0\1\2", b"x"]


async def test_a_mapping_that_cannot_be_changed() -> None:
    mapping: Mapping[str, bytes] = MappingProxyType({"a": b"1"})
    store = make_store(mapping)
    assert store.read_only
    assert await value_of(store, "a") == b"1"
    with pytest.raises(ReadOnlyError):
        await store.set("a", buffer(b"2"))


def test_which_mapping_is_which_store() -> None:
    assert type(make_store({})) is MemoryStore
    assert type(make_store(UserDict())) is MappingStore
    mapping: Any = UserDict()
    assert make_store(mapping) == make_store(mapping) != make_store(UserDict())
    assert make_store(mapping, mode="r").read_only
    with pytest.raises(TypeError, match="made of a mapping"):
        MappingStore([])  # type: ignore[arg-type]
