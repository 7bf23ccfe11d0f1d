"""Writes, creations and resizes that fail in the middle: what is stored afterwards is whole, or is no array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarrpipe
from servers.misbehaving import Fault, MisbehavingServer
from servers.s3 import S3Server
from zarrpipe.config import config
from zarrpipe.errors import NodeNotFoundError, StoreError
from zarrpipe.stores.object import ObjectStore

SHAPE, CHUNKS = (40, 60), (20, 20)
OLD = np.random.default_rng(0).integers(1, 1000, SHAPE, dtype="int32")
NEW = np.random.default_rng(1).integers(1, 1000, SHAPE, dtype="int32")
ALWAYS = 99

KINDS: dict[str, dict[str, Any]] = {
    "v3": {"zarr_format": 3, "chunks": CHUNKS},
    "v2": {"zarr_format": 2, "chunks": CHUNKS, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
    "shards": {"zarr_format": 3, "chunks": (5, 10), "shards": CHUNKS},
}


@pytest.fixture
def store(misbehaving: MisbehavingServer) -> Any:
    (misbehaving.root / "bucket").mkdir()
    with config.set(io_retries=1, io_retry_delay_s=0.001):
        yield ObjectStore.from_url("s3://bucket/a.zarr", storage_options=S3Server(misbehaving.url).options())


@pytest.fixture
def files(misbehaving: MisbehavingServer) -> Path:
    return misbehaving.root / "bucket" / "a.zarr"


def create(store: Any, kind: str, **more: Any) -> Any:
    return zarrpipe.create_array(store, shape=SHAPE, dtype="int32", **KINDS[kind], **more)


def key_of(kind: str, row: int, column: int) -> str:
    return f"{row}/{column}" if kind == "v2" else f"c/{row}/{column}"


def document(kind: str) -> str:
    return ".zarray" if kind == "v2" else "zarr.json"


@pytest.mark.parametrize("fault", ["403", "503", "reset"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", ["whole", "partial"])
def test_a_write_of_many_chunks(
    store: Any, misbehaving: MisbehavingServer, files: Path, kind: str, fault: str, part: str
) -> None:
    array = create(store, kind)
    array[...] = OLD
    key = key_of(kind, 1, 1)
    misbehaving.faults = [Fault(fault, "PUT", f"a.zarr/{key}", ALWAYS)]
    selection = (slice(None), slice(None)) if part == "whole" else (slice(3, 37), slice(7, 49))
    with pytest.raises(StoreError) as caught:
        array[selection] = NEW[selection]
    assert caught.value.key == key
    misbehaving.faults = []
    stored = zarrpipe.open_array(files)[...]
    done = OLD.copy()
    done[selection] = NEW[selection]
    for row in range(2):
        for column in range(3):
            chunk = slice(row * 20, row * 20 + 20), slice(column * 20, column * 20 + 20)
            choices = [OLD[chunk]] if (row, column) == (1, 1) else [OLD[chunk], done[chunk]]
            assert any((stored[chunk] == choice).all() for choice in choices), (row, column)
    array[selection] = NEW[selection]
    np.testing.assert_array_equal(zarrpipe.open_array(files)[...], done)


@pytest.mark.parametrize("kind", KINDS)
def test_a_creation_whose_document_cannot_be_stored(
    store: Any, misbehaving: MisbehavingServer, files: Path, kind: str
) -> None:
    misbehaving.faults = [Fault("403", "PUT", document(kind), ALWAYS)]
    with pytest.raises(StoreError) as caught:
        create(store, kind)
    assert caught.value.key == document(kind)
    misbehaving.faults = []
    with pytest.raises(NodeNotFoundError):
        zarrpipe.open_array(store)
    assert not (files / document(kind)).exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_array_that_could_not_be_overwritten_is_none(
    store: Any, misbehaving: MisbehavingServer, kind: str, method: str
) -> None:
    create(store, kind)[...] = OLD
    # Its chunks cannot be deleted; or they are, and the new document cannot be stored.
    misbehaving.faults = [Fault("403", method, key_of(kind, 0, 1) if method == "POST" else "", ALWAYS)]
    with pytest.raises(StoreError):
        create(store, kind, overwrite=True)
    misbehaving.faults = []
    with pytest.raises(NodeNotFoundError):
        zarrpipe.open_array(store)
    again = create(store, kind, overwrite=True)
    assert (again[...] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_an_array_that_is_half_deleted_is_none(store: Any, misbehaving: MisbehavingServer, kind: str) -> None:
    group = zarrpipe.create_group(store, zarr_format=KINDS[kind]["zarr_format"])
    group.create_array("x", shape=SHAPE, dtype="int32", **_of(kind))
    group["x"][...] = OLD
    misbehaving.faults = [Fault("403", "POST", key_of(kind, 0, 1), ALWAYS)]
    with pytest.raises(StoreError):
        del group["x"]
    misbehaving.faults = []
    assert "x" not in group
    with pytest.raises(NodeNotFoundError):
        zarrpipe.open_array(store, path="x")


def _of(kind: str) -> dict[str, Any]:
    return {name: value for name, value in KINDS[kind].items() if name != "zarr_format"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["delete", "document"])
def test_a_resize_that_fails_leaves_the_old_shape(
    store: Any, misbehaving: MisbehavingServer, kind: str, fault: str
) -> None:
    array = create(store, kind)
    array[...] = OLD
    where = (key_of(kind, 1, 0), "POST") if fault == "delete" else (document(kind), "PUT")
    misbehaving.faults = [Fault("403", where[1], f"a.zarr/{where[0]}", ALWAYS)]
    with pytest.raises(StoreError) as caught:
        array.resize((20, 60))
    assert caught.value.key == where[0]
    misbehaving.faults = []
    again = zarrpipe.open_array(store)
    # What was to be kept is kept, and of what was to go no chunk is half there.
    assert again.shape == SHAPE
    np.testing.assert_array_equal(again[:20], OLD[:20])
    for column in range(3):
        chunk = slice(20, 40), slice(column * 20, column * 20 + 20)
        assert (again[chunk] == OLD[chunk]).all() or (again[chunk] == 0).all()
    again.resize((20, 60))
    again.resize(SHAPE)
    assert (again[20:] == 0).all()
    np.testing.assert_array_equal(again[:20], OLD[:20])
