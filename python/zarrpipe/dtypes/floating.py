"""IEEE 754 floats of 16, 32 and 64 bits.

Fill value in JSON: see `float_json`.

Source: Zarr v3 core specification, "Data types" (float) and "Fill value".
"""

# ruff: noqa: ARG002 - `zarr_format` is a part of the contract; these scalars look alike in v2 and v3.

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from zarrpipe._types import JSON, ZarrFormat
from zarrpipe.dtypes.float_json import FloatForm
from zarrpipe.dtypes.numeric import HasEndianness, NumericDType

__all__ = ["Float16", "Float32", "Float64", "Floating"]

_WORDS = ("NaN", "Infinity", "-Infinity")
# The positive quiet NaN without payload, by item size.
_NAN_BITS = {2: 0x7E00, 4: 0x7FC00000, 8: 0x7FF8000000000000}


@dataclass(frozen=True, kw_only=True)
class Floating(NumericDType[np.dtype[Any], np.floating[Any]]):
    """A floating-point data type."""

    @classmethod
    def _form(cls) -> FloatForm:
        """Return how its values are written."""
        native = cls._native()
        return FloatForm(cls._zarr_v3_name, native, _NAN_BITS[native.itemsize])

    def _check_scalar(self, data: object) -> bool:
        if isinstance(data, str):
            return data in _WORDS or _is_number(data)
        if isinstance(data, bool | int | float | np.bool_ | np.integer | np.floating):
            return True
        return isinstance(data, self._native().type)

    def cast_scalar(self, data: object) -> np.floating[Any]:
        if isinstance(data, self._native().type):
            return cast("np.floating[Any]", data)  # keeps the payload of a NaN
        if not self._check_scalar(data):
            raise TypeError(f"{data!r} is not a number")
        form = self._form()
        if isinstance(data, str) and data in _WORDS:
            return cast("np.floating[Any]", form.from_json(data))
        return cast("np.floating[Any]", form.nearest(data))

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.floating[Any]:
        return cast("np.floating[Any]", self._form().from_json(data))

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> float | str:
        return self._form().to_json(self.cast_scalar(data), zarr_format)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Float16(Floating, HasEndianness):
    """Half precision."""

    dtype_cls = np.dtypes.Float16DType
    _zarr_v3_name = "float16"
    _kind: ClassVar[str] = "float16"
    _component_nbytes: ClassVar[int] = 2


@dataclass(frozen=True, kw_only=True)
class Float32(Floating, HasEndianness):
    """Single precision."""

    dtype_cls = np.dtypes.Float32DType
    _zarr_v3_name = "float32"
    _kind: ClassVar[str] = "float32"
    _component_nbytes: ClassVar[int] = 4


@dataclass(frozen=True, kw_only=True)
class Float64(Floating, HasEndianness):
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
