"""Stores: where keys and their values lie.

Local files and memory are what most programs use; the other stores are imported at first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
from zarrpipe.stores.memory import ManagedMemoryStore, MemoryStore
from zarrpipe.stores.parse import is_url, make_store, make_store_path
from zarrpipe.stores.store_path import StorePath
from zarrpipe.stores.zarr import is_zarr_object, zarr_prototype

if TYPE_CHECKING:
    from zarrpipe.stores.fsspec import FsspecStore
    from zarrpipe.stores.mapping import MappingStore
    from zarrpipe.stores.object import ObjectStore
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
    from zarrpipe.stores.zip import ZipStore

__all__ = [
    "AsyncAdapter",
    "AsyncStoreAdapter",
    "Fault",
    "FaultStore",
    "FsspecStore",
    "Injected",
    "LatencyStore",
    "LocalStore",
    "LoggedRequest",
    "LoggingStore",
    "ManagedMemoryStore",
    "MappingStore",
    "MemoryStore",
    "ObjectStore",
    "Request",
    "StoreAdapter",
    "StorePath",
    "WrapperStore",
    "ZipStore",
    "async_adapter",
    "core_store",
    "identity_of",
    "is_url",
    "is_zarr_object",
    "make_store",
    "make_store_path",
    "supports_sync",
    "zarr_prototype",
]

# Where the others are.
_LAZY = {
    "Fault": "wrappers",
    "FaultStore": "wrappers",
    "FsspecStore": "fsspec",
    "Injected": "wrappers",
    "LatencyStore": "wrappers",
    "LoggedRequest": "wrappers",
    "LoggingStore": "wrappers",
    "MappingStore": "mapping",
    "ObjectStore": "object",
    "Request": "wrappers",
    "WrapperStore": "wrappers",
    "ZipStore": "zip",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
