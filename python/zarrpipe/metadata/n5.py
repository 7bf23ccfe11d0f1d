"""N5: `attributes.json`, from which arrays and groups are read as if they were Zarr's.

Axes are reversed, as zarr-python 2 has it: N5 counts the fastest axis first, NumPy last. So ``"dimensions": [3, 2]`` is
the shape (2, 3), and the block ``1/0`` is the chunk (0, 1).

Source: N5 specification (https://github.com/saalfeldlab/n5#file-system-specification), version 4.0.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, NoReturn, Self

from zarrpipe._types import JSON
from zarrpipe.abc.metadata import Metadata
from zarrpipe.dtypes import ZDType, get_data_type_from_json
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.metadata.array import MAX_NDIM
from zarrpipe.metadata.grid import RegularChunkGrid, parse_lengths
from zarrpipe.metadata.json import dumps, in_document, loads, located, pointer
from zarrpipe.metadata.keys import N5ChunkKeyEncoding
from zarrpipe.metadata.nodes import ATTRIBUTES_JSON, join_key

__all__ = ["N5ArrayMetadata", "N5GroupMetadata", "parse_n5"]

_ARRAY_FIELDS = ("dimensions", "blockSize", "dataType")
_OWN = frozenset({"n5", *_ARRAY_FIELDS, "compression", "compressionType"})
_TYPES = frozenset({*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64"})


def _refuse() -> NoReturn:
    raise UnsupportedError("N5 is read only: copy the data into a Zarr array to change them")


def _configured(name: str, **configuration: JSON) -> list[dict[str, JSON]]:
    return [{"name": name, "configuration": configuration}]


def _number(compression: Mapping[str, JSON], name: str, default: int) -> int:
    value = compression.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise MetadataError(f"{name} is an integer, not {value!r}", at=pointer(name))
    # N5's -1 is the library's default.
    return default if value == -1 else value


def _blosc(compression: Mapping[str, JSON], item_nbytes: int) -> list[dict[str, JSON]]:
    shuffles = ("noshuffle", "shuffle", "bitshuffle")
    shuffle = _number(compression, "shuffle", 2 if item_nbytes == 1 else 1)
    if not 0 <= shuffle < len(shuffles):
        raise MetadataError(f"shuffle is 0, 1 or 2, not {shuffle}", at="/shuffle")
    return _configured(
        "blosc",
        cname=compression.get("cname", "blosclz"),
        clevel=_number(compression, "clevel", 6),
        shuffle=shuffles[shuffle],
        typesize=item_nbytes,
        blocksize=_number(compression, "blocksize", 0),
    )


def _parse_compression(compression: Mapping[str, JSON], item_nbytes: int) -> list[dict[str, JSON]]:
    """Return the codecs, one or none, behind the header of a block."""
    kind: object = compression.get("type")
    match kind:
        case "raw":
            return []
        case "gzip" if compression.get("useZlib") is True:
            return _configured("numcodecs.zlib", level=_number(compression, "level", 6))
        case "gzip":
            return _configured("gzip", level=_number(compression, "level", 6))
        case "bzip2":
            return _configured("numcodecs.bz2", level=_number(compression, "blockSize", 9))
        case "xz":
            return _configured("numcodecs.lzma", format=1, check=-1, preset=_number(compression, "preset", 6))
        case "blosc":
            return _blosc(compression, item_nbytes)
        case "zstd":
            return _configured("zstd", level=_number(compression, "level", 3), checksum=False)
        case "lz4":
            # Its blockSize is for writers.
            return [{"name": "n5_lz4"}]
        case str(name):
            raise UnsupportedError(f"the N5 compression {name!r} is not implemented", at="/type")
        case _:
            raise MetadataError(f"the type of a compression is a string, not {kind!r}", at="/type")


@dataclass(frozen=True, kw_only=True)
class N5ArrayMetadata(Metadata):
    """An N5 dataset. It offers what the metadata of a v3 array do, and is only read.

    Parameters
    ----------
    shape : tuple of int
        The length of each axis: N5's `dimensions` reversed.
    chunks : tuple of int
        The shape of a block, reversed too.
    data_type : ZDType
        One of the integers of 8 to 64 bits, float32 and float64.
    compression : dict
        As N5 has it: ``{"type": "raw"}``.
    attributes : dict
        The fields that are not N5's own.

    Raises
    ------
    MetadataError
        A field has a value that it cannot have; `at` says which.
    UnsupportedError
        The data type or the compression is not implemented.

    Examples
    --------
    >>> document = b'{"dimensions": [3, 2], "blockSize": [3, 1], "dataType": "int16", "compression": {"type": "raw"}}'
    >>> array = N5ArrayMetadata.from_dict(loads(document))
    >>> array.shape, array.encode_chunk_key((1, 0))
    ((2, 3), '0/1')
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    data_type: ZDType[Any, Any]
    compression: dict[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)

    zarr_format: ClassVar[Literal["n5"]] = "n5"
    node_type: ClassVar[Literal["array"]] = "array"
    document_name: ClassVar[str] = ATTRIBUTES_JSON
    dimension_names: ClassVar[None] = None

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return the array of a document.

        Raises
        ------
        MetadataError
            The document is not that of an N5 dataset.
        UnsupportedError
            It names what is not implemented.
        """
        for name in _ARRAY_FIELDS:
            if name not in data:
                raise MetadataError(f"an N5 dataset has a field {name!r}", at=pointer(name))
        with located("/dimensions"):
            dimensions = parse_lengths(data["dimensions"], what="a shape", least=0)
            if not 1 <= len(dimensions) <= MAX_NDIM:
                raise UnsupportedError(f"N5 datasets have 1 to {MAX_NDIM} axes here, not {len(dimensions)}")
        with located("/blockSize"):
            block = parse_lengths(data["blockSize"], what="a block size", least=1)
            if len(block) != len(dimensions):
                raise MetadataError(f"blocks have {len(block)} axes, the dataset {len(dimensions)}")
        with located("/dataType"):
            type_name = data["dataType"]
            if not isinstance(type_name, str):
                raise MetadataError(f"a data type is a string, not {type_name!r}")
            if type_name not in _TYPES:
                raise UnsupportedError(f"the N5 data type {type_name!r} is not implemented")
            data_type = get_data_type_from_json(type_name, zarr_format=3)
        # Datasets of N5 1.x have the type alone, under a name of its own.
        at = "compressionType" if "compressionType" in data and "compression" not in data else "compression"
        compression = data.get("compression", {"type": data.get("compressionType")})
        if at not in data:
            raise MetadataError("an N5 dataset has a compression", at=pointer(at))
        with located(pointer(at)):
            if not isinstance(compression, Mapping):
                raise MetadataError(f"a compression is an object, not {compression!r}")
            _parse_compression(compression, data_type.to_native_dtype().itemsize)
        attributes = {name: value for name, value in data.items() if name not in _OWN}
        return cls(
            shape=dimensions[::-1],
            chunks=block[::-1],
            data_type=data_type,
            compression=dict(compression),
            attributes=attributes,
        )

    def to_dict(self) -> dict[str, JSON]:
        """Return the document."""
        return {
            "dimensions": list(self.shape[::-1]),
            "blockSize": list(self.chunks[::-1]),
            "dataType": self.data_type.to_json(3),
            "compression": self.compression,
            **self.attributes,
        }

    def to_bytes(self) -> bytes:
        """Return the document's bytes: the same for the same array."""
        return dumps(self.to_dict(), allow_nan=True)

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    # What v3 has under these names

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> ZDType[Any, Any]:
        """The data type, by its other name."""
        return self.data_type

    @property
    def fill_value(self) -> Any:
        """Zero: N5 has none of its own."""
        return self.data_type.default_scalar()

    @cached_property
    def chunk_grid(self) -> RegularChunkGrid:
        """The grid that `chunks` make."""
        return RegularChunkGrid(self.chunks)

    @property
    def chunk_key_encoding(self) -> N5ChunkKeyEncoding:
        """Coordinates in N5's order, with slashes between."""
        return N5ChunkKeyEncoding()

    @property
    def codecs(self) -> tuple[dict[str, Any], ...]:
        """The chain: the reversal of axes, and `n5_default` for a block with its header."""
        reverse = {"name": "transpose", "configuration": {"order": list(range(self.ndim))[::-1]}}
        nbytes = self.data_type.to_native_dtype().itemsize
        big: dict[str, Any] = {"name": "bytes"}
        if nbytes > 1:
            big["configuration"] = {"endian": "big"}
        block = [reverse, big, *_parse_compression(self.compression, nbytes)]
        # The codec's own transpose makes a block of an array with N5's axes.
        outer = [reverse] if self.ndim > 1 else []
        return (*outer, {"name": "n5_default", "configuration": {"codecs": block}})

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        """Return the key of a block, below the dataset's."""
        return self.chunk_key_encoding.encode_chunk_key(chunk_coords)

    def documents(self) -> dict[str, bytes]:
        """Raise UnsupportedError: nothing is written."""
        _refuse()

    def update_shape(self, shape: tuple[int, ...]) -> Self:  # noqa: ARG002
        """Raise UnsupportedError: nothing is written."""
        _refuse()

    def update_attributes(self, attributes: dict[str, JSON]) -> Self:  # noqa: ARG002
        """Raise UnsupportedError: nothing is written."""
        _refuse()


@dataclass(frozen=True, kw_only=True)
class N5GroupMetadata(Metadata):
    """An N5 group: a folder, with `attributes.json` or without.

    Parameters
    ----------
    attributes : dict
        The fields that are not N5's own.
    """

    attributes: dict[str, Any] = field(default_factory=dict)

    zarr_format: ClassVar[Literal["n5"]] = "n5"
    node_type: ClassVar[Literal["group"]] = "group"
    document_name: ClassVar[str] = ATTRIBUTES_JSON

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return the group of a document."""
        return cls(attributes={name: value for name, value in data.items() if name not in _OWN})

    def to_dict(self) -> dict[str, JSON]:
        """Return the attributes, which are all of the document."""
        return dict(self.attributes)

    def to_bytes(self) -> bytes:
        """Return the document's bytes: the same for the same group."""
        return dumps(self.to_dict(), allow_nan=True)

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def documents(self) -> dict[str, bytes]:
        """Raise UnsupportedError: nothing is written."""
        _refuse()

    def update_attributes(self, attributes: dict[str, JSON]) -> Self:  # noqa: ARG002
        """Raise UnsupportedError: nothing is written."""
        _refuse()


def parse_n5(data: bytes, *, path: str = "", marked: bool = False) -> N5ArrayMetadata | N5GroupMetadata | None:
    """Return the array or group of an `attributes.json`.

    Parameters
    ----------
    data : bytes
        The document.
    path : str
        Where it lies, for messages.
    marked : bool
        Whether None is returned where nothing in the document says that it is N5's: other programs write files of that
        name, too.

    Raises
    ------
    MetadataError, UnsupportedError
        It is a dataset's, and not valid or not implemented; or, unless `marked` is set, no JSON.
    """
    with in_document(join_key(path, ATTRIBUTES_JSON)):
        try:
            document = loads(data, allow_nan=True)
        except MetadataError:
            if marked:
                return None
            raise
        if all(name in document for name in _ARRAY_FIELDS) or ("dimensions" in document and not marked):
            return N5ArrayMetadata.from_dict(document)
        return None if marked and "n5" not in document else N5GroupMetadata.from_dict(document)
