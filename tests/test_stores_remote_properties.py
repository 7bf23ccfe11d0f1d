"""The property tests of arrays over S3 and HTTP, on real servers: few examples, since what differs is the store."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import every_store
import zarrpipe
from every_store import forced
from servers.http import FolderServer
from servers.s3 import S3Server
from test_array_properties import cases, same, selections, write
from test_every_store import SUITES
from zarrpipe.stores import ObjectStore

FEW = settings(
    max_examples=6, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None
)


@pytest.fixture
def s3_stores(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(_: Any) -> Any:
        return ObjectStore.from_url(f"s3://{s3.bucket()}/a.zarr", storage_options=s3.options())

    monkeypatch.setitem(every_store.STORES, "s3", make)


@pytest.mark.parametrize("suite", ["reads and writes", "coordinates", "product", "format 2"])
@given(st.data())
@FEW
def test_s3(s3_stores: None, suite: str, data: st.DataObject) -> None:
    with forced("s3"):
        test: Any = SUITES[suite]
        test.hypothesis.inner_test(data)


@given(st.data())
@FEW
def test_http(http_server: FolderServer, data: st.DataObject) -> None:
    with forced("local"):
        case = data.draw(cases())
        write(data.draw, case)
        shutil.rmtree(http_server.root / "a.zarr", ignore_errors=True)
        shutil.copytree(case.array.store.root, http_server.root / "a.zarr")
    array = zarrpipe.open_array(f"{http_server.url}/a.zarr", mode="r")
    assert isinstance(array.store, ObjectStore)
    for _ in range(3):
        selection = data.draw(selections(case.model.shape))
        note(f"read {selection!r}")
        assert same(array[selection], np.asarray(case.model[selection]))
    assert same(array[...], case.model)
