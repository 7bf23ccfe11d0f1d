"""`sharding_indexed`: many inner chunks in one value, with an index of where they lie.

In JSON: ``{"name": "sharding_indexed", "configuration": {"chunk_shape": [32, 32], "codecs": [...],
"index_codecs": [...], "index_location": "end"}}``.

Source: Zarr v3 codecs, "Sharding codec"
(https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
import numpy.typing as npt

from zarrpipe._types import JSON, SelectorTuple, ShapeLike
from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.abc.codec import (
    ArrayBytesCodec,
    ArrayBytesCodecPartialDecodeMixin,
    ArrayBytesCodecPartialEncodeMixin,
    CodecPipeline,
)
from zarrpipe.abc.store import ByteGetter, ByteSetter
from zarrpipe.codecs.bytes import BytesCodec
from zarrpipe.codecs.chain import bind_codecs, parse_codecs
from zarrpipe.codecs.crc32c import Crc32cCodec
from zarrpipe.codecs.native import NativeCodec, check_choice
from zarrpipe.codecs.stage import PythonStage, is_sync_codec
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.grid import parse_lengths
from zarrpipe.metadata.json import located
from zarrpipe.spec import ArraySpec

if TYPE_CHECKING:
    from typing import Self

__all__ = ["ShardingCodec"]


@dataclass(frozen=True, init=False)
class ShardingCodec(
    NativeCodec[NDBuffer, Buffer],
    ArrayBytesCodec,
    ArrayBytesCodecPartialDecodeMixin,
    ArrayBytesCodecPartialEncodeMixin,
):
    """A chunk cut into inner chunks, each encoded for itself.

    Parameters
    ----------
    chunk_shape : tuple of int
        The length of an inner chunk along each axis; it divides the chunk's.
    codecs : tuple of codec
        For the inner chunks: objects, documents or names.
    index_codecs : tuple of codec
        For the index; of fixed size.
    index_location : {"end", "start"}
        Where the index lies.

    Raises
    ------
    MetadataError
        A parameter has a value that it cannot have.
    UnsupportedError
        A codec is not known.

    Examples
    --------
    >>> ShardingCodec(chunk_shape=(32, 32), codecs=["bytes", "zstd"]).codecs
    (BytesCodec(endian=None), ZstdCodec(level=0, checksum=False))
    """

    chunk_shape: tuple[int, ...]
    codecs: tuple[Any, ...] = (BytesCodec(),)
    index_codecs: tuple[Any, ...] = (BytesCodec(), Crc32cCodec())
    index_location: Literal["start", "end"] = "end"

    name: ClassVar[str] = "sharding_indexed"
    is_fixed_size = False

    def __init__(
        self,
        *,
        chunk_shape: ShapeLike,
        codecs: Iterable[Any] = (BytesCodec(),),
        index_codecs: Iterable[Any] = (BytesCodec(), Crc32cCodec()),
        index_location: Literal["start", "end"] = "end",
    ) -> None:
        given: object = chunk_shape
        if isinstance(given, int | np.integer) and not isinstance(given, bool):
            given = (given,)
        elif isinstance(given, Iterable) and not isinstance(given, str | bytes):
            given = tuple(given)
        # The class is frozen.
        with located("/chunk_shape"):
            object.__setattr__(self, "chunk_shape", parse_lengths(given, what="a chunk shape", least=1))
        with located("/codecs"):
            object.__setattr__(self, "codecs", parse_codecs(codecs))
        with located("/index_codecs"):
            object.__setattr__(self, "index_codecs", parse_codecs(index_codecs))
        check_choice(index_location, "index_location", ("start", "end"))
        object.__setattr__(self, "index_location", index_location)

    @classmethod
    def _defaults(cls, configuration: dict[str, JSON]) -> dict[str, JSON]:
        # A number alone is short for an array of one, but not in documents.
        if not isinstance(given := configuration["chunk_shape"], list | tuple):
            raise MetadataError(f"a chunk shape is an array of integers, not {given!r}", at="/chunk_shape")
        return configuration

    def to_dict(self) -> dict[str, JSON]:
        return self._document(
            [codec.to_dict() for codec in self.codecs], [codec.to_dict() for codec in self.index_codecs]
        )

    def _document(self, codecs: Iterable[JSON], index_codecs: Iterable[JSON]) -> dict[str, JSON]:
        configuration: dict[str, JSON] = {
            "chunk_shape": self.chunk_shape,
            "codecs": tuple(codecs),
            "index_codecs": tuple(index_codecs),
            "index_location": self.index_location,
        }
        return {"name": self.name, "configuration": configuration}

    def _inner_spec(self, spec: ArraySpec) -> ArraySpec:
        """Return what an inner chunk is."""
        return replace(spec, shape=self.chunk_shape)

    def _bound_document(self, spec: ArraySpec, stages: list[PythonStage]) -> dict[str, JSON]:
        # Of the index Rust knows the codecs all: one that it does not would have to be awaited before anything else.
        with located("/configuration/codecs"):
            codecs = bind_codecs(self.codecs, self._inner_spec(spec), stages)
        return self._document(codecs, [codec.to_dict() for codec in self.index_codecs])

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        from zarrpipe.codecs.chain import evolve_codecs

        # Not from Rust's document: in it Python codecs are placeholders. And for a shard of one chunk: where shards
        # have several shapes, zarr-python gives a spec that no inner chunk divides. `validate` looks at the real ones.
        same_rank = len(array_spec.shape) == len(self.chunk_shape)
        self._stage(self._inner_spec(array_spec) if same_rank else array_spec)
        with located("/codecs"):
            codecs = evolve_codecs(self.codecs, self._inner_spec(array_spec))
        return self if codecs == self.codecs else replace(self, codecs=codecs)

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        return chunk_spec

    @property
    def _sync_capable(self) -> bool:
        return all(is_sync_codec(codec) for codec in (*self.codecs, *self.index_codecs))

    # With codecs inside that must be awaited, whole chunks go through the pipeline too.

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        if self._sync_capable:
            return await super()._decode_single(chunk_data, chunk_spec)
        (chunk,) = await self._pipeline().decode([(chunk_data, chunk_spec)])
        return cast(NDBuffer, chunk)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        if self._sync_capable:
            return await super()._encode_single(chunk_data, chunk_spec)
        (chunk,) = await self._pipeline().encode([(chunk_data, chunk_spec)])
        return chunk

    async def _decode_partial_single(
        self, byte_getter: ByteGetter, selection: SelectorTuple, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        shape = _selected_shape(chunk_spec.shape, selection)
        out = chunk_spec.prototype.nd_buffer.empty(shape, chunk_spec.dtype.to_native_dtype(), chunk_spec.config.order)
        everything = tuple(slice(0, length) for length in shape)
        # The pipeline's result is what zarr-python >= 3.2 reads; the contract's annotation says None.
        read: Any = self._pipeline().read
        (result,) = await read([(byte_getter, chunk_spec, selection, everything, False)], out)
        return None if result["status"] == "missing" else out

    async def _encode_partial_single(
        self, byte_setter: ByteSetter, chunk_array: NDBuffer, selection: SelectorTuple, chunk_spec: ArraySpec
    ) -> None:
        everything = tuple(slice(0, length) for length in chunk_array.shape)
        is_complete = _is_whole(chunk_spec.shape, selection)
        batch = [(byte_setter, chunk_spec, selection, everything, is_complete)]
        await self._pipeline().write(batch, chunk_array)

    def _pipeline(self) -> CodecPipeline:
        # The pipeline stands above the codecs. These methods are the contract's, for callers outside: the engine
        # itself cuts shards in Rust. So it is fetched when one is called, and not imported.
        pipeline: CodecPipeline = import_module("zarrpipe.pipeline").ZarrPipeline.from_codecs((self,))
        return pipeline


def _selected_shape(shape: tuple[int, ...], selection: Any) -> tuple[int, ...]:
    """Return the shape of a part, by NumPy's own rules."""
    part: npt.NDArray[np.uint8] = np.broadcast_to(np.empty((), dtype=np.uint8), shape)[selection]
    return np.shape(part)


def _is_whole(shape: tuple[int, ...], selection: Any) -> bool:
    """Whether a selection is all of the chunk, in order."""
    parts = selection if isinstance(selection, tuple) else (selection,)
    return len(parts) == len(shape) and all(
        isinstance(part, slice) and part.indices(length) == (0, length, 1)
        for part, length in zip(parts, shape, strict=True)
    )
