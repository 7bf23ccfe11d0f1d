"""An array's chunks one by one, and what of them is stored.

A chunk here is what has a key: a shard, where there are shards.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from zarrpipe import _core
from zarrpipe.arrays.facts import ArrayFacts
from zarrpipe.arrays.selection import parse_value
from zarrpipe.arrays.stored_chunks import chunk_count, count_inside, grid_shape, stored_chunks
from zarrpipe.codecs import compile_chain
from zarrpipe.display import ArrayInfo
from zarrpipe.driver import drive, sync
from zarrpipe.errors import SelectionError
from zarrpipe.metadata import ArrayMetadata, join_key
from zarrpipe.nodes import NodeAccess, check_writable, run
from zarrpipe.spec import ArrayConfig
from zarrpipe.stores import core_store

__all__ = ["ArrayChunks"]


class ArrayChunks(ArrayFacts):
    """The part of `zarrpipe.Array` that has to do with encoded chunks; for the parameters see there."""

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

    @cached_property
    def _chain(self) -> _core.Chain:
        codecs = self.codecs
        with self._in_document("/codecs"):
            return compile_chain(codecs, self._chunk_spec)

    def _finish(self, run_: _core.Run) -> Any:
        """Wait for a call that needs an event loop."""
        return sync(lambda: drive(run_, self.store), self.store)

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
        self._chunk_key(chunk_coords)
        # A copy: the caller's bytes may change while they are written.
        self._finish(self._engine.start_put(chunk_coords, None if data is None else bytes(data)))

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
