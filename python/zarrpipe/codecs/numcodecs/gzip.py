"""`numcodecs.gzip`: the codec `gzip` with numcodecs' default.

In JSON: ``{"name": "numcodecs.gzip", "configuration": {"level": 1}}``.

Source: zarr-extensions, "numcodecs.gzip"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.gzip); RFC 1952.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec, check_integer

__all__ = ["GZip"]


@dataclass(frozen=True, kw_only=True)
class GZip(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """Compression by gzip.

    Parameters
    ----------
    level : int
        From 0, none, to 9, the smallest; -1 for the library's default, 6.

    Raises
    ------
    MetadataError
        The level is out of range.

    Examples
    --------
    >>> GZip().to_dict()
    {'name': 'numcodecs.gzip', 'configuration': {'level': 1}}
    """

    level: int = 1

    name: ClassVar[str] = "numcodecs.gzip"
    is_fixed_size = False

    def __post_init__(self) -> None:
        check_integer(self.level, "level", -1, 9)
