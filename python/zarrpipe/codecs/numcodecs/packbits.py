"""`numcodecs.packbits`: booleans as the bits of bytes.

In JSON: ``{"name": "numcodecs.packbits"}``.

Source: zarr-extensions, "numcodecs.packbits"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.packbits).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from zarrpipe._types import JSON
from zarrpipe.abc.buffer import NDBuffer
from zarrpipe.abc.codec import ArrayArrayCodec
from zarrpipe.codecs.native import NativeCodec
from zarrpipe.dtypes import parse_dtype
from zarrpipe.spec import ArraySpec

__all__ = ["PackBits"]


@dataclass(frozen=True, kw_only=True)
class PackBits(NativeCodec[NDBuffer, NDBuffer], ArrayArrayCodec):
    """Eight booleans a byte: what is behind this codec is one axis of uint8.

    Examples
    --------
    >>> PackBits().to_dict()
    {'name': 'numcodecs.packbits', 'configuration': {}}
    """

    name: ClassVar[str] = "numcodecs.packbits"
    is_fixed_size = True

    def to_dict(self) -> dict[str, JSON]:
        # zarr-python reads no document of numcodecs' codecs without a configuration.
        return {"name": self.name, "configuration": {}}

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        behind = super().resolve_metadata(chunk_spec)
        dtype: Any = parse_dtype("uint8")
        if not isinstance(chunk_spec, ArraySpec):
            # A spec of zarr-python has its data types.
            dtype = import_module("zarr.dtype").UInt8()
        return replace(behind, dtype=dtype, fill_value=np.uint8(0))
