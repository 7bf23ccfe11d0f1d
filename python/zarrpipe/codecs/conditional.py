"""`conditional`: other codecs, each applied to a chunk or not; a bitmask in front of the bytes says which.

In JSON: ``{"name": "conditional", "configuration": {"codecs": [{"name": "zstd", "configuration": {"level": 5}}],
"header_bits": 8}}``.

Source: zarr-extensions, "conditional" (https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/conditional).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from zarrpipe._types import JSON
from zarrpipe.abc.buffer import Buffer
from zarrpipe.abc.codec import BytesBytesCodec
from zarrpipe.codecs.chain import bind_codecs, evolve_codecs, parse_codecs
from zarrpipe.codecs.native import NativeCodec, check_integer
from zarrpipe.codecs.stage import PythonStage
from zarrpipe.errors import MetadataError
from zarrpipe.metadata.json import located
from zarrpipe.spec import ArraySpec

__all__ = ["ConditionalCodec"]

_MAX_HEADER_BITS = 1 << 16


@dataclass(frozen=True, kw_only=True, init=False)
class ConditionalCodec(NativeCodec[Buffer, Buffer], BytesBytesCodec):
    """Codecs that are applied where they help.

    When a chunk is written, codecs whose output has a fixed size (checksums, a shuffle) are always applied, and the
    others where they make the bytes fewer.

    Parameters
    ----------
    codecs : iterable of (dict, str or codec)
        Bytes-to-bytes codecs, in the order of encoding. They must be built in.
    header_bits : int, optional
        The length of the bitmask: a multiple of 8, at least one bit for each codec; None for the smallest that is.

    Raises
    ------
    MetadataError
        A parameter has a value that it cannot have.
    UnsupportedError
        A codec is not known.

    Examples
    --------
    >>> ConditionalCodec(codecs=["crc32c"]).to_dict()
    {'name': 'conditional', 'configuration': {'codecs': ({'name': 'crc32c'},)}}
    """

    codecs: tuple[Any, ...]
    header_bits: int | None = None

    name: ClassVar[str] = "conditional"
    is_fixed_size = False

    def __init__(self, *, codecs: Iterable[Any], header_bits: int | None = None) -> None:
        # The class is frozen.
        with located("/codecs"):
            object.__setattr__(self, "codecs", parse_codecs(codecs))
        if header_bits is not None:
            check_integer(header_bits, "header_bits", len(self.codecs), _MAX_HEADER_BITS)
            if header_bits % 8:
                raise MetadataError(f"header_bits is a multiple of 8, not {header_bits}", at="/header_bits")
        object.__setattr__(self, "header_bits", header_bits)

    def to_dict(self) -> dict[str, JSON]:
        return self._document([codec.to_dict() for codec in self.codecs])

    def _document(self, codecs: Iterable[JSON]) -> dict[str, JSON]:
        configuration: dict[str, JSON] = {"codecs": tuple(codecs)}
        if self.header_bits is not None:
            configuration["header_bits"] = self.header_bits
        return {"name": self.name, "configuration": configuration}

    def _bound_document(self, spec: ArraySpec, stages: list[PythonStage]) -> dict[str, JSON]:
        return self._document(bind_codecs(self.codecs, spec, stages))

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        self._stage(array_spec)
        with located("/codecs"):
            codecs = evolve_codecs(self.codecs, array_spec)
        return self if codecs == self.codecs else replace(self, codecs=codecs)
