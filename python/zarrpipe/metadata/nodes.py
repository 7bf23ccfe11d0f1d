"""Names and paths of nodes, and the keys of their documents.

Source: Zarr v3 core specification, "Node names".
"""

from __future__ import annotations

from typing import Final

from zarrpipe.errors import MetadataError

__all__ = [
    "ATTRIBUTES_JSON",
    "ZARRAY",
    "ZARR_JSON",
    "ZATTRS",
    "ZGROUP",
    "basename",
    "check_node_name",
    "has_reserved_name",
    "is_document",
    "join_key",
    "metadata_key",
    "normalize_path",
    "parent_paths",
]

ZARR_JSON: Final = "zarr.json"
"""The name of a node's document."""

ZARRAY: Final = ".zarray"
ZGROUP: Final = ".zgroup"
ZATTRS: Final = ".zattrs"
"""The names of the documents of a v2 node."""

ATTRIBUTES_JSON: Final = "attributes.json"
"""The name of an N5 node's document."""

_DOCUMENTS = frozenset({ZARR_JSON, ZARRAY, ZGROUP, ZATTRS, ".zmetadata", ATTRIBUTES_JSON})


def is_document(name: str) -> bool:
    """Whether a name is that of a document of a node, in whichever format."""
    return name in _DOCUMENTS


def check_node_name(name: str) -> str:
    """`name`, if a node may have it.

    Raises
    ------
    MetadataError
        It is empty, has a slash or a null character, consists of dots, or is "zarr.json".
    """
    if not name:
        reason = "it is empty"
    elif "/" in name or "\\" in name or "\0" in name:
        reason = "it has a slash, a backslash or a null character"
    elif not name.strip("."):
        reason = "it consists of dots"
    elif name == ZARR_JSON:
        reason = "it is the name of metadata documents"
    else:
        return name
    raise MetadataError(f"{name!r} is not the name of a node: {reason}")


def has_reserved_name(path: str) -> bool:
    """Whether a name in a path begins with two underscores: v3 reserves these, v2 does not.

    Examples
    --------
    >>> has_reserved_name("a/__b"), has_reserved_name("a__/b")
    (True, False)
    """
    return any(name.startswith("__") for name in path.split("/"))


def normalize_path(path: str | None) -> str:
    """Return a node's path with one slash between names and none at the ends; "" for the root.

    Backslashes count as slashes, as in v2.

    Raises
    ------
    MetadataError
        A part is not the name of a node. So no path leads out of its store.

    Examples
    --------
    >>> normalize_path("/a//b/")
    'a/b'
    """
    if path is None:
        return ""
    if not isinstance(path, str):
        raise TypeError(f"a path is a string, not {type(path).__name__}")
    return "/".join(check_node_name(name) for name in path.replace("\\", "/").split("/") if name)


def join_key(path: str, key: str) -> str:
    """Return a key below a node.

    Examples
    --------
    >>> join_key("", "c/0"), join_key("a/b", "c/0")
    ('c/0', 'a/b/c/0')
    """
    return f"{path}/{key}" if path else key


def metadata_key(path: str) -> str:
    """Return the key of a node's v3 document."""
    return join_key(path, ZARR_JSON)


def basename(path: str) -> str:
    """Return the last name in a path; "" for the root."""
    return path.rpartition("/")[2]


def parent_paths(path: str) -> list[str]:
    """Return the paths above, from the root on; none for the root.

    Examples
    --------
    >>> parent_paths("a/b/c")
    ['', 'a', 'a/b']
    """
    if not path:
        return []
    names = path.split("/")
    return ["/".join(names[:count]) for count in range(len(names))]
