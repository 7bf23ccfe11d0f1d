"""A planned copy, carried out: what is in the way, the order in which things are written, and the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from zarrpipe.arrays.stored_chunks import chunk_count
from zarrpipe.errors import NodeExistsError, UnsupportedError
from zarrpipe.jobs.journal import COPY, fingerprint
from zarrpipe.jobs.planning import ArrayCopy, GroupCopy, Plan
from zarrpipe.jobs.regions import Regions
from zarrpipe.jobs.stored_bytes import StoredBytes, tells_size
from zarrpipe.metadata import ZARR_JSON, ZMETADATA, GroupMetadata, StoredNode, join_key
from zarrpipe.nodes import (
    NodeAccess,
    consolidate,
    find_node,
    group_metadata,
    missing_groups,
    update_consolidated,
    write_documents,
)
from zarrpipe.progress import Progress, Tracked

__all__ = ["CopyReport", "dry_run_copy", "run_copy"]


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy did, or with `dry_run` would do.

    Parameters
    ----------
    arrays, groups : int
        How many there are, those too that were complete before.
    chunks_copied : int
        Chunks with a key (shards, where there are shards) whose stored bytes were copied as they are.
    nbytes_copied : int
        These bytes; None where nothing was copied and the store does not tell sizes.
    chunks_encoded : int
        Chunks with a key that were encoded anew, those too that then need not be stored.
    chunks_skipped : int
        Chunks that an earlier copy had stored.
    foreign_keys : tuple of str
        Keys of the source that were not copied: they belong to none of its nodes.
    """

    arrays: int
    groups: int
    chunks_copied: int
    nbytes_copied: int | None
    chunks_encoded: int
    chunks_skipped: int
    foreign_keys: tuple[str, ...]


async def dry_run_copy(plan: Plan, source: NodeAccess) -> CopyReport:
    """Return what a copy would do."""
    kept = [array for array in plan.arrays if not array.is_encoded]
    keys = [join_key(array.source.path, key) for array in kept for key in array.keys or ()]
    is_known = tells_size(source.store) and all(array.keys is not None for array in kept)
    sizes = await source.each(keys, source.size) if is_known else []
    return CopyReport(
        arrays=len(plan.arrays),
        groups=len(plan.groups),
        chunks_copied=sum(_count_keys(array) for array in kept),
        nbytes_copied=sum(size or 0 for size in sizes) if is_known else None,
        chunks_encoded=sum(chunk_count(array.dest.metadata) for array in plan.arrays if array.is_encoded),
        chunks_skipped=0,
        foreign_keys=tuple(sorted(plan.foreign)),
    )


def _count_keys(array: ArrayCopy) -> int:
    return chunk_count(array.source.metadata) if array.keys is None else len(array.keys)


async def run_copy(
    plan: Plan,
    source: NodeAccess,
    dest: NodeAccess,
    path: str,
    *,
    overwrite: bool,
    resume: bool,
    progress: Progress,
) -> CopyReport:
    """Carry out a copy; for the parameters see `zarrpipe.copy`."""
    copying = _Copying(plan, source, dest, path)
    await copying.begin(overwrite=overwrite, resume=resume)
    with Tracked(progress, sum(array.source.nbytes for array in plan.arrays)) as work:
        await copying.copy_arrays(work.advance)
    await copying.finish()
    return copying.report()


def _without_consolidated(group: GroupCopy, data: bytes) -> bytes | None:
    metadata = StoredNode.from_bytes(group.path, {ZARR_JSON: data}).parse()
    if not isinstance(metadata, GroupMetadata):
        return None
    return replace(metadata, consolidated_metadata=None).documents()[ZARR_JSON]


class _Copying:
    """A copy that is under way."""

    def __init__(self, plan: Plan, source: NodeAccess, dest: NodeAccess, path: str) -> None:
        self._plan = plan
        self._dest = dest
        self._path = path
        self._can_delete = bool(getattr(dest.store, "supports_deletes", True))
        self._bytes = StoredBytes(source, dest)
        self._regions = Regions(dest, keeps_journal=self._can_delete)
        self._resumed = False
        self._complete_chunks = 0
        self._journal = join_key(path, COPY)
        self._fingerprint = fingerprint(plan, path)
        self._parents: list[str] = []
        self._seen: list[str] = []

    # What is there before

    async def begin(self, *, overwrite: bool, resume: bool) -> None:
        """See what is at the copy's place, and say what will be there."""
        if resume and not self._can_delete:
            raise UnsupportedError(f"a copy to {self._dest.store} cannot be gone on with: the store deletes nothing")
        self._parents, self._seen = await missing_groups(self._dest, self._path)
        begun = await self._dest.get(self._journal)
        node = await find_node(self._dest, self._path, "zarr")
        if resume and (begun is not None or node is not None):
            await self._check_same(begun)
            self._resumed = True
        elif begun is not None or node is not None:
            if not overwrite:
                what = "a copy that was cut off: resume=True goes on with it" if begun is not None else "a node"
                message = f"there is {what} at {'/' + self._path!r} in {self._dest.store} already"
                raise NodeExistsError(message, key=self._journal if begun is not None else self._path)
            await self._clear(node)
        elif self._dest.store.supports_listing and not await self._dest.is_empty(self._path):
            # It might become a part of the copy, or be somebody's files.
            message = f"there is something at {'/' + self._path!r} in {self._dest.store} that is no node"
            raise NodeExistsError(message, key=self._path)
        if self._can_delete:
            await self._dest.set(self._journal, self._fingerprint)
        group = group_metadata(self._plan.zarr_format)
        for parent in self._parents:
            await write_documents(self._dest, parent, group.documents())

    async def _check_same(self, begun: bytes | None) -> None:
        """Raise NodeExistsError if what is there is not this copy, begun or complete."""
        if begun is not None and begun == self._fingerprint:
            return
        nodes: list[ArrayCopy | GroupCopy] = [*self._plan.arrays, *self._plan.groups]
        if begun is None and all(await self._dest.each(nodes, self._is_complete)):
            return
        message = f"what is at {'/' + self._path!r} in {self._dest.store} is not a part of this copy"
        raise NodeExistsError(message, key=self._journal if begun is not None else self._path)

    async def _clear(self, node: StoredNode | None) -> None:
        # The documents first: a node that is half deleted is none.
        for name in list(node.documents)[::-1] if node is not None else ():
            await self._dest.delete(join_key(self._path, name))
        await self._dest.delete_dir(self._path)

    async def _is_complete(self, node: ArrayCopy | GroupCopy) -> bool:
        """Whether a node of the copy has its document, which is written last."""
        name = list(node.documents)[-1]
        found = await self._dest.get(join_key(node.path, name))
        if isinstance(node, GroupCopy) and node.consolidate and name == ZARR_JSON:
            # What was consolidated stands in there, too.
            return found is not None and _without_consolidated(node, found) == node.documents[name]
        return found == node.documents[name]

    # Copying

    async def copy_arrays(self, advance: Callable[[int], None]) -> None:
        """Copy the chunks of all arrays, and then the documents of each."""

        async def copy_bytes(array: ArrayCopy) -> None:
            if not await self._skip(array, advance):
                await self._bytes.copy(array, advance, resume=self._resumed)
                await write_documents(self._dest, array.dest.path, array.documents)

        # Those that are copied as they are all at once: there may be many small ones.
        await self._dest.each([array for array in self._plan.arrays if not array.is_encoded], copy_bytes)
        for array in self._plan.arrays:
            if array.is_encoded and not await self._skip(array, advance):
                await self._regions.copy(array, advance, resume=self._resumed)
                await write_documents(self._dest, array.dest.path, array.documents)
                await self._regions.forget(array)

    async def _skip(self, array: ArrayCopy, advance: Callable[[int], None]) -> bool:
        if not (self._resumed and await self._is_complete(array)):
            return False
        self._complete_chunks += chunk_count(array.dest.metadata) if array.is_encoded else _count_keys(array)
        advance(array.source.nbytes)
        if array.is_encoded:
            await self._regions.forget(array)
        return True

    # At the end

    async def finish(self) -> None:
        """Write the documents of the groups, the outermost last."""
        levels: dict[int, list[GroupCopy]] = {}
        for group in self._plan.groups:
            levels.setdefault(len(group.path.split("/")) if group.path else 0, []).append(group)
        for _, groups in sorted(levels.items(), reverse=True):
            await self._dest.each(groups, lambda group: write_documents(self._dest, group.path, group.documents))
        for group in self._plan.groups:
            if group.consolidate:
                await consolidate(self._dest, group.path, None)
        if self._seen:
            await self._tell_above()
        if self._can_delete:
            await self._dest.delete(self._journal)

    async def _tell_above(self) -> None:
        """Put what is new into the consolidated metadata of a group above the copy."""
        group = group_metadata(self._plan.zarr_format).documents()
        new: dict[str, Any] = {parent: StoredNode.from_bytes(parent, group) for parent in self._parents}
        nodes = [(array.dest.path, array.documents) for array in self._plan.arrays]
        nodes += [(group_copy.path, group_copy.documents) for group_copy in self._plan.groups]
        for path, documents in sorted(nodes):
            own = {name: data for name, data in documents.items() if name != ZMETADATA}
            new[path] = StoredNode.from_bytes(path, own)
        await update_consolidated(self._dest, new, None, seen=self._seen)

    def report(self) -> CopyReport:
        """Return what was done."""
        return CopyReport(
            arrays=len(self._plan.arrays),
            groups=len(self._plan.groups),
            chunks_copied=self._bytes.keys_copied,
            nbytes_copied=self._bytes.nbytes_copied,
            chunks_encoded=self._regions.chunks_encoded,
            chunks_skipped=self._bytes.keys_skipped + self._regions.chunks_skipped + self._complete_chunks,
            foreign_keys=tuple(sorted(self._plan.foreign)),
        )
