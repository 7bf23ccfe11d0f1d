"""`numcodecs.pcodec`: lossless compression of numbers.

In JSON: ``{"name": "numcodecs.pcodec", "configuration": {"level": 8, "mode_spec": "auto", "delta_spec": "auto",
"paging_spec": "equal_pages_up_to", "equal_pages_up_to": 262144}}``.

Source: zarr-extensions, "numcodecs.pcodec"
(https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/numcodecs.pcodec).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

from zarrpipe._types import JSON
from zarrpipe.abc.buffer import Buffer, NDBuffer
from zarrpipe.abc.codec import ArrayBytesCodec
from zarrpipe.codecs.computing import TIMES_AS_INTEGERS
from zarrpipe.codecs.native import NativeCodec, check_choice, check_integer
from zarrpipe.codecs.stage import PythonStage
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import MetadataError
from zarrpipe.spec import ArraySpec

__all__ = ["PCodec"]


@dataclass(frozen=True, kw_only=True)
class PCodec(NativeCodec[NDBuffer, Buffer], ArrayBytesCodec):
    """Compression by Pco, for integers and floats of 16 to 64 bits, complex numbers of such floats, and times.

    Parameters
    ----------
    level : int
        From 0, the fastest, to 12, the smallest.
    mode_spec : {"auto", "classic"}
        Whether to look for structure in the numbers, such as common factors.
    delta_spec : {"auto", "no_op", "none", "try_consecutive", "try_lookback"}
        Whether and how to store differences. "none" is the old name of "no_op".
    paging_spec : {"equal_pages_up_to"}
        How to divide a chunk.
    delta_encoding_order : int, optional
        How often to take differences, 0 to 7; with "try_consecutive", or "auto", which then means the same.
    equal_pages_up_to : int
        How many numbers a part has at most.

    Raises
    ------
    MetadataError
        A parameter has a value that it cannot have.

    Examples
    --------
    >>> PCodec(level=12).to_dict()["configuration"]["level"]
    12
    """

    level: int = 8
    mode_spec: Literal["auto", "classic"] = "auto"
    delta_spec: Literal["auto", "no_op", "none", "try_consecutive", "try_lookback"] = "auto"
    paging_spec: Literal["equal_pages_up_to"] = "equal_pages_up_to"
    delta_encoding_order: int | None = None
    equal_pages_up_to: int = 262144

    name: ClassVar[str] = "numcodecs.pcodec"
    aliases: ClassVar[tuple[str, ...]] = ("pcodec", "https://codec.zarrs.dev/array_to_bytes/pcodec")
    is_fixed_size = False

    def __post_init__(self) -> None:
        check_integer(self.level, "level", 0, 12)
        check_choice(self.mode_spec, "mode_spec", ("auto", "classic"))
        check_choice(self.delta_spec, "delta_spec", ("auto", "no_op", "none", "try_consecutive", "try_lookback"))
        check_choice(self.paging_spec, "paging_spec", ("equal_pages_up_to",))
        check_integer(self.equal_pages_up_to, "equal_pages_up_to", 1, 2**63 - 1)
        if self.delta_encoding_order is not None:
            check_integer(self.delta_encoding_order, "delta_encoding_order", 0, 7)
            if self.delta_spec not in ("auto", "try_consecutive"):
                raise MetadataError(
                    f"delta_encoding_order has no meaning with the delta_spec {self.delta_spec!r}",
                    at="/delta_encoding_order",
                )

    def _document_for(self, dtype: Any) -> dict[str, JSON]:
        document = self.to_dict()
        if parse_dtype(dtype).to_native_dtype().kind in "mM":
            cast("dict[str, JSON]", document["configuration"])["zarrpipe:layout"] = TIMES_AS_INTEGERS
        return document

    def _bound_document(self, spec: ArraySpec, stages: list[PythonStage]) -> dict[str, JSON]:  # noqa: ARG002
        return self._document_for(spec.dtype)
