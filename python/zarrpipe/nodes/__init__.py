"""Nodes, which arrays and groups both are: their documents in a store, and their attributes."""

from zarrpipe.nodes.access import NodeAccess, run
from zarrpipe.nodes.attributes import Attributes
from zarrpipe.nodes.documents import (
    Formats,
    NodeMetadata,
    change_node,
    check_free,
    check_writable,
    create_node,
    delete_node,
    group_metadata,
    load_array,
    load_group,
    load_node,
    not_found,
)
from zarrpipe.nodes.locks import locked

__all__ = [
    "Attributes",
    "Formats",
    "NodeAccess",
    "NodeMetadata",
    "change_node",
    "check_free",
    "check_writable",
    "create_node",
    "delete_node",
    "group_metadata",
    "load_array",
    "load_group",
    "load_node",
    "locked",
    "not_found",
    "run",
]
