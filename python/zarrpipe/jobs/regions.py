"""Copying the items of arrays, a region at a time: for copies that are stored in another way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from zarrpipe.abc.metadata import concurrent_map
from zarrpipe.arrays import Array, aligned_slabs, slices
from zarrpipe.arrays.slabs import Region, plan_slabs, write_unit
from zarrpipe.config import config
from zarrpipe.jobs.journal import COPIED, load_regions, save_regions
from zarrpipe.jobs.planning import ArrayCopy
from zarrpipe.metadata import RegularChunkGrid, join_key
from zarrpipe.nodes import NodeAccess

__all__ = ["Regions"]

REGION_NBYTES: Final = 64 * 2**20
"""The size of a region, unless a single shard or chunk of the copy is larger."""

_TOGETHER_NBYTES: Final = 2 * REGION_NBYTES


class Regions:
    """Copies arrays by reading and writing regions of whole shards, or chunks, of the copy.

    Parameters
    ----------
    dest : NodeAccess
        The copy's store.
    keeps_journal : bool
        Whether it is written down how far the copy has come.
    """

    def __init__(self, dest: NodeAccess, *, keeps_journal: bool) -> None:
        self._dest = dest
        self._keeps_journal = keeps_journal
        self.chunks_encoded = 0
        self.chunks_skipped = 0

    async def copy(self, array: ArrayCopy, advance: Callable[[int], None], *, resume: bool) -> None:
        """Copy the items of an array.

        Parameters
        ----------
        array : ArrayCopy
            Which one.
        advance : callable
            Told how many items' bytes are done.
        resume : bool
            Whether the regions that an earlier copy has written are left out.
        """
        source, dest = array.source, array.dest
        itemsize = dest.dtype.itemsize

        async def copy_one(region: Region) -> None:
            selection = slices(region)
            await dest.write_async(selection, await source.read_async(selection))

        regions = _regions(source, dest)
        done = await load_regions(self._dest, dest.path, REGION_NBYTES) if resume else 0
        for region in islice(regions, done):
            self.chunks_skipped += _count_chunks(dest, region)
            advance(_count_items(region) * itemsize)
        for batch in _batches(regions, itemsize):
            await concurrent_map([(region,) for region in batch], copy_one)
            done += len(batch)
            if self._keeps_journal:
                await save_regions(self._dest, dest.path, done, REGION_NBYTES)
            for region in batch:
                self.chunks_encoded += _count_chunks(dest, region)
                advance(_count_items(region) * itemsize)

    async def forget(self, array: ArrayCopy) -> None:
        """Delete what says how far the copy of an array has come."""
        if self._keeps_journal:
            await self._dest.delete(join_key(array.dest.path, COPIED))


def _regions(source: Array, dest: Array) -> Iterator[Region]:
    """Cut the copy into regions in which none of its shards is cut, nor one of the source's where that is small enough.

    They depend on the arrays alone: a copy that is gone on with counts them.
    """
    if not isinstance(dest.metadata.chunk_grid, RegularChunkGrid):
        return aligned_slabs(dest)
    unit = write_unit(dest)
    if isinstance(source.metadata.chunk_grid, RegularChunkGrid):
        # Else a chunk of the source is decoded for each region that it has a part in.
        pairs = zip(unit, write_unit(source), dest.shape, strict=True)
        both = tuple(wide if (wide := math.lcm(new, old)) <= n else -(-n // new) * new for new, old, n in pairs)
        if math.prod(both) * dest.dtype.itemsize <= REGION_NBYTES:
            unit = both
    return plan_slabs(dest.shape, unit, dest.dtype.itemsize, REGION_NBYTES)


def _batches(regions: Iterator[Region], itemsize: int) -> Iterator[list[Region]]:
    """Put together regions that are in memory at once."""
    batch: list[Region] = []
    held = 0
    limit = config.current.io_requests
    for region in regions:
        nbytes = _count_items(region) * itemsize
        if batch and (held + nbytes > _TOGETHER_NBYTES or len(batch) >= limit):
            yield batch
            batch, held = [], 0
        batch.append(region)
        held += nbytes
    if batch:
        yield batch


def _count_items(region: Region) -> int:
    return math.prod(stop - start for start, stop in region)


def _count_chunks(array: Array, region: Region) -> int:
    """Return how many chunks with a key a region has."""
    if not isinstance(array.metadata.chunk_grid, RegularChunkGrid):
        return 1
    return math.prod(-(-(stop - start) // n) for (start, stop), n in zip(region, write_unit(array), strict=True))
