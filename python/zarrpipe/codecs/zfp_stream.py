"""Streams of zfp, by the package zfpy.

The library behind zfpy neither knows where its input ends nor says how much of it it has read. So it is given a copy
that goes on for as long as it could read; and streams are decoded twice, with different bits behind their end: a chunk
that depends on these was truncated.

zfpy forgets, when it encodes, that a block of floats has room for its exponent at any rate, and then writes behind the
end of its buffer. So it is only told rates for which that does not matter.

Source: https://zfp.readthedocs.io/en/release1.0.1/.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from zarrpipe.errors import CodecError, SizeError, TruncatedError, UnsupportedError

__all__ = ["MIN_BLOCK_BITS", "Parameters", "compress", "decompress", "decompress_with_header", "load", "rate_bits"]

_SHORT_HEADER_NBYTES, _LONG_HEADER_NBYTES = 12, 19
_HEADER_NBYTES = 64  # more than any header has
_WORD_NBYTES = 8  # what the library reads and writes at once

# By the data type that zfp has: bits of a number, and bits of a block that are not its numbers'.
_PRECISION = {"int32": (32, 16), "int64": (64, 16), "float32": (32, 32), "float64": (64, 32)}
MIN_BLOCK_BITS = {"float32": 9, "float64": 12}
"""Bits that a block of floats has at least, for its exponent."""


class Parameters(NamedTuple):
    """What zfpy is told: one of the three, or nothing, which is the reversible mode."""

    tolerance: float = -1.0
    rate: float = -1.0
    precision: int = -1


def load() -> Any:
    """Return the package zfpy, or raise UnsupportedError."""
    try:
        return import_module("zfpy")
    except ImportError as error:
        raise UnsupportedError("the codec zfp needs the package zfpy: pip install zarrpipe[zfp]") from error


def compress(items: npt.NDArray[Any], parameters: Parameters, *, codec: str, write_header: bool) -> bytes:
    """Return the stream of an array of one to four axes.

    Parameters
    ----------
    items : numpy.ndarray
        Of int32, int64, float32 or float64.
    parameters : Parameters
        The mode.
    codec : str
        For messages.
    write_header : bool
        Whether the stream says what it holds.

    Raises
    ------
    CodecError
        There is a NaN or an infinity, which only the reversible mode keeps, or zfp fails.
    """
    if parameters != Parameters() and items.dtype.kind == "f" and not np.isfinite(items).all():
        raise CodecError("zfp keeps NaN and infinity in its reversible mode alone", codec=codec)
    parameters = _safe(parameters, items.dtype, items.ndim)
    try:
        stream: bytes = load().compress_numpy(items, write_header=write_header, **parameters._asdict())
    except (RuntimeError, TypeError, ValueError) as error:
        raise CodecError(f"zfp cannot encode: {error}", codec=codec) from error
    return stream


def decompress(
    data: npt.NDArray[np.uint8], dtype: np.dtype[Any], shape: tuple[int, ...], parameters: Parameters, *, codec: str
) -> npt.NDArray[Any]:
    """Return the array of a stream without header.

    Parameters
    ----------
    data : numpy.ndarray
        The stream.
    dtype, shape
        What it holds.
    parameters : Parameters
        The mode.
    codec : str
        For messages.

    Raises
    ------
    CodecError
        The stream is too short, too long, or otherwise not one of zfp.
    """
    zfpy = load()
    ztype, parameters = zfpy.dtype_to_ztype(dtype), _safe(parameters, dtype, len(shape))
    block_bits = rate_bits(parameters.rate, dtype, len(shape)) if parameters.rate >= 0 else 0

    def decode(padded: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        decoded: npt.NDArray[Any] = zfpy._decompress(padded, ztype, shape, **parameters._asdict())
        return decoded

    return _decode_guarded(data, dtype, shape, block_bits, parameters.rate >= 0, decode, codec)


def decompress_with_header(
    data: npt.NDArray[np.uint8], dtype: np.dtype[Any], shape: tuple[int, ...], *, codec: str
) -> npt.NDArray[Any]:
    """Return the array of a stream that begins with a header; the parameters are those of `decompress`."""
    zfpy = load()
    if data.size < _SHORT_HEADER_NBYTES or (_has_long_header(data) and data.size < _LONG_HEADER_NBYTES):
        raise TruncatedError("the zfp header is cut short", codec=codec)
    start = _padded(data[:_HEADER_NBYTES], 2 * _HEADER_NBYTES, 0)
    try:
        header = zfpy.header(start)
    except (RuntimeError, ValueError, KeyError) as error:
        raise CodecError(f"there is no zfp header: {error}", codec=codec) from error
    held = tuple(header[name] for name in ("nw", "nz", "ny", "nx") if header[name] > 0)
    if np.dtype(header["type"]) != dtype or math.prod(held) != math.prod(shape):
        raise SizeError(
            f"the zfp header is that of {np.dtype(header['type'])} of shape {held}, not of {dtype} of shape {shape}",
            codec=codec,
        )
    block_bits = int(header["config"]["expert"]["minbits"])
    decoded = _decode_guarded(data, dtype, held, block_bits, False, zfpy.decompress_numpy, codec)
    return decoded.reshape(shape)


def _has_long_header(data: npt.NDArray[np.uint8]) -> bool:
    """Whether the mode, of 12 bits behind 84 others, says that it has 52 bits more."""
    return bool(data[10] >> 4 == 0xF and data[11] == 0xFF)


def _safe(parameters: Parameters, dtype: np.dtype[Any], axes: int) -> Parameters:
    """Return the parameters with a rate that gives exactly the bits which blocks have."""
    if parameters.rate < 0:
        return parameters
    return Parameters(rate=rate_bits(parameters.rate, dtype, axes) / float(4**axes))


def rate_bits(rate: float, dtype: np.dtype[Any], axes: int) -> int:
    """Return the bits of each block, as the library computes them."""
    return max(math.floor(rate * float(4**axes) + 0.5), MIN_BLOCK_BITS.get(dtype.name, 1))


def _decode_guarded(
    data: npt.NDArray[np.uint8],
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    block_bits: int,
    is_fixed: bool,
    decode: Any,
    codec: str,
) -> npt.NDArray[Any]:
    """Decode a stream of blocks of at least `block_bits`, or, if `is_fixed`, exactly as many."""
    blocks = math.prod(-(-length // 4) for length in shape)
    if 8 * data.size < blocks * block_bits:
        raise TruncatedError(f"{data.size} bytes are too few for {blocks} blocks of {block_bits} bits", codec=codec)
    precision, extra = _PRECISION[dtype.name]
    # Each bit plane of a block has its bits, and a bit more for each number that joins, which happens once.
    most_bits = max(4 ** len(shape) * (precision + 1) + precision + extra, block_bits)
    most = _HEADER_NBYTES + blocks * (block_bits if is_fixed else most_bits) // 8 + 2 * _WORD_NBYTES
    if data.size > most:
        raise SizeError(f"{data.size} bytes are more than the {most} that a chunk can have", codec=codec)
    room = most + 4 * _HEADER_NBYTES
    try:
        decoded: npt.NDArray[Any] = decode(_padded(data, room, 0))
        again = decoded if is_fixed else decode(_padded(data, room, 255))
    except (RuntimeError, TypeError, ValueError) as error:
        raise CodecError(f"zfp cannot decode: {error}", codec=codec) from error
    if again.tobytes() != decoded.tobytes():
        raise TruncatedError("the zfp stream ends too early", codec=codec)
    return decoded


def _padded(data: npt.NDArray[np.uint8], nbytes: int, value: int) -> npt.NDArray[np.uint8]:
    padded = np.full(nbytes, value, dtype=np.uint8) if value else np.zeros(nbytes, dtype=np.uint8)
    padded[: data.size] = data
    return padded
