"""What can be imported. Each source is opened and checked before anything is written."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol, Self, cast

import numpy as np
import numpy.typing as npt

from zarrpipe.arrays.slabs import Region, plan_bands, plan_slabs, slices, write_unit

if TYPE_CHECKING:
    from zarrpipe.arrays import Array

__all__ = ["MemberSource", "RawSource", "Source", "ZarrSource", "npy_source"]


class Source(Protocol):
    """An array that is read slab by slab."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def slabs(self, unit: tuple[int, ...]) -> Iterator[tuple[Region, npt.NDArray[Any]]]:
        """Yield boxes that cover the array, with their values, aligned to `unit` as far as the source allows."""


class RawSource:
    """Items in a file, one after the other.

    Parameters
    ----------
    path : Path
        The file.
    dtype : dtype
        Type of an item, with its byte order.
    shape : tuple of int
        The array's shape.
    offset : int
        Bytes before the first item.
    order : {"C", "F"}
        Which axis is the fastest: the last or the first.

    Raises
    ------
    ValueError
        The file has another size than the shape and the type ask for.
    """

    def __init__(
        self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], *, offset: int = 0, order: str = "C"
    ) -> None:
        self.path, self.dtype, self.shape = path, dtype, shape
        self._offset, self._order = offset, order
        expected = offset + math.prod(shape) * dtype.itemsize
        found = path.stat().st_size
        if found != expected:
            raise ValueError(f"{path} has {found} bytes, but shape {shape} of {dtype} takes {expected}")

    def slabs(self, unit: tuple[int, ...]) -> Iterator[tuple[Region, npt.NDArray[Any]]]:
        """Yield mapped views: the pages of a slab are given back before the next is touched."""
        for region in _plan(plan_slabs, self.shape, unit, self.dtype.itemsize, self._order):
            mapped = np.memmap(
                self.path,
                self.dtype,
                mode="r",
                offset=self._offset,
                shape=self.shape,
                order=cast("Any", self._order),
            )
            yield region, np.asarray(mapped)[slices(region)]


def npy_source(path: Path) -> RawSource:
    """Read a .npy file's header.

    Raises
    ------
    ValueError
        The file is not a .npy file of plain items, or is truncated.
    """
    with path.open("rb") as file:
        shape, order, dtype = _read_header(file, str(path))
        return RawSource(path, dtype, shape, offset=file.tell(), order=order)


class MemberSource(AbstractContextManager["MemberSource"]):
    """An array inside a .npz file, decompressed from front to back and never held whole.

    Parameters
    ----------
    path : Path
        The .npz file.
    member : str, optional
        The array's name. May be left out where there is one array.

    Raises
    ------
    ValueError
        There is no such member, or it is not a plain array.
    """

    def __init__(self, path: Path, member: str | None = None) -> None:
        with ExitStack() as stack:
            archive = stack.enter_context(zipfile.ZipFile(path))
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if member is None and len(names) != 1:
                raise ValueError(f"{path} holds {len(names)} arrays: name one of {', '.join(names)} with --member")
            member = names[0] if member is None else member
            if member not in names:
                raise ValueError(f"{path} has no array {member!r}, but {', '.join(names)}")
            self._place = f"{path} ({member})"
            self._file = stack.enter_context(archive.open(archive.namelist()[names.index(member)]))
            self.shape, self._order, self.dtype = _read_header(self._file, self._place)
            self._stack = stack.pop_all()

    def slabs(self, unit: tuple[int, ...]) -> Iterator[tuple[Region, npt.NDArray[Any]]]:
        """Yield bands along the slowest axis; their memory is used again for the next."""
        buffer = np.empty(0, np.uint8)
        for region in _plan(plan_bands, self.shape, unit, self.dtype.itemsize, self._order):
            shape = tuple(stop - start for start, stop in region)
            nbytes = math.prod(shape) * self.dtype.itemsize
            if buffer.size < nbytes:
                buffer = np.empty(nbytes, np.uint8)
            self._fill(buffer[:nbytes])
            yield region, np.ndarray(shape, self.dtype, buffer, order=cast("Any", self._order))
        # Reading on to the end is also what makes zipfile compare the checksum.
        if self._file.read(1):
            raise ValueError(f"{self._place} goes on after its last item")

    def _fill(self, buffer: npt.NDArray[np.uint8]) -> None:
        view, done = memoryview(buffer), 0
        while done < len(view):
            n = cast("Any", self._file).readinto(view[done:])
            if not n:
                raise ValueError(f"{self._place} ends {len(view) - done} bytes too early")
            done += n

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()


class ZarrSource:
    """Another Zarr array. Slabs follow the shards and chunks of what is written."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype

    def slabs(self, unit: tuple[int, ...]) -> Iterator[tuple[Region, npt.NDArray[Any]]]:
        """Yield what the array reads."""
        # Where the source's chunks are larger than the target's, whole numbers of both: no chunk is decoded twice.
        read_unit = write_unit(self.array)
        both = tuple(math.lcm(a, b) for a, b in zip(unit, read_unit, strict=True))
        fits = math.prod(map(min, both, self.shape)) * self.dtype.itemsize <= 2**28
        for region in plan_slabs(self.shape, both if fits else unit, self.dtype.itemsize):
            yield region, np.asarray(self.array.read(slices(region)))


def _read_header(file: IO[bytes], place: str) -> tuple[tuple[int, ...], str, np.dtype[Any]]:
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        version = np.lib.format.read_magic(file)
        shape, is_fortran, dtype = readers[version](file)
    except KeyError:
        raise ValueError(f"{place} is a .npy file of a version that holds no plain array") from None
    except ValueError as error:
        raise ValueError(f"{place} is not a .npy file: {error}") from None
    if dtype.hasobject:
        raise ValueError(f"{place} holds Python objects (a pickle), which are never loaded")
    if any(n < 0 for n in shape):
        raise ValueError(f"{place} has the shape {shape}")
    return shape, "F" if is_fortran else "C", dtype


def _plan(plan: Any, shape: tuple[int, ...], unit: tuple[int, ...], item_nbytes: int, order: str) -> Iterator[Region]:
    """Plan in the order in which the file is laid out: a Fortran file is a C file of the reversed shape."""
    if order == "C":
        yield from plan(shape, unit, item_nbytes)
    else:
        for region in plan(shape[::-1], unit[::-1], item_nbytes):
            yield region[::-1]
