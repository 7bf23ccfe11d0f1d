"""Locks of this process by name: of the documents of nodes, and of the shapes of arrays."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from zarrpipe.nodes.access import NodeAccess

__all__ = ["document_lock", "lock_named", "locked"]

_LOCK_POLL_S: Final = 0.001

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
