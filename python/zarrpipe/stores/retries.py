"""Requests to a store that are made again: which failures pass by themselves, and how often and how long to wait.

Reads, whole writes and deletes can be made again whatever became of the first try. A conditional write whose answer
was lost may have been done: the conflict that the next try meets may be with ourselves, so what is stored is compared.
"""

from __future__ import annotations

import asyncio
import errno
import random
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from zarrpipe.config import config
from zarrpipe.errors import ConflictError, StoreError
from zarrpipe.stores.values import as_memory

__all__ = ["is_transient", "retried", "set_if_version"]

T = TypeVar("T")

_LONGEST_DELAY_S = 20.0

# Too early, too many, or the server's own trouble; not "not implemented" (501) and "version not supported" (505).
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, *range(506, 600)})
_TRANSIENT_ERRNO = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.EPIPE,
        errno.ETIMEDOUT,
    }
)
# An answer, though not the one that was hoped for: asking again would not change it.
_FINAL = (ConflictError, FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
# Of packages that this module does not import: their classes for connections and bodies that broke.
_BROKEN = frozenset(
    {
        ("aiohttp", "ClientConnectionError"),
        ("aiohttp", "ClientPayloadError"),
        ("botocore", "ConnectionError"),
        ("botocore", "HTTPClientError"),
        ("http", "HTTPException"),
        ("httpx", "TransportError"),
        ("requests", "ConnectionError"),
        ("requests", "Timeout"),
        ("requests", "ChunkedEncodingError"),
        ("urllib3", "HTTPError"),
    }
)
# obstore's GenericError says in words what happened.
_OBSTORE_STATUS = re.compile(r"Server returned non-2xx status code: (\d{3})")
_OBSTORE_BROKEN = re.compile(r"^Generic \w+ error: (Error performing .* - )?HTTP error: ")
_OBSTORE_RETRIED = re.compile(r"^Generic \w+ error: Error performing [^\n]*?, after [1-9]\d* retries")


def is_transient(error: BaseException) -> bool:
    """Whether a request that failed so may succeed when it is made again.

    Connections that broke, time that ran out, bodies that ended early, and statuses such as 429, 500 and 503, in the
    words of this library, Python, obstore, aiohttp, botocore, fsspec and what these are built upon. Where obstore made
    the request several times already, that was enough.

    Parameters
    ----------
    error : BaseException
        What a store raised; its causes are looked at too.

    Examples
    --------
    >>> is_transient(ConnectionResetError()), is_transient(PermissionError())
    (True, False)
    """
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_transient, error.exceptions))
    for link in _chain(error):
        if isinstance(link, _FINAL):
            return False
        status = _status(link)
        if status is not None:
            return status in _TRANSIENT_STATUS and not _OBSTORE_RETRIED.match(str(link))
        if _is_broken(link):
            return True
    return False


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(16):
        if link is None:
            return
        yield link
        link = link.__cause__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an error tells, if it does."""
    if _package(type(error)) == "obstore":
        found = _OBSTORE_STATUS.search(str(error))
        return int(found[1]) if found else None
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):  # botocore
        answer = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return answer if isinstance(answer, int) else None
    for holder, name in ((error, "status"), (error, "status_code"), (error, "code"), (answer, "status_code")):
        value = getattr(holder, name, None)
        if isinstance(value, int) and 100 <= value < 600:
            return value
    return None


def _is_broken(error: BaseException) -> bool:
    if isinstance(error, ConnectionError | TimeoutError | EOFError):
        return True
    if isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNO:
        return True
    if _package(type(error)) == "obstore":
        return bool(_OBSTORE_BROKEN.match(str(error))) and not _OBSTORE_RETRIED.match(str(error))
    return any((_package(cls), cls.__name__) in _BROKEN for cls in type(error).__mro__)


def _package(cls: type) -> str:
    return cls.__module__.partition(".")[0]


async def retried(call: Callable[[], Awaitable[T]], *, key: str) -> T:
    """Make a request, and make it again when it fails in a way that may pass.

    As the settings say: `io_retries` times, with `io_retry_delay_s` before the first and about twice as long before
    each further one, and `io_timeout_s` for each try.

    Parameters
    ----------
    call : callable
        Makes the request, and may be called several times.
    key : str
        What it is about, for the message.

    Raises
    ------
    StoreError
        There was no answer in time.
    Exception
        What the last try raised, with a note of how many there were.
    """
    settings = config.current
    delay_s = settings.io_retry_delay_s
    for tries in range(1, settings.io_retries + 2):
        try:
            return await _in_time(call, settings.io_timeout_s, key)
        except Exception as error:
            if tries > settings.io_retries or not is_transient(error):
                if tries > 1:
                    error.add_note(f"tried {tries} times")
                raise
        # Jitter: many requests that failed together should not come back together.
        await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
    raise AssertionError("the loop ends by returning or raising")


async def _in_time(call: Callable[[], Awaitable[T]], timeout_s: float, key: str) -> T:
    if not timeout_s:
        return await call()
    try:
        async with asyncio.timeout(timeout_s) as limit:
            return await call()
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise StoreError(f"no answer within {timeout_s:g} s", key=key) from error


async def set_if_version(store: Any, key: str, value: Any, version: object | None, prototype: Any) -> None:
    """`store.set_if_version`, made again when it fails in a way that may pass.

    Parameters
    ----------
    store : SupportsVersions
        The store.
    key : str
        The key.
    value : Buffer
        Its new value.
    version : object, optional
        What the key must have.
    prototype : BufferPrototype
        Which class of buffer the store answers with.

    Raises
    ------
    ConflictError
        The key has another version, and not because of this call.
    """
    may_be_done = False

    async def once() -> None:
        nonlocal may_be_done
        try:
            await store.set_if_version(key, value, version)
        except ConflictError:
            if not (may_be_done and await is_ours()):
                raise
        except BaseException as error:
            may_be_done = may_be_done or not isinstance(error, Exception) or is_transient(error)
            raise

    async def is_ours() -> bool:
        found = await store.get_versioned(key, prototype)
        return found is not None and as_memory(found.buffer) == as_memory(value)

    await retried(once, key=key)
