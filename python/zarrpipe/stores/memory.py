"""Memory: keys and values in a dictionary."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, MutableMapping
from functools import partial
from typing import Any, Self

from zarrpipe.abc.buffer import Buffer, BufferPrototype
from zarrpipe.abc.store import ByteRequest, Store
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.stores.keys import check_key
from zarrpipe.stores.ranges import slice_of
from zarrpipe.stores.values import as_memory, check_value

__all__ = ["ManagedMemoryStore", "MemoryStore"]


class MemoryStore(Store):
    """Keys and values in memory.

    Parameters
    ----------
    store_dict : mapping of str to Buffer, optional
        Where they are: the mapping itself is used, so stores over one mapping have the same keys. Values may be
        bytes-like too.
    read_only : bool
        Whether writes and deletes are refused.

    Examples
    --------
    >>> from zarrpipe.buffer import Buffer
    >>> store = MemoryStore()
    >>> store.set_sync("a/0", Buffer.from_bytes(b"abc"))
    >>> store.get_sync("a/0").to_bytes()
    b'abc'
    """

    supports_writes: bool = True
    supports_deletes: bool = True
    supports_listing: bool = True

    _store_dict: MutableMapping[str, Any]

    def __init__(self, store_dict: MutableMapping[str, Any] | None = None, *, read_only: bool = False) -> None:
        super().__init__(read_only=read_only)
        self._store_dict = {} if store_dict is None else store_dict

    def with_read_only(self, read_only: bool = False) -> Self:
        return type(self)(self._store_dict, read_only=read_only)

    def __str__(self) -> str:
        return f"memory://{id(self._store_dict)}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self._store_dict)} keys{', read-only' if self.read_only else ''}>"

    def __eq__(self, value: object) -> bool:
        return isinstance(value, type(self)) and self._store_dict is value._store_dict

    def __hash__(self) -> int:
        return hash((type(self), id(self._store_dict)))

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """`get`, without an event loop."""
        value = self._store_dict.get(check_key(key))
        return None if value is None else self._part(value, prototype, byte_range)

    @staticmethod
    def _part(value: Any, prototype: BufferPrototype | None, byte_range: ByteRequest | None) -> Buffer:
        data = as_memory(value)
        return (prototype or default_buffer_prototype()).buffer.from_bytes(data[slice_of(byte_range, len(data))])

    def set_sync(self, key: str, value: Buffer) -> None:
        """`set`, without an event loop."""
        self._check_writable()
        buffer = check_value(value, self)
        # A copy: the caller may go on to change its memory.
        self._store_dict[check_key(key)] = type(buffer).from_bytes(bytes(as_memory(buffer)))

    def delete_sync(self, key: str) -> None:
        """`delete`, without an event loop."""
        self._check_writable()
        self._store_dict.pop(check_key(key), None)

    def exists_sync(self, key: str) -> bool:
        """`exists`, without an event loop."""
        return check_key(key) in self._store_dict

    def list_dir_sync(self, prefix: str) -> list[str]:
        """`list_dir`, without an event loop."""
        start = prefix.rstrip("/") + "/" if prefix.rstrip("/") else ""
        # A copy of the keys: others may write while this goes on.
        names = (key.removeprefix(start).split("/")[0] for key in list(self._store_dict) if key.startswith(start))
        return list(dict.fromkeys(names))

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        return self.get_sync(key, prototype=prototype, byte_range=byte_range)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return [self.get_sync(key, prototype=prototype, byte_range=byte_range) for key, byte_range in key_ranges]

    async def set(self, key: str, value: Buffer) -> None:
        self.set_sync(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        self._check_writable()
        buffer = check_value(value, self)
        self._store_dict.setdefault(check_key(key), type(buffer).from_bytes(bytes(as_memory(buffer))))

    async def delete(self, key: str) -> None:
        self.delete_sync(key)

    async def clear(self) -> None:
        self._check_writable()
        self._store_dict.clear()

    async def exists(self, key: str) -> bool:
        return self.exists_sync(key)

    def _keys(self) -> Iterable[str]:
        # A copy: others may write while a listing goes on.
        return list(self._store_dict)

    async def list(self) -> AsyncIterator[str]:
        for key in self._keys():
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in self._keys():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for name in self.list_dir_sync(prefix):
            yield name


# The stores that have a name. They stay until the process ends: a URL is all that their users hold.
_named: dict[str, dict[str, Any]] = {}


class ManagedMemoryStore(MemoryStore):
    """Keys and values in memory, under a name: ``memory://name``.

    Stores of one name have the same keys, in one process. They are kept until it ends; `clear` frees what they hold.

    Parameters
    ----------
    name : str
        The name, without a slash.
    read_only : bool
        Whether writes and deletes are refused.

    Examples
    --------
    >>> import zarrpipe
    >>> zarrpipe.create_array("memory://example/a", shape=(4,), dtype="uint8")[:] = 7
    >>> zarrpipe.open_group("memory://example", mode="r")["a"][:].tolist()
    [7, 7, 7, 7]
    """

    def __init__(self, name: str, *, read_only: bool = False) -> None:
        if not name or "/" in name:
            raise ValueError(f"the name of a store in memory has no slash and is not empty, got {name!r}")
        super().__init__(_named.setdefault(name, {}), read_only=read_only)
        self.name = name

    def with_read_only(self, read_only: bool = False) -> Self:
        return type(self)(self.name, read_only=read_only)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.name, read_only=self.read_only), ()

    def __str__(self) -> str:
        return f"memory://{self.name}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}{', read_only=True' if self.read_only else ''})"
