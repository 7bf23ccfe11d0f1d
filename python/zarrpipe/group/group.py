"""Groups: what users hold, to find arrays and groups by name, and to create, move and delete them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from zarrpipe._types import JSON, ZarrFormat
from zarrpipe.arrays import Array, CreateOptions, plan_array
from zarrpipe.errors import MetadataError, NodeNotFoundError, UnsupportedError
from zarrpipe.group.members import GroupMembers
from zarrpipe.metadata import AnyGroupMetadata
from zarrpipe.nodes import NodeAccess, create_node, delete_node, group_metadata, run
from zarrpipe.stores import StorePath

__all__ = ["Group"]


class Group(GroupMembers):
    """A group in a store: a mapping from names to arrays and groups.

    Groups are made by `zarrpipe.create_group` and opened by `zarrpipe.open_group`. A name may be a path: ``"a/b"``.

    Parameters
    ----------
    metadata : GroupMetadata, GroupV2Metadata or N5GroupMetadata
        The group's document.
    store_path : StorePath
        Where it lies.
    owner : Owner, optional
        The group, itself or one above, with consolidated metadata. By default the group itself, if its document has
        them.
    use_consolidated : bool
        Whether members are looked up in consolidated metadata.

    Examples
    --------
    >>> import zarrpipe
    >>> group = zarrpipe.create_group({})
    >>> array = group.create_array("a/b", shape=(4,), dtype="uint8")
    >>> list(group), "a/b" in group, group["a/b"] == array
    (['a'], True, True)
    """

    # New members

    def create_array(self, name: str, **options: Unpack[CreateOptions]) -> Array:
        """Create an array below the group.

        Parameters
        ----------
        name : str
            Its name, or a path: groups on the way are created.
        **options
            See `zarrpipe.create_array`.

        Raises
        ------
        NodeExistsError
            There is a node of that name.
        """
        options.setdefault("zarr_format", self._format_written())
        new, place = plan_array(options), StorePath(self.store, self._new(name))
        array = run(self.store, lambda access: new.write(access, place, self._owner))
        if new.data is not None:
            array[...] = new.data
        return array

    async def create_array_async(self, name: str, **options: Unpack[CreateOptions]) -> Array:
        """`create_array` without blocking the running event loop."""
        options.setdefault("zarr_format", self._format_written())
        new, place = plan_array(options), StorePath(self.store, self._new(name))
        array = await new.write(self._access(), place, self._owner)
        if new.data is not None:
            await array.write_async(..., new.data)
        return array

    def create_group(
        self, name: str, *, overwrite: bool = False, attributes: Mapping[str, JSON] | None = None
    ) -> Group:
        """Create a group below this one.

        Parameters
        ----------
        name : str
            Its name, or a path: groups on the way are created.
        overwrite : bool
            Whether a node of that name is deleted, with all that is below it.
        attributes : mapping, optional
            The group's attributes.

        Raises
        ------
        NodeExistsError
            There is a node of that name.
        """
        path, metadata = self._new(name), group_metadata(self._format_written(), dict(attributes or {}))
        run(self.store, lambda access: self._create(access, path, metadata, overwrite=overwrite))
        return self._group(path, metadata)

    async def create_group_async(
        self, name: str, *, overwrite: bool = False, attributes: Mapping[str, JSON] | None = None
    ) -> Group:
        """`create_group` without blocking the running event loop."""
        path, metadata = self._new(name), group_metadata(self._format_written(), dict(attributes or {}))
        await self._create(self._access(), path, metadata, overwrite=overwrite)
        return self._group(path, metadata)

    def _format_written(self) -> ZarrFormat:
        """Return the format of new members: the group's own.

        Raises
        ------
        UnsupportedError
            It is N5.
        """
        if self.zarr_format == "n5":
            raise UnsupportedError("N5 is read only: copy the data into a Zarr group to change them")
        return self.zarr_format

    def _new(self, name: str) -> str:
        """Return the path of a new member."""
        path = self._below(name)
        if path == self.path:
            raise MetadataError(f"{name!r} is not the name of a node: it is empty")
        return path

    async def _create(self, access: NodeAccess, path: str, metadata: AnyGroupMetadata, *, overwrite: bool) -> None:
        await create_node(access, path, metadata, overwrite=overwrite, owner=self._owner)

    def _group(self, path: str, metadata: AnyGroupMetadata) -> Group:
        place = StorePath(self.store, path)
        return type(self)(metadata, place, self._owner, use_consolidated=self._use_consolidated)

    # Fewer members

    def __delitem__(self, name: str) -> None:
        run(self.store, lambda access: self._delete(access, name))

    async def delitem_async(self, name: str) -> None:
        """``del group[name]`` without blocking the running event loop."""
        await self._delete(self._access(), name)

    async def _delete(self, access: NodeAccess, name: str) -> None:
        path = self._below_or_key_error(name)
        if path == self.path:
            raise KeyError(name)
        self._format_written()
        try:
            await delete_node(access, path, owner=self._owner)
        except NodeNotFoundError:
            raise KeyError(name) from None
