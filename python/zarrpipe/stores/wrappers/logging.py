"""A store that records what is asked of it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from zarrpipe.abc.store import ByteRequest
from zarrpipe.stores.wrappers.request import Kind, Request, kind_of
from zarrpipe.stores.wrappers.wrapper import Ask, AskSync, StoreT, WrapperStore

__all__ = ["LoggedRequest", "LoggingStore"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request that has ended.

    Parameters
    ----------
    method : str
        The store's method.
    key : str
        The key, or the prefix of a listing.
    byte_range : ByteRequest, optional
        Which part of the value was asked for; None for all of it.
    nbytes : int
        Bytes of values that it moved, either way.
    start_s : float
        When it began, by `time.perf_counter`.
    duration_s : float
        How long it took.
    error : str, optional
        The class of the exception that ended it.
    """

    method: str
    key: str
    byte_range: ByteRequest | None
    nbytes: int
    start_s: float
    duration_s: float
    error: str | None = None

    @property
    def kind(self) -> Kind:
        """What the method does, whether it is awaited or not: ``get set delete head list``."""
        return kind_of(self.method)


@dataclass(slots=True)
class _Log:
    """What the wrappers of one log share."""

    requests: list[LoggedRequest] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class LoggingStore(WrapperStore[StoreT], Generic[StoreT]):
    """A store that records the requests to another, and logs them.

    It may be used from several threads and loops. A store made by `with_read_only` writes to the same record, so what
    ``zarrpipe.open(store, mode="r")`` asks for is seen; a pickled copy begins with an empty one.

    Parameters
    ----------
    store : Store
        The store to wrap.
    log_level : str or int
        At which level each request is logged, by the logger ``zarrpipe.stores``.
    log_handler : logging.Handler, optional
        Added to that logger.

    Examples
    --------
    >>> import zarrpipe
    >>> from zarrpipe.stores import LoggingStore, MemoryStore
    >>> store = LoggingStore(MemoryStore())
    >>> array = zarrpipe.create_array(store, shape=(4, 4), chunks=(2, 2), dtype="uint8", compressors=None)
    >>> array[:] = 1
    >>> store.clear_requests()
    >>> array[0].tolist()
    [1, 1, 1, 1]
    >>> store.counts()
    {'get': 2}
    >>> sorted((request.key, request.nbytes) for request in store.requests)
    [('c/0/0', 2), ('c/0/1', 2)]
    """

    def __init__(
        self, store: StoreT, log_level: str | int = "DEBUG", log_handler: logging.Handler | None = None
    ) -> None:
        super().__init__(store)
        self.log_level = log_level
        # By name, and as the level's name even where a number was given: an unknown one is an error here, not later.
        self._level = logging.getLevelNamesMapping()[log_level] if isinstance(log_level, str) else log_level
        self._log = _Log()
        if log_handler is not None:
            _logger.addHandler(log_handler)

    def _with_store(self, store: Any) -> Self:
        other = type(self)(store, self.log_level)
        other._log = self._log
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_log": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _log=_Log())

    # What was recorded

    @property
    def requests(self) -> Sequence[LoggedRequest]:
        """The requests so far, in the order in which they ended."""
        with self._log.lock:
            return tuple(self._log.requests)

    def counts(self) -> dict[str, int]:
        """Return how many requests of each kind there were: ``get set delete head list``."""
        return dict(Counter(request.kind for request in self.requests))

    def nbytes(self, kind: Kind = "get") -> int:
        """Return how many bytes the requests of a kind moved."""
        return sum(request.nbytes for request in self.requests if request.kind == kind)

    def clear_requests(self) -> None:
        """Forget the requests so far; `clear` empties the store."""
        with self._log.lock:
            self._log.requests.clear()

    # Recording

    async def _ask(self, request: Request, ask: Ask[T]) -> T:
        start_s = time.perf_counter()
        try:
            answer = await ask(request)
        except BaseException as error:
            self._record(request, 0, start_s, error)
            raise
        self._record(request, _nbytes(request, answer), start_s)
        return answer

    def _ask_sync(self, request: Request, ask: AskSync[T]) -> T:
        start_s = time.perf_counter()
        try:
            answer = ask(request)
        except BaseException as error:
            self._record(request, 0, start_s, error)
            raise
        self._record(request, _nbytes(request, answer), start_s)
        return answer

    async def _ask_names(self, request: Request, names: AsyncIterator[str]) -> AsyncIterator[str]:
        start_s, failed = time.perf_counter(), None
        try:
            async for name in names:
                yield name
        except Exception as error:
            failed = error
            raise
        finally:
            # Also where the caller has seen enough.
            self._record(request, 0, start_s, failed)

    def _record(self, request: Request, nbytes: int, start_s: float, error: BaseException | None = None) -> None:
        duration_s = time.perf_counter() - start_s
        name = None if error is None else type(error).__name__
        logged = LoggedRequest(request.method, request.key, request.byte_range, nbytes, start_s, duration_s, name)
        with self._log.lock:
            self._log.requests.append(logged)
        if _logger.isEnabledFor(self._level):
            part = "" if request.byte_range is None else f" {request.byte_range}"
            ended = "" if name is None else f", {name}"
            _logger.log(
                self._level,
                "%s %s%s: %d bytes, %.2f ms%s",
                request.method,
                request.key,
                part,
                nbytes,
                1e3 * duration_s,
                ended,
            )


_logger = logging.getLogger("zarrpipe.stores")


def _nbytes(request: Request, answer: Any) -> int:
    if request.kind == "get":
        # A `Versioned` holds its buffer.
        return 0 if answer is None else len(getattr(answer, "buffer", answer))
    return 0 if request.value is None else len(request.value)
