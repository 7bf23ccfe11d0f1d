"""Many nodes created at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zarrpipe.api.place import resolve_place
from zarrpipe.arrays import Array, check_zarr_format
from zarrpipe.group import Group, node_at
from zarrpipe.nodes import NodeAccess, NodeMetadata, create_nodes, group_metadata, plan_hierarchy, run
from zarrpipe.stores import StorePath

__all__ = ["create_hierarchy", "create_hierarchy_async"]


def create_hierarchy(
    *, store: Any, nodes: Mapping[str, NodeMetadata], overwrite: bool = False
) -> Iterator[tuple[str, Array | Group]]:
    """Create many arrays and groups at once.

    Documents are written level by level, those of a level many at a time; groups above the nodes, the root too, are
    created where they are not there.

    Parameters
    ----------
    store : str, Path, Store, StorePath or dict
        Where.
    nodes : mapping
        The metadata of arrays and groups (`zarrpipe.metadata`) by their paths, all of one format.
    overwrite : bool
        Whether nodes that are there are deleted, with all that is below them. Groups that are not among `nodes` stay.

    Returns
    -------
    iterator of (str, Array or Group)
        What was created, with its path. All is written when this returns.

    Raises
    ------
    NodeExistsError
        There is a node at one of the paths, or a node above one is an array. Nothing was written.
    ValueError
        The nodes are of different formats, or one is below an array.
    TypeError
        One is no metadata.

    Examples
    --------
    >>> import zarrpipe
    >>> from zarrpipe.metadata import ArrayMetadata, GroupMetadata, RegularChunkGrid
    >>> array = ArrayMetadata(
    ...     shape=(4,), data_type="uint8", chunk_grid=RegularChunkGrid((2,)), fill_value=0, codecs=("bytes",)
    ... )
    >>> nodes = {"a": GroupMetadata(attributes={"title": "t"}), "b/c": array}
    >>> [path for path, _ in zarrpipe.create_hierarchy(store={}, nodes=nodes)]
    ['', 'a', 'b', 'b/c']
    """
    place = resolve_place(store, None, "a")
    planned = _below(place, nodes)
    if planned:
        run(place.store, lambda access: _create(access, planned, overwrite=overwrite))
    return _created(place, planned)


async def create_hierarchy_async(
    *, store: Any, nodes: Mapping[str, NodeMetadata], overwrite: bool = False
) -> Iterator[tuple[str, Array | Group]]:
    """`create_hierarchy` without blocking the running event loop."""
    place = resolve_place(store, None, "a")
    planned = _below(place, nodes)
    if planned:
        await _create(NodeAccess(place.store, blocking=False), planned, overwrite=overwrite)
    return _created(place, planned)


def _below(place: StorePath, nodes: Mapping[str, NodeMetadata]) -> dict[str, NodeMetadata]:
    return {(place / path).path: metadata for path, metadata in plan_hierarchy(nodes).items()}


async def _create(access: NodeAccess, planned: dict[str, NodeMetadata], *, overwrite: bool) -> None:
    missing = await create_nodes(access, planned, overwrite=overwrite)
    zarr_format = check_zarr_format(next(iter(planned.values())).zarr_format)
    planned.update({path: group_metadata(zarr_format) for path in missing})


def _created(place: StorePath, planned: Mapping[str, NodeMetadata]) -> Iterator[tuple[str, Array | Group]]:
    for path, metadata in sorted(planned.items()):
        below = path[len(place.path) + bool(place.path) :]
        yield below, node_at(metadata, StorePath(place.store, path))
