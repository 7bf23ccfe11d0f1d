"""Arrays: what users hold, and read from and write to.

A read or write goes straight to the engine, which parses the selection; only what it refuses, and chains and stores
that need an event loop, take a way through Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from zarrpipe import _core
from zarrpipe._types import JSON, ShapeLike
from zarrpipe.abc.metadata import parse_shapelike
from zarrpipe.array_facts import ArrayFacts
from zarrpipe.attributes import Attributes
from zarrpipe.codecs import compile_chain
from zarrpipe.display import ArrayInfo
from zarrpipe.driver import apply_settings, drive, sync
from zarrpipe.errors import ConflictError, SelectionError, UnsupportedError
from zarrpipe.metadata import ArrayMetadata, join_key
from zarrpipe.nodes import NodeAccess, NodeMetadata, change_node, check_writable, load_array, run
from zarrpipe.resizing import clear_border, delete_outside
from zarrpipe.selection import blocks_to_slices, check_out, explain_selection_error, parse_value
from zarrpipe.spec import ArrayConfig, ArrayConfigLike, parse_array_config
from zarrpipe.stored_chunks import chunk_count, count_inside, grid_shape, stored_chunks
from zarrpipe.stores import core_store

__all__ = ["Array"]

_ADVANCED = "{} selections are not implemented yet: read a basic selection, and select from it"


class Array(ArrayFacts):
    """An array in a store.

    Arrays are made by `zarrpipe.create_array` and opened by `zarrpipe.open_array`.

    Parameters
    ----------
    metadata : ArrayMetadata
        The array's document.
    store_path : StorePath
        Where it lies.
    config : ArrayConfig
        How it is read and written.
    codecs : tuple of codec, optional
        The chain as objects; by default those that the document names.

    Examples
    --------
    >>> import zarrpipe
    >>> array = zarrpipe.create_array({}, shape=(4, 6), chunks=(2, 3), dtype="int32")
    >>> array[1, 2:4] = 7
    >>> array[:2, ::3]
    array([[0, 0],
           [0, 7]], dtype=int32)
    """

    @cached_property
    def _chain(self) -> _core.Chain:
        return compile_chain(self.codecs, self._chunk_spec)

    # The engine and the metadata that it was made from.
    _built: tuple[_core.Engine, ArrayMetadata] | None = None

    @property
    def _engine(self) -> _core.Engine:
        # Compared rather than dropped on a change of shape: a thread may be making one from the old metadata.
        built, metadata = self._built, self._metadata
        if built is None or built[1] is not metadata:
            self._built = built = (self._make_engine(metadata, self._config), metadata)
        return built[0]

    def _make_engine(self, metadata: ArrayMetadata, config: ArrayConfig) -> _core.Engine:
        encoding: Any = metadata.chunk_key_encoding
        return _core.Engine(
            self._chain,
            metadata.shape,
            self._chunk_shape,
            core_store(self.store),
            self.path,
            (encoding.name, encoding.separator),
            self.dtype,
            write_empty_chunks=config.write_empty_chunks,
            read_missing_chunks=config.read_missing_chunks,
            order=config.order,
        )

    def with_config(self, config: ArrayConfigLike) -> Self:
        """Return the same array, read and written in another way; what `config` leaves out stays as it is."""
        if isinstance(config, Mapping):
            config = ArrayConfig.from_dict({**self._config.to_dict(), **config})
        return type(self)(self._metadata, self._store_path, parse_array_config(config), self._given_codecs)

    # Reading

    def __getitem__(self, selection: Any) -> npt.NDArray[Any]:
        engine = self._engine
        apply_settings()
        try:
            if engine.needs_loop:
                return self._finish(engine.start_read(selection))
            return engine.read(selection)
        except SelectionError as error:
            raise explain_selection_error(selection, error) from None

    def _finish(self, run_: _core.Run) -> Any:
        """Wait for a call that needs an event loop."""
        return sync(lambda: drive(run_, self.store), self.store)

    def _selected_shape(self, selection: Any) -> tuple[int, ...]:
        try:
            return self._engine.selected_shape(selection)
        except SelectionError as error:
            raise explain_selection_error(selection, error) from None

    def read(self, selection: Any = ..., *, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Read a basic selection.

        Parameters
        ----------
        selection : int, slice, Ellipsis or tuple of them
            What to read. Steps are positive; negative integers count from the end.
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
        UnsupportedError
            It is one of NumPy's advanced kinds.
        CodecError, StoreError
            A chunk cannot be read or decoded.
        """
        if out is None:
            return self[selection]
        check_out(out, self._selected_shape(selection), self.dtype)
        if self._engine.needs_loop:
            self._finish(self._engine.start_read(selection, out))
        else:
            self._engine.read(selection, out)
        return out

    async def read_async(self, selection: Any = ..., *, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """`read` without blocking the running event loop."""
        shape = self._selected_shape(selection)
        if out is not None:
            check_out(out, shape, self.dtype)
        result: npt.NDArray[Any] = await drive(self._engine.start_read(selection, out), self.store)
        return result

    # Writing

    def __setitem__(self, selection: Any, value: Any) -> None:
        check_writable(self.store)
        items = parse_value(value, self._selected_shape(selection), self.dtype)
        if self._engine.needs_loop:
            self._finish(self._engine.start_write(selection, items))
        else:
            self._engine.write(selection, items)

    def write(self, selection: Any, value: Any) -> None:
        """Write to a basic selection.

        Parameters
        ----------
        selection : int, slice, Ellipsis or tuple of them
            Where to write: see `read`.
        value : array_like
            What to write. It is converted to the data type and repeated to the selection's shape as NumPy's
            assignment does.

        Raises
        ------
        SelectionError, UnsupportedError
            See `read`.
        ValueError, TypeError
            The value has another shape, or is of a kind that does not fit the data type.
        ReadOnlyError
            The array was opened for reading only.
        CodecError, StoreError
            A chunk cannot be encoded or stored, or its other items cannot be read.
        """
        self[selection] = value

    async def write_async(self, selection: Any, value: Any) -> None:
        """`write` without blocking the running event loop."""
        check_writable(self.store)
        items = parse_value(value, self._selected_shape(selection), self.dtype)
        await drive(self._engine.start_write(selection, items), self.store)

    # The same by zarr-python's names

    def get_basic_selection(self, selection: Any = ..., *, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """`read` by zarr-python's name."""
        return self.read(selection, out=out)

    def set_basic_selection(self, selection: Any, value: Any) -> None:
        """`write` by zarr-python's name."""
        self[selection] = value

    def get_block_selection(self, selection: Any, *, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Read whole chunks (whole shards, where there are shards), selected by their coordinates in the grid."""
        return self.read(blocks_to_slices(selection, self.shape, self._chunk_shape), out=out)

    def set_block_selection(self, selection: Any, value: Any) -> None:
        """Write whole chunks: see `get_block_selection`."""
        self[blocks_to_slices(selection, self.shape, self._chunk_shape)] = value

    def get_orthogonal_selection(self, selection: Any, *, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Read by one selection for each axis. Of slices and integers only, for now."""
        return self.read(selection, out=out)

    def set_orthogonal_selection(self, selection: Any, value: Any) -> None:
        """Write by one selection for each axis: see `get_orthogonal_selection`."""
        self[selection] = value

    def get_coordinate_selection(self, selection: Any, *, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Read single items. Not implemented yet: raises UnsupportedError."""
        raise UnsupportedError(_ADVANCED.format("coordinate"))

    def set_coordinate_selection(self, selection: Any, value: Any) -> None:
        """Write single items. Not implemented yet: raises UnsupportedError."""
        raise UnsupportedError(_ADVANCED.format("coordinate"))

    def get_mask_selection(self, mask: Any, *, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Read the items where a mask is true. Not implemented yet: raises UnsupportedError."""
        raise UnsupportedError(_ADVANCED.format("mask"))

    def set_mask_selection(self, mask: Any, value: Any) -> None:
        """Write the items where a mask is true. Not implemented yet: raises UnsupportedError."""
        raise UnsupportedError(_ADVANCED.format("mask"))

    # As NumPy and others see it

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("an array in a store cannot become a NumPy array without a copy")
        items = self[...]
        return items if dtype is None else items.astype(dtype, copy=False)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        if not self.shape:
            raise TypeError("an array without axes cannot be iterated over")
        # A row of chunks at a time: by single rows each chunk would be decoded many times.
        step = self._chunk_shape[0]
        for start in range(0, self.shape[0], step):
            band = self[start : start + step]
            # `band[i]` would be a NumPy scalar for an array of one axis, `band[i, ...]` is always an array.
            yield from (band[index, ...] for index in range(len(band)))

    # Attributes

    @property
    def attrs(self) -> Attributes:
        """The attributes: a mapping, any change of which is written."""
        return Attributes(self)

    @attrs.setter
    def attrs(self, new: Mapping[str, Any]) -> None:
        self.attrs.put(new)

    def update_attributes(self, new_attributes: Mapping[str, JSON]) -> Self:
        """Set several attributes, in one write, and keep the others; returns the array itself."""
        self.attrs.update(new_attributes)
        return self

    async def update_attributes_async(self, new_attributes: Mapping[str, JSON]) -> Self:
        """`update_attributes` without blocking the running event loop."""
        access = NodeAccess(self.store, blocking=False)
        await self._change(access, lambda old: old.update_attributes({**old.attributes, **new_attributes}))
        return self

    def _change_attributes(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        run(
            self.store,
            lambda access: self._change(access, lambda old: old.update_attributes(change(old.attributes))),
        )

    async def _change(self, access: NodeAccess, change: Callable[[ArrayMetadata], ArrayMetadata]) -> ArrayMetadata:
        """Change the document as it is in the store; returns what it was.

        Raises
        ------
        ConflictError
            Another array lies at the path by now.
        """
        before: list[ArrayMetadata] = []

        def checked(node: NodeMetadata) -> NodeMetadata:
            before.append(self._same_array(node))
            return change(before[0])

        changed = await change_node(access, self.path, checked)
        self._metadata = self._same_array(changed)
        return before[0]

    def _same_array(self, node: NodeMetadata) -> ArrayMetadata:
        """`node` with this array's data type (the byte order in memory is not in a document), if it is this array's."""
        own = self._metadata
        if isinstance(node, ArrayMetadata) and len(node.shape) == len(own.shape):
            alike = own.update_shape(node.shape).update_attributes(node.attributes)
            if alike == node:
                return alike
        raise ConflictError(f"the array at {self.name!r} was replaced by another since it was opened")

    # Shape

    def resize(self, new_shape: ShapeLike) -> None:
        """Change the shape. Chunks that end up outside are deleted, and what comes into view is the fill value.

        Parameters
        ----------
        new_shape : int or iterable of int
            The length of each axis.

        Raises
        ------
        ValueError
            There are more or fewer axes than the array has.
        ReadOnlyError
            The array was opened for reading only.
        """
        shape = self._parse_new_shape(new_shape)
        run(self.store, lambda access: self._resize(access, shape))

    async def resize_async(self, new_shape: ShapeLike) -> None:
        """`resize` without blocking the running event loop."""
        await self._resize(NodeAccess(self.store, blocking=False), self._parse_new_shape(new_shape))

    def _parse_new_shape(self, new_shape: ShapeLike) -> tuple[int, ...]:
        check_writable(self.store)
        shape = parse_shapelike(new_shape)
        if len(shape) != self.ndim:
            raise ValueError(f"an array of {self.ndim} axes cannot get a shape of {len(shape)}")
        return shape

    async def _resize(self, access: NodeAccess, new_shape: tuple[int, ...]) -> None:
        # Another array object may have resized it.
        current = self._same_array(await load_array(access, self.path))
        wide_shape = tuple(max(pair) for pair in zip(current.shape, new_shape, strict=True))
        config = ArrayConfig.from_dict({**self._config.to_dict(), "read_missing_chunks": True})
        wide = type(self)(current.update_shape(wide_shape), self._store_path, config, self._given_codecs)

        async def read(region: Any) -> npt.NDArray[Any]:
            return wide[region] if access.blocking else await wide.read_async(region)

        async def write(region: Any, value: Any) -> None:
            if access.blocking:
                wide[region] = value
            else:
                await wide.write_async(region, value)

        await clear_border(current, new_shape, read, write)
        await delete_outside(access, self.path, current, new_shape)
        await self._change(access, lambda old: old.update_shape(new_shape))

    def append(self, data: npt.ArrayLike, axis: int = 0) -> tuple[int, ...]:
        """Grow the array along one axis and write there.

        Parameters
        ----------
        data : array_like
            What to append. Its other axes are as long as the array's.
        axis : int
            Which axis grows.

        Returns
        -------
        tuple of int
            The new shape.

        Raises
        ------
        ValueError
            The data's shape does not fit.
        TypeError
            Its items do not fit the data type.
        ReadOnlyError
            The array was opened for reading only.
        """
        items, axis = self._parse_appended(data, axis)
        self[run(self.store, lambda access: self._grow(access, items.shape, axis))] = items
        return self.shape

    async def append_async(self, data: npt.ArrayLike, axis: int = 0) -> tuple[int, ...]:
        """`append` without blocking the running event loop."""
        items, axis = self._parse_appended(data, axis)
        region = await self._grow(NodeAccess(self.store, blocking=False), items.shape, axis)
        await self.write_async(region, items)
        return self.shape

    def _parse_appended(self, data: npt.ArrayLike, axis: int) -> tuple[npt.NDArray[Any], int]:
        check_writable(self.store)
        if not -self.ndim <= axis < self.ndim:
            raise ValueError(f"an array of {self.ndim} axes has no axis {axis}")
        axis %= self.ndim
        items = np.asarray(data)
        # Converted before anything is changed.
        items = parse_value(items, items.shape, self.dtype)
        self._check_appended(items.shape, self.shape, axis)
        return items, axis

    def _check_appended(self, shape: tuple[int, ...], own: tuple[int, ...], axis: int) -> None:
        if len(shape) != len(own) or shape[:axis] != own[:axis] or shape[axis + 1 :] != own[axis + 1 :]:
            raise ValueError(f"data of shape {shape} cannot be appended to shape {own} along axis {axis}")

    async def _grow(self, access: NodeAccess, appended: tuple[int, ...], axis: int) -> tuple[slice, ...]:
        """Make room; returns where."""

        # From the shape in the store: of two that append at once, each gets a place of its own.
        def longer(old: ArrayMetadata) -> ArrayMetadata:
            self._check_appended(appended, old.shape, axis)
            return old.update_shape((*old.shape[:axis], old.shape[axis] + appended[axis], *old.shape[axis + 1 :]))

        old = await self._change(access, longer)
        return tuple(
            slice(length, length + appended[axis]) if at == axis else slice(None) for at, length in enumerate(old.shape)
        )

    # Single chunks. A chunk here is what has a key: a shard, where there are shards.

    def encode_chunk(self, items: npt.ArrayLike) -> bytes | None:
        """Return the encoded form of one chunk. Nothing is stored.

        Parameters
        ----------
        items : array_like
            Of a chunk's shape, or one value for all of it.

        Returns
        -------
        bytes or None
            None where all items are the fill value and such chunks are not stored.
        """
        values = parse_value(items, self._chunk_shape, self.dtype)
        if values.shape != self._chunk_shape:
            values = np.broadcast_to(values, self._chunk_shape)
        native = np.ascontiguousarray(values, dtype=self.dtype.newbyteorder("="))
        data = native.reshape(-1).view(np.uint8)
        keep_empty = self._config.write_empty_chunks
        if self._chain.needs_loop:
            encoded = self._finish(self._chain.start_encode([data], keep_empty))[0]
        else:
            encoded = self._chain.encode(data, keep_empty)
        return None if encoded is None else bytes(encoded)

    def decode_chunk(self, data: bytes | bytearray | memoryview) -> npt.NDArray[Any]:
        """Return the items of one encoded chunk, in its full shape.

        Raises
        ------
        CodecError
            It cannot be decoded.
        """
        if self._chain.needs_loop:
            decoded = self._finish(self._chain.start_decode([data]))[0]
        else:
            decoded = self._chain.decode(data)
        items = np.frombuffer(decoded, dtype=self.dtype.newbyteorder("=")).reshape(self._chunk_shape)
        return items.astype(self.dtype, copy=False)

    def _chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        grid = grid_shape(self._metadata)
        if len(chunk_coords) != len(grid) or not all(0 <= at < n for at, n in zip(chunk_coords, grid, strict=True)):
            raise SelectionError(f"there is no chunk {tuple(chunk_coords)} in a grid of {grid}")
        return join_key(self.path, self._metadata.encode_chunk_key(tuple(chunk_coords)))

    def get_encoded_chunk(self, chunk_coords: tuple[int, ...]) -> bytes | None:
        """Return a chunk as it is stored; None where it is not.

        Raises
        ------
        SelectionError
            There is no chunk with these coordinates.
        """
        key = self._chunk_key(chunk_coords)
        return run(self.store, lambda access: access.get(key))

    def put_encoded_chunk(self, chunk_coords: tuple[int, ...], data: bytes | bytearray | memoryview | None) -> None:
        """Store a chunk that is encoded already; None deletes it. The bytes are not looked at.

        Raises
        ------
        SelectionError
            There is no chunk with these coordinates.
        ReadOnlyError
            The array was opened for reading only.
        """
        check_writable(self.store)
        key = self._chunk_key(chunk_coords)
        run(self.store, lambda access: access.delete(key) if data is None else access.set(key, bytes(data)))

    # What is stored

    def nbytes_stored(self) -> int:
        """Return the size of all that is stored below the array's path, its document included, in bytes."""
        return run(self.store, lambda access: access.nbytes(self.path))

    async def nbytes_stored_async(self) -> int:
        """`nbytes_stored` without blocking the running event loop."""
        return await NodeAccess(self.store, blocking=False).nbytes(self.path)

    @property
    def nchunks_initialized(self) -> int:
        """How many chunks are stored; a shard that is stored counts with all of its chunks."""
        in_shard = math.prod(shard // chunk for shard, chunk in zip(self._chunk_shape, self.chunks, strict=True))
        return self._count_stored() * in_shard

    def _count_stored(self) -> int:
        coords = run(self.store, lambda access: stored_chunks(access, self.path, self._metadata))
        return count_inside(coords, self._metadata)

    def info_complete(self) -> ArrayInfo:
        """Return `info` with what the store holds. Every key of the array is looked at."""
        return self._info(
            count_bytes_stored=self.nbytes_stored(),
            count_chunks_initialized=self._count_stored(),
            count_chunks=chunk_count(self._metadata),
        )
