"""`gzip`.

In JSON: ``{"name": "gzip", "configuration": {"level": 5}}``.

Source: Zarr v3 codecs, "Gzip codec" (https://zarr-specs.readthedocs.io/en/latest/v3/codecs/gzip/index.html); RFC 1952.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec, check_integer

__all__ = ["GzipCodec"]


@dataclass(frozen=True, kw_only=True)
class GzipCodec(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """Compression by gzip.

    Parameters
    ----------
    level : int
        From 0, none, to 9, the smallest.

    Raises
    ------
    MetadataError
        The level is out of range.

    Examples
    --------
    >>> GzipCodec(level=1).to_dict()
    {'name': 'gzip', 'configuration': {'level': 1}}
    """

    level: int = 5

    name: ClassVar[str] = "gzip"
    is_fixed_size = False

    def __post_init__(self) -> None:
        check_integer(self.level, "level", 0, 9)
