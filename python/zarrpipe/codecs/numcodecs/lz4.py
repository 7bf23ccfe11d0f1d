"""`numcodecs.lz4`: the size of the bytes, then one LZ4 block.

In JSON: ``{"name": "numcodecs.lz4", "configuration": {"acceleration": 1}}``.

Source: zarr-extensions, "numcodecs.lz4"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.lz4);
LZ4 block format (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec, check_integer

__all__ = ["LZ4"]


@dataclass(frozen=True, kw_only=True)
class LZ4(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """Compression by LZ4.

    Parameters
    ----------
    acceleration : int
        The larger, the faster and the less compressed; what is below 1 counts as 1.

    Raises
    ------
    MetadataError
        It is no integer of 32 bits.

    Examples
    --------
    >>> LZ4().to_dict()
    {'name': 'numcodecs.lz4', 'configuration': {'acceleration': 1}}
    """

    acceleration: int = 1

    name: ClassVar[str] = "numcodecs.lz4"
    is_fixed_size = False

    def __post_init__(self) -> None:
        check_integer(self.acceleration, "acceleration", -(2**31), 2**31 - 1)
