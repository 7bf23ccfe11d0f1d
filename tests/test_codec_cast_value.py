"""`cast_value`: zarr-python's results where it has the data types, ml_dtypes' for the small ones, and the rules."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import zarr
import zarr.codecs
from cast_value_rs import cast_array
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import zarrpipe
from computed import NUMBERS, assorted, decoded, encoded, same, spec_of
from zarrpipe import _core
from zarrpipe.codecs import BytesCodec, CastValue, ShardingCodec, compile_chain, parse_codec
from zarrpipe.errors import CodecError, MetadataError, UnsupportedError
from zarrpipe.metadata import RegularChunkGrid

ROUNDINGS = ("nearest-even", "towards-zero", "towards-positive", "towards-negative", "nearest-away")
NAMES = {name: np.dtype(name).name for name in NUMBERS}

SMALL_FLOATS = (
    "float4_e2m1fn",
    "float6_e2m3fn",
    "float6_e3m2fn",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
)
SMALL_INTEGERS = ("int2", "int4", "uint2", "uint4")


def theirs(array: np.ndarray[Any, Any], target: str, rounding: Any, out_of_range: Any) -> np.ndarray[Any, Any] | None:
    try:
        return cast_array(
            array, target_dtype=target, rounding_mode=rounding, out_of_range_mode=out_of_range, scalar_map_entries=None
        )
    except ValueError:
        return None


@pytest.mark.parametrize(("source", "target"), list(itertools.product(NUMBERS, NUMBERS)))
def test_parity_with_zarr_python(source: str, target: str) -> None:
    array = assorted(source, count=120)
    ranges: list[Any] = [None, "clamp", "wrap"] if target[0] != "f" else [None, "clamp"]
    for rounding, out_of_range in itertools.product(ROUNDINGS, ranges):
        codec = CastValue(data_type=NAMES[target], rounding=rounding, out_of_range=out_of_range)
        wants = [theirs(array[i : i + 1], NAMES[target], rounding, out_of_range) for i in range(array.size)]
        fits = np.array([want is not None for want in wants])
        good = array[fits]
        want = np.concatenate([want for want in wants if want is not None])
        assert same(encoded(codec, good), want), (rounding, out_of_range)
        for bad in array[~fits][:20]:
            with pytest.raises(CodecError, match=NAMES[target]):
                encoded(codec, np.array([bad]))


def layout(name: str) -> tuple[str, int, tuple[tuple[int, int, int], ...]]:
    size = nbytes(name)
    return name, size, ((0, size, 1),) if size > 1 else ()


def stage(source: str, target: str, items: int, **configuration: Any) -> _core.Stage:
    """The codec between data types by their names alone."""
    bound = {"data_type": target, "zarrpipe:layout": layout(target), "zarrpipe:unfilled": True, **configuration}
    document = json.dumps({"name": "cast_value", "configuration": bound})
    return _core.Stage(document, [], layout(source), (items,), bytes(nbytes(source)))


def nbytes(name: str) -> int:
    return native(name).itemsize


def native(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name, name))


def cast(array: np.ndarray[Any, Any], source: str, target: str, **configuration: Any) -> np.ndarray[Any, Any]:
    out = stage(source, target, array.size, **configuration).encode(array.view("u1"))
    return np.frombuffer(out, dtype=native(target))


class TestSmallTypes:
    @pytest.mark.parametrize("name", [*SMALL_FLOATS, *SMALL_INTEGERS, "bfloat16", "float16"])
    def test_every_value(self, name: str) -> None:
        bits = {"f": 8, "i": 8, "u": 8, "b": 16}[name[0]] if name != "float16" else 16
        if name[:6] in ("float4", "float6") or name in SMALL_INTEGERS:
            bits = int(name.removeprefix("u").removeprefix("int").removeprefix("float").split("_")[0])
        patterns = np.arange(1 << bits, dtype="u2" if bits > 8 else "u1")
        array = patterns.view(native(name))
        with np.errstate(invalid="ignore"):
            want = array.astype("f8")
        assert same(cast(array, name, "float64"), want)
        # And back, those that there are in one way only.
        numbers = ~np.isnan(want)
        back = cast(want[numbers], "float64", name)
        assert np.array_equal(back.view(patterns.dtype), patterns[numbers])

    @pytest.mark.parametrize("name", [*SMALL_FLOATS, "bfloat16", "float16"])
    def test_rounding_to_nearest_even(self, name: str) -> None:
        info = ml_dtypes.finfo(native(name))
        random = np.random.default_rng(4)
        # All ties: halfway between neighbours; then what lies around them, and noise.
        patterns = np.arange(1 << (8 * nbytes(name)), dtype=f"u{nbytes(name)}")
        with np.errstate(invalid="ignore"):
            values = patterns.view(native(name)).astype("f4")
        known = np.unique(values[np.isfinite(values)])
        ties = ((known[1:].astype("f8") + known[:-1]) / 2).astype("f4")
        noise = random.normal(0, 1, 4000).astype("f4") * np.exp2(random.integers(-30, 20, 4000)).astype("f4")
        array = np.concatenate([ties, np.nextafter(ties, np.float32(0)), np.nextafter(ties, np.float32(np.inf)), noise])
        # ml_dtypes rounds one subnormal single up that lies below the tie.
        lowest = 2.0**-126 if name == "float8_e8m0fnu" else -float(info.max)
        array = array[(array >= lowest) & (array <= float(info.max))]
        want = array.astype(native(name))
        assert np.array_equal(cast(array, "float32", name).view("u1"), want.view("u1"))
        assert np.array_equal(cast(array.astype("f8"), "float64", name).view("u1"), want.view("u1"))

    @pytest.mark.parametrize("name", SMALL_INTEGERS)
    def test_integers_wrap_and_clamp(self, name: str) -> None:
        info = ml_dtypes.iinfo(native(name))
        array = np.arange(-40, 40, dtype="i4")
        clamped = cast(array, "int32", name, out_of_range="clamp")
        assert np.array_equal(clamped.astype("i4"), np.clip(array, int(info.min), int(info.max)))
        wrapped = cast(array, "int32", name, out_of_range="wrap").astype("i4")
        assert np.array_equal((wrapped - array) % (1 << info.bits), np.zeros(80))
        assert wrapped.min() == int(info.min)
        with pytest.raises(CodecError, match=f"-40 cannot be stored: it is out of range of {name}"):
            cast(array, "int32", name)

    @pytest.mark.parametrize("name", SMALL_FLOATS)
    def test_what_is_too_large(self, name: str) -> None:
        array = np.array([1e38, -1e38], "f8") * 10
        clamped = cast(array, "float64", name, out_of_range="clamp").astype("f8")
        if name in ("float8_e3m4", "float8_e4m3", "float8_e5m2"):
            assert list(clamped) == [np.inf, -np.inf]
        elif name == "float8_e8m0fnu":
            assert list(clamped) == [2.0**127, 2.0**-127]
        else:
            assert list(clamped) == [float(ml_dtypes.finfo(native(name)).max), float(ml_dtypes.finfo(native(name)).min)]
        with pytest.raises(CodecError, match="out of range"):
            cast(array, "float64", name)

    @pytest.mark.parametrize("name", ["float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"])
    def test_no_nan_and_no_infinity(self, name: str) -> None:
        for value in (np.nan, np.inf, -np.inf):
            with pytest.raises(CodecError, match=f"{name} has none"):
                cast(np.array([value]), "float64", name, out_of_range="clamp")


@pytest.mark.parametrize("name", ["int4", "uint2", "bfloat16", "float8_e4m3fn", "float6_e3m2fn", "float4_e2m1fn"])
@pytest.mark.parametrize("shards", [None, (4,)])
def test_small_types_in_arrays(tmp_path: Path, name: str, shards: Any) -> None:
    codec = CastValue(data_type=name, out_of_range="clamp", scalar_map={"encode": [["NaN", 1]]})
    options: dict[str, Any] = {"shape": (6,), "chunks": (2,), "shards": shards, "fill_value": 1}
    array = zarrpipe.create_array(tmp_path, dtype="float32", filters=[codec], **options)
    array[:5] = [0, 1, np.nan, 2.4, 1]
    rounded = {"bfloat16": 2.40625, "float8_e4m3fn": 2.5, "float6_e3m2fn": 2.5}.get(name, 2)
    again = zarrpipe.open_array(tmp_path, mode="r")
    assert list(again[:]) == [0, 1, 1, rounded, 1, 1]
    # And from a small type.
    wide = zarrpipe.create_array(tmp_path / "wide", dtype=name, filters=[CastValue(data_type="float64")], **options)
    wide[:4] = np.array([0, 1, 2, 1], native(name))
    assert list(np.asarray(wide[:]).astype("f8")) == [0, 1, 2, 1, 1, 1]


class TestRules:
    def test_map_comes_first_and_its_first_key_counts(self) -> None:
        pairs = [["NaN", 7], [300.0, 8], [300.0, 9], [1.0, 10], [0.0, 11], ["+Infinity", 12]]
        codec = CastValue(data_type="int8", scalar_map={"encode": pairs})
        array = np.array([np.nan, 300, 1, -0.0, 2, np.inf] * 300)
        assert list(encoded(codec, array, 5)[:6]) == [7, 8, 10, 11, 2, 12]
        with pytest.raises(CodecError, match="301"):
            encoded(codec, np.array([np.nan, 301]), 5)

    def test_map_both_ways(self) -> None:
        codec = CastValue(
            data_type="int16", scalar_map={"encode": [["NaN", -1]], "decode": [[-1, "NaN"]]}, rounding="towards-zero"
        )
        array = np.array([1.9, np.nan, -5.5, 1e4] * 400, "f4")
        stored = encoded(codec, array, np.nan)
        assert list(stored[:4]) == [1, -1, -5, 10000]
        assert same(decoded(codec, stored, array, np.nan)[:4], np.array([1, np.nan, -5, 1e4], "f4"))

    def test_zero_keeps_its_sign_and_nan_stays(self) -> None:
        array = np.array([-0.0, np.nan, np.inf, -np.inf])
        stored = encoded(CastValue(data_type="float16"), array)
        assert same(stored, array.astype("f2"))
        assert np.signbit(stored[0])

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("out_of_range", [None, "clamp", "wrap"])
    def test_integers_have_no_nan_and_no_infinity(self, value: float, out_of_range: Any) -> None:
        with pytest.raises(CodecError, match="int32 has none"):
            encoded(CastValue(data_type="int32", out_of_range=out_of_range), np.array([1.0, value]))

    def test_the_chunk_says_which_value(self, tmp_path: Path) -> None:
        array = zarrpipe.create_array(
            tmp_path, shape=(4,), chunks=(2,), dtype="float64", filters=[CastValue(data_type="uint8")], fill_value=0
        )
        with pytest.raises(CodecError, match=r"256\.0 cannot be stored: it is out of range of uint8") as caught:
            array[:] = [1, 2, 3, 256]
        assert caught.value.codec == "cast_value"
        assert caught.value.chunk == (1,)


class TestFillValue:
    def test_is_cast(self) -> None:
        codec = CastValue(data_type="int16")
        behind = codec.resolve_metadata(spec_of(np.zeros(3), -3.0))
        assert (behind.fill_value, behind.fill_value.dtype) == (-3, np.dtype("i2"))

    def test_is_mapped(self) -> None:
        maps = {"encode": [["NaN", -9]], "decode": [[-9, "NaN"]]}
        behind = CastValue(data_type="int16", scalar_map=maps).resolve_metadata(spec_of(np.zeros(3), np.nan))
        assert behind.fill_value == -9

    @pytest.mark.parametrize(
        ("codec", "fill_value"),
        [
            (CastValue(data_type="int16"), 0.5),
            (CastValue(data_type="int16"), np.nan),
            (CastValue(data_type="int16", out_of_range="clamp"), 1e6),
            (CastValue(data_type="int16", scalar_map={"encode": [["NaN", -9]]}), np.nan),
        ],
    )
    def test_must_come_back(self, codec: CastValue, fill_value: float) -> None:
        with pytest.raises(MetadataError, match="does not survive") as caught:
            compile_chain([codec, BytesCodec()], spec_of(np.zeros(3), fill_value))
        assert caught.value.at == "/0"
        # What needs no fill value, needs none that comes back.
        codec.validate(shape=(3,), dtype=spec_of(np.zeros(3)).dtype, chunk_grid=RegularChunkGrid(chunk_shape=(3,)))

    def test_missing_inner_chunks_are_of_it(self) -> None:
        shard = ShardingCodec(chunk_shape=(2,), codecs=[BytesCodec()])
        chain = compile_chain([CastValue(data_type="int8"), shard], spec_of(np.zeros(4), 5))
        items = np.array([5, 5, 1, 2.0])
        stored = chain.encode(items)
        assert stored is not None
        assert stored.size == 2 + 2 * 16 + 4
        assert np.array_equal(np.frombuffer(chain.decode(stored)), items)


DOCUMENTS = [
    {"data_type": "uint8"},
    {"data_type": "int16", "rounding": "towards-zero", "out_of_range": "clamp"},
    {"data_type": "int32", "out_of_range": "wrap"},
    {"data_type": "int16", "scalar_map": {"encode": [["NaN", -1]], "decode": [[-1, "NaN"]]}},
    {"data_type": "float32", "scalar_map": {"encode": [["-Infinity", "NaN"]]}},
]


@pytest.mark.parametrize("configuration", DOCUMENTS)
@pytest.mark.parametrize("shards", [None, (4, 6)])
class TestZarrPython:
    def values(self) -> np.ndarray[Any, Any]:
        return np.random.default_rng(3).integers(0, 100, size=(5, 7)).astype("f8")

    def options(self, shards: Any) -> dict[str, Any]:
        return {"shape": (5, 7), "chunks": (2, 3), "shards": shards, "dtype": "float64", "fill_value": 3}

    def test_theirs_is_read(self, tmp_path: Path, configuration: Any, shards: Any) -> None:
        codec = zarr.codecs.CastValue(**configuration)
        array = zarr.create_array(tmp_path, filters=[codec], **self.options(shards))
        array[:4] = self.values()[:4]
        opened = zarrpipe.open_array(tmp_path, mode="r")
        assert same(np.asarray(opened[:]), array[:])
        assert type(opened.filters[0]) is CastValue
        written = json.loads(json.dumps(codec.to_dict()))
        assert json.loads(json.dumps(opened.filters[0].to_dict())) == written

    def test_ours_is_read(self, tmp_path: Path, configuration: Any, shards: Any) -> None:
        array = zarrpipe.create_array(tmp_path, filters=[CastValue(**configuration)], **self.options(shards))
        array[:4] = self.values()[:4]
        assert same(zarr.open_array(tmp_path, mode="r")[:], np.asarray(array[:]))


@given(array=hnp.arrays(st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4"]), st.integers(0, 700)))
def test_wider_types_lose_nothing(array: np.ndarray[Any, Any]) -> None:
    for target in ("int64", "float64"):
        codec = CastValue(data_type=target)
        assert np.array_equal(decoded(codec, encoded(codec, array), array), array)


class TestRefused:
    @pytest.mark.parametrize(
        ("configuration", "at"),
        [
            ({}, "/configuration"),
            ({"data_type": "bool"}, "/configuration/data_type"),
            ({"data_type": "complex64"}, "/configuration/data_type"),
            ({"data_type": "int8", "rounding": "up"}, "/configuration/rounding"),
            ({"data_type": "int8", "out_of_range": "error"}, "/configuration/out_of_range"),
            ({"data_type": "int8", "wrap": True}, "/configuration/wrap"),
            ({"data_type": "int8", "scalar_map": []}, "/configuration/scalar_map"),
            ({"data_type": "int8", "scalar_map": {"both": []}}, "/configuration/scalar_map/both"),
            ({"data_type": "int8", "scalar_map": {"encode": [[1, 2], [1]]}}, "/configuration/scalar_map/encode/1"),
            ({"data_type": "int8", "scalar_map": {"decode": 3}}, "/configuration/scalar_map/decode"),
        ],
    )
    def test_configurations(self, configuration: Any, at: str) -> None:
        with pytest.raises(MetadataError) as caught:
            parse_codec({"name": "cast_value", "configuration": configuration})
        assert caught.value.at == at

    def test_unknown_data_types(self) -> None:
        with pytest.raises(UnsupportedError, match="int3"):
            parse_codec({"name": "cast_value", "configuration": {"data_type": {"name": "int3"}}})

    @pytest.mark.parametrize(
        ("codec", "dtype", "at"),
        [
            (CastValue(data_type="int8"), "?", ""),
            (CastValue(data_type="int8"), "c8", ""),
            (CastValue(data_type="float32", out_of_range="wrap"), "f8", "/0/configuration/out_of_range"),
            (
                CastValue(data_type="int8", scalar_map={"encode": [[1, 300]]}),
                "f8",
                "/configuration/scalar_map/encode/0/1",
            ),
            (
                CastValue(data_type="int8", scalar_map={"decode": [[1, 0.5]]}),
                "i4",
                "/configuration/scalar_map/decode/0/1",
            ),
        ],
    )
    def test_data_types(self, codec: Any, dtype: str, at: str) -> None:
        with pytest.raises(MetadataError) as caught:
            compile_chain([codec, BytesCodec()], spec_of(np.zeros(3, dtype)))
        assert (caught.value.at or "") in (at, "/0" + at)
