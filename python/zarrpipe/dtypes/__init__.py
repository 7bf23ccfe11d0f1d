"""Data types: one module a family, and their registry."""

from zarrpipe.dtypes.boolean import Bool
from zarrpipe.dtypes.complex_floating import Complex64, Complex128
from zarrpipe.dtypes.floating import Float16, Float32, Float64
from zarrpipe.dtypes.integer import Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64
from zarrpipe.dtypes.numeric import HasEndianness, HasItemSize
from zarrpipe.dtypes.registry import (
    DataTypeRegistry,
    ZDTypeLike,
    data_type_registry,
    get_data_type_from_json,
    get_data_type_from_native_dtype,
    parse_data_type,
    parse_dtype,
)
from zarrpipe.dtypes.zdtype import TBaseDType, TBaseScalar, ZDType

__all__ = [
    "Bool",
    "Complex64",
    "Complex128",
    "DataTypeRegistry",
    "Float16",
    "Float32",
    "Float64",
    "HasEndianness",
    "HasItemSize",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "TBaseDType",
    "TBaseScalar",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "ZDType",
    "ZDTypeLike",
    "data_type_registry",
    "get_data_type_from_json",
    "get_data_type_from_native_dtype",
    "parse_data_type",
    "parse_dtype",
]
