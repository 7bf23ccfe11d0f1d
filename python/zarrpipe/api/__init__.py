"""The top-level functions, named as in zarr-python; each has an async twin."""

from __future__ import annotations

from zarrpipe.api.consolidating import (
    consolidate_metadata,
    consolidate_metadata_async,
    open_consolidated,
    open_consolidated_async,
)
from zarrpipe.api.copying import from_array, from_array_async
from zarrpipe.api.creating import create_array, create_array_async, create_group, create_group_async
from zarrpipe.api.filling import (
    array,
    array_async,
    create,
    create_async,
    empty,
    empty_async,
    empty_like,
    empty_like_async,
    full,
    full_async,
    full_like,
    full_like_async,
    ones,
    ones_async,
    ones_like,
    ones_like_async,
    zeros,
    zeros_async,
    zeros_like,
    zeros_like_async,
)
from zarrpipe.api.hierarchies import create_hierarchy, create_hierarchy_async
from zarrpipe.api.opening import (
    open,  # noqa: A004 - zarr-python's name
    open_array,
    open_array_async,
    open_async,
    open_group,
    open_group_async,
)
from zarrpipe.api.saving import (
    load,
    load_async,
    save,
    save_array,
    save_array_async,
    save_async,
    save_group,
    save_group_async,
)
from zarrpipe.display import Tree
from zarrpipe.group import Group

__all__ = [
    "array",
    "array_async",
    "consolidate_metadata",
    "consolidate_metadata_async",
    "create",
    "create_array",
    "create_array_async",
    "create_async",
    "create_group",
    "create_group_async",
    "create_hierarchy",
    "create_hierarchy_async",
    "empty",
    "empty_async",
    "empty_like",
    "empty_like_async",
    "from_array",
    "from_array_async",
    "full",
    "full_async",
    "full_like",
    "full_like_async",
    "load",
    "load_async",
    "ones",
    "ones_async",
    "ones_like",
    "ones_like_async",
    "open",
    "open_array",
    "open_array_async",
    "open_async",
    "open_consolidated",
    "open_consolidated_async",
    "open_group",
    "open_group_async",
    "save",
    "save_array",
    "save_array_async",
    "save_async",
    "save_group",
    "save_group_async",
    "tree",
    "zeros",
    "zeros_async",
    "zeros_like",
    "zeros_like_async",
]


def tree(grp: Group, expand: bool | None = None, level: int | None = None) -> Tree:  # noqa: ARG001 - zarr's signature
    """Return a group with everything below it, to be printed: `Group.tree`.

    Parameters
    ----------
    grp : Group
        The group.
    expand : bool, optional
        Without meaning: the tree is always expanded.
    level : int, optional
        How many levels to show; None for all.
    """
    return grp.tree(level=level)
