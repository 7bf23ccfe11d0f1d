"""Consolidated metadata that are stored, and what writes below their group do to them.

A write through a group, or through what was reached from it, changes the node's own documents first and then those
consolidated documents above it that the write knows of: the one that the group was opened with, those of groups
between it and the node, and that of the group right above. So what such writes leave behind is not stale, unless they
are cut off between the two.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from zarrpipe.abc.store import Store
from zarrpipe.errors import StaleMetadataWarning, UnsupportedError
from zarrpipe.metadata import (
    ZARR_JSON,
    ZMETADATA,
    AnyArrayMetadata,
    AnyGroupMetadata,
    Consolidated,
    StoredNode,
    dumps,
    has_reserved_name,
    in_document,
    join_key,
    loads,
    metadata_key,
    parent_paths,
    same_documents,
)
from zarrpipe.nodes.access import NodeAccess
from zarrpipe.nodes.locks import document_lock

__all__ = ["Changes", "Owner", "check_can_consolidate", "load_consolidated", "stored_node", "update_consolidated"]

Changes: TypeAlias = Mapping[str, StoredNode | None]
"""What nodes are now, by path; None for those that were deleted, with all below them."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A group whose consolidated metadata speak of the nodes below it.

    Parameters
    ----------
    path : str
        The group's path.
    consolidated : Consolidated, optional
        Its consolidated metadata as they are held in memory; None where they are in the store alone.
    name : str
        Of the document that holds them, if the group is of format 2.
    """

    path: str
    consolidated: Consolidated | None = None
    name: str = ZMETADATA


def check_can_consolidate(store: Store) -> None:
    """Raise UnsupportedError for a store that wants no consolidated metadata."""
    if not getattr(store, "supports_consolidated_metadata", True):
        raise UnsupportedError(f"{type(store).__name__} holds no consolidated metadata")


def stored_node(path: str, metadata: AnyArrayMetadata | AnyGroupMetadata) -> StoredNode:
    """Return a node by its metadata, as it will be found in the store."""
    return StoredNode.from_bytes(path, metadata.documents())


async def load_consolidated(
    access: NodeAccess, path: str, zarr_format: object, name: str = ZMETADATA
) -> Consolidated | None:
    """Return what the group at a path has in the store; None where it has nothing. `name` is for format 2."""
    if zarr_format == 3:
        data = None if has_reserved_name(path) else await access.get(metadata_key(path))
        return None if data is None else Consolidated.from_group(StoredNode.from_bytes(path, {ZARR_JSON: data}))
    key = join_key(path, name)
    data = await access.get(key)
    return None if data is None else Consolidated.from_bytes(path, data, key=key)


async def update_consolidated(
    access: NodeAccess,
    changes: Changes,
    owner: Owner | None,
    *,
    seen: Iterable[str] = (),
    before: Changes | None = None,
) -> None:
    """Change the consolidated documents above nodes that were changed.

    Parameters
    ----------
    access : NodeAccess
        The store.
    changes : mapping
        The nodes.
    owner : Owner, optional
        The topmost group that is known to hold documents of them.
    seen : iterable of str
        The paths of other groups that were seen to.
    before : mapping, optional
        What the nodes were. Where consolidated documents had something else, a StaleMetadataWarning says so.
    """
    if owner is not None and owner.consolidated is not None:
        _apply(owner.consolidated, changes)
    groups = {path for path in seen if owner is None or not _is_inside(path, owner.path)}
    if owner is not None:
        for changed, node in changes.items():
            # Of the documents that are consolidated, those of a v2 group itself are some.
            itself = [changed] if node is not None and node.zarr_format == 2 and node.node_type == "group" else []
            groups.update(path for path in (*parent_paths(changed), *itself) if _is_inside(path, owner.path))
    # From below, as all take these locks.
    for path in sorted(groups, key=len, reverse=True):
        inside = {changed: node for changed, node in changes.items() if _is_inside(changed, path)}
        name = owner.name if owner is not None and path == owner.path else ZMETADATA
        await _update(access, path, name, inside, before or {})


def _is_inside(path: str, group: str) -> bool:
    return not group or path == group or path.startswith(group + "/")


def _apply(consolidated: Consolidated, changes: Changes) -> None:
    for path, node in changes.items():
        if not _is_inside(path, consolidated.path):
            continue
        if node is None:
            consolidated.remove(path)
        elif path != consolidated.path or consolidated.zarr_format == 2:
            # In format 2 the group's own documents are in there too.
            consolidated.put(node)


async def _update(access: NodeAccess, path: str, name_v2: str, changes: Changes, before: Changes) -> None:
    """Change what one group has in the store, if it has anything."""
    for name in (ZARR_JSON, name_v2):
        if name == ZARR_JSON and (has_reserved_name(path) or path in changes):
            # It is a group of format 2 then, and its own lock is held already.
            continue
        key = join_key(path, name)
        async with document_lock(access, key) as inside:
            data = await inside.get(key)
            if data is None:
                continue
            if name != ZARR_JSON:
                consolidated: Consolidated | None = Consolidated.from_bytes(path, data, key=key)
            else:
                with in_document(key):
                    document: dict[str, Any] = loads(data)
                consolidated = Consolidated.from_group(StoredNode(path, {ZARR_JSON: document}))
            if consolidated is not None:
                _tell_stale(consolidated, before)
                _apply(consolidated, changes)
                await inside.set(key, consolidated.to_bytes() if name != ZARR_JSON else dumps(document))
        if name == ZARR_JSON:
            # A group of format 3 has no other document.
            return


def _tell_stale(consolidated: Consolidated, before: Changes) -> None:
    for path, node in before.items():
        entry = consolidated.find(path)
        if node is not None and entry is not None and not same_documents(entry, node):
            warnings.warn(
                f"the consolidated metadata of the group {'/' + consolidated.path!r} were stale: another writer had "
                f"changed {'/' + path!r} before; zarrpipe.consolidate_metadata makes them new",
                StaleMetadataWarning,
                stacklevel=2,
            )
