"""Groups: arrays and groups by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeAlias, Unpack

from zarrpipe._types import JSON, StoredFormat, ZarrFormat
from zarrpipe.abc.metadata import concurrent_map
from zarrpipe.arrays import Array, CreateOptions, plan_array
from zarrpipe.config import config
from zarrpipe.display import GroupInfo, Tree
from zarrpipe.errors import ConflictError, MetadataError, NodeNotFoundError, UnsupportedError
from zarrpipe.metadata import (
    AnyArrayMetadata,
    AnyGroupMetadata,
    basename,
    check_node_name,
    is_document,
    join_key,
    normalize_path,
)
from zarrpipe.nodes import (
    Attributes,
    Formats,
    NodeAccess,
    NodeMetadata,
    change_node,
    create_node,
    delete_node,
    group_metadata,
    load_node,
    run,
)
from zarrpipe.spec import parse_array_config
from zarrpipe.stores import StorePath

if TYPE_CHECKING:
    from zarrpipe.abc.store import Store

__all__ = ["Group", "node_at"]

Node: TypeAlias = "Array | Group"

# Documents of members that are read at once, where the store is awaited.
_CONCURRENCY = 64
_TREE_NODES = 500


def node_at(metadata: NodeMetadata, store_path: StorePath) -> Node:
    """Return the array or group that metadata describe."""
    if isinstance(metadata, AnyArrayMetadata):
        return Array(metadata, store_path, parse_array_config(None))
    return Group(metadata, store_path)


def _group(node: NodeMetadata) -> AnyGroupMetadata:
    if not isinstance(node, AnyGroupMetadata):
        raise ConflictError("the group was replaced by an array since it was opened")
    return node


def _is_node_name(name: str) -> bool:
    if is_document(name):
        return False
    try:
        check_node_name(name)
    except MetadataError:
        return False
    return True


def _check_depth(max_depth: int | None) -> None:
    if max_depth is not None and max_depth < 0:
        raise ValueError(f"max_depth is None or at least 0, not {max_depth}")


class Group:
    """A group in a store: a mapping from names to arrays and groups.

    Groups are made by `zarrpipe.create_group` and opened by `zarrpipe.open_group`. A name may be a path: ``"a/b"``.

    Parameters
    ----------
    metadata : GroupMetadata, GroupV2Metadata or N5GroupMetadata
        The group's document.
    store_path : StorePath
        Where it lies.

    Examples
    --------
    >>> import zarrpipe
    >>> group = zarrpipe.create_group({})
    >>> array = group.create_array("a/b", shape=(4,), dtype="uint8")
    >>> list(group), "a/b" in group, group["a/b"] == array
    (['a'], True, True)
    """

    def __init__(self, metadata: AnyGroupMetadata, store_path: StorePath) -> None:
        self._metadata = metadata
        self._store_path = store_path

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
    def _formats(self) -> Formats:
        """Where members are looked for: groups of Zarr may have some of both formats."""
        return "n5" if self.zarr_format == "n5" else "zarr"

    def _below(self, name: str) -> str:
        """Return the path of a member; MetadataError if no node may have that name."""
        return join_key(self.path, normalize_path(name)) if normalize_path(name) else self.path

    def _access(self) -> NodeAccess:
        return NodeAccess(self.store, blocking=False)

    # Members, one by one

    def __getitem__(self, name: str) -> Node:
        return run(self.store, lambda access: self._get(access, name))

    async def getitem_async(self, name: str) -> Node:
        """``group[name]`` without blocking the running event loop."""
        return await self._get(self._access(), name)

    async def _get(self, access: NodeAccess, name: str) -> Node:
        path = self._below_or_key_error(name)
        metadata = await load_node(access, path, self._formats)
        if metadata is None:
            raise KeyError(name)
        return node_at(metadata, StorePath(self.store, path))

    def _below_or_key_error(self, name: str) -> str:
        try:
            return self._below(name)
        except MetadataError as error:
            # As in any mapping: what cannot be a key is not there.
            raise KeyError(name) from error

    def get(self, path: str, default: Any = None) -> Any:
        """Return a member, or `default` where there is none."""
        try:
            return self[path]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

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
            await delete_node(access, path)
        except NodeNotFoundError:
            raise KeyError(name) from None

    # Members, all of them

    async def _names(self, access: NodeAccess) -> list[str]:
        """Return the names below the group that may be nodes."""
        return [name for name in await access.names(self.path) if _is_node_name(name)]

    async def _children(self, access: NodeAccess) -> list[tuple[str, Node]]:
        async def load(name: str) -> tuple[str, Node | None]:
            path = join_key(self.path, name)
            metadata = await load_node(access, path, self._formats)
            return name, None if metadata is None else node_at(metadata, StorePath(self.store, path))

        names = await self._names(access)
        if access.blocking:
            found = [await load(name) for name in names]
        else:
            found = await concurrent_map([(name,) for name in names], load, _CONCURRENCY)
        return [(name, node) for name, node in found if node is not None]

    async def _members(self, access: NodeAccess, max_depth: int | None) -> list[tuple[str, Node]]:
        members = []
        for name, node in await self._children(access):
            members.append((name, node))
            if isinstance(node, Group) and (max_depth is None or max_depth > 0):
                deeper = await node._members(access, None if max_depth is None else max_depth - 1)
                members += [(join_key(name, below), member) for below, member in deeper]
        return members

    def members(self, max_depth: int | None = 0) -> tuple[tuple[str, Node], ...]:
        """Return the members with their names, in order.

        Parameters
        ----------
        max_depth : int, optional
            How far below the group's own members to look, whose names are then paths; None for all the way.

        Raises
        ------
        MetadataError, UnsupportedError
            A member's document is not valid, or names what is not implemented.
        """
        _check_depth(max_depth)
        return tuple(run(self.store, lambda access: self._members(access, max_depth)))

    async def members_async(self, max_depth: int | None = 0) -> tuple[tuple[str, Node], ...]:
        """`members` without blocking the running event loop."""
        _check_depth(max_depth)
        return tuple(await self._members(self._access(), max_depth))

    def nmembers(self, max_depth: int | None = 0) -> int:
        """How many members there are: see `members`."""
        return len(self.members(max_depth))

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.members())

    def __len__(self) -> int:
        return self.nmembers()

    def keys(self) -> Iterator[str]:
        """Return the names of the members."""
        return iter(self)

    def values(self) -> Iterator[Node]:
        """Return the members."""
        return (node for _, node in self.members())

    def items(self) -> Iterator[tuple[str, Node]]:
        """Return the members with their names."""
        return iter(self.members())

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Return the arrays among the members, with their names."""
        return ((name, node) for name, node in self.members() if isinstance(node, Array))

    def array_keys(self) -> Iterator[str]:
        """Return the names of the arrays."""
        return (name for name, _ in self.arrays())

    def array_values(self) -> Iterator[Array]:
        """Return the arrays."""
        return (array for _, array in self.arrays())

    def groups(self) -> Iterator[tuple[str, Group]]:
        """Return the groups among the members, with their names."""
        return ((name, node) for name, node in self.members() if isinstance(node, Group))

    def group_keys(self) -> Iterator[str]:
        """Return the names of the groups."""
        return (name for name, _ in self.groups())

    def group_values(self) -> Iterator[Group]:
        """Return the groups."""
        return (group for _, group in self.groups())

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
        array = run(self.store, lambda access: new.write(access, place))
        if new.data is not None:
            array[...] = new.data
        return array

    async def create_array_async(self, name: str, **options: Unpack[CreateOptions]) -> Array:
        """`create_array` without blocking the running event loop."""
        options.setdefault("zarr_format", self._format_written())
        new, place = plan_array(options), StorePath(self.store, self._new(name))
        array = await new.write(self._access(), place)
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
        run(self.store, lambda access: create_node(access, path, metadata, overwrite=overwrite))
        return Group(metadata, StorePath(self.store, path))

    async def create_group_async(
        self, name: str, *, overwrite: bool = False, attributes: Mapping[str, JSON] | None = None
    ) -> Group:
        """`create_group` without blocking the running event loop."""
        path, metadata = self._new(name), group_metadata(self._format_written(), dict(attributes or {}))
        await create_node(self._access(), path, metadata, overwrite=overwrite)
        return Group(metadata, StorePath(self.store, path))

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
            self._metadata = _group(node)

        def changed(node: NodeMetadata) -> AnyGroupMetadata:
            return _group(node).update_attributes(change(node.attributes))

        # A group has no configuration: the settings say how it is changed.
        locking = config.current.locking
        await change_node(access, self.path, changed, written, self.zarr_format, locking)

    # How it shows itself

    @property
    def info(self) -> GroupInfo:
        """What the group is, without looking into its store."""
        return self._info()

    def info_complete(self) -> GroupInfo:
        """Return `info` with the members counted, at any depth."""
        members = self.members(max_depth=None)
        arrays = sum(isinstance(node, Array) for _, node in members)
        return self._info(count_arrays=arrays, count_groups=len(members) - arrays)

    def _info(self, **counted: int) -> GroupInfo:
        return GroupInfo(
            name=self.name,
            zarr_format=self.zarr_format,
            read_only=self.read_only,
            store_type=type(self.store).__name__,
            **counted,
        )

    def tree(self, *, level: int | None = None, max_nodes: int = _TREE_NODES) -> Tree:
        """Return the group with everything below it, to be printed.

        Parameters
        ----------
        level : int, optional
            How many levels to show; None for all.
        max_nodes : int
            How many nodes to show.
        """
        if level is not None and level < 1:
            raise ValueError(f"a tree has at least one level, not {level}")
        members = self.members(None if level is None else level - 1)
        root = Tree(self.name, hidden=max(len(members) - max_nodes, 0))
        shown = {"": root}
        # Members come after the groups that hold them, so what is cut off has nothing shown below it.
        for path, node in members[:max_nodes]:
            label = basename(path) if isinstance(node, Group) else f"{basename(path)} {node.shape} {node.dtype}"
            shown[path] = Tree(label)
            shown[path.rpartition("/")[0]].children.append(shown[path])
        return root

    def __repr__(self) -> str:
        return f"<Group {self._store_path}>"

    # Identity

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Group):
            return NotImplemented
        return self.path == other.path and self.store == other.store and self._metadata == other._metadata

    def __hash__(self) -> int:
        # The metadata of a group can change, its place cannot.
        return hash((type(self.store), self.path))

    def __dask_tokenize__(self) -> tuple[object, ...]:
        return ("zarrpipe.Group", str(self._store_path), self._metadata.to_bytes())
