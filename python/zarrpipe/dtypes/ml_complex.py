"""Complex numbers of small floats, the real part first: their arrays are of ml_dtypes, the extra `ml`.

ml_dtypes has complex numbers of 16-bit floats. Of the others the items are structures of two fields, `real` and `imag`.

Fill value in JSON: an array of two, each a float's form.

Source: zarr-extensions, data-types/complex_bfloat16, data-types/complex_float8_e4m3 and the like.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from zarrpipe.dtypes.complex_floating import ComplexFloating
from zarrpipe.dtypes.floating import Float16, Floating
from zarrpipe.dtypes.ml import (
    BFloat16,
    Float4E2M1FN,
    Float6E2M3FN,
    Float6E3M2FN,
    Float8E3M4,
    Float8E4M3,
    Float8E4M3B11FNUZ,
    Float8E4M3FN,
    Float8E4M3FNUZ,
    Float8E5M2,
    Float8E5M2FNUZ,
    Float8E8M0FNU,
    MLDType,
    is_ml_dtype,
    ml_dtype,
)
from zarrpipe.dtypes.zdtype import TBaseDType

__all__ = [
    "ComplexBFloat16",
    "ComplexFloat4E2M1FN",
    "ComplexFloat6E2M3FN",
    "ComplexFloat6E3M2FN",
    "ComplexFloat8E3M4",
    "ComplexFloat8E4M3",
    "ComplexFloat8E4M3B11FNUZ",
    "ComplexFloat8E4M3FN",
    "ComplexFloat8E4M3FNUZ",
    "ComplexFloat8E5M2",
    "ComplexFloat8E5M2FNUZ",
    "ComplexFloat8E8M0FNU",
    "ComplexFloat16",
    "ComplexHalf",
    "ComplexPair",
]


@dataclass(frozen=True, kw_only=True)
class ComplexHalf(MLDType[np.dtype[Any], np.generic], ComplexFloating):
    """Two floats of 16 bits: a type of ml_dtypes."""

    _component_nbytes: ClassVar[int] = 2


@dataclass(frozen=True, kw_only=True)
class ComplexPair(MLDType[np.dtype[Any], np.generic], ComplexFloating):
    """Two floats of a byte each: a structure of two fields.

    Examples
    --------
    >>> ComplexFloat8E5M2().to_native_dtype()
    dtype([('real', float8_e5m2), ('imag', float8_e5m2)])
    """

    _component_nbytes: ClassVar[int] = 1

    @classmethod
    def _native(cls) -> np.dtype[Any]:
        part = ml_dtype(cls._component._zarr_v3_name)
        return np.dtype([("real", part), ("imag", part)])

    @classmethod
    def _check_native_dtype(cls, dtype: TBaseDType) -> bool:
        if dtype.names != ("real", "imag") or dtype.itemsize != 2:
            return False
        return all(is_ml_dtype(dtype[name], cls._component._zarr_v3_name) for name in dtype.names)

    def _is_own(self, data: object) -> bool:
        return isinstance(data, np.void) and data.dtype == self._native()


@dataclass(frozen=True, kw_only=True)
class ComplexFloat16(ComplexHalf):
    """Two Float16 numbers."""

    _zarr_v3_name = "complex_float16"
    _component: ClassVar[type[Floating]] = Float16
    _kind: ClassVar[str] = "complex:float16"

    @classmethod
    def _ml_name(cls) -> str:
        return "complex32"


@dataclass(frozen=True, kw_only=True)
class ComplexBFloat16(ComplexHalf):
    """Two BFloat16 numbers."""

    _zarr_v3_name = "complex_bfloat16"
    _component: ClassVar[type[Floating]] = BFloat16
    _kind: ClassVar[str] = "complex:bfloat16"

    @classmethod
    def _ml_name(cls) -> str:
        return "bcomplex32"


@dataclass(frozen=True, kw_only=True)
class ComplexFloat8E3M4(ComplexPair):
    """Two Float8E3M4 numbers."""

    _zarr_v3_name = "complex_float8_e3m4"
    _component: ClassVar[type[Floating]] = Float8E3M4
    _kind: ClassVar[str] = "complex:float8_e3m4"


@dataclass(frozen=True, kw_only=True)
class ComplexFloat8E4M3(ComplexPair):
    """Two Float8E4M3 numbers."""

    _zarr_v3_name = "complex_float8_e4m3"
    _component: ClassVar[type[Floating]] = Float8E4M3
    _kind: ClassVar[str] = "complex:float8_e4m3"


@dataclass(frozen=True, kw_only=True)
class ComplexFloat8E4M3B11FNUZ(ComplexPair):
    """Two Float8E4M3B11FNUZ numbers."""

    _zarr_v3_name = "complex_float8_e4m3b11fnuz"
    _component: ClassVar[type[Floating]] = Float8E4M3B11FNUZ
    _kind: ClassVar[str] = "complex:float8_e4m3b11fnuz"


@dataclass(frozen=True, kw_only=True)
class ComplexFloat8E4M3FN(ComplexPair):
    """Two Float8E4M3FN numbers."""

    _zarr_v3_name = "complex_float8_e4m3fn"
    _component: ClassVar[type[Floating]] = Float8E4M3FN
    _kind: ClassVar[str] = "complex:float8_e4m3fn"


@dataclass(frozen=True, kw_only=True)
class ComplexFloat8E4M3FNUZ(ComplexPair):
    """Two Float8E4M3FNUZ numbers."""

    _zarr_v3_name = "complex_float8_e4m3fnuz"
    _component: ClassVar[type[Floating]] = Float8E4M3FNUZ
    _kind: ClassVar[str] = "complex:float8_e4m3fnuz"


@dataclass(frozen=True, kw_only=True)
class ComplexFloat8E5M2(ComplexPair):
    """Two Float8E5M2 numbers."""

    _zarr_v3_name = "complex_float8_e5m2"
    _component: ClassVar[type[Floating]] = Float8E5M2
    _kind: ClassVar[str] = "complex:float8_e5m2"


@dataclass(frozen=True, kw_only=True)
class ComplexFloat8E5M2FNUZ(ComplexPair):
    """Two Float8E5M2FNUZ numbers."""

    _zarr_v3_name = "complex_float8_e5m2fnuz"
    _component: ClassVar[type[Floating]] = Float8E5M2FNUZ
    _kind: ClassVar[str] = "complex:float8_e5m2fnuz"


@dataclass(frozen=True, kw_only=True)
class ComplexFloat8E8M0FNU(ComplexPair):
    """Two Float8E8M0FNU numbers."""

    _zarr_v3_name = "complex_float8_e8m0fnu"
    _component: ClassVar[type[Floating]] = Float8E8M0FNU
    _kind: ClassVar[str] = "complex:float8_e8m0fnu"


@dataclass(frozen=True, kw_only=True)
class ComplexFloat6E2M3FN(ComplexPair):
    """Two Float6E2M3FN numbers."""

    _zarr_v3_name = "complex_float6_e2m3fn"
    _component: ClassVar[type[Floating]] = Float6E2M3FN
    _kind: ClassVar[str] = "complex:float6_e2m3fn"


@dataclass(frozen=True, kw_only=True)
class ComplexFloat6E3M2FN(ComplexPair):
    """Two Float6E3M2FN numbers."""

    _zarr_v3_name = "complex_float6_e3m2fn"
    _component: ClassVar[type[Floating]] = Float6E3M2FN
    _kind: ClassVar[str] = "complex:float6_e3m2fn"


@dataclass(frozen=True, kw_only=True)
class ComplexFloat4E2M1FN(ComplexPair):
    """Two Float4E2M1FN numbers."""

    _zarr_v3_name = "complex_float4_e2m1fn"
    _component: ClassVar[type[Floating]] = Float4E2M1FN
    _kind: ClassVar[str] = "complex:float4_e2m1fn"
