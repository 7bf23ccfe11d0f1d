"""`packbits`: some bits of each item, one after another.

In JSON: ``{"name": "packbits", "configuration": {"padding_encoding": "none"}}``.

Source: zarr-extensions, "packbits codec"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/packbits).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.abc.codec import ArrayBytesCodec
from zarrpipe.codecs.native import NativeCodec, check_choice, check_integer
from zarrpipe.errors import MetadataError

__all__ = ["PackBitsCodec"]


@dataclass(frozen=True, kw_only=True)
class PackBitsCodec(NativeCodec[NDBuffer, Buffer], ArrayBytesCodec):
    """Booleans as one bit each, and numbers as those of their bits that are in use.

    Parameters
    ----------
    padding_encoding : {"none", "first_byte", "last_byte"}
        Where a byte says how many bits of the last byte are padding.
    first_bit, last_bit : int, optional
        The bits of each number that are stored, counted from the least significant one; by default all. The others
        read as zero; those above `last_bit` of a signed integer as its sign.

    Raises
    ------
    MetadataError
        A parameter has a value that it cannot have.

    Examples
    --------
    >>> PackBitsCodec(last_bit=11).to_dict()
    {'name': 'packbits', 'configuration': {'padding_encoding': 'none', 'last_bit': 11}}
    """

    padding_encoding: Literal["none", "first_byte", "last_byte"] = "none"
    first_bit: int | None = None
    last_bit: int | None = None

    name: ClassVar[str] = "packbits"
    is_fixed_size = True

    def __post_init__(self) -> None:
        check_choice(self.padding_encoding, "padding_encoding", ("none", "first_byte", "last_byte"))
        for name, bit in (("first_bit", self.first_bit), ("last_bit", self.last_bit)):
            if bit is not None:
                check_integer(bit, name, 0, 63)
        if self.last_bit is not None and self.last_bit < (self.first_bit or 0):
            raise MetadataError(
                f"last_bit {self.last_bit} is less than first_bit {self.first_bit or 0}", at="/last_bit"
            )
