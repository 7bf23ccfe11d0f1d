"""Stores of zarr-python: used as they are, with the requests, buffers and event loop that they expect."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from typing import Any

__all__ = ["is_zarr_object", "uses_zarr_loop", "zarr_loop", "zarr_prototype", "zarr_request", "zarr_requests"]


def is_zarr_object(item: object) -> bool:
    """Whether an object's class derives from one of zarr-python's; zarr is not imported to find out."""
    return any(base.__module__.partition(".")[0] == "zarr" for base in type(item).__mro__)


def uses_zarr_loop(store: object) -> bool:
    """Whether a store is zarr-python's, or a wrapper of zarrpipe's around one."""
    while hasattr(store, "wrapped_store"):
        store = store.wrapped_store
    return is_zarr_object(store)


def zarr_requests() -> tuple[Any, Any]:
    """Return the classes `RangeByteRequest` and `SuffixByteRequest` that zarr's stores know."""
    from zarr.abc.store import RangeByteRequest, SuffixByteRequest

    return RangeByteRequest, SuffixByteRequest


def zarr_request(byte_range: Any) -> Any:
    """Return a byte request in the class that zarr's stores know."""
    from zarr.abc import store

    if byte_range is None:
        return None
    cls = getattr(store, type(byte_range).__name__)
    return cls(*(getattr(byte_range, item.name) for item in fields(cls)))


def zarr_prototype() -> Any:
    """Return the buffer prototype that zarr's stores know."""
    from zarr.core.buffer import default_buffer_prototype

    return default_buffer_prototype()


def zarr_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop on which zarr runs its own calls: its stores may be bound to it."""
    from zarr.core import sync

    return sync._get_loop()
