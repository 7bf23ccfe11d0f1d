"""Objects of format 2: what `|O` means where the object codec is `json2`, `msgpack2`, `vlen-array` or `categorize`.

In ``.zarray``: ``"dtype": "|O", "filters": [{"id": "vlen-array", "dtype": "<i4"}]``.

In memory they are arrays of Python objects. The engine moves them as it moves bytes of any length, each item as text or
bytes of its own (`pack_objects`), made and read here and nowhere else. Format 3 has no such data types.

Source: Zarr v2 specification, "Filters"; numcodecs (https://numcodecs.readthedocs.io).
"""

# ruff: noqa: ARG002, ARG003 - `zarr_format` is a part of the contract; these are of format 2 alone.

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Self, cast

import numpy as np
import numpy.typing as npt

from zarrpipe._types import JSON, ZarrFormat
from zarrpipe.dtypes.variable import VariableDType, VariableLengthUTF8
from zarrpipe.dtypes.zdtype import TBaseDType
from zarrpipe.errors import CodecError, MetadataError, UnsupportedError

__all__ = ["CategorizedText", "JSONObjects", "MsgPackObjects", "ObjectDType", "RaggedArrays", "object_data_type"]


@dataclass(frozen=True, kw_only=True)
class ObjectDType(VariableDType[np.dtypes.ObjectDType, Any]):
    """What the data types of objects share."""

    dtype_cls = np.dtypes.ObjectDType
    _zarr_v3_name = "object"
    _v3_names = ()
    _content = "bytes"

    @classmethod
    def _check_native_dtype(cls, dtype: TBaseDType) -> bool:
        # Objects may be anything: nobody means this data type by them alone.
        return False

    @classmethod
    def from_native_dtype(cls, dtype: TBaseDType) -> Self:
        raise TypeError(f"{cls.__name__} is told from other data types of objects by the codec, not by {dtype!r}")

    def to_native_dtype(self) -> np.dtypes.ObjectDType:
        return np.dtypes.ObjectDType()

    def to_json(self, zarr_format: ZarrFormat) -> JSON:
        if zarr_format == 2:
            return super().to_json(2)
        raise UnsupportedError(f"format 3 has no data type for objects of {self.object_codec_id}; format 2 has")

    # Items and what the engine has of them

    @abstractmethod
    def dumps(self, item: Any) -> bytes:
        """Return an item as bytes. Items are the fill value where these are the fill value's.

        Raises
        ------
        TypeError, ValueError, OverflowError
            The codec has no form for it.
        """

    @abstractmethod
    def loads(self, data: bytes) -> Any:
        """Return the item of its bytes.

        Raises
        ------
        CodecError
            They are not those of an item.
        """

    def pack_objects(self, items: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an array of `dumps` of each item."""
        return _map(self.dumps, items)

    def unpack_objects(self, items: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an array of `loads` of each item."""
        return _map(self.loads, items)

    def to_array(self, value: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """Return what is assigned to a selection of this shape as an array of objects that can be broadcast to it.

        An item may be a sequence: of nested ones, no more levels are taken for axes than the selection has.
        """
        if isinstance(value, np.ndarray):
            return value if value.dtype == object else value.astype(object)
        if shape == ():
            return _one(value)
        array = np.empty(shape, dtype=object)
        array[...] = value
        return array

    def as_array(self, value: Any, ndim: int) -> npt.NDArray[Any]:
        """Return a value as an array of objects with this many axes."""
        shape: tuple[int, ...] = ()
        inner = value
        while len(shape) < ndim and not isinstance(value, np.ndarray):
            shape += (len(inner),)
            inner = inner[0] if len(inner) else ()
        return self.to_array(value, shape)

    # Scalars

    def _check_scalar(self, data: object) -> bool:
        return True

    def cast_scalar(self, data: object) -> Any:
        if isinstance(data, np.ndarray) and data.dtype == object and data.ndim == 0:
            return self.cast_scalar(data[()])
        try:
            return self.loads(self.dumps(data))
        except ValueError as error:
            raise TypeError(f"{data!r} is no item of {self.object_codec_id}: {error}") from None

    def default_scalar(self) -> Any:
        return None

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> Any:
        try:
            return self.cast_scalar(data)
        except TypeError as error:
            raise MetadataError(f"{error}") from None

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        return cast(JSON, self.cast_scalar(data))

    def fill_bytes(self, scalar: object) -> bytes:
        return self.dumps(scalar)


def _map(function: Callable[[Any], Any], items: npt.NDArray[Any]) -> npt.NDArray[Any]:
    mapped = np.empty_like(items, dtype=object, subok=False)
    # Assignment of a list could take items that are sequences apart.
    mapped[...] = np.fromiter(map(function, items.flat), dtype=object, count=items.size).reshape(items.shape)
    return mapped


def _one(item: Any) -> npt.NDArray[Any]:
    return np.fromiter([item], dtype=object, count=1).reshape(())


def _plain(value: object) -> object:
    """Return Python's number for NumPy's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"an object of {type(value)} has no form in an array of JSON or MessagePack")


@dataclass(frozen=True, kw_only=True)
class JSONObjects(ObjectDType):
    """Whatever JSON has: text, numbers, booleans, None, and lists and dictionaries of these.

    Examples
    --------
    >>> JSONObjects().cast_scalar({"a": (1, None)})
    {'a': [1, None]}
    """

    object_codec_id = "json2"

    def dumps(self, item: Any) -> bytes:
        return json.dumps(item, separators=(",", ":"), default=_plain).encode()

    def loads(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise CodecError(f"an item is no JSON: {error}") from None


@dataclass(frozen=True, kw_only=True)
class MsgPackObjects(ObjectDType):
    """Whatever MessagePack has: as JSON, and bytes. The package `msgpack` does the work."""

    object_codec_id = "msgpack2"

    def __post_init__(self) -> None:
        import_msgpack()

    def dumps(self, item: Any) -> bytes:
        return bytes(import_msgpack().packb(item, use_bin_type=True, default=_plain))

    def loads(self, data: bytes) -> Any:
        try:
            return import_msgpack().unpackb(data, raw=False, strict_map_key=False)
        except (ValueError, TypeError, RecursionError) as error:
            raise CodecError(f"an item is no MessagePack: {error}") from None


def import_msgpack() -> Any:
    """Return the package.

    Raises
    ------
    UnsupportedError
        It is not installed.
    """
    try:
        return import_module("msgpack")
    except ImportError:
        raise UnsupportedError("objects of msgpack2 need a package: pip install zarrpipe[numcodecs]") from None


@dataclass(frozen=True, kw_only=True)
class RaggedArrays(ObjectDType):
    r"""Arrays of one axis and any length, of one data type.

    Parameters
    ----------
    item : numpy.dtype
        The data type, in the byte order of what is stored.

    Raises
    ------
    MetadataError
        NumPy has no such data type, or items of it have no bytes of their own.

    Examples
    --------
    >>> RaggedArrays(item=np.dtype(">i2")).dumps([1, 2])
    b'\x00\x01\x00\x02'
    """

    item: np.dtype[Any]

    object_codec_id = "vlen-array"

    def __post_init__(self) -> None:
        given: Any = self.item
        try:
            item: np.dtype[Any] = np.dtype(given)
        except (TypeError, ValueError, SyntaxError):
            raise MetadataError(f"{given!r} is not a data type") from None
        # NumPy's for None is a float.
        if given is None or item.hasobject or item.itemsize == 0:
            raise MetadataError(f"{given!r} is not a data type whose items have bytes of their own")
        object.__setattr__(self, "item", item)

    @property
    def object_codec(self) -> dict[str, JSON]:
        return {"id": self.object_codec_id, "dtype": self.item.str}

    def dumps(self, item: Any) -> bytes:
        if item is None or (isinstance(item, int | str) and item in (0, "")):
            # What numcodecs, too, takes for an array that is missing, and stores as one without items.
            return b""
        array = np.asarray(item, dtype=self.item)
        if array.ndim != 1:
            raise ValueError(f"an item is an array of one axis, not of {array.ndim}")
        return array.tobytes()

    def loads(self, data: bytes) -> Any:
        if len(data) % self.item.itemsize:
            raise CodecError(f"an item has {len(data)} bytes, which are no whole number of {self.item}")
        return np.frombuffer(data, dtype=self.item).astype(self.item.newbyteorder("="))

    def to_array(self, value: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        if isinstance(value, np.ndarray) and value.dtype != object:
            if value.ndim == 1:
                return _one(value)
            rows = np.empty(value.shape[:-1], dtype=object)
            for at in np.ndindex(rows.shape):
                rows[at] = value[at]
            return rows
        return super().to_array(value, shape)

    def default_scalar(self) -> Any:
        return self.loads(b"")

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        # zarr-python has 0 there.
        return cast(JSON, self.cast_scalar(data).tolist() or 0)


@dataclass(frozen=True, kw_only=True)
class CategorizedText(VariableLengthUTF8):
    """Text that is stored as the numbers of labels."""

    object_codec_id = "categorize"


_BY_CODEC: Final[dict[str, type[JSONObjects | MsgPackObjects | CategorizedText]]] = {
    cls.object_codec_id: cls for cls in (JSONObjects, MsgPackObjects, CategorizedText)
}


def object_data_type(config: Mapping[str, JSON]) -> ObjectDType | CategorizedText | None:
    """Return the data type of objects for which a codec is; None where they are text or bytes.

    Parameters
    ----------
    config : mapping
        numcodecs' configuration of the codec, with its `id`.

    Raises
    ------
    MetadataError
        The configuration names no data type for arrays.
    UnsupportedError
        A package is missing.

    Examples
    --------
    >>> object_data_type({"id": "vlen-array", "dtype": "<i4"})
    RaggedArrays(item=dtype('int32'))
    """
    codec_id = str(config["id"])
    if codec_id == RaggedArrays.object_codec_id:
        return RaggedArrays(item=cast(Any, config.get("dtype")))
    cls = _BY_CODEC.get(codec_id)
    return None if cls is None else cls()
