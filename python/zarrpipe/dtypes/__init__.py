"""Data types: one module a family, and their registry."""

from zarrpipe.dtypes.boolean import Bool
from zarrpipe.dtypes.built_in import BUILT_IN
from zarrpipe.dtypes.complex_floating import Complex64, Complex128, ComplexFloat32, ComplexFloat64
from zarrpipe.dtypes.fixed_length import FixedLengthUTF32, NullTerminatedBytes, RawBits, RawBytes
from zarrpipe.dtypes.floating import Float16, Float32, Float64
from zarrpipe.dtypes.integer import Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64
from zarrpipe.dtypes.numeric import HasEndianness, HasItemSize, HasLength
from zarrpipe.dtypes.objects import (
    CategorizedText,
    JSONObjects,
    MsgPackObjects,
    ObjectDType,
    RaggedArrays,
    object_data_type,
)
from zarrpipe.dtypes.registry import (
    DataTypeRegistry,
    ZDTypeLike,
    data_type_registry,
    get_data_type_from_json,
    get_data_type_from_native_dtype,
    parse_data_type,
    parse_dtype,
)
from zarrpipe.dtypes.structured import Struct, Structured, as_stored, byte_orders
from zarrpipe.dtypes.time import DateTime64, TimeDelta64
from zarrpipe.dtypes.variable import HasObjectCodec, VariableLengthBytes, VariableLengthUTF8
from zarrpipe.dtypes.zdtype import TBaseDType, TBaseScalar, ZDType

__all__ = [
    "BUILT_IN",
    "Bool",
    "CategorizedText",
    "Complex64",
    "Complex128",
    "ComplexFloat32",
    "ComplexFloat64",
    "DataTypeRegistry",
    "DateTime64",
    "FixedLengthUTF32",
    "Float16",
    "Float32",
    "Float64",
    "HasEndianness",
    "HasItemSize",
    "HasLength",
    "HasObjectCodec",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "JSONObjects",
    "MsgPackObjects",
    "NullTerminatedBytes",
    "ObjectDType",
    "RaggedArrays",
    "RawBits",
    "RawBytes",
    "Struct",
    "Structured",
    "TBaseDType",
    "TBaseScalar",
    "TimeDelta64",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "VariableLengthBytes",
    "VariableLengthUTF8",
    "ZDType",
    "ZDTypeLike",
    "as_stored",
    "byte_orders",
    "data_type_registry",
    "get_data_type_from_json",
    "get_data_type_from_native_dtype",
    "object_data_type",
    "parse_data_type",
    "parse_dtype",
]
