"""Structures: fields, layouts, fill values, in v3 and v2, as zarr-python has them."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
import zarr.dtype
from hypothesis import given
from hypothesis import strategies as st

import zarrpipe
from zarrpipe.dtypes import (
    ComplexFloat64,
    Float32,
    Int8,
    Struct,
    Structured,
    UInt16,
    get_data_type_from_json,
    parse_dtype,
)
from zarrpipe.dtypes.sub_array import SubArray
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.stores import MemoryStore

POINT = np.dtype([("x", "<f4"), ("y", "<f4")])
NESTED = np.dtype([("id", "u1"), ("at", POINT), ("when", "<M8[10us]"), ("name", "S3"), ("t", "<U2"), ("raw", "V2")])


def struct(*fields: Any) -> dict[str, Any]:
    return {"name": "struct", "configuration": {"fields": [{"name": n, "data_type": t} for n, t in fields]}}


def structured(*fields: Any) -> dict[str, Any]:
    return {"name": "structured", "configuration": {"fields": [list(field) for field in fields]}}


def test_documents() -> None:
    data_type = parse_dtype(NESTED)
    theirs = zarr.dtype.parse_dtype(NESTED, zarr_format=3)
    assert data_type.to_json(3) == theirs.to_json(zarr_format=3)
    assert data_type.to_json(2) == theirs.to_json(zarr_format=2)
    assert data_type.to_json(3)["configuration"]["fields"][1]["data_type"] == struct(("x", "float32"), ("y", "float32"))
    for zarr_format in (2, 3):
        assert get_data_type_from_json(data_type.to_json(zarr_format), zarr_format=zarr_format) == data_type
    assert data_type.to_native_dtype() == NESTED
    assert data_type.item_size == NESTED.itemsize == 30
    assert parse_dtype(theirs) == data_type


def test_layout() -> None:
    # What follows each other and has one size is one run.
    assert parse_dtype(NESTED).layout() == ("opaque", 30, ((1, 4, 2), (9, 8, 1), (20, 4, 2)))
    assert parse_dtype([("a", "f8"), ("b", "c16"), ("c", "M8[s]")]).layout() == ("opaque", 32, ((0, 8, 4),))
    assert parse_dtype([("a", "f8"), ("b", "f4"), ("c", "f4")]).layout() == ("opaque", 16, ((0, 8, 1), (8, 4, 2)))
    assert parse_dtype([("a", "u1"), ("b", "S3")]).layout() == ("opaque", 4, ())


def test_the_legacy_name_is_kept() -> None:
    document = structured(("a", "int8"), ("b", structured(("c", "float32"))))
    data_type = get_data_type_from_json(document, zarr_format=3)
    assert isinstance(data_type, Structured)
    assert data_type.to_json(3) == document
    assert data_type.to_native_dtype() == np.dtype([("a", "i1"), ("b", [("c", "f4")])])
    # Fields are read in both forms under both names.
    mixed = {"name": "struct", "configuration": {"fields": [["a", "int8"], {"name": "b", "data_type": "int8"}]}}
    assert get_data_type_from_json(mixed, zarr_format=3).to_json(3) == struct(("a", "int8"), ("b", "int8"))
    mixed["name"] = "structured"
    assert get_data_type_from_json(mixed, zarr_format=3).to_json(3) == structured(("a", "int8"), ("b", "int8"))


def test_gaps_are_closed() -> None:
    padded = np.dtype([("a", "u1"), ("b", "f8"), ("c", [("d", "u1"), ("e", "f4")])], align=True)
    packed = np.dtype([("a", "u1"), ("b", "f8"), ("c", [("d", "u1"), ("e", "f4")])])
    assert parse_dtype(padded).to_native_dtype() == parse_dtype(packed).to_native_dtype()
    assert parse_dtype(padded).to_native_dtype().itemsize == 14
    values = np.zeros(5, padded)
    values["a"], values["b"] = range(5), np.arange(5) / 7
    values["c"]["e"] = 3
    array = zarrpipe.create_array(MemoryStore(), data=values, chunks=(2,))
    assert array.dtype.itemsize == 14
    for name in ("a", "b"):
        assert np.array_equal(array[...][name], values[name])
    array[1:3] = values[3:]
    assert array[...]["a"].tolist() == [0, 3, 4, 3, 4]
    assert array[...]["c"]["e"].tolist() == [3] * 5


@pytest.mark.parametrize(
    ("document", "at"),
    [
        ({"name": "struct"}, "/configuration"),
        ({"name": "struct", "configuration": {"fields": [], "x": 1}}, "/configuration"),
        ({"name": "struct", "configuration": {"fields": []}}, "/configuration/fields"),
        ({"name": "struct", "configuration": {"fields": "ab"}}, "/configuration/fields"),
        ({"name": "struct", "configuration": {"fields": {"a": "int8"}}}, "/configuration/fields"),
        (struct(("a", "int8"), ("a", "int8")), "/configuration/fields/1"),
        (structured(("a", "int8"), ("a", "int16")), "/configuration/fields/1"),
        (struct(("", "int8")), "/configuration/fields/0"),
        (struct((3, "int8")), "/configuration/fields/0"),
        (structured(("a", "int8", [2])), "/configuration/fields/0"),
        ({"name": "struct", "configuration": {"fields": [{"name": "a"}]}}, "/configuration/fields/0"),
        ({"name": "struct", "configuration": {"fields": ["ab", "int8"]}}, "/configuration/fields/0"),
        (struct(("a", 3)), "/configuration/fields/0/data_type"),
        (struct(("a", struct(("b", {"name": "r7"})))),) * 1 + ("/configuration/fields/0/data_type" * 2,),
        (structured(("a", {"name": "numpy.datetime64"})), "/configuration/fields/0/1/configuration"),
    ],
)
def test_malformed(document: Any, at: str | None) -> None:
    with pytest.raises(MetadataError) as caught:
        get_data_type_from_json(document, zarr_format=3)
    assert caught.value.at == at


def test_what_structures_cannot_hold() -> None:
    with pytest.raises(UnsupportedError) as caught:
        get_data_type_from_json(struct(("a", "int128")), zarr_format=3)
    assert caught.value.at == "/configuration/fields/0/data_type"
    with pytest.raises(UnsupportedError, match="title"):
        parse_dtype(np.dtype([(("title", "a"), "i4")]))
    with pytest.raises(UnsupportedError, match="format 2"):
        zarrpipe.create_array(MemoryStore(), shape=3, dtype=np.dtype([("a", "i4", (2,))]))
    huge = struct(*((f"a{i}", {"name": "raw_bytes", "configuration": {"length_bytes": 2**31 - 1}}) for i in range(3)))
    with pytest.raises(UnsupportedError, match="NumPy"):
        get_data_type_from_json(huge, zarr_format=3)


FORMS: list[tuple[Any, Any, str]] = [
    (parse_dtype(POINT), {"x": 1.5, "y": "-Infinity"}, "0000c03f000080ff"),
    (parse_dtype(POINT), {"x": "NaN", "y": -0.0}, "0000c07f00000080"),
    (parse_dtype(POINT), {"x": "0x7f800001", "y": "0xffc00002"}, "0100807f0200c0ff"),
    (
        parse_dtype([("a", "u1"), ("p", POINT), ("z", "c8")]),
        {"a": 255, "p": {"x": 0.0, "y": 1.0}, "z": ["0x7f800001", 0.0]},
        "ff000000000000803f0100807f00000000",
    ),
    (Struct(fields=(("z", ComplexFloat64()),)), {"z": [1.0, 0.0]}, "000000000000f03f0000000000000000"),
]


@pytest.mark.parametrize(("data_type", "data", "expected"), FORMS)
def test_fill_value_forms_come_back(data_type: Any, data: Any, expected: str) -> None:
    scalar = data_type.from_json_scalar(data, zarr_format=3)
    assert np.array(scalar).astype(scalar.dtype.newbyteorder("<")).tobytes().hex() == expected
    again = data_type.to_json_scalar(scalar, zarr_format=3)
    assert json.dumps(again) == json.dumps(data)
    encoded = base64.b64encode(bytes.fromhex(expected)).decode()
    # The form of older documents, and of v2.
    for zarr_format in (2, 3):
        assert data_type.from_json_scalar(encoded, zarr_format=zarr_format).tobytes() == scalar.tobytes()
    assert data_type.to_json_scalar(scalar, zarr_format=2) == encoded


@pytest.mark.parametrize(
    ("data", "at"),
    [
        ({"x": 0.0}, None),
        ({}, None),
        ({"x": 0.0, "y": 0.0, "z": 0.0}, "/z"),
        ({"x": 0.0, "y": "nan"}, "/y"),
        ([0.0, 0.0], None),
        (0, None),
        (None, None),
        ("AAAA", None),
        ("AAAAAAAAAAAA", None),
        ("!", None),
    ],
)
def test_other_fill_values_are_refused(data: Any, at: str | None) -> None:
    with pytest.raises(MetadataError) as caught:
        parse_dtype(POINT).from_json_scalar(data, zarr_format=3)
    assert caught.value.at == at


def test_the_place_in_a_nested_fill_value() -> None:
    data_type = parse_dtype([("a/b", POINT), ("c", "c8")])
    with pytest.raises(MetadataError) as caught:
        data_type.from_json_scalar({"a/b": {"x": 0, "y": True}, "c": [0, 0]}, zarr_format=3)
    assert caught.value.at == "/a~1b/y"
    with pytest.raises(MetadataError) as caught:
        data_type.from_json_scalar({"a/b": {"x": 0, "y": 0}, "c": [0, "x"]}, zarr_format=3)
    assert caught.value.at == "/c/1"


def test_casts() -> None:
    data_type = parse_dtype([("a", "u1"), ("p", POINT)])
    expected = b"\x01" + np.array([2, 3], "f4").tobytes()
    scalar = np.array((1, (2, 3)), data_type.to_native_dtype())[()]
    big = np.array((1, (2, 3)), [("a", "u1"), ("p", [("x", ">f4"), ("y", ">f4")])])[()]
    for data in ((1, (2, 3)), [1, (2, 3)], {"p": {"x": 2, "y": 3}, "a": 1}, scalar, big, expected):
        assert data_type.check_scalar(data)
        assert data_type.fill_bytes(data) == expected
    assert data_type.fill_bytes(0) == bytes(9)
    for data in ((1,), (1, 2, 3), {"a": 1}, {"a": 1, "b": 2}, 3, "ab", None, np.void(b"123456789"), (1, 2)):
        with pytest.raises(TypeError):
            data_type.cast_scalar(data)
    with pytest.raises(OverflowError):
        data_type.cast_scalar((256, (0, 0)))
    with pytest.raises(MetadataError):
        data_type.cast_scalar(b"12345678")


def test_big_endian_fields_keep_their_order_in_memory() -> None:
    dtype = np.dtype([("a", ">i2"), ("b", "<f4")])
    data_type = parse_dtype(dtype)
    assert data_type.to_native_dtype() == dtype
    assert data_type.to_json(2)["name"] == [["a", ">i2"], ["b", "<f4"]]
    value = np.array((258, 1.0), dtype)[()]
    assert data_type.fill_bytes(value) == np.array((258, 1.0), dtype.newbyteorder("=")).tobytes()
    encoded = base64.b64encode(value.tobytes()).decode()
    assert data_type.to_json_scalar(value, zarr_format=2) == encoded
    assert data_type.from_json_scalar(encoded, zarr_format=2).tobytes() == value.tobytes()


def test_v2_fields_that_are_arrays() -> None:
    name = [["a", "<i4", [2, 3]], ["b", [["c", "|u1"], ["d", ">u2"]], [2]], ["e", "|b1", 2], ["f", "<f8"]]
    data_type = get_data_type_from_json(name, zarr_format=2)
    native = np.dtype([("a", "<i4", (2, 3)), ("b", [("c", "u1"), ("d", ">u2")], (2,)), ("e", "?", (2,)), ("f", "<f8")])
    assert data_type.to_native_dtype() == native
    name[2][2] = [2]  # type: ignore[call-overload]
    assert data_type.to_json(2) == {"name": name, "object_codec_id": None}
    assert parse_dtype(native) == data_type
    assert data_type.layout() == ("opaque", 40, ((0, 4, 6), (25, 2, 1), (28, 2, 1), (32, 8, 1)))
    raw = np.random.default_rng(0).integers(0, 2, 40).astype("u1").tobytes()
    encoded = base64.b64encode(raw).decode()
    scalar = data_type.from_json_scalar(encoded, zarr_format=2)
    assert scalar.tobytes() == raw
    assert data_type.to_json_scalar(scalar, zarr_format=2) == encoded
    assert data_type.cast_scalar(scalar) == scalar
    assert data_type.fill_bytes(scalar) == np.array(scalar).astype(native.newbyteorder("=")).tobytes()
    values = ([[1, 2, 3], [4, 5, 6]], np.zeros(2, native["b"].base), (True, False), 1.0)
    assert data_type.cast_scalar(values)["a"].tolist() == [[1, 2, 3], [4, 5, 6]]
    with pytest.raises(UnsupportedError, match="format 2"):
        data_type.to_json(3)


@pytest.mark.parametrize(
    ("field", "at"),
    [
        (["a"], "/0"),
        (["a", "<i4", [2], 3], "/0"),
        ("ab", "/0"),
        (["a", "<i4", [0]], "/0/2"),
        (["a", "<i4", [-1]], "/0/2"),
        (["a", "<i4", [2.0]], "/0/2"),
        (["a", "<i4", "2"], "/0/2"),
        (["a", "<i4", []], "/0/2"),
    ],
)
def test_v2_fields_that_are_refused(field: Any, at: str) -> None:
    with pytest.raises(MetadataError) as caught:
        get_data_type_from_json([field], zarr_format=2)
    assert caught.value.at == at


def test_v2_structures_that_cost_too_much() -> None:
    with pytest.raises(UnsupportedError):
        get_data_type_from_json([["a", "<i4", [2**40]]], zarr_format=2)
    bomb = get_data_type_from_json([["a", [["x", "<i2"], ["y", "|u1"]], [2**20]]], zarr_format=2)
    with pytest.raises(UnsupportedError, match="parts"):
        bomb.layout()
    with pytest.raises(UnsupportedError, match=r"\|O") as caught:
        get_data_type_from_json([["a", "<i4"], ["b", "|O"]], zarr_format=2)
    assert caught.value.at == "/1/1"
    # A plain array in a field costs nothing.
    assert SubArray(item=UInt16(), shape=(2**28,)).layout() == ("opaque", 2**29, ((0, 2, 2**28),))


def test_bytes_without_endian() -> None:
    fields = (("a", "int16"), ("b", "uint8"))
    codecs = [{"name": "bytes"}]
    with pytest.raises(MetadataError, match="endian"):
        zarrpipe.create_array(MemoryStore(), shape=3, dtype=struct(*fields), codecs=codecs)
    single = zarrpipe.create_array(MemoryStore(), shape=3, dtype=[("a", "i1"), ("b", "S2")], codecs=codecs)
    assert single[...].tobytes() == bytes(9)
    # Documents of before had none, and meant little-endian.
    store = MemoryStore()
    array = zarrpipe.create_array(store, shape=3, dtype=structured(*fields), compressors=None)
    array[...] = np.array([(258, 1), (-2, 3), (0, 0)], array.dtype)
    document = json.loads(store._store_dict["zarr.json"].to_bytes())
    document["codecs"] = codecs
    document["fill_value"] = base64.b64encode(b"\x01\x02\x03").decode()
    store._store_dict["zarr.json"] = zarrpipe.buffer.Buffer.from_bytes(json.dumps(document).encode())
    legacy = zarrpipe.open_array(store)
    with pytest.warns(UserWarning, match="little-endian"):
        assert legacy[...].tolist() == [(258, 1), (-2, 3), (0, 0)]
    assert legacy.fill_value.item() == (513, 3)


def test_the_class_itself() -> None:
    data_type = Struct(fields=(("a", Int8()), ("b", Float32())))
    assert data_type == parse_dtype([("a", "i1"), ("b", "<f4")])
    assert hash(data_type) == hash(parse_dtype([("a", "i1"), ("b", "<f4")]))
    with pytest.raises(TypeError):
        Struct.from_native_dtype(np.dtype("V4"))


SCALARS = ["i1", "<u2", ">i4", "<f4", ">f8", "<c8", "?", "S3", "<U2", "V4", "<M8[s]", ">m8[3ns]"]


@given(st.recursive(st.sampled_from(SCALARS), lambda inner: st.lists(inner, min_size=1, max_size=4)), st.data())
def test_zarr_reads_what_we_write_and_the_other_way_round(tree: Any, data: st.DataObject) -> None:
    def dtype(tree: Any) -> Any:
        return tree if isinstance(tree, str) else [(f"f{i}", dtype(field)) for i, field in enumerate(tree)]

    native = np.dtype(dtype(tree if isinstance(tree, list) else [tree]))
    mine, theirs = parse_dtype(native), zarr.dtype.parse_dtype(native, zarr_format=3)
    assert mine.to_json(2) == theirs.to_json(zarr_format=2)
    assert mine.to_json(3) == theirs.to_json(zarr_format=3)
    assert mine.to_native_dtype() == native
    # Bytes that every field can have: booleans, text.
    raw = data.draw(
        st.binary(min_size=native.itemsize, max_size=native.itemsize).map(lambda b: bytes(x & 1 for x in b))
    )
    value = np.frombuffer(raw, native)[0]
    if "U" not in str(native):
        # As bytes, text may have more than characters.
        document = mine.to_json_scalar(value, zarr_format=2)
        assert document == theirs.to_json_scalar(value, zarr_format=2)
        assert mine.from_json_scalar(document, zarr_format=2).tobytes() == raw
        document = mine.to_json_scalar(value, zarr_format=3)
        assert json.dumps(document) == json.dumps(theirs.to_json_scalar(value, zarr_format=3))
        assert mine.from_json_scalar(document, zarr_format=3).tobytes() == raw
    zero = mine.default_scalar()
    assert zero.tobytes() == bytes(native.itemsize)
    written = mine.to_json_scalar(zero, zarr_format=3)
    assert theirs.from_json_scalar(written, zarr_format=3).tobytes() == bytes(native.itemsize)
