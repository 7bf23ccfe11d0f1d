"""`bool`: one byte, 0 or 1.

Fill value in JSON: ``true`` or ``false``.

Source: Zarr v3 core specification, "Data types" (bool).
"""

# ruff: noqa: ARG002 - `zarr_format` is a part of the contract; these scalars look alike in v2 and v3.

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from zarrpipe._types import JSON, ZarrFormat
from zarrpipe.dtypes.numeric import NumericDType
from zarrpipe.errors import MetadataError

__all__ = ["Bool"]


@dataclass(frozen=True, kw_only=True)
class Bool(NumericDType[np.dtype[np.bool_], np.bool_]):
    """True or false.

    Examples
    --------
    >>> Bool().to_json(3), Bool().layout()
    ('bool', ('bool', 1, ()))
    """

    dtype_cls = np.dtypes.BoolDType
    _zarr_v3_name = "bool"
    _kind: ClassVar[str] = "bool"
    _component_nbytes: ClassVar[int] = 1

    def _check_scalar(self, data: object) -> bool:
        return isinstance(data, bool | int | float | np.bool_ | np.number)

    def cast_scalar(self, data: object) -> np.bool_:
        if not self._check_scalar(data):
            raise TypeError(f"{data!r} is not a bool")
        value: Any = data
        return np.bool_(bool(value))

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.bool_:
        if not isinstance(data, bool):
            raise MetadataError(f"the fill value of bool is true or false, not {data!r}")
        return np.bool_(data)

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> bool:
        return bool(self.cast_scalar(data))
