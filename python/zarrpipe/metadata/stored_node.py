"""A node's documents as they were found, parsed when somebody asks what they say.

A group may have a hundred thousand members: their names, and which of them are arrays, are told without parsing one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zarrpipe._types import NodeType, StoredFormat
from zarrpipe.metadata.array import ArrayMetadata
from zarrpipe.metadata.array_v2 import ArrayV2Metadata
from zarrpipe.metadata.group import GroupMetadata, parse_node_type
from zarrpipe.metadata.group_v2 import GroupV2Metadata
from zarrpipe.metadata.json import in_document, loads
from zarrpipe.metadata.nodes import ZARR_JSON, ZARRAY, ZATTRS, ZGROUP, join_key

if TYPE_CHECKING:
    from zarrpipe.metadata import AnyArrayMetadata, AnyGroupMetadata

__all__ = ["StoredNode"]


@dataclass(frozen=True, slots=True)
class StoredNode:
    """The documents of a node, as JSON objects.

    Parameters
    ----------
    path : str
        The node's path.
    documents : mapping of str to JSON object
        By name: `zarr.json`; or `.zarray` or `.zgroup`, with `.zattrs` where there is one.
    parsed : array or group metadata, optional
        What they say, where that is known already: N5's documents come parsed.
    beside : bytes, optional
        Another value of the node's folder, for who asked for it.

    Examples
    --------
    >>> node = StoredNode("a", {"zarr.json": {"zarr_format": 3, "node_type": "group"}})
    >>> node.node_type, node.zarr_format, node.parse()
    ('group', 3, GroupMetadata(attributes={}, consolidated_metadata=None, extra_fields={}))
    """

    path: str
    documents: Mapping[str, Any]
    parsed: AnyArrayMetadata | AnyGroupMetadata | None = None
    beside: bytes | None = None

    @classmethod
    def from_bytes(cls, path: str, documents: Mapping[str, bytes], beside: bytes | None = None) -> StoredNode:
        """Return the node of documents' bytes.

        Raises
        ------
        MetadataError
            One is not a JSON object.
        """
        found = {}
        for name, data in documents.items():
            with in_document(join_key(path, name)):
                # Only in v2 did writers ever put NaN where JSON has numbers.
                found[name] = loads(data, allow_nan=name != ZARR_JSON)
        return cls(path, found, beside=beside)

    def at(self, path: str) -> StoredNode:
        """Return the same node at another path."""
        return replace(self, path=path)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def zarr_format(self) -> StoredFormat:
        """The format of the documents."""
        if self.parsed is not None:
            return self.parsed.zarr_format
        return 3 if ZARR_JSON in self.documents else 2

    @property
    def node_type(self) -> NodeType:
        """What the node is.

        Raises
        ------
        MetadataError
            The document does not say it.
        """
        if self.parsed is not None:
            return self.parsed.node_type
        if ZARR_JSON not in self.documents:
            return "array" if ZARRAY in self.documents else "group"
        with in_document(join_key(self.path, ZARR_JSON)):
            return parse_node_type(self.documents[ZARR_JSON])

    def parse(self) -> AnyArrayMetadata | AnyGroupMetadata:
        """Return what the documents say.

        Raises
        ------
        MetadataError
            They are not valid.
        UnsupportedError
            They name what is not implemented.
        """
        if self.parsed is not None:
            return self.parsed
        is_array = self.node_type == "array"
        if ZARR_JSON in self.documents:
            with in_document(join_key(self.path, ZARR_JSON)):
                return (ArrayMetadata if is_array else GroupMetadata).from_dict(self.documents[ZARR_JSON])
        name = ZARRAY if is_array else ZGROUP
        with in_document(join_key(self.path, name)):
            document = {**self.documents[name], "attributes": self.documents.get(ZATTRS, {})}
            return (ArrayV2Metadata if is_array else GroupV2Metadata).from_dict(document)
