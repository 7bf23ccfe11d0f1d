"""Data types: names, NumPy types, layouts, and every JSON form of a fill value."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import zarr.dtype
from hypothesis import given
from hypothesis import strategies as st

from zarrpipe.dtypes import (
    BUILT_IN,
    Bool,
    Complex64,
    Complex128,
    DataTypeRegistry,
    Float16,
    Float32,
    Float64,
    Int8,
    Int64,
    UInt8,
    UInt16,
    ZDType,
    data_type_registry,
    get_data_type_from_json,
    parse_dtype,
)
from zarrpipe.errors import MetadataError, UnsupportedError

NAMES = ["bool", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64))]
NAMES += ["float16", "float32", "float64", "complex64", "complex128"]

LAYOUTS = {
    "bool": ("bool", 1, ()),
    "int8": ("int8", 1, ()),
    "uint8": ("uint8", 1, ()),
    "int16": ("int16", 2, ((0, 2, 1),)),
    "uint32": ("uint32", 4, ((0, 4, 1),)),
    "int64": ("int64", 8, ((0, 8, 1),)),
    "float16": ("float16", 2, ((0, 2, 1),)),
    "float64": ("float64", 8, ((0, 8, 1),)),
    "complex64": ("complex:float32", 8, ((0, 4, 2),)),
    "complex128": ("complex:float64", 16, ((0, 8, 2),)),
}


def bits(scalar: Any) -> str:
    return bytes(reversed(np.asarray(scalar).astype(scalar.dtype.newbyteorder("<")).tobytes())).hex()


def test_the_registry_has_the_core_types_first() -> None:
    # In this order NumPy's data types are looked up.
    assert list(data_type_registry.contents)[: len(NAMES)] == NAMES
    for name, cls in data_type_registry.contents.items():
        assert cls._zarr_v3_name == name
    assert set(BUILT_IN) <= set(data_type_registry.contents.values())


@pytest.mark.parametrize("name", NAMES)
def test_names_and_native_types(name: str) -> None:
    data_type = parse_dtype(name)
    native = np.dtype(name)
    assert data_type.to_native_dtype() == native
    assert data_type.item_size == native.itemsize
    assert data_type.to_json(3) == name
    assert get_data_type_from_json(name, zarr_format=3) == data_type
    assert get_data_type_from_json({"name": name}, zarr_format=3) == data_type
    assert get_data_type_from_json({"name": name, "configuration": {}}, zarr_format=3) == data_type
    assert type(data_type).from_native_dtype(native) == data_type
    for spelling in (native, native.type, native.str, data_type, zarr.dtype.parse_dtype(name, zarr_format=3)):
        assert parse_dtype(spelling) == data_type
    scalar = data_type.default_scalar()
    assert scalar == 0
    assert scalar.dtype == native
    assert data_type.fill_bytes(1) == native.type(1).tobytes()
    kind, nbytes, runs = data_type.layout()
    assert nbytes == native.itemsize
    assert all(size > 1 and offset + size * count <= nbytes for offset, size, count in runs)
    assert kind == {"complex64": "complex:float32", "complex128": "complex:float64"}.get(name, name)


@pytest.mark.parametrize(("name", "layout"), LAYOUTS.items())
def test_layout(name: str, layout: tuple[object, ...]) -> None:
    assert parse_dtype(name).layout() == layout


def test_byte_order_is_that_in_memory() -> None:
    data_type = parse_dtype(">f8")
    assert data_type == Float64(endianness="big")
    assert data_type.to_native_dtype() == np.dtype(">f8")
    assert data_type.to_native_dtype().byteorder == ">"
    assert data_type.to_json(3) == "float64"
    assert data_type.fill_bytes(1.0) == np.float64(1.0).tobytes()
    with pytest.raises(ValueError, match="endianness"):
        Float64(endianness="middle")  # type: ignore[arg-type]
    # `longlong` and `long` are classes of their own, and one of them is int64.
    assert parse_dtype(np.longlong) == Int64()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", "<>")
def test_v2_names_are_those_of_zarr(name: str, order: str) -> None:
    native = np.dtype(name).newbyteorder(order)
    mine, theirs = parse_dtype(native), zarr.dtype.parse_dtype(native, zarr_format=2)
    assert mine.to_json(2) == theirs.to_json(zarr_format=2)
    assert get_data_type_from_json(mine.to_json(2), zarr_format=2) == mine
    assert get_data_type_from_json(native.str, zarr_format=2) == mine


@pytest.mark.parametrize("spec", [np.longdouble, ("i4", (2,)), [("a", np.longdouble)], np.clongdouble])
def test_other_native_types_are_not_supported(spec: Any) -> None:
    with pytest.raises(UnsupportedError, match="uint8"):
        parse_dtype(spec)


def test_unknown_and_malformed_json() -> None:
    with pytest.raises(UnsupportedError, match=r"'int128'.*known are bool, int8"):
        get_data_type_from_json("int128", zarr_format=3)
    with pytest.raises(UnsupportedError, match="known are"):
        get_data_type_from_json({"name": "<f16", "object_codec_id": None}, zarr_format=2)
    bad: list[tuple[Any, str | None]] = [
        (3, None),
        (None, None),
        (["int8"], None),
        ({}, "/name"),
        ({"name": 3}, "/name"),
        ({"name": "int8", "configuration": 3}, "/configuration"),
        ({"name": "int8", "configuration": {"x": 1}}, "/configuration"),
        ({"name": "int8", "must_understand": False}, "/must_understand"),
        ({"name": "int8", "more": 1}, "/more"),
    ]
    for data, at in bad:
        with pytest.raises(MetadataError) as caught:
            get_data_type_from_json(data, zarr_format=3)
        assert caught.value.at == at
    with pytest.raises(MetadataError):
        Int8.from_json("uint8", zarr_format=3)
    with pytest.raises(TypeError):
        Int8.from_native_dtype(np.dtype("u1"))


GOOD: list[tuple[ZDType[Any, Any], Any, str]] = [
    (Bool(), True, "01"),
    (Bool(), False, "00"),
    (Int8(), -128, "80"),
    (UInt8(), 255, "ff"),
    (Int64(), -(2**63), "8000000000000000"),
    (Float16(), "NaN", "7e00"),
    (Float32(), "NaN", "7fc00000"),
    (Float64(), "NaN", "7ff8000000000000"),
    (Float32(), "Infinity", "7f800000"),
    (Float32(), "-Infinity", "ff800000"),
    (Float32(), "0x7fc00001", "7fc00001"),
    (Float32(), "0x7f800001", "7f800001"),
    (Float64(), "0xfff8000000000000", "fff8000000000000"),
    (Float16(), "0x7e01", "7e01"),
    (Float64(), -0.0, "8000000000000000"),
    (Float64(), 0.1, "3fb999999999999a"),
    (Complex64(), [1.5, -0.0], "800000003fc00000"),
    (Complex64(), ["0x7f800001", "-Infinity"], "ff8000007f800001"),
    (Complex128(), ["NaN", "0xfff8000000000001"], "fff80000000000017ff8000000000000"),
]


@pytest.mark.parametrize(("data_type", "data", "expected"), GOOD)
def test_fill_value_forms_come_back(data_type: ZDType[Any, Any], data: Any, expected: str) -> None:
    scalar = data_type.from_json_scalar(data, zarr_format=3)
    assert bits(scalar) == expected
    again = data_type.to_json_scalar(scalar, zarr_format=3)
    assert json.dumps(again) == json.dumps(data)
    assert type(again) is type(data)
    assert data_type.fill_bytes(scalar) == np.asarray(scalar).tobytes()


@pytest.mark.parametrize(
    ("data_type", "data", "expected"),
    [
        (Float32(), 1, "3f800000"),
        (Float32(), 1e39, "7f800000"),
        (Float16(), 2049, "6800"),  # half to even
        (Float16(), 2051, "6802"),
        (Float32(), "0x3F800000", "3f800000"),  # not a NaN: permitted
        (Complex64(), [1, "0x7FC00000"], "7fc000003f800000"),
    ],
)
def test_fill_value_forms_that_are_rewritten(data_type: ZDType[Any, Any], data: Any, expected: str) -> None:
    assert bits(data_type.from_json_scalar(data, zarr_format=3)) == expected


BAD: list[tuple[ZDType[Any, Any], Any]] = [
    *((Bool(), data) for data in (0, 1, "true", None, 1.0, [])),
    *((UInt8(), data) for data in (True, False, 1.0, 1.5, 256, -1, "1", None, [1], "0x01")),
    *((Int8(), data) for data in (128, -129)),
    (Int64(), 2**63),
    *((Float32(), data) for data in (True, None, "nan", "+Infinity", "inf", "1.0", "0x7fc0", "0x", "0x7fc0000g")),
    (Float32(), "0x7fc000000"),
    (Float32(), "0X7fc00000"),
    (Float64(), 10**400),
    *((Complex64(), data) for data in (1, [1], [1, 2, 3], "ab", ["NaN", "nan"], [True, 0], {"real": 1}, None)),
]


@pytest.mark.parametrize(("data_type", "data"), BAD)
def test_other_fill_values_are_refused(data_type: ZDType[Any, Any], data: Any) -> None:
    with pytest.raises(MetadataError, match=r"fill value|out of range"):
        data_type.from_json_scalar(data, zarr_format=3)


def test_the_place_in_a_complex_fill_value() -> None:
    with pytest.raises(MetadataError) as caught:
        Complex64().from_json_scalar([0, "x"], zarr_format=3)
    assert caught.value.at == "/1"


def test_v2_knows_one_nan() -> None:
    assert Float32().to_json_scalar(Float32().from_json_scalar("0x7fc00001", zarr_format=3), zarr_format=2) == "NaN"


@pytest.mark.parametrize(
    ("data_type", "data", "error"),
    [
        (UInt8(), 256, OverflowError),
        (UInt8(), -1, OverflowError),
        (UInt8(), 1.5, TypeError),
        (UInt8(), "x", TypeError),
        (UInt8(), None, TypeError),
        (UInt8(), float("nan"), TypeError),
        (Float32(), "x", TypeError),
        (Float32(), 1j, TypeError),
        (Float32(), None, TypeError),
        (Complex64(), "1", TypeError),
        (Bool(), "x", TypeError),
        (Bool(), None, TypeError),
    ],
)
def test_casts_that_are_refused(data_type: ZDType[Any, Any], data: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        data_type.cast_scalar(data)


@pytest.mark.parametrize(
    ("data_type", "data", "expected"),
    [
        (UInt8(), 3.0, np.uint8(3)),
        (UInt8(), True, np.uint8(1)),
        (UInt8(), np.int64(7), np.uint8(7)),
        (UInt16(endianness="big"), 258, np.uint16(258)),
        (Float32(), 3, np.float32(3)),
        (Float32(), "-Infinity", np.float32("-inf")),
        (Complex64(), 1.5, np.complex64(1.5)),
        (Bool(), 1, np.True_),
    ],
)
def test_casts(data_type: ZDType[Any, Any], data: Any, expected: Any) -> None:
    assert data_type.check_scalar(data)
    scalar = data_type.cast_scalar(data)
    assert type(scalar) is type(expected)
    assert scalar == expected
    assert scalar.tobytes() == data_type.fill_bytes(data)


@given(st.integers(0, 2**64 - 1), st.sampled_from([Float16(), Float32(), Float64()]))
def test_every_float_survives_json(number: int, data_type: Float64) -> None:
    size = data_type.item_size
    scalar = np.array(number % 2 ** (8 * size), f"u{size}").view(f"f{size}")[()]
    text = json.dumps(data_type.to_json_scalar(scalar, zarr_format=3), allow_nan=False)
    assert bits(data_type.from_json_scalar(json.loads(text), zarr_format=3)) == bits(scalar)


@given(st.sampled_from(NAMES), st.data())
def test_fill_values_that_zarr_writes_read_the_same(name: str, data: st.DataObject) -> None:
    native = np.dtype(name)
    raw = data.draw(st.binary(min_size=native.itemsize, max_size=native.itemsize))
    value = np.frombuffer(raw, np.uint8 if name == "bool" else native)[0]
    scalar = np.bool_(value & 1) if name == "bool" else value
    theirs = zarr.dtype.parse_dtype(name, zarr_format=3).to_json_scalar(scalar, zarr_format=3)
    mine = parse_dtype(name).from_json_scalar(theirs, zarr_format=3)
    np.testing.assert_array_equal(mine, scalar)
    written = parse_dtype(name).to_json_scalar(scalar, zarr_format=3)
    read = zarr.dtype.parse_dtype(name, zarr_format=3).from_json_scalar(written, zarr_format=3)
    np.testing.assert_array_equal(read, scalar)


def test_a_registry_can_be_changed() -> None:
    registry = DataTypeRegistry()
    registry.register("int8", Int8)
    assert registry.get("int8") is Int8
    assert registry.match_json("int8", zarr_format=3) == Int8()
    registry.unregister("int8")
    with pytest.raises(KeyError):
        registry.get("int8")


# Items of variable length


@pytest.mark.parametrize("name", ["string", "bytes", "variable_length_bytes"])
def test_variable_names_and_layouts(name: str) -> None:
    data_type = parse_dtype(name)
    assert data_type.to_json(3) == ("string" if name == "string" else "bytes")
    assert data_type.layout() == (data_type.to_json(3), 16, ())
    assert get_data_type_from_json(data_type.to_json(3), zarr_format=3) == data_type
    v2 = data_type.to_json(2)
    assert v2 == {"name": "|O", "object_codec_id": "vlen-utf8" if name == "string" else "vlen-bytes"}
    assert get_data_type_from_json(v2, zarr_format=2) == data_type
    theirs = zarr.dtype.VariableLengthUTF8() if name == "string" else zarr.dtype.VariableLengthBytes()
    assert parse_dtype(theirs) == data_type  # type: ignore[arg-type]
    assert theirs.to_json(2) == v2
    for method in ("default_scalar", "to_native_dtype"):
        assert getattr(theirs, method)() == getattr(data_type, method)()
    with pytest.raises(MetadataError, match="no configuration"):
        get_data_type_from_json({"name": name, "configuration": {"length": 1}}, zarr_format=3)


@pytest.mark.parametrize("text", ["", "a", "zwölf", "\0", "日本"])
def test_text_as_fill_value(text: str) -> None:
    data_type = parse_dtype("string")
    assert data_type.to_json_scalar(text, zarr_format=3) == text
    assert data_type.from_json_scalar(text, zarr_format=3) == text
    assert data_type.fill_bytes(text) == text.encode()


@pytest.mark.parametrize("value", [b"", b"\0", b"a\xff"])
def test_bytes_as_fill_value(value: bytes) -> None:
    data_type = parse_dtype("bytes")
    encoded = data_type.to_json_scalar(value, zarr_format=3)
    assert encoded == zarr.dtype.VariableLengthBytes().to_json_scalar(value, zarr_format=3)
    assert data_type.from_json_scalar(encoded, zarr_format=3) == value
    assert data_type.from_json_scalar(list(value), zarr_format=3) == value
    assert data_type.fill_bytes(value) == value


@pytest.mark.parametrize(
    ("name", "fill_value"),
    [
        *(("string", wrong) for wrong in (1, 0, None, True, ["a"], "\ud800")),
        *(("bytes", wrong) for wrong in (1, 0, None, "===", "a", [256], [-1], [1.5], [True], {"a": 1}, "ä")),
    ],
)
def test_fill_values_of_variable_length_that_cannot_be(name: str, fill_value: Any) -> None:
    with pytest.raises(MetadataError, match=f"the fill value of {name}"):
        parse_dtype(name).from_json_scalar(fill_value, zarr_format=3)


def test_missing_fill_values_of_v2() -> None:
    for name, empty in (("string", ""), ("bytes", b"")):
        for missing in (None, 0):
            assert parse_dtype(name).from_json_scalar(missing, zarr_format=2) == empty
            assert parse_dtype(name).cast_scalar(missing) == empty
        with pytest.raises(TypeError):
            parse_dtype(name).cast_scalar(1)
