"""Complex numbers of two floats: the real part, then the imaginary.

Fill value in JSON: an array of two, each a float's form.

Source: Zarr v3 core specification, "Data types" (complex) and "Fill value".
"""

# ruff: noqa: ARG002 - `zarr_format` is a part of the contract; these scalars look alike in v2 and v3.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from zarrpipe._types import JSON, ZarrFormat
from zarrpipe.dtypes.floating import float_from_json, float_to_json
from zarrpipe.dtypes.numeric import HasEndianness, NumericDType
from zarrpipe.errors import MetadataError

__all__ = ["Complex64", "Complex128", "ComplexFloating"]


@dataclass(frozen=True, kw_only=True)
class ComplexFloating(NumericDType[np.dtype[Any], np.complexfloating[Any, Any]], HasEndianness):
    """A complex data type."""

    @classmethod
    def _component(cls) -> np.dtype[Any]:
        return np.dtype(f"f{cls._component_nbytes}")

    def _check_scalar(self, data: object) -> bool:
        if isinstance(data, str):
            return False
        return isinstance(data, bool | int | float | complex | np.bool_ | np.number)

    def cast_scalar(self, data: object) -> np.complexfloating[Any, Any]:
        native = self._native()
        if isinstance(data, native.type):
            return cast("np.complexfloating[Any, Any]", data)  # keeps the payload of a NaN
        if not self._check_scalar(data):
            raise TypeError(f"{data!r} is not a number")
        number: Any = data
        with np.errstate(over="ignore"):
            return cast("np.complexfloating[Any, Any]", native.type(number))

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.complexfloating[Any, Any]:
        if isinstance(data, str) or not isinstance(data, Sequence) or len(data) != 2:
            raise MetadataError(f"the fill value of {self._zarr_v3_name} is an array of two, not {data!r}")
        pair = np.empty(2, dtype=self._component())
        for index, part in enumerate(data):
            try:
                pair[index] = float_from_json(part, self._component(), self._zarr_v3_name)
            except MetadataError as error:
                raise MetadataError(error.message, at=f"/{index}") from None
        # Put together as bytes: `complex(real, imag)` would lose NaN payloads.
        return cast("np.complexfloating[Any, Any]", pair.view(self._native())[0])

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        value = self.cast_scalar(data)
        pair = np.array([value], dtype=self._native()).view(self._component())
        return [float_to_json(pair[0], zarr_format), float_to_json(pair[1], zarr_format)]


@dataclass(frozen=True, kw_only=True)
class Complex64(ComplexFloating):
    """Two single-precision floats."""

    dtype_cls = np.dtypes.Complex64DType
    _zarr_v3_name = "complex64"
    _kind: ClassVar[str] = "complex:float32"
    _component_nbytes: ClassVar[int] = 4


@dataclass(frozen=True, kw_only=True)
class Complex128(ComplexFloating):
    """Two double-precision floats.

    Examples
    --------
    >>> Complex128().layout()
    ('complex:float64', 16, ((0, 8, 2),))
    """

    dtype_cls = np.dtypes.Complex128DType
    _zarr_v3_name = "complex128"
    _kind: ClassVar[str] = "complex:float64"
    _component_nbytes: ClassVar[int] = 8
