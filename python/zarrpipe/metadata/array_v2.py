"""The documents of a v2 array: `.zarray`, and `.zattrs` beside it.

In JSON: ``{"zarr_format": 2, "shape": [4], "chunks": [2], "dtype": "<i2", "compressor": {"id": "zstd", "level": 0},
"fill_value": 0, "order": "C", "filters": null, "dimension_separator": "."}``.

Source: Zarr v2 specification, "Arrays" (https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Final, Literal, Self, cast

import numpy as np

from zarrpipe._types import JSON, MemoryOrder
from zarrpipe.abc.metadata import Metadata
from zarrpipe.dtypes import ZDType, get_data_type_from_json, object_data_type, parse_dtype
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.metadata.array import MAX_NDIM
from zarrpipe.metadata.chunk_axis import parse_length
from zarrpipe.metadata.grid import RegularChunkGrid, parse_lengths
from zarrpipe.metadata.group import parse_attributes
from zarrpipe.metadata.json import dumps, in_document, loads, located, pointer
from zarrpipe.metadata.keys import Separator, V2ChunkKeyEncoding
from zarrpipe.metadata.nodes import ZARRAY, ZATTRS, join_key

__all__ = ["ArrayV2Metadata", "check_format_v2", "parse_numcodecs_config", "parse_object_dtype"]

_MANDATORY = ("shape", "chunks", "dtype", "compressor", "order")
_OWN = frozenset({"zarr_format", *_MANDATORY, "fill_value", "filters", "dimension_separator", "attributes"})

# Codecs that turn objects into bytes: the data type "|O" means what one of them takes.
_OBJECT_CODECS: Final = frozenset(
    {"vlen-utf8", "vlen-bytes", "vlen-array", "json2", "msgpack2", "categorize", "pickle"}
)


def check_format_v2(data: Mapping[str, JSON]) -> None:
    """Raise MetadataError unless a document says that it is of format 2."""
    zarr_format = data.get("zarr_format")
    # 2.0 is not the integer 2.
    if type(zarr_format) is not int or zarr_format != 2:
        raise MetadataError(f"zarr_format is 2, not {zarr_format!r}", at="/zarr_format")


def parse_numcodecs_config(data: object) -> dict[str, JSON]:
    """Return the configuration of a filter or compressor as v2 has it: an object with the codec's `id`.

    netCDF-C writes numbers in it as strings (``"level": "9"``); they are taken for numbers.

    Raises
    ------
    MetadataError
        It is something else.
    """
    if not isinstance(data, Mapping) or not all(isinstance(name, str) for name in data):
        raise MetadataError(f"a codec of format 2 is an object, not {data!r}")
    codec_id = data.get("id")
    if not isinstance(codec_id, str) or not codec_id:
        raise MetadataError(f"the id of a codec is a string, not {codec_id!r}", at="/id")
    return {name: value if name == "id" else _as_number(value) for name, value in data.items()}


def _as_number(value: JSON) -> JSON:
    is_number = isinstance(value, str) and len(value) < 20 and value.isascii() and value.removeprefix("-").isdigit()
    return int(cast(str, value)) if is_number else value


def _parse_filters(data: object) -> tuple[dict[str, JSON], ...] | None:
    if data is None:
        return None
    if not isinstance(data, Sequence) or isinstance(data, str | bytes):
        raise MetadataError(f"filters are an array or null, not {data!r}")
    filters = []
    for index, item in enumerate(data):
        with located(pointer(index)):
            filters.append(parse_numcodecs_config(item))
    # The specification wants null for none; many have written [].
    return tuple(filters) or None


def _parse_chunks(data: object, ndim: int) -> tuple[int, ...]:
    # As zarr-python reads them: one number for an array of one axis, and 0 as 1, because no chunk can be stored where
    # chunks have no items. zarr-python wrote 0 on axes of length 0.
    if isinstance(data, int):
        lengths: tuple[int, ...] = (parse_length(data, what="a chunk shape", least=0),)
    else:
        lengths = parse_lengths(data, what="a chunk shape", least=0)
    chunks = tuple(max(length, 1) for length in lengths)
    if len(chunks) != ndim:
        raise MetadataError(f"chunks have {len(chunks)} axes, the array {ndim}")
    return chunks


def _parse_stored_dtype(name: object, codecs: Sequence[Mapping[str, JSON]]) -> ZDType[Any, Any]:
    """Return the data type of a document; that of objects is what their codec takes."""
    if not isinstance(name, str | list | tuple):
        raise MetadataError(f"a dtype is a string or an array of fields, not {name!r}")
    if name == "|O":
        return parse_object_dtype(codecs)
    spec = {"name": cast(JSON, name), "object_codec_id": None}
    try:
        return get_data_type_from_json(spec, zarr_format=2)
    except UnsupportedError:
        if isinstance(name, str):
            _check_type_string(name)
        raise


def parse_object_dtype(codecs: Sequence[Mapping[str, JSON]]) -> ZDType[Any, Any]:
    """Return the data type of objects: what the first codec takes that turns objects into something else.

    Parameters
    ----------
    codecs : sequence of mapping
        The configurations of the filters and the compressor.

    Raises
    ------
    MetadataError
        No codec takes objects, or one has an impossible configuration.
    UnsupportedError
        The objects are pickled, or a package is missing.
    """
    codec = next((codec for codec in codecs if codec["id"] in _OBJECT_CODECS), None)
    if codec is None:
        raise MetadataError("an array of objects names, among its filters, the codec that turns them into bytes")
    if codec["id"] == "pickle":
        raise UnsupportedError("pickled objects are not read: loading a pickle runs what its bytes say")
    spec = {"name": "|O", "object_codec_id": codec["id"]}
    return object_data_type(codec) or get_data_type_from_json(spec, zarr_format=2)


def _check_type_string(name: str) -> None:
    try:
        np.dtype(name)
    except (TypeError, ValueError, SyntaxError):
        raise MetadataError(f"a dtype is written as NumPy writes it (<i4), not {name!r}") from None


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayV2Metadata(Metadata):
    """A v2 array.

    It offers what the metadata of a v3 array do (`chunk_grid`, `chunk_key_encoding`, ...), but for `codecs`: the chain
    of its filters and its compressor is put together by `zarrpipe.codecs.chain_v2`, which knows the codecs.

    Parameters
    ----------
    shape : tuple of int
        The length of each axis; () for a scalar.
    chunks : tuple of int
        The shape of a chunk.
    dtype : ZDType
        The data type, with the byte order of what is stored. Or what NumPy can make a data type of.
    compressor : dict, optional
        The configuration of the last codec, with its `id`.
    filters : tuple of dict, optional
        The configurations of the codecs before it, in the order of encoding.
    fill_value : scalar, optional
        What items that were never written read as. None leaves it undefined: they read as zero.
    order : {"C", "F"}
        The order of items in a chunk.
    dimension_separator : {".", "/"}
        Between a chunk's coordinates in its key.
    attributes : dict
        The user's, any JSON.
    extra_fields : dict
        Fields of `.zarray` that are not known: kept when it is written.

    Raises
    ------
    MetadataError
        A field has a value that it cannot have; `at` says which.
    UnsupportedError
        The data type is not implemented.

    Examples
    --------
    >>> array = ArrayV2Metadata(shape=(4,), chunks=(2,), dtype=">i2", compressor={"id": "zlib", "level": 1})
    >>> array.to_dict()["dtype"], array.encode_chunk_key((1,))
    ('>i2', '1')
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: ZDType[Any, Any]
    compressor: dict[str, Any] | None
    filters: tuple[dict[str, Any], ...] | None = None
    fill_value: Any = None
    order: MemoryOrder = "C"
    dimension_separator: Separator = "."
    attributes: dict[str, Any] = field(default_factory=dict)
    extra_fields: dict[str, Any] = field(default_factory=dict)

    zarr_format: ClassVar[Literal[2]] = 2
    node_type: ClassVar[Literal["array"]] = "array"
    document_name: ClassVar[str] = ZARRAY
    dimension_names: ClassVar[None] = None

    def __post_init__(self) -> None:
        with located("/shape"):
            shape = parse_lengths(self.shape, what="a shape", least=0)
            if len(shape) > MAX_NDIM:
                raise UnsupportedError(f"arrays of more than {MAX_NDIM} axes are not implemented")
        with located("/chunks"):
            chunks = _parse_chunks(self.chunks, len(shape))
        with located("/dtype"):
            dtype = parse_dtype(self.dtype, zarr_format=2)
        with located("/compressor"):
            compressor = None if self.compressor is None else parse_numcodecs_config(self.compressor)
        with located("/filters"):
            filters = _parse_filters(self.filters)
        if self.order not in ("C", "F"):
            raise MetadataError(f'the order is "C" or "F", not {self.order!r}', at="/order")
        with located("/dimension_separator"):
            V2ChunkKeyEncoding(self.dimension_separator)
        if clash := sorted(_OWN.intersection(self.extra_fields)):
            raise MetadataError(f"an array's own field {clash[0]!r} cannot be an extra one", at=pointer(clash[0]))
        parsed = {
            "shape": shape,
            "chunks": chunks,
            "dtype": dtype,
            "compressor": compressor,
            "filters": filters,
            "fill_value": None if self.fill_value is None else dtype.cast_scalar(self.fill_value),
            "attributes": parse_attributes(self.attributes),
            "extra_fields": dict(self.extra_fields),
        }
        # The class is frozen.
        for name, value in parsed.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return the array of a `.zarray` document, to which its attributes were added under that name.

        Raises
        ------
        MetadataError
            The document is not that of a v2 array.
        UnsupportedError
            The data type is not implemented.
        """
        check_format_v2(data)
        for name in _MANDATORY:
            if name not in data:
                raise MetadataError(f"an array has a field {name!r}", at=pointer(name))
        with located("/compressor"):
            compressor = None if data["compressor"] is None else parse_numcodecs_config(data["compressor"])
        with located("/filters"):
            filters = _parse_filters(data.get("filters"))
        with located("/dtype"):
            dtype = _parse_stored_dtype(data["dtype"], [*(filters or ()), *([compressor] if compressor else ())])
        fill_value = data.get("fill_value")
        if fill_value is not None:
            with located("/fill_value"):
                fill_value = dtype.from_json_scalar(fill_value, zarr_format=2)
        given = ("shape", "chunks", "order", "dimension_separator", "attributes")
        fields: dict[str, Any] = {name: data[name] for name in given if name in data}
        fields.update(dtype=dtype, compressor=compressor, filters=filters, fill_value=fill_value)
        return cls(**fields, extra_fields={name: value for name, value in data.items() if name not in _OWN})

    @classmethod
    def from_bytes(cls, data: bytes, attributes: bytes | None = None, *, path: str = "") -> Self:
        """Return the array of its documents' bytes.

        Parameters
        ----------
        data : bytes
            `.zarray`.
        attributes : bytes, optional
            `.zattrs`; None where there is none.
        path : str
            The array's path, for messages.
        """
        with in_document(join_key(path, ZATTRS)):
            parsed = {} if attributes is None else loads(attributes, allow_nan=True)
        with in_document(join_key(path, ZARRAY)):
            return cls.from_dict({**loads(data, allow_nan=True), "attributes": parsed})

    def _zarray(self) -> dict[str, JSON]:
        fill_value = self.fill_value
        type_document: Any = self.dtype.to_json(2)
        return {
            "zarr_format": self.zarr_format,
            "shape": list(self.shape),
            "chunks": list(self.chunks),
            "dtype": type_document["name"],
            "compressor": self.compressor,
            "fill_value": None if fill_value is None else self.dtype.to_json_scalar(fill_value, zarr_format=2),
            "order": self.order,
            "filters": None if self.filters is None else list(self.filters),
            "dimension_separator": self.dimension_separator,
            **{name: self.extra_fields[name] for name in sorted(self.extra_fields)},
        }

    def to_dict(self) -> dict[str, JSON]:
        """Return `.zarray` with the attributes added to it."""
        return {**self._zarray(), "attributes": self.attributes}

    def to_bytes(self) -> bytes:
        """Return `to_dict` as bytes: the same for the same array."""
        return dumps(self.to_dict(), allow_nan=True)

    def documents(self) -> dict[str, bytes]:
        """Return the documents by name. That which makes it an array is the last."""
        return {ZATTRS: dumps(self.attributes, allow_nan=True), ZARRAY: dumps(self._zarray(), allow_nan=True)}

    # By the document, as for v3.

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArrayV2Metadata):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    # What v3 has under these names

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @cached_property
    def data_type(self) -> ZDType[Any, Any]:
        """The data type of items in memory, which are in the host's byte order; `dtype` has that of what is stored."""
        native: np.dtype[Any] = self.dtype.to_native_dtype()
        return self.dtype if native.isnative else parse_dtype(native.newbyteorder("="))

    @cached_property
    def chunk_grid(self) -> RegularChunkGrid:
        """The grid that `chunks` make."""
        return RegularChunkGrid(self.chunks)

    @cached_property
    def chunk_key_encoding(self) -> V2ChunkKeyEncoding:
        """The encoding that `dimension_separator` makes."""
        return V2ChunkKeyEncoding(self.dimension_separator)

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        """Return the key of a chunk, below the array's."""
        return self.chunk_key_encoding.encode_chunk_key(chunk_coords)

    def update_shape(self, shape: tuple[int, ...]) -> Self:
        """Return the array with another shape and the same chunks."""
        return replace(self, shape=shape)

    def update_attributes(self, attributes: dict[str, JSON]) -> Self:
        """Return the array with these attributes in place of its own."""
        return replace(self, attributes=attributes)
