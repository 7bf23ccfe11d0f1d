"""How v2 documents spell data types and fill values, in the wild too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zarrpipe.dtypes import Bool, Float32, Int32, get_data_type_from_json, parse_dtype
from zarrpipe.errors import MetadataError, UnsupportedError

# The spelling, the NumPy data type, and the spelling that is written.
SPELLINGS = [
    ("|b1", "?", "|b1"),
    (">b1", "?", "|b1"),
    ("<b1", "?", "|b1"),
    ("|i1", "i1", "|i1"),
    ("<i1", "i1", "|i1"),
    (">u1", "u1", "|u1"),
    ("<u1", "u1", "|u1"),
    ("<i2", "<i2", "<i2"),
    (">u8", ">u8", ">u8"),
    ("<f2", "<f2", "<f2"),
    (">f4", ">f4", ">f4"),
    ("<c8", "<c8", "<c8"),
    (">c16", ">c16", ">c16"),
    ("|V4", "V4", "|V4"),
    ("<V4", "V4", "|V4"),
    (">V4", "V4", "|V4"),
    ("|S10", "S10", "|S10"),
    ("<S10", "S10", "|S10"),
    ("<U5", "<U5", "<U5"),
    (">U5", ">U5", ">U5"),
    ("<M8[ns]", "<M8[ns]", "<M8[ns]"),
    (">m8[25s]", ">m8[25s]", ">m8[25s]"),
    ("<M8", "<M8", "<M8"),
    ("<M8[10generic]", "<M8[10generic]", "<M8[10generic]"),
]


@pytest.mark.parametrize(("spelling", "native", "written"), SPELLINGS)
def test_spellings(spelling: str, native: str, written: str) -> None:
    for document in (spelling, {"name": spelling, "object_codec_id": None}):
        data_type = get_data_type_from_json(document, zarr_format=2)
        assert data_type == parse_dtype(np.dtype(native))
        assert data_type.to_native_dtype().str == np.dtype(native).str
        assert data_type.to_json(2) == {"name": written, "object_codec_id": None}


@pytest.mark.parametrize(
    "spelling",
    [
        *("i4", "=i4", "|i4", "<i3", "int32", "<I4", "<i4 ", "", "<f16", "<g", "<e", "<c32", "|b2", "<O", "|O8"),
        *(
            "|U5",
            "U5",
            "<U",
            "|S",
            "|S-1",
            "<M8[]",
            "<M8[q]",
            "<M8[s/2]",
            "|M8[s]",
            "<M8[s]x",
            "<m8[1.5s]",
            "raw_bytes",
        ),
        *(4, None, True, {}, {"name": None}, {"name": "<i4", "object_codec_id": "vlen-utf8"}),
    ],
)
def test_what_is_no_spelling(spelling: Any) -> None:
    with pytest.raises((UnsupportedError, MetadataError)):
        get_data_type_from_json(spelling, zarr_format=2)


def test_objects_say_what_is_missing() -> None:
    with pytest.raises(UnsupportedError, match="object codec"):
        get_data_type_from_json({"name": "|O", "object_codec_id": "dill"}, zarr_format=2)


@pytest.mark.parametrize(
    ("spelling", "data", "expected"),
    [
        ("<i4", 0.0, b"\0\0\0\0"),
        (">i4", -2.0, np.int32(-2).tobytes()),
        ("<M8[s]", 5.0, np.int64(5).tobytes()),
        ("<f4", 1, np.float32(1).tobytes()),
        ("<f4", "NaN", b"\x00\x00\xc0\x7f"),
        (">f8", "-Infinity", np.float64("-inf").tobytes()),
        ("<c8", [0, "NaN"], b"\0\0\0\0\x00\x00\xc0\x7f"),
        ("|S3", "QUI=", b"AB\0"),
        ("|V2", "QUI=", b"AB"),
        (">U2", "ab", np.array("ab", "=U2").tobytes()),
        ("|b1", True, b"\1"),
    ],
)
def test_fill_values(spelling: str, data: Any, expected: bytes) -> None:
    data_type = get_data_type_from_json(spelling, zarr_format=2)
    assert data_type.fill_bytes(data_type.from_json_scalar(data, zarr_format=2)) == expected


@pytest.mark.parametrize(
    ("data_type", "data"),
    [(Int32(), 1.5), (Int32(), float(2**40)), (Int32(), True), (Float32(), "nan"), (Bool(), 0), (Bool(), "true")],
)
def test_fill_values_that_are_refused(data_type: Any, data: Any) -> None:
    with pytest.raises(MetadataError):
        data_type.from_json_scalar(data, zarr_format=2)
    if type(data) is float:
        with pytest.raises(MetadataError):
            data_type.from_json_scalar(0.0, zarr_format=3)
