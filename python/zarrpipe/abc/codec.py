"""The codec contract: what a codec and a codec pipeline are.

A codec derives from one of three classes, by what it turns into what, and supplies either `_decode_single` and
`_encode_single` (async, one chunk) or `_decode_sync` and `_encode_sync`. From these the base makes the public `decode`
and `encode`, which take batches.

Source: Zarr v3 core specification, "Codecs"; the names are those of `zarr.abc.codec`.

Examples
--------
>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Invert(BytesBytesCodec):
...     is_fixed_size = True
...
...     def to_dict(self):
...         return {"name": "example.invert"}
...
...     def compute_encoded_size(self, input_byte_length, chunk_spec):
...         return input_byte_length
...
...     def _decode_sync(self, chunk_data, chunk_spec):
...         return chunk_spec.prototype.buffer.from_array_like(~chunk_data.as_numpy_array())
...
...     _encode_sync = _decode_sync
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Protocol,
    Self,
    TypeAlias,
    TypedDict,
    TypeVar,
    cast,
    runtime_checkable,
)

from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.abc.metadata import Metadata, concurrent_map

if TYPE_CHECKING:
    from zarrpipe._types import ChunkCoords, SelectorTuple
    from zarrpipe.abc.store import ByteGetter, ByteSetter, Store
    from zarrpipe.dtypes import TBaseDType, TBaseScalar, ZDType
    from zarrpipe.metadata import ArrayMetadata, ChunkGrid
    from zarrpipe.spec import ArraySpec

__all__ = [
    "ArrayArrayCodec",
    "ArrayBytesCodec",
    "ArrayBytesCodecPartialDecodeMixin",
    "ArrayBytesCodecPartialEncodeMixin",
    "BaseCodec",
    "BytesBytesCodec",
    "Codec",
    "CodecInput",
    "CodecOutput",
    "CodecPipeline",
    "GetResult",
    "SupportsSyncCodec",
]

CodecInput = TypeVar("CodecInput", bound=NDBuffer | Buffer)
"""What a codec encodes."""

CodecOutput = TypeVar("CodecOutput", bound=NDBuffer | Buffer)
"""What a codec encodes to."""

# Chunks of one batch that are under way at once. The engine bounds its requests itself, by the settings; this is for
# calls from elsewhere, and a constant because the contract stands below the settings.
_BATCH_CONCURRENCY = 64


class GetResult(TypedDict):
    """What reading one chunk found in the store."""

    status: Literal["present", "missing"]


@runtime_checkable
class SupportsSyncCodec(Protocol[CodecInput, CodecOutput]):
    """A codec that can encode and decode without an event loop.

    A codec that has both methods but cannot always run them says so by a false `_sync_capable`.
    """

    def _decode_sync(self, chunk_data: CodecOutput, chunk_spec: ArraySpec) -> CodecInput: ...

    def _encode_sync(self, chunk_data: CodecInput, chunk_spec: ArraySpec) -> CodecOutput | None: ...


def _codec_supports_sync(codec: object) -> bool:
    """Whether a codec can be called without an event loop, now."""
    return isinstance(codec, SupportsSyncCodec) and bool(getattr(codec, "_sync_capable", True))


class BaseCodec(Metadata, Generic[CodecInput, CodecOutput]):
    """What all codecs have in common: derive from one of the three classes below instead."""

    # Whether the encoded size follows from the decoded one. A codec that says nothing is taken to vary.
    is_fixed_size: bool = False

    @abstractmethod
    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Return the encoded size of a chunk, in bytes.

        Parameters
        ----------
        input_byte_length : int
            The size before encoding, in bytes.
        chunk_spec : ArraySpec
            What the chunk is before encoding.

        Returns
        -------
        int

        Raises
        ------
        NotImplementedError
            The size varies with the data, as a compressor's does.
        """
        raise NotImplementedError(f"the encoded size of {type(self).__name__} is not known in advance")

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        """Return what the chunk is after encoding: for codecs that change its shape, data type or fill value.

        Parameters
        ----------
        chunk_spec : ArraySpec
            What the chunk is before encoding.

        Returns
        -------
        ArraySpec
            The spec for the next codec in the chain.
        """
        return chunk_spec

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:  # noqa: ARG002 - for subclasses
        """Return the codec with those settings filled in that follow from the array.

        Parameters
        ----------
        array_spec : ArraySpec
            What reaches this codec when a chunk is encoded.

        Returns
        -------
        Self
        """
        return self

    def validate(
        self,
        *,
        shape: ChunkCoords,
        dtype: ZDType[TBaseDType, TBaseScalar],
        chunk_grid: ChunkGrid,
    ) -> None:
        """Raise if the codec does not fit the array.

        Parameters
        ----------
        shape : tuple of int
            The array's shape.
        dtype : ZDType
            The array's data type.
        chunk_grid : ChunkGrid
            The array's chunk grid.
        """

    async def _decode_single(self, chunk_data: CodecOutput, chunk_spec: ArraySpec) -> CodecInput:
        """Decode one chunk. A codec overrides this, or has a `_decode_sync`."""
        decode = getattr(self, "_decode_sync", None)
        if decode is None:
            raise NotImplementedError(f"{type(self).__name__} has neither _decode_single nor _decode_sync")
        return cast(CodecInput, await asyncio.to_thread(decode, chunk_data, chunk_spec))

    async def decode(
        self,
        chunks_and_specs: Iterable[tuple[CodecOutput | None, ArraySpec]],
    ) -> Iterable[CodecInput | None]:
        """Decode a batch of chunks.

        Parameters
        ----------
        chunks_and_specs : iterable of (chunk or None, ArraySpec)
            Encoded chunks, each with what it is before encoding. None stays None.

        Returns
        -------
        iterable of chunk or None
            In the order given.
        """
        return await _each(self._decode_single, chunks_and_specs)

    async def _encode_single(self, chunk_data: CodecInput, chunk_spec: ArraySpec) -> CodecOutput | None:
        """Encode one chunk. A codec overrides this, or has an `_encode_sync`."""
        encode = getattr(self, "_encode_sync", None)
        if encode is None:
            raise NotImplementedError(f"{type(self).__name__} has neither _encode_single nor _encode_sync")
        return cast("CodecOutput | None", await asyncio.to_thread(encode, chunk_data, chunk_spec))

    async def encode(
        self,
        chunks_and_specs: Iterable[tuple[CodecInput | None, ArraySpec]],
    ) -> Iterable[CodecOutput | None]:
        """Encode a batch of chunks.

        Parameters
        ----------
        chunks_and_specs : iterable of (chunk or None, ArraySpec)
            Chunks, each with what it is. None stays None.

        Returns
        -------
        iterable of chunk or None
            In the order given. None where nothing is to be stored.
        """
        return await _each(self._encode_single, chunks_and_specs)


class ArrayArrayCodec(BaseCodec[NDBuffer, NDBuffer]):
    """A codec from items to items."""


class ArrayBytesCodec(BaseCodec[NDBuffer, Buffer]):
    """A codec from items to bytes: every chain has one."""


class BytesBytesCodec(BaseCodec[Buffer, Buffer]):
    """A codec from bytes to bytes."""


Codec: TypeAlias = ArrayArrayCodec | ArrayBytesCodec | BytesBytesCodec


class ArrayBytesCodecPartialDecodeMixin:
    """For an array-to-bytes codec that can decode a part of a chunk without fetching all of it."""

    async def _decode_partial_single(
        self, byte_getter: ByteGetter, selection: SelectorTuple, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        """Decode a part of one chunk: None where it is not stored. To be overridden."""
        raise NotImplementedError(f"{type(self).__name__} does not implement _decode_partial_single")

    async def decode_partial(
        self,
        batch_info: Iterable[tuple[ByteGetter, SelectorTuple, ArraySpec]],
    ) -> Iterable[NDBuffer | None]:
        """Decode parts of a batch of chunks.

        Parameters
        ----------
        batch_info : iterable of (ByteGetter, selection, ArraySpec)
            Where the bytes of each chunk come from, the part of the chunk that is wanted, and what the chunk is.

        Returns
        -------
        iterable of NDBuffer or None
            In the order given. None for a chunk that is not stored.
        """
        return await concurrent_map(batch_info, self._decode_partial_single, _BATCH_CONCURRENCY)


class ArrayBytesCodecPartialEncodeMixin:
    """For an array-to-bytes codec that can write a part of a chunk."""

    async def _encode_partial_single(
        self,
        byte_setter: ByteSetter,
        chunk_array: NDBuffer,
        selection: SelectorTuple,
        chunk_spec: ArraySpec,
    ) -> None:
        """Write a part of one chunk, keeping the rest of it. To be overridden."""
        raise NotImplementedError(f"{type(self).__name__} does not implement _encode_partial_single")

    async def encode_partial(
        self,
        batch_info: Iterable[tuple[ByteSetter, NDBuffer, SelectorTuple, ArraySpec]],
    ) -> None:
        """Write parts of a batch of chunks.

        Parameters
        ----------
        batch_info : iterable of (ByteSetter, NDBuffer, selection, ArraySpec)
            Where each chunk is stored, the new items, the part of the chunk that they are, and what the chunk is.
        """
        await concurrent_map(batch_info, self._encode_partial_single, _BATCH_CONCURRENCY)


class CodecPipeline:
    """Reads and writes chunks: fetches, decodes and assembles them, or merges, encodes and stores them."""

    @abstractmethod
    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """Return the pipeline with those settings of its codecs filled in that follow from the array.

        Parameters
        ----------
        array_spec : ArraySpec
            What a chunk is before encoding.

        Returns
        -------
        Self
        """
        raise NotImplementedError

    @classmethod
    @abstractmethod
    def from_codecs(cls, codecs: Iterable[Codec]) -> Self:
        """Return a pipeline of these codecs.

        Parameters
        ----------
        codecs : iterable of Codec
            In the order of encoding.

        Returns
        -------
        Self
        """
        raise NotImplementedError

    @classmethod
    @abstractmethod
    def from_array_metadata_and_store(cls, array_metadata: ArrayMetadata, store: Store) -> Self:
        """Return a pipeline for one array in one store.

        Parameters
        ----------
        array_metadata : ArrayMetadata
            The array's metadata.
        store : Store
            Where the array lies.

        Returns
        -------
        Self

        Raises
        ------
        NotImplementedError
            The pipeline is made by `from_codecs` only. This is the default.
        """
        raise NotImplementedError(f"{cls.__name__} is made by from_codecs, not from array metadata and a store")

    @property
    @abstractmethod
    def supports_partial_decode(self) -> bool:
        """Whether a part of a chunk can be read without all of it."""
        raise NotImplementedError

    @property
    @abstractmethod
    def supports_partial_encode(self) -> bool:
        """Whether a part of a chunk can be written without the rest being decoded."""
        raise NotImplementedError

    @abstractmethod
    def validate(
        self,
        *,
        shape: ChunkCoords,
        dtype: ZDType[TBaseDType, TBaseScalar],
        chunk_grid: ChunkGrid,
    ) -> None:
        """Raise if a codec does not fit the array.

        Parameters
        ----------
        shape : tuple of int
            The array's shape.
        dtype : ZDType
            The array's data type.
        chunk_grid : ChunkGrid
            The array's chunk grid.
        """
        raise NotImplementedError

    @abstractmethod
    def compute_encoded_size(self, byte_length: int, array_spec: ArraySpec) -> int:
        """Return the encoded size of a chunk, in bytes.

        Parameters
        ----------
        byte_length : int
            The size before encoding, in bytes.
        array_spec : ArraySpec
            What the chunk is before encoding.

        Returns
        -------
        int

        Raises
        ------
        NotImplementedError
            The size varies with the data.
        """
        raise NotImplementedError

    @abstractmethod
    async def decode(
        self,
        chunk_bytes_and_specs: Iterable[tuple[Buffer | None, ArraySpec]],
    ) -> Iterable[NDBuffer | None]:
        """Decode a batch of chunks.

        Parameters
        ----------
        chunk_bytes_and_specs : iterable of (Buffer or None, ArraySpec)
            Encoded chunks, each with what it is. None stays None.

        Returns
        -------
        iterable of NDBuffer or None
            In the order given.
        """
        raise NotImplementedError

    @abstractmethod
    async def encode(
        self,
        chunk_arrays_and_specs: Iterable[tuple[NDBuffer | None, ArraySpec]],
    ) -> Iterable[Buffer | None]:
        """Encode a batch of chunks.

        Parameters
        ----------
        chunk_arrays_and_specs : iterable of (NDBuffer or None, ArraySpec)
            Chunks, each with what it is. None stays None.

        Returns
        -------
        iterable of Buffer or None
            In the order given.
        """
        raise NotImplementedError

    @abstractmethod
    async def read(
        self,
        batch_info: Iterable[tuple[ByteGetter, ArraySpec, SelectorTuple, SelectorTuple, bool]],
        out: NDBuffer,
        drop_axes: tuple[int, ...] = (),
    ) -> None:
        """Fetch and decode chunks, and put them in their places in `out`.

        An implementation may return a `GetResult` for each chunk.

        Parameters
        ----------
        batch_info : iterable of (ByteGetter, ArraySpec, chunk selection, out selection, is complete)
            For each chunk: where its bytes come from, what it is, which part of it is wanted, where in `out` that part
            goes, and whether the part is all of the chunk. A chunk that is not stored reads as its fill value.
        out : NDBuffer
            What to fill.
        drop_axes : tuple of int
            Axes of the chunk's part that `out` does not have.
        """
        raise NotImplementedError

    @abstractmethod
    async def write(
        self,
        batch_info: Iterable[tuple[ByteSetter, ArraySpec, SelectorTuple, SelectorTuple, bool]],
        value: NDBuffer,
        drop_axes: tuple[int, ...] = (),
    ) -> None:
        """Encode and store chunks, after merging them with what is stored where only a part is written.

        Parameters
        ----------
        batch_info : iterable of (ByteSetter, ArraySpec, chunk selection, value selection, is complete)
            For each chunk: where it is stored, what it is, which part of it is written, where in `value` that part
            comes from, and whether the part is all of the chunk.
        value : NDBuffer
            The new items.
        drop_axes : tuple of int
            Axes of the chunk's part that `value` does not have.
        """
        raise NotImplementedError


async def _each(
    func: Callable[[Any, ArraySpec], Awaitable[Any]], batch: Iterable[tuple[Any | None, ArraySpec]]
) -> list[Any]:
    """`func` for each chunk of a batch that is there."""

    async def one(chunk: Any | None, chunk_spec: ArraySpec) -> Any:
        return None if chunk is None else await func(chunk, chunk_spec)

    return await concurrent_map(batch, one, _BATCH_CONCURRENCY)
