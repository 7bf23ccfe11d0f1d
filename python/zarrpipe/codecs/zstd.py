"""`zstd`.

In JSON: ``{"name": "zstd", "configuration": {"level": 0, "checksum": false}}``.

Source: zarr-extensions, "zstd" (https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/zstd); RFC 8878.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec, check_integer
from zarrpipe.errors import MetadataError

__all__ = ["ZstdCodec"]


@dataclass(frozen=True, kw_only=True)
class ZstdCodec(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """Compression by Zstandard.

    Parameters
    ----------
    level : int
        From -131072, the fastest, to 22, the smallest; 0 is the library's default, 3.
    checksum : bool
        Whether each frame has a checksum of what it holds.

    Raises
    ------
    MetadataError
        The level is out of range, or `checksum` is not a bool.

    Examples
    --------
    >>> ZstdCodec(level=9).to_dict()
    {'name': 'zstd', 'configuration': {'level': 9, 'checksum': False}}
    """

    level: int = 0
    checksum: bool = False

    name: ClassVar[str] = "zstd"
    is_fixed_size = False

    def __post_init__(self) -> None:
        check_integer(self.level, "level", -131072, 22)
        if not isinstance(self.checksum, bool):
            raise MetadataError(f"checksum is true or false, not {self.checksum!r}", at="/checksum")
