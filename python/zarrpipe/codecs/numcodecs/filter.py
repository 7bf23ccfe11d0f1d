"""What the array filters share: data types as NumPy's type strings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from zarrpipe._types import JSON, Layout
from zarrpipe.codecs.computing import AnyZDType, ComputingCodec, layout_json
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.json import located
from zarrpipe.spec import ArraySpec

__all__ = ["ArrayFilter", "layout_of"]


def parse_type(value: object) -> np.dtype[Any]:
    """Return the NumPy data type of a type string, which need not say the byte order.

    Raises
    ------
    MetadataError
        NumPy knows no such data type, or it is one of Python objects.
    """
    try:
        native: np.dtype[Any] = np.dtype(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise MetadataError(f"{value!r} is not a data type of NumPy's") from None
    if value is None or native.hasobject:
        raise MetadataError(f"{value!r} is not a data type that filters take")
    return native


def layout_of(native: np.dtype[Any]) -> Layout:
    """Return how items of a NumPy data type lie; times are integers."""
    if native.kind in "mM":
        return "int64", 8, ((0, 8, 1),)
    layout: Layout = parse_dtype(native).layout()
    return layout


class ArrayFilter(ComputingCodec):
    """A codec of numcodecs that takes items of one data type and gives those of another, both named in it.

    The byte order in a type string says nothing of the items, which are the same numbers in either. It is that of
    `resolve_metadata`'s data type, and of the stored bytes in Zarr v2.

    Attributes
    ----------
    _decoded, _encoded : str
        The fields that name the two. The first may be None for that of the chunk; the second, for the first.
    """

    _decoded: ClassVar[str] = "dtype"
    _encoded: ClassVar[str] = "astype"

    def __post_init__(self) -> None:
        for field in (self._decoded, self._encoded):
            value = getattr(self, field)
            if value is None:
                continue
            with located(f"/{field}"):
                native = parse_type(value)
            if not isinstance(value, str):
                object.__setattr__(self, field, native.str)

    def _types(self, dtype: AnyZDType) -> tuple[np.dtype[Any], np.dtype[Any]]:
        """Return what items of a data type are taken for, and what they become."""
        given = getattr(self, self._decoded)
        decoded = dtype.to_native_dtype() if given is None else parse_type(given)
        named = getattr(self, self._encoded)
        return decoded, decoded if named is None else parse_type(named)

    def _resolved(self, dtype: AnyZDType) -> dict[str, JSON]:
        layouts = {}
        for field, native in zip((self._decoded, self._encoded), self._types(dtype), strict=True):
            with located(f"/configuration/{field}"):
                layouts[field] = layout_json(layout_of(native))
        return layouts

    def _dtype_behind(self, dtype: AnyZDType) -> AnyZDType:
        return parse_dtype(self._types(dtype)[1])

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        filled: Any = self
        if getattr(self, self._decoded) is None:
            # As zarr-python writes it.
            filled = replace(filled, **{self._decoded: str(array_spec.dtype.to_native_dtype())})
        filled._stage(array_spec)  # refuses what does not fit
        found: Self = filled
        return found
