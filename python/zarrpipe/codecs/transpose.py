"""`transpose`: another order of axes.

In JSON: ``{"name": "transpose", "configuration": {"order": [1, 0]}}``.

Source: Zarr v3 codecs, "Transpose codec" (https://zarr-specs.readthedocs.io/en/latest/v3/codecs/transpose/index.html).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from zarrpipe.abc.buffer import NDBuffer
from zarrpipe.abc.codec import ArrayArrayCodec
from zarrpipe.codecs.native import NativeCodec
from zarrpipe.errors import MetadataError

__all__ = ["TransposeCodec"]


@dataclass(frozen=True, init=False)
class TransposeCodec(NativeCodec[NDBuffer, NDBuffer], ArrayArrayCodec):
    """The axes of a chunk in another order.

    Parameters
    ----------
    order : tuple of int
        Axis `i` of what is stored is axis ``order[i]`` of the chunk.

    Raises
    ------
    MetadataError
        It is not a permutation.

    Examples
    --------
    >>> TransposeCodec(order=(2, 0, 1)).to_dict()
    {'name': 'transpose', 'configuration': {'order': (2, 0, 1)}}
    """

    order: tuple[int, ...]

    name: ClassVar[str] = "transpose"
    is_fixed_size = True

    def __init__(self, *, order: Iterable[int]) -> None:
        given: object = order
        axes: list[Any] = list(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else [None]
        if not all(isinstance(axis, int | np.integer) and not isinstance(axis, bool) for axis in axes):
            raise MetadataError(f"the order is a list of axes, not {given!r}", at="/order")
        parsed = tuple(int(axis) for axis in axes)
        if sorted(parsed) != list(range(len(parsed))):
            raise MetadataError(f"the order names each axis once, not {parsed}", at="/order")
        object.__setattr__(self, "order", parsed)
