"""Metadata documents: arrays and groups of v3, v2 and N5, chunk grids, chunk keys, names of nodes."""

from typing import TypeAlias

from zarrpipe._types import JSON, NodeType
from zarrpipe.metadata.array import ArrayMetadata, parse_codecs
from zarrpipe.metadata.array_v2 import ArrayV2Metadata, parse_numcodecs_config, parse_object_dtype
from zarrpipe.metadata.consolidated import ZMETADATA, Consolidated, same_documents
from zarrpipe.metadata.grid import ChunkGrid, RectilinearChunkGrid, RegularChunkGrid, parse_chunk_grid
from zarrpipe.metadata.group import GroupMetadata, parse_node_type
from zarrpipe.metadata.group_v2 import GroupV2Metadata
from zarrpipe.metadata.json import dumps, in_document, loads
from zarrpipe.metadata.keys import (
    ChunkKeyEncoding,
    DefaultChunkKeyEncoding,
    N5ChunkKeyEncoding,
    V2ChunkKeyEncoding,
    parse_chunk_key_encoding,
)
from zarrpipe.metadata.n5 import N5ArrayMetadata, N5GroupMetadata, parse_n5
from zarrpipe.metadata.nodes import (
    ATTRIBUTES_JSON,
    ZARR_JSON,
    ZARRAY,
    ZATTRS,
    ZGROUP,
    basename,
    check_node_name,
    has_reserved_name,
    is_document,
    join_key,
    metadata_key,
    normalize_path,
    parent_paths,
)
from zarrpipe.metadata.stored_node import StoredNode

__all__ = [
    "ATTRIBUTES_JSON",
    "ZARRAY",
    "ZARR_JSON",
    "ZATTRS",
    "ZGROUP",
    "ZMETADATA",
    "AnyArrayMetadata",
    "AnyGroupMetadata",
    "ArrayMetadata",
    "ArrayV2Metadata",
    "ChunkGrid",
    "ChunkKeyEncoding",
    "Consolidated",
    "DefaultChunkKeyEncoding",
    "GroupMetadata",
    "GroupV2Metadata",
    "N5ArrayMetadata",
    "N5ChunkKeyEncoding",
    "N5GroupMetadata",
    "RectilinearChunkGrid",
    "RegularChunkGrid",
    "StoredNode",
    "V2ChunkKeyEncoding",
    "basename",
    "check_node_name",
    "dumps",
    "has_reserved_name",
    "in_document",
    "is_document",
    "join_key",
    "loads",
    "metadata_key",
    "normalize_path",
    "parent_paths",
    "parse_chunk_grid",
    "parse_chunk_key_encoding",
    "parse_codecs",
    "parse_n5",
    "parse_node",
    "parse_numcodecs_config",
    "parse_object_dtype",
    "same_documents",
]

AnyArrayMetadata: TypeAlias = ArrayMetadata | ArrayV2Metadata | N5ArrayMetadata
AnyGroupMetadata: TypeAlias = GroupMetadata | GroupV2Metadata | N5GroupMetadata

_NODES: dict[NodeType, type[ArrayMetadata | GroupMetadata]] = {"array": ArrayMetadata, "group": GroupMetadata}


def parse_node(data: bytes | bytearray | memoryview, *, key: str | None = None) -> ArrayMetadata | GroupMetadata:
    """Return the array or group of a v3 document.

    Parameters
    ----------
    data : bytes-like
        The document.
    key : str, optional
        Where it lies, for the message.

    Raises
    ------
    MetadataError
        It is neither.
    UnsupportedError
        It names an extension that is not implemented.
    """
    with in_document(key):
        document: dict[str, JSON] = loads(data)
        return _NODES[parse_node_type(document)].from_dict(document)
