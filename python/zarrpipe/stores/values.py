"""Values as stores are handed them: buffers of zarrpipe or of zarr-python."""

from __future__ import annotations

from typing import Any

from zarrpipe.abc.buffer import Buffer

__all__ = ["as_memory", "check_value"]


def check_value(value: object, store: object) -> Any:
    """`value`, which must be a buffer.

    Raises
    ------
    TypeError
        It is not.
    """
    if not isinstance(value, Buffer) and not hasattr(value, "as_buffer_like"):
        raise TypeError(f"{type(store).__name__} stores buffers, not {type(value).__name__}")
    return value


def as_memory(value: Any) -> memoryview:
    """Return the bytes of a buffer, or of a bytes-like, without a copy."""
    data = value.as_buffer_like() if hasattr(value, "as_buffer_like") else value
    return memoryview(data).cast("B") if len(value) else memoryview(b"")
