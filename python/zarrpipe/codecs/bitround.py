"""`bitround`: fewer bits that count, for what compresses.

In JSON: ``{"name": "bitround", "configuration": {"keepbits": 10}}``.

Source: zarr-extensions, "bitround" (https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/bitround).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from zarrpipe._types import JSON
from zarrpipe.codecs.computing import TIMES_AS_INTEGERS, AnyZDType, ComputingCodec
from zarrpipe.codecs.native import check_integer

__all__ = ["BitRoundCodec"]


@dataclass(frozen=True, kw_only=True)
class BitRoundCodec(ComputingCodec):
    """Rounded to fewer bits, the others zero. Decoding leaves that as it is.

    Parameters
    ----------
    keepbits : int
        Of floats, also of complex numbers, the bits of the mantissa that are kept; of integers and times, those from
        the highest that is set, which of negative ones is the sign.

    Raises
    ------
    MetadataError
        It is not a positive integer.

    Examples
    --------
    >>> BitRoundCodec(keepbits=10).to_dict()
    {'name': 'bitround', 'configuration': {'keepbits': 10}}
    """

    keepbits: int

    name: ClassVar[str] = "bitround"

    def __post_init__(self) -> None:
        check_integer(self.keepbits, "keepbits", 1, 2**32 - 1)

    def _resolved(self, dtype: AnyZDType) -> Mapping[str, JSON]:
        return {"layout": TIMES_AS_INTEGERS} if dtype.to_native_dtype().kind in "mM" else {}
