"""The chunks of a batch: where they are, and the array that their parts are read to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from zarrpipe.abc.buffer import NDBuffer
from zarrpipe.spec import ArraySpec
from zarrpipe.stores.adapter import core_store
from zarrpipe.stores.getters import AsyncGetterAdapter, core_store_of_getters

if TYPE_CHECKING:
    from zarrpipe import _core

__all__ = ["Item", "Target", "place"]


class Item(NamedTuple):
    """One chunk of a batch."""

    getter: Any
    spec: ArraySpec
    chunk_selection: Any
    out_selection: Any
    is_complete: bool


class Target:
    """The caller's array as the engine can fill it: of NumPy's, in the host's byte order, writable.

    Parameters
    ----------
    out : NDBuffer
        The caller's.
    dtype : numpy.dtype
        What the chunks hold.
    """

    def __init__(self, out: NDBuffer, dtype: np.dtype[Any]) -> None:
        self._out = out
        behind: Any = out.as_ndarray_like()
        self._direct = isinstance(behind, np.ndarray) and behind.dtype == dtype and behind.flags.writeable
        # A copy, not an empty array: places that the batch does not name stay as they are.
        self.array: npt.NDArray[Any] = behind if self._direct else out.as_numpy_array().astype(dtype)

    def finish(self) -> None:
        """Hand over what was read, where it was read elsewhere."""
        if not self._direct:
            self._out[...] = type(self._out).from_numpy_array(self.array.astype(self._out.dtype, copy=False))


def place(batch: Sequence[Item], *, write: bool) -> tuple[list[str], _core.Store, Any]:
    """Return where the chunks of a batch are: the keys, the store, and what the driver asks."""
    store = getattr(batch[0].getter, "store", None)
    if store is not None and all(_is_place(item.getter) and item.getter.store is store for item in batch):
        return [item.getter.path for item in batch], core_store(store), store
    getters = [item.getter for item in batch]
    keys = [str(number) for number in range(len(getters))]
    return keys, core_store_of_getters(getters, write=write), AsyncGetterAdapter(getters)


def _is_place(getter: object) -> bool:
    """Whether a getter is nothing but a key of a store: a StorePath proper, ours or zarr-python's."""
    cls = type(getter)
    return cls.__name__ == "StorePath" and cls.__module__.partition(".")[0] in ("zarrpipe", "zarr")
