"""What is copied: the nodes of a source, their documents as they are stored, and the keys of their chunks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from zarrpipe.arrays.stored_chunks import chunk_at
from zarrpipe.errors import UnsupportedError
from zarrpipe.metadata import (
    ZARR_JSON,
    ZARRAY,
    ZATTRS,
    ZGROUP,
    ZMETADATA,
    AnyArrayMetadata,
    Consolidated,
    StoredNode,
    has_reserved_name,
    join_key,
)
from zarrpipe.nodes import NodeAccess, NodeMetadata, Scan, find_node, not_found

__all__ = ["FoundNode", "Source", "find_source"]

# The document that makes it a node is the last of each.
_V2_ARRAY: Final = (ZATTRS, ZARRAY)
_V2_GROUP: Final = (ZATTRS, ZMETADATA, ZGROUP)
_NAMES: Final = (ZARR_JSON, ZATTRS, ZMETADATA, ZARRAY, ZGROUP)


@dataclass(slots=True)
class FoundNode:
    """A node that is copied.

    Parameters
    ----------
    path : str
        Its path below the top of what is copied; "" for the top.
    metadata : array or group metadata
        What it is.
    documents : dict of str to bytes
        Its documents by name, as they are stored, the one that makes it a node last; none for N5.
    keys : list of str, optional
        The keys of its chunks that are stored, below the array's; None where the store cannot list.
    """

    path: str
    metadata: NodeMetadata
    documents: dict[str, bytes]
    keys: list[str] | None = None

    @property
    def is_array(self) -> bool:
        """Whether it is an array."""
        return isinstance(self.metadata, AnyArrayMetadata)


@dataclass(slots=True)
class Source:
    """All that is copied.

    Parameters
    ----------
    path : str
        The top's path in its store.
    nodes : list of FoundNode
        Each group before what is below it.
    foreign : list of str
        Keys below the top that belong to none of the nodes.
    """

    path: str
    nodes: list[FoundNode]
    foreign: list[str] = field(default_factory=list)


async def find_source(access: NodeAccess, path: str) -> Source:
    """Return what there is to copy at a path.

    Raises
    ------
    NodeNotFoundError
        There is no node.
    MetadataError
        A document is not valid.
    UnsupportedError
        One names what is not implemented; or there is a group in a store that cannot list, and no consolidated
        metadata say what is in it.
    """
    if not access.store.supports_listing:
        return await _find_unlisted(access, path)
    start = len(join_key(path, ""))
    keys = [key[start:] for key in await access.keys(path)]
    names: dict[str, set[str]] = {}
    rest: list[str] = []
    for key in keys:
        folder, _, name = key.rpartition("/")
        if name in _NAMES:
            names.setdefault(folder, set()).add(name)
        else:
            rest.append(key)
    nodes = await _load_listed(access, path, names)
    if not nodes:
        return await _find_n5(access, path, keys)
    used = {join_key(node.path, name) for node in nodes for name in node.documents}
    unused = (join_key(folder, name) for folder in names for name in names[folder])
    source = Source(path, nodes, [join_key(path, key) for key in unused if key not in used])
    _share_out(source, rest)
    return source


async def _load_listed(access: NodeAccess, top: str, names: dict[str, set[str]]) -> list[FoundNode]:
    """Return the nodes whose documents were listed, level by level: what is below no group is none."""
    children: dict[str, list[str]] = {}
    for folder in sorted(names):
        if folder:
            children.setdefault(folder.rpartition("/")[0], []).append(folder)
    nodes: list[FoundNode] = []
    level = [""] if "" in names else []
    while level:
        found = await access.each(level, lambda path: _load(access, top, path, names[path]))
        nodes += [node for node in found if node is not None]
        groups = [node.path for node in found if node is not None and not node.is_array]
        level = [path for group in groups for path in children.get(group, ())]
    return nodes


async def _load(access: NodeAccess, top: str, path: str, names: Iterable[str]) -> FoundNode | None:
    """Return the node that has documents of these names; None where none of them is a node's."""
    at = join_key(top, path).rstrip("/")
    wanted = _own_names(at, names)
    values = await access.each(wanted, lambda name: access.get(join_key(at, name)))
    return _parse(at, path, {name: data for name, data in zip(wanted, values, strict=True) if data is not None})


def _own_names(at: str, names: Iterable[str]) -> list[str]:
    """Return, of the documents that are there, those of the node; v3 comes before v2."""
    if ZARR_JSON in names and not has_reserved_name(at):
        return [ZARR_JSON]
    if ZARRAY not in names and ZGROUP not in names:
        return []
    return [name for name in (_V2_ARRAY if ZARRAY in names else _V2_GROUP) if name in names]


def _parse(at: str, path: str, values: dict[str, bytes]) -> FoundNode | None:
    documents = {name: values[name] for name in _own_names(at, values)}
    if not documents:
        return None
    node = StoredNode.from_bytes(at, {name: data for name, data in documents.items() if name != ZMETADATA})
    return FoundNode(path, node.parse(), documents)


def _share_out(source: Source, keys: Iterable[str]) -> None:
    """Give each array the keys of its chunks; the others are foreign."""
    arrays = {node.path: node for node in source.nodes if node.is_array}
    for node in arrays.values():
        node.keys = []
    for key in keys:
        folder = key.rpartition("/")[0]
        while folder and folder not in arrays:
            folder = folder.rpartition("/")[0]
        array = arrays.get(folder)
        below = key[len(join_key(folder, "")) :]
        if array is not None and array.keys is not None and _has_chunk(array, below):
            array.keys.append(below)
        else:
            source.foreign.append(join_key(source.path, key))


def _has_chunk(node: FoundNode, key: str) -> bool:
    assert isinstance(node.metadata, AnyArrayMetadata)
    return chunk_at(node.metadata, key, only_inside=True) is not None


async def _find_n5(access: NodeAccess, path: str, keys: list[str]) -> Source:
    top = await find_node(access, path) if keys else None
    if top is None:
        raise not_found(access.store, path, "node")
    scan = Scan(access, "n5", "n5")
    below = [] if top.node_type == "array" else await scan.nodes(await scan.candidates(path), None)
    start = len(join_key(path, ""))
    nodes = [FoundNode("", top.parse(), {})]
    return Source(path, nodes + [FoundNode(found.node.path[start:], found.node.parse(), {}) for found in below])


async def _find_unlisted(access: NodeAccess, path: str) -> Source:
    """Return what a store that cannot list has: what is below a group, its consolidated metadata say."""
    top = await _load_asked(access, path, "")
    if top is None:
        n5 = await find_node(access, path)
        if n5 is None or n5.node_type == "group":
            raise not_found(access.store, path, "node")
        return Source(path, [FoundNode("", n5.parse(), {})])
    if top.is_array:
        return Source(path, [top])
    consolidated = _consolidated(path, top)
    if consolidated is None:
        raise UnsupportedError(
            f"{access.store} cannot list what is in the group {'/' + path!r}, and the group has no consolidated "
            "metadata that would say it"
        )
    start = len(join_key(path, ""))
    paths = sorted(below[start:] for below in consolidated.paths())
    found = await access.each(paths, lambda below: _load_asked(access, path, below))
    return Source(path, [top, *(node for node in found if node is not None)])


async def _load_asked(access: NodeAccess, top: str, path: str) -> FoundNode | None:
    at = join_key(top, path).rstrip("/")
    values = await access.each(_NAMES, lambda name: access.get(join_key(at, name)))
    return _parse(at, path, {name: data for name, data in zip(_NAMES, values, strict=True) if data is not None})


def _consolidated(path: str, top: FoundNode) -> Consolidated | None:
    if ZMETADATA in top.documents:
        return Consolidated.from_bytes(path, top.documents[ZMETADATA], key=join_key(path, ZMETADATA))
    return Consolidated.from_group(StoredNode.from_bytes(path, top.documents))
