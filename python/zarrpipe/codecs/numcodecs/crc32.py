"""`numcodecs.crc32`: a CRC-32 checksum (gzip's) in front of the bytes or behind them.

In JSON: ``{"name": "numcodecs.crc32", "configuration": {"location": "start"}}``.

Source: zarr-extensions, "numcodecs.crc32"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.crc32); RFC 1952.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.codecs.numcodecs.checksum import LocatedChecksum

__all__ = ["CRC32"]


@dataclass(frozen=True, kw_only=True)
class CRC32(LocatedChecksum):
    """A CRC-32 checksum (gzip's): four bytes that tell whether the others changed.

    Parameters
    ----------
    location : {"start", "end"}, optional
        Where the checksum stands; None for "start", left out of documents.

    Raises
    ------
    MetadataError
        It is another word.

    Examples
    --------
    >>> CRC32(location="end").to_dict()
    {'name': 'numcodecs.crc32', 'configuration': {'location': 'end'}}
    """

    name: ClassVar[str] = "numcodecs.crc32"
