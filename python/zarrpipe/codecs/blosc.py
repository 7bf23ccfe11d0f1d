"""`blosc`: shuffled and compressed in blocks.

In JSON: ``{"name": "blosc", "configuration": {"cname": "zstd", "clevel": 5, "shuffle": "shuffle", "typesize": 4,
"blocksize": 0}}``.

Source: Zarr v3 codecs, "Blosc codec" (https://zarr-specs.readthedocs.io/en/latest/v3/codecs/blosc/index.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.native import NativeCodec, check_choice, check_integer

__all__ = ["BloscCodec"]

CNAMES = ("lz4", "lz4hc", "blosclz", "snappy", "zlib", "zstd")
SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")


@dataclass(frozen=True, kw_only=True)
class BloscCodec(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """Compression by Blosc.

    Parameters
    ----------
    typesize : int, optional
        Bytes an item, for the shuffle; None for those of the data type.
    cname : {"lz4", "lz4hc", "blosclz", "snappy", "zlib", "zstd"}
        The compressor.
    clevel : int
        From 0, none, to 9, the smallest.
    shuffle : {"noshuffle", "shuffle", "bitshuffle"}, optional
        What is done before compression; None for "shuffle", and "bitshuffle" for items of one byte.
    blocksize : int
        Bytes a block; 0 for the library's choice.

    Raises
    ------
    MetadataError
        A parameter has a value that it cannot have.

    Notes
    -----
    `typesize` and `shuffle` are None until `evolve_from_array_spec` fills them in, where zarr-python shows 1 and
    "bitshuffle"; what arrays record is the same.

    Examples
    --------
    >>> BloscCodec(typesize=4, shuffle="shuffle").to_dict()["configuration"]
    {'typesize': 4, 'cname': 'zstd', 'clevel': 5, 'shuffle': 'shuffle', 'blocksize': 0}
    """

    typesize: int | None = None
    cname: Literal["lz4", "lz4hc", "blosclz", "snappy", "zlib", "zstd"] = "zstd"
    clevel: int = 5
    shuffle: Literal["noshuffle", "shuffle", "bitshuffle"] | None = None
    blocksize: int = 0

    name: ClassVar[str] = "blosc"
    is_fixed_size = False

    def __post_init__(self) -> None:
        if self.typesize is not None:
            check_integer(self.typesize, "typesize", 1, 2**31 - 1)
        check_choice(self.cname, "cname", CNAMES)
        check_integer(self.clevel, "clevel", 0, 9)
        if self.shuffle is not None:
            check_choice(self.shuffle, "shuffle", SHUFFLES)
        check_integer(self.blocksize, "blocksize", 0, 2**31 - 1)
