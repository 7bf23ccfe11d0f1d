"""A Python codec as a stage of a native chain.

Rust asks a stage for one chunk at a time where the codec can answer at once; else it collects chunks, and the event
loop awaits the codec's public `decode` and `encode` with the batch. So a codec may override any of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np

from zarrpipe._types import Layout
from zarrpipe.codecs.items import bytes_to_items, chunk_form, items_to_bytes
from zarrpipe.errors import CodecError, MetadataError
from zarrpipe.spec import ArraySpec

__all__ = ["PythonStage", "codec_kind", "codec_name", "is_sync_codec"]

Kind = Literal["array_array", "array_bytes", "bytes_bytes"]

_KINDS: dict[str, Kind] = {
    "ArrayArrayCodec": "array_array",
    "ArrayBytesCodec": "array_bytes",
    "BytesBytesCodec": "bytes_bytes",
}


def codec_kind(codec: object) -> Kind:
    """Return what a codec turns into what.

    By the name of its base class: zarr-python's are other classes than ours, and mean the same.

    Raises
    ------
    MetadataError
        It has none of the three bases, so it is not a codec.

    Examples
    --------
    >>> from zarrpipe.codecs import TransposeCodec
    >>> codec_kind(TransposeCodec(order=(1, 0)))
    'array_array'
    """
    for base in type(codec).__mro__:
        if base.__name__ in _KINDS:
            return _KINDS[base.__name__]
    raise MetadataError(f"{type(codec).__name__} is not a codec: it derives from none of {', '.join(_KINDS)}")


def codec_name(codec: Any) -> str:
    """Return the name that a codec has in metadata documents; its class's where it has no such form."""
    name: object = None
    with suppress(NotImplementedError, AttributeError):
        name = codec.to_dict().get("name")
    return name if isinstance(name, str) else type(codec).__name__


def is_sync_codec(codec: object) -> bool:
    """Whether a codec's `_decode_sync` and `_encode_sync` may stand for its public methods.

    Not if it says so by a false `_sync_capable`, nor if it overrides `decode` or `encode`: then these are meant.
    """
    if not (hasattr(codec, "_decode_sync") and hasattr(codec, "_encode_sync")):
        return False
    if not getattr(codec, "_sync_capable", True):
        return False
    return all(_owner(type(codec), name).__name__ == "BaseCodec" for name in ("decode", "encode"))


def _owner(cls: type, name: str) -> type:
    """Return the class that a method comes from."""
    return next((base for base in cls.__mro__ if name in vars(base)), object)


class PythonStage:
    """A codec bound to what a chunk is at its place: `_core.PythonStage`.

    Parameters
    ----------
    codec : codec
        One of zarrpipe's contract or of zarr-python's.
    spec : ArraySpec
        What a chunk is before this codec encodes it.
    """

    def __init__(self, codec: Any, spec: ArraySpec) -> None:
        self.codec = codec
        self.spec = spec
        self.name: str = codec_name(codec)
        self.kind: Kind = codec_kind(codec)
        self.is_sync: bool = is_sync_codec(codec)
        self.partial = (
            self.kind == "array_bytes" and hasattr(codec, "decode_partial"),
            self.kind == "array_bytes" and hasattr(codec, "encode_partial"),
        )
        self.spec_behind: ArraySpec = codec.resolve_metadata(spec)
        self.encoded_spec: tuple[tuple[int, ...], Layout, bytes] | None = None
        if self.kind == "array_array":
            form = chunk_form(self.spec_behind)
            self.encoded_spec = (form.shape, form.layout, form.fill_value)

    def __repr__(self) -> str:
        return f"<PythonStage {self.name} {self.kind}>"

    @property
    def identity(self) -> tuple[object, ...]:
        """What tells stages apart that Rust cannot: for caches, which keep the codec alive and so its id."""
        spec = self.spec
        return id(self.codec), type(spec), spec.dtype, chunk_form(spec), spec.config, spec.prototype

    def to_json(self) -> str:
        """Return the codec's document."""
        return json.dumps(self.codec.to_dict())

    def encoded_size(self, nbytes: int) -> int | None:
        """Return the encoded size of `nbytes` bytes; None where it varies, or the codec does not say that it is fixed.

        `is_fixed_size` is asked first: the size of what it does not promise must not be relied on.
        """
        if not getattr(self.codec, "is_fixed_size", False):
            return None
        try:
            return int(self.codec.compute_encoded_size(nbytes, self.spec))
        except NotImplementedError:
            return None

    # One chunk, at once: called by workers

    def decode(self, data: Any) -> Any | None:
        """Decode one chunk: a read-only bytes-like, which results may refer to, to a bytes-like."""
        return self._decoded(self.codec._decode_sync(self._encoded_input(data), self.spec))

    def encode(self, data: Any) -> Any | None:
        """Encode one chunk, as `decode` does."""
        return self._encoded(self.codec._encode_sync(self._decoded_input(data), self.spec))

    # Batches: awaited by the event loop

    async def decode_batch(self, batch: Sequence[Any]) -> list[Any | None]:
        """Decode several chunks by the codec's public `decode`."""
        return await self._batch(self.codec.decode, batch, self._encoded_input, self._decoded)

    async def encode_batch(self, batch: Sequence[Any]) -> list[Any | None]:
        """Encode several chunks by the codec's public `encode`."""
        return await self._batch(self.codec.encode, batch, self._decoded_input, self._encoded)

    async def _batch(
        self,
        method: Callable[[Iterable[Any]], Any],
        batch: Sequence[Any],
        wrap: Callable[[Any], Any],
        unwrap: Callable[[Any], Any | None],
    ) -> list[Any | None]:
        results = list(await method([(wrap(data), self.spec) for data in batch]))
        if len(results) != len(batch):
            raise CodecError(f"a batch of {len(batch)} chunks came back as {len(results)}", codec=self.name)
        return [unwrap(result) for result in results]

    # Parts of a key's value: the codec reads and writes them by itself

    async def decode_partial(self, getter: Any, selection: tuple[slice, ...]) -> Any | None:
        """Have the codec read a part of the chunk; None where the key has no value."""
        (part,) = await self.codec.decode_partial([(getter, selection, self.spec)])
        return None if part is None else items_to_bytes(part, self._part_spec(selection), self.name)

    async def encode_partial(self, setter: Any, selection: tuple[slice, ...], data: Any) -> None:
        """Have the codec write a part of the chunk."""
        part = bytes_to_items(data, self._part_spec(selection))
        await self.codec.encode_partial([(setter, part, selection, self.spec)])

    def _part_spec(self, selection: tuple[slice, ...]) -> ArraySpec:
        shape = tuple(
            len(range(*part.indices(length))) for part, length in zip(selection, self.spec.shape, strict=True)
        )
        return replace(self.spec, shape=shape)

    # Between memory and buffers. Nothing is copied: what Rust hands over is an object that owns its bytes.

    def _encoded_input(self, data: Any) -> Any:
        """Return what `decode` takes."""
        return bytes_to_items(data, self.spec_behind) if self.kind == "array_array" else self._as_buffer(data)

    def _decoded_input(self, data: Any) -> Any:
        """Return what `encode` takes."""
        return self._as_buffer(data) if self.kind == "bytes_bytes" else bytes_to_items(data, self.spec)

    def _as_buffer(self, data: Any) -> Any:
        return self.spec.prototype.buffer.from_array_like(cast(Any, np.frombuffer(data, dtype=np.uint8)))

    def _decoded(self, result: Any) -> Any | None:
        """Return what `decode` gave, as bytes."""
        if result is None or self.kind == "bytes_bytes":
            return _as_bytes(result)
        return items_to_bytes(result, self.spec, self.name)

    def _encoded(self, result: Any) -> Any | None:
        """Return what `encode` gave, as bytes."""
        if result is None or self.kind != "array_array":
            return _as_bytes(result)
        return items_to_bytes(result, self.spec_behind, self.name)


def _as_bytes(buffer: Any | None) -> Any | None:
    return None if buffer is None else np.ascontiguousarray(buffer.as_numpy_array())
