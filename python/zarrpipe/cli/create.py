"""A new array at a path, filled from a source: it appears when it is complete, and not before."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zarrpipe
from zarrpipe.arrays.chunk_shapes import inner_chunks
from zarrpipe.arrays.slabs import slices, write_unit
from zarrpipe.cli.sources import Source, ZarrSource
from zarrpipe.codecs import codec_documents
from zarrpipe.progress import Progress, Tracked

if TYPE_CHECKING:
    from zarrpipe.arrays import Array

__all__ = ["Layout", "import_source", "sharding"]


@dataclass(frozen=True)
class Layout:
    """How the new array is stored; None leaves it to the source (another Zarr array) or to the defaults.

    Attributes
    ----------
    chunks : tuple of int, optional
        Shape of a chunk, or of an inner chunk where there are shards.
    shards : tuple of int, optional
        Shape of a shard.
    codecs : list of dict, optional
        The chain, or that of the inner chunks where there are shards.
    """

    chunks: tuple[int, ...] | None = None
    shards: tuple[int, ...] | None = None
    codecs: list[dict[str, Any]] | None = None


def import_source(source: Source, path: Path, layout: Layout, *, overwrite: bool, progress: Progress) -> Array:
    """Copy a source into a new array.

    Parameters
    ----------
    source : Source
        What is copied.
    path : Path
        Where the array will be. An array that is there stays as it is until the new one is complete.
    layout : Layout
        How it is stored.
    overwrite : bool
        Whether an array that is at `path` is replaced; anything else is not.
    progress : Progress
        Told of the bytes copied.

    Returns
    -------
    Array
        The new array, opened for reading.

    Raises
    ------
    FileExistsError
        There is something at `path`, and `overwrite` is not set.
    """
    if path.is_dir() and not any(path.iterdir()):
        overwrite = True
    elif path.exists() and overwrite:
        # Whatever is there will be deleted: let it be an array, and not somebody's folder.
        zarrpipe.open_array(path, mode="r")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is there already: --overwrite replaces it")
    with _replacing(path) as partial:
        array = _create(partial, source, layout)
        with Tracked(progress, array.nbytes) as work:
            for region, values in source.slabs(write_unit(array)):
                array.write(slices(region), values)
                work.advance(values.nbytes)
    return zarrpipe.open_array(path, mode="r")


def _create(path: Path, source: Source, layout: Layout) -> Array:
    chunks: Any = layout.chunks
    shards: Any = layout.shards
    codecs = layout.codecs
    options: dict[str, Any] = {"dtype": source.dtype}
    if isinstance(source, ZarrSource):
        # NumPy has one type for all that are objects.
        options["dtype"] = source.array.metadata.data_type
        options["attributes"] = dict(source.array.attrs)
        options["dimension_names"] = source.array.metadata.dimension_names
        options["fill_value"] = source.array.fill_value
        if chunks is None and shards is None:
            grid, inner = source.array.metadata.chunk_grid, inner_chunks(codec_documents(source.array.codecs))
            chunks, shards = (grid, None) if inner is None else (inner, grid)
        if codecs is None and source.array.zarr_format != "n5":
            # Of v2 too: the chain is the same in v3. Blocks of N5 have headers, which chunks of Zarr need not.
            codecs = _inner_chain(codec_documents(source.array.codecs))
    if codecs is None:
        options.update(chunks=chunks or "auto", shards=shards)
    elif shards is None:
        options.update(chunks=chunks or "auto", codecs=codecs)
    else:
        # `codecs=` is the whole chain, and the grid's chunks are then the shards.
        options.update(chunks=shards, codecs=[sharding(chunks, codecs)])
    return zarrpipe.create_array(path, shape=source.shape, **options)


def _inner_chain(codecs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the chain that encodes inner chunks; without shards, the whole chain."""
    for codec in codecs:
        if codec["name"] == "sharding_indexed":
            inner: list[dict[str, Any]] = codec["configuration"]["codecs"]
            return inner
    return codecs


def sharding(chunks: tuple[int, ...] | None, codecs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the codec of shards whose inner chunks have a shape and a chain."""
    if chunks is None:
        raise ValueError("--shards with --codecs needs --chunks, the shape of an inner chunk")
    return {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": list(chunks),
            "codecs": codecs,
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        },
    }


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a directory that takes the place of `path` when the block ends well, and is removed when it does not."""
    path = Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow a link at the end of the path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, old = (path.with_name(f".zarrpipe-{uuid.uuid4().hex}.partial") for _ in range(2))
    try:
        yield partial
        if path.exists():
            path.rename(old)
        partial.rename(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.unlink(missing_ok=True)
