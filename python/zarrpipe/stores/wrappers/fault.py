"""A store that fails as it is told to."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Generic, Literal, NoReturn, Self, TypeAlias, TypeVar, cast, get_args

from zarrpipe.abc.store import ByteRequest, Versioned
from zarrpipe.buffer import Buffer
from zarrpipe.errors import NodeNotFoundError
from zarrpipe.stores.wrappers.request import Kind, Request
from zarrpipe.stores.wrappers.wrapper import Ask, AskSync, StoreT, WrapperStore

__all__ = ["Fault", "FaultStore", "Injected"]

T = TypeVar("T")

Action: TypeAlias = Literal["raise", "hang", "cut", "ignore_range", "missing", "swap"]

_ACTS_ON: dict[str, frozenset[str]] = {
    "raise": frozenset(get_args(Kind)),
    "hang": frozenset(get_args(Kind)),
    "cut": frozenset({"get", "set"}),
    "ignore_range": frozenset({"get"}),
    "missing": frozenset({"get", "head"}),
    "swap": frozenset({"get", "set", "head"}),
}
_POLL_S = 0.005


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A rule: which requests go wrong, and how.

    Parameters
    ----------
    action : str
        "raise"
            `error` is raised.
        "hang"
            There is no answer: for `hang_s` seconds, and then TimeoutError.
        "cut"
            The answer, or what is to be stored, is cut to its first `keep_nbytes` bytes, and nobody is told.
        "ignore_range"
            The whole value is given where a part was asked for.
        "missing"
            The answer is that there is no such key.
        "swap"
            Before the request is answered another writer replaces the key's value by `value`, or deletes the key.
    keys : str
        Which keys, as a pattern: ``*`` is any characters, slashes too.
    kind : {"get", "set", "delete", "head", "list"}
        Which requests: see `Request.kind`.
    nth : int
        Which of the requests that match is the first to go wrong, counted from 1.
    times : int or None
        How many go wrong; None for all from there on.
    error : exception or class of exceptions
        For "raise".
    hang_s : float
        For "hang".
    keep_nbytes : int, optional
        For "cut"; half by default.
    value : bytes, optional
        For "swap".

    Raises
    ------
    ValueError
        The action cannot be done to requests of that kind.

    Examples
    --------
    >>> Fault(action="raise", keys="*/c/*", nth=2, error=ConnectionResetError).kind
    'get'
    """

    action: Action
    keys: str = "*"
    kind: Kind = "get"
    nth: int = 1
    times: int | None = 1
    error: BaseException | type[BaseException] = ConnectionResetError
    hang_s: float = float("inf")
    keep_nbytes: int | None = None
    value: bytes | None = None

    def __post_init__(self) -> None:
        if self.action not in _ACTS_ON:
            raise ValueError(f"the action is one of {', '.join(_ACTS_ON)}, not {self.action!r}")
        if self.kind not in _ACTS_ON[self.action]:
            raise ValueError(
                f'"{self.action}" is done to {", ".join(sorted(_ACTS_ON[self.action]))}, not {self.kind!r}'
            )

    def _concerns(self, request: Request) -> bool:
        return request.kind == self.kind and fnmatchcase(request.key, self.keys)

    def _raise(self) -> NoReturn:
        # A copy: what is raised is given notes and a traceback.
        raise copy.copy(self.error) if isinstance(self.error, BaseException) else self.error


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that happened.

    Parameters
    ----------
    fault : Fault
        The rule.
    method : str
        The store's method.
    key : str
        The key that was asked for.
    byte_range : ByteRequest, optional
        Which part of its value.
    """

    fault: Fault
    method: str
    key: str
    byte_range: ByteRequest | None


@dataclass(slots=True)
class _State:
    """What the wrappers of one set of rules share: how often each matched, and what was done."""

    seen: list[int]
    injected: list[Injected] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)


class FaultStore(WrapperStore[StoreT], Generic[StoreT]):
    """A store that goes wrong by rules: the same requests in the same order, the same faults.

    Requests in flight at the same time have no order; a rule for one key, with requests that follow each other, does
    not depend on it. A store made by `with_read_only` shares the counts and the record; a pickled copy has its own.

    Parameters
    ----------
    store : Store
        The store to wrap.
    faults : iterable of Fault
        The rules. The first that concerns a request and is due is applied; every rule counts the requests that it
        concerns.

    Examples
    --------
    >>> import zarrpipe
    >>> from zarrpipe.stores import Fault, FaultStore, MemoryStore
    >>> store = FaultStore(MemoryStore(), [Fault(action="raise", keys="c/*", error=ConnectionResetError)])
    >>> array = zarrpipe.create_array(store, shape=(4,), dtype="uint8")
    >>> array[:] = 7
    >>> try:
    ...     array[:]
    ... except ConnectionResetError:
    ...     print("reset")
    reset
    >>> array[:].tolist()
    [7, 7, 7, 7]
    >>> [injected.key for injected in store.injected]
    ['c/0']
    """

    def __init__(self, store: StoreT, faults: Iterable[Fault] = ()) -> None:
        super().__init__(store)
        self.faults = tuple(faults)
        self._state = _State([0] * len(self.faults))

    def _with_store(self, store: Any) -> Self:
        other = type(self)(store, self.faults)
        other._state = self._state
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_state": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _state=_State([0] * len(state["faults"])))

    @property
    def injected(self) -> Sequence[Injected]:
        """The faults so far."""
        with self._state.lock:
            return tuple(self._state.injected)

    def release(self) -> None:
        """End all requests that hang, with TimeoutError, and let none hang from now on."""
        self._state.released.set()

    def _due(self, request: Request) -> Fault | None:
        """Return the fault for a request; every rule counts it."""
        due = None
        with self._state.lock:
            for index, fault in enumerate(self.faults):
                if not fault._concerns(request):
                    continue
                self._state.seen[index] += 1
                number = self._state.seen[index] - fault.nth
                if due is None and number >= 0 and (fault.times is None or number < fault.times):
                    due = fault
            if due is not None:
                self._state.injected.append(Injected(due, request.method, request.key, request.byte_range))
        return due

    def _hanging(self, end_s: float) -> bool:
        return time.monotonic() < end_s and not self._state.released.is_set()

    async def _ask(self, request: Request, ask: Ask[T]) -> T:
        fault = self._due(request)
        if fault is None:
            return await ask(request)
        if fault.action == "hang":
            end_s = time.monotonic() + fault.hang_s
            while self._hanging(end_s):  # noqa: ASYNC110 - an asyncio.Event belongs to one loop
                await asyncio.sleep(_POLL_S)
        if fault.action == "swap":
            # Another writer may write, whatever this store was opened for.
            store = _writable(self._store)
            if fault.value is None:
                await store.delete(request.key)
            else:
                await WrapperStore(store).set(request.key, Buffer.from_bytes(fault.value))
        _before(fault)
        if fault.action == "missing":
            return cast(T, _missing(request))
        return cast(T, _changed_answer(fault, request, await ask(_changed_request(fault, request))))

    def _ask_sync(self, request: Request, ask: AskSync[T]) -> T:
        fault = self._due(request)
        if fault is None:
            return ask(request)
        if fault.action == "hang":
            end_s = time.monotonic() + fault.hang_s
            while self._hanging(end_s):
                time.sleep(_POLL_S)
        if fault.action == "swap":
            store = _writable(self._store)
            if fault.value is None:
                store.delete_sync(request.key)
            else:
                WrapperStore(store).set_sync(request.key, Buffer.from_bytes(fault.value))
        _before(fault)
        if fault.action == "missing":
            return cast(T, _missing(request))
        return cast(T, _changed_answer(fault, request, ask(_changed_request(fault, request))))

    async def _ask_names(self, request: Request, names: AsyncIterator[str]) -> AsyncIterator[str]:
        async def nothing(_: Request) -> None:
            return None

        await self._ask(request, nothing)
        async for name in names:
            yield name


def _writable(store: Any) -> Any:
    return store.with_read_only(False) if store.read_only else store


def _before(fault: Fault) -> None:
    if fault.action == "raise":
        fault._raise()
    if fault.action == "hang":
        raise TimeoutError("the request timed out")


def _missing(request: Request) -> bool | None:
    """Return what a store says of a key that is not there."""
    if request.method == "getsize":
        raise NodeNotFoundError("no such key", key=request.key)
    return False if request.method == "exists" else None


def _changed_request(fault: Fault, request: Request) -> Request:
    if fault.action == "ignore_range":
        return replace(request, byte_range=None)
    if fault.action == "cut" and request.value is not None:
        return replace(request, value=_cut(fault, request.value))
    return request


def _changed_answer(fault: Fault, request: Request, answer: Any) -> Any:
    if fault.action != "cut" or request.kind != "get" or answer is None:
        return answer
    if isinstance(answer, Versioned):
        return replace(answer, buffer=_cut(fault, answer.buffer))
    return _cut(fault, answer)


def _cut(fault: Fault, value: Any) -> Any:
    keep = len(value) // 2 if fault.keep_nbytes is None else fault.keep_nbytes
    return value[:keep]
