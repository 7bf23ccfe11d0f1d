"""`bitround`: like numcodecs' for floats; integers, complex numbers and times besides."""

from __future__ import annotations

from typing import Any

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from computed import assorted, decoded, encoded, same, spec_of
from zarrpipe.codecs import BitRoundCodec, BytesCodec, compile_chain, parse_codec
from zarrpipe.errors import MetadataError


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("keepbits", [1, 4, 10])
def test_floats_as_numcodecs_has_them(dtype: str, keepbits: int) -> None:
    array = assorted(dtype)
    array = array[~np.isnan(array)]
    assert same(
        encoded(BitRoundCodec(keepbits=keepbits), array), numcodecs.BitRound(keepbits).encode(array).view(dtype)
    )


def test_complex_numbers_by_component() -> None:
    array = np.array([1.7 - 3.3j, -0.1 + 1e9j], "c8")
    parts = numcodecs.BitRound(3).encode(array.view("f4")).view("c8")
    found = encoded(BitRoundCodec(keepbits=3), array)
    assert found.tobytes() == parts.tobytes()


def nearest(value: int, keepbits: int, highest: int) -> int:
    step = 1 << max(value.bit_length() - keepbits, 0)
    # Python rounds half to even.
    rounded = round(value / step) * step if value < 2**50 else value
    return rounded if rounded <= highest else highest // step * step


@given(
    array=hnp.arrays(st.sampled_from(["u1", "u2", "u4", "i1", "i2", "i4"]), st.integers(1, 50)).map(np.abs),
    keepbits=st.integers(1, 40),
)
def test_integers(array: np.ndarray[Any, Any], keepbits: int) -> None:
    array = np.where(array < 0, 0, array)  # the lowest has no magnitude
    highest = int(np.iinfo(array.dtype).max)
    found = encoded(BitRoundCodec(keepbits=keepbits), array)
    assert [int(item) for item in found] == [nearest(int(item), keepbits, highest) for item in array]
    assert np.array_equal(decoded(BitRoundCodec(keepbits=keepbits), found, array), found)


def test_times_are_integers() -> None:
    array = np.array([100, 101, 105, 3, -1], "M8[ns]")
    found = encoded(BitRoundCodec(keepbits=3), array, array[0])
    assert found.dtype == array.dtype
    # The highest bit of a negative one is its sign.
    assert list(found.view("i8")) == [96, 96, 112, 3, -(2**61)]


def test_negative_integers_keep_bits_from_their_sign() -> None:
    array = np.array([-1, -128, -100, 127], "i1")
    assert list(encoded(BitRoundCodec(keepbits=3), array)) == [-32, -128, -96, 112]


def test_as_many_bits_as_there_are_change_nothing() -> None:
    for dtype in ("f4", "i8", "u8"):
        array = assorted(dtype)
        assert encoded(BitRoundCodec(keepbits=64), array).tobytes() == array.tobytes()


def test_fill_value_stays() -> None:
    spec = spec_of(np.zeros(2), 0.3)
    assert BitRoundCodec(keepbits=2).resolve_metadata(spec).fill_value == 0.3


@pytest.mark.parametrize("keepbits", [0, -1, 1.5, True, "3", None])
def test_configurations(keepbits: Any) -> None:
    with pytest.raises(MetadataError) as caught:
        parse_codec({"name": "bitround", "configuration": {"keepbits": keepbits}})
    assert caught.value.at == "/configuration/keepbits"


def test_data_types() -> None:
    with pytest.raises(MetadataError, match="bool") as caught:
        compile_chain([BitRoundCodec(keepbits=3), BytesCodec()], spec_of(np.zeros(3, "?")))
    assert caught.value.at == "/0"
