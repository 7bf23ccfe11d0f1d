"""`crc32c`: a checksum behind the bytes.

In JSON: ``{"name": "crc32c"}``.

Source: Zarr v3 codecs, "CRC32C checksum codec"
(https://zarr-specs.readthedocs.io/en/latest/v3/codecs/crc32c/index.html); RFC 3720.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec

__all__ = ["Crc32cCodec"]


@dataclass(frozen=True, kw_only=True)
class Crc32cCodec(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """Four bytes behind the encoded bytes, which tell whether they changed.

    Examples
    --------
    >>> Crc32cCodec().to_dict()
    {'name': 'crc32c'}
    """

    name: ClassVar[str] = "crc32c"
    is_fixed_size = True
