"""`numcodecs.adler32`: an Adler-32 checksum in front of the bytes or behind them.

In JSON: ``{"name": "numcodecs.adler32", "configuration": {"location": "start"}}``.

Source: zarr-extensions, "numcodecs.adler32"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.adler32); RFC 1950.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.codecs.numcodecs.checksum import LocatedChecksum

__all__ = ["Adler32"]


@dataclass(frozen=True, kw_only=True)
class Adler32(LocatedChecksum):
    """An Adler-32 checksum: four bytes that tell whether the others changed.

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
    >>> Adler32(location="end").to_dict()
    {'name': 'numcodecs.adler32', 'configuration': {'location': 'end'}}
    """

    name: ClassVar[str] = "numcodecs.adler32"
