"""What a user may give as a store: URLs, paths, options, and what is said where a package is missing."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from upath import UPath

import zarrpipe
from store_contract import StoreContract
from zarrpipe.cli import main
from zarrpipe.errors import NodeExistsError, NodeNotFoundError, UnsupportedError
from zarrpipe.stores import (
    FsspecStore,
    LocalStore,
    ManagedMemoryStore,
    MemoryStore,
    StorePath,
    ZipStore,
    is_url,
    make_store,
    make_store_path,
)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Any:
    name = request.node.name.replace("/", "-")
    yield name
    ManagedMemoryStore(name)._store_dict.clear()


# memory://


class TestManagedMemoryStore(StoreContract):
    @pytest.fixture
    def store(self, name: str) -> Any:
        return make_store(f"memory://{name}")


def test_the_same_name_is_the_same_data(name: str) -> None:
    zarrpipe.create_array(f"memory://{name}/inner/a", data=np.arange(3))
    group = zarrpipe.open_group(f"memory://{name}", mode="r")
    assert group["inner/a"][:].tolist() == [0, 1, 2]
    assert zarrpipe.open_array(f"memory://{name}/inner", path="a").store_path.path == "inner/a"
    assert make_store(f"memory://{name}/x") == ManagedMemoryStore(name) != ManagedMemoryStore(name + "2")
    assert str(make_store(f"memory://{name}")) == f"memory://{name}"
    assert make_store(f"memory://{name}", mode="r").read_only
    assert pickle.loads(pickle.dumps(ManagedMemoryStore(name, read_only=True))).read_only
    for bad in ("memory://", "memory:///x"):
        with pytest.raises(ValueError, match="name of a store in memory"):
            make_store(bad)
    with pytest.raises(ValueError, match="a/b"):
        ManagedMemoryStore("a/b")


# Local paths and zip files


def test_zip_paths(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    for missing in (path, str(path), path.as_uri()):
        for mode in ("r", "r+"):
            with pytest.raises(NodeNotFoundError, match="there is no file"):
                zarrpipe.open(missing, mode=mode)  # type: ignore[arg-type]
    with pytest.raises(NodeNotFoundError):
        zarrpipe.open_array(path)
    assert not path.exists()
    zarrpipe.create_array(str(path), name="a", data=np.arange(4), chunks=(2,))
    zarrpipe.create_array(path.as_uri(), name="b", data=np.arange(4))
    # "w" is about the node: the other stays.
    zarrpipe.open_array(path, path="a", mode="w", shape=(2,), dtype="uint8")
    with pytest.raises(NodeExistsError):
        zarrpipe.open_array(path, path="a", mode="w-", shape=(2,), dtype="uint8")
    group = zarrpipe.open_group(UPath(path), mode="r")
    assert type(group.store) is ZipStore
    assert group.read_only
    assert {key: group[key].shape for key in group} == {"a": (2,), "b": (4,)}
    (tmp_path / "folder.ZIP").mkdir()
    assert type(make_store(tmp_path / "folder.ZIP")) is LocalStore
    assert type(make_store(tmp_path / "Y.ZIP")) is ZipStore


def test_paths(tmp_path: Path) -> None:
    for place in (tmp_path, str(tmp_path), tmp_path.as_uri(), UPath(tmp_path)):
        assert make_store(place) == LocalStore(tmp_path)
        assert make_store(place, mode="r").read_only
    assert type(make_store(None)) is MemoryStore
    inner = StorePath(LocalStore(tmp_path), "a")
    assert make_store_path(inner, "b").path == "a/b"
    assert [is_url(text) for text in ("s3://a", "simplecache::s3://a", "a/b", "C:\\data", "/a", "a:b")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    with pytest.raises(TypeError, match="a store is a path"):
        make_store(3)


# Elsewhere


def test_other_schemes_are_for_fsspec() -> None:
    store = make_store("simplecache::memory://x/y", mode="r")
    assert type(store) is FsspecStore
    assert store.read_only
    assert type(make_store(UPath("memory://x/y"))) is FsspecStore
    with pytest.raises(UnsupportedError, match="knows no such URL"):
        make_store("nonsense://x")


def test_options_reach_the_file_system(tmp_path: Path) -> None:
    store = make_store("filecache::memory://x", storage_options={"filecache": {"cache_storage": str(tmp_path)}})
    assert store.fs.storage[-1] == str(tmp_path)
    data = np.arange(6)
    options = {"filecache": {"cache_storage": str(tmp_path / "cache")}}
    url = "filecache::memory://options/a"
    zarrpipe.save_array(url, data, storage_options=options)
    assert np.array_equal(zarrpipe.open_array(url, mode="r", storage_options=options)[:], data)
    assert any((tmp_path / "cache").iterdir())


@pytest.mark.parametrize(
    "make", [dict, lambda: "x.zarr", lambda: "memory://x", lambda: "x.zip", MemoryStore, lambda: None]
)
def test_options_for_a_store_that_takes_none(make: Any) -> None:
    with pytest.raises(TypeError, match="storage_options are for URLs"):
        zarrpipe.open(make(), storage_options={"anon": True})
    # As everywhere in zarr-python, none are none.
    make_store(make(), storage_options={})


@pytest.mark.parametrize("url", ["s3://bucket/a", "gs://bucket/a", "az://c/a", "abfs://c/a", "http://localhost:1/a"])
def test_remote_urls_without_packages(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'zarrpipe\[remote\]'"):
        zarrpipe.open(url, mode="r")


def test_other_urls_without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for url in ("github://a:b@/c", "simplecache::s3://a"):
        with pytest.raises(UnsupportedError, match=r"pip install 'zarrpipe\[fsspec\]'"):
            zarrpipe.open(url, mode="r")
    with pytest.raises(UnsupportedError, match=r"zarrpipe\[fsspec\]"):
        FsspecStore.from_url("memory://x")


def test_remote_urls_with_fsspec_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    store = make_store("s3://bucket/a", mode="r", storage_options={"anon": True})
    assert type(store) is FsspecStore
    assert (store.path, store.fs.anon, store.read_only) == ("bucket/a", True, True)
    assert type(make_store("http://localhost:1/a")) is FsspecStore
    # fsspec knows it, and needs gcsfs.
    with pytest.raises(UnsupportedError, match=r"gcsfs.*zarrpipe\[remote\]"):
        make_store("gs://bucket/a")


# The command line


def test_commands_take_urls(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    group = zarrpipe.open_group(f"memory://{name}", mode="a")
    group.create_array("a", data=np.arange(4, dtype="int16"))
    assert main(["info", f"memory://{name}/a", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shape"] == [4]
    assert main(["tree", f"memory://{name}"]) == 0
    assert "a" in capsys.readouterr().out
    assert main(["export", f"memory://{name}/a", str(tmp_path / "a.npy")]) == 0
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2, 3]
    assert main(["import", f"memory://{name}/a", str(tmp_path / "b.zarr")]) == 0
    assert zarrpipe.open_array(tmp_path / "b.zarr", mode="r")[:].tolist() == [0, 1, 2, 3]
    capsys.readouterr()
    options = json.dumps({"filecache": {"cache_storage": str(tmp_path / "cache")}})
    zarrpipe.save_array(f"simplecache::memory://{name}", np.arange(3))
    assert main(["info", f"filecache::memory://{name}", "--storage-options", options]) == 0
    assert any((tmp_path / "cache").iterdir())
    for args, message in (
        (["info", "nonsense://a"], "knows no such URL"),
        (["info", str(tmp_path / "none")], "does not exist"),
        (["info", f"memory://{name}", "--storage-options", "{"], "JSON object"),
        (["info", f"memory://{name}", "--storage-options", "3"], "JSON object"),
        (["info", f"memory://{name}", "--storage-options", '{"a": 1}'], "are for URLs of remote stores"),
    ):
        assert main(args) != 0
        assert message in capsys.readouterr().err


def test_commands_take_zip_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ZipStore(tmp_path / "x.zip", mode="w") as store:
        zarrpipe.create_array(store, data=np.arange(4))
    assert main(["info", str(tmp_path / "x.zip")]) == 0
    assert main(["import", str(tmp_path / "x.zip"), str(tmp_path / "y.zarr")]) == 0
    assert zarrpipe.open_array(tmp_path / "y.zarr", mode="r")[:].tolist() == [0, 1, 2, 3]
