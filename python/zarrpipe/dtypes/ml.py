"""Small integers and floats that NumPy does not have: their arrays are of ml_dtypes, the extra `ml`.

An item takes a whole number of bytes; of types of less than eight bits the upper bits are clear, as in ml_dtypes.
Multi-byte items are in the host's byte order. In v2, which tensorstore writes, the name is that of v3.

Fill value in JSON: integers as `int8`, floats as `float32`, with the words that the format has: see `float_json`.

Source: zarr-extensions, data-types/int4, data-types/float8_e4m3 and the like.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np

from zarrpipe._types import JSON, ZarrFormat
from zarrpipe.dtypes.float_json import SmallFloatForm
from zarrpipe.dtypes.floating import Floating
from zarrpipe.dtypes.integer import Integer
from zarrpipe.dtypes.numeric import NumericDType, v2_name
from zarrpipe.dtypes.zdtype import TBaseDType, TDType_co, TScalar_co
from zarrpipe.errors import MetadataError, UnsupportedError

__all__ = [
    "BFloat16",
    "Float4E2M1FN",
    "Float6E2M3FN",
    "Float6E3M2FN",
    "Float8E3M4",
    "Float8E4M3",
    "Float8E4M3B11FNUZ",
    "Float8E4M3FN",
    "Float8E4M3FNUZ",
    "Float8E5M2",
    "Float8E5M2FNUZ",
    "Float8E8M0FNU",
    "Int2",
    "Int4",
    "MLDType",
    "SmallFloat",
    "SmallInteger",
    "UInt2",
    "UInt4",
    "is_ml_dtype",
    "ml_dtype",
]


@cache
def ml_dtype(name: str) -> np.dtype[Any]:
    """Return a data type of ml_dtypes by its name there.

    Raises
    ------
    UnsupportedError
        ml_dtypes is not installed, or does not have it.
    """
    try:
        import ml_dtypes

        scalar = getattr(ml_dtypes, name)
    except (ImportError, AttributeError) as error:
        raise UnsupportedError(
            f"{name} needs the package ml_dtypes, 0.6 or later: install the extra with pip install 'zarrpipe[ml]'"
        ) from error
    dtype: np.dtype[Any] = np.dtype(scalar)
    return dtype


def is_ml_dtype(dtype: TBaseDType, name: str) -> bool:
    """Whether a NumPy data type is that of ml_dtypes with this name; without importing it."""
    return dtype.type.__module__ == "ml_dtypes" and dtype.name == name


@dataclass(frozen=True, kw_only=True)
class MLDType(NumericDType[TDType_co, TScalar_co]):
    """A data type of ml_dtypes."""

    dtype_cls = np.dtype

    @classmethod
    def _ml_name(cls) -> str:
        """Return the name in ml_dtypes."""
        return cls._zarr_v3_name

    @classmethod
    def _native(cls) -> np.dtype[Any]:
        return ml_dtype(cls._ml_name())

    @classmethod
    def _check_native_dtype(cls, dtype: TBaseDType) -> bool:
        return is_ml_dtype(dtype, cls._ml_name())

    @classmethod
    def _from_json_v2(cls, data: JSON) -> Self:
        if v2_name(data, cls._zarr_v3_name) != cls._zarr_v3_name:
            raise MetadataError(f"{data!r} is not the data type {cls._zarr_v3_name!r}")
        return cls()

    def to_json(self, zarr_format: ZarrFormat) -> JSON:
        name = self._zarr_v3_name
        return {"name": name, "object_codec_id": None} if zarr_format == 2 else name


@dataclass(frozen=True, kw_only=True)
class SmallInteger(MLDType[np.dtype[Any], np.integer[Any]], Integer):
    """An integer of less than eight bits."""

    _component_nbytes: ClassVar[int] = 1

    _bits: ClassVar[int]
    _is_signed: ClassVar[bool]

    @classmethod
    def _limits(cls) -> tuple[int, int]:
        values = 1 << cls._bits
        return (-values // 2, values // 2 - 1) if cls._is_signed else (0, values - 1)


@dataclass(frozen=True, kw_only=True)
class SmallFloat(MLDType[np.dtype[Any], np.floating[Any]], Floating):
    """A float that NumPy does not have."""

    _component_nbytes: ClassVar[int] = 1
    _nan_bits: ClassVar[int | None]
    _has_infinity: ClassVar[bool] = False
    _sign_bit: ClassVar[int] = 0x80
    _largest_bits: ClassVar[int]
    _has_negative_zero: ClassVar[bool] = True

    @classmethod
    def _form(cls) -> SmallFloatForm:
        return SmallFloatForm(
            name=cls._zarr_v3_name,
            native=cls._native(),
            nan_bits=cls._nan_bits,
            has_infinity=cls._has_infinity,
            largest_bits=cls._largest_bits,
            sign_bit=cls._sign_bit,
            has_negative_zero=cls._has_negative_zero,
        )


@dataclass(frozen=True, kw_only=True)
class Int2(SmallInteger):
    """Signed, 2 bits."""

    _zarr_v3_name = "int2"
    _kind: ClassVar[str] = "int2"
    _bits: ClassVar[int] = 2
    _is_signed: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class Int4(SmallInteger):
    """Signed, 4 bits."""

    _zarr_v3_name = "int4"
    _kind: ClassVar[str] = "int4"
    _bits: ClassVar[int] = 4
    _is_signed: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class UInt2(SmallInteger):
    """Unsigned, 2 bits."""

    _zarr_v3_name = "uint2"
    _kind: ClassVar[str] = "uint2"
    _bits: ClassVar[int] = 2
    _is_signed: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class UInt4(SmallInteger):
    """Unsigned, 4 bits."""

    _zarr_v3_name = "uint4"
    _kind: ClassVar[str] = "uint4"
    _bits: ClassVar[int] = 4
    _is_signed: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class BFloat16(SmallFloat):
    """The upper half of a single-precision float: 8 exponent bits, 7 of mantissa."""

    _zarr_v3_name = "bfloat16"
    _kind: ClassVar[str] = "bfloat16"
    _component_nbytes: ClassVar[int] = 2
    _nan_bits: ClassVar[int | None] = 0x7FC0
    _has_infinity: ClassVar[bool] = True
    _sign_bit: ClassVar[int] = 0x8000
    _largest_bits: ClassVar[int] = 0x7F7F


@dataclass(frozen=True, kw_only=True)
class Float8E3M4(SmallFloat):
    """3 exponent bits, 4 of mantissa, as IEEE 754 would have it."""

    _zarr_v3_name = "float8_e3m4"
    _kind: ClassVar[str] = "float8_e3m4"
    _nan_bits: ClassVar[int | None] = 0x78
    _has_infinity: ClassVar[bool] = True
    _largest_bits: ClassVar[int] = 0x6F


@dataclass(frozen=True, kw_only=True)
class Float8E4M3(SmallFloat):
    """4 exponent bits, 3 of mantissa, as IEEE 754 would have it."""

    _zarr_v3_name = "float8_e4m3"
    _kind: ClassVar[str] = "float8_e4m3"
    _nan_bits: ClassVar[int | None] = 0x7C
    _has_infinity: ClassVar[bool] = True
    _largest_bits: ClassVar[int] = 0x77


@dataclass(frozen=True, kw_only=True)
class Float8E4M3B11FNUZ(SmallFloat):
    """4 exponent bits with bias 11, 3 of mantissa; no infinity, one NaN, one zero."""

    _zarr_v3_name = "float8_e4m3b11fnuz"
    _kind: ClassVar[str] = "float8_e4m3b11fnuz"
    _nan_bits: ClassVar[int | None] = 0x80
    _largest_bits: ClassVar[int] = 0x7F
    _has_negative_zero: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class Float8E4M3FN(SmallFloat):
    """4 exponent bits, 3 of mantissa; no infinity. Not registered; tensorstore has it."""

    _zarr_v3_name = "float8_e4m3fn"
    _kind: ClassVar[str] = "float8_e4m3fn"
    _nan_bits: ClassVar[int | None] = 0x7F
    _largest_bits: ClassVar[int] = 0x7E


@dataclass(frozen=True, kw_only=True)
class Float8E4M3FNUZ(SmallFloat):
    """4 exponent bits with bias 8, 3 of mantissa; no infinity, one NaN, one zero."""

    _zarr_v3_name = "float8_e4m3fnuz"
    _kind: ClassVar[str] = "float8_e4m3fnuz"
    _nan_bits: ClassVar[int | None] = 0x80
    _largest_bits: ClassVar[int] = 0x7F
    _has_negative_zero: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class Float8E5M2(SmallFloat):
    """5 exponent bits, 2 of mantissa: the upper half of a half-precision float."""

    _zarr_v3_name = "float8_e5m2"
    _kind: ClassVar[str] = "float8_e5m2"
    _nan_bits: ClassVar[int | None] = 0x7E
    _has_infinity: ClassVar[bool] = True
    _largest_bits: ClassVar[int] = 0x7B


@dataclass(frozen=True, kw_only=True)
class Float8E5M2FNUZ(SmallFloat):
    """5 exponent bits with bias 16, 2 of mantissa; no infinity, one NaN, one zero."""

    _zarr_v3_name = "float8_e5m2fnuz"
    _kind: ClassVar[str] = "float8_e5m2fnuz"
    _nan_bits: ClassVar[int | None] = 0x80
    _largest_bits: ClassVar[int] = 0x7F
    _has_negative_zero: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class Float8E8M0FNU(SmallFloat):
    """8 exponent bits and nothing else: powers of two, and one NaN. The least one stands for zero."""

    _zarr_v3_name = "float8_e8m0fnu"
    _kind: ClassVar[str] = "float8_e8m0fnu"
    _nan_bits: ClassVar[int | None] = 0xFF
    _sign_bit: ClassVar[int] = 0
    _largest_bits: ClassVar[int] = 0xFE


@dataclass(frozen=True, kw_only=True)
class Float6E2M3FN(SmallFloat):
    """2 exponent bits, 3 of mantissa; neither infinity nor NaN."""

    _zarr_v3_name = "float6_e2m3fn"
    _kind: ClassVar[str] = "float6_e2m3fn"
    _nan_bits: ClassVar[int | None] = None
    _sign_bit: ClassVar[int] = 0x20
    _largest_bits: ClassVar[int] = 0x1F


@dataclass(frozen=True, kw_only=True)
class Float6E3M2FN(SmallFloat):
    """3 exponent bits, 2 of mantissa; neither infinity nor NaN."""

    _zarr_v3_name = "float6_e3m2fn"
    _kind: ClassVar[str] = "float6_e3m2fn"
    _nan_bits: ClassVar[int | None] = None
    _sign_bit: ClassVar[int] = 0x20
    _largest_bits: ClassVar[int] = 0x1F


@dataclass(frozen=True, kw_only=True)
class Float4E2M1FN(SmallFloat):
    """2 exponent bits, 1 of mantissa; neither infinity nor NaN."""

    _zarr_v3_name = "float4_e2m1fn"
    _kind: ClassVar[str] = "float4_e2m1fn"
    _nan_bits: ClassVar[int | None] = None
    _sign_bit: ClassVar[int] = 0x08
    _largest_bits: ClassVar[int] = 0x07
