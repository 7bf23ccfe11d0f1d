"""The `CodecPipeline` of the contract, on the engine.

Chunks are named one by one, each with the part of it and the place in the caller's array, and go to Rust as one call.
Specs, buffers and stores may be zarr-python's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from zarrpipe._types import ChunkCoords, SelectorTuple
from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.abc.codec import Codec, CodecPipeline, GetResult
from zarrpipe.abc.store import ByteGetter, ByteSetter
from zarrpipe.buffer import default_buffer_prototype
from zarrpipe.codecs.chain import compile_chain, evolve_codecs, parse_codecs
from zarrpipe.codecs.items import bytes_to_items, items_to_bytes, native_dtype, variable_content
from zarrpipe.codecs.native import NativeCodec
from zarrpipe.codecs.stage import codec_kind
from zarrpipe.driver import apply_settings, drive
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.grid import sample_chunk_shapes
from zarrpipe.pipeline.items import Item, Target, place
from zarrpipe.spec import ArraySpec, parse_array_config

if TYPE_CHECKING:
    from zarrpipe import _core
    from zarrpipe.dtypes import TBaseDType, TBaseScalar, ZDType
    from zarrpipe.metadata import ChunkGrid

__all__ = ["ZarrPipeline"]

# A batch of less than this is coded in the calling thread.
_SMALL_NBYTES = 1_000_000


@dataclass(frozen=True, eq=False)
class ZarrPipeline(CodecPipeline):
    """Reads and writes chunks by the engine.

    Parameters
    ----------
    codecs : tuple of codec
        In the order of encoding: zarrpipe's, zarr-python's, or documents.

    Examples
    --------
    >>> [codec.name for codec in ZarrPipeline.from_codecs(["bytes", "zstd"])]
    ['bytes', 'zstd']
    """

    codecs: tuple[Any, ...]

    def __post_init__(self) -> None:
        codecs = parse_codecs(self.codecs)
        kinds = [codec_kind(codec) for codec in codecs]
        if sorted(kinds) != kinds or kinds.count("array_bytes") != 1:
            raise MetadataError(
                "a chain is array-to-array codecs, one array-to-bytes codec, and bytes-to-bytes codecs, not "
                + ", ".join(type(codec).__name__ for codec in codecs)
            )
        object.__setattr__(self, "codecs", codecs)

    @classmethod
    def from_codecs(cls, codecs: Iterable[Codec]) -> Self:
        return cls(tuple(codecs))

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        return type(self)(evolve_codecs(self.codecs, array_spec))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.codecs)

    def __eq__(self, value: object) -> bool:
        if not isinstance(value, ZarrPipeline):
            return NotImplemented
        return type(self) is type(value) and self.codecs == value.codecs

    def __hash__(self) -> int:
        # By documents: a codec with a list or dictionary among its fields has no hash of its own.
        return hash((type(self), json.dumps([codec.to_dict() for codec in self.codecs], default=repr)))

    def _serializer(self) -> Any:
        return next(codec for codec in self.codecs if codec_kind(codec) == "array_bytes")

    def _supports_partial(self, method: str) -> bool:
        # Axes in another order are no hindrance; a codec behind the bytes is, it must see all of them.
        serializer = self._serializer()
        before = self.codecs[: self.codecs.index(serializer)]
        return (
            self.codecs[-1] is serializer
            and hasattr(serializer, method)
            and (not before or isinstance(serializer, NativeCodec))
            and all(getattr(codec, "name", None) == "transpose" for codec in before)
        )

    @property
    def supports_partial_decode(self) -> bool:
        return self._supports_partial("decode_partial")

    @property
    def supports_partial_encode(self) -> bool:
        return self._supports_partial("encode_partial")

    def validate(self, *, shape: ChunkCoords, dtype: ZDType[TBaseDType, TBaseScalar], chunk_grid: ChunkGrid) -> None:
        config, prototype = parse_array_config(None), default_buffer_prototype()
        # The built-in codecs see what reaches each of them; the others are asked as the contract says.
        for chunk_shape in sample_chunk_shapes(chunk_grid, shape):
            compile_chain(self.codecs, ArraySpec(chunk_shape, dtype, dtype.default_scalar(), config, prototype))
        for codec in self.codecs:
            if not isinstance(codec, NativeCodec):
                codec.validate(shape=shape, dtype=dtype, chunk_grid=chunk_grid)

    def compute_encoded_size(self, byte_length: int, array_spec: ArraySpec) -> int:
        for codec in self.codecs:
            byte_length = codec.compute_encoded_size(byte_length, array_spec)
            array_spec = codec.resolve_metadata(array_spec)
        return byte_length

    # Chunks in memory

    async def decode(
        self, chunk_bytes_and_specs: Iterable[tuple[Buffer | None, ArraySpec]]
    ) -> Iterable[NDBuffer | None]:
        batch = list(chunk_bytes_and_specs)
        data = [None if chunk is None else np.ascontiguousarray(chunk.as_numpy_array()) for chunk, _ in batch]
        decoded = await self._code(data, [spec for _, spec in batch], "decode")
        return [
            None if items is None else bytes_to_items(items, spec)
            for items, (_, spec) in zip(decoded, batch, strict=True)
        ]

    async def encode(
        self, chunk_arrays_and_specs: Iterable[tuple[NDBuffer | None, ArraySpec]]
    ) -> Iterable[Buffer | None]:
        batch = list(chunk_arrays_and_specs)
        data = [None if chunk is None else items_to_bytes(chunk, spec) for chunk, spec in batch]
        encoded = await self._code(data, [spec for _, spec in batch], "encode")
        return [
            None if chunk is None else spec.prototype.buffer.from_array_like(chunk)
            for chunk, (_, spec) in zip(encoded, batch, strict=True)
        ]

    async def _code(self, data: Sequence[Any], specs: Sequence[ArraySpec], way: str) -> list[Any]:
        """Encode or decode a batch, chunks of one chain together."""
        apply_settings()
        chains = self._chains(specs)
        groups: dict[tuple[int, bool], list[int]] = {}
        for index, (chain, spec) in enumerate(zip(chains, specs, strict=True)):
            groups.setdefault((id(chain), self._keep_empty(spec)), []).append(index)
        results: list[Any] = [None] * len(data)
        for (_, keep_empty), indices in groups.items():
            part = [data[index] for index in indices]
            coded = await self._code_group(chains[indices[0]], part, way, keep_empty=keep_empty)
            for index, result in zip(indices, coded, strict=True):
                results[index] = result
        return results

    async def _code_group(self, chain: _core.Chain, data: Sequence[Any], way: str, *, keep_empty: bool) -> list[Any]:
        # Whether a chunk that holds nothing but the fill value is stored is for `write` to say; only of a shard's
        # inner chunks it is for `encode`.
        keep_empty = keep_empty or not hasattr(self._serializer(), "chunk_shape")
        if chain.needs_loop:
            run = chain.start_decode(data) if way == "decode" else chain.start_encode(data, keep_empty)
            return list(await drive(run, None))

        def code(chunk: Any) -> Any:
            if chunk is None:
                return None
            return chain.decode(chunk) if way == "decode" else chain.encode(chunk, keep_empty)

        if sum(len(chunk) for chunk in data if chunk is not None) < _SMALL_NBYTES:
            return [code(chunk) for chunk in data]
        # They hold no lock of Python's while they work.
        return list(await asyncio.gather(*(asyncio.to_thread(code, chunk) for chunk in data)))

    def _chains(self, specs: Iterable[ArraySpec]) -> list[_core.Chain]:
        """Return the chain for each spec: most calls have one spec, often one object."""
        known: dict[int, _core.Chain] = {}
        chains = []
        for spec in specs:
            chain = known.get(id(spec))
            if chain is None:
                chain = known[id(spec)] = compile_chain(self.codecs, spec)
            chains.append(chain)
        return chains

    @staticmethod
    def _keep_empty(spec: ArraySpec) -> bool:
        # v2 has arrays without a fill value: then no chunk is empty.
        return bool(spec.config.write_empty_chunks) or spec.fill_value is None

    # Chunks in stores

    async def read(  # type: ignore[override] # the contract's annotation is None; zarr >= 3.2 needs the results
        self,
        batch_info: Iterable[tuple[ByteGetter, ArraySpec, SelectorTuple, SelectorTuple, bool]],
        out: NDBuffer,
        drop_axes: tuple[int, ...] = (),
    ) -> tuple[GetResult, ...]:
        """Fetch and decode chunks, and put them in their places in `out`.

        Parameters
        ----------
        batch_info : iterable of (ByteGetter, ArraySpec, chunk selection, out selection, is complete)
            See `zarrpipe.abc.codec.CodecPipeline.read`. Selections may hold integer and boolean arrays.
        out : NDBuffer
            What to fill.
        drop_axes : tuple of int
            Axes of the chunk's part that `out` does not have.

        Returns
        -------
        tuple of GetResult
            For each chunk whether it is stored.

        Raises
        ------
        CodecError
            A chunk cannot be decoded.
        StoreError
            A chunk cannot be read.
        """
        batch = [Item(*item) for item in batch_info]
        if not batch:
            return ()
        from zarrpipe import _core

        apply_settings()
        target = Target(out, native_dtype(batch[0].spec))
        keys, store, io = place(batch, write=False)
        selections = [(item.chunk_selection, item.out_selection) for item in batch]
        chains = self._chains([item.spec for item in batch])
        missing = await drive(_core.batch_read(chains, keys, selections, store, target.array, tuple(drop_axes)), io)
        target.finish()
        return tuple({"status": "missing" if absent else "present"} for absent in missing)

    async def write(
        self,
        batch_info: Iterable[tuple[ByteSetter, ArraySpec, SelectorTuple, SelectorTuple, bool]],
        value: NDBuffer,
        drop_axes: tuple[int, ...] = (),
    ) -> None:
        batch = [Item(*item) for item in batch_info]
        if not batch:
            return
        apply_settings()
        # Cast as an assignment casts; the caller's array is never written to.
        array = value.as_numpy_array()
        if not (array.dtype.kind == "O" and variable_content(batch[0].spec.dtype)):
            array = array.astype(native_dtype(batch[0].spec), copy=False)
        for keep_empty in (False, True):
            part = [item for item in batch if self._keep_empty(item.spec) is keep_empty]
            if part:
                await self._write(part, array, tuple(drop_axes), keep_empty=keep_empty)

    async def _write(
        self, batch: Sequence[Item], value: npt.NDArray[Any], drop_axes: tuple[int, ...], *, keep_empty: bool
    ) -> None:
        from zarrpipe import _core

        keys, store, io = place(batch, write=True)
        selections = [(item.chunk_selection, item.out_selection, bool(item.is_complete)) for item in batch]
        chains = self._chains([item.spec for item in batch])
        await drive(_core.batch_write(chains, keys, selections, store, value, drop_axes, keep_empty), io)
