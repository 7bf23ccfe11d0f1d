"""Any mapping as a store: what zarr-python 2 called a store, `zict`, `shelve`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from zarrpipe.abc.buffer import Buffer, BufferPrototype
from zarrpipe.abc.store import ByteRequest
from zarrpipe.errors import StoreError
from zarrpipe.stores.keys import check_key, is_key
from zarrpipe.stores.memory import MemoryStore
from zarrpipe.stores.values import as_memory, check_value

__all__ = ["MappingStore"]

T = TypeVar("T")


class MappingStore(MemoryStore):
    """Keys and values in any mapping of strings to bytes.

    The mapping is used by one thread at a time, and is given `bytes`. KeyError, and nothing else, is a missing key.

    Parameters
    ----------
    store_dict : mapping of str to bytes-like
        The mapping.
    read_only : bool
        Whether writes and deletes are refused. A mapping that cannot be changed is read-only.

    Examples
    --------
    >>> from collections import UserDict
    >>> import zarrpipe
    >>> mapping = UserDict()
    >>> zarrpipe.create_array(mapping, shape=(4,), dtype="uint8")[:] = 7
    >>> sorted(mapping)
    ['c/0', 'zarr.json']
    """

    def __init__(self, store_dict: Mapping[str, Any], *, read_only: bool = False) -> None:
        if not isinstance(store_dict, Mapping):
            raise TypeError(f"a MappingStore is made of a mapping, not of {type(store_dict).__name__}")
        super().__init__(cast(Any, store_dict), read_only=read_only or not hasattr(store_dict, "__setitem__"))
        self._lock = threading.RLock()

    def with_read_only(self, read_only: bool = False) -> MappingStore:
        store = type(self)(self._store_dict, read_only=read_only)
        store._lock = self._lock
        return store

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.RLock())

    def __str__(self) -> str:
        return f"mapping://{type(self._store_dict).__name__}-{id(self._store_dict)}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {type(self._store_dict).__name__}{', read-only' if self.read_only else ''}>"

    def _asked(self, key: str | None, ask: Callable[[], T]) -> T | None:
        """Return what the mapping answers; None for a KeyError."""
        with self._lock:
            try:
                return ask()
            except KeyError:
                return None
            except StoreError:
                raise
            except Exception as error:
                raise StoreError(f"{type(error).__name__}: {error}", key=key) from error

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        value = self._asked(check_key(key), lambda: self._store_dict[key])
        return None if value is None else self._part(value, prototype, byte_range)

    def set_sync(self, key: str, value: Buffer) -> None:
        self._check_writable()
        data = bytes(as_memory(check_value(value, self)))
        self._asked(check_key(key), lambda: self._store_dict.__setitem__(key, data))

    def delete_sync(self, key: str) -> None:
        self._check_writable()
        self._asked(check_key(key), lambda: self._store_dict.__delitem__(key))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        self._check_writable()
        with self._lock:
            if self.get_sync(key) is None:
                self.set_sync(key, value)

    async def clear(self) -> None:
        self._check_writable()
        for key in self._keys():
            self.delete_sync(key)

    async def exists(self, key: str) -> bool:
        return bool(self._asked(check_key(key), lambda: key in self._store_dict))

    def _keys(self) -> Iterable[str]:
        found: Iterable[Any] = self._asked(None, lambda: list(self._store_dict)) or ()
        # A mapping may hold other things too.
        return [key for key in found if isinstance(key, str) and is_key(key)]
