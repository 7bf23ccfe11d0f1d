"""How each node is copied: with its stored bytes as they are, or encoded anew. Nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from zarrpipe._types import ZarrFormat
from zarrpipe.api.copying import plan_alike
from zarrpipe.arrays import Array, check_zarr_format
from zarrpipe.arrays.stored_chunks import chunk_at
from zarrpipe.jobs.found import FoundNode, Source
from zarrpipe.metadata import (
    ZARR_JSON,
    ZMETADATA,
    AnyArrayMetadata,
    AnyGroupMetadata,
    GroupMetadata,
    N5ArrayMetadata,
    join_key,
)
from zarrpipe.nodes import check_path, group_metadata
from zarrpipe.spec import parse_array_config
from zarrpipe.stores import StorePath

__all__ = ["ArrayCopy", "GroupCopy", "Plan", "plan_copy"]


@dataclass(slots=True)
class ArrayCopy:
    """How an array is copied.

    Parameters
    ----------
    source, dest : Array
        What is read, and what is written: its document is not there before all else is.
    documents : dict of str to bytes
        Those of the copy, by name, the one that makes it a node last.
    is_encoded : bool
        Whether chunks are decoded and encoded anew, rather than copied as they are.
    keys : list of str, optional
        The keys of the chunks that are stored, below the array's; None where that is not known.
    """

    source: Array
    dest: Array
    documents: dict[str, bytes]
    is_encoded: bool
    keys: list[str] | None

    @property
    def path(self) -> str:
        """Of the copy, in its store."""
        return self.dest.path

    def dest_key(self, key: str) -> str:
        """Return the key of a chunk of the copy, below the array's, from that of the source's."""
        old, new = self.source.metadata, self.dest.metadata
        if old.chunk_key_encoding == new.chunk_key_encoding:
            return key
        coords = chunk_at(old, key)
        return key if coords is None else new.encode_chunk_key(coords)


@dataclass(slots=True)
class GroupCopy:
    """How a group is copied.

    Parameters
    ----------
    path : str
        Of the copy, in its store.
    documents : dict of str to bytes
        Those of the copy, by name, the one that makes it a node last.
    consolidate : bool
        Whether its consolidated metadata are written anew, since those of the source would not be right.
    """

    path: str
    documents: dict[str, bytes]
    consolidate: bool


@dataclass(slots=True)
class Plan:
    """How all is copied.

    Parameters
    ----------
    arrays : list of ArrayCopy
        The arrays.
    groups : list of GroupCopy
        The groups, each behind those below it.
    foreign : list of str
        Keys below the source that are not copied: they belong to none of its nodes.
    """

    arrays: list[ArrayCopy]
    groups: list[GroupCopy]
    foreign: list[str]

    @property
    def zarr_format(self) -> ZarrFormat:
        """The format of the node at the top."""
        top = self.groups[-1] if self.groups else self.arrays[0]
        return 3 if ZARR_JSON in top.documents else 2


def plan_copy(source: Source, place: StorePath, dest: StorePath, options: Mapping[str, Any]) -> Plan:
    """Plan a copy. All that can be wrong with what is asked for is found here.

    Parameters
    ----------
    source : Source
        What is copied.
    place, dest : StorePath
        Where it lies, and where the copy will.
    options : mapping
        What is different in the copy: parameters of `zarrpipe.copy`.

    Raises
    ------
    ValueError, TypeError, MetadataError, UnsupportedError
        An array cannot be stored in the way asked for; the message says which.
    """
    arrays, groups = [], []
    for node in source.nodes:
        at = StorePath(dest.store, join_key(dest.path, node.path).rstrip("/"))
        if isinstance(node.metadata, AnyArrayMetadata):
            there = StorePath(place.store, join_key(place.path, node.path).rstrip("/"))
            arrays.append(_plan_array(node, node.metadata, there, at, options))
        else:
            groups.append((node, node.metadata, at.path))
    changed = any(array.is_encoded for array in arrays) or any(
        array.dest.zarr_format != array.source.zarr_format for array in arrays
    )
    planned = [_plan_group(*group, options.get("zarr_format"), changed=changed) for group in groups]
    for path, documents in [(a.dest.path, a.documents) for a in arrays] + [(g.path, g.documents) for g in planned]:
        check_path(path, 3 if ZARR_JSON in documents else 2)
    # Each group is found before what is below it.
    return Plan(arrays, planned[::-1], source.foreign)


def _plan_array(
    node: FoundNode, metadata: AnyArrayMetadata, place: StorePath, dest: StorePath, options: Mapping[str, Any]
) -> ArrayCopy:
    config = parse_array_config(None)
    source = Array(metadata, place, config)
    options = dict(options)
    layout = options.pop("layout", None)
    if layout is not None:
        options |= layout(source)
    zarr_format = options.get("zarr_format")
    is_same = not isinstance(metadata, N5ArrayMetadata) and zarr_format in (None, metadata.zarr_format)
    if is_same and not options.keys() - {"zarr_format"}:
        return ArrayCopy(source, Array(metadata, dest, config), node.documents, False, node.keys)
    try:
        new = plan_alike(source, options).at(dest)
    except (ValueError, TypeError, NotImplementedError) as error:
        error.add_note(f"in the copy of the array {source.name!r}")
        raise
    if new.metadata == metadata:
        return ArrayCopy(source, new, node.documents, False, node.keys)
    return ArrayCopy(source, new, new.metadata.documents(), True, node.keys)


def _plan_group(
    node: FoundNode, metadata: AnyGroupMetadata, path: str, zarr_format: Any, *, changed: bool
) -> GroupCopy:
    own = 3 if metadata.zarr_format == "n5" else metadata.zarr_format
    wanted = check_zarr_format(zarr_format or own)
    is_consolidated = ZMETADATA in node.documents or (
        isinstance(metadata, GroupMetadata) and metadata.consolidated_metadata is not None
    )
    if wanted == metadata.zarr_format and not (changed and is_consolidated):
        return GroupCopy(path, node.documents, False)
    new: AnyGroupMetadata = metadata
    if wanted != metadata.zarr_format:
        new = group_metadata(wanted, dict(metadata.attributes))
    elif isinstance(metadata, GroupMetadata):
        new = replace(metadata, consolidated_metadata=None)
    return GroupCopy(path, new.documents(), is_consolidated)
