"""How file systems of fsspec are asked: on which loop, by which thread, and for which part of a value."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from zarrpipe.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarrpipe.errors import UnsupportedError

__all__ = [
    "is_async",
    "is_conflict",
    "is_no_bucket",
    "is_not_satisfiable",
    "knows_no_ranges",
    "limits",
    "on_loop_of",
    "status_of",
    "thread_pool",
    "usable",
]

T = TypeVar("T")

_MAX_THREADS = 64
_NOT_SATISFIABLE = 416
# The second: somebody else is storing the object.
_CONDITION_FAILED = (412, 409)


def is_async(fs: Any) -> bool:
    """Whether a file system is made for loops: one around another (`dir::`) is if that is."""
    inner = getattr(fs, "fs", None)
    return bool(fs.async_impl) and (not hasattr(inner, "async_impl") or is_async(inner))


def usable(fs: Any) -> Any:
    """Return a file system that can be asked from any loop and in this process."""
    if hasattr(fs, "sync_fs"):
        # An AsyncFileSystemWrapper: threads are started here.
        return usable(fs.sync_fs)
    if not is_async(fs):
        return fs
    if not fs.asynchronous and getattr(fs, "_pid", None) == os.getpid():
        return fs
    options = {**fs.storage_options, "asynchronous": False}
    options.pop("loop", None)
    try:
        return type(fs)(*fs.storage_args, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UnsupportedError(f"make {type(fs).__name__} with asynchronous=False: {error}") from error


async def on_loop_of(fs: Any, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the loop that a file system's connections belong to."""
    loop = fs.loop
    if loop is asyncio.get_running_loop():
        return await work
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))


# For file systems that are not made for loops: as many requests at once as over a network make sense. asyncio's own
# threads are as many as there are processors.
_threads: tuple[int, ThreadPoolExecutor] | None = None


def thread_pool() -> ThreadPoolExecutor:
    """Return the threads that ask file systems without loops."""
    global _threads  # noqa: PLW0603 - one a process
    if _threads is None or _threads[0] != os.getpid():
        _threads = os.getpid(), ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="zarrpipe-fsspec")
    return _threads[1]


def limits(byte_range: ByteRequest) -> tuple[int | None, int | None] | None:
    """Return start and end as fsspec writes them; None for no bytes."""
    part: Any = byte_range
    if isinstance(part, RangeByteRequest):
        return (part.start, part.end) if part.start < part.end else None
    if isinstance(part, OffsetByteRequest):
        return part.offset, None
    if isinstance(part, SuffixByteRequest):
        return (-part.suffix, None) if part.suffix > 0 else None
    raise TypeError(f"a byte range is a request of zarrpipe.abc.store, not {byte_range!r}")


def status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status behind an exception: of what may be called missing, some is refused."""
    while error is not None:
        told = _botocore(error).get("ResponseMetadata", {}).get("HTTPStatusCode")
        status = getattr(error, "status", None) if told is None else told
        if isinstance(status, int):
            return status
        error = error.__cause__
    return None


def _botocore(error: BaseException) -> dict[str, Any]:
    """Return what S3 answered, as botocore's exceptions have it."""
    answer = getattr(error, "response", None)
    return answer if isinstance(answer, dict) else {}


def is_no_bucket(error: BaseException | None) -> bool:
    """Whether what is missing is not a key but all of the store: no chunk of it is to be read as fill values."""
    while error is not None:
        if _botocore(error).get("Error", {}).get("Code") == "NoSuchBucket":
            return True
        error = error.__cause__
    return False


def is_conflict(error: Exception) -> bool:
    """Whether a value has another version than the one that was asked for."""
    return status_of(error) in _CONDITION_FAILED


def is_not_satisfiable(error: Exception) -> bool:
    """Whether a part that was asked for lies behind the value's end."""
    return status_of(error) == _NOT_SATISFIABLE or "not satisfiable" in str(error)


def knows_no_ranges(error: Exception) -> bool:
    """Whether a file system gives no such part, but may give the whole."""
    # EINVAL: those that cache files know none that count from the end.
    return isinstance(error, NotImplementedError | TypeError) or getattr(error, "errno", None) == errno.EINVAL
