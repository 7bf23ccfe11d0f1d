"""`array.oindex`, `array.vindex` and `array.blocks`: brackets that read a selection by other rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

if TYPE_CHECKING:
    from zarrpipe._core import SelectionKind
    from zarrpipe.arrays.access import ArrayAccess

__all__ = ["Indexer"]


@dataclass(frozen=True, slots=True, repr=False)
class Indexer:
    """Brackets after an array's `oindex`, `vindex` or `blocks`.

    Fields of a structured data type are named in the selection: ``array.oindex["x", [0, 2]]``.

    Parameters
    ----------
    array : zarrpipe.Array
        The array.
    kind : str
        By which rules selections are read.

    Examples
    --------
    >>> import zarrpipe
    >>> array = zarrpipe.create_array({}, shape=(4, 6), chunks=(2, 3), dtype="int32")
    >>> array[...] = [[10 * row + column for column in range(6)] for row in range(4)]
    >>> array.oindex[[3, 0], [1, 5]]
    array([[31, 35],
           [ 1,  5]], dtype=int32)
    >>> array.vindex[[3, 0], [1, 5]]
    array([31,  5], dtype=int32)
    >>> array.blocks[1, 0]
    array([[20, 21, 22],
           [30, 31, 32]], dtype=int32)
    """

    array: ArrayAccess
    kind: SelectionKind

    def __getitem__(self, selection: Any) -> npt.NDArray[Any]:
        return self.array._get(selection, self.kind)

    def __setitem__(self, selection: Any, value: Any) -> None:
        self.array._set(selection, self.kind, value)

    async def read_async(self, selection: Any, *, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Read a selection without blocking the running event loop."""
        return await self.array._get_async(selection, self.kind, out)

    async def write_async(self, selection: Any, value: Any) -> None:
        """Write to a selection without blocking the running event loop."""
        await self.array._set_async(selection, self.kind, value)

    def __repr__(self) -> str:
        return f"<{self.kind} selections of {self.array!r}>"
