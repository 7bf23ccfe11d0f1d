"""Finding the nodes below a group: by listing the store, or in consolidated metadata without a request.

Names are listed first, and then documents are fetched, those of many nodes at once. None is parsed further than its
being an array or a group, and names alone are had without reading documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from zarrpipe.errors import MetadataError
from zarrpipe.metadata import Consolidated, StoredNode, check_node_name, is_document, join_key
from zarrpipe.nodes.access import NodeAccess
from zarrpipe.nodes.consolidated import Owner
from zarrpipe.nodes.documents import Formats, find_node, is_node

__all__ = ["Found", "Scan", "batches", "scan_consolidated"]

# Nodes that are looked at before the first of them is handed on.
_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Found:
    """A node that was found.

    Parameters
    ----------
    node : StoredNode
        Its documents.
    owner : Owner, optional
        The group whose consolidated metadata speak of it.
    """

    node: StoredNode
    owner: Owner | None


def scan_consolidated(owner: Owner, path: str, max_depth: int | None) -> Iterator[Found]:
    """Yield the nodes below a group as its consolidated metadata have them: each group before what is below it."""
    consolidated = owner.consolidated
    if consolidated is None:
        return
    # Not by recursion: documents say how deep it is.
    pending = [(path, name) for name in reversed(consolidated.names(path))]
    top = path.count("/") + bool(path)
    while pending:
        parent, name = pending.pop()
        below = join_key(parent, name)
        node = consolidated.find(below)
        if node is None:
            continue
        yield Found(node, owner)
        depth = below.count("/") - top
        if node.node_type == "group" and (max_depth is None or depth < max_depth):
            pending += [(below, name) for name in reversed(consolidated.names(below))]


def _may_be_node(name: str) -> bool:
    if is_document(name):
        return False
    try:
        check_node_name(name)
    except MetadataError:
        return False
    return True


class Scan:
    """A look at a store for the nodes below a group.

    Parameters
    ----------
    access : NodeAccess
        The store.
    formats : {"zarr", "n5"}
        Where to look for nodes.
    zarr_format : {2, 3, "n5"}
        The group's format, which most of its members have.
    owner : Owner, optional
        The group above with consolidated metadata, which are not used.
    use_consolidated : bool
        Whether those of groups that are found are used.
    """

    def __init__(
        self,
        access: NodeAccess,
        formats: Formats,
        zarr_format: object,
        *,
        owner: Owner | None = None,
        use_consolidated: bool = True,
    ) -> None:
        self._access = access
        self._formats = formats
        self._together = zarr_format == 2
        self._owner = owner
        self._use_consolidated = use_consolidated

    async def candidates(self, path: str) -> list[str]:
        """Return the paths right below a group where there may be nodes, in order."""
        return [join_key(path, name) for name in await self._access.names(path) if _may_be_node(name)]

    async def names(self, path: str) -> list[str]:
        """Return the names of the nodes right below a path, in order."""
        paths = await self.candidates(path)

        async def ask(below: str) -> bool:
            return await is_node(self._access, below, self._formats, together=self._together)

        found = await self._access.each(paths, ask)
        return [below.rpartition("/")[2] for below, there in zip(paths, found, strict=True) if there]

    async def nodes(self, paths: Sequence[str], max_depth: int | None) -> list[Found]:
        """Return the nodes at paths of one depth and those below them, each group before what is below it."""
        level = await self._load(paths)
        below = await self._below(level, max_depth)
        found = []
        pending = [(node, max_depth) for node in reversed(level)]
        while pending:
            node, depth = pending.pop()
            found.append(Found(node, self._owner))
            depth = None if depth is None else depth - 1
            deeper = below.get(node.path, [])
            if isinstance(deeper, Owner):
                found += scan_consolidated(deeper, node.path, depth)
            else:
                pending += [(member, depth) for member in reversed(deeper)]
        return found

    async def _load(self, paths: Sequence[str]) -> list[StoredNode]:
        async def find(path: str) -> StoredNode | None:
            return await find_node(self._access, path, self._formats, together=self._together)

        return [node for node in await self._access.each(paths, find) if node is not None]

    async def _below(self, level: list[StoredNode], max_depth: int | None) -> dict[str, list[StoredNode] | Owner]:
        """Return what is below each group, level by level: all groups of a level are listed at once."""
        below: dict[str, list[StoredNode] | Owner] = {}
        while level and (max_depth is None or max_depth > 0):
            groups = []
            for node in level:
                if node.node_type != "group":
                    continue
                inline = Consolidated.from_group(node) if self._use_consolidated else None
                if inline is None:
                    groups.append(node.path)
                else:
                    below[node.path] = Owner(node.path, inline)
            listed = await self._access.each(groups, self.candidates)
            level = await self._load([path for paths in listed for path in paths])
            for node in level:
                members = below.setdefault(node.path.rpartition("/")[0], [])
                assert isinstance(members, list)
                members.append(node)
            max_depth = None if max_depth is None else max_depth - 1
        return below


def batches(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut what is to be looked at into parts, so that the first nodes are had before the last are asked for."""
    for start in range(0, len(paths), _BATCH):
        yield paths[start : start + _BATCH]
