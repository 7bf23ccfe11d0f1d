"""Dask arrays over zarrpipe's."""

from __future__ import annotations

from pathlib import Path

import dask
import dask.array
import dask.base
import numpy as np
import pytest

import zarrpipe


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_from_array(tmp_path: Path, scheduler: str) -> None:
    values = np.arange(40 * 30, dtype="int32").reshape(40, 30)
    array = zarrpipe.create_array(tmp_path, data=values, chunks=(4, 5), shards=(20, 10))
    with dask.config.set(scheduler=scheduler, num_workers=2):
        lazy = dask.array.from_array(array)
        assert lazy.dtype == values.dtype
        assert np.array_equal(lazy.compute(), values)
        assert np.array_equal(lazy[3:20:2, ::7].compute(), values[3:20:2, ::7])
        assert (lazy + 1).sum().compute() == values.sum() + values.size


def test_store(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((40, 30))
    target = zarrpipe.create_array(tmp_path, shape=(40, 30), dtype="f8", chunks=(7, 30))
    # Dask's blocks share chunks: parts of one chunk are written at once, and none is lost.
    dask.array.store(dask.array.from_array(values, chunks=(5, 6)), target, lock=False)
    assert np.array_equal(target[:], values)


def test_tokens(tmp_path: Path) -> None:
    array = zarrpipe.create_array(tmp_path, shape=(4,), dtype="u1")
    assert dask.base.tokenize(array) == dask.base.tokenize(zarrpipe.open_array(tmp_path))
    assert dask.base.tokenize(array) != dask.base.tokenize(zarrpipe.create_array({}, shape=(4,), dtype="u1"))
