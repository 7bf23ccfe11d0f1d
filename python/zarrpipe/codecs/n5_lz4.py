"""`n5_lz4`: what N5 calls `lz4`, as lz4-java writes it, and as z5 does.

In JSON: ``{"name": "n5_lz4"}``, a name of this library's own: N5's documents become chains that have it.

Source: lz4-java, `LZ4BlockOutputStream` (https://github.com/lz4/lz4-java).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec

__all__ = ["N5Lz4Codec"]


@dataclass(frozen=True, kw_only=True)
class N5Lz4Codec(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """A stream of LZ4 blocks with headers and checksums; one block without is read too.

    Examples
    --------
    >>> N5Lz4Codec().to_dict()
    {'name': 'n5_lz4'}
    """

    name: ClassVar[str] = "n5_lz4"
    is_fixed_size = False
