"""Stores: where keys and their values lie."""

from zarrpipe.stores.adapter import (
    AsyncAdapter,
    AsyncStoreAdapter,
    StoreAdapter,
    async_adapter,
    core_store,
    identity_of,
    supports_sync,
)
from zarrpipe.stores.local import LocalStore
from zarrpipe.stores.memory import MemoryStore
from zarrpipe.stores.parse import make_store, make_store_path
from zarrpipe.stores.store_path import StorePath
from zarrpipe.stores.zarr import is_zarr_object, zarr_prototype

__all__ = [
    "AsyncAdapter",
    "AsyncStoreAdapter",
    "LocalStore",
    "MemoryStore",
    "StoreAdapter",
    "StorePath",
    "async_adapter",
    "core_store",
    "identity_of",
    "is_zarr_object",
    "make_store",
    "make_store_path",
    "supports_sync",
    "zarr_prototype",
]
