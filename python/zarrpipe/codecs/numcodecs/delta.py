"""`numcodecs.delta`: differences of neighbours.

In JSON: ``{"name": "numcodecs.delta", "configuration": {"dtype": "<i4", "astype": "<i2"}}``.

Source: numcodecs, "Delta" (https://numcodecs.readthedocs.io/en/stable/filter/delta.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zarrpipe.codecs.numcodecs.filter import ArrayFilter

__all__ = ["Delta"]


@dataclass(frozen=True, kw_only=True)
class Delta(ArrayFilter):
    """The first item, then each one's difference to the one before it, in C order.

    Parameters
    ----------
    dtype : str, optional
        The data type of items, as NumPy writes it; None for the chunk's.
    astype : str, optional
        That of the differences; None for the same. What it has no room for is lost.

    Raises
    ------
    MetadataError
        These are not numbers' data types, or that of the chunk has another size.

    Examples
    --------
    >>> Delta(dtype="<i4", astype="<i2").to_dict()["configuration"]
    {'dtype': '<i4', 'astype': '<i2'}
    """

    dtype: str | None = None
    astype: str | None = None

    name: ClassVar[str] = "numcodecs.delta"
