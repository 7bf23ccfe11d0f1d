"""`numcodecs.fixedscaleoffset`: less an offset, times a scale, rounded to integers.

In JSON: ``{"name": "numcodecs.fixedscaleoffset", "configuration": {"offset": 1000, "scale": 10, "dtype": "<f8",
"astype": "|u1"}}``.

Source: numcodecs, "FixedScaleOffset" (https://numcodecs.readthedocs.io/en/stable/filter/fixedscaleoffset.html); and
zarr-extensions, "scale_offset", which supersedes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.codecs.computing import check_number
from zarrpipe.codecs.numcodecs.filter import ArrayFilter

__all__ = ["FixedScaleOffset"]


@dataclass(frozen=True, kw_only=True)
class FixedScaleOffset(ArrayFilter):
    """``(item - offset) * scale``, rounded to the nearest integer and cast as NumPy does.

    Parameters
    ----------
    offset, scale : int or float
        With integers, and items of an integer type, these are the integers of that type, which wrap; with a float the
        arithmetic is that of doubles.
    dtype : str, optional
        The data type of items, as NumPy writes it; None for the chunk's.
    astype : str, optional
        The one to cast to; None for the same. What it has no room for is lost.

    Raises
    ------
    MetadataError
        These are not numbers, or data types of real numbers; or the chunk's items have another size.

    Examples
    --------
    >>> FixedScaleOffset(offset=1000, scale=10, dtype="<f8", astype="|u1").to_dict()["configuration"]
    {'offset': 1000, 'scale': 10, 'dtype': '<f8', 'astype': '|u1'}
    """

    offset: int | float
    scale: int | float
    dtype: str | None = None
    astype: str | None = None

    name: ClassVar[str] = "numcodecs.fixedscaleoffset"

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("offset", "scale"):
            object.__setattr__(self, field, check_number(getattr(self, field), field))
