"""New members of a group: created, or required to be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Unpack, cast

import numpy as np

from zarrpipe._types import JSON, ShapeLike, ZarrFormat
from zarrpipe.abc.metadata import parse_shapelike
from zarrpipe.arrays import Array, CreateOptions, check_zarr_format, plan_array
from zarrpipe.dtypes import parse_dtype
from zarrpipe.errors import MetadataError, NodeExistsError, UnsupportedError
from zarrpipe.group.members import GroupMembers
from zarrpipe.metadata import AnyGroupMetadata, join_key
from zarrpipe.nodes import NodeAccess, NodeMetadata, create_node, create_nodes, group_metadata, plan_hierarchy, run
from zarrpipe.spec import ArrayConfigLike, parse_array_config
from zarrpipe.stores import StorePath

if TYPE_CHECKING:
    from zarrpipe.group.group import Group

__all__ = ["GroupCreating"]


def _dtype(dtype: Any) -> Any:
    return "float64" if dtype is None else dtype


def _checked(
    node: Array | Group, name: str, shape: ShapeLike, dtype: Any, config: ArrayConfigLike | None, *, exact: bool
) -> Array:
    """Return the array that is there, if it is as it is required to be."""
    if not isinstance(node, Array):
        raise TypeError(f"there is a group {name!r}, where an array is required")
    if node.shape != parse_shapelike(shape):
        raise TypeError(f"the array {name!r} has shape {node.shape}, and {parse_shapelike(shape)} is required")
    required = parse_dtype(_dtype(dtype)).to_native_dtype()
    if node.dtype != required if exact else not np.can_cast(node.dtype, required):
        raise TypeError(f"the array {name!r} has items of {node.dtype}, and {required} is required")
    return node if config is None else node.with_config(config)


class GroupCreating(GroupMembers):
    """The part of `zarrpipe.Group` that creates members; for the parameters see there."""

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

    # New members, where they are not there

    def require_group(self, name: str, *, overwrite: bool = False) -> Group:
        """Return the group of a name, created where there is none.

        Parameters
        ----------
        name : str
            Its name, or a path.
        overwrite : bool
            Whether what is there is deleted first, with all that is below it.

        Raises
        ------
        TypeError
            There is an array of that name.

        Examples
        --------
        >>> import zarrpipe
        >>> group = zarrpipe.create_group({})
        >>> group.require_group("a") == group.require_group("a")
        True
        """
        return run(self.store, lambda access: self._require_group(access, name, overwrite=overwrite))

    async def require_group_async(self, name: str, *, overwrite: bool = False) -> Group:
        """`require_group` without blocking the running event loop."""
        return await self._require_group(self._access(), name, overwrite=overwrite)

    async def _require_group(self, access: NodeAccess, name: str, *, overwrite: bool) -> Group:
        path, metadata = self._new(name), group_metadata(self._format_written())
        try:
            if not overwrite:
                return await self._required(access, name)
        except KeyError:
            pass
        try:
            await self._create(access, path, metadata, overwrite=overwrite)
        except NodeExistsError:
            # Somebody else created it in between; or, above it, there is an array.
            if not await self._contains(access, name):
                raise
            return await self._required(access, name)
        return self._group(path, metadata)

    async def _required(self, access: NodeAccess, name: str) -> Group:
        node = await self._get(access, name)
        if isinstance(node, Array):
            raise TypeError(f"there is an array {name!r}, where a group is required")
        return node

    def require_groups(self, *names: str) -> tuple[Group, ...]:
        """Return the groups of several names: see `require_group`."""
        return tuple(self.require_group(name) for name in names)

    async def require_groups_async(self, *names: str) -> tuple[Group, ...]:
        """`require_groups` without blocking the running event loop."""
        # One after the other: they may need the same groups above them.
        return tuple([await self.require_group_async(name) for name in names])

    def require_array(
        self,
        name: str,
        *,
        shape: ShapeLike,
        dtype: Any = None,
        exact: bool = False,
        config: ArrayConfigLike | None = None,
        **options: Any,
    ) -> Array:
        """Return the array of a name, created where there is none.

        Parameters
        ----------
        name : str
            Its name, or a path.
        shape : int or iterable of int
            The shape that it must have.
        dtype : data type, optional
            The data type; by default float64.
        exact : bool
            Whether an array that is there must be of this data type. Otherwise it is enough that its items can be cast
            to it without loss.
        config : ArrayConfig or mapping, optional
            How the array is read and written.
        **options
            For `create_array`, where it is created.

        Raises
        ------
        TypeError
            There is an array of another shape or data type, or a group.

        Examples
        --------
        >>> import zarrpipe
        >>> group = zarrpipe.create_group({})
        >>> group.require_array("a", shape=3, dtype="uint8") == group.require_array("a", shape=3, dtype="uint16")
        True
        """
        try:
            return _checked(self[name], name, shape, dtype, config, exact=exact)
        except KeyError:
            pass
        try:
            return self.create_array(name, shape=shape, dtype=_dtype(dtype), config=config, **options)
        except NodeExistsError:
            node = self.get(name)
            if node is None:
                raise
            return _checked(node, name, shape, dtype, config, exact=exact)

    async def require_array_async(
        self,
        name: str,
        *,
        shape: ShapeLike,
        dtype: Any = None,
        exact: bool = False,
        config: ArrayConfigLike | None = None,
        **options: Any,
    ) -> Array:
        """`require_array` without blocking the running event loop."""
        try:
            return _checked(await self.getitem_async(name), name, shape, dtype, config, exact=exact)
        except KeyError:
            pass
        try:
            return await self.create_array_async(name, shape=shape, dtype=_dtype(dtype), config=config, **options)
        except NodeExistsError:
            if not await self.contains_async(name):
                raise
            return _checked(await self.getitem_async(name), name, shape, dtype, config, exact=exact)

    # Many new members

    def create_hierarchy(
        self, nodes: Mapping[str, NodeMetadata], *, overwrite: bool = False
    ) -> Iterator[tuple[str, Array | Group]]:
        """Create many nodes below the group at once: see `zarrpipe.create_hierarchy`.

        Parameters
        ----------
        nodes : mapping
            The metadata of arrays and groups by their names or paths below this group.
        overwrite : bool
            Whether nodes that are there are deleted, with all that is below them.

        Returns
        -------
        iterator of (str, Array or Group)
            What was created, groups on the way too, with the paths below this group. All is written when this returns.

        Raises
        ------
        NodeExistsError
            There is a node at one of the paths. Nothing was written.
        ValueError
            One of the nodes is this group itself; or they are of different formats, or one is below an array.
        """
        planned = self._plan_hierarchy(nodes)
        if planned:
            run(self.store, lambda access: self._create_nodes(access, planned, overwrite=overwrite))
        return self._created(planned)

    async def create_hierarchy_async(
        self, nodes: Mapping[str, NodeMetadata], *, overwrite: bool = False
    ) -> Iterator[tuple[str, Array | Group]]:
        """`create_hierarchy` without blocking the running event loop."""
        planned = self._plan_hierarchy(nodes)
        if planned:
            await self._create_nodes(self._access(), planned, overwrite=overwrite)
        return self._created(planned)

    def _plan_hierarchy(self, nodes: Mapping[str, NodeMetadata]) -> dict[str, NodeMetadata]:
        self._format_written()
        planned = plan_hierarchy(nodes)
        if "" in planned:
            raise ValueError("the group itself is there already: leave it out of the nodes below it")
        return {join_key(self.path, path): metadata for path, metadata in planned.items()}

    async def _create_nodes(self, access: NodeAccess, planned: dict[str, NodeMetadata], *, overwrite: bool) -> None:
        missing = await create_nodes(access, planned, overwrite=overwrite, owner=self._owner)
        zarr_format = check_zarr_format(next(iter(planned.values())).zarr_format)
        planned.update({path: group_metadata(zarr_format) for path in missing})

    def _created(self, planned: Mapping[str, NodeMetadata]) -> Iterator[tuple[str, Array | Group]]:
        for path, metadata in sorted(planned.items()):
            place = StorePath(self.store, path)
            below = path[len(self.path) + bool(self.path) :]
            if isinstance(metadata, AnyGroupMetadata):
                yield below, self._group(path, metadata)
            else:
                yield below, Array(metadata, place, parse_array_config(None), owner=self._owner)

    # What new members are

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
        group = cast("type[Group]", type(self))
        return group(metadata, place, self._owner, use_consolidated=self._use_consolidated)
