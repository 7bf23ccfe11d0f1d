"""`numcodecs.bz2`: compression by bzip2.

In JSON: ``{"name": "numcodecs.bz2", "configuration": {"level": 1}}``.

Source: zarr-extensions, "numcodecs.bz2"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.bz2); bzip2 1.0
(https://sourceware.org/bzip2/).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec, check_integer

__all__ = ["BZ2"]


@dataclass(frozen=True, kw_only=True)
class BZ2(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """Compression by bz2.

    Parameters
    ----------
    level : int
        From 1, the fastest, to 9, the smallest: blocks of so many times 100 kB.

    Raises
    ------
    MetadataError
        The level is out of range.

    Examples
    --------
    >>> BZ2().to_dict()
    {'name': 'numcodecs.bz2', 'configuration': {'level': 1}}
    """

    level: int = 1

    name: ClassVar[str] = "numcodecs.bz2"
    is_fixed_size = False

    def __post_init__(self) -> None:
        check_integer(self.level, "level", 1, 9)
