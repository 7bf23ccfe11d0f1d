"""File systems of fsspec: a key is a path below a root."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, Self, TypeVar

from zarrpipe.abc.buffer import Buffer, BufferPrototype
from zarrpipe.abc.metadata import concurrent_map
from zarrpipe.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest, Versioned
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.errors import ConflictError, NodeNotFoundError, StoreError, UnsupportedError, ZarrpipeError
from zarrpipe.stores.fsspec_requests import (
    is_async,
    is_conflict,
    is_no_bucket,
    is_not_satisfiable,
    knows_no_ranges,
    limits,
    on_loop_of,
    status_of,
    thread_pool,
    usable,
)
from zarrpipe.stores.fsspec_versions import Answer, asker, is_s3, s3_put
from zarrpipe.stores.keys import check_key, is_key, join_keys, normalize_prefix
from zarrpipe.stores.ranges import slice_of
from zarrpipe.stores.values import check_value

__all__ = ["ALLOWED_EXCEPTIONS", "FsspecStore"]

T = TypeVar("T")

ALLOWED_EXCEPTIONS: tuple[type[Exception], ...] = (FileNotFoundError,)
"""What a file system raises where there is no such key."""

_CONCURRENCY = 64
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
            self._used = usable(self.fs)
        return self._used

    async def _ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        fs = self._filesystem()
        if not is_async(fs):
            call = partial(getattr(fs, method), *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(thread_pool(), call)
        return await on_loop_of(fs, getattr(fs, "_" + method)(*args, **kwargs))

    async def _found(self, key: str | None, work: Coroutine[Any, Any, T]) -> T | None:
        """Return what a request gives; None where there is no such key.

        Raises
        ------
        NodeNotFoundError
            There is no such bucket.
        StoreError
            It failed for another reason.
        """
        try:
            return await work
        except ZarrpipeError:
            raise
        except NotImplementedError as error:
            raise UnsupportedError(f"{type(self.fs).__name__} cannot do that: {error}", key=key) from error
        except Exception as error:
            if is_no_bucket(error):
                raise NodeNotFoundError(f"there is no such bucket: {self.path}", key=key) from error
            if isinstance(error, self.allowed_exceptions) and status_of(error) in (None, *_GONE):
                return None
            if is_conflict(error):
                raise ConflictError(f"{key!r} was replaced in between: {error}") from error
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
        found = await self.get_versioned(key, prototype, byte_range)
        return None if found is None else found.buffer

    async def get_versioned(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
        *,
        version: Any = None,
    ) -> Versioned | None:
        """Return a value or a part of it, as `get` does, with its version: see `zarrpipe.abc.store.SupportsVersions`.

        Versions are told by S3 and HTTP; values of other file systems have none.

        Raises
        ------
        ConflictError
            The key has another version, or no value any more.
        StoreError
            It could not be read.
        """
        answer = await self._found(key, self._cat(self._path(key), byte_range, version))
        if answer is None:
            if version is not None:
                raise ConflictError(f"{key!r} was deleted in between")
            return None
        buffer = (prototype or default_buffer_prototype()).buffer.from_bytes(answer.data)
        return Versioned(buffer, answer.version, answer.nbytes)

    async def _cat(self, path: str, byte_range: ByteRequest | None, version: Any) -> Answer:
        part = None if byte_range is None else limits(byte_range)
        if byte_range is not None and part is None:
            # There is no request for no bytes; whether there is such a key must be asked all the same.
            await self._info(path)
            return Answer(b"")
        fs = self._filesystem()
        ask = asker(fs)
        try:
            if ask is not None:
                return await on_loop_of(fs, ask(fs, path, byte_range, version))
            if part is None:
                return Answer(await self._ask("cat_file", path))
            data: bytes = await self._ask("cat_file", path, start=part[0], end=part[1])
        except Exception as error:
            if byte_range is not None and is_not_satisfiable(error):
                return Answer(b"")
            if ask is not None or byte_range is None or not knows_no_ranges(error):
                raise
            data = await self._ask("cat_file", path)
            return Answer(data[slice_of(byte_range, len(data))])
        if isinstance(byte_range, RangeByteRequest) and len(data) > byte_range.end - byte_range.start:
            # It gave all of the value.
            return Answer(data[slice_of(byte_range, len(data))])
        return Answer(data[-byte_range.suffix :] if isinstance(byte_range, SuffixByteRequest) else data)

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
        if stored is None and not is_async(self._filesystem()):
            # A file system with folders, which are to be made first. (Of an object store this would make the bucket.)
            await self._found(key, self._ask("makedirs", path.rpartition("/")[0], exist_ok=True))
            stored = await self._found(key, self._pipe(path, data))
        if stored is None:
            raise StoreError(f"there is no {self.path} to store it in", key=key)

    async def set_if_version(self, key: str, value: Buffer, version: Any) -> None:
        """Store a value if the key still has a version; with None, if there is no such key. On S3 alone.

        Raises
        ------
        ConflictError
            It has another.
        UnsupportedError
            The file system does not do this.
        """
        self._check_writable()
        data = bytes(check_value(value, self).to_bytes())
        fs = self._filesystem()
        if not is_s3(fs):
            raise UnsupportedError(
                f"{type(fs).__name__} is not a store that tells versions and keeps conditions", key=key
            )
        await self._found(key, on_loop_of(fs, s3_put(fs, self._path(key), data, version)))

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
