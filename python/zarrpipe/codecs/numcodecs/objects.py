"""`numcodecs.json2` and `numcodecs.msgpack2`: a chunk as one list of its items, its data type and its shape at the end.

In JSON: ``{"name": "numcodecs.json2", "configuration": {"sort_keys": true}}``. A chunk of two items is then stored as
``["a",{"b":null},"|O",[2]]``, and one of several axes as lists in lists.

Of chunks in Fortran order, and those without axes, numcodecs reads something else than it wrote. What it reads right is
written here: a flat list, in the order of the chunk. What it wrote is read as it was meant, by its shape.

Source: numcodecs, `numcodecs.json` and `numcodecs.msgpacks` (https://numcodecs.readthedocs.io).
"""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from zarrpipe._types import JSON, MemoryOrder
from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.abc.codec import ArrayBytesCodec
from zarrpipe.dtypes.objects import import_msgpack
from zarrpipe.errors import CodecError, MetadataError
from zarrpipe.metadata.extension import check_fields, parse_extension
from zarrpipe.metadata.json import located
from zarrpipe.spec import ArraySpec

__all__ = ["JSON2", "ItemList", "MsgPack2"]


@dataclass(frozen=True, kw_only=True)
class ItemList(ArrayBytesCodec):
    """What the two share. A subclass has the fields of the configuration.

    Parameters
    ----------
    order : {"C", "F"}
        The order of items in a chunk; no part of the configuration.
    """

    order: MemoryOrder = "C"

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    is_fixed_size: ClassVar[bool] = False  # type: ignore[misc]

    @classmethod
    def _configurable(cls) -> list[str]:
        return [field.name for field in fields(cls) if field.name != "order"]

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return the codec of a document.

        Raises
        ------
        MetadataError
            It is malformed, or the codec cannot have the configuration.
        """
        document = parse_extension(data, what="a codec", ignorable=True)
        if document["name"] != cls.name:
            raise MetadataError(f"{document['name']!r} is not the codec {cls.name!r}", at="/name")
        configuration: Any = document.get("configuration", {})
        with located("/configuration"):
            check_fields(configuration, frozenset(cls._configurable()), what=f"the codec {cls.name!r}")
            return cls(**configuration)

    def to_dict(self) -> dict[str, JSON]:
        """Return the codec's document."""
        return {"name": self.name, "configuration": {name: getattr(self, name) for name in self._configurable()}}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        raise NotImplementedError(f"the encoded size of {self.name} varies")

    @abstractmethod
    def _dumps(self, items: list[Any]) -> bytes:
        """Return a list as bytes."""

    @abstractmethod
    def _loads(self, data: bytes) -> Any:
        """Return the list; any ValueError, TypeError, LookupError or RecursionError where the bytes are of none."""

    def encode_array(self, array: npt.NDArray[Any]) -> bytes:
        """Return an array as the list of its items."""
        if array.dtype.kind == "T":
            array = array.astype(object)
        if array.ndim == 0 or (array.ndim > 1 and self.order == "F"):
            array = array.reshape(-1, order=self.order)
        return self._dumps([*array.tolist(), array.dtype.str, array.shape])

    def decode_array(self, data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """Return the array of a list, which must have this shape.

        Raises
        ------
        CodecError
            It has another shape, items that are not of the data type, or is no list.
        """
        *items, _, stored = self._parsed(data)
        count = math.prod(shape)
        # For no axes, numcodecs' own form is the same list.
        is_flat = stored == [count] or stored == list(shape) == []
        if not is_flat and stored != list(shape):
            raise CodecError(f"a chunk of shape {stored!r} is stored where one of {shape} should be", codec=self.name)
        if not is_flat:
            items = self._flat(items, shape)
        if len(items) != count:
            raise CodecError(f"{len(items)} items are stored where the chunk has {count}", codec=self.name)
        return self._array(items, dtype).reshape(shape, order=self.order if is_flat else "C")

    def stored_shape(self, data: bytes) -> tuple[int, ...]:
        """Return the shape that a list names at its end."""
        shape = self._parsed(data)[-1]
        if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
            raise CodecError(f"{shape!r} is no shape", codec=self.name)
        return tuple(shape)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        return chunk_spec.prototype.buffer.from_bytes(self.encode_array(chunk_data.as_numpy_array()))

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = chunk_spec.dtype.to_native_dtype()
        array = self.decode_array(chunk_data.to_bytes(), dtype, tuple(chunk_spec.shape))
        return chunk_spec.prototype.nd_buffer.from_numpy_array(array)

    def _parsed(self, data: bytes) -> list[Any]:
        try:
            items = self._loads(data)
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise CodecError(f"not a list of items: {error}", codec=self.name) from None
        if not isinstance(items, list) or len(items) < 2:
            raise CodecError("not a list with a data type and a shape at its end", codec=self.name)
        return items

    def _flat(self, items: list[Any], shape: tuple[int, ...]) -> list[Any]:
        """Return the items of lists in lists, after checking that there are as many as the shape says."""
        for inner in shape[1:]:
            if not all(isinstance(item, list) and len(item) == inner for item in items):
                raise CodecError(f"the lists are not those of a chunk of {shape}", codec=self.name)
            items = list(chain.from_iterable(items))
        return items

    def _array(self, items: Sequence[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        if dtype.kind == "O":
            return np.fromiter(items, dtype=object, count=len(items))
        try:
            return np.array(items, dtype=dtype).reshape(len(items))
        except (ValueError, TypeError, OverflowError) as error:
            raise CodecError(f"the items are not of the type {dtype}: {error}", codec=self.name) from None


@dataclass(frozen=True, kw_only=True)
class JSON2(ItemList):
    """Items as JSON text. The parameters are those of `json.JSONEncoder`, but for two.

    Parameters
    ----------
    encoding : str
        The encoding of the text.
    strict : bool
        Whether control characters inside of strings are an error.

    Raises
    ------
    MetadataError
        A parameter has a value that it cannot have.

    Examples
    --------
    >>> JSON2().to_dict()["configuration"]["separators"]
    [',', ':']
    """

    encoding: str = "utf-8"
    skipkeys: bool = False
    ensure_ascii: bool = True
    check_circular: bool = True
    allow_nan: bool = True
    sort_keys: bool = True
    indent: int | str | None = None
    separators: Sequence[str] | None = None
    strict: bool = True

    name: ClassVar[str] = "numcodecs.json2"

    def __post_init__(self) -> None:
        for name in ("skipkeys", "ensure_ascii", "check_circular", "allow_nan", "sort_keys", "strict"):
            if not isinstance(getattr(self, name), bool):
                raise MetadataError(f"{name} is true or false, not {getattr(self, name)!r}")
        if isinstance(self.indent, bool) or not isinstance(self.indent, int | str | None):
            raise MetadataError(f"indent is an integer, a string or null, not {self.indent!r}")
        try:
            "".encode(self.encoding)
        except (LookupError, TypeError, ValueError):
            raise MetadataError(f"{self.encoding!r} is no encoding of text", at="/encoding") from None
        # Of numcodecs': the same text in all versions of Python.
        given: Any = (
            ((",", ":") if self.indent is None else (", ", ": ")) if self.separators is None else self.separators
        )
        if isinstance(given, str) or len(given) != 2 or not all(isinstance(text, str) for text in given):
            raise MetadataError(f"separators are two strings, not {given!r}", at="/separators")
        object.__setattr__(self, "separators", tuple(given))

    def to_dict(self) -> dict[str, JSON]:
        document: Any = super().to_dict()
        document["configuration"]["separators"] = list(cast("Sequence[str]", self.separators))
        return cast("dict[str, JSON]", document)

    def _dumps(self, items: list[Any]) -> bytes:
        encoder = json.JSONEncoder(
            skipkeys=self.skipkeys,
            ensure_ascii=self.ensure_ascii,
            check_circular=self.check_circular,
            allow_nan=self.allow_nan,
            sort_keys=self.sort_keys,
            indent=self.indent,
            separators=cast("tuple[str, str]", self.separators),
        )
        return encoder.encode(items).encode(self.encoding)

    def _loads(self, data: bytes) -> Any:
        return json.loads(data.decode(self.encoding), strict=self.strict)


@dataclass(frozen=True, kw_only=True)
class MsgPack2(ItemList):
    """Items as MessagePack, by the package `msgpack`.

    Parameters
    ----------
    use_single_float : bool
        Whether numbers lose half of their bits.
    use_bin_type : bool
        Whether bytes are told from text.
    raw : bool
        Whether text is read as bytes.

    Raises
    ------
    MetadataError
        A parameter is neither true nor false.
    UnsupportedError
        The package is missing.
    """

    use_single_float: bool = False
    use_bin_type: bool = True
    raw: bool = False

    name: ClassVar[str] = "numcodecs.msgpack2"

    def __post_init__(self) -> None:
        for name in self._configurable():
            if not isinstance(getattr(self, name), bool):
                raise MetadataError(f"{name} is true or false, not {getattr(self, name)!r}")
        import_msgpack()

    def _dumps(self, items: list[Any]) -> bytes:
        packed = import_msgpack().packb(items, use_bin_type=self.use_bin_type, use_single_float=self.use_single_float)
        return bytes(packed)

    def _loads(self, data: bytes) -> Any:
        # numcodecs refuses dictionaries whose keys are no text, which it has written.
        return import_msgpack().unpackb(data, raw=self.raw, strict_map_key=False)
