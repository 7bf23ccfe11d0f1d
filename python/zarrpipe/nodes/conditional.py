"""A store whose values are replaced on condition that they are those that were read."""

from __future__ import annotations

from typing import Any

from zarrpipe.abc.store import Store
from zarrpipe.errors import ConflictError
from zarrpipe.nodes.access import NodeAccess
from zarrpipe.stores.adapter import Words, has_versions, no_versions
from zarrpipe.stores.values import as_memory

__all__ = ["ConditionalAccess", "OvertakenError"]


class OvertakenError(ConflictError):
    """Another writer has replaced a value since it was read."""


class ConditionalAccess(NodeAccess):
    """A store for one change: what it sets was read by it, and has not changed since, or it raises OvertakenError.

    Parameters
    ----------
    store : Store
        With `get_versioned` and `set_if_version`.
    blocking : bool
        As for `NodeAccess`.

    Raises
    ------
    UnsupportedError
        The store does not tell versions.
    """

    def __init__(self, store: Store, *, blocking: bool) -> None:
        super().__init__(store, blocking=blocking)
        if not has_versions(store):
            raise no_versions(store)
        self._words = Words(store)
        self._versions: dict[str, Any] = {}

    async def get(self, key: str) -> bytes | None:
        found = await self._wait(self.store.get_versioned(key, self._words.prototype))
        if found is None:
            self._versions[key] = None
            return None
        if found.version is None:
            raise no_versions(self.store)
        self._versions[key] = found.version
        return as_memory(found.buffer).tobytes()

    async def set(self, key: str, data: bytes) -> None:
        try:
            await self._wait(self.store.set_if_version(key, self._words.buffer(data), self._versions.get(key)))
        except ConflictError as error:
            raise OvertakenError(f"{key!r} was replaced by another writer since it was read") from error
