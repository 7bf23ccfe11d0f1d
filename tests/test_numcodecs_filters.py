"""The array filters of numcodecs: the same bytes as numcodecs, and as zarr-python with them, both ways."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
import zarr.codecs.numcodecs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import zarrpipe
from computed import NUMBERS, assorted, decoded, encoded, same, spec_of
from zarrpipe.codecs import BytesCodec, ShardingCodec, compile_chain, get_codec_class, parse_codec
from zarrpipe.codecs.numcodecs import AsType, BitRound, Delta, FixedScaleOffset, Quantize
from zarrpipe.errors import CodecError, MetadataError

PAIRS = list(itertools.product(NUMBERS, NUMBERS))
FLOATS = ("f2", "f4", "f8")

quiet = pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")


def check(mine: Any, theirs: Any, array: np.ndarray[Any, Any]) -> None:
    """Encoding gives what numcodecs gives; and so does decoding that."""
    with np.errstate(all="ignore"):
        want = theirs.encode(array)
        assert same(
            encoded(mine, array), want.view(want.dtype if want.dtype.kind != "i" else encoded(mine, array).dtype)
        )
        assert same(decoded(mine, want, array), theirs.decode(want).reshape(array.shape))


def in_range(array: np.ndarray[Any, Any], target: str) -> np.ndarray[Any, Any]:
    """Those items that C casts the same everywhere: of floats, those that the integer has room for."""
    if array.dtype.kind != "f" or np.dtype(target).kind == "f":
        return array
    info = np.iinfo(target)
    with np.errstate(invalid="ignore"):
        return array[(array.astype("f8") > float(info.min)) & (array.astype("f8") < float(info.max))]


@quiet
class TestParity:
    @pytest.mark.parametrize(("dtype", "astype"), PAIRS)
    def test_astype(self, dtype: str, astype: str) -> None:
        array = in_range(assorted(dtype), astype)
        mine, theirs = AsType(encode_dtype=astype, decode_dtype=dtype), numcodecs.AsType(astype, dtype)
        with np.errstate(all="ignore"):
            want = theirs.encode(array)
            assert same(encoded(mine, array), want)
            stored = in_range(assorted(astype, 1), dtype)
            like = np.empty(stored.shape, dtype)
            assert same(decoded(mine, stored, like), theirs.decode(stored))

    @pytest.mark.parametrize(("dtype", "astype"), PAIRS)
    def test_delta(self, dtype: str, astype: str) -> None:
        if np.dtype(dtype).kind == "f":
            # In any integer's range, differences too.
            array = np.linspace(0, 7, 700).astype(dtype) ** 2
        else:
            # What does not fit the first item, numcodecs refuses.
            array = np.concatenate([np.array([1], dtype), assorted(dtype)])
        mine, theirs = Delta(dtype=dtype, astype=astype), numcodecs.Delta(dtype, astype)
        with np.errstate(all="ignore"):
            assert same(encoded(mine, array), theirs.encode(array))
        stored = np.random.default_rng(1).integers(0, 3, size=700).astype(astype)
        if np.dtype(dtype).kind == "f" and np.dtype(astype).kind == "f":
            stored += np.random.default_rng(2).random(700).astype(astype)
        stored = stored[:60] if np.dtype(dtype).itemsize == 1 else stored
        like = np.empty(stored.shape, dtype)
        assert same(decoded(mine, stored, like), theirs.decode(stored))

    @pytest.mark.parametrize(("dtype", "astype"), [("i8", "u8"), ("u8", "i8"), ("u1", "f2"), ("i1", "u8")])
    def test_delta_without_losses_of_numcodecs(self, dtype: str, astype: str) -> None:
        # It takes the sums as floats.
        array = np.concatenate([np.array([1], dtype), assorted(dtype)])
        codec = Delta(dtype=dtype, astype=astype)
        assert same(decoded(codec, encoded(codec, array), array), array)

    def test_delta_of_complex_numbers(self) -> None:
        array = (assorted("f4")[20:80] + 1j * assorted("f4", 3)[20:80]).astype("c8")
        array = np.nan_to_num(array, nan=1, posinf=2, neginf=3)
        check(Delta(dtype="c8"), numcodecs.Delta("c8"), array)

    @pytest.mark.parametrize(("dtype", "astype"), PAIRS)
    @pytest.mark.parametrize(("offset", "scale"), [(3, 2), (0, 10), (1.5, 0.1), (2, 0.25), (0.5, 3)])
    def test_fixedscaleoffset(self, dtype: str, astype: str, offset: Any, scale: Any) -> None:
        array = np.random.default_rng(5).integers(10, 60, size=901).astype(dtype)
        if np.dtype(dtype).kind == "f":
            array = array + np.linspace(0, 1, 901).astype(dtype)
        mine = FixedScaleOffset(offset=offset, scale=scale, dtype=dtype, astype=astype)
        theirs = numcodecs.FixedScaleOffset(offset=offset, scale=scale, dtype=dtype, astype=astype)
        want = theirs.encode(in_range_of_result(array, offset, scale, astype))
        array = in_range_of_result(array, offset, scale, astype)
        assert same(encoded(mine, array), want)
        stored = np.random.default_rng(6).integers(0, 5, size=901).astype(astype)
        assert same(decoded(mine, stored, np.empty(901, dtype)), theirs.decode(stored))

    def test_fixedscaleoffset_wraps_as_numpy_does(self) -> None:
        array = assorted("i2")
        for offset, scale in [(100, 3), (-7, -1)]:
            check(
                FixedScaleOffset(offset=offset, scale=scale, dtype="i2", astype="i2"),
                numcodecs.FixedScaleOffset(offset, scale, "i2", "i2"),
                array,
            )

    def test_fixedscaleoffset_of_bools(self) -> None:
        array = np.array([True, False, True])
        mine = FixedScaleOffset(offset=1, scale=-2, dtype="?", astype="i1")
        theirs = numcodecs.FixedScaleOffset(1, -2, "?", "i1")
        check(mine, theirs, array)

    @pytest.mark.parametrize(("dtype", "astype"), list(itertools.product(FLOATS, FLOATS)))
    @pytest.mark.parametrize("digits", [0, 1, 3, 7, -2])
    def test_quantize(self, dtype: str, astype: str, digits: int) -> None:
        check(
            Quantize(digits=digits, dtype=dtype, astype=astype),
            numcodecs.Quantize(digits, dtype, astype),
            assorted(dtype),
        )

    @pytest.mark.parametrize("dtype", FLOATS)
    @pytest.mark.parametrize("keepbits", [0, 1, 5, 10])
    def test_bitround(self, dtype: str, keepbits: int) -> None:
        array = assorted(dtype)
        array = array[~np.isnan(array)]
        want = numcodecs.BitRound(keepbits).encode(array).view(dtype)
        assert same(encoded(BitRound(keepbits=keepbits), array), want)
        assert same(decoded(BitRound(keepbits=keepbits), want, array), want)

    def test_bitround_keeps_nan(self) -> None:
        # numcodecs makes an infinity of the first, and a zero of the second.
        bits = np.array([0x7F800001, 0x7FFFFFFF, 0xFFC00000], dtype="u4").view("f4")
        assert np.isnan(encoded(BitRound(keepbits=3), bits)).all()
        assert np.isnan(encoded(BitRound(keepbits=0), bits)).all()


def in_range_of_result(array: np.ndarray[Any, Any], offset: Any, scale: Any, target: str) -> np.ndarray[Any, Any]:
    if np.dtype(target).kind == "f":
        return array
    wide = (array.astype("f8") - offset) * scale
    info = np.iinfo(target)
    return array[(wide > float(info.min)) & (wide < float(info.max))]


# Ours, zarr-python's wrapper, the parameters, and the array's data type.
WRAPPED = [
    (Delta, zarr.codecs.numcodecs.Delta, {"dtype": "int32"}, "int32"),
    (Delta, zarr.codecs.numcodecs.Delta, {"dtype": "<i4", "astype": "<i2"}, "int32"),
    (Delta, zarr.codecs.numcodecs.Delta, {"dtype": "<i4", "astype": ">i2"}, "int32"),
    (FixedScaleOffset, zarr.codecs.numcodecs.FixedScaleOffset, {"offset": 1.5, "scale": 10, "astype": "i2"}, "float64"),
    (FixedScaleOffset, zarr.codecs.numcodecs.FixedScaleOffset, {"offset": 1, "scale": 2, "dtype": "<i4"}, "int32"),
    (Quantize, zarr.codecs.numcodecs.Quantize, {"digits": 2}, "float32"),
    (AsType, zarr.codecs.numcodecs.AsType, {"encode_dtype": "float32", "decode_dtype": "float64"}, "float64"),
    (BitRound, zarr.codecs.numcodecs.BitRound, {"keepbits": 5}, "float64"),
]


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3:UserWarning")
@pytest.mark.parametrize(("mine", "theirs", "parameters", "dtype"), WRAPPED)
@pytest.mark.parametrize("sharded", [False, True])
class TestZarrPython:
    SHAPE = (5, 7)

    def array(self, dtype: str) -> np.ndarray[Any, Any]:
        return (np.random.default_rng(2).integers(0, 40, size=self.SHAPE) * 1.25).astype(dtype)

    def options(self, sharded: bool) -> dict[str, Any]:
        return {"shape": self.SHAPE, "chunks": (2, 3), "shards": (4, 6) if sharded else None, "fill_value": 7}

    def test_theirs_is_read(
        self, tmp_path: Path, mine: Any, theirs: Any, parameters: Any, dtype: str, sharded: bool
    ) -> None:
        array = zarr.create_array(
            tmp_path, dtype=dtype, filters=[theirs(**parameters)], compressors=None, **self.options(sharded)
        )
        array[:4] = self.array(dtype)[:4]
        want = array[:]
        opened = zarrpipe.open_array(tmp_path, mode="r")
        (codec,) = opened.filters
        assert type(codec) is mine
        assert same(np.asarray(opened[:]), want)
        assert codec.to_dict() == array.metadata.to_dict()["codecs"][0] or sharded

    def test_ours_is_read(
        self, tmp_path: Path, mine: Any, theirs: Any, parameters: Any, dtype: str, sharded: bool
    ) -> None:
        array = zarrpipe.create_array(
            tmp_path / "ours", dtype=dtype, filters=[mine(**parameters)], compressors=None, **self.options(sharded)
        )
        array[:4] = self.array(dtype)[:4]
        other = zarr.create_array(
            tmp_path / "theirs", dtype=dtype, filters=[theirs(**parameters)], compressors=None, **self.options(sharded)
        )
        other[:4] = self.array(dtype)[:4]
        assert same(zarr.open_array(tmp_path / "ours", mode="r")[:], other[:])
        if sharded:
            return  # inner chunks may be in any order
        for file in (path for path in (tmp_path / "theirs" / "c").rglob("*") if path.is_file()):
            assert (tmp_path / "ours" / file.relative_to(tmp_path / "theirs")).read_bytes() == file.read_bytes()


class TestFillValue:
    @pytest.mark.parametrize(
        ("codec", "fill_value", "want"),
        [
            (Delta(dtype="f8", astype="i2"), 7.5, np.int16(7)),
            (FixedScaleOffset(offset=1, scale=10, dtype="f8", astype="i2"), 7.5, np.int16(7)),
            (AsType(encode_dtype=">f4", decode_dtype="f8"), 0.1, np.float32(0.1)),
            (Quantize(digits=1, astype="f4"), 0.1, np.float32(0.1)),
            (BitRound(keepbits=1), 0.1, np.float64(0.1)),
        ],
    )
    def test_is_the_same_value_as_zarr_python_has_it(self, codec: Any, fill_value: float, want: Any) -> None:
        behind = codec.resolve_metadata(spec_of(np.zeros(3), fill_value))
        assert behind.fill_value == want
        assert behind.fill_value.dtype == want.dtype

    def test_missing_inner_chunks_are_of_it(self) -> None:
        shard = ShardingCodec(chunk_shape=(3,), codecs=[BytesCodec()])
        chain = compile_chain([Delta(dtype="<i4"), shard], spec_of(np.zeros(9, "i4"), 5))
        items = np.array([5, 10, 15, 16, 17, 18, 19, 20, 21], "i4")
        stored = chain.encode(items)
        assert stored is not None
        # The first three differences are the fill value, so that inner chunk is not stored: 6 items and the index.
        assert stored.size == 6 * 4 + 3 * 16 + 4
        assert np.array_equal(np.frombuffer(chain.decode(stored), "i4"), items)


INTEGERS = [name for name in NUMBERS if name[0] != "f"]


@given(
    array=st.sampled_from(INTEGERS).flatmap(
        lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=1, max_dims=3, max_side=20))
    )
)
def test_differences_of_integers_lose_nothing(array: np.ndarray[Any, Any]) -> None:
    codec = Delta()
    assert np.array_equal(decoded(codec, encoded(codec, array), array), array)


@pytest.mark.parametrize("codec", [Delta(), Delta(dtype="<M8[ns]"), Delta(dtype="<i8", astype="<i4")])
def test_differences_of_times(tmp_path: Path, codec: Delta) -> None:
    times = np.array([100, 103, 90, 91], "M8[ns]")
    array = zarrpipe.create_array(
        tmp_path, shape=(4,), chunks=(4,), dtype=times.dtype, filters=[codec], compressors=None
    )
    array[:] = times
    assert np.array_equal(np.asarray(array[:]), times)
    stored = (tmp_path / "c" / "0").read_bytes()
    assert list(np.frombuffer(stored, "<i4" if codec.astype else "<i8")) == [100, 3, -13, 1]


@pytest.mark.parametrize("dtype", ["M8[s]", "m8[10ms]"])
@pytest.mark.parametrize("stored", ["<i8", "<i4", "<u8"])
def test_times_become_integers(dtype: str, stored: str) -> None:
    times = np.array([100, -103, 2**31 - 1, 0], dtype)
    if "8" in stored:
        times[3] = "NaT"
    codec, theirs = AsType(encode_dtype=stored, decode_dtype=times.dtype.str), numcodecs.AsType(stored, times.dtype)
    check(codec, theirs, times)
    assert same(decoded(codec, encoded(codec, times), times), times)


class TestDocuments:
    def test_what_the_chunk_says_is_filled_in(self) -> None:
        spec = spec_of(np.zeros(3, "i4"))
        assert Delta().evolve_from_array_spec(spec) == Delta(dtype="int32")
        assert Quantize(digits=1, astype="f4").evolve_from_array_spec(spec_of(np.zeros(3))).dtype == "float64"
        assert AsType(encode_dtype="i8").evolve_from_array_spec(spec) == AsType(encode_dtype="i8", decode_dtype="int32")

    @pytest.mark.parametrize(
        "theirs",
        [
            numcodecs.Delta("i4", "i2"),
            numcodecs.FixedScaleOffset(1.5, 10, ">f8", "u1"),
            numcodecs.Quantize(3, "f8", "f4"),
            numcodecs.AsType("f4", ">f8"),
            numcodecs.BitRound(7),
        ],
    )
    def test_configurations_of_numcodecs(self, theirs: Any) -> None:
        config = theirs.get_config()
        name = f"numcodecs.{config.pop('id')}"
        mine = parse_codec(theirs)
        assert type(mine) is get_codec_class(name)
        assert mine.to_dict() == {"name": name, "configuration": config}
        assert type(mine).from_dict(mine.to_dict()) == mine

    def test_types_are_taken_in_any_form(self) -> None:
        assert Delta(dtype=np.dtype(">i4"), astype=np.int16) == Delta(dtype=">i4", astype="<i2")  # type: ignore[arg-type]

    def test_a_big_endian_type_names_the_same_numbers(self) -> None:
        array = np.array([1, 5, 3], "i4")
        behind = Delta(dtype=">i4").resolve_metadata(spec_of(array))
        assert behind.dtype.to_native_dtype() == np.dtype(">i4")
        assert list(encoded(Delta(dtype=">i4"), array)) == [1, 4, -2]


class TestRefused:
    @pytest.mark.parametrize(
        ("document", "at"),
        [
            ({"name": "numcodecs.delta", "configuration": {"dtype": "O"}}, "/configuration/dtype"),
            ({"name": "numcodecs.delta", "configuration": {"dtype": "<i4", "astype": "x"}}, "/configuration/astype"),
            ({"name": "numcodecs.delta", "configuration": {"type": "<i4"}}, "/configuration/type"),
            ({"name": "numcodecs.astype"}, "/configuration"),
            ({"name": "numcodecs.astype", "configuration": {"encode_dtype": None}}, "/configuration/encode_dtype"),
            ({"name": "numcodecs.quantize", "configuration": {"digits": "1"}}, "/configuration/digits"),
            (
                {"name": "numcodecs.fixedscaleoffset", "configuration": {"offset": True, "scale": 1}},
                "/configuration/offset",
            ),
            ({"name": "numcodecs.bitround", "configuration": {"keepbits": -1}}, "/configuration/keepbits"),
        ],
    )
    def test_configurations(self, document: Any, at: str) -> None:
        with pytest.raises(MetadataError) as caught:
            parse_codec(document)
        assert caught.value.at == at

    @pytest.mark.parametrize(
        ("codec", "dtype", "at", "says"),
        [
            (Delta(dtype="<i2"), "i4", "/0/configuration/dtype", "2 bytes"),
            (Delta(dtype="?"), "?", "/0", "bool"),
            (Delta(dtype="<c8", astype="<f4"), "c8", "/0", "complex"),
            (FixedScaleOffset(offset=1, scale=1), "c16", "/0", "complex"),
            (Quantize(digits=1), "i4", "/0", "int32"),
            (Quantize(digits=400), "f4", "/0/configuration/digits", "digits"),
            (BitRound(keepbits=11), "f2", "/0/configuration/keepbits", "10 bits"),
            (BitRound(keepbits=3), "i4", "/0", "int32"),
        ],
    )
    def test_data_types(self, codec: Any, dtype: str, at: str, says: str) -> None:
        with pytest.raises(MetadataError, match=says) as caught:
            compile_chain([codec, BytesCodec()], spec_of(np.zeros(4, dtype)))
        assert caught.value.at == at

    @pytest.mark.parametrize("encoded", ["<M8[s]", "<f8", "|b1", "<m8[ns]"])
    def test_units_of_time(self, encoded: str) -> None:
        with pytest.raises(MetadataError, match="does not become"):
            AsType(encode_dtype=encoded, decode_dtype="<M8[ns]")._resolved(spec_of(np.zeros(1, "i8")).dtype)

    def test_an_offset_that_the_integers_do_not_have(self) -> None:
        with pytest.raises(CodecError, match="int8 has no 1000"):
            encoded(FixedScaleOffset(offset=1000, scale=1), np.zeros(3, "i1"))
