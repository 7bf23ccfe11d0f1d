"""An array's chunks one by one, and what of them is stored.

A chunk here is what has a key: a shard, where there are shards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from zarrpipe import _core
from zarrpipe.arrays.batch import Batch
from zarrpipe.arrays.chunk_shapes import check_inner_chunks
from zarrpipe.arrays.facts import ArrayFacts, in_array_document
from zarrpipe.arrays.objects import ObjectEngine
from zarrpipe.arrays.selection import parse_value
from zarrpipe.arrays.stored_chunks import chunk_count, grid_shape, inside, stored_chunks
from zarrpipe.codecs import compile_chain
from zarrpipe.codecs.items import bytes_to_items, items_to_bytes
from zarrpipe.display import ArrayInfo
from zarrpipe.driver import apply_settings, drive, sync
from zarrpipe.dtypes import ObjectDType
from zarrpipe.errors import SelectionError
from zarrpipe.metadata import AnyArrayMetadata, RectilinearChunkGrid, RegularChunkGrid, join_key
from zarrpipe.metadata.chunk_axis import ChunkRuns
from zarrpipe.nodes import NodeAccess, run
from zarrpipe.spec import ArrayConfig
from zarrpipe.stores import core_store

__all__ = ["ArrayChunks"]


class ArrayChunks(ArrayFacts):
    """The part of `zarrpipe.Array` that has to do with encoded chunks; for the parameters see there."""

    # The engine and the metadata that it was made from.
    _built: tuple[_core.Engine, AnyArrayMetadata] | None = None

    # While its block lasts: writes go there. Reads, and all that looks at chunks, have it stored first.
    _batch: Batch | None = None

    def _flush(self) -> None:
        if self._batch is not None:
            self._batch.flush()

    async def _flush_async(self) -> None:
        if self._batch is not None:
            await self._batch.flush_async()

    async def _flush_by(self, access: NodeAccess) -> None:
        if self._batch is not None:
            await self._batch.flush_by(access)

    @property
    def _engine(self) -> _core.Engine:
        # Compared rather than dropped on a change of shape: a thread may be making one from the old metadata.
        built, metadata = self._built, self._metadata
        if built is None or built[1] is not metadata:
            self._built = built = (self._make_engine(metadata, self._config), metadata)
        return built[0]

    def _make_engine(self, metadata: AnyArrayMetadata, config: ArrayConfig) -> _core.Engine:
        encoding: Any = metadata.chunk_key_encoding
        apply_settings()
        grid = metadata.chunk_grid
        regular = isinstance(grid, RegularChunkGrid)
        self._check_shards(metadata)
        engine = _core.Engine(
            self._chain_of(grid.chunk_shape_at((0,) * grid.ndim)) if regular else self._chain_of,
            metadata.shape,
            [axis.runs if isinstance(axis, ChunkRuns) else axis.lengths[0] for axis in grid.axes],
            core_store(
                self.store,
                conditional=config.locking == "conditional",
                merge_gap=config.sharding_coalesce_max_gap_bytes,
                merge_nbytes=config.sharding_coalesce_max_bytes,
            ),
            self.path,
            (encoding.name, encoding.separator),
            self.dtype,
            # What cannot be deleted is written: else what was there before would come back.
            write_empty_chunks=config.write_empty_chunks or not getattr(self.store, "supports_deletes", True),
            read_missing_chunks=config.read_missing_chunks,
            order=self.order,
            locking=config.locking,
        )
        data_type = metadata.data_type
        return cast("_core.Engine", ObjectEngine(engine, data_type)) if isinstance(data_type, ObjectDType) else engine

    def _to_items(
        self, value: Any, shape: tuple[int, ...], dtype: np.dtype[Any], *, points: bool = False
    ) -> npt.NDArray[Any]:
        """Return what is assigned to a selection as the engine takes it."""
        data_type = self._metadata.data_type
        if isinstance(data_type, ObjectDType):
            value = data_type.to_array(value, shape)
        return parse_value(value, shape, dtype, points=points)

    def _check_shards(self, metadata: AnyArrayMetadata) -> None:
        """Raise MetadataError if, of shards of several shapes, one is no whole number of chunks."""
        grid = metadata.chunk_grid
        # Codecs that cannot be parsed say so before anything is asked of their documents.
        if not isinstance(grid, RectilinearChunkGrid) or not self.codecs:
            return
        # Of another rank where a codec in front of the shards reshapes: then the chain must say it after all.
        if self._inner_chunks is not None and len(self._inner_chunks) == grid.ndim:
            with in_array_document(metadata, self.path, "/codecs"):
                check_inner_chunks(self._inner_chunks, grid)

    @cached_property
    def _chain_of(self) -> Callable[[tuple[int, ...]], _core.Chain]:
        """Compiles the chain for chunks of a shape."""
        # It does not hold the array, which holds the engine, which holds it: such circles are not collected.
        codecs, path, spec = self.codecs, self.path, self._chunk_spec((1,) * self.ndim)
        metadata = self._metadata

        @lru_cache(maxsize=64)
        def chain_of(chunk_shape: tuple[int, ...]) -> _core.Chain:
            with in_array_document(metadata, path, "/codecs"):
                return compile_chain(codecs, replace(spec, shape=chunk_shape))

        return chain_of

    def _chunk_shape(self, chunk_coords: tuple[int, ...] | None) -> tuple[int, ...]:
        """Return the shape of what has a key; `chunk_coords` may be None where all have the same."""
        if chunk_coords is not None:
            self._check_coords(chunk_coords)
            return self._grid.chunk_shape_at(chunk_coords)
        if isinstance(self._grid, RegularChunkGrid):
            return self._grid.chunk_shape
        raise ValueError(f"the chunks of the array {self.name!r} have several shapes: say which one by chunk_coords=")

    def _finish(self, run_: _core.Run) -> Any:
        """Wait for a call that needs an event loop."""
        return sync(lambda: drive(run_, self.store), self.store)

    def encode_chunk(self, items: npt.ArrayLike, chunk_coords: tuple[int, ...] | None = None) -> bytes | None:
        """Return the encoded form of one chunk. Nothing is stored.

        Parameters
        ----------
        items : array_like
            Of a chunk's shape, or one value for all of it.
        chunk_coords : tuple of int, optional
            Which chunk, where they have several shapes.

        Returns
        -------
        bytes or None
            None where all items are the fill value and such chunks are not stored.

        Raises
        ------
        SelectionError
            There is no chunk with these coordinates.
        """
        chunk_shape = self._chunk_shape(chunk_coords)
        chain = self._chain_of(chunk_shape)
        values = self._to_items(items, chunk_shape, self.dtype)
        if values.shape != chunk_shape:
            values = np.broadcast_to(values, chunk_shape)
        spec = self._chunk_spec(chunk_shape)
        data = items_to_bytes(spec.prototype.nd_buffer.from_numpy_array(values), spec)
        keep_empty = self._config.write_empty_chunks
        if chain.needs_loop:
            encoded = self._finish(chain.start_encode([data], keep_empty))[0]
        else:
            encoded = chain.encode(data, keep_empty)
        return None if encoded is None else bytes(encoded)

    def decode_chunk(
        self, data: bytes | bytearray | memoryview, chunk_coords: tuple[int, ...] | None = None
    ) -> npt.NDArray[Any]:
        """Return the items of one encoded chunk, in its full shape.

        Parameters
        ----------
        data : bytes-like
            As `get_encoded_chunk` returns it.
        chunk_coords : tuple of int, optional
            Which chunk, where they have several shapes.

        Raises
        ------
        CodecError
            It cannot be decoded.
        SelectionError
            There is no chunk with these coordinates.
        """
        chunk_shape = self._chunk_shape(chunk_coords)
        chain = self._chain_of(chunk_shape)
        decoded = self._finish(chain.start_decode([data]))[0] if chain.needs_loop else chain.decode(data)
        return bytes_to_items(decoded, self._chunk_spec(chunk_shape)).as_numpy_array()

    def _check_coords(self, chunk_coords: tuple[int, ...]) -> None:
        grid = grid_shape(self._metadata)
        if len(chunk_coords) != len(grid) or not all(0 <= at < n for at, n in zip(chunk_coords, grid, strict=True)):
            raise SelectionError(f"there is no chunk {tuple(chunk_coords)} in a grid of {grid}")

    def _chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        self._check_coords(chunk_coords)
        return join_key(self.path, self._metadata.encode_chunk_key(tuple(chunk_coords)))

    def get_encoded_chunk(self, chunk_coords: tuple[int, ...]) -> bytes | None:
        """Return a chunk as it is stored; None where it is not.

        Raises
        ------
        SelectionError
            There is no chunk with these coordinates.
        """
        key = self._chunk_key(chunk_coords)
        self._flush()
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
        self._check_writable()
        self._chunk_key(chunk_coords)
        self._flush()
        # A copy: the caller's bytes may change while they are written.
        self._finish(self._engine.start_put(chunk_coords, None if data is None else bytes(data)))

    # What is stored

    def nbytes_stored(self) -> int:
        """Return the size of all that is stored below the array's path, its document included, in bytes."""
        self._flush()
        return run(self.store, lambda access: access.nbytes(self.path))

    async def nbytes_stored_async(self) -> int:
        """`nbytes_stored` without blocking the running event loop."""
        access = NodeAccess(self.store, blocking=False)
        await self._flush_by(access)
        return await access.nbytes(self.path)

    @property
    def nchunks_initialized(self) -> int:
        """How many chunks are stored; a shard that is stored counts with all of its chunks."""
        stored, inner = self._stored_inside(), self._inner_chunks
        if inner is None:
            return len(stored)
        shards = (self._grid.chunk_shape_at(at) for at in stored)
        return sum(math.prod(n // chunk for n, chunk in zip(shard, inner, strict=True)) for shard in shards)

    def _stored_inside(self) -> list[tuple[int, ...]]:
        self._flush()
        coords = run(self.store, lambda access: stored_chunks(access, self.path, self._metadata))
        return inside(coords, self._metadata)

    def info_complete(self) -> ArrayInfo:
        """Return `info` with what the store holds. Every key of the array is looked at."""
        return self._info(
            count_bytes_stored=self.nbytes_stored(),
            count_chunks_initialized=len(self._stored_inside()),
            count_chunks=chunk_count(self._metadata),
        )
