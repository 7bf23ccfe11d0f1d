"""Buffers: no copies where zarr-python makes none, and the rules of `all_equal`."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from zarrpipe.buffer import (
    Buffer,
    NDBuffer,
    as_numpy_array_wrapper,
    default_buffer_prototype,
    numpy_buffer_prototype,
)


def test_bytes_in_and_out() -> None:
    buffer = Buffer.from_bytes(b"abcdef")
    assert len(buffer) == 6
    assert buffer.to_bytes() == b"abcdef"
    assert bytes(buffer.as_buffer_like()) == b"abcdef"
    assert buffer[1:3].to_bytes() == b"bc"
    assert (buffer + Buffer.from_bytes(b"gh")).to_bytes() == b"abcdefgh"
    assert buffer.combine([buffer[:1], buffer[1:2]]).to_bytes() == b"abcdefab"
    assert Buffer.create_zero_length().to_bytes() == b""
    assert Buffer.from_bytes(b"") == Buffer.create_zero_length()
    assert buffer == Buffer.from_bytes(bytearray(b"abcdef"))
    assert buffer != Buffer.from_bytes(b"abcdeF")
    assert buffer != b"abcdef"


def test_buffers_share_memory() -> None:
    data = np.arange(8, dtype=np.uint8)
    buffer = Buffer.from_array_like(data)
    assert buffer.as_array_like() is data
    for view in (buffer.as_numpy_array(), buffer[2:].as_numpy_array(), Buffer.from_buffer(buffer).as_numpy_array()):
        assert np.shares_memory(view, data)
    buffer[0:2] = Buffer.from_bytes(b"\xff\xfe")
    buffer[2:3] = 7
    assert data[:3].tolist() == [255, 254, 7]
    source = bytearray(b"abc")
    assert np.shares_memory(Buffer.from_bytes(source).as_numpy_array(), np.frombuffer(source, np.uint8))


@pytest.mark.parametrize("array", [np.zeros((2, 2), np.uint8), np.zeros(3, np.int8), np.zeros((), np.uint8)])
def test_a_buffer_is_one_row_of_bytes(array: Any) -> None:
    with pytest.raises(ValueError, match="buffer"):
        Buffer.from_array_like(array)


@pytest.mark.parametrize(("key", "error"), [(0, TypeError), ((slice(1),), TypeError), (slice(0, 4, 2), ValueError)])
def test_a_buffer_takes_plain_slices(key: Any, error: type[Exception]) -> None:
    buffer = Buffer.from_array_like(np.zeros(4, np.uint8))
    with pytest.raises(error):
        buffer[key]
    with pytest.raises(error):
        buffer[key] = 1


def test_items() -> None:
    buffer = NDBuffer.create(shape=(2, 3), dtype=">i4", fill_value=7)
    assert (buffer.shape, buffer.dtype, buffer.byteorder, len(buffer)) == ((2, 3), np.dtype(">i4"), "big", 2)
    assert NDBuffer.create(shape=[2], dtype="u1").byteorder == sys.byteorder
    assert buffer.reshape(-1).shape == (6,)
    assert buffer.reshape((3, 2)).shape == (3, 2)
    assert buffer.reshape((1, 2, 3)).squeeze((0,)).shape == (2, 3)
    assert buffer.astype("f8").dtype == np.dtype("f8")
    assert buffer.transpose((1, 0)).shape == (3, 2)
    assert buffer.transpose(None).shape == (3, 2)
    assert buffer[0, 0].shape == ()
    assert buffer[0, 0].as_scalar() == 7
    assert buffer[0:1, 0:1].as_scalar() == 7
    assert NDBuffer.empty((2, 3), "f4", "F").as_numpy_array().flags.f_contiguous
    assert "shape=(2, 3)" in repr(buffer)
    with pytest.raises(ValueError, match="scalar"):
        buffer.as_scalar()


def test_items_share_memory() -> None:
    data = np.arange(6).reshape(2, 3)
    buffer = NDBuffer.from_ndarray_like(data)
    assert buffer.as_ndarray_like() is data
    assert np.shares_memory(buffer[1, 2].as_numpy_array(), data)
    buffer[0] = NDBuffer.from_numpy_array([7, 8, 9])
    buffer[1, 0] = -1
    assert data.tolist() == [[7, 8, 9], [-1, 4, 5]]
    copy = buffer.copy()
    copy.fill(0)
    assert data.any()
    assert copy.all_equal(0)


CASES = [
    (np.zeros((300, 200), "f4"), 0.0, True),
    (np.zeros((300, 200), "f4"), -0.0, False),
    (np.full(5, -0.0), -0.0, True),
    (np.full(5, -0.0, ">f8"), np.float64(0), False),
    (np.full(5, -0.0, "f2"), np.float64(-0.0), True),
    (np.full(5, complex(0, -0.0)), complex(0, -0.0), True),
    (np.full(5, complex(0, -0.0)), complex(0, 0.0), False),
    (np.full(5, np.nan), np.nan, True),
    (np.full((3, 4), 7, "u1"), 7, True),
    (np.full((3, 4), 7, "u1"), 300, False),
    (np.full((), 3), 3, True),
    (np.zeros((0, 4)), 1, True),
    (np.zeros(4), None, False),
    (np.array(["a", "a"]), "a", True),
    (np.array(["a", "b"], object), "a", False),
    (np.array(["NaT", "NaT"], "M8[s]"), np.datetime64("NaT", "s"), True),
    (np.arange(3), np.arange(3), True),
]


@pytest.mark.parametrize(("items", "value", "expected"), CASES)
def test_all_equal(items: Any, value: Any, expected: bool) -> None:
    assert NDBuffer.from_numpy_array(items).all_equal(value) is expected


def test_all_equal_looks_at_every_item() -> None:
    items = np.zeros((1000, 100), "i2")
    for place in [(0, 0), (500, 3), (999, 99)]:
        items[place] = 1
        assert not NDBuffer.from_numpy_array(items).all_equal(0)
        assert not NDBuffer.from_numpy_array(items.T).all_equal(0)
        items[place] = 0
    assert NDBuffer.from_numpy_array(items[::3, ::-2]).all_equal(0)
    assert not NDBuffer.from_numpy_array(np.full(3, np.nan)).all_equal(np.nan, equal_nan=False)


def test_prototypes() -> None:
    assert default_buffer_prototype() == numpy_buffer_prototype() == (Buffer, NDBuffer)
    swapped = as_numpy_array_wrapper(lambda a: a[::-1].tobytes(), Buffer.from_bytes(b"ab"), default_buffer_prototype())
    assert swapped.to_bytes() == b"ba"
