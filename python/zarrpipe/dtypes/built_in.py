"""The data types that are there from the start, in the order in which a NumPy data type is looked up."""

from __future__ import annotations

from zarrpipe.dtypes import ml, ml_complex
from zarrpipe.dtypes.boolean import Bool
from zarrpipe.dtypes.complex_floating import Complex64, Complex128, ComplexFloat32, ComplexFloat64
from zarrpipe.dtypes.fixed_length import FixedLengthUTF32, NullTerminatedBytes, RawBits, RawBytes
from zarrpipe.dtypes.floating import Float16, Float32, Float64
from zarrpipe.dtypes.integer import Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64
from zarrpipe.dtypes.registry import AnyZDType, data_type_registry
from zarrpipe.dtypes.structured import Struct, Structured
from zarrpipe.dtypes.time import DateTime64, TimeDelta64
from zarrpipe.dtypes.variable import VariableLengthBytes, VariableLengthUTF8

__all__ = ["BUILT_IN"]

# Of several classes for one NumPy data type the first is found: RawBytes before RawBits, complex numbers of small
# floats before structures of two.
BUILT_IN: tuple[type[AnyZDType], ...] = (
    Bool,
    *(Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64),
    *(Float16, Float32, Float64),
    *(Complex64, Complex128, ComplexFloat32, ComplexFloat64),
    *(RawBytes, RawBits, NullTerminatedBytes, FixedLengthUTF32),
    *(DateTime64, TimeDelta64),
    *(ml.Int2, ml.Int4, ml.UInt2, ml.UInt4),
    *(ml.BFloat16, ml.Float8E3M4, ml.Float8E4M3, ml.Float8E4M3B11FNUZ, ml.Float8E4M3FN, ml.Float8E4M3FNUZ),
    *(ml.Float8E5M2, ml.Float8E5M2FNUZ, ml.Float8E8M0FNU, ml.Float6E2M3FN, ml.Float6E3M2FN, ml.Float4E2M1FN),
    *(ml_complex.ComplexFloat16, ml_complex.ComplexBFloat16),
    *(ml_complex.ComplexFloat8E3M4, ml_complex.ComplexFloat8E4M3, ml_complex.ComplexFloat8E4M3B11FNUZ),
    *(ml_complex.ComplexFloat8E4M3FN, ml_complex.ComplexFloat8E4M3FNUZ, ml_complex.ComplexFloat8E5M2),
    *(ml_complex.ComplexFloat8E5M2FNUZ, ml_complex.ComplexFloat8E8M0FNU, ml_complex.ComplexFloat6E2M3FN),
    *(ml_complex.ComplexFloat6E3M2FN, ml_complex.ComplexFloat4E2M1FN),
    *(Struct, Structured),
    *(VariableLengthUTF8, VariableLengthBytes),
)

for _cls in BUILT_IN:
    data_type_registry.register(_cls._zarr_v3_name, _cls)
