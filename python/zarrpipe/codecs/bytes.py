"""`bytes`: items as they are, in one byte order.

In JSON: ``{"name": "bytes", "configuration": {"endian": "little"}}``; without configuration for items of one byte.

Source: Zarr v3 codecs, "Bytes codec" (https://zarr-specs.readthedocs.io/en/latest/v3/codecs/bytes/index.html).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from zarrpipe._types import JSON, Endianness
from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.abc.codec import ArrayBytesCodec
from zarrpipe.codecs.items import chunk_form
from zarrpipe.codecs.native import NativeCodec, check_choice
from zarrpipe.codecs.stage import PythonStage
from zarrpipe.dtypes import Struct, Structured
from zarrpipe.spec import ArraySpec

__all__ = ["BytesCodec"]


@dataclass(frozen=True, kw_only=True)
class BytesCodec(NativeCodec[NDBuffer, Buffer], ArrayBytesCodec):
    """Items in C order.

    Parameters
    ----------
    endian : {"little", "big"}, optional
        The byte order of what is stored; None for items of one byte.

    Raises
    ------
    MetadataError
        It is another word.

    Examples
    --------
    >>> BytesCodec().to_dict()
    {'name': 'bytes', 'configuration': {'endian': 'little'}}
    """

    endian: Endianness | None = "little"

    name: ClassVar[str] = "bytes"
    # Of drafts of the specification.
    aliases: ClassVar[tuple[str, ...]] = ("endian",)
    is_fixed_size = True

    def __post_init__(self) -> None:
        if self.endian is not None:
            check_choice(self.endian, "endian", ("little", "big"))

    @classmethod
    def _defaults(cls, configuration: dict[str, JSON]) -> dict[str, JSON]:
        # In a document absence means items of one byte, not the default of new codecs.
        return {"endian": None, **configuration}

    def _bound_document(self, spec: ArraySpec, stages: list[PythonStage]) -> dict[str, JSON]:
        if self.endian is None and isinstance(spec.dtype, Structured) and spec.dtype.layout()[2]:
            # The specification of that data type asks for both.
            warnings.warn("bytes without endian under 'structured': taken for little-endian", UserWarning, stacklevel=2)
            return replace(self, endian="little").to_dict()
        return super()._bound_document(spec, stages)

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        fitting = super().evolve_from_array_spec(array_spec)
        # Items without anything to swap have no byte order: zarr-python leaves it out of the document too, but not
        # where a structure has a field of several bytes.
        (_, _, swap_runs), _, _ = chunk_form(array_spec)
        has_order = swap_runs or (isinstance(array_spec.dtype, Struct) and array_spec.dtype.has_multi_byte_fields())
        return fitting if has_order or fitting.endian is None else replace(fitting, endian=None)
