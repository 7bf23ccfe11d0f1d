"""A group's members: by name, one after the other, and counted.

Over consolidated metadata nothing here asks the store. Otherwise names cost one listing, and one question for each of
them whether it is a node's; documents are fetched, many at once, where it matters what a node is, and parsed where
somebody holds it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from zarrpipe.arrays import Array
from zarrpipe.display import GroupInfo, Tree
from zarrpipe.errors import MetadataError, NodeNotFoundError
from zarrpipe.group.facts import GroupFacts
from zarrpipe.metadata import AnyArrayMetadata, StoredNode, basename
from zarrpipe.nodes import (
    ConsolidatedDifference,
    Found,
    NodeAccess,
    Owner,
    Scan,
    batches,
    differences,
    find_node,
    is_node,
    run,
    scan_consolidated,
)
from zarrpipe.spec import parse_array_config
from zarrpipe.stores import StorePath

if TYPE_CHECKING:
    from zarrpipe.group.group import Group

__all__ = ["GroupMembers"]

Node: TypeAlias = "Array | Group"
D = TypeVar("D")

_TREE_NODES = 500


def _check_depth(max_depth: int | None) -> None:
    if max_depth is not None and max_depth < 0:
        raise ValueError(f"max_depth is None or at least 0, not {max_depth}")


class GroupMembers(GroupFacts):
    """The part of `zarrpipe.Group` that finds members; for the parameters see there."""

    # One by one

    def __getitem__(self, name: str) -> Node:
        return run(self.store, lambda access: self._get(access, name))

    async def getitem_async(self, name: str) -> Node:
        """``group[name]`` without blocking the running event loop."""
        return await self._get(self._access(), name)

    async def _get(self, access: NodeAccess, name: str) -> Node:
        path = self._below_or_key_error(name)
        if path == self.path:
            return cast("Group", self)
        if self._consolidated is not None:
            node = self._consolidated.find(path)
        else:
            node = await find_node(access, path, self._formats)
        if node is None:
            raise KeyError(name)
        return self._open(node, self._owner)

    def _below_or_key_error(self, name: str) -> str:
        try:
            return self._below(name)
        except MetadataError as error:
            # As in any mapping: what cannot be a key is not there.
            raise KeyError(name) from error

    def _open(self, node: StoredNode, owner: Owner | None, *, lazily: bool = False) -> Node:
        """Return the array or group of documents; an array's may be parsed at its first use."""
        place = StorePath(self.store, node.path)
        if lazily and node.node_type == "array":
            parse = cast("partial[AnyArrayMetadata]", partial(node.parse))
            return Array(parse, place, parse_array_config(None), owner=owner)
        metadata = node.parse()
        if isinstance(metadata, AnyArrayMetadata):
            return Array(metadata, place, parse_array_config(None), owner=owner)
        group = cast("type[Group]", type(self))
        return group(metadata, place, owner, use_consolidated=self._use_consolidated)

    def get(self, path: str, default: Any = None) -> Any:
        """Return a member, or `default` where there is none."""
        try:
            return self[path]
        except KeyError:
            return default

    def get_array(self, path: str) -> Array:
        """Return a member that is an array.

        Raises
        ------
        NodeNotFoundError
            There is none, or a group. It is a FileNotFoundError, not a KeyError, as in zarr-python.
        """
        node = self.get(path)
        if not isinstance(node, Array):
            raise NodeNotFoundError(f"there is no array {path!r} in {self!r}")
        return node

    def get_group(self, path: str) -> Group:
        """Return a member that is a group.

        Raises
        ------
        NodeNotFoundError
            There is none, or an array.
        """
        node = self.get(path)
        if node is None or isinstance(node, Array):
            raise NodeNotFoundError(f"there is no group {path!r} in {self!r}")
        return cast("Group", node)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return run(self.store, lambda access: self._contains(access, name))

    async def contains_async(self, name: str) -> bool:
        """``name in group`` without blocking the running event loop."""
        return await self._contains(self._access(), name)

    async def _contains(self, access: NodeAccess, name: str) -> bool:
        try:
            path = self._below(name)
        except MetadataError:
            return False
        if path == self.path:
            return True
        if self._consolidated is not None:
            return self._consolidated.find(path) is not None
        return await is_node(access, path, self._formats)

    # All of them

    def _scan(self, access: NodeAccess, *, use_consolidated: bool = True) -> Scan:
        use_consolidated = use_consolidated and self._use_consolidated
        return Scan(access, self._formats, self.zarr_format, owner=self._owner, use_consolidated=use_consolidated)

    def _known(self, max_depth: int | None) -> Iterator[Found] | None:
        """Return the nodes below as consolidated metadata have them; None where the store is to be asked."""
        if self._owner is None or self._owner.consolidated is None:
            return None
        return scan_consolidated(self._owner, self.path, max_depth)

    def _iter_found(self, max_depth: int | None, *, use_consolidated: bool = True) -> Iterator[Found]:
        known = self._known(max_depth)
        if known is not None:
            yield from known
            return
        paths = run(self.store, lambda access: self._scan(access).candidates(self.path))
        for batch in batches(paths):
            part = batch

            async def find(access: NodeAccess, part: Any = part) -> list[Found]:
                return await self._scan(access, use_consolidated=use_consolidated).nodes(part, max_depth)

            yield from run(self.store, find)

    async def _iter_found_async(self, max_depth: int | None, *, use_consolidated: bool = True) -> AsyncIterator[Found]:
        known = self._known(max_depth)
        if known is not None:
            for found in known:
                yield found
            return
        scan = self._scan(self._access(), use_consolidated=use_consolidated)
        for batch in batches(await scan.candidates(self.path)):
            for found in await scan.nodes(batch, max_depth):
                yield found

    def _member(self, found: Found) -> tuple[str, Node]:
        name = found.node.path[len(self.path) + bool(self.path) :]
        # Where one document holds all, going through a hundred thousand arrays parses those that are looked at.
        lazily = found.owner is not None and found.owner.consolidated is not None
        return name, self._open(found.node, found.owner, lazily=lazily)

    def iter_members(
        self, max_depth: int | None = 0, *, use_consolidated_for_children: bool = True
    ) -> Iterator[tuple[str, Node]]:
        """Yield the members with their names, in order, while they are found: see `members`.

        Examples
        --------
        >>> import zarrpipe
        >>> group = zarrpipe.create_group({})
        >>> array = group.create_array("b/c", shape=(2,), dtype="uint8")
        >>> [name for name, _ in group.iter_members(max_depth=None)]
        ['b', 'b/c']
        """
        _check_depth(max_depth)
        return map(self._member, self._iter_found(max_depth, use_consolidated=use_consolidated_for_children))

    async def iter_members_async(
        self, max_depth: int | None = 0, *, use_consolidated_for_children: bool = True
    ) -> AsyncIterator[tuple[str, Node]]:
        """`iter_members` without blocking the running event loop."""
        _check_depth(max_depth)
        async for found in self._iter_found_async(max_depth, use_consolidated=use_consolidated_for_children):
            yield self._member(found)

    def members(
        self, max_depth: int | None = 0, *, use_consolidated_for_children: bool = True
    ) -> tuple[tuple[str, Node], ...]:
        """Return the members with their names, in order.

        Parameters
        ----------
        max_depth : int, optional
            How far below the group's own members to look, whose names are then paths; None for all the way.
        use_consolidated_for_children : bool
            Whether what is below a group that is found with consolidated metadata is taken from these.

        Raises
        ------
        MetadataError, UnsupportedError
            A member's document is not valid, or names what is not implemented. Arrays from consolidated metadata raise
            it at their first use.
        """
        return tuple(self.iter_members(max_depth, use_consolidated_for_children=use_consolidated_for_children))

    async def members_async(
        self, max_depth: int | None = 0, *, use_consolidated_for_children: bool = True
    ) -> tuple[tuple[str, Node], ...]:
        """`members` without blocking the running event loop."""
        members = self.iter_members_async(max_depth, use_consolidated_for_children=use_consolidated_for_children)
        return tuple([member async for member in members])

    def nmembers(self, max_depth: int | None = 0) -> int:
        """How many members there are: see `members`. No document is parsed."""
        _check_depth(max_depth)
        if max_depth == 0:
            return len(self._names())
        return sum(1 for _ in self._iter_found(max_depth))

    async def nmembers_async(self, max_depth: int | None = 0) -> int:
        """`nmembers` without blocking the running event loop."""
        _check_depth(max_depth)
        if max_depth == 0:
            return len(await self.keys_async())
        return len([None async for _ in self._iter_found_async(max_depth)])

    def _names(self) -> list[str]:
        if self._consolidated is not None:
            return self._consolidated.names(self.path)
        return run(self.store, lambda access: self._scan(access).names(self.path))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def keys(self) -> Iterator[str]:
        """Return the names of the members. Their documents are not read: only that they are there is seen to."""
        return iter(self)

    async def keys_async(self) -> list[str]:
        """`keys` without blocking the running event loop."""
        if self._consolidated is not None:
            return self._consolidated.names(self.path)
        return await self._scan(self._access()).names(self.path)

    def values(self) -> Iterator[Node]:
        """Return the members."""
        return (node for _, node in self.iter_members())

    def items(self) -> Iterator[tuple[str, Node]]:
        """Return the members with their names."""
        return self.iter_members()

    def _of_type(self, node_type: str) -> Iterator[Found]:
        return (found for found in self._iter_found(0) if found.node.node_type == node_type)

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Return the arrays among the members, with their names."""
        return (cast("tuple[str, Array]", self._member(found)) for found in self._of_type("array"))

    def array_keys(self) -> Iterator[str]:
        """Return the names of the arrays. No document is parsed further than its saying what it is."""
        return (found.node.name for found in self._of_type("array"))

    def array_values(self) -> Iterator[Array]:
        """Return the arrays."""
        return (array for _, array in self.arrays())

    def groups(self) -> Iterator[tuple[str, Group]]:
        """Return the groups among the members, with their names."""
        return (cast("tuple[str, Group]", self._member(found)) for found in self._of_type("group"))

    def group_keys(self) -> Iterator[str]:
        """Return the names of the groups: see `array_keys`."""
        return (found.node.name for found in self._of_type("group"))

    def group_values(self) -> Iterator[Group]:
        """Return the groups."""
        return (group for _, group in self.groups())

    # Consolidated metadata

    def check_consolidated(self) -> tuple[ConsolidatedDifference, ...]:
        """Compare the group's consolidated metadata, as they are stored, with all nodes that they speak of.

        Returns
        -------
        tuple of ConsolidatedDifference
            Nodes whose documents are others in the store ("stale"), that are in the store alone ("missing"), and that
            are in the consolidated metadata alone ("extra"). None, where these are true.

        Raises
        ------
        MetadataError
            There are no consolidated metadata.

        Examples
        --------
        >>> import zarrpipe
        >>> store = {}
        >>> group = zarrpipe.create_group(store)
        >>> array = group.create_array("a", shape=(2,), dtype="uint8")
        >>> group = zarrpipe.consolidate_metadata(store)
        >>> array.attrs["units"] = "m"  # by an array that knows nothing of it
        >>> group.check_consolidated()
        (ConsolidatedDifference(path='a', kind='stale'),)
        """
        return run(self.store, self._differences)

    async def check_consolidated_async(self) -> tuple[ConsolidatedDifference, ...]:
        """`check_consolidated` without blocking the running event loop."""
        return await self._differences(self._access())

    async def _differences(self, access: NodeAccess) -> tuple[ConsolidatedDifference, ...]:
        owner = self._owner or Owner(self.path)
        held = owner.consolidated
        return await differences(access, owner, self.zarr_format if held is None else held.zarr_format)

    # How they show themselves

    def info_complete(self) -> GroupInfo:
        """Return `info` with the members counted, at any depth."""
        counts = {"array": 0, "group": 0}
        for found in self._iter_found(None):
            counts[found.node.node_type] += 1
        return self._info(count_arrays=counts["array"], count_groups=counts["group"])

    def tree(
        self,
        expand: bool | None = None,  # noqa: ARG002 - zarr's signature
        level: int | None = None,
        *,
        max_nodes: int = _TREE_NODES,
    ) -> Tree:
        """Return the group with everything below it, to be printed.

        Parameters
        ----------
        expand : bool, optional
            Without meaning: the tree is always expanded.
        level : int, optional
            How many levels to show; None for all.
        max_nodes : int
            How many nodes to show.
        """
        if level is not None and level < 1:
            raise ValueError(f"a tree has at least one level, not {level}")
        root = Tree(self.name)
        shown, hidden = {"": root}, 0
        # Members come after the groups that hold them, so what is cut off has nothing shown below it.
        for index, found in enumerate(self._iter_found(None if level is None else level - 1)):
            if index >= max_nodes:
                hidden += 1
                continue
            path, node = self._member(found)
            label = f"{basename(path)} {node.shape} {node.dtype}" if isinstance(node, Array) else basename(path)
            shown[path] = Tree(label)
            shown[path.rpartition("/")[0]].children.append(shown[path])
        return Tree(root.label, root.children, hidden)
