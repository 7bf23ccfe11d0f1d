"""Moving a node with all that is below it.

Local files are renamed. In any other store values are copied and then deleted: of the copy the node's own documents
are written last, of the original they are deleted first. So a move that is cut off leaves the node whole at its old
place or at its new one, or at both, and never a half of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from zarrpipe.config import config
from zarrpipe.errors import StoreError
from zarrpipe.metadata import StoredNode, is_document, join_key
from zarrpipe.nodes.access import NodeAccess
from zarrpipe.nodes.consolidated import Owner, update_consolidated
from zarrpipe.nodes.consolidating import nodes_below
from zarrpipe.nodes.documents import (
    check_path,
    check_writable,
    clear_place,
    delete_node,
    find_node,
    group_metadata,
    not_found,
    write_documents,
)
from zarrpipe.stores import LocalStore

__all__ = ["move_node"]

# Values in memory at once, until it is known how large they are.
_FIRST_BATCH: Final = 4


async def move_node(access: NodeAccess, source: str, dest: str, *, owner: Owner | None = None) -> None:
    """Move a node with all that is below it; groups on the way to its new place are created.

    Parameters
    ----------
    access : NodeAccess
        The store.
    source, dest : str
        The node's path, and its new one.
    owner : Owner, optional
        A group above both with consolidated metadata.

    Raises
    ------
    NodeNotFoundError
        There is no node to move.
    NodeExistsError
        There is a node at the new path, or an array above it.
    ValueError
        One path is inside the other.
    """
    check_writable(access.store)
    if not source or (dest + "/").startswith(source + "/"):
        raise ValueError(f"{'/' + source!r} cannot be moved to {'/' + dest!r}, which is inside of it")
    node = await find_node(access, source, "zarr")
    if node is None:
        raise not_found(access.store, source, "node")
    check_path(dest, node.zarr_format)
    missing, seen = await clear_place(access, dest)
    moved = [] if owner is None and not seen else await _documents(access, node)
    group = group_metadata(2 if node.zarr_format == 2 else 3)
    for parent in missing:
        await write_documents(access, parent, group.documents())
    if type(access.store) is LocalStore:
        await access.rename(source, dest)
    else:
        await _copy(access, source, dest, node)
        await delete_node(access, source)
    if moved or owner is not None:
        changes = {parent: StoredNode.from_bytes(parent, group.documents()) for parent in missing}
        changes |= {dest + below.path[len(source) :]: below.at(dest + below.path[len(source) :]) for below in moved}
        await update_consolidated(access, {source: None}, owner)
        await update_consolidated(access, changes, owner, seen=seen)


async def _documents(access: NodeAccess, node: StoredNode) -> list[StoredNode]:
    if node.node_type == "array":
        return [node]
    return [node, *await nodes_below(access, node.path, node.zarr_format)]


async def _copy(access: NodeAccess, source: str, dest: str, node: StoredNode) -> None:
    keys = [key[len(source) + 1 :] for key in await access.keys(source)]
    own = list(node.documents)[::-1]
    documents = [key for key in keys if is_document(key.rpartition("/")[2]) and key not in own]
    values = [key for key in keys if not is_document(key.rpartition("/")[2])]

    async def copy(key: str) -> int:
        data = await access.get(join_key(source, key))
        if data is None:
            raise StoreError("the key was deleted while it was moved", key=join_key(source, key))
        await access.set(join_key(dest, key), data)
        return len(data)

    try:
        await _in_batches(access, values, copy)
        await access.each(documents, copy)
        # What makes it a node is the last.
        for key in own:
            await copy(key)
    except BaseException:
        with suppress(Exception):
            await access.delete_dir(dest)
        raise


async def _in_batches(access: NodeAccess, keys: list[str], copy: Callable[[str], Awaitable[int]]) -> None:
    """Copy values, as many at once as the settings allow to be in memory."""
    settings, largest, start = config.current, 0, 0
    while start < len(keys):
        count = _FIRST_BATCH if not largest else max(1, min(settings.io_requests, settings.io_nbytes // largest))
        sizes = await access.each(keys[start : start + count], copy)
        largest, start = max(largest, 1, *sizes), start + count
