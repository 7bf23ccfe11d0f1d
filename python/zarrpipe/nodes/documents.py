"""The documents of nodes in a store: read, written, changed, deleted."""

from __future__ import annotations

import errno
from collections.abc import Callable

from zarrpipe.abc.store import Store
from zarrpipe.errors import NodeExistsError, NodeNotFoundError, ReadOnlyError, StoreError, UnsupportedError
from zarrpipe.metadata import (
    ArrayMetadata,
    GroupMetadata,
    join_key,
    metadata_key,
    parent_paths,
    parse_node,
)
from zarrpipe.nodes.access import NodeAccess
from zarrpipe.nodes.locks import acquire_async, lock_named

__all__ = [
    "NodeMetadata",
    "change_node",
    "check_free",
    "check_writable",
    "create_node",
    "delete_node",
    "load_array",
    "load_group",
    "load_node",
    "not_found",
]

NodeMetadata = ArrayMetadata | GroupMetadata


async def _get_document(access: NodeAccess, key: str) -> bytes | None:
    try:
        return await access.get(key)
    except StoreError as error:
        # A file in the place of the node's folder: whatever it is, it is no node.
        if error.errno == errno.ENOTDIR:
            return None
        raise


async def load_node(access: NodeAccess, path: str) -> NodeMetadata | None:
    """Return the metadata of the node at a path; None if there is none.

    Raises
    ------
    MetadataError
        The document is not valid.
    UnsupportedError
        It names what is not implemented; or the node is of format 2.
    """
    key = metadata_key(path)
    data = await _get_document(access, key)
    if data is not None:
        return parse_node(data, key=key)
    for name in (".zarray", ".zgroup"):
        if await _get_document(access, join_key(path, name)) is not None:
            raise UnsupportedError("nodes of Zarr format 2 are not implemented yet", key=join_key(path, name))
    return None


def not_found(store: Store, path: str, what: str) -> NodeNotFoundError:
    """Return the error that there is no such node."""
    return NodeNotFoundError(f"there is no {what} at {'/' + path!r} in {store}", key=metadata_key(path))


async def load_array(access: NodeAccess, path: str) -> ArrayMetadata:
    """Return the metadata of the array at a path.

    Raises
    ------
    NodeNotFoundError
        There is nothing, or a group.
    MetadataError, UnsupportedError
        As for `load_node`.
    """
    node = await load_node(access, path)
    if isinstance(node, ArrayMetadata):
        return node
    if node is None:
        raise not_found(access.store, path, "array")
    raise NodeNotFoundError(f"{'/' + path!r} in {access.store} is a group, not an array", key=metadata_key(path))


async def load_group(access: NodeAccess, path: str) -> GroupMetadata:
    """Return the metadata of the group at a path.

    Raises
    ------
    NodeNotFoundError
        There is nothing.
    NodeExistsError
        There is an array.
    MetadataError, UnsupportedError
        As for `load_node`.
    """
    node = await load_node(access, path)
    if isinstance(node, GroupMetadata):
        return node
    if node is None:
        raise not_found(access.store, path, "group")
    raise NodeExistsError(f"{'/' + path!r} in {access.store} is an array, not a group", key=metadata_key(path))


def check_writable(store: Store) -> None:
    """Raise ReadOnlyError if a store refuses writes."""
    if store.read_only:
        raise ReadOnlyError(f"{store} was opened read-only")


async def check_free(access: NodeAccess, path: str) -> None:
    """Raise NodeExistsError if there is a node at a path."""
    for name in ("zarr.json", ".zarray", ".zgroup"):
        key = join_key(path, name)
        if await _get_document(access, key) is not None:
            raise NodeExistsError(f"there is a node at {'/' + path!r} in {access.store} already", key=key)


async def create_node(access: NodeAccess, path: str, metadata: NodeMetadata, *, overwrite: bool) -> None:
    """Write the document of a new node, and those of the groups above it that are not there.

    Parameters
    ----------
    access : NodeAccess
        The store.
    path : str
        The node's path, normalised.
    metadata : ArrayMetadata or GroupMetadata
        What it is.
    overwrite : bool
        Whether a node that is there is deleted, with all that is below it.

    Raises
    ------
    NodeExistsError
        There is a node at the path and `overwrite` is not set, or a node above it is an array.
    """
    check_writable(access.store)
    data = metadata.to_bytes()
    missing = await _missing_groups(access, path)
    if not overwrite:
        await check_free(access, path)
    elif not await access.is_empty(path):
        await access.delete_dir(path)
    group = GroupMetadata().to_bytes()
    for parent in missing:
        await access.set(metadata_key(parent), group)
    await access.set(metadata_key(path), data)


async def _missing_groups(access: NodeAccess, path: str) -> list[str]:
    missing = []
    # From the node upwards: where there is a group, there are groups above it.
    for parent in reversed(parent_paths(path)):
        node = await load_node(access, parent)
        if isinstance(node, GroupMetadata):
            break
        if node is not None:
            raise NodeExistsError(f"{'/' + parent!r} in {access.store} is an array, and has no nodes below it")
        missing.append(parent)
    return missing[::-1]


async def change_node(
    access: NodeAccess,
    path: str,
    change: Callable[[NodeMetadata], NodeMetadata],
    written: Callable[[NodeMetadata], None],
) -> None:
    """Change the document of a node as it is in the store now.

    Parameters
    ----------
    access : NodeAccess
        The store.
    path : str
        The node's path.
    change : callable
        From the node's metadata to the new ones. Nothing is written where it raises.
    written : callable
        Told of the new metadata once they are stored, before another change can begin.

    Raises
    ------
    NodeNotFoundError
        The node was deleted.
    """
    check_writable(access.store)
    # A store that answers at once is asked at once, by async callers too: so the lock is not held over a wait, and
    # waiting for it is short.
    inside = NodeAccess(access.store, blocking=True)
    lock = lock_named(metadata_key(path))
    if inside.is_sync:
        lock.acquire()
    else:
        await acquire_async(lock)
    try:
        node = await load_node(inside, path)
        if node is None:
            raise not_found(access.store, path, "node")
        changed = change(node)
        if changed != node:
            await inside.set(metadata_key(path), changed.to_bytes())
        written(changed)
    finally:
        lock.release()


async def delete_node(access: NodeAccess, path: str) -> None:
    """Delete a node with all that is below it.

    Raises
    ------
    NodeNotFoundError
        There is none.
    """
    check_writable(access.store)
    key = metadata_key(path)
    if await _get_document(access, key) is None:
        raise not_found(access.store, path, "node")
    # The document first: a node that is half deleted is none.
    await access.delete(key)
    await access.delete_dir(path)
