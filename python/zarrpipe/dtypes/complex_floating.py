"""Complex numbers of two floats: the real part, then the imaginary.

`complex_float32` and `complex_float64` are other names of `complex64` and `complex128`.

Fill value in JSON: an array of two, each a float's form.

Source: Zarr v3 core specification, "Data types" (complex) and "Fill value"; zarr-extensions,
data-types/complex_float32.
"""

# ruff: noqa: ARG002 - `zarr_format` is a part of the contract; these scalars look alike in v2 and v3.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from zarrpipe._types import JSON, ZarrFormat
from zarrpipe.dtypes.floating import Float32, Float64, Floating
from zarrpipe.dtypes.numeric import HasEndianness, NumericDType
from zarrpipe.errors import MetadataError

__all__ = ["Complex64", "Complex128", "ComplexFloat32", "ComplexFloat64", "ComplexFloating"]


@dataclass(frozen=True, kw_only=True)
class ComplexFloating(NumericDType[np.dtype[Any], np.generic]):
    """A complex data type."""

    _component: ClassVar[type[Floating]]

    def _check_scalar(self, data: object) -> bool:
        if isinstance(data, bool | int | float | complex | np.bool_ | np.number):
            return True
        return self._is_own(data)

    def _is_own(self, data: object) -> bool:
        return isinstance(data, self._native().type)

    def cast_scalar(self, data: object) -> np.generic:
        if self._is_own(data):
            return cast(np.generic, data)  # keeps the payload of a NaN
        if not self._check_scalar(data):
            raise TypeError(f"{data!r} is not a number")
        number, form = cast(Any, data), self._component._form()
        return self._join(form.nearest(number.real), form.nearest(number.imag))

    def _join(self, real: Any, imag: Any) -> np.generic:
        # As bytes: `complex(real, imag)` would lose NaN payloads.
        pair = np.empty(2, dtype=self._component._native())
        pair[0], pair[1] = real, imag
        return cast(np.generic, pair.view(self._native())[0])

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.generic:
        if isinstance(data, str) or not isinstance(data, Sequence) or len(data) != 2:
            raise MetadataError(f"the fill value of {self._zarr_v3_name} is an array of two, not {data!r}")
        form, parts = self._component._form(), []
        for index, part in enumerate(data):
            try:
                parts.append(form.from_json(part))
            except MetadataError as error:
                raise MetadataError(error.message, at=f"/{index}") from None
        return self._join(*parts)

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        pair = np.array([self.cast_scalar(data)], dtype=self._native()).view(self._component._native())
        form = self._component._form()
        return [form.to_json(pair[0], zarr_format), form.to_json(pair[1], zarr_format)]


@dataclass(frozen=True, kw_only=True)
class Complex64(ComplexFloating, HasEndianness):
    """Two single-precision floats."""

    dtype_cls = np.dtypes.Complex64DType
    _zarr_v3_name = "complex64"
    _component = Float32
    _kind: ClassVar[str] = "complex:float32"
    _component_nbytes: ClassVar[int] = 4


@dataclass(frozen=True, kw_only=True)
class Complex128(ComplexFloating, HasEndianness):
    """Two double-precision floats.

    Examples
    --------
    >>> Complex128().layout()
    ('complex:float64', 16, ((0, 8, 2),))
    """

    dtype_cls = np.dtypes.Complex128DType
    _zarr_v3_name = "complex128"
    _component = Float64
    _kind: ClassVar[str] = "complex:float64"
    _component_nbytes: ClassVar[int] = 8


@dataclass(frozen=True, kw_only=True)
class ComplexFloat32(Complex64):
    """`complex64` by its systematic name."""

    _zarr_v3_name = "complex_float32"


@dataclass(frozen=True, kw_only=True)
class ComplexFloat64(Complex128):
    """`complex128` by its systematic name."""

    _zarr_v3_name = "complex_float64"
