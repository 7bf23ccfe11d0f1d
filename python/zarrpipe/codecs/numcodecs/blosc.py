"""`numcodecs.blosc`: the codec `blosc` with numcodecs' defaults and numbers.

In JSON: ``{"name": "numcodecs.blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": 1,
"blocksize": 0}}``.

Source: zarr-extensions, "numcodecs.blosc"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.blosc).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec, check_choice, check_integer

__all__ = ["Blosc"]

CNAMES = ("lz4", "lz4hc", "blosclz", "snappy", "zlib", "zstd")


@dataclass(frozen=True, kw_only=True)
class Blosc(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """Compression by Blosc.

    Parameters
    ----------
    cname : {"lz4", "lz4hc", "blosclz", "snappy", "zlib", "zstd"}
        The compressor.
    clevel : int
        From 0, none, to 9, the smallest.
    shuffle : {1, 0, 2, -1}
        1 for a shuffle of bytes, 2 of bits, 0 for none, -1 for one of bits where items have one byte, else of bytes.
    blocksize : int
        Bytes a block; 0 for the library's choice.
    typesize : int, optional
        Bytes an item, for the shuffle; None for those of the data type.

    Raises
    ------
    MetadataError
        A parameter has a value that it cannot have.

    Examples
    --------
    >>> Blosc(cname="zstd", shuffle=2).to_dict()["configuration"]
    {'cname': 'zstd', 'clevel': 5, 'shuffle': 2, 'blocksize': 0}
    """

    cname: Literal["lz4", "lz4hc", "blosclz", "snappy", "zlib", "zstd"] = "lz4"
    clevel: int = 5
    shuffle: Literal[-1, 0, 1, 2] = 1
    blocksize: int = 0
    typesize: int | None = None

    name: ClassVar[str] = "numcodecs.blosc"
    is_fixed_size = False

    def __post_init__(self) -> None:
        check_choice(self.cname, "cname", CNAMES)
        check_integer(self.clevel, "clevel", 0, 9)
        check_integer(self.shuffle, "shuffle", -1, 2)
        check_integer(self.blocksize, "blocksize", 0, 2**31 - 1)
        if self.typesize is not None:
            check_integer(self.typesize, "typesize", 1, 2**31 - 1)
