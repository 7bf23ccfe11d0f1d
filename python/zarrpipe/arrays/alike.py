"""The parameters with which an array is created like another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zarrpipe.arrays.array import Array
from zarrpipe.metadata import ArrayV2Metadata, N5ArrayMetadata

__all__ = ["array_like", "layout_of"]


def array_like(a: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters for an array like `a`, but for those that are given."""
    alike: dict[str, Any] = {"shape": np.shape(a), "dtype": getattr(a, "dtype", None)}
    if alike["dtype"] is None:
        alike["dtype"] = np.asarray(a).dtype
    if isinstance(a, Array):
        alike["fill_value"] = a.fill_value
        if not {"chunks", "chunk_shape", "shards", "codecs", "filters", "serializer", "compressors"} & set(kwargs):
            alike.update(layout_of(a, kwargs.get("zarr_format")))
    return {**alike, **kwargs}


def layout_of(a: Array, zarr_format: object) -> dict[str, Any]:
    """Return the parameters for an array of a format, by default its own, that is stored as `a` is."""
    metadata = a.metadata
    layout: dict[str, Any] = {"chunks": metadata.chunk_grid}
    if isinstance(metadata, N5ArrayMetadata) or (zarr_format == 2 and a.zarr_format == 3):
        # Chains that are not passed on: blocks of N5 have headers, and format 2 has not all that format 3 has.
        return {"chunks": a.chunks}
    if not isinstance(metadata, ArrayV2Metadata) or zarr_format == 3:
        return {**layout, "codecs": a.codecs}
    compressors = () if metadata.compressor is None else (metadata.compressor,)
    return {
        **layout,
        "zarr_format": 2,
        "dtype": metadata.dtype,
        "order": metadata.order,
        "filters": metadata.filters,
        "compressors": compressors,
        "chunk_key_encoding": metadata.chunk_key_encoding,
    }
