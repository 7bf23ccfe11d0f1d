"""Integers of 8 to 64 bits, two's complement or unsigned.

Fill value in JSON: a number without fraction and exponent, in range.

Source: Zarr v3 core specification, "Data types" (int, uint).
"""

# ruff: noqa: ARG002 - `zarr_format` is a part of the contract; these scalars look alike in v2 and v3.

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from zarrpipe._types import JSON, ZarrFormat
from zarrpipe.dtypes.numeric import HasEndianness, NumericDType
from zarrpipe.errors import MetadataError

__all__ = ["Int8", "Int16", "Int32", "Int64", "Integer", "UInt8", "UInt16", "UInt32", "UInt64"]


@dataclass(frozen=True, kw_only=True)
class Integer(NumericDType[np.dtype[Any], np.integer[Any]]):
    """An integer data type."""

    def _check_scalar(self, data: object) -> bool:
        if isinstance(data, bool | int | float | str | np.bool_ | np.integer | np.floating):
            return True
        return isinstance(data, self._native().type)

    def cast_scalar(self, data: object) -> np.integer[Any]:
        if not self._check_scalar(data):
            raise TypeError(f"{data!r} is not an integer")
        source: Any = data
        try:
            value = int(source)
        except ValueError as error:  # a NaN, or a word
            raise TypeError(f"{data!r} is not an integer") from error
        if not isinstance(data, str) and value != data:
            raise TypeError(f"{data!r} is not an integer")
        self._check_range(value, OverflowError)
        return cast("np.integer[Any]", self._native().type(value))

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.integer[Any]:
        if zarr_format == 2 and isinstance(data, float) and data.is_integer():
            data = int(data)  # 0.0 occurs in the wild
        # bool is a subclass of int, and 1.0 equals 1: neither is an integer in JSON.
        if isinstance(data, bool) or not isinstance(data, int):
            raise MetadataError(f"the fill value of {self._zarr_v3_name} is an integer, not {data!r}")
        self._check_range(data, MetadataError)
        return cast("np.integer[Any]", self._native().type(data))

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> int:
        return int(self.cast_scalar(data))

    @classmethod
    def _limits(cls) -> tuple[int, int]:
        limits = np.iinfo(cls._native())
        return int(limits.min), int(limits.max)

    def _check_range(self, value: int, error: type[Exception]) -> None:
        least, most = self._limits()
        if not least <= value <= most:
            raise error(f"{value} is out of range for {self._zarr_v3_name}")


@dataclass(frozen=True, kw_only=True)
class Int8(Integer):
    """Signed, 8 bits."""

    dtype_cls = np.dtypes.Int8DType
    _zarr_v3_name = "int8"
    _kind: ClassVar[str] = "int8"
    _component_nbytes: ClassVar[int] = 1


@dataclass(frozen=True, kw_only=True)
class Int16(Integer, HasEndianness):
    """Signed, 16 bits."""

    dtype_cls = np.dtypes.Int16DType
    _zarr_v3_name = "int16"
    _kind: ClassVar[str] = "int16"
    _component_nbytes: ClassVar[int] = 2


@dataclass(frozen=True, kw_only=True)
class Int32(Integer, HasEndianness):
    """Signed, 32 bits."""

    dtype_cls = np.dtypes.Int32DType
    _zarr_v3_name = "int32"
    _kind: ClassVar[str] = "int32"
    _component_nbytes: ClassVar[int] = 4


@dataclass(frozen=True, kw_only=True)
class Int64(Integer, HasEndianness):
    """Signed, 64 bits."""

    dtype_cls = np.dtypes.Int64DType
    _zarr_v3_name = "int64"
    _kind: ClassVar[str] = "int64"
    _component_nbytes: ClassVar[int] = 8


@dataclass(frozen=True, kw_only=True)
class UInt8(Integer):
    """Unsigned, 8 bits."""

    dtype_cls = np.dtypes.UInt8DType
    _zarr_v3_name = "uint8"
    _kind: ClassVar[str] = "uint8"
    _component_nbytes: ClassVar[int] = 1


@dataclass(frozen=True, kw_only=True)
class UInt16(Integer, HasEndianness):
    """Unsigned, 16 bits."""

    dtype_cls = np.dtypes.UInt16DType
    _zarr_v3_name = "uint16"
    _kind: ClassVar[str] = "uint16"
    _component_nbytes: ClassVar[int] = 2


@dataclass(frozen=True, kw_only=True)
class UInt32(Integer, HasEndianness):
    """Unsigned, 32 bits."""

    dtype_cls = np.dtypes.UInt32DType
    _zarr_v3_name = "uint32"
    _kind: ClassVar[str] = "uint32"
    _component_nbytes: ClassVar[int] = 4


@dataclass(frozen=True, kw_only=True)
class UInt64(Integer, HasEndianness):
    """Unsigned, 64 bits."""

    dtype_cls = np.dtypes.UInt64DType
    _zarr_v3_name = "uint64"
    _kind: ClassVar[str] = "uint64"
    _component_nbytes: ClassVar[int] = 8
