"""An engine whose items are Python objects: the engine proper has the bytes of each.

Objects become bytes before a write begins, and bytes objects after a read has ended, by the caller, who has the
interpreter. See `zarrpipe.dtypes.objects`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zarrpipe.dtypes import ObjectDType

if TYPE_CHECKING:
    from zarrpipe import _core

__all__ = ["ObjectEngine"]


class ObjectEngine:
    """`_core.Engine`, whose methods it has.

    Parameters
    ----------
    engine : _core.Engine
        That of an array of bytes.
    data_type : ObjectDType
        What the bytes mean.
    """

    def __init__(self, engine: _core.Engine, data_type: ObjectDType) -> None:
        self._engine = engine
        self._data_type = data_type

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def read(self, selection: Any, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        return _unpack(self._engine.read(selection, out), self._data_type)

    def write(self, selection: Any, value: npt.NDArray[Any]) -> None:
        self._engine.write(selection, self._data_type.pack_objects(value))

    def start_read(self, selection: Any, out: npt.NDArray[Any] | None = None) -> Any:
        return _ObjectRun(self._engine.start_read(selection, out), self._data_type)

    def start_write(self, selection: Any, value: npt.NDArray[Any]) -> _core.Run:
        return self._engine.start_write(selection, self._data_type.pack_objects(value))

    def assign(self, selection: Any, value: npt.NDArray[Any]) -> _core.Assignment:
        return self._engine.assign(selection, self._data_type.pack_objects(value))


class _ObjectRun:
    """`_core.Run` of a read."""

    def __init__(self, run: _core.Run, data_type: ObjectDType) -> None:
        self._run = run
        self._data_type = data_type

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def result(self) -> npt.NDArray[Any]:
        return _unpack(self._run.result(), self._data_type)


def _unpack(items: npt.NDArray[Any], data_type: ObjectDType) -> npt.NDArray[Any]:
    """Put objects into the place of their bytes."""
    # From an array: of anything else NumPy would look for axes inside of items.
    np.copyto(items, data_type.unpack_objects(items))
    return items
