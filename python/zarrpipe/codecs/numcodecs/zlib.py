"""`numcodecs.zlib`: DEFLATE in the zlib format.

In JSON: ``{"name": "numcodecs.zlib", "configuration": {"level": 1}}``.

Source: zarr-extensions, "numcodecs.zlib"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.zlib); RFC 1950.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec, check_integer

__all__ = ["Zlib"]


@dataclass(frozen=True, kw_only=True)
class Zlib(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """Compression by zlib.

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
    >>> Zlib().to_dict()
    {'name': 'numcodecs.zlib', 'configuration': {'level': 1}}
    """

    level: int = 1

    name: ClassVar[str] = "numcodecs.zlib"
    is_fixed_size = False

    def __post_init__(self) -> None:
        check_integer(self.level, "level", -1, 9)
