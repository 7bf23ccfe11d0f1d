"""The documents of nodes in a store: read, written, changed, deleted.

Each operation is written once, as a coroutine over a `NodeAccess`. `run` drives it for sync callers: over a store that
answers without an event loop such a coroutine never waits, and is run in place.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from zarrpipe.abc.store import Store
from zarrpipe.driver import sync
from zarrpipe.errors import NodeExistsError, NodeNotFoundError, ReadOnlyError, StoreError, UnsupportedError
from zarrpipe.metadata import (
    ArrayMetadata,
    GroupMetadata,
    join_key,
    metadata_key,
    parent_paths,
    parse_node,
)
from zarrpipe.stores import AsyncStoreAdapter, StoreAdapter, supports_sync

__all__ = [
    "NodeAccess",
    "NodeMetadata",
    "change_node",
    "check_free",
    "check_writable",
    "create_node",
    "delete_node",
    "load_array",
    "load_group",
    "load_node",
    "locked",
    "not_found",
    "run",
]

NodeMetadata = ArrayMetadata | GroupMetadata

T = TypeVar("T")
M = TypeVar("M", ArrayMetadata, GroupMetadata)

_LOCK_POLL_S: Final = 0.001


class NodeAccess:
    """A store as operations on nodes see it.

    Parameters
    ----------
    store : Store
        The store.
    blocking : bool
        Whether the caller has a thread of its own to wait in: then no method suspends, if the store answers without an
        event loop.
    """

    def __init__(self, store: Store, *, blocking: bool) -> None:
        self.store: Any = store
        self.is_sync = supports_sync(store)
        self.blocking = blocking and self.is_sync
        # Stores of zarr-python are asked in their own classes.
        self._adapter, self._awaited = StoreAdapter(store), AsyncStoreAdapter(store)

    async def get(self, key: str) -> bytes | None:
        """Return the value of a key; None if there is no such key."""
        found = self._adapter.get(key, [None]) if self.blocking else await self._awaited.get(key, [None])
        return None if found is None else memoryview(found[0]).tobytes()

    async def set(self, key: str, data: bytes) -> None:
        """Store a value."""
        if self.blocking:
            self._adapter.set(key, data)
        else:
            await self._awaited.set(key, data)

    async def delete(self, key: str) -> None:
        """Delete a key; no error if there is none."""
        if self.blocking:
            self._adapter.delete(key)
        else:
            await self._awaited.delete(key)

    async def delete_dir(self, path: str) -> None:
        """Delete all keys below a path."""
        await self._wait(self.store.delete_dir(path))

    async def exists(self, key: str) -> bool:
        """Whether there is such a key."""
        return await self._wait(self.store.exists(key))

    async def keys(self, path: str) -> list[str]:
        """Return all keys below a path."""
        return await self._wait(_collect(self.store.list_prefix(_as_prefix(path))))

    async def names(self, path: str) -> list[str]:
        """Return the names right below a path, in order."""
        return sorted(await self._wait(_collect(self.store.list_dir(_as_prefix(path)))))

    async def is_empty(self, path: str) -> bool:
        """Whether there is no key below a path."""
        return await self._wait(self.store.is_empty(path))

    async def nbytes(self, path: str) -> int:
        """Return the size of all values below a path, in bytes."""
        return await self._wait(self.store.getsize_prefix(_as_prefix(path)))

    async def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        # Stores list in coroutines only, which may suspend.
        return sync(lambda: coroutine, self.store) if self.blocking else await coroutine


def _as_prefix(path: str) -> str:
    return path + "/" if path else ""


async def _collect(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


def run(store: Store, operation: Callable[[NodeAccess], Coroutine[Any, Any, T]]) -> T:
    """Run an operation on nodes for a sync caller.

    Parameters
    ----------
    store : Store
        The store.
    operation : callable
        An async function of a `NodeAccess`.

    Raises
    ------
    RuntimeError
        The store needs an event loop, and the caller is on it.
    """
    access = NodeAccess(store, blocking=True)
    if not access.is_sync:
        return sync(lambda: operation(access), store)
    coroutine = operation(access)
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        coroutine.close()
    raise RuntimeError(f"{type(store).__name__} answers without an event loop, but an operation on it waited for one")


# Two writers of one document in this process: each reads it, changes it and writes it under its lock.
_locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
_locks_guard = threading.Lock()


def _forget_locks() -> None:
    # The child of a fork must not wait for locks that threads of the parent held.
    global _locks, _locks_guard
    _locks, _locks_guard = WeakValueDictionary(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)


def _lock(name: str) -> threading.Lock:
    with _locks_guard:
        return _locks.setdefault(name, threading.Lock())


async def _acquire(lock: threading.Lock) -> None:
    while not lock.acquire(blocking=False):  # noqa: ASYNC110 - threads wait for the lock, too
        await asyncio.sleep(_LOCK_POLL_S)


@asynccontextmanager
async def locked(name: str, access: NodeAccess) -> AsyncIterator[None]:
    """Hold a lock of this process.

    Parameters
    ----------
    name : str
        Of the lock. Nodes of different stores may share one, which costs a wait now and then, and nothing else.
    access : NodeAccess
        Says how to wait.

    Raises
    ------
    RuntimeError
        The caller would wait on a thread with a running event loop, a task of which may hold the lock.
    """
    lock = _lock(name)
    if not access.blocking:
        await _acquire(lock)
    elif not lock.acquire(blocking=False):
        if _is_in_loop():
            raise RuntimeError("another change of this node is under way: use the async form, and await it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


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
    lock = _lock(metadata_key(path))
    if inside.is_sync:
        lock.acquire()
    else:
        await _acquire(lock)
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
