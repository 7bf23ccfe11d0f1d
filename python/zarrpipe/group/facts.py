"""What a group is: its place, its document and its attributes, without its members."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from zarrpipe._types import JSON, StoredFormat
from zarrpipe.config import config
from zarrpipe.display import GroupInfo
from zarrpipe.errors import ConflictError
from zarrpipe.metadata import (
    AnyGroupMetadata,
    Consolidated,
    GroupMetadata,
    basename,
    join_key,
    metadata_key,
    normalize_path,
)
from zarrpipe.nodes import Attributes, Formats, NodeAccess, NodeMetadata, Owner, change_node, run
from zarrpipe.stores import StorePath

if TYPE_CHECKING:
    from zarrpipe.abc.store import Store

__all__ = ["GroupFacts"]


def _group(node: NodeMetadata) -> AnyGroupMetadata:
    if not isinstance(node, AnyGroupMetadata):
        raise ConflictError("the group was replaced by an array since it was opened")
    return node


def _own_consolidated(metadata: AnyGroupMetadata, path: str) -> Consolidated | None:
    """Return what a v3 group's document holds of the nodes below."""
    field = metadata.consolidated_metadata if isinstance(metadata, GroupMetadata) else None
    if field is None or field["kind"] != "inline":
        return None
    return Consolidated(path, 3, field, key=metadata_key(path))


class GroupFacts:
    """The part of `zarrpipe.Group` that has nothing to do with members; for the parameters see there."""

    def __init__(
        self,
        metadata: AnyGroupMetadata,
        store_path: StorePath,
        owner: Owner | None = None,
        *,
        use_consolidated: bool = True,
    ) -> None:
        self._metadata = metadata
        self._store_path = store_path
        self._use_consolidated = use_consolidated
        if owner is None:
            own = _own_consolidated(metadata, store_path.path)
            owner = None if own is None else Owner(own.path, own if use_consolidated else None)
        self._owner = owner

    # Where it lies

    @property
    def metadata(self) -> AnyGroupMetadata:
        """The group's document, as it was read or written last."""
        return self._metadata

    @property
    def store_path(self) -> StorePath:
        """The store and the path together."""
        return self._store_path

    @property
    def store(self) -> Store:
        """The store."""
        return self._store_path.store

    @property
    def path(self) -> str:
        """The path in the store, without slashes at its ends; "" for the root."""
        return self._store_path.path

    @property
    def name(self) -> str:
        """The path with a slash in front, as in h5py."""
        return "/" + self.path

    @property
    def basename(self) -> str:
        """The last part of the path."""
        return basename(self.path)

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self.store.read_only or self.zarr_format == "n5"

    @property
    def zarr_format(self) -> StoredFormat:
        """The format of the group's documents."""
        return self._metadata.zarr_format

    @property
    def is_consolidated(self) -> bool:
        """Whether members are looked up in consolidated metadata, rather than in the store."""
        return self._consolidated is not None

    @property
    def _consolidated(self) -> Consolidated | None:
        return None if self._owner is None else self._owner.consolidated

    @property
    def _formats(self) -> Formats:
        """Where members are looked for: groups of Zarr may have some of both formats."""
        return "n5" if self.zarr_format == "n5" else "zarr"

    def _below(self, name: str) -> str:
        """Return the path of a member; MetadataError if no node may have that name."""
        return join_key(self.path, normalize_path(name)) if normalize_path(name) else self.path

    def _access(self) -> NodeAccess:
        return NodeAccess(self.store, blocking=False)

    # Attributes

    @property
    def attrs(self) -> Attributes:
        """The attributes: a mapping, any change of which is written."""
        return Attributes(self)

    @attrs.setter
    def attrs(self, new: Mapping[str, Any]) -> None:
        self.attrs.put(new)

    def update_attributes(self, new_attributes: Mapping[str, JSON]) -> Self:
        """Set several attributes, in one write, and keep the others; returns the group itself."""
        self.attrs.update(new_attributes)
        return self

    async def update_attributes_async(self, new_attributes: Mapping[str, JSON]) -> Self:
        """`update_attributes` without blocking the running event loop."""
        await self._change(self._access(), lambda old: {**old, **new_attributes})
        return self

    def _change_attributes(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        run(self.store, lambda access: self._change(access, change))

    async def _change(self, access: NodeAccess, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        def written(node: NodeMetadata) -> None:
            metadata, held = _group(node), self._consolidated
            if isinstance(metadata, GroupMetadata) and held is not None:
                # What the group was opened with goes on to be what it uses.
                own = held.document if held.path == self.path and held.zarr_format == 3 else None
                metadata = replace(metadata, consolidated_metadata=own)
            self._metadata = metadata

        def changed(node: NodeMetadata) -> AnyGroupMetadata:
            return _group(node).update_attributes(change(node.attributes))

        # A group has no configuration: the settings say how it is changed.
        locking = config.current.locking
        await change_node(access, self.path, changed, written, self.zarr_format, locking, owner=self._owner)

    # How it shows itself

    @property
    def info(self) -> GroupInfo:
        """What the group is, without looking into its store."""
        return self._info()

    def _info(self, **counted: int) -> GroupInfo:
        return GroupInfo(
            name=self.name,
            zarr_format=self.zarr_format,
            read_only=self.read_only,
            store_type=type(self.store).__name__,
            **counted,
        )

    def __repr__(self) -> str:
        return f"<Group {self._store_path}>"

    # Identity

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GroupFacts):
            return NotImplemented
        return self.path == other.path and self.store == other.store and self._metadata == other._metadata

    def __hash__(self) -> int:
        # The metadata of a group can change, its place cannot.
        return hash((type(self.store), self.path))

    def __dask_tokenize__(self) -> tuple[object, ...]:
        return ("zarrpipe.Group", str(self._store_path), self._metadata.to_bytes())
