"""`zarrs.vlen` and `zarrs.vlen_v2`: items of any length, as the zarrs crate stores them.

In JSON: ``{"name": "zarrs.vlen_v2"}`` and ``{"name": "zarrs.vlen", "configuration": {"index_codecs": [...],
"data_codecs": [...], "index_data_type": "uint32", "index_location": "end"}}``. Both are experimental there.

Source: https://docs.rs/zarrs/latest/zarrs/array/codec/array_to_bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from zarrpipe._types import JSON
from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.abc.codec import ArrayBytesCodec
from zarrpipe.codecs.bytes import BytesCodec
from zarrpipe.codecs.chain import parse_codecs
from zarrpipe.codecs.native import NativeCodec, check_choice
from zarrpipe.metadata.json import located

__all__ = ["VLenCodec", "VLenV2Codec"]


@dataclass(frozen=True, init=False)
class VLenCodec(NativeCodec[NDBuffer, Buffer], ArrayBytesCodec):
    """Items as one run of bytes, and an index of where each ends; each encoded by codecs of its own.

    Parameters
    ----------
    index_codecs : tuple of codec
        For the index: objects, documents or names.
    data_codecs : tuple of codec
        For what the items hold: `bytes`, then bytes-to-bytes codecs.
    index_data_type : {"uint32", "uint64"}
        The numbers of the index. With "uint32" the items of a chunk hold 4 GiB at most.
    index_location : {"start", "end"}
        Where the index lies.

    Raises
    ------
    MetadataError
        A parameter has a value that it cannot have.
    UnsupportedError
        A codec is not known.

    Examples
    --------
    >>> VLenCodec(data_codecs=["bytes", "zstd"]).data_codecs
    (BytesCodec(endian=None), ZstdCodec(level=0, checksum=False))
    """

    index_codecs: tuple[Any, ...]
    data_codecs: tuple[Any, ...]
    index_data_type: Literal["uint32", "uint64"]
    index_location: Literal["start", "end"] = "start"

    name: ClassVar[str] = "zarrs.vlen"
    is_fixed_size = False

    def __init__(
        self,
        *,
        index_codecs: Iterable[Any] = (BytesCodec(),),
        data_codecs: Iterable[Any] = (BytesCodec(endian=None),),
        index_data_type: Literal["uint32", "uint64"] = "uint64",
        index_location: Literal["start", "end"] = "start",
    ) -> None:
        # The class is frozen.
        with located("/index_codecs"):
            object.__setattr__(self, "index_codecs", parse_codecs(index_codecs))
        with located("/data_codecs"):
            object.__setattr__(self, "data_codecs", parse_codecs(data_codecs))
        check_choice(index_data_type, "index_data_type", ("uint32", "uint64"))
        check_choice(index_location, "index_location", ("start", "end"))
        object.__setattr__(self, "index_data_type", index_data_type)
        object.__setattr__(self, "index_location", index_location)

    def to_dict(self) -> dict[str, JSON]:
        configuration: dict[str, JSON] = {
            "index_codecs": tuple(codec.to_dict() for codec in self.index_codecs),
            "data_codecs": tuple(codec.to_dict() for codec in self.data_codecs),
            "index_data_type": self.index_data_type,
            "index_location": self.index_location,
        }
        return {"name": self.name, "configuration": configuration}


@dataclass(frozen=True, kw_only=True)
class VLenV2Codec(NativeCodec[NDBuffer, Buffer], ArrayBytesCodec):
    """Items of either data type, in the same form.

    Source: https://docs.rs/zarrs/latest/zarrs/array/codec/array_to_bytes/vlen_v2.

    Examples
    --------
    >>> VLenV2Codec().to_dict()
    {'name': 'zarrs.vlen_v2'}
    """

    name: ClassVar[str] = "zarrs.vlen_v2"
    is_fixed_size = False
