"""Nodes, which arrays and groups both are: their documents in a store, and their attributes."""

from zarrpipe.nodes.access import NodeAccess, run
from zarrpipe.nodes.attributes import Attributes
from zarrpipe.nodes.consolidated import (
    Changes,
    Owner,
    check_can_consolidate,
    load_consolidated,
    stored_node,
    update_consolidated,
)
from zarrpipe.nodes.consolidating import ConsolidatedDifference, consolidate, differences
from zarrpipe.nodes.documents import (
    Formats,
    NodeMetadata,
    change_node,
    check_free,
    check_path,
    check_writable,
    create_node,
    delete_node,
    find_node,
    group_metadata,
    is_node,
    load_array,
    load_group,
    load_node,
    missing_groups,
    not_found,
    write_documents,
)
from zarrpipe.nodes.hierarchy import create_nodes, plan_hierarchy
from zarrpipe.nodes.locks import locked
from zarrpipe.nodes.moving import move_node
from zarrpipe.nodes.scanning import Found, Scan, batches, scan_consolidated

__all__ = [
    "Attributes",
    "Changes",
    "ConsolidatedDifference",
    "Formats",
    "Found",
    "NodeAccess",
    "NodeMetadata",
    "Owner",
    "Scan",
    "batches",
    "change_node",
    "check_can_consolidate",
    "check_free",
    "check_path",
    "check_writable",
    "consolidate",
    "create_node",
    "create_nodes",
    "delete_node",
    "differences",
    "find_node",
    "group_metadata",
    "is_node",
    "load_array",
    "load_consolidated",
    "load_group",
    "load_node",
    "locked",
    "missing_groups",
    "move_node",
    "not_found",
    "plan_hierarchy",
    "run",
    "scan_consolidated",
    "stored_node",
    "update_consolidated",
    "write_documents",
]
