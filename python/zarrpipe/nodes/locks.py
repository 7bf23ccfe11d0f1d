"""Locks by name: of the documents of nodes, and of the shapes of arrays; in this process, and between processes."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from weakref import WeakValueDictionary

from zarrpipe.metadata import join_key
from zarrpipe.nodes.access import NodeAccess
from zarrpipe.stores import core_store

if TYPE_CHECKING:
    from zarrpipe import _core
    from zarrpipe.config import Locking

__all__ = ["TryLock", "document_lock", "lock_between", "lock_named", "locked", "locked_between"]

TryLock: TypeAlias = "Callable[[], _core.Lock | None]"
"""Takes a lock between processes, if no other process has it."""

_LOCK_POLL_S: Final = 0.001
_LONGEST_POLL_S: Final = 0.02

# Two writers of one document in this process: each reads it, changes it and writes it under its lock.
_locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
_locks_guard = threading.Lock()


def _forget_locks() -> None:
    # The child of a fork must not wait for locks that threads of the parent held.
    global _locks, _locks_guard
    _locks, _locks_guard = WeakValueDictionary(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)


def lock_named(name: str) -> threading.Lock:
    """Return the lock of a name; all that hold it at once hold the same."""
    with _locks_guard:
        return _locks.setdefault(name, threading.Lock())


async def _acquire_async(lock: threading.Lock) -> None:
    """Take a lock without blocking the running event loop."""
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
    lock = lock_named(name)
    if not access.blocking:
        await _acquire_async(lock)
    elif not lock.acquire(blocking=False):
        if _is_in_loop():
            raise RuntimeError("another change of this node is under way: use the async form, and await it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def lock_between(store: Any, path: str, name: str, locking: Locking) -> TryLock | None:
    """Return what takes a node's lock between processes.

    Parameters
    ----------
    store : Store
        Of local files.
    path : str
        The node's path.
    name : str
        What of the node is locked.
    locking : {"none", "file", "conditional"}
        Only for "file" there is such a lock.
    """
    if locking != "file":
        return None
    place, key = core_store(store), join_key(path, name)
    return lambda: place.try_lock(path, key)


@asynccontextmanager
async def locked_between(try_lock: TryLock | None, access: NodeAccess) -> AsyncIterator[None]:
    """Hold a lock between processes.

    Parameters
    ----------
    try_lock : callable, optional
        Takes it; None where there is none to take.
    access : NodeAccess
        Says how to wait.
    """
    if try_lock is None:
        yield
        return
    pause = _LOCK_POLL_S
    while (lock := try_lock()) is None:
        await access.pause(pause)
        pause = min(2 * pause, _LONGEST_POLL_S)
    try:
        yield
    finally:
        lock.release()


@asynccontextmanager
async def document_lock(access: NodeAccess, key: str) -> AsyncIterator[NodeAccess]:
    """Hold the lock of a document, and yield what to read and write it by.

    A store that answers at once is asked at once, by async callers too: so the lock is not held over a wait, and
    waiting for it is short.

    Parameters
    ----------
    access : NodeAccess
        The caller's.
    key : str
        The document's.
    """
    inside = NodeAccess(access.store, blocking=True)
    lock = lock_named(key)
    if inside.is_sync:
        lock.acquire()
    else:
        await _acquire_async(lock)
    try:
        yield inside
    finally:
        lock.release()


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
