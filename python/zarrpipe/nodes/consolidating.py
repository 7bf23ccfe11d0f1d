"""Consolidated metadata as a whole: written, and compared with what they speak of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from zarrpipe._types import StoredFormat
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.metadata import (
    ZATTRS,
    ZGROUP,
    ZMETADATA,
    AnyGroupMetadata,
    Consolidated,
    GroupMetadata,
    StoredNode,
    join_key,
    metadata_key,
    same_documents,
)
from zarrpipe.nodes.access import NodeAccess
from zarrpipe.nodes.consolidated import Owner, check_can_consolidate, load_consolidated
from zarrpipe.nodes.documents import NodeMetadata, change_node, check_writable, load_group
from zarrpipe.nodes.scanning import Scan

__all__ = ["ConsolidatedDifference", "consolidate", "differences", "nodes_below"]


@dataclass(frozen=True, slots=True)
class ConsolidatedDifference:
    """A node of which consolidated metadata do not say what the store has.

    Parameters
    ----------
    path : str
        The node's path in the store.
    kind : {"stale", "missing", "extra"}
        Its documents are others; or it is in the store alone; or in the consolidated metadata alone.
    """

    path: str
    kind: Literal["stale", "missing", "extra"]


async def nodes_below(access: NodeAccess, path: str, zarr_format: object) -> list[StoredNode]:
    """Return all nodes below a group as the store has them: each group before what is below it."""
    scan = Scan(access, "zarr", zarr_format, use_consolidated=False)
    return [found.node for found in await scan.nodes(await scan.candidates(path), None)]


async def consolidate(
    access: NodeAccess, path: str, zarr_format: StoredFormat | None
) -> tuple[AnyGroupMetadata, Owner]:
    """Write the consolidated metadata of a group, and return its metadata: see `zarrpipe.consolidate_metadata`."""
    check_can_consolidate(access.store)
    check_writable(access.store)
    metadata, found = await load_group(access, path, zarr_format)
    if metadata.zarr_format == "n5":
        raise UnsupportedError("N5 is only read: it has no consolidated metadata")
    new = Consolidated(path, metadata.zarr_format)
    below = await nodes_below(access, path, metadata.zarr_format)
    # Groups before their members, as zarr-python has them.
    below.sort(key=lambda node: (node.path.count("/"), node.path))
    # In format 2 the group's own documents are in there, too.
    for node in [found, *below] if metadata.zarr_format == 2 else below:
        new.put(node)
    if metadata.zarr_format == 2:
        await access.set(join_key(path, ZMETADATA), new.to_bytes())
        return metadata, Owner(path, new)
    written: list[AnyGroupMetadata] = []

    def changed(node: NodeMetadata) -> AnyGroupMetadata:
        if not isinstance(node, GroupMetadata):
            raise MetadataError("the group was replaced while it was consolidated", key=metadata_key(path))
        written.append(replace(node, consolidated_metadata=new.document))
        return written[-1]

    await change_node(access, path, changed, lambda _: None, 3)
    return written[-1], Owner(path, new)


async def differences(
    access: NodeAccess, owner: Owner, zarr_format: StoredFormat
) -> tuple[ConsolidatedDifference, ...]:
    """Compare a group's consolidated metadata with the store: see `zarrpipe.Group.check_consolidated`."""
    stored = await load_consolidated(access, owner.path, zarr_format, owner.name)
    if stored is None:
        message = f"the group {'/' + owner.path!r} has no consolidated metadata"
        raise MetadataError(message, key=metadata_key(owner.path))
    real = {node.path: node for node in await nodes_below(access, owner.path, zarr_format)}
    held = {path: node for path in stored.paths() if (node := stored.find(path)) is not None}
    if zarr_format == 2:
        _, real[owner.path] = await load_group(access, owner.path, 2)
        documents = stored.document["metadata"]
        if ZGROUP in documents:
            own = {name: documents[name] for name in (ZGROUP, ZATTRS) if name in documents}
            held[owner.path] = StoredNode(owner.path, own)
    found = []
    for path in sorted(real.keys() | held.keys()):
        if path not in held:
            found.append(ConsolidatedDifference(path, "missing"))
        elif path not in real:
            found.append(ConsolidatedDifference(path, "extra"))
        elif not same_documents(real[path], held[path]):
            found.append(ConsolidatedDifference(path, "stale"))
    return tuple(found)
