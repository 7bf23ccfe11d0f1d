"""The documents of nodes in a store: read, written, changed, deleted."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Literal, TypeAlias

from zarrpipe._types import JSON, StoredFormat, ZarrFormat
from zarrpipe.abc.store import Store
from zarrpipe.config import Locking, config
from zarrpipe.errors import MetadataError, NodeExistsError, NodeNotFoundError, ReadOnlyError, StoreError
from zarrpipe.metadata import (
    ATTRIBUTES_JSON,
    ZARR_JSON,
    ZARRAY,
    ZATTRS,
    ZGROUP,
    AnyArrayMetadata,
    AnyGroupMetadata,
    ArrayV2Metadata,
    GroupMetadata,
    GroupV2Metadata,
    N5GroupMetadata,
    has_reserved_name,
    join_key,
    metadata_key,
    parent_paths,
    parse_n5,
    parse_node,
)
from zarrpipe.nodes.access import NodeAccess
from zarrpipe.nodes.conditional import ConditionalAccess, OvertakenError
from zarrpipe.nodes.locks import acquire_async, lock_between, lock_named, locked, locked_between

__all__ = [
    "Formats",
    "NodeMetadata",
    "change_node",
    "check_free",
    "check_writable",
    "create_node",
    "delete_node",
    "group_metadata",
    "load_array",
    "load_group",
    "load_node",
    "not_found",
]

NodeMetadata: TypeAlias = AnyArrayMetadata | AnyGroupMetadata

Formats: TypeAlias = StoredFormat | Literal["zarr"] | None
"""Where to look for a node: in one format, in those of Zarr, or in all."""

# Between attempts to change a document that others change too.
_FIRST_PAUSE_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 0.5

# What makes a key's folder a node, by its being there.
_DOCUMENTS: Final = (ZARR_JSON, ZARRAY, ZGROUP)


async def _get_document(access: NodeAccess, key: str) -> bytes | None:
    try:
        return await access.get(key)
    except StoreError as error:
        # A file in the place of the node's folder: whatever it is, it is no node.
        if error.errno == errno.ENOTDIR:
            return None
        raise


async def _load_v3(access: NodeAccess, path: str) -> NodeMetadata | None:
    if has_reserved_name(path):
        # Whatever lies there is no node.
        return None
    key = metadata_key(path)
    data = await _get_document(access, key)
    return None if data is None else parse_node(data, key=key)


async def _load_v2(access: NodeAccess, path: str) -> NodeMetadata | None:
    for name, parse in ((ZARRAY, ArrayV2Metadata.from_bytes), (ZGROUP, GroupV2Metadata.from_bytes)):
        data = await _get_document(access, join_key(path, name))
        if data is not None:
            return parse(data, await access.get(join_key(path, ZATTRS)), path=path)
    return None


async def _load_n5(access: NodeAccess, path: str, *, marked: bool) -> NodeMetadata | None:
    """With `marked`, only what says that it is N5: else any folder that is not empty is a group."""
    data = await _get_document(access, join_key(path, ATTRIBUTES_JSON))
    if data is not None:
        return parse_n5(data, path=path, marked=marked)
    return None if marked or await access.is_empty(path) else N5GroupMetadata()


_Loader: TypeAlias = Callable[[NodeAccess, str], Awaitable[NodeMetadata | None]]

# In the order of asking: v3 first, so that it costs one request.
_LOADERS: Final[dict[Formats, tuple[_Loader, ...]]] = {
    3: (_load_v3,),
    2: (_load_v2,),
    "n5": (partial(_load_n5, marked=False),),
    "zarr": (_load_v3, _load_v2),
    None: (_load_v3, _load_v2, partial(_load_n5, marked=True)),
}


async def load_node(access: NodeAccess, path: str, formats: Formats = None) -> NodeMetadata | None:
    """Return the metadata of the node at a path; None if there is none.

    Parameters
    ----------
    access : NodeAccess
        The store.
    path : str
        The node's path, normalised.
    formats : {2, 3, "n5", "zarr"}, optional
        Where to look; None for v3, v2 and N5, one after the other.

    Raises
    ------
    MetadataError
        The document is not valid.
    UnsupportedError
        It names what is not implemented.
    """
    for load in _LOADERS[formats]:
        node = await load(access, path)
        if node is not None:
            return node
    return None


def not_found(store: Store, path: str, what: str) -> NodeNotFoundError:
    """Return the error that there is no such node."""
    return NodeNotFoundError(f"there is no {what} at {'/' + path!r} in {store}", key=metadata_key(path))


async def load_array(access: NodeAccess, path: str, formats: Formats = None) -> AnyArrayMetadata:
    """Return the metadata of the array at a path; `formats` as for `load_node`.

    Raises
    ------
    NodeNotFoundError
        There is nothing, or a group.
    MetadataError, UnsupportedError
        As for `load_node`.
    """
    node = await load_node(access, path, formats)
    if isinstance(node, AnyArrayMetadata):
        return node
    if node is None:
        raise not_found(access.store, path, "array")
    raise NodeNotFoundError(f"{'/' + path!r} in {access.store} is a group, not an array", key=metadata_key(path))


async def load_group(access: NodeAccess, path: str, formats: Formats = None) -> AnyGroupMetadata:
    """Return the metadata of the group at a path; `formats` as for `load_node`.

    Raises
    ------
    NodeNotFoundError
        There is nothing.
    NodeExistsError
        There is an array.
    MetadataError, UnsupportedError
        As for `load_node`.
    """
    node = await load_node(access, path, formats)
    if isinstance(node, AnyGroupMetadata):
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
    for name in _DOCUMENTS:
        key = join_key(path, name)
        if await _get_document(access, key) is not None:
            raise NodeExistsError(f"there is a node at {'/' + path!r} in {access.store} already", key=key)


def group_metadata(zarr_format: ZarrFormat, attributes: dict[str, JSON] | None = None) -> AnyGroupMetadata:
    """Return the metadata of a new group in a format."""
    new = GroupV2Metadata if zarr_format == 2 else GroupMetadata
    return new(attributes=attributes or {})


async def create_node(access: NodeAccess, path: str, metadata: NodeMetadata, *, overwrite: bool) -> None:
    """Write the documents of a new node, and those of the groups above it that are not there, in the same format.

    Parameters
    ----------
    access : NodeAccess
        The store.
    path : str
        The node's path, normalised.
    metadata : array or group metadata
        What it is.
    overwrite : bool
        Whether a node that is there is deleted, with all that is below it.

    Raises
    ------
    NodeExistsError
        There is a node at the path and `overwrite` is not set, or a node above it is an array.
    MetadataError
        The format does not have such names.
    """
    check_writable(access.store)
    if metadata.zarr_format == 3 and has_reserved_name(path):
        raise MetadataError(f"{path!r} is not the path of a node: names that begin with two underscores are reserved")
    documents = metadata.documents()
    missing = await _missing_groups(access, path)
    if not overwrite:
        await check_free(access, path)
    elif not await access.is_empty(path):
        # The documents first: a node that is half deleted is none.
        for name in _DOCUMENTS:
            await access.delete(join_key(path, name))
        await access.delete_dir(path)
    group = group_metadata(2 if metadata.zarr_format == 2 else 3).documents()
    for parent in missing:
        await _write(access, parent, group)
    await _write(access, path, documents)


async def _write(access: NodeAccess, path: str, documents: dict[str, bytes]) -> None:
    # One after the other: the last is what makes it a node, so none is seen without its attributes.
    for name, data in documents.items():
        await access.set(join_key(path, name), data)


async def _missing_groups(access: NodeAccess, path: str) -> list[str]:
    missing = []
    # From the node upwards: where there is a group, there are groups above it.
    for parent in reversed(parent_paths(path)):
        node = await load_node(access, parent, "zarr")
        if isinstance(node, AnyGroupMetadata):
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
    formats: Formats = None,
    locking: Locking = "none",
) -> None:
    """Change the documents of a node as they are in the store now; only those that differ are written.

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
    formats : {2, 3, "n5"}, optional
        The node's format.
    locking : {"none", "file", "conditional"}
        What keeps other processes from changing it meanwhile.

    Raises
    ------
    NodeNotFoundError
        The node was deleted.
    UnsupportedError
        It is one of N5, or the store cannot be written conditionally.
    ConflictError
        Others changed it each time, as often as the setting `conflict_retries` says.
    """
    check_writable(access.store)
    if locking == "conditional":
        await _change_if_same(access, path, change, written, formats)
        return
    # Taken first, and awaited where that is asked for: once it is held nothing below waits, over files.
    async with locked_between(lock_between(access.store, path, ZARR_JSON, locking), access):
        await _change_here(access, path, change, written, formats)


async def _change_if_same(
    access: NodeAccess,
    path: str,
    change: Callable[[NodeMetadata], NodeMetadata],
    written: Callable[[NodeMetadata], None],
    formats: Formats,
) -> None:
    """Change documents on condition that nobody else has since they were read; else they are read again."""
    retries = config.current.conflict_retries
    for conflicts in range(retries + 1):
        # Others in this process need not be raced.
        async with locked(metadata_key(path), access):
            inside = ConditionalAccess(access.store, blocking=access.blocking)
            try:
                written(await _change_once(inside, path, change, formats))
            except OvertakenError:
                if conflicts == retries:
                    raise
            else:
                return
        await access.pause(min(_FIRST_PAUSE_S * 2**conflicts, _LONGEST_PAUSE_S))


async def _change_here(
    access: NodeAccess,
    path: str,
    change: Callable[[NodeMetadata], NodeMetadata],
    written: Callable[[NodeMetadata], None],
    formats: Formats,
) -> None:
    # A store that answers at once is asked at once, by async callers too: so the lock is not held over a wait, and
    # waiting for it is short.
    inside = NodeAccess(access.store, blocking=True)
    lock = lock_named(metadata_key(path))
    if inside.is_sync:
        lock.acquire()
    else:
        await acquire_async(lock)
    try:
        written(await _change_once(inside, path, change, formats))
    finally:
        lock.release()


async def _change_once(
    access: NodeAccess, path: str, change: Callable[[NodeMetadata], NodeMetadata], formats: Formats
) -> NodeMetadata:
    node = await load_node(access, path, formats)
    if node is None:
        raise not_found(access.store, path, "node")
    before, changed = node.documents(), change(node)
    differing = {name: data for name, data in changed.documents().items() if data != before.get(name)}
    await _write(access, path, differing)
    return changed


async def delete_node(access: NodeAccess, path: str) -> None:
    """Delete a node with all that is below it.

    Raises
    ------
    NodeNotFoundError
        There is none.
    """
    check_writable(access.store)
    keys = [join_key(path, name) for name in _DOCUMENTS]
    found = [key for key in keys if await _get_document(access, key) is not None]
    if not found:
        raise not_found(access.store, path, "node")
    # The documents first: a node that is half deleted is none.
    for key in found:
        await access.delete(key)
    await access.delete_dir(path)
