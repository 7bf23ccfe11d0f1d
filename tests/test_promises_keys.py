"""Keys cannot leave the store's root, and no codec runs what is stored."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import zarrpipe
from zarrpipe.buffer import Buffer, default_buffer_prototype
from zarrpipe.codecs import get_codec_class
from zarrpipe.errors import StoreError, UnsupportedError
from zarrpipe.stores import LocalStore, MemoryStore

OUTSIDE = ["../secret", "a/../../secret", "/secret", "..", "a/./b", "a//b", "../root-2/secret", "a/..", "a\0b"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.mark.parametrize("kind", ["local", "memory"])
@pytest.mark.parametrize("key", OUTSIDE)
def test_a_store_refuses_keys_that_lead_out(root: Path, key: str, kind: str) -> None:
    store: Any = LocalStore(root) if kind == "local" else MemoryStore()
    buffer, prototype = Buffer.from_bytes(b"x"), default_buffer_prototype()
    attempts: list[Any] = [
        lambda: store.get_sync(key),
        lambda: store.set_sync(key, buffer),
        lambda: store.delete_sync(key),
        lambda: asyncio.run(store.get(key, prototype)),
        lambda: asyncio.run(store.set(key, buffer)),
        lambda: asyncio.run(store.delete(key)),
        lambda: asyncio.run(store.exists(key)),
    ]
    for attempt in attempts:
        with pytest.raises(StoreError) as caught:
            attempt()
        assert caught.value.key == key
    assert (root.parent / "secret").read_bytes() == b"secret"
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("path", ["../other", "a/../../other", "a/./b"])
def test_a_node_cannot_be_outside_of_its_group(root: Path, path: str) -> None:
    group = zarrpipe.create_group(root)
    for attempt in (
        lambda: group.create_array(path, shape=(2,), dtype="uint8"),
        lambda: group.create_group(path),
        lambda: zarrpipe.create_array(root, name=path, shape=(2,), dtype="uint8"),
        lambda: zarrpipe.open_array(root, path=path, mode="w", shape=(2,), dtype="uint8"),
        lambda: group[path],
        lambda: group.__delitem__(path),
    ):
        with pytest.raises((ValueError, KeyError)):
            attempt()
    assert sorted(entry.name for entry in root.parent.iterdir()) == ["root", "secret"]


def test_there_is_no_codec_that_unpickles(root: Path) -> None:
    for name in ("pickle", "numcodecs.pickle"):
        with pytest.raises(UnsupportedError):
            get_codec_class(name)
    array = zarrpipe.create_array(root / "a", shape=(2,), dtype="uint8", codecs=["bytes"])
    array[...] = 1
    document = json.loads((root / "a" / "zarr.json").read_text())
    document["codecs"] = [{"name": "numcodecs.pickle", "configuration": {}}]
    (root / "a" / "zarr.json").write_text(json.dumps(document))
    (root / "a" / "c" / "0").write_bytes(b"cos\nmkdir\n(S'%s'\ntR." % str(root / "made").encode())
    with pytest.raises(UnsupportedError, match="pickle"):
        zarrpipe.open_array(root / "a", mode="r")[...]
    assert not (root / "made").exists()
