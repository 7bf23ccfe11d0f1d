"""The document of a v3 array.

Source: Zarr v3 core specification, "Array metadata".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

from zarrpipe._types import JSON
from zarrpipe.abc.metadata import Metadata
from zarrpipe.dtypes import ZDType, get_data_type_from_json, parse_dtype
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.metadata.extension import parse_extension
from zarrpipe.metadata.grid import ChunkGrid, RegularChunkGrid, parse_chunk_grid, parse_lengths
from zarrpipe.metadata.group import check_format_and_type, parse_attributes, parse_extra_fields
from zarrpipe.metadata.json import dumps, in_document, loads, located, pointer
from zarrpipe.metadata.keys import ChunkKeyEncoding, DefaultChunkKeyEncoding, parse_chunk_key_encoding
from zarrpipe.metadata.nodes import ZARR_JSON

__all__ = ["MAX_NDIM", "ArrayMetadata", "parse_codecs"]

_MANDATORY = ("shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs")
_KNOWN = frozenset({"zarr_format", "node_type", *_MANDATORY, "attributes", "dimension_names", "storage_transformers"})

MAX_NDIM = 64
"""NumPy arrays have no more axes."""


def parse_codecs(data: object) -> tuple[dict[str, JSON], ...]:
    """Codecs in their object form; each is given as JSON, as a name, or as an object with `to_dict`.

    Which kinds may follow each other is for the chain to say, which knows the codecs.

    Raises
    ------
    MetadataError
        They are not codecs, or there are none.
    """
    if isinstance(data, str | bytes | Mapping) or not isinstance(data, Iterable):
        raise MetadataError(f"codecs are an array, not {data!r}")
    codecs = []
    for index, item in enumerate(data):
        with located(pointer(index)):
            codec = item.to_dict() if hasattr(item, "to_dict") else item
            parsed = parse_extension(codec, what="a codec", ignorable=True)
            # A chain cannot do without a codec, so none is ever ignored; and v3.0 has no must_understand here.
            parsed.pop("must_understand", None)
            codecs.append(parsed)
    if not codecs:
        raise MetadataError("an array has at least one codec")
    return tuple(codecs)


def _parse_dimension_names(data: object, ndim: int) -> tuple[str | None, ...] | None:
    if data is None:
        return None
    if isinstance(data, str | bytes | Mapping) or not isinstance(data, Iterable):
        raise MetadataError(f"dimension names are an array, not {data!r}")
    names = tuple(data)
    for axis, name in enumerate(names):
        if name is not None and not isinstance(name, str):
            raise MetadataError(f"a dimension name is a string or null, not {name!r}", at=pointer(axis))
    if len(names) != ndim:
        raise MetadataError(f"an array of {ndim} axes has {ndim} dimension names, not {len(names)}")
    return names


def _parse_storage_transformers(data: object) -> tuple[dict[str, JSON], ...]:
    """Those that may be ignored are kept for writing; none is implemented."""
    if data is None:
        return ()
    if not isinstance(data, Sequence) or isinstance(data, str):
        raise MetadataError(f"storage transformers are an array, not {data!r}")
    transformers = []
    for index, item in enumerate(data):
        with located(pointer(index)):
            parsed = parse_extension(item, what="a storage transformer", ignorable=True)
            if parsed.get("must_understand") is not False:
                raise UnsupportedError(f"the storage transformer {parsed['name']!r} is not implemented")
            transformers.append(parsed)
    return tuple(transformers)


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayMetadata(Metadata):
    """A v3 array.

    Parameters
    ----------
    shape : tuple of int
        The length of each axis; () for a scalar.
    data_type : ZDType
        Or its name, or a NumPy data type.
    chunk_grid : ChunkGrid
        Or its JSON.
    chunk_key_encoding : ChunkKeyEncoding
        Or its JSON.
    fill_value : scalar
        What items that were never written read as. It is cast to the data type.
    codecs : tuple of dict
        In the order of encoding, as JSON objects; or names, or objects with `to_dict`.
    attributes : dict
        The user's, any JSON.
    dimension_names : tuple of str or None, optional
        One for each axis.
    storage_transformers : tuple of dict
        Those that may be ignored.
    extra_fields : dict
        Fields that are not known and may be ignored: kept when the document is written.

    Raises
    ------
    MetadataError
        A field has a value that it cannot have; `at` says which.
    UnsupportedError
        A field names an extension that is not implemented.

    Examples
    --------
    >>> array = ArrayMetadata(
    ...     shape=(4,), data_type="uint8", chunk_grid=RegularChunkGrid((2,)), fill_value=0, codecs=("bytes",)
    ... )
    >>> ArrayMetadata.from_bytes(array.to_bytes()) == array
    True
    """

    shape: tuple[int, ...]
    data_type: ZDType[Any, Any]
    chunk_grid: ChunkGrid
    fill_value: Any
    codecs: tuple[dict[str, Any], ...]
    chunk_key_encoding: ChunkKeyEncoding = field(default_factory=DefaultChunkKeyEncoding)
    attributes: dict[str, Any] = field(default_factory=dict)
    dimension_names: tuple[str | None, ...] | None = None
    storage_transformers: tuple[dict[str, Any], ...] = ()
    extra_fields: dict[str, Any] = field(default_factory=dict)

    zarr_format: ClassVar[Literal[3]] = 3
    node_type: ClassVar[Literal["array"]] = "array"
    document_name: ClassVar[str] = ZARR_JSON

    def __post_init__(self) -> None:
        # A parsed document and arguments go through the same checks. The class is frozen.
        with located("/shape"):
            shape = parse_lengths(self.shape, what="a shape", least=0)
            if len(shape) > MAX_NDIM:
                raise UnsupportedError(f"arrays of more than {MAX_NDIM} axes are not implemented")
        with located("/data_type"):
            data_type = parse_dtype(self.data_type)
        with located("/chunk_grid"):
            chunk_grid = parse_chunk_grid(self.chunk_grid)
            chunk_grid.check_shape(shape)
        with located("/chunk_key_encoding"):
            chunk_key_encoding = parse_chunk_key_encoding(self.chunk_key_encoding)
        with located("/codecs"):
            codecs = parse_codecs(self.codecs)
        with located("/dimension_names"):
            dimension_names = _parse_dimension_names(self.dimension_names, len(shape))
        with located("/storage_transformers"):
            storage_transformers = _parse_storage_transformers(self.storage_transformers)
        extra_fields = parse_extra_fields(self.extra_fields, frozenset(), "an array")
        if clash := sorted(_KNOWN.intersection(extra_fields)):
            raise MetadataError(f"an array's own field {clash[0]!r} cannot be an extra one", at=pointer(clash[0]))
        parsed = {
            "shape": shape,
            "data_type": data_type,
            "chunk_grid": chunk_grid,
            "chunk_key_encoding": chunk_key_encoding,
            "fill_value": data_type.cast_scalar(self.fill_value),
            "codecs": codecs,
            "attributes": parse_attributes(self.attributes),
            "dimension_names": dimension_names,
            "storage_transformers": storage_transformers,
            "extra_fields": extra_fields,
        }
        for name, value in parsed.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return the array of a document.

        Raises
        ------
        MetadataError
            The document is not that of a v3 array.
        UnsupportedError
            It names an extension that is not implemented.
        """
        check_format_and_type(data, "array")
        for name in _MANDATORY:
            if name not in data:
                raise MetadataError(f"an array has a field {name!r}", at=pointer(name))
        extra_fields = parse_extra_fields(data, _KNOWN, "an array")
        if "attributes" in data and not isinstance(data["attributes"], Mapping):
            raise MetadataError("attributes are an object", at="/attributes")
        with located("/data_type"):
            data_type = get_data_type_from_json(data["data_type"], zarr_format=3)
        with located("/fill_value"):
            fill_value = data_type.from_json_scalar(data["fill_value"], zarr_format=3)
        fields: dict[str, Any] = {name: data[name] for name in _KNOWN.intersection(data) - {"zarr_format", "node_type"}}
        fields.update(data_type=data_type, fill_value=fill_value, chunk_grid=_without_empty_chunks(data))
        return cls(**fields, extra_fields=extra_fields)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, *, key: str | None = None) -> Self:
        """Return the array of a document's bytes; `key`, where they lie, is for the message."""
        with in_document(key):
            return cls.from_dict(loads(data))

    def to_dict(self) -> dict[str, JSON]:
        """Return the document, without short-hands and `must_understand`, so that v3.0 readers take it."""
        document: dict[str, JSON] = {
            "zarr_format": self.zarr_format,
            "node_type": self.node_type,
            "shape": list(self.shape),
            "data_type": self.data_type.to_json(3),
            "chunk_grid": self.chunk_grid.to_dict(),
            "chunk_key_encoding": self.chunk_key_encoding.to_dict(),
            "fill_value": self.data_type.to_json_scalar(self.fill_value, zarr_format=3),
            "codecs": list(self.codecs),
            "attributes": self.attributes,
        }
        if self.dimension_names is not None:
            document["dimension_names"] = list(self.dimension_names)
        if self.storage_transformers:
            document["storage_transformers"] = list(self.storage_transformers)
        return {**document, **{name: self.extra_fields[name] for name in sorted(self.extra_fields)}}

    def to_bytes(self) -> bytes:
        """Return the document's bytes: the same for the same array."""
        return dumps(self.to_dict())

    def documents(self) -> dict[str, bytes]:
        """Return the documents by name: the one."""
        return {self.document_name: self.to_bytes()}

    # By the document: a NaN as fill value equals itself there, and -0.0 does not equal 0.0.

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArrayMetadata):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> ZDType[Any, Any]:
        """The data type, by its other name."""
        return self.data_type

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        """Return the key of a chunk, below the array's."""
        return self.chunk_key_encoding.encode_chunk_key(chunk_coords)

    def update_shape(self, shape: tuple[int, ...]) -> Self:
        """Return the array with another shape and the same grid; a rectilinear one gets a chunk more if it must."""
        return replace(self, shape=shape, chunk_grid=self.chunk_grid.update_shape(shape))

    def update_attributes(self, attributes: dict[str, JSON]) -> Self:
        """Return the array with these attributes in place of its own."""
        return replace(self, attributes=attributes)


def _without_empty_chunks(data: Mapping[str, JSON]) -> object:
    """Return the document's chunk grid, with 1 for a chunk length of 0 on an axis of length 0.

    zarr-python wrote such grids until 3.4. There are no chunks on that axis, so any length reads the same.
    """
    grid, shape = data["chunk_grid"], data["shape"]
    try:
        chunk_shape = grid["configuration"]["chunk_shape"]  # type: ignore[call-overload,index]
        if grid["name"] != RegularChunkGrid.name or 0 not in chunk_shape:  # type: ignore[call-overload,index,operator]
            return grid
        pairs = zip(chunk_shape, shape, strict=True)  # type: ignore[arg-type]
        repaired = [1 if (type(chunk), chunk, length) == (int, 0, 0) else chunk for chunk, length in pairs]
        return {**grid, "configuration": {**grid["configuration"], "chunk_shape": repaired}}  # type: ignore[dict-item,call-overload,index]
    except (TypeError, KeyError, ValueError):
        # Malformed: for the parser to say how.
        return grid
