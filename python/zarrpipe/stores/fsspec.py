"""File systems of fsspec: a key is a path below a root."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Self, TypeVar, cast

from zarrpipe.abc.buffer import Buffer, BufferPrototype
from zarrpipe.abc.metadata import concurrent_map
from zarrpipe.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.errors import NodeNotFoundError, StoreError, UnsupportedError
from zarrpipe.stores.keys import check_key, is_key, join_keys, normalize_prefix
from zarrpipe.stores.ranges import slice_of
from zarrpipe.stores.values import check_value

__all__ = ["ALLOWED_EXCEPTIONS", "FsspecStore"]

T = TypeVar("T")

ALLOWED_EXCEPTIONS: tuple[type[Exception], ...] = (FileNotFoundError,)
"""What a file system raises where there is no such key."""

_CONCURRENCY = 64
_NOT_SATISFIABLE = 416
_GONE = (404, 410)


def _fsspec() -> Any:
    try:
        import fsspec
    except ImportError as error:
        raise UnsupportedError("fsspec is not installed: pip install 'zarrpipe[fsspec]'") from error
    return fsspec


class FsspecStore(Store):
    """Keys and values in a file system of fsspec.

    Requests go to the loop that the file system belongs to, whichever loop they come from; file systems that are not
    made for loops are asked by threads. A value is written as a whole, in the way of the file system: of those that
    write into a file in place, such as fsspec's local one, a reader may see a part.

    Only a missing file is a missing key. A refusal (403) or anything else that goes wrong is an error.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        The file system.
    read_only : bool
        Whether writes and deletes are refused.
    path : str
        The root, in the file system's own form: ``bucket/prefix``; for HTTP the whole URL.
    allowed_exceptions : tuple of exception classes
        What the file system raises where there is no such key.

    Examples
    --------
    >>> import zarrpipe
    >>> store = FsspecStore.from_url("memory://example.zarr")
    >>> zarrpipe.create_array(store, shape=(4,), dtype="uint8")[:] = 7
    >>> sorted(store.fs.find(store.path))
    ['/example.zarr/c/0', '/example.zarr/zarr.json']
    """

    supports_writes: bool = True
    supports_deletes: bool = True
    supports_listing: bool = True

    def __init__(
        self,
        fs: Any,
        read_only: bool = False,
        path: str = "/",
        allowed_exceptions: tuple[type[Exception], ...] = ALLOWED_EXCEPTIONS,
    ) -> None:
        super().__init__(read_only=read_only)
        if "://" in path and not path.startswith(("http://", "https://")):
            raise ValueError(f"the path is without a scheme, not {path!r}; for URLs there is FsspecStore.from_url")
        self.fs = fs
        # "/" stays: below it paths are absolute.
        self.path = path.rstrip("/") if path.strip("/") else path[:1]
        self.allowed_exceptions = allowed_exceptions
        self._used: Any = None

    @classmethod
    def from_url(
        cls,
        url: str,
        storage_options: Mapping[str, Any] | None = None,
        read_only: bool = False,
        allowed_exceptions: tuple[type[Exception], ...] = ALLOWED_EXCEPTIONS,
    ) -> Self:
        """Return the store that a URL means.

        Parameters
        ----------
        url : str
            Of any scheme that fsspec knows; chained ones too (``simplecache::s3://bucket/a.zarr``).
        storage_options : mapping, optional
            Parameters of the file system.
        read_only : bool
            Whether writes and deletes are refused.
        allowed_exceptions : tuple of exception classes
            See `FsspecStore`.

        Raises
        ------
        UnsupportedError
            fsspec, or the package that it needs for the scheme, is not installed, or it does not know the scheme.
        """
        url_to_fs = _fsspec().core.url_to_fs
        try:
            fs, path = url_to_fs(url, **(storage_options or {}))
        except ImportError as error:
            raise UnsupportedError(f"{url.partition('://')[0]}:// needs another package: {error}") from error
        except ValueError as error:
            if "not known" not in str(error):
                raise
            raise UnsupportedError(f"fsspec knows no such URL: {error}") from error
        return cls(fs, read_only=read_only, path=path, allowed_exceptions=allowed_exceptions)

    @classmethod
    def from_mapper(
        cls,
        fs_map: Any,
        read_only: bool = False,
        allowed_exceptions: tuple[type[Exception], ...] = ALLOWED_EXCEPTIONS,
    ) -> Self:
        """Return the store of a `fsspec.FSMap`: ``fsspec.get_mapper(...)``."""
        return cls(fs_map.fs, read_only=read_only, path=fs_map.root, allowed_exceptions=allowed_exceptions)

    @classmethod
    def from_upath(
        cls,
        upath: Any,
        read_only: bool = False,
        allowed_exceptions: tuple[type[Exception], ...] = ALLOWED_EXCEPTIONS,
    ) -> Self:
        """Return the store of a `upath.UPath`."""
        return cls(upath.fs, read_only=read_only, path=upath.path, allowed_exceptions=allowed_exceptions)

    def with_read_only(self, read_only: bool = False) -> Self:
        store = type(self)(self.fs, read_only, self.path, self.allowed_exceptions)
        store._used = self._used
        return store

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_used": None}

    def __str__(self) -> str:
        return str(self.fs.unstrip_protocol(self.path))

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}({type(self.fs).__name__}, {self.path}){', read-only' if self.read_only else ''}>"
        )

    def __eq__(self, value: object) -> bool:
        return isinstance(value, type(self)) and self.path == value.path and bool(self.fs == value.fs)

    def __hash__(self) -> int:
        return hash((type(self), self.path))

    # Asking the file system

    def _filesystem(self) -> Any:
        """Return the file system to ask: one that is not bound to a loop of the user's, nor to a parent process."""
        if self._used is None or getattr(self._used, "_pid", None) != os.getpid():
            self._used = _usable(self.fs)
        return self._used

    async def _ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        fs = self._filesystem()
        if not _is_async(fs):
            call = partial(getattr(fs, method), *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(_thread_pool(), call)
        return await _on_loop_of(fs, getattr(fs, "_" + method)(*args, **kwargs))

    async def _found(self, key: str | None, work: Coroutine[Any, Any, T]) -> T | None:
        """Return what a request gives; None where there is no such key.

        Raises
        ------
        StoreError
            It failed for another reason.
        """
        try:
            return await work
        except (StoreError, UnsupportedError):
            raise
        except NotImplementedError as error:
            raise UnsupportedError(f"{type(self.fs).__name__} cannot do that: {error}", key=key) from error
        except Exception as error:
            if isinstance(error, self.allowed_exceptions) and _status(error) in (None, *_GONE):
                return None
            what = str(error) or type(error).__name__
            raise StoreError(f"{type(error).__name__}: {what}", key=key, errno=getattr(error, "errno", None)) from error

    def _path(self, key: str) -> str:
        return self._below(check_key(key))

    def _below(self, prefix: str) -> str:
        if not prefix or not self.path:
            return prefix or self.path
        return f"{self.path.rstrip('/')}/{prefix}"

    def _key(self, path: str) -> str:
        """Return the key of a path that the file system listed."""
        root = self.path.strip("/")
        return path.strip("/").removeprefix(root).lstrip("/") if root else path.strip("/")

    # Reading

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        data = await self._found(key, self._cat(self._path(key), byte_range))
        return None if data is None else (prototype or default_buffer_prototype()).buffer.from_bytes(data)

    async def _cat(self, path: str, byte_range: ByteRequest | None) -> bytes:
        if byte_range is None:
            return cast(bytes, await self._ask("cat_file", path))
        limits = _limits(byte_range)
        if limits is None:
            # There is no request for no bytes; whether there is such a key must be asked all the same.
            await self._info(path)
            return b""
        fs = self._filesystem()
        try:
            if _is_http(fs):
                return await _on_loop_of(fs, _http_part(fs, path, byte_range))
            data: bytes = await self._ask("cat_file", path, start=limits[0], end=limits[1])
        except Exception as error:
            if _is_not_satisfiable(error):
                return b""
            if not _knows_no_ranges(error):
                raise
            data = await self._ask("cat_file", path)
            return data[slice_of(byte_range, len(data))]
        if isinstance(byte_range, RangeByteRequest) and len(data) > byte_range.end - byte_range.start:
            # It gave all of the value.
            return data[slice_of(byte_range, len(data))]
        return data[-byte_range.suffix :] if isinstance(byte_range, SuffixByteRequest) else data

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        requests = [(key, prototype, byte_range) for key, byte_range in key_ranges]
        return await concurrent_map(requests, self.get, _CONCURRENCY)

    async def _info(self, path: str) -> Mapping[str, Any]:
        # Not `exists`: of most file systems it says no whatever goes wrong.
        info: Mapping[str, Any] = await self._ask("info", path)
        if info.get("type") == "directory":
            raise FileNotFoundError(path)
        return info

    async def exists(self, key: str) -> bool:
        return await self._found(key, self._info(self._path(key))) is not None

    async def getsize(self, key: str) -> int:
        info = await self._found(key, self._info(self._path(key)))
        if info is None:
            raise NodeNotFoundError("no such key", key=key)
        size = info.get("size")
        return await super().getsize(key) if size is None else int(size)

    # Writing

    async def set(self, key: str, value: Buffer) -> None:
        self._check_writable()
        data = bytes(check_value(value, self).to_bytes())
        path = self._path(key)
        stored = await self._found(key, self._pipe(path, data))
        if stored is None and not _is_async(self._filesystem()):
            # A file system with folders, which are to be made first. (Of an object store this would make the bucket.)
            await self._found(key, self._ask("makedirs", path.rpartition("/")[0], exist_ok=True))
            stored = await self._found(key, self._pipe(path, data))
        if stored is None:
            raise StoreError(f"there is no {self.path} to store it in", key=key)

    async def _pipe(self, path: str, data: bytes) -> bool:
        await self._ask("pipe_file", path, data)
        return True

    async def delete(self, key: str) -> None:
        self._check_writable()
        await self._found(key, self._ask("rm_file", self._path(key)))

    async def delete_dir(self, prefix: str) -> None:
        self._check_writable()
        start = normalize_prefix(prefix)
        # The root itself stays: it may be a bucket.
        paths = [start] if start else [name async for name in self.list_dir("")]
        for path in paths:
            await self._found(path, self._ask("rm", self._below(path), recursive=True))

    async def clear(self) -> None:
        await self.delete_dir("")

    # Listing. Not from what the file system remembers: others write too.

    async def list(self) -> AsyncIterator[str]:
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        above = normalize_prefix(prefix.rpartition("/")[0])
        path = self._below(above)
        self._filesystem().invalidate_cache(path)
        found = await self._found(prefix, self._ask("find", path))
        for key in sorted(map(self._key, found or ())):
            if key.startswith(prefix) and is_key(key):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        start = normalize_prefix(prefix)
        path = self._below(start)
        self._filesystem().invalidate_cache(path)
        found = await self._found(prefix, self._ask("ls", path, detail=False))
        names = {self._key(str(entry)).removeprefix(join_keys(start, "")) for entry in found or ()}
        for name in sorted(name.strip("/") for name in names if self._key(path) != name):
            if name and "/" not in name and is_key(name):
                yield name


def _is_async(fs: Any) -> bool:
    """Whether a file system is made for loops: one around another (`dir::`) is if that is."""
    inner = getattr(fs, "fs", None)
    return bool(fs.async_impl) and (not hasattr(inner, "async_impl") or _is_async(inner))


def _usable(fs: Any) -> Any:
    """Return a file system that can be asked from any loop and in this process."""
    if hasattr(fs, "sync_fs"):
        # An AsyncFileSystemWrapper: threads are started here.
        return _usable(fs.sync_fs)
    if not _is_async(fs):
        return fs
    if not fs.asynchronous and getattr(fs, "_pid", None) == os.getpid():
        return fs
    options = {**fs.storage_options, "asynchronous": False}
    options.pop("loop", None)
    try:
        return type(fs)(*fs.storage_args, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UnsupportedError(f"make {type(fs).__name__} with asynchronous=False: {error}") from error


async def _on_loop_of(fs: Any, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the loop that a file system's connections belong to."""
    loop = fs.loop
    if loop is asyncio.get_running_loop():
        return await work
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))


# For file systems that are not made for loops: as many requests at once as over a network make sense. asyncio's own
# threads are as many as there are processors.
_threads: tuple[int, ThreadPoolExecutor] | None = None


def _thread_pool() -> ThreadPoolExecutor:
    global _threads  # noqa: PLW0603 - one a process
    if _threads is None or _threads[0] != os.getpid():
        _threads = os.getpid(), ThreadPoolExecutor(_CONCURRENCY, thread_name_prefix="zarrpipe-fsspec")
    return _threads[1]


def _limits(byte_range: ByteRequest) -> tuple[int | None, int | None] | None:
    """Return start and end as fsspec writes them; None for no bytes."""
    part: Any = byte_range
    if isinstance(part, RangeByteRequest):
        return (part.start, part.end) if part.start < part.end else None
    if isinstance(part, OffsetByteRequest):
        return part.offset, None
    if isinstance(part, SuffixByteRequest):
        return (-part.suffix, None) if part.suffix > 0 else None
    raise TypeError(f"a byte range is a request of zarrpipe.abc.store, not {byte_range!r}")


def _status(error: BaseException | None) -> int | None:
    """Return the HTTP status behind an exception: of what may be called missing, some is refused."""
    while error is not None:
        status = getattr(error, "status", None)
        if isinstance(status, int):
            return status
        error = error.__cause__
    return None


def _is_not_satisfiable(error: Exception) -> bool:
    return _status(error) == _NOT_SATISFIABLE or "not satisfiable" in str(error)


def _knows_no_ranges(error: Exception) -> bool:
    # EINVAL: those that cache files know none that count from the end.
    return isinstance(error, NotImplementedError | TypeError) or getattr(error, "errno", None) == errno.EINVAL


# HTTP: a server may give the whole value where a part was asked for, and only its status says so. fsspec does not look.


def _is_http(fs: Any) -> bool:
    # By its class: one that caches has all the attributes of what it caches.
    return any(base.__name__ == "HTTPFileSystem" for base in type(fs).__mro__)


async def _http_part(fs: Any, url: str, byte_range: ByteRequest) -> bytes:
    options = dict(fs.kwargs)
    headers = {**options.pop("headers", {}), "Range": _range_header(byte_range)}
    session = await fs.set_session()
    async with session.get(fs.encode_url(url), headers=headers, **options) as answer:
        fs._raise_not_found_for_status(answer, url)
        data: bytes = await answer.read()
        is_part = answer.status == 206
    return data if is_part else data[slice_of(byte_range, len(data))]


def _range_header(byte_range: ByteRequest) -> str:
    if isinstance(byte_range, RangeByteRequest):
        return f"bytes={byte_range.start}-{byte_range.end - 1}"
    if isinstance(byte_range, OffsetByteRequest):
        return f"bytes={byte_range.offset}-"
    return f"bytes=-{byte_range.suffix}"
