"""`scale_offset`: less an offset, times a scale, in the arithmetic of the data type.

In JSON: ``{"name": "scale_offset", "configuration": {"offset": 5, "scale": 0.1}}``.

Source: zarr-extensions, "scale_offset" (https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/scale_offset).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from zarrpipe._types import JSON
from zarrpipe.codecs.computing import AnyZDType, ComputingCodec, check_real
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.json import located

__all__ = ["ScaleOffset"]


@dataclass(frozen=True, kw_only=True)
class ScaleOffset(ComputingCodec):
    """``(item - offset) * scale``, and back.

    Parameters
    ----------
    offset, scale : int, float or str
        Fill values of the chunk's data type in their JSON form.

    Raises
    ------
    MetadataError
        A parameter is none; the data type is neither integer nor float.

    Notes
    -----
    Items whose result the data type does not have are refused: integers out of range, and when decoding integers that
    `scale` does not divide.

    Examples
    --------
    >>> ScaleOffset(offset=5, scale=0.1).to_dict()
    {'name': 'scale_offset', 'configuration': {'offset': 5, 'scale': 0.1}}
    """

    offset: int | float | str = 0
    scale: int | float | str = 1

    name: ClassVar[str] = "scale_offset"

    def __post_init__(self) -> None:
        for name in ("offset", "scale"):
            value = getattr(self, name)
            if isinstance(value, np.number):
                value = value.item()
                object.__setattr__(self, name, value)
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                raise MetadataError(f"it is a number or a string, not {value!r}", at=f"/{name}")

    def to_dict(self) -> dict[str, JSON]:
        parameters: dict[str, JSON] = {"offset": self.offset, "scale": self.scale}
        configuration = {name: value for name, value in parameters.items() if value != getattr(type(self), name)}
        return {"name": self.name, "configuration": configuration} if configuration else {"name": self.name}

    def _resolved(self, dtype: AnyZDType) -> Mapping[str, JSON]:
        check_real(dtype, self.name)
        items = {}
        for name, value in (("offset", self.offset), ("scale", self.scale)):
            with located(f"/configuration/{name}"):
                try:
                    items[name] = dtype.fill_bytes(dtype.from_json_scalar(value, zarr_format=3)).hex()
                except MetadataError as error:
                    raise MetadataError(f"no scalar of the data type: {error.message}", at=error.at) from None
        return items
