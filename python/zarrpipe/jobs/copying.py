"""`zarrpipe.copy`: arrays, groups and whole hierarchies, from any store to any store."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

from zarrpipe._types import ZarrFormat
from zarrpipe.api.copying import check_apart
from zarrpipe.api.place import resolve_place
from zarrpipe.arrays import Array, ChunksLike, CodecLike, CodecsLike, ShardsLike
from zarrpipe.driver import sync
from zarrpipe.jobs.found import find_source
from zarrpipe.jobs.planning import plan_copy
from zarrpipe.jobs.running import CopyReport, dry_run_copy, run_copy
from zarrpipe.nodes import NodeAccess, check_writable
from zarrpipe.progress import Progress, Silent
from zarrpipe.stores import StorePath
from zarrpipe.stores.zarr import uses_zarr_loop

__all__ = ["CopyReport", "copy", "copy_async"]

Keep: TypeAlias = Literal["keep"]


def copy(
    source: Any,
    dest: Any,
    *,
    path: str = "",
    dest_path: str = "",
    chunks: ChunksLike | Keep = "keep",
    shards: ShardsLike | Keep = "keep",
    filters: CodecsLike | Keep = "keep",
    compressors: CodecsLike | Keep = "keep",
    serializer: CodecLike | Keep = "keep",
    codecs: Iterable[CodecLike] | None = None,
    zarr_format: ZarrFormat | None = None,
    layout: Callable[[Array], Mapping[str, Any]] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
    source_options: Mapping[str, Any] | None = None,
    dest_options: Mapping[str, Any] | None = None,
) -> CopyReport:
    """Copy an array, or a group with all that is below it, from any store to any store.

    Where an array is stored in the copy as it was, its stored values are copied as they are, many at once, without
    being decoded; a chunk that is not stored is not stored in the copy. Where chunks, shards, codecs or the format
    differ, a part after the other is read and written, each of whole shards or chunks of the copy. Memory is bounded
    in both cases. N5 becomes Zarr.

    An array's document is written when its chunks are stored, and a group's after all that is below it: a copy that was
    cut off leaves nothing that looks whole. With `resume` it is gone on with, and nothing that is complete is copied
    again. What is told of the copy for that is in keys that begin with ``.zarrpipe-``, and deleted at its end. The
    source should not change meanwhile.

    Parameters
    ----------
    source, dest : str, Path, Store, StorePath or mapping
        The stores: see `zarrpipe.stores.make_store`.
    path, dest_path : str
        What is copied, and where the copy will be: paths in the stores.
    chunks, shards, filters, compressors, serializer, codecs
        How the arrays are stored in the copy: see `from_array`. By default as they are.
    zarr_format : {3, 2}, optional
        The format of the copy's documents; by default each node keeps its own.
    layout : callable, optional
        From an array of the source to how it is stored in the copy: any of the parameters above but `zarr_format`,
        for this array. For hierarchies whose arrays are to be stored in several ways.
    overwrite : bool
        Whether a node that is at the copy's place is deleted first, with all that is below it.
    resume : bool
        Whether an earlier copy of the same, which was cut off, is gone on with. Where there is none, one is begun.
    dry_run : bool
        Whether nothing is written, and only reported what would be copied.
    progress : Progress, optional
        Told of the bytes of items that are copied, before any compression.
    source_options, dest_options : mapping, optional
        For the URLs of remote stores: see `storage_options` of `create_array`.

    Returns
    -------
    CopyReport
        What was copied.

    Raises
    ------
    NodeNotFoundError
        There is nothing to copy.
    NodeExistsError
        There is something at the copy's place.
    ValueError
        One place is inside of the other; or an array cannot be stored in the way asked for.
    StoreError
        A value could not be read or written: the message names its key. `resume` goes on from there.
    MetadataError, UnsupportedError
        A document is not valid, or names what is not implemented.
    ReadOnlyError
        The store of the copy refuses writes.

    Examples
    --------
    >>> import zarrpipe
    >>> there, here = {}, {}
    >>> zarrpipe.create_array(there, name="a", shape=(4,), chunks=(2,), dtype="int8")[:2] = 5
    >>> report = zarrpipe.copy(there, here, path="a", dest_path="b")
    >>> report.arrays, report.chunks_copied, sorted(here)
    (1, 1, ['b/c/0', 'b/zarr.json', 'zarr.json'])
    >>> zarrpipe.copy(there, here, path="a", dest_path="c", chunks=(4,)).chunks_encoded
    1
    """
    options = _changes(locals())
    with _places(source, dest, path, dest_path, source_options, dest_options, dry_run=dry_run) as (old, new):

        def work() -> Coroutine[Any, Any, CopyReport]:
            return _copy(
                old, new, options, overwrite=overwrite, resume=resume, dry_run=dry_run, progress=progress or Silent()
            )

        # On zarr-python's loop where one of the stores needs it.
        return sync(work, new.store if uses_zarr_loop(new.store) else old.store)


async def copy_async(
    source: Any,
    dest: Any,
    *,
    path: str = "",
    dest_path: str = "",
    overwrite: bool = False,
    resume: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
    source_options: Mapping[str, Any] | None = None,
    dest_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> CopyReport:
    """`copy` without blocking the running event loop."""
    if unknown := sorted(options.keys() - _CHANGES.keys()):
        raise TypeError(f"a copy has no parameter {unknown[0]!r}")
    with _places(source, dest, path, dest_path, source_options, dest_options, dry_run=dry_run) as (old, new):
        return await _copy(
            old,
            new,
            _changes({**_CHANGES, **options}),
            overwrite=overwrite,
            resume=resume,
            dry_run=dry_run,
            progress=progress or Silent(),
        )


_CHANGES: Mapping[str, Any] = {
    **dict.fromkeys(("chunks", "shards", "filters", "compressors", "serializer"), "keep"),
    "codecs": None,
    "zarr_format": None,
    "layout": None,
}


def _changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those parameters that make the copy differ."""

    def is_default(value: Any, default: Any) -> bool:
        return value is default or (isinstance(value, str) and value == default)

    return {name: given[name] for name, default in _CHANGES.items() if not is_default(given[name], default)}


@contextmanager
def _places(
    source: Any,
    dest: Any,
    path: str,
    dest_path: str,
    source_options: Mapping[str, Any] | None,
    dest_options: Mapping[str, Any] | None,
    *,
    dry_run: bool,
) -> Iterator[tuple[StorePath, StorePath]]:
    """Give the places; stores that were made for them are closed."""
    # A store that is given as such is left as it is: nothing writes to it.
    old = resolve_place(source, path, "r" if _is_made(source) else None, source_options)
    new = resolve_place(dest, dest_path, None, dest_options)
    try:
        check_apart(old, new)
        if not dry_run:
            check_writable(new.store)
        yield old, new
    finally:
        for given, place in ((source, old), (dest, new)):
            if _is_made(given):
                place.store.close()


def _is_made(given: Any) -> bool:
    """Whether a store is made for a copy, rather than given."""
    return isinstance(given, str) or hasattr(given, "__fspath__")


async def _copy(
    source: StorePath,
    dest: StorePath,
    options: Mapping[str, Any],
    *,
    overwrite: bool,
    resume: bool,
    dry_run: bool,
    progress: Progress,
) -> CopyReport:
    if overwrite and resume:
        raise ValueError("a copy overwrites what is there, or goes on with it: not both")
    reading, writing = (NodeAccess(place.store, blocking=False) for place in (source, dest))
    plan = plan_copy(await find_source(reading, source.path), source, dest, options)
    if dry_run:
        return await dry_run_copy(plan, reading)
    return await run_copy(plan, reading, writing, dest.path, overwrite=overwrite, resume=resume, progress=progress)
