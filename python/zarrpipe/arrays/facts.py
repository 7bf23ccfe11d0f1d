"""What an array is: all that its metadata, store and configuration say, without looking at chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpipe._types import MemoryOrder, StoredFormat
from zarrpipe.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec
from zarrpipe.arrays.chunk_shapes import inner_chunks
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.codecs import chain_v2, codec_from_numcodecs_config, parse_codecs
from zarrpipe.display import ArrayInfo
from zarrpipe.dtypes import ObjectDType, as_stored
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.metadata import (
    AnyArrayMetadata,
    ArrayV2Metadata,
    ChunkGrid,
    RegularChunkGrid,
    basename,
    in_document,
    join_key,
)
from zarrpipe.metadata.json import located
from zarrpipe.nodes import Owner, check_writable
from zarrpipe.spec import ArrayConfig, ArraySpec

if TYPE_CHECKING:
    from zarrpipe.abc.store import Store
    from zarrpipe.stores import StorePath

__all__ = ["ArrayFacts", "in_array_document"]


class _SeveralShapesError(UnsupportedError, AttributeError):
    """As an AttributeError it tells Dask, which asks by `getattr(array, "chunks", None)`, that there are none."""


@contextmanager
def in_array_document(metadata: AnyArrayMetadata, path: str, at: str) -> Iterator[None]:
    """Make errors say where in which array's document their cause is.

    `at` is where a v3 document has it: the others have no list of codecs that a place in a chain could name.
    """
    with in_document(join_key(path, metadata.document_name)):
        try:
            with located(at):
                yield
        except (MetadataError, UnsupportedError) as error:
            if metadata.zarr_format != 3:
                error.at = None
            raise


class ArrayFacts:
    """The part of `zarrpipe.Array` that does no input or output.

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
    """

    def __init__(
        self,
        metadata: AnyArrayMetadata | Callable[[], AnyArrayMetadata],
        store_path: StorePath,
        config: ArrayConfig,
        codecs: tuple[Any, ...] | None = None,
        *,
        owner: Owner | None = None,
    ) -> None:
        if isinstance(metadata, AnyArrayMetadata):
            self._metadata = metadata
        else:
            self._parse_metadata = metadata
        self._store_path = store_path
        self._config = config
        self._given_codecs = codecs
        self._owner = owner

    @cached_property
    def _metadata(self) -> AnyArrayMetadata:
        return self._parse_metadata()

    def __getstate__(self) -> dict[str, Any]:
        state = {name: getattr(self, name) for name in ("_metadata", "_store_path", "_config", "_given_codecs")}
        # Not with the documents of all the array's neighbours.
        return {**state, "_owner": None if self._owner is None else Owner(self._owner.path, name=self._owner.name)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    # Where it lies

    @property
    def metadata(self) -> AnyArrayMetadata:
        """The array's document, as it was read or written last."""
        return self._metadata

    @property
    def config(self) -> ArrayConfig:
        """How the array is read and written."""
        return self._config

    @property
    def store_path(self) -> StorePath:
        """The store and the path together."""
        return self._store_path

    @property
    def store(self) -> Store:
        """The store."""
        return self._store_path.store

    @property
    def path(self) -> str:
        """The path in the store, without slashes at its ends; "" for the root."""
        return self._store_path.path

    @property
    def name(self) -> str:
        """The path with a slash in front, as in h5py."""
        return "/" + self.path

    @property
    def basename(self) -> str:
        """The last part of the path."""
        return basename(self.path)

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self.store.read_only or self.zarr_format == "n5"

    def _check_writable(self) -> None:
        if self.zarr_format == "n5":
            raise UnsupportedError("N5 is read only: copy the data into a Zarr array to change them")
        check_writable(self.store)

    @property
    def zarr_format(self) -> StoredFormat:
        """The format of the array's documents."""
        return self._metadata.zarr_format

    # Shape and type

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._metadata.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._metadata.shape)

    @property
    def size(self) -> int:
        """The number of items."""
        return math.prod(self._metadata.shape)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The data type of arrays read."""
        dtype: np.dtype[Any] = self._metadata.data_type.to_native_dtype()
        return dtype

    @property
    def itemsize(self) -> int:
        """Bytes an item."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The array's size in memory, in bytes."""
        return self.size * self.dtype.itemsize

    @property
    def fill_value(self) -> Any:
        """What items that were never written read as."""
        return self._metadata.fill_value

    @property
    def order(self) -> MemoryOrder:
        """The memory layout of arrays read: of a v2 array the one that its chunks have."""
        metadata = self._metadata
        return metadata.order if isinstance(metadata, ArrayV2Metadata) else self._config.order

    # Chunks. The grid is that of what has a key: of shards, where there are shards.

    @property
    def _grid(self) -> ChunkGrid:
        return self._metadata.chunk_grid

    def _one_chunk_shape(self, sizes: str) -> tuple[int, ...]:
        if isinstance(self._grid, RegularChunkGrid):
            return self._grid.chunk_shape
        raise _SeveralShapesError(f"the chunks of the array {self.name!r} have several shapes: see {sizes}")

    @cached_property
    def _inner_chunks(self) -> tuple[int, ...] | None:
        metadata = self._metadata
        return None if isinstance(metadata, ArrayV2Metadata) else inner_chunks(metadata.codecs)

    @property
    def chunks(self) -> tuple[int, ...]:
        """The shape of a chunk; with shards, of the chunks inside them.

        Raises
        ------
        UnsupportedError
            The chunks have several shapes: see `read_chunk_sizes`.
        """
        return self._inner_chunks or self._one_chunk_shape("read_chunk_sizes")

    @property
    def shards(self) -> tuple[int, ...] | None:
        """The shape of a shard; None where there are no shards.

        Raises
        ------
        UnsupportedError
            The shards have several shapes: see `write_chunk_sizes`.
        """
        return self._one_chunk_shape("write_chunk_sizes") if self._inner_chunks is not None else None

    @property
    def _chunk_grid(self) -> ChunkGrid:
        """The grid of chunks; with shards, of the chunks inside them."""
        return self._grid if self._inner_chunks is None else RegularChunkGrid(self._inner_chunks)

    @property
    def read_chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """The lengths of all chunks along each axis, cut off at the array's end; with shards, of the chunks inside.

        Examples
        --------
        >>> import zarrpipe
        >>> array = zarrpipe.create_array({}, shape=(10, 6), chunks=[[2, 8], 4], dtype="uint8")
        >>> array.read_chunk_sizes
        ((2, 8), (4, 2))
        """
        return self._chunk_grid.chunk_sizes(self.shape)

    @property
    def write_chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """`read_chunk_sizes` of what is written at once: of shards, where there are shards."""
        return self._grid.chunk_sizes(self.shape)

    @property
    def cdata_shape(self) -> tuple[int, ...]:
        """How many chunks there are along each axis."""
        return self._chunk_grid.grid_shape(self.shape)

    @property
    def nchunks(self) -> int:
        """How many chunks there are, stored or not."""
        return math.prod(self.cdata_shape)

    # The chain

    @cached_property
    def codecs(self) -> tuple[Any, ...]:
        """The whole chain, in the order of encoding."""
        if self._given_codecs is not None:
            return self._given_codecs
        metadata = self._metadata
        if isinstance(metadata, ArrayV2Metadata):
            with in_document(join_key(self.path, metadata.document_name)):
                return chain_v2(metadata)
        with in_array_document(metadata, self.path, "/codecs"):
            return parse_codecs(metadata.codecs)

    @property
    def _item_codecs(self) -> tuple[Any, ...]:
        """The codecs that `filters`, `serializer` and `compressors` speak of: with shards, those inside."""
        sharding = [codec for codec in self.codecs if getattr(codec, "name", None) == "sharding_indexed"]
        return tuple(sharding[0].codecs) if sharding else self.codecs

    @property
    def filters(self) -> tuple[Any, ...]:
        """The array-to-array codecs; with shards, those inside. Of a v2 array, what it calls its filters."""
        if isinstance(self._metadata, ArrayV2Metadata):
            return tuple(map(codec_from_numcodecs_config, self._metadata.filters or ()))
        return tuple(codec for codec in self._item_codecs if isinstance(codec, ArrayArrayCodec))

    @property
    def serializer(self) -> Any:
        """The array-to-bytes codec; with shards, that inside. None for a v2 array, which names none."""
        if isinstance(self._metadata, ArrayV2Metadata):
            return None
        return next(codec for codec in self._item_codecs if isinstance(codec, ArrayBytesCodec))

    @property
    def compressors(self) -> tuple[Any, ...]:
        """The bytes-to-bytes codecs; with shards, those inside. Of a v2 array, its compressor, where it has one."""
        if isinstance(self._metadata, ArrayV2Metadata):
            compressor = self._metadata.compressor
            return () if compressor is None else (codec_from_numcodecs_config(compressor),)
        return tuple(codec for codec in self._item_codecs if isinstance(codec, BytesBytesCodec))

    @property
    def compressor(self) -> Any:
        """The compressor of a v2 array; None where it has none.

        Raises
        ------
        TypeError
            The array is of another format: see `compressors`.
        """
        if not isinstance(self._metadata, ArrayV2Metadata):
            raise TypeError("compressor is for arrays of Zarr format 2: see compressors")
        return next(iter(self.compressors), None)

    def _chunk_spec(self, chunk_shape: tuple[int, ...]) -> ArraySpec:
        # In v2 `dtype` has the byte order of what is stored: numcodecs' objects are given arrays in it.
        data_type, fill_value = self._metadata.dtype, self._metadata.fill_value
        if self.zarr_format == 2:
            data_type = as_stored(data_type)
        return ArraySpec(chunk_shape, data_type, fill_value, self._config, default_buffer_prototype())

    # How it shows itself

    @property
    def info(self) -> ArrayInfo:
        """What the array is, without looking into its store."""
        return self._info()

    @property
    def _data_type_name(self) -> str:
        # NumPy's names say the byte order and the unit, but of what NumPy does not have they say little.
        data_type = self._metadata.data_type
        if isinstance(data_type, ObjectDType):
            return f"object ({data_type.object_codec_id})"
        name = data_type.to_json(3)
        return name if isinstance(name, str) and self.dtype.kind in "VWTO" else str(self.dtype)

    def _info(self, **counted: int) -> ArrayInfo:
        return ArrayInfo(
            zarr_format=self.zarr_format,
            data_type=self._data_type_name,
            shape=self.shape,
            chunk_shape=self._shown(self._chunk_grid),
            shard_shape=None if self._inner_chunks is None else self._shown(self._grid),
            fill_value=self.fill_value,
            order=self.order,
            read_only=self.read_only,
            store_type=type(self.store).__name__,
            codecs=tuple(map(repr, self.codecs)),
            count_bytes=self.nbytes,
            **counted,
        )

    def _shown(self, grid: ChunkGrid) -> tuple[int, ...] | str:
        return grid.chunk_shape if isinstance(grid, RegularChunkGrid) else "<variable>"

    def __repr__(self) -> str:
        return f"<Array {self._store_path} shape={self.shape} dtype={self._data_type_name}>"

    # Identity

    def __eq__(self, other: object) -> bool:
        # By what they are, not item by item as in NumPy: comparing items would read both.
        if not isinstance(other, ArrayFacts):
            return NotImplemented
        return self.path == other.path and self.store == other.store and self._metadata == other._metadata

    def __hash__(self) -> int:
        # The metadata of an array can change, its place cannot.
        return hash((type(self.store), self.path))

    def __dask_tokenize__(self) -> tuple[object, ...]:
        return ("zarrpipe.Array", str(self._store_path), self._metadata.to_bytes(), self._config)
