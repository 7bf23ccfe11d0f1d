"""Many nodes created at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zarrpipe.errors import MetadataError, NodeExistsError
from zarrpipe.metadata import AnyArrayMetadata, AnyGroupMetadata, Consolidated, StoredNode, normalize_path, parent_paths
from zarrpipe.nodes.access import NodeAccess
from zarrpipe.nodes.consolidated import Owner, stored_node, update_consolidated
from zarrpipe.nodes.documents import (
    NodeMetadata,
    check_path,
    check_writable,
    find_node,
    group_metadata,
    write_documents,
)

__all__ = ["create_nodes", "plan_hierarchy"]


def plan_hierarchy(nodes: Mapping[str, Any]) -> dict[str, NodeMetadata]:
    """Return nodes by normalised path, after all that can be wrong with them alone was looked for.

    Raises
    ------
    TypeError
        One is no metadata.
    ValueError
        They are of different formats, or one is below an array, or two have one path.
    MetadataError
        A path cannot be that of a node.
    """
    planned: dict[str, NodeMetadata] = {}
    for given, metadata in nodes.items():
        path = normalize_path(given)
        if not isinstance(metadata, AnyArrayMetadata | AnyGroupMetadata):
            raise TypeError(f"the node at {given!r} is given by its metadata, not by {type(metadata).__name__}")
        if path in planned:
            raise ValueError(f"two nodes have the path {'/' + path!r}")
        check_path(path, metadata.zarr_format)
        planned[path] = metadata
    formats = {metadata.zarr_format for metadata in planned.values()}
    if len(formats) > 1:
        raise ValueError(f"the nodes of a hierarchy have one format, not {sorted(map(str, formats))}")
    if "n5" in formats:
        raise MetadataError("N5 is read only")
    for path in planned:
        for parent in parent_paths(path):
            if isinstance(planned.get(parent), AnyArrayMetadata):
                message = f"{'/' + parent!r} is an array, and has no node {'/' + path!r} below it"
                raise ValueError(message)  # noqa: TRY004 - as zarr-python has it
    return dict(sorted(planned.items()))


async def create_nodes(
    access: NodeAccess, nodes: Mapping[str, NodeMetadata], *, overwrite: bool, owner: Owner | None = None
) -> list[str]:
    """Write the documents of many nodes, and of the groups above them that are not there: many at once.

    Parameters
    ----------
    access : NodeAccess
        The store.
    nodes : mapping
        What `plan_hierarchy` returned.
    overwrite : bool
        Whether nodes that are there are deleted, with all that is below them.
    owner : Owner, optional
        A group above all of them with consolidated metadata.

    Returns
    -------
    list of str
        The paths of the groups that were created beside `nodes`.

    Raises
    ------
    NodeExistsError
        There is a node at one of the paths and `overwrite` is not set, or a node above one is an array. Nothing was
        written then.
    """
    check_writable(access.store)
    documents = {path: metadata.documents() for path, metadata in nodes.items()}
    above = sorted({parent for path in nodes for parent in parent_paths(path)} - nodes.keys())
    existing = await _existing(access, [*above, *nodes])
    for path in above:
        if path in existing and existing[path].node_type == "array":
            raise NodeExistsError(f"{'/' + path!r} in {access.store} is an array, and has no nodes below it")
    taken = [path for path in nodes if path in existing]
    if taken and not overwrite:
        raise NodeExistsError(f"there is a node at {'/' + taken[0]!r} in {access.store} already", key=taken[0])
    if overwrite:
        # Those below another that is deleted go with it.
        outermost = [path for path in nodes if not any(parent in nodes for parent in parent_paths(path))]
        await access.each(outermost, lambda path: _delete(access, path))
    missing = {path: group_metadata(_format(nodes)) for path in above if path not in existing}
    new = {**documents, **{path: metadata.documents() for path, metadata in missing.items()}}
    # Level by level: no node is seen before the groups above it are.
    levels: dict[int, list[str]] = {}
    for path in new:
        levels.setdefault(len(parent_paths(path)), []).append(path)
    for _, paths in sorted(levels.items()):
        await access.each(paths, lambda path: write_documents(access, path, new[path]))
    seen = [path for path in above if path in existing and Consolidated.from_group(existing[path]) is not None]
    if owner is not None or seen:
        gone: dict[str, StoredNode | None] = dict.fromkeys(taken)
        added = {path: stored_node(path, metadata) for path, metadata in {**missing, **nodes}.items()}
        for changes in (gone, added) if gone else (added,):
            await update_consolidated(access, changes, owner, seen=seen)
    return sorted(missing)


def _format(nodes: Mapping[str, NodeMetadata]) -> Any:
    return next(iter(nodes.values())).zarr_format


async def _existing(access: NodeAccess, paths: list[str]) -> dict[str, StoredNode]:
    found = await access.each(paths, lambda path: find_node(access, path, "zarr", together=True))
    return {node.path: node for node in found if node is not None}


async def _delete(access: NodeAccess, path: str) -> None:
    if not await access.is_empty(path):
        await access.delete_dir(path)
