"""IEEE 754 floats of 16, 32 and 64 bits.

Fill value in JSON: a number; ``"Infinity"`` or ``"-Infinity"``; ``"NaN"``, the positive quiet one with no payload; or
``"0x..."``, the bits as a big-endian number, which is how any other NaN is written.

Source: Zarr v3 core specification, "Data types" (float) and "Fill value".
"""

# ruff: noqa: ARG002 - `zarr_format` is a part of the contract; these scalars look alike in v2 and v3.

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from zarrpipe._types import JSON, ZarrFormat
from zarrpipe.dtypes.numeric import HasEndianness, NumericDType
from zarrpipe.errors import MetadataError

__all__ = ["Float16", "Float32", "Float64", "Floating", "float_from_json", "float_to_json"]

_WORDS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_HEX = re.compile("0x([0-9a-fA-F]+)")
# The positive quiet NaN without payload, by item size.
_NAN_BITS = {2: 0x7E00, 4: 0x7FC00000, 8: 0x7FF8000000000000}


def float_from_bits(bits: int, native: np.dtype[Any]) -> np.floating[Any]:
    """Return the float with these bits; a signalling NaN stays one."""
    return cast("np.floating[Any]", np.array(bits, dtype=f"u{native.itemsize}").view(native)[()])


def float_from_json(data: JSON, native: np.dtype[Any], name: str) -> np.floating[Any]:
    """Return a float from its JSON form.

    Parameters
    ----------
    data : JSON
        The form.
    native : numpy.dtype
        float16, float32 or float64.
    name : str
        The data type, for the message.

    Raises
    ------
    MetadataError
        `data` is not a form of a float.
    """
    if isinstance(data, str):
        if data == "NaN":
            return float_from_bits(_NAN_BITS[native.itemsize], native)
        if data in _WORDS:
            return cast("np.floating[Any]", native.type(_WORDS[data]))
        digits = _HEX.fullmatch(data)
        if digits and len(digits[1]) == 2 * native.itemsize:
            return float_from_bits(int(digits[1], 16), native)
    elif isinstance(data, int | float) and not isinstance(data, bool):
        return _nearest(data, native, name)
    raise MetadataError(
        f'the fill value of {name} is a number, "NaN", "Infinity", "-Infinity" or "0x" and '
        f"{2 * native.itemsize} hexadecimal digits, not {data!r}"
    )


def _nearest(number: float, native: np.dtype[Any], name: str) -> np.floating[Any]:
    """Return the float nearest to a number, half to even; infinity beyond the largest, as IEEE 754 rounds."""
    try:
        with np.errstate(over="ignore"):
            return cast("np.floating[Any]", native.type(number))
    except OverflowError as error:
        raise MetadataError(f"the fill value is too large for {name}") from error


def float_to_json(value: np.floating[Any], zarr_format: ZarrFormat) -> float | str:
    """Return the JSON form of a float, with all its bits: the payload of a NaN too, which v2 has no form for."""
    if np.isnan(value):
        bits = int(np.asarray(value).view(f"u{value.itemsize}")[()])
        if zarr_format == 2 or bits == _NAN_BITS[value.itemsize]:
            return "NaN"
        return f"0x{bits:0{2 * value.itemsize}x}"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


@dataclass(frozen=True, kw_only=True)
class Floating(NumericDType[np.dtype[Any], np.floating[Any]], HasEndianness):
    """A floating-point data type."""

    def _check_scalar(self, data: object) -> bool:
        if isinstance(data, str):
            return data in _WORDS or _is_number(data)
        return isinstance(data, bool | int | float | np.bool_ | np.integer | np.floating)

    def cast_scalar(self, data: object) -> np.floating[Any]:
        native = self._native()
        if isinstance(data, native.type):
            return cast("np.floating[Any]", data)  # keeps the payload of a NaN
        if not self._check_scalar(data):
            raise TypeError(f"{data!r} is not a number")
        if isinstance(data, str) and data in _WORDS:
            return float_from_json(data, native, self._zarr_v3_name)
        number: Any = data
        if isinstance(data, float) and np.isnan(data):
            # Python's own NaN may have any sign; the one without payload is meant.
            return float_from_bits(_NAN_BITS[native.itemsize], native)
        with np.errstate(over="ignore"):
            return cast("np.floating[Any]", native.type(number))

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.floating[Any]:
        return float_from_json(data, self._native(), self._zarr_v3_name)

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> float | str:
        return float_to_json(self.cast_scalar(data), zarr_format)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Float16(Floating):
    """Half precision."""

    dtype_cls = np.dtypes.Float16DType
    _zarr_v3_name = "float16"
    _kind: ClassVar[str] = "float16"
    _component_nbytes: ClassVar[int] = 2


@dataclass(frozen=True, kw_only=True)
class Float32(Floating):
    """Single precision."""

    dtype_cls = np.dtypes.Float32DType
    _zarr_v3_name = "float32"
    _kind: ClassVar[str] = "float32"
    _component_nbytes: ClassVar[int] = 4


@dataclass(frozen=True, kw_only=True)
class Float64(Floating):
    """Double precision.

    Examples
    --------
    >>> Float64().to_json_scalar(Float64().from_json_scalar("0x7ff8000000000001", zarr_format=3), zarr_format=3)
    '0x7ff8000000000001'
    """

    dtype_cls = np.dtypes.Float64DType
    _zarr_v3_name = "float64"
    _kind: ClassVar[str] = "float64"
    _component_nbytes: ClassVar[int] = 8
