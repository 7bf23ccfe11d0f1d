"""Arrays by what they are filled with, under the names of NumPy; and `create`, of zarr-python 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from zarrpipe._types import AccessMode, ShapeLike
from zarrpipe.api.creating import create_at, create_at_async
from zarrpipe.api.place import resolve_place
from zarrpipe.arrays import DEFAULT_FILL_VALUE, Array, CreateOptions, NewArray, array_like, plan_array
from zarrpipe.errors import UnsupportedError
from zarrpipe.spec import ArrayConfigLike, parse_array_config
from zarrpipe.stores import StorePath

__all__ = [
    "array",
    "array_async",
    "create",
    "create_async",
    "empty",
    "empty_async",
    "empty_like",
    "empty_like_async",
    "full",
    "full_async",
    "full_like",
    "full_like_async",
    "ones",
    "ones_async",
    "ones_like",
    "ones_like_async",
    "zeros",
    "zeros_async",
    "zeros_like",
    "zeros_like_async",
]

# Parameters of zarr-python 2 that have no meaning any more.
_LEGACY = (
    "synchronizer",
    "chunk_store",
    "cache_metadata",
    "cache_attrs",
    "read_only",
    "object_codec",
    "meta_array",
)


def _plan(
    shape: ShapeLike,
    *,
    chunks: Any = None,
    chunk_shape: Any = None,
    compressor: Any = "auto",
    dimension_separator: str | None = None,
    write_empty_chunks: bool | None = None,
    config: ArrayConfigLike | None = None,
    dtype: Any = None,
    store: Any = None,
    path: str | None = None,
    name: str | None = None,
    mode: AccessMode | None = None,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    data: npt.ArrayLike | None = None,
    **options: Any,
) -> tuple[NewArray, StorePath, npt.ArrayLike | None]:
    for legacy in _LEGACY:
        if options.pop(legacy, None) not in (None, False):
            raise UnsupportedError(f"{legacy}= is not implemented")
    _parse_v2_names(options, compressor, dimension_separator)
    if chunks is not None and chunk_shape is not None:
        raise ValueError("chunks= and chunk_shape= are the same: give one of them")
    if write_empty_chunks is not None:
        fields = parse_array_config(config).to_dict()
        fields["write_empty_chunks"] = write_empty_chunks
        config = fields
    if unknown := sorted(set(options) - set(CreateOptions.__optional_keys__)):
        raise TypeError(f"an array cannot be created with {unknown[0]}=")
    # `name` is what create_array calls the path.
    place = resolve_place(store, name if path is None else path, mode or "a", storage_options)
    known: Any = {
        **options,
        "shape": shape,
        "dtype": "float64" if dtype is None else dtype,
        "chunks": next((given for given in (chunks, chunk_shape) if given is not None), "auto"),
        "config": config,
        "overwrite": overwrite or mode == "w",
    }
    return plan_array(known), place, data


def _parse_v2_names(options: dict[str, Any], compressor: Any, dimension_separator: str | None) -> None:
    """Put what `create` names as zarr-python 2 did by the names of `create_array`."""
    given = {}
    if not (isinstance(compressor, str) and compressor == "auto"):
        given["compressor"] = ("compressors", compressor)
    if dimension_separator is not None:
        given["dimension_separator"] = ("chunk_key_encoding", ("v2", dimension_separator))
    for name, (own, value) in given.items():
        if options.get("zarr_format") != 2:
            raise ValueError(f"{name}= is for zarr_format=2: use {own}=")
        if options.setdefault(own, value) is not value:
            raise ValueError(f"{name}= and {own}= are the same: give one of them")


def create(
    shape: ShapeLike,
    *,
    chunks: Any = None,
    dtype: Any = None,
    fill_value: Any = DEFAULT_FILL_VALUE,
    store: Any = None,
    overwrite: bool = False,
    path: str | None = None,
    mode: AccessMode | None = None,
    data: npt.ArrayLike | None = None,
    **options: Any,
) -> Array:
    """Create an array: `create_array` with the parameters of zarr-python 2.

    Parameters
    ----------
    shape : int or iterable of int
        The length of each axis.
    chunks : int, iterable of int or bool, optional
        The shape of a chunk; `chunk_shape` is another name.
    dtype : data type, optional
        By default float64.
    fill_value : scalar, optional
        What items that were never written read as. By default zero.
    store : str, Path, Store, StorePath or mapping, optional
        Where: see `zarrpipe.stores.make_store`; by default in memory.
    overwrite : bool
        Whether a node that is there is deleted first.
    path : str, optional
        The path in the store.
    mode : {"a", "r+", "w", "w-"}, optional
        With "w" a node that is there is deleted first.
    data : array_like, optional
        What is written into the new array.
    **options
        See `create_array`; and `write_empty_chunks`. With ``zarr_format=2`` also `compressor` and
        `dimension_separator`.

    Raises
    ------
    UnsupportedError
        A parameter is given that has no meaning any more; and see `create_array`.
    """
    new, place, values = _plan(
        shape,
        chunks=chunks,
        dtype=dtype,
        fill_value=fill_value,
        store=store,
        overwrite=overwrite,
        path=path,
        mode=mode,
        data=data,
        **options,
    )
    created = create_at(new, place)
    if values is not None:
        created[...] = values
    return created


async def create_async(shape: ShapeLike, **options: Any) -> Array:
    """`create` without blocking the running event loop."""
    new, place, values = _plan(shape, **options)
    created = await create_at_async(new, place)
    if values is not None:
        await created.write_async(..., values)
    return created


def empty(shape: ShapeLike, **kwargs: Any) -> Array:
    """Create an array without values of its own: it reads as the fill value. The parameters are those of `create`."""
    return create(shape, **kwargs)


def zeros(shape: ShapeLike, **kwargs: Any) -> Array:
    """Create an array with 0 as its fill value. The parameters are those of `create`."""
    return create(shape, **{**kwargs, "fill_value": 0})


def ones(shape: ShapeLike, **kwargs: Any) -> Array:
    """Create an array with 1 as its fill value. The parameters are those of `create`."""
    return create(shape, **{**kwargs, "fill_value": 1})


def full(shape: ShapeLike, fill_value: Any, **kwargs: Any) -> Array:
    """Create an array with this fill value. The parameters are those of `create`."""
    return create(shape, **{**kwargs, "fill_value": fill_value})


async def empty_async(shape: ShapeLike, **kwargs: Any) -> Array:
    """`empty` without blocking the running event loop."""
    return await create_async(shape, **kwargs)


async def zeros_async(shape: ShapeLike, **kwargs: Any) -> Array:
    """`zeros` without blocking the running event loop."""
    return await create_async(shape, **{**kwargs, "fill_value": 0})


async def ones_async(shape: ShapeLike, **kwargs: Any) -> Array:
    """`ones` without blocking the running event loop."""
    return await create_async(shape, **{**kwargs, "fill_value": 1})


async def full_async(shape: ShapeLike, fill_value: Any, **kwargs: Any) -> Array:
    """`full` without blocking the running event loop."""
    return await create_async(shape, **{**kwargs, "fill_value": fill_value})


def empty_like(a: Any, **kwargs: Any) -> Array:
    """Create an empty array like another: of its shape and data type and, for one of ours, its chunks and codecs."""
    return create(**array_like(a, kwargs))


def zeros_like(a: Any, **kwargs: Any) -> Array:
    """Create an array of zeros like another: see `empty_like`."""
    return create(**array_like(a, {**kwargs, "fill_value": 0}))


def ones_like(a: Any, **kwargs: Any) -> Array:
    """Create an array of ones like another: see `empty_like`."""
    return create(**array_like(a, {**kwargs, "fill_value": 1}))


def full_like(a: Any, **kwargs: Any) -> Array:
    """Create an array like another with the given `fill_value`: see `empty_like`."""
    return create(**array_like(a, kwargs))


async def empty_like_async(a: Any, **kwargs: Any) -> Array:
    """`empty_like` without blocking the running event loop."""
    return await create_async(**array_like(a, kwargs))


async def zeros_like_async(a: Any, **kwargs: Any) -> Array:
    """`zeros_like` without blocking the running event loop."""
    return await create_async(**array_like(a, {**kwargs, "fill_value": 0}))


async def ones_like_async(a: Any, **kwargs: Any) -> Array:
    """`ones_like` without blocking the running event loop."""
    return await create_async(**array_like(a, {**kwargs, "fill_value": 1}))


async def full_like_async(a: Any, **kwargs: Any) -> Array:
    """`full_like` without blocking the running event loop."""
    return await create_async(**array_like(a, kwargs))


def _array_args(data: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(data, Array):
        return array_like(data, {**kwargs, "data": data})
    values = data if hasattr(data, "shape") and hasattr(data, "dtype") else np.asanyarray(data)
    return {"shape": values.shape, "dtype": values.dtype, **kwargs, "data": values}


def array(data: Any, **kwargs: Any) -> Array:
    """Create an array that holds `data`.

    Parameters
    ----------
    data : array_like
        The values. An array of ours gives its chunks and codecs too.
    **kwargs
        Those of `create`; by default the array is in memory.

    Examples
    --------
    >>> import zarrpipe
    >>> zarrpipe.array([1.5, 2.5])[:].tolist()
    [1.5, 2.5]
    """
    return create(**_array_args(data, kwargs))


async def array_async(data: Any, **kwargs: Any) -> Array:
    """`array` without blocking the running event loop."""
    if isinstance(data, Array):
        # Read here: turned into a NumPy array by itself, it would block.
        return await create_async(**{**_array_args(data, kwargs), "data": await data.read_async()})
    return await create_async(**_array_args(data, kwargs))
