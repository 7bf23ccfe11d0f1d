"""`numcodecs.bitround`: floats with fewer bits of the mantissa.

In JSON: ``{"name": "numcodecs.bitround", "configuration": {"keepbits": 10}}``.

Source: numcodecs, "BitRound" (https://numcodecs.readthedocs.io/en/stable/other/bitround.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from zarrpipe._types import JSON
from zarrpipe.codecs.computing import AnyZDType, ComputingCodec
from zarrpipe.codecs.native import check_integer

__all__ = ["BitRound"]


@dataclass(frozen=True, kw_only=True)
class BitRound(ComputingCodec):
    """Floats rounded to fewer bits of the mantissa. Decoding leaves that as it is.

    Parameters
    ----------
    keepbits : int
        The bits that are kept, at most those that there are.

    Raises
    ------
    MetadataError
        It is not such an integer, or items are not floats of 16, 32 or 64 bits.

    Notes
    -----
    A NaN stays one, where numcodecs may make an infinity or a zero of it.

    Examples
    --------
    >>> BitRound(keepbits=10).to_dict()
    {'name': 'numcodecs.bitround', 'configuration': {'keepbits': 10}}
    """

    keepbits: int

    name: ClassVar[str] = "numcodecs.bitround"

    def __post_init__(self) -> None:
        check_integer(self.keepbits, "keepbits", 0, 52)

    def _resolved(self, dtype: AnyZDType) -> Mapping[str, JSON]:  # noqa: ARG002
        return {}
