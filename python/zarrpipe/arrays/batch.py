"""Batches: writes to an array are collected, and each chunk that they touch is read and stored once for all of them."""

from __future__ import annotations

import os
import threading
from itertools import groupby
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from zarrpipe.driver import apply_settings, drive
from zarrpipe.nodes import NodeAccess, locked, run

if TYPE_CHECKING:
    from zarrpipe import _core
    from zarrpipe.arrays.chunks import ArrayChunks

__all__ = ["MAX_NBYTES", "Batch"]

MAX_NBYTES: Final = 256 << 20

# A write that waits, and the engine of the time when it was made.
_Write = tuple["_core.Engine", "_core.Assignment"]


class Batch:
    """Writes to an array that are stored together, when the block of ``with array.batch():`` ends.

    Parameters
    ----------
    array : zarrpipe.Array
        The array.
    max_nbytes : int
        How many bytes may be held; beyond, what is held is stored, and the batch goes on.

    Examples
    --------
    >>> import zarrpipe
    >>> array = zarrpipe.create_array({}, shape=(4, 6), chunks=(4, 6), dtype="int32")
    >>> with array.batch() as batch:
    ...     for row in range(4):
    ...         array[row] = row
    ...     held = batch.nbytes > 0, array.nchunks_initialized
    >>> array[:, 0]
    array([0, 1, 2, 3], dtype=int32)

    An exception in the block discards what is not stored yet:

    >>> with array.batch():
    ...     array[0] = 7
    ...     raise RuntimeError("stop")
    Traceback (most recent call last):
        ...
    RuntimeError: stop
    >>> int(array[0, 0])
    0
    """

    def __init__(self, array: ArrayChunks, max_nbytes: int = MAX_NBYTES) -> None:
        if max_nbytes < 1:
            raise ValueError(f"max_nbytes is a number of bytes of at least 1, not {max_nbytes}")
        self._array = array
        self._max_nbytes = max_nbytes
        self._pid = os.getpid()
        self._guard = threading.Lock()
        self._ended = False
        self._writes: list[_Write] = []
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """About how many bytes are held."""
        return self._nbytes

    @property
    def is_open(self) -> bool:
        """Whether writes are collected: until the block ends, in the process that began it."""
        # The child of a fork has a copy of the parent's writes: they are the parent's to store.
        return not self._ended and self._pid == os.getpid()

    def write(self, engine: _core.Engine, selected: _core.Selection, items: npt.NDArray[Any]) -> bool:
        """Collect a write, whose items are copied. False where the batch has ended: then it is for the caller."""
        assignment = engine.assign(selected, _copy(items))
        # One that is too large to be held with others is stored by itself.
        if not self._has_room(assignment.nbytes):
            self.flush()
        held = self._hold(engine, assignment)
        if not self._has_room():
            self.flush()
        return held

    async def write_async(self, engine: _core.Engine, selected: _core.Selection, items: npt.NDArray[Any]) -> bool:
        """`write` without blocking the running event loop."""
        assignment = engine.assign(selected, _copy(items))
        if not self._has_room(assignment.nbytes):
            await self.flush_async()
        held = self._hold(engine, assignment)
        if not self._has_room():
            await self.flush_async()
        return held

    def _has_room(self, nbytes: int = 0) -> bool:
        return self._nbytes + nbytes <= self._max_nbytes

    def _hold(self, engine: _core.Engine, assignment: _core.Assignment) -> bool:
        if not self.is_open:
            return False
        with self._guard:
            if self._ended:
                return False
            self._writes.append((engine, assignment))
            self._nbytes += assignment.nbytes
            return True

    def flush(self) -> None:
        """Store what is held; the batch goes on.

        Raises
        ------
        CodecError, StoreError
            A chunk cannot be encoded or stored, or its other items cannot be read. What is held stays so, and is tried
            again by the next flush.
        """
        run(self._array.store, self.flush_by)

    async def flush_async(self) -> None:
        """`flush` without blocking the running event loop."""
        await self.flush_by(NodeAccess(self._array.store, blocking=False))

    async def flush_by(self, access: NodeAccess) -> None:
        """`flush`, in the calling thread where that may wait, else awaited."""
        # One flush after the other: of two at the same time, the later might store its chunk first.
        async with locked(f"batch {id(self)} of {self._array.path}", access):
            writes = self._take()
            try:
                # One group, unless another thread resized the array in between.
                for _, group in groupby(writes, key=lambda write: write[1].array_shape):
                    await self._write(access, list(group))
            except BaseException:
                with self._guard:
                    self._put_back(writes)
                raise

    async def _write(self, access: NodeAccess, group: list[_Write]) -> None:
        """Store writes to an array of one shape."""
        apply_settings()
        engine, assignments = group[-1][0], [assignment for _, assignment in group]
        if not access.blocking:
            await drive(engine.start_write_all(assignments), self._array.store)
        elif engine.needs_loop:
            self._array._finish(engine.start_write_all(assignments))
        else:
            engine.write_all(assignments)

    def discard(self) -> None:
        """Forget what is held; the batch goes on. What was stored already, by a flush or a read, stays."""
        self._take()

    def _take(self) -> list[_Write]:
        if not self.is_open:
            return []
        with self._guard:
            writes, self._writes, self._nbytes = self._writes, [], 0
        return writes

    def _put_back(self, writes: list[_Write]) -> None:
        self._writes[:0] = writes
        self._nbytes += sum(assignment.nbytes for _, assignment in writes)

    # The block

    def _begin(self) -> None:
        fields = vars(self._array)
        other = fields.get("_batch")
        if other is not None and not other.is_open:
            fields.pop("_batch", None)
        # In one step: another thread may be doing the same.
        if self._ended or fields.setdefault("_batch", self) is not self or other is self:
            raise RuntimeError("a batch of this array is open already, or this one was used: batches do not nest")

    def _end(self, *, only_empty: bool) -> bool:
        """Collect no more, and forget what is held, if that is allowed; returns whether it was done."""
        if not self.is_open:
            return True
        with self._guard:
            if only_empty and self._writes:
                return False
            self._ended = True
            self._writes, self._nbytes = [], 0
        vars(self._array).pop("_batch", None)
        return True

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            # Another thread may have written in the meantime.
            while kind is None and not self._end(only_empty=True):
                self.flush()
        finally:
            self._end(only_empty=False)

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        try:
            while kind is None and not self._end(only_empty=True):
                await self.flush_async()
        finally:
            self._end(only_empty=False)

    def __repr__(self) -> str:
        return f"<Batch of {self._array!r}, {self._nbytes} bytes>"


def _copy(items: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Copy what is assigned, what is repeated once. Items of variable length the engine copies by itself."""
    if items.dtype.kind in "TO":
        return items
    once = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in items.strides)
    return np.broadcast_to(items[(*once, ...)].copy(), items.shape)
