"""`scale_offset`: zarr-python's results, both ways, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
import zarr.codecs
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs.scale_offset import _decode, _encode

import zarrpipe
from computed import NUMBERS, assorted, decoded, encoded, same, spec_of
from zarrpipe.codecs import BytesCodec, CastValue, ScaleOffset, ShardingCodec, compile_chain, parse_codec
from zarrpipe.errors import CodecError, MetadataError
from zarrpipe.metadata import RegularChunkGrid

PARAMETERS = [(0, 1), (0, 2), (3, 1), (5, 3), (-3, 2), (1, -1), (-2, -3), (100, 7)]
WHOLE = [name for name in NUMBERS if name[0] != "f"]


def theirs(compute: Any, array: np.ndarray[Any, Any], *parameters: Any, **more: Any) -> np.ndarray[Any, Any] | None:
    try:
        found: np.ndarray[Any, Any] = compute(array, *parameters, **more)
    except ValueError:
        return None
    return found


@pytest.mark.parametrize("dtype", WHOLE)
@pytest.mark.parametrize(("offset", "scale"), PARAMETERS)
def test_integers(dtype: str, offset: int, scale: int) -> None:
    if dtype[0] == "u" and (offset < 0 or scale < 0):
        with pytest.raises(MetadataError, match="out of range"):
            encoded(ScaleOffset(offset=offset, scale=scale), np.zeros(1, dtype))
        return
    array = assorted(dtype, count=60)
    if dtype == "i8":
        # zarr-python wraps where this overflows.
        array = array[np.abs(array.astype("f8")) < 1e17]
    codec, scalars = (
        ScaleOffset(offset=offset, scale=scale),
        (np.dtype(dtype).type(offset), np.dtype(dtype).type(scale)),
    )
    for item in array.reshape(-1, 1):
        want = theirs(_encode, item, *scalars)
        if want is None:
            with pytest.raises(CodecError, match=np.dtype(dtype).name):
                encoded(codec, item, offset)
        else:
            assert same(encoded(codec, item, offset), want)
        want = theirs(_decode, item, *scalars, scale_repr=scale)
        if want is None:
            with pytest.raises(CodecError, match=np.dtype(dtype).name):
                decoded(codec, item, item, offset)
        else:
            assert same(decoded(codec, item, item, offset), want)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize(("offset", "scale"), [(5, 0.1), (-0.3, 3), (1e3, 1e-3), ("0x3c00", 2), ("NaN", 1)])
def test_floats(dtype: str, offset: Any, scale: Any) -> None:
    if isinstance(offset, str) and offset.startswith("0x"):
        offset = {"f2": "0x3c00", "f4": "0x3f800000", "f8": "0x3ff0000000000000"}[dtype]
    zdtype, array = spec_of(np.zeros(1, dtype)).dtype, assorted(dtype)
    scalars = [zdtype.from_json_scalar(value, zarr_format=3) for value in (offset, scale)]
    codec = ScaleOffset(offset=offset, scale=scale)
    with np.errstate(all="ignore"):
        assert same(encoded(codec, array), _encode(array, *scalars))
        assert same(decoded(codec, array, array), _decode(array, *scalars, scale_repr=scale))


def test_wide_integers_that_zarr_python_wraps() -> None:
    items = np.array([2**62, -(2**62), 2**62 - 1], "i8")
    assert list(encoded(ScaleOffset(scale=-2), items[:1])) == [-(2**63)]
    assert list(encoded(ScaleOffset(scale=2), items[1:])) == [-(2**63), 2**63 - 2]
    with pytest.raises(CodecError, match="4611686018427387904 is not a value of int64"):
        encoded(ScaleOffset(scale=2), items)


@given(
    items=st.lists(st.integers(-1000, 1000), min_size=1, max_size=40),
    offset=st.integers(-1000, 1000),
    scale=st.integers(1, 1000) | st.integers(-1000, -1),
)
def test_integers_come_back(items: list[int], offset: int, scale: int) -> None:
    array, codec = np.array(items, "i4"), ScaleOffset(offset=offset, scale=scale)
    stored = encoded(codec, array, offset)
    assert list(stored) == [(item - offset) * scale for item in items]
    assert np.array_equal(decoded(codec, stored, array, offset), array)


class TestFillValue:
    def test_is_transformed(self) -> None:
        behind = ScaleOffset(offset=5, scale=3).resolve_metadata(spec_of(np.zeros(2, "i2"), 7))
        assert (behind.fill_value, behind.fill_value.dtype) == (6, np.dtype("i2"))

    def test_out_of_range(self) -> None:
        codec = ScaleOffset(offset=5)
        with pytest.raises(MetadataError, match="fill value") as caught:
            compile_chain([codec, BytesCodec()], spec_of(np.zeros(3, "u1"), 4))
        assert caught.value.at == "/0"
        codec.validate(
            shape=(3,), dtype=spec_of(np.zeros(3, "u1")).dtype, chunk_grid=RegularChunkGrid(chunk_shape=(3,))
        )

    def test_missing_inner_chunks_are_of_it(self) -> None:
        shard = ShardingCodec(chunk_shape=(2,), codecs=[BytesCodec()])
        chain = compile_chain([ScaleOffset(offset=1, scale=2), shard], spec_of(np.zeros(4, "i2"), 9))
        items = np.array([9, 9, 1, 2], "i2")
        stored = chain.encode(items)
        assert stored is not None
        assert stored.size == 4 + 2 * 16 + 4
        assert np.array_equal(np.frombuffer(chain.decode(stored), "i2"), items)


CHAINS: list[tuple[str, list[dict[str, Any]]]] = [
    ("float64", [{"name": "scale_offset", "configuration": {"offset": 5, "scale": 0.1}}]),
    ("int16", [{"name": "scale_offset", "configuration": {"offset": -3, "scale": 2}}]),
    ("int32", [{"name": "scale_offset"}]),
    (
        "float32",
        [
            {"name": "scale_offset", "configuration": {"offset": 3, "scale": 10}},
            {"name": "cast_value", "configuration": {"data_type": "int16", "out_of_range": "clamp"}},
            {"name": "scale_offset", "configuration": {"offset": 1}},
        ],
    ),
]


@pytest.mark.parametrize(("dtype", "filters"), CHAINS)
@pytest.mark.parametrize("shards", [None, (4, 6)])
class TestZarrPython:
    def options(self, dtype: str, shards: Any) -> dict[str, Any]:
        return {"shape": (5, 7), "chunks": (2, 3), "shards": shards, "dtype": dtype, "fill_value": 3}

    def values(self, dtype: str) -> np.ndarray[Any, Any]:
        return np.random.default_rng(3).integers(0, 100, size=(5, 7)).astype(dtype)

    def test_theirs_is_read(self, tmp_path: Path, dtype: str, filters: Any, shards: Any) -> None:
        codecs = [zarr.registry.get_codec_class(codec["name"]).from_dict(codec) for codec in filters]
        array = zarr.create_array(tmp_path, filters=codecs, **self.options(dtype, shards))
        array[:4] = self.values(dtype)[:4]
        opened = zarrpipe.open_array(tmp_path, mode="r")
        assert same(np.asarray(opened[:]), array[:])
        assert [codec.to_dict() for codec in opened.filters] == [codec.to_dict() for codec in codecs]

    def test_ours_is_read(self, tmp_path: Path, dtype: str, filters: Any, shards: Any) -> None:
        array = zarrpipe.create_array(tmp_path, filters=filters, **self.options(dtype, shards))
        array[:4] = self.values(dtype)[:4]
        assert same(zarr.open_array(tmp_path, mode="r")[:], np.asarray(array[:]))
        document = json.loads((tmp_path / "zarr.json").read_text())
        assert "zarrpipe:" not in json.dumps(document)


class TestRefused:
    @pytest.mark.parametrize(
        ("configuration", "at"),
        [
            ({"offset": None}, "/configuration/offset"),
            ({"scale": True}, "/configuration/scale"),
            ({"scale": [1]}, "/configuration/scale"),
            ({"factor": 1}, "/configuration/factor"),
        ],
    )
    def test_configurations(self, configuration: Any, at: str) -> None:
        with pytest.raises(MetadataError) as caught:
            parse_codec({"name": "scale_offset", "configuration": configuration})
        assert caught.value.at == at

    @pytest.mark.parametrize(
        ("codec", "dtype", "at"),
        [
            (ScaleOffset(offset=0.5), "i4", "/configuration/offset"),
            (ScaleOffset(scale=300), "u1", "/configuration/scale"),
            (ScaleOffset(offset="five"), "f4", "/configuration/offset"),
            (ScaleOffset(scale=0), "f4", "/configuration/scale"),
            (ScaleOffset(scale="0x0000000000000000"), "f8", "/configuration/scale"),
            (ScaleOffset(), "?", ""),
            (ScaleOffset(), "c8", ""),
        ],
    )
    @pytest.mark.parametrize("position", [0, 1])
    def test_data_types(self, codec: ScaleOffset, dtype: str, at: str, position: int) -> None:
        before = [CastValue(data_type=np.dtype(dtype).name)][:position] if dtype not in "?c8" else []
        with pytest.raises(MetadataError) as caught:
            compile_chain([*before, codec, BytesCodec()], spec_of(np.zeros(3, dtype)))
        assert caught.value.at == f"/{len(before)}{at}"
