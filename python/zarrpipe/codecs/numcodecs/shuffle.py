"""`numcodecs.shuffle`: the first bytes of all elements, then the second ones, and so on.

In JSON: ``{"name": "numcodecs.shuffle", "configuration": {"elementsize": 4}}``.

Source: zarr-extensions, "numcodecs.shuffle"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.shuffle).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec, check_integer

__all__ = ["Shuffle"]


@dataclass(frozen=True, kw_only=True)
class Shuffle(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """Byte shuffle: bytes of the same weight next to each other, which compressors like.

    Parameters
    ----------
    elementsize : int, optional
        Bytes an element; None for those of the data type, as zarr-python has it (numcodecs itself has 4). With 1 or
        less nothing is done. Otherwise the number of bytes must be a multiple of it.

    Raises
    ------
    MetadataError
        It is no integer of 32 bits.

    Examples
    --------
    >>> Shuffle(elementsize=8).to_dict()
    {'name': 'numcodecs.shuffle', 'configuration': {'elementsize': 8}}
    """

    elementsize: int | None = None

    name: ClassVar[str] = "numcodecs.shuffle"
    is_fixed_size = True

    def __post_init__(self) -> None:
        if self.elementsize is not None:
            check_integer(self.elementsize, "elementsize", -(2**31), 2**31 - 1)
