"""Raw bytes and bits, bytes and text of fixed length: names, scalars, fill values, as zarr-python has them."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
import zarr.dtype
from hypothesis import given
from hypothesis import strategies as st

from zarrpipe.dtypes import (
    FixedLengthUTF32,
    NullTerminatedBytes,
    RawBits,
    RawBytes,
    get_data_type_from_json,
    parse_dtype,
)
from zarrpipe.errors import MetadataError

TYPES: list[tuple[Any, str, Any, Any]] = [
    (RawBytes(length=3), "V3", {"name": "raw_bytes", "configuration": {"length_bytes": 3}}, ()),
    (RawBits(length=3), "V3", "r24", ()),
    (
        NullTerminatedBytes(length=5),
        "S5",
        {"name": "null_terminated_bytes", "configuration": {"length_bytes": 5}},
        (),
    ),
    (
        FixedLengthUTF32(length=5),
        "<U5",
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 20}},
        ((0, 4, 5),),
    ),
]


@pytest.mark.parametrize(("data_type", "native", "document", "runs"), TYPES)
def test_names_and_native_types(data_type: Any, native: str, document: Any, runs: Any) -> None:
    dtype = np.dtype(native)
    assert data_type.to_json(3) == document
    assert get_data_type_from_json(document, zarr_format=3) == data_type
    assert parse_dtype(document) == data_type
    assert data_type.to_native_dtype() == dtype
    assert type(data_type).from_native_dtype(dtype) == data_type
    assert data_type.item_size == dtype.itemsize
    assert data_type.layout() == ("opaque", dtype.itemsize, runs)
    assert data_type.fill_bytes(data_type.default_scalar()) == bytes(dtype.itemsize)
    assert data_type.default_scalar().dtype.kind == dtype.kind


def test_numpy_types_find_their_class() -> None:
    assert parse_dtype("V3") == RawBytes(length=3)  # not RawBits
    assert parse_dtype("r16") == RawBits(length=2)
    assert parse_dtype(">U3") == FixedLengthUTF32(length=3, endianness="big")
    assert parse_dtype(">U3").to_native_dtype().str == ">U3"
    assert parse_dtype(">U3").fill_bytes("a") == np.array("a", "=U3").tobytes()
    with pytest.raises(TypeError):
        RawBytes.from_native_dtype(np.dtype([("a", "i4")]))
    with pytest.raises(TypeError):
        NullTerminatedBytes.from_native_dtype(np.dtype("U3"))


@pytest.mark.parametrize("spec", ["S", "U", "V", "S0", "U0", "V0"])
def test_there_are_no_items_of_no_length(spec: str) -> None:
    with pytest.raises(MetadataError, match="length"):
        parse_dtype(spec)


@pytest.mark.parametrize("name", ["raw_bytes", "null_terminated_bytes", "fixed_length_utf32"])
@pytest.mark.parametrize("length", [0, -4, 2**31, 4.0, "4", True, None, [4]])
def test_lengths_that_are_refused(name: str, length: Any) -> None:
    with pytest.raises(MetadataError) as caught:
        get_data_type_from_json({"name": name, "configuration": {"length_bytes": length}}, zarr_format=3)
    assert caught.value.at == "/configuration/length_bytes"


@pytest.mark.parametrize("name", ["raw_bytes", "null_terminated_bytes", "fixed_length_utf32"])
@pytest.mark.parametrize("configuration", [{}, {"length_bytes": 4, "more": 1}, {"length": 4}])
def test_configurations_that_are_refused(name: str, configuration: Any) -> None:
    with pytest.raises(MetadataError) as caught:
        get_data_type_from_json({"name": name, "configuration": configuration}, zarr_format=3)
    assert caught.value.at == "/configuration"


def test_text_takes_four_bytes_a_character() -> None:
    with pytest.raises(MetadataError, match="multiple of 4"):
        get_data_type_from_json({"name": "fixed_length_utf32", "configuration": {"length_bytes": 6}}, zarr_format=3)


@pytest.mark.parametrize("name", ["r0", "r7", "r12", "r08", "r99999999999999999999", "r17179869184"])
def test_raw_bits_are_whole_bytes(name: str) -> None:
    with pytest.raises(MetadataError):
        get_data_type_from_json(name, zarr_format=3)
    with pytest.raises(MetadataError):
        get_data_type_from_json({"name": "r8", "configuration": {"x": 1}}, zarr_format=3)


@pytest.mark.parametrize(
    ("data_type", "data", "raw"),
    [
        (RawBytes(length=3), "AAH/", b"\x00\x01\xff"),
        (RawBits(length=3), [0, 1, 255], b"\x00\x01\xff"),
        (NullTerminatedBytes(length=4), "SGk=", b"Hi\0\0"),
        (NullTerminatedBytes(length=4), "", b"\0\0\0\0"),
        (NullTerminatedBytes(length=4), "AEhp", b"\0Hi\0"),
        (FixedLengthUTF32(length=2), "", bytes(8)),
        (FixedLengthUTF32(length=2), "é\U0001f600", np.array("é\U0001f600", "=U2").tobytes()),
    ],
)
def test_fill_value_forms_come_back(data_type: Any, data: Any, raw: bytes) -> None:
    scalar = data_type.from_json_scalar(data, zarr_format=3)
    assert data_type.fill_bytes(scalar) == raw
    assert data_type.to_json_scalar(scalar, zarr_format=3) == data
    assert data_type.cast_scalar(scalar) == scalar


def test_padding_in_base64_is_read() -> None:
    # zarr-python 2 wrote whole items.
    data_type = NullTerminatedBytes(length=4)
    scalar = data_type.from_json_scalar(base64.b64encode(b"Hi\0\0").decode(), zarr_format=2)
    assert scalar == b"Hi"
    assert data_type.to_json_scalar(scalar, zarr_format=3) == "SGk="


@pytest.mark.parametrize(
    ("data_type", "data"),
    [
        *(
            (RawBytes(length=3), data)
            for data in ("AAE=", "AAH/AA==", "AAH", "!!!!", "AA\nH/", "é", [0, 1, 2], 0, None)
        ),
        *((RawBits(length=3), data) for data in ([0, 1], [0] * 24, [0, 1, 256], [0, 1, -1], [0, 1, True], "AAH/", 0)),
        (RawBits(length=3), [0, 1, 2.0]),
        *((NullTerminatedBytes(length=2), data) for data in ("SGkh", "SGk", 0, None, ["SGk="])),
        *((FixedLengthUTF32(length=2), data) for data in ("abc", "a\0b", 0, None, ["a"], "\U0001f600" * 3)),
    ],
)
def test_other_fill_values_are_refused(data_type: Any, data: Any) -> None:
    with pytest.raises(MetadataError, match="fill value"):
        data_type.from_json_scalar(data, zarr_format=3)


@pytest.mark.parametrize(
    ("data_type", "data", "expected"),
    [
        (RawBytes(length=3), b"ab", b"ab\0"),
        (RawBytes(length=3), np.void(b"abc"), b"abc"),
        (NullTerminatedBytes(length=3), "abcd", b"abc"),
        (NullTerminatedBytes(length=3), 0, b"0\0\0"),
        (NullTerminatedBytes(length=3), np.bytes_(b"ab"), b"ab\0"),
        (FixedLengthUTF32(length=2), "abc", np.array("ab", "=U2").tobytes()),
        (FixedLengthUTF32(length=2), 7, np.array("7", "=U2").tobytes()),
    ],
)
def test_casts(data_type: Any, data: Any, expected: bytes) -> None:
    assert data_type.check_scalar(data)
    assert data_type.fill_bytes(data) == expected


@pytest.mark.parametrize(
    ("data_type", "data", "error"),
    [
        (RawBytes(length=3), b"abcd", OverflowError),
        (RawBytes(length=3), "abc", TypeError),
        (RawBytes(length=3), 3, TypeError),
        (NullTerminatedBytes(length=3), None, TypeError),
        (NullTerminatedBytes(length=3), "é", ValueError),
        (FixedLengthUTF32(length=3), b"a", TypeError),
        (FixedLengthUTF32(length=3), None, TypeError),
    ],
)
def test_casts_that_are_refused(data_type: Any, data: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        data_type.cast_scalar(data)


@given(st.sampled_from(["V1", "V7", "S1", "S7", "<U1", "<U7", ">U3"]), st.data())
def test_zarr_has_the_same_documents_and_fill_values(spec: str, data: st.DataObject) -> None:
    native = np.dtype(spec)
    mine, theirs = parse_dtype(native), zarr.dtype.parse_dtype(native, zarr_format=3)
    for zarr_format in (2, 3):
        assert mine.to_json(zarr_format) == theirs.to_json(zarr_format=zarr_format)  # type: ignore[arg-type]
        assert get_data_type_from_json(mine.to_json(zarr_format), zarr_format=zarr_format).to_json(3) == mine.to_json(3)
    length = mine.length
    value: Any
    if native.kind == "U":
        value = data.draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=length)).rstrip("\0")
    else:
        value = data.draw(st.binary(min_size=length if native.kind == "V" else 0, max_size=length))
        value = value if native.kind == "V" else value.rstrip(b"\0")
    scalar = np.array(value, native)[()]
    written = mine.to_json_scalar(scalar, zarr_format=3)
    assert written == theirs.to_json_scalar(scalar, zarr_format=3)
    for zarr_format in (2, 3):
        read = mine.from_json_scalar(written, zarr_format=zarr_format)
        assert mine.fill_bytes(read) == np.array(value, native.newbyteorder("=")).tobytes()
        assert read == theirs.from_json_scalar(written, zarr_format=zarr_format)  # type: ignore[arg-type]
