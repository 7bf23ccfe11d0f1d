"""`n5_default`: blocks of N5 in their default mode.

In JSON, for two axes: ``{"name": "n5_default", "configuration": {"codecs": [{"name": "transpose", "configuration":
{"order": [1, 0]}}, {"name": "bytes", "configuration": {"endian": "big"}}, {"name": "gzip", "configuration":
{"level": 5}}]}}``.

Source: zarr-extensions, "N5 Default codec"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/n5_default).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from zarrpipe._types import JSON
from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.abc.codec import ArrayBytesCodec
from zarrpipe.codecs.chain import bind_codecs, evolve_codecs, parse_codecs
from zarrpipe.codecs.native import NativeCodec
from zarrpipe.codecs.stage import PythonStage, is_sync_codec
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.json import located
from zarrpipe.spec import ArraySpec

if TYPE_CHECKING:
    from typing import Self

__all__ = ["N5DefaultCodec"]


@dataclass(frozen=True, init=False)
class N5DefaultCodec(NativeCodec[NDBuffer, Buffer], ArrayBytesCodec):
    """A block of N5: a header with its shape, then its items, the first axis the fastest, big-endian.

    Blocks at the border may be stored without what is beyond the array; whole ones are written.

    Parameters
    ----------
    codecs : tuple of codec
        Objects, documents or names: a transpose that reverses the axes, bytes, and at most one bytes-to-bytes codec.

    Raises
    ------
    MetadataError
        They are others.
    UnsupportedError
        A codec is not known.

    Examples
    --------
    >>> from zarrpipe.codecs import BytesCodec, GzipCodec, TransposeCodec
    >>> codec = N5DefaultCodec(codecs=[TransposeCodec(order=(1, 0)), BytesCodec(endian="big"), GzipCodec()])
    >>> [inner.name for inner in codec.codecs]
    ['transpose', 'bytes', 'gzip']
    """

    codecs: tuple[Any, ...]

    name: ClassVar[str] = "n5_default"
    is_fixed_size = False

    def __init__(self, *, codecs: Iterable[Any]) -> None:
        with located("/codecs"):
            parsed = parse_codecs(codecs)
        if not 2 <= len(parsed) <= 3:
            raise MetadataError(
                "the codecs of n5_default are transpose, bytes, and at most one bytes-to-bytes codec", at="/codecs"
            )
        # The class is frozen.
        object.__setattr__(self, "codecs", parsed)

    def to_dict(self) -> dict[str, JSON]:
        return self._document([codec.to_dict() for codec in self.codecs])

    def _document(self, codecs: Iterable[JSON]) -> dict[str, JSON]:
        return {"name": self.name, "configuration": {"codecs": tuple(codecs)}}

    def _bound_document(self, spec: ArraySpec, stages: list[PythonStage]) -> dict[str, JSON]:
        with located("/configuration/codecs"):
            return self._document(bind_codecs(self.codecs, spec, stages))

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        # Not from Rust's document: in it Python codecs are placeholders.
        self._stage(array_spec)
        with located("/codecs"):
            codecs = evolve_codecs(self.codecs, array_spec)
        return self if codecs == self.codecs else replace(self, codecs=codecs)

    @property
    def _sync_capable(self) -> bool:
        return all(is_sync_codec(codec) for codec in self.codecs)
