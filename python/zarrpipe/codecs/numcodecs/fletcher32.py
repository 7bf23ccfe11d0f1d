"""`numcodecs.fletcher32`: a Fletcher-32 checksum behind the bytes.

In JSON: ``{"name": "numcodecs.fletcher32"}``.

Source: zarr-extensions, "numcodecs.fletcher32"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.fletcher32); J. G. Fletcher, 1982,
doi:10.1109/TCOM.1982.1095369.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec

__all__ = ["Fletcher32"]


@dataclass(frozen=True, kw_only=True)
class Fletcher32(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """The Fletcher-32 checksum of HDF5 behind the bytes.

    It is that of the bytes as 16-bit words, big-endian; an odd last byte counts as a word whose lower half is zero.

    Examples
    --------
    >>> Fletcher32().to_dict()
    {'name': 'numcodecs.fletcher32', 'configuration': {}}
    """

    name: ClassVar[str] = "numcodecs.fletcher32"
    is_fixed_size = True
