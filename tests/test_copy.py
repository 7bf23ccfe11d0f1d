"""`zarrpipe.copy`: what is copied, how, and what is left behind when it is cut off."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

import zarrpipe
from zarrpipe.errors import NodeExistsError
from zarrpipe.stores import MemoryStore


def values_of(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(1, 1000, shape, dtype="i4")


def stored(store: MemoryStore) -> dict[str, bytes]:
    return {key: value.to_bytes() for key, value in store._store_dict.items()}


def test_stored_bytes_are_copied_as_they_are() -> None:
    source, dest = MemoryStore(), MemoryStore()
    array = zarrpipe.create_array(source, name="a", shape=(20, 30), chunks=(7, 8), dtype="i4")
    array[:10] = values_of((10, 30))
    report = zarrpipe.copy(source, dest)
    assert stored(dest) == stored(source)
    assert (report.arrays, report.groups, report.chunks_copied, report.chunks_encoded) == (1, 1, 8, 0)
    assert np.array_equal(zarr.open_array(zarr.storage.MemoryStore(dest._store_dict), path="a")[:], array[:])


def test_what_is_there_is_not_overwritten_unasked() -> None:
    source, dest = MemoryStore(), MemoryStore()
    zarrpipe.create_array(source, shape=(4,), dtype="i4")
    zarrpipe.create_array(dest, shape=(5,), dtype="i2")
    before = stored(dest)
    with pytest.raises(NodeExistsError, match="a node"):
        zarrpipe.copy(source, dest)
    assert stored(dest) == before
    zarrpipe.copy(source, dest, overwrite=True)
    assert stored(dest) == stored(source)
