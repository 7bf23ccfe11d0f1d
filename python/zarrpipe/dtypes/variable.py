"""`string` and `bytes`: items of any length.

In memory text is NumPy's `StringDType`, and bytes are objects of type `bytes`. The engine has neither: see
``docs/design/variable.md``. Fill values in JSON: a string; an array of integers from 0 to 255, or base64.

Source: zarr-extensions, data types "string" and "bytes"
(https://github.com/zarr-developers/zarr-extensions/tree/main/data-types).
"""

# ruff: noqa: ARG002 - `zarr_format` is a part of the contract; most of these scalars look alike in v2 and v3.

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

from zarrpipe._types import JSON, Layout, ZarrFormat
from zarrpipe.dtypes.zdtype import TBaseDType, TDType_co, TScalar_co, ZDType, check_extension
from zarrpipe.errors import MetadataError

__all__ = ["HasObjectCodec", "VariableLengthBytes", "VariableLengthUTF8"]

# What an item takes while the engine moves it: where it lies, and its length.
_DESCRIPTOR_NBYTES = 16

# NumPy's stubs of 2.0 do not have it as a dtype class.
_StringDType: TypeAlias = Any


class HasObjectCodec:
    """A data type that v2 documents call ``|O``: which it is, the first of the filters says.

    Attributes
    ----------
    object_codec_id : str
        The codec's id.
    """

    object_codec_id: ClassVar[str]

    @property
    def object_codec(self) -> dict[str, JSON]:
        """The codec's configuration as numcodecs has it, where the data type says all of it."""
        return {"id": self.object_codec_id}


@dataclass(frozen=True, kw_only=True)
class VariableDType(ZDType[TDType_co, TScalar_co], HasObjectCodec):
    """What the data types of variable length share."""

    _v3_names: ClassVar[tuple[str, ...]]
    _content: ClassVar[str]

    @classmethod
    def _from_json_v2(cls, data: JSON) -> Self:
        name = data.get("name") if isinstance(data, Mapping) else data
        codec = data.get("object_codec_id") if isinstance(data, Mapping) else None
        if name != "|O" or codec != cls.object_codec_id:
            raise MetadataError(f"{cls._zarr_v3_name} is written |O with the codec {cls.object_codec_id}, not {data!r}")
        return cls()

    @classmethod
    def _from_json_v3(cls, data: JSON) -> Self:
        name, configuration = check_extension(data)
        if name not in cls._v3_names:
            raise MetadataError(f"{name!r} is not the data type {cls._zarr_v3_name!r}")
        if configuration:
            raise MetadataError(f"the data type {name!r} has no configuration", at="/configuration")
        return cls()

    def to_json(self, zarr_format: ZarrFormat) -> JSON:
        if zarr_format == 2:
            return {"name": "|O", "object_codec_id": self.object_codec_id}
        return self._zarr_v3_name

    def layout(self) -> Layout:
        return self._content, _DESCRIPTOR_NBYTES, ()


@dataclass(frozen=True, kw_only=True)
class VariableLengthUTF8(VariableDType[_StringDType, str]):
    """Text.

    Examples
    --------
    >>> VariableLengthUTF8().to_native_dtype(), VariableLengthUTF8().to_json(3)
    (StringDType(), 'string')
    """

    dtype_cls = np.dtypes.StringDType
    _zarr_v3_name = "string"
    _v3_names = ("string",)
    _content = "string"
    object_codec_id = "vlen-utf8"

    @classmethod
    def from_native_dtype(cls, dtype: TBaseDType) -> Self:
        if not cls._check_native_dtype(dtype):
            raise TypeError(f"{cls.__name__} is not the data type of {dtype!r}")
        if hasattr(dtype, "na_object"):
            raise TypeError(f"{dtype!r} has a missing value, which the data type string has not")
        return cls()

    def to_native_dtype(self) -> _StringDType:
        return np.dtypes.StringDType()

    def _check_scalar(self, data: object) -> bool:
        return isinstance(data, str)

    def cast_scalar(self, data: object) -> str:
        # 0 is what a fill value is for whoever does not ask for the data type, zarr-python 2 among them.
        if data is None or (type(data) is int and data == 0):
            return ""
        if not isinstance(data, str):
            if isinstance(data, np.ndarray) and data.ndim == 0:
                return self.cast_scalar(data[()])
            raise TypeError(f"{data!r} is not text")
        text = str(data)
        text.encode()  # a surrogate alone is no text that can be stored
        return text

    def default_scalar(self) -> str:
        return ""

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> str:
        if zarr_format == 2 and (data is None or (type(data) is int and data == 0)):
            # zarr-python 2 wrote both.
            return ""
        if not isinstance(data, str):
            raise MetadataError(f"the fill value of string is a string, not {data!r}")
        try:
            return self.cast_scalar(data)
        except UnicodeEncodeError as error:
            raise MetadataError(f"the fill value of string is no text: {error}") from None

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> str:
        return self.cast_scalar(data)

    def fill_bytes(self, scalar: object) -> bytes:
        return self.cast_scalar(scalar).encode()


@dataclass(frozen=True, kw_only=True)
class VariableLengthBytes(VariableDType[np.dtypes.ObjectDType, bytes]):
    r"""Bytes.

    Examples
    --------
    >>> VariableLengthBytes().to_native_dtype(), VariableLengthBytes().to_json(3)
    (dtype('O'), 'bytes')
    >>> VariableLengthBytes().from_json_scalar([0, 255], zarr_format=3)
    b'\x00\xff'
    """

    dtype_cls = np.dtypes.ObjectDType
    _zarr_v3_name = "bytes"
    # The other one is zarr-python's.
    _v3_names = ("bytes", "variable_length_bytes")
    _content = "bytes"
    object_codec_id = "vlen-bytes"

    @classmethod
    def _check_native_dtype(cls, dtype: TBaseDType) -> bool:  # noqa: ARG003 - whatever it is
        # Objects may be anything: nobody means this data type by them alone.
        return False

    @classmethod
    def from_native_dtype(cls, dtype: TBaseDType) -> Self:
        if type(dtype) is not cls.dtype_cls:
            raise TypeError(f"{cls.__name__} is not the data type of {dtype!r}")
        return cls()

    def to_native_dtype(self) -> np.dtypes.ObjectDType:
        return np.dtypes.ObjectDType()

    def _check_scalar(self, data: object) -> bool:
        return isinstance(data, bytes | bytearray | memoryview | str)

    def cast_scalar(self, data: object) -> bytes:
        if data is None or (type(data) is int and data == 0):
            return b""
        if isinstance(data, str):
            return data.encode()
        if isinstance(data, bytes | bytearray | memoryview):
            return bytes(data)
        if isinstance(data, np.ndarray) and data.ndim == 0:
            return self.cast_scalar(data[()])
        raise TypeError(f"{data!r} is not bytes")

    def default_scalar(self) -> bytes:
        return b""

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> bytes:
        if zarr_format == 2 and (data is None or (type(data) is int and data == 0)):
            return b""
        try:
            if isinstance(data, str):
                return base64.b64decode(data, validate=True)
            if isinstance(data, Sequence) and all(type(byte) is int for byte in data):
                return bytes(data)  # type: ignore[arg-type]
        except (ValueError, binascii.Error):
            pass
        raise MetadataError(f"the fill value of bytes is base64 or an array of integers from 0 to 255, not {data!r}")

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> str:
        # zarr-python reads no other form.
        return base64.b64encode(self.cast_scalar(data)).decode()

    def fill_bytes(self, scalar: object) -> bytes:
        return self.cast_scalar(scalar)
