"""`numcodecs.crc32c`: a CRC-32C checksum in front of the bytes or behind them.

In JSON: ``{"name": "numcodecs.crc32c", "configuration": {"location": "end"}}``.

Source: zarr-extensions, "numcodecs.crc32c"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.crc32c); RFC 3720.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.codecs.numcodecs.checksum import LocatedChecksum

__all__ = ["CRC32C"]


@dataclass(frozen=True, kw_only=True)
class CRC32C(LocatedChecksum):
    """A CRC-32C checksum: four bytes that tell whether the others changed.

    Parameters
    ----------
    location : {"start", "end"}, optional
        Where the checksum stands; None for "end", left out of documents.

    Raises
    ------
    MetadataError
        It is another word.

    Examples
    --------
    >>> CRC32C(location="end").to_dict()
    {'name': 'numcodecs.crc32c', 'configuration': {'location': 'end'}}
    """

    name: ClassVar[str] = "numcodecs.crc32c"
