"""Byte ranges: requests and what they mean for a value of a given length."""

from __future__ import annotations

from zarrpipe.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest

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
    >>> slice_of(SuffixByteRequest(4), 10)
    slice(6, 10, None)
    """
    if byte_range is None:
        return slice(0, nbytes)
    if isinstance(byte_range, RangeByteRequest) or hasattr(byte_range, "start"):
        return slice(byte_range.start, byte_range.end)
    if isinstance(byte_range, OffsetByteRequest) or hasattr(byte_range, "offset"):
        return slice(byte_range.offset, nbytes)
    if isinstance(byte_range, SuffixByteRequest) or hasattr(byte_range, "suffix"):
        return slice(max(0, nbytes - byte_range.suffix), nbytes)
    raise TypeError(f"a byte range is a request of zarrpipe.abc.store, not {byte_range!r}")
