"""The libraries that are measured, each behind the same few methods.

Nothing is imported before a contender is made: a process holds one library, and one that is not installed is told by
`version` alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

Data = npt.NDArray[Any]


class Contender(ABC):
    """A library, with every setting at its default unless its class says otherwise."""

    package: ClassVar[str]

    @classmethod
    def version(cls) -> str | None:
        """The installed version; None where there is none."""
        if find_spec(cls.package) is None:
            return None
        try:
            return metadata.version(cls.package)
        except metadata.PackageNotFoundError:
            return "(a source tree)"

    @abstractmethod
    def open(self, path: Path, *, writable: bool = False) -> Any:
        """Open an array."""

    @abstractmethod
    def read(self, array: Any, selection: Any) -> Data:
        """Read into a new NumPy array."""

    @abstractmethod
    def read_into(self, array: Any, selection: Any, out: Data) -> None:
        """Read into an array that there is."""

    @abstractmethod
    def write(self, array: Any, selection: Any, value: Data) -> None:
        """Write, and return once the files are what they will be."""


class Zarrpipe(Contender):
    package = "zarrpipe"

    def __init__(self) -> None:
        import zarrpipe

        self._open = zarrpipe.open

    def open(self, path: Path, *, writable: bool = False) -> Any:
        return self._open(str(path), mode="r+" if writable else "r")

    def read(self, array: Any, selection: Any) -> Data:
        return array.read(selection)

    def read_into(self, array: Any, selection: Any, out: Data) -> None:
        array.read(selection, out=out)

    def write(self, array: Any, selection: Any, value: Data) -> None:
        array.write(selection, value)


class _Zarr(Contender):
    """zarr-python, with one of its codec pipelines."""

    pipeline: ClassVar[str]

    def __init__(self) -> None:
        import zarr

        zarr.config.set({"codec_pipeline.path": self.pipeline})
        self._zarr = zarr

    def open(self, path: Path, *, writable: bool = False) -> Any:
        return self._zarr.open_array(str(path), mode="r+" if writable else "r")

    def read(self, array: Any, selection: Any) -> Data:
        return array[selection]

    def read_into(self, array: Any, selection: Any, out: Data) -> None:
        from zarr.core.buffer import default_buffer_prototype

        array.get_basic_selection(selection, out=default_buffer_prototype().nd_buffer.from_numpy_array(out))

    def write(self, array: Any, selection: Any, value: Data) -> None:
        array[selection] = value


class ZarrBatched(_Zarr):
    package = "zarr"
    pipeline = "zarr.core.codec_pipeline.BatchedCodecPipeline"


class ZarrFused(_Zarr):
    package = "zarr"
    pipeline = "zarr.core.codec_pipeline.FusedCodecPipeline"


class Zarrs(_Zarr):
    package = "zarrs"
    pipeline = "zarrs.ZarrsCodecPipeline"

    def __init__(self) -> None:
        import zarrs  # noqa: F401  registers the pipeline

        super().__init__()


class TensorStore(Contender):
    """tensorstore without fsync, which none of the others does."""

    package = "tensorstore"

    def __init__(self) -> None:
        import tensorstore

        self._ts = tensorstore

    def open(self, path: Path, *, writable: bool = False) -> Any:
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/", "file_io_sync": False}}
        # A context of its own: a second open must not be answered from the first one's cache.
        context = self._ts.Context()
        return self._ts.open(spec, open=True, read=True, write=writable, context=context).result()

    def read(self, array: Any, selection: Any) -> Data:
        return array[selection].read().result()

    def read_into(self, array: Any, selection: Any, out: Data) -> None:
        self._ts.array(out, copy=False, write=True).write(array[selection]).result()

    def write(self, array: Any, selection: Any, value: Data) -> None:
        array[selection].write(value, can_reference_source_data_indefinitely=True).result()


# The first is the one that the others are compared with.
CONTENDERS: Final[dict[str, type[Contender]]] = {
    "zarrpipe": Zarrpipe,
    "zarr-batched": ZarrBatched,
    "zarr-fused": ZarrFused,
    "zarrs": Zarrs,
    "tensorstore": TensorStore,
}


def installed() -> dict[str, str]:
    """The names and versions of the contenders that are here."""
    versions = {name: contender.version() for name, contender in CONTENDERS.items()}
    return {name: version for name, version in versions.items() if version is not None}


def other_than(name: str) -> str:
    """Another installed library, to check what `name` wrote; itself, where it is alone."""
    fast_first = ("zarrpipe", "tensorstore", "zarr-fused")
    there = installed()
    return next((other for other in fast_first if other in there and other != name), name)


def same(found: Data, expected: Data) -> bool:
    """Whether a result is right, in shape and type too."""
    return found.dtype == expected.dtype and np.array_equal(found, expected)
