"""What the checksums of numcodecs with a place share: the place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec, check_choice

__all__ = ["LocatedChecksum"]


@dataclass(frozen=True, kw_only=True)
class LocatedChecksum(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """A checksum of four bytes, little-endian, in front of the bytes or behind them.

    Parameters
    ----------
    location : {"start", "end"}, optional
        Where the checksum stands; None for the codec's own default, which documents then leave out.

    Raises
    ------
    MetadataError
        It is another word.
    """

    location: Literal["start", "end"] | None = None

    is_fixed_size = True

    def __post_init__(self) -> None:
        if self.location is not None:
            check_choice(self.location, "location", ("start", "end"))
