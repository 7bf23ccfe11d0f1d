"""A store and a path in it: what a node, or a chunk, is read from and written to."""

from __future__ import annotations

from typing import Any, Self

from zarrpipe._types import AccessMode
from zarrpipe.abc.buffer import Buffer, BufferPrototype
from zarrpipe.abc.store import ByteRequest, Store, _store_supports_sync_io
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.errors import NodeExistsError, ReadOnlyError
from zarrpipe.stores.keys import join_keys, normalize_prefix

__all__ = ["StorePath"]


class StorePath:
    """A place in a store: a `ByteGetter` and `ByteSetter`.

    Parameters
    ----------
    store : Store
        The store.
    path : str
        A key, or the path of a node; "" for the root.

    Examples
    --------
    >>> from zarrpipe.stores import MemoryStore
    >>> (StorePath(MemoryStore(), "a") / "c/0").path
    'a/c/0'
    """

    def __init__(self, store: Store, path: str = "") -> None:
        self.store = store
        self.path = normalize_prefix(path)

    @property
    def read_only(self) -> bool:
        """Whether the store refuses writes."""
        return self.store.read_only

    @classmethod
    async def open(cls, store: Store, path: str, mode: AccessMode | None = None) -> Self:
        """Return a place in a store, opened for a mode.

        Parameters
        ----------
        store : Store
            The store.
        path : str
            The path of a node.
        mode : {"r", "r+", "a", "w", "w-"}, optional
            "r" makes the store read-only; the others need one that is not. With "w-" there must be nothing at the
            path. None leaves the store as it is. Nothing is deleted by any.

        Raises
        ------
        ReadOnlyError
            The mode writes and the store does not.
        NodeExistsError
            The mode is "w-" and there is something at the path.
        """
        if mode is not None:
            if mode not in ("r", "r+", "a", "w", "w-"):
                raise ValueError(f'the mode is "r", "r+", "a", "w" or "w-", not {mode!r}')
            if store.read_only and mode != "r":
                raise ReadOnlyError(f"the store is read-only, and the mode is {mode!r}")
            if mode == "r" and not store.read_only:
                store = store.with_read_only(True)
        await store._ensure_open()
        place = cls(store, path)
        if mode == "w-" and not await place.is_empty():
            raise NodeExistsError("there is something already", key=place.path)
        return place

    async def get(
        self, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the value, or a part of it; None if there is none."""
        return await self.store.get(self.path, prototype or default_buffer_prototype(), byte_range)

    async def set(self, value: Buffer) -> None:
        """Store a value, in place of the old one."""
        await self.store.set(self.path, value)

    async def delete(self) -> None:
        """Delete the key."""
        await self.store.delete(self.path)

    async def delete_dir(self) -> None:
        """Delete all keys below the path."""
        await self.store.delete_dir(self.path)

    async def set_if_not_exists(self, default: Buffer) -> None:
        """Store a value unless there is one."""
        await self.store.set_if_not_exists(self.path, default)

    async def exists(self) -> bool:
        """Whether there is such a key."""
        return await self.store.exists(self.path)

    async def is_empty(self) -> bool:
        """Whether there is no key below the path."""
        return await self.store.is_empty(self.path)

    def get_sync(
        self, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """`get`, without an event loop; TypeError if the store needs one."""
        value: Buffer | None = self._sync_store().get_sync(
            self.path, prototype=prototype or default_buffer_prototype(), byte_range=byte_range
        )
        return value

    def set_sync(self, value: Buffer) -> None:
        """`set`, without an event loop; TypeError if the store needs one."""
        self._sync_store().set_sync(self.path, value)

    def delete_sync(self) -> None:
        """`delete`, without an event loop; TypeError if the store needs one."""
        self._sync_store().delete_sync(self.path)

    def _sync_store(self) -> Any:
        if not _store_supports_sync_io(self.store):
            raise TypeError(f"{type(self.store).__name__} needs an event loop")
        return self.store

    def __truediv__(self, other: str) -> Self:
        return type(self)(self.store, join_keys(self.path, normalize_prefix(other)))

    def __str__(self) -> str:
        return join_keys(str(self.store), self.path)

    def __repr__(self) -> str:
        return f"StorePath({self.store!r}, {self.path!r})"

    def __eq__(self, value: object) -> bool:
        if not isinstance(value, StorePath):
            return NotImplemented
        return self.store == value.store and self.path == value.path

    def __hash__(self) -> int:
        return hash((type(self.store), self.path))
