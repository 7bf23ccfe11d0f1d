"""What can be exported: .npy and raw binary. The file appears when it is complete, and not before."""

from __future__ import annotations

import io
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from zarrpipe.arrays.slabs import plan_slabs, slices, write_unit
from zarrpipe.errors import UnsupportedError
from zarrpipe.progress import Progress, Tracked

if TYPE_CHECKING:
    from zarrpipe.arrays import Array

__all__ = ["export"]


def export(array: Array, path: Path, *, header: bool, overwrite: bool, progress: Progress) -> int:
    """Write an array into one file, in C order.

    Parameters
    ----------
    array : Array
        What is written.
    path : Path
        The file.
    header : bool
        Whether it begins as a .npy file does, or holds the items alone.
    overwrite : bool
        Whether a file that is there is replaced.
    progress : Progress
        Told of the bytes written.

    Returns
    -------
    int
        Size of the file in bytes.

    Raises
    ------
    FileExistsError
        There is a file, and `overwrite` is not set.
    UnsupportedError
        The array holds text or bytes of any length.
    """
    if array.dtype.hasobject:
        raise UnsupportedError("items of variable length cannot be exported: these files hold items of one size")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is there already: --overwrite replaces it")
    head = _npy_header(array) if header else b""
    size: int = len(head) + array.nbytes
    with _replacing(path) as file:
        file.write(head)
        file.flush()
        # A full disk must be an error here: in a mapped page it would be a SIGBUS.
        if hasattr(os, "posix_fallocate") and size:
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        with Tracked(progress, array.nbytes) as work:
            for region in plan_slabs(array.shape, write_unit(array), array.dtype.itemsize):
                selection = slices(region)
                # A new mapping for each slab: the pages of the last one no longer count as this process's memory.
                mapped = np.memmap(file, array.dtype, mode="r+", offset=len(head), shape=array.shape)
                array.read(selection, out=np.asarray(mapped)[selection])
                del mapped
                work.advance(math.prod(stop - start for start, stop in region) * array.dtype.itemsize)
    return size


def _npy_header(array: Array) -> bytes:
    head = io.BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(head, description)
    return head.getvalue()


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` when the block ends well, and is removed when it does not."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".zarrpipe-", suffix=".partial")
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
