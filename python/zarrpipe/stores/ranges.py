"""Byte ranges: requests and what they mean for a value of a given length."""

from __future__ import annotations

from typing import Any

from zarrpipe.abc.store import ByteRequest

__all__ = ["slice_of"]


def slice_of(byte_range: ByteRequest | None, nbytes: int) -> slice:
    """Return the part of a value that a request means; what lies behind the value's end is left out.

    Requests of zarr-python's classes mean the same: they are told by their fields.

    Raises
    ------
    TypeError
        It is not a byte range.

    Examples
    --------
    >>> from zarrpipe.abc.store import SuffixByteRequest
    >>> slice_of(SuffixByteRequest(4), 10)
    slice(6, 10, None)
    """
    request: Any = byte_range
    if request is None:
        return slice(0, nbytes)
    if hasattr(request, "end"):
        return slice(request.start, request.end)
    if hasattr(request, "offset"):
        return slice(request.offset, nbytes)
    if hasattr(request, "suffix"):
        return slice(max(0, nbytes - request.suffix), nbytes)
    raise TypeError(f"a byte range is a request of zarrpipe.abc.store, not {byte_range!r}")
