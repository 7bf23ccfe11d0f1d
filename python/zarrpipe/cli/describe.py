"""What an array or a group is, as JSON values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import zarrpipe
from zarrpipe.arrays.chunk_shapes import inner_chunks
from zarrpipe.codecs import codec_documents

if TYPE_CHECKING:
    from zarrpipe.arrays import Array
    from zarrpipe.group import Group
    from zarrpipe.metadata import ChunkGrid

__all__ = ["describe", "describe_array", "describe_tree"]


def describe(node: Array | Group) -> dict[str, Any]:
    """Describe a node: an array with its layout and sizes, a group with the names of its members."""
    if isinstance(node, zarrpipe.Group):
        members = sorted(name for name, _ in node.members())
        return {"node_type": "group", "members": members, "attributes": dict(node.attrs)}
    return describe_array(node)


def describe_array(array: Array) -> dict[str, Any]:
    """Describe an array, with the specification's names where it has them."""
    metadata: Any = array.metadata
    fill_value, codecs = metadata.fill_value, codec_documents(array.codecs)
    stored, inner = array.nbytes_stored(), inner_chunks(codecs)
    return {
        "node_type": "array",
        "zarr_format": array.zarr_format,
        "shape": list(array.shape),
        "data_type": _written_type(array),
        "chunks": _lengths(metadata.chunk_grid) if inner is None else list(inner),
        "shards": None if inner is None else _lengths(metadata.chunk_grid),
        "dimension_names": _as_list(metadata.dimension_names),
        "codecs": codecs,
        "fill_value": None if fill_value is None else metadata.data_type.to_json_scalar(fill_value, zarr_format=3),
        "attributes": dict(array.attrs),
        "nbytes": array.nbytes,
        "nbytes_stored": stored,
        "ratio": round(array.nbytes / stored, 3) if stored else None,
    }


def _lengths(grid: ChunkGrid) -> list[Any]:
    """How each axis is cut, as in a document: by one length, or by a list of lengths and [length, count]."""
    shapes: list[Any] = json.loads(json.dumps([axis.to_shapes() for axis in grid.axes]))
    return shapes


def _written_type(array: Array) -> Any:
    """Return the data type as the array's format writes it."""
    if array.zarr_format == 2:
        return array.metadata.to_dict()["dtype"]
    return array.metadata.data_type.to_json(3)


def _as_list(names: tuple[str | None, ...] | None) -> list[str | None] | None:
    return None if names is None else list(names)


def describe_tree(group: Group) -> dict[str, Any]:
    """Describe a group with everything under it; arrays by what their metadata says, without looking at chunks."""
    members = {}
    for name, node in sorted(group.members(), key=lambda member: member[0]):
        if isinstance(node, zarrpipe.Group):
            members[name] = describe_tree(node)
        else:
            members[name] = {
                "node_type": "array",
                "shape": list(node.shape),
                "data_type": _written_type(node),
            }
    return {"node_type": "group", "members": members}
