"""NumPy arrays to a store in one call, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from zarrpipe._types import StoredFormat, ZarrFormat
from zarrpipe.api.filling import create, create_async
from zarrpipe.api.opening import open as open_node
from zarrpipe.api.opening import open_async, open_group, open_group_async
from zarrpipe.arrays import Array
from zarrpipe.group import Group

__all__ = [
    "load",
    "load_async",
    "save",
    "save_array",
    "save_array_async",
    "save_async",
    "save_group",
    "save_group_async",
]

Loaded = npt.NDArray[Any] | dict[str, Any]


def _check_array(arr: Any) -> Any:
    if not (hasattr(arr, "shape") and hasattr(arr, "dtype")):
        raise TypeError(f"what is saved is a NumPy array, or like one, not {type(arr).__name__}")
    return arr


def _array_options(arr: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    values = np.asarray(_check_array(arr))
    return {"shape": values.shape, "dtype": values.dtype, "data": values, **kwargs}


def save_array(
    store: Any,
    arr: Any,
    *,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> None:
    """Save one NumPy array.

    Parameters
    ----------
    store : str, Path, Store, StorePath or mapping
        Where: see `zarrpipe.stores.make_store`.
    arr : numpy.ndarray
        What.
    zarr_format : {3, 2}, optional
        The format of the documents, 3 by default.
    path : str, optional
        The path in the store.
    storage_options : mapping, optional
        For the URL of a remote store: parameters of obstore's store or of fsspec's file system.
    **kwargs
        See `create`.

    Raises
    ------
    NodeExistsError
        There is a node; ``mode="w"`` deletes it.
    TypeError
        `arr` is not an array.
    """
    options = _array_options(arr, kwargs)
    create(store=store, path=path, zarr_format=zarr_format, storage_options=storage_options, **options)


async def save_array_async(store: Any, arr: Any, **kwargs: Any) -> None:
    """`save_array` without blocking the running event loop."""
    await create_async(store=store, **_array_options(arr, kwargs))


def _members(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arrays by name; all that is wrong with them is found before anything is deleted."""
    if not args and not kwargs:
        raise ValueError("there is no array to be saved")
    named = {f"arr_{index}": arr for index, arr in enumerate(args)}
    if clash := sorted(named.keys() & kwargs.keys()):
        raise ValueError(f"two arrays have the name {clash[0]!r}")
    return {name: _check_array(arr) for name, arr in {**named, **kwargs}.items()}


def save_group(
    store: Any,
    *args: Any,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> None:
    """Save several NumPy arrays in a new group, in place of what is there.

    Parameters
    ----------
    store : str, Path, Store, StorePath or mapping
        Where: see `zarrpipe.stores.make_store`.
    *args : numpy.ndarray
        Arrays that get the names arr_0, arr_1 and so on.
    zarr_format : {3, 2}, optional
        The format of the documents, 3 by default.
    path : str, optional
        The group's path in the store.
    storage_options : mapping, optional
        For the URL of a remote store: parameters of obstore's store or of fsspec's file system.
    **kwargs : numpy.ndarray
        Arrays with their names.

    Raises
    ------
    ValueError
        There are no arrays.
    TypeError
        One is not an array.
    """
    members = _members(args, kwargs)
    group = open_group(store, mode="w", path=path, zarr_format=zarr_format, storage_options=storage_options)
    for name, arr in members.items():
        group.create_array(name, data=arr)


async def save_group_async(
    store: Any, *args: Any, zarr_format: ZarrFormat | None = None, path: str | None = None, **kwargs: Any
) -> None:
    """`save_group` without blocking the running event loop."""
    members = _members(args, kwargs)
    group = await open_group_async(store, mode="w", path=path, zarr_format=zarr_format)
    for name, arr in members.items():
        await group.create_array_async(name, data=arr)


def save(
    store: Any,
    *args: Any,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> None:
    """Save one NumPy array as an array, or several as a group: see `save_array` and `save_group`.

    Examples
    --------
    >>> import numpy as np
    >>> import zarrpipe
    >>> store = {}
    >>> zarrpipe.save(store, np.arange(3), b=np.ones(2))
    >>> sorted(zarrpipe.load(store))
    ['arr_0', 'b']
    """
    common: dict[str, Any] = {"zarr_format": zarr_format, "path": path, "storage_options": storage_options}
    if len(args) == 1 and not kwargs:
        save_array(store, args[0], **common)
    else:
        save_group(store, *args, **common, **kwargs)


async def save_async(
    store: Any, *args: Any, zarr_format: ZarrFormat | None = None, path: str | None = None, **kwargs: Any
) -> None:
    """`save` without blocking the running event loop."""
    if len(args) == 1 and not kwargs:
        await save_array_async(store, args[0], path=path, zarr_format=zarr_format)
    else:
        await save_group_async(store, *args, path=path, zarr_format=zarr_format, **kwargs)


def load(store: Any, path: str | None = None, zarr_format: StoredFormat | None = None) -> Loaded:
    """Read an array, or all arrays of a group, into memory.

    Parameters
    ----------
    store : str, Path, Store, StorePath or mapping
        Where: see `zarrpipe.stores.make_store`.
    path : str, optional
        The path in the store.
    zarr_format : {3, 2, "n5"}, optional
        The format of the documents; by default what is there.

    Returns
    -------
    numpy.ndarray or dict
        For a group a dictionary of its members, groups inside as dictionaries.

    Raises
    ------
    NodeNotFoundError
        There is nothing.
    """
    return _load(open_node(store, mode="r", path=path, zarr_format=zarr_format))


def _load(node: Array | Group) -> Loaded:
    if isinstance(node, Array):
        return node[...]
    return {name: _load(member) for name, member in node.members()}


async def load_async(store: Any, path: str | None = None, zarr_format: StoredFormat | None = None) -> Loaded:
    """`load` without blocking the running event loop."""
    return await _load_async(await open_async(store, mode="r", path=path, zarr_format=zarr_format))


async def _load_async(node: Array | Group) -> Loaded:
    if isinstance(node, Array):
        return await node.read_async()
    return {name: await _load_async(member) for name, member in await node.members_async()}
