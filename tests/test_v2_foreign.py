"""Filters of format 2 that are no chain of format 3: numcodecs runs them as a whole."""

from __future__ import annotations

import io
import pickle
import sys
import zlib
from pathlib import Path
from typing import Any

import numcodecs
import numcodecs.abc
import numpy as np
import pytest

import zarrpipe
from zarrpipe.errors import UnsupportedError

RAMP = np.arange(24).reshape(4, 6)


class Picture(numcodecs.abc.Codec):  # type: ignore[misc]
    """Takes arrays, whose shape it must see, as image codecs do."""

    codec_id = "zarrpipe_test_picture"

    def encode(self, buf: Any) -> bytes:
        file = io.BytesIO()
        np.save(file, buf)
        return file.getvalue()

    def decode(self, buf: Any, out: Any = None) -> Any:
        del out
        return np.load(io.BytesIO(bytes(buf)))


numcodecs.register_codec(Picture)

FILTERS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "array filter behind bytes": ("<i4", [{"id": "crc32"}, {"id": "delta", "dtype": "|u1"}]),
    "base64": ("<i4", [{"id": "base64"}]),
    "base64 behind an array filter": ("<i4", [{"id": "delta", "dtype": "<i4", "astype": "<i2"}, {"id": "base64"}]),
    "another byte order": ("<i4", [{"id": "delta", "dtype": ">i4"}]),
    "an array codec behind bytes": ("<i4", [{"id": "shuffle", "elementsize": 4}, {"id": "json2"}]),
    "two object codecs": ("|O", [{"id": "json2"}, {"id": "base64"}]),
    "labels and more": (
        "|O",
        [{"id": "categorize", "labels": ["a", "b"], "dtype": "|O"}, {"id": "delta", "dtype": "|u1"}],
    ),
    "labels of fixed length": ("<U1", [{"id": "categorize", "labels": ["a", "b"], "dtype": "<U1"}]),
    "picture": ("<i4", [{"id": "zarrpipe_test_picture"}]),
    "picture behind an array filter": (
        ">i4",
        [{"id": "astype", "encode_dtype": ">i2", "decode_dtype": ">i4"}, {"id": "zarrpipe_test_picture"}],
    ),
}


def values_of(dtype: str) -> Any:
    if dtype == "<i4" or dtype == ">i4":
        return RAMP.astype(dtype)
    return np.array(["", "a", "b"])[RAMP % 3].astype(dtype if dtype != "|O" else object)


def as_numcodecs(values: Any, filters: list[dict[str, Any]], order: Any) -> bytes:
    """Encode a chunk as zarr-python does."""
    encoded = np.array(values, order=order)
    for config in filters:
        encoded = numcodecs.get_codec(config).encode(encoded)
    return np.ascontiguousarray(encoded).tobytes() if isinstance(encoded, np.ndarray) else bytes(encoded)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressor", [None, {"id": "zlib", "level": 1}])
@pytest.mark.parametrize("name", FILTERS)
def test_round_trip(tmp_path: Path, name: str, compressor: Any, order: Any) -> None:
    dtype, filters = FILTERS[name]
    values = values_of(dtype)
    array = zarrpipe.create_array(
        tmp_path, shape=(4, 6), chunks=(2, 4), dtype=dtype if dtype != "|O" else object, filters=filters,
        compressors=compressor, order=order, zarr_format=2, config={"write_empty_chunks": True},
    )  # fmt: skip
    array[...] = values
    array[1:3, 1:5] = values[:2, :4]
    values[1:3, 1:5] = values[:2, :4].copy()
    for opened in (array, zarrpipe.open_array(tmp_path, mode="r"), pickle.loads(pickle.dumps(array))):
        assert (opened[...] == values).all()
        assert (opened[::2, 1:5:3] == values[::2, 1:5:3]).all()
    if filters[0]["id"] == "json2":
        return  # whose lists in Fortran order numcodecs writes as it does not read them
    stored = (tmp_path / "0.0").read_bytes()
    assert (zlib.decompress(stored) if compressor else stored) == as_numcodecs(values[:2, :4], filters, order)


def test_without_numcodecs(monkeypatch: pytest.MonkeyPatch) -> None:
    filters = [{"id": "crc32"}, {"id": "delta", "dtype": "|u1"}]
    monkeypatch.setitem(sys.modules, "numcodecs", None)
    with pytest.raises(UnsupportedError, match=r"pip install zarrpipe\[numcodecs\]"):
        zarrpipe.create_array({}, shape=4, dtype="i4", filters=filters, zarr_format=2)


@pytest.mark.parametrize("filters", [[{"id": "crc32"}, {"id": "pickle"}], [{"id": "pickle"}, {"id": "delta"}]])
def test_pickle_at_any_place(filters: Any) -> None:
    with pytest.raises(UnsupportedError, match="pickle"):
        zarrpipe.create_array({}, shape=4, dtype="i4", filters=filters, zarr_format=2)
