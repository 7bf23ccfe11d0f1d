"""Arrays: what users hold, and read from and write to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from zarrpipe._types import JSON, ShapeLike
from zarrpipe.abc.metadata import parse_shapelike
from zarrpipe.arrays.access import ArrayAccess
from zarrpipe.arrays.resizing import clear_border, delete_outside
from zarrpipe.arrays.selection import parse_value
from zarrpipe.dtypes import ObjectDType
from zarrpipe.errors import ConflictError
from zarrpipe.metadata import AnyArrayMetadata, ArrayMetadata
from zarrpipe.nodes import Attributes, NodeAccess, NodeMetadata, change_node, load_array, run
from zarrpipe.nodes.locks import lock_between, locked, locked_between
from zarrpipe.spec import ArrayConfig, ArrayConfigLike, parse_array_config

__all__ = ["Array"]


class Array(ArrayAccess):
    """An array in a store.

    Arrays are made by `zarrpipe.create_array` and opened by `zarrpipe.open_array`.

    Parameters
    ----------
    metadata : ArrayMetadata, ArrayV2Metadata, N5ArrayMetadata or callable
        The array's document, or what parses it, once somebody asks for it.
    store_path : StorePath
        Where it lies.
    config : ArrayConfig
        How it is read and written.
    codecs : tuple of codec, optional
        The chain as objects; by default those that the document names.
    owner : Owner, optional
        The group above with consolidated metadata, which changes of the array change too.

    Examples
    --------
    >>> import zarrpipe
    >>> array = zarrpipe.create_array({}, shape=(4, 6), chunks=(2, 3), dtype="int32")
    >>> array[1, 2:4] = 7
    >>> array[:2, ::3]
    array([[0, 0],
           [0, 7]], dtype=int32)
    """

    def with_config(self, config: ArrayConfigLike) -> Self:
        """Return the same array, read and written in another way; what `config` leaves out stays as it is."""
        if isinstance(config, Mapping):
            config = ArrayConfig.from_dict({**self._config.to_dict(), **config})
        config = parse_array_config(config)
        return type(self)(self._metadata, self._store_path, config, self._given_codecs, owner=self._owner)

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
        rows = self._grid.axes[0]
        for at in range(rows.count(self.shape[0])):
            start, length = rows.span(at)
            band = self[start : start + length]
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

    async def _change(
        self, access: NodeAccess, change: Callable[[AnyArrayMetadata], AnyArrayMetadata]
    ) -> AnyArrayMetadata:
        """Change the document as it is in the store; returns what it was.

        Raises
        ------
        ConflictError
            Another array lies at the path by now.
        """
        before: list[AnyArrayMetadata] = []

        def checked(node: NodeMetadata) -> NodeMetadata:
            # Again, if another writer was faster.
            before[:] = [self._same_array(node)]
            return change(before[0])

        def written(node: NodeMetadata) -> None:
            self._metadata = self._same_array(node)

        await change_node(
            access, self.path, checked, written, self.zarr_format, self._config.locking, owner=self._owner
        )
        return before[0]

    def _same_array(self, node: NodeMetadata) -> AnyArrayMetadata:
        """`node` with this array's data type (the byte order in memory is not in a document), if it is this array's."""
        own = self._metadata
        if isinstance(node, AnyArrayMetadata) and type(node) is type(own) and len(node.shape) == len(own.shape):
            resized = own.update_shape(node.shape)
            if isinstance(resized, ArrayMetadata):
                # A rectilinear grid, too, may have grown since.
                resized = replace(resized, chunk_grid=node.chunk_grid)
            alike = resized.update_attributes(node.attributes)
            if alike == node and node.chunk_grid.continues(own.chunk_grid):
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
        self._check_writable()
        shape = parse_shapelike(new_shape)
        if len(shape) != self.ndim:
            raise ValueError(f"an array of {self.ndim} axes cannot get a shape of {len(shape)}")
        return shape

    async def _resize(self, access: NodeAccess, new_shape: tuple[int, ...]) -> None:
        async with self._shape_locked(access):
            await self._flush_by(access)
            # Another array object may have resized it.
            current = self._same_array(await load_array(access, self.path, self.zarr_format))
            wide_shape = tuple(max(pair) for pair in zip(current.shape, new_shape, strict=True))
            config = ArrayConfig.from_dict({**self._config.to_dict(), "read_missing_chunks": True})
            wide = type(self)(current.update_shape(wide_shape), self._store_path, config, self._given_codecs)
            self._check_shards(current.update_shape(new_shape))
            await clear_border(current, new_shape, partial(wide._read_by, access), partial(wide._write_by, access))
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
        return run(self.store, lambda access: self._append(access, items, axis))

    async def append_async(self, data: npt.ArrayLike, axis: int = 0) -> tuple[int, ...]:
        """`append` without blocking the running event loop."""
        items, axis = self._parse_appended(data, axis)
        return await self._append(NodeAccess(self.store, blocking=False), items, axis)

    def _parse_appended(self, data: npt.ArrayLike, axis: int) -> tuple[npt.NDArray[Any], int]:
        self._check_writable()
        if not -self.ndim <= axis < self.ndim:
            raise ValueError(f"an array of {self.ndim} axes has no axis {axis}")
        axis %= self.ndim
        # Converted before anything is changed.
        data_type = self._metadata.data_type
        items = data_type.as_array(data, self.ndim) if isinstance(data_type, ObjectDType) else np.asarray(data)
        items = parse_value(items, items.shape, self.dtype)
        self._check_appended(items.shape, self.shape, axis)
        return items, axis

    def _check_appended(self, shape: tuple[int, ...], own: tuple[int, ...], axis: int) -> None:
        if len(shape) != len(own) or shape[:axis] != own[:axis] or shape[axis + 1 :] != own[axis + 1 :]:
            raise ValueError(f"data of shape {shape} cannot be appended to shape {own} along axis {axis}")

    async def _append(self, access: NodeAccess, items: npt.NDArray[Any], axis: int) -> tuple[int, ...]:
        # From the shape in the store: of two that append at once, each gets a place of its own.
        def longer(old: AnyArrayMetadata) -> AnyArrayMetadata:
            self._check_appended(items.shape, old.shape, axis)
            new = old.update_shape((*old.shape[:axis], old.shape[axis] + items.shape[axis], *old.shape[axis + 1 :]))
            self._check_shards(new)
            return new

        # Until the data are written: who knows a smaller shape takes a chunk at the edge for complete, and would write
        # over what lies behind.
        async with self._shape_locked(access):
            await self._flush_by(access)
            old = await self._change(access, longer)
            region = tuple(
                slice(length, length + items.shape[axis]) if at == axis else slice(None)
                for at, length in enumerate(old.shape)
            )
            await self._write_by(access, region, items)
            return self.shape

    @asynccontextmanager
    async def _shape_locked(self, access: NodeAccess) -> AsyncIterator[None]:
        """Nobody else changes the shape."""
        between = lock_between(self.store, self.path, "shape", self._config.locking)
        async with locked(f"shape of {self.path}", access), locked_between(between, access):
            yield

    # For operations that are written once: in the calling thread where it may wait, else awaited.

    async def _read_by(self, access: NodeAccess, region: Any) -> npt.NDArray[Any]:
        return self.read(region) if access.blocking else await self.read_async(region)

    async def _write_by(self, access: NodeAccess, region: Any, value: Any) -> None:
        # Stored at once, also while a batch collects writes.
        if access.blocking:
            self._store(*self._parse_assigned(region, "any", value))
        else:
            await self._store_async(*self._parse_assigned(region, "any", value))
