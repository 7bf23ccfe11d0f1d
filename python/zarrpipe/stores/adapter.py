"""Python stores as the engine asks them: byte ranges of keys, in bytes-likes, at once or awaited."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from zarrpipe.abc.store import RangeByteRequest, SuffixByteRequest, _store_supports_sync_io
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.config import config
from zarrpipe.errors import StoreError, UnsupportedError
from zarrpipe.stores.fsspec import FsspecStore
from zarrpipe.stores.fsspec_versions import tells_versions
from zarrpipe.stores.local import LocalStore
from zarrpipe.stores.retries import retried, set_if_version
from zarrpipe.stores.store_path import StorePath
from zarrpipe.stores.zarr import is_zarr_object, zarr_prototype, zarr_requests

if TYPE_CHECKING:
    from zarrpipe import _core

__all__ = [
    "AsyncAdapter",
    "AsyncStoreAdapter",
    "Condition",
    "Found",
    "StoreAdapter",
    "async_adapter",
    "core_store",
    "has_versions",
    "identity_of",
    "no_versions",
    "supports_sync",
]

Range = tuple[int | None, int] | None


Condition = tuple[object | None] | None
"""The version that a key must have to be replaced, (None,) for no value; None for whatever there is."""


class Found(NamedTuple):
    """A range of a value, as a bytes-like, with what the store says of the value."""

    data: Any
    version: object | None
    nbytes: int | None


class AsyncAdapter(Protocol):
    """What the driver asks of a store that must be awaited."""

    async def get(self, key: str, part: Range, version: object | None = None) -> Found | None:
        """Return a range of a value, or None where the key has none; with a version, that one or ConflictError."""

    async def set(self, key: str, data: Any, condition: Condition = None) -> None:
        """Store a bytes-like; with a condition, if the key has that version, else ConflictError."""

    async def delete(self, key: str) -> None:
        """Delete a key."""

    def setter(self, key: str) -> Any:
        """Return a `ByteSetter` for a key, for a codec that reads and writes parts of its value by itself."""


class Words:
    """The classes in which an object is asked: zarrpipe's, or zarr-python's for what is zarr-python's.

    Parameters
    ----------
    item : object
        A store, or the getter of a key.
    """

    def __init__(self, item: object) -> None:
        if is_zarr_object(item):
            self._range, self._suffix = zarr_requests()
            self.prototype: Any = zarr_prototype()
        else:
            self._range, self._suffix = RangeByteRequest, SuffixByteRequest
            self.prototype = default_buffer_prototype()

    def request(self, part: Range) -> Any:
        """Return the byte request for a range."""
        if part is None:
            return None
        start, stop = part
        return self._suffix(stop) if start is None else self._range(start, stop)

    def buffer(self, data: Any) -> Any:
        """Return a buffer over a bytes-like."""
        return self.prototype.buffer.from_bytes(memoryview(data))


class StoreAdapter:
    """A store that answers at once: `_core.StoreAdapter`. Workers call it.

    Parameters
    ----------
    store : Store
        With `get_sync`, `set_sync` and `delete_sync`.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self._words = Words(store)

    def get(self, key: str, ranges: Sequence[Range]) -> Sequence[Any] | None:
        """Return a bytes-like for each range, or None where the key has no value."""
        words, get = self._words, self._store.get_sync
        answers = [get(key, prototype=words.prototype, byte_range=words.request(part)) for part in ranges]
        if any(answer is None for answer in answers):
            return None
        return [answer.as_numpy_array() for answer in answers]

    def set(self, key: str, data: Any) -> None:
        """Store a bytes-like."""
        self._store.set_sync(key, self._words.buffer(data))

    def delete(self, key: str) -> None:
        """Delete a key."""
        self._store.delete_sync(key)


class AsyncStoreAdapter:
    """A store that must be awaited, as the driver asks it.

    Parameters
    ----------
    store : Store
        zarrpipe's, or anything with `get`, `set` and `delete` of the same meaning.
    """

    def __init__(self, store: Any) -> None:
        self._store = versioned(store)
        self._words = Words(self._store)
        self.has_versions = has_versions(self._store)

    async def get(self, key: str, part: Range, version: object | None = None) -> Found | None:
        """Return a range of a value, or None where the key has none."""
        prototype, request = self._words.prototype, self._words.request(part)
        if self.has_versions:
            return await retried(lambda: self._get_versioned(key, part, request, version), key=key)
        answer = await retried(lambda: self._store.get(key, prototype, request), key=key)
        return None if answer is None else Found(answer.as_numpy_array(), None, None)

    async def _get_versioned(self, key: str, part: Range, request: Any, version: object | None) -> Found | None:
        answer = await self._store.get_versioned(key, self._words.prototype, request, version=version)
        if answer is None:
            return None
        data = answer.buffer.as_numpy_array()
        if answer.nbytes is not None and len(data) < (expected := _expected_nbytes(part, answer.nbytes)):
            ended = ConnectionError(f"{len(data)} bytes came of {expected}")
            raise StoreError("the value's bytes ended early", key=key) from ended
        return Found(data, answer.version, answer.nbytes)

    async def set(self, key: str, data: Any, condition: Condition = None) -> None:
        """Store a bytes-like."""
        value = self._words.buffer(data)
        if condition is None:
            await retried(lambda: self._store.set(key, value), key=key)
        elif self.has_versions:
            await set_if_version(self._store, key, value, condition[0], self._words.prototype)
        else:
            raise no_versions(self._store)

    async def delete(self, key: str) -> None:
        """Delete a key."""
        await retried(lambda: self._store.delete(key), key=key)

    def setter(self, key: str) -> Any:
        """Return a `ByteSetter` for a key."""
        return StorePath(self._store, key)


def _expected_nbytes(part: Range, value_nbytes: int) -> int:
    """How many bytes a range of a value of this size has."""
    if part is None:
        return value_nbytes
    start, stop = part
    return min(stop, value_nbytes) if start is None else max(0, min(stop, value_nbytes) - start)


def no_versions(store: object) -> UnsupportedError:
    """Return the error that a store cannot be written conditionally."""
    return UnsupportedError(
        f'locking="conditional" needs a store that tells versions, such as ObjectStore, which {store} does not; '
        'local files have locking="file"'
    )


def async_adapter(store: Any) -> AsyncAdapter:
    """Return what the driver asks for a store; an adapter is one already."""
    # A store's `get` takes a prototype; an adapter's does not.
    if getattr(store, "is_adapter", False) or isinstance(store, AsyncStoreAdapter):
        adapter: AsyncAdapter = store
        return adapter
    return AsyncStoreAdapter(store)


def supports_sync(store: object) -> bool:
    """Whether a store can be asked without an event loop."""
    return _store_supports_sync_io(store)


def has_versions(store: object) -> bool:
    """Whether a store tells the values of a key apart: see `zarrpipe.abc.store.SupportsVersions`."""
    return hasattr(store, "get_versioned") and hasattr(store, "set_if_version")


def is_native(store: object) -> bool:
    """Whether Rust may read and write the files of a store itself: a LocalStore proper, ours or zarr-python's.

    A subclass or a wrapper may do anything in its methods, so these are called.
    """
    if type(store) is LocalStore:
        return True
    return type(store).__name__ == "LocalStore" and type(store).__module__.startswith("zarr.storage")


def is_object_store(store: object) -> bool:
    """Whether a store is an ObjectStore proper, ours or zarr-python's: both ask a store of obstore's, their `store`."""
    cls = type(store)
    return cls.__name__ == "ObjectStore" and cls.__module__.startswith(("zarr.storage", "zarrpipe.stores"))


def versioned(store: Any) -> Any:
    """Return, for a store of zarr-python's, one of ours that makes the same requests, but tells versions."""
    if not is_zarr_object(store):
        return store
    if is_object_store(store):
        from zarrpipe.stores.object import ObjectStore

        return ObjectStore(store.store, read_only=store.read_only)
    cls = type(store)
    is_fsspec = cls.__name__ == "FsspecStore" and cls.__module__.startswith("zarr.storage")
    if is_fsspec and tells_versions(store.fs):
        return FsspecStore(store.fs, store.read_only, store.path, store.allowed_exceptions)
    return store


def core_store(
    store: Any, *, conditional: bool = False, merge_gap: int | None = None, merge_nbytes: int | None = None
) -> _core.Store:
    """Return a store as the engine takes it.

    Parameters
    ----------
    store : Store
        zarrpipe's or zarr-python's, or an object with their methods.
    conditional : bool
        Whether values are replaced on condition that they are those that were read, if the store tells versions: such
        a store is awaited.
    merge_gap, merge_nbytes : int, optional
        Ranges of one key with at most so many bytes between them share a request, of at most that size; by default as
        the settings `io_merge_gap_nbytes` and `io_merge_nbytes` say. For stores that are awaited.

    Returns
    -------
    _core.Store
        Native for local files; else one that calls the store's methods, or, where these must be awaited, one whose
        requests `zarrpipe.driver` answers.
    """
    from zarrpipe import _core

    read_only = bool(getattr(store, "read_only", False))
    awaited = conditional and has_versions(store)
    if is_native(store) and not awaited:
        return _core.Store.local(str(store.root), read_only=read_only, fsync=config.current.fsync)
    if supports_sync(store) and not awaited:
        return _core.Store.python(StoreAdapter(store), identity_of(store), read_only=read_only)
    settings = config.current
    return _core.Store.python(
        None,
        identity_of(store),
        read_only=read_only,
        merge_gap=settings.io_merge_gap_nbytes if merge_gap is None else merge_gap,
        merge_nbytes=settings.io_merge_nbytes if merge_nbytes is None else merge_nbytes,
        whole_nbytes=settings.io_nbytes,
        index_nbytes=settings.index_nbytes,
    )


# Stores seen, by type: equal ones share the locks of their keys. Weak, so that none is kept alive for it.
_seen: dict[type, list[tuple[weakref.ref[Any], str]]] = {}


def identity_of(store: Any) -> str:
    """Return the name under which the keys of a store are locked: one for equal stores of the same type."""
    if hasattr(store, "wrapped_store"):
        # The keys are those of the wrapped store, which may be written beside the wrapper.
        return identity_of(store.wrapped_store)
    if is_object_store(store):
        # Whoever asks it, here or in zarr-python.
        return identity_of(store.store)
    if is_native(store):
        return f"file:{os.path.realpath(store.root)}"
    backing = getattr(store, "_store_dict", None)
    if backing is not None:
        return f"memory:{id(backing)}"
    cls = type(store)
    alive = [(ref, name) for ref, name in _seen.get(cls, ()) if ref() is not None]
    for ref, name in alive:
        if ref() is store or ref() == store:
            return name
    name = f"{cls.__module__}.{cls.__qualname__}:{id(store)}"
    try:
        alive.append((weakref.ref(store), name))
    except TypeError:
        # It cannot be remembered; then it is told by its id alone.
        return name
    _seen[cls] = alive
    return name
