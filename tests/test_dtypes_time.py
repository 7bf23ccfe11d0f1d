"""NumPy's times: units, scale factors, NaT, as zarr-python has them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
import zarr.dtype
from hypothesis import given
from hypothesis import strategies as st

from zarrpipe.dtypes import DateTime64, TimeDelta64, get_data_type_from_json, parse_dtype
from zarrpipe.errors import MetadataError

UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "generic"]
NAT = -(2**63)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("factor", [1, 25, 2**31 - 1])
@pytest.mark.parametrize("letter", "mM")
@pytest.mark.parametrize("order", "<>")
def test_documents_are_those_of_zarr(unit: str, factor: int, letter: str, order: str) -> None:
    native = np.dtype(f"{letter}8[{factor}{unit}]").newbyteorder(order)
    mine, theirs = parse_dtype(native), zarr.dtype.parse_dtype(native, zarr_format=3)
    assert (mine.unit, mine.scale_factor) == (unit, factor)
    assert mine.to_native_dtype() == native
    assert mine.to_native_dtype().str == native.str
    assert mine.to_json(3) == theirs.to_json(zarr_format=3)
    assert mine.to_json(2) == theirs.to_json(zarr_format=2)
    assert get_data_type_from_json(mine.to_json(2), zarr_format=2) == mine
    again = get_data_type_from_json(mine.to_json(3), zarr_format=3)
    assert again.to_native_dtype() == native.newbyteorder("<")
    assert mine.layout() == ("opaque", 8, ((0, 8, 1),))
    assert parse_dtype(theirs) == mine


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["M8[3D]", ">m8[ns]", "M8", "m8", "<M8[as]"]))
def test_every_fill_value_comes_back_and_is_zarrs(count: int, spec: str) -> None:
    native = np.dtype(spec)
    mine, theirs = parse_dtype(native), zarr.dtype.parse_dtype(native, zarr_format=3)
    scalar = mine.from_json_scalar(count, zarr_format=3)
    assert mine.fill_bytes(scalar) == np.int64(count).tobytes()
    assert scalar.dtype == native.newbyteorder("=")
    assert mine.to_json_scalar(scalar, zarr_format=3) == count
    assert theirs.to_json_scalar(scalar, zarr_format=3) == count
    assert mine.fill_bytes(count) == np.int64(count).tobytes()


def test_not_a_time() -> None:
    for data_type in (DateTime64(unit="s"), TimeDelta64(unit="s"), DateTime64(), TimeDelta64()):
        for form in ("NaT", NAT):
            scalar = data_type.from_json_scalar(form, zarr_format=3)  # type: ignore[arg-type]
            assert np.isnat(scalar)
            assert data_type.to_json_scalar(scalar, zarr_format=3) == NAT
        assert np.isnat(data_type.default_scalar())
        for value in ("NaT", None, np.datetime64("NaT", "s"), np.timedelta64("NaT", "s")):
            if value is None or isinstance(value, str) or type(value) is type(data_type.default_scalar()):
                assert data_type.fill_bytes(value) == np.int64(NAT).tobytes()


@pytest.mark.parametrize("data", [1.0, 1.5, "2020-01-01", "nat", True, None, [1], 2**63, -(2**63) - 1])
def test_other_fill_values_are_refused(data: Any) -> None:
    for data_type in (DateTime64(unit="s"), TimeDelta64(unit="s")):
        with pytest.raises(MetadataError):
            data_type.from_json_scalar(data, zarr_format=3)


@pytest.mark.parametrize(
    ("data_type", "data", "count"),
    [
        (DateTime64(unit="s"), "1970-01-02", 86400),
        (DateTime64(unit="s"), np.datetime64(2, "m"), 120),
        (DateTime64(unit="us"), dt.datetime(1970, 1, 1, 0, 0, 1), 10**6),  # noqa: DTZ001 - NumPy's have no zone
        (DateTime64(unit="D"), dt.date(1970, 1, 3), 2),
        (DateTime64(unit="s"), np.int32(7), 7),
        (DateTime64(), 7, 7),
        (TimeDelta64(unit="s"), np.timedelta64(2, "m"), 120),
        (TimeDelta64(unit="ms"), dt.timedelta(seconds=1), 1000),
        (TimeDelta64(unit="s"), 5, 5),
        (TimeDelta64(), -5, -5),
    ],
)
def test_casts(data_type: Any, data: Any, count: int) -> None:
    assert data_type.check_scalar(data)
    assert data_type.to_json_scalar(data, zarr_format=3) == count


@pytest.mark.parametrize(
    ("data_type", "data", "error"),
    [
        (DateTime64(unit="s"), np.timedelta64(2, "s"), TypeError),
        (TimeDelta64(unit="s"), np.datetime64(2, "s"), TypeError),
        (DateTime64(unit="s"), "yesterday?", TypeError),
        (DateTime64(unit="s"), 1.5, TypeError),
        (DateTime64(unit="s"), True, TypeError),
        (TimeDelta64(unit="s"), [1], TypeError),
        (TimeDelta64(unit="s"), 2**63, OverflowError),
    ],
)
def test_casts_that_are_refused(data_type: Any, data: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        data_type.cast_scalar(data)


def test_microseconds_have_one_spelling() -> None:
    for unit in ("us", "\N{GREEK SMALL LETTER MU}s", "\N{MICRO SIGN}s"):
        assert DateTime64(unit=unit) == DateTime64(unit="us")


@pytest.mark.parametrize("name", ["numpy.datetime64", "numpy.timedelta64"])
@pytest.mark.parametrize(
    "configuration",
    [
        {},
        {"unit": "s"},
        {"scale_factor": 1},
        {"unit": "s", "scale_factor": 1, "x": 1},
        {"unit": "sec", "scale_factor": 1},
        {"unit": ["s"], "scale_factor": 1},
        {"unit": None, "scale_factor": 1},
        {"unit": "s", "scale_factor": 0},
        {"unit": "s", "scale_factor": 2**31},
        {"unit": "s", "scale_factor": 1.0},
        {"unit": "s", "scale_factor": True},
    ],
)
def test_configurations_that_are_refused(name: str, configuration: Any) -> None:
    with pytest.raises(MetadataError) as caught:
        get_data_type_from_json({"name": name, "configuration": configuration}, zarr_format=3)
    assert caught.value.at == "/configuration"
