"""Items of a fixed number of bytes or characters.

Names: `raw_bytes`, `r8` and `r16` and so on, `null_terminated_bytes`, `fixed_length_utf32`. In JSON
``{"name": "raw_bytes", "configuration": {"length_bytes": 3}}``, and the others likewise; but ``"r24"``.

Fill value in JSON: the bytes in base64, of `null_terminated_bytes` without the zeros at the end; of `r24` an array of
three integers from 0 to 255; of `fixed_length_utf32` a string, which may be shorter than the items, but not longer.

Source: Zarr v3 core specification, "Data types" (r*); zarr-extensions, data-types/null_terminated_bytes and
data-types/fixed_length_utf32; zarr-python's `raw_bytes`, which is not registered.
"""

# ruff: noqa: ARG002 - `zarr_format` is a part of the contract; these scalars look alike in v2 and v3.

from __future__ import annotations

import base64
import re
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, cast

import numpy as np

from zarrpipe._types import JSON, Layout, ZarrFormat
from zarrpipe.dtypes.numeric import HasEndianness, HasItemSize, HasLength, in_byte_order, order_of, v2_name
from zarrpipe.dtypes.zdtype import TBaseDType, TDType_co, TScalar_co, ZDType, check_extension
from zarrpipe.errors import MetadataError

__all__ = ["FixedLength", "FixedLengthUTF32", "NullTerminatedBytes", "RawBits", "RawBytes", "from_base64"]

# What NumPy can have.
_MOST_NBYTES = 2**31 - 1
_TYPE_STRING = re.compile(r"[<>|]([SUV])([0-9]{1,10})")
_RAW_BITS = re.compile(r"r([1-9][0-9]{0,11})")


def from_base64(data: JSON, data_type: str) -> bytes:
    """Return the bytes of a fill value.

    Raises
    ------
    MetadataError
        It is not a string in base64.
    """
    try:
        if isinstance(data, str):
            return base64.b64decode(data, validate=True)
    except (Base64Error, ValueError):
        pass
    raise MetadataError(f"the fill value of {data_type} is a string in base64, not {data!r}")


@dataclass(frozen=True, kw_only=True)
class FixedLength(ZDType[TDType_co, TScalar_co], HasLength, HasItemSize, Generic[TDType_co, TScalar_co]):
    """A data type whose items have a fixed length."""

    _letter: ClassVar[str]
    _unit_nbytes: ClassVar[int] = 1

    def __post_init__(self) -> None:
        length: object = self.length
        most = _MOST_NBYTES // self._unit_nbytes
        if type(length) is not int or not 1 <= length <= most:
            raise MetadataError(f"the length of {self._zarr_v3_name} is an integer from 1 to {most}, not {length!r}")

    @classmethod
    def _check_native_dtype(cls, dtype: TBaseDType) -> bool:
        # The classes of ml_dtypes and structures are of NumPy's kind V too.
        plain = dtype.names is None and dtype.subdtype is None
        return plain and type(dtype) is cls.dtype_cls

    @classmethod
    def from_native_dtype(cls, dtype: TBaseDType) -> Self:
        if not cls._check_native_dtype(dtype):
            raise TypeError(f"{cls.__name__} is not the data type of {dtype!r}")
        return cls(length=dtype.itemsize // cls._unit_nbytes)

    def to_native_dtype(self) -> TDType_co:
        return cast(TDType_co, self._native())

    def _native(self) -> np.dtype[Any]:
        """Return the NumPy data type in the host's byte order."""
        return np.dtype(f"{self._letter}{self.length}")

    @property
    def item_size(self) -> int:
        return self.length * self._unit_nbytes

    @classmethod
    def _from_json_v2(cls, data: JSON) -> Self:
        name = v2_name(data, cls._zarr_v3_name)
        match = _TYPE_STRING.fullmatch(name) if isinstance(name, str) else None
        if match is None or match[1] != cls._letter:
            raise MetadataError(f"{cls._zarr_v3_name} is written |{cls._letter} and its length, not {name!r}")
        return cls(length=int(match[2]))

    @classmethod
    def _from_json_v3(cls, data: JSON) -> Self:
        name, configuration = check_extension(data)
        if name != cls._zarr_v3_name:
            raise MetadataError(f"{name!r} is not the data type {cls._zarr_v3_name!r}")
        if set(configuration) != {"length_bytes"}:
            raise MetadataError(f"the data type {name!r} is configured by length_bytes alone", at="/configuration")
        nbytes = configuration["length_bytes"]
        if isinstance(nbytes, bool) or not isinstance(nbytes, int) or nbytes % cls._unit_nbytes:
            what = "an integer" if cls._unit_nbytes == 1 else f"a multiple of {cls._unit_nbytes}"
            raise MetadataError(f"length_bytes is {what}, not {nbytes!r}", at="/configuration/length_bytes")
        try:
            return cls(length=nbytes // cls._unit_nbytes)
        except MetadataError as error:
            raise MetadataError(error.message, at="/configuration/length_bytes") from None

    def to_json(self, zarr_format: ZarrFormat) -> JSON:
        if zarr_format == 2:
            return {"name": self.to_native_dtype().str, "object_codec_id": None}
        return {"name": self._zarr_v3_name, "configuration": {"length_bytes": self.item_size}}

    def default_scalar(self) -> TScalar_co:
        return cast(TScalar_co, np.zeros((), self._native())[()])

    def layout(self) -> Layout:
        return "opaque", self.item_size, ()

    def fill_bytes(self, scalar: object) -> bytes:
        return np.array(self.cast_scalar(scalar), self._native()).tobytes()


@dataclass(frozen=True, kw_only=True)
class RawBytes(FixedLength[np.dtype[np.void], np.void]):
    """Bytes that mean nothing to Zarr.

    Examples
    --------
    >>> RawBytes(length=3).to_native_dtype()
    dtype('V3')
    """

    dtype_cls = cast(Any, np.dtypes.VoidDType)
    _zarr_v3_name = "raw_bytes"
    _letter: ClassVar[str] = "V"

    def _check_scalar(self, data: object) -> bool:
        return isinstance(data, bytes | bytearray | np.void)

    def cast_scalar(self, data: object) -> np.void:
        if not self._check_scalar(data):
            raise TypeError(f"{data!r} are not bytes")
        raw = bytes(cast(Any, data))
        if len(raw) > self.length:
            raise OverflowError(f"{len(raw)} bytes are too many for an item of {self.length}")
        return self._of_bytes(raw.ljust(self.length, b"\0"))

    def _of_bytes(self, raw: bytes) -> np.void:
        return cast(np.void, np.frombuffer(raw, self._native())[0])

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.void:
        raw = from_base64(data, self._zarr_v3_name)
        if len(raw) != self.length:
            raise MetadataError(f"the fill value has {len(raw)} bytes, an item {self.length}")
        return self._of_bytes(raw)

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        return base64.b64encode(self.cast_scalar(data).tobytes()).decode()


@dataclass(frozen=True, kw_only=True)
class RawBits(RawBytes):
    """`raw_bytes` as the core specification has it: by the number of bits.

    Examples
    --------
    >>> RawBits(length=3).to_json(3)
    'r24'
    """

    _zarr_v3_name = "r*"

    @classmethod
    def _from_json_v3(cls, data: JSON) -> Self:
        name, configuration = check_extension(data)
        match = _RAW_BITS.fullmatch(name)
        if match is None or int(match[1]) % 8:
            raise MetadataError(f"raw bits are named r8, r16, r24 and so on, not {name!r}")
        if configuration:
            raise MetadataError(f"the data type {name!r} has no configuration", at="/configuration")
        return cls(length=int(match[1]) // 8)

    def to_json(self, zarr_format: ZarrFormat) -> JSON:
        return super().to_json(2) if zarr_format == 2 else f"r{8 * self.length}"

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.void:
        if zarr_format == 2:
            return super().from_json_scalar(data, zarr_format=2)
        if isinstance(data, str) or not isinstance(data, Sequence) or len(data) != self.length:
            # The specification's text says as many as bits, which must be bytes.
            raise MetadataError(f"the fill value of {self.to_json(3)} is an array of {self.length} integers")
        for index, item in enumerate(data):
            if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item <= 255:
                raise MetadataError(f"a fill value's byte is an integer from 0 to 255, not {item!r}", at=f"/{index}")
        return self._of_bytes(bytes(cast("Sequence[int]", data)))

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        return super().to_json_scalar(data, zarr_format=2) if zarr_format == 2 else list(self.fill_bytes(data))


@dataclass(frozen=True, kw_only=True)
class NullTerminatedBytes(FixedLength[np.dtype[np.bytes_], np.bytes_]):
    """Bytes of which zeros at the end do not count.

    Examples
    --------
    >>> NullTerminatedBytes(length=4).to_json_scalar(b"Hi", zarr_format=3)
    'SGk='
    """

    dtype_cls = np.dtypes.BytesDType
    _zarr_v3_name = "null_terminated_bytes"
    _letter: ClassVar[str] = "S"

    def _check_scalar(self, data: object) -> bool:
        return isinstance(data, bytes | bytearray | str | int) and not isinstance(data, bool)

    def cast_scalar(self, data: object) -> np.bytes_:
        if not self._check_scalar(data):
            raise TypeError(f"{data!r} are not bytes")
        # As NumPy and zarr-python: a number by its digits, text in ASCII, and what is too long is cut.
        raw = bytes(data) if isinstance(data, bytes | bytearray) else str(data).encode("ascii")
        return np.bytes_(raw[: self.length].rstrip(b"\0"))

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.bytes_:
        raw = from_base64(data, self._zarr_v3_name)
        if len(raw) > self.length:
            raise MetadataError(f"the fill value has {len(raw)} bytes, an item {self.length} at most")
        return self.cast_scalar(raw)

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        return base64.b64encode(self.cast_scalar(data)).decode()


@dataclass(frozen=True, kw_only=True)
class FixedLengthUTF32(FixedLength[np.dtype[np.str_], np.str_], HasEndianness):
    """Text of so many code points at most, of which zeros at the end do not count.

    Examples
    --------
    >>> FixedLengthUTF32(length=2).layout()
    ('opaque', 8, ((0, 4, 2),))
    """

    dtype_cls = np.dtypes.StrDType
    _zarr_v3_name = "fixed_length_utf32"
    _letter: ClassVar[str] = "U"
    _unit_nbytes: ClassVar[int] = 4
    code_point_bytes: ClassVar[int] = 4

    def __post_init__(self) -> None:
        FixedLength.__post_init__(self)
        HasEndianness.__post_init__(self)

    @classmethod
    def from_native_dtype(cls, dtype: TBaseDType) -> Self:
        parsed = super().from_native_dtype(dtype)
        return cls(length=parsed.length, endianness=order_of(dtype))

    def to_native_dtype(self) -> np.dtype[np.str_]:
        return in_byte_order(self._native(), self.endianness)

    @classmethod
    def _from_json_v2(cls, data: JSON) -> Self:
        parsed, order = super()._from_json_v2(data), str(v2_name(data, cls._zarr_v3_name))[0]
        if order == "|":
            raise MetadataError(f"{cls._zarr_v3_name} has a byte order, < or >")
        return cls(length=parsed.length, endianness="big" if order == ">" else "little")

    def layout(self) -> Layout:
        return "opaque", self.item_size, ((0, 4, self.length),)

    def _check_scalar(self, data: object) -> bool:
        return isinstance(data, str | int | float | np.number) and not isinstance(data, bool)

    def cast_scalar(self, data: object) -> np.str_:
        if not self._check_scalar(data):
            raise TypeError(f"{data!r} is not text")
        # As NumPy and zarr-python: a number by its digits, and what is too long is cut.
        return np.str_(str(data)[: self.length].rstrip("\0"))

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.str_:
        if not isinstance(data, str):
            raise MetadataError(f"the fill value of {self._zarr_v3_name} is a string, not {data!r}")
        if len(data) > self.length:
            raise MetadataError(f"the fill value has {len(data)} characters, an item {self.length} at most")
        return self.cast_scalar(data)

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        return str(self.cast_scalar(data))
