"""Groups: what users hold, to find arrays and groups by name, and to create, move and delete them."""

from __future__ import annotations

from typing import Any

from zarrpipe._types import ShapeLike
from zarrpipe.arrays import Array, array_like
from zarrpipe.errors import NodeNotFoundError
from zarrpipe.group.creating import GroupCreating
from zarrpipe.nodes import NodeAccess, delete_node, move_node, run

__all__ = ["Group"]


class Group(GroupCreating):
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

    # By what they are filled with

    def empty(self, *, name: str, shape: ShapeLike, **options: Any) -> Array:
        """Create an array without values of its own: see `create_array`. By default its items are float64."""
        return self.create_array(name, shape=shape, **{"dtype": "float64", **options})

    def zeros(self, *, name: str, shape: ShapeLike, **options: Any) -> Array:
        """Create an array with 0 as its fill value: see `empty`."""
        return self.empty(name=name, shape=shape, **options, fill_value=0)

    def ones(self, *, name: str, shape: ShapeLike, **options: Any) -> Array:
        """Create an array with 1 as its fill value: see `empty`."""
        return self.empty(name=name, shape=shape, **options, fill_value=1)

    def full(self, *, name: str, shape: ShapeLike, fill_value: Any, **options: Any) -> Array:
        """Create an array with this fill value: see `empty`."""
        return self.empty(name=name, shape=shape, **options, fill_value=fill_value)

    def empty_like(self, *, name: str, data: Any, **options: Any) -> Array:
        """Create an empty array like another: of its shape and data type and, for one of ours, its chunks and codecs.

        An array of format 2 in a group of format 3, or the other way round, has default codecs.
        """
        return self.create_array(name, **array_like(data, {"zarr_format": self._format_written(), **options}))

    def zeros_like(self, *, name: str, data: Any, **options: Any) -> Array:
        """Create an array of zeros like another: see `empty_like`."""
        return self.empty_like(name=name, data=data, **{**options, "fill_value": 0})

    def ones_like(self, *, name: str, data: Any, **options: Any) -> Array:
        """Create an array of ones like another: see `empty_like`."""
        return self.empty_like(name=name, data=data, **{**options, "fill_value": 1})

    def full_like(self, *, name: str, data: Any, fill_value: Any, **options: Any) -> Array:
        """Create an array like another with this fill value: see `empty_like`."""
        return self.empty_like(name=name, data=data, **{**options, "fill_value": fill_value})

    # Other places, and none

    def move(self, source: str, dest: str) -> None:
        """Move an array or group, with all that is below it.

        Local files are renamed. In other stores values are copied and then deleted, in an order in which a move that is
        cut off leaves the node whole at the one place or the other, or at both. Nobody else may write to the node
        meanwhile. Objects for what was moved still stand for the old place.

        Parameters
        ----------
        source, dest : str
            The node's name or path below the group, and its new one. Groups on the way are created.

        Raises
        ------
        KeyError
            There is no node to move.
        NodeExistsError
            There is a node at the new place.
        ValueError
            One place is inside the other.

        Examples
        --------
        >>> import zarrpipe
        >>> group = zarrpipe.create_group({})
        >>> array = group.create_array("a", shape=(2,), dtype="uint8")
        >>> group.move("a", "b/c")
        >>> list(group), group["b/c"].shape
        (['b'], (2,))
        """
        run(self.store, lambda access: self._move(access, source, dest))

    async def move_async(self, source: str, dest: str) -> None:
        """`move` without blocking the running event loop."""
        await self._move(self._access(), source, dest)

    async def _move(self, access: NodeAccess, source: str, dest: str) -> None:
        old, new = self._below_or_key_error(source), self._new(dest)
        self._format_written()
        if old == self.path:
            raise ValueError("a group cannot be moved inside of itself")
        try:
            await move_node(access, old, new, owner=self._owner)
        except NodeNotFoundError:
            raise KeyError(source) from None

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
