"""Metadata documents: v3 arrays and groups, chunk grids, chunk keys, names of nodes."""

from zarrpipe._types import JSON, NodeType
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.metadata.array import ArrayMetadata, parse_codecs
from zarrpipe.metadata.grid import ChunkGrid, RectilinearChunkGrid, RegularChunkGrid, parse_chunk_grid
from zarrpipe.metadata.group import GroupMetadata, parse_node_type
from zarrpipe.metadata.json import dumps, loads
from zarrpipe.metadata.keys import (
    ChunkKeyEncoding,
    DefaultChunkKeyEncoding,
    V2ChunkKeyEncoding,
    parse_chunk_key_encoding,
)
from zarrpipe.metadata.nodes import (
    ZARR_JSON,
    basename,
    check_node_name,
    join_key,
    metadata_key,
    normalize_path,
    parent_paths,
)

__all__ = [
    "ZARR_JSON",
    "ArrayMetadata",
    "ChunkGrid",
    "ChunkKeyEncoding",
    "DefaultChunkKeyEncoding",
    "GroupMetadata",
    "RectilinearChunkGrid",
    "RegularChunkGrid",
    "V2ChunkKeyEncoding",
    "basename",
    "check_node_name",
    "dumps",
    "join_key",
    "loads",
    "metadata_key",
    "normalize_path",
    "parent_paths",
    "parse_chunk_grid",
    "parse_chunk_key_encoding",
    "parse_codecs",
    "parse_node",
]


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
    try:
        document: dict[str, JSON] = loads(data)
        return _NODES[parse_node_type(document)].from_dict(document)
    except (MetadataError, UnsupportedError) as error:
        error.key = error.key or key
        raise
