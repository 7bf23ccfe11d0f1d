"""`numcodecs.quantize`: floats with fewer decimal digits.

In JSON: ``{"name": "numcodecs.quantize", "configuration": {"digits": 3, "dtype": "<f8", "astype": "<f4"}}``.

Source: numcodecs, "Quantize" (https://numcodecs.readthedocs.io/en/stable/filter/quantize.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.codecs.computing import check_number
from zarrpipe.codecs.numcodecs.filter import ArrayFilter

__all__ = ["Quantize"]


@dataclass(frozen=True, kw_only=True)
class Quantize(ArrayFilter):
    """Floats rounded to the power of two that keeps so many decimal digits.

    Parameters
    ----------
    digits : int
        Digits behind the decimal point.
    dtype : str, optional
        The data type of items, as NumPy writes it; None for the chunk's.
    astype : str, optional
        The one to store; None for the same.

    Raises
    ------
    MetadataError
        No float has such digits; the data types are not floats', or that of the chunk has another size.

    Examples
    --------
    >>> Quantize(digits=3, dtype="<f4").to_dict()["configuration"]
    {'digits': 3, 'dtype': '<f4'}
    """

    digits: int
    dtype: str | None = None
    astype: str | None = None

    name: ClassVar[str] = "numcodecs.quantize"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "digits", check_number(self.digits, "digits"))
