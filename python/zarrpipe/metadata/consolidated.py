"""Consolidated metadata: the documents of all nodes below a group, held by one document.

Format 3 has them in the group's own `zarr.json`, by the nodes' paths below it::

    "consolidated_metadata": {"kind": "inline", "must_understand": false, "metadata": {"a": {"zarr_format": 3, ...}}}

and format 2 in `.zmetadata` beside the group's documents, which are in there too::

    {"zarr_consolidated_format": 1, "metadata": {".zgroup": {...}, "a/.zarray": {...}, "a/.zattrs": {...}}}

Nothing in them is parsed before it is asked for.

Source: zarr-python 3 and 2, which write them; Zarr v3 core specification, "Group metadata".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from zarrpipe._types import ZarrFormat
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.metadata.json import dumps, in_document, loads, located, pointer
from zarrpipe.metadata.nodes import (
    ZARR_JSON,
    ZARRAY,
    ZATTRS,
    ZGROUP,
    has_reserved_name,
    join_key,
    normalize_path,
)
from zarrpipe.metadata.stored_node import StoredNode

__all__ = ["CONSOLIDATED", "ZMETADATA", "Consolidated", "same_documents"]

ZMETADATA: Final = ".zmetadata"
"""The name of the consolidated document of a v2 group."""

CONSOLIDATED: Final = "consolidated_metadata"
"""The field of a v3 group."""

_FORMAT: Final = "zarr_consolidated_format"
_V2_NAMES: Final = (ZARRAY, ZGROUP, ZATTRS)


def _inline(nodes: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "inline", "must_understand": False, "metadata": nodes}


class Consolidated:
    """The documents of the nodes below a group.

    Parameters
    ----------
    path : str
        The group's path.
    zarr_format : {2, 3}
        The group's format.
    document : dict, optional
        Format 3: the field of the group's document. Format 2: `.zmetadata`. It is kept, and changed in place. By
        default a new one.
    key : str, optional
        Where the document lies, for messages.

    Examples
    --------
    >>> group = {"zarr_format": 3, "node_type": "group"}
    >>> found = Consolidated("", 3, {"kind": "inline", "metadata": {"a": group, "a/b": group}})
    >>> found.names(""), found.names("a"), found.find("a/b").node_type
    (['a'], ['b'], 'group')
    """

    def __init__(
        self, path: str, zarr_format: ZarrFormat, document: dict[str, Any] | None = None, *, key: str | None = None
    ) -> None:
        self.path = path
        self.zarr_format = zarr_format
        if document is None:
            document = _inline({}) if zarr_format == 3 else {"metadata": {}, _FORMAT: 1}
        self.document = document
        self._key = key

    @classmethod
    def from_group(cls, node: StoredNode) -> Consolidated | None:
        """Return what the document of a v3 group holds; None where it holds nothing that is known."""
        field = node.documents.get(ZARR_JSON, {}).get(CONSOLIDATED)
        if not isinstance(field, dict) or field.get("kind") != "inline":
            return None
        # That it is well formed is checked with the rest of the group's document.
        return cls(node.path, 3, field, key=join_key(node.path, ZARR_JSON))

    @classmethod
    def from_bytes(cls, path: str, data: bytes, *, key: str) -> Consolidated:
        """Return what a `.zmetadata` holds.

        Raises
        ------
        MetadataError
            It is not such a document.
        """
        with in_document(key):
            document: dict[str, Any] = loads(data, allow_nan=True)
            if document.get(_FORMAT) != 1:
                raise MetadataError(f"{_FORMAT} is 1, not {document.get(_FORMAT)!r}", at=pointer(_FORMAT))
            if not isinstance(document.get("metadata"), Mapping):
                raise MetadataError("the documents are an object", at="/metadata")
            for name, found in document["metadata"].items():
                if not isinstance(found, Mapping):
                    raise MetadataError("a node's document is an object", at="/metadata" + pointer(name))
        return cls(path, 2, document, key=key)

    def to_bytes(self) -> bytes:
        """Return the bytes of `.zmetadata`."""
        return dumps(self.document, allow_nan=True)

    # Reading. Paths are those of the store, not of the group.

    def find(self, path: str) -> StoredNode | None:
        """Return the node at a path; None where there is none."""
        found = self._nodes.get(self._relative(path))
        return None if found is None else StoredNode(path, found)

    def names(self, path: str) -> list[str]:
        """Return the names of the nodes right below a path, in order."""
        return sorted(self._children.get(self._relative(path), ()))

    def paths(self) -> Iterator[str]:
        """Return the paths of all nodes below the group."""
        return (join_key(self.path, below) for below in self._nodes)

    def _relative(self, path: str) -> str:
        if not self.path or path == self.path:
            return "" if path == self.path else path
        return path.removeprefix(self.path + "/")

    @cached_property
    def _nodes(self) -> dict[str, dict[str, Any]]:
        """The documents by name of each node, by its path below the group."""
        nodes: dict[str, dict[str, Any]] = {}
        with in_document(self._key):
            for key, document in self.document["metadata"].items():
                with located(f"/{CONSOLIDATED}/metadata{pointer(key)}" if self.zarr_format == 3 else "/metadata"):
                    path, name = (key, ZARR_JSON) if self.zarr_format == 3 else _split(key)
                    path = normalize_path(path)
                if path and name is not None and not (self.zarr_format == 3 and has_reserved_name(path)):
                    nodes.setdefault(path, {}).update(_separate(name, document))
        # Attributes alone are no node.
        return {path: found for path, found in nodes.items() if found.keys() != {ZATTRS}}

    @cached_property
    def _children(self) -> dict[str, set[str]]:
        children: dict[str, set[str]] = {}
        for path in self._nodes:
            parent, _, name = path.rpartition("/")
            children.setdefault(parent, set()).add(name)
        return children

    # Writing

    def put(self, node: StoredNode) -> None:
        """Add a node, or replace its documents.

        Raises
        ------
        MetadataError
            A group of format 2 cannot hold documents of format 3.
        """
        path = self._relative(node.path)
        entries = self.document["metadata"]
        if self.zarr_format == 3:
            entries[path] = _joined(node)
        else:
            if node.zarr_format != 2:
                raise MetadataError(
                    f"consolidated metadata of format 2 cannot hold the node {'/' + node.path!r} of format 3"
                )
            for name in _V2_NAMES:
                entries.pop(join_key(path, name), None)
            entries.update({join_key(path, name): document for name, document in node.documents.items()})
            entries.setdefault(join_key(path, ZATTRS), {})
        if path:
            self._nodes[path] = _own(node.documents)
            parent, _, name = path.rpartition("/")
            self._children.setdefault(parent, set()).add(name)

    def remove(self, path: str) -> None:
        """Remove a node and all below it."""
        gone = self._relative(path)
        below = gone + "/"
        for key in [key for key in self.document["metadata"] if key == gone or key.startswith(below)]:
            del self.document["metadata"][key]
        self.__dict__.pop("_nodes", None)
        self.__dict__.pop("_children", None)

    def below(self, path: str) -> list[StoredNode]:
        """Return the nodes at a path and below it."""
        start = self._relative(path)
        inside = [below for below in self._nodes if below == start or below.startswith(start + "/")]
        return [StoredNode(join_key(self.path, below), self._nodes[below]) for below in inside]


def _split(key: str) -> tuple[str, str | None]:
    """Return the path and the name in a key of `.zmetadata`; no name where it is of no document of a node."""
    path, _, name = key.rpartition("/")
    return path, name if name in _V2_NAMES else None


def _separate(name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return documents by name. Those of v2 nodes stand in v3 groups with their attributes in them."""
    if name == ZARR_JSON and document.get("zarr_format") == 2:
        rest = {field: value for field, value in document.items() if field != "attributes"}
        own = ZARRAY if "shape" in document else ZGROUP
        return _own({own: rest, ZATTRS: document.get("attributes", {})})
    return _own({name: document})


def _own(documents: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node's documents without what they hold of others: zarr-python puts an empty one into each group's."""
    return {
        name: {field: value for field, value in document.items() if field != CONSOLIDATED}
        if name in (ZARR_JSON, ZGROUP) and CONSOLIDATED in document
        else document
        for name, document in documents.items()
    }


def _joined(node: StoredNode) -> dict[str, Any]:
    """Return the one document that a v3 group holds of a node."""
    documents = _own(node.documents)
    if node.zarr_format == 2:
        document = {
            **documents[ZARRAY if node.node_type == "array" else ZGROUP],
            "attributes": documents.get(ZATTRS, {}),
        }
    else:
        document = documents[ZARR_JSON]
    # As zarr-python writes it: the group's members are in the document that this stands in, and nowhere else.
    return {**document, CONSOLIDATED: _inline({})} if node.node_type == "group" else document


def same_documents(one: StoredNode, other: StoredNode) -> bool:
    """Whether two nodes are the same by their documents, whatever groups hold of their members.

    Consolidated documents may say the same in other words: who writes them may have parsed what others wrote.
    """
    if _text(one) == _text(other):
        return True
    try:
        return bool(_bare(one).to_dict() == _bare(other).to_dict())
    except (MetadataError, UnsupportedError):
        return False


def _text(node: StoredNode) -> str:
    documents = _own(node.documents)
    if node.zarr_format == 2:
        documents.setdefault(ZATTRS, {})
    # As text a NaN, which v2 documents may hold, equals itself, and true is not 1.
    return json.dumps(documents, sort_keys=True)


def _bare(node: StoredNode) -> Any:
    return StoredNode(node.path, _own(node.documents)).parse()
