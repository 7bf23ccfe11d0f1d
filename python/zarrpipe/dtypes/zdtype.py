"""What a data type is: its names, its form in memory, and its scalars as JSON.

Source: Zarr v3 core specification, "Data types"; the method names are those of `zarr.core.dtype.ZDType`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypeVar

import numpy as np

from zarrpipe._types import JSON, Endianness, Layout, ZarrFormat
from zarrpipe.errors import MetadataError

__all__ = ["TBaseDType", "TBaseScalar", "TDType_co", "TScalar_co", "ZDType", "check_extension"]

TBaseDType: TypeAlias = np.dtype[Any]
TBaseScalar: TypeAlias = np.generic | str | bytes
TDType_co = TypeVar("TDType_co", bound=TBaseDType, covariant=True)
TScalar_co = TypeVar("TScalar_co", bound=TBaseScalar, covariant=True)


def check_extension(data: JSON) -> tuple[str, Mapping[str, JSON]]:
    """Return the name and configuration of a data type's v3 JSON: a string, or an object.

    Raises
    ------
    MetadataError
        It is neither, or asks to be ignored where not understood, which a data type may not.
    """
    if isinstance(data, str):
        return data, {}
    if not isinstance(data, Mapping):
        raise MetadataError(f"a data type is a string or an object, not {data!r}")
    name, configuration = data.get("name"), data.get("configuration", {})
    if not isinstance(name, str):
        raise MetadataError(f"a data type's name is a string, not {name!r}", at="/name")
    if not isinstance(configuration, Mapping):
        raise MetadataError(f"a configuration is an object, not {configuration!r}", at="/configuration")
    if data.get("must_understand", True) is not True:
        raise MetadataError("a data type must be understood", at="/must_understand")
    for field in data:
        if field not in ("name", "configuration", "must_understand"):
            raise MetadataError(f"a data type has no field {field!r}", at=pointer(field))
    return name, configuration


def pointer(name: str) -> str:
    """One step of a JSON pointer: documents are read elsewhere, and build on this package."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


@dataclass(frozen=True, kw_only=True)
class ZDType(ABC, Generic[TDType_co, TScalar_co]):
    """A data type.

    A subclass is a frozen dataclass; its fields are what tells its instances apart, such as the byte order in memory.

    Attributes
    ----------
    dtype_cls : type
        The class of the NumPy data type.
    _zarr_v3_name : str
        The name in v3 metadata.
    """

    dtype_cls: ClassVar[type[TBaseDType]]
    _zarr_v3_name: ClassVar[str]

    # The NumPy data type

    @classmethod
    def _check_native_dtype(cls, dtype: TBaseDType) -> bool:
        """Whether this class stands for a NumPy data type."""
        return type(dtype) is cls.dtype_cls

    @classmethod
    @abstractmethod
    def from_native_dtype(cls, dtype: TBaseDType) -> Self:
        """Return the data type for a NumPy data type.

        Raises
        ------
        TypeError
            This class does not stand for it.
        """

    @abstractmethod
    def to_native_dtype(self) -> TDType_co:
        """Return the NumPy data type that arrays have in memory."""

    # Names in metadata

    @classmethod
    @abstractmethod
    def _from_json_v2(cls, data: JSON) -> Self:
        """Return the data type of v2 metadata: ``{"name": "<i4", "object_codec_id": null}``, or the string alone."""

    @classmethod
    @abstractmethod
    def _from_json_v3(cls, data: JSON) -> Self:
        """Return the data type of v3 metadata."""

    @classmethod
    def from_json(cls, data: JSON, *, zarr_format: ZarrFormat) -> Self:
        """Return the data type of a metadata document.

        Parameters
        ----------
        data : JSON
            The document's `data_type`, or v2 `dtype` with the id of its object codec.
        zarr_format : {2, 3}
            The document's format.

        Raises
        ------
        MetadataError
            `data` is not this data type.
        """
        if zarr_format == 2:
            return cls._from_json_v2(data)
        if zarr_format == 3:
            return cls._from_json_v3(data)
        raise ValueError(f"zarr_format is 2 or 3, not {zarr_format!r}")

    @abstractmethod
    def to_json(self, zarr_format: ZarrFormat) -> JSON:
        """Return the data type as metadata documents of a format have it."""

    # Scalars

    @abstractmethod
    def _check_scalar(self, data: object) -> bool:
        """Whether `cast_scalar` takes an object of this kind."""

    def check_scalar(self, data: object) -> bool:
        """Whether `cast_scalar` takes an object of this kind."""
        return self._check_scalar(data)

    @abstractmethod
    def cast_scalar(self, data: object) -> TScalar_co:
        """Return a scalar of this data type.

        Raises
        ------
        TypeError
            `data` is not of a kind that can be cast.
        OverflowError
            `data` is a number out of range.
        """

    @abstractmethod
    def default_scalar(self) -> TScalar_co:
        """Return the fill value of an array for which none was given."""

    @abstractmethod
    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> TScalar_co:
        """Return a scalar from its JSON form in a format's documents.

        Raises
        ------
        MetadataError
            `data` is not one of the forms that the specification permits.
        """

    @abstractmethod
    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        """Return the JSON form of a scalar, after `cast_scalar`, with all its bits."""

    # What the engine asks

    @abstractmethod
    def layout(self) -> Layout:
        """Return an item's kind, its size in bytes, and its runs to byte-swap: (offset, component bytes, count)."""

    @abstractmethod
    def fill_bytes(self, scalar: object) -> bytes:
        """Return the bytes of an item with this value, in the host's byte order."""


def check_endianness(value: object) -> Endianness:
    """`value`, which must be "little" or "big"."""
    if value == "little":
        return "little"
    if value == "big":
        return "big"
    raise ValueError(f'the endianness is "little" or "big", not {value!r}')
