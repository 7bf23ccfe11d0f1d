"""Structures: items of named fields, each of its own data type, one after another without gaps.

In JSON::

    {"name": "struct", "configuration": {"fields": [
        {"name": "x", "data_type": "float32"}, {"name": "y", "data_type": "float32"}]}}

`structured` is the name of before, with fields ``["x", "float32"]``; both forms are read under either name. Fields may
be structures, but not of variable length. v2 has fields that are arrays, ``["x", "<f4", [2, 3]]``, v3 has not.

Fill value in JSON: an object with each field's. In v2, and in older documents of v3, an item's bytes in base64.

Fields of both byte orders, ``[["a", "<i4"], ["b", ">f8"]]``, are stored so in v2; in memory, and in v3, all have one.

A NumPy structure with gaps becomes one without; what is assigned to an array is converted, field by field in order.

Source: zarr-extensions, data-types/struct and data-types/structured; Zarr v2 specification, "Data type encoding".
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias, cast

import numpy as np

from zarrpipe._types import JSON, Endianness, Layout, ZarrFormat
from zarrpipe.dtypes.fixed_length import from_base64
from zarrpipe.dtypes.numeric import HasItemSize, v2_name
from zarrpipe.dtypes.registry import AnyZDType, get_data_type_from_json, get_data_type_from_native_dtype
from zarrpipe.dtypes.sub_array import SubArray, joined_runs
from zarrpipe.dtypes.zdtype import TBaseDType, ZDType, check_extension, pointer
from zarrpipe.errors import MetadataError, UnsupportedError

__all__ = ["StoredStruct", "Struct", "Structured", "as_stored", "byte_orders"]

Fields: TypeAlias = tuple[tuple[str, AnyZDType], ...]


def byte_orders(dtype: TBaseDType) -> set[Endianness]:
    """Return the byte orders of what items of a NumPy data type consist of: none, one or both.

    Examples
    --------
    >>> byte_orders(np.dtype(">i2")), byte_orders(np.dtype("u1")), len(byte_orders(np.dtype(">i2,<i2")))
    ({'big'}, set(), 2)
    """
    if dtype.subdtype is not None:
        return byte_orders(dtype.subdtype[0])
    if dtype.names is not None:
        return set().union(*(byte_orders(dtype[name]) for name in dtype.names))
    match dtype.str[0]:
        case "<":
            return {"little"}
        case ">":
            return {"big"}
        case _:
            return set()


@dataclass(frozen=True, kw_only=True)
class Struct(ZDType[np.dtype[np.void], np.void], HasItemSize):
    """A structure.

    Parameters
    ----------
    fields : tuple of (str, ZDType)
        The names and data types of its fields, in order.

    Raises
    ------
    MetadataError
        There are none, a name is empty or there twice, or a field has no fixed size.

    Examples
    --------
    >>> struct = Struct.from_native_dtype(np.dtype([("id", "u1"), ("value", "f4")]))
    >>> struct.layout()
    ('opaque', 5, ((1, 4, 1),))
    >>> struct.to_json_scalar((1, 0.5), zarr_format=3)
    {'id': 1, 'value': 0.5}
    """

    fields: Fields

    dtype_cls = cast(Any, np.dtypes.VoidDType)
    _zarr_v3_name = "struct"

    def __post_init__(self) -> None:
        if not self.fields:
            raise MetadataError("a structure has at least one field")
        names: set[str] = set()
        for index, (name, data_type) in enumerate(self.fields):
            at = f"/{index}"
            if type(name) is not str or not name:
                raise MetadataError(f"a field's name is a string with something in it, not {name!r}", at=at)
            if name in names:
                raise MetadataError(f"there are two fields {name!r}", at=at)
            if not isinstance(data_type, HasItemSize):
                raise MetadataError(f"a field has a fixed size, which {data_type!r} has not", at=at)
            names.add(name)
        if self.item_size >= 2**31:
            raise UnsupportedError(f"NumPy has no items of {self.item_size} bytes")

    # The NumPy data type

    @classmethod
    def _check_native_dtype(cls, dtype: TBaseDType) -> bool:
        return dtype.names is not None

    @classmethod
    def from_native_dtype(cls, dtype: TBaseDType) -> Self:
        if not cls._check_native_dtype(dtype):
            raise TypeError(f"{cls.__name__} is not the data type of {dtype!r}")
        fields = []
        for name in cast("tuple[str, ...]", dtype.names):
            native, _, *title = cast(Any, dtype.fields)[name]
            if title:
                raise UnsupportedError(f"the field {name!r} has a title, {title[0]!r}, which Zarr has not")
            fields.append((name, _field_of(native)))
        return cls(fields=tuple(fields))

    def to_native_dtype(self) -> np.dtype[np.void]:
        return np.dtype([(name, data_type.to_native_dtype()) for name, data_type in self.fields])

    def _native(self) -> np.dtype[np.void]:
        """Return the NumPy data type in the host's byte order."""
        return self.to_native_dtype().newbyteorder("=")

    @property
    def item_size(self) -> int:
        return sum(cast(HasItemSize, data_type).item_size for _, data_type in self.fields)

    def has_multi_byte_fields(self) -> bool:
        """Whether a field has more than one byte: then documents name a byte order, even where nothing has one."""
        return any(cast(HasItemSize, data_type).item_size > 1 for _, data_type in self.fields)

    # Names in metadata

    @classmethod
    def _from_json_v2(cls, data: JSON) -> Self:
        fields = v2_name(data, cls._zarr_v3_name)
        if isinstance(fields, str) or not isinstance(fields, Sequence):
            raise MetadataError(f"a structure is an array of fields, not {fields!r}")
        return cls(fields=tuple(_field_v2(field, index) for index, field in enumerate(fields)))

    @classmethod
    def _from_json_v3(cls, data: JSON) -> Self:
        name, configuration = check_extension(data)
        if name != cls._zarr_v3_name:
            raise MetadataError(f"{name!r} is not the data type {cls._zarr_v3_name!r}")
        if set(configuration) != {"fields"}:
            raise MetadataError(f"the data type {name!r} is configured by fields alone", at="/configuration")
        fields = configuration["fields"]
        if isinstance(fields, str) or not isinstance(fields, Sequence):
            raise MetadataError(f"fields are an array, not {fields!r}", at="/configuration/fields")
        try:
            return cls(fields=tuple(_field_v3(field, index) for index, field in enumerate(fields)))
        except (MetadataError, UnsupportedError) as error:
            error.at = "/configuration/fields" + (error.at or "")
            raise

    def to_json(self, zarr_format: ZarrFormat) -> JSON:
        if zarr_format == 2:
            names = [_field_json_v2(name, data_type) for name, data_type in self.fields]
            return {"name": names, "object_codec_id": None}
        fields = [self._field_json(name, data_type.to_json(3)) for name, data_type in self.fields]
        return {"name": self._zarr_v3_name, "configuration": {"fields": fields}}

    @staticmethod
    def _field_json(name: str, data_type: JSON) -> JSON:
        return {"name": name, "data_type": data_type}

    # Scalars

    def _check_scalar(self, data: object) -> bool:
        if isinstance(data, tuple | list | Mapping):
            return len(data) == len(self.fields)
        return isinstance(data, bytes | np.void) or (isinstance(data, int) and data == 0)

    def cast_scalar(self, data: object) -> np.void:
        if not self._check_scalar(data):
            raise TypeError(f"{data!r} is not an item of {len(self.fields)} fields")
        if isinstance(data, np.void):
            if data.dtype.names is None or len(data.dtype.names) != len(self.fields):
                raise TypeError(f"{data!r} is not an item of {len(self.fields)} fields")
            return cast(np.void, np.array(data).astype(self.to_native_dtype())[()])
        if isinstance(data, bytes):
            return self._of_bytes(data, self.to_native_dtype())
        if isinstance(data, int):
            return self.default_scalar()
        values: Any = data
        if isinstance(values, Mapping):
            if set(values) != {name for name, _ in self.fields}:
                raise TypeError(f"{data!r} does not have the fields {', '.join(name for name, _ in self.fields)}")
            values = [values[name] for name, _ in self.fields]
        return self._of_values(values)

    def _of_values(self, values: Sequence[object]) -> np.void:
        # As bytes: assignment could lose the payload of a NaN.
        parts = [data_type.fill_bytes(value) for (_, data_type), value in zip(self.fields, values, strict=True)]
        return self._of_bytes(b"".join(parts), self._native())

    def _of_bytes(self, raw: bytes, stored: np.dtype[Any]) -> np.void:
        if len(raw) != stored.itemsize:
            raise MetadataError(f"an item has {stored.itemsize} bytes, the fill value {len(raw)}")
        return cast(np.void, np.frombuffer(raw, stored).astype(self.to_native_dtype())[0])

    def default_scalar(self) -> np.void:
        return cast(np.void, np.zeros((), self.to_native_dtype())[()])

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.void:
        if zarr_format == 3 and isinstance(data, Mapping):
            return self._from_object(data)
        if not isinstance(data, str):
            form = "a string in base64" if zarr_format == 2 else "an object with each field's"
            raise MetadataError(f"the fill value of a structure is {form}, not {data!r}")
        # v2 names each field's byte order; v3 has none, and meant this one.
        native = self.to_native_dtype()
        stored = native if zarr_format == 2 else native.newbyteorder("<")
        return self._of_bytes(from_base64(data, "a structure"), stored)

    def _from_object(self, data: Mapping[str, JSON]) -> np.void:
        if unknown := sorted(set(data) - {name for name, _ in self.fields}):
            raise MetadataError(f"there is no field {unknown[0]!r}", at=pointer(unknown[0]))
        values = []
        for name, data_type in self.fields:
            if name not in data:
                raise MetadataError(f"the fill value has no field {name!r}")
            try:
                values.append(data_type.from_json_scalar(data[name], zarr_format=3))
            except MetadataError as error:
                raise MetadataError(error.message, at=pointer(name) + (error.at or "")) from None
        return self._of_values(values)

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        scalar = self.cast_scalar(data)
        if zarr_format == 2:
            return base64.b64encode(scalar.tobytes()).decode()
        return {name: data_type.to_json_scalar(scalar[name], zarr_format=3) for name, data_type in self.fields}

    # What the engine asks

    def layout(self) -> Layout:
        runs, offset = [], 0
        for _, data_type in self.fields:
            _, nbytes, field_runs = data_type.layout()
            runs += [(offset + start, size, count) for start, size, count in field_runs if self._is_swapped(data_type)]
            offset += nbytes
        return "opaque", offset, joined_runs(runs)

    def _is_swapped(self, data_type: AnyZDType) -> bool:  # noqa: ARG002
        """Whether a field has the byte order of chunks."""
        return True

    def fill_bytes(self, scalar: object) -> bytes:
        return np.array(self.cast_scalar(scalar)).astype(self._native()).tobytes()


@dataclass(frozen=True, kw_only=True)
class Structured(Struct):
    """A structure by its name of before, which is kept when a document is written again."""

    _zarr_v3_name = "structured"

    @staticmethod
    def _field_json(name: str, data_type: JSON) -> JSON:
        return [name, data_type]


@dataclass(frozen=True, kw_only=True)
class StoredStruct(Struct):
    """A structure whose fields are stored in both byte orders, each in its own, as v2 has them.

    Chunks have one byte order: the one that the host has not. So only the fields that are stored in it are swapped.
    """

    def _is_swapped(self, data_type: AnyZDType) -> bool:
        return byte_orders(data_type.to_native_dtype()) != {sys.byteorder}


def as_stored(data_type: AnyZDType) -> AnyZDType:
    """Return the data type of v2 chunks: `StoredStruct` for structures with fields of both byte orders.

    Examples
    --------
    >>> as_stored(Struct.from_native_dtype(np.dtype("u2,u1"))).layout()
    ('opaque', 3, ((0, 2, 1),))
    """
    if len(byte_orders(data_type.to_native_dtype())) < 2:
        return data_type
    if isinstance(data_type, SubArray):
        return SubArray(item=as_stored(data_type.item), shape=data_type.shape)
    fields = cast(Struct, data_type).fields
    return StoredStruct(fields=tuple((name, as_stored(field)) for name, field in fields))


def _field_of(native: TBaseDType) -> AnyZDType:
    if native.subdtype is None:
        return get_data_type_from_native_dtype(native)
    item, shape = native.subdtype
    return SubArray(item=get_data_type_from_native_dtype(item), shape=shape)


def _field_v2(field: JSON, index: int) -> tuple[str, AnyZDType]:
    if isinstance(field, str) or not isinstance(field, Sequence) or len(field) not in (2, 3):
        raise MetadataError(f"a field is an array of name, type and perhaps shape, not {field!r}", at=f"/{index}")
    name, type_name, *shape = field
    step = 1
    try:
        data_type = get_data_type_from_json(type_name, zarr_format=2)
        step = 2
        return cast(str, name), SubArray(item=data_type, shape=_shape(shape[0])) if shape else data_type
    except (MetadataError, UnsupportedError) as error:
        error.at = f"/{index}/{step}{error.at or ''}"
        raise


def _shape(data: JSON) -> tuple[int, ...]:
    lengths = [data] if isinstance(data, int) else data
    if not isinstance(lengths, Sequence) or not all(type(length) is int for length in lengths):
        raise MetadataError(f"a field's shape is an array of integers, not {data!r}")
    return tuple(cast("Sequence[int]", lengths))


def _field_v3(field: JSON, index: int) -> tuple[str, AnyZDType]:
    at, step = f"/{index}", "/data_type"
    if isinstance(field, Mapping) and set(field) == {"name", "data_type"}:
        name, data_type = field["name"], field["data_type"]
    elif isinstance(field, Sequence) and not isinstance(field, str) and len(field) == 2:
        (name, data_type), step = field, "/1"
    else:
        raise MetadataError(f"a field is an object with name and data_type, not {field!r}", at=at)
    try:
        return cast(str, name), get_data_type_from_json(data_type, zarr_format=3)
    except (MetadataError, UnsupportedError) as error:
        error.at = at + step + (error.at or "")
        raise


def _field_json_v2(name: str, data_type: AnyZDType) -> JSON:
    if isinstance(data_type, SubArray):
        return [name, cast(Any, data_type.item.to_json(2))["name"], list(data_type.shape)]
    return [name, cast(Any, data_type.to_json(2))["name"]]
