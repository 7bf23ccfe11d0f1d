"""ObjectStore keeps to what every store keeps to, over obstore's stores and over S3."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import obstore.store
import pytest

from servers.http import FolderServer
from servers.s3 import S3Server
from store_contract import StoreContract
from zarrpipe.stores.object import ObjectStore


class TestOverMemory(StoreContract):
    @pytest.fixture
    def store(self) -> Any:
        return ObjectStore(obstore.store.MemoryStore())

    def reopened(self, store: Any) -> Any:
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(store)
        return ObjectStore(store.store)


class TestOverFiles(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Any:
        return ObjectStore(obstore.store.LocalStore(tmp_path))


class TestOverS3(StoreContract):
    @pytest.fixture
    def store(self, s3: S3Server) -> Any:
        return ObjectStore.from_url(f"s3://{s3.bucket()}/some/prefix", storage_options=s3.options())


class TestOverFolderServer(StoreContract):
    @pytest.fixture
    def store(self, http_server: FolderServer) -> Any:
        (http_server.root / "bucket").mkdir()
        return ObjectStore.from_url("s3://bucket", storage_options=S3Server(http_server.url).options())
