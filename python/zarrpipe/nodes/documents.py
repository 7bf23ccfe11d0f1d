"""The documents of nodes in a store: read, written, changed, deleted."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
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
    Consolidated,
    GroupMetadata,
    GroupV2Metadata,
    N5GroupMetadata,
    StoredNode,
    has_reserved_name,
    join_key,
    metadata_key,
    parent_paths,
    parse_n5,
)
from zarrpipe.nodes.access import NodeAccess
from zarrpipe.nodes.conditional import ConditionalAccess, OvertakenError
from zarrpipe.nodes.consolidated import Owner, stored_node, update_consolidated
from zarrpipe.nodes.locks import document_lock, lock_between, locked, locked_between

__all__ = [
    "Formats",
    "NodeMetadata",
    "change_node",
    "check_free",
    "check_path",
    "check_writable",
    "clear_place",
    "create_node",
    "delete_node",
    "find_node",
    "group_metadata",
    "is_node",
    "load_array",
    "load_group",
    "load_node",
    "missing_groups",
    "not_found",
    "write_documents",
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


async def _get_documents(access: NodeAccess, path: str, names: Sequence[str]) -> dict[str, bytes]:
    """Return those documents that are there, all of them asked for at once."""
    keys = [join_key(path, name) for name in names]
    found = await access.each(keys, lambda key: _get_document(access, key))
    return {name: data for name, data in zip(names, found, strict=True) if data is not None}


async def _find_n5(access: NodeAccess, path: str) -> StoredNode | None:
    data = await _get_document(access, join_key(path, ATTRIBUTES_JSON))
    if data is not None:
        parsed = parse_n5(data, path=path)
        return None if parsed is None else StoredNode(path, {}, parsed)
    # Any folder that is not empty is a group.
    return None if await access.is_empty(path) else StoredNode(path, {}, N5GroupMetadata())


async def find_node(
    access: NodeAccess, path: str, formats: Formats = None, *, beside: str | None = None, together: bool = False
) -> StoredNode | None:
    """Return the documents of the node at a path; None if there is none.

    Where nothing says the format, v3's document is asked for first, since most nodes have it, and then, if it is not
    there, all others at once: so an answer takes two rounds at most from a store that must be awaited.

    Parameters
    ----------
    access : NodeAccess
        The store.
    path : str
        The node's path, normalised.
    formats : {2, 3, "n5", "zarr"}, optional
        Where to look; None for v3, v2 and N5, one before the other.
    beside : str, optional
        A name in the node's folder that is asked for with the documents of v2.
    together : bool
        Whether the documents of both formats are asked for at once.

    Raises
    ------
    MetadataError
        A document is not JSON.
    """
    if formats == "n5":
        return await _find_n5(access, path)
    # Whatever lies at a name that v3 reserves is no node of v3.
    first = [] if formats == 2 or has_reserved_name(path) else [ZARR_JSON]
    rest = [] if formats == 3 else [ZARRAY, ZGROUP, ZATTRS, *([beside] if beside else [])]
    if formats is None:
        rest.append(ATTRIBUTES_JSON)
    for names in [[*first, *rest]] if together else [first, rest]:
        found = await _get_documents(access, path, names)
        if ZARR_JSON in found:
            return StoredNode.from_bytes(path, {ZARR_JSON: found[ZARR_JSON]})
        own = next((name for name in (ZARRAY, ZGROUP) if name in found), None)
        if own is not None:
            documents = {name: found[name] for name in (own, ZATTRS) if name in found}
            return StoredNode.from_bytes(path, documents, found.get(beside or ""))
        if ATTRIBUTES_JSON in found:
            parsed = parse_n5(found[ATTRIBUTES_JSON], path=path, marked=True)
            return None if parsed is None else StoredNode(path, {}, parsed)
    return None


async def is_node(access: NodeAccess, path: str, formats: Formats = "zarr", *, together: bool = False) -> bool:
    """Whether there is a node at a path. Its documents are not read, where they need not be; see `find_node`."""
    if formats == "n5":
        return await _find_n5(access, path) is not None
    first = [] if has_reserved_name(path) else [join_key(path, ZARR_JSON)]
    rest = [join_key(path, ZARRAY), join_key(path, ZGROUP)]
    for keys in [[*first, *rest]] if together else [first, rest]:
        if access.blocking:
            for key in keys:
                if await access.exists(key):
                    return True
        elif any(await access.each(keys, access.exists)):
            return True
    return False


async def load_node(access: NodeAccess, path: str, formats: Formats = None) -> NodeMetadata | None:
    """Return the metadata of the node at a path; None if there is none. For the parameters see `find_node`.

    Raises
    ------
    MetadataError
        The document is not valid.
    UnsupportedError
        It names what is not implemented.
    """
    node = await find_node(access, path, formats)
    return None if node is None else node.parse()


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


async def load_group(
    access: NodeAccess, path: str, formats: Formats = None, *, beside: str | None = None
) -> tuple[AnyGroupMetadata, StoredNode]:
    """Return the metadata of the group at a path, and what they were read from; for the parameters see `find_node`.

    Raises
    ------
    NodeNotFoundError
        There is nothing.
    NodeExistsError
        There is an array.
    MetadataError, UnsupportedError
        As for `load_node`.
    """
    found = await find_node(access, path, formats, beside=beside)
    if found is None:
        raise not_found(access.store, path, "group")
    node = found.parse()
    if isinstance(node, AnyGroupMetadata):
        return node, found
    raise NodeExistsError(f"{'/' + path!r} in {access.store} is an array, not a group", key=metadata_key(path))


def check_writable(store: Store) -> None:
    """Raise ReadOnlyError if a store refuses writes."""
    if store.read_only:
        raise ReadOnlyError(f"{store} was opened read-only")


async def check_free(access: NodeAccess, path: str) -> None:
    """Raise NodeExistsError if there is a node at a path."""
    for name in await _get_documents(access, path, _DOCUMENTS):
        message = f"there is a node at {'/' + path!r} in {access.store} already"
        raise NodeExistsError(message, key=join_key(path, name))


def group_metadata(zarr_format: ZarrFormat, attributes: dict[str, JSON] | None = None) -> AnyGroupMetadata:
    """Return the metadata of a new group in a format."""
    new = GroupV2Metadata if zarr_format == 2 else GroupMetadata
    return new(attributes=attributes or {})


async def create_node(
    access: NodeAccess, path: str, metadata: NodeMetadata, *, overwrite: bool, owner: Owner | None = None
) -> None:
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
    owner : Owner, optional
        A group above it with consolidated metadata.

    Raises
    ------
    NodeExistsError
        There is a node at the path and `overwrite` is not set, or a node above it is an array.
    MetadataError
        The format does not have such names.
    """
    check_writable(access.store)
    check_path(path, metadata.zarr_format)
    documents = metadata.documents()
    (missing, seen), free = await access.together(
        lambda: missing_groups(access, path), lambda: _is_free(access, path, overwrite=overwrite)
    )
    if not free:
        # The documents first: a node that is half deleted is none.
        for name in _DOCUMENTS:
            await access.delete(join_key(path, name))
        await access.delete_dir(path)
    group = group_metadata(2 if metadata.zarr_format == 2 else 3)
    for parent in missing:
        await write_documents(access, parent, group.documents())
    await write_documents(access, path, documents)
    if owner is not None or seen:
        new = {parent: stored_node(parent, group) for parent in missing} | {path: stored_node(path, metadata)}
        # What was there before is gone with all below it.
        changes: dict[str, StoredNode | None] = {} if free else {path: None}
        for changed in (changes, new) if changes else (new,):
            await update_consolidated(access, changed, owner, seen=seen)


async def clear_place(access: NodeAccess, path: str) -> tuple[list[str], list[str]]:
    """See that there is no node at a path, nor anything else; see `missing_groups` for what is returned.

    Raises
    ------
    NodeExistsError
        There is a node, or an array above it.
    """
    groups, _ = await access.together(lambda: missing_groups(access, path), lambda: check_free(access, path))
    # What was left behind by who was cut off there would become a part of the node.
    if not await access.is_empty(path):
        await access.delete_dir(path)
    return groups


def check_path(path: str, zarr_format: StoredFormat) -> None:
    """Raise MetadataError if nodes of a format do not have such a path."""
    if zarr_format == 3 and has_reserved_name(path):
        raise MetadataError(f"{path!r} is not the path of a node: names that begin with two underscores are reserved")


async def _is_free(access: NodeAccess, path: str, *, overwrite: bool) -> bool:
    """Whether nothing has to be deleted before a node is written."""
    if overwrite:
        return await access.is_empty(path)
    await check_free(access, path)
    return True


async def write_documents(access: NodeAccess, path: str, documents: Mapping[str, bytes]) -> None:
    """Write the documents of a node."""
    # One after the other: the last is what makes it a node, so none is seen without its attributes.
    for name, data in documents.items():
        await access.set(join_key(path, name), data)


async def missing_groups(access: NodeAccess, path: str) -> tuple[list[str], list[str]]:
    """Return the paths above a node where there is no group, and that of the next group if it is consolidated."""
    parents = parent_paths(path)
    # From the node upwards: where there is a group, there are groups above it. Most have one of v3 right above.
    nearest = await find_node(access, parents[-1], 3) if parents else None
    if nearest is None and parents:

        async def find(parent: str) -> StoredNode | None:
            return await find_node(access, parent, 2 if parent == parents[-1] else "zarr", together=True)

        found = await access.each(parents, find)
        nearest = next((node for node in reversed(found) if node is not None), None)
    if nearest is None:
        return parents, []
    if nearest.node_type == "array":
        raise NodeExistsError(f"{'/' + nearest.path!r} in {access.store} is an array, and has no nodes below it")
    seen = [nearest.path] if Consolidated.from_group(nearest) is not None else []
    return parents[parents.index(nearest.path) + 1 :], seen


async def change_node(
    access: NodeAccess,
    path: str,
    change: Callable[[NodeMetadata], NodeMetadata],
    written: Callable[[NodeMetadata], None],
    formats: Formats = None,
    locking: Locking = "none",
    *,
    owner: Owner | None = None,
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
    owner : Owner, optional
        A group above it with consolidated metadata, or the node itself.

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
        await _change_if_same(access, path, change, written, formats, owner)
        return
    # Taken first, and awaited where that is asked for: once it is held nothing below waits, over files.
    async with (
        locked_between(lock_between(access.store, path, ZARR_JSON, locking), access),
        document_lock(access, metadata_key(path)) as inside,
    ):
        await _change_once(inside, path, change, written, formats, owner)


async def _change_if_same(
    access: NodeAccess,
    path: str,
    change: Callable[[NodeMetadata], NodeMetadata],
    written: Callable[[NodeMetadata], None],
    formats: Formats,
    owner: Owner | None,
) -> None:
    """Change documents on condition that nobody else has since they were read; else they are read again."""
    retries = config.current.conflict_retries
    for conflicts in range(retries + 1):
        # Others in this process need not be raced.
        async with locked(metadata_key(path), access):
            inside = ConditionalAccess(access.store, blocking=access.blocking)
            try:
                await _change_once(inside, path, change, written, formats, owner)
            except OvertakenError:
                if conflicts == retries:
                    raise
            else:
                return
        await access.pause(min(_FIRST_PAUSE_S * 2**conflicts, _LONGEST_PAUSE_S))


async def _change_once(
    access: NodeAccess,
    path: str,
    change: Callable[[NodeMetadata], NodeMetadata],
    written: Callable[[NodeMetadata], None],
    formats: Formats,
    owner: Owner | None,
) -> None:
    found = await find_node(access, path, formats)
    if found is None:
        raise not_found(access.store, path, "node")
    node = found.parse()
    before, changed = node.documents(), change(node)
    differing = {name: data for name, data in changed.documents().items() if data != before.get(name)}
    await write_documents(access, path, differing)
    written(changed)
    if owner is not None:
        await update_consolidated(access, {path: stored_node(path, changed)}, owner, before={path: found})


async def delete_node(access: NodeAccess, path: str, *, owner: Owner | None = None) -> None:
    """Delete a node with all that is below it.

    Raises
    ------
    NodeNotFoundError
        There is none.
    """
    check_writable(access.store)
    found = await _get_documents(access, path, _DOCUMENTS)
    if not found:
        raise not_found(access.store, path, "node")
    # The documents first: a node that is half deleted is none.
    for name in found:
        await access.delete(join_key(path, name))
    await access.delete_dir(path)
    if owner is not None:
        await update_consolidated(access, {path: None}, owner)
