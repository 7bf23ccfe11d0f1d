"""A field of a structure that is an array of items. Only v2 has it, and only fields are of it."""

# ruff: noqa: ARG002 - the parameters are a part of the contract.

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from zarrpipe._types import JSON, Layout, ZarrFormat
from zarrpipe.dtypes.numeric import HasItemSize
from zarrpipe.dtypes.zdtype import TBaseDType, ZDType
from zarrpipe.errors import MetadataError, UnsupportedError

__all__ = ["SubArray", "joined_runs"]

Run = tuple[int, int, int]
# A structure inside an array of structures can have as many as a document asks for.
_MOST_RUNS = 1 << 16


def joined_runs(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Return runs to byte-swap with those joined that follow each other and have components of one size."""
    joined: list[Run] = []
    for start, size, count in runs:
        if joined:
            before, before_size, before_count = joined[-1]
            if before_size == size and before + size * before_count == start:
                joined[-1] = (before, size, before_count + count)
                continue
        joined.append((start, size, count))
        if len(joined) > _MOST_RUNS:
            raise UnsupportedError(f"structures of more than {_MOST_RUNS} parts are not implemented")
    return tuple(joined)


@dataclass(frozen=True, kw_only=True)
class SubArray(ZDType[Any, Any], HasItemSize):
    """An array inside an item.

    Parameters
    ----------
    item : ZDType
        The data type of its items.
    shape : tuple of int
        The length of each of its axes.

    Examples
    --------
    >>> from zarrpipe.dtypes import UInt16
    >>> SubArray(item=UInt16(), shape=(2, 3)).layout()
    ('opaque', 12, ((0, 2, 6),))
    """

    item: ZDType[Any, Any]
    shape: tuple[int, ...]

    dtype_cls = cast(Any, np.dtypes.VoidDType)
    _zarr_v3_name = "sub-array"

    def __post_init__(self) -> None:
        if not isinstance(self.item, HasItemSize):
            raise MetadataError(f"a field has a fixed size, which {self.item!r} has not")
        if not self.shape or any(length < 1 for length in self.shape) or len(self.shape) > 32:
            raise MetadataError(f"a field's shape is of lengths from 1, not {list(self.shape)}")
        if self.item_size >= 2**31:
            raise UnsupportedError(f"NumPy has no fields of {self.item_size} bytes")

    @classmethod
    def _check_native_dtype(cls, dtype: TBaseDType) -> bool:
        return dtype.subdtype is not None

    @classmethod
    def from_native_dtype(cls, dtype: TBaseDType) -> SubArray:
        raise TypeError(f"only a field of a structure is an array: {dtype!r}")

    def to_native_dtype(self) -> np.dtype[Any]:
        return np.dtype((self.item.to_native_dtype(), self.shape))

    @property
    def item_size(self) -> int:
        item: Any = self.item
        return int(item.item_size) * math.prod(self.shape)

    @classmethod
    def _from_json_v2(cls, data: JSON) -> SubArray:
        raise MetadataError(f"only a field of a structure is an array: {data!r}")

    _from_json_v3 = _from_json_v2

    def to_json(self, zarr_format: ZarrFormat) -> JSON:
        raise UnsupportedError(f"fields that are arrays, of shape {self.shape}, are for Zarr format 2 alone")

    def _check_scalar(self, data: object) -> bool:
        return isinstance(data, np.ndarray | list | tuple | int | float | str | bytes | np.generic)

    def cast_scalar(self, data: object) -> Any:
        native = self.to_native_dtype()
        if isinstance(data, np.ndarray) and data.dtype == native.base and data.shape == self.shape:
            return data
        array = np.empty(self.shape, native.base)
        try:
            array[...] = data
        except ValueError as error:
            raise TypeError(f"{data!r} is not an array of shape {self.shape}: {error}") from error
        return array

    def default_scalar(self) -> Any:
        return np.zeros(self.shape, self.to_native_dtype().base)

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> Any:
        raise MetadataError(f"the fill value of a field that is an array stands in its structure's: {data!r}")

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        raise UnsupportedError("fields that are arrays are for Zarr format 2 alone")

    def layout(self) -> Layout:
        _, nbytes, runs = self.item.layout()
        count = math.prod(self.shape)
        if len(runs) == 1 and runs[0][0] == 0 and runs[0][1] * runs[0][2] == nbytes:
            return "opaque", nbytes * count, ((0, runs[0][1], runs[0][2] * count),)
        repeated = ((i * nbytes + start, size, n) for i in range(count if runs else 0) for start, size, n in runs)
        return "opaque", nbytes * count, joined_runs(repeated)

    def fill_bytes(self, scalar: object) -> bytes:
        array = self.cast_scalar(scalar)
        return bytes(array.astype(array.dtype.newbyteorder("=")).tobytes())
