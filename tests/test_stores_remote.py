"""Arrays and groups over S3 and HTTP, on real servers: by zarrpipe, and by zarr-python with its own stores."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import obstore.store
import pytest
import zarr
import zarr.storage
from zarr.core.sync import sync as zarr_sync

import zarrpipe
from servers.http import FolderServer
from servers.s3 import S3Server
from zarrpipe.errors import NodeExistsError, NodeNotFoundError, ReadOnlyError
from zarrpipe.stores.object import ObjectStore

SHAPE, CHUNKS = (50, 70), (20, 30)
KINDS: dict[str, dict[str, Any]] = {
    "v3": {"zarr_format": 3},
    "v2": {"zarr_format": 2},
    "shards": {"zarr_format": 3, "chunks": (5, 10), "shards": CHUNKS},
}


def values(seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(1, 1000, SHAPE, dtype="int32")


def arguments(kind: str) -> dict[str, Any]:
    return {"shape": SHAPE, "dtype": "int32", "chunks": CHUNKS, **KINDS[kind]}


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.bucket()


@pytest.fixture
def store(s3: S3Server, bucket: str) -> ObjectStore:
    return ObjectStore.from_url(f"s3://{bucket}/data.zarr", storage_options=s3.options())


def theirs_obstore(s3: S3Server, bucket: str) -> Any:
    inner = obstore.store.S3Store(bucket, prefix="data.zarr", client_options={"allow_http": True}, **s3.options())
    return zarr.storage.ObjectStore(inner)


async def _closed(store: Any) -> None:
    """End the connections of s3fs, whose finalizer would do so too late."""
    session = await store.fs.set_session()
    await session.close()


@pytest.fixture
def s3fs_store(s3: S3Server, bucket: str) -> Iterator[Any]:
    store = zarr.storage.FsspecStore.from_url(
        f"s3://{bucket}/data.zarr", storage_options={**s3.fsspec_options(), "skip_instance_cache": True}
    )
    yield store
    zarr_sync(_closed(store))


@pytest.mark.parametrize("kind", KINDS)
def test_an_array_over_s3(store: ObjectStore, kind: str) -> None:
    array = zarrpipe.create_array(store, **arguments(kind))
    want = values()
    array[...] = want
    np.testing.assert_array_equal(array[...], want)
    for part in ((3, 5), (slice(18, 23), slice(28, 61)), (slice(None, None, 7), slice(61, 69, 3))):
        np.testing.assert_array_equal(array[part], want[part])
        array[part] = want[part] = values(1)[part]
    again = zarrpipe.open_array(store)
    np.testing.assert_array_equal(again[...], want)
    again.resize((25, 40))
    again.resize((50, 40))
    want = want[:, :40].copy()
    want[25:] = 0
    np.testing.assert_array_equal(zarrpipe.open_array(store)[...], want)
    with pytest.raises(NodeExistsError):
        zarrpipe.create_array(store, **arguments(kind))
    with pytest.raises(ReadOnlyError):
        zarrpipe.open_array(store.with_read_only(True))[0, 0] = 1


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_of_fill_values_are_deleted(store: ObjectStore, kind: str) -> None:
    array = zarrpipe.create_array(store, **arguments(kind))
    array[...] = values()
    before = array.nchunks_initialized
    array[:20, :30] = 0
    assert array.nchunks_initialized == before - (12 if kind == "shards" else 1)
    np.testing.assert_array_equal(array[:20, :30], np.zeros((20, 30), "int32"))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_group_over_s3(store: ObjectStore, zarr_format: Any) -> None:
    group = zarrpipe.create_group(store, attributes={"a": 1}, zarr_format=zarr_format)
    group.create_array("x/y", shape=(4,), dtype="int8", chunks=(2,))[...] = [1, 2, 3, 4]
    group.create_group("z")
    again = zarrpipe.open_group(store)
    assert dict(again.attrs) == {"a": 1}
    assert sorted(name for name, _ in again.members(max_depth=None)) == ["x", "x/y", "z"]
    np.testing.assert_array_equal(again["x/y"][...], [1, 2, 3, 4])
    del again["x"]
    assert sorted(again) == ["z"]
    with pytest.raises((KeyError, NodeNotFoundError)):
        again["x/y"]


@pytest.mark.parametrize("kind", KINDS)
def test_zarr_python_reads_and_writes_it(
    store: ObjectStore, s3: S3Server, bucket: str, s3fs_store: Any, kind: str
) -> None:
    array = zarrpipe.create_array(store, **arguments(kind))
    array[...] = want = values()
    for theirs in (theirs_obstore(s3, bucket), s3fs_store):
        other = zarr.open_array(theirs, mode="r+")
        np.testing.assert_array_equal(other[...], want)
        other[10:30, 5] = want[10:30, 5] = 7
        np.testing.assert_array_equal(array[...], want)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("peer", ["obstore", "s3fs"])
def test_zarrpipe_reads_and_writes_zarr_pythons(
    store: ObjectStore, s3: S3Server, bucket: str, s3fs_store: Any, kind: str, peer: str
) -> None:
    theirs = theirs_obstore(s3, bucket) if peer == "obstore" else s3fs_store
    other = zarr.create_array(theirs, **arguments(kind))
    other[...] = want = values()
    # Through our store, and through theirs.
    for given in (store, theirs):
        array = zarrpipe.open_array(given, mode="r+")
        np.testing.assert_array_equal(array[...], want)
        array[10:30, 5] = want[10:30, 5] = 8
        np.testing.assert_array_equal(other[...], want)


@pytest.mark.parametrize("kind", KINDS)
def test_an_array_over_http(http_server: FolderServer, tmp_path: Path, kind: str) -> None:
    zarrpipe.create_array(tmp_path / "a.zarr", **arguments(kind))[...] = values()
    shutil.copytree(tmp_path / "a.zarr", http_server.root / "a.zarr")
    store = ObjectStore.from_url(f"{http_server.url}/a.zarr")
    array = zarrpipe.open_array(store)
    assert array.read_only
    np.testing.assert_array_equal(array[...], values())
    np.testing.assert_array_equal(array[18:23, 28:61], values()[18:23, 28:61])
    with pytest.raises(ReadOnlyError):
        array[0, 0] = 1
    with pytest.raises(NodeNotFoundError):
        zarrpipe.open_array(ObjectStore.from_url(f"{http_server.url}/b.zarr"))
    theirs = zarr.storage.ObjectStore(
        obstore.store.HTTPStore.from_url(f"{http_server.url}/a.zarr", client_options={"allow_http": True}),
        read_only=True,
    )
    np.testing.assert_array_equal(zarr.open_array(theirs, mode="r")[...], values())
    np.testing.assert_array_equal(zarrpipe.open_array(theirs)[...], values())
