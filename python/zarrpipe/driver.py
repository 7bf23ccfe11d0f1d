"""The event-loop side of the engine: it answers what a running call needs, and lets calls without a loop wait.

A call's chunk jobs run on the workers. What they need from a store or a codec that must be awaited waits in the call;
`drive` takes it from there, keeps many requests under way, and hands the answers back.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from zarrpipe.config import config
from zarrpipe.errors import CodecError, ConflictError, StoreError, UnsupportedError
from zarrpipe.stores.adapter import (
    AsyncAdapter,
    AsyncStoreAdapter,
    Found,
    Range,
    async_adapter,
    no_versions,
    supports_sync,
)
from zarrpipe.stores.values import as_memory
from zarrpipe.stores.zarr import uses_zarr_loop, zarr_loop

if TYPE_CHECKING:
    from zarrpipe import _core

__all__ = ["apply_settings", "delete_value", "drive", "get_value", "set_value", "sync"]

T = TypeVar("T")

_BATCH_ITEMS = 64
_BATCH_NBYTES = 64_000_000
# How long a coroutine that was cancelled is waited for.
_GRACE_S = 0.2
# How often a waiting call looks for signals, where the system does not wake it for them (Windows).
_SIGNAL_CHECK_S = 0.5

_applied: object = None


def apply_settings() -> None:
    """Hand the settings in force to the engine, if they are not there already."""
    global _applied  # noqa: PLW0603 - what the one engine of the process was told
    from zarrpipe import _core

    settings = config.current
    if settings is not _applied and settings != _applied:
        _core.configure(
            threads=settings.threads,
            io_requests=settings.io_requests,
            max_chunk_nbytes=settings.max_chunk_nbytes,
            verify_checksums=settings.verify_checksums,
            # What the engine can count.
            conflict_retries=min(settings.conflict_retries, 2**31),
        )
    _applied = settings


async def drive(run: _core.Run, store: Any) -> Any:
    """Run a call to its end on the running loop.

    Parameters
    ----------
    run : _core.Run
        A call that was not started yet.
    store : Store or AsyncAdapter
        What its requests for keys are for; None where it makes none.

    Returns
    -------
    Any
        The call's result: see `_core.Run.result`.

    Raises
    ------
    Exception
        What the engine, the store or a codec raised. On any exception, and on cancellation, requests under way are
        cancelled, and the call publishes nothing more.
    """
    if store is not None:
        _remember_loop(store)
    if store is None:
        return await _Drive(run, None).to_end()
    adapter = async_adapter(store)
    if run.conditional and not getattr(adapter, "has_versions", False):
        raise no_versions(store)
    return await _Drive(run, adapter).to_end()


class _Drive:
    """One call's requests."""

    def __init__(self, run: _core.Run, store: AsyncAdapter | None) -> None:
        settings = config.current
        self._run = run
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._max_requests, self._max_nbytes = settings.io_requests, settings.io_nbytes
        # Requests that wait for others to end: of those for several ranges each range by itself.
        self._waiting: deque[_Ask] = deque()
        self._requests = self._nbytes = 0
        # A request for a whole value does not say how large it is: it is taken to be like the largest before.
        self._whole_nbytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._event = asyncio.Event()
        self._woken = False

    async def to_end(self) -> Any:
        """Answer requests until there are no more."""
        self._run.start(self._wake)
        try:
            while True:
                # Before the look: what comes after it wakes again.
                self._woken = False
                self._take()
                if self._run.finished:
                    break
                await self._event.wait()
                self._event.clear()
        finally:
            if not self._run.finished:
                self._run.cancel()
            await self._end_tasks()
        return self._run.result()

    def _wake(self) -> None:
        """Make the loop look. Called by any thread, often: all calls until it looks become one wake-up."""
        if self._woken:
            return
        self._woken = True
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    def _take(self) -> None:
        codings: dict[tuple[int, str], list[tuple[Any, ...]]] = {}
        while requests := self._run.take(_BATCH_ITEMS):
            for request in requests:
                if request[0] in ("decode", "encode"):
                    codings.setdefault((id(request[2]), request[0]), []).append(request)
                elif request[0] in ("decode_partial", "encode_partial"):
                    self._begin(self._code_part(request))
                else:
                    self._waiting.extend(_asks(request))
        for ready in codings.values():
            for batch in _batches(ready):
                self._begin(self._code(batch))
        self._admit()

    def _admit(self) -> None:
        """Begin as many requests for keys as may be under way."""
        while self._waiting and self._requests < self._max_requests:
            ask = self._waiting[0]
            nbytes = self._whole_nbytes if ask.nbytes is None else ask.nbytes
            if self._requests and self._nbytes + nbytes > self._max_nbytes:
                return
            self._waiting.popleft()
            if ask.gathering is not None and ask.gathering.ended:
                continue
            self._requests += 1
            self._nbytes += nbytes
            self._begin(self._ask(ask, nbytes))

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, ask: _Ask, nbytes: int) -> None:
        """Answer one request for a key, or for one of its ranges."""
        number, key, gathering = ask.request[1], ask.request[2], ask.gathering
        try:
            answer = await self._answer(ask)
        except asyncio.CancelledError:
            # By us, then nobody listens; or by the store itself, and the call must not wait for ever.
            self._run.fail(number, StoreError("the request was cancelled", key=key))
            raise
        except Exception as error:  # noqa: BLE001 - the call raises it
            # The other ranges are not needed any more.
            if gathering is not None:
                gathering.ended = True
            self._run.fail(number, error)
        else:
            if gathering is None or gathering.ended:
                self._run.answer(number, answer)
        finally:
            self._requests -= 1
            self._nbytes -= nbytes
        self._admit()

    async def _answer(self, ask: _Ask) -> Any:
        store = self._keys()
        kind, _, key, *rest = ask.request
        if ask.gathering is not None:
            ranges, version = rest
            found = await store.get(key, ranges[ask.place], version)
            if found is not None and ask.nbytes is None:
                self._whole_nbytes = max(self._whole_nbytes, len(found.data))
            return ask.gathering.add(ask.place, found, key)
        if kind == "set":
            await store.set(key, *rest)
        else:
            await store.delete(key)
        return None

    def _keys(self) -> AsyncAdapter:
        if self._store is None:
            raise RuntimeError("a call without a store asked for a key")
        return self._store

    async def _code(self, batch: Sequence[tuple[Any, ...]]) -> None:
        """Answer chunks that wait for one codec, by one call of it."""
        kind, _, stage, _ = batch[0]
        method = stage.decode_batch if kind == "decode" else stage.encode_batch
        try:
            answers = await method([request[3] for request in batch])
        except asyncio.CancelledError:
            for request in batch:
                self._run.fail(request[1], CodecError("the codec was cancelled", codec=stage.name))
            raise
        except Exception as error:  # noqa: BLE001 - the call raises it
            for request in batch:
                self._run.fail(request[1], error)
        else:
            for request, answer in zip(batch, answers, strict=True):
                self._run.answer(request[1], answer)

    async def _code_part(self, request: tuple[Any, ...]) -> None:
        """Have a codec read or write a part of a key's value by itself."""
        kind, number, stage, key, selection, *items = request
        try:
            if self._run.conditional:
                raise UnsupportedError(f"a codec that writes parts of {key!r} by itself cannot do so conditionally")  # noqa: TRY301
            setter = self._keys().setter(key)
            if kind == "decode_partial":
                answer = await stage.decode_partial(setter, selection)
            else:
                answer = await stage.encode_partial(setter, selection, items[0])
        except asyncio.CancelledError:
            self._run.fail(number, CodecError("the codec was cancelled", codec=stage.name))
            raise
        except Exception as error:  # noqa: BLE001 - the call raises it
            self._run.fail(number, error)
        else:
            self._run.answer(number, answer)

    async def _end_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Gathering:
    """The ranges of one request, which are asked for one by one.

    Parameters
    ----------
    count : int
        How many there are.
    """

    def __init__(self, count: int) -> None:
        self._parts: list[Any] = [None] * count
        self._left = count
        self._version: object | None = None
        self._nbytes: int | None = None
        self.ended = False

    def add(self, index: int, found: Found | None, key: str) -> tuple[list[Any], object | None, int | None] | None:
        """Take in a range; what it returns is the request's answer if `ended` is set.

        Raises
        ------
        ConflictError
            It is of another value than those before.
        """
        if self.ended:
            return None
        if found is None:
            self.ended = True
            return None
        if self._left < len(self._parts) and found.version != self._version:
            raise ConflictError(f"{key!r} was replaced while it was read")
        self._parts[index], self._version, self._nbytes = found
        self._left -= 1
        self.ended = not self._left
        return self._parts, self._version, self._nbytes


class _Ask(NamedTuple):
    """A request, or one range of it."""

    request: tuple[Any, ...]
    # How many bytes it moves; None where it does not say.
    nbytes: int | None
    gathering: _Gathering | None = None
    place: int = 0


def _asks(request: tuple[Any, ...]) -> list[_Ask]:
    """Return what a request for a key asks a store for."""
    if request[0] == "set":
        return [_Ask(request, len(request[3]))]
    if request[0] == "delete":
        return [_Ask(request, 0)]
    gathering = _Gathering(len(request[3]))
    return [_Ask(request, _range_nbytes(part), gathering, place) for place, part in enumerate(request[3])]


def _range_nbytes(part: Range) -> int | None:
    if part is None:
        return None
    start, stop = part
    return stop if start is None else stop - start


def _batches(requests: Sequence[tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
    """Cut what is ready into batches of bounded number and size."""
    batches: list[list[tuple[Any, ...]]] = [[]]
    nbytes = 0
    for request in requests:
        size = len(request[3])
        if batches[-1] and (len(batches[-1]) == _BATCH_ITEMS or nbytes + size > _BATCH_NBYTES):
            batches.append([])
            nbytes = 0
        batches[-1].append(request)
        nbytes += size
    return batches


# The loop for calls that have none


class _IoThread:
    """A daemon thread that runs an event loop."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="zarrpipe-io", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(timeout=0.2)


_io_thread: _IoThread | None = None
_io_lock = threading.Lock()


def _io_loop() -> asyncio.AbstractEventLoop:
    """Return the loop of the process's I/O thread, which is made at first use and after a fork."""
    global _io_thread  # noqa: PLW0603 - one a process
    with _io_lock:
        if _io_thread is None or _io_thread.pid != os.getpid():
            _io_thread = _IoThread()
        return _io_thread.loop


def _after_fork() -> None:
    # The thread is not here any more, and the lock may have been held by one that is not either.
    global _io_thread, _io_lock
    _io_thread, _io_lock = None, threading.Lock()
    _loops.clear()


def _at_exit() -> None:
    if _io_thread is not None and _io_thread.pid == os.getpid():
        _io_thread.stop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)


# The loop on which each store was first awaited, by the store's id: its connections are bound to it.
_loops: dict[int, tuple[weakref.ref[Any], weakref.ref[asyncio.AbstractEventLoop]]] = {}


def _remember_loop(store: Any) -> None:
    if id(store) in _loops or isinstance(store, AsyncStoreAdapter) or getattr(store, "is_adapter", False):
        return
    number = id(store)
    try:
        reference = weakref.ref(store, lambda _: _loops.pop(number, None))
    except TypeError:
        return
    _loops[number] = reference, weakref.ref(asyncio.get_running_loop())


def _own_loop(store: Any) -> asyncio.AbstractEventLoop | None:
    """Return the loop that a store is bound to, where that is known."""
    known = _loops.get(id(store))
    return known[1]() if known is not None and known[0]() is store else None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def sync(work: Coroutine[Any, Any, T] | Callable[[], Coroutine[Any, Any, T]], store: Any = None) -> T:
    """Run a coroutine on the I/O thread's loop, and wait for it.

    Parameters
    ----------
    work : coroutine or callable
        What to run, or what makes it: called on that loop.
    store : Store, optional
        What it awaits. For a store of zarr-python's, zarr's own loop is used.

    Returns
    -------
    Any
        What the coroutine returns.

    Raises
    ------
    RuntimeError
        The calling thread runs the loop that the store is bound to, or the one on which the coroutine would run: it
        would wait for itself.
    KeyboardInterrupt
        Soon; the coroutine is cancelled, and waited for no longer than 0.2 s.
    """
    loop = zarr_loop() if store is not None and uses_zarr_loop(store) else _io_loop()
    running = _running_loop()
    if running is not None and running in (loop, _own_loop(store)):
        if not callable(work):
            work.close()
        raise RuntimeError("a call that waits for an event loop was made from that loop: use the async form")

    ended, given_up = threading.Event(), threading.Event()
    tasks: list[asyncio.Task[Any]] = []

    async def run() -> T:
        tasks.extend(filter(None, [asyncio.current_task()]))
        try:
            if given_up.is_set():
                raise asyncio.CancelledError
            return await (work() if callable(work) else work)
        finally:
            ended.set()

    # A signal may come before the future is at hand, so it is the task that is cancelled.
    try:
        # Settings are context variables: the loop's callback runs in a copy of the caller's context.
        future = asyncio.run_coroutine_threadsafe(run(), loop)
        while True:
            try:
                return future.result(timeout=_SIGNAL_CHECK_S)
            except concurrent.futures.TimeoutError:
                if future.done():
                    # The coroutine's own TimeoutError.
                    raise
    except BaseException:
        given_up.set()
        if tasks and not ended.is_set():
            loop.call_soon_threadsafe(tasks[0].cancel)
            # Most callers then find nothing at work behind their back; what takes longer is left to itself.
            ended.wait(_GRACE_S)
        raise


# Single values, as documents are


def get_value(store: Any, key: str) -> bytes | memoryview | None:
    """Return the bytes of a key, or None if there is no such key. At once where the store can, else by `sync`."""
    if supports_sync(store):
        from zarrpipe.stores.adapter import Words

        value = store.get_sync(key, prototype=Words(store).prototype)
        return None if value is None else as_memory(value)
    found = sync(lambda: async_adapter(store).get(key, None), store)
    return None if found is None else memoryview(found.data)


def set_value(store: Any, key: str, data: bytes) -> None:
    """Store a value. At once where the store can, else by `sync`."""
    if supports_sync(store):
        from zarrpipe.stores.adapter import StoreAdapter

        StoreAdapter(store).set(key, data)
    else:
        sync(lambda: async_adapter(store).set(key, data), store)


def delete_value(store: Any, key: str) -> None:
    """Delete a key. At once where the store can, else by `sync`."""
    if supports_sync(store):
        store.delete_sync(key)
    else:
        sync(lambda: async_adapter(store).delete(key), store)
