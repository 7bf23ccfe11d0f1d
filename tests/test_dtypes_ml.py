"""The small integers and floats of ml_dtypes: every value in memory, in JSON, and as it is rounded."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from fractions import Fraction
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarrpipe.dtypes import BUILT_IN, Struct, get_data_type_from_json, parse_dtype
from zarrpipe.errors import MetadataError, UnsupportedError

# Bits, exponent bits and bias: from the specifications, not from our code.
FLOATS: dict[str, tuple[int, int, int]] = {
    "bfloat16": (16, 8, 127),
    "float8_e3m4": (8, 3, 3),
    "float8_e4m3": (8, 4, 7),
    "float8_e4m3b11fnuz": (8, 4, 11),
    "float8_e4m3fn": (8, 4, 7),
    "float8_e4m3fnuz": (8, 4, 8),
    "float8_e5m2": (8, 5, 15),
    "float8_e5m2fnuz": (8, 5, 16),
    "float8_e8m0fnu": (8, 8, 127),
    "float6_e2m3fn": (6, 2, 1),
    "float6_e3m2fn": (6, 3, 3),
    "float4_e2m1fn": (4, 2, 1),
}
INTS = {"int2": (-2, 1), "int4": (-8, 7), "uint2": (0, 3), "uint4": (0, 15)}
NAN_JSON = {
    "bfloat16": 0x7FC0,
    "float8_e3m4": 0x78,
    "float8_e4m3": 0x7C,
    "float8_e4m3b11fnuz": 0x80,
    "float8_e4m3fn": 0x7F,
    "float8_e4m3fnuz": 0x80,
    "float8_e5m2": 0x7E,
    "float8_e5m2fnuz": 0x80,
    "float8_e8m0fnu": 0xFF,
}
WITH_INFINITY = {"bfloat16", "float8_e3m4", "float8_e4m3", "float8_e5m2"}
COMPLEX = ["complex_float16", *(f"complex_{name}" for name in FLOATS)]


def value_of(name: str, bits: int) -> Fraction | str:
    """What a pattern of bits stands for, by the definition of the format."""
    nbits, exponent_bits, bias = FLOATS[name]
    if name == "float8_e8m0fnu":
        return "nan" if bits == 255 else Fraction(2) ** (bits - bias)
    mantissa_bits = nbits - 1 - exponent_bits
    sign = bits >> (nbits - 1)
    exponent = bits >> mantissa_bits & (1 << exponent_bits) - 1
    mantissa = bits & (1 << mantissa_bits) - 1
    if name.endswith("fnuz") and bits == 0x80:
        return "nan"
    if name in WITH_INFINITY and exponent == (1 << exponent_bits) - 1:
        return "nan" if mantissa else "inf"
    if name == "float8_e4m3fn" and bits & 0x7F == 0x7F:
        return "nan"
    if exponent == 0:
        value = Fraction(mantissa, 1 << mantissa_bits) * Fraction(2) ** (1 - bias)
    else:
        value = (1 + Fraction(mantissa, 1 << mantissa_bits)) * Fraction(2) ** (exponent - bias)
    return -value if sign else value


def all_bits(name: str) -> range:
    return range(1 << FLOATS[name][0])


@cache
def numbers_of(name: str) -> dict[int, Fraction]:
    values = {bits: value_of(name, bits) for bits in all_bits(name)}
    return {bits: value for bits, value in values.items() if isinstance(value, Fraction)}


def scalar_of(name: str, bits: int) -> Any:
    native = parse_dtype(name).to_native_dtype()
    return np.array(bits, f"u{native.itemsize}").view(native)[()]


def bits_of(scalar: Any) -> int:
    return int(np.asarray(scalar).view(f"u{scalar.dtype.itemsize}")[()])


@pytest.mark.parametrize("name", [*INTS, *FLOATS])
def test_names_and_native_types(name: str) -> None:
    data_type = parse_dtype(name)
    native = np.dtype(getattr(ml_dtypes, name))
    assert data_type.to_native_dtype() == native
    assert data_type.to_json(3) == name
    for document in (name, {"name": name}, {"name": name, "configuration": {}}):
        assert get_data_type_from_json(document, zarr_format=3) == data_type
    # As tensorstore writes it.
    assert get_data_type_from_json(name, zarr_format=2) == data_type
    assert data_type.to_json(2) == {"name": name, "object_codec_id": None}
    for spelling in (native, native.type, getattr(ml_dtypes, name)):
        assert parse_dtype(spelling) == data_type
    runs = ((0, 2, 1),) if native.itemsize == 2 else ()
    assert data_type.layout() == (name, native.itemsize, runs)
    assert data_type.fill_bytes(data_type.default_scalar()) == bytes(native.itemsize)
    with pytest.raises(MetadataError):
        get_data_type_from_json({"name": name, "configuration": {"x": 1}}, zarr_format=3)


def test_raw_bytes_and_structures_are_not_taken_for_them() -> None:
    assert parse_dtype("V1").to_json(3) != "int4"
    assert isinstance(parse_dtype([("real", "f4"), ("imag", "f4")]), Struct)
    part = np.dtype(ml_dtypes.float8_e5m2)
    assert isinstance(parse_dtype([("real", part), ("other", part)]), Struct)
    assert isinstance(parse_dtype([("real", part), ("imag", "f2")]), Struct)
    assert parse_dtype([("real", part), ("imag", part)]) == parse_dtype("complex_float8_e5m2")
    assert parse_dtype([("a", part), ("b", ml_dtypes.bfloat16)]).layout() == ("opaque", 3, ((1, 2, 1),))


@pytest.mark.parametrize("name", FLOATS)
def test_every_value_survives_json(name: str) -> None:
    data_type = parse_dtype(name)
    digits = 4 if name == "bfloat16" else 2
    for bits in all_bits(name):
        scalar, value = scalar_of(name, bits), value_of(name, bits)
        document = json.loads(json.dumps(data_type.to_json_scalar(scalar, zarr_format=3), allow_nan=False))
        if value == "nan":
            assert document == ("NaN" if bits == NAN_JSON[name] else f"0x{bits:0{digits}x}")
        elif value == "inf":
            assert document == ("-Infinity" if bits >> (FLOATS[name][0] - 1) else "Infinity")
        else:
            assert Fraction(document) == value
            assert bits_of(data_type.cast_scalar(document)) == bits
        assert bits_of(data_type.from_json_scalar(document, zarr_format=3)) == bits
        assert bits_of(data_type.from_json_scalar(f"0x{bits:0{digits}X}", zarr_format=3)) == bits
        assert data_type.fill_bytes(scalar) == np.asarray(scalar).tobytes()


@pytest.mark.parametrize("name", FLOATS)
def test_words_that_the_format_has(name: str) -> None:
    data_type = parse_dtype(name)
    for word in ("NaN", "Infinity", "-Infinity"):
        if word in (["NaN"] if name in NAN_JSON else []) + (["Infinity", "-Infinity"] if name in WITH_INFINITY else []):
            assert str(data_type.from_json_scalar(word, zarr_format=3)) == {"NaN": "nan"}.get(word, word[:-5].lower())
        else:
            with pytest.raises(MetadataError, match="fill value"):
                data_type.from_json_scalar(word, zarr_format=3)
    if name in NAN_JSON:
        assert bits_of(data_type.from_json_scalar("NaN", zarr_format=3)) == NAN_JSON[name]
        assert bits_of(data_type.cast_scalar(math.nan)) == NAN_JSON[name]
        assert bits_of(data_type.cast_scalar(-np.float32("nan"))) == NAN_JSON[name]
    for other in (True, None, "nan", "+Infinity", "0x0", "0x000", "0x00000", "1.0", [1.0], "0X00", "0x0g"):
        with pytest.raises(MetadataError, match="fill value"):
            data_type.from_json_scalar(other, zarr_format=3)
    if FLOATS[name][0] < 8:
        with pytest.raises(MetadataError, match="fill value"):
            data_type.from_json_scalar(f"0x{1 << FLOATS[name][0]:02x}", zarr_format=3)


def nearest(name: str, number: float) -> int | None:
    """The bits of the nearest value, half to even, by looking at all of them; None beyond the largest."""
    numbers = {bits: value for bits, value in numbers_of(name).items() if (value < 0) == (number < 0) or value == 0}
    exact = Fraction(number)
    largest = max(abs(value) for value in numbers.values())
    before = max(abs(value) for value in numbers.values() if abs(value) < largest)
    after = 2 * largest if name == "float8_e8m0fnu" else 2 * largest - before
    least = min(abs(value - exact) for value in numbers.values())
    best = sorted(bits for bits, value in numbers.items() if abs(value - exact) == least)
    if abs(exact) > largest:
        top = best[0]
        beyond = abs(exact) - largest
        half = (after - largest) / 2
        if beyond > half or (beyond == half and (top % 2 or name == "float8_e8m0fnu")):
            return None
    if name == "float8_e8m0fnu":
        return best[-1]
    negative = math.copysign(1, number) < 0
    signed = [bits for bits in best if numbers[bits] != 0 or bool(bits) == negative or name.endswith("fnuz")]
    return next((bits for bits in signed if bits % 2 == 0), signed[0])


def check_rounding(name: str, number: float) -> None:
    data_type = parse_dtype(name)
    expected = nearest(name, number)
    if expected is not None:
        assert bits_of(data_type.from_json_scalar(number, zarr_format=3)) == expected, number
    elif name in WITH_INFINITY:
        scalar = data_type.from_json_scalar(number, zarr_format=3)
        assert float(scalar) == math.copysign(math.inf, number)
    else:
        with pytest.raises(MetadataError, match="too large"):
            data_type.from_json_scalar(number, zarr_format=3)
        with pytest.raises(OverflowError):
            data_type.cast_scalar(number)


@pytest.mark.parametrize("name", [name for name in FLOATS if name != "bfloat16"])
def test_numbers_are_rounded_half_to_even_once(name: str) -> None:
    positive = sorted({value for value in numbers_of(name).values() if value >= 0})
    last = 2 * positive[-1] - positive[-2] if name != "float8_e8m0fnu" else 2 * positive[-1]
    signs = (1,) if name == "float8_e8m0fnu" else (1, -1)
    for low, high in zip(positive, [*positive[1:], last], strict=True):
        middle = float((low + high) / 2)
        for number in (middle, math.nextafter(middle, 0), math.nextafter(middle, math.inf)):
            for sign in signs:
                check_rounding(name, sign * number)


@given(st.sampled_from([name for name in FLOATS if name not in ("bfloat16", "float8_e8m0fnu")]), st.floats(-600, 600))
def test_any_number_is_rounded(name: str, number: float) -> None:
    check_rounding(name, number)


@given(st.integers(0, 0x7F7E), st.sampled_from([1, -1]))
def test_bfloat16_is_rounded_once(bits: int, sign: int) -> None:
    low, high = (float(scalar_of("bfloat16", b)) for b in (bits, bits + 1))
    middle = (low + high) / 2
    data_type = parse_dtype("bfloat16")
    for number, expected in (
        (middle, bits + bits % 2),
        (math.nextafter(middle, 0), bits),
        (math.nextafter(middle, math.inf), bits + 1),
    ):
        found = bits_of(data_type.from_json_scalar(sign * number, zarr_format=3))
        assert found == expected | (0x8000 if sign < 0 else 0)


def test_the_power_of_two_has_no_sign_and_no_zero() -> None:
    data_type = parse_dtype("float8_e8m0fnu")
    # tensorstore writes 0.0 for it.
    for zero in (0, 0.0, -0.0, 1e-300):
        assert bits_of(data_type.from_json_scalar(zero, zarr_format=3)) == 0
    with pytest.raises(MetadataError):
        data_type.from_json_scalar(-1.0, zarr_format=3)
    with pytest.raises(OverflowError, match="negative"):
        data_type.cast_scalar(-1.0)


@pytest.mark.parametrize("name", INTS)
def test_every_integer(name: str) -> None:
    data_type, (least, most) = parse_dtype(name), INTS[name]
    for number in range(least, most + 1):
        scalar = data_type.from_json_scalar(number, zarr_format=3)
        assert int(scalar) == number
        again = data_type.to_json_scalar(scalar, zarr_format=3)
        assert (type(again), again) == (int, number)
        assert data_type.cast_scalar(scalar) == scalar
        # The upper bits are clear, as in arrays of ml_dtypes.
        assert data_type.fill_bytes(number) == bytes([number % (1 << int(name[-1]))])
        assert data_type.fill_bytes(number) == np.array([number]).astype(data_type.to_native_dtype()).tobytes()
    for number in (least - 1, most + 1):
        with pytest.raises(MetadataError, match="range"):
            data_type.from_json_scalar(number, zarr_format=3)
        with pytest.raises(OverflowError):
            data_type.cast_scalar(number)
    for other in (1.0, True, "1", None, [1]):
        with pytest.raises(MetadataError):
            data_type.from_json_scalar(other, zarr_format=3)


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_numbers(name: str) -> None:
    part = parse_dtype(name.removeprefix("complex_"))
    data_type = parse_dtype(name)
    native = data_type.to_native_dtype()
    nbytes = 2 * part.to_native_dtype().itemsize
    assert native.itemsize == nbytes
    assert data_type.to_json(3) == name
    assert parse_dtype(native) == data_type
    runs = ((0, 2, 2),) if nbytes == 4 else ()
    assert data_type.layout() == (f"complex:{name.removeprefix('complex_')}", nbytes, runs)
    assert data_type.fill_bytes(data_type.default_scalar()) == bytes(nbytes)
    nbits = 8 * nbytes // 2
    rng = np.random.default_rng(0)
    for _ in range(200):
        pair = rng.integers(0, 1 << min(nbits, FLOATS.get(name.removeprefix("complex_"), (16,))[0]), 2)
        raw = pair.astype(f"u{nbytes // 2}").tobytes()
        scalar = np.frombuffer(raw, native)[0]
        document = json.loads(json.dumps(data_type.to_json_scalar(scalar, zarr_format=3), allow_nan=False))
        assert data_type.fill_bytes(data_type.from_json_scalar(document, zarr_format=3)) == raw
        assert data_type.fill_bytes(scalar) == raw
    one = part.fill_bytes(1.0)
    if name != "complex_float8_e8m0fnu":
        assert data_type.fill_bytes(1) == one + bytes(nbytes // 2)
        assert data_type.fill_bytes(1 + 2j) == one + part.fill_bytes(2.0)
    for other in (1.0, [1.0], [1.0, 2.0, 3.0], ["nan", 0], [True, 0], {"real": 1.0, "imag": 1.0}, "11"):
        with pytest.raises(MetadataError):
            data_type.from_json_scalar(other, zarr_format=3)
    with pytest.raises(TypeError):
        data_type.cast_scalar("1")
    with pytest.raises(TypeError):
        data_type.cast_scalar(np.void(b"12"))


@pytest.mark.parametrize(("name", "same"), [("complex_float32", "complex64"), ("complex_float64", "complex128")])
def test_other_names_of_complex_numbers(name: str, same: str) -> None:
    data_type, plain = parse_dtype(name), parse_dtype(same)
    assert data_type.to_native_dtype() == plain.to_native_dtype()
    assert data_type.layout() == plain.layout()
    assert (data_type.to_json(3), plain.to_json(3)) == (name, same)
    assert parse_dtype(np.dtype(same)) == plain
    assert data_type.from_json_scalar(["0x7f800001" if "32" in name else "NaN", 0], zarr_format=3)
    assert type(data_type) is not type(plain)


def run_python(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_ml_dtypes_is_imported_when_needed() -> None:
    run_python(
        "import sys, numpy, zarrpipe, zarrpipe.dtypes as d\n"
        "zarrpipe.create_array({}, shape=3, dtype='uint8')[...]\n"
        "d.parse_dtype('V3'), d.parse_dtype([('real', 'f4'), ('imag', 'f4')]), d.parse_dtype('bfloat16')\n"
        "assert 'ml_dtypes' not in sys.modules\n"
        "d.parse_dtype('bfloat16').to_native_dtype()\n"
        "assert 'ml_dtypes' in sys.modules\n"
    )


def test_without_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    from zarrpipe.dtypes import ml

    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    ml.ml_dtype.cache_clear()
    for name in ("int4", "bfloat16", "complex_float16", "complex_float8_e5m2"):
        with pytest.raises(UnsupportedError, match=r"pip install 'zarrpipe\[ml\]'"):
            parse_dtype(name).to_native_dtype()
        with pytest.raises(UnsupportedError, match=r"pip install 'zarrpipe\[ml\]'"):
            parse_dtype(name).from_json_scalar([0, 0] if "complex" in name else 0, zarr_format=3)
    assert parse_dtype("complex_float32").to_native_dtype() == np.dtype("c8")


def test_all_are_tested() -> None:
    names = {cls._zarr_v3_name for cls in BUILT_IN if cls.__module__.startswith("zarrpipe.dtypes.ml")}
    assert names == {*INTS, *FLOATS, *COMPLEX}
