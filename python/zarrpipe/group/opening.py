"""Groups from what was found in a store."""

from __future__ import annotations

from zarrpipe.arrays import Array
from zarrpipe.errors import MetadataError, UnsupportedError
from zarrpipe.group.group import Group
from zarrpipe.metadata import ZMETADATA, AnyArrayMetadata, AnyGroupMetadata, Consolidated, StoredNode, join_key
from zarrpipe.nodes import NodeMetadata, Owner, check_can_consolidate
from zarrpipe.spec import parse_array_config
from zarrpipe.stores import StorePath

__all__ = ["beside_group", "group_of", "node_at"]


def node_at(metadata: NodeMetadata, store_path: StorePath) -> Array | Group:
    """Return the array or group that metadata describe."""
    if isinstance(metadata, AnyArrayMetadata):
        return Array(metadata, store_path, parse_array_config(None))
    return Group(metadata, store_path)


def beside_group(store: object, use_consolidated: bool | str | None) -> str | None:
    """Return the name of the document that is asked for with those of a v2 group.

    Raises
    ------
    UnsupportedError
        Consolidated metadata are asked for, and the store holds none.
    """
    if use_consolidated is False:
        return None
    try:
        check_can_consolidate(store)  # type: ignore[arg-type]
    except UnsupportedError:
        if use_consolidated:
            raise
        return None
    return use_consolidated if isinstance(use_consolidated, str) else ZMETADATA


def group_of(
    metadata: AnyGroupMetadata, found: StoredNode, place: StorePath, use_consolidated: bool | str | None
) -> Group:
    """Return a group.

    Parameters
    ----------
    metadata : GroupMetadata, GroupV2Metadata or N5GroupMetadata
        What its documents say.
    found : StoredNode
        The documents, with what lies beside them.
    place : StorePath
        Where it lies.
    use_consolidated : bool, str or None
        Whether consolidated metadata are used: None where there are some. For format 2, the name of their document.

    Raises
    ------
    MetadataError
        They are asked for and not there, or not valid.
    """
    name = beside_group(place.store, use_consolidated)
    uses = name is not None
    if metadata.zarr_format == 3 and isinstance(use_consolidated, str):
        raise TypeError(
            "groups of format 3 have consolidated metadata in their own document: use_consolidated is a bool"
        )
    owner = None
    if metadata.zarr_format == 2:
        key = join_key(place.path, name or ZMETADATA)
        if found.beside is not None and uses:
            owner = Owner(place.path, Consolidated.from_bytes(place.path, found.beside, key=key), name or ZMETADATA)
        elif not uses:
            # Nobody has looked whether there are some, which writes will have to change.
            owner = Owner(place.path)
    group = Group(metadata, place, owner, use_consolidated=uses)
    if use_consolidated and not group.is_consolidated:
        raise MetadataError(
            f"the group {group.name!r} has no consolidated metadata: zarrpipe.consolidate_metadata writes them",
            key=join_key(place.path, metadata.document_name if metadata.zarr_format == 3 else name or ZMETADATA),
        )
    return group
