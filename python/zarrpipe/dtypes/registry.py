"""Which data type a name, a NumPy data type or a document means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from zarrpipe._types import JSON, ZarrFormat
from zarrpipe.dtypes.zdtype import TBaseDType, ZDType, check_extension
from zarrpipe.errors import MetadataError, UnsupportedError

__all__ = [
    "DataTypeRegistry",
    "ZDTypeLike",
    "data_type_registry",
    "get_data_type_from_json",
    "get_data_type_from_native_dtype",
    "parse_data_type",
    "parse_dtype",
]

AnyZDType: TypeAlias = ZDType[Any, Any]
ZDTypeLike: TypeAlias = npt.DTypeLike | AnyZDType | Mapping[str, JSON]


@dataclass(frozen=True, kw_only=True)
class DataTypeRegistry:
    """The data types by their v3 names.

    Attributes
    ----------
    contents : dict of str to type
        The class of each name. A later registration replaces an earlier one.
    """

    contents: dict[str, type[AnyZDType]] = field(default_factory=dict, init=False)

    def register(self, key: str, cls: type[AnyZDType]) -> None:
        """Register a class under its v3 name."""
        self.contents[key] = cls

    def unregister(self, key: str) -> None:
        """Forget a name; KeyError if it is not registered."""
        del self.contents[key]

    def get(self, key: str) -> type[AnyZDType]:
        """Return the class of a v3 name; KeyError if it is not registered."""
        return self.contents[key]

    def match_dtype(self, dtype: TBaseDType) -> AnyZDType:
        """Return the data type for a NumPy data type.

        Raises
        ------
        UnsupportedError
            None stands for it.
        """
        for cls in self.contents.values():
            if cls._check_native_dtype(dtype):
                return cls.from_native_dtype(dtype)
        if dtype == np.dtype(object):
            raise UnsupportedError('objects may be anything: name the data type, dtype="string" or dtype="bytes"')
        raise UnsupportedError(f"there is no Zarr data type for {dtype!r}; {self._known()}")

    def match_json(self, data: JSON, *, zarr_format: ZarrFormat) -> AnyZDType:
        """Return the data type of a metadata document.

        Raises
        ------
        UnsupportedError
            It has a name that is not registered.
        MetadataError
            It is malformed.
        """
        if zarr_format == 2:
            return self._match_json_v2(data)
        name, _ = check_extension(data)
        key = _key_of(name)
        if key not in self.contents:
            raise UnsupportedError(f"the data type {name!r} is not implemented; {self._known()}")
        return self.contents[key].from_json(data, zarr_format=3)

    def _match_json_v2(self, data: JSON) -> AnyZDType:
        name = data.get("name") if isinstance(data, Mapping) else data
        if isinstance(name, Sequence) and not isinstance(name, str) and _STRUCT in self.contents:
            # Here, so that what is wrong with a field is told.
            return self.contents[_STRUCT].from_json(data, zarr_format=2)
        # A v2 name, a NumPy type string, says nothing of the class: each is asked.
        for cls in self.contents.values():
            try:
                return cls.from_json(data, zarr_format=2)
            except MetadataError:
                continue
        if name == "|O":
            raise UnsupportedError(f"objects need an object codec that is implemented: {data!r}")
        raise UnsupportedError(f"the v2 data type {name!r} is not implemented; {self._known()}")

    def _known(self) -> str:
        return f"known are {', '.join(self.contents)}"


_STRUCT = "struct"
_ALIASES = {"variable_length_bytes": "bytes"}


def _key_of(name: str) -> str:
    """Return what a v3 name is registered under: all of r8, r16, r24... are r*; of others zarr-python has its own."""
    return "r*" if re.fullmatch("r[0-9]+", name) else _ALIASES.get(name, name)


data_type_registry = DataTypeRegistry()
"""The data types in use."""


def get_data_type_from_json(dtype_spec: JSON, *, zarr_format: ZarrFormat) -> AnyZDType:
    """Return the data type of a metadata document: `DataTypeRegistry.match_json`."""
    return data_type_registry.match_json(dtype_spec, zarr_format=zarr_format)


def get_data_type_from_native_dtype(dtype: npt.DTypeLike) -> AnyZDType:
    """Return the data type for what NumPy can make a data type of."""
    return data_type_registry.match_dtype(np.dtype(dtype))


def parse_dtype(dtype_spec: ZDTypeLike, *, zarr_format: ZarrFormat = 3) -> AnyZDType:
    """Return the data type that a user means.

    Parameters
    ----------
    dtype_spec : ZDType, str, dict, type or numpy.dtype
        A data type, its name in a document or the object there, or what NumPy can make a data type of.
    zarr_format : {2, 3}
        The format of the document.

    Returns
    -------
    ZDType

    Raises
    ------
    UnsupportedError
        There is no such data type.
    TypeError
        It is not a data type at all.

    Examples
    --------
    >>> parse_dtype("uint16"), parse_dtype(">f8")
    (UInt16(endianness='little'), Float64(endianness='big'))
    """
    if isinstance(dtype_spec, ZDType):
        return dtype_spec
    if hasattr(dtype_spec, "to_native_dtype"):
        # zarr's own, by duck typing. NumPy has one type for all that have an object codec.
        if object_codec_id := getattr(dtype_spec, "object_codec_id", None):
            return get_data_type_from_json({"name": "|O", "object_codec_id": object_codec_id}, zarr_format=2)
        return get_data_type_from_native_dtype(cast(Any, dtype_spec).to_native_dtype())
    if isinstance(dtype_spec, Mapping):
        return get_data_type_from_json(cast(JSON, dtype_spec), zarr_format=zarr_format)
    if dtype_spec is str or (isinstance(dtype_spec, str) and dtype_spec == "str"):
        # To NumPy this is text of length 0.
        return data_type_registry.get("string")()
    if isinstance(dtype_spec, str) and _key_of(dtype_spec) in data_type_registry.contents:
        return get_data_type_from_json(dtype_spec, zarr_format=3)
    return get_data_type_from_native_dtype(dtype_spec)


def parse_data_type(dtype_spec: ZDTypeLike, *, zarr_format: ZarrFormat = 3) -> AnyZDType:
    """`parse_dtype`, by its other name."""
    return parse_dtype(dtype_spec, zarr_format=zarr_format)
