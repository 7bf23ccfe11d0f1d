"""What the numeric data types share: the NumPy type by kind and size, the byte order, the names."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, cast

import numpy as np

from zarrpipe._types import JSON, Endianness, Layout, ZarrFormat
from zarrpipe.dtypes.zdtype import TBaseDType, TDType_co, TScalar_co, ZDType, check_endianness, check_extension
from zarrpipe.errors import MetadataError

__all__ = ["HasEndianness", "HasItemSize", "HasLength", "NumericDType", "in_byte_order", "order_of", "v2_name"]


class HasItemSize:
    """A data type whose items are all of one size."""

    @property
    def item_size(self) -> int:
        """Bytes an item."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class HasEndianness:
    """A data type whose items have a byte order in memory.

    Parameters
    ----------
    endianness : {"little", "big"}
        The byte order in memory. What is stored is for the `bytes` codec to say.
    """

    endianness: Endianness = "little"

    def __post_init__(self) -> None:
        check_endianness(self.endianness)


@dataclass(frozen=True, kw_only=True)
class HasLength:
    """A data type whose items have a length.

    Parameters
    ----------
    length : int
        How many bytes or characters an item has.
    """

    length: int = 1


def order_of(dtype: TBaseDType) -> Endianness:
    """Return a NumPy data type's byte order; the host's where it says nothing."""
    explicit: Mapping[str, Endianness] = {"<": "little", ">": "big"}
    return explicit.get(dtype.byteorder, sys.byteorder)


def in_byte_order(native: np.dtype[Any], endianness: Endianness) -> np.dtype[Any]:
    """Return a NumPy data type in a byte order."""
    return native.newbyteorder(">" if endianness == "big" else "<")


def v2_name(data: JSON, data_type: str) -> JSON:
    """Return the NumPy type string of v2 metadata, which stands there alone or beside the id of an object codec.

    Raises
    ------
    MetadataError
        There is an object codec, and the data type has none.
    """
    if not isinstance(data, Mapping):
        return data
    if data.get("object_codec_id") is not None:
        raise MetadataError(f"{data_type} has no object codec")
    return data.get("name")


@dataclass(frozen=True, kw_only=True)
class NumericDType(ZDType[TDType_co, TScalar_co], HasItemSize, Generic[TDType_co, TScalar_co]):
    """A data type that is NumPy's own: a subclass names it and says how its scalars look."""

    _kind: ClassVar[str]
    _component_nbytes: ClassVar[int]

    @classmethod
    def _native(cls) -> np.dtype[Any]:
        """Return the NumPy data type in the host's byte order."""
        constructor: Any = cls.dtype_cls
        return cast("np.dtype[Any]", constructor())

    @classmethod
    def _check_native_dtype(cls, dtype: TBaseDType) -> bool:
        # By kind and size, not by class: `long`, `longlong` and `intc` are classes of their own, and which of them
        # equals `int64` differs between platforms.
        native = cls._native()
        return dtype.kind == native.kind and dtype.itemsize == native.itemsize

    @classmethod
    def from_native_dtype(cls, dtype: TBaseDType) -> Self:
        if not cls._check_native_dtype(dtype):
            raise TypeError(f"{cls.__name__} is not the data type of {dtype!r}")
        if not issubclass(cls, HasEndianness):
            return cls()
        # `cls` is a dataclass with that field; mypy sees the classes beside each other only.
        return cast(Self, cls(endianness=order_of(dtype)))

    def to_native_dtype(self) -> TDType_co:
        native = self._native()
        if isinstance(self, HasEndianness):
            native = in_byte_order(native, self.endianness)
        return cast(TDType_co, native)

    @property
    def item_size(self) -> int:
        return self._native().itemsize

    @classmethod
    def _from_json_v2(cls, data: JSON) -> Self:
        name = v2_name(data, cls._zarr_v3_name)
        native = cls._native()
        spellings = {order + native.str[1:] for order in ("<>|" if native.itemsize == 1 else "<>")}
        if not isinstance(name, str) or name not in spellings:
            raise MetadataError(f"{cls._zarr_v3_name} is written {' or '.join(sorted(spellings))}, not {name!r}")
        return cls.from_native_dtype(np.dtype(name))

    @classmethod
    def _from_json_v3(cls, data: JSON) -> Self:
        name, configuration = check_extension(data)
        if name != cls._zarr_v3_name:
            raise MetadataError(f"{name!r} is not the data type {cls._zarr_v3_name!r}")
        if configuration:
            raise MetadataError(f"the data type {name!r} has no configuration", at="/configuration")
        return cls()

    def to_json(self, zarr_format: ZarrFormat) -> JSON:
        if zarr_format == 2:
            return {"name": self.to_native_dtype().str, "object_codec_id": None}
        return self._zarr_v3_name

    def default_scalar(self) -> TScalar_co:
        # Zero bits, which are a value of every type: not all have a zero.
        return cast(TScalar_co, np.zeros((), self._native())[()])

    def layout(self) -> Layout:
        native, component = self._native(), self._component_nbytes
        runs = () if component == 1 else ((0, component, native.itemsize // component),)
        return self._kind, native.itemsize, runs

    def fill_bytes(self, scalar: object) -> bytes:
        value = self.cast_scalar(scalar)
        # NumPy scalars are in the host's byte order always.
        return cast(np.generic, value).tobytes()
