"""What a chunk is at one stage of a chain: shape, data type, fill value, and how it is held in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self, TypeAlias, TypedDict, cast, get_args

import numpy as np

from zarrpipe._types import MemoryOrder, ShapeLike
from zarrpipe.abc.buffer import BufferPrototype
from zarrpipe.abc.metadata import parse_bool, parse_int, parse_order, parse_shapelike
from zarrpipe.config import Locking, config
from zarrpipe.dtypes import ZDType

__all__ = ["ArrayConfig", "ArrayConfigLike", "ArrayConfigParams", "ArraySpec", "parse_array_config"]

# What `ArrayConfig` calls a setting, and what the settings call it, where that differs.
_SETTINGS = {
    "sharding_coalesce_max_gap_bytes": "io_merge_gap_nbytes",
    "sharding_coalesce_max_bytes": "io_merge_nbytes",
}


class ArrayConfigParams(TypedDict, total=False):
    """The fields of an `ArrayConfig`; those left out are taken from the settings."""

    order: MemoryOrder
    write_empty_chunks: bool
    read_missing_chunks: bool
    sharding_coalesce_max_gap_bytes: int
    sharding_coalesce_max_bytes: int
    locking: Locking


@dataclass(frozen=True, init=False)
class ArrayConfig:
    """How one array is read and written, beside its metadata.

    Parameters
    ----------
    order : {"C", "F"}
        The memory layout of arrays read.
    write_empty_chunks : bool
        Whether a chunk that holds nothing but the fill value is stored.
    read_missing_chunks : bool
        Whether a chunk that is not stored reads as the fill value, rather than being an error.
    sharding_coalesce_max_gap_bytes : int
        Inner chunks with at most this many bytes between them are fetched together.
    sharding_coalesce_max_bytes : int
        The size of such a request, at most.
    locking : {"none", "file", "conditional"}
        What keeps writers in other processes from overwriting each other's parts of a chunk or shard: nothing, a lock
        file in the array's folder (local files), or writes on condition that the value is the one that was read (object
        stores).
    """

    order: MemoryOrder
    write_empty_chunks: bool
    read_missing_chunks: bool
    sharding_coalesce_max_gap_bytes: int
    sharding_coalesce_max_bytes: int
    locking: Locking

    def __init__(
        self,
        order: MemoryOrder,
        write_empty_chunks: bool,
        *,
        read_missing_chunks: bool = True,
        sharding_coalesce_max_gap_bytes: int = 1 << 20,
        sharding_coalesce_max_bytes: int = 16 << 20,
        locking: Locking = "none",
    ) -> None:
        # The class is frozen.
        values = {
            "order": parse_order(order),
            "write_empty_chunks": parse_bool(write_empty_chunks),
            "read_missing_chunks": parse_bool(read_missing_chunks),
            "sharding_coalesce_max_gap_bytes": parse_int(sharding_coalesce_max_gap_bytes),
            "sharding_coalesce_max_bytes": parse_int(sharding_coalesce_max_bytes),
            "locking": _parse_locking(locking),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_dict(cls, data: ArrayConfigParams) -> Self:
        """Return an array's configuration, the rest of it taken from the settings.

        Raises
        ------
        TypeError
            There is no such field.
        """
        names = [item.name for item in fields(cls)]
        for name in data:
            if name not in names:
                raise TypeError(f"an array's configuration has no {name!r}; it has {', '.join(names)}")
        settings = config.current
        values: dict[str, Any] = {name: getattr(settings, _SETTINGS.get(name, name)) for name in names}
        return cls(**{**values, **data})

    def to_dict(self) -> ArrayConfigParams:
        """Return the fields as a dictionary."""
        return {
            "order": self.order,
            "write_empty_chunks": self.write_empty_chunks,
            "read_missing_chunks": self.read_missing_chunks,
            "sharding_coalesce_max_gap_bytes": self.sharding_coalesce_max_gap_bytes,
            "sharding_coalesce_max_bytes": self.sharding_coalesce_max_bytes,
            "locking": self.locking,
        }


def _parse_locking(data: object) -> Locking:
    for name in get_args(Locking):
        if data == name:
            return cast("Locking", name)
    raise ValueError(f"locking is one of {', '.join(get_args(Locking))}, not {data!r}")


ArrayConfigLike: TypeAlias = ArrayConfig | ArrayConfigParams


def parse_array_config(data: ArrayConfigLike | None) -> ArrayConfig:
    """Return an array's configuration from itself, from some of its fields, or from the settings alone."""
    if isinstance(data, ArrayConfig):
        return data
    if data is None:
        return ArrayConfig.from_dict({})
    if isinstance(data, Mapping):
        return ArrayConfig.from_dict(data)
    # zarr's own, by duck typing.
    return ArrayConfig.from_dict(data.to_dict())


@dataclass(frozen=True, eq=False, init=False)
class ArraySpec:
    """What a chunk, or an array, is.

    Parameters
    ----------
    shape : tuple of int
        The length of each axis.
    dtype : ZDType
        The data type.
    fill_value : Any
        A scalar of the data type.
    config : ArrayConfig
        How it is read and written.
    prototype : BufferPrototype
        Which buffers hold it.

    Examples
    --------
    >>> from zarrpipe.buffer import default_buffer_prototype
    >>> from zarrpipe.dtypes import UInt8
    >>> ArraySpec((4, 3), UInt8(), 0, parse_array_config(None), default_buffer_prototype()).ndim
    2
    """

    shape: tuple[int, ...]
    dtype: ZDType[Any, Any]
    fill_value: Any
    config: ArrayConfig
    prototype: BufferPrototype

    def __init__(
        self,
        shape: ShapeLike,
        dtype: ZDType[Any, Any],
        fill_value: Any,
        config: ArrayConfig,
        prototype: BufferPrototype,
    ) -> None:
        # The class is frozen.
        object.__setattr__(self, "shape", parse_shapelike(shape))
        object.__setattr__(self, "dtype", dtype)
        object.__setattr__(self, "fill_value", fill_value)
        object.__setattr__(self, "config", config)
        object.__setattr__(self, "prototype", prototype)

    def _key(self) -> tuple[object, ...]:
        fill_value = self.fill_value
        if isinstance(fill_value, np.generic):
            # By its bits: a NaN equals itself, and -0.0 does not equal 0.0.
            fill_value = (fill_value.dtype.str, fill_value.tobytes())
        return self.shape, self.dtype, fill_value, self.config, self.prototype

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArraySpec):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def order(self) -> MemoryOrder:
        """The memory layout: `config.order`."""
        return self.config.order
