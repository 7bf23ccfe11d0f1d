"""Stores: where keys and their values lie."""

from zarrpipe.stores.adapter import (
    AsyncAdapter,
    AsyncStoreAdapter,
    StoreAdapter,
    async_adapter,
    core_store,
    supports_sync,
)
from zarrpipe.stores.local import LocalStore
from zarrpipe.stores.memory import MemoryStore
from zarrpipe.stores.parse import make_store, make_store_path
from zarrpipe.stores.store_path import StorePath
from zarrpipe.stores.wrappers import (
    Fault,
    FaultStore,
    Injected,
    LatencyStore,
    LoggedRequest,
    LoggingStore,
    Request,
    WrapperStore,
)

__all__ = [
    "AsyncAdapter",
    "AsyncStoreAdapter",
    "Fault",
    "FaultStore",
    "Injected",
    "LatencyStore",
    "LocalStore",
    "LoggedRequest",
    "LoggingStore",
    "MemoryStore",
    "Request",
    "StoreAdapter",
    "StorePath",
    "WrapperStore",
    "async_adapter",
    "core_store",
    "make_store",
    "make_store_path",
    "supports_sync",
]
