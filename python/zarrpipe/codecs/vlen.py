"""`vlen-utf8`, `vlen-bytes` and, in format 2, `vlen-array`: items of any length, each with its length in front.

In JSON: ``{"name": "vlen-utf8"}``.

Source: zarr-extensions, codecs "vlen-utf8" and "vlen-bytes"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.abc.codec import ArrayBytesCodec
from zarrpipe.codecs.native import NativeCodec

__all__ = ["VLenArrayCodec", "VLenBytesCodec", "VLenUTF8Codec"]


@dataclass(frozen=True, kw_only=True)
class VLenUTF8Codec(NativeCodec[NDBuffer, Buffer], ArrayBytesCodec):
    """Items of the data type string.

    Examples
    --------
    >>> VLenUTF8Codec().to_dict()
    {'name': 'vlen-utf8'}
    """

    name: ClassVar[str] = "vlen-utf8"
    is_fixed_size = False


@dataclass(frozen=True, kw_only=True)
class VLenBytesCodec(NativeCodec[NDBuffer, Buffer], ArrayBytesCodec):
    """Items of the data type bytes.

    Examples
    --------
    >>> VLenBytesCodec().to_dict()
    {'name': 'vlen-bytes'}
    """

    name: ClassVar[str] = "vlen-bytes"
    is_fixed_size = False


@dataclass(frozen=True, kw_only=True)
class VLenArrayCodec(NativeCodec[NDBuffer, Buffer], ArrayBytesCodec):
    """Arrays of one axis, of any length: see `zarrpipe.dtypes.RaggedArrays`.

    Parameters
    ----------
    dtype : str, optional
        The data type of their items, as NumPy writes it.

    Examples
    --------
    >>> VLenArrayCodec(dtype="<i4").to_dict()
    {'name': 'vlen-array', 'configuration': {'dtype': '<i4'}}
    """

    dtype: str | None = None

    name: ClassVar[str] = "vlen-array"
    is_fixed_size = False
