"""Reading and writing selections of an array.

A selection goes straight to the engine, which parses it; chains and stores that need an event loop take a way through
Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zarrpipe.abc.buffer import BufferPrototype, NDBuffer
from zarrpipe.arrays.batch import MAX_NBYTES, Batch
from zarrpipe.arrays.chunks import ArrayChunks
from zarrpipe.arrays.indexers import Indexer
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.driver import apply_settings, drive

if TYPE_CHECKING:
    from zarrpipe import _core
    from zarrpipe._core import SelectionKind

__all__ = ["ArrayAccess"]

Fields = str | Sequence[str] | None
Out = npt.NDArray[Any] | NDBuffer | None


class ArrayAccess(ArrayChunks):
    """The part of `zarrpipe.Array` that reads and writes selections; for the parameters see there."""

    def __getitem__(self, selection: Any) -> npt.NDArray[Any]:
        return self.read(selection)

    def read(self, selection: Any = ..., *, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Read a selection, as ``array[selection]`` does.

        Parameters
        ----------
        selection : int, slice, Ellipsis, array_like or tuple of them
            What to read: integers, slices with positive steps, and Ellipsis; or coordinates, an array of integers for
            each axis, which go together; or a mask, a boolean array of the array's shape; or one array of integers or
            booleans that selects along its axis, among integers and slices. Negative integers count from the end.
            Names of fields, where the data type has fields, stand among these.
        out : numpy.ndarray, optional
            Where to put it: of the selection's shape and the array's data type, with any strides.

        Returns
        -------
        numpy.ndarray
            `out`, or a new array; 0-d where `selection` has an integer for every axis.

        Raises
        ------
        SelectionError
            The selection is out of bounds, or not one.
        CodecError, StoreError
            A chunk cannot be read or decoded.
        ValueError, TypeError
            `out` has another shape or data type, is read-only, or overlaps itself.

        Examples
        --------
        >>> import zarrpipe
        >>> array = zarrpipe.create_array({}, shape=(3, 4), chunks=(2, 2), dtype="int32")
        >>> array[...] = [[0, 1, 2, 3], [10, 11, 12, 13], [20, 21, 22, 23]]
        >>> array.read((slice(None, None, 2), [3, 0]))
        array([[ 3,  0],
               [23, 20]], dtype=int32)
        """
        self._flush()
        engine = self._engine
        apply_settings()
        if engine.needs_loop:
            result: npt.NDArray[Any] = self._finish(engine.start_read(selection, out))
            return result
        return engine.read(selection, out)

    async def read_async(self, selection: Any = ..., *, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """`read` without blocking the running event loop."""
        await self._flush_async()
        apply_settings()
        result: npt.NDArray[Any] = await drive(self._engine.start_read(selection, out), self.store)
        return result

    def __setitem__(self, selection: Any, value: Any) -> None:
        self.write(selection, value)

    def write(self, selection: Any, value: Any) -> None:
        """Write to a selection, as ``array[selection] = value`` does.

        Parameters
        ----------
        selection : int, slice, Ellipsis, array_like or tuple of them
            Where to write: see `read`. Of an item that is selected more than once the last value stays. Where a field
            is named, only one is, and the others keep what they hold.
        value : array_like
            What to write. It is converted to the data type and repeated to the selection's shape as NumPy's
            assignment does.

        Raises
        ------
        SelectionError
            See `read`.
        ValueError, TypeError
            The value has another shape, or is of a kind that does not fit the data type.
        ReadOnlyError
            The array was opened for reading only.
        CodecError, StoreError
            A chunk cannot be encoded or stored, or its other items cannot be read.
        """
        self._set(selection, "any", value)

    async def write_async(self, selection: Any, value: Any) -> None:
        """`write` without blocking the running event loop."""
        await self._set_async(selection, "any", value)

    # By other rules

    @property
    def oindex(self) -> Indexer:
        """Brackets in which each integer, slice, array of integers or mask selects along its own axis."""
        return Indexer(self, "orthogonal")

    @property
    def vindex(self) -> Indexer:
        """Brackets that select single items: by an array of coordinates for each axis, or by a mask."""
        return Indexer(self, "vectorized")

    @property
    def blocks(self) -> Indexer:
        """Brackets that select whole chunks (whole shards, where there are shards) by their place in the grid."""
        return Indexer(self, "block")

    def _get(
        self,
        selection: Any,
        kind: SelectionKind,
        out: Out = None,
        fields: Fields = None,
        prototype: BufferPrototype | None = None,
    ) -> npt.NDArray[Any]:
        self._flush()
        engine = self._engine
        apply_settings()
        selected = engine.select(selection, kind, fields)
        target = _parse_out(out, selected)
        if engine.needs_loop:
            result: npt.NDArray[Any] = self._finish(engine.start_read(selected, target))
        else:
            result = engine.read(selected, target)
        if prototype is None or prototype == default_buffer_prototype():
            return result
        converted: Any = prototype.nd_buffer.from_numpy_array(result).as_ndarray_like()
        return converted  # type: ignore[no-any-return]

    async def _get_async(self, selection: Any, kind: SelectionKind, out: Out = None) -> npt.NDArray[Any]:
        await self._flush_async()
        engine = self._engine
        apply_settings()
        selected = engine.select(selection, kind)
        result: npt.NDArray[Any] = await drive(engine.start_read(selected, _parse_out(out, selected)), self.store)
        return result

    def _set(self, selection: Any, kind: SelectionKind, value: Any, fields: Fields = None) -> None:
        batch, assigned = self._batch, self._parse_assigned(selection, kind, value, fields)
        if batch is None or not batch.write(*assigned):
            self._store(*assigned)

    async def _set_async(self, selection: Any, kind: SelectionKind, value: Any) -> None:
        batch, assigned = self._batch, self._parse_assigned(selection, kind, value)
        if batch is None or not await batch.write_async(*assigned):
            await self._store_async(*assigned)

    def _parse_assigned(
        self, selection: Any, kind: SelectionKind, value: Any, fields: Fields = None
    ) -> tuple[_core.Engine, _core.Selection, npt.NDArray[Any]]:
        self._check_writable()
        apply_settings()
        engine = self._engine
        selected = engine.select(selection, kind, fields, writing=True)
        return engine, selected, self._to_items(value, selected.shape, selected.dtype, points=selected.points)

    def _store(self, engine: _core.Engine, selected: _core.Selection, items: npt.NDArray[Any]) -> None:
        if engine.needs_loop:
            self._finish(engine.start_write(selected, items))
        else:
            engine.write(selected, items)

    async def _store_async(self, engine: _core.Engine, selected: _core.Selection, items: npt.NDArray[Any]) -> None:
        await drive(engine.start_write(selected, items), self.store)

    # Together

    def batch(self, *, max_nbytes: int = MAX_NBYTES) -> Batch:
        """Collect the writes of a ``with`` block, so that each chunk is read and stored once for all of them.

        Inside of ``with array.batch():`` (or ``async with``) each write through this object is checked and its values
        are copied at once; the chunks are stored when the block ends. Several writes to a chunk or shard then cost one
        read of it and one put, and no read where they leave nothing of it out. Where they overlap the last one stays.

        - Whatever looks at chunks through this object (a read, `append`, `resize`, `nbytes_stored` ...) has the writes
          before it stored first. Other objects of the same array do not see them yet.
        - An exception in the block discards what is not stored by then: writes before a read, before a `flush`, or
          before `max_nbytes` was reached, are stored already.
        - Where storing fails at the end, the error is raised as that of any write is. Some chunks may be stored by
          then, each of them whole, and the others are not.
        - Threads and tasks may share the block; it collects the writes of all.
        - A pickled array, and that of the child of a fork, has no batch: its writes are stored at once.

        Parameters
        ----------
        max_nbytes : int
            How many bytes may be held: a write that finds no room has what is held stored first, and raises what goes
            wrong there. Whatever was written stays held until it is stored.

        Returns
        -------
        Batch
            With the methods `flush` and `discard`, for use in a ``with`` or an ``async with`` statement.

        Raises
        ------
        ReadOnlyError
            The array was opened for reading only.
        RuntimeError
            On entry: a batch of this object is open already.

        Examples
        --------
        >>> import zarrpipe
        >>> array = zarrpipe.create_array({}, shape=(4, 6), chunks=(2, 6), dtype="int32")
        >>> with array.batch():
        ...     array[0] = 1
        ...     array.oindex[[1, 3], ::5] = 2
        >>> array[...]
        array([[1, 1, 1, 1, 1, 1],
               [2, 0, 0, 0, 0, 2],
               [0, 0, 0, 0, 0, 0],
               [2, 0, 0, 0, 0, 2]], dtype=int32)
        """
        self._check_writable()
        return Batch(self, max_nbytes)

    # By zarr-python's names. `out` is an array or a buffer, `fields` a name or a list of names, and what is returned is
    # what `prototype` makes of the array read.

    def get_basic_selection(
        self,
        selection: Any = ...,
        *,
        out: Out = None,
        prototype: BufferPrototype | None = None,
        fields: Fields = None,
    ) -> npt.NDArray[Any]:
        """Read by integers, slices and Ellipsis."""
        return self._get(selection, "basic", out, fields, prototype)

    def set_basic_selection(
        self, selection: Any, value: Any, *, fields: Fields = None, prototype: BufferPrototype | None = None
    ) -> None:
        """Write by integers, slices and Ellipsis."""
        del prototype
        self._set(selection, "basic", value, fields)

    def get_orthogonal_selection(
        self,
        selection: Any,
        *,
        out: Out = None,
        fields: Fields = None,
        prototype: BufferPrototype | None = None,
    ) -> npt.NDArray[Any]:
        """Read by one selection for each axis: see `oindex`."""
        return self._get(selection, "orthogonal", out, fields, prototype)

    def set_orthogonal_selection(
        self, selection: Any, value: Any, *, fields: Fields = None, prototype: BufferPrototype | None = None
    ) -> None:
        """Write by one selection for each axis: see `oindex`."""
        del prototype
        self._set(selection, "orthogonal", value, fields)

    def get_coordinate_selection(
        self,
        selection: Any,
        *,
        out: Out = None,
        fields: Fields = None,
        prototype: BufferPrototype | None = None,
    ) -> npt.NDArray[Any]:
        """Read single items by an array of coordinates for each axis; the result has the shape of these arrays."""
        return self._get(selection, "coordinate", out, fields, prototype)

    def set_coordinate_selection(
        self, selection: Any, value: Any, *, fields: Fields = None, prototype: BufferPrototype | None = None
    ) -> None:
        """Write single items: see `get_coordinate_selection`."""
        del prototype
        self._set(selection, "coordinate", value, fields)

    def get_mask_selection(
        self,
        mask: Any,
        *,
        out: Out = None,
        fields: Fields = None,
        prototype: BufferPrototype | None = None,
    ) -> npt.NDArray[Any]:
        """Read the items where a mask, a boolean array of the array's shape, is true; the result has one axis."""
        return self._get(mask, "mask", out, fields, prototype)

    def set_mask_selection(
        self, mask: Any, value: Any, *, fields: Fields = None, prototype: BufferPrototype | None = None
    ) -> None:
        """Write the items where a mask is true: see `get_mask_selection`."""
        del prototype
        self._set(mask, "mask", value, fields)

    def get_block_selection(
        self,
        selection: Any,
        *,
        out: Out = None,
        fields: Fields = None,
        prototype: BufferPrototype | None = None,
    ) -> npt.NDArray[Any]:
        """Read whole chunks (whole shards, where there are shards), selected by their place in the grid."""
        return self._get(selection, "block", out, fields, prototype)

    def set_block_selection(
        self, selection: Any, value: Any, *, fields: Fields = None, prototype: BufferPrototype | None = None
    ) -> None:
        """Write whole chunks: see `get_block_selection`."""
        del prototype
        self._set(selection, "block", value, fields)


def _parse_out(out: Out, selected: _core.Selection) -> npt.NDArray[Any] | None:
    """Return the array that `out` is; for single items it may be flat, as zarr-python has it."""
    if isinstance(out, NDBuffer):
        out = out.as_numpy_array()
    if selected.points and isinstance(out, np.ndarray) and out.ndim == 1 and len(selected.shape) > 1:
        # A view whatever the strides; of another number of items it stays, and is refused.
        return out.reshape(selected.shape) if out.size == np.prod(selected.shape) else out
    return out
