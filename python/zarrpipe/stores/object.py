"""Object stores by obstore: S3, Google Cloud, Azure, HTTP, and whatever else it knows."""

from __future__ import annotations

import atexit
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, Self

from zarrpipe.abc.buffer import Buffer, BufferPrototype
from zarrpipe.abc.metadata import concurrent_map
from zarrpipe.abc.store import ByteRequest, Store, Versioned
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.errors import ConflictError, NodeNotFoundError, StoreError, UnsupportedError
from zarrpipe.stores.keys import check_key, normalize_prefix
from zarrpipe.stores.object_errors import is_folder, wrapped
from zarrpipe.stores.object_options import make_obstore
from zarrpipe.stores.object_reading import Reader, Version
from zarrpipe.stores.values import as_memory, check_value

__all__ = ["ObjectStore"]

_CONCURRENCY = 64
# Objects a page, which is what S3 gives at most.
_PAGE = 1000
# Larger values are put in parts, several at a time: one request would take long, and fail as a whole.
_ONE_PUT_NBYTES = 32 * 2**20
_PART_NBYTES = 16 * 2**20


class ObjectStore(Store):
    """Keys and values as objects, by a store of the package obstore.

    It tells versions (ETags), so that what is read in several requests is of one object, and values can be replaced on
    condition that nobody else did so before.

    Parameters
    ----------
    store : obstore.store.ObjectStore
        ``S3Store``, ``GCSStore``, ``AzureStore``, ``HTTPStore``, ``LocalStore``, ``MemoryStore``, or another object
        with their methods. Its own retries and timeouts stay as they are.
    read_only : bool
        Whether writes and deletes are refused. They always are over HTTP, where nothing can be listed either:
        consolidated metadata tells what a group holds.

    Raises
    ------
    TypeError
        It is not a store of obstore's.

    Examples
    --------
    >>> import asyncio, obstore.store
    >>> from zarrpipe.buffer import Buffer, default_buffer_prototype
    >>> async def write_and_read():
    ...     store = ObjectStore(obstore.store.MemoryStore())
    ...     await store.set("a/c/0", Buffer.from_bytes(b"abc"))
    ...     found = await store.get("a/c/0", default_buffer_prototype())
    ...     return found.to_bytes()
    >>> asyncio.run(write_and_read())
    b'abc'
    """

    # No `get_sync`, though obstore has functions for it: workers that wait for answers keep as many requests under way
    # as there are workers. (64 values with 20 ms of latency: 0.05 s awaited, 0.67 s by two threads.)

    def __init__(self, store: Any, *, read_only: bool = False) -> None:
        if not all(callable(getattr(store, name, None)) for name in ("get_async", "put_async", "head_async")):
            raise TypeError(f"an ObjectStore is over a store of obstore's, not {type(store).__name__}")
        self._is_http = type(store).__name__ == "HTTPStore"
        super().__init__(read_only=read_only or self._is_http)
        _wait_at_exit()
        self.store = store
        self._keeps_memory = type(store).__name__ == "MemoryStore"
        self._reader = Reader(store)

    @classmethod
    def from_url(cls, url: str, *, storage_options: Mapping[str, Any] | None = None, read_only: bool = False) -> Self:
        """Return the store that a URL means.

        Parameters
        ----------
        url : str
            ``s3://bucket/prefix``, ``gs://``, ``az://container/prefix``, ``abfs://``, ``http(s)://``.
        storage_options : mapping of str to Any, optional
            Obstore's words for the store (``region``, ``endpoint``, ``skip_signature``, ``client_options``, ...), or
            fsspec's, as far as they are common: ``anon``, ``key``, ``secret``, ``token``, ``endpoint_url``,
            ``client_kwargs``.
        read_only : bool
            Whether writes and deletes are refused.

        Raises
        ------
        ConfigError
            The options have a word that is not known.
        UnsupportedError
            obstore is not installed, or knows no such URLs.

        Examples
        --------
        >>> ObjectStore.from_url("s3://bucket/data.zarr", storage_options={"anon": True}).read_only
        False
        """
        return cls(make_obstore(url, storage_options or {}, _obstore()), read_only=read_only)

    def with_read_only(self, read_only: bool = False) -> Self:
        if self._is_http and not read_only:
            raise UnsupportedError("an ObjectStore over HTTP cannot be written")
        return type(self)(self.store, read_only=read_only)

    @property
    def supports_writes(self) -> bool:
        return not self._is_http

    @property
    def supports_deletes(self) -> bool:
        return not self._is_http

    @property
    def supports_listing(self) -> bool:
        return not self._is_http

    @property
    def supports_consolidated_metadata(self) -> bool:
        return True

    def __str__(self) -> str:
        return f"object_store://{self.store}"

    def __repr__(self) -> str:
        read_only = ", read_only=True" if self.read_only else ""
        return f"{type(self).__name__}({self.store!r}{read_only})"

    def __eq__(self, value: object) -> bool:
        return isinstance(value, type(self)) and bool(self.store == value.store)

    def __hash__(self) -> int:
        # Obstore's own cannot be hashed.
        return hash((type(self), type(self.store)))

    # Reading

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        found = await self.get_versioned(key, prototype or default_buffer_prototype(), byte_range)
        return None if found is None else found.buffer

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        requests = [(key, prototype, byte_range) for key, byte_range in key_ranges]
        return await concurrent_map(requests, self.get, _CONCURRENCY)

    async def get_versioned(
        self,
        key: str,
        prototype: BufferPrototype,
        byte_range: ByteRequest | None = None,
        *,
        version: object | None = None,
    ) -> Versioned | None:
        """Return a value or a part of it, with its version, by one request.

        Two are needed for a part that is empty or lies behind the value's end, for the end of a value where the store
        has no ranges from the end (Azure), and where a server ignores ranges.

        Parameters
        ----------
        key : str
            The key.
        prototype : BufferPrototype
            Which class of buffer to answer with.
        byte_range : ByteRequest, optional
            Which part; None for all.
        version : object, optional
            The version that is asked for; None for any.

        Raises
        ------
        ConflictError
            The key has another version, or no value any more.
        StoreError
            It could not be read.
        """
        wanted = version if isinstance(version, Version) else None
        try:
            found = await self._reader.get(check_key(key), byte_range, wanted)
        except FileNotFoundError as error:
            if isinstance(error, StoreError):
                raise
            if is_folder(error):
                raise StoreError("a folder stands in the key's place", key=key) from error
            if version is not None:
                raise ConflictError(f"{key!r} was deleted in between") from error
            return None
        data, meta = found
        known = Version(meta["e_tag"], meta["version"])
        if wanted is not None and known != wanted and known.e_tag is not None:
            # A server that does not know conditions answers in spite of them.
            raise ConflictError(f"{key!r} was replaced in between")
        buffer = prototype.buffer.from_bytes(data)
        return Versioned(buffer, known if known.e_tag is not None else None, meta["size"])

    async def exists(self, key: str) -> bool:
        try:
            with wrapped(check_key(key)):
                await self.store.head_async(key)
        except FileNotFoundError as error:
            if isinstance(error, StoreError):
                raise
            return False
        return True

    async def getsize(self, key: str) -> int:
        try:
            with wrapped(check_key(key)):
                size: int = (await self.store.head_async(key))["size"]
        except FileNotFoundError as error:
            raise NodeNotFoundError("no such key", key=key) from error
        return size

    async def getsize_prefix(self, prefix: str) -> int:
        return sum([entry["size"] async for entry in self._entries(normalize_prefix(prefix))])

    # Writing

    async def set(self, key: str, value: Buffer) -> None:
        data = self._writable(key, value)
        with wrapped(key):
            await self.store.put_async(key, data, use_multipart=data.nbytes > _ONE_PUT_NBYTES, chunk_size=_PART_NBYTES)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        try:
            await self.set_if_version(key, value, None)
        except ConflictError:
            return

    async def set_if_version(self, key: str, value: Buffer, version: object | None) -> None:
        """Store a value if the key still has a version; with None, if there is no such key.

        Parameters
        ----------
        key : str
            The key.
        value : Buffer
            Its new value.
        version : object, optional
            What `get_versioned` told.

        Raises
        ------
        ConflictError
            The key has another version, or no value any more.
        UnsupportedError
            The store has no conditional writes.
        """
        data = self._writable(key, value)
        mode: Any = "create"
        if version is not None:
            if not isinstance(version, Version):
                raise TypeError(f"a version is what get_versioned told, not {type(version).__name__}")
            mode = {name: tag for name, tag in version._asdict().items() if tag is not None}
        try:
            with wrapped(key):
                await self.store.put_async(key, data, mode=mode)
        except FileNotFoundError as error:
            if isinstance(error, StoreError):
                raise
            raise ConflictError(f"{key!r} was deleted in between") from error

    async def delete(self, key: str) -> None:
        self._check_writable()
        with _missing_is_fine(), wrapped(check_key(key)):
            await self.store.delete_async(key)

    async def delete_dir(self, prefix: str) -> None:
        self._check_can_clear()
        folder = normalize_prefix(prefix)
        # Listed before the first delete: a listing that changes under way may skip keys.
        keys = [entry["path"] async for entry in self._entries(folder)]
        if not keys:
            return
        try:
            with wrapped(folder):
                await self.store.delete_async(keys)
        except FileNotFoundError:
            # Somebody else deletes too, and the store stops at what it does not find.
            await concurrent_map([(key,) for key in keys], self.delete, _CONCURRENCY)

    def _writable(self, key: str, value: Buffer) -> memoryview:
        self._check_writable()
        check_key(key)
        data = as_memory(check_value(value, self))
        # Obstore's store in memory keeps what it is given; the caller may go on to change it.
        return memoryview(bytes(data)) if self._keeps_memory else data

    # Listing

    async def list(self) -> AsyncIterator[str]:
        async for entry in self._entries(""):
            yield entry["path"]

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        # Obstore's prefixes are folders.
        async for entry in self._entries(normalize_prefix(prefix.rpartition("/")[0])):
            if entry["path"].startswith(prefix):
                yield entry["path"]

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        self._check_listing()
        folder = normalize_prefix(prefix)
        with wrapped(folder):
            found = await self.store.list_with_delimiter_async(folder or None)
        paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
        # A folder may have an object of its own name.
        for name in dict.fromkeys(path.rstrip("/").rpartition("/")[2] for path in paths if path != folder):
            yield name

    async def is_empty(self, prefix: str) -> bool:
        async for _ in self._entries(normalize_prefix(prefix), page=1):
            return False
        return True

    async def _entries(self, folder: str, page: int = _PAGE) -> AsyncIterator[Mapping[str, Any]]:
        self._check_listing()
        with wrapped(folder):
            pages = self.store.list(folder or None, chunk_size=page)
            while True:
                try:
                    entries: Sequence[Mapping[str, Any]] = await anext(pages)
                except StopAsyncIteration:
                    return
                for entry in entries:
                    yield entry

    def _check_listing(self) -> None:
        if not self.supports_listing:
            raise UnsupportedError("HTTP cannot list; consolidated metadata says what a group holds")


_EXIT_S = 0.05


@cache
def _wait_at_exit() -> None:
    """Let obstore's threads put down what they hold of Python before the interpreter goes away.

    They do so a moment after an answer was given; a process that ends in this moment is aborted (obstore 0.12.1).
    """
    atexit.register(time.sleep, _EXIT_S)


def _obstore() -> ModuleType:
    try:
        import obstore.store
    except ImportError as error:
        raise UnsupportedError("object stores need obstore: install zarrpipe[remote]") from error
    return obstore.store


@contextmanager
def _missing_is_fine() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if isinstance(error, StoreError):
            raise
