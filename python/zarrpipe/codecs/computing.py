"""What array-to-array codecs share that compute each item anew: what Rust is told, and the data type behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zarrpipe._types import JSON, ChunkCoords, Layout
from zarrpipe.abc.buffer import NDBuffer
from zarrpipe.abc.codec import ArrayArrayCodec
from zarrpipe.codecs.compiled import stage_of
from zarrpipe.codecs.items import form_of
from zarrpipe.codecs.native import NativeCodec
from zarrpipe.codecs.stage import PythonStage
from zarrpipe.dtypes import ZDType, parse_dtype
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.grid import sample_chunk_shapes
from zarrpipe.metadata.json import pointer
from zarrpipe.spec import ArraySpec

if TYPE_CHECKING:
    from zarrpipe.metadata import ChunkGrid

__all__ = ["TIMES_AS_INTEGERS", "ComputingCodec", "check_number", "check_real", "layout_json"]

AnyZDType = ZDType[Any, Any]

TIMES_AS_INTEGERS: JSON = ["int64", 8, [[0, 8, 1]]]
"""The layout that codecs take times to have which know numbers only."""


def layout_json(layout: Layout) -> JSON:
    """Return a layout as Rust reads it in documents."""
    kind, nbytes, runs = layout
    return [kind, nbytes, [list(run) for run in runs]]


def check_number(value: object, name: str) -> int | float:
    """Return the member `name`, NumPy's numbers as Python's; raise MetadataError unless it is a finite number."""
    number = value.item() if isinstance(value, np.generic) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise MetadataError(f"{name} is a number, not {value!r}", at=pointer(name))
    return number


def check_real(dtype: AnyZDType, name: str) -> None:
    """Raise MetadataError unless a data type's items are integers or floats."""
    kind = dtype.layout()[0]
    if kind in ("bool", "opaque", "variable") or kind.startswith("complex:"):
        raise MetadataError(f"{name} is for integers and floats, not for {dtype.to_json(3)!r}")


class ComputingCodec(NativeCodec[NDBuffer, NDBuffer], ArrayArrayCodec):
    """A codec that depends on the data type of what reaches it. A subclass says what is to be resolved for Rust."""

    is_fixed_size = True

    def _resolved(self, dtype: AnyZDType) -> Mapping[str, JSON]:
        """Return what Rust is told beside the configuration, for items of a data type; the places are in the codec.

        Raises
        ------
        MetadataError
            The configuration does not suit the data type.
        """
        raise NotImplementedError

    def _dtype_behind(self, dtype: AnyZDType) -> AnyZDType:
        """Return the data type that items of this one become."""
        return dtype

    def _document_for(self, dtype: AnyZDType, **more: JSON) -> dict[str, JSON]:
        document = self.to_dict()
        configuration = cast("Mapping[str, JSON]", document.get("configuration", {}))
        bound = {f"zarrpipe:{key}": value for key, value in {**self._resolved(dtype), **more}.items()}
        return {**document, "configuration": {**configuration, **bound}}

    def _bound_document(self, spec: ArraySpec, stages: list[PythonStage]) -> dict[str, JSON]:  # noqa: ARG002
        return self._document_for(parse_dtype(spec.dtype))

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        behind = self._stage(chunk_spec).encoded_spec
        dtype = self._dtype_behind(parse_dtype(chunk_spec.dtype))
        native: Any = dtype.to_native_dtype()
        fill_value = np.frombuffer(cast("tuple[Any, ...]", behind)[2], dtype=native.newbyteorder("="))[0]
        if not isinstance(chunk_spec, ArraySpec):
            # zarr-python's own.
            dtype = import_module("zarr.dtype").parse_dtype(native, zarr_format=3)
        return replace(chunk_spec, dtype=dtype, fill_value=fill_value)

    def validate(self, *, shape: ChunkCoords, dtype: Any, chunk_grid: ChunkGrid) -> None:
        # There is no fill value yet, so none is checked.
        document = self._document_for(parse_dtype(dtype), unfilled=True)
        for chunk_shape in sample_chunk_shapes(chunk_grid, shape):
            if len(chunk_shape) != len(shape):
                raise MetadataError(f"a grid of {len(chunk_shape)} axes does not fit an array of {len(shape)}")
            stage_of(document, (), form_of(dtype, chunk_shape))
